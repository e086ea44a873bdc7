import { describe, expect, test } from 'vitest';
import type { InstanceInfo, Plane } from '../../src/contract/dicom.ts';
import { instance, series } from '../testing/samples.ts';
import { crossing, nearest } from './geometry.ts';

const spacing = (row: number, column: number): InstanceInfo['spacing'] => ({ row, column, source: 'PixelSpacing', plane: 'patient' });
const axial = (z: number): Plane => ({ position: [0, 0, z], row: [1, 0, 0], column: [0, 1, 0] });
const picture = (id: string, planes: Plane[], change: Partial<InstanceInfo> = {}): InstanceInfo => instance(id, { rows: 100, columns: 100, frameOfReferenceUid: '1', planes, spacing: spacing(1, 1), ...change });
const stack = series('s', [0, 5, 10, 15].map((z) => picture(`z${z}`, [axial(z)])));
const slice = (planes: Plane[], change: Partial<InstanceInfo> = {}, frame = 0): { instance: InstanceInfo; frame: number } => ({ instance: picture('x', planes, change), frame });

describe('the nearest slice', () => {
  test('by the distance along the normal, whatever the stack’s order, the other’s size, or its direction', () => {
    expect([-3, 2, 3, 11, 99].map((z) => nearest(stack, slice([axial(z)], { rows: 7, spacing: spacing(3, 3) })))).toEqual([0, 0, 1, 2, 3]);
    expect(nearest(series('r', [...stack.instances].reverse()), slice([axial(11)]))).toBe(1);
    expect(nearest(stack, slice([{ position: [0, 40, 9], row: [1, 0, 0], column: [0, -1, 0] }]))).toBe(2);
  });
  test('frames count by themselves', () => {
    expect(nearest(series('m', [picture('m', [0, 5, 10].map(axial), { frames: 3 })]), slice([axial(6)]))).toBe(1);
    expect(nearest(stack, slice([0, 5, 14].map(axial), { frames: 3 }, 2))).toBe(3);
  });
  test('none in another frame of reference, of another direction, without a plane, or for a cine in one plane', () => {
    expect(nearest(stack, slice([axial(5)], { frameOfReferenceUid: '2' }))).toBeNull();
    expect(nearest(series('n', [picture('n', [axial(5)], { frameOfReferenceUid: '' })]), slice([axial(5)], { frameOfReferenceUid: '' }))).toBeNull();
    expect(nearest(stack, slice([{ position: [0, 0, 0], row: [1, 0, 0], column: [0, 0, -1] }]))).toBeNull();
    expect(nearest(stack, slice([]))).toBeNull();
    expect(nearest(series('c', [picture('c', [axial(5)], { frames: 9 })]), slice([axial(5)]))).toBeNull();
  });
});

describe('where two slices cross', () => {
  const coronal: Plane = { position: [10, 30, 80], row: [1, 0, 0], column: [0, 0, -1] };

  test('an axial slice in a coronal picture: level, at its height, as long as the axial picture is wide', () => {
    const [a, b] = crossing(slice([coronal], { spacing: spacing(2, 0.5) }), slice([axial(20)]))!;
    // z 80 is the centre of row 0, 2 mm a row; x 10 is the centre of column 0, half a millimetre a column.
    expect(a.y).toBeCloseTo(30.5);
    expect(b.y).toBeCloseTo(30.5);
    expect([a.x, b.x].sort((u, v) => u - v).map((x) => Number(x.toFixed(6)))).toEqual([-20.5, 179.5]);
  });
  test('and the coronal one in the axial picture: at its depth', () => {
    const line = crossing(slice([axial(20)]), slice([coronal]))!;
    for (const { y } of line) expect(y).toBeCloseTo(30.5);
  });
  test('oblique planes cross on a line that lies in both', () => {
    const s = Math.SQRT1_2;
    const oblique: Plane = { position: [0, 0, 0], row: [1, 0, 0], column: [0, s, s] };
    for (const { y } of crossing(slice([axial(10)]), slice([oblique]))!) expect(y).toBeCloseTo(10.5);
  });
  test('none where they are parallel, pass by one another, or millimetres are not the patient’s', () => {
    expect(crossing(slice([axial(0)]), slice([axial(5)]))).toBeNull();
    expect(crossing(slice([axial(200)]), slice([coronal]))).toBeNull();
    expect(crossing(slice([axial(0)]), slice([coronal], { spacing: null }))).toBeNull();
    expect(crossing(slice([axial(0)], { frameOfReferenceUid: '3' }), slice([coronal]))).toBeNull();
  });
});
