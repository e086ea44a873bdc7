/** ONNX operators that a canonical QDQ network may use between DequantizeLinear and QuantizeLinear: this table is the whole set. */
import { MAX_POOL_KERNEL } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import { binary, prelu, unary } from './elementwise.ts';
import { FUNCTIONS } from './functions.ts';
import type { QTensor, Weights, Window } from './graph.ts';
import { NO_BOUNDS } from './graph.ts';
import type { Importer } from './import.ts';
import type { OnnxNode } from './onnx.ts';
import { OnnxType } from './onnx.ts';
import { concat, flatten, reshape, resize, slice, split, squeeze, transpose, unsqueeze } from './moves.ts';
import { multiply, nearly, ratioOf } from './scale.ts';
import type { LayerDraft, PendingValue, RealValue, Value } from './values.ts';
import { dimsOf, dimsOfTensor } from './values.ts';

/** One value, or one for each of the node's outputs. */
export type Operator = (importer: Importer, node: OnnxNode) => Value | Value[];

const ints = (node: OnnxNode, name: string): number[] | undefined => node.attributes.get(name)?.ints;
const integer = (node: OnnxNode, name: string, otherwise: number): number => node.attributes.get(name)?.i ?? otherwise;

function pending(node: OnnxNode, draft: LayerDraft, shape: number[]): PendingValue {
  return { kind: 'pending', draft, node: node.name, operator: node.opType, bounds: NO_BOUNDS, dims: dimsOf(shape, node.name), shape };
}

/** Axes behind the channels: rows and columns, or columns alone (a signal), which are then those of one row. */
type Axes = 1 | 2;
const AXES = ['', 'one positive number is', 'two positive numbers are'] as const;

function pair(node: OnnxNode, name: string, axes: Axes): [number, number] {
  const given = ints(node, name) ?? [];
  const [a = 1, b = 1] = axes === 1 ? [1, given[0]] : given;
  if (given.length > axes || ![a, b].every((v) => Number.isSafeInteger(v) && v >= 1)) throw new CompileError(`${node.opType} has ${name} [${given.slice(0, 8).join(', ')}]; ${AXES[axes]} wanted.`, node.name);
  return [a, b];
}

/** Padding as ONNX states it: top, left, bottom, right; auto_pad worked out. */
function padsOf(node: OnnxNode, axes: Axes, size: readonly [number, number], kernel: [number, number], strides: [number, number], dilations: [number, number]): [number, number, number, number] {
  const auto = node.attributes.get('auto_pad')?.s ?? 'NOTSET';
  if (auto === 'VALID') return [0, 0, 0, 0];
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    const total = [0, 1].map((i) => {
      const stride = strides[i] as number;
      const out = Math.ceil((size[i] as number) / stride);
      return Math.max(0, (out - 1) * stride + ((kernel[i] as number) - 1) * (dilations[i] as number) + 1 - (size[i] as number));
    });
    const small = total.map((t) => Math.floor(t / 2));
    const large = total.map((t, i) => t - (small[i] as number));
    const [before, after] = auto === 'SAME_UPPER' ? [small, large] : [large, small];
    return [before[0] as number, before[1] as number, after[0] as number, after[1] as number];
  }
  if (auto !== 'NOTSET') throw new CompileError(`${node.opType} has auto_pad '${auto}'.`, node.name);
  const given = ints(node, 'pads') ?? [];
  const [top = 0, left = 0, bottom = 0, right = 0] = axes === 1 ? [0, given[0], 0, given[1]] : given;
  if (given.length > 2 * axes || ![top, left, bottom, right].every((p) => Number.isSafeInteger(p) && p >= 0)) throw new CompileError(`${node.opType} has pads that are not ${2 * axes} numbers from 0 on.`, node.name);
  return [top, left, bottom, right];
}

function axesOf(node: OnnxNode, { tensor, shape }: RealValue): Axes {
  const { channels, height, width } = tensor;
  if (shape.join() === [1, channels, height, width].join()) return 2;
  if (height === 1 && shape.join() === [1, channels, width].join()) return 1;
  throw new CompileError(`${node.opType} needs an image-shaped input [1, C, H, W], or a signal [1, C, W], not ${shape.join('×')}.`, node.name);
}

/**
 * Window and output size over [1, C, H, W], or of [1, C, W]. With ceil_mode the padding behind grows to what the last window reaches. The dilation of a
 * single tap and the stride to a second window that is not there say nothing: they become the least that mean the same.
 * @returns size behind the channels, as ONNX has it
 */
