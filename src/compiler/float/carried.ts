/**
 * Operators that the canonical form has no other spelling for, as they are: of these the processor computes in fp32 what the core does not have (docs/operators.md).
 * Their operands are brought into the order that the exported graph sees.
 */
import { CompileError } from '../error.ts';
import type { OnnxNode } from '../onnx.ts';
import type { Attribute, Attributes, Step } from './step.ts';
import { broadcast, floats, integers, iota, numbers } from './tensor.ts';
import type { View, Walk } from './walk.ts';
import { axisOf, intOf } from './walk.ts';

type Carried = { readonly shape: readonly number[]; readonly inputs?: Step['inputs']; readonly attributes?: Attributes };
/** Shape of the result, and what is written otherwise; null where it cannot be carried. */
type Carrier = (walk: Walk, node: OnnxNode, shapes: readonly (readonly number[])[]) => Carried | null;

const spread: Carrier = (_walk, _node, shapes) => {
  const shape = shapes.reduce<number[] | null>((all, next) => (all === null ? null : broadcast(all, next)), [...(shapes[0] ?? [])]);
  return shape === null ? null : { shape };
};

const first: Carrier = (_walk, _node, [shape]) => (shape === undefined ? null : { shape });

const matMul: Carrier = (_walk, _node, [a = [], b = []]) => {
  const batch = broadcast(a.slice(0, -2), b.slice(0, -2));
  if (a.length < 2 || b.length < 2 || batch === null || a.at(-1) !== b.at(-2)) return null;
  return { shape: [...batch, a.at(-2) as number, b.at(-1) as number] };
};

const reduce: Carrier = (walk, node, [shape = []]): Carried => {
  const axes = walk.list(node, 'axes', 1)?.map((axis) => axisOf(node, axis, shape.length)) ?? iota(shape.length);
  const kept = intOf(node, 'keepdims', 1) !== 0;
  const over = shape.flatMap((d, i) => (axes.includes(i) ? (kept ? [1] : []) : [d]));
  const keepdims = { i: kept ? 1 : 0 };
  // ReduceSum takes its axes as an input since opset 13, the others since 18.
  if (node.opType === 'ReduceSum') return { shape: over, inputs: [null, integers(axes)], attributes: { keepdims } };
  return { shape: over, inputs: [null], attributes: { axes: { ints: axes }, keepdims } };
};

const spaceAndDepth = (factor: (size: number) => readonly number[]): Carrier => (_walk, node, [shape = []]) => {
  const by = factor(intOf(node, 'blocksize', 0));
  const made = shape.map((d, i) => d * (by[i] as number));
  return shape.length === 4 && made.every((d) => Number.isInteger(d) && d >= 1) ? { shape: made } : null;
};

/** Any size: nearest and linear. In opset 17 it names every axis. */
const resize: Carrier = (walk, node, [shape = []]) => {
  const text = (name: string): string => node.attributes.get(name)?.s ?? '';
  const list = (index: number): number[] => (walk.has(node, index) ? [...numbers(walk.constant(node, index))] : []);
  const upsample = node.opType === 'Upsample';
  const [scales, sizes] = upsample ? [node.attributes.get('scales')?.floats ?? list(1), []] : [list(2), list(3)];
  if (text('mode') === 'cubic' || intOf(node, 'antialias', 0) !== 0 || !['', 'stretch'].includes(text('keep_aspect_ratio_policy')) || text('coordinate_transformation_mode') === 'tf_crop_and_resize') return null;
  const axes = (node.attributes.get('axes')?.ints ?? iota(shape.length)).map((axis) => axisOf(node, axis, shape.length));
  if ((scales.length > 0 ? scales : sizes).length !== axes.length) return null;
  const at = (values: number[], otherwise: (d: number) => number): number[] => shape.map((d, i) => (axes.includes(i) ? (values[axes.indexOf(i)] as number) : otherwise(d)));
  const bare = { mode: { s: text('mode') || 'nearest' }, ...(upsample ? { coordinate_transformation_mode: { s: 'asymmetric' }, nearest_mode: { s: 'floor' } } : {}) };
  const attributes = { ...Object.fromEntries(['coordinate_transformation_mode', 'nearest_mode'].flatMap((name) => (text(name) === '' ? [] : [[name, { s: text(name) }]]))), ...bare };
  if (scales.length === 0) return { shape: at(sizes, (d) => d), inputs: [null, null, null, integers(at(sizes, (d) => d))], attributes };
  const factors = at(scales, () => 1);
  return { shape: shape.map((d, i) => Math.floor(Math.fround(d * Math.fround(factors[i] as number)))), inputs: [null, null, floats([shape.length], factors)], attributes };
};

export const CARRIED: Readonly<Record<string, { readonly carry: Carrier; readonly limits: string }>> = {
  Resize: { carry: resize, limits: 'nearest and linear by any factor' },
  Upsample: { carry: resize, limits: 'nearest and linear by any factor' },
  PRelu: { carry: first, limits: 'a slope a channel' },
  Pow: { carry: spread, limits: 'any exponent' },
  Min: { carry: spread, limits: 'of several tensors' },
  Max: { carry: spread, limits: 'of several tensors' },
  MatMul: { carry: matMul, limits: 'of two activations, or of several rows' },
  ReduceMean: { carry: reduce, limits: 'over any axes' },
  ReduceSum: { carry: reduce, limits: 'over any axes' },
  ReduceMax: { carry: reduce, limits: 'over any axes' },
  DepthToSpace: { carry: spaceAndDepth((size) => [1, 1 / size / size, size, size]), limits: '' },
  SpaceToDepth: { carry: spaceAndDepth((size) => [1, size * size, 1 / size, 1 / size]), limits: '' },
};

const attribute = ({ f, i, s, ints }: { f?: number; i?: number; s?: string; ints: number[] }): Attribute => (i !== undefined ? { i } : f !== undefined ? { f } : s !== undefined ? { s } : { ints });

/** The node as it is; null where it is none of these. @throws CompileError where its operands are not there, or too large */
export function carried(walk: Walk, node: OnnxNode): View | null {
  const entry = Object.hasOwn(CARRIED, node.opType) ? CARRIED[node.opType] : undefined;
  if (entry === undefined) return null;
  const given = node.inputs.map((name, i) => (name === '' ? null : walk.value(node, i)));
  const shapes = given.flatMap((value) => (value === null ? [] : [value.kind === 'view' ? walk.shape(value) : value.tensor.dims]));
  const made = entry.carry(walk, node, shapes);
  if (made === null) return null;
  const operand = (value: (typeof given)[number]): Step['inputs'][number] => {
    if (value === null) return null;
    if (value.kind === 'view') return walk.plain(node, value);
    walk.charge(node, value.tensor.data.length);
    return floats(value.tensor.dims, numbers(value.tensor));
  };
  // An operator's own list of inputs says null where the first operand belongs.
  const inputs = made.inputs === undefined ? given.map(operand) : made.inputs.map((input, i) => (i === 0 ? operand(given[0] ?? null) : input));
  if (given[0] === null && made.inputs !== undefined) throw new CompileError(`${node.opType} lacks its input.`, node.name);
  const attributes = made.attributes ?? Object.fromEntries([...node.attributes].map(([name, value]) => [name, attribute(value)]));
  const view = walk.identity(walk.emit(node, node.opType === 'Upsample' ? 'Resize' : node.opType, inputs, made.shape, attributes));
  walk.note(`Node '${node.name}': ${node.opType} runs in fp32 on the processor where the core has no such layer.`);
  return view;
}
