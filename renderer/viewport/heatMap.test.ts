import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { alphaOf, colourise, COLOURS, commonScale, inputField, resampleBilinear } from './heatMap.ts';

describe('where the map lies', () => {
  test('squashed input is the whole image', () => expect(inputField({ fit: 'squash', width: 224, height: 224 }, 1000, 700)).toEqual({ x: 0, y: 0, width: 700, height: 1000 }));
  test('letterboxed input reaches over the shorter side by the padding', () => {
    expect(inputField({ fit: 'letterbox', width: 224, height: 224 }, 1000, 700)).toEqual({ x: -150, y: 0, width: 1000, height: 1000 });
  });
});

describe('bilinear resampling', () => {
  test('the same size is the same map', () => {
    const map = [1, 2, 3, 4, 5, 6];
    expect([...resampleBilinear(map, 2, 3, 2, 3)]).toEqual(map);
  });

  test('half-pixel centres: 2 to 4 goes by quarters, ends repeated', () => {
    expect([...resampleBilinear([0, 1], 1, 2, 1, 4)]).toEqual([0, 0.25, 0.75, 1]);
    expect([...resampleBilinear([0, 1], 2, 1, 4, 1)]).toEqual([0, 0.25, 0.75, 1]);
  });

  test('an enlarged map stays within its own values', () => {
    fc.assert(fc.property(fc.array(fc.float({ min: -5, max: 5, noNaN: true }), { minLength: 12, maxLength: 12 }), fc.integer({ min: 1, max: 6 }), (map, times) => {
      const big = resampleBilinear(map, 3, 4, 3 * times, 4 * times);
      for (const value of [Math.min(...big), Math.max(...big)]) {
        expect(value).toBeGreaterThanOrEqual(Math.min(...map) - 1e-5);
        expect(value).toBeLessThanOrEqual(Math.max(...map) + 1e-5);
      }
    }));
  });

  test('the maximum is where it was', () => {
    const map = Float32Array.from({ length: 49 }, (_, i) => (i === 3 * 7 + 5 ? 1 : 0));
    const big = resampleBilinear(map, 7, 7, 70, 70);
    const peak = big.indexOf(Math.max(...big));
    expect([Math.floor(peak / 70 / 10), Math.floor((peak % 70) / 10)]).toEqual([3, 5]);
  });
});

describe('colours', () => {
  test('get lighter all the way, so that they read in grey too', () => {
    const luminance = (i: number): number => {
      const linear = [0, 1, 2].map((c) => ((COLOURS[i * 3 + c]! / 255 + 0.055) / 1.055) ** 2.4);
      return 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]!;
    };
    for (let i = 8; i < 256; i += 8) expect(luminance(i)).toBeGreaterThan(luminance(i - 8));
  });

  test('evidence against a class, none, and a scale of nothing are transparent', () => {
    expect([...colourise([-3, 0], 2)].filter((_, i) => i % 4 === 3)).toEqual([0, 0]);
    expect([...colourise([1, 2], 0)].filter((_, i) => i % 4 === 3)).toEqual([0, 0]);
  });

  test('the end of the scale is the end of the colours, opaque', () => {
    expect([...colourise([5], 5)]).toEqual([...COLOURS.slice(255 * 3), 255]);
    expect([...colourise([50], 5)]).toEqual([...COLOURS.slice(255 * 3), 255]);
    expect([alphaOf(0), alphaOf(0.25), alphaOf(1)]).toEqual([0, 1, 1]);
  });

  test('one scale for all maps: the largest positive value', () => {
    expect(commonScale([[-1, 2], [3, -9]])).toBe(3);
    expect(commonScale([[-1, -2]])).toBe(0);
  });
});
