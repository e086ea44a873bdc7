/**
 * The shipped package says the truth about itself: hashes, threshold, card and metadata against evaluation.json, and the
 * training list against the test images.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ModelMetadata } from '../src/contract/model.ts';
import { AddModelReport } from '../src/contract/report.ts';
import { classifier } from '../test/support/classifier.ts';
import { dataPath, hasData } from '../test/support/data.ts';

const here = (path: string): URL => new URL(path, import.meta.url);
const text = (path: string): string => readFileSync(here(path), 'utf8');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

interface Figures { auc: number; accuracy: number; sensitivity: number; specificity: number; accuracyAtHalf: number }
interface Fidelity { labelAgreement: number; maxDifference: number; meanDifference: number }
interface Seeds { seeds: (Pick<Figures, 'auc' | 'accuracy' | 'sensitivity' | 'specificity'> & { seed: number })[]; mean: Figures; sd: Figures }
type Split = Record<'fp32' | 'int8', Figures> & { fidelity: Fidelity };
interface Evaluation {
  sha256: Record<'model.onnx' | 'model.int8.onnx', string>;
  threshold: { value: number; method: string };
  tolerance: number;
  images: { train: number; val: number; test: number; testMedmnist: number };
  val: Split;
  test: Split;
  testMedmnist: Split;
}

const metadata = ModelMetadata.parse(JSON.parse(text('pneumonia/metadata.json')));
const fields = classifier(metadata.fabriclens);
const evaluation = JSON.parse(text('pneumonia/evaluation.json')) as Evaluation;
const card = text('pneumonia/CARD.md');

interface Row { split: string; medmnist: boolean; sha256: string; file: string }
const rows: Row[] = text('train/split.tsv').trim().split('\n').slice(1).map((line) => {
  const [split = '', medmnist, hash = '', file = ''] = line.split('\t');
  return { split, medmnist: medmnist === '1', sha256: hash, file };
});

describe('pneumonia package', () => {
  test('hashes in metadata and evaluation are those of the files', () => {
    for (const name of ['model.onnx', 'model.int8.onnx'] as const) {
      const hash = sha256(readFileSync(here(`pneumonia/${name}`)));
      expect(metadata.fabriclens.sha256[name]).toBe(hash);
      expect(evaluation.sha256[name]).toBe(hash);
    }
  });

  test('its report is of these files, proven, and whole on the PL', () => {
    const report = AddModelReport.parse(JSON.parse(text('pneumonia/report.json')));
    expect(report.sha256).toEqual(metadata.fabriclens.sha256);
    expect(report.proof.rule).toMatchObject({ state: 'kept' });
    expect(report.totals).toMatchObject({ layers: { PS: 0 }, macsOnPl: report.totals.macs });
  });

  test('the threshold belongs to model.onnx and is the evaluated one', () => {
    expect(fields.threshold.sha256).toBe(sha256(readFileSync(here('pneumonia/model.onnx'))));
    expect(fields.threshold.value).toBe(evaluation.threshold.value);
    expect(fields.threshold.method).toBe(evaluation.threshold.method);
    expect(metadata.fabriclens.tolerance).toBe(evaluation.tolerance);
    expect(card).toContain(`threshold ${evaluation.threshold.value} on P(PNEUMONIA)`);
  });

  test('metrics in metadata are those of the evaluation, all of them', () => {
    const expected: Record<string, number> = {};
    for (const [split, short] of [['test', 'test'], ['testMedmnist', 'test_medmnist']] as const) {
      for (const engine of ['fp32', 'int8'] as const) {
        for (const figure of ['auc', 'accuracy', 'sensitivity', 'specificity'] as const) {
          expected[`${short}_${engine}_${figure}`] = evaluation[split][engine][figure];
        }
      }
      expected[`${short}_label_agreement`] = evaluation[split].fidelity.labelAgreement;
      expected[`${short}_max_difference`] = evaluation[split].fidelity.maxDifference;
    }
    expect(metadata.eval_metrics).toEqual(expected);
  });

  test('the card\'s table is the evaluation', () => {
    const table = card.split('\n').filter((line) => /\| (fp32|int8) \|/.test(line));
    const order = ['test', 'testMedmnist', 'val'] as const;
    expect(table).toHaveLength(order.length * 2);
    table.forEach((line, i) => {
      const f = evaluation[order[Math.floor(i / 2)]!][i % 2 ? 'int8' : 'fp32'];
      const cells = line.split('|').slice(3, -1).map((cell) => parseFloat(cell));
      expect(cells).toEqual([f.auc, f.accuracy, f.sensitivity, f.specificity, f.accuracyAtHalf]);
    });
  });

  test('int8 keeps the AUC within 0.002 of fp32 and the label of 99.5 %', () => {
    expect(Math.abs(evaluation.test.int8.auc - evaluation.test.fp32.auc)).toBeLessThanOrEqual(0.002);
    expect(evaluation.test.fidelity.labelAgreement).toBeGreaterThanOrEqual(0.995);
  });

  test('the card\'s seeds are those of seeds.json, their mean and deviation those of the rows; the shipped one is among them', () => {
    const { seeds, mean, sd } = JSON.parse(text('pneumonia/seeds.json')) as Seeds;
    const measures = ['auc', 'accuracy', 'sensitivity', 'specificity'] as const;
    const of = (line: string): number[] => (line.match(/\d\.\d{4}/g) ?? []).map(Number);
    for (const row of seeds) expect(of(card.split('\n').find((line) => line.startsWith(`| ${row.seed} |`)) ?? '')).toEqual(measures.map((m) => row[m]));
    expect(of(card.split('\n').find((line) => line.startsWith('| mean ± sd |')) ?? '')).toEqual(measures.flatMap((m) => [mean[m], sd[m]]));
    for (const m of measures) {
      const average = seeds.reduce((sum, row) => sum + row[m], 0) / seeds.length;
      expect(mean[m]).toBeCloseTo(average, 3);
      expect(sd[m]).toBeCloseTo(Math.sqrt(seeds.reduce((sum, row) => sum + (row[m] - average) ** 2, 0) / (seeds.length - 1)), 3);
    }
    expect(seeds.map(({ auc }) => auc)).toContain(evaluation.test.fp32.auc);
  });

  test('heat-map weights have one row a label and one column a feature channel', () => {
    const { heatmap, labels } = fields;
    expect(heatmap?.weights.map((w) => w.length)).toEqual(labels.map(() => 256));
  });
});

describe('training list', () => {
  const of = (split: string): Row[] => rows.filter((row) => row.split === split);

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

  test('the counts are those that the card states', () => {
    expect(evaluation.images).toEqual({
      train: of('train').length, val: of('val').length, test: of('test').length,
      testMedmnist: of('test').filter((row) => row.medmnist).length,
    });
    expect(card).toContain(`${of('train').length} images`);
  });

  test.skipIf(!hasData('chest-xray-224'))('every image of the data set\'s test folder is listed as a test image, by its hash', () => {
    const listed = new Map(of('test').map((row) => [row.file, row.sha256]));
    const files = ['NORMAL', 'PNEUMONIA'].flatMap((label) => readdirSync(dataPath('chest-xray-224', 'test', label)).map((name) => `test/${label}/${name}`));
    expect(files.sort()).toEqual([...listed.keys()].sort());
    for (const file of files) expect(sha256(readFileSync(dataPath('chest-xray-224', file)))).toBe(listed.get(file));
  });
});
