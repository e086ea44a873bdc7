import { expect, test } from 'vitest';
import type { GreyFrame, StoredPixels, Voi } from '../../src/contract/pixels.ts';
import { renderGrey } from '../../src/dicom/index.ts';
import { greysOf, levelsOf } from './tables.ts';

const frameOf = (pixels: StoredPixels, min: number, max: number): GreyFrame => ({
  kind: 'grey', rows: 1, columns: pixels.length, pixels, min, max, modality: { kind: 'linear', slope: 1, intercept: 0 },
  voi: [], voiFromFile: true, windows: [], inverted: false, units: '',
});
const voi: Voi = { kind: 'window', center: 0.5, width: 1, function: 'LINEAR_EXACT' };
const painted = (frame: GreyFrame, invert = false): number[] => {
  const { pixels, first } = levelsOf(frame);
  const greys = greysOf(frame, voi, invert);
  return Array.from(pixels, (level) => greys[level - first]!);
};

test('pixels of 8 and 16 bits are their own levels', () => {
  const frame = frameOf(Int16Array.of(-32768, 0, 1, 32767), -32768, 32767);
  expect(levelsOf(frame).pixels).toBe(frame.pixels);
  expect(painted(frame)).toEqual([...renderGrey(frame, voi, false)]);
});

test('wider pixels go by evenly spaced samples of the frame’s range, made once; beyond it the ends hold, not-a-number is black', () => {
  const frame = frameOf(Float32Array.of(-5, 0, 0.25, 0.5, 1, 99, Number.NaN), 0, 1);
  expect(painted(frame)).toEqual([0, 0, 64, 128, 255, 255, 0]);
  expect(painted(frame, true)).toEqual([255, 255, 191, 128, 0, 0, 0]);
  expect(levelsOf(frame)).toBe(levelsOf(frame));
});
