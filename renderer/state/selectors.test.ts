import { describe, expect, test } from 'vitest';
import { comparison, instance, library, model, run, series, study } from '../testing/samples.ts';
import { countSlices, heatMapRun, intentConcern, positionOf, problemGroups, reselect, shownOf, sliceAt } from './selectors.ts';

const stack = series('s', [instance('a'), instance('b', { frames: 3 }), instance('c')]);

describe('a stack', () => {
  test('counts frames of all instances and finds each by place', () => {
    expect(countSlices(stack)).toBe(5);
    expect([0, 1, 2, 3, 4].map((at) => { const slice = sliceAt(stack, at)!; return `${slice.instance.id}${slice.frame}`; })).toEqual(['a0', 'b0', 'b1', 'b2', 'c0']);
    expect(sliceAt(stack, 5)).toBeNull();
  });
  test('places are found again', () => {
    for (let at = 0; at < 5; at++) {
      const { instance: { id }, frame } = sliceAt(stack, at)!;
      expect(positionOf(stack, id, frame)).toBe(at);
    }
    expect(positionOf(stack, 'gone', 0)).toBe(-1);
  });
});

describe('the selection after the library changed', () => {
  const before = library(study('1', [stack]));
  test('the same picture, though it moved', () => {
    const after = library(study('0', [series('x', [instance('y')])]), study('1', [series('s', [instance('new'), ...stack.instances])]));
    expect(reselect(before, after, { seriesUid: 's', position: 2 })).toEqual({ seriesUid: 's', position: 3 });
  });
  test('the first of all when it is gone, none when nothing is left', () => {
    expect(reselect(before, library(study('0', [series('x', [instance('y')])])), { seriesUid: 's', position: 2 })).toEqual({ seriesUid: 'x', position: 0 });
    expect(reselect(before, library(), { seriesUid: 's', position: 2 })).toBeNull();
  });
  test('a picture gone from a series that stays', () => {
    expect(reselect(before, library(study('1', [series('s', [instance('a')])])), { seriesUid: 's', position: 4 })).toEqual({ seriesUid: 's', position: 0 });
  });
});

test('what is shown knows its place', () => {
  expect(shownOf(library(study('1', [stack])), { seriesUid: 's', position: 3 })).toMatchObject({ position: 3, count: 5, frame: 2, instance: { id: 'b' }, study: { uid: '1' } });
  expect(shownOf(library(), { seriesUid: 's', position: 0 })).toBeNull();
});

test('the model’s intent is asked before anything is run', () => {
  const concern = (change: Parameters<typeof instance>[1]): ReturnType<typeof intentConcern> => intentConcern(instance('a', change), model.metadata);
  expect(concern({})).toBeNull();
  expect(concern({ modality: 'CT' })).toBe('modality');
  expect(concern({ bodyPart: 'KNEE' })).toBe('bodyPart');
  expect(concern({ bodyPart: '' })).toBeNull();
  expect(concern({ bodyPart: ' chest ' })).toBeNull();
});

test('a heat map comes from the chosen engine, or the first that has one', () => {
  const maps = { rows: 1, columns: 1, maps: [new Float32Array(1), new Float32Array(1)] };
  const both = comparison([run('cpu-fp32', 0.1), run('cpu-int8', 0.1, { classMaps: maps }), run('board', 0.1, { classMaps: maps })]);
  expect(heatMapRun(both, 'board')?.identity.engine).toBe('board');
  expect(heatMapRun(both, 'cpu-fp32')?.identity.engine).toBe('cpu-int8');
  expect(heatMapRun(comparison([run('cpu-fp32', 0.1)]), 'cpu-fp32')).toBeNull();
  expect(heatMapRun(null, null)).toBeNull();
});

test('problems of one file and kind stand together, in order', () => {
  const missing = (name: string): { fileName: string; code: string; message: string } => ({ fileName: 'DICOMDIR', code: 'unreadable', message: `DICOMDIR: it lists ${name}` });
  const other = { fileName: 'a.txt', code: 'not-dicom', message: 'no prefix' };
  expect(problemGroups([missing('1'), other, missing('2'), { ...missing('3'), code: 'corrupt' }])).toEqual([
    { fileName: 'DICOMDIR', code: 'unreadable', causes: ['it lists 1', 'it lists 2'] },
    { fileName: 'a.txt', code: 'not-dicom', causes: ['no prefix'] },
    { fileName: 'DICOMDIR', code: 'corrupt', causes: ['it lists 3'] },
  ]);
});
