/** What damaged files may cost: an error that says what is wrong, never a crash, a hang or more than 2 GB. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildForTest } from '../support/build.ts';

const FILES = 240;
const MEMORY = 2 ** 31;
/** Of all of a process's address space, most of which Node never touches; kibibytes. */
const ADDRESSES = 8 * 2 ** 20;
/** Of all files, by the clock: one that never ends is told by its number. */
const LIMIT_MS = 240_000;
/** Of one file, processor time. */
const SECONDS = 10;

let child: string;
beforeAll(async () => void (child = fileURLToPath(await buildForTest('test/networks/fuzz-child.ts'))), 60_000);

type Outcome = { code: number | null; lines: string[]; error: string };

function run(kind: string, seed: number): Promise<Outcome> {
  const command = `ulimit -v ${ADDRESSES}; exec "$0" --max-old-space-size=1024 "$@"`;
  const forked = spawn('/bin/sh', ['-c', command, process.execPath, child, kind, String(seed), String(FILES)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, error] = ['', ''];
  forked.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  forked.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()));
  const hung = setTimeout(() => forked.kill('SIGKILL'), LIMIT_MS);
  forked.on('close', () => clearTimeout(hung));
  return new Promise((resolve, reject) => forked.on('error', reject).on('close', (code) => resolve({ code, lines: out.trim().split('\n'), error })));
}

describe(`${FILES} damaged`, () => {
  it.each(['fp32', 'qdq'])('%s networks end in an error or a program', async (kind) => {
    const seed = Number(process.env['FL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    const { code, lines, error } = await run(kind, seed);
    const last = lines.at(-1) ?? '';
    expect(code, `FL_SEED=${seed}, ${last}: ${error.slice(-1500)}`).toBe(0);
    const { refused, slowest, peakBytes } = JSON.parse(last) as { refused: number; slowest: number; peakBytes: number };
    console.log(`${kind}: ${refused} of ${FILES} refused, at most ${slowest.toFixed(1)} s and ${(peakBytes / 1e6).toFixed(0)} MB (FL_SEED=${seed})`);
    expect(refused).toBeGreaterThan(FILES / 3);
    expect(peakBytes).toBeLessThan(MEMORY);
    expect(slowest).toBeLessThan(SECONDS);
  }, 300_000);
});
