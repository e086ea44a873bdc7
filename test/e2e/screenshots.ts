/**
 * `npm run screenshots`: every screen in both languages, from the real window, the shipped samples and models, into test-results/screens/ to be
 * looked at; the READMEs' pictures into docs/images/. `-- reading` (or `window`, `detector`, `board`) takes those alone. scripts/run-bundled.mjs bundles and runs it.
 */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright';
import { Locale } from '../../src/contract/ipc.ts';
import { resolveResources } from '../../src/hosts/resources.ts';
import { ROOT } from '../support/data.ts';
import { NODULE, PIXEL, writeThorax } from '../support/thorax.ts';
import { startPynq, STOCK, type PynqServer } from '../support/pynq-server.ts';
import { launch, type LaunchOptions } from './launch.ts';

const SCREENS = join(ROOT, 'test-results/screens');
const SIZE = { width: 1440, height: 900 };
/** Screens that the READMEs show, by the names that they have in docs/images. */
const README_PICTURES: Readonly<Record<string, string>> = {
  'review-heatmap': 'review', boxes: 'boxes', 'models-report': 'report',
  'reading-list': 'reading-list', 'reading-layout': 'reading-layout', 'reading-measured': 'reading-measured', 'reading-results': 'reading-results',
  'board-list': 'board-list', 'board-trust': 'board-trust', 'board-check': 'board-check', 'board-install': 'board-install', 'board-ready': 'board-ready',
};

/** One of each kind, over the middle of the image. */
async function measure(page: Page): Promise<void> {
  const box = (await page.getByTestId('viewport').boundingBox())!;
  const strokes: [key: string, ...points: [number, number][]][] = [['l', [-200, -120], [40, -150]], ['e', [-150, -60], [-60, 40]], ['t', [60, -60], [170, 10]], ['m', [120, 120], [190, 190]], ['q', [0, 150], [0, 150]], ['a', [-220, 180], [-140, 120], [-60, 180], [-60, 180]]];
  for (const [key, ...points] of strokes) {
    await page.getByTestId('viewport').focus();
    await page.keyboard.press(key);
    for (let i = 0; i < points.length; i += 2) {
      const [from, to] = [points[i]!, points[i + 1]!];
      await page.mouse.move(box.x + box.width / 2 + from[0], box.y + box.height / 2 + from[1]);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width / 2 + to[0], box.y + box.height / 2 + to[1], { steps: 3 });
      await page.mouse.up();
    }
  }
}

async function walk(page: Page, shot: (name: string) => Promise<void>): Promise<void> {
  await page.getByTestId('empty-sample').waitFor();
  await shot('empty');
  await page.getByTestId('empty-sample').click();
  await page.getByTestId('run').click();
  await page.getByTestId('results').getByTestId('verdict').waitFor({ timeout: 60_000 });
  await page.getByTestId('running').waitFor({ state: 'detached', timeout: 60_000 });
  await shot('review-results');
  await page.getByTestId('series').filter({ hasText: 'opacit' }).click();
  await page.getByTestId('run').click();
  await page.getByTestId('results').getByTestId('verdict').waitFor({ timeout: 60_000 });
  await page.getByTestId('running').waitFor({ state: 'detached', timeout: 60_000 });
  await page.getByTestId('heatmap-toggle').click();
  await shot('review-heatmap');
  await page.getByTestId('heatmap-toggle').click();
  await page.getByTestId('latency').scrollIntoViewIfNeeded();
  await shot('review-latency');
  await page.getByTestId('series').filter({ hasText: 'axial' }).click();
  await page.getByTestId('concern').waitFor();
  await shot('review-ct-warning');
  await measure(page);
  await shot('review-measured');
  await page.getByTestId('measure-menu').click();
  await shot('review-measure-menu');
  await page.keyboard.press('Escape');
  for (const key of ['.', 'x']) await page.keyboard.press(key);
  await shot('review-turned');
  await page.keyboard.press('r');
  await page.getByTestId('run-anyway').click();
  await page.getByTestId('results').getByTestId('verdict').waitFor({ timeout: 60_000 });
  await page.getByTestId('running').waitFor({ state: 'detached', timeout: 60_000 });
  await shot('review-unlike');
  for (const screen of ['models', 'boards', 'settings']) {
    await page.getByTestId(`rail-workspace.${screen}`).or(page.getByTestId(`rail-${screen}`)).first().click();
    await page.waitForTimeout(500);
    await shot(screen);
  }
  await page.getByTestId('rail-workspace.models').click();
  await page.getByTestId('report-tab').click();
  await page.getByTestId('roofline').waitFor();
  await shot('models-report');
}

