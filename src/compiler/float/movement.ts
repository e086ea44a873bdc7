/** Operators that move elements: shapes, slices, joins, resizing, padding. */
import { CompileError } from '../error.ts';
import type { OnnxNode } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';
import { flattened, parts, ranges, targetShape, withAxes, withoutAxes } from './fold.ts';
import type { Lower } from './layers.ts';
import type { Step } from './step.ts';
import { broadcast, floats, integers, inverse, iota, numbers, same, tensorOf } from './tensor.ts';
import type { Value, View, Walk } from './walk.ts';
import { axisOf, inOrder, intOf, isSignal } from './walk.ts';

export const pass: Lower = (walk, node) => walk.value(node, 0);

export const cast: Lower = (walk, node) => {
  const to = intOf(node, 'to', 0);
  const names: Record<number, string> = { 10: 'float16', 11: 'float64', 16: 'bfloat16' };
  if (to !== OnnxType.FLOAT && names[to] === undefined) throw new CompileError(`Cast of an activation to data type ${to} is not supported; keep the network in fp32.`, node.name);
  if (to !== OnnxType.FLOAT) walk.note(`Node '${node.name}': the cast to ${names[to]} is left out, the network stays fp32.`);
  return walk.value(node, 0);
};

/** Like the other input, which comes from the image and so is fp32, or is a constant beside an activation, which stays fp32 too. */
export const castLike: Lower = (walk, node) => {
  const value = walk.value(node, 0);
  if (value.kind === 'view' || value.tensor.dataType === OnnxType.FLOAT) return value;
  walk.charge(node, value.tensor.data.length);
  return { kind: 'constant', tensor: floats(value.tensor.dims, numbers(value.tensor)) };
};

export const shapeOf: Lower = (walk, node) => {
  const shape = walk.shape(walk.view(node, 0));
  const cut = (value: number): number => Math.min(Math.max(value < 0 ? value + shape.length : value, 0), shape.length);
  const dims = shape.slice(cut(intOf(node, 'start', 0)), cut(intOf(node, 'end', shape.length)));
  return { kind: 'constant', tensor: integers(dims) };
};

export const sizeOf: Lower = (walk, node) => ({ kind: 'constant', tensor: tensorOf(OnnxType.INT64, [], [walk.shape(walk.view(node, 0)).reduce((a, b) => a * b, 1)]) });

export const transpose: Lower = (walk, node) => {
  let view = walk.view(node, 0);
  if (view.flat !== undefined || isSignal(view)) view = walk.identity(walk.plain(node, view));
  const rank = view.perm.length;
  const perm = node.attributes.get('perm')?.ints ?? iota(rank).reverse();
  if (perm.length !== rank || new Set(perm).size !== rank || perm.some((p) => !(p >= 0 && p < rank))) throw new CompileError(`Transpose of ${rank} axes by ${perm.slice(0, 8).join(', ')}.`, node.name);
  return { kind: 'view', tensor: view.tensor, perm: perm.map((p) => view.perm[p] as number) };
};

const shaped = (shape: (walk: Walk, node: OnnxNode, before: readonly number[]) => number[]): Lower => (walk, node) => {
  const view = walk.view(node, 0);
  return walk.reshape(node, view, shape(walk, node, walk.shape(view)));
};

export const reshape = shaped((walk, node, before) => targetShape(node, before, [...numbers(walk.constant(node, 1))]));
export const flatten = shaped((_, node, before) => flattened(node, before));
export const squeeze = shaped(withoutAxes);
export const unsqueeze = shaped(withAxes);

export const expand: Lower = (walk, node) => {
  const view = walk.view(node, 0);
  const shape = walk.shape(view);
  const to = broadcast(shape, [...numbers(walk.constant(node, 1))]);
  if (to === null || to.length > 8 || !same(to.filter((d) => d !== 1), shape.filter((d) => d !== 1))) throw new CompileError(`Expand of ${shape.join('×')} repeats elements, which is not supported.`, node.name);
  return walk.reshape(node, view, to);
};

/** Ranges along the axes that the exported graph sees: [start, count, step]. */
function sliced(walk: Walk, node: OnnxNode, view: View, cut: [number, number, number][]): View {
  const under = walk.under(view.tensor);
  const axes = iota(cut.length).filter((i) => (cut[i] as number[])[0] !== 0 || (cut[i] as number[])[1] !== under[view.perm[i] as number]);
  if (axes.length === 0) return view;
  if (axes.some((i) => (cut[i] as number[])[2] as number < 0)) throw new CompileError('Slice with a negative step is not supported.', node.name);
  const order = axes.map((i) => ({ axis: view.perm[i] as number, range: cut[i] as [number, number, number] })).sort((a, b) => a.axis - b.axis);
  const shape = [...under];
  for (const { axis, range } of order) shape[axis] = range[1];
  const ends = order.map(({ range: [start, count, step] }) => start + (count - 1) * step + 1);
  const constants = [order.map((o) => o.range[0]), ends, order.map((o) => o.axis), order.map((o) => o.range[2])].map(integers);
  return { ...view, tensor: walk.emit(node, 'Slice', [view.tensor, ...constants], shape, {}, view) };
}

