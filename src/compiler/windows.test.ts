/** Convolutions whose windows only the processor has, and signals: against the exact reference, ONNX Runtime and an exported project. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../hls/tests/golden.ts';
import { ROOT } from '../../test/support/data.ts';
import type { Attributes } from '../../test/support/fp32.ts';
import { Fp32, runFp32 } from '../../test/support/fp32.ts';
import type { Activation, Quantisation, WindowAttributes } from '../../test/support/qdq.ts';
import { Qdq, random } from '../../test/support/qdq.ts';
import { inputCodes } from '../../test/support/random-network.ts';
import { verdictOf } from '../../test/support/verdict.ts';
import { compileProgram } from './compile.ts';
import { exportHls, SHIPPED_SOURCES } from './export-hls.ts';
import { canonical } from './float/canonical.ts';
import { readOnnx } from './onnx.ts';
import { quantise } from './quantise/index.ts';

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

const elements = (shape: readonly number[]): number => shape.reduce((product, d) => product * d, 1);

/** A network under construction; weights, scales and zero points from a seed. */
class Builder {
  readonly net = new Qdq();
  readonly all: Activation[] = [];
  readonly next: () => number;
  x: Activation;

  constructor(shape: number[], seed: number) {
    this.next = random(seed);
    this.x = this.net.input(shape, this.#q(0.02));
    this.all.push(this.x);
  }

  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  #q(about: number): Quantisation {
    return { scale: about * (0.6 + this.next()), zeroPoint: this.int(-128, 127) };
  }

  #keep(name: string, shape: number[], q: Quantisation): void {
    this.x = this.net.quantised(name, shape, q);
    this.all.push(this.x);
  }

  #codes(count: number): Int8Array {
    return Int8Array.from({ length: count }, () => this.int(-127, 127));
  }

  conv(outputs: number, window: WindowAttributes, group = 1, relu = false): void {
    const depth = ((this.x.shape[1] as number) / group) * elements(window.kernel);
    const scales = Float32Array.from({ length: outputs }, () => 0.01 * (0.5 + this.next()));
    const bias = this.next() < 0.2 ? null : Int32Array.from({ length: outputs }, () => this.int(-5000, 5000));
    const made = this.net.conv(this.x, this.#codes(outputs * depth), outputs, scales, bias, window, group);
    const q = this.#q((this.x.scale * 0.01 * 73 * Math.sqrt(depth)) / 40);
    // Of what is never below 0 the codes begin at 0, so that values spread over them.
    this.#keep(relu ? this.net.node('Relu', [made.name]) : made.name, made.shape, relu ? { ...q, zeroPoint: -128 } : q);
  }

  pool(op: 'MaxPool' | 'AveragePool', side: number, stride: number): void {
    const [, channels = 0, ...sides] = this.x.shape;
    const shape = [1, channels, ...sides.map((length) => Math.floor((length - side) / stride) + 1)];
    this.#keep(this.net.pool(op, this.x, { kernel: [side, side], strides: [stride, stride] }), shape, this.x);
  }

  dense(outputs: number, mean: boolean): void {
    if (mean) this.#keep(this.net.node('GlobalAveragePool', [this.x.name]), [1, this.x.shape[1] as number, ...this.x.shape.slice(2).map(() => 1)], this.x);
    const columns = elements(this.x.shape);
    const flat: Activation = { ...this.x, name: this.net.node('Flatten', [this.x.name], { axis: 1 }), shape: [1, columns] };
    const made = this.net.dense(flat, this.#codes(columns * outputs), outputs, new Float32Array(outputs).fill(0.01), new Int32Array(outputs), false);
    this.#keep(made.name, made.shape, this.#q((flat.scale * 0.73 * Math.sqrt(columns)) / 3));
  }
}

/** Convolutions of any window that fits behind one another, on an image or a signal. */
function randomBuilder(seed: number, signal: boolean): Builder {
  const from = random(seed ^ 0x77);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(from() * list.length)] as T;
  const sides = signal ? [pick([60, 97, 200])] : [pick([1, 17, 30, 41]), pick([5, 23, 40])];
  const b = new Builder([1, pick([1, 3, 8, 12]), ...sides], seed);
  for (let left = pick([1, 2, 3]); left > 0; left--) {
    const lengths = signal ? [1, b.x.shape[2] as number] : b.x.shape.slice(2);
    const axes = lengths.map((length) => {
      const dilation = pick([1, 1, 2, 3, 6, 12, 18]);
      const kernel = length === 1 && signal ? 1 : pick(dilation > 1 ? [1, 3, 5] : [1, 7, 8, 9, 11, 13, 31, 80]);
      const extent = (kernel - 1) * dilation + 1;
      let [before, after] = from() < 0.4 ? [0, 0] : [Math.floor(from() * extent), Math.floor(from() * extent)];
      if (length + before + after < extent) before = after = extent - 1;
      return { kernel, dilation, before, after, stride: length === 1 ? 1 : pick([1, 1, 2, 3, 4]) };
    });
    // Some sums of it, so that a test takes seconds.
    if (axes.reduce((taps, a) => taps * a.kernel, 1) > 300) for (const a of axes) Object.assign(a, { kernel: Math.min(a.kernel, 13), before: 0, after: 0, dilation: 1 });
    if (axes.some((a, i) => (lengths[i] as number) + a.before + a.after < (a.kernel - 1) * a.dilation + 1)) continue;
    const of = (key: 'kernel' | 'stride' | 'dilation'): [number, number] => axes.map((a) => a[key]) as [number, number];
    const [h, w] = axes as [(typeof axes)[0], (typeof axes)[0]];
    const channels = b.x.shape[1] as number;
    const [outputs, group] = pick([[pick([1, 8, 11]), 1], [channels, channels], ...(channels % 4 === 0 ? [[8, 4] as const] : [])] as const);
    b.conv(outputs, { kernel: of('kernel'), strides: of('stride'), dilations: of('dilation'), pads: [h.before, w.before, h.after, w.after] }, group, from() < 0.4);
  }
  if (from() < 0.5) b.dense(5, from() < 0.5);
  return b;
}

