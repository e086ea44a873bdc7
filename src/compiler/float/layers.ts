/** Operators with weights or windows: what the core was made for. All paddings become numbers, all biases are there. */
import { CompileError } from '../error.ts';
import type { OnnxNode } from '../onnx.ts';
import type { Attributes } from './step.ts';
import type { Tensor } from './tensor.ts';
import { countOf, floats, iota, offsets, permuted, stridesOf } from './tensor.ts';
import type { Value, View, Walk } from './walk.ts';
import { axisOf, floatOf, intOf, isSignal, SIGNAL } from './walk.ts';

export type Lower = (walk: Walk, node: OnnxNode) => Value | Value[];

/** Axes behind the channels: rows and columns, or those of a signal, which is an image of one row here. */
type Axes = 1 | 2;
type Image = { readonly x: string; readonly shape: readonly number[]; readonly axes: Axes };

/** A value as an image [1, C, H, W]. */
function image(walk: Walk, node: OnnxNode): Image {
  const view = walk.view(node, 0);
  const shape = walk.shape(view);
  if (shape.length === 3 && shape[0] === 1) {
    const { tensor } = walk.signal(node, view);
    return { x: tensor, shape: walk.under(tensor), axes: 1 };
  }
  if (shape.length !== 4 || shape[0] !== 1) throw new CompileError(`${node.opType} of a tensor of shape ${shape.join('×')}; it must be an image [1, C, H, W] or a signal [1, C, W].`, node.name);
  return { x: walk.plain(node, view), shape, axes: 2 };
}

/** What was made of an image, as its node's result. */
const resultOf = (walk: Walk, { axes }: Image, tensor: string): View => (axes === 1 ? { kind: 'view', tensor, perm: SIGNAL } : walk.identity(tensor));

function pair(node: OnnxNode, axes: Axes, name: string, otherwise: number): [number, number] {
  const given = node.attributes.get(name)?.ints ?? [otherwise, otherwise].slice(-axes);
  const [a, b] = axes === 1 ? [1, given[0]] : given;
  if (given.length !== axes || ![a, b].every((v) => Number.isSafeInteger(v) && (v as number) >= 1 && (v as number) < 2 ** 16)) throw new CompileError(`${node.opType} has ${name} [${given.slice(0, 8).join(', ')}]; ${axes === 1 ? 'one positive number is' : 'two positive numbers are'} wanted.`, node.name);
  return [a as number, b as number];
}

type Geometry = { out: [number, number]; pads: number[]; kernel: [number, number]; strides: [number, number]; dilations: [number, number]; grown: boolean };

/** Output size and padding; auto_pad and ceil_mode worked out, `grown` where ceil_mode took a window that reaches beyond the padding. */
function geometry(node: OnnxNode, { shape, axes }: Image, kernel: [number, number]): Geometry {
  const strides = pair(node, axes, 'strides', 1);
  const dilations = pair(node, axes, 'dilations', 1);
  const auto = node.attributes.get('auto_pad')?.s || 'NOTSET';
  const given = (auto === 'NOTSET' ? node.attributes.get('pads')?.ints : undefined) ?? [0, 0, 0, 0].slice(0, 2 * axes);
  const pads = axes === 1 ? [0, given[0] as number, 0, given[1] as number] : [...given];
  if (!['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'].includes(auto)) throw new CompileError(`${node.opType} has auto_pad '${auto}'.`, node.name);
  if (given.length !== 2 * axes || pads.some((p) => !Number.isSafeInteger(p) || p < 0 || p >= 2 ** 16)) throw new CompileError(`${node.opType} has pads [${given.slice(0, 8).join(', ')}]; ${axes === 1 ? 'two' : 'four'} numbers from 0 on are wanted.`, node.name);
  let grown = false;
  const out = [0, 1].map((i) => {
    const length = shape[i + 2] as number;
    const stride = strides[i] as number;
    const extent = ((kernel[i] as number) - 1) * (dilations[i] as number) + 1;
    if (auto.startsWith('SAME')) {
      const total = Math.max(0, (Math.ceil(length / stride) - 1) * stride + extent - length);
      pads[i] = auto === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
      pads[i + 2] = total - (pads[i] as number);
    }
    const before = pads[i] as number;
    const room = length + before + (pads[i + 2] as number) - extent;
    if (room < 0) throw new CompileError(`${node.opType}'s kernel is larger than its padded input.`, node.name);
    if (intOf(node, 'ceil_mode', 0) === 0) return Math.floor(room / stride) + 1;
    let count = Math.ceil(room / stride) + 1;
    // A window that would start in the padding behind is dropped.
    if ((count - 1) * stride >= length + before) count--;
    const reach = (count - 1) * stride + extent - length - before;
    if (reach > (pads[i + 2] as number)) {
      pads[i + 2] = reach;
      grown = true;
    }
    return count;
  });
  return { out: out as [number, number], pads, kernel, strides, dilations, grown };
}

