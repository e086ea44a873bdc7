/** A detector in the window: boxes over the image where the things are, a table of what each engine found, by mouse and keyboard. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright';
import { afterAll, describe, expect, test } from 'vitest';
import { compileDetectorPackage, rectanglesDicom, writeDetectorPackage, type Rectangle } from '../support/detector-package.ts';
import { withApp } from './app.ts';

const SQUARES: Rectangle[] = [{ x: 60, y: 70, width: 80, height: 80, grey: 0.9 }, { x: 440, y: 330, width: 100, height: 95, grey: 0.95 }];
const BAR: Rectangle = { x: 420, y: 60, width: 110, height: 60, grey: 0.8 };
/** So near the brightness that is looked for that int8's rounding takes it below the score. */
const FAINT: Rectangle = { x: 80, y: 340, width: 105, height: 105, grey: 0.621 };

const folder = mkdtempSync(join(tmpdir(), 'fabriclens-e2e-'));
const models = join(folder, 'models');
compileDetectorPackage(writeDetectorPackage(models));
writeFileSync(join(folder, 'things.dcm'), rectanglesDicom([...SQUARES, BAR, FAINT], { rows: 480, columns: 640, seriesUid: '1.2.3.4.5', sopInstanceUid: '1.2.3.4.51' }));
writeFileSync(join(folder, 'nothing.dcm'), rectanglesDicom([], { rows: 480, columns: 640, seriesUid: '1.2.3.4.6', seriesNumber: 2, sopInstanceUid: '1.2.3.4.52' }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const shown = (page: Page): Promise<unknown> => page.locator('.pane[data-status=shown]').waitFor();
const boxes = (page: Page): ReturnType<Page['getByTestId']> => page.getByTestId('boxes').getByTestId('box');
const table = (page: Page): ReturnType<Page['getByTestId']> => page.getByTestId('detections-table');

async function axe(page: Page): Promise<string[]> {
  const { violations, passes } = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
  expect(passes.length).toBeGreaterThan(5);
  return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
}

/** Corners of an engine's line around group `group`, in client pixels of the pane. */
const corners = (page: Page, group: number, engine = 'cpu-fp32'): Promise<number[][]> =>
  page.locator(`[data-testid=box][data-group="${group}"] [data-engine="${engine}"]`).evaluate((line: SVGRectElement) => {
    const pane = line.ownerSVGElement!.getBoundingClientRect();
    const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((name) => Number(line.getAttribute(name))) as [number, number, number, number];
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height]].map(([px, py]) => {
      const at = new DOMPoint(px, py).matrixTransform(line.getScreenCTM()!);
      return [at.x - pane.left, at.y - pane.top];
    });
  });

/** The bright pixels' own corners on the canvas around a point, in the same pixels: what a reader sees. */
function edges(page: Page, at: { x: number; y: number }): Promise<number[]> {
  return page.getByTestId('viewport').locator('canvas').evaluate((canvas: HTMLCanvasElement, { x, y }) => {
    const ratio = devicePixelRatio;
    const { data, width } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    const bright = (px: number, py: number): boolean => data[4 * (py * width + px)]! > 150;
    const walk = (dx: number, dy: number): number => {
      let [px, py] = [Math.round(x * ratio), Math.round(y * ratio)];
      while (bright(px + dx, py + dy)) [px, py] = [px + dx, py + dy];
      return ((dx === 0 ? py : px) + (dx + dy > 0 ? 1 : 0)) / ratio;
    };
    return [walk(-1, 0), walk(0, -1), walk(1, 0), walk(0, 1)];
  }, at);
}

