import { expect, test } from 'vitest';
import { edgeLetters, opposite } from './orientation.ts';

test('the other side of each direction', () => {
  expect(['L', 'R', 'A', 'P', 'H', 'F'].map(opposite)).toEqual(['R', 'L', 'P', 'A', 'F', 'H']);
  expect(opposite('LAH')).toBe('RPF');
  expect(opposite('')).toBe('');
});

test('a frontal chest: rows run to the left, columns to the feet', () => {
  expect(edgeLetters(['L', 'F'])).toEqual({ right: 'L', bottom: 'F', left: 'R', top: 'H' });
});

test('unknown or missing directions give no letter rather than a wrong one', () => {
  expect(edgeLetters([])).toEqual({ right: '', bottom: '', left: '', top: '' });
  expect(edgeLetters(['CR', 'F'])).toMatchObject({ right: 'CR', left: '' });
});
