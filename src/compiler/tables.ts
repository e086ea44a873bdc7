/** Tables of 256 codes: what the core's output stage looks up, made from exact rationals or from values in double precision. */
import type { Bounds, QTensor } from './graph.ts';
import { sameCodes } from './graph.ts';
import type { Ratio } from './scale.ts';
import { divide, ratioOf, roundHalfEven } from './scale.ts';

const CODES = 256;
const saturate = (code: number): number => Math.max(-128, Math.min(127, code));

export const IDENTITY: Int8Array = Int8Array.from({ length: CODES }, (_, i) => i - 128);

/** Code of the same real value in another quantisation, for all 256 codes; null where both are the same. */
export function rescaleTable(input: QTensor, output: QTensor): Int8Array | null {
  if (sameCodes(input, output)) return null;
  const ratio: Ratio = divide(ratioOf(input.scale), ratioOf(output.scale));
  return Int8Array.from({ length: CODES }, (_, i) => {
    const steps = roundHalfEven(BigInt(i - 128 - input.zeroPoint) * ratio.numerator, ratio.denominator);
    const code = steps + BigInt(output.zeroPoint);
    return Number(code < -128n ? -128n : code > 127n ? 127n : code);
  });
}

/** What a tensor's codes stand for, as DequantizeLinear gives it: a function that jumps must jump at the same code. */
export function valuesOf({ scale, zeroPoint }: QTensor): Float64Array {
  return Float64Array.from({ length: CODES }, (_, i) => Math.fround((i - 128 - zeroPoint) * scale));
}

/**
 * Codes of 256 real values. Values are as exact as doubles are, far within the 2^-12 LSB of a tie that DESIGN.md forgives; ONNX Runtime,
 * which works in fp32, may take the other neighbour within some 2^-14.
 */
export function quantise(values: Float64Array, { scale, zeroPoint }: { scale: number; zeroPoint: number }): Int8Array {
  return Int8Array.from(values, (value) => {
    const steps = value / scale;
    const floor = Math.floor(steps);
    const rest = steps - floor;
    const nearest = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
    return saturate((Number.isFinite(steps) ? nearest : steps) + zeroPoint);
  });
}

/** First `inner`, then `outer`. */
export const compose = (outer: Int8Array, inner: Int8Array): Int8Array => inner.map((code) => outer[code + 128] as number);

export const clamped = (codes: Int8Array, { min, max }: Bounds): Int8Array => codes.map((code) => Math.max(min, Math.min(max, code)));

export const isIdentity = (codes: Int8Array): boolean => codes.every((code, i) => code === i - 128);

/** Codes between which a real-valued bound keeps a tensor: Relu gives [zero point, 127]. */
export function codeBounds(bounds: Bounds, tensor: QTensor): { min: number; max: number } {
  const codeOf = (bound: number): number => {
    if (!Number.isFinite(bound)) return bound;
    const steps = bound === 0 ? 0n : quantised(bound, tensor.scale);
    return Math.min(127, Math.max(-128, tensor.zeroPoint + Number(steps)));
  };
  return { min: Math.max(-128, codeOf(bounds.min)), max: Math.min(127, codeOf(bounds.max)) };
}

function quantised(value: number, scale: number): bigint {
  const a = ratioOf(Math.abs(value));
  const b = ratioOf(scale);
  const numerator = a.numerator * b.denominator;
  return roundHalfEven(value < 0 ? -numerator : numerator, a.denominator * b.numerator);
}
