import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { en } from '../i18n/en.ts';
import { measureText, metricRows } from './metrics.ts';

const MODELS = fileURLToPath(new URL('../../models', import.meta.url));

test('engines side by side, what belongs to no one engine alone, unknown names as they are', () => {
  expect(metricRows({ test_fp32_auc: 0.96, test_int8_auc: 0.95, test_max_difference: 0.02, test_medmnist_fp32_auc: 0.98, F1: 0.5 })).toEqual({
    engines: ['fp32', 'int8'],
    rows: [
      { set: 'test', measure: 'auc', values: { fp32: 0.96, int8: 0.95 } },
      { set: 'test', measure: 'max_difference', values: { '': 0.02 } },
      { set: 'test_medmnist', measure: 'auc', values: { fp32: 0.98 } },
      { set: '', measure: 'F1', values: { '': 0.5 } },
    ],
  });
});

test('sets and measures of the packages that are shipped have words', () => {
  const rows = readdirSync(MODELS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(MODELS, entry.name, 'metadata.json')))
    .flatMap((entry) => metricRows((JSON.parse(readFileSync(join(MODELS, entry.name, 'metadata.json'), 'utf8')) as { eval_metrics: Record<string, number> }).eval_metrics).rows);
  expect(rows.length).toBeGreaterThan(10);
  expect([...new Set(rows.map(({ measure }) => measure))].filter((name) => !(name in en.metrics.measure))).toEqual([]);
  expect([...new Set(rows.map(({ set }) => set))].filter((name) => !(name in en.metrics.set))).toEqual([]);
});

test('numbers of one column have the same decimals', () => expect([0.993, 0.99314, 1, 556].map(measureText)).toEqual(['0.9930', '0.9931', '1.0000', '556']));
