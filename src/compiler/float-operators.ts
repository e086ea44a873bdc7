/**
 * ONNX operators as float operators: this table is the whole set of what the processor computes in fp32. An operator comes here where the core's int8
 * arithmetic refuses it, or where it reads what another float operator made.
 */
import type { BinaryFunction, ReduceFunction, UnaryFunction } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { Ranges } from './float-builder.ts';
import { broadcast, elementsOf } from './float-builder.ts';
import type { FloatNode, FloatOperator } from './float-node.ts';
import { axisOf } from './float-node.ts';
import { resized } from './float-resize.ts';
import type { FloatTensor } from './graph.ts';
import type { OnnxNode } from './onnx.ts';
import { OnnxType } from './onnx.ts';

export type FloatEntry = { readonly make: FloatOperator; /** For docs/operators.md. */ readonly limits: string };

const integer = (node: OnnxNode, name: string, otherwise: number): number => node.attributes.get(name)?.i ?? otherwise;
const real = (node: OnnxNode, name: string, otherwise: number): number => node.attributes.get(name)?.f ?? Math.fround(otherwise);
const iota = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** An attribute of older opsets, an input of newer ones; null where neither says anything. */
function list({ node, has, numbers }: FloatNode, name: string, index: number): number[] | null {
  const given = node.attributes.get(name)?.ints ?? (has(index) ? numbers(index) : null);
  if (given !== null && (given.length > 64 || !given.every(Number.isFinite))) throw new CompileError(`${node.opType} has ${given.length} ${name}.`, node.name);
  return given;
}

const unary = (name: keyof typeof UnaryFunction, alpha: [string, number] | null = null, beta: [string, number] | null = null): FloatOperator => ({ node, build, input }) =>
  build.unary(node, input(0), name, alpha === null ? 0 : real(node, ...alpha), beta === null ? 0 : real(node, ...beta));

const gelu: FloatOperator = ({ node, build, input }) => build.unary(node, input(0), node.attributes.get('approximate')?.s === 'tanh' ? 'GELU_TANH' : 'GELU');

/** Of two operands, or of any number one after the other (Min, Max, Sum). */
const binary = (name: keyof typeof BinaryFunction): FloatOperator => ({ node, build, input }) => {
  const [first = 0, ...others] = iota(node.inputs.length);
  return others.reduce((all, i) => build.binary(node, all, input(i), name), input(first));
};

const mean: FloatOperator = (given) => {
  const { node, build } = given;
  const sum = binary('ADD')(given) as FloatTensor;
  return build.binary(node, sum, build.number(node, node.inputs.length), 'DIV');
};

const clip: FloatOperator = ({ node, build, has, input, numbers }) => {
  const bound = (index: number, name: string, otherwise: number): number => {
    const given = has(index) ? numbers(index) : [node.attributes.get(name)?.f ?? otherwise];
    if (given.length !== 1 || Number.isNaN(given[0])) throw new CompileError('Clip needs one constant number for each bound.', node.name);
    return given[0] as number;
  };
  return build.unary(node, input(0), 'CLIP', bound(1, 'min', -Infinity), bound(2, 'max', Infinity));
};

/** max(x, 0) + slope · min(x, 0): one of the two is 0. */
const prelu: FloatOperator = ({ node, build, input }) => {
  const [x, slope] = [input(0), input(1)];
  const below = build.binary(node, build.unary(node, x, 'CLIP', -Infinity, 0), slope, 'MUL');
  return build.binary(node, build.unary(node, x, 'RELU'), below, 'ADD');
};

const reduce = (name: keyof typeof ReduceFunction): FloatOperator => (given) => {
  const { node, build, input } = given;
  const x = input(0);
  const axes = list(given, 'axes', 1) ?? [];
  if (axes.length === 0 && integer(node, 'noop_with_empty_axes', 0) !== 0) return x;
  const over = axes.length === 0 ? iota(x.shape.length) : axes.map((axis) => axisOf(node, axis, x.shape.length));
  return over.length === 0 ? x : build.reduced(node, x, over, integer(node, 'keepdims', 1) !== 0, name);
};

const globalPool = (name: keyof typeof ReduceFunction): FloatOperator => ({ node, build, input }) => {
  const x = input(0);
  if (x.shape.length < 3) throw new CompileError(`${node.opType} of ${x.shape.join('×')}; it needs rows or columns behind the channels.`, node.name);
  return build.reduced(node, x, iota(x.shape.length).slice(2), true, name);
};

const softmax = (name: 'SOFTMAX' | 'LOG_SOFTMAX'): FloatOperator => ({ node, build, input }) => {
  const x = input(0);
  return build.softmax(node, x, axisOf(node, integer(node, 'axis', -1), x.shape.length), name);
};

