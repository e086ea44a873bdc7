/** Operators on each element: activations, and arithmetic with constants or other values. */
import { CompileError } from '../error.ts';
import type { OnnxNode } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';
import type { Lower } from './layers.ts';
import type { Attributes } from './step.ts';
import type { Tensor } from './tensor.ts';
import { broadcast, floats, iota, isIdentity, numbers, same } from './tensor.ts';
import type { View, Walk } from './walk.ts';
import { floatOf, inOrder, intOf } from './walk.ts';

/** A function of one number; `numeric` are its attributes and their defaults. */
export const unary = (op: string, numeric: Readonly<Record<string, number>> = {}): Lower => (walk, node) => {
  const attributes: Attributes = Object.fromEntries(Object.entries(numeric).map(([name, value]) => [name, { f: floatOf(node, name, value) }]));
  return walk.unary(node, walk.view(node, 0), op, attributes);
};

function single(walk: Walk, node: OnnxNode, index: number): number | null {
  if (!walk.has(node, index)) return null;
  const value = walk.value(node, index);
  if (value.kind !== 'constant' || value.tensor.data.length !== 1) return null;
  return Number(value.tensor.data[0]);
}

export function clipped(walk: Walk, node: OnnxNode, view: View, min: number, max: number): View {
  if (Number.isNaN(min) || Number.isNaN(max) || min > max) throw new CompileError(`${node.opType} has a minimum of ${min} and a maximum of ${max}.`, node.name);
  if (min === -Infinity && max === Infinity) return view;
  if (min === 0 && max === Infinity) return walk.unary(node, view, 'Relu');
  return walk.unary(node, view, 'Clip', {}, [min === -Infinity ? null : floats([], [min]), ...(max === Infinity ? [] : [floats([], [max])])]);
}

export const clip: Lower = (walk, node) => {
  const bound = (index: number, attribute: string, otherwise: number): number => {
    if (!walk.has(node, index)) return floatOf(node, attribute, otherwise);
    const value = single(walk, node, index);
    if (value === null) throw new CompileError('Clip needs one constant number for each bound.', node.name);
    // Exporters write the largest float where they mean no bound.
    return Math.abs(value) > 3.4e38 ? otherwise : value;
  };
  return clipped(walk, node, walk.view(node, 0), bound(1, 'min', -Infinity), bound(2, 'max', Infinity));
};

export const extreme = (op: 'Min' | 'Max'): Lower => (walk, node) => {
  if (node.inputs.length === 1) return walk.view(node, 0);
  const [value, limit] = walk.value(node, 0).kind === 'view' ? [0, 1] : [1, 0];
  const bound = node.inputs.length === 2 ? single(walk, node, limit) : null;
  if (bound === null) throw new CompileError(`${op} is supported against one constant number only.`, node.name);
  return op === 'Max' ? clipped(walk, node, walk.view(node, value), bound, Infinity) : clipped(walk, node, walk.view(node, value), -Infinity, bound);
};

export const prelu: Lower = (walk, node) => {
  const slopes = walk.weights(node, 1).data;
  if (slopes.some((s) => s !== slopes[0])) throw new CompileError('PRelu with a slope for each channel is not supported; use nn.PReLU(1) or LeakyReLU.', node.name);
  return walk.unary(node, walk.view(node, 0), 'LeakyRelu', { alpha: { f: slopes[0] ?? 0 } });
};

export const power: Lower = (walk, node) => {
  const exponent = single(walk, node, 1);
  const view = walk.view(node, 0);
  if (exponent === 1) return view;
  if (exponent === 2) return { ...view, tensor: walk.emit(node, 'Mul', [view.tensor, view.tensor], walk.under(view.tensor), {}, view) };
  if (exponent === 0.5) return walk.unary(node, view, 'Sqrt');
  throw new CompileError('Pow is supported with the constant exponents 0.5, 1 and 2 only.', node.name);
};

export const negate: Lower = (walk, node) => walk.affine(node, walk.view(node, 0), [-1], [0]);

type Arithmetic = 'Add' | 'Sub' | 'Mul' | 'Div';

/** Raises both to the same rank; numpy's rule puts ones in front. */
function raised(walk: Walk, node: OnnxNode, view: View, rank: number): View {
  const shape = walk.shape(view);
  return shape.length >= rank ? view : walk.reshape(node, view, [...iota(rank - shape.length).map(() => 1), ...shape]);
}

/** One number for all, or one a channel, as an Affine holds them; null for any other constant. `tensor` is in the view's own order. */
function perChannel(tensor: Tensor, under: readonly number[]): ArrayLike<number> | null {
  const values = numbers(tensor);
  const first = values[0] as number;
  if (values.length > 0 && values.every((v) => v === first)) return [first];
  const lead = under.length - tensor.dims.length;
  return tensor.dims.every((d, i) => d === 1 || i + lead === 1) && values.length === under[1] ? values : null;
}

