/**
 * Every float operator, compiled and run by the runtime, against ONNX Runtime: in fp32 within what one rounding an operation makes, and quantised again
 * within the rule (another code only where the value lies near a tie).
 */
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../hls/tests/golden.ts';
import type { Attributes } from '../../test/support/onnx.ts';
import type { Activation } from '../../test/support/qdq.ts';
import { Qdq, random } from '../../test/support/qdq.ts';
import { compileProgram } from './compile.ts';
import { FLOAT_OPERATORS } from './float-operators.ts';
import { readOnnx } from './onnx.ts';

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

const Q = { scale: 0.05, zeroPoint: 3 };
const OUT = { scale: 0.037, zeroPoint: -9 };
/** fp32 has 24 bits: a few operations, and sums of a hundred products, stay within this of the values' size. */
const SLACK = 2 ** -20;

const ints = (net: Qdq, ...values: number[]): string => net.value(BigInt64Array.from(values, BigInt));
const next = random(7);
const numbers = (net: Qdq, shape: number[], low = -2, high = 2): string => net.value(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => low + next() * (high - low)), shape);
const one = (net: Qdq, value: number): string => net.value(Float32Array.of(value), []);

type Made = { name: string; shape: number[] };
type Case = [string, (net: Qdq, x: Activation) => Made];
const same = (op: string, attributes: Attributes = {}): Case => [op, (net, x) => ({ name: net.node(op, [x.name], attributes), shape: x.shape })];
/** Behind a transposition, so that it is no table of codes. */
const behind = (op: string, attributes: Attributes = {}, before: (net: Qdq, x: string) => string = (_, x) => x): Case =>
  [op, (net, x) => ({ name: net.node(op, [before(net, net.node('Transpose', [x.name], { perm: [0, 3, 1, 2] }))], attributes), shape: [1, 7, 6, 5] })];
const SHAPE = [1, 6, 5, 7];
const positive = (net: Qdq, x: string): string => net.node('Add', [net.node('Abs', [x]), one(net, 0.25)]);

