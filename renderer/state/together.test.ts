import { expect, test } from 'vitest';
import type { InstanceInfo } from '../../src/contract/dicom.ts';
import { instance, library, series, study } from '../testing/samples.ts';
import { INITIAL_PANES, withSelection, type Panes } from './panes.ts';
import { joined, scrolled, type Together } from './together.ts';

const stack = (uid: string, count: number, change: (i: number) => Partial<InstanceInfo> = () => ({})): ReturnType<typeof series> => series(uid, Array.from({ length: count }, (_, i) => instance(`${uid}${i}`, change(i))));
const inSpace = (step: number) => (i: number): Partial<InstanceInfo> => ({ frameOfReferenceUid: '1', planes: [{ position: [0, 0, i * step], row: [1, 0, 0], column: [0, 1, 0] }] });
const lib = library(study('1', [stack('a', 10), stack('b', 5), stack('thin', 20, inSpace(1)), stack('thick', 5, inSpace(5))]));
const on: Together = { scroll: true, move: false, window: false, place: 0 };

function two(left: [string, number], right: [string, number]): Panes {
  const state = { ...INITIAL_PANES, layout: { rows: 1, columns: 2 } };
  const first = { ...state, ...withSelection(state, { seriesUid: left[0], position: left[1] }, 0) };
  return { ...first, ...withSelection(first, { seriesUid: right[0], position: right[1] }, 1), active: 0 };
}
/** Places of both after the left one was scrolled to each of `positions` in turn. */
function through(state: Panes, positions: number[], together = on): number[][] {
  let now = { ...state, ...joined(state), together, library: lib };
  return positions.map((position) => {
    now = { ...now, ...scrolled(now, position) };
    return now.panes.slice(0, 2).map(({ selection }) => selection!.position);
  });
}

test('as many pictures on; the distance that they were joined at comes back after an end', () => {
  expect(through(two(['a', 4], ['b', 1]), [5, 6, 9, 0, 4])).toEqual([[5, 2], [6, 3], [9, 4], [0, 0], [4, 1]]);
});

test('in one frame of reference to the slice nearest in space', () => {
  expect(through(two(['thin', 0], ['thick', 4]), [0, 2, 3, 12, 19])).toEqual([[0, 0], [2, 0], [3, 1], [12, 2], [19, 4]]);
});

test('apart, each by itself; and what is not seen stays', () => {
  expect(through(two(['a', 4], ['b', 1]), [9], { ...on, scroll: false })).toEqual([[9, 1]]);
  expect(through({ ...two(['a', 4], ['b', 1]), maximised: true }, [9])).toEqual([[9, 1]]);
});
