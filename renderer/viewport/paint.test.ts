import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { GreyFrame, StoredPixels, Voi } from '../../src/contract/pixels.ts';
import { renderGrey } from '../../src/dicom/index.ts';
import { greysOf, levelsOf } from '../workers/tables.ts';
import { cover, paintPart, paintReduced, sampled, type Cover } from './paint.ts';

const frameOf = (pixels: StoredPixels, columns: number, inverted = false): GreyFrame => ({
  kind: 'grey', rows: pixels.length / columns, columns, pixels, min: Math.min(...pixels), max: Math.max(...pixels), modality: { kind: 'linear', slope: 1.5, intercept: -100 },
  voi: [], voiFromFile: true, windows: [], inverted, units: '',
});
const voi: Voi = { kind: 'window', center: 40, width: 400, function: 'LINEAR' };

/** Words as greys; alpha and the equality of the channels are checked on the way. */
function greys(words: Uint32Array): number[] {
  const bytes = new Uint8Array(words.buffer);
  return Array.from(words, (_, i) => {
    expect([bytes[i * 4 + 1], bytes[i * 4 + 2], bytes[i * 4 + 3]]).toEqual([bytes[i * 4], bytes[i * 4], 255]);
    return bytes[i * 4]!;
  });
}

test.each([
  ['Uint8Array', (v: number[]) => Uint8Array.from(v)],
  ['Int8Array', (v: number[]) => Int8Array.from(v)],
  ['Uint16Array', (v: number[]) => Uint16Array.from(v)],
  ['Int16Array', (v: number[]) => Int16Array.from(v)],
])('%s is painted as renderGrey computes it, whole and in part', (_, make) => {
  const images = fc.record({ columns: fc.integer({ min: 1, max: 9 }), rows: fc.integer({ min: 1, max: 9 }), seed: fc.array(fc.integer({ min: -40000, max: 70000 }), { minLength: 81, maxLength: 81 }), left: fc.nat(8), top: fc.nat(8), inverted: fc.boolean(), invert: fc.boolean() });
  fc.assert(fc.property(images, ({ columns, rows, seed, left, top, inverted, invert }) => {
    const frame = frameOf(make(seed.slice(0, columns * rows)), columns, inverted);
    const part = { left: left % columns, top: top % rows, width: columns - (left % columns), height: rows - (top % rows) };
    const out = new Uint32Array(part.width * part.height);
    paintPart(levelsOf(frame), columns, part, greysOf(frame, voi, invert), out);
    const whole = renderGrey(frame, voi, invert);
    expect(greys(out)).toEqual(Array.from(out, (_word, i) => whole[(part.top + Math.floor(i / part.width)) * columns + part.left + (i % part.width)]));
  }), { numRuns: 60 });
});

test('every image pixel is under one screen pixel, in order, mirrored too; screen pixels beside the image have none', () => {
  const cases = fc.record({ scale: fc.double({ min: 0.05, max: 0.999, noNaN: true }), count: fc.integer({ min: 30, max: 400 }), offset: fc.double({ min: 0, max: 50, noNaN: true }), mirrored: fc.boolean() });
  fc.assert(fc.property(cases, ({ scale, count, offset, mirrored }) => {
    const size = Math.ceil(offset + count * scale) + 20;
    const { start, from, to } = mirrored ? cover(-scale, offset + count * scale, size, count, false) : cover(scale, offset, size, count, false);
    expect(Math.abs(start - offset)).toBeLessThanOrEqual(1);
    const order = Array.from(from, (_, i) => (mirrored ? from.length - 1 - i : i));
    for (const [n, i] of order.entries()) {
      expect(to[i]! - from[i]!).toBeGreaterThan(0);
      if (n > 0) expect(from[i]).toBe(to[order[n - 1]!]);
    }
    // At the ends less than a screen pixel may be left out.
    expect(from[order[0]!]! * scale).toBeLessThanOrEqual(1);
    expect((count - to[order.at(-1)!]!) * scale).toBeLessThanOrEqual(1);
  }), { numRuns: 200 });
});

test('a smaller picture has the mean of the greys under each screen pixel, or the middle one; also turned on its side', () => {
  const frame = frameOf(Uint8Array.from({ length: 24 }, (_, i) => i * 8), 6);
  const all: Voi = { kind: 'window', center: 127.5 - 100, width: 255 * 1.5, function: 'LINEAR_EXACT' };
  const whole = renderGrey(frame, all, false);
  const at = (x: number, y: number): number => whole[y * 6 + x]!;
  const axes = (turned: boolean, nearest: boolean): [Cover, Cover] => [cover(0.5, 0, 10, turned ? 4 : 6, nearest), cover(0.5, 0, 10, turned ? 6 : 4, nearest)];
  const painted = (turned: boolean): number[] => {
    const [x, y] = axes(turned, false);
    const out = new Uint32Array(x.from.length * y.from.length);
    paintReduced(levelsOf(frame), 6, turned, x, y, greysOf(frame, all, false), out);
    return greys(out);
  };
  const middles = (turned: boolean): number[] => [...sampled(levelsOf(frame), 6, turned, ...axes(turned, true)).pixels];
  const mean = (x: number, y: number): number => Math.round((at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4);
  expect(painted(false)).toEqual([0, 2].flatMap((y) => [0, 2, 4].map((x) => mean(x, y))));
  expect(painted(true)).toEqual([0, 2, 4].flatMap((x) => [0, 2].map((y) => mean(x, y))));
  expect(middles(false)).toEqual([1, 3].flatMap((y) => [1, 3, 5].map((x) => frame.pixels[y * 6 + x])));
  expect(middles(true)).toEqual([1, 3, 5].flatMap((x) => [1, 3].map((y) => frame.pixels[y * 6 + x])));
});
