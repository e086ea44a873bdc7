/** Operators on constants alone: what exporters leave behind around shapes, and weights that they transpose or cast. */
import { CompileError } from '../error.ts';
import type { OnnxNode } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';
import type { Tensor } from './tensor.ts';
import { broadcast, broadcastStrides, countOf, gather, inverse, iota, numbers, offsets, permuted, stridesOf, tensorOf } from './tensor.ts';
import { axisOf, floatOf, intOf, type Walk } from './walk.ts';

export type Fold = (walk: Walk, node: OnnxNode) => Tensor | Tensor[];

/** No constant that a network needs is longer, but for weights that only change their order. */
const MAX_COMPUTED = 2 ** 24;

function room(walk: Walk, node: OnnxNode, dims: readonly number[], limit = MAX_COMPUTED): void {
  const count = countOf(dims);
  if (!dims.every((d) => Number.isSafeInteger(d) && d >= 0) || dims.length > 8 || count > limit) throw new CompileError(`${node.opType} makes a constant of shape ${dims.join('×')}.`, node.name);
  walk.charge(node, count);
}

const isInteger = (type: number): boolean => type !== OnnxType.FLOAT && type !== OnnxType.DOUBLE;

function pointwise(walk: Walk, node: OnnxNode, compute: (...values: number[]) => number, type?: number): Tensor {
  const needed = Math.max(1, compute.length);
  if (node.inputs.length < needed) throw new CompileError(`${node.opType} has ${node.inputs.length} of the ${needed} input(s) that it needs.`, node.name);
  const inputs = node.inputs.map((_, i) => walk.constant(node, i));
  const dims = inputs.reduce<readonly number[] | null>((shape, t) => (shape === null ? null : broadcast(shape, t.dims)), []);
  if (dims === null) throw new CompileError(`${node.opType} of shapes ${inputs.map((t) => t.dims.join('×')).join(' and ')}.`, node.name);
  room(walk, node, dims);
  walk.charge(node, countOf(dims) * (inputs.length > 2 ? 8 * inputs.length : 2));
  const places = inputs.map((t) => offsets(dims, broadcastStrides(t.dims, dims)));
  const values = inputs.map(numbers);
  const dataType = type ?? (inputs.at(-1) as Tensor).dataType;
  const out = new Float64Array(countOf(dims));
  const [a, b] = values;
  const [at, from] = places;
  // Constants may be long: no list for each element, but where there are three inputs.
  if (values.length === 2) for (let i = 0; i < out.length; i++) out[i] = compute(a?.[at?.[i] as number] as number, b?.[from?.[i] as number] as number);
  else if (values.length === 1) for (let i = 0; i < out.length; i++) out[i] = compute(a?.[at?.[i] as number] as number);
  else for (let i = 0; i < out.length; i++) out[i] = compute(...values.map((v, k) => v[(places[k] as Int32Array)[i] as number] as number));
  return tensorOf(dataType, dims, out);
}

const map = (compute: (...values: number[]) => number, type?: number): Fold => (walk, node) => pointwise(walk, node, compute, type);

/** Elements of input 0 in another order or number. */
function pick(walk: Walk, node: OnnxNode, dims: readonly number[], strides: readonly number[], start = 0): Tensor {
  room(walk, node, dims, 2 ** 28);
  return gather(walk.constant(node, 0), dims, offsets(dims, strides, start));
}

export function targetShape(node: OnnxNode, before: readonly number[], wanted: readonly number[]): number[] {
  const keepsZero = intOf(node, 'allowzero', 0) !== 0;
  const dims = wanted.map((d, i) => (d === 0 && !keepsZero ? (before[i] ?? 1) : d));
  const known = dims.filter((d) => d !== -1).reduce((product, d) => product * d, 1);
  const shape = dims.map((d) => (d === -1 ? countOf(before) / known : d));
  if (dims.filter((d) => d === -1).length > 1 || !shape.every((d) => Number.isSafeInteger(d) && d >= 0) || countOf(shape) !== countOf(before)) {
    throw new CompileError(`${node.opType} cannot turn ${before.join('×')} into ${wanted.join('×')}.`, node.name);
  }
  return shape;
}

export function withoutAxes(walk: Walk, node: OnnxNode, before: readonly number[]): number[] {
  const axes = walk.list(node, 'axes', 1);
  const gone = new Set(axes === undefined || axes.length === 0 ? iota(before.length).filter((i) => before[i] === 1) : axes.map((a) => axisOf(node, a, before.length)));
  if ([...gone].some((axis) => before[axis] !== 1)) throw new CompileError(`Squeeze of ${before.join('×')} would drop more than axes of length 1.`, node.name);
  return before.filter((_, i) => !gone.has(i));
}

