/** Export without identity in the real window: by keyboard, into a folder of the reader's choice, with what was held back and why; in both languages. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page } from 'playwright';
import { afterAll, describe, expect, test } from 'vitest';
import { parseDicom, summarise } from '../../src/dicom/index.ts';
import { smallDicom } from '../support/small-dicom.ts';
import { screenshot, withApp } from './app.ts';

const folder = mkdtempSync(join(tmpdir(), 'fabriclens-anonymise-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const study = join(folder, 'study');
mkdirSync(study);
const files = {
  'doe-1.dcm': smallDicom({ sopInstanceUid: '1.2.3.1', modality: 'CT', instanceNumber: 1 }),
  'doe-2.dcm': smallDicom({ sopInstanceUid: '1.2.3.2', modality: 'CT', instanceNumber: 2 }),
  'doe-us.dcm': smallDicom({ sopInstanceUid: '1.2.3.3', modality: 'US', seriesUid: '1.2.3.4.6', seriesNumber: 2, colour: true }),
};
for (const [name, bytes] of Object.entries(files)) writeFileSync(join(study, name), bytes);

describe('export without identity', () => {
  const app = withApp({ args: [study], lang: 'en' });
  const choose = (path: string | null): Promise<void> => app().app.evaluate(({ dialog }, chosen) => {
    dialog.showOpenDialog = () => Promise.resolve({ canceled: chosen === null, filePaths: chosen === null ? [] : [chosen] });
  }, path);
  const axe = async (page: Page): Promise<string[]> => (await new AxeBuilder({ page }).setLegacyMode(true).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']).analyze()).violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`);
  const sheet = (): Locator => app().page.getByTestId('anonymise');

  test('the study goes into the folder, but for what its pixels may say; originals stay', async () => {
    const { page } = app();
    await page.locator('.pane[data-status=shown]').waitFor();
    await page.keyboard.press('Control+Shift+A');
    await sheet().waitFor();
    await sheet().getByText('Study: 3 images').waitFor();
    expect(await axe(page)).toEqual([]);
    await screenshot(page, 'anonymise.choices.en');
    // Nothing happens where no folder is chosen, and nothing is written over.
    await choose(null);
    await page.getByTestId('anonymise-run').click();
    await choose(study);
    await page.getByTestId('anonymise-run').click();
    await sheet().getByRole('alert').waitFor();
    expect(await sheet().getByRole('alert').innerText()).toContain('There are files in this folder.');
    const out = join(folder, 'out');
    await choose(out);
    // By the keyboard alone.
    await page.getByTestId('anonymise-run').focus();
    await page.keyboard.press('Enter');
    await page.getByTestId('anonymise-outcome').waitFor();
    expect(await page.getByTestId('anonymise-outcome').innerText()).toContain('2 images were written to the folder “out”.');
    await sheet().getByText('doe-us.dcm').waitFor();
    await sheet().getByText('Ultrasound pictures often show a name.').waitFor();
    expect(await axe(page)).toEqual([]);
    await screenshot(page, 'anonymise.report.en');
    const written = readdirSync(out).map((name) => readFileSync(join(out, name)));
    expect(written.map((bytes) => [bytes.includes('Secret'), bytes.includes('1.2.3.')])).toEqual([[false, false], [false, false]]);
    expect(written.map((bytes) => summarise(parseDicom(bytes), { id: '', fileName: '' }).instance.instanceNumber).sort()).toEqual([1, 2]);
    for (const [name, bytes] of Object.entries(files)) expect(readFileSync(join(study, name)).equals(bytes)).toBe(true);
    await page.keyboard.press('Enter');
    await sheet().waitFor({ state: 'detached' });
  });

  test('one image, looked at, goes along; from the menu behind the toolbar, in Chinese', async () => {
    const { page } = app();
    await page.evaluate(() => window.fabriclens.call('settings.set', { locale: 'zh-CN' }));
    await page.reload();
    await page.locator('.pane[data-status=shown]').waitFor();
    await page.keyboard.press(']');
    await page.getByTestId('more-menu').click();
    await page.getByTestId('action-study.anonymise').click();
    await sheet().getByText('此图像').click();
    await page.getByTestId('anonymise-includeHeld').check();
    await page.getByTestId('anonymise-keepDates').check();
    await screenshot(page, 'anonymise.choices.zh-CN');
    const out = join(folder, 'us');
    await choose(out);
    await page.getByTestId('anonymise-run').click();
    await page.getByTestId('anonymise-outcome').waitFor();
    expect(await page.getByTestId('anonymise-outcome').innerText()).toContain('已将 1 幅图像写入文件夹“us”。');
    await screenshot(page, 'anonymise.report.zh-CN');
    const [name] = readdirSync(out);
    const { dataSet } = parseDicom(readFileSync(join(out, name!)));
    expect([dataSet.string({ id: 0x00080060, vr: 'CS' }), dataSet.string({ id: 0x00280303, vr: 'CS' })]).toEqual(['US', 'UNMODIFIED']);
    await page.getByTestId('anonymise-close').click();
    await sheet().waitFor({ state: 'detached' });
  });
});
