/** The output stage of the bench networks' layers: numbers that bring sums of a known spread to codes that use the range. */
import { MAX_SHIFT, MULTIPLIER_BITS } from '../../../src/contract/layout.ts';
import { combined, mean, normal, variance, type Spread } from './spread.ts';

export type Act = 'none' | 'relu' | 'relu6' | 'silu' | 'leaky';
export type Bounds = { readonly min: number; readonly max: number };
export type Parameter = { readonly bias: number; readonly multiplier: number; readonly shift: number };
/**
 * stageZero: of the first requantisation; centre, deviation: of the codes after it; zero: of the codes that the layer ends with.
 */
export type Piece = { readonly stageZero: number; readonly centre: number; readonly deviation: number; readonly table: Int8Array | null; readonly zero: number; readonly bounds: Bounds };

export const LINEAR: Bounds = { min: -128, max: 127 };
/** Of codes that are looked up: three deviations either way. */
const DEVIATION = 42;
/** A value of that deviation is 1.5, so that the bend of SiLU lies well within the codes. */
const STAGE_SCALE = 1.5 / DEVIATION;

/** f of all codes; `low` and `high` are its results that become the codes' ends. */
function tabled(f: (x: number) => number, low: number, high: number): Piece {
  const scale = (high - low) / 255;
  const zero = Math.round(-128 - low / scale);
  const table = Int8Array.from({ length: 256 }, (_, i) => Math.min(127, Math.max(-128, zero + Math.round(f((i - 128) * STAGE_SCALE) / scale))));
  return { stageZero: 0, centre: 0, deviation: DEVIATION, table, zero, bounds: LINEAR };
}

const PIECES: Readonly<Record<Act, Piece>> = {
  none: { stageZero: 0, centre: 0, deviation: DEVIATION, table: null, zero: 0, bounds: LINEAR },
  // Half the values are clipped.
  relu: { stageZero: -128, centre: -128, deviation: 84, table: null, zero: -128, bounds: LINEAR },
  // 6 lies at code 92, so that both ends of the clamp are met.
  relu6: { stageZero: -128, centre: -108, deviation: 90, table: null, zero: -128, bounds: { min: -128, max: 92 } },
  silu: tabled((x) => x / (1 + Math.exp(-x)), -0.28, 4.5),
  leaky: tabled((x) => (x < 0 ? 0.1 * x : x), -0.46, 4.5),
};

export const pieceOf = (act: Act): Piece => PIECES[act];

/** value ≈ multiplier / 2^shift */
function fixed(value: number): { multiplier: number; shift: number } {
  const exponent = Math.floor(Math.log2(value)) + 1;
  const shift = MULTIPLIER_BITS - exponent;
  const multiplier = Math.min(2 ** MULTIPLIER_BITS - 1, Math.round(value * 2 ** shift));
  if (shift < 1 || shift > MAX_SHIFT) throw new Error(`${value} is beyond what a channel can be scaled by`);
  return { multiplier, shift };
}

export const parameterOf = (ratio: number, bias: number): Parameter => ({ bias: Math.round(bias), ...fixed(ratio) });

/** Of `count` values of a channel, on codes around 0. */
export function average(spread: Spread, count: number): { parameter: Parameter; spread: Spread } {
  const ratio = DEVIATION / Math.sqrt(variance(spread) * count);
  return { parameter: parameterOf(ratio, -count * mean(spread)), spread: normal(0, DEVIATION) };
}

type Operand = { readonly spread: Spread; readonly zero: number };

/** The sum of two activations of equal weight, before its clamp. */
export function add(a: Operand, b: Operand, relu: boolean): { a: number; b: number; shift: number; zeroOut: number; spread: Spread } {
  const [da, db] = [Math.sqrt(variance(a.spread)), Math.sqrt(variance(b.spread))];
  // In deviations of one operand.
  const middle = (mean(a.spread) - a.zero) / da + (mean(b.spread) - b.zero) / db;
  const gain = relu ? 250 / (Math.max(0, middle) + 2.5 * Math.SQRT2) : DEVIATION / Math.SQRT2;
  const zeroOut = relu ? -128 : Math.min(127, Math.max(-128, Math.round(-middle * gain)));
  const [ka, kb] = [gain / da, gain / db];
  const { shift } = fixed(Math.max(ka, kb));
  return {
    a: Math.min(2 ** MULTIPLIER_BITS - 1, Math.round(ka * 2 ** shift)), b: Math.min(2 ** MULTIPLIER_BITS - 1, Math.round(kb * 2 ** shift)), shift, zeroOut,
    spread: combined(a.spread, b.spread, (x, y) => zeroOut + (x - a.zero) * ka + (y - b.zero) * kb),
  };
}