export function withAxes(walk: Walk, node: OnnxNode, before: readonly number[]): number[] {
  const given = walk.list(node, 'axes', 1) ?? [];
  const rank = before.length + given.length;
  if (rank > 8) throw new CompileError(`Unsqueeze makes a tensor of ${rank} dimensions.`, node.name);
  const axes = new Set(given.map((a) => axisOf(node, a, rank)));
  const rest = [...before];
  return iota(rank).map((i) => (axes.has(i) ? 1 : (rest.shift() ?? 1)));
}

export function flattened(node: OnnxNode, before: readonly number[]): number[] {
  const given = intOf(node, 'axis', 1);
  const axis = given === before.length ? given : axisOf(node, given, Math.max(1, before.length));
  return [countOf(before.slice(0, axis)), countOf(before.slice(axis))];
}

/** One range an axis, all of them: [start, count, step]. */
export function ranges(walk: Walk, node: OnnxNode, before: readonly number[]): [number, number, number][] {
  const starts = walk.list(node, 'starts', 1) ?? [];
  const ends = walk.list(node, 'ends', 2) ?? [];
  const axes = (walk.list(node, 'axes', 3) ?? iota(starts.length)).map((a) => axisOf(node, a, before.length));
  const steps = walk.has(node, 4) ? [...numbers(walk.constant(node, 4))] : starts.map(() => 1);
  if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length) throw new CompileError('Slice has starts, ends, axes and steps of different lengths.', node.name);
  const out = before.map((length): [number, number, number] => [0, length, 1]);
  axes.forEach((axis, i) => {
    const length = before[axis] as number;
    const step = steps[i] as number;
    if (!Number.isInteger(step) || step === 0) throw new CompileError(`Slice has a step of ${step}.`, node.name);
    const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value < 0 ? value + length : value, low), high);
    const start = step > 0 ? clamp(starts[i] as number, 0, length) : clamp(starts[i] as number, 0, length - 1);
    const end = step > 0 ? clamp(ends[i] as number, 0, length) : clamp(ends[i] as number, -1, length - 1);
    out[axis] = [start, Math.max(0, Math.ceil((end - start) / step)), step];
  });
  return out;
}

/** Lengths of a Split's parts along its axis. */
export function parts(walk: Walk, node: OnnxNode, length: number): number[] {
  const given = walk.list(node, 'split', 1);
  const count = node.outputs.length;
  const each = Math.ceil(length / count);
  const sizes = given ?? iota(count).map((i) => Math.min(each, length - i * each));
  if (sizes.length !== count || sizes.some((s) => !Number.isSafeInteger(s) || s < 1) || sizes.reduce((a, b) => a + b, 0) !== length) {
    throw new CompileError(`Split of ${length} into ${sizes.slice(0, 8).join(', ')} for ${count} outputs.`, node.name);
  }
  return sizes;
}

const gatherFold: Fold = (walk, node) => {
  const data = walk.constant(node, 0);
  const index = walk.constant(node, 1);
  const axis = axisOf(node, intOf(node, 'axis', 0), data.dims.length);
  const length = data.dims[axis] as number;
  const at = Array.from(numbers(index), (i) => axisOf({ ...node, opType: 'Gather (index)' }, i, length));
  const dims = [...data.dims.slice(0, axis), ...index.dims, ...data.dims.slice(axis + 1)];
  room(walk, node, dims);
  const inner = countOf(data.dims.slice(axis + 1));
  const outer = countOf(data.dims.slice(0, axis));
  const places = new Int32Array(countOf(dims));
  let n = 0;
  for (let o = 0; o < outer; o++) for (const i of at) for (let k = 0; k < inner; k++) places[n++] = (o * length + i) * inner + k;
  return gather(data, dims, places);
};

const concatFold: Fold = (walk, node) => {
  const tensors = node.inputs.map((_, i) => walk.constant(node, i));
  const first = tensors[0] as Tensor;
  const axis = axisOf(node, intOf(node, 'axis', 0), first.dims.length);
  const rest = (t: Tensor): string => t.dims.filter((_, i) => i !== axis).join();
  if (tensors.some((t) => t.dims.length !== first.dims.length || rest(t) !== rest(first))) throw new CompileError('Concat of shapes that do not fit.', node.name);
  const dims = first.dims.map((d, i) => (i === axis ? tensors.reduce((sum, t) => sum + (t.dims[axis] as number), 0) : d));
  room(walk, node, dims);
  const outer = countOf(dims.slice(0, axis));
  const values = tensors.map(numbers);
  const out: number[] = [];
  for (let o = 0; o < outer; o++) {
    tensors.forEach((t, k) => {
      const each = countOf(t.dims.slice(axis));
      for (let i = 0; i < each; i++) out.push((values[k] as number[])[o * each + i] as number);
    });
  }
  return tensorOf(first.dataType, dims, out);
};

