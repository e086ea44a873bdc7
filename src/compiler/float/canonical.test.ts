/** The canonical network computes what the exported one does (ONNX Runtime runs both), in each exporter's manner of writing. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../../test/support/data.ts';
import type { Feeds } from '../../../test/support/fp32.ts';
import { channelsFirst, Fp32, runFp32 } from '../../../test/support/fp32.ts';
import { random } from '../../../test/support/qdq.ts';
import { network, recipes } from '../../../test/support/random-fp32.ts';
import { CompileError } from '../error.ts';
import type { OnnxModel } from '../onnx.ts';
import { OnnxType, readOnnx } from '../onnx.ts';
import { writeOnnx } from '../onnx-write.ts';
import { canonical } from './canonical.ts';

const opsOf = (model: OnnxModel): string[] => model.nodes.map((n) => n.opType);

/** Both networks on the same random image: equal within 1e-4 of the largest value. Gives back the canonical operators. */
async function proven(exported: OnnxModel, seed = 5): Promise<string[]> {
  const result = canonical(exported);
  const next = random(seed);
  const feeds: Feeds = {};
  const turned: Feeds = {};
  exported.inputs.forEach(({ name, dims }, i) => {
    const shape = dims.map((d) => d || 1);
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() * 4 - 2);
    feeds[name] = { data, dims: shape };
    turned[name] = { data: result.turned.includes(name) ? channelsFirst(data, shape) : data, dims: result.model.inputs[i]!.dims };
  });
  const before = await runFp32(exported, feeds);
  // What it writes is what it says: through the file and back.
  const after = await runFp32(readOnnx(writeOnnx(result.model)), turned);
  expect(Object.keys(after)).toEqual(Object.keys(before));
  for (const [name, { data, dims }] of Object.entries(before)) {
    const other = after[name]!;
    expect(other.dims).toEqual(dims);
    const scale = data.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-3);
    const worst = data.reduce((m, v, i) => Math.max(m, Math.abs(v - other.data[i]!)), 0);
    expect(worst / scale).toBeLessThan(1e-4);
  }
  return opsOf(result.model);
}

