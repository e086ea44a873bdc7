/** Concatenation, upsampling and slices by address, tables, and what needs a layer of its own: descriptors counted, values against the exact reference. */
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../hls/tests/golden.ts';
import type { Graph } from '../../test/support/graphs.ts';
import { denseBlock, yoloNeck } from '../../test/support/graphs.ts';
import type { Activation } from '../../test/support/qdq.ts';
import { Qdq } from '../../test/support/qdq.ts';
import { inputCodes } from '../../test/support/random-network.ts';
import { verdictOf } from '../../test/support/verdict.ts';
import type { LayerReport } from './compile.ts';
import { compileProgram } from './compile.ts';
import { FUNCTIONS } from './functions.ts';
import { readOnnx } from './onnx.ts';
import { ON_CODES } from './operator-page.ts';
import { OPERATORS } from './operators.ts';

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

const Q = { scale: 0.05, zeroPoint: 3 };
const sizeOf = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);

async function run(onnx: Uint8Array, codes: Int8Array): Promise<Int8Array> {
  expect((await golden.load(compileProgram(onnx).program, true)).text).toBe('');
  return golden.run(codes);
}

/** Every kept tensor as the reference has it, and the outputs the same where nothing is looked at. */
async function right({ onnx, open, codes, final, inputElements }: Graph): Promise<void> {
  const input = inputCodes(inputElements, 11);
  const all = await run(open, input);
  const outputs = final.reduce((sum, f) => sum + sizeOf(f.shape), 0);
  expect(await run(onnx, input)).toEqual(all.subarray(0, outputs));
  const made = new Map<string, Int8Array>();
  let at = outputs;
  for (const { codes: name, shape } of codes) made.set(name, all.subarray(at, (at += sizeOf(shape))));
  expect(at).toBe(all.length);
  const model = readOnnx(open);
  made.set(model.nodes.find((n) => n.opType === 'QuantizeLinear')?.outputs[0] as string, input);
  const { wrong, values } = verdictOf(model, made);
  expect(wrong).toEqual([]);
  expect(values).toBeGreaterThan(0);
}

const used = (layers: readonly LayerReport[]): number => new Set(layers.flatMap((l) => l.descriptor ?? [])).size;

describe('a YOLOv5 neck', () => {
  it('runs on the PL alone, a descriptor a convolution or pooling and none for anything else', async () => {
    const graph = yoloNeck();
    const { report } = compileProgram(graph.onnx);
    expect(new Set(report.layers.map((l) => l.target))).toEqual(new Set(['PL']));
    const convolutions = report.layers.filter((l) => l.operator === 'Conv').length;
    expect(convolutions).toBe(6 * 5 + 8 + 3);
    expect(used(report.layers)).toBe(convolutions + 3);
    expect(report.layers.filter((l) => l.descriptor === null).map((l) => l.operator).sort()).toEqual([...Array<string>(11).fill('Concat'), 'Resize', 'Resize']);
    await right(graph);
  });

  it('keeps only what is still read', () => {
    const { report } = compileProgram(yoloNeck(32).onnx);
    const largest = 128 * 128 * 16;
    // p3 waits for its upsampled neighbour; beside it at most three tensors of its size are needed at a time.
    expect(report.arenaBytes).toBeLessThan(4 * largest);
  });
});

describe('a dense block', () => {
  it.each([false, true])('of DenseNet writes each layer behind the others (new ones in front: %s)', async (reversed) => {
    const graph = denseBlock(5, 16, reversed);
    const { report } = compileProgram(graph.onnx);
    const convolutions = report.layers.filter((l) => l.operator.startsWith('Conv'));
    expect(convolutions).toHaveLength(1 + 3 * 5 + 2);
    expect(used(report.layers)).toBe(convolutions.length);
    await right(graph);
  });

  it('whose growth fills no planes is gathered', async () => {
    const graph = denseBlock(3, 12);
    const { report } = compileProgram(graph.onnx);
    expect(report.layers.filter((l) => l.operator === 'Gather').length).toBeGreaterThan(0);
    await right(graph);
  });
});

