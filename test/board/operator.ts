/** Somebody at this computer with one board: `fabriclens` as they call it, and OpenSSH's own client beside it, which owes nothing to ours. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { say } from '../../scripts/lib/log.mjs';
import { ROOT } from '../support/data.ts';
import { newKey } from '../support/sshd.ts';

export interface Outcome { code: number | null; stdout: string; stderr: string }
export interface Started { child: ChildProcess; outcome: Promise<Outcome>; seen: (text: string, timeoutMs: number) => Promise<void> }

export const USER = 'xilinx';
export const PUBLIC_PASSWORD = 'xilinx';
/** Of one command: an installation under emulation, with the load of a busy machine on top. */
const COMMAND_MS = 30 * 60_000;

export class Operator {
  readonly folder: string;
  readonly identity: string;
  readonly publicKey: string;
  /** Everything that our program ever said. */
  readonly said: string[] = [];
  /** Of this board's login. */
  password = PUBLIC_PASSWORD;
  /** What `secure --new-passwords` reads after it. */
  newPasswords: string[] = [];
  /** Arguments of every `board` command. */
  common: string[] = [];
  private readonly port: number;

  /** `port`: of the board's SSH server, on this computer's loopback. */
  constructor(port: number) {
    this.port = port;
    this.folder = mkdtempSync(join(tmpdir(), 'fabriclens-emulated-'));
    this.identity = join(this.folder, 'id_ed25519');
    this.publicKey = `${this.identity}.pub`;
    const key = newKey();
    writeFileSync(this.identity, key.private, { mode: 0o600 });
    writeFileSync(this.publicKey, `${key.public} operator\n`);
  }
  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  fabriclens(words: readonly string[]): Started {
    const began = performance.now();
    const child = spawn(process.execPath, [join(ROOT, 'scripts/fabriclens.mjs'), ...words], { env: { ...process.env, FABRICLENS_BOARDS: join(this.folder, 'boards.json'), SSH_AUTH_SOCK: '' }, timeout: COMMAND_MS, killSignal: 'SIGKILL' });
    const outcome: Outcome = { code: null, stdout: '', stderr: '' };
    child.stdin.end([this.password, ...this.newPasswords, ''].join('\n'));
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk: Buffer) => {
        outcome[name] += chunk.toString();
        this.said.push(chunk.toString());
      });
    }
    const finished = new Promise<Outcome>((done, reject) => child.on('error', reject).on('close', (code) => {
      say(`  fabriclens ${words.slice(0, 2).join(' ')}: exit code ${code} after ${((performance.now() - began) / 1000).toFixed(1)} s`);
      done({ ...outcome, code });
    }));
    return { child, outcome: finished, seen: (text, timeoutMs) => expect.poll(() => outcome.stdout, { timeout: timeoutMs, interval: 20 }).toContain(text).then(() => undefined) };
  }
  start(action: string, ...more: string[]): Started {
    return this.fabriclens(['board', action, `${USER}@127.0.0.1:${this.port}`, '--password-stdin', ...this.common, ...more]);
  }
  /** `fabriclens board ACTION`, which is to end with `code`; both of its outputs. */
  async board(code: number, action: string, ...more: string[]): Promise<string> {
    const { code: got, stdout, stderr } = await this.start(action, ...more).outcome;
    expect({ action, code: got, said: got === code ? '' : stdout + stderr }).toEqual({ action, code, said: '' });
    return stdout + stderr;
  }

  /** A command on the board by OpenSSH's client, with the key that was let in. */
  ssh(command: string, stdin = '', timeoutMs = 5 * 60_000): Promise<Outcome> {
    const options = ['IdentitiesOnly=yes', 'BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'].flatMap((word) => ['-o', word]);
    const child = spawn('ssh', ['-i', this.identity, '-p', String(this.port), ...options, `${USER}@127.0.0.1`, command], { timeout: timeoutMs, killSignal: 'SIGKILL' });
    const outcome: Outcome = { code: null, stdout: '', stderr: '' };
    child.stdin.on('error', () => { /* it ended without reading */ }).end(stdin);
    for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk: Buffer) => { outcome[name] += chunk.toString(); });
    return new Promise((done, reject) => child.on('error', reject).on('close', (code) => done({ ...outcome, code })));
  }
  /** As the board's root; its stdout, where it ends with 0. */
  async root(script: string): Promise<string> {
    const { code, stdout, stderr } = await this.ssh(`sudo -k -S -p '' sh -c '${script.replaceAll('\'', '\'\\\'\'')}'`, `${this.password}\n`);
    if (code !== 0) throw new Error(`'${script}' ended with ${code} on the board: ${stderr}`);
    return stdout;
  }
}

/** Until an SSH server greets there. */
export async function greeted(port: number, timeoutMs: number, alive: () => string | undefined): Promise<void> {
  for (const end = performance.now() + timeoutMs; ;) {
    const dead = alive();
    if (dead !== undefined) throw new Error(`The emulated board ended: ${dead}`);
    if (await greets(port)) return;
    if (performance.now() > end) throw new Error(`No SSH server greets on port ${port} after ${timeoutMs / 1000} s.`);
    await new Promise((done) => setTimeout(done, 300));
  }
}
const greets = (port: number): Promise<boolean> => new Promise((done) => {
  const socket = connect(port, '127.0.0.1');
  const end = (answer: boolean): void => { socket.destroy(); done(answer); };
  socket.setTimeout(10_000, () => end(false)).on('error', () => end(false)).on('close', () => end(false)).once('data', (chunk: Buffer) => end(chunk.toString('latin1').startsWith('SSH-')));
});
