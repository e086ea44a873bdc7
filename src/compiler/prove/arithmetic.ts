/** Operators that compute each value from the values at one place. */
import type { OnnxNode } from '../onnx.ts';
import { functionOf } from './functions.ts';
import { broadcastShape, spread } from './movement.ts';
import type { Ask, Operator, Real, Value } from './values.ts';
import { input, intsOf, numbersOf, termOf } from './values.ts';

const sameShape: Operator['shape'] = (node, ask) => ask.shape(input(node, 0));

const isUnbounded = ({ min, max }: Real): boolean => min === -Infinity && max === Infinity;

/** Of Add and Sub where both operands are exact; null where they are not. */
function exactSum(a: Value, b: Value, sign: 1 | -1): Real | null {
  if (a.kind !== 'real' || b.kind !== 'real' || !isUnbounded(a) || !isUnbounded(b)) return null;
  const second = sign === 1 ? b.terms : b.terms.map((term) => ({ ...term, ints: Array.from(term.ints, (v) => -v) }));
  return { kind: 'real', terms: [...a.terms, ...second], min: -Infinity, max: Infinity };
}

/** The bias of a MatMul: int32 constants in the unit of its sums, whatever rounding did to the scale that is written beside them. */
function biased(node: OnnxNode, ask: Ask, places: Int32Array, dims: readonly number[]): Real | null {
  for (const [index, other] of [[0, 1], [1, 0]] as const) {
    const bias = ask.constant(input(node, index));
    if (bias === null || !(bias.ints instanceof Int32Array)) continue;
    const sums = ask.real(input(node, other), spread(places, ask.shape(input(node, other)), dims));
    const term = termOf(sums, 'a bias');
    const at = spread(places, ask.shape(input(node, index)), dims);
    return { ...sums, terms: [{ ...term, ints: Float64Array.from(places, (_, i) => (term.ints[i] as number) + (bias.ints[at[i] as number] as number)) }] };
  }
  return null;
}

const sum = (sign: 1 | -1): Operator => ({
  shape: broadcastShape,
  at: (node, ask, places) => {
    const dims = broadcastShape(node, ask);
    const known = sign === 1 ? biased(node, ask, places, dims) : null;
    if (known !== null) return known;
    const [a, b] = [0, 1].map((i) => ask.at(input(node, i), spread(places, ask.shape(input(node, i)), dims))) as [Value, Value];
    return exactSum(a, b, sign) ?? pairwise(a, b, (x, y) => x + sign * y);
  },
});

function pairwise(a: Value, b: Value, f: (a: number, b: number) => number): Value {
  const [x, y] = [numbersOf(a).values, numbersOf(b).values];
  return { kind: 'numbers', values: x.map((v, i) => f(v, y[i] as number)) };
}

const binary = (f: (a: number, b: number) => number): Operator => ({
  shape: broadcastShape,
  at: (node, ask, places) => {
    const dims = broadcastShape(node, ask);
    return node.inputs.map((name) => ask.at(name, spread(places, ask.shape(name), dims))).reduce((a, b) => pairwise(a, b, f));
  },
});

/** Bounds of a real stay bounds: they are compared after rounding, exactly. */
function bounded(value: Value, min: number, max: number): Value {
  if (value.kind === 'real' && Math.max(value.min, min) <= Math.min(value.max, max)) return { ...value, min: Math.max(value.min, min), max: Math.min(value.max, max) };
  return { kind: 'numbers', values: numbersOf(value).values.map((x) => Math.max(min, Math.min(max, x))) };
}

const clip: Operator = {
  shape: sameShape,
  at: (node, ask, places) => {
    const [min = node.attributes.get('min')?.f ?? -Infinity] = intsOf(ask.initializer(input(node, 1)));
    const [max = node.attributes.get('max')?.f ?? Infinity] = intsOf(ask.initializer(input(node, 2)));
    return bounded(ask.at(input(node, 0), places), min, max);
  },
};

const ARITHMETIC: Readonly<Record<string, Operator>> = {
  Add: sum(1),
  Sub: sum(-1),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Pow: binary((a, b) => a ** b),
  Min: binary(Math.min),
  Max: binary(Math.max),
  PRelu: binary((x, slope) => (x >= 0 ? x : x * slope)),
  Relu: { shape: sameShape, at: (node, ask, places) => bounded(ask.at(input(node, 0), places), 0, Infinity) },
  Clip: clip,
};

const unary = (f: (x: number) => number): Operator => ({
  shape: sameShape,
  at: (node, ask, places) => ({ kind: 'numbers', values: ask.numbers(input(node, 0), places).values.map((x) => f(x)) }),
});

/** undefined where the operator is none of these. */
export function pointwise(node: OnnxNode): Operator | undefined {
  if (Object.hasOwn(ARITHMETIC, node.opType)) return ARITHMETIC[node.opType];
  const f = functionOf(node);
  return f === undefined ? undefined : unary(f);
}
