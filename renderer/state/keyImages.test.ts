import { expect, test } from 'vitest';
import type { KeyImage } from '../../src/contract/studies.ts';
import { instance, library, series, study } from '../testing/samples.ts';
import { besideKey, isKeyImage, keySlices, withKept, withMark } from './keyImages.ts';

const [a, b] = [instance('a'), instance('b', { frames: 3 })];
const lib = library(study('1', [series('s', [a, b])]));
const marked: KeyImage[] = [{ instanceId: 'b', frame: 2 }, { instanceId: 'gone', frame: 0 }, { instanceId: 'a', frame: 0 }];

test('what was kept comes behind what is marked, once', () => {
  expect(withKept([marked[2]!], marked)).toEqual([marked[2], marked[0], marked[1]]);
});

test('marked and unmarked, by instance and frame', () => {
  const once = withMark([], { instance: b, frame: 2 });
  expect([isKeyImage(once, { instance: b, frame: 2 }), isKeyImage(once, { instance: b, frame: 1 })]).toEqual([true, false]);
  expect(withMark(once, { instance: b, frame: 2 })).toEqual([]);
});
test('those of closed studies are not listed, and come again with their study', () => expect(keySlices(lib, marked).map(({ instance: { id }, frame }) => `${id}/${frame}`)).toEqual(['b/2', 'a/0']));
test('round and round through them, from anywhere', () => {
  const slices = keySlices(lib, marked);
  const from = (shown: { instance: typeof a; frame: number } | null, step: 1 | -1): string => besideKey(slices, shown, step)!.instance.id;
  expect([from(null, 1), from(null, -1), from({ instance: b, frame: 2 }, 1), from({ instance: a, frame: 0 }, 1), from({ instance: b, frame: 2 }, -1), from({ instance: b, frame: 0 }, 1)]).toEqual(['b', 'a', 'a', 'b', 'a', 'b']);
  expect(besideKey([], null, 1)).toBeNull();
});
