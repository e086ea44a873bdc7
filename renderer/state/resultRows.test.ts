import { expect, test } from 'vitest';
import type { ResultRow, ResultRun } from '../../src/contract/studies.ts';
import { bySeries, enginesOf } from './resultRows.ts';

const run = (engine: ResultRun['engine'], score: number | null): ResultRun => ({ engine, score, boxes: null, flip: false, p50: score === null ? null : 1, p95: null, sources: [], modelSha256: '', moved: '', error: '' });
const row = (id: number, change: Partial<ResultRow>): ResultRow => ({
  id, studyUid: '1', patientName: { alphabetic: '', ideographic: '', phonetic: '' }, seriesUid: 's', seriesNumber: 1, seriesDescription: '', sopInstanceUid: `${id}`, instanceNumber: id, fileName: '', frame: 0, frames: 1,
  at: '', model: 'm', modelVersion: '1', current: true, task: 'classification', classIndex: 1, threshold: 0.5, runs: [], flips: [], maxDelta: null, tolerance: 0.02, warnings: 0, ...change,
});

test('a series and a model a group, with its highest score, those at the threshold, flips and the largest difference', () => {
  const rows = [
    row(1, { runs: [run('cpu-fp32', 0.4), run('board', 0.6)], flips: ['board'], maxDelta: 0.2 }),
    row(2, { runs: [run('cpu-fp32', 0.5)], maxDelta: 0.1 }),
    row(3, { runs: [run('cpu-fp32', null)] }),
    row(4, { current: false, runs: [run('cpu-fp32', 0.9)] }),
    row(5, { seriesUid: 't', runs: [run('cpu-int8', null)] }),
  ];
  expect(bySeries(rows).map(({ rows: own, highest, positive, flips, maxDelta }) => [own.map(({ id }) => id), highest?.id ?? null, positive, flips, maxDelta])).toEqual([
    [[1, 2, 3], 2, 1, 1, 0.2],
    [[4], 4, 1, 0, null],
    [[5], null, 0, 0, null],
  ]);
  expect(enginesOf(rows)).toEqual(['cpu-fp32', 'cpu-int8', 'board']);
  expect(bySeries([])).toEqual([]);
});
