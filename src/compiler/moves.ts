/** Operators that compute nothing: they say where values lie, or how their shape is written. */
import { MAX_CHANNELS } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import { NO_BOUNDS, sameCodes } from './graph.ts';
import type { Importer } from './import.ts';
import type { OnnxNode } from './onnx.ts';
import { OnnxType } from './onnx.ts';
import type { Operator } from './operators.ts';
import type { RealValue, Value } from './values.ts';
import { dimsOfTensor } from './values.ts';

const product = (dims: readonly number[]): number => dims.reduce((all, d) => all * d, 1);
const integer = (node: OnnxNode, name: string, otherwise: number): number => node.attributes.get(name)?.i ?? otherwise;

function int64s(importer: Importer, node: OnnxNode, index: number): number[] {
  const { dataType, data } = importer.constant(node, index);
  if ((dataType !== OnnxType.INT64 && dataType !== OnnxType.INT32) || data.length > 8) throw new CompileError(`input ${index} of ${node.opType} must be up to eight constant integers.`, node.name);
  return [...data].map(Number);
}

/** An attribute of older opsets, an input of newer ones. */
function list(importer: Importer, node: OnnxNode, name: string, index: number): number[] | null {
  return node.attributes.get(name)?.ints ?? (importer.has(node, index) ? int64s(importer, node, index) : null);
}

function axisOf(node: OnnxNode, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isSafeInteger(axis) || positive < 0 || positive >= rank) throw new CompileError(`${node.opType} has axis ${axis} of ${rank} dimensions.`, node.name);
  return positive;
}

/** The same elements in the same order under another shape: only [1, …] → [1, product], or a change of nothing but 1s. */
function reshaped(importer: Importer, node: OnnxNode, shapeOf: (shape: number[]) => number[]): Value {
  const value = importer.value(node, 0);
  if (value.kind === 'input' || value.kind === 'constant' || value.kind === 'weights' || value.kind === 'float') throw new CompileError(`${node.opType} of a value that is not quantised.`, node.name);
  const shape = shapeOf(value.shape);
  if (product(shape) !== product(value.shape)) throw new CompileError(`${node.opType} turns ${value.shape.join('×')} into ${shape.join('×')}, which has another number of elements.`, node.name);
  const bare = (dims: number[]): string => dims.filter((d) => d !== 1).join();
  if (!(shape.length === 2 && shape[0] === 1) && bare(shape) !== bare(value.shape)) throw new CompileError(`${node.opType} to ${shape.join('×')} would move elements; only flattening is supported.`, node.name);
  if (shape.length < 2 || shape.length > 4 || shape[0] !== 1) throw new CompileError(`${node.opType} to ${shape.join('×')}: the batch of 1 must stay in front.`, node.name);
  return { ...value, shape };
}

export const flatten: Operator = (importer, node) => {
  const axis = integer(node, 'axis', 1);
  if (axis !== 1) throw new CompileError(`Flatten with axis ${axis}; only 1 is supported.`, node.name);
  return reshaped(importer, node, (shape) => [1, product(shape)]);
};

export const reshape: Operator = (importer, node) => {
  const wanted = int64s(importer, node, 1);
  return reshaped(importer, node, (shape) => {
    const dims = wanted.map((d, i) => (d === 0 ? (shape[i] ?? 1) : d));
    const known = product(dims.filter((d) => d !== -1));
    return dims.map((d) => (d === -1 ? product(shape) / known : d));
  });
};

export const squeeze: Operator = (importer, node) => {
  const axes = list(importer, node, 'axes', 1);
  return reshaped(importer, node, (shape) => {
    const gone = new Set(axes?.map((axis) => axisOf(node, axis, shape.length)) ?? shape.flatMap((d, i) => (d === 1 && i > 0 ? [i] : [])));
    return shape.filter((_, i) => !gone.has(i));
  });
};

export const unsqueeze: Operator = (importer, node) => {
  const axes = list(importer, node, 'axes', 1) ?? [];
  return reshaped(importer, node, (shape) => {
    const rank = shape.length + axes.length;
    const made = new Set(axes.map((axis) => axisOf(node, axis, rank)));
    const rest = [...shape];
    return Array.from({ length: rank }, (_, i) => (made.has(i) ? 1 : (rest.shift() ?? 1)));
  });
};

/** Only where the dimensions other than 1 keep their order. */
export const transpose: Operator = (importer, node) =>
  reshaped(importer, node, (shape) => {
    const order = node.attributes.get('perm')?.ints ?? shape.map((_, i) => shape.length - 1 - i);
    if (order.length !== shape.length || [...order].sort((a, b) => a - b).some((axis, i) => axis !== i)) throw new CompileError(`Transpose has perm [${order.join(', ')}] for ${shape.length} dimensions.`, node.name);
    const kept = order.filter((axis) => shape[axis] !== 1);
    if (kept.some((axis, i) => i > 0 && axis < (kept[i - 1] as number))) throw new CompileError(`Transpose of ${shape.join('×')} by [${order.join(', ')}] would move elements; the core keeps channels first.`, node.name);
    return order.map((axis) => shape[axis] as number);
  });