const castFold = (target: (walk: Walk, node: OnnxNode) => number): Fold => (walk, node) => {
  const tensor = walk.constant(node, 0);
  const to = target(walk, node);
  if (to === tensor.dataType) return tensor;
  if (!Object.values(OnnxType).includes(to as never)) throw new CompileError(`Cast to data type ${to}; keep the model in fp32.`, node.name);
  room(walk, node, tensor.dims);
  const values = numbers(tensor);
  return tensorOf(to, tensor.dims, to === OnnxType.BOOL ? Array.from(values, (v) => Number(v !== 0)) : isInteger(to) ? Array.from(values, Math.trunc) : values);
};

const rangeFold: Fold = (walk, node) => {
  const [start = 0, limit = 0, delta = 1] = [0, 1, 2].map((i) => Number(walk.constant(node, i).data[0]));
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  room(walk, node, [count]);
  return tensorOf(walk.constant(node, 0).dataType, [count], iota(count).map((i) => start + i * delta));
};

const constantOfShape: Fold = (walk, node) => {
  const dims = [...numbers(walk.constant(node, 0))];
  room(walk, node, dims);
  const value = node.attributes.get('value')?.t;
  return tensorOf(value?.dataType ?? OnnxType.FLOAT, dims, new Float64Array(countOf(dims)).fill(Number(value?.data[0] ?? 0)));
};

const expandFold: Fold = (walk, node) => {
  const { dims } = walk.constant(node, 0);
  const to = broadcast(dims, [...numbers(walk.constant(node, 1))]);
  if (to === null) throw new CompileError('Expand to a shape that does not fit.', node.name);
  room(walk, node, to);
  return pick(walk, node, to, broadcastStrides(dims, to));
};

function reduce(start: number, add: (sum: number, value: number) => number, mean = false): Fold {
  return (walk, node) => {
    const tensor = walk.constant(node, 0);
    const rank = tensor.dims.length;
    const given = walk.list(node, 'axes', 1);
    const axes = new Set((given === undefined || given.length === 0 ? iota(rank) : given).map((a) => axisOf(node, a, rank)));
    const kept = tensor.dims.map((d, i) => (axes.has(i) ? 1 : d));
    room(walk, node, tensor.dims);
    const values = numbers(tensor);
    const out = new Float64Array(countOf(kept)).fill(start);
    offsets(tensor.dims, broadcastStrides(kept, tensor.dims)).forEach((at, i) => (out[at] = add(out[at] as number, values[i] as number)));
    const dims = intOf(node, 'keepdims', 1) !== 0 ? kept : tensor.dims.filter((_, i) => !axes.has(i));
    return tensorOf(tensor.dataType, dims, mean ? out.map((v) => v / (values.length / out.length)) : out);
  };
}

const dim = (shape: (walk: Walk, node: OnnxNode, before: readonly number[]) => number[]): Fold => (walk, node) => {
  const tensor = walk.constant(node, 0);
  const dims = shape(walk, node, tensor.dims);
  if (countOf(dims) !== tensor.data.length) throw new CompileError(`${node.opType} of a constant to ${dims.join('×')}.`, node.name);
  return { ...tensor, dims };
};

const slice: Fold = (walk, node) => {
  const { dims } = walk.constant(node, 0);
  const cut = ranges(walk, node, dims);
  const strides = stridesOf(dims);
  return pick(walk, node, cut.map(([, count]) => count), cut.map(([, , step], i) => step * (strides[i] as number)), cut.reduce((sum, [start], i) => sum + start * (strides[i] as number), 0));
};

const split: Fold = (walk, node) => {
  const { dims } = walk.constant(node, 0);
  const axis = axisOf(node, intOf(node, 'axis', 0), dims.length);
  const strides = stridesOf(dims);
  let start = 0;
  return parts(walk, node, dims[axis] as number).map((size) => {
    const made = pick(walk, node, dims.map((d, i) => (i === axis ? size : d)), strides, start * (strides[axis] as number));
    start += size;
    return made;
  });
};

function constant(_walk: Walk, node: OnnxNode): Tensor {
  const { attributes } = node;
  const tensor = attributes.get('value')?.t;
  if (tensor !== undefined) return tensor;
  const one = (type: number, name: string, key: 'f' | 'i'): Tensor | undefined => {
    const value = attributes.get(name)?.[key];
    return value === undefined ? undefined : tensorOf(type, [], [value]);
  };
  const many = (type: number, name: string, key: 'floats' | 'ints'): Tensor | undefined => {
    const values = attributes.get(name)?.[key];
    return values === undefined ? undefined : tensorOf(type, [values.length], values);
  };
  const found = one(OnnxType.FLOAT, 'value_float', 'f') ?? one(OnnxType.INT64, 'value_int', 'i') ?? many(OnnxType.FLOAT, 'value_floats', 'floats') ?? many(OnnxType.INT64, 'value_ints', 'ints');
  if (found === undefined) throw new CompileError('Constant without a value of numbers.', node.name);
  return found;
}

