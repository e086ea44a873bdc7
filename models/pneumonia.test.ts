/** The shipped classifier: whole on the PL, its seeds, and the training lists against the test images. What is evaluated: evaluation.test.ts. */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ModelMetadata } from '../src/contract/model.ts';
import { AddModelReport } from '../src/contract/report.ts';
import { dataPath, hasData } from '../test/support/data.ts';
import { readEvaluation, type Seeds } from './eval/card.ts';
import { MEASURES } from './eval/figures.ts';
import type { Training } from './eval/prose.ts';
import { filmList, small, smallList, type Film } from './eval/sets.ts';

const here = (path: string): URL => new URL(path, import.meta.url);
const text = (path: string): string => readFileSync(here(path), 'utf8');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const metadata = ModelMetadata.parse(JSON.parse(text('pneumonia/metadata.json')));
const evaluation = readEvaluation('pneumonia');
const rows = filmList();

describe('pneumonia package', () => {
  test('its report is of these files, proven, and whole on the PL', () => {
    const report = AddModelReport.parse(JSON.parse(text('pneumonia/report.json')));
    expect(report.sha256).toEqual(metadata.fabriclens.sha256);
    expect(report.proof.rule).toMatchObject({ state: 'kept' });
    expect(report.totals).toMatchObject({ layers: { PS: 0 }, macsOnPl: report.totals.macs });
  });

  const seeds = JSON.parse(text('pneumonia/seeds.json')) as Seeds;
  const evaluated = { test: evaluation.test, testMedmnist: evaluation.testMedmnist! };

  test.each(['test', 'testMedmnist'] as const)('five seeds on %s: their mean and deviation are those of the rows, each within its interval', (set) => {
    const { images, seeds: rows, mean, sd, interval95 } = seeds[set];
    expect(images).toBe(evaluated[set].images);
    expect(rows).toHaveLength(5);
    for (const m of MEASURES) {
      const average = rows.reduce((sum, row) => sum + row[m], 0) / rows.length;
      expect(mean[m]).toBeCloseTo(average, 3);
      expect(sd[m]).toBeCloseTo(Math.sqrt(rows.reduce((sum, row) => sum + (row[m] - average) ** 2, 0) / (rows.length - 1)), 3);
      // A resampled ECE lies higher than the one of all images: noise only adds to it.
      for (const { value, limits: [low, high] } of [{ value: mean[m], limits: interval95[m] }, ...rows.map((row) => ({ value: row[m], limits: row.interval95[m] }))]) {
        expect(low).toBeLessThan(high);
        if (m !== 'ece') expect(value >= low && value <= high, `${m} ${value} in ${low} to ${high}`).toBe(true);
      }
    }
  });

  test('the shipped seed\'s figures are those of the package', () => {
    const { seed } = (JSON.parse(text('pneumonia/training.json')) as Training).stages[0]!;
    for (const set of ['test', 'testMedmnist'] as const) {
      const row = seeds[set].seeds.find((one) => one.seed === seed)!;
      // Python reads JPEG files and scales them with other libraries.
      for (const m of MEASURES) expect(row[m], `${set} ${m}`).toBeCloseTo(evaluated[set].rows[0]![m], 2);
    }
  });
});

describe('training list', () => {
  const of = (split: string): Film[] => rows.filter((row) => row.split === split);

  test('no test image is among training or validation, by name and by content', () => {
    const seen = [...of('train'), ...of('val')];
    const hashes = new Set(seen.map((row) => row.sha256));
    expect(of('test').filter((row) => hashes.has(row.sha256))).toEqual([]);
    expect(seen.filter((row) => !row.file.startsWith('train/'))).toEqual([]);
    expect(of('test').filter((row) => !row.file.startsWith('test/'))).toEqual([]);
  });

  test('training and validation share no image', () => {
    const hashes = new Set(of('train').map((row) => row.sha256));
    expect(of('val').filter((row) => hashes.has(row.sha256))).toEqual([]);
  });

  test('the counts are those that were evaluated', () => {
    expect([evaluation.val.images, evaluation.test.images, evaluation.testMedmnist?.images]).toEqual([of('val').length, of('test').length, of('test').filter((row) => row.medmnist).length]);
  });

  test('of PneumoniaMNIST no row is in two splits', () => {
    const small = smallList();
    const hashes = (split: string): Set<string> => new Set(small.filter((row) => row.split === split).map((row) => row.sha256));
    const [train, val, test_] = [hashes('train'), hashes('val'), hashes('test')];
    expect([[...val].filter((hash) => train.has(hash)), [...test_].filter((hash) => train.has(hash) || val.has(hash))]).toEqual([[], []]);
    expect(small.filter((row) => row.split === 'test')).toHaveLength(readEvaluation('pneumonia-28').test.images);
  });

  test.skipIf(!hasData('chest-xray-224'))('every image of the data set\'s test folder is listed as a test image, by its hash', () => {
    const listed = new Map(of('test').map((row) => [row.file, row.sha256]));
    const files = ['NORMAL', 'PNEUMONIA'].flatMap((label) => readdirSync(dataPath('chest-xray-224', 'test', label)).map((name) => `test/${label}/${name}`));
    expect(files.sort()).toEqual([...listed.keys()].sort());
    for (const file of files) expect(sha256(readFileSync(dataPath('chest-xray-224', file)))).toBe(listed.get(file));
  });

  test.skipIf(!hasData('pneumoniamnist-28'))('PneumoniaMNIST\'s rows are those listed, by their hashes', () => {
    // It throws where one is not.
    expect((['train', 'val', 'test'] as const).map((split) => small(split).length)).toEqual(['train', 'val', 'test'].map((split) => smallList().filter((row) => row.split === split).length));
  });
});