const windowed = ({ kernel, strides, dilations, pads }: Geometry): Attributes => ({ kernel_shape: { ints: kernel }, strides: { ints: strides }, dilations: { ints: dilations }, pads: { ints: pads } });

function bias(walk: Walk, node: OnnxNode, outputs: number): Tensor {
  if (!walk.has(node, 2)) return floats([outputs], new Float32Array(outputs));
  const { dims, data } = walk.weights(node, 2);
  if (data.length !== outputs && data.length !== 1) throw new CompileError(`${node.opType} has a bias of shape ${dims.join('×')} for ${outputs} outputs.`, node.name);
  return floats([outputs], Float32Array.from({ length: outputs }, (_, i) => data[data.length === 1 ? 0 : i] as number));
}

export const conv: Lower = (walk, node) => {
  const from = image(walk, node);
  const { x, shape } = from;
  const { dims } = walk.weights(node, 1);
  const [outputs = 0, perGroup = 0, ...sides] = dims;
  const [height = 0, width = 0] = from.axes === 1 ? [1, ...sides] : sides;
  const group = intOf(node, 'group', 1);
  if (sides.length !== from.axes || countOf(dims) === 0) throw new CompileError(`Conv has weights of shape ${dims.join('×')}; of ${from.axes === 1 ? 'a signal' : 'an image'} they have ${from.axes + 2} dimensions.`, node.name);
  if (perGroup * group !== shape[1] || outputs % group !== 0) throw new CompileError(`Conv's weights ${dims.join('×')} in ${group} groups do not fit its input ${shape.join('×')}.`, node.name);
  walk.charge(node, countOf(dims));
  const place = geometry(node, from, [height, width]);
  const weights: Tensor = { ...walk.constant(node, 1), dims: [outputs, perGroup, height, width] };
  return resultOf(walk, from, walk.emit(node, 'Conv', [x, weights, bias(walk, node, outputs)], [1, outputs, ...place.out], { ...windowed(place), group: { i: group } }));
};

/** [1, K] · weights, as Gemm with one row of weights an output. `weights` is [O, K]. */
function dense(walk: Walk, node: OnnxNode, view: View, weights: Tensor, added: Tensor): View {
  const shape = walk.shape(view);
  const [outputs = 0, columns = 0] = weights.dims;
  if (countOf(shape) !== columns || shape.at(-1) !== columns) {
    const why = shape.at(-1) === columns ? 'a product of several rows (as in attention) is not supported; only a vector times constant weights is.' : 'the shapes do not fit.';
    throw new CompileError(`${node.opType} of ${shape.join('×')} by weights for ${columns} columns: ${why}`, node.name);
  }
  let sorted = weights;
  if (view.flat !== undefined) {
    // Instead of moving the image into the exported order, the columns of the weights go into the image's.
    const under = walk.under(view.tensor);
    const strides = stridesOf(under);
    const places = offsets(view.perm.map((p) => under[p] as number), view.perm.map((p) => strides[p] as number));
    const from = weights.data as Float32Array;
    const data = new Float32Array(from.length);
    for (let o = 0; o < outputs; o++) for (let i = 0; i < columns; i++) data[o * columns + (places[i] as number)] = from[o * columns + i] as number;
    sorted = { ...weights, data };
  }
  const flat = walk.plain(node, walk.reshape(node, view.flat === undefined ? view : walk.identity(view.tensor), [1, columns]));
  const made = walk.identity(walk.emit(node, 'Gemm', [flat, sorted, added], [1, outputs], { alpha: { f: 1 }, beta: { f: 1 }, transA: { i: 0 }, transB: { i: 1 } }));
  return walk.reshape(node, made, [...shape.slice(0, -1), outputs]);
}

