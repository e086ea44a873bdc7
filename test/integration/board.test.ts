/** The whole way from a DICOM file to two answers, the board being the real agent with the real runtime. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build } from '../../hls/build.mjs';
import { BoardPool, connectBoard, virtualBoardLink, type BoardLink } from '../../src/board/index.ts';
import type { ClassificationRun, Comparison, Run } from '../../src/contract/engine.ts';
import { createCodecs } from '../../src/dicom/index.ts';
import { resolveResources } from '../../src/hosts/resources.ts';
import { createReview, type CompareHooks, type Review } from '../../src/review/index.ts';
import { buildForTest } from '../support/build.ts';
import { classifier } from '../support/classifier.ts';
import { compiledPackage, flipWeight, SAMPLE } from '../support/compiled-package.ts';
import { ROOT } from '../support/data.ts';

let folder: string;
let workerUrl: URL;
let runtimeLibrary: string;
const { agentDir, loadWasm } = resolveResources(ROOT);
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-board-'));
  runtimeLibrary = await build('runtime');
  workerUrl = await buildForTest('src/engines/ort-worker.ts');
  for (const name of ['sound', 'flipped', 'corrupt']) await compiledPackage(join(folder, name));
  flipWeight(join(folder, 'flipped/pneumonia'), true);
  flipWeight(join(folder, 'corrupt/pneumonia'), false);
}, 600_000);
afterAll(async () => {
  for (const each of open.reverse()) await each.close();
  rmSync(folder, { recursive: true, force: true });
});

const virtual = (models: string): BoardLink => virtualBoardLink({ modelsDir: join(folder, models), runtimeLibrary, agentDir });

function reviewWith(models: string, board: BoardLink): Review {
  const boards = new BoardPool([board]);
  const review = createReview({ modelsDir: join(folder, models), codecs: createCodecs(loadWasm), workerUrl, boards, software: 'FabricLens test' });
  open.push(boards, review);
  return review;
}
async function compare(review: Review, repeats = 1, hooks: CompareHooks = {}): Promise<Comparison> {
  const { files } = await review.open([SAMPLE]);
  return review.compare({ instanceId: files[0]!.id, frame: 0, model: 'pneumonia', engines: ['cpu-fp32', 'board', 'cpu-int8'], repeats }, hooks);
}
const ok = (run: Run | undefined): ClassificationRun => {
  if (run?.state !== 'ok') throw new Error(`not an answer: ${JSON.stringify(run)}`);
  return classifier(run);
};

test('the virtual board answers as the CPU does, says whose clock timed what, and who it is', async () => {
  const comparison = await compare(reviewWith('sound', virtual('sound')), 3);
  const [, board, int8] = comparison.runs.map(ok);
  expect(comparison.maxDelta).toBeLessThanOrEqual(comparison.tolerance);
  expect(Math.abs(board!.probabilities[1]! - int8!.probabilities[1]!)).toBeLessThanOrEqual(comparison.tolerance);
  expect(board!.timings.map((t) => `${t.part} ${t.source}`)).toEqual(['decode host', 'preprocess host', 'transfer host', 'queue host', 'pl model', 'ps host', 'post host']);
  // The cycle model's 705,836 cycles at 100 MHz (hls/results/core.json), whatever this computer took.
  expect(board!.timings.find((t) => t.part === 'pl')).toMatchObject({ p50: 7.05836, p95: 7.05836 });
  expect(board!.classMaps).toMatchObject({ rows: 7, columns: 7 });
  const difference = board!.classMaps!.maps[1]!.map((v, i) => Math.abs(v - int8!.classMaps!.maps[1]![i]!));
  const scale = Math.max(...int8!.classMaps!.maps[1]!.map(Math.abs));
  expect(Math.max(...difference)).toBeLessThan(0.1 * scale);
  expect(board!.identity).toMatchObject({ engine: 'board', runner: expect.stringMatching(/^virtual board 127\.0\.0\.1:\d+, golden model$/) as string, software: expect.stringMatching(/^FabricLens test, agent \d/) as string });
});

test("a flipped weight in program.bin changes the board's answer and not the CPU's", async () => {
  const sound = await compare(reviewWith('sound', virtual('sound')));
  const flipped = await compare(reviewWith('flipped', virtual('flipped')));
  const outputs = (run: Run | undefined): object => ({ logits: ok(run).logits, maps: ok(run).classMaps!.maps });
  expect(outputs(flipped.runs[1])).not.toEqual(outputs(sound.runs[1]));
  for (const cpu of [0, 2]) expect(outputs(flipped.runs[cpu])).toEqual(outputs(sound.runs[cpu]));
  expect(ok(flipped.runs[1]).identity.modelSha256).not.toBe(ok(sound.runs[1]).identity.modelSha256);
});

test('a board that holds another program of the same name is found out', async () => {
  const comparison = await compare(reviewWith('sound', virtual('flipped')));
  expect(comparison.runs.map((r) => r.state)).toEqual(['ok', 'failed', 'ok']);
  expect(comparison.runs[1]).toMatchObject({ code: 'model-mismatch', message: expect.stringContaining('runs another program.bin for model pneumonia') as string });
});

test('a package that is corrupt on the board fails there by name, and the CPU still answers', async () => {
  const comparison = await compare(reviewWith('sound', virtual('corrupt')));
  expect(comparison.runs.map((r) => r.state)).toEqual(['ok', 'failed', 'ok']);
  expect(comparison.runs[1]).toMatchObject({ code: 'board-refused', message: expect.stringMatching(/pneumonia/) as string });
});

test('a board that dies in the middle: the CPU answers in its place and says so, with times of its own', async () => {
  const agent = spawn('python3', ['-E', '-s', '-B', '-m', 'fabriclens_agent', '--models', join(folder, 'sound'), '--runtime', runtimeLibrary, '--token-stdin', '--exit-with-parent'], { cwd: agentDir, stdio: ['pipe', 'pipe', 'ignore'] });
  open.push({ close: () => end(agent) });
  const token = 'test-token-0123456789';
  agent.stdin.write(`${token}\n`);
  const [line] = (await once(createInterface({ input: agent.stdout }), 'line')) as [string];
  const { port } = JSON.parse(line) as { port: number };

  const review = reviewWith('sound', connectBoard({ host: '127.0.0.1', port, token }));
  const comparison = await compare(review, 40, { onProgress: ({ engine, done }) => { if (engine === 'board' && done === 3) agent.kill('SIGKILL'); } });
  const [first, board, last] = comparison.runs.map(ok);
  expect([first!.repeats, board!.repeats, last!.repeats]).toEqual([40, 40, 40]);
  expect(board).toMatchObject({ engine: 'board', identity: { ...last!.identity }, logits: last!.logits, moved: { from: `board 127.0.0.1:${port}`, to: `cpu-int8 on this computer (${last!.identity.runner})`, reason: expect.stringContaining(`127.0.0.1:${port}`) as string } });
  expect(board!.timings.map((t) => `${t.part} ${t.source}`)).toEqual(last!.timings.map((t) => `${t.part} ${t.source}`));
  expect(comparison.warnings.map(({ code }) => code)).not.toContain('repeats-cut-short');
  const after = await compare(review);
  expect(after.runs[1]).toMatchObject({ state: 'ok', engine: 'board', identity: { engine: 'cpu-int8' }, moved: { from: `board 127.0.0.1:${port}` } });
}, 120_000);

test('without its runtime library the virtual board is absent, and says what makes it', async () => {
  const link = virtualBoardLink({ modelsDir: join(folder, 'sound'), runtimeLibrary: join(folder, 'nowhere.so'), agentDir });
  const comparison = await compare(reviewWith('sound', link));
  expect(comparison.runs[1]).toMatchObject({ state: 'failed', code: 'board-absent', message: expect.stringContaining('hls/build.mjs') as string });
  expect(comparison.runs[2]!.state).toBe('ok');
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
