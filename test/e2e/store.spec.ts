/** The study list and the results in the real window: they outlive it, follow files that move, and go when told. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page } from 'playwright';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { IMAGE, writeDicom } from '../support/dicom-writer.ts';
import { smallDicom, type SmallImage } from '../support/small-dicom.ts';
import { launch, screenshot, type Launched, type LaunchOptions } from './launch.ts';

const root = mkdtempSync(join(tmpdir(), 'fabriclens-store-'));
const userData = join(root, 'user data');
const images = join(root, 'images');
mkdirSync(userData);
afterAll(() => rmSync(root, { recursive: true, force: true }));

function put(name: string, image: SmallImage): void {
  mkdirSync(join(images, name, '..'), { recursive: true });
  writeFileSync(join(images, name), smallDicom({ rows: 256, columns: 256, pixel: (i) => (i * 16) % 4096, sopInstanceUid: `1.2.9.${[...name].map((c) => c.charCodeAt(0)).join('.')}`, ...image }));
}
put('ada/1', { studyUid: '1.9.1', seriesUid: '1.9.1.1', patientName: 'Lovelace^Ada', modality: 'DX' });
for (let i = 1; i <= 4; i++) put(`emmy/${i}`, { studyUid: '1.9.2', seriesUid: '1.9.2.1', patientName: 'Noether^Emmy', modality: 'CR', instanceNumber: i, pixel: (p) => (p * i) % 4096 });
writeFileSync(join(images, 'emmy/report'), writeDicom({ elements: {
  ...Object.fromEntries(Object.keys(IMAGE).map((tag) => [tag, null])), '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.88.11'], '00080018': ['UI', '1.2.9.88'], '00080060': ['CS', 'SR'],
  '00100010': ['PN', 'Noether^Emmy'], '0020000D': ['UI', '1.9.2'], '0020000E': ['UI', '1.9.2.88'], '0008103E': ['LO', 'findings'], '0040A043': ['SQ', [{ '00080104': ['LO', 'Chest report'] }]],
} }));
put('rosa/1', { studyUid: '1.9.3', seriesUid: '1.9.3.1', patientName: 'Peter^Rosa', modality: 'CT' });

let running: Launched | undefined;
async function started(options: LaunchOptions = {}): Promise<Launched> {
  await running?.close();
  return (running = await launch({ userData, ...options }));
}
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail' && running) console.log(`screenshot: ${await screenshot(running.page, task.name)}\napplication log:\n${running.log()}`);
});
afterAll(() => running?.close());

const rows = (page: Page): Locator => page.getByTestId('study-row');
const names = async (page: Page): Promise<string[]> => (await rows(page).locator('th .link').allInnerTexts()).map((text) => text.trim());
const openList = async (page: Page): Promise<void> => {
  await page.keyboard.press('Control+4');
  await page.getByTestId('study-list').waitFor();
};
const choose = ({ app }: Launched, path: string): Promise<void> => app.evaluate(({ dialog }, filePaths) => {
  dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths });
}, [path]);
const axe = async (page: Page): Promise<string[]> => (await new AxeBuilder({ page }).setLegacyMode(true).analyze()).violations.map(({ id }) => id);

describe('a study list that keeps', () => {
  test('what is opened is listed, found and sorted', async () => {
    const { page } = await started({ args: [images] });
    await page.locator('.pane[data-status=shown]').first().waitFor();
    await openList(page);
    await expect.poll(() => names(page)).toEqual(expect.arrayContaining(['Lovelace, Ada', 'Noether, Emmy', 'Peter, Rosa']));
    expect(await page.getByTestId('list-count').innerText()).toBe('3 studies');
    await page.getByRole('searchbox').fill('emm cr');
    await expect.poll(() => names(page)).toEqual(['Noether, Emmy']);
    expect(await page.getByTestId('list-count').innerText()).toBe('1 of 3 studies');
    await page.getByRole('searchbox').fill('nobody');
    await page.getByText('No study matches.').waitFor();
    await page.getByRole('searchbox').fill('');
    await page.getByRole('button', { name: 'Patient' }).press('Enter');
    await expect.poll(() => names(page)).toEqual(['Lovelace, Ada', 'Noether, Emmy', 'Peter, Rosa']);
    await page.getByRole('button', { name: 'Patient' }).press('Enter');
    await expect.poll(() => names(page)).toEqual(['Peter, Rosa', 'Noether, Emmy', 'Lovelace, Ada']);
    expect(await page.locator('th[aria-sort=descending]').innerText()).toBe('Patient');
    expect(await axe(page)).toEqual([]);
  });

  test('a series is run image by image, stopped, gone on with, and its results stand in a table', async () => {
    const { page } = running!;
    await page.getByRole('button', { name: 'Noether, Emmy', exact: true }).click();
    await page.locator('.pane[data-status=shown]').first().waitFor();
    await page.getByTestId('run-series').click();
    await page.getByTestId('cancel-series').click();
    await page.getByTestId('series-running').waitFor({ state: 'detached', timeout: 120_000 });
    await page.getByTestId('run-series').click();
    await page.getByTestId('series-running').waitFor();
    await page.getByTestId('series-running').waitFor({ state: 'detached', timeout: 120_000 });
    await page.getByTestId('results').waitFor();
    await page.keyboard.press('Control+5');
    await expect.poll(() => page.getByTestId('result-row').count()).toBe(4);
    expect(await axe(page)).toEqual([]);
    await screenshot(page, 'store results');
    const rowOf3 = page.getByTestId('result-row').nth(2);
    expect(await rowOf3.innerText()).toMatch(/Image 3[\s\S]*0\.\d{3}[\s\S]*ms host/);
    await rowOf3.getByRole('button').press('Enter');
    await page.getByText('Image 3/4').first().waitFor();
  });

  test('flips are filtered, and the table goes out as CSV and JSON without a name', async () => {
    const { page, app } = running!;
    await page.keyboard.press('Control+5');
    await expect.poll(() => page.getByTestId('result-row').count()).toBe(4);
    // Whether the engines differ on these stripes is the engines' business.
    const flipped = await page.getByTestId('result-row').getByText('Flip:').count();
    await page.getByRole('switch', { name: 'Only where an engine decides otherwise' }).press('Space');
    await expect.poll(() => page.getByTestId('result-row').count()).toBe(flipped);
    expect(await page.getByTestId('result-row').getByText('Flip:').count()).toBe(flipped);
    await page.getByRole('switch', { name: 'Only where an engine decides otherwise' }).press('Space');
    await expect.poll(() => page.getByTestId('result-row').count()).toBe(4);
    for (const format of ['csv', 'json'] as const) {
      const path = join(root, `results.${format}`);
      await app.evaluate(({ dialog }, filePath) => {
        dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath });
      }, path);
      await page.getByRole('button', { name: `Export ${format.toUpperCase()}` }).click();
      await expect.poll(() => existsSync(path)).toBe(true);
      await page.getByText('The results were written.').first().waitFor();
      const text = readFileSync(path, 'utf8');
      expect(text).toContain('1.2.9.');
      expect(text).not.toMatch(/Noether|Emmy|ID-1|emmy/);
    }
    expect(readFileSync(join(root, 'results.csv'), 'utf8').trim().split('\r\n')[0]).toMatch(/^sop_instance_uid,.*,score,/);
  });

  test('closed and started again, the list and the results are there, each with its date', async () => {
    const { page } = await started();
    await page.getByTestId('empty-list').click();
    await expect.poll(() => names(page)).toHaveLength(3);
    const emmy = rows(page).filter({ hasText: 'Noether' });
    await expect.poll(() => emmy.locator('td').nth(5).innerText()).toBe('4');
    await screenshot(page, 'store list');
    await emmy.getByRole('button', { name: 'Noether, Emmy', exact: true }).press('Enter');
    await page.locator('.pane[data-status=shown]').first().waitFor();
    expect(await page.getByTestId('kept').innerText()).toMatch(/^Computed \d{4}-\d\d-\d\d \d\d:\d\d, kept since$/);
    expect(await page.getByTestId('results').innerText()).toContain('CPU int8');
    await screenshot(page, 'store kept');
    await page.keyboard.press('Control+5');
    await page.getByTestId('result-row').nth(1).getByRole('button').click();
    await page.getByText('Image 2/4').first().waitFor();
    for (const name of readdirSync(userData).filter((file) => file.startsWith('studies.db'))) expect(statSync(join(userData, name)).mode & 0o777).toBe(0o600);
  });

  test('key images, and what has no image with its elements, are there after a restart too', async () => {
    await running!.page.keyboard.press('j');
    await running!.page.getByTestId('key-images').getByRole('listitem').waitFor();
    const { page } = await started();
    await openList(page);
    const emmy = rows(page).filter({ hasText: 'Noether' });
    expect(await emmy.getByTestId('objects').innerText()).toBe('1 without an image');
    await emmy.getByRole('button', { name: 'Noether, Emmy', exact: true }).press('Enter');
    await page.locator('.pane[data-status=shown]').first().waitFor();
    await page.getByTestId('key-images').getByRole('button', { name: /image 2/ }).press('Enter');
    await page.getByText('Image 2/4').first().waitFor();
    const report = page.getByTestId('object');
    expect(await report.innerText()).toMatch(/Basic Text SR · findings\s+SR · no image/);
    await screenshot(page, 'store object');
    await report.press('Enter');
    await page.getByTestId('tags').getByRole('searchbox').fill('Chest report');
    await expect.poll(() => page.getByTestId('tags').getByRole('row').count()).toBe(1);
    expect(await axe(page)).toEqual([]);
    await page.getByTestId('tags').getByRole('button', { name: 'Close' }).press('Enter');
    await page.getByTestId('tags').waitFor({ state: 'detached' });
  });

  test('files that were moved are said, and mended by opening their new place', async () => {
    renameSync(join(images, 'ada'), join(root, 'ada elsewhere'));
    const launched = await started();
    const { page } = launched;
    await openList(page);
    const ada = rows(page).filter({ hasText: 'Lovelace' });
    await ada.getByTestId('missing').waitFor();
    expect(await ada.getByTestId('missing').innerText()).toBe('1 file not found');
    await ada.getByRole('button', { name: 'Lovelace, Ada', exact: true }).click();
    await page.getByText('The files of Lovelace, Ada are not where they were.').waitFor();
    expect(await axe(page)).toEqual([]);
    await screenshot(page, 'store missing');
    await choose(launched, join(root, 'ada elsewhere'));
    await page.getByTestId('action-open.folder').click();
    await page.locator('.pane[data-status=shown]').first().waitFor();
    await openList(page);
    await expect.poll(() => ada.getByTestId('missing').count()).toBe(0);
    expect(await names(page)).toHaveLength(3);
  });

  test('a copy is counted and shown once', async () => {
    const launched = running!;
    const { page } = launched;
    mkdirSync(join(root, 'copy'));
    writeFileSync(join(root, 'copy/again'), readFileSync(join(images, 'emmy/1')));
    await choose(launched, join(root, 'copy'));
    await page.getByTestId('action-open.folder').click();
    await page.getByTestId('imported').getByText('1 file is a copy of an image that is here already.').waitFor();
    await openList(page);
    await expect.poll(() => rows(page).filter({ hasText: 'Noether' }).innerText()).toContain('1 copy');
    rmSync(join(root, 'copy'), { recursive: true });
  });

  test('removing takes a study from the list and leaves its files', async () => {
    const { page } = running!;
    await openList(page);
    await page.getByRole('button', { name: 'Remove Peter, Rosa from the list' }).press('Enter');
    await page.getByTestId('confirm').waitFor();
    expect(await axe(page)).toEqual([]);
    await page.getByTestId('confirm-yes').click();
    await expect.poll(() => names(page)).toHaveLength(2);
    expect(existsSync(join(images, 'rosa/1'))).toBe(true);
    await started();
    await openList(running!.page);
    await expect.poll(() => names(running!.page)).toHaveLength(2);
  });

  test('both screens in Chinese, at 1280 × 720, with nothing cut off', async () => {
    const { page } = running!;
    await page.setViewportSize({ width: 1280, height: 720 });
    await page.evaluate(() => window.fabriclens.call('settings.set', { locale: 'zh-CN' }));
    await page.reload();
    await openList(page);
    await expect.poll(() => names(page)).toHaveLength(2);
    await screenshot(page, 'store list zh');
    expect(await axe(page)).toEqual([]);
    await page.keyboard.press('Control+5');
    await expect.poll(() => page.getByTestId('result-row').count()).toBe(4);
    await screenshot(page, 'store results zh');
    expect(await axe(page)).toEqual([]);
    await page.evaluate(() => window.fabriclens.call('settings.set', { locale: 'en' }));
  });

  test('switched off in Settings, nothing of a patient is left on the disk', async () => {
    const { page } = await started();
    await page.keyboard.press('Control+,');
    await page.getByRole('switch', { name: 'Keep the study list and the results' }).press('Space');
    await page.getByTestId('confirm-yes').click();
    const found = (): string[] => readdirSync(userData, { recursive: true, encoding: 'utf8' }).map((name) => join(userData, name)).filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true).filter((path) => ['Noether', 'noether', '1.2.9.', images].some((word) => readFileSync(path).includes(word)));
    await expect.poll(found).toEqual([]);
    await screenshot(page, 'store settings');
    await choose(running!, images);
    await page.getByTestId('rail-workspace.review').click();
    await page.getByTestId('action-open.folder').click();
    await page.locator('.pane[data-status=shown]').first().waitFor();
    await openList(page);
    await expect.poll(() => names(page)).toContain('Noether, Emmy');
    await page.getByTestId('list-state').getByText('kept until FabricLens is closed').waitFor();
    expect(found()).toEqual([]);
    expect(running!.pageErrors()).toEqual([]);
  });
});

describe('an application that is killed while it imports', () => {
  test('has on its list what was written, and goes on from there', async () => {
    const home = join(root, 'killed');
    const many = join(root, 'many');
    mkdirSync(home);
    mkdirSync(many);
    for (let i = 0; i < 4_000; i++) writeFileSync(join(many, String(i)), smallDicom({ studyUid: '1.9.9', seriesUid: '1.9.9.1', sopInstanceUid: `1.9.9.1.${i}`, instanceNumber: i, patientName: 'Many^Images' }));
    const first = await started({ userData: home, args: [many] });
    const listed = (page: Page): Promise<number> => page.evaluate(async () => (await window.fabriclens.call('studies.search', { text: '', sort: 'date', descending: true, limit: 10 })).rows[0]?.images ?? 0);
    await expect.poll(() => listed(first.page), { timeout: 60_000, interval: 20 }).toBeGreaterThan(0);
    const gone = new Promise((resolve) => first.app.process().once('exit', resolve));
    first.app.process().kill('SIGKILL');
    await gone;
    running = undefined;
    const second = await started({ userData: home });
    const kept = await listed(second.page);
    expect(kept).toBeGreaterThan(0);
    console.log(`killed with ${kept} of 4000 on the list`);
    await choose(second, many);
    await second.page.getByTestId('action-open.folder').first().click();
    await expect.poll(() => listed(second.page), { timeout: 120_000 }).toBe(4_000);
  });
});