function matrix(walk: Walk, node: OnnxNode, transposed: boolean, factor = 1): Tensor {
  const { dims, data } = walk.weights(node, 1);
  if (dims.length !== 2 || data.length === 0) throw new CompileError(`${node.opType}'s weights have shape ${dims.join('×')}; a matrix is wanted.`, node.name);
  walk.charge(node, data.length);
  const tensor = transposed ? walk.constant(node, 1) : permuted(walk.constant(node, 1), [1, 0]);
  return factor === 1 ? tensor : { ...tensor, data: (tensor.data as Float32Array).map((v) => v * factor) };
}

export const gemm: Lower = (walk, node) => {
  if (intOf(node, 'transA', 0) !== 0) throw new CompileError('Gemm with transA is not supported; only a vector times constant weights is.', node.name);
  const weights = matrix(walk, node, intOf(node, 'transB', 0) !== 0, floatOf(node, 'alpha', 1));
  const added = bias(walk, node, weights.dims[0] as number);
  const beta = floatOf(node, 'beta', 1);
  return dense(walk, node, walk.view(node, 0), weights, { ...added, data: (added.data as Float32Array).map((v) => v * beta) });
};

export const matMul: Lower = (walk, node) => {
  if (walk.value(node, 1).kind !== 'constant') throw new CompileError('MatMul of two computed values (as in attention) is not supported; only a vector times constant weights is.', node.name);
  const weights = matrix(walk, node, false);
  return dense(walk, node, walk.view(node, 0), weights, floats([weights.dims[0] as number], new Float32Array(weights.dims[0] as number)));
};

export const batchNormalization: Lower = (walk, node) => {
  if (intOf(node, 'training_mode', 0) !== 0) throw new CompileError('BatchNormalization in training mode; call model.eval() before the export.', node.name);
  const view = walk.view(node, 0);
  const channels = walk.shape(view)[1] ?? 1;
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((i) => walk.weights(node, i).data);
  if ([gamma, beta, mean, variance].some((p) => p?.length !== channels)) throw new CompileError(`BatchNormalization of ${channels} channels has parameters of another length.`, node.name);
  walk.charge(node, 4 * channels);
  const epsilon = floatOf(node, 'epsilon', 1e-5);
  const scale = Float64Array.from({ length: channels }, (_, c) => (gamma?.[c] as number) / Math.sqrt((variance?.[c] as number) + epsilon));
  const shift = scale.map((s, c) => (beta?.[c] as number) - (mean?.[c] as number) * s);
  const kept = view.flat === undefined && view.perm[1] === 1 ? view : walk.identity(walk.plain(node, view));
  return walk.affine(node, kept, scale, shift);
};

/** Window over the whole image, or over one of its axes. */
function whole(walk: Walk, node: OnnxNode, x: string, kernel: [number, number], op: 'MaxPool' | 'AveragePool', like?: View): string {
  const [, channels = 1, height = 1, width = 1] = walk.under(x);
  const out = [1, channels, height / kernel[0], width / kernel[1]];
  if (op === 'AveragePool' && out[2] === 1 && out[3] === 1) return walk.emit(node, 'GlobalAveragePool', [x], out, {}, like);
  const attributes = { kernel_shape: { ints: kernel }, strides: { ints: [1, 1] }, pads: { ints: [0, 0, 0, 0] } };
  return walk.emit(node, op, [x], out, { ...attributes, ...(op === 'AveragePool' ? { count_include_pad: { i: 1 } } : { dilations: { ints: [1, 1] } }) }, like);
}

