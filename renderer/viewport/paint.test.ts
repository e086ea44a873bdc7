import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { GreyFrame, StoredPixels, Voi } from '../../src/contract/pixels.ts';
import { greyTable, renderGrey } from '../../src/dicom/index.ts';
import { paintGrey, sample } from './paint.ts';

const frameOf = (pixels: StoredPixels, inverted = false): GreyFrame => ({
  kind: 'grey', rows: 1, columns: pixels.length, pixels, min: 0, max: 0, modality: { kind: 'linear', slope: 1.5, intercept: -100 },
  voi: [], voiFromFile: true, windows: [], inverted, units: '',
});
const voi: Voi = { kind: 'window', center: 40, width: 400, function: 'LINEAR' };

/** What is painted, as greys; alpha and the equality of the channels are checked on the way. */
function painted(pixels: StoredPixels, table: { first: number; step: number; values: ArrayLike<number> }): number[] {
  const out = new Uint32Array(pixels.length);
  paintGrey(pixels, table, out);
  const bytes = new Uint8Array(out.buffer);
  return Array.from({ length: pixels.length }, (_, i) => {
    expect([bytes[i * 4 + 1], bytes[i * 4 + 2], bytes[i * 4 + 3]]).toEqual([bytes[i * 4], bytes[i * 4], 255]);
    return bytes[i * 4]!;
  });
}

test.each([
  ['Uint8Array', (v: number[]) => Uint8Array.from(v)],
  ['Int8Array', (v: number[]) => Int8Array.from(v)],
  ['Uint16Array', (v: number[]) => Uint16Array.from(v)],
  ['Int16Array', (v: number[]) => Int16Array.from(v)],
])('%s is painted as renderGrey computes it', (_, make) => {
  fc.assert(fc.property(fc.array(fc.integer({ min: -40000, max: 70000 }), { minLength: 1, maxLength: 40 }), fc.boolean(), fc.boolean(), (values, inverted, invert) => {
    const frame = frameOf(make(values), inverted);
    expect(painted(frame.pixels, { ...greyTable(frame, voi, invert)!, step: 1 })).toEqual([...renderGrey(frame, voi, invert)]);
  }), { numRuns: 30 });
});

test('sampling keeps the type and takes whole rows and columns, the last partial ones too', () => {
  const pixels = Int16Array.from({ length: 15 }, (_, i) => i - 7);
  const sampled = sample(pixels, 3, 5, 2);
  expect(sampled).toEqual({ rows: 2, columns: 3, pixels: Int16Array.of(-7, -5, -3, 3, 5, 7) });
  expect(sample(pixels, 3, 5, 1).pixels).toBe(pixels);
});

test('wider pixels go by evenly spaced samples; beyond them the ends hold, not-a-number is black', () => {
  const table = { first: 0, step: 0.5, values: Uint8Array.of(10, 20, 30) };
  expect(painted(Float32Array.of(-5, 0, 0.5, 1, 99, Number.NaN), table)).toEqual([10, 10, 20, 30, 30, 0]);
});
