import { expect, test } from 'vitest';
import { edgeLetters, opposite } from './orientation.ts';

const asIs = { mirrored: false, rotation: 0 } as const;

test('the other side of each direction', () => {
  expect(['L', 'R', 'A', 'P', 'H', 'F'].map(opposite)).toEqual(['R', 'L', 'P', 'A', 'F', 'H']);
  expect(opposite('LAH')).toBe('RPF');
  expect(opposite('')).toBe('');
});

test('a frontal chest: rows run to the left, columns to the feet', () => {
  expect(edgeLetters(['L', 'F'], asIs)).toEqual({ right: 'L', bottom: 'F', left: 'R', top: 'H' });
});

test('turned and mirrored letters go with the picture', () => {
  expect(edgeLetters(['L', 'F'], { mirrored: false, rotation: 90 })).toEqual({ top: 'R', right: 'H', bottom: 'L', left: 'F' });
  expect(edgeLetters(['L', 'F'], { mirrored: true, rotation: 0 })).toEqual({ top: 'H', right: 'R', bottom: 'F', left: 'L' });
  expect(edgeLetters(['L', 'F'], { mirrored: true, rotation: 180 })).toEqual({ top: 'F', right: 'L', bottom: 'H', left: 'R' });
});

test('unknown or missing directions give no letter rather than a wrong one', () => {
  expect(edgeLetters([], asIs)).toEqual({ right: '', bottom: '', left: '', top: '' });
  expect(edgeLetters(['CR', 'F'], asIs)).toMatchObject({ right: 'CR', left: '' });
});
