import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildForTest } from '../../test/support/build.ts';
import { writeTinyPackage } from '../../test/support/model-package.ts';
import { writeDetectorPackage } from '../../test/support/detector-package.ts';
import { smallDicom } from '../../test/support/small-dicom.ts';
import { BoardPool, connectBoard } from '../board/index.ts';
import { createCodecs } from '../dicom/index.ts';
import { ExportedComparison } from './export.ts';
import { createReview, type Review } from './review.ts';
import { StudyList } from './study-list.ts';

let folder: string;
let workerUrl: URL;
let boards: BoardPool;
const closing: Array<() => Promise<void> | void> = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-records-'));
  workerUrl = await buildForTest('src/engines/ort-worker.ts');
  writeTinyPackage(join(folder, 'models'));
  writeDetectorPackage(join(folder, 'models'), 'detector');
  boards = new BoardPool([connectBoard({ host: '127.0.0.1', port: 9 })]);
});
afterAll(async () => {
  for (const close of closing) await close();
  await boards.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Started {
  review: Review;
  open: (name: string) => Promise<string>;
  restart: () => Promise<Started>;
}

/** As the application starts, on the list that it had. */
async function started(database: string): Promise<Started> {
  const list = new StudyList(join(folder, database), 'FabricLens test');
  const review = createReview({ modelsDir: join(folder, 'models'), codecs: createCodecs(() => Promise.reject(new Error('no compressed image here'))), workerUrl, boards, software: 'FabricLens test', list });
  const close = async (): Promise<void> => {
    await review.close();
    list.close();
  };
  closing.push(close);
  return {
    review,
    open: async (name) => (await review.open([join(folder, name)])).files[0]!.id,
    restart: async () => {
      await close();
      return started(database);
    },
  };
}
const write = (name: string, image: Parameters<typeof smallDicom>[0] = {}): void => writeFileSync(join(folder, name), smallDicom(image));
const ENGINES = ['cpu-fp32', 'cpu-int8'] as const;

test('a comparison is there again after a restart, whole, under the id that its image has then', async () => {
  write('a.dcm', { sopInstanceUid: '1.5.1' });
  const before = await started('a.db');
  const instanceId = await before.open('a.dcm');
  const comparison = await before.review.compare({ instanceId, frame: 0, model: 'tiny', engines: ENGINES, repeats: 1 });
  const after = await before.restart();
  const id = await after.open('a.dcm');
  expect(id).not.toBe(instanceId);
  const kept = await after.review.kept({ instanceId: id, frame: 0, model: 'tiny' });
  expect(kept).toMatchObject({ outdated: 0, comparison: { ...comparison, instanceId: id } });
  expect(Math.abs(Date.parse(kept.at) - Date.now())).toBeLessThan(600_000);
  expect(await after.review.kept({ instanceId: id, frame: 0, model: 'detector' })).toMatchObject({ comparison: null, outdated: 0 });
  expect(await after.review.results({ studyUid: null, flipsOnly: false })).toMatchObject([{ sopInstanceUid: '1.5.1', model: 'tiny', current: true, runs: [{ engine: 'cpu-fp32' }, { engine: 'cpu-int8', flip: false }], maxDelta: comparison.maxDelta }]);
});

test('the results of another version of the model, or of another file under the same UID, are never shown as this one’s', async () => {
  write('b.dcm', { sopInstanceUid: '1.5.2' });
  writeTinyPackage(join(folder, 'models'), 'changing');
  const first = await started('b.db');
  await first.review.compare({ instanceId: await first.open('b.dcm'), frame: 0, model: 'changing', engines: ENGINES, repeats: 1 });
  writeTinyPackage(join(folder, 'models'), 'changing', (m) => { if (m.fabriclens.task === 'classification') m.fabriclens.threshold.value = 0.25; });
  const second = await first.restart();
  const id = await second.open('b.dcm');
  expect(await second.review.kept({ instanceId: id, frame: 0, model: 'changing' })).toMatchObject({ comparison: null, outdated: 1 });
  expect(await second.review.results({ studyUid: null, flipsOnly: false })).toMatchObject([{ model: 'changing', current: false, threshold: 0.5 }]);
  await second.review.compare({ instanceId: id, frame: 0, model: 'changing', engines: ENGINES, repeats: 1 });
  expect(await second.review.kept({ instanceId: id, frame: 0, model: 'changing' })).toMatchObject({ comparison: { threshold: { value: 0.25 } }, outdated: 1 });
  write('b.dcm', { sopInstanceUid: '1.5.2', pixel: () => 3 });
  utimesSync(join(folder, 'b.dcm'), new Date(), new Date(Date.now() + 10_000));
  const third = await second.restart();
  expect(await third.review.kept({ instanceId: await third.open('b.dcm'), frame: 0, model: 'changing' })).toMatchObject({ comparison: null, outdated: 2 });
});

test('a comparison that is damaged on the disk is none, and its image can be compared anew', async () => {
  write('f.dcm', { sopInstanceUid: '1.5.6' });
  let session = await started('f.db');
  await session.review.compare({ instanceId: await session.open('f.dcm'), frame: 0, model: 'tiny', engines: ENGINES, repeats: 1 });
  const { DatabaseSync } = await import('@photostructure/sqlite');
  for (const damaged of ['{"task":', 'null', '{"task":"classification"}']) {
    const db = new DatabaseSync(join(folder, 'f.db'));
    db.prepare('UPDATE records SET comparison = ?').run(damaged);
    db.close();
    session = await session.restart();
    const id = await session.open('f.dcm');
    expect(await session.review.kept({ instanceId: id, frame: 0, model: 'tiny' })).toMatchObject({ comparison: null });
    expect(JSON.parse(await session.review.resultsText({ studyUid: null, flipsOnly: false }, 'json'))).toMatchObject({ results: [] });
    await session.review.compare({ instanceId: id, frame: 0, model: 'tiny', engines: ENGINES, repeats: 1 });
    expect(await session.review.kept({ instanceId: id, frame: 0, model: 'tiny' })).toMatchObject({ comparison: { model: 'tiny' } });
  }
});

test('the last comparison of an image counts; one that was cancelled or that nobody answered is not kept', async () => {
  write('c.dcm', { sopInstanceUid: '1.5.3', frames: 2 });
  const { review, open } = await started('c.db');
  const instanceId = await open('c.dcm');
  const request = { instanceId, frame: 1, model: 'tiny', repeats: 1 };
  await review.compare({ ...request, engines: ['board'] });
  expect(await review.results({ studyUid: null, flipsOnly: false })).toEqual([]);
  const abort = new AbortController();
  await review.compare({ ...request, engines: ENGINES }, { signal: abort.signal, onRun: () => abort.abort() });
  expect(await review.results({ studyUid: null, flipsOnly: false })).toEqual([]);
  await review.compare({ ...request, engines: ['cpu-fp32'] });
  await review.compare({ ...request, engines: ENGINES });
  await review.compare({ ...request, frame: 0, model: 'detector', engines: ENGINES });
  const rows = await review.results({ studyUid: '1.2.3.4', flipsOnly: false });
  expect(rows.map(({ frame, model, task, runs }) => [frame, model, task, runs.length])).toEqual([[0, 'detector', 'detection', 2], [1, 'tiny', 'classification', 2]]);
  expect(await review.results({ studyUid: 'another', flipsOnly: false })).toEqual([]);
});

test('goes out as a table and as documents that name nobody', async () => {
  write('d.dcm', { sopInstanceUid: '1.5.4' });
  const { review, open } = await started('d.db');
  await review.compare({ instanceId: await open('d.dcm'), frame: 0, model: 'tiny', engines: [...ENGINES, 'board'], repeats: 1 });
  const query = { studyUid: null, flipsOnly: false };
  const [row] = await review.results(query);
  const table = await review.resultsText(query, 'csv');
  const [head, ...lines] = table.trim().split('\r\n');
  const columns = head!.split(',');
  const values = lines.map((line) => Object.fromEntries(line.split(',').map((value, i) => [columns[i], value])));
  expect(values.map((v) => [v['sop_instance_uid'], v['engine'], Number(v['score'])])).toEqual(row!.runs.map(({ engine, score }) => ['1.5.4', engine, score ?? 0]));
  expect(values[0]!['model_sha256']).toMatch(/^[0-9a-f]{64}$/);
  expect(values[2]!['error']).not.toBe('');
  const { results } = JSON.parse(await review.resultsText(query, 'json')) as { results: unknown[] };
  expect(ExportedComparison.parse(results[0])).toMatchObject({ sopInstanceUid: '1.5.4', model: 'tiny', runs: [{ state: 'ok' }, { state: 'ok' }, { state: 'failed' }] });
  for (const text of [table, JSON.stringify(results)]) expect(text).not.toMatch(/Secret|ID-1|d\.dcm/);
});

test('the images on which an engine decides otherwise are found', async () => {
  write('e.dcm', { sopInstanceUid: '1.5.5' });
  const { review, open, restart } = await started('e.db');
  const instanceId = await open('e.dcm');
  const { runs } = await review.compare({ instanceId, frame: 0, model: 'tiny', engines: ENGINES, repeats: 1 });
  const [one, other] = runs.map((run) => (run.state === 'ok' && run.task === 'classification' ? run.probabilities[1]! : NaN));
  expect(await review.results({ studyUid: null, flipsOnly: true })).toEqual([]);
  writeTinyPackage(join(folder, 'models'), 'flipping', (m) => { if (m.fabriclens.task === 'classification') m.fabriclens.threshold.value = (one! + other!) / 2; });
  const again = await restart();
  await again.review.compare({ instanceId: await again.open('e.dcm'), frame: 0, model: 'flipping', engines: ENGINES, repeats: 1 });
  expect(await again.review.results({ studyUid: null, flipsOnly: true })).toMatchObject([{ model: 'flipping', flips: ['cpu-int8'], runs: [{ flip: false }, { flip: true }] }]);
});