const refusal = (model: OnnxModel): CompileError => {
  try {
    canonical(model);
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error('it was taken');
};

describe('PyTorch, by tracing', () => {
  it.each([11, 13, 17, 18, 21])('a residual network: BatchNormalization, Add, ReduceMean, Gemm (opset %i)', async (opset) => {
    const g = new Fp32(opset);
    const x = g.node('Relu', [g.batchNormalization(g.conv(g.input([0, 3, 17, 15]), 3, 8, 7, { strides: [2, 2], pads: [3, 3, 3, 3] }, false), 8)]);
    const p = g.node('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 0 });
    const a = g.node('Relu', [g.batchNormalization(g.conv(p, 8, 8, 3, { pads: [1, 1, 1, 1] }, false), 8)]);
    const b = g.batchNormalization(g.conv(a, 8, 8, 3, { pads: [1, 1, 1, 1] }, false), 8);
    const sum = g.node('Relu', [g.node('Add', [b, p])]);
    const mean = opset >= 18 ? g.node('ReduceMean', [sum, g.ints(-1, -2)], { keepdims: 1 }) : g.node('ReduceMean', [sum], { axes: [-1, -2], keepdims: 1 });
    const y = g.node('Gemm', [g.node('Flatten', [mean]), g.weights([5, 8]), g.weights([5])], { transB: 1, alpha: { float: 1 } });
    expect(await proven(g.build([y]))).toEqual(['Conv', 'Relu', 'MaxPool', 'Conv', 'Relu', 'Conv', 'Add', 'Relu', 'GlobalAveragePool', 'Flatten', 'Gemm']);
  });

  it('a signal: one-dimensional convolutions, poolings and norms are those of an image of one row', async () => {
    const g = new Fp32(17);
    const conv = (x: string, inputs: number, outputs: number, kernel: number, more: Record<string, number | string | number[]> = {}): string =>
      g.node('Conv', [x, g.weights([outputs, inputs / Number(more['group'] ?? 1), kernel], 0.3), g.weights([outputs], 0.2)], { kernel_shape: [kernel], ...more });
    const x = g.node('Relu', [g.batchNormalization(conv(g.input([0, 1, 400]), 1, 8, 80, { strides: [4] }), 8)]);
    const p = g.node('MaxPool', [x], { kernel_shape: [4], strides: [4] });
    const a = g.node('Relu', [g.batchNormalization(conv(p, 8, 8, 3, { dilations: [4], pads: [4, 4], group: 8 }), 8)]);
    const b = g.node('Add', [a, p]);
    const scaled = g.node('Mul', [b, g.weights([8, 1], 1, 1)]);
    const padded = g.node('Pad', [scaled, g.ints(0, 0, 1, 0, 0, 2)]);
    const joined = g.node('Concat', [conv(padded, 8, 4, 3), conv(scaled, 8, 4, 3, { auto_pad: 'SAME_UPPER' })].map((v, i) => (i === 0 ? g.node('Slice', [v, g.ints(0), g.ints(20), g.ints(2)]) : v)), { axis: 1 });
    const q = g.node('AveragePool', [joined], { kernel_shape: [2], strides: [2], pads: [0, 0] });
    const mean = g.node('ReduceMean', [q], { axes: [2], keepdims: 0 });
    const whole = g.node('Flatten', [g.node('GlobalAveragePool', [q])]);
    const gate = g.node('Mul', [q, g.node('Sigmoid', [g.node('GlobalMaxPool', [q])])]);
    const outputs = [g.node('Gemm', [g.node('Add', [mean, whole]), g.weights([5, 8]), g.weights([5])], { transB: 1, alpha: { float: 1 } }), q, gate, g.node('Transpose', [q], { perm: [0, 2, 1] })];
    const ops = await proven(g.build(outputs));
    // The norms are folded: nothing moves between the first convolution and the first pooling.
    expect(ops.slice(0, 5)).toEqual(['Reshape', 'Conv', 'Relu', 'MaxPool', 'Conv']);
  });

  it('SAME padding that is worked out from the sizes (timm, without constant folding)', async () => {
    const g = new Fp32(17);
    const x = g.input([1, 2, 7, 6]);
    const at = (axis: number): string => g.node('Gather', [g.node('Shape', [x]), g.constant(OnnxType.INT64, BigInt64Array.of(BigInt(axis)), [])], { axis: 0 });
    const total = (axis: number): string => {
      const whole = g.node('Sub', [g.node('Add', [g.node('Mul', [g.node('Sub', [g.node('Div', [g.node('Add', [at(axis), g.ints(1)]), g.ints(2)]), g.ints(1)]), g.ints(2)]), g.ints(3)]), at(axis)]);
      return g.node('Clip', [whole, g.constant(OnnxType.INT64, BigInt64Array.of(0n), [])]);
    };
    const half = (t: string): string => g.node('Div', [t, g.ints(2)]);
    const [top, left] = [half(total(2)), half(total(3))];
    const pads = g.node('Concat', [g.ints(0, 0), top, left, g.ints(0, 0), g.node('Sub', [total(2), top]), g.node('Sub', [total(3), left])], { axis: 0 });
    expect(await proven(g.build([g.conv(g.node('Pad', [x, pads]), 2, 3, 3, { strides: [2, 2] })]))).toEqual(['Conv']);
  });

  it('a view by shape arithmetic, dropout, and a dense layer as MatMul and Add', async () => {
    const g = new Fp32(11);
    const x = g.conv(g.input([0, 2, 6, 6]), 2, 4);
    const batch = g.node('Unsqueeze', [g.node('Gather', [g.node('Shape', [x]), g.constant(OnnxType.INT64, BigInt64Array.of(0n), [])], { axis: 0 })], { axes: [0] });
    const flat = g.node('Reshape', [x, g.node('Concat', [batch, g.ints(-1)], { axis: 0 })]);
    const y = g.node('Add', [g.weights([3]), g.node('MatMul', [g.node('Dropout', [flat]), g.weights([64, 3])])]);
    expect(await proven(g.build([y]))).toEqual(['Conv', 'Flatten', 'Gemm']);
  });

  it('DenseNet: normalisation before activation, on a concatenation', async () => {
    const g = new Fp32(13);
    const x = g.conv(g.input([1, 1, 8, 8]), 1, 4, 3, { pads: [1, 1, 1, 1] });
    const grown = g.conv(g.node('Relu', [g.batchNormalization(x, 4)]), 4, 4, 3, { pads: [1, 1, 1, 1] });
    const joined = g.node('Concat', [x, grown], { axis: 1 });
    const y = g.node('GlobalAveragePool', [g.node('Relu', [g.batchNormalization(joined, 8)])]);
    expect(await proven(g.build([y, joined]))).toEqual(['Conv', 'Conv', 'Relu', 'Conv', 'Concat', 'Conv', 'Relu', 'GlobalAveragePool']);
  });

  it('MobileNet: ReLU6, HardSwish, squeeze and excitation', async () => {
    const g = new Fp32(13);
    const c = g.conv(g.input([1, 3, 8, 8]), 3, 8);
    const x = g.node('Clip', [c, g.scalar(0), g.scalar(6)]);
    const squeezed = g.node('Relu', [g.conv(g.node('GlobalAveragePool', [x]), 8, 4, 1)]);
    const gate = g.node('HardSigmoid', [g.conv(squeezed, 4, 8, 1)], { alpha: { float: 1 / 6 } });
    const scaled = g.node('Mul', [gate, x]);
    const d = g.conv(scaled, 8, 8, 3, { group: 8 });
    const y = g.node('Mul', [d, g.node('HardSigmoid', [d], { alpha: { float: 1 / 6 } })]);
    const e = g.conv(y, 8, 8, 1);
    const z = g.node('Div', [g.node('Mul', [e, g.node('Clip', [g.node('Add', [e, g.scalar(3)]), g.scalar(0), g.scalar(6)])]), g.scalar(6)]);
    const f = g.conv(z, 8, 4, 1);
    const w = g.node('Mul', [f, g.node('Div', [g.node('Clip', [g.node('Add', [f, g.scalar(3)]), g.scalar(0), g.scalar(6)]), g.scalar(6)])]);
    expect(await proven(g.build([w]))).toEqual(['Conv', 'Clip', 'GlobalAveragePool', 'Conv', 'Relu', 'Conv', 'HardSigmoid', 'Mul', 'Conv', 'HardSwish', 'Conv', 'HardSwish', 'Conv', 'HardSwish']);
  });

  it.each([11, 13])('YOLOv5: SiLU, SPPF, upsampling, and a Detect head (opset %i)', async (opset) => {
    const g = new Fp32(opset);
    const silu = (c: string): string => g.node('Mul', [c, g.node('Sigmoid', [c])]);
    const x = silu(g.conv(g.input([1, 3, 16, 16]), 3, 8, 6, { strides: [2, 2], pads: [2, 2, 2, 2] }));
    const pool = (v: string): string => g.node('MaxPool', [v], { kernel_shape: [5, 5], strides: [1, 1], pads: [2, 2, 2, 2] });
    const down = silu(g.conv(x, 8, 8, 3, { strides: [2, 2], pads: [1, 1, 1, 1] }));
    const sppf = g.node('Concat', [down, pool(down), pool(pool(down))], { axis: 1 });
    const up = g.node('Resize', [silu(g.conv(sppf, 24, 8, 1)), opset === 11 ? g.floats() : '', g.floats(1, 1, 2, 2)], { mode: 'nearest', nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' });
    const joined = g.node('Concat', [up, x], { axis: 1 });
    const head = g.conv(joined, 16, 21, 1);
    const boxes = g.node('Transpose', [g.node('Reshape', [head, g.ints(1, 3, 7, 8, 8)])], { perm: [0, 1, 3, 4, 2] });
    const s = g.node('Sigmoid', [boxes]);
    const [xy, wh, rest] = (opset >= 13 ? g.nodes('Split', [s, g.ints(2, 2, 3)], { axis: 4 }, 3) : g.nodes('Split', [s], { axis: 4, split: [2, 2, 3] }, 3)) as [string, string, string];
    const centre = g.node('Mul', [g.node('Add', [g.node('Mul', [xy, g.scalar(2)]), g.weights([1, 3, 8, 8, 2], 4)]), g.scalar(8)]);
    const size = g.node('Mul', [g.node('Pow', [g.node('Mul', [wh, g.scalar(2)]), g.scalar(2)]), g.weights([1, 3, 1, 1, 2], 4)]);
    const y = g.node('Reshape', [g.node('Concat', [centre, size, rest], { axis: 4 }), g.ints(1, -1, 7)]);
    const exported = g.build([y]);
    const ops = await proven(exported);
    expect(ops.filter((op) => op === 'Transpose')).toEqual(['Transpose']);
    expect(ops.at(-2)).toBe('Transpose');
    const { nodes } = canonical(exported).model;
    const gated = nodes.filter(({ opType, inputs: [x, y] }) => opType === 'Mul' && nodes.some((n) => n.opType === 'Sigmoid' && ((n.outputs[0] === y && n.inputs[0] === x) || (n.outputs[0] === x && n.inputs[0] === y))));
    expect(gated).toHaveLength(3);
  });
});

describe('PyTorch, by torch.export', () => {
  it('opset 18: transposed weights, Reshape with allowzero, Split by num_outputs, axes as inputs', async () => {
    const g = new Fp32(18);
    const x = g.conv(g.input([1, 2, 8, 8]), 2, 6, 3, { auto_pad: 'NOTSET', pads: [1, 1, 1, 1], dilations: [1, 1], strides: [1, 1], group: 1 });
    const [a, b] = g.nodes('Split', [x], { axis: 1, num_outputs: 2 }, 2) as [string, string];
    const m = g.node('ReduceMean', [g.node('Mul', [a, g.node('Sigmoid', [b])]), g.ints(2, 3)], { keepdims: 0, noop_with_empty_axes: 0 });
    const flat = g.node('Reshape', [m, g.ints(1, 3)], { allowzero: 1 });
    const y = g.node('Gemm', [flat, g.node('Transpose', [g.weights([4, 3])], { perm: [1, 0] }), g.weights([4])], { beta: { float: 0.5 }, alpha: { float: 2 } });
    expect(await proven(g.build([y]))).toEqual(['Conv', 'Slice', 'Slice', 'Sigmoid', 'Mul', 'GlobalAveragePool', 'Flatten', 'Gemm']);
  });
});

describe('tf2onnx and Keras: channels last', () => {
  const toFirst = (g: Fp32, x: string): string => g.node('Transpose', [x], { perm: [0, 3, 1, 2] });
  const toLast = (g: Fp32, x: string): string => g.node('Transpose', [x], { perm: [0, 2, 3, 1] });

  it('transposes vanish; a flattened image sorts the columns of the dense layer', async () => {
    const g = new Fp32(13);
    const normal = g.node('Sub', [g.node('Mul', [g.input([0, 9, 10, 3]), g.scalar(0.5)]), g.floats(0.1, 0.2, 0.3)]);
    const c = toLast(g, g.conv(toFirst(g, normal), 3, 4, 3, { auto_pad: 'SAME_UPPER', strides: [2, 2] }, false));
    const r = g.node('Relu', [g.node('Add', [c, g.weights([4])])]);
    const padded = g.node('Pad', [r, g.ints(0, 1, 1, 0, 0, 1, 1, 0)]);
    const p = toLast(g, g.node('MaxPool', [toFirst(g, padded)], { kernel_shape: [3, 3], strides: [2, 2] }));
    const flat = g.node('Reshape', [p, g.ints(-1, 36)]);
    const y = g.node('Softmax', [g.node('Add', [g.node('MatMul', [flat, g.weights([36, 5])]), g.weights([5])])], { axis: -1 });
    expect(await proven(g.build([y]))).toEqual(['Conv', 'Conv', 'Relu', 'MaxPool', 'Flatten', 'Gemm', 'Softmax']);
    expect(canonical(g.build([y])).turned).toEqual(['x']);
  });

  it('squeeze and excitation by ReduceMean and Reshape', async () => {
    const g = new Fp32(13);
    const x = toLast(g, g.conv(toFirst(g, g.input([1, 6, 6, 3])), 3, 8));
    const squeezed = g.node('Reshape', [g.node('ReduceMean', [x], { axes: [1, 2], keepdims: 0 }), g.ints(1, 1, 1, 8)]);
    const gate = toLast(g, g.node('Sigmoid', [g.conv(toFirst(g, squeezed), 8, 8, 1)]));
    const y = g.node('ReduceMean', [g.node('Mul', [x, gate])], { axes: [1, 2], keepdims: 0 });
    const ops = await proven(g.build([y]));
    expect(ops).not.toContain('Transpose');
  });

  it('a feature map as output keeps its order', async () => {
    const g = new Fp32(13);
    const c = toLast(g, g.conv(toFirst(g, g.input([1, 5, 6, 2])), 2, 4));
    const joined = g.node('Concat', [c, g.node('Relu', [c])], { axis: -1 });
    expect(await proven(g.build([joined, c]))).toEqual(['Conv', 'Relu', 'Concat', 'Transpose', 'Transpose']);
  });
});

describe('single operators', () => {
  const single = (name: string, opset: number, dims: number[], make: (g: Fp32, x: string) => string, ops?: string[]): [string, number, number[], (g: Fp32, x: string) => string, string[] | undefined] => [name, opset, dims, make, ops];
  it.each([
    single('Pad into Conv', 13, [1, 2, 6, 6], (g, x) => g.conv(g.node('Pad', [x, g.ints(0, 0, 1, 2, 0, 0, 0, 3)]), 2, 3), ['Conv']),
    single('Pad into AveragePool', 13, [1, 2, 6, 6], (g, x) => g.node('AveragePool', [g.node('Pad', [x, g.ints(0, 0, 1, 1, 0, 0, 1, 1)])], { kernel_shape: [3, 3], strides: [2, 2] }), ['AveragePool']),
    single('Pad of zeros before MaxPool', 13, [1, 2, 6, 6], (g, x) => g.node('MaxPool', [g.node('Pad', [x, g.ints(0, 0, 1, 2, 0, 0, 0, 1)])], { kernel_shape: [3, 3], strides: [2, 2] }), ['Conv', 'MaxPool']),
    single('Pad of ones', 13, [1, 2, 6, 6], (g, x) => g.conv(g.node('Pad', [x, g.ints(0, 0, 1, 1, 0, 0, 1, 1), g.scalar(1)]), 2, 3), ['Pad', 'Conv']),
    single('Pad of channels', 13, [1, 2, 4, 4], (g, x) => g.node('Pad', [x, g.ints(0, 1, 0, 0, 0, 1, 0, 0)]), ['Pad']),
    single('Pad of -inf into MaxPool', 13, [1, 2, 6, 6], (g, x) => g.node('MaxPool', [g.node('Pad', [x, g.ints(0, 0, 1, 1, 0, 0, 1, 1), g.scalar(-Infinity)])], { kernel_shape: [3, 3], strides: [2, 2] }), ['MaxPool']),
    single('MaxPool with ceil_mode', 13, [1, 2, 8, 6], (g, x) => g.node('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }), ['MaxPool']),
    single('AveragePool SAME_LOWER', 13, [1, 2, 7, 6], (g, x) => g.node('AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2], auto_pad: 'SAME_LOWER' }), ['AveragePool']),
    single('AveragePool of the whole image', 13, [1, 2, 4, 5], (g, x) => g.node('AveragePool', [x], { kernel_shape: [4, 5] }), ['GlobalAveragePool']),
    single('ReduceMean over rows', 13, [1, 2, 4, 5], (g, x) => g.node('ReduceMean', [x], { axes: [2], keepdims: 0 }), ['AveragePool', 'Reshape']),
    single('ReduceMax', 13, [1, 2, 4, 5], (g, x) => g.node('ReduceMax', [x], { axes: [2, 3] }), ['MaxPool']),
    single('scale before a padded Conv', 13, [1, 2, 4, 5], (g, x) => g.conv(g.node('Div', [x, g.scalar(255)]), 2, 3, 3, { pads: [1, 1, 1, 1] }), ['Conv']),
    single('offset before a Conv in groups', 13, [1, 4, 4, 5], (g, x) => g.conv(g.batchNormalization(x, 4), 4, 6, 3, { group: 2 }), ['Conv']),
    single('constant - x', 13, [1, 2, 4, 5], (g, x) => g.node('Sub', [g.scalar(1), x]), ['Conv']),
    single('BatchNormalization of a vector', 13, [1, 6], (g, x) => g.node('Gemm', [g.batchNormalization(g.node('Relu', [x]), 6), g.weights([6, 4])]), ['Relu', 'Gemm']),
    single('Relu then Min', 13, [1, 2, 4, 5], (g, x) => g.node('Min', [g.node('Relu', [x]), g.scalar(6)]), ['Clip']),
    single('PRelu', 13, [1, 2, 4, 5], (g, x) => g.node('PRelu', [x, g.constant(OnnxType.FLOAT, new Float32Array(2).fill(0.2), [2, 1, 1])]), ['LeakyRelu']),
    single('Softmax of opset 11 on an image of one pixel', 11, [1, 5, 1, 1], (g, x) => g.node('Softmax', [x], { axis: 1 }), ['Softmax']),
    single('LogSoftmax', 13, [1, 5], (g, x) => g.node('LogSoftmax', [x], { axis: 1 }), ['Softmax', 'Log']),
    single('Resize, PyTorch half_pixel', 13, [1, 2, 3, 4], (g, x) => g.node('Resize', [x, '', g.floats(1, 1, 2, 2)], { mode: 'nearest', nearest_mode: 'round_prefer_floor', coordinate_transformation_mode: 'half_pixel' }), ['Resize']),
    single('Resize by sizes, tf_half_pixel_for_nn', 11, [1, 2, 3, 4], (g, x) => g.node('Resize', [x, g.floats(), g.floats(), g.ints(1, 2, 9, 8)], { mode: 'nearest', nearest_mode: 'floor', coordinate_transformation_mode: 'tf_half_pixel_for_nn' }), ['Resize']),
    single('channel shuffle', 13, [1, 6, 3, 4], (g, x) => g.node('Reshape', [g.node('Transpose', [g.node('Reshape', [x, g.ints(1, 2, 3, 3, 4)])], { perm: [0, 2, 1, 3, 4] }), g.ints(1, 6, 3, 4)]), ['Reshape', 'Transpose', 'Reshape']),
    single('Focus: slices with steps', 13, [1, 3, 6, 6], (g, x) => g.node('Concat', [0, 1].flatMap((a) => [0, 1].map((b) => g.node('Slice', [g.node('Slice', [x, g.ints(b), g.ints(2 ** 31 - 1), g.ints(2), g.ints(2)]), g.ints(a), g.ints(2 ** 31 - 1), g.ints(3), g.ints(2)]))), { axis: 1 })),
    single('Gather of one channel', 13, [1, 3, 4, 4], (g, x) => g.node('Gather', [x, g.constant(OnnxType.INT64, BigInt64Array.of(-1n), [])], { axis: 1 }), ['Slice', 'Reshape']),
    single('nothing but names', 13, [1, 3], (g, x) => g.node('Identity', [x]), ['Identity']),
    single('Cast and Squeeze', 13, [1, 3, 1, 1], (g, x) => g.node('Unsqueeze', [g.node('Squeeze', [g.node('Cast', [x], { to: 1 }), g.ints(2, 3)]), g.ints(1)]), ['Reshape']),
    single('CastLike', 18, [1, 3], (g, x) => g.node('Add', [g.node('CastLike', [x, g.scalar(1)]), g.node('CastLike', [g.ints(2), x])]), ['Add']),
    single('x · relu6(x+3)/6', 13, [1, 2, 4, 4], (g, x) => g.node('Mul', [g.node('Mul', [g.node('Min', [g.node('Relu', [g.node('Add', [x, g.scalar(3)])]), g.scalar(6)]), g.scalar(1 / 6)]), x]), ['HardSwish']),
  ])('%s', async (_name, opset, dims, make, ops) => {
    const g = new Fp32(opset);
    const y = make(g, g.input(dims));
    const found = await proven(g.build([y]));
    if (ops !== undefined) expect(found).toEqual(ops);
  });
});

describe('the shipped classifier', () => {
  it('computes the same', async () => {
    const ops = await proven(readOnnx(readFileSync(join(ROOT, 'models/pneumonia/model.onnx'))));
    expect(ops).not.toContain('BatchNormalization');
  });

  it('is canonical already once it is: the second pass changes nothing', () => {
    const once = canonical(readOnnx(readFileSync(join(ROOT, 'models/pneumonia/model.onnx')))).model;
    const twice = canonical(once).model;
    expect(opsOf(twice)).toEqual(opsOf(once));
    expect(Buffer.compare(writeOnnx(twice), writeOnnx(once))).toBe(0);
  });
});

describe('what is refused', () => {
  const of = (op: string, make?: (g: Fp32, x: string) => string): OnnxModel => {
    const g = new Fp32(17);
    const x = g.input([1, 3, 8, 8]);
    return g.build([make ? make(g, x) : g.node(op, [x])]);
  };
  it.each<[string, OnnxModel, RegExp]>([
    ['an operator outside the table', of('NonMaxSuppression'), /Node 'node_NonMaxSuppression0': operator NonMaxSuppression is not supported: export without it/],
    ['an unknown operator', of('Frobnicate'), /docs\/operators\.md/],
    ['a quantised model', of('QuantizeLinear'), /quantised already/],
    ['a product that does not fit', of('MatMul', (g, x) => g.node('MatMul', [x, g.node('Slice', [x, ...[0, 2, 2, 1].map((v) => g.ints(v))])])), /attention/],
    ['cubic enlargement', of('Resize', (g, x) => g.node('Resize', [x, '', g.floats(1, 1, 2, 2)], { mode: 'cubic' })), /nearest/],
    ['training mode', of('BatchNormalization', (g, x) => g.node('BatchNormalization', [x, ...[0, 1, 2, 3].map(() => g.weights([3]))], { training_mode: 1 })), /eval/],
    ['a free size', { ...of('Relu'), inputs: [{ name: 'x', elementType: 1, dims: [1, 3, 0, 0] }] }, /Dimension 2/],
    ['a batch', { ...of('Relu'), inputs: [{ name: 'x', elementType: 1, dims: [8, 3, 4, 4] }] }, /batch of 8/],
    ['a constant output', of('Shape', (g) => g.node('Identity', [g.floats(1)])), /constant/],
    ['an old opset', { ...of('Relu'), opset: 9 }, /opset 9/],
  ])('%s', (_, model, message) => {
    expect(refusal(model).message).toMatch(message);
  });
});

describe('what the core has not and the processor computes', () => {
  const kept: [string, (g: Fp32, x: string) => string][] = [
    ['a product of two', (g, x) => g.node('MatMul', [x, g.node('Transpose', [x], { perm: [0, 1, 3, 2] })])],
    ['bilinear enlargement', (g, x) => g.node('Resize', [x, '', g.floats(1, 1, 2, 1.5)], { mode: 'linear' })],
    ['to a size', (g, x) => g.node('Resize', [x, '', '', g.ints(1, 3, 5, 9)], { mode: 'nearest', coordinate_transformation_mode: 'align_corners' })],
    ['a slope a channel', (g, x) => g.node('PRelu', [x, g.weights([3, 1, 1])])],
    ['any power', (g, x) => g.node('Pow', [g.node('Abs', [x]), g.scalar(1.7)])],
    ['the larger of two', (g, x) => g.node('Max', [x, g.node('Neg', [x])])],
    ['a mean of channels', (g, x) => g.node('ReduceMean', [x], { axes: [1] })],
    ['the largest of channels, gone', (g, x) => g.node('ReduceMax', [x], { axes: [-3], keepdims: 0 })],
    ['a sum of channels', (g, x) => g.node('ReduceSum', [x, g.ints(1)])],
    ['pixels as channels', (g, x) => g.node('SpaceToDepth', [x], { blocksize: 2 })],
    ['channels as pixels', (g, x) => g.node('DepthToSpace', [g.node('SpaceToDepth', [x], { blocksize: 2 })], { blocksize: 2, mode: 'CRD' })],
  ];
  it.each(kept)('%s, also of channels last', async (_, make) => {
    for (const turn of [false, true]) {
      const g = new Fp32(17, 3);
      const x = g.input([1, 3, 8, 8]);
      const from = turn ? g.node('Transpose', [g.node('Relu', [g.node('Transpose', [x], { perm: [0, 2, 3, 1] })])], { perm: [0, 3, 1, 2] }) : g.conv(x, 3, 3, 1);
      await proven(g.build([make(g, from)]), 4);
    }
  });
});

describe('any network', () => {
  it('random ones compute the same', async () => {
    const seed = Number(process.env['FL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`canonical: property seed ${seed} (FL_SEED=${seed})`);
    await fc.assert(fc.asyncProperty(recipes, async (recipe) => {
      await proven(network(recipe), recipe.seed);
    }), { numRuns: Number(process.env['FL_RUNS'] ?? 150), seed });
  }, 120_000);
});

/** Of processor time: the machine may be busy with other things. */
const secondsSince = (start: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
};

describe('hostile files', () => {
  const FILES = 240;
  it(`${FILES} truncated and mutated ones end in an error or a network, at once and in little memory`, () => {
    const seed = Number(process.env['FL_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`canonical: fuzz seed ${seed} (FL_SEED=${seed})`);
    const next = random(seed);
    const pick = (below: number): number => Math.floor(next() * below);
    const recipe = fc.sample(recipes, { numRuns: 12, seed });
    const sources = recipe.map((r) => writeOnnx(network(r)));
    let refused = 0;
    for (let n = 0; n < FILES; n++) {
      const source = sources[n % sources.length]!;
      const bytes = n % 3 === 0 ? source.slice(0, pick(source.length)) : source.slice();
      if (n % 3 !== 0) for (let k = 1 + pick(8); k > 0; k--) bytes[pick(bytes.length)] = pick(256);
      const start = process.cpuUsage();
      try {
        writeOnnx(canonical(readOnnx(bytes)).model);
      } catch (error) {
        expect(error).toBeInstanceOf(CompileError);
        refused++;
      }
      expect(secondsSince(start)).toBeLessThan(2);
    }
    console.log(`canonical: ${refused} of ${FILES} refused`);
    expect(refused).toBeGreaterThan(FILES / 3);
    expect(process.memoryUsage().rss).toBeLessThan(2 ** 31);
  }, 120_000);

  const expectRefused = (make: (g: Fp32, x: string) => string, message: RegExp): void => {
    const g = new Fp32(17);
    const start = process.cpuUsage();
    expect(refusal(g.build([make(g, g.input([1, 3, 8, 8]))])).message).toMatch(message);
    expect(secondsSince(start)).toBeLessThan(10);
  };
  it('small files that ask for much', () => {
    expectRefused((g) => g.node('ConstantOfShape', [g.ints(2 ** 20, 2 ** 20)]), /constant of shape/);
    expectRefused((g) => g.node('Range', [g.scalar(0), g.scalar(1e9), g.scalar(1e-9)]), /constant of shape/);
    expectRefused((g) => g.node('Expand', [g.scalar(0), g.ints(2 ** 15, 2 ** 15)]), /constant of shape/);
    expectRefused((g) => {
      let v = g.node('Expand', [g.scalar(0), g.ints(2 ** 12, 2 ** 12)]);
      for (let i = 0; i < 1000; i++) v = g.node('Add', [v, v]);
      return v;
    }, /more than \d+ elements/);
    expectRefused((g, x) => {
      let v = x;
      for (let i = 0; i < 20; i++) v = g.node('Resize', [v, '', g.floats(1, 1, 8, 8)], { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' });
      return v;
    }, /only whole factors|makes a tensor/);
    expectRefused((g, x) => {
      let v = x;
      for (let i = 0; i < 40; i++) v = g.node('Concat', [v, v], { axis: 1 });
      return v;
    }, /makes a tensor/);
    expectRefused((g, x) => {
      const w = g.weights([3, 3, 512, 512]);
      let v = x;
      for (let i = 0; i < 500; i++) v = g.node('Conv', [v, w], { pads: [511, 511, 511, 511], dilations: [1, 1] });
      return v;
    }, /more than \d+ elements|makes a tensor|named twice|kernel/);
  });

  it('a chain of 20,000 nodes takes no longer than it should', async () => {
    const g = new Fp32(17);
    let x = g.conv(g.input([1, 3, 8, 8]), 3, 64);
    for (let i = 0; i < 20_000; i++) x = g.node(i % 2 === 0 ? 'Add' : 'Mul', [x, g.scalar(1)]);
    const start = process.cpuUsage();
    expect(await proven(g.build([x]))).toEqual(['Conv']);
    expect(secondsSince(start)).toBeLessThan(10);
  });
});

describe('external data', () => {
  it('is asked for by place, and has to have the size that the shape needs', () => {
    const text = (field: number, value: string): number[] => [(field << 3) | 2, value.length, ...Buffer.from(value)];
    const inside = (field: number, bytes: number[]): number[] => [(field << 3) | 2, bytes.length, ...bytes];
    const entry = (key: string, value: string): number[] => inside(13, [...text(1, key), ...text(2, value)]);
    const file = (...place: number[]): Uint8Array => {
      const tensor = [8, 2, 16, 1, ...text(8, 'w'), ...place, (14 << 3) | 0, 1];
      const node = [...text(1, 'w'), ...text(2, 'y'), ...text(4, 'Identity')];
      return Uint8Array.from(inside(7, [...inside(1, node), ...inside(5, tensor)]));
    };
    const asked: [string, number, number | null][] = [];
    const values = Float32Array.of(1.5, -2);
    const read = (location: string, offset: number, length: number | null): Uint8Array => {
      asked.push([location, offset, length]);
      return new Uint8Array(values.buffer);
    };
    const whole = [...entry('location', 'model.data'), ...entry('offset', '64'), ...entry('length', '8')];
    expect(readOnnx(file(...whole), read).initializers.get('w')?.data).toEqual(values);
    expect(asked).toEqual([['model.data', 64, 8]]);
    expect(() => readOnnx(file(...whole))).toThrow(/external file/);
    expect(() => readOnnx(file(...entry('location', 'x'), ...entry('length', '9')), read)).toThrow(/9 bytes/);
    expect(() => readOnnx(file(...entry('location', 'x'), ...entry('offset', '-1')), read)).toThrow(/no readable place/);
    expect(() => readOnnx(file(...whole), () => new Uint8Array(3))).toThrow(/3 bytes/);
  });
});