function windowOf(node: OnnxNode, input: RealValue, axes: Axes, kernel: [number, number]): { window: Window; size: number[]; given: readonly number[] } {
  const { tensor } = input;
  const strides = pair(node, 'strides', axes);
  const least: [number, number] = [...strides];
  const dilations = pair(node, 'dilations', axes).map((d, i) => (kernel[i] === 1 ? 1 : d)) as [number, number];
  const given = padsOf(node, axes, [tensor.height, tensor.width], kernel, strides, dilations);
  const pads: [number, number, number, number] = [...given];
  const size = [tensor.height, tensor.width].map((length, i) => {
    const extent = ((kernel[i] as number) - 1) * (dilations[i] as number) + 1;
    const before = given[i] as number;
    const after = given[i + 2] as number;
    const stride = strides[i] as number;
    const room = length + before + after - extent;
    if (room < 0) throw new CompileError(`${node.opType}'s kernel is larger than its padded input.`, node.name);
    if (before >= extent || after >= extent) throw new CompileError(`${node.opType} pads by as much as its kernel covers.`, node.name);
    const whole = integer(node, 'ceil_mode', 0) === 0;
    let out = (whole ? Math.floor : Math.ceil)(room / stride) + 1;
    // A window that would start in the padding behind is dropped (ONNX, MaxPool).
    if (!whole && (out - 1) * stride >= length + before) out--;
    if (out === 1) least[i] = Math.min(stride, room + 1);
    if (!whole) pads[i + 2] = Math.max(after, (out - 1) * stride + extent - length - before);
    return out;
  });
  return { window: { kernel, strides: least, dilations, pads }, size: size.slice(-axes), given };
}

/** Weights in [output][column] order and one scale an output; -128 becomes -127, which is noted. */
function weightsOf(importer: Importer, node: OnnxNode, value: Value, outputAxis: number, bias: Value | null, input: RealValue): Weights {
  if (value.kind !== 'weights' || value.tensor.dataType !== OnnxType.INT8) throw new CompileError(`weights of ${node.opType} must be int8 constants behind a DequantizeLinear.`, node.name);
  if (value.zeros.some((zero) => zero !== 0)) throw new CompileError(`weights '${value.tensor.name}' have a zero point other than 0; quantise them symmetrically.`, node.name);
  if (value.scales.length > 1 && value.axis !== outputAxis) throw new CompileError(`weights of ${node.opType} have scales along axis ${value.axis}, not one an output channel (axis ${outputAxis}).`, node.name);
  const { dims, data } = value.tensor;
  const outputs = dims[outputAxis] as number;
  importer.charge(node, data.length, outputs);
  const codes = outputAxis === 0 ? Int8Array.from(data as Int8Array) : turned(data as Int8Array, dims[0] as number, outputs);
  let changed = 0;
  codes.forEach((code, i) => {
    if (code !== -128) return;
    codes[i] = -127;
    changed++;
  });
  if (changed > 0) importer.note(`Node '${node.name}': ${changed} weights of -128 became -127.`);
  const scales = Float32Array.from({ length: outputs }, (_, c) => value.scales[value.scales.length > 1 ? c : 0] as number);
  return { codes, scales, bias: bias === null ? new Int32Array(outputs) : biasOf(node, bias, outputs, scales, input) };
}

function turned(data: Int8Array, rows: number, columns: number): Int8Array {
  const out = new Int8Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c] as number;
  return out;
}

function biasOf(node: OnnxNode, value: Value, outputs: number, scales: Float32Array, input: RealValue): Int32Array {
  if (value.kind !== 'weights' || value.tensor.dataType !== OnnxType.INT32) throw new CompileError(`bias of ${node.opType} must be int32 behind a DequantizeLinear, at scale (input scale × weight scale).`, node.name);
  const { tensor } = value;
  if (value.zeros.some((zero) => zero !== 0)) throw new CompileError(`bias '${tensor.name}' has a zero point other than 0.`, node.name);
  if (tensor.data.length !== outputs) throw new CompileError(`${node.opType} has a bias of ${tensor.data.length} values for ${outputs} outputs.`, node.name);
  for (let c = 0; c < outputs; c++) {
    const wanted = multiply(ratioOf(input.tensor.scale), ratioOf(scales[c] as number));
    const scale = value.scales[value.scales.length > 1 ? c : 0] as number;
    if (!nearly(ratioOf(scale), wanted, 2 ** -20)) throw new CompileError(`bias of output channel ${c} has scale ${scale}, not input scale × weight scale.`, node.name);
  }
  return Int32Array.from(tensor.data as Int32Array);
}

