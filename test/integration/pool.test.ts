/** A batch over three agents behind cables: one is killed, a cable is pulled, all are killed; every image is answered, and whoever answered says so. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { build } from '../../hls/build.mjs';
import { BoardPool, connectBoard, startVirtualBoard, type VirtualBoard } from '../../src/board/index.ts';
import { compileProgram } from '../../src/compiler/compile.ts';
import { ModelMetadata } from '../../src/contract/model.ts';
import { createBoardEngine, createCpuEngine, type Engine, type Inference, type ModelPackage } from '../../src/engines/index.ts';
import { buildForTest } from '../support/build.ts';
import { classifier } from '../support/classifier.ts';
import { ROOT } from '../support/data.ts';
import { writeTinyPackage } from '../support/model-package.ts';
import { cable, type Cable } from '../support/sshd.ts';

const IMAGES = 30;
let modelsDir: string;
let runtimeLibrary: string;
let pkg: ModelPackage;
let cpu: Engine;
/** Of each image: on any board, and on the CPU. */
let expected: { board: Float32Array; cpu: Float32Array }[];
const ends: (() => Promise<unknown>)[] = [];

const image = (n: number): Float32Array => Float32Array.from({ length: 256 }, (_, i) => Math.sin((i + 7 * n) / 3));
const logits = (inference: Inference): Float32Array => classifier(inference).logits;

interface Farm {
  boards: BoardPool;
  agents: VirtualBoard[];
  wires: Cable[];
  /** As answers name them, in the order of `agents`. */
  names: string[];
}
async function farm(count: number): Promise<Farm> {
  const agents = await Promise.all(Array.from({ length: count }, () => startVirtualBoard({ modelsDir, runtimeLibrary, agentDir: join(ROOT, 'agent') })));
  const wires = await Promise.all(agents.map(({ port }) => cable(port)));
  const links = wires.map(({ port }, i) => connectBoard({ host: '127.0.0.1', port, token: agents[i]!.token, pollMs: 100 }));
  const boards = new BoardPool(links);
  ends.push(async () => {
    await boards.close();
    await Promise.all(wires.map((wire) => wire.close()));
    await Promise.all(agents.map((agent) => agent.close()));
  });
  boards.start();
  await Promise.all(links.map((link) => link.ready({ timeoutMs: 60_000 })));
  return { boards, agents, wires, names: wires.map(({ port }) => `board 127.0.0.1:${port}`) };
}

/** Turns of the one CPU engine. */
let turn: Promise<unknown> = Promise.resolve();
const onCpu = (of: ModelPackage, input: Float32Array): Promise<Inference> => {
  const mine = turn.then(async () => {
    await cpu.load(of);
    return cpu.infer(input);
  });
  turn = mine.catch(() => {});
  return mine;
};

/** All images, three at a time, each a run of its own with two inferences; `after` is told who answered. */
async function batch(boards: BoardPool, after: (answer: Inference, asked: number) => void): Promise<Inference[][]> {
  const answers: Inference[][] = Array.from({ length: IMAGES }, () => []);
  let next = 0;
  await Promise.all(Array.from({ length: 3 }, async () => {
    while (next < IMAGES) {
      const n = next++;
      const engine = createBoardEngine({ boards, software: 'test', cpu: onCpu });
      await engine.load(pkg);
      for (let repeat = 0; repeat < 2; repeat++) {
        const answer = await engine.infer(image(n));
        answers[n]!.push(answer);
        after(answer, n);
      }
      await engine.close();
    }
  }));
  return answers;
}
/** Each image was answered twice, rightly, by whom its identity names. */
function everyAnswerIsRight(answers: Inference[][]): void {
  answers.forEach((both, n) => {
    expect(both).toHaveLength(2);
    for (const answer of both) expect([n, ...logits(answer)]).toEqual([n, ...expected[n]![answer.identity.engine === 'board' ? 'board' : 'cpu']]);
  });
}
const answeredBy = (answers: Inference[][]): Set<string> => new Set(answers.flat().map(({ identity }) => identity.runner.split(',')[0]!));