describe('a detector', () => {
  const app = withApp({ args: ['--models', models, folder] });

  test('boxes lie where the things are, at every zoom', async () => {
    const { page } = app();
    // Series are listed as they are read: the first is the first when both are there.
    await expect.poll(() => page.getByTestId('series').count()).toBe(2);
    await page.getByTestId('series').first().click();
    await shown(page);
    await page.getByTestId('run').click();
    await table(page).waitFor();
    expect(await boxes(page).count()).toBe(4);
    // The toolbar has boxes instead of a heat map, and the panel no heat map at all.
    expect(await page.getByTestId('heatmap-panel').count()).toBe(0);
    expect(await page.getByTestId('action-heatMap.toggle').count()).toBe(0);
    /** By how much the worst side is off beyond what may be. */
    const excess = async (): Promise<number> => {
      const group = Number(await table(page).getByTestId('detection').filter({ hasText: '80 × 80' }).getAttribute('data-group'));
      const points = await corners(page, group);
      const [xs, ys] = [points.map(([x]) => x!), points.map(([, y]) => y!)];
      const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
      const seen = await edges(page, { x: (box[0]! + box[2]!) / 2, y: (box[1]! + box[3]!) / 2 });
      const zoom = (box[2]! - box[0]!) / 80;
      // The network sees an image of a fifth of the size: a box is right to a part of one of its pixels.
      return Math.max(...box.map((side, i) => Math.abs(side - seen[i]!))) - (zoom * 1.5 + 1);
    };
    // The boxes follow the picture by a frame.
    const agrees = (): Promise<void> => expect.poll(excess).toBeLessThan(0);
    await agrees();
    for (let i = 0; i < 2; i++) await page.keyboard.press('-');
    await agrees();
    await page.keyboard.press('f');
    await agrees();
  });

  test('a row a thing: scores of each engine, overlap, and what one of them missed', async () => {
    const { page } = app();
    const square = table(page).getByTestId('detection').filter({ hasText: '80 × 80' });
    expect(await square.locator('td').allInnerTexts()).toEqual([...Array<unknown>(3).fill(expect.stringMatching(/^0\.8\d\d$/)), expect.stringMatching(/^0\.9\d|1\.00$/)]);
    const missed = table(page).getByTestId('detection').filter({ hasText: 'not found' });
    expect(await missed.count()).toBe(1);
    expect(await missed.getByText('not found').count()).toBe(2);
    expect(await page.getByTestId('verdict').getAttribute('data-agreement')).toBe('flip');
    await page.getByTestId('verdict').getByText('CPU int8: 1 missed, 0 added').waitFor();
    await page.getByTestId('verdict').getByText('Board: 1 missed, 0 added').waitFor();
    await page.getByTestId('boxes').getByText('only CPU fp32').waitFor();
    expect(await axe(page)).toEqual([]);
  });

  test('pointing at a box marks its row, and the keyboard its box', async () => {
    const { page } = app();
    const square = table(page).getByTestId('detection').filter({ hasText: '80 × 80' });
    const group = Number(await square.getAttribute('data-group'));
    const points = await corners(page, group);
    const pane = (await page.locator('.pane').boundingBox())!;
    await page.mouse.move(pane.x + points[0]![0]! + 5, pane.y + points[0]![1]! + 5);
    await expect.poll(() => square.getAttribute('class')).toContain('pointed');
    await page.mouse.move(pane.x + 5, pane.y + 5);
    await expect.poll(() => square.getAttribute('class')).not.toContain('pointed');
    await square.getByRole('button').focus();
    await expect.poll(() => page.locator(`[data-testid=box][data-group="${group}"]`).getAttribute('class')).toContain('pointed');
    await page.keyboard.press('Tab');
    await expect.poll(() => page.locator(`[data-testid=box][data-group="${group}"]`).getAttribute('class')).not.toContain('pointed');
  });

  test('engines are chosen, boxes put away and back, the score raised until nothing is left', async () => {
    const { page } = app();
    await page.getByTestId('boxes-of-cpu-fp32').click();
    expect(await boxes(page).count()).toBe(3);
    expect(await boxes(page).locator('[data-engine=cpu-fp32]').count()).toBe(0);
    await page.getByTestId('boxes-of-cpu-fp32').click();
    await page.getByTestId('viewport').focus();
    await page.keyboard.press('b');
    await page.getByTestId('boxes').waitFor({ state: 'detached' });
    await page.keyboard.press('b');
    expect(await boxes(page).count()).toBe(4);
    const slider = page.getByTestId('score-threshold').getByRole('slider');
    await slider.focus();
    for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowRight');
    await expect.poll(() => boxes(page).count()).toBe(3);
    await page.getByText('3 of 4 shown').waitFor();
    await page.keyboard.press('End');
    await page.getByTestId('nothing-found').getByText('Nothing found above 1.00.').waitFor();
    expect(await boxes(page).count()).toBe(0);
    expect(await axe(page)).toEqual([]);
    await page.keyboard.press('Home');
    await expect.poll(() => boxes(page).count()).toBe(4);
  });

  test('another image has its own boxes, and one with nothing in it says so', async () => {
    const { page } = app();
    await page.getByTestId('series').nth(1).click();
    await page.getByTestId('boxes').waitFor({ state: 'detached' });
    await page.getByTestId('run').click();
    await page.getByTestId('nothing-found').getByText('Nothing found above 0.25.').waitFor();
    await page.getByTestId('verdict').getByText('The engines agree').waitFor();
    await page.getByTestId('series').first().click();
    await expect.poll(() => boxes(page).count()).toBe(4);
    expect(app().pageErrors()).toEqual([]);
  });
});