function withConstant(walk: Walk, node: OnnxNode, op: Arithmetic, given: View, tensor: Tensor, constantFirst: boolean): View {
  if (tensor.dataType !== OnnxType.FLOAT && tensor.dataType !== OnnxType.DOUBLE) throw new CompileError(`${op} with a constant of data type ${tensor.dataType}, not fp32; convert the model to fp32 first.`, node.name);
  let view = raised(walk, node, given, tensor.dims.length);
  if (view.flat !== undefined && tensor.data.length !== 1) view = walk.identity(walk.plain(node, view));
  const shape = walk.shape(view);
  const out = broadcast(shape, tensor.dims);
  if (out === null || !same(out, shape)) throw new CompileError(`${op} of shapes ${shape.join('×')} and ${tensor.dims.join('×')}: the constant must not be the larger.`, node.name);
  walk.charge(node, tensor.data.length);
  const under = walk.under(view.tensor);
  const rank = under.length;
  // The constant in the order of the tensor below the view.
  const lifted: Tensor = tensor.data.length === 1 ? { ...tensor, dims: iota(rank).map(() => 1) } : { ...tensor, dims: [...iota(shape.length - tensor.dims.length).map(() => 1), ...tensor.dims] };
  const placed = tensor.data.length === 1 || isIdentity(view.perm) ? lifted : inOrder(lifted, view);
  const values = perChannel(placed, under);
  if (op === 'Div' && constantFirst) {
    const one = walk.unary(node, view, 'Reciprocal');
    if (values === null) throw new CompileError('Div of a constant image by a computed value is not supported.', node.name);
    return walk.affine(node, one, values, [0]);
  }
  if (op === 'Div' && [...numbers(placed)].includes(0)) throw new CompileError('Div by a constant of 0.', node.name);
  const inverted = Float64Array.from(numbers(placed), (v) => (op === 'Div' ? 1 / v : op === 'Sub' && !constantFirst ? -v : v));
  if (values !== null) {
    const each = values.length === 1 ? inverted.slice(0, 1) : inverted;
    return op === 'Mul' || op === 'Div' ? walk.affine(node, view, each, [0]) : walk.affine(node, view, [op === 'Sub' && constantFirst ? -1 : 1], each);
  }
  const from = op === 'Sub' && constantFirst ? walk.affine(node, view, [-1], [0]) : view;
  return { ...view, tensor: walk.emit(node, op === 'Mul' || op === 'Div' ? 'Mul' : 'Add', [from.tensor, floats(placed.dims, inverted)], under, {}, view) };
}

export const arithmetic = (op: Arithmetic): Lower => (walk, node) => {
  const a = walk.value(node, 0);
  const b = walk.value(node, 1);
  if (a.kind === 'constant' && b.kind === 'view') return withConstant(walk, node, op, b, a.tensor, true);
  if (b.kind === 'constant' && a.kind === 'view') return withConstant(walk, node, op, a, b.tensor, false);
  if (a.kind === 'constant' || b.kind === 'constant') throw new CompileError(`${op} of two constants.`, node.name);
  const rank = Math.max(walk.shape(a).length, walk.shape(b).length);
  const [left, right] = [raised(walk, node, a, rank), raised(walk, node, b, rank)];
  const shape = broadcast(walk.shape(left), walk.shape(right));
  if (shape === null) throw new CompileError(`${op} of shapes ${walk.shape(a).join('×')} and ${walk.shape(b).join('×')}.`, node.name);
  // The larger one stays in its order; the smaller is mostly a vector of channels, which costs nothing to turn.
  const larger = same(shape, walk.shape(left)) ? left : right;
  const perm = larger.flat === undefined ? larger.perm : iota(rank);
  const [x, y] = [walk.aligned(node, left, perm), walk.aligned(node, right, perm)];
  const under = broadcast(walk.under(x.tensor), walk.under(y.tensor)) as number[];
  return { ...x, tensor: walk.emit(node, op, [x.tensor, y.tensor], under, {}, x) };
};

export const softmax = (log: boolean): Lower => (walk, node) => {
  let view = walk.view(node, 0);
  const shape = walk.shape(view);
  const given = intOf(node, 'axis', walk.opset < 13 ? 1 : -1);
  let axis = given < 0 ? given + shape.length : given;
  if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) throw new CompileError(`${node.opType} names axis ${given} of ${shape.length}.`, node.name);
  if (walk.opset < 13) {
    // Before opset 13 all axes from `axis` on are one.
    const long = iota(shape.length).filter((i) => i >= axis && shape[i] !== 1);
    if (long.length > 1) throw new CompileError(`${node.opType} over several axes at once (opset ${walk.opset}); export with opset 13 or later.`, node.name);
    axis = long[0] ?? axis;
  }
  if (view.flat !== undefined) view = walk.identity(walk.plain(node, view));
  const made = walk.unary(node, view, 'Softmax', { axis: { i: view.perm[axis] as number } });
  return log ? walk.unary(node, made, 'Log') : made;
};