/** A 3-channel image through an 11 × 11 stem of stride 4, overlapping poolings, groups, and two dense layers. */
function alexNet(): Builder {
  const b = new Builder([1, 3, 95, 95], 12);
  b.conv(24, { kernel: [11, 11], strides: [4, 4], pads: [2, 2, 2, 2] }, 1, true);
  b.pool('MaxPool', 3, 2);
  b.conv(32, { kernel: [5, 5], pads: [2, 2, 2, 2] }, 2, true);
  b.pool('MaxPool', 3, 2);
  b.conv(32, { kernel: [3, 3], pads: [1, 1, 1, 1] }, 1, true);
  b.pool('MaxPool', 2, 2);
  b.dense(40, false);
  b.dense(7, false);
  return b;
}

/** A signal through a stem of 80 taps and stride 4 (M5), a dilated layer, poolings and a mean. */
function signalNet(): Builder {
  const b = new Builder([1, 1, 1200], 3);
  b.conv(16, { kernel: [1, 80], strides: [1, 4] }, 1, true);
  b.pool('MaxPool', 4, 4);
  b.conv(16, { kernel: [1, 3], dilations: [1, 4], pads: [0, 4, 0, 4] }, 16, true);
  b.conv(24, { kernel: [1, 3], pads: [0, 1, 0, 1] }, 1, true);
  b.pool('AveragePool', 2, 2);
  b.dense(4, true);
  return b;
}