const matMul: FloatOperator = ({ node, build, input }) => build.product(node, input(0), input(1));

const gemm: FloatOperator = ({ node, build, has, input }) => {
  const turned = (index: number, attribute: string): FloatTensor => {
    const x = input(index);
    if (x.shape.length !== 2) throw new CompileError(`Gemm multiplies ${x.shape.join('×')}; it needs matrices.`, node.name);
    return integer(node, attribute, 0) === 0 ? x : build.transposed(node, x, [1, 0]);
  };
  const scaled = (x: FloatTensor, factor: number): FloatTensor => (factor === 1 ? x : build.binary(node, x, build.number(node, factor), 'MUL'));
  const product = scaled(build.product(node, turned(0, 'transA'), turned(1, 'transB')), real(node, 'alpha', 1));
  return has(2) ? build.binary(node, product, scaled(input(2), real(node, 'beta', 1)), 'ADD') : product;
};

const transpose: FloatOperator = ({ node, build, input }) => {
  const x = input(0);
  return build.transposed(node, x, node.attributes.get('perm')?.ints ?? iota(x.shape.length).reverse());
};

const reshape: FloatOperator = (given) => {
  const { node, build, input } = given;
  const x = input(0);
  const wanted = list(given, 'shape', 1) ?? [];
  const keeps = integer(node, 'allowzero', 0) === 0;
  const dims = wanted.map((d, i) => (d === 0 && keeps ? (x.shape[i] ?? 1) : d));
  const known = elementsOf(dims.filter((d) => d !== -1));
  return build.reshaped(node, x, dims.map((d) => (d === -1 ? x.storage.elements / known : d)));
};

const flatten: FloatOperator = ({ node, build, input }) => {
  const x = input(0);
  const given = integer(node, 'axis', 1);
  const axis = given === x.shape.length ? given : axisOf(node, given, x.shape.length);
  return build.reshaped(node, x, [elementsOf(x.shape.slice(0, axis)), elementsOf(x.shape.slice(axis))]);
};

const squeeze: FloatOperator = (given) => {
  const { node, build, input } = given;
  const { shape } = input(0);
  const axes = list(given, 'axes', 1)?.map((axis) => axisOf(node, axis, shape.length)) ?? iota(shape.length).filter((i) => shape[i] === 1);
  return build.reshaped(node, input(0), shape.filter((_, i) => !axes.includes(i)));
};

const unsqueeze: FloatOperator = (given) => {
  const { node, build, input } = given;
  const { shape } = input(0);
  const axes = list(given, 'axes', 1) ?? [];
  const made = new Set(axes.map((axis) => axisOf(node, axis, shape.length + axes.length)));
  const rest = [...shape];
  return build.reshaped(node, input(0), iota(shape.length + axes.length).map((i) => (made.has(i) ? 1 : (rest.shift() ?? 1))));
};

const expand: FloatOperator = (given) => {
  const { node, build, input } = given;
  const x = input(0);
  const shape = broadcast(x.shape, list(given, 'shape', 1) ?? []);
  if (shape === null) throw new CompileError(`Expand of ${x.shape.join('×')} to ${(list(given, 'shape', 1) ?? []).join('×')}.`, node.name);
  return build.expanded(node, x, shape);
};

const tile: FloatOperator = (given) => {
  const { node, build, input } = given;
  const repeats = list(given, 'repeats', 1) ?? [];
  const x = input(0);
  if (repeats.length !== x.shape.length || repeats.some((n) => !(n >= 1) || n > 2 ** 16)) throw new CompileError(`Tile of ${x.shape.join('×')} by ${repeats.join('×')}.`, node.name);
  return repeats.reduce((all, count, axis) => {
    const length = all.shape[axis] as number;
    return count === 1 ? all : build.picked(node, all, axis, iota(limited(node, count * length)).map((i) => i % length));
  }, x);
};

/** Lists along an axis that are made before a tensor's size is checked. */
function limited(node: OnnxNode, length: number): number {
  if (length > 2 ** 24) throw new CompileError(`${node.opType} makes an axis of ${length}.`, node.name);
  return length;
}

