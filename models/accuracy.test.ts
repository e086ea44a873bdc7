/** The recorded accuracy is of the package that is shipped, and is what docs/accuracy.md says. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { aucOf, figuresOf } from '../test/bench/accuracy/figures.ts';
import { MAX_AUC_DROP, PAGE, RECORD, tableOf, type Accuracy } from '../test/bench/accuracy/record.ts';
import { ROOT } from '../test/support/data.ts';

describe('recorded accuracy', () => {
  const recorded = JSON.parse(readFileSync(join(ROOT, RECORD), 'utf8')) as Accuracy;

  test.each(Object.entries(recorded.sha256))('is of this %s: npm run bench:accuracy -- --record measures another', (file, hash) => {
    expect(createHash('sha256').update(readFileSync(join(ROOT, 'models/pneumonia', file))).digest('hex')).toBe(hash);
  });

  test('falls by little enough from fp32 to the golden model, and the RTL is the golden model', () => {
    const [fp32, int8, golden] = recorded.rows;
    expect(recorded.rows.map(({ images }) => images)).toEqual([624, 624, 624]);
    for (const row of [int8, golden]) expect(fp32!.auc - row!.auc).toBeLessThanOrEqual(MAX_AUC_DROP);
    expect(recorded.rtlEqual).toBe(true);
    expect(recorded.sample.find(({ engine }) => engine === 'RTL, simulated')?.images).toBeGreaterThanOrEqual(20);
  });

  test('is the table of docs/accuracy.md', () => {
    expect(readFileSync(join(ROOT, PAGE), 'utf8')).toContain(`<!-- table -->\n${tableOf(recorded)}\n<!-- end -->`);
  });
});

describe('figures', () => {
  test('AUC counts pairs in the right order, ties half', () => {
    expect(aucOf([0.1, 0.4, 0.35, 0.8], [false, false, true, true])).toBe(0.75);
    expect(aucOf([0.5, 0.5, 0.5], [false, true, true])).toBe(0.5);
    expect(aucOf([0.9, 0.1, 0.5, 0.5], [true, false, true, false])).toBe(0.875);
  });

  test('decisions at the threshold, and differences from fp32', () => {
    expect(figuresOf([0.2, 0.6, 0.5], [0.3, 0.6, 0.4], [false, true, true], 0.5)).toEqual({ images: 3, auc: 1, accuracy: 1, labelAgreement: 2 / 3, maxDelta: expect.closeTo(0.1) as number });
  });
});