const cases: Case[] = [
  ...['Sigmoid', 'Tanh', 'Exp', 'Neg', 'Abs', 'Relu', 'LeakyRelu', 'Elu', 'Selu', 'HardSigmoid', 'Softplus', 'Softsign', 'Erf', 'ThresholdedRelu', 'Celu', 'Floor', 'Ceil', 'Round', 'Sign'].map((op) => behind(op)),
  behind('Log', {}, positive), behind('Sqrt', {}, positive), behind('Reciprocal', {}, positive),
  ['Clip', (net, x) => ({ name: net.clip(net.node('Transpose', [x.name], { perm: [0, 3, 1, 2] }), -1, 2), shape: [1, 7, 6, 5] })],
  ['PRelu', (net, x) => ({ name: net.node('PRelu', [x.name, numbers(net, [6, 1, 1])]), shape: x.shape })],
  ...['Add', 'Sub', 'Mul'].map((op): Case => [`${op} of another tensor`, (net, x) => ({ name: net.node(op, [x.name, net.quantised(net.pool('MaxPool', x, { kernel: [3, 3], pads: [1, 1, 1, 1] }), x.shape, Q).name]), shape: x.shape })]),
  ['Div of another tensor', (net, x) => ({ name: net.node('Div', [x.name, positive(net, net.quantised(net.pool('MaxPool', x, { kernel: [3, 3], pads: [1, 1, 1, 1] }), x.shape, Q).name)]), shape: x.shape })],
  ['Mul by a mean a channel', (net, x) => ({ name: net.node('Mul', [net.quantised(net.node('GlobalAveragePool', [x.name]), [1, 6, 1, 1], Q).name, x.name]), shape: x.shape })],
  ['Add of a constant a pixel', (net, x) => ({ name: net.node('Add', [x.name, numbers(net, [5, 7])]), shape: x.shape })],
  ['Add of a larger constant', (net, x) => ({ name: net.node('Add', [net.quantised(net.node('GlobalAveragePool', [x.name]), [1, 6, 1, 1], Q).name, numbers(net, [1, 6, 5, 7])]), shape: x.shape })],
  ['Pow', (net, x) => ({ name: net.node('Pow', [positive(net, x.name), numbers(net, [6, 1, 1])]), shape: x.shape })],
  ['Min and Max of several', (net, x) => ({ name: net.node('Max', [net.node('Min', [x.name, numbers(net, [5, 1]), numbers(net, [7])]), numbers(net, [6, 1, 1])]), shape: x.shape })],
  ['Sum', (net, x) => ({ name: net.node('Sum', [x.name, x.name, numbers(net, [7])]), shape: x.shape })],
  ['Mean', (net, x) => ({ name: net.node('Mean', [x.name, numbers(net, [7])]), shape: x.shape })],
  ['ReduceMean of channels', (net, x) => ({ name: net.node('ReduceMean', [x.name], { axes: [1] }), shape: [1, 1, 5, 7] })],
  ['ReduceMax of rows, gone', (net, x) => ({ name: net.node('ReduceMax', [x.name], { axes: [-2], keepdims: 0 }), shape: [1, 6, 7] })],
  ['ReduceMin of all but one', (net, x) => ({ name: net.node('ReduceMin', [x.name], { axes: [0, 1, 3] }), shape: [1, 1, 5, 1] })],
  ['ReduceSum', (net, x) => ({ name: net.node('ReduceSum', [x.name, ints(net, 2, 3)]), shape: [1, 6, 1, 1] })],
  ['GlobalAveragePool of fp32', (net, x) => ({ name: net.node('GlobalAveragePool', [net.node('Mul', [x.name, numbers(net, [5, 7])])]), shape: [1, 6, 1, 1] })],
  ['GlobalMaxPool of fp32', (net, x) => ({ name: net.node('GlobalMaxPool', [net.node('Mul', [x.name, numbers(net, [5, 7])])]), shape: [1, 6, 1, 1] })],
  ['Softmax of channels', (net, x) => ({ name: net.node('Softmax', [x.name], { axis: 1 }), shape: x.shape })],
  same('Softmax'), same('LogSoftmax', { axis: 2 }),
  ['MatMul of two', (net, x) => ({ name: net.node('MatMul', [x.name, net.node('Transpose', [x.name], { perm: [0, 1, 3, 2] })]), shape: [1, 6, 5, 5] })],
  ['MatMul by a constant', (net, x) => ({ name: net.node('MatMul', [x.name, numbers(net, [7, 4])]), shape: [1, 6, 5, 4] })],
  ['MatMul by a vector', (net, x) => ({ name: net.node('MatMul', [x.name, numbers(net, [7])]), shape: [1, 6, 5] })],
  ['Gemm', (net, x) => ({ name: net.node('Gemm', [net.node('Reshape', [x.name, ints(net, 10, 21)]), numbers(net, [4, 10]), numbers(net, [4])], { transA: 1, transB: 1, alpha: 0.5, beta: 0.25 }), shape: [21, 4] })],
  ['Transpose', (net, x) => ({ name: net.node('Transpose', [x.name], { perm: [0, 2, 3, 1] }), shape: [1, 5, 7, 6] })],
  ['Reshape to six dimensions', (net, x) => ({ name: net.node('Transpose', [net.node('Reshape', [x.name, ints(net, 1, 2, 3, 5, 7, 1)])], { perm: [0, 2, 5, 4, 1, 3] }), shape: [1, 3, 1, 7, 2, 5] })],
  ['Flatten in the middle', (net, x) => ({ name: net.node('Flatten', [x.name], { axis: 2 }), shape: [6, 35] })],
  ['Squeeze and Unsqueeze', (net, x) => ({ name: net.node('Unsqueeze', [net.node('Squeeze', [net.node('Softmax', [x.name]), ints(net, 0)]), ints(net, 1, -1)]), shape: [6, 1, 5, 7, 1] })],
  ['Expand', (net, x) => ({ name: net.node('Expand', [net.node('ReduceMean', [x.name], { axes: [1] }), ints(net, 1, 4, 5, 7)]), shape: [1, 4, 5, 7] })],
  ['Tile', (net, x) => ({ name: net.node('Tile', [x.name, ints(net, 1, 1, 2, 3)]), shape: [1, 6, 10, 21] })],
  ['Slice of rows', (net, x) => ({ name: net.node('Slice', [x.name, ints(net, 1, 0), ints(net, 5, 2 ** 31 - 1), ints(net, 2, 3), ints(net, 1, 2)]), shape: [1, 6, 4, 4] })],
  ['Slice backwards', (net, x) => ({ name: net.node('Slice', [x.name, ints(net, -1, 4), ints(net, -(2 ** 31), 0), ints(net, 1, 2), ints(net, -2, -1)]), shape: [1, 3, 4, 7] })],
  ['Split of columns', (net, x) => ({ name: net.node('Mul', net.nodes('Split', [net.node('Slice', [x.name, ints(net, 0), ints(net, 6), ints(net, 3)]), ints(net, 3, 3)], 2, { axis: 3 })), shape: [1, 6, 5, 3] })],
  ['Concat of rows and a constant', (net, x) => ({ name: net.node('Concat', [x.name, numbers(net, [1, 6, 2, 7]), x.name], { axis: 2 }), shape: [1, 6, 12, 7] })],
  ['Gather of rows', (net, x) => ({ name: net.node('Gather', [x.name, net.value(BigInt64Array.of(3n, -1n, 0n, 3n), [2, 2])], { axis: 2 }), shape: [1, 6, 2, 2, 7] })],
  ['Gather of one row', (net, x) => ({ name: net.node('Gather', [x.name, net.value(BigInt64Array.of(3n), [])], { axis: 2 }), shape: [1, 6, 7] })],
  ['Pad with a number', (net, x) => ({ name: net.node('Pad', [x.name, ints(net, 0, 1, 2, 0, 0, 0, 1, 3), one(net, 1.5)]), shape: [1, 7, 8, 10] })],
  ['Pad at the edge', (net, x) => ({ name: net.node('Pad', [x.name, ints(net, 0, 0, 2, 1, 0, 0, 1, 3)], { mode: 'edge' }), shape: [1, 6, 8, 11] })],
  ['Pad by reflection', (net, x) => ({ name: net.node('Pad', [x.name, ints(net, 0, 0, 2, 1, 0, 0, 1, 3)], { mode: 'reflect' }), shape: [1, 6, 8, 11] })],
  ...['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric'].flatMap((coordinates) => ['linear', 'nearest'].map((mode): Case =>
    [`Resize ${mode} ${coordinates}`, (net, x) => ({ name: net.node('Resize', [x.name, '', '', ints(net, 1, 6, 13, 4)], { mode, coordinate_transformation_mode: coordinates }), shape: [1, 6, 13, 4] })])),
  ...['floor', 'ceil', 'round_prefer_ceil'].map((nearest): Case => [`Resize by scales, ${nearest}`, (net, x) => ({ name: net.node('Resize', [x.name, '', net.value(Float32Array.of(1, 1, 2.6, 1.5))], { coordinate_transformation_mode: 'asymmetric', nearest_mode: nearest }), shape: [1, 6, 13, 10] })]),
  ['DepthToSpace', (net, x) => ({ name: net.node('DepthToSpace', [net.node('Slice', [x.name, ints(net, 0), ints(net, 4), ints(net, 1)])], { blocksize: 2 }), shape: [1, 1, 10, 14] })],
  ['DepthToSpace CRD', (net, x) => ({ name: net.node('DepthToSpace', [net.node('Concat', [x.name, x.name], { axis: 1 })], { blocksize: 2, mode: 'CRD' }), shape: [1, 3, 10, 14] })],
  ['SpaceToDepth', (net, x) => ({ name: net.node('SpaceToDepth', [net.node('Slice', [x.name, ints(net, 0, 0), ints(net, 4, 6), ints(net, 2, 3)])], { blocksize: 2 }), shape: [1, 24, 2, 3] })],
];