type Made = { name: string; shape: number[] };
/** input → `make` → quantised → output */
function small(make: (net: Qdq, x: Activation) => Made, shape = [1, 16, 8, 8], scale = Q): { onnx: Uint8Array; layers: LayerReport[] } {
  const net = new Qdq();
  const made = make(net, net.input(shape, Q));
  const onnx = net.build([net.quantised(made.name, made.shape, scale)]);
  return { onnx, layers: [...compileProgram(onnx).report.layers] };
}

describe('a copy', () => {
  const copies = (layers: LayerReport[]): number => layers.filter((l) => l.operator === 'Copy').length;
  const joined = (net: Qdq, parts: Activation[]): Made => ({
    name: net.node('Concat', parts.map((p) => p.name), { axis: 1 }), shape: [1, parts.reduce((sum, p) => sum + (p.shape[1] as number), 0), ...(parts[0] as Activation).shape.slice(2)],
  });
  const conv = (net: Qdq, x: Activation, outputs: number): Activation => {
    const made = net.conv(x, new Int8Array((x.shape[1] as number) * outputs).fill(9), outputs, new Float32Array(outputs).fill(0.01), null, { kernel: [1, 1] });
    return net.quantised(made.name, made.shape, Q);
  };
  const wide = (net: Qdq, made: Made): Made => conv(net, net.quantised(made.name, made.shape, Q), 8);

  it('is not needed for two sources, whatever they are', () => {
    expect(copies(small((net, x) => wide(net, joined(net, [x, x]))).layers)).toBe(0);
  });

  it('is needed once for a tensor that stands in two places of three', () => {
    expect(copies(small((net, x) => wide(net, joined(net, [x, conv(net, x, 8), x]))).layers)).toBe(0);
    expect(copies(small((net, x) => wide(net, joined(net, [x, x, x]))).layers)).toBe(1);
  });

  it('makes the other operand of an add, and an output', () => {
    const twice = (net: Qdq, x: Activation): Activation => net.quantised(net.upsampled(x), [1, 16, 16, 16], Q);
    expect(copies(small((net, x) => twice(net, x)).layers)).toBe(1);
    const both = small((net, x) => ({ name: net.node('Add', [twice(net, x).name, twice(net, conv(net, x, 16)).name]), shape: [1, 16, 16, 16] }));
    expect(copies(both.layers)).toBe(1);
  });

  it('stands between two upsamplings', () => {
    const four = small((net, x) => {
      const once = net.quantised(net.upsampled(x), [1, 16, 16, 16], Q);
      return wide(net, { name: net.upsampled(once), shape: [1, 16, 32, 32] });
    });
    expect(copies(four.layers)).toBe(1);
  });

  it('is no matter for slices of whole planes, and a gathering for others', () => {
    const cut = (from: bigint, to: bigint): LayerReport[] => small((net, x) => wide(net, { name: net.node('Slice', [x.name, net.value(BigInt64Array.of(from)), net.value(BigInt64Array.of(to)), net.value(BigInt64Array.of(1n))]), shape: [1, Number(to - from), 8, 8] })).layers;
    expect(cut(8n, 16n).map((l) => l.operator)).toEqual(['Slice', 'Conv']);
    expect(cut(3n, 9n).map((l) => l.operator)).toEqual(['Slice', 'Gather', 'Conv']);
  });
});

