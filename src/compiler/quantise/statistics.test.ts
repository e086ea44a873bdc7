import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divergenceOf, joined, NoiseRatio, parametersOf, rangeOf, TensorStatistics, withHeadroom } from './statistics.ts';

const of = (values: number[], channels = 1): TensorStatistics => {
  const statistics = new TensorStatistics(channels);
  statistics.add(Float32Array.from(values));
  return statistics;
};

describe('statistics of a tensor', () => {
  it('keeps extremes, means and peaks of channels', () => {
    const statistics = of([1, 2, -3, 0, 0, 8], 2);
    statistics.add(Float32Array.from([5, 0, 0, 0, -16, 0]));
    expect([statistics.min, statistics.max, statistics.count, statistics.zeros]).toEqual([-16, 8, 12, 6]);
    expect([...statistics.channelMeans()]).toEqual([5 / 6, -8 / 6]);
    expect([...statistics.channelPeaks]).toEqual([5, 16]);
  });

  it('counts alike in whatever order and grouping values come', () => {
    const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 }), { minLength: 2, maxLength: 60 });
    fc.assert(fc.property(values, fc.nat(58), (all, cut) => {
      const at = Math.min(cut + 1, all.length - 1);
      const parts = new TensorStatistics(1);
      parts.add(Float32Array.from(all.slice(at)));
      parts.add(Float32Array.from(all.slice(0, at)));
      const whole = of(all);
      expect(parts.limit).toBe(whole.limit);
      expect(parts.bins).toEqual(whole.bins);
      expect(whole.bins.reduce((sum, n) => sum + n, 0) + whole.zeros).toBe(all.length);
    }));
  });

  it('refuses what is no finite number', () => {
    expect(() => of([1, NaN])).toThrow(RangeError);
    expect(() => of([Infinity])).toThrow(RangeError);
  });
});

describe('ranges', () => {
  it('min-max is exact, and holds 0', () => {
    expect(rangeOf(of([-0.25, 3]), 'minmax')).toEqual({ min: -0.25, max: 3 });
    expect(rangeOf(of([1, 3]), 'minmax')).toEqual({ min: 0, max: 3 });
    expect(rangeOf(of([-2, -1]), 'minmax')).toEqual({ min: -2, max: 0 });
    expect(rangeOf(of([0, 0]), 'entropy')).toEqual({ min: 0, max: 0 });
  });

  it('the percentile cuts one outlier in a hundred thousand, and nothing where there are few values', () => {
    const even = Array.from({ length: 100_000 }, (_, i) => i / 100_000);
    expect(rangeOf(of([...even, 50]), 'percentile').max).toBeCloseTo(1, 1);
    expect(rangeOf(of([...even, 50]), 'percentile').min).toBe(0);
    expect(rangeOf(of([...even.map((v) => -v), -50]), 'percentile').min).toBeCloseTo(-1, 1);
    expect(rangeOf(of([0.5, 50]), 'percentile')).toEqual({ min: 0, max: 50 });
  });

  it('entropy keeps an even distribution whole, and cuts a far outlier off', () => {
    const even = Array.from({ length: 100_000 }, (_, i) => (i % 1000) / 1000 + 0.0005);
    expect(rangeOf(of(even), 'entropy').max).toBeGreaterThan(0.97);
    expect(rangeOf(of([...even, 8]), 'entropy').max).toBeLessThanOrEqual(2);
    const signed = even.map((v, i) => (i % 2 === 0 ? v : -v));
    const { min, max } = rangeOf(of([...signed, 8]), 'entropy');
    expect(max).toBeLessThanOrEqual(2);
    expect(min).toBeLessThan(-0.97);
  });

  it('a divergence is 0 for equals, and as by hand', () => {
    expect(divergenceOf([1, 2, 3], [1, 2, 3])).toBe(0);
    expect(divergenceOf([1, 1], [1, 3])).toBeCloseTo(0.5 * Math.log(0.5 / 0.25) + 0.5 * Math.log(0.5 / 0.75), 12);
  });

  it('headroom where few values were seen', () => {
    expect(withHeadroom({ min: -1, max: 2 }, 16)).toEqual({ min: -2, max: 4 });
    expect(withHeadroom({ min: -1, max: 2 }, 5000)).toEqual({ min: -1, max: 2 });
  });
});

describe('scale and zero point', () => {
  it('span the range; the ends and 0 are codes', () => {
    expect(parametersOf({ min: 0, max: 255 })).toEqual({ scale: 1, zeroPoint: -128 });
    expect(parametersOf({ min: -255, max: 0 })).toEqual({ scale: 1, zeroPoint: 127 });
    expect(parametersOf({ min: -100, max: 155 })).toEqual({ scale: 1, zeroPoint: -28 });
    expect(parametersOf({ min: 0, max: 0 })).toEqual({ scale: 1, zeroPoint: 0 });
    expect(parametersOf(joined([{ min: 1, max: 2 }, { min: 3, max: 255 }]))).toEqual({ scale: 1, zeroPoint: -128 });
  });

  it('no value of the range is off by more than a step', () => {
    fc.assert(fc.property(fc.double({ min: -1e6, max: 0, noNaN: true }), fc.double({ min: 1e-6, max: 1e6, noNaN: true }), (min, max) => {
      const { scale, zeroPoint } = parametersOf({ min, max });
      expect((-128 - zeroPoint) * scale).toBeLessThanOrEqual(min + scale);
      expect((127 - zeroPoint) * scale).toBeGreaterThanOrEqual(max - scale);
    }));
  });
});

it('signal to noise in decibels', () => {
  const ratio = new NoiseRatio();
  ratio.add(Float32Array.of(10, 0), Float32Array.of(9, 0));
  expect(ratio.decibels).toBeCloseTo(20, 12);
  const equal = new NoiseRatio();
  equal.add(Float32Array.of(1), Float32Array.of(1));
  expect(equal.decibels).toBe(200);
  const silent = new NoiseRatio();
  silent.add(Float32Array.of(0), Float32Array.of(1));
  expect(silent.decibels).toBeNull();
});
