/** The virtual board: the agent as a process of its own on a loopback port, with the golden model in place of the programmable logic. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { BoardError } from './errors.ts';
import type { Endpoint } from './http.ts';

export interface VirtualBoardOptions {
  /** Folder of model packages. */
  modelsDir: string;
  /** Folder of the user's own; of two packages with one name, that of `modelsDir` is served. */
  userModelsDir?: string | undefined;
  /** libfabriclens_runtime.so, as hls/build.mjs makes it. */
  runtimeLibrary: string;
  /** Folder that holds the package fabriclens_agent. */
  agentDir: string;
  /** Python 3.8 or later; by default the one on PATH. */
  python?: string;
  /** Milliseconds until the agent must listen. */
  startTimeoutMs?: number;
  signal?: AbortSignal;
  /** Lines of the agent's log: models and errors, never tensors. */
  log?: (line: string) => void;
}

/** A board that this process holds open: the virtual one here, a tunnel to a real one elsewhere. */
export interface OpenBoard extends Endpoint {
  /** Resolves when the process has ended. */
  close(): Promise<void>;
  /** Resolves with the reason when the board has ended, by close() or by itself; never where it is not ours to watch. */
  exited: Promise<string>;
}

export interface VirtualBoard extends OpenBoard {
  pid: number;
}

const FirstLine = z.union([z.object({ port: z.number().int().min(1).max(65535), pid: z.number(), version: z.string() }), z.object({ error: z.string() })]);
const HOST = '127.0.0.1';
/** The agent lets requests under way end for 5 s before it exits. */
const CLOSE_TIMEOUT_MS = 7_000;
const LINE_LIMIT = 64 << 10;

/** Rejects with BoardError `board-absent` (it cannot be started here: the message says what is missing and how to mend it) or `cancelled`. */
export async function startVirtualBoard(options: VirtualBoardOptions): Promise<VirtualBoard> {
  const python = options.python ?? (process.platform === 'win32' ? 'python' : 'python3');
  await mustExist(options.runtimeLibrary, 'its runtime library is not built', 'node hls/build.mjs');
  await mustExist(join(options.agentDir, 'fabriclens_agent', '__main__.py'), 'the agent is missing from the installation', 'install FabricLens again');
  const folders = [options.modelsDir, ...(options.userModelsDir === undefined ? [] : [options.userModelsDir])];
  for (const folder of folders) await mustExist(folder, 'the model folder is missing', 'create it, or name another one');
  if (options.signal?.aborted) throw cancelled();

  // -E -s: the agent needs none of the user's Python settings and packages. -B: its folder may be read-only.
  const child = spawn(
    python,
    ['-E', '-s', '-B', '-m', 'fabriclens_agent', ...folders.flatMap((folder) => ['--models', resolve(folder)]), '--runtime', resolve(options.runtimeLibrary), '--host', HOST, '--port', '0', '--token-stdin', '--exit-with-parent'],
    { cwd: options.agentDir, stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true },
  );
  const token = randomBytes(32).toString('base64url');
  child.stdin.on('error', () => {}); // it ended before it read the token: its exit says why
  child.stdin.write(`${token}\n`);
  createInterface({ input: child.stderr }).on('line', (line) => options.log?.(line));
  const exited = new Promise<string>((done) => {
    child.once('close', (code, signal) => done(signal ? `the virtual board was ended by ${signal}` : `the virtual board ended with exit code ${code}`));
    child.once('error', (error) => done(error.message));
  });
  const close = (): Promise<void> => end(child, exited);
  try {
    const port = await listening(child, python, options);
    return { host: HOST, port, token, pid: child.pid ?? 0, close, exited };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The port of the agent's first line on stdout. */
function listening(child: ChildProcess, python: string, { startTimeoutMs = 20_000, signal }: VirtualBoardOptions): Promise<number> {
  return new Promise((done, reject) => {
    const settle = (result: number | BoardError): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      if (typeof result === 'number') done(result);
      else reject(result);
    };
    const onAbort = (): void => settle(cancelled());
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(() => settle(absent(`the agent did not start within ${startTimeoutMs} ms`, 'end other programs and try again')), startTimeoutMs);
    child.once('error', (error: NodeJS.ErrnoException) => settle(error.code === 'ENOENT'
      ? absent(`Python was not found ('${python}')`, 'install Python 3.8 or later (Debian: apt-get install python3)')
      : absent(`Python could not be started (${error.message})`, `check '${python}'`)));
    // 'close' comes after everything that it printed.
    child.once('close', (code) => settle(absent(`the agent ended at once with exit code ${code}`, `see its log, or run '${python} -m fabriclens_agent --help' in the agent's folder`)));
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      if (text.includes('\n')) return;
      text += chunk;
      if (!text.includes('\n') && text.length < LINE_LIMIT) return;
      const line = FirstLine.safeParse(jsonOf(text.split('\n', 1)[0] ?? ''));
      if (!line.success) settle(absent('the agent said something unexpected when it started', `check that '${python}' is Python 3.8 or later`));
      else settle('error' in line.data ? absent(line.data.error) : line.data.port);
    });
  });
}

async function end(child: ChildProcess, exited: Promise<string>): Promise<void> {
  child.stdin?.end(); // --exit-with-parent: this asks it to go
  const timer = setTimeout(() => child.kill('SIGKILL'), CLOSE_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

async function mustExist(path: string, what: string, mend: string): Promise<void> {
  try {
    await access(path, constants.R_OK);
  } catch {
    throw absent(`${what} (${path})`, mend);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const absent = (what: string, mend?: string): BoardError => new BoardError('board-absent', `Virtual board absent: ${what}${mend ? `; ${mend}` : ''}.`);
const cancelled = (): BoardError => new BoardError('cancelled', 'Starting the virtual board was cancelled.');
