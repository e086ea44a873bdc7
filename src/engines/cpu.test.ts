import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelMetadata } from '../contract/model.ts';
import { buildForTest } from '../../test/support/build.ts';
import { classifier } from '../../test/support/classifier.ts';
import { writeDetectorPackage } from '../../test/support/detector-package.ts';
import { writeTinyPackage } from '../../test/support/model-package.ts';
import { createCpuEngine } from './cpu.ts';
import type { Engine } from './engine.ts';
import type { ModelPackage } from './package.ts';

let folder: string;
let workerUrl: URL;
const engines: Engine[] = [];

const open = (dir: string): ModelPackage => ({ dir, metadata: ModelMetadata.parse(JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8'))) });
const engine = (id: 'cpu-fp32' | 'cpu-int8', url = workerUrl): Engine => {
  const made = createCpuEngine({ id, workerUrl: url, software: 'test' });
  engines.push(made);
  return made;
};
const input = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-engines-'));
  workerUrl = await buildForTest('src/engines/ort-worker.ts');
});
afterAll(async () => {
  await Promise.all(engines.map((e) => e.close()));
  rmSync(folder, { recursive: true, force: true });
});

describe('CPU engines', () => {
  test.each([['cpu-fp32', 'model.onnx'], ['cpu-int8', 'model.int8.onnx']] as const)('%s gives what bare ONNX Runtime gives on %s', async (id, file) => {
    const pkg = open(writeTinyPackage(folder));
    const cpu = engine(id);
    await cpu.load(pkg);
    const result = classifier(await cpu.infer(input));
    const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(join(pkg.dir, file))));
    const bare = await session.run({ image: new ort.Tensor('float32', input, [1, 1, 16, 16]) });
    expect(result.logits).toEqual(bare['logits']!.data);
    expect(result.features).toEqual({ data: bare['features']!.data, channels: 4, rows: 8, columns: 8 });
    expect(result.parts).toEqual([{ part: 'engine', source: 'host', ms: expect.any(Number) as number }]);
    expect(result.identity).toMatchObject({ engine: id, model: 'tiny', modelSha256: pkg.metadata.fabriclens.sha256[file], runner: 'onnxruntime-node 1.30.0' });
    expect(input[1]).toBeCloseTo(Math.sin(1), 6);
  });

  test.each([['cpu-fp32', 'model.onnx'], ['cpu-int8', 'model.int8.onnx']] as const)('%s gives a detector’s predictions row for row', async (id, file) => {
    const pkg = open(writeDetectorPackage(folder));
    const cpu = engine(id);
    await cpu.load(pkg);
    const image = Float32Array.from({ length: 3 * 128 * 128 }, (_, i) => (Math.sin(i / 40) + 1) / 2);
    const result = await cpu.infer(image);
    const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(join(pkg.dir, file))));
    const bare = await session.run({ image: new ort.Tensor('float32', image, [1, 3, 128, 128]) });
    expect(result).toMatchObject({ task: 'detection', raw: { kind: 'predictions', rows: 256, values: 7 } });
    expect(result.task === 'detection' && result.raw.data).toEqual(bare['predictions']!.data);
  });

  test('does not block the event loop that asked', async () => {
    const cpu = engine('cpu-fp32');
    await cpu.load(open(writeTinyPackage(folder)));
    let turns = 0;
    const interval = setInterval(() => turns++, 0);
    for (let i = 0; i < 50; i++) await cpu.infer(input);
    clearInterval(interval);
    expect(turns).toBeGreaterThan(0);
  });

  test('a changed model file is refused by name and cause', async () => {
    const pkg = open(writeTinyPackage(folder, 'changed'));
    const bytes = readFileSync(join(pkg.dir, 'model.onnx'));
    bytes[bytes.length - 100]! ^= 1;
    writeFileSync(join(pkg.dir, 'model.onnx'), bytes);
    await expect(engine('cpu-fp32').load(pkg)).rejects.toMatchObject({ code: 'model-corrupt', message: expect.stringMatching(/Model changed: model\.onnx is not the file/) as string });
    await expect(engine('cpu-int8').load(pkg)).resolves.toBeUndefined();
  });

  test('a graph that is not what metadata.json says is refused', async () => {
    const renamed = open(writeTinyPackage(folder, 'renamed', (m) => { m.fabriclens.input.name = 'picture'; }));
    await expect(engine('cpu-fp32').load(renamed)).rejects.toMatchObject({ code: 'model-mismatch' });
    const classes = open(writeTinyPackage(folder, 'classes', (m) => { m.fabriclens.labels.push({ name: 'X', text: { en: 'X' } }); }));
    await expect(engine('cpu-fp32').load(classes)).rejects.toMatchObject({ code: 'model-mismatch', message: expect.stringContaining('gives 2 classes, but metadata.json names 3') as string });
  });

  test('a detector with another number of values a row, or another output, is refused', async () => {
    const fewer = open(writeDetectorPackage(folder, 'fewer', (m) => { m.fabriclens.labels.pop(); }));
    await expect(engine('cpu-fp32').load(fewer)).rejects.toMatchObject({ code: 'model-mismatch', message: expect.stringContaining('gives 7 values a row, but metadata.json names 1 classes and an objectness, which are 6') as string });
    const renamed = open(writeDetectorPackage(folder, 'renamed-boxes', (m) => { m.fabriclens.outputs.predictions = 'boxes'; }));
    await expect(engine('cpu-fp32').load(renamed)).rejects.toMatchObject({ code: 'model-mismatch', message: expect.stringContaining('has no output "boxes"') as string });
  });

  test('a tensor of the wrong size is refused before it travels', async () => {
    const cpu = engine('cpu-fp32');
    await cpu.load(open(writeTinyPackage(folder)));
    await expect(cpu.infer(new Float32Array(3))).rejects.toMatchObject({ code: 'tensor-mismatch', message: expect.stringContaining('= 256 values, not 3') as string });
  });

  test('cancelling rejects at once and leaves the engine usable', async () => {
    const cpu = engine('cpu-int8');
    await cpu.load(open(writeTinyPackage(folder)));
    const abort = new AbortController();
    const run = cpu.infer(input, { signal: abort.signal });
    abort.abort();
    await expect(run).rejects.toMatchObject({ code: 'cancelled' });
    await expect(cpu.infer(input, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    await expect(cpu.infer(input)).resolves.toHaveProperty('logits');
  });

  test('a worker that never answers is a timeout, and the next load starts another', async () => {
    const file = join(folder, 'deaf.mjs');
    writeFileSync(file, "import { parentPort } from 'node:worker_threads';\nparentPort.on('message', () => {});\n");
    const cpu = engine('cpu-fp32', new URL(`file://${file}`));
    const pkg = open(writeTinyPackage(folder));
    for (let i = 0; i < 2; i++) await expect(cpu.load(pkg, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' });
  });

  test('a worker that dies is an error of its engine alone', async () => {
    const file = join(folder, 'dying.mjs');
    writeFileSync(file, "import { parentPort } from 'node:worker_threads';\nparentPort.on('message', () => process.exit(3));\n");
    await expect(engine('cpu-fp32', new URL(`file://${file}`)).load(open(writeTinyPackage(folder)))).rejects.toMatchObject({ code: 'engine-failed', message: expect.stringContaining('exit code 3') as string });
  });

  test('bytes that are no ONNX model come back as ONNX Runtime\'s own words', async () => {
    const pkg = open(writeTinyPackage(folder, 'noise'));
    const noise = new Uint8Array(64).fill(7);
    writeFileSync(join(pkg.dir, 'model.onnx'), noise);
    const { createHash } = await import('node:crypto');
    pkg.metadata.fabriclens.sha256['model.onnx'] = createHash('sha256').update(noise).digest('hex');
    await expect(engine('cpu-fp32').load(pkg)).rejects.toMatchObject({ code: 'engine-failed', message: expect.stringContaining('ONNX Runtime says') as string });
  });
});