describe('tables', () => {
  const one = (net: Qdq, value: number): string => net.value(Float32Array.of(value), []);
  const functions: Record<string, (net: Qdq, x: Activation) => string> = {
    Sigmoid: (net, x) => net.node('Sigmoid', [x.name]),
    SiLU: (net, x) => net.node('Mul', [x.name, net.node('Sigmoid', [x.name])]),
    'SiLU, quantised between': (net, x) => net.node('Mul', [x.name, net.quantised(net.node('Sigmoid', [x.name]), x.shape, { scale: 1 / 256, zeroPoint: -128 }).name]),
    Tanh: (net, x) => net.node('Tanh', [x.name]),
    LeakyRelu: (net, x) => net.node('LeakyRelu', [x.name], { alpha: 0.1 }),
    PRelu: (net, x) => net.node('PRelu', [x.name, one(net, 0.25)]),
    Elu: (net, x) => net.node('Elu', [x.name]),
    Selu: (net, x) => net.node('Selu', [x.name]),
    Celu: (net, x) => net.node('Celu', [x.name]),
    Softplus: (net, x) => net.node('Softplus', [x.name]),
    Softsign: (net, x) => net.node('Softsign', [x.name]),
    Mish: (net, x) => net.node('Mul', [x.name, net.node('Tanh', [net.node('Softplus', [x.name])])]),
    HardSigmoid: (net, x) => net.node('HardSigmoid', [x.name], { alpha: 1 / 6 }),
    HardSwish: (net, x) => net.node('Mul', [x.name, net.node('HardSigmoid', [x.name], { alpha: 1 / 6 })]),
    'hard swish by hand': (net, x) => net.node('Div', [net.node('Mul', [x.name, net.clip(net.node('Add', [x.name, one(net, 3)]), 0, 6)]), one(net, 6)]),
    'GELU by hand': (net, x) => net.node('Mul', [net.node('Mul', [x.name, net.node('Add', [net.node('Erf', [net.node('Div', [x.name, one(net, Math.SQRT2)])]), one(net, 1)])]), one(net, 0.5)]),
    ThresholdedRelu: (net, x) => net.node('ThresholdedRelu', [x.name], { alpha: 0.5 }),
    Abs: (net, x) => net.node('Abs', [x.name]),
    Neg: (net, x) => net.node('Neg', [x.name]),
    Exp: (net, x) => net.node('Exp', [x.name]),
    'one minus': (net, x) => net.node('Sub', [one(net, 1), x.name]),
    square: (net, x) => net.node('Pow', [x.name, one(net, 2)]),
    'relu6 as Min': (net, x) => net.node('Min', [net.node('Relu', [x.name]), one(net, 6)]),
  };

  it.each(Object.entries(functions))('%s of all 256 codes: within the rule, as ONNX Runtime is', async (_, make) => {
    const codes = Int8Array.from({ length: 256 }, (__, i) => i - 128);
    // Scales whose quotient makes no ties.
    for (const scale of [0.0391, 0.0123]) {
      const { onnx, layers } = small((net, x) => ({ name: make(net, x), shape: x.shape }), [1, 1, 16, 16], { scale, zeroPoint: -7 });
      expect(used(layers)).toBe(1);
      const ours = await run(onnx, codes);
      const session = await ort.InferenceSession.create(onnx, { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1 });
      const model = readOnnx(onnx);
      const floats = Float32Array.from(codes, (c) => Math.fround(c - Q.zeroPoint) * Math.fround(Q.scale));
      const result = await session.run({ [model.inputs[0]?.name as string]: new ort.Tensor('float32', floats, [1, 1, 16, 16]) });
      const theirs = result[model.outputs[0]?.name as string]?.data as Float32Array;
      const theirCodes = Int8Array.from(theirs, (v) => Math.round(v / Math.fround(scale)) - 7);
      await session.release();
      const differ = ours.filter((c, i) => c !== theirCodes[i]).length;
      if (differ > 0) console.log(`${differ} of 256 differ from ONNX Runtime's`);
      expect(differ).toBeLessThan(3);
      expect(Math.max(...ours.map((c, i) => Math.abs(c - (theirCodes[i] as number))))).toBeLessThan(2);
    }
  });
});

describe('channel by channel', () => {
  it('a factor is exact; an offset is rounded to 1/127 of a step, and noted', async () => {
    const factors = Float32Array.from({ length: 16 }, (_, c) => (c === 3 ? 0 : (c - 7.5) / 9));
    const offsets = Float32Array.from({ length: 16 }, (_, c) => (c - 5) / 4);
    const make = (net: Qdq, x: Activation): Made => ({ name: net.node('Add', [net.node('Mul', [x.name, net.value(factors, [1, 16, 1, 1])]), net.value(offsets, [16, 1, 1])]), shape: x.shape });
    const { onnx, layers } = small(make);
    expect(layers.map((l) => l.operator)).toEqual(['Mul + Add']);
    expect(compileProgram(onnx).report.notes.join()).toMatch(/Node 'Add_\d+': its offsets are rounded to 1\/127/);
    const input = inputCodes(16 * 64, 4);
    const ours = await run(onnx, input);
    const want = Array.from(input, (code, i) => ((code - 3) * 0.05 * (factors[i >> 6] as number) + (offsets[i >> 6] as number)) / 0.05 + 3);
    const far = want.map((w, i) => Math.abs(Math.max(-128, Math.min(127, w)) - (ours[i] as number)));
    expect(Math.max(...far)).toBeLessThan(0.5 + 1 / 127);
  });

  it('ReduceMean over rows and columns is global average pooling; Squeeze and Transpose of ones are names', () => {
    const { layers } = small((net, x) => {
      const mean = net.quantised(net.node('ReduceMean', [x.name], { axes: [-2, -1], keepdims: 1 }), [1, 16, 1, 1], Q);
      const bare = { ...mean, name: net.node('Squeeze', [net.node('Transpose', [mean.name], { perm: [0, 2, 3, 1] }), net.value(BigInt64Array.of(1n, 2n))]), shape: [1, 16] };
      return net.dense(bare, new Int8Array(32).fill(3), 2, new Float32Array(2).fill(0.01), new Int32Array(2), false);
    });
    expect(layers.map((l) => l.operator)).toEqual(['ReduceMean', 'Gemm']);
  });
});

