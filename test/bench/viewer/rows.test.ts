import { expect, test } from 'vitest';
import { median, OURS, printRows, rowsOf, type Sample } from './rows.ts';

const sample = (viewer: string, value: number | null, why = ''): Sample => ({ row: 'open', viewer, value, why });

test('the median of an even number lies between the middle two', () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
});

test('a peer’s cell has our median over its own; one failure leaves no time', () => {
  const rows = rowsOf([sample('dwv', 100), sample(OURS, 30), sample(OURS, 50), sample(OURS, 40), sample('dwv', 80), sample('dwv', 120), sample('other', 5), sample('other', null, 'failed'), sample('third', null, 'cannot')]);
  expect(rows).toHaveLength(1);
  expect(rows[0]!.cells).toMatchObject({
    [OURS]: { median: 40, low: 30, high: 50, runs: 3, ratio: null },
    dwv: { median: 100, ratio: 0.4 },
    other: { median: null, why: 'failed', ratio: null },
    third: { median: null, why: 'cannot' },
  });
  expect(printRows(rows)).toBe('|  | FabricLens | dwv | other | third |\n| --- | --- | --- | --- | --- |\n| open | 40.0 (30.0 to 50.0) | 100 (0.40) | failed | cannot |');
});
