/** Images that the reader marked, in the order of marking. Pure. */
import type { Library, SeriesInfo, StudyInfo } from '../../src/contract/dicom.ts';
import type { KeyImage } from '../../src/contract/studies.ts';
import type { Slice } from './selectors.ts';

const same = (a: KeyImage, { instance, frame }: Slice): boolean => a.instanceId === instance.id && a.frame === frame;
export const isKeyImage = (marked: readonly KeyImage[], slice: Slice): boolean => marked.some((each) => same(each, slice));

/** Marks it, or takes the mark away. */
export const withMark = (marked: readonly KeyImage[], slice: Slice): KeyImage[] =>
  isKeyImage(marked, slice) ? marked.filter((each) => !same(each, slice)) : [...marked, { instanceId: slice.instance.id, frame: slice.frame }];

/** With those that were kept from another time; what is marked already stays where it is. */
export const withKept = (marked: readonly KeyImage[], kept: readonly KeyImage[]): KeyImage[] =>
  [...marked, ...kept.filter((each) => !marked.some(({ instanceId, frame }) => each.instanceId === instanceId && each.frame === frame))];

export interface KeySlice extends Slice {
  study: StudyInfo;
  series: SeriesInfo;
}

/** Those of open studies, where they lie. */
export function keySlices({ studies }: Library, marked: readonly KeyImage[]): KeySlice[] {
  if (marked.length === 0) return [];
  const known = new Map(studies.flatMap((study) => study.series.flatMap((series) => series.instances.map((instance) => [instance.id, { study, series, instance }] as const))));
  return marked.flatMap(({ instanceId, frame }) => {
    const found = known.get(instanceId);
    return found ? [{ ...found, frame }] : [];
  });
}

/** The marked one after (1) or before (-1) what is shown; round and round; from an unmarked one to the first or the last. */
export function besideKey(slices: readonly KeySlice[], shown: Slice | null, step: 1 | -1): KeySlice | null {
  const at = shown ? slices.findIndex(({ instance, frame }) => instance.id === shown.instance.id && frame === shown.frame) : -1;
  if (at < 0) return slices.at(step === 1 ? 0 : -1) ?? null;
  return slices[(at + step + slices.length) % slices.length] ?? null;
}
