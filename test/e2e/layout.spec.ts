/** The review screen on a small window, on a 4K screen and on a dense one, in both languages: nothing is cut off, nothing lies over anything else. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright';
import { afterAll, describe, expect, test } from 'vitest';
import { Locale } from '../../src/contract/ipc.ts';
import { writeThorax } from '../support/thorax.ts';
import { screenshot, withApp } from './app.ts';

const folder = mkdtempSync(join(tmpdir(), 'fabriclens-layout-'));
const thorax = writeThorax(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Controls that reach over the window's edge or their own, that lie over one another, and parts of the screen that do. */
const faults = (page: Page): Promise<string[]> => page.evaluate(() => {
  const nameOf = (element: Element): string => `${element.tagName.toLowerCase()}.${[...element.classList].join('.')} "${(element.getAttribute('aria-label') ?? element.textContent ?? '').trim().slice(0, 30)}"`;
  const seen = (element: Element): boolean => element.checkVisibility({ visibilityProperty: true }) && element.getBoundingClientRect().width > 1;
  const scrolls = (element: Element): boolean => ['auto', 'scroll'].includes(getComputedStyle(element).overflowY);
  /** What lies in a list that scrolls may lie beyond it. */
  const inScrolled = (element: Element): boolean => {
    for (let at = element.parentElement; at; at = at.parentElement) if (scrolls(at) && at.scrollHeight > at.clientHeight) return true;
    return false;
  };
  const overlap = (a: Element, b: Element): boolean => {
    const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
    return Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 1;
  };
  const pairs = (elements: Element[]): string[] => elements.flatMap((a, i) => elements.slice(i + 1).filter((b) => !a.contains(b) && !b.contains(a) && overlap(a, b)).map((b) => `${nameOf(a)} lies over ${nameOf(b)}`));

  const controls = [...document.querySelectorAll('button, input, select, a[href], [role=combobox]')].filter((element) => seen(element) && !inScrolled(element) && !element.closest('svg'));
  const outside = controls.filter((element) => {
    const { left, top, right, bottom } = element.getBoundingClientRect();
    return left < -1 || top < -1 || right > innerWidth + 1 || bottom > innerHeight + 1;
  });
  const cut = controls.filter((element) => {
    if (!element.matches('.tool, .rail-button')) return false;
    const words = document.createRange();
    words.selectNodeContents(element);
    const [text, box] = [words.getBoundingClientRect(), element.getBoundingClientRect()];
    return text.left < box.left - 1 || text.right > box.right + 1 || text.bottom > box.bottom + 1;
  });
  const parts = ['.rail', '.toolbar', '.studies', '.panes', '.comparison', '.status-bar'].flatMap((selector) => [...document.querySelectorAll(selector)]);
  const beyond = [document.documentElement, ...parts].filter((element) => element.scrollWidth > element.clientWidth + 1);
  const corners = [...document.querySelectorAll('.pane')].flatMap((pane) => pairs([...pane.querySelectorAll('.corner, .edge, .synthetic-banner')].filter(seen)));
  return [...outside.map((each) => `${nameOf(each)} is off the window`), ...cut.map((each) => `the words of ${nameOf(each)} are cut`), ...beyond.map((each) => `${nameOf(each)} is wider than its place`), ...pairs(controls), ...pairs(parts), ...corners];
});

const pane = (page: Page, index: number): Locator => page.getByTestId('pane').nth(index);
const all = async (page: Page, count: number): Promise<void> =>
  expect.poll(() => page.getByTestId('pane').evaluateAll((panes) => panes.map((each) => (each as HTMLElement).dataset.status)), { timeout: 60_000 }).toEqual(Array.from({ length: count }, () => 'shown'));

/** In a language: with the panel and without, one pane and nine, and the menus open. */
async function walk(page: Page, locale: Locale, name: string): Promise<void> {
  await page.evaluate((value) => window.fabriclens.call('settings.set', { locale: value }), locale);
  await page.reload();
  await page.locator('.pane[data-status=shown]').first().waitFor();
  expect(await faults(page), `${name} ${locale}`).toEqual([]);
  await page.keyboard.press('Alt+4');
  // Three series of the study; the last pane takes the prior by hand.
  await page.getByTestId('pane').nth(3).waitFor();
  await page.getByTestId('series').last().dragTo(pane(page, 3));
  await pane(page, 3).getByText('2025-09-01').waitFor();
  await all(page, 4);
  expect(await faults(page), `${name} ${locale}, four panes`).toEqual([]);
  await screenshot(page, `layout-${name}-${locale}`);
  for (const menu of ['measure-menu', 'layout-menu', 'more-menu']) {
    await page.getByTestId(menu).click();
    const dropdown = page.locator('.mantine-Menu-dropdown:visible');
    await dropdown.waitFor();
    const [box, size] = [(await dropdown.boundingBox())!, await page.evaluate(() => ({ width: innerWidth, height: innerHeight }))];
    expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= size.width && box.y + box.height <= size.height, `${name} ${locale}: ${menu} ${JSON.stringify(box)}`).toBe(true);
    await page.keyboard.press('Escape');
    await dropdown.waitFor({ state: 'detached' });
  }
  await page.keyboard.press('k');
  await page.locator('.comparison').waitFor({ state: 'detached' });
  expect(await faults(page), `${name} ${locale}, folded`).toEqual([]);
}

describe('one device pixel a pixel', () => {
  const app = withApp({ args: ['--force-device-scale-factor=1', thorax.now, thorax.before] });
  test.each([[1280, 720], [1920, 1080], [3840, 2160]])('%i × %i', async (width, height) => {
    const { page } = app();
    await page.locator('.pane[data-status=shown]').first().waitFor();
    await page.setViewportSize({ width, height });
    for (const locale of Locale.options) await walk(page, locale, `${width}x${height}`);
  });
});

describe('two device pixels a pixel', () => {
  const app = withApp({ args: ['--force-device-scale-factor=2', thorax.now, thorax.before] });
  test.each([[1280, 720], [1920, 1080]])('%i × %i', async (width, height) => {
    const { page } = app();
    await page.locator('.pane[data-status=shown]').first().waitFor();
    // Playwright's own way sets the density back to 1.
    await (await page.context().newCDPSession(page)).send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 2, mobile: false });
    await expect.poll(() => page.evaluate(() => [innerWidth, innerHeight, devicePixelRatio])).toEqual([width, height, 2]);
    for (const locale of Locale.options) await walk(page, locale, `dense-${width}x${height}`);
    expect(await page.locator('.canvas-host canvas').evaluateAll((canvases) => canvases.map((each) => (each as HTMLCanvasElement).width / each.clientWidth))).toEqual([2, 2, 2, 2]);
  });
});

describe('what is held against them', () => {
  const app = withApp({ args: ['--force-device-scale-factor=1', thorax.before] });
  test.each([
    ['is off the window', () => document.querySelector<HTMLElement>('[data-testid=layout-menu]')!.style.setProperty('translate', '0 -60px')],
    ['lies over', () => document.querySelector<HTMLElement>('[data-testid=layout-menu]')!.style.setProperty('translate', '-30px')],
    ['are cut', () => Object.assign(document.querySelector<HTMLElement>('.toolbar .tool')!.style, { minWidth: '0', width: '12px' })],
  ])('what %s is said', async (said, plant) => {
    const { page } = app();
    await page.locator('.pane[data-status=shown]').first().waitFor();
    expect(await faults(page)).toEqual([]);
    await page.evaluate(plant);
    expect((await faults(page)).join('\n')).toContain(said);
    await page.reload();
  });
});