/** Parts of one quantisation are a quantised tensor at once; where they differ, each is rescaled to that of the QuantizeLinear behind. */
export const concat: Operator = (importer, node) => {
  const parts = node.inputs.map((_, i) => importer.real(node, i));
  const [first] = parts;
  if (first === undefined) throw new CompileError('Concat of nothing.', node.name);
  if (parts.length === 1) return first;
  const { shape, tensor } = first;
  const axis = axisOf(node, integer(node, 'axis', 1), shape.length);
  const fits = parts.every((p) => p.tensor.height === tensor.height && p.tensor.width === tensor.width && p.shape.length === shape.length && p.shape.every((d, i) => i === axis || d === shape[i]));
  if (axis !== 1 || !fits) throw new CompileError(`Concat of ${parts.map((p) => p.shape.join('×')).join(' and ')} along axis ${axis}: only channels (axis 1) of images of one size are supported.`, node.name);
  const dims: [number, number, number] = [parts.reduce((sum, p) => sum + p.tensor.channels, 0), tensor.height, tensor.width];
  if (dims[0] > MAX_CHANNELS) throw new CompileError(`Concat gives ${dims[0]} channels; the core holds ${MAX_CHANNELS}.`, node.name);
  const whole = shape.map((d, i) => (i === axis ? parts.reduce((sum, p) => sum + (p.shape[axis] as number), 0) : d));
  const value = { node, operator: 'Concat', parts, dims, shape: whole };
  if (parts.every((p) => sameCodes(p.tensor, tensor))) return importer.joined(value, node.outputs[0] ?? '', tensor);
  return { kind: 'joined', ...value };
};

function sliced(importer: Importer, node: OnnxNode, input: RealValue, from: number, to: number, name: string): RealValue {
  const { tensor, shape } = input;
  if (shape[1] !== tensor.channels) throw new CompileError(`${node.opType} of ${shape.join('×')}, which is flattened: its elements are no channels.`, node.name);
  if (from === 0 && to === tensor.channels) return input;
  const output = importer.tensor(name, [to - from, tensor.height, tensor.width], tensor);
  importer.push({ kind: 'slice', name: node.name, operator: node.opType, input: tensor, output, from, bounds: NO_BOUNDS });
  return { kind: 'real', tensor: output, shape: shape.map((d, i) => (i === 1 ? to - from : d)) };
}

export const slice: Operator = (importer, node) => {
  const input = importer.real(node, 0);
  const { shape } = input;
  const starts = int64s(importer, node, 1);
  const ends = int64s(importer, node, 2);
  const axes = (importer.has(node, 3) ? int64s(importer, node, 3) : starts.map((_, i) => i)).map((axis) => axisOf(node, axis, shape.length));
  const steps = importer.has(node, 4) ? int64s(importer, node, 4) : starts.map(() => 1);
  let range: [number, number] = [0, input.tensor.channels];
  /** Of rows and columns: the first, where every second one is taken. */
  const halved: [number | null, number | null] = [null, null];
  axes.forEach((axis, i) => {
    const length = shape[axis] as number;
    const at = (value: number): number => Math.max(0, Math.min(length, value < 0 ? value + length : value));
    const [from, to] = [at(starts[i] ?? 0), at(ends[i] ?? length)];
    if (steps[i] === 2 && axis >= 2 && shape.length === 4 && from <= 1 && to === length && from < to) {
      halved[axis - 2] = from;
      return;
    }
    if (steps[i] !== 1 || from >= to || (axis !== 1 && (from !== 0 || to !== length))) {
      throw new CompileError(`Slice of ${shape.join('×')} from ${starts[i]} to ${ends[i]} in steps of ${steps[i]} along axis ${axis}: only channels (axis 1) in steps of 1 are supported.`, node.name);
    }
    if (axis === 1) range = [from, to];
  });
  const name = node.outputs[0] ?? '';
  if (halved.every((first) => first === null)) return sliced(importer, node, input, ...range, name);
  const some = sliced(importer, node, input, ...range, `${name} (channels)`);
  return everySecond(importer, node, some, halved, name);
};

