import fc from 'fast-check';
import { expect, it } from 'vitest';
import { scaleBar } from './scale.ts';

it('is a round length as long as the image says, in an image on its side by its columns', () => {
  expect(scaleBar({ row: 0.5, column: 0.25 }, { a: 1, c: 0 })).toEqual({ millimetres: 20, width: 80 });
  expect(scaleBar({ row: 0.5, column: 0.25 }, { a: 0, c: -2 })).toEqual({ millimetres: 20, width: 80 });
  expect(scaleBar({ row: 1, column: 1 }, { a: 0, c: 0 })).toBeNull();
});

it('is neither longer than its room nor less than a third of it', () => {
  fc.assert(fc.property(fc.double({ min: 1e-3, max: 10, noNaN: true }), fc.double({ min: 0.02, max: 40, noNaN: true }), (column, a) => {
    const { width, millimetres } = scaleBar({ row: 1, column }, { a, c: 0 })!;
    expect(width).toBeGreaterThan(140 / 3);
    expect(width).toBeLessThanOrEqual(140.001);
    expect(width * (column / a)).toBeCloseTo(millimetres, 6);
  }));
});
