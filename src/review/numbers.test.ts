import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classMaps, probabilities } from './activation.ts';
import { percentile } from './statistics.ts';

const finite = fc.double({ min: -1e3, max: 1e3, noNaN: true });

describe('probabilities', () => {
  test('softmax sums to one, keeps the order and does not overflow', () => {
    fc.assert(fc.property(fc.array(finite, { minLength: 1, maxLength: 10 }), (logits) => {
      const p = probabilities(logits, 'softmax');
      expect(p.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
      for (let i = 1; i < p.length; i++) if (logits[i]! > logits[i - 1]!) expect(p[i]!).toBeGreaterThanOrEqual(p[i - 1]!);
    }));
  });

  test('known values', () => {
    expect(probabilities([0, Math.log(3)], 'softmax')).toEqual([expect.closeTo(0.25, 12), expect.closeTo(0.75, 12)]);
    expect(probabilities([0, Math.log(3), -800, 800], 'sigmoid')).toEqual([0.5, expect.closeTo(0.75, 12), expect.closeTo(0, 12), 1]);
  });
});

describe('classMaps', () => {
  test("the mean of a class's map is its logit less the bias", () => {
    const features = { channels: 3, rows: 2, columns: 4, data: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)) };
    const weights = [[1, -2, 0.5], [0, 3, 1]];
    const { maps, rows, columns } = classMaps(features, weights);
    expect([rows, columns, maps.length]).toEqual([2, 4, 2]);
    const means = [0, 1, 2].map((k) => features.data.subarray(k * 8, k * 8 + 8).reduce((a, b) => a + b) / 8);
    maps.forEach((map, c) => {
      expect(map.reduce((a, b) => a + b) / 8).toBeCloseTo(weights[c]!.reduce((sum, w, k) => sum + w * means[k]!, 0), 6);
    });
    // One value by hand: class 1, row 1, column 2.
    expect(maps[1]![6]).toBeCloseTo(3 * Math.sin(14) + Math.sin(22), 6);
  });

  test('weights for another network are refused', () => {
    expect(() => classMaps({ channels: 2, rows: 1, columns: 1, data: new Float32Array(2) }, [[1, 2, 3]])).toThrow('for 3 channels, the feature map has 2');
  });
});

describe('percentile', () => {
  test("equals NumPy's default on its own example values", () => {
    expect(percentile([7], 0.95)).toBe(7);
    expect(percentile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(percentile([10, 1, 4, 3, 2], 0.95)).toBeCloseTo(8.8, 12);
    expect(() => percentile([], 0.5)).toThrow(RangeError);
  });

  test('lies between the extremes and does not change its input', () => {
    fc.assert(fc.property(fc.array(finite, { minLength: 1 }), fc.double({ min: 0, max: 1, noNaN: true }), (samples, p) => {
      const before = [...samples];
      const value = percentile(samples, p);
      expect(samples).toEqual(before);
      expect(value).toBeGreaterThanOrEqual(Math.min(...samples) - 1e-9);
      expect(value).toBeLessThanOrEqual(Math.max(...samples) + 1e-9);
    }));
  });
});
