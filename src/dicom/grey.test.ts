import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GreyFrame, StoredPixels, Voi } from '../contract/pixels.ts';
import { applyModality, applyVoi, greyTable, greyUnit, luma, renderGrey } from './grey.ts';

const frameOf = (pixels: StoredPixels, more: Partial<GreyFrame> = {}): GreyFrame => ({
  kind: 'grey',
  rows: 1,
  columns: pixels.length,
  pixels,
  min: 0,
  max: 0,
  modality: { kind: 'linear', slope: 1, intercept: 0 },
  voi: [],
  voiFromFile: true,
  windows: [],
  inverted: false,
  units: '',
  ...more,
});
const linear = (center: number, width: number): Voi => ({ kind: 'window', center, width, function: 'LINEAR' });

describe('VOI LINEAR (PS3.3 C.11.2.1.2.1)', () => {
  test('the standard\'s own example: c = 2048, w = 4096 over 0…4095', () => {
    const voi = linear(2048, 4096);
    expect(applyVoi(voi, 0)).toBe(0);
    expect(applyVoi(voi, 4095)).toBeCloseTo(1, 12);
    expect(applyVoi(voi, 1000)).toBeCloseTo((1000 - 2047.5) / 4095 + 0.5, 12);
  });
  test('c = 2048, w = 1: a threshold, 0 up to 2047 and white from 2048 on', () => {
    expect([2047, 2047.5, 2048].map((x) => applyVoi(linear(2048, 1), x))).toEqual([0, 0, 1]);
  });
  test('c = 0, w = 100: from -50 to 49', () => {
    expect([-51, -50, 49, 50].map((x) => applyVoi(linear(0, 100), x))).toEqual([0, 0, 1, 1]);
  });
  test('is monotone and continuous to within its own slope', () => {
    fc.assert(
      fc.property(fc.integer({ min: -2000, max: 2000 }), fc.integer({ min: 2, max: 4000 }), fc.integer({ min: -4000, max: 4000 }), (c, w, x) => {
        const step = applyVoi(linear(c, w), x + 1) - applyVoi(linear(c, w), x);
        expect(step).toBeGreaterThanOrEqual(0);
        expect(step).toBeLessThanOrEqual(1 / (w - 1) + 1e-9);
      }),
    );
  });
});

test('LINEAR_EXACT (C.11.2.1.3.2): c = 2048, w = 4096 reaches its ends at 0 and 4096', () => {
  const voi: Voi = { kind: 'window', center: 2048, width: 4096, function: 'LINEAR_EXACT' };
  expect([0, 2048, 4096, 4097].map((x) => applyVoi(voi, x))).toEqual([0, 0.5, 1, 1]);
});

test('SIGMOID (C.11.2.1.3.1) is a half at the centre and 1/(1+e⁻²) half a width above it', () => {
  const voi: Voi = { kind: 'window', center: 100, width: 40, function: 'SIGMOID' };
  expect(applyVoi(voi, 100)).toBe(0.5);
  expect(applyVoi(voi, 120)).toBeCloseTo(1 / (1 + Math.exp(-2)), 12);
});

test('tables hold their ends outside their range', () => {
  const voi: Voi = { kind: 'table', first: 10, values: Float32Array.of(0.25, 0.5, 1), explanation: '' };
  expect([-5, 10, 11, 12, 99].map((x) => applyVoi(voi, x))).toEqual([0.25, 0.25, 0.5, 1, 1]);
  const modality = { kind: 'table', first: -1, values: Float32Array.of(7, 8) } as const;
  expect([-9, -1, 0, 5].map((x) => applyModality(modality, x))).toEqual([7, 7, 8, 8]);
});

test('rescale comes before the window', () => {
  const frame = frameOf(Int16Array.of(0, 1024, 2048), { modality: { kind: 'linear', slope: 1, intercept: -1024 } });
  expect([...renderGrey(frame, linear(0, 1), false)]).toEqual([0, 255, 255]);
});