/** All tensors' codes against the reference, and the last one's alone, memory shared. */
async function check(b: Builder): Promise<{ values: number; targets: string[] }> {
  const [first] = b.all as [Activation];
  const open = b.net.build([b.x], b.all);
  const { program } = compileProgram(open);
  expect((await golden.load(program, true)).text).toBe('');
  const input = inputCodes(elements(first.shape), 9);
  const made = await golden.run(input);
  const codes = new Map<string, Int8Array>();
  let at = elements(b.x.shape);
  for (const { codes: name, shape } of b.all) codes.set(name, made.subarray(at, (at += elements(shape))));
  expect(at).toBe(made.length);
  const verdict = verdictOf(readOnnx(open), codes);
  expect(verdict).toMatchObject({ wrong: [], unknown: [] });
  const closed = compileProgram(b.net.build([b.x]));
  expect((await golden.load(closed.program)).text).toBe('');
  expect(await golden.run(input)).toEqual(made.subarray(0, elements(b.x.shape)));
  return { values: verdict.values, targets: closed.report.layers.filter((row) => row.macs > 0).map((row) => row.target) };
}

describe('random windows', () => {
  it.each([['images', false], ['signals', true]] as const)('on %s equal the reference on every value', async (_, signal) => {
    let values = 0;
    const targets = { PL: 0, PS: 0 };
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const made = await check(randomBuilder(seed, signal));
        values += made.values;
        for (const target of made.targets) targets[target as 'PL' | 'PS']++;
      }),
      { numRuns: 60 },
    );
    console.log(`${values} values, layers with weights: ${JSON.stringify(targets)}`);
    expect(Math.min(targets.PL, targets.PS)).toBeGreaterThan(15);
  }, 120_000);
});

describe.each([
  ['a small AlexNet', alexNet, ['PS', 'PL', 'PL', 'PL', 'PL']],
  ['a network on a signal', signalNet, ['PS', 'PS', 'PL', 'PL']],
] as const)('%s', (_, made, targets) => {
  it('equals the reference on every value; the processor has its far windows and the core the rest', async () => {
    const found = await check(made());
    console.log(`${found.values} values`);
    expect(found.targets).toEqual(targets);
  }, 60_000);

  it('agrees with ONNX Runtime but for a few LSB', async () => {
    const b = made();
    const outputs = b.all.slice(1);
    const onnx = b.net.build(outputs);
    const { shape } = b.all[0] as Activation;
    expect((await golden.load(compileProgram(onnx).program)).text).toBe('');
    const next = random(8);
    const image = Float32Array.from({ length: elements(shape) }, (__, i) => Math.sin(i / 9) + next() - 0.5);
    const { values } = await golden.runFloat(image);
    const session = await ort.InferenceSession.create(onnx, { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1 });
    const theirs = await session.run({ [session.inputNames[0] as string]: new ort.Tensor('float32', image, shape) });
    await session.release();
    let at = 0;
    for (const { name, shape: of, scale } of outputs) {
      const ours = values.subarray(at, (at += elements(of)));
      const other = theirs[name]?.data as Float32Array;
      expect(new Set(ours).size, name).toBeGreaterThan(1);
      expect(ours.reduce((worst, v, i) => Math.max(worst, Math.abs(v - (other[i] as number)) / scale), 0), name).toBeLessThan(4);
    }
  }, 60_000);

  it('is the same exported as C++', async () => {
    const b = made();
    const { program } = compileProgram(b.net.build([b.x]));
    const dir = mkdtempSync(join(tmpdir(), 'fabriclens-windows-'));
    const sources = new Map(Object.keys(SHIPPED_SOURCES).map((path) => [path, readFileSync(join(ROOT, 'hls', path), 'utf8')]));
    for (const [path, text] of exportHls(program, { name: 'windows', version: '0', sha256: '0'.repeat(64), sources }).files) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
    }
    const built = spawnSync('make', ['CXXFLAGS=-O1 -Wall -Wextra -Wconversion -Werror -DFL_NO_CLONES -fsanitize=address,undefined -fno-sanitize-recover=all'], { cwd: dir, encoding: 'utf8' });
    expect(built.status, built.stderr).toBe(0);
    const codes = inputCodes(elements((b.all[0] as Activation).shape), 4);
    writeFileSync(join(dir, 'input.bin'), codes);
    const ran = spawnSync('./network', ['input.bin', 'output.bin'], { cwd: dir, encoding: 'utf8' });
    expect(ran.status, ran.stderr).toBe(0);
    expect((await golden.load(program)).text).toBe('');
    expect([...new Int8Array(readFileSync(join(dir, 'output.bin')))]).toEqual([...(await golden.run(codes))]);
    rmSync(dir, { recursive: true });
  }, 120_000);
});