describe('what the core does in another way', () => {
  const focus = (net: Qdq, x: Activation): Made => {
    const second = (from: string, start: number, axis: number): string => net.node('Slice', [from, ...[start, 8, axis, 2].map((v) => net.value(BigInt64Array.of(BigInt(v))))]);
    const parts = [[0, 0], [1, 0], [0, 1], [1, 1]].map(([row, column]) => second(second(x.name, row as number, 2), column as number, 3));
    return { name: net.node('Concat', parts, { axis: 1 }), shape: [1, 64, 4, 4] };
  };

  it('every second row and column, as in the Focus of early YOLOv5, is exact', async () => {
    const net = new Qdq();
    const x = net.input([1, 16, 8, 8], Q);
    const made = focus(net, x);
    const onnx = net.build([net.quantised(made.name, made.shape, Q)]);
    const { layers } = compileProgram(onnx).report;
    expect(layers.every((l) => l.target === 'PL')).toBe(true);
    const input = inputCodes(16 * 64, 2);
    const ours = await run(onnx, input);
    // Channel c of part p is channel c of the image at the rows and columns of p.
    expect(ours).toEqual(Int8Array.from({ length: 64 * 16 }, (_, i) => {
      const [part, c, y, z] = [i >> 8, (i >> 4) & 15, (i >> 2) & 3, i & 3];
      return input[c * 64 + (2 * y + (part & 1)) * 8 + 2 * z + (part >> 1)] as number;
    }));
  });

  it.each([[16, 32, 2, 8], [24, 24, 3, 60], [8, 16, 8, 5], [32, 32, 4, 60], [64, 128, 32, 40]])('%i to %i channels in %i groups, of %i pixels a side, are as the reference', async (from, to, groups, side) => {
    const net = new Qdq();
    const x = net.input([1, from, side, side], Q);
    const codes = Int8Array.from({ length: (to * from * 9) / groups }, (_, i) => ((i * 31) % 255) - 127);
    const made = net.conv(x, codes, to, new Float32Array(to).fill(0.004), Int32Array.from({ length: to }, (_, i) => 40 * i), { kernel: [3, 3], pads: [1, 1, 1, 1] }, groups);
    const out = net.quantised(net.node('Relu', [made.name]), made.shape, { scale: 0.06, zeroPoint: -100 });
    const onnx = net.build([out], [x, out]);
    const { report } = compileProgram(onnx);
    expect(report.notes.join()).toMatch(new RegExp(`its ${groups} groups run as`));
    expect(report.layers.every((l) => l.target === 'PL')).toBe(true);
    const all = await run(onnx, inputCodes(from * side * side, 3));
    const count = to * side * side;
    const tensors = new Map([[x.codes, all.subarray(count, count + from * side * side)], [out.codes, all.subarray(count + from * side * side)]]);
    expect(verdictOf(readOnnx(onnx), tensors)).toMatchObject({ wrong: [], unknown: [] });
  });
});