const unflat = (walk: Walk, node: OnnxNode, view: View): View => (view.flat === undefined ? view : walk.identity(walk.plain(node, view)));
const whole = (shape: readonly number[]): [number, number, number][] => shape.map((d) => [0, d, 1]);

export const slice: Lower = (walk, node) => {
  const view = unflat(walk, node, walk.view(node, 0));
  const shape = walk.shape(view);
  // Before opset 10 the ranges are attributes, which the same reading takes.
  return sliced(walk, node, view, ranges(walk, node, shape));
};

export const split: Lower = (walk, node) => {
  const view = unflat(walk, node, walk.view(node, 0));
  const shape = walk.shape(view);
  const axis = axisOf(node, intOf(node, 'axis', 0), shape.length);
  let start = 0;
  return parts(walk, node, shape[axis] as number).map((size, index): Value => {
    const cut = whole(shape);
    cut[axis] = [start, size, 1];
    start += size;
    const output = node.outputs[index] as string;
    return sliced(walk, { ...node, name: index === 0 ? node.name : `${node.name}/${index}`, outputs: [output] }, view, cut);
  });
};

/** One index along one axis: a slice without that axis. */
export const gather: Lower = (walk, node) => {
  const view = unflat(walk, node, walk.view(node, 0));
  const shape = walk.shape(view);
  const index = walk.constant(node, 1);
  const axis = axisOf(node, intOf(node, 'axis', 0), shape.length);
  const at = Array.from(numbers(index), (i) => axisOf(node, i, shape[axis] as number));
  const run = at.every((v, i) => v === (at[0] as number) + i);
  if (at.length === 0 || !run || index.dims.length > 1) throw new CompileError('Gather is supported with one index or a run of indices only; use slices.', node.name);
  const cut = whole(shape);
  cut[axis] = [at[0] as number, at.length, 1];
  const made = sliced(walk, node, view, cut);
  return index.dims.length === 1 ? made : walk.reshape(node, made, shape.filter((_, i) => i !== axis));
};

export const concat: Lower = (walk, node) => {
  const values = node.inputs.map((_, i) => walk.value(node, i));
  const views = values.map((value) => (value.kind === 'view' ? unflat(walk, node, value) : value));
  const first = views.find((v) => v.kind === 'view') as View;
  const shape = walk.shape(first);
  const axis = axisOf(node, intOf(node, 'axis', 1), shape.length);
  const { perm } = first;
  const rest = (dims: readonly number[]): string => dims.map((d, i) => (i === axis ? '' : d)).join();
  let length = 0;
  const inputs = views.map((value): Step['inputs'][number] => {
    const dims = value.kind === 'view' ? walk.shape(value) : value.tensor.dims;
    if (dims.length !== shape.length || rest(dims) !== rest(shape)) throw new CompileError(`Concat of shapes ${shape.join('×')} and ${dims.join('×')} along axis ${axis}.`, node.name);
    length += dims[axis] as number;
    if (value.kind === 'view') return walk.aligned(node, value, perm).tensor;
    walk.charge(node, value.tensor.data.length);
    return inOrder(floats(dims, numbers(value.tensor)), first);
  });
  if (inputs.length === 1) return first;
  const under = walk.under(first.tensor).map((d, i) => (i === perm[axis] ? length : d));
  return { ...first, tensor: walk.emit(node, 'Concat', inputs, under, { axis: { i: perm[axis] as number } }, first) };
};

const ROUND: Record<string, (x: number) => number> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5), round_prefer_ceil: (x) => Math.floor(x + 0.5), floor: Math.floor, ceil: Math.ceil,
};
const PLACE: Record<string, (x: number, scale: number) => number> = {
  half_pixel: (x, scale) => (x + 0.5) / scale - 0.5, pytorch_half_pixel: (x, scale) => (x + 0.5) / scale - 0.5,
  asymmetric: (x, scale) => x / scale, tf_half_pixel_for_nn: (x, scale) => (x + 0.5) / scale,
};