const DETECTOR = 'synthetic-opacities';
const DETECTOR_FILM = 'opacity-2.dcm';

async function walkDetector(page: Page, shot: (name: string) => Promise<void>): Promise<void> {
  await page.getByTestId('run').click();
  await page.getByTestId('detections-table').waitFor({ timeout: 60_000 });
  await page.getByTestId('running').waitFor({ state: 'detached', timeout: 60_000 });
  await shot('boxes');
  await page.getByTestId('detection').nth(1).hover();
  await shot('boxes-pointed');
}

/** A stock image's server, from the network to ready. */
const walkBoard = ({ address, server }: PynqServer) => async (page: Page, shot: (name: string) => Promise<void>): Promise<void> => {
  const id = (name: string): Locator => page.getByTestId(name);
  const next = async (step: string, there: string): Promise<void> => {
    await id('wizard-next').click();
    await page.locator(`[data-testid=wizard][data-step=${step}]`).waitFor({ timeout: 240_000 });
    await id(there).waitFor({ timeout: 60_000 });
  };
  await id('rail-workspace.boards').click();
  await id('add-board').click();
  await id('find-where').fill(address);
  await id('find-there').click();
  await id('found-board').waitFor({ timeout: 60_000 });
  await shot('board-find');
  await next('trust', 'fingerprint');
  await shot('board-trust');
  await id('compared').check();
  await id('wizard-next').click();
  await id('login-password').fill(STOCK.password);
  await shot('board-login');
  await id('login-go').click();
  await id('trusted').waitFor({ timeout: 60_000 });
  await id('board-name').fill('Reading room');
  await shot('board-secure');
  await next('check', 'doctor');
  await shot('board-check');
  await next('plan', 'plan');
  await shot('board-plan');
  // The step that makes the service's user stands still for its picture.
  const hold = join(server.folder, 'hold');
  writeFileSync(hold, 'made-user');
  await next('install', 'install-steps');
  await page.locator('[data-testid=install-step][data-id=user][data-state=running]').waitFor({ timeout: 120_000 });
  await shot('board-install');
  rmSync(hold);
  await page.locator('[data-testid=wizard][data-step=test]').waitFor({ timeout: 240_000 });
  await shot('board-self-test');
  await next('ready', 'ready');
  await id('ready').locator('.state-ready').waitFor({ timeout: 120_000 });
  await shot('board-ready');
  await id('ready-boards').click();
  await shot('board-list');
};