const truth = (test: (a: number, b: number) => boolean): Fold => map((a, b) => Number(test(a as number, b as number)), OnnxType.BOOL);

const divide: Fold = (walk, node) => (isInteger(walk.constant(node, 0).dataType) ? pointwise(walk, node, (a, b) => (b === 0 ? 0 : Math.trunc((a as number) / (b as number)))) : pointwise(walk, node, (a, b) => (a as number) / (b as number)));

/** Padding that is worked out from an image's size ends in one. */
const clip: Fold = (walk, node) => {
  const [min, max] = [walk.has(node, 1) ? Number(walk.constant(node, 1).data[0]) : floatOf(node, 'min', -Infinity), walk.has(node, 2) ? Number(walk.constant(node, 2).data[0]) : floatOf(node, 'max', Infinity)];
  return pointwise(walk, { ...node, inputs: node.inputs.slice(0, 1) }, (a = 0) => Math.min(max, Math.max(min, a)));
};

export const FOLDS: Readonly<Record<string, Fold>> = {
  Constant: constant,
  Identity: (walk, node) => walk.constant(node, 0),
  Dropout: (walk, node) => walk.constant(node, 0),
  Cast: castFold((_, node) => intOf(node, 'to', 0)),
  CastLike: castFold((walk, node) => walk.constant(node, 1).dataType),
  Shape: (walk, node) => tensorOf(OnnxType.INT64, [walk.constant(node, 0).dims.length], walk.constant(node, 0).dims),
  Size: (walk, node) => tensorOf(OnnxType.INT64, [], [walk.constant(node, 0).data.length]),
  Gather: gatherFold,
  Concat: concatFold,
  Slice: slice,
  Split: split,
  Range: rangeFold,
  ConstantOfShape: constantOfShape,
  Expand: expandFold,
  Squeeze: dim(withoutAxes),
  Unsqueeze: dim(withAxes),
  Flatten: dim((_, node, before) => flattened(node, before)),
  Reshape: dim((walk, node, before) => targetShape(node, before, [...numbers(walk.constant(node, 1))])),
  Transpose: (walk, node) => {
    const tensor = walk.constant(node, 0);
    const perm = node.attributes.get('perm')?.ints ?? iota(tensor.dims.length).reverse();
    if (perm.length !== tensor.dims.length || inverse(perm).length !== new Set(perm).size || perm.some((p) => tensor.dims[p] === undefined)) throw new CompileError(`Transpose of ${tensor.dims.length} axes by ${perm.join()}.`, node.name);
    walk.charge(node, tensor.data.length);
    return permuted(tensor, perm);
  },
  Add: map((a, b) => a + b),
  Sub: map((a, b) => a - b),
  Mul: map((a, b) => a * b),
  Div: divide,
  Mod: map((a, b) => a - b * Math.floor(a / b)),
  Pow: (walk, node) => pointwise(walk, node, (a, b) => a ** b, walk.constant(node, 0).dataType),
  Min: map((...values) => Math.min(...values)),
  Max: map((...values) => Math.max(...values)),
  Clip: clip,
  Neg: map((a) => -a),
  Abs: map((a) => Math.abs(a)),
  Floor: map((a) => Math.floor(a)),
  Ceil: map((a) => Math.ceil(a)),
  Sqrt: map((a) => Math.sqrt(a)),
  Exp: map((a) => Math.exp(a)),
  Log: map((a) => Math.log(a)),
  Reciprocal: map((a) => 1 / a),
  Sigmoid: map((a) => 1 / (1 + Math.exp(-a))),
  Relu: map((a) => Math.max(0, a)),
  LeakyRelu: (walk, node) => pointwise(walk, node, (a) => (a < 0 ? a * floatOf(node, 'alpha', 0.01) : a)),
  Not: map((a) => Number(a === 0), OnnxType.BOOL),
  And: truth((a, b) => a !== 0 && b !== 0),
  Or: truth((a, b) => a !== 0 || b !== 0),
  Equal: truth((a, b) => a === b),
  Less: truth((a, b) => a < b),
  Greater: truth((a, b) => a > b),
  LessOrEqual: truth((a, b) => a <= b),
  GreaterOrEqual: truth((a, b) => a >= b),
  Where: map((test, a, b) => (test !== 0 ? a : b)),
  ReduceProd: reduce(1, (product, v) => product * v),
  ReduceSum: reduce(0, (sum, v) => sum + v),
  ReduceMean: reduce(0, (sum, v) => sum + v, true),
  ReduceMax: reduce(-Infinity, Math.max),
  ReduceMin: reduce(Infinity, Math.min),
};