beforeAll(async () => {
  modelsDir = mkdtempSync(join(tmpdir(), 'fabriclens-pool-'));
  const dir = writeTinyPackage(modelsDir);
  const { program } = compileProgram(readFileSync(join(dir, 'model.int8.onnx')));
  const metadata = ModelMetadata.parse(JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8')));
  metadata.fabriclens.sha256['program.bin'] = createHash('sha256').update(program).digest('hex');
  writeFileSync(join(dir, 'program.bin'), program);
  writeFileSync(join(dir, 'metadata.json'), JSON.stringify(metadata));
  pkg = { dir, metadata };
  runtimeLibrary = await build('runtime');
  cpu = createCpuEngine({ id: 'cpu-int8', workerUrl: await buildForTest('src/engines/ort-worker.ts'), software: 'test' });
  await cpu.load(pkg);
  const { boards } = await farm(1);
  const board = createBoardEngine({ boards, software: 'test' });
  await board.load(pkg);
  expected = [];
  for (let n = 0; n < IMAGES; n++) expected.push({ board: logits(await board.infer(image(n))), cpu: logits(await cpu.infer(image(n))) });
  await board.close();
}, 300_000);
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(async () => {
  await cpu?.close();
  rmSync(modelsDir, { recursive: true, force: true });
});

test('three boards share a batch; one that is killed in its middle leaves its images to the others, which say so', async () => {
  const { boards, agents, names } = await farm(3);
  let killed = false;
  const answers = await batch(boards, ({ identity }) => {
    if (killed || !identity.runner.startsWith(names[1]!)) return;
    killed = true;
    process.kill(agents[1]!.pid, 'SIGKILL');
  });
  everyAnswerIsRight(answers);
  expect(answeredBy(answers)).toEqual(new Set(names));
  const moved = answers.flat().filter((answer) => answer.moved);
  expect(moved.length).toBeGreaterThan(0);
  for (const { moved: how, identity, parts } of moved) {
    expect(how).toMatchObject({ from: names[1], to: identity.runner });
    expect(identity.runner).not.toContain(names[1]);
    expect(parts.map(({ part }) => part)).toContain('transfer');
  }
}, 120_000);

test('a cable that is pulled in mid-request: the board is given up when its looks are missed, the request answered by another', async () => {
  const { boards, wires, names } = await farm(2);
  const engine = createBoardEngine({ boards, software: 'test', cpu: onCpu });
  await engine.load(pkg);
  const first = (await engine.infer(image(0))).identity.runner.split(',')[0]!;
  const at = names.indexOf(first);
  wires[at]!.pull();
  const answer = await engine.infer(image(1));
  expect(logits(answer)).toEqual(expected[1]!.board);
  expect(answer.moved).toMatchObject({ from: first, to: expect.stringContaining(names[1 - at]!) as string, reason: expect.stringContaining('did not answer within') as string });
  expect(boards.statuses[at]!.state).toBe('lost');
  await engine.close();
}, 120_000);

test('all killed: this computer answers and says so, at once and for the images after', async () => {
  const { boards, agents, names } = await farm(3);
  let killed = false;
  const answers = await batch(boards, (_answer, n) => {
    if (killed || n < 10) return;
    killed = true;
    for (const { pid } of agents) process.kill(pid, 'SIGKILL');
  });
  everyAnswerIsRight(answers);
  for (const answer of answers[IMAGES - 1]!) {
    expect(answer).toMatchObject({ identity: { engine: 'cpu-int8' }, moved: { to: expect.stringMatching(/^cpu-int8 on this computer \(onnxruntime-node/) as string } });
    expect(names.some((name) => answer.moved!.from.includes(name))).toBe(true);
    expect(answer.parts.map(({ part }) => part)).toEqual(['engine']);
  }
  for (const answer of answers.flat()) expect(answer.identity.engine === 'board' || answer.moved !== undefined).toBe(true);
}, 120_000);

test('without a CPU engine a run whose boards are lost fails by the board’s own words; a cancelled one goes nowhere', async () => {
  const { boards, agents, wires } = await farm(1);
  const engine = createBoardEngine({ boards, software: 'test' });
  await engine.load(pkg);
  wires[0]!.freeze();
  const abort = new AbortController();
  const waiting = createBoardEngine({ boards, software: 'test', cpu: onCpu });
  const cancelled = waiting.load(pkg, { signal: abort.signal });
  abort.abort();
  await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
  process.kill(agents[0]!.pid, 'SIGKILL');
  wires[0]!.cut();
  await expect(engine.infer(image(0))).rejects.toMatchObject({ code: 'board-unreachable', message: expect.stringContaining('127.0.0.1') as string });
}, 120_000);
