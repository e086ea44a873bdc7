/** Python tools of others, pinned, each set in a virtual environment of its own under .cache: made once, and again when its list changes. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/data.ts';

export type Outcome = { code: number | null; output: string };

/** Both streams, in the order in which they came. */
export function execute(program: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Outcome> {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve) => child.on('error', (error) => resolve({ code: 127, output: error.message })).on('close', (code) => resolve({ code, output })));
}

/** What pip says when there is no registry, as opposed to one that lacks a package. */
const UNREACHABLE = /NewConnectionError|NameResolutionError|Temporary failure in name resolution|ConnectTimeoutError|ProxyError|Network is unreachable|ReadTimeoutError/;

/** Why a registry cannot be reached, in pip's word, or null where that is not what it says. */
export const unreachable = (output: string): string | null => UNREACHABLE.exec(output)?.[0] ?? null;

/**
 * @param requirements file beside this one: a pinned package a line
 * @returns the environment's folder, or why PyPI cannot be reached (then a test is skipped)
 * @throws Error with pip's words where it can be reached and something else is wrong
 */
export async function environment(requirements: string): Promise<{ folder: string } | { unreachable: string }> {
  const list = readFileSync(join(import.meta.dirname, requirements), 'utf8');
  const hash = createHash('sha256').update(list).digest('hex').slice(0, 12);
  const folder = join(ROOT, '.cache/venv', `${requirements.replace(/\.txt$/, '')}-${hash}`);
  const done = join(folder, 'installed');
  if (existsSync(done)) return { folder };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, '..'), { recursive: true });
  const made = await execute('python3', ['-m', 'venv', folder]);
  if (made.code !== 0) throw new Error(`python3 -m venv failed (on Debian: apt-get install python3-venv):\n${made.output}`);
  const installed = await execute(join(folder, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', '-r', join(import.meta.dirname, requirements)]);
  if (installed.code !== 0) {
    rmSync(folder, { recursive: true, force: true });
    const why = unreachable(installed.output);
    if (why !== null) return { unreachable: why };
    throw new Error(`pip install -r test/interop/${requirements} failed:\n${installed.output}`);
  }
  writeFileSync(done, '');
  return { folder };
}
