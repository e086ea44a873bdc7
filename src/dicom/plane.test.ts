import { expect, test } from 'vitest';
import { TS, writeDicom, type Elements, type Value } from '../../test/support/dicom-writer.ts';
import { parseDicom } from './parse.ts';
import { planesOf } from './plane.ts';
import { summarise } from './summary.ts';

const planes = (elements: Elements, frames = 1): ReturnType<typeof planesOf> => planesOf(parseDicom(writeDicom({ elements, transferSyntax: TS.explicit, pixels: new Uint16Array(6 * frames) })), frames);
const of = (position: string, orientation: string): Elements => ({ '00200032': ['DS', position], '00200037': ['DS', orientation] });

test('position and unit vectors of a picture, with its frame of reference', () => {
  expect(planes(of('1\\2\\-3.5', '1\\0\\0\\0\\0\\-1'))).toEqual([{ position: [1, 2, -3.5], row: [1, 0, 0], column: [0, 0, -1] }]);
  const { instance } = summarise(parseDicom(writeDicom({ elements: { ...of('0\\0\\0', '1\\0\\0\\0\\1\\0'), '00200052': ['UI', '1.2.3'] }, pixels: new Uint16Array(6) })), { id: 'a', fileName: 'a' });
  expect([instance.frameOfReferenceUid, instance.planes.length]).toEqual(['1.2.3', 1]);
});

test('cosines that are nearly unit become so; what is no plane is none', () => {
  expect(planes(of('0\\0\\0', '0.999\\0\\0\\0\\1.001\\0'))[0]).toMatchObject({ row: [1, 0, 0], column: [0, 1, 0] });
  for (const [position, orientation] of [['0\\0', '1\\0\\0\\0\\1\\0'], ['0\\0\\0', '1\\0\\0\\1\\0\\0'], ['0\\0\\0', '3\\0\\0\\0\\1\\0'], ['0\\0\\x', '1\\0\\0\\0\\1\\0'], ['0\\0\\0', '']] as const) expect(planes(of(position, orientation)), orientation).toEqual([]);
});

test('enhanced multi-frame: one a frame', () => {
  const frame = (z: number): Elements => ({ '00209113': ['SQ', [{ '00200032': ['DS', `0\\0\\${z}`] }] satisfies Value], '00209116': ['SQ', [{ '00200037': ['DS', '1\\0\\0\\0\\1\\0'] }] satisfies Value] });
  expect(planes({ '00280008': ['IS', '2'], '52009230': ['SQ', [frame(4), frame(9)] satisfies Value] }, 2).map(({ position }) => position[2])).toEqual([4, 9]);
  expect(planes({ '00280008': ['IS', '2'], '52009230': ['SQ', [frame(4)] satisfies Value] }, 2)).toEqual([]);
});
