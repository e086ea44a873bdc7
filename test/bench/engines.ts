/** Decode, preprocess, each engine, and what stands around the engines: our worker thread, the agent's protocol. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { BoardPool, virtualBoardLink } from '../../src/board/index.ts';
import { createCodecs, decodeFrame, parseDicom } from '../../src/dicom/index.ts';
import { createBoardEngine, createCpuEngine, type Engine, type Inference } from '../../src/engines/index.ts';
import type { Resources } from '../../src/hosts/resources.ts';
import { toTensor } from '../../src/preprocess/index.ts';
import { loadPackages } from '../../src/review/index.ts';
import { p50p95 } from '../../src/review/statistics.ts';
import type { Row } from './table.ts';

/** The share of bare ONNX Runtime's time that our engine may add, and the milliseconds that a request may. */
const ENGINE_AIM = 0.1;
const PROTOCOL_AIM_MS = 3;

async function timed<T>(work: () => Promise<T> | T): Promise<{ ms: number; value: T }> {
  const start = performance.now();
  const value = await work();
  return { ms: performance.now() - start, value };
}

const row = (name: string, samples: readonly number[], more: Partial<Row> = {}): Row => ({ name, unit: 'ms', ...p50p95(samples), runs: samples.length, aim: '', met: null, ...more });

/**
 * Bare session and engine run in turns on the same tensor, in this process, so that whatever else the machine does hits both alike.
 * The overhead is the median of the ratios of neighbours. The bare session stops spinning after a run, as ours does: its threads would
 * else take the cores from the engine whose turn is next.
 */
async function besideBare(engine: Engine, file: string, dir: string, input: Float32Array, shape: readonly number[], name: string, runs: number): Promise<Row[]> {
  const session = await ort.InferenceSession.create(join(dir, file), { graphOptimizationLevel: 'all', executionProviders: ['cpu'], extra: { session: { force_spinning_stop: '1' } } });
  const bare: number[] = [];
  const ours: number[] = [];
  for (let i = -3; i < runs; i++) {
    const one = async (): Promise<number> => (await timed(() => session.run({ [name]: new ort.Tensor('float32', input, shape) }))).ms;
    const two = async (): Promise<number> => (await timed(() => engine.infer(input))).ms;
    const [b, o] = i % 2 === 0 ? [await one(), await two()] : await two().then(async (o) => [await one(), o] as const);
    if (i >= 0) {
      bare.push(b!);
      ours.push(o!);
    }
  }
  await session.release();
  const overhead = p50p95(ours.map((o, i) => (o / bare[i]! - 1) * 100));
  return [
    row(`${engine.id}: our engine`, ours),
    row(`${engine.id}: bare onnxruntime-node`, bare),
    { name: `${engine.id}: overhead`, unit: '%', ...overhead, runs, aim: `< ${ENGINE_AIM * 100} %`, met: overhead.p50 < ENGINE_AIM * 100 },
  ];
}

/** @throws when the model package or the virtual board cannot be had: a benchmark without its subject is no benchmark */
export async function benchEngines(resources: Resources, runs: number, say: (line: string) => void): Promise<Row[]> {
  const { packages, problems } = await loadPackages(resources.modelsDir);
  const pkg = packages.find((p) => p.metadata.fabriclens.name === 'pneumonia');
  if (!pkg) throw new Error(`no pneumonia package: ${problems.map((p) => p.message).join(' ')}`);
  const codecs = createCodecs(resources.loadWasm);
  const bytes = await readFile(join(resources.samplesDir, 'chest-synthetic/clear-1.dcm'));
  const { input, preprocessing } = pkg.metadata.fabriclens;

  say('decode and preprocess');
  const decode: number[] = [];
  const preprocess: number[] = [];
  let tensor = new Float32Array();
  for (let i = -3; i < runs; i++) {
    const decoded = await timed(() => decodeFrame(parseDicom(bytes), 0, codecs));
    const prepared = await timed(() => toTensor(decoded.value, preprocessing));
    tensor = prepared.value as Float32Array<ArrayBuffer>;
    if (i >= 0) {
      decode.push(decoded.ms);
      preprocess.push(prepared.ms);
    }
  }
  const rows = [row('decode (synthetic film, 16 bit)', decode), row('preprocess', preprocess)];

  const software = `FabricLens ${resources.version}`;
  for (const [id, file] of [['cpu-fp32', 'model.onnx'], ['cpu-int8', 'model.int8.onnx']] as const) {
    say(id);
    const engine = createCpuEngine({ id, workerUrl: resources.ortWorkerUrl, software });
    try {
      await engine.load(pkg);
      rows.push(...(await besideBare(engine, file, pkg.dir, tensor, input.shape, input.name, runs)));
    } finally {
      await engine.close();
    }
  }

  say('board (virtual, golden model)');
  const boards = new BoardPool([virtualBoardLink({ modelsDir: resources.modelsDir, runtimeLibrary: resources.runtimeLibrary, agentDir: resources.agentDir })]);
  try {
    const engine = createBoardEngine({ boards, software });
    await engine.load(pkg);
    const whole: number[] = [];
    const answers: Inference[] = [];
    for (let i = -3; i < runs; i++) {
      const { ms, value } = await timed(() => engine.infer(tensor));
      if (i >= 0) {
        whole.push(ms);
        answers.push(value);
      }
    }
    const part = (name: string): number[] => answers.map((a) => a.parts.find((p) => p.part === name)?.ms ?? 0);
    const protocol = row('board: round trip minus engine time', part('transfer'));
    rows.push(row('board: whole', whole), row('board: pl part (cycle model, 100 MHz)', part('pl')), { ...protocol, aim: `< ${PROTOCOL_AIM_MS} ms`, met: protocol.p50 < PROTOCOL_AIM_MS });
  } finally {
    await boards.close();
  }
  return rows;
}