/** Nearest-neighbour enlargement by whole factors: all of ONNX's ways to say it that mean the same pixels become one. */
export const resize: Lower = (walk, node) => {
  const upsample = node.opType === 'Upsample';
  const given = unflat(walk, node, walk.view(node, 0));
  const view = isSignal(given) ? walk.identity(walk.plain(node, given)) : given;
  const shape = walk.shape(view);
  const text = (name: string, otherwise: string): string => node.attributes.get(name)?.s || otherwise;
  const mode = text('mode', 'nearest');
  if (mode !== 'nearest') throw new CompileError(`${node.opType} with mode '${mode}' is not supported; only nearest-neighbour enlargement is.`, node.name);
  const scalesAt = upsample || walk.opset < 11 ? 1 : 2;
  const numbersAt = (index: number): number[] | undefined => (walk.has(node, index) && walk.constant(node, index).data.length > 0 ? [...numbers(walk.constant(node, index))] : undefined);
  const sizes = upsample ? undefined : numbersAt(3);
  const scales = node.attributes.get('scales')?.floats ?? numbersAt(scalesAt);
  const axes = (node.attributes.get('axes')?.ints ?? iota(shape.length)).map((a) => axisOf(node, a, shape.length));
  if ((sizes ?? scales)?.length !== axes.length) throw new CompileError(`${node.opType} states neither a scale nor a size for each axis.`, node.name);
  const factors = shape.map((length, i) => {
    const k = axes.indexOf(i);
    return k < 0 ? 1 : sizes !== undefined ? (sizes[k] as number) / length : ((scales as number[])[k] as number);
  });
  const place = PLACE[upsample ? 'asymmetric' : text('coordinate_transformation_mode', walk.opset < 11 ? 'asymmetric' : 'half_pixel')];
  const round = ROUND[upsample || walk.opset < 11 ? 'floor' : text('nearest_mode', 'round_prefer_floor')];
  factors.forEach((factor, i) => {
    if (!Number.isInteger(factor) || factor < 1 || factor * (shape[i] as number) > 2 ** 16) throw new CompileError(`${node.opType} by ${factor}: only whole factors are supported.`, node.name);
    for (let x = 0; factor > 1 && x < factor * (shape[i] as number); x++) {
      const from = Math.min(Math.max(round?.(place?.(x, factor) ?? NaN) ?? NaN, 0), (shape[i] as number) - 1);
      if (from !== Math.floor(x / factor)) throw new CompileError(`${node.opType} shifts pixels (coordinate_transformation_mode, nearest_mode); export nearest-neighbour enlargement without align_corners.`, node.name);
    }
  });
  if (factors.every((f) => f === 1)) return view;
  if (shape.length !== 4) throw new CompileError(`${node.opType} of a tensor of shape ${shape.join('×')}; it must be an image.`, node.name);
  const under = inverse(view.perm).map((i) => factors[i] as number);
  if (under[0] !== 1 || under[1] !== 1) throw new CompileError(`${node.opType} enlarges other axes than rows and columns.`, node.name);
  const attributes = { mode: { s: 'nearest' }, coordinate_transformation_mode: { s: 'asymmetric' }, nearest_mode: { s: 'floor' } };
  return { ...view, tensor: walk.emit(node, 'Resize', [view.tensor, null, floats([4], under)], walk.under(view.tensor).map((d, i) => d * (under[i] as number)), attributes, view) };
};

export const pad: Lower = (walk, node) => {
  const view = unflat(walk, node, walk.view(node, 0));
  const shape = walk.shape(view);
  const mode = node.attributes.get('mode')?.s || 'constant';
  if (mode !== 'constant') throw new CompileError(`Pad with mode '${mode}' is not supported; pad with a constant.`, node.name);
  const given = walk.list(node, 'pads', 1) ?? [];
  const axes = (walk.has(node, 3) ? [...numbers(walk.constant(node, 3))] : iota(shape.length)).map((a) => axisOf(node, a, shape.length));
  if (given.length !== 2 * axes.length || given.some((p) => !Number.isSafeInteger(p) || p < 0)) throw new CompileError('Pad needs a number from 0 on for each side of each axis.', node.name);
  if (given.every((p) => p === 0)) return view;
  const value = walk.has(node, 2) ? Number(walk.constant(node, 2).data[0]) : (node.attributes.get('value')?.f ?? 0);
  const rank = walk.under(view.tensor).length;
  const pads = iota(2 * rank).map(() => 0);
  axes.forEach((axis, i) => {
    pads[view.perm[axis] as number] = given[i] as number;
    pads[rank + (view.perm[axis] as number)] = given[i + axes.length] as number;
  });
  const out = walk.under(view.tensor).map((d, i) => d + (pads[i] as number) + (pads[i + rank] as number));
  return { ...view, tensor: walk.emit(node, 'Pad', [view.tensor, integers(pads), floats([], [value])], out, { mode: { s: 'constant' } }, view) };
};