/** From the list of studies to the table of results, as the READMEs tell it. */
async function walkReading(page: Page, shot: (name: string) => Promise<void>): Promise<void> {
  const id = (name: string): Locator => page.getByTestId(name);
  const press = async (...keys: string[]): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const pages = (count: number): string[] => Array.from({ length: count }, () => 'PageDown');
  const at = (index: number, place: string): Promise<void> => id('pane').nth(index).getByTestId('stack-position').getByText(place).waitFor();
  await page.locator('.pane[data-status=shown]').waitFor();
  await id('rail-workspace.studies').click();
  await id('study-row').nth(2).waitFor();
  await shot('reading-list');
  await id('rail-workspace.review').click();
  await id('series').filter({ hasText: 'Axial' }).first().click();
  await at(0, '1/24');
  await press('k', 'Alt+4');
  await id('series').filter({ hasText: 'Axial' }).nth(1).dragTo(id('pane').nth(3));
  for (const [index, steps, place] of [[1, 4, '5/9'], [2, 9, '10/11'], [3, 14, '15/24'], [0, 14, '15/24']] as const) {
    await id('pane').nth(index).getByTestId('viewport').focus();
    await press(...pages(steps));
    await at(index, place);
  }
  await shot('reading-layout');
  const small = await id('zoom').first().innerText();
  await press('Alt+1');
  await id('pane').nth(1).waitFor({ state: 'detached' });
  await id('zoom').filter({ hasNotText: small }).waitFor();
  await press('+', '+', '+', 'j');
  const box = (await id('viewport').boundingBox())!;
  const zoom = Number.parseFloat(/([\d.]+) ?%/.exec(await id('zoom').innerText())![1]!) / 100;
  const [x, y] = [box.x + box.width / 2 + (NODULE[0] / PIXEL) * zoom, box.y + box.height / 2 + (NODULE[1] / PIXEL) * zoom];
  const radius = (11 / PIXEL) * zoom;
  for (const [key, from, to] of [['l', [-radius, -radius * 2], [radius, -radius * 2]], ['e', [-radius * 0.7, -radius * 0.7], [radius * 0.7, radius * 0.7]]] as const) {
    await id('viewport').focus();
    await press(key);
    await page.mouse.move(x + from[0], y + from[1]);
    await page.mouse.down();
    await page.mouse.move(x + to[0], y + to[1], { steps: 3 });
    await page.mouse.up();
  }
  await id('viewport').focus();
  await press('Escape', 'w');
  await shot('reading-measured');
  await press('Control+Shift+E');
  await id('export-image').waitFor();
  await shot('reading-export');
  await press('Escape', 'k');
  for (const kind of ['clear', 'opacit']) {
    await id('series').filter({ hasText: kind }).first().click();
    await id('run-series').click();
    await id('results').getByTestId('verdict').waitFor({ timeout: 120_000 });
    await id('running').waitFor({ state: 'detached', timeout: 120_000 });
  }
  await id('rail-workspace.results').click();
  await id('result-row').nth(3).waitFor({ timeout: 120_000 });
  await shot('reading-results');
}

const only = process.argv.slice(2);
const wanted = (name: 'window' | 'reading' | 'detector' | 'board'): boolean => only.length === 0 || only.includes(name);
mkdirSync(SCREENS, { recursive: true });
mkdirSync(join(ROOT, 'docs/images'), { recursive: true });
for (const locale of Locale.options) {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-screens-'));
  if (wanted('window')) await inWindow(locale, walk);
  if (wanted('reading')) {
    const { now, before } = writeThorax(folder);
    await inWindow(locale, walkReading, { args: [now, before, join(ROOT, 'models/samples/chest-synthetic')] });
  }
  if (wanted('detector')) {
    const models = join(folder, 'models');
    cpSync(join(ROOT, 'models', DETECTOR), join(models, DETECTOR), { recursive: true });
    await inWindow(locale, walkDetector, { args: ['--models', models, join(ROOT, 'models/samples/chest-synthetic', DETECTOR_FILM)] });
  }
  rmSync(folder, { recursive: true });
  if (!wanted('board')) continue;
  const pynq = await startPynq(resolveResources(ROOT).runtimeLibrary);
  try {
    await inWindow(locale, walkBoard(pynq), pynq.launch);
  } finally {
    await pynq.stop();
  }
}

async function inWindow(locale: Locale, through: (page: Page, shot: (name: string) => Promise<void>) => Promise<void>, how: LaunchOptions = {}): Promise<void> {
  const { page, close } = await launch({ lang: locale, ...how });
  try {
    await page.locator('.workspace').waitFor();
    await page.setViewportSize(SIZE);
    await page.evaluate((value) => window.fabriclens.call('settings.set', { locale: value }), locale);
    await page.reload();
    await through(page, async (name) => {
      // Fades and thumbnails come to rest.
      await page.waitForTimeout(800);
      const path = join(SCREENS, `${name}.${locale}.png`);
      await page.screenshot({ path });
      process.stderr.write(`${path}\n`);
      const known = README_PICTURES[name];
      if (known !== undefined) copyFileSync(path, join(ROOT, 'docs/images', `${known}.${locale}.png`));
    });
  } finally {
    await close();
  }
}