export const globalPool = (op: 'MaxPool' | 'AveragePool'): Lower => (walk, node) => {
  const from = image(walk, node);
  return resultOf(walk, from, whole(walk, node, from.x, [from.shape[2] as number, from.shape[3] as number], op));
};

export const maxPool: Lower = (walk, node) => {
  if ((node.outputs[1] ?? '') !== '') throw new CompileError("MaxPool's second output (indices) is not supported; unpooling needs another way up, such as Resize.", node.name);
  const from = image(walk, node);
  const { x, shape } = from;
  const place = geometry(node, from, pair(node, from.axes, 'kernel_shape', 0));
  // Padding of no values: the windows that ceil_mode adds are the same as padding.
  return resultOf(walk, from, walk.emit(node, 'MaxPool', [x], [1, shape[1] as number, ...place.out], windowed(place)));
};

export const averagePool: Lower = (walk, node) => {
  const from = image(walk, node);
  const { x, shape } = from;
  const place = geometry(node, from, pair(node, from.axes, 'kernel_shape', 0));
  if (place.dilations.some((d) => d !== 1)) throw new CompileError('AveragePool with dilations is not supported.', node.name);
  const given = node.attributes.get('pads')?.ints ?? [];
  const counts = intOf(node, 'count_include_pad', 0) !== 0 && place.pads.some((p) => p > 0);
  if (place.pads.every((p) => p === 0) && place.kernel[0] === shape[2] && place.kernel[1] === shape[3]) return resultOf(walk, from, whole(walk, node, x, place.kernel, 'AveragePool'));
  if (place.grown && counts && given.some((p) => p > 0)) throw new CompileError('AveragePool with ceil_mode and counted padding is not supported; export it with ceil_mode=False.', node.name);
  // What ceil_mode adds is never counted; padding of 0 pixels is counted or not alike.
  const include = place.grown || place.pads.every((p) => p === 0) ? Number(!place.grown) : Number(counts);
  return resultOf(walk, from, walk.emit(node, 'AveragePool', [x], [1, shape[1] as number, ...place.out], { kernel_shape: { ints: place.kernel }, strides: { ints: place.strides }, pads: { ints: place.pads }, count_include_pad: { i: include } }));
};

/** Means, sums and maxima over rows and columns. */
export const reduction = (op: 'MaxPool' | 'AveragePool', sum = false): Lower => (walk, node) => {
  let view = walk.view(node, 0);
  if (view.flat !== undefined) view = walk.identity(walk.plain(node, view));
  const shape = walk.shape(view);
  const given = walk.list(node, 'axes', 1);
  if ((given === undefined || given.length === 0) && intOf(node, 'noop_with_empty_axes', 0) !== 0) return view;
  const axes = (given === undefined || given.length === 0 ? iota(shape.length) : given).map((a) => axisOf(node, a, shape.length));
  const long = axes.filter((a) => shape[a] !== 1);
  if ((shape.length !== 4 && !isSignal(view)) || long.some((a) => (view.perm[a] as number) < 2)) {
    view = walk.identity(walk.plain(node, view));
    if (shape.length !== 4 || long.some((a) => a < 2)) throw new CompileError(`${node.opType} over axes ${axes.join(', ')} of ${shape.join('×')}: only over the rows and columns of an image.`, node.name);
  }
  const under = walk.under(view.tensor);
  const kernel = [2, 3].map((u) => (long.some((a) => view.perm[a] === u) ? (under[u] as number) : 1)) as [number, number];
  let made: View = long.length === 0 ? view : { ...view, tensor: whole(walk, node, view.tensor, kernel, op, view) };
  if (sum) made = walk.affine(node, made, [kernel[0] * kernel[1]], [0]);
  return intOf(node, 'keepdims', 1) !== 0 ? made : walk.reshape(node, made, shape.filter((_, i) => !axes.includes(i)));
};
