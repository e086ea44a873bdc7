import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GreyFrame } from '../../src/contract/pixels.ts';
import { measure, scaleOf, type Geometry } from './measure.ts';

const geometry = (change: Partial<Geometry> = {}): Geometry => ({ spacing: null, regions: [], pixelAspect: 1, ...change });
const slice = geometry({ spacing: { row: 0.5, column: 0.25, source: 'PixelSpacing', plane: 'patient' }, pixelAspect: 2 });
const frame = (rows: number, columns: number, pixels: number[], change: Partial<GreyFrame> = {}): GreyFrame => ({
  kind: 'grey', rows, columns, pixels: Float64Array.from(pixels), min: 0, max: 0, modality: { kind: 'linear', slope: 1, intercept: 0 }, voi: [], voiFromFile: false, windows: [], inverted: false, units: 'HU', ...change,
});
const p = (x: number, y: number) => ({ x, y });

describe('lengths', () => {
  it('are millimetres by both spacings, and pixels without any', () => {
    expect(measure({ kind: 'length', points: [p(0, 0), p(12, 8)] }, slice, null)).toEqual({ kind: 'length', length: 5, plane: 'patient' });
    expect(measure({ kind: 'length', points: [p(0, 0), p(3, 4)] }, geometry(), null)).toEqual({ kind: 'length', length: 5, plane: null });
  });
  it('have millimetres within one region of an ultrasound image, none across or outside, whatever the image says', () => {
    const regions = [{ left: 0, top: 0, right: 9, bottom: 9, row: 0.1, column: 0.2 }, { left: 10, top: 0, right: 19, bottom: 9, row: 1, column: 1 }];
    const us = geometry({ regions, spacing: slice.spacing });
    expect(scaleOf(us, [p(0, 0), p(10, 10)])).toEqual({ x: 0.2, y: 0.1, plane: 'region' });
    expect(scaleOf(us, [p(5, 5), p(15, 5)]).plane).toBeNull();
    expect(scaleOf(us, [p(5, 25)]).plane).toBeNull();
  });
});

describe('angles', () => {
  it('are those of the patient where pixels are not square', () => {
    expect(measure({ kind: 'angle', points: [p(2, 0), p(0, 0), p(2, 1)] }, geometry({ pixelAspect: 2 }), null)).toMatchObject({ degrees: expect.closeTo(45) as number });
  });
  it('turn with nothing but themselves', () => {
    const number = fc.double({ min: -100, max: 100, noNaN: true });
    fc.assert(fc.property(number, number, fc.double({ min: 0, max: Math.PI, noNaN: true }), fc.double({ min: -3, max: 3, noNaN: true }), (x, y, angle, turn) => {
      const arm = (at: number) => p(x + 50 * Math.cos(at), y + 50 * Math.sin(at));
      const { degrees } = measure({ kind: 'angle', points: [arm(turn), p(x, y), arm(turn + angle)] }, geometry(), null) as { degrees: number };
      expect(degrees).toBeCloseTo((angle * 180) / Math.PI, 6);
      const cobb = measure({ kind: 'cobb', points: [p(x, y), arm(turn), arm(turn + angle), p(x, y)] }, geometry(), null) as { degrees: number };
      expect(cobb.degrees).toBeCloseTo(Math.min(degrees, 180 - degrees), 6);
    }));
  });
  it('of nothing are nothing', () => expect(measure({ kind: 'angle', points: [p(1, 1), p(1, 1), p(1, 1)] }, geometry(), null)).toEqual({ kind: 'angle', degrees: 0 }));
});

describe('areas', () => {
  it('count the pixels whose centre is inside, in modality units', () => {
    const image = frame(2, 3, [1, 2, 3, 4, 5, 6], { modality: { kind: 'linear', slope: 10, intercept: -1000 } });
    expect(measure({ kind: 'rectangle', points: [p(2, 2), p(0.4, 0)] }, slice, image)).toEqual({
      kind: 'area', area: 1.6 * 0.25 * 2 * 0.5, plane: 'patient', units: 'HU', statistics: { count: 4, mean: -970, sd: expect.closeTo(Math.sqrt(250)) as number, min: -990, max: -950 },
    });
    expect(measure({ kind: 'rectangle', points: [p(0.6, 0), p(1.4, 2)] }, geometry(), image)).toMatchObject({ area: expect.closeTo(1.6) as number, statistics: null });
    expect(measure({ kind: 'rectangle', points: [p(-5, -5), p(50, 50)] }, geometry(), image)).toMatchObject({ statistics: { count: 6 } });
  });
  it('of an ellipse equal what its equation says of each pixel', () => {
    const coordinate = fc.double({ min: -4, max: 16, noNaN: true });
    fc.assert(fc.property(coordinate, coordinate, coordinate, coordinate, fc.array(fc.integer({ min: -1000, max: 3000 }), { minLength: 144, maxLength: 144 }), (ax, ay, bx, by, pixels) => {
      const found = measure({ kind: 'ellipse', points: [p(ax, ay), p(bx, by)] }, geometry(), frame(12, 12, pixels)) as { statistics: { count: number; mean: number; sd: number } | null };
      const inside = pixels.filter((_, i) => (((i % 12) + 0.5 - (ax + bx) / 2) / ((bx - ax) / 2)) ** 2 + ((Math.floor(i / 12) + 0.5 - (ay + by) / 2) / ((by - ay) / 2)) ** 2 <= 1 - 1e-9);
      const edge = pixels.filter((_, i) => Math.abs((((i % 12) + 0.5 - (ax + bx) / 2) / ((bx - ax) / 2)) ** 2 + ((Math.floor(i / 12) + 0.5 - (ay + by) / 2) / ((by - ay) / 2)) ** 2 - 1) <= 1e-9);
      fc.pre(edge.length === 0);
      const mean = inside.reduce((s, v) => s + v, 0) / inside.length;
      expect(found.statistics?.count ?? 0).toBe(inside.length);
      if (found.statistics) {
        expect(found.statistics.mean).toBeCloseTo(mean, 6);
        expect(found.statistics.sd).toBeCloseTo(Math.sqrt(inside.reduce((s, v) => s + (v - mean) ** 2, 0) / inside.length), 4);
      }
    }));
  });
  it('of colours have no statistics', () => {
    const colour = { kind: 'colour', rows: 1, columns: 1, rgba: Uint8ClampedArray.of(1, 2, 3, 255) } as const;
    expect(measure({ kind: 'ellipse', points: [p(0, 0), p(1, 1)] }, geometry(), colour)).toMatchObject({ area: Math.PI / 4, statistics: null });
    expect(measure({ kind: 'probe', points: [p(0.5, 0.5)] }, geometry(), colour)).toMatchObject({ values: [1, 2, 3] });
  });
});

it('a probe reads the pixel under it through the modality table, and nothing beside the image', () => {
  const image = frame(1, 2, [0, 9], { modality: { kind: 'table', first: 1, values: Float32Array.of(7, 8) } });
  expect(measure({ kind: 'probe', points: [p(1.99, 0.5)] }, geometry(), image)).toEqual({ kind: 'probe', x: 1, y: 0, values: [8], units: 'HU' });
  expect(measure({ kind: 'probe', points: [p(0.2, 0.5)] }, geometry(), image)).toMatchObject({ values: [7] });
  expect(measure({ kind: 'probe', points: [p(2, 0.5)] }, geometry(), image)).toMatchObject({ values: [] });
});
