/** The guard's arithmetic, against the same written out with the whole covariance. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Guard } from '../contract/model.ts';
import type { Features } from '../engines/index.ts';
import { describe as quarters, distanceOf, valuesOf } from './guard.ts';

const base64 = (values: Float32Array | Int8Array): string => Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
const guardOf = (mean: number[], deviation: number[], directions: number[][], steps: number[], variances: number[], rest: number): Guard => ({
  sha256: '0'.repeat(64), mean: base64(Float32Array.from(mean)), deviation: base64(Float32Array.from(deviation)), directions: base64(Int8Array.from(directions.flat())), steps, variances, rest, limit: 2, method: '',
});
const map = (channels: number, rows: number, columns: number, values: (k: number, y: number, x: number) => number): Features => ({
  channels, rows, columns, data: Float32Array.from({ length: channels * rows * columns }, (_, i) => values(Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns)),
});

describe('description', () => {
  test('is the root of each quarter\'s mean; an odd map\'s middle is in both halves', () => {
    expect(Array.from(quarters(map(1, 2, 2, (_, y, x) => (2 * y + x) ** 2)))).toEqual([0, 1, 2, 3]);
    const odd = quarters(map(1, 3, 3, (_, y, x) => (y === 1 && x === 1 ? 4 : 0)));
    expect(Array.from(odd)).toEqual([1, 1, 1, 1]);
    expect(Array.from(quarters(map(2, 1, 1, (k) => 9 + 7 * k)))).toEqual([3, 4, 3, 4, 3, 4, 3, 4]);
  });
});

describe('distance', () => {
  // Four values, one direction: the unit vector (1, 0, 0, 0), of 127 steps.
  const guard = guardOf([1, 1, 1, 1], [1, 1, 1, 1], [[127, 0, 0, 0]], [1 / 127], [4], 0.25);

  test('counts a deviation by the variance of its direction, a value', () => {
    const of = (a: number, b: number): number => distanceOf(map(1, 2, 2, (_, y, x) => (y + x === 0 ? a * a : y === 0 ? b * b : 1)), guard);
    expect(of(1, 1)).toBeCloseTo(0, 6);
    expect(of(3, 1)).toBeCloseTo(4 / 4 / 4, 5);
    expect(of(1, 2)).toBeCloseTo(1 / 0.25 / 4, 5);
  });

  test('is never negative, and 0 at the mean alone', () => {
    fc.assert(fc.property(fc.array(fc.float({ min: 0, max: 100, noNaN: true }), { minLength: 4, maxLength: 4 }), (values) => {
      const distance = distanceOf(map(1, 2, 2, (_, y, x) => values[2 * y + x]!), guard);
      expect(distance).toBeGreaterThanOrEqual(0);
    }));
  });

  test('is refused where the statistics are of other features, or do not fit one another', () => {
    expect(() => distanceOf(map(2, 2, 2, () => 1), guard)).toThrow('not of a feature map of 2 channels');
    expect(valuesOf(guard)).toBe(4);
    expect(valuesOf({ ...guard, variances: [1, 2] })).toBeUndefined();
    expect(valuesOf({ ...guard, directions: base64(Int8Array.of(1, 2, 3)) })).toBeUndefined();
    expect(valuesOf({ ...guard, mean: base64(Float32Array.of(1)) })).toBeUndefined();
  });
});