const conv: Operator = (importer, node) => {
  const input = importer.real(node, 0);
  const weights = importer.value(node, 1);
  const shape = weights.kind === 'weights' ? weights.tensor.dims : [];
  const axes = axesOf(node, input);
  const [outputs, perGroup, ...sides] = shape;
  if (outputs === undefined || perGroup === undefined || sides.length !== axes || shape.includes(0)) {
    throw new CompileError(`Conv's weights must be a constant of ${axes + 2} dimensions, as its input has, not ${shape.join('×') || 'a computed value'}.`, node.name);
  }
  const groups = integer(node, 'group', 1);
  if (perGroup * groups !== input.tensor.channels) throw new CompileError(`Conv's weights are for ${perGroup * groups} input channels, its input has ${input.tensor.channels}.`, node.name);
  const { window, size } = windowOf(node, input, axes, axes === 1 ? [1, sides[0] as number] : (sides as [number, number]));
  const bias = importer.has(node, 2) ? importer.value(node, 2) : null;
  return pending(node, { kind: 'conv', input: input.tensor, window, groups, weights: weightsOf(importer, node, weights, 0, bias, input) }, [1, outputs, ...size]);
};

function dense(importer: Importer, node: OnnxNode, transposed: boolean, bias: Value | null): PendingValue {
  const input = importer.real(node, 0);
  const weights = importer.value(node, 1);
  const shape = weights.kind === 'weights' ? weights.tensor.dims : [];
  const [outputs, columns] = transposed ? shape : [shape[1], shape[0]];
  if (shape.length !== 2 || !outputs || !columns) throw new CompileError(`${node.opType}'s second input must be a constant matrix.`, node.name);
  if (input.shape.length !== 2 || input.shape[1] !== columns) throw new CompileError(`${node.opType} multiplies ${input.shape.join('×')} by a matrix of ${columns} rows; flatten its input to [1, ${columns}] first.`, node.name);
  return pending(node, { kind: 'dense', input: input.tensor, weights: weightsOf(importer, node, weights, transposed ? 0 : 1, bias, input) }, [1, outputs]);
}

const gemm: Operator = (importer, node) => {
  const alpha = node.attributes.get('alpha')?.f ?? 1;
  const beta = node.attributes.get('beta')?.f ?? 1;
  if (alpha !== 1 || beta !== 1 || integer(node, 'transA', 0) !== 0) throw new CompileError('Gemm needs alpha = 1, beta = 1 and transA = 0.', node.name);
  return dense(importer, node, integer(node, 'transB', 0) !== 0, importer.has(node, 2) ? importer.value(node, 2) : null);
};

/** real + real, or the bias of a MatMul. */
const add: Operator = (importer, node) => {
  const a = importer.value(node, 0);
  const b = importer.value(node, 1);
  const [product, bias] = a.kind === 'pending' ? [a, b] : [b, a];
  if (product.kind === 'pending' && product.operator === 'MatMul' && product.draft.kind === 'dense' && bias.kind === 'weights') {
    const { draft } = product;
    const input: RealValue = { kind: 'real', tensor: draft.input, shape: [] };
    const weights = { ...draft.weights, bias: biasOf(node, bias, draft.weights.bias.length, draft.weights.scales, input) };
    return { ...product, draft: { ...draft, weights }, operator: 'MatMul + Add' };
  }
  if (a.kind !== 'real' || b.kind !== 'real') return binary(importer, node);
  const [left, right] = [a, b];
  if (left.shape.join() !== right.shape.join() || dimsOfTensor(left.tensor).join() !== dimsOfTensor(right.tensor).join()) {
    throw new CompileError(`Add of shapes ${left.shape.join('×')} and ${right.shape.join('×')}: they must be equal (no broadcasting).`, node.name);
  }
  return { ...pending(node, { kind: 'add', input: left.tensor, other: right.tensor }, left.shape), dims: dimsOfTensor(left.tensor) };
};

const clip: Operator = (importer, node) => {
  const bound = (index: number, otherwise: number): number => {
    if (!importer.has(node, index)) return otherwise;
    const tensor = importer.constant(node, index);
    if (tensor.dataType !== OnnxType.FLOAT || tensor.data.length !== 1 || Number.isNaN(tensor.data[0])) throw new CompileError('Clip needs one fp32 number for each bound.', node.name);
    return Number(tensor.data[0]);
  };
  const min = bound(1, -Infinity);
  const max = bound(2, Infinity);
  if (min > max) throw new CompileError(`Clip has a minimum of ${min} above its maximum of ${max}.`, node.name);
  return importer.bounded(node, importer.value(node, 0), min, max);
};