const slice: FloatOperator = (given) => {
  const { node, build, input } = given;
  const x = input(0);
  const starts = list(given, 'starts', 1) ?? [];
  const ends = list(given, 'ends', 2) ?? [];
  const axes = list(given, 'axes', 3) ?? iota(starts.length);
  const steps = list(given, 'steps', 4) ?? starts.map(() => 1);
  const ranges = x.shape.map((count) => ({ start: 0, count, step: 1 }));
  axes.forEach((at, i) => {
    const axis = axisOf(node, at, x.shape.length);
    const length = x.shape[axis] as number;
    const step = steps[i] ?? 1;
    const within = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value < 0 ? value + length : value));
    const [start, end] = step > 0 ? [within(starts[i] ?? 0, 0, length), within(ends[i] ?? length, 0, length)] : [within(starts[i] ?? 0, 0, length - 1), within(ends[i] ?? length, -1, length - 1)];
    const count = Math.ceil((end - start) / step);
    if (!(count >= 1) || step === 0) throw new CompileError(`Slice of ${x.shape.join('×')} from ${starts[i]} to ${ends[i]} in steps of ${step} along axis ${at} leaves nothing.`, node.name);
    // One element needs no step, and some exporters write one beyond 32 bits.
    ranges[axis] = { start, count, step: count === 1 ? 1 : step };
  });
  return build.sliced(node, x, ranges);
};

const split: FloatOperator = (given) => {
  const { node, build, input } = given;
  const x = input(0);
  const axis = axisOf(node, integer(node, 'axis', 0), x.shape.length);
  const length = x.shape[axis] as number;
  const each = Math.ceil(length / node.outputs.length);
  const sizes = list(given, 'split', 1) ?? node.outputs.map((_, i) => Math.min(each, length - i * each));
  if (sizes.length !== node.outputs.length || sizes.some((size) => !(size > 0)) || sizes.reduce((a, b) => a + b, 0) !== length) throw new CompileError(`Split of ${length} into ${sizes.join(' + ')}.`, node.name);
  let start = 0;
  return sizes.map((count) => {
    const ranges: Ranges = x.shape.map((d, i) => (i === axis ? { start, count, step: 1 } : { start: 0, count: d, step: 1 }));
    start += count;
    return build.sliced(node, x, ranges);
  });
};

const concat: FloatOperator = ({ node, build, input }) => {
  const parts = node.inputs.map((_, i) => input(i));
  const [first] = parts;
  if (first === undefined) throw new CompileError('Concat of nothing.', node.name);
  return build.joined(node, parts, axisOf(node, integer(node, 'axis', 1), first.shape.length));
};

const gather: FloatOperator = ({ node, build, input, numbers, dims }) => {
  const x = input(0);
  const axis = axisOf(node, integer(node, 'axis', 0), x.shape.length);
  const picked = build.picked(node, x, axis, numbers(1).map((i) => axisOf(node, i, x.shape[axis] as number)));
  return build.reshaped(node, picked, [...x.shape.slice(0, axis), ...dims(1), ...x.shape.slice(axis + 1)]);
};

const pad: FloatOperator = (given) => {
  const { node, build, has, input, numbers } = given;
  const x = input(0);
  const pads = list(given, 'pads', 1) ?? [];
  const axes = has(3) ? numbers(3).map((axis) => axisOf(node, axis, x.shape.length)) : iota(x.shape.length);
  if (pads.length !== 2 * axes.length || pads.some((p) => !Number.isSafeInteger(p) || p < 0 || p > 2 ** 20)) throw new CompileError('Pad needs a number from 0 on for each side of each axis.', node.name);
  const [before, after] = [0, axes.length].map((from) => x.shape.map((_, i) => (axes.includes(i) ? (pads[from + axes.indexOf(i)] as number) : 0))) as [number[], number[]];
  const mode = node.attributes.get('mode')?.s || 'constant';
  if (mode === 'constant') return build.padded(node, x, before, after, has(2) ? (numbers(2)[0] ?? 0) : 0);
  if (mode !== 'edge' && mode !== 'reflect') throw new CompileError(`Pad with mode '${mode}'; constant, edge and reflect are supported.`, node.name);
  return x.shape.reduce<FloatTensor>((all, length, axis) => {
    const [front, behind] = [before[axis] as number, after[axis] as number];
    if (front + behind === 0) return all;
    if (mode === 'reflect' && Math.max(front, behind) >= length) throw new CompileError(`Pad reflects ${Math.max(front, behind)} of ${length}.`, node.name);
    const from = (i: number): number => (mode === 'edge' ? Math.max(0, Math.min(length - 1, i)) : i < 0 ? -i : i >= length ? 2 * (length - 1) - i : i);
    return build.picked(node, all, axis, iota(length + front + behind).map((i) => from(i - front)));
  }, x);
};

