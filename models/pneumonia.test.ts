/** The shipped classifier: whole on the PL, its seeds, and the training lists against the test images. What is evaluated: evaluation.test.ts. */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ModelMetadata } from '../src/contract/model.ts';
import { AddModelReport } from '../src/contract/report.ts';
import { dataPath, hasData } from '../test/support/data.ts';
import { readEvaluation } from './eval/card.ts';
import { filmList, small, smallList, type Film } from './eval/sets.ts';

const here = (path: string): URL => new URL(path, import.meta.url);
const text = (path: string): string => readFileSync(here(path), 'utf8');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

interface Seeds { seeds: (Record<Measure, number> & { seed: number })[]; mean: Record<Measure, number>; sd: Record<Measure, number> }
const MEASURES = ['auc', 'accuracy', 'sensitivity', 'specificity'] as const;
type Measure = (typeof MEASURES)[number];

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

  test('five seeds, their mean and deviation those of the rows; the shipped one is among them', () => {
    const { seeds, mean, sd } = JSON.parse(text('pneumonia/seeds.json')) as Seeds;
    expect(seeds).toHaveLength(5);
    for (const m of MEASURES) {
      const average = seeds.reduce((sum, row) => sum + row[m], 0) / seeds.length;
      expect(mean[m]).toBeCloseTo(average, 3);
      expect(sd[m]).toBeCloseTo(Math.sqrt(seeds.reduce((sum, row) => sum + (row[m] - average) ** 2, 0) / (seeds.length - 1)), 3);
    }
    expect(seeds.map(({ auc }) => auc)).toContain(evaluation.test.rows[0]!.auc);
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