function pool(importer: Importer, node: OnnxNode): { input: RealValue; window: Window; given: readonly number[]; shape: number[] } {
  const input = importer.real(node, 0);
  if (ints(node, 'kernel_shape') === undefined) throw new CompileError(`${node.opType} has no kernel_shape.`, node.name);
  const axes = axesOf(node, input);
  const { window, size, given } = windowOf(node, input, axes, pair(node, 'kernel_shape', axes));
  return { input, window, given, shape: [1, input.tensor.channels, ...size] };
}

const maxPool: Operator = (importer, node) => {
  const { input, window, shape } = pool(importer, node);
  return pending(node, { kind: 'maxPool', input: input.tensor, window }, shape);
};

const averagePool: Operator = (importer, node) => {
  const { input, window, given, shape } = pool(importer, node);
  importer.charge(node, 0, window.kernel[0] * window.kernel[1]);
  const counted = integer(node, 'count_include_pad', 0) !== 0;
  const grown = window.pads.join() !== given.join();
  // What ceil_mode lets a window reach behind the padding is never counted.
  if (grown && counted && given.some((p) => p > 0)) throw new CompileError('AveragePool with ceil_mode and counted padding is not supported where a window reaches behind the padding; export it with ceil_mode=False.', node.name);
  return pending(node, { kind: 'averagePool', input: input.tensor, window, countIncludePad: counted && !grown }, shape);
};

/** The window over all of an image or signal. @throws CompileError where it is larger than a pooling's may be; in fp32 it may */
function whole(importer: Importer, node: OnnxNode): { input: QTensor; window: Window; shape: number[] } {
  const input = importer.real(node, 0);
  const axes = axesOf(node, input);
  const { channels, height, width } = input.tensor;
  if (Math.max(height, width) > MAX_POOL_KERNEL) throw new CompileError(`${node.opType} of ${height}×${width}; on codes it is of up to ${MAX_POOL_KERNEL}×${MAX_POOL_KERNEL}.`, node.name);
  return { input: input.tensor, window: { kernel: [height, width], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] }, shape: axes === 1 ? [1, channels, 1] : [1, channels, 1, 1] };
}

const globalAveragePool: Operator = (importer, node) => {
  const { shape, ...of } = whole(importer, node);
  return pending(node, { kind: 'averagePool', ...of, countIncludePad: true }, shape);
};

const globalMaxPool: Operator = (importer, node) => {
  const { shape, ...of } = whole(importer, node);
  return pending(node, { kind: 'maxPool', ...of }, shape);
};

/** Over rows and columns: global average pooling under another name. */
const reduceMean: Operator = (importer, node) => {
  const { shape } = importer.real(node, 0);
  const axes = ints(node, 'axes') ?? (importer.has(node, 1) ? [...importer.constant(node, 1).data].map(Number) : []);
  const over = axes.map((axis) => (axis < 0 ? axis + shape.length : axis)).sort((a, b) => a - b).join();
  if (shape.length < 3 || over !== shape.map((_, i) => i).slice(2).join()) throw new CompileError(`ReduceMean of ${shape.join('×')} over axes ${axes.join(', ')}; only rows and columns (2, 3) are supported.`, node.name);
  const made = globalAveragePool(importer, node) as PendingValue;
  return integer(node, 'keepdims', 1) === 0 ? { ...made, shape: made.shape.slice(0, 2) } : made;
};

const constant: Operator = (_importer, node) => {
  const tensor = node.attributes.get('value')?.t;
  if (tensor === undefined) throw new CompileError('Constant without a tensor value.', node.name);
  return { kind: 'constant', tensor };
};

const identity: Operator = (importer, node) => importer.value(node, 0);

export const OPERATORS: Readonly<Record<string, Operator>> = {
  Conv: conv,
  Gemm: gemm,
  MatMul: (importer, node) => dense(importer, node, false, null),
  Add: add,
  Relu: (importer, node) => importer.bounded(node, importer.value(node, 0), 0, Infinity),
  Clip: clip,
  ...Object.fromEntries(Object.keys(FUNCTIONS).map((name) => [name, unary])),
  PRelu: prelu,
  Sub: binary,
  Mul: binary,
  Div: binary,
  Pow: binary,
  Min: binary,
  Max: binary,
  MaxPool: maxPool,
  GlobalMaxPool: globalMaxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  ReduceMean: reduceMean,
  Concat: concat,
  Slice: slice,
  Split: split,
  Resize: resize,
  Flatten: flatten,
  Reshape: reshape,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Constant: constant,
  Identity: identity,
  Dropout: identity,
};
