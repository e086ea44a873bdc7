import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import fixture from './fixtures/pillow.json' with { type: 'json' };
import { resizeTriangle } from './resample.ts';

const image = (length: number): Float32Array =>
  Float32Array.from({ length }, (_, x) => Number((BigInt(x) * 1103515245n + 12345n) % 2n ** 31n) / 2 ** 31);

describe('resizeTriangle', () => {
  test.each(fixture.cases)('equals Pillow on $from → $to, value for value', ({ from, to, values }) => {
    const [rows, columns] = from as [number, number];
    const resized = resizeTriangle(image(rows * columns), rows, columns, to[0]!, to[1]!);
    expect([...resized]).toEqual(values);
  });

  const size = fc.integer({ min: 1, max: 40 });
  test('keeps a constant image constant and stays inside the range of its input', () => {
    fc.assert(fc.property(size, size, size, size, fc.float({ min: 0, max: 1, noNaN: true }), (rows, columns, toRows, toColumns, value) => {
      const constant = resizeTriangle(new Float32Array(rows * columns).fill(value), rows, columns, toRows, toColumns);
      for (const v of constant) expect(Math.abs(v - value)).toBeLessThanOrEqual(1e-6);
      const source = image(rows * columns);
      const [low, high] = [Math.min(...source), Math.max(...source)];
      for (const v of resizeTriangle(source, rows, columns, toRows, toColumns)) {
        expect(v).toBeGreaterThanOrEqual(low - 1e-6);
        expect(v).toBeLessThanOrEqual(high + 1e-6);
      }
    }));
  });

  test('commutes with turning the image upside down', () => {
    fc.assert(fc.property(size, size, size, size, (rows, columns, toRows, toColumns) => {
      const source = image(rows * columns);
      const upright = resizeTriangle(source, rows, columns, toRows, toColumns);
      const turned = resizeTriangle(source.slice().reverse(), rows, columns, toRows, toColumns).reverse();
      for (let i = 0; i < upright.length; i++) expect(Math.abs(turned[i]! - upright[i]!)).toBeLessThanOrEqual(1e-6);
    }));
  });

  test('refuses sizes that are not images', () => {
    expect(() => resizeTriangle(new Float32Array(4), 2, 2, 0, 2)).toThrow(RangeError);
    expect(() => resizeTriangle(new Float32Array(3), 2, 2, 1, 1)).toThrow('3 pixels are not 2×2');
  });
});
