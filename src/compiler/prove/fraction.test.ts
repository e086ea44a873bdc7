import { expect, test } from 'vitest';
import { fraction } from './fraction.ts';

test('what is no number is refused, not halved for ever', () => {
  expect(fraction(-0.375)).toEqual({ n: -3n, d: 8n });
  expect(fraction(5e-324).n).toBe(1n);
  for (const bad of [Number.NaN, Infinity, -Infinity]) expect(() => fraction(bad)).toThrow(RangeError);
});