describe('MONOCHROME1 and the reader\'s invert', () => {
  const frame = frameOf(Uint8Array.of(0, 255), { inverted: true });
  test('each turns the greys over, both cancel', () => {
    expect([...renderGrey(frame, linear(128, 256), false)]).toEqual([255, 0]);
    expect([...renderGrey(frame, linear(128, 256), true)]).toEqual([0, 255]);
    expect([...greyUnit(frame, linear(128, 256))]).toEqual([1, 0]);
  });
});

test('the table, the pixels and the unrounded greys agree for every type', () => {
  const types = [Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array, Float64Array];
  fc.assert(
    fc.property(
      fc.constantFrom(...types),
      fc.array(fc.integer({ min: -40_000, max: 70_000 }), { minLength: 1, maxLength: 30 }),
      fc.record({ c: fc.integer({ min: -3000, max: 3000 }), w: fc.integer({ min: 1, max: 5000 }), slope: fc.constantFrom(1, 2, -1, 0.5), inverted: fc.boolean(), invert: fc.boolean() }),
      (Type, values, { c, w, slope, inverted, invert }) => {
        const frame = frameOf(Type.from(values as never[]) as StoredPixels, { inverted, modality: { kind: 'linear', slope, intercept: -10 } });
        const shown = renderGrey(frame, linear(c, w), invert);
        const unit = greyUnit(frame, linear(c, w));
        const table = greyTable(frame, linear(c, w), invert);
        expect(table === null).toBe(frame.pixels.BYTES_PER_ELEMENT > 2);
        frame.pixels.forEach((stored, i) => {
          const expected = applyVoi(linear(c, w), stored * slope - 10);
          expect(unit[i]).toBeCloseTo(inverted ? 1 - expected : expected, 6);
          expect(Math.abs(shown[i]! - (inverted !== invert ? 1 - expected : expected) * 255)).toBeLessThanOrEqual(0.5 + 1e-9);
          if (table) expect(shown[i]).toBe(table.values[stored - table.first]);
        });
      },
    ),
  );
});

test('beyond a window’s ends the table goes on as the pixels do, whichever way it runs', () => {
  const all = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
  fc.assert(
    fc.property(fc.record({ c: fc.double({ min: -70_000, max: 140_000, noNaN: true }), w: fc.double({ min: 0.01, max: 200_000, noNaN: true }), slope: fc.constantFrom(1, -1, 0.1, 0, 3), intercept: fc.integer({ min: -2000, max: 2000 }), exact: fc.boolean(), invert: fc.boolean() }), ({ c, w, slope, intercept, exact, invert }) => {
      const voi: Voi = { kind: 'window', center: c, width: exact ? w : Math.max(1, w), function: exact ? 'LINEAR_EXACT' : 'LINEAR' };
      const frame = frameOf(all, { modality: { kind: 'linear', slope, intercept } });
      const { values } = greyTable(frame, voi, invert)!;
      expect(values).toEqual(Uint8ClampedArray.from(all, (stored) => Math.floor((invert ? 1 - applyVoi(voi, stored * slope + intercept) : applyVoi(voi, stored * slope + intercept)) * 255 + 0.5)));
    }),
    { numRuns: 40 },
  );
});

test('not-a-number is black and feeds a network zero', () => {
  const frame = frameOf(Float32Array.of(Number.NaN, 1));
  expect(renderGrey(frame, linear(0.5, 1), false)[0]).toBe(0);
  expect(greyUnit(frame, linear(0.5, 1))[0]).toBe(0);
});

test('luma weighs as BT.601 does', () => {
  const [r, g, b, white] = luma({ kind: 'colour', rows: 1, columns: 4, rgba: Uint8ClampedArray.of(255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255, 255, 255, 255) });
  expect(r).toBeCloseTo(0.299, 6);
  expect(g).toBeCloseTo(0.587, 6);
  expect(b).toBeCloseTo(0.114, 6);
  expect(white).toBeCloseTo(1, 6);
});
