/**
 * Exact arithmetic on scales. A scale is a positive fp32 (or double) value and so a rational m·2^e; products and quotients of scales are
 * kept exact until one rounding gives the core's multiplier. Nothing here computes an activation: that is hls/core's alone.
 */
import { MAX_SHIFT, MULTIPLIER_BITS } from '../contract/layout.ts';
import { CompileError } from './error.ts';

/** numerator / denominator, both positive. */
export type Ratio = { readonly numerator: bigint; readonly denominator: bigint };
/** value ≈ multiplier / 2^shift; multiplier < 2^24, shift 1…MAX_SHIFT. */
export type FixedPoint = { readonly multiplier: number; readonly shift: number };

/** The exact rational of a positive finite number. */
export function ratioOf(value: number): Ratio {
  if (!(value > 0) || !Number.isFinite(value)) throw new CompileError(`A scale of ${value} is not a positive number.`);
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & ((1n << 52n) - 1n);
  const mantissa = exponent === 0 ? fraction : fraction | (1n << 52n);
  const power = Math.max(exponent, 1) - 1075;
  return power >= 0 ? { numerator: mantissa << BigInt(power), denominator: 1n } : { numerator: mantissa, denominator: 1n << BigInt(-power) };
}

export function multiply(...factors: readonly Ratio[]): Ratio {
  return factors.reduce((a, b) => ({ numerator: a.numerator * b.numerator, denominator: a.denominator * b.denominator }), { numerator: 1n, denominator: 1n });
}

export function divide(a: Ratio, b: Ratio): Ratio {
  return { numerator: a.numerator * b.denominator, denominator: a.denominator * b.numerator };
}

/** Nearest integer of numerator / denominator, half to even; denominator positive, numerator of any sign. */
export function roundHalfEven(numerator: bigint, denominator: bigint): bigint {
  let quotient = numerator / denominator;
  let rest = numerator % denominator;
  if (rest < 0n) {
    quotient -= 1n;
    rest += denominator;
  }
  const twice = 2n * rest;
  return twice > denominator || (twice === denominator && (quotient & 1n) === 1n) ? quotient + 1n : quotient;
}

/** Whether a and b differ by less than `tolerance` of b. */
export function nearly(a: Ratio, b: Ratio, tolerance: number): boolean {
  const left = a.numerator * b.denominator;
  const right = b.numerator * a.denominator;
  const difference = left > right ? left - right : right - left;
  return difference * BigInt(Math.round(1 / tolerance)) <= right;
}

export const equal = (a: Ratio, b: Ratio): boolean => a.numerator * b.denominator === b.numerator * a.denominator;

const scaled = (value: Ratio, shift: number): bigint => roundHalfEven(value.numerator << BigInt(shift), value.denominator);

/** Largest shift at which every value fits the multiplier; 0 where one is too large for any. */
function shiftFor(values: readonly Ratio[]): number {
  const limit = 1n << BigInt(MULTIPLIER_BITS);
  let shift = MAX_SHIFT;
  while (shift > 0 && values.some((value) => scaled(value, shift) >= limit)) shift--;
  return shift;
}

/** Fixed-point forms of several values with one shift (the two operands of an add). */
export function fixedPoints(values: readonly Ratio[], what: string, node: string): { multipliers: number[]; shift: number } {
  const shift = shiftFor(values);
  if (shift < 1) throw new CompileError(`${what} is too large for the core's multiplier: its output scale is far smaller than its input's; quantise it again.`, node);
  return { multipliers: values.map((value) => Number(scaled(value, shift))), shift };
}

/** Fixed-point form of one value, to 24 significant bits (fewer below 2^-31, where every result is 0 or ±1). */
export function fixedPoint(value: Ratio, what: string, node: string): FixedPoint {
  const { multipliers, shift } = fixedPoints([value], what, node);
  return { multiplier: multipliers[0] as number, shift };
}