const nets: [string, (net: Qdq, x: Activation) => string, RegExp][] = [
  ['a product of two tensors', (net, x) => net.node('Mul', [x.name, net.quantised(net.pool('MaxPool', x, { kernel: [1, 1] }), x.shape, Q).name]), /Mul of two activations .* is not the core's/],
  ['a slope a channel', (net, x) => net.node('PRelu', [x.name, net.value(Float32Array.from({ length: 16 }, (_, i) => i / 16), [16, 1, 1])]), /PRelu with a slope a channel/],
  ['a bilinear resize', (net, x) => net.node('Resize', [x.name, '', net.value(Float32Array.of(1, 1, 2, 2))], { mode: 'linear' }), /Resize of mode 'linear' by 1×1×2×2/],
  ['a nearest resize that rounds up', (net, x) => net.node('Resize', [x.name, '', net.value(Float32Array.of(1, 1, 2, 2))], { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'ceil' }), /each pixel twice/],
  ['concatenated rows', (net, x) => net.node('Concat', [x.name, x.name], { axis: 2 }), /along axis 2: only channels/],
  ['every third row', (net, x) => net.node('Slice', [x.name, net.value(BigInt64Array.of(0n)), net.value(BigInt64Array.of(8n)), net.value(BigInt64Array.of(2n)), net.value(BigInt64Array.of(3n))]), /in steps of 3 along axis 2/],
  ['a transposition that moves', (net, x) => net.node('Transpose', [x.name], { perm: [0, 2, 3, 1] }), /would move elements; the core keeps channels first/],
  ['a constant a pixel', (net, x) => net.node('Mul', [x.name, net.value(Float32Array.from({ length: 64 }, (_, i) => i), [8, 8])]), /one number, or one a channel, is supported/],
];

describe('what the core does not do', () => {
  it.each(nets)('%s runs in fp32 on the processor, between codes and codes; the report says why', (_, make, expected) => {
    const net = new Qdq();
    const x = net.input([1, 16, 8, 8], Q);
    const { layers } = compileProgram(net.build([net.quantised(make(net, x), [1, 16, 8, 8], Q)])).report;
    const float = layers.filter((l) => l.float);
    expect(float.every((l) => l.target === 'PS')).toBe(true);
    expect([float[0]?.operator, float.at(-1)?.operator]).toEqual(['DequantizeLinear', 'QuantizeLinear']);
    expect(float[1]?.reason).toMatch(expected);
  });
});

describe('the page of operators', () => {
  it('says how each one on codes runs, and of none that is not there', () => {
    expect(Object.keys(ON_CODES).filter((name) => !Object.hasOwn(OPERATORS, name))).toEqual([]);
    expect(Object.keys(OPERATORS).filter((name) => !Object.hasOwn(ON_CODES, name) && !Object.hasOwn(FUNCTIONS, name))).toEqual([]);
  });
});

describe('what cannot be', () => {
  const cases: [string, (net: Qdq, x: Activation) => string, RegExp][] = [
    ['an activation on what is not quantised', (net, x) => net.node('Sigmoid', [net.pool('MaxPool', x, { kernel: [1, 1] })]), /Node 'Sigmoid_\d+': Sigmoid reads the result of MaxPool .* put QuantizeLinear/],
    ['the root of what is negative', (net, x) => net.node('Sqrt', [x.name]), /Sqrt has no number as its result/],
    ['a convolution of what is not quantised', (net, x) => net.conv({ ...x, name: net.node('Mul', [x.name, net.value(new Float32Array(64), [8, 8])]) }, new Int8Array(256), 16, new Float32Array(16).fill(1), null, { kernel: [1, 1] }).name, /Node 'Conv_\d+': Conv reads 'Mul\d+', which is not quantised/],
    ['shapes that cannot be broadcast', (net, x) => net.node('Mul', [x.name, net.value(new Float32Array(7))]), /Node 'Mul_\d+': Mul of .* Nor can it be done in fp32 .* cannot be broadcast/],
    ['an operator of neither table', (net, x) => net.node('LRN', [x.name]), /operator LRN can run neither on the core nor on the processor/],
  ];
  it.each(cases)('%s is refused by name', (_, make, expected) => {
    const net = new Qdq();
    const x = net.input([1, 16, 8, 8], Q);
    const onnx = net.build([net.quantised(make(net, x), [1, 16, 8, 8], Q)]);
    expect(() => compileProgram(onnx)).toThrow(expected);
  });
});
