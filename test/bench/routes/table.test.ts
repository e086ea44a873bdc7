/** docs/routes.md says what `npm run bench:routes` prints. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Counter } from '../../../hls/tests/counter.ts';
import { BUILD_TIMEOUT } from '../../../hls/tests/golden.ts';
import { ROOT } from '../../support/data.ts';
import { markdown, routes, simulatedCycles } from './table.ts';

const page = readFileSync(join(ROOT, 'docs/routes.md'), 'utf8');

test('the page has the table, row by row, and the figures in its text', async () => {
  const counter = await Counter.start();
  const found = await routes(counter);
  await counter.end();
  expect(page).toContain(`${markdown(found)}\n`);
  // The cycle model's sum is the simulated core's.
  expect(found.cycles).toBe(simulatedCycles());
  const core = found.cycles / found.clockMHz / 1000;
  const bound = found.macs / (2 * 8 * 650 * 1000);
  expect(page).toContain(`${core.toFixed(2)} ms (source: rtl`);
  expect(page).toContain(`${bound.toFixed(1)} ms at the very best`);
  expect(page).toContain(`at least ${(bound / core).toFixed(1)} times`);
  expect(page).toContain(`${(found.steps / found.clockMHz / 1000).toFixed(0)} ms by arithmetic`);
}, BUILD_TIMEOUT);

test('every file that the page points to is there', () => {
  const targets = [...page.matchAll(/\]\(([^)#]+)\)/g)].map(([, to]) => to!).filter((to) => !to.startsWith('http'));
  expect(targets.length).toBeGreaterThan(2);
  expect(targets.filter((to) => !existsSync(join(ROOT, 'docs', to)))).toEqual([]);
});
