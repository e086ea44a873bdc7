import { expect, test } from 'vitest';
import type { InstanceInfo, StudyInfo } from '../../src/contract/dicom.ts';
import { instance, library, series, study } from '../testing/samples.ts';
import { INITIAL_PANES, withSelection } from './panes.ts';
import { priorOf, withPrior } from './prior.ts';
import { shownOf } from './selectors.ts';

const of = (uid: string, date: string, change: Partial<StudyInfo> = {}, info: Partial<InstanceInfo> = {}, count = 1): StudyInfo => ({ ...study(uid, [series(`${uid}.s`, Array.from({ length: count }, (_, i) => instance(`${uid}${i}`, info)))]), patientId: 'P1', date, ...change });
const now = of('now', '20260301');
const prior = (...others: StudyInfo[]): string | undefined => {
  const lib = library(...others, now);
  return priorOf(lib, shownOf(lib, { seriesUid: 'now.s', position: 0 }))?.uid;
};

test('the latest before this one, of the same patient, modality and body part', () => {
  expect(prior(of('old', '20240101'), of('older', '20200101'), of('later', '20270101'))).toBe('old.s');
  expect(prior(of('other', '20250101', { patientId: 'P2' }))).toBeUndefined();
  expect(prior(of('ct', '20250101', {}, { modality: 'CT' }))).toBeUndefined();
  expect(prior(of('knee', '20250101', {}, { bodyPart: 'KNEE' }))).toBeUndefined();
  expect(prior(of('unsaid', '20250101', {}, { bodyPart: '' }))).toBe('unsaid.s');
  expect(prior(of('undated', ''))).toBeUndefined();
  expect(prior(of('morning', '20260301', { time: '080000' }))).toBeUndefined();
});

test('two studies without a Patient ID are not of one patient', () => {
  const lib = library(of('old', '20240101', { patientId: ' ' }), { ...now, patientId: '' });
  expect(priorOf(lib, shownOf(lib, { seriesUid: 'now.s', position: 0 }))).toBeNull();
});

test('in the study, the series of the same view', () => {
  const lateral = series('lat', [instance('l', { viewPosition: 'LL' })]);
  const frontal = series('front', [instance('f')]);
  expect(prior({ ...of('old', '20240101'), series: [lateral, frontal] })).toBe('front');
});

test('current left, prior right at the same part of its stack; the current pane keeps its viewer', () => {
  const lib = library(of('old', '20240101', {}, {}, 11), of('now', '20260301', {}, {}, 21));
  const panes = { ...INITIAL_PANES, layout: { rows: 2, columns: 2 }, ...withSelection(INITIAL_PANES, { seriesUid: 'now.s', position: 10 }, 3) };
  const hung = withPrior({ ...panes, library: lib })!;
  expect(hung).toMatchObject({ layout: { rows: 1, columns: 2 }, active: 0, maximised: false });
  expect(hung.panes.slice(0, 2).map(({ selection }) => selection)).toEqual([{ seriesUid: 'now.s', position: 10 }, { seriesUid: 'old.s', position: 5 }]);
  expect(hung.panes[0]!.id).toBe(panes.panes[3]!.id);
  expect(new Set(hung.panes.map(({ id }) => id)).size).toBe(9);
  expect(withPrior({ ...panes, library: library(now) })).toBeNull();
});