/** Operators of later opsets than the test's 13, and those that ONNX Runtime takes in with others. */
const ELSEWHERE = new Set(['HardSwish', 'Swish', 'Mish', 'Gelu', 'Upsample', 'Identity', 'Dropout', 'Cast']);

async function reference(onnx: Uint8Array, values: Float32Array, shape: number[]): Promise<Float32Array[]> {
  const session = await ort.InferenceSession.create(onnx, { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1 });
  const model = readOnnx(onnx);
  const result = await session.run({ [model.inputs[0]?.name as string]: new ort.Tensor('float32', values, shape) });
  await session.release();
  return model.outputs.map((o) => result[o.name]?.data as Float32Array);
}

describe('float operators', () => {
  it.each(cases)('%s', async (_, make) => {
    const net = new Qdq();
    const x = net.input(SHAPE, Q);
    const made = make(net, x);
    const again = net.quantised(made.name, made.shape, OUT);
    const onnx = net.build([{ ...again, name: made.name }, again]);
    const codes = Array.from({ length: 210 }, () => Math.floor(next() * 256) - 128);
    const values = Float32Array.from(codes, (c) => Math.fround(c - Q.zeroPoint) * Math.fround(Q.scale));
    const [real, rounded] = (await reference(onnx, values, SHAPE)) as [Float32Array, Float32Array];
    const { program, report } = compileProgram(onnx);
    expect(report.layers.some((l) => l.float)).toBe(true);
    expect((await golden.load(program, true)).text).toBe('');
    const { status, text, values: ours } = await golden.runFloat(values);
    expect([status, text]).toEqual([0, '']);
    expect(ours).toHaveLength(real.length + rounded.length);
    const size = Math.max(1, ...real.map(Math.abs));
    real.forEach((want, i) => expect(Math.abs((ours[i] as number) - want), `value ${i} is ${ours[i]}, not ${want}`).toBeLessThanOrEqual(SLACK * size));
    rounded.forEach((want, i) => {
      const steps = (real[i] as number) / Math.fround(OUT.scale);
      const near = Math.abs(steps - Math.floor(steps) - 0.5) <= (SLACK * size) / OUT.scale + 2 ** -12;
      expect(Math.abs((ours[real.length + i] as number) - want), `code of value ${i}`).toBeLessThanOrEqual(near ? 1.01 * OUT.scale : 0);
    });
  });

  it('are all among the above', () => {
    const met = new Set<string>();
    for (const [, make] of cases) {
      const net = new Qdq();
      const x = net.input(SHAPE, Q);
      const made = make(net, x);
      for (const node of readOnnx(net.build([{ ...x, ...made }])).nodes) met.add(node.opType);
    }
    expect(Object.keys(FLOAT_OPERATORS).filter((name) => !met.has(name) && !ELSEWHERE.has(name))).toEqual([]);
  });
});