/** Every second row, column or both, from the first or second on: a depthwise convolution with a weight of 1 in the one place, which is exact. */
function everySecond(importer: Importer, node: OnnxNode, { tensor, shape }: RealValue, first: readonly (number | null)[], name: string): RealValue {
  if (shape.join() !== [1, tensor.channels, tensor.height, tensor.width].join()) throw new CompileError(`${node.opType} of ${shape.join('×')}, which is flattened: it has no rows and columns.`, node.name);
  const kernel = first.map((start) => 1 + (start ?? 0)) as [number, number];
  const strides = first.map((start) => (start === null ? 1 : 2)) as [number, number];
  const size = [tensor.height, tensor.width].map((length, i) => Math.floor((length - (kernel[i] as number)) / (strides[i] as number)) + 1) as [number, number];
  const taps = kernel[0] * kernel[1];
  importer.charge(node, tensor.channels * taps, tensor.channels);
  const codes = Int8Array.from({ length: tensor.channels * taps }, (_, i) => (i % taps === taps - 1 ? 1 : 0));
  const output = importer.tensor(name, [tensor.channels, ...size], tensor);
  importer.push({
    kind: 'conv', name: node.name, operator: node.opType, input: tensor, output, bounds: NO_BOUNDS, groups: tensor.channels,
    window: { kernel, strides, dilations: [1, 1], pads: [0, 0, 0, 0] },
    weights: { codes, scales: new Float32Array(tensor.channels).fill(1), bias: new Int32Array(tensor.channels) },
  });
  return { kind: 'real', tensor: output, shape: [1, tensor.channels, ...size] };
}

export const split: Operator = (importer, node) => {
  const input = importer.real(node, 0);
  const axis = axisOf(node, integer(node, 'axis', 0), input.shape.length);
  if (axis !== 1) throw new CompileError(`Split along axis ${axis}: only channels (axis 1) are supported.`, node.name);
  const { channels } = input.tensor;
  const each = Math.ceil(channels / node.outputs.length);
  const sizes = list(importer, node, 'split', 1) ?? node.outputs.map((_, i) => Math.min(each, channels - i * each));
  if (sizes.length !== node.outputs.length || sizes.some((size) => !(size > 0)) || sizes.reduce((a, b) => a + b, 0) !== channels) throw new CompileError(`Split of ${channels} channels into ${sizes.join(' + ')}.`, node.name);
  let from = 0;
  return node.outputs.map((name, i) => {
    const start = from;
    from += sizes[i] as number;
    return sliced(importer, node, input, start, from, name);
  });
};

type Sampling = { coordinates: string; nearest: string; scale: number; length: number };

/** The source of pixel i, as ONNX's Resize defines it for mode nearest. */
function sourceOf(i: number, { coordinates, nearest, scale, length }: Sampling): number {
  const out = length * scale;
  const x =
    coordinates === 'asymmetric' ? i / scale
    : coordinates === 'align_corners' ? (i * (length - 1)) / (out - 1)
    : coordinates === 'half_pixel' || coordinates === 'half_pixel_symmetric' || (coordinates === 'pytorch_half_pixel' && out > 1) ? (i + 0.5) / scale - 0.5
    : Number.NaN;
  const whole =
    nearest === 'floor' ? Math.floor(x)
    : nearest === 'ceil' ? Math.ceil(x)
    : nearest === 'round_prefer_ceil' ? Math.floor(x + 0.5)
    : Math.ceil(x - 0.5);
  return Math.max(0, Math.min(length - 1, whole));
}

/** Nearest, twice as large, each pixel twice: what the core reads as a source of half the resolution. */
export const resize: Operator = (importer, node) => {
  const input = importer.real(node, 0);
  const { tensor, shape } = input;
  const mode = node.attributes.get('mode')?.s ?? 'nearest';
  if (shape.length !== 4) throw new CompileError(`${node.opType} needs an image-shaped input [1, C, H, W], not ${shape.join('×')}.`, node.name);
  const scales = importer.has(node, 2) ? importer.constant(node, 2) : null;
  const factors =
    scales !== null && scales.data.length > 0 ? [...scales.data].map(Number)
    : importer.has(node, 3) ? int64s(importer, node, 3).map((size, i) => size / (shape[i] as number))
    : [];
  const wanted = factors.join() === '1,1,2,2';
  const sampling = { coordinates: node.attributes.get('coordinate_transformation_mode')?.s ?? 'half_pixel', nearest: node.attributes.get('nearest_mode')?.s ?? 'round_prefer_floor', scale: 2 };
  const twice = (length: number): boolean => Array.from({ length: 2 * length }, (_, i) => i).every((i) => sourceOf(i, { ...sampling, length }) === i >> 1);
  if (mode !== 'nearest' || !wanted || integer(node, 'antialias', 0) !== 0 || !twice(tensor.height) || !twice(tensor.width)) {
    throw new CompileError(`${node.opType} of mode '${mode}' by ${factors.join('×') || 'an unknown factor'} (${sampling.coordinates}, ${sampling.nearest}); only nearest by 1×1×2×2, each pixel twice, is supported.`, node.name);
  }
  const [channels, height, width] = dimsOfTensor(tensor);
  const large = [1, channels, 2 * height, 2 * width];
  const output = importer.tensor(node.outputs[0] ?? '', importer.dims(large, node), tensor);
  importer.push({ kind: 'upsample', name: node.name, operator: node.opType, input: tensor, output, bounds: NO_BOUNDS });
  return { kind: 'real', tensor: output, shape: large };
};