/** Blocks of channels as pixels, and back. */
const spaceAndDepth = (toSpace: boolean): FloatOperator => ({ node, build, input }) => {
  const x = input(0);
  const [batch = 1, channels = 0, height = 0, width = 0] = x.shape;
  const size = integer(node, 'blocksize', 0);
  const fits = toSpace ? channels % (size * size) === 0 : height % size === 0 && width % size === 0;
  if (x.shape.length !== 4 || size < 1 || !fits) throw new CompileError(`${node.opType} of ${x.shape.join('×')} by blocks of ${size}.`, node.name);
  const rows = (node.attributes.get('mode')?.s ?? 'DCR') === 'CRD';
  const few = channels / size / size;
  const [parts, order, shape] = !toSpace
    ? [[batch, channels, height / size, size, width / size, size], [0, 3, 5, 1, 2, 4], [batch, channels * size * size, height / size, width / size]]
    : [rows ? [batch, few, size, size, height, width] : [batch, size, size, few, height, width], rows ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2], [batch, few, height * size, width * size]];
  return build.reshaped(node, build.transposed(node, build.reshaped(node, x, parts), order), shape);
};

const identity: FloatOperator = ({ input }) => input(0);

const cast: FloatOperator = ({ node, input }) => {
  if (integer(node, 'to', OnnxType.FLOAT) !== OnnxType.FLOAT) throw new CompileError(`Cast of an activation to data type ${integer(node, 'to', 0)}; only fp32 is computed.`, node.name);
  return input(0);
};

const entry = (make: FloatOperator, limits = ''): FloatEntry => ({ make, limits });
const CONSTANT = 'constant arguments';

export const FLOAT_OPERATORS: Readonly<Record<string, FloatEntry>> = {
  Add: entry(binary('ADD')), Sub: entry(binary('SUB')), Mul: entry(binary('MUL')), Div: entry(binary('DIV')), Pow: entry(binary('POW')),
  Min: entry(binary('MIN')), Max: entry(binary('MAX')), Sum: entry(binary('ADD')), Mean: entry(mean),
  Sigmoid: entry(unary('SIGMOID')), Tanh: entry(unary('TANH')), Exp: entry(unary('EXP')), Log: entry(unary('LOG')), Sqrt: entry(unary('SQRT')),
  Neg: entry(unary('NEG')), Abs: entry(unary('ABS')), Sign: entry(unary('SIGN')), Reciprocal: entry(unary('RECIPROCAL')), Relu: entry(unary('RELU')),
  LeakyRelu: entry(unary('LEAKY_RELU', ['alpha', 0.01])), ThresholdedRelu: entry(unary('THRESHOLDED_RELU', ['alpha', 1])),
  Elu: entry(unary('ELU', ['alpha', 1])), Celu: entry(unary('CELU', ['alpha', 1])),
  Selu: entry(unary('SELU', ['alpha', 1.67326319217681884765625], ['gamma', 1.05070102214813232421875])),
  HardSigmoid: entry(unary('HARD_SIGMOID', ['alpha', 0.2], ['beta', 0.5])), HardSwish: entry(unary('HARD_SWISH')), Swish: entry(unary('SWISH', ['alpha', 1])),
  Softplus: entry(unary('SOFTPLUS')), Softsign: entry(unary('SOFTSIGN')), Mish: entry(unary('MISH')), Gelu: entry(gelu), Erf: entry(unary('ERF')),
  Floor: entry(unary('FLOOR')), Ceil: entry(unary('CEIL')), Round: entry(unary('ROUND')), Clip: entry(clip, 'constant bounds'), PRelu: entry(prelu),
  ReduceMean: entry(reduce('MEAN')), ReduceSum: entry(reduce('SUM')), ReduceMax: entry(reduce('MAX')), ReduceMin: entry(reduce('MIN')),
  GlobalAveragePool: entry(globalPool('MEAN')), GlobalMaxPool: entry(globalPool('MAX')),
  Softmax: entry(softmax('SOFTMAX'), 'one axis'), LogSoftmax: entry(softmax('LOG_SOFTMAX'), 'one axis'),
  MatMul: entry(matMul), Gemm: entry(gemm),
  Transpose: entry(transpose), Reshape: entry(reshape, CONSTANT), Flatten: entry(flatten), Squeeze: entry(squeeze, CONSTANT), Unsqueeze: entry(unsqueeze, CONSTANT),
  Expand: entry(expand, CONSTANT), Tile: entry(tile, CONSTANT), Slice: entry(slice, CONSTANT), Split: entry(split, CONSTANT), Concat: entry(concat),
  Gather: entry(gather, 'constant indices'), Pad: entry(pad, 'constant, edge and reflect; nothing cut off'),
  Resize: entry(resized, 'nearest and linear, any size; no antialias'), Upsample: entry(resized, 'nearest and linear'),
  DepthToSpace: entry(spaceAndDepth(true)), SpaceToDepth: entry(spaceAndDepth(false)),
  Identity: entry(identity), Dropout: entry(identity), Cast: entry(cast, 'to fp32'),
};
