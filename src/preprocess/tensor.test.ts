import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Preprocessing } from '../contract/model.ts';
import type { ColourFrame, GreyFrame } from '../contract/pixels.ts';
import { placement, toTensor } from './tensor.ts';

const grey = (rows: number, columns: number, values: number[], more: Partial<GreyFrame> = {}): GreyFrame => ({
  kind: 'grey', rows, columns, pixels: Uint16Array.from(values), min: 0, max: 255, modality: { kind: 'linear', slope: 1, intercept: 0 },
  voi: [{ kind: 'window', center: 128, width: 256, function: 'LINEAR' }], voiFromFile: true, windows: [], inverted: false, units: '', ...more,
});
const plain: Preprocessing = { width: 2, height: 2, fit: 'squash', pad: 0, resample: 'triangle', mean: 0, std: 1 };

describe('toTensor', () => {
  test('windows to [0,1], then (grey − mean) / std', () => {
    const tensor = toTensor(grey(2, 2, [0, 51, 102, 255]), { ...plain, mean: 0.5, std: 0.25 });
    expect([...tensor]).toEqual([0, 0.2, 0.4, 1].map((g) => expect.closeTo((g - 0.5) / 0.25, 5) as number));
  });

  test('takes the first VOI of the file and turns MONOCHROME1 over', () => {
    const tensor = toTensor(grey(2, 2, [0, 51, 102, 255], { inverted: true }), plain);
    expect([...tensor]).toEqual([1, 0.8, 0.6, 0].map((g) => expect.closeTo(g, 5) as number));
    const narrow = toTensor(grey(2, 2, [0, 10, 20, 255], { voi: [{ kind: 'window', center: 10, width: 1, function: 'LINEAR' }, { kind: 'window', center: 128, width: 256, function: 'LINEAR' }] }), plain);
    expect([...narrow]).toEqual([0, 1, 1, 1]);
  });

  test('colour becomes its luma', () => {
    const frame: ColourFrame = { kind: 'colour', rows: 2, columns: 2, rgba: Uint8ClampedArray.of(255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255, 255, 255, 255) };
    const [red, green, blue, white] = toTensor(frame, plain);
    expect(red! + green! + blue!).toBeCloseTo(1, 5);
    expect(white).toBeCloseTo(1, 5);
    expect(green).toBeGreaterThan(red!);
    expect(red).toBeGreaterThan(blue!);
  });

  test('letterbox keeps the aspect ratio and pads before normalising', () => {
    const tensor = toTensor(grey(1, 4, [255, 255, 255, 255]), { ...plain, width: 4, height: 4, fit: 'letterbox', pad: 0.5, mean: 0.5 });
    expect([...tensor]).toEqual([0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0].map((v) => expect.closeTo(v, 6) as number));
  });

  test('a letterboxed image lies inside the input and touches two opposite edges', () => {
    const side = fc.integer({ min: 1, max: 5000 });
    fc.assert(fc.property(side, side, fc.integer({ min: 1, max: 512 }), fc.integer({ min: 1, max: 512 }), (rows, columns, width, height) => {
      const place = placement(rows, columns, { ...plain, width, height, fit: 'letterbox' });
      expect(Math.min(place.top, place.left)).toBeGreaterThanOrEqual(0);
      expect(place.top + place.rows).toBeLessThanOrEqual(height);
      expect(place.left + place.columns).toBeLessThanOrEqual(width);
      expect(place.rows === height || place.columns === width).toBe(true);
      expect(Math.min(place.rows, place.columns)).toBeGreaterThanOrEqual(1);
    }));
  });
});