/** As an exporter would write them: the fp32 network, and its input's shape. */
function exported(signal: boolean): { g: Fp32; shape: number[]; output: string } {
  const g = new Fp32(17);
  const conv = (x: string, inputs: number, outputs: number, kernel: number[], more: Attributes = {}): string =>
    g.node('Relu', [g.node('Conv', [x, g.weights([outputs, inputs, ...kernel], 1.7 / Math.sqrt(inputs * elements(kernel))), g.weights([outputs], 0.1)], { kernel_shape: kernel, ...more })]);
  const head = (x: string, columns: number): string => g.node('Gemm', [g.node('Flatten', [x]), g.weights([6, columns], 3 / Math.sqrt(columns)), g.weights([6], 0.1)], { transB: 1 });
  if (signal) {
    // The norm behind the activation is a layer of its own.
    const x = g.batchNormalization(conv(g.input([1, 1, 600]), 1, 16, [80], { strides: [4] }), 16);
    const y = conv(g.node('MaxPool', [x], { kernel_shape: [4], strides: [4] }), 16, 24, [3], { dilations: [5], pads: [5, 5] });
    return { g, shape: [1, 1, 600], output: head(g.node('GlobalAveragePool', [y]), 24) };
  }
  const x = g.node('MaxPool', [conv(g.input([1, 3, 63, 63]), 3, 16, [11, 11], { strides: [4, 4], pads: [2, 2, 2, 2] })], { kernel_shape: [3, 3], strides: [2, 2] });
  const y = conv(conv(x, 16, 24, [5, 5], { pads: [2, 2, 2, 2] }), 24, 24, [3, 3], { dilations: [6, 6], pads: [6, 6, 6, 6] });
  return { g, shape: [1, 3, 63, 63], output: head(y, 24 * 49) };
}

describe('from fp32 to a program', () => {
  it.each([['a network of AlexNet\'s stem and a dilated layer', false, ['PS', 'PL', 'PS', 'PL']], ['a signal\'s', true, ['PS', 'PL', 'PS', 'PL']]] as const)('%s, near its fp32 results', async (_, signal, targets) => {
    const { g, shape, output } = exported(signal);
    const model = g.build([output]);
    const samples = Array.from({ length: 8 }, () => Float32Array.from({ length: elements(shape) }, () => 2 * g.next() - 1));
    const { bytes, report } = await quantise(canonical(model).model, samples);
    const { program, report: { layers } } = compileProgram(bytes);
    expect(layers.filter((row) => row.macs > 0).map((row) => row.target)).toEqual(targets);
    expect(layers.filter((row) => row.float)).toEqual([]);
    const { sqnr = null } = report.outputs[0] ?? {};
    console.log(`${sqnr?.toFixed(1)} dB`);
    expect(sqnr).toBeGreaterThan(20);
    expect((await golden.load(program)).text).toBe('');
    for (const sample of samples) {
      const { values } = await golden.runFloat(sample);
      const [wanted] = Object.values(await runFp32(model, { x: { data: sample, dims: shape } }));
      const power = wanted!.data.reduce((sum, v) => sum + v * v, 0);
      expect(values.reduce((sum, v, i) => sum + (v - wanted!.data[i]!) ** 2, 0) / power).toBeLessThan(0.02);
    }
  }, 60_000);
});
