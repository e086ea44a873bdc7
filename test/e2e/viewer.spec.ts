/** The viewer's panes and what goes between them, in the real window. */
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page } from 'playwright';
import { beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';
import { withApp } from './app.ts';

const SAMPLES = join(ROOT, 'models/samples');

const axe = async (page: Page): Promise<string[]> => (await new AxeBuilder({ page }).setLegacyMode(true).analyze()).violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
const pane = (page: Page, index: number): Locator => page.getByTestId('pane').nth(index);
const said = (page: Page, index: number, id: string): Promise<string> => pane(page, index).getByTestId(id).innerText();
const series = (page: Page, name: string): Locator => page.getByTestId('series').filter({ hasText: name });
const active = (page: Page): Promise<number> => page.getByTestId('pane').evaluateAll((panes) => panes.findIndex((each) => (each as HTMLElement).dataset.active === 'true'));
const statuses = (page: Page): Promise<(string | undefined)[]> => page.getByTestId('pane').evaluateAll((panes) => panes.map((each) => (each as HTMLElement).dataset.status));

describe('panes', () => {
  const app = withApp({ args: [SAMPLES] });
  beforeAll(async () => {
    const { page } = app();
    await series(page, 'CT').click();
    await page.getByTestId('patient-name').getByText('Phantom B').waitFor();
    await page.locator('.pane[data-status=shown]').waitFor();
  });

  test('a layout by key; a series dragged into the empty pane; each scrolls by itself, and the frame says where', async () => {
    const { page } = app();
    await page.keyboard.press('Alt+2');
    await expect.poll(() => page.getByTestId('pane').count()).toBe(2);
    await pane(page, 1).getByText('Drag a series here').waitFor();
    expect(await active(page)).toBe(0);
    await series(page, 'CT').dragTo(pane(page, 1));
    await expect.poll(() => statuses(page)).toEqual(['shown', 'shown']);
    expect(await active(page)).toBe(1);
    await page.keyboard.press('PageDown');
    await expect.poll(() => said(page, 1, 'stack-position')).toContain('2/10');
    expect(await said(page, 0, 'stack-position')).toContain('1/10');
    await pane(page, 0).hover();
    await page.mouse.wheel(0, 120);
    await page.mouse.wheel(0, 120);
    await expect.poll(() => said(page, 0, 'stack-position')).toContain('3/10');
    expect([await said(page, 1, 'stack-position'), await active(page)]).toEqual([expect.stringContaining('2/10'), 0]);
  });

  test('tools and keys are the active pane’s: window, inversion, zoom', async () => {
    const { page } = app();
    const before = await said(page, 0, 'window-level');
    await page.keyboard.press('Alt+ArrowRight');
    await expect.poll(() => active(page)).toBe(1);
    await page.getByRole('combobox', { name: 'Window presets' }).click();
    await page.getByRole('option', { name: 'Lung W 1500 L -600', exact: true }).click();
    await expect.poll(() => said(page, 1, 'window-level')).toContain('W 1500 L -600');
    expect(await said(page, 0, 'window-level')).toBe(before);
    await pane(page, 1).getByTestId('viewport').focus();
    await page.keyboard.press('x');
    await pane(page, 1).getByTestId('turned').waitFor();
    expect(await pane(page, 0).getByTestId('turned').count()).toBe(0);
    await page.keyboard.press('r');
  });

  test('by keyboard: to the pane beside, and a series chosen into it; the comparison follows', async () => {
    const { page } = app();
    await page.keyboard.press('Alt+4');
    await expect.poll(() => page.getByTestId('pane').count()).toBe(4);
    await page.keyboard.press('Alt+ArrowDown');
    await expect.poll(() => active(page)).toBe(3);
    expect(await page.evaluate(() => document.activeElement?.closest('[data-testid=pane]')?.getAttribute('data-active'))).toBe('true');
    await series(page, 'clear').first().focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => said(page, 3, 'patient-name')).toContain('Phantom A');
    expect(await said(page, 0, 'patient-name')).toContain('Phantom B');
    // The chest is what the model was made for, the CT is not.
    expect(await page.getByTestId('concern').count()).toBe(0);
    await page.keyboard.press('Alt+ArrowUp');
    await page.getByTestId('concern').waitFor();
    expect(await axe(page)).toEqual([]);
  });

  test('one pane alone, by double click and by key, and back with all as it was', async () => {
    const { page } = app();
    await pane(page, 0).getByTestId('viewport').dblclick();
    await expect.poll(() => page.getByTestId('pane').count()).toBe(1);
    expect(await said(page, 0, 'stack-position')).toContain('3/10');
    await page.keyboard.press('d');
    await expect.poll(() => page.getByTestId('pane').count()).toBe(4);
    await expect.poll(() => statuses(page)).toEqual(['shown', 'shown', 'empty', 'shown']);
    expect(await said(page, 1, 'stack-position')).toContain('2/10');
  });

  test('the layout menu; in small panes the text makes room, in both languages, and nothing reaches over its pane', async () => {
    const { page } = app();
    const size = await page.evaluate(() => ({ width: innerWidth, height: innerHeight }));
    await page.getByTestId('layout-menu').click();
    await page.getByTestId('action-layout.3x3').waitFor();
    expect(await axe(page)).toEqual([]);
    await page.getByTestId('action-layout.3x3').click();
    await expect.poll(() => page.getByTestId('pane').count()).toBe(9);
    for (const index of [2, 4, 5, 6, 7, 8]) {
      await pane(page, index).getByTestId('viewport').focus();
      await series(page, index % 2 === 0 ? 'CT' : 'opacit').first().click();
    }
    await page.setViewportSize({ width: 1280, height: 720 });
    for (const locale of ['zh-CN', 'en'] as const) {
      await page.evaluate((value) => window.fabriclens.call('settings.set', { locale: value }), locale);
      await expect.poll(() => statuses(page)).toEqual(Array.from({ length: 9 }, () => 'shown'));
      const over = await page.getByTestId('pane').evaluateAll((panes) => panes.flatMap((each) => {
        const box = each.getBoundingClientRect();
        const corners = [...each.querySelectorAll('.corner')].map((corner) => corner.getBoundingClientRect());
        const [topLeft, , bottomLeft] = corners;
        return [...corners.filter((c) => c.bottom > box.bottom + 1 || c.right > box.right + 1), ...(topLeft!.bottom > bottomLeft!.top ? [topLeft] : [])];
      }));
      expect(over, locale).toEqual([]);
      expect((await page.locator('.toolbar').boundingBox())!.height, locale).toBeLessThan(60);
    }
    expect(await axe(page)).toEqual([]);
    await page.setViewportSize(size);
    await page.keyboard.press('Alt+1');
    await expect.poll(() => page.getByTestId('pane').count()).toBe(1);
  });
});
