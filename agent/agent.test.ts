/**
 * Runs the agent's own tests (Python, agent/tests) against the real runtime library and, where a board has its core, the Verilated one, and reports each of them here.
 */
import { execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { build } from '../hls/build.mjs';
import { buildBoard } from '../hls/sim/sources.mjs';

interface Outcome {
  name: string;
  outcome: 'ok' | 'failed' | 'skipped';
  detail: string;
}

const AGENT = fileURLToPath(new URL('.', import.meta.url));
const names = JSON.parse(execFileSync('python3', ['-B', '-m', 'tests', '--list'], { cwd: AGENT, encoding: 'utf8' })) as string[];
const outcomes = new Map<string, Outcome>();
let errors = '';

beforeAll(async () => {
  const library = await build('runtime');
  const board = await buildBoard({ asserts: true });
  const child = spawn('python3', ['-B', '-m', 'tests'], { cwd: AGENT, env: { ...process.env, FABRICLENS_RUNTIME: library, FABRICLENS_SIMULATED_BOARD: board }, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  for (const line of text.split('\n').filter(Boolean)) {
    const outcome = JSON.parse(line) as Outcome;
    outcomes.set(outcome.name, outcome);
  }
}, 1_200_000);

test('the list is not empty', () => expect(names.length).toBeGreaterThan(40));

test.for(names)('%s', (name, { skip }) => {
  const outcome = outcomes.get(name);
  skip(outcome?.outcome === 'skipped', outcome?.detail);
  expect(outcome, `it never ran:\n${errors}`).toBeDefined();
  expect(outcome?.outcome, outcome?.detail).toBe('ok');
});
