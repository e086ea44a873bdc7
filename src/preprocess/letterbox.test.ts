import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GreyFrame } from '../contract/pixels.ts';
import { placement, toImage } from './letterbox.ts';
import { toTensor } from './tensor.ts';

const letterbox = (height: number, width: number): { width: number; height: number; fit: 'letterbox' } => ({ width, height, fit: 'letterbox' });
const side = fc.integer({ min: 1, max: 5000 });
const input = fc.integer({ min: 1, max: 640 });

describe('where a letterboxed image lies', () => {
  // rows, columns, input height, input width → top, left, rows, columns: utils/augmentations.py letterbox(auto=False) of YOLOv5 v6.2, evaluated in Python.
  test.each([
    [1080, 1920, 640, 640, 140, 0, 360, 640],
    [721, 1280, 640, 640, 140, 0, 360, 640], // 360.5 rows: Python rounds to even
    [723, 1280, 640, 640, 139, 0, 362, 640],
    [640, 427, 640, 640, 0, 106, 640, 427], // an odd border: the smaller half is left
    [100, 37, 320, 320, 0, 101, 320, 118],
    [333, 1000, 640, 640, 213, 0, 213, 640],
    [3, 1000, 320, 320, 159, 0, 1, 320],
    [2500, 2048, 640, 640, 0, 58, 640, 524],
    [480, 640, 384, 640, 0, 64, 384, 512],
  ])('%i × %i in %i × %i as YOLOv5 has it', (rows, columns, height, width, top, left, inRows, inColumns) => {
    expect(placement(rows, columns, letterbox(height, width))).toEqual({ top, left, rows: inRows, columns: inColumns });
  });

  test('inside the input, touching two opposite edges', () => {
    fc.assert(fc.property(side, side, input, input, (rows, columns, width, height) => {
      const place = placement(rows, columns, letterbox(height, width));
      expect(Math.min(place.top, place.left)).toBeGreaterThanOrEqual(0);
      expect(place.top + place.rows).toBeLessThanOrEqual(height);
      expect(place.left + place.columns).toBeLessThanOrEqual(width);
      expect(place.rows === height || place.columns === width).toBe(true);
      expect(Math.min(place.rows, place.columns)).toBeGreaterThanOrEqual(1);
    }));
  });
});

describe('the way back', () => {
  test('the corners of its place are the corners of the image, and what lies between is in proportion', () => {
    fc.assert(fc.property(side, side, input, input, fc.constantFrom('letterbox' as const, 'squash' as const), fc.double({ min: 0, max: 1, noNaN: true }), (rows, columns, width, height, fit, t) => {
      const place = placement(rows, columns, { width, height, fit });
      const back = toImage(rows, columns, { width, height, fit });
      const { x, y } = back({ x: place.left + t * place.columns, y: place.top + t * place.rows });
      expect(x).toBeCloseTo(t * columns, 6);
      expect(y).toBeCloseTo(t * rows, 6);
    }));
  });

  // What counts in the end: a thing in the image, found in the tensor, is where it was, to a small part of a pixel of the image.
  test.each([[60, 90, 64, 64], [91, 60, 64, 64], [33, 200, 128, 96], [24, 20, 64, 64]])('a blob in %i × %i, seen in %i × %i, comes back to its place', (rows, columns, width, height) => {
    const centre = { x: columns * 0.53, y: rows * 0.44 };
    const pixels = Uint16Array.from({ length: rows * columns }, (_, i) => {
      const [dx, dy] = [(i % columns) + 0.5 - centre.x, Math.floor(i / columns) + 0.5 - centre.y];
      return Math.round(4000 * Math.exp(-(dx * dx + dy * dy) / 18));
    });
    const frame: GreyFrame = {
      kind: 'grey', rows, columns, pixels, min: 0, max: 4000, modality: { kind: 'linear', slope: 1, intercept: 0 },
      voi: [{ kind: 'window', center: 2000, width: 4000, function: 'LINEAR_EXACT' }], voiFromFile: true, windows: [], inverted: false, units: '',
    };
    const fit = letterbox(height, width);
    const tensor = toTensor(frame, { ...fit, channels: 1, pad: 0, resample: 'triangle', mean: 0, std: 1 });
    let [sum, x, y] = [0, 0, 0];
    tensor.forEach((value, i) => {
      sum += value;
      x += value * ((i % width) + 0.5);
      y += value * (Math.floor(i / width) + 0.5);
    });
    const found = toImage(rows, columns, fit)({ x: x / sum, y: y / sum });
    expect(Math.hypot(found.x - centre.x, found.y - centre.y)).toBeLessThan(0.02);
  });
});
