/** What the reference knows of a tensor: its values at some places (indices into it in C order), exact as long as they are integers times scales. */
import type { OnnxNode, OnnxTensor } from '../onnx.ts';
import type { Fraction } from './fraction.ts';
import { approximate } from './fraction.ts';

/** value[i] = ints[i] · scales[which[i]]; which === null: the first. Integers below 2^53. */
export type Term = { readonly ints: ArrayLike<number>; readonly scales: readonly Fraction[]; readonly which: ArrayLike<number> | null };
/** The sum of its terms, then bounded. */
export type Real = { readonly kind: 'real'; readonly terms: readonly Term[]; readonly min: number; readonly max: number };
/** Results of functions that no fraction holds, in double precision. */
export type Numbers = { readonly kind: 'numbers'; readonly values: Float64Array };
export type Codes = { readonly kind: 'codes'; readonly codes: Int8Array };
export type Value = Real | Numbers | Codes;

/** A whole tensor of integers in one unit: what layers that look at many places read. */
export type Whole = { readonly ints: Int32Array; readonly scale: Fraction };
/** Dequantised constants; the scale of an element is scales[floor(i / inner) % scales.length]. */
export type Constant = { readonly ints: ArrayLike<number>; readonly dims: readonly number[]; readonly scales: readonly Fraction[]; readonly inner: number };

/** The reference, as operators ask it. */
export type Ask = {
  shape(name: string): readonly number[];
  at(name: string, places: Int32Array): Value;
  real(name: string, places: Int32Array): Real;
  numbers(name: string, places: Int32Array): Numbers;
  whole(name: string): Whole;
  /** Dequantised constants of that name, or null where it is something else. */
  constant(name: string): Constant | null;
  initializer(name: string): OnnxTensor | undefined;
  /** The same object as long as the reference lives. */
  once<T>(node: OnnxNode, make: () => T): T;
};

export type Operator = {
  /** Of output `index`. */
  readonly shape: (node: OnnxNode, ask: Ask, index: number) => readonly number[];
  readonly at: (node: OnnxNode, ask: Ask, places: Int32Array, index: number) => Value;
  /** Multiplications or comparisons for one place; 1 where there is none. */
  readonly cost?: (node: OnnxNode, ask: Ask) => number;
  /** Reads whole tensors: what it costs does not multiply with what lies before it. */
  readonly gathers?: true;
};

/** The reference cannot evaluate it: the message says what. */
export class NotCovered extends Error {}

export const UNBOUNDED = { min: -Infinity, max: Infinity } as const;

export function realOf(ints: ArrayLike<number>, scales: readonly Fraction[], which: ArrayLike<number> | null = null): Real {
  return { kind: 'real', terms: [{ ints, scales, which }], ...UNBOUNDED };
}

export function numbersOf(value: Value): Numbers {
  if (value.kind === 'numbers') return value;
  if (value.kind === 'codes') throw new NotCovered('codes that are not dequantised');
  const values = new Float64Array(value.terms[0]?.ints.length ?? 0);
  for (const { ints, scales, which } of value.terms) {
    const each = scales.map(approximate);
    for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) + (ints[i] as number) * (each[which?.[i] ?? 0] as number);
  }
  for (let i = 0; i < values.length; i++) values[i] = Math.max(value.min, Math.min(value.max, values[i] as number));
  return { kind: 'numbers', values };
}

/** The only term of an unbounded real; NotCovered where there are more. */
export function termOf(real: Real, what: string): Term {
  const [term, more] = real.terms;
  if (term === undefined || more !== undefined || real.min !== -Infinity || real.max !== Infinity) throw new NotCovered(`${what} of a sum or a bounded value`);
  return term;
}

export const intsOf = (tensor: OnnxTensor | undefined): number[] => Array.from((tensor?.data ?? []) as ArrayLike<number | bigint>, Number);
export const attribute = (node: OnnxNode, name: string, otherwise: number): number => node.attributes.get(name)?.i ?? otherwise;
export const input = (node: OnnxNode, index: number): string => node.inputs[index] ?? '';
