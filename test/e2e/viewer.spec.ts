/** The viewer's panes and what goes between them, in the real window. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';
import { TS, writeDicom, type Elements } from '../support/dicom-writer.ts';
import { encode, picture } from '../support/encoders.ts';
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
    await page.setViewportSize({ width: 1600, height: 1000 });
    await pane(page, 0).getByTestId('viewport').focus();
    expect((await page.locator('.toolbar').boundingBox())!.height).toBeLessThan(60);
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

/** Pictures of one patient and frame of reference: axial ones 5 mm apart, others 10 mm apart, and a coronal one across them all. */
function writeOrthogonal(folder: string): void {
  const image = (name: string, seriesUid: string, number: number, description: string, position: string, orientation: string): void => {
    const pixels = Uint16Array.from({ length: 64 * 64 }, (_, i) => 200 + ((i % 64) >> 3) * 20 + number);
    const elements: Elements = {
      '00080008': ['CS', 'ORIGINAL\\PRIMARY'], '00080018': ['UI', `${seriesUid}.${number}`], '00080060': ['CS', 'CT'], '0008103E': ['LO', description], '0020000D': ['UI', '1.2.826.0.1.3680043.10.7'], '0020000E': ['UI', seriesUid],
      '00200013': ['IS', String(number)], '00200032': ['DS', position], '00200037': ['DS', orientation], '00200052': ['UI', '1.2.826.0.1.3680043.10.8'],
      '00280010': ['US', 64], '00280011': ['US', 64], '00280030': ['DS', '1\\1'], '00281050': ['DS', '300'], '00281051': ['DS', '400'], '00281052': ['DS', '0'], '00281053': ['DS', '1'], '00281054': ['LO', 'HU'],
    };
    writeFileSync(join(folder, name), writeDicom({ elements, pixels }));
  };
  for (let i = 0; i < 12; i++) image(`thin-${i}.dcm`, '1.2.826.0.1.3680043.10.7.1', i + 1, 'Thin', `0\\0\\${i * 5}`, '1\\0\\0\\0\\1\\0');
  for (let i = 0; i < 6; i++) image(`thick-${i}.dcm`, '1.2.826.0.1.3680043.10.7.2', i + 1, 'Thick', `0\\0\\${i * 10}`, '1\\0\\0\\0\\1\\0');
  image('coronal.dcm', '1.2.826.0.1.3680043.10.7.3', 1, 'Coronal', '0\\32\\60', '1\\0\\0\\0\\0\\-1');
}

describe('panes together', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-viewer-'));
  writeOrthogonal(folder);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const app = withApp({ args: [folder] });
  beforeAll(async () => {
    const { page } = app();
    await page.locator('.pane[data-status=shown]').waitFor();
    await series(page, 'Thin').click();
    await page.keyboard.press('Alt+3');
    await pane(page, 2).and(page.locator('[data-status=shown]')).waitFor();
    await series(page, 'Thick').dragTo(pane(page, 1));
    await series(page, 'Coronal').dragTo(pane(page, 2));
    await pane(page, 2).getByTestId('stack-position').getByText('1/1').waitFor();
    await pane(page, 1).getByTestId('stack-position').getByText('1/6').waitFor();
    await pane(page, 0).getByTestId('viewport').focus();
  });

  test('the line of the active slice lies where it crosses the other picture, and moves with it', async () => {
    const { page } = app();
    const level = async (): Promise<number> => {
      const [y1, y2] = await pane(page, 2).locator('.reference-line').evaluate((line) => [Number(line.getAttribute('y1')), Number(line.getAttribute('y2'))]);
      expect(y1).toBeCloseTo(y2!, 3);
      return y1!;
    };
    const { height, width } = (await pane(page, 2).boundingBox())!;
    // 64 mm over the shorter side; the picture's first row is at 60 mm, the middle between rows 31 and 32.
    const of = (z: number): number => height / 2 + (60 + 0.5 - z - 32) * (Math.min(height, width) / 64);
    await expect.poll(level).toBeCloseTo(of(0), 0);
    await page.keyboard.press('PageDown');
    await expect.poll(level).toBeCloseTo(of(5), 0);
    expect(await pane(page, 0).getByTestId('reference').count() + await pane(page, 1).getByTestId('reference').count()).toBe(0);
    await page.keyboard.press('Shift+R');
    await expect.poll(() => page.getByTestId('reference').count()).toBe(0);
    await page.keyboard.press('Shift+R');
    await page.keyboard.press('Home');
  });

  test('scrolled together, stacks of other thickness stay at the same level; apart again, they do not', async () => {
    const { page } = app();
    await page.getByTestId('layout-menu').click();
    await page.getByTestId('action-together.scroll').click();
    await pane(page, 0).getByTestId('viewport').focus();
    for (let i = 0; i < 6; i++) await page.keyboard.press('PageDown');
    await expect.poll(() => said(page, 0, 'stack-position')).toContain('7/12');
    await expect.poll(() => said(page, 1, 'stack-position')).toContain('4/6');
    await page.keyboard.press('Alt+ArrowRight');
    await expect.poll(() => active(page)).toBe(1);
    await page.keyboard.press('End');
    await expect.poll(() => said(page, 0, 'stack-position')).toContain('11/12');
    await page.keyboard.press('Shift+S');
    await page.keyboard.press('Home');
    await expect.poll(() => said(page, 1, 'stack-position')).toContain('1/6');
    expect(await said(page, 0, 'stack-position')).toContain('11/12');
  });

  test('zoom, pan and window go together when joined, and not before', async () => {
    const { page } = app();
    const zooms = (): Promise<string[]> => page.locator('.pane').evaluateAll((panes) => panes.map((each) => each.querySelector('canvas')!.width + each.querySelector('[data-testid=zoom]')!.textContent!));
    const before = await zooms();
    await page.keyboard.press('+');
    await expect.poll(async () => (await zooms())[1]).not.toBe(before[1]);
    expect((await zooms())[0]).toBe(before[0]);
    await page.keyboard.press('f');
    await page.keyboard.press('Shift+Z');
    await page.keyboard.press('Shift+W');
    const box = (await pane(page, 1).boundingBox())!;
    await page.keyboard.press('z');
    await page.mouse.move(box.x + 100, box.y + 100);
    await page.mouse.down();
    await page.mouse.move(box.x + 100, box.y + 40, { steps: 3 });
    await page.mouse.up();
    await expect.poll(async () => { const all = await zooms(); return new Set(all).size === 1 && all[0] !== before[0]; }).toBe(true);
    await page.keyboard.press('w');
    const level = await said(page, 0, 'window-level');
    await page.mouse.move(box.x + 100, box.y + 100);
    await page.mouse.down();
    await page.mouse.move(box.x + 160, box.y + 130, { steps: 3 });
    await page.mouse.up();
    await expect.poll(() => said(page, 0, 'window-level')).not.toBe(level);
    await expect.poll(async () => new Set([await said(page, 0, 'window-level'), await said(page, 1, 'window-level'), await said(page, 2, 'window-level')]).size).toBe(1);
    expect(await axe(page)).toEqual([]);
  });
});

describe('a prior, and playing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-prior-'));
  const write = (name: string, study: string, date: string, change: Elements = {}): void =>
    writeFileSync(join(folder, name), writeDicom({ pixels: new Uint16Array(6).fill(500), elements: { '00080018': ['UI', `${study}.1`], '00080020': ['DA', date], '00080060': ['CS', 'CT'], '00100020': ['LO', 'SAME'], '0020000D': ['UI', study], '0020000E': ['UI', `${study}.2`], '00200013': ['IS', '1'], ...change } }));
  write('now.dcm', '1.2.826.0.1.3680043.10.21', '20260301');
  write('old.dcm', '1.2.826.0.1.3680043.10.22', '20250301');
  write('older.dcm', '1.2.826.0.1.3680043.10.23', '20200301');
  write('other.dcm', '1.2.826.0.1.3680043.10.24', '20251201', { '00100020': ['LO', 'ELSE'] });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const app = withApp({ args: [folder, join(SAMPLES, 'ct-synthetic')] });
  beforeAll(async () => {
    await app().page.locator('.pane[data-status=shown]').waitFor();
  });
  /** The line of a study in the list, by its date. */
  const study = (page: Page, date: string): Locator => page.locator('.study').filter({ hasText: date }).getByTestId('series');

  test('the latest study of the same patient before this one comes beside it, on the right', async () => {
    const { page } = app();
    await study(page, '2020-03-01').click();
    await page.getByTestId('layout-menu').click();
    await expect.poll(() => page.getByTestId('action-prior.show').isDisabled()).toBe(true);
    await page.keyboard.press('Escape');
    await study(page, '2026-03-01').click();
    await pane(page, 0).getByText('2026-03-01').waitFor();
    await page.getByTestId('layout-menu').click();
    await page.getByTestId('action-prior.show').click();
    await expect.poll(() => page.getByTestId('pane').count()).toBe(2);
    await pane(page, 1).getByText('2025-03-01').waitFor();
    await pane(page, 0).getByText('2026-03-01').waitFor();
    expect(await active(page)).toBe(0);
    await page.keyboard.press('Alt+1');
  });

  test('a stack plays in a loop and says how fast; scrolling ends it', async () => {
    const { page } = app();
    await series(page, 'axial').click();
    await expect.poll(() => said(page, 0, 'stack-position')).toContain('1/10');
    await pane(page, 0).getByTestId('viewport').focus();
    await page.keyboard.press(' ');
    await page.getByTestId('cine-rate').waitFor();
    const places = new Set<string>();
    await expect.poll(async () => places.add(await said(page, 0, 'stack-position')).size, { timeout: 60_000, interval: 20 }).toBe(10);
    await expect.poll(() => page.getByTestId('cine-rate').innerText(), { timeout: 60_000 }).toMatch(/^[\d.]+ of 10 pictures\/s$/);
    await page.keyboard.press('>');
    await page.getByTestId('cine-rate').getByText('13 pictures/s').waitFor();
    await page.keyboard.press('PageDown');
    await page.getByTestId('cine-rate').waitFor({ state: 'detached' });
    await page.keyboard.press(' ');
    await page.getByTestId('cine-rate').waitFor();
    await page.keyboard.press(' ');
    await page.getByTestId('cine-rate').waitFor({ state: 'detached' });
    expect(await axe(page)).toEqual([]);
  });
});

describe('looking closer, marking, and taking along', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-take-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const app = withApp({ args: [join(SAMPLES, 'ct-synthetic')] });
  beforeAll(async () => {
    await app().page.locator('.pane[data-status=shown]').waitFor();
  });
  const saveTo = (path: string): Promise<void> => app().app.evaluate(({ dialog }, filePath) => {
    dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath });
  }, path);

  test('the magnifier shows what is under the pointer, larger, while the button is down', async () => {
    const { page } = app();
    await page.keyboard.press('g');
    const box = (await pane(page, 0).boundingBox())!;
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2 + 60];
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.getByTestId('lens').waitFor({ state: 'visible' });
    const [inLens, inPane] = await page.evaluate(([cx, cy]) => {
      const lens = document.querySelector<HTMLCanvasElement>('[data-testid=lens]')!;
      const canvas = document.querySelector<HTMLCanvasElement>('[data-testid=viewport] canvas')!;
      const { left, top } = canvas.getBoundingClientRect();
      const at = (of: HTMLCanvasElement, px: number, py: number): number => of.getContext('2d')!.getImageData(Math.round(px * devicePixelRatio), Math.round(py * devicePixelRatio), 1, 1).data[0]!;
      return [at(lens, lens.clientWidth / 2, lens.clientHeight / 2), at(canvas, cx! - left, cy! - top)];
    }, [x, y]);
    expect(Math.abs(inLens! - inPane!)).toBeLessThan(40);
    expect(inPane).toBeGreaterThan(20);
    await page.mouse.up();
    await page.getByTestId('lens').waitFor({ state: 'hidden' });
    await page.keyboard.press('w');
  });

  test('key images are marked, listed, gone through and written out', async () => {
    const { page } = app();
    await pane(page, 0).getByTestId('viewport').focus();
    await page.keyboard.press('j');
    await page.getByTestId('key-mark').waitFor();
    for (let i = 0; i < 4; i++) await page.keyboard.press('PageDown');
    await expect.poll(() => said(page, 0, 'stack-position')).toContain('5/10');
    expect(await page.getByTestId('key-mark').count()).toBe(0);
    await page.keyboard.press('j');
    await expect.poll(() => page.getByTestId('key-images').getByRole('listitem').count()).toBe(2);
    await page.keyboard.press('Shift+J');
    await expect.poll(() => said(page, 0, 'stack-position')).toContain('1/10');
    await page.keyboard.press('Shift+K');
    await expect.poll(() => said(page, 0, 'stack-position')).toContain('5/10');
    const path = join(folder, 'key.csv');
    await saveTo(path);
    await page.getByTestId('key-images').getByRole('button', { name: 'Export the list of key images' }).click();
    await page.getByText('The list of key images was written.').waitFor();
    expect(readFileSync(path, 'utf8').trim().split('\r\n')).toEqual(['sop_instance_uid,frame', expect.stringMatching(/^[\d.]+,1$/), expect.stringMatching(/^[\d.]+,1$/)]);
    expect(await axe(page)).toEqual([]);
    await pane(page, 0).getByTestId('viewport').focus();
    await page.keyboard.press('j');
    await expect.poll(() => page.getByTestId('key-images').getByRole('listitem').count()).toBe(1);
  });

  /** Pixels of a written picture that are brighter than the image's own ground, in its upper left corner; and its size. */
  const written = (path: string): Promise<{ width: number; height: number; bright: number }> => app().app.evaluate(({ nativeImage }, file) => {
    const picture = nativeImage.createFromPath(file);
    const { width, height } = picture.getSize();
    const corner = picture.crop({ x: 0, y: 0, width: 200, height: 60 }).toBitmap();
    return { width, height, bright: Array.from({ length: corner.length / 4 }, (_, i) => corner[i * 4]!).filter((value) => value > 120).length };
  }, path);

  test('the picture goes out as it is seen, without who the patient is unless that is chosen', async () => {
    const { page } = app();
    const box = (await pane(page, 0).boundingBox())!;
    await page.keyboard.press('Control+Shift+E');
    await page.getByTestId('export-image').waitFor();
    expect(await axe(page)).toEqual([]);
    const [png, jpeg] = [join(folder, 'a.png'), join(folder, 'b.jpg')];
    await saveTo(png);
    await page.getByTestId('export-write').click();
    await page.getByText('The picture was written.').first().waitFor();
    const without = await written(png);
    expect([without.width, without.height]).toEqual([Math.round(box.width), Math.round(box.height)]);
    expect(without.bright).toBe(0);
    expect([...readFileSync(png).subarray(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47]);
    await page.keyboard.press('Control+Shift+E');
    await page.getByTestId('export-image').getByText('JPEG').click();
    await page.getByTestId('export-text').check();
    await saveTo(jpeg);
    await page.getByTestId('export-write').click();
    await expect.poll(() => page.getByText('The picture was written.').count()).toBe(2);
    expect([...readFileSync(jpeg).subarray(0, 2)]).toEqual([0xff, 0xd8]);
    expect((await written(jpeg)).bright).toBeGreaterThan(50);
    // The window is as it was.
    await expect.poll(() => page.locator('.pane.captured').count()).toBe(0);
    await pane(page, 0).getByTestId('patient-name').waitFor();
  });

  test('a command is found by its words in either language, and done by Enter', async () => {
    const { page } = app();
    await pane(page, 0).getByTestId('viewport').focus();
    await page.keyboard.press('Control+k');
    await page.getByTestId('palette').waitFor();
    expect(await axe(page)).toEqual([]);
    await page.keyboard.type('反相');
    await expect.poll(() => page.getByTestId('palette').getByRole('option').allInnerTexts()).toEqual([expect.stringContaining('View: Invert')]);
    await page.keyboard.press('Enter');
    await page.getByTestId('palette').waitFor({ state: 'detached' });
    await expect.poll(() => page.getByTestId('action-view.invert').getAttribute('aria-pressed')).toBe('true');
    await page.keyboard.press('Control+Shift+P');
    await page.keyboard.type('layout 2x');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.getByTestId('pane').count()).toBe(4);
    await page.keyboard.press('Control+k');
    await page.keyboard.type('nothing has this');
    await page.getByTestId('palette').getByRole('status').waitFor();
    await page.keyboard.press('Escape');
    await page.getByTestId('palette').waitFor({ state: 'detached' });
    await page.keyboard.press('Alt+1');
    await page.keyboard.press('i');
  });

  test('full screen and back', async () => {
    const { app: electron, page } = app();
    const full = (): Promise<boolean> => electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]!.isFullScreen());
    await page.keyboard.press('F11');
    await expect.poll(full, { timeout: 20_000 }).toBe(true);
    await page.keyboard.press('F11');
    await expect.poll(full, { timeout: 20_000 }).toBe(false);
    expect(app().pageErrors()).toEqual([]);
  });
});

describe('every codec in the page', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-codecs-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const app = withApp();

  test('decodes under the page’s policy', async () => {
    const p = picture(1, 8, 64, 64);
    const streams: [transferSyntax: string, stream: Uint8Array][] = [
      [TS.jpeg, await encode('libjpeg-turbo-8bit', p)], [TS.jpegLs, await encode('charls', p)], [TS.jpeg2000, await encode('openjpeg', p, (e) => e.setQuality?.(true, 0))],
      ['1.2.840.10008.1.2.4.201', await encode('openjph', p, (e) => e.setQuality?.(true, 0))], ['1.2.840.10008.1.2.4.110', await encode('libjxl', p, (e) => e.setLossless?.(true))],
    ];
    const bits: Elements = { '00280010': ['US', 64], '00280011': ['US', 64], '00280100': ['US', 8], '00280101': ['US', 8], '00280102': ['US', 7] };
    streams.forEach(([transferSyntax, stream], i) => writeFileSync(join(folder, `${i}.dcm`), writeDicom({
      transferSyntax, pixels: { fragments: [stream] },
      elements: { ...bits, '00080018': ['UI', `1.2.77.${i}`], '0020000D': ['UI', '1.2.77'], '0020000E': ['UI', '1.2.77.9'], '00200013': ['IS', String(i + 1)] },
    })));
    await app().app.evaluate(({ dialog }, filePaths) => {
      dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths });
    }, [folder]);
    const { page } = app();
    await page.getByTestId('action-open.folder').click();
    for (let i = 1; i <= streams.length; i++) {
      await expect.poll(() => said(page, 0, 'stack-position')).toContain(`${i}/${streams.length}`);
      await expect.poll(() => statuses(page)).toEqual(['shown']);
      await page.keyboard.press('PageDown');
    }
    expect(app().pageErrors()).toEqual([]);
  });

  test('a large JPEG 2000 image is seen smaller until it is decoded, without a word of whose it is', async () => {
    const { page } = app();
    const path = join(folder, 'large.dcm');
    const stream = await encode('openjpeg', picture(1, 12, 2048, 2048), (e) => e.setQuality?.(true, 0));
    writeFileSync(path, writeDicom({
      transferSyntax: TS.jpeg2000, pixels: { fragments: [stream] },
      elements: { '00280010': ['US', 2048], '00280011': ['US', 2048], '00280101': ['US', 12], '00280102': ['US', 11], '00080018': ['UI', '1.2.78.1'], '0020000D': ['UI', '1.2.78'], '0020000E': ['UI', '1.2.78.9'] },
    }));
    await app().app.evaluate(({ dialog }, filePaths) => {
      dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths });
    }, [path]);
    const smaller = page.waitForFunction(() => {
      const seen = document.querySelector<HTMLElement>('.pane[data-status=loading]');
      return seen?.querySelector('[data-picture]') ? { words: seen.innerText, corners: seen.querySelectorAll('.corners').length } : null;
    });
    await page.getByTestId('action-open.files').click();
    expect(await (await smaller).jsonValue()).toEqual({ words: 'Decoding…', corners: 0 });
    await page.locator('.pane[data-status=shown]').waitFor();
    await expect.poll(() => said(page, 0, 'stack-position')).toContain('1/1');
    expect(app().pageErrors()).toEqual([]);
  });
});

describe('the elements of a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-tags-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const item: Elements = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`0018${(0x9000 + i).toString(16).toUpperCase()}`, ['LO', `value ${i}`] as const]));
  writeFileSync(join(folder, 'many.dcm'), writeDicom({ pixels: new Uint16Array(6), elements: {
    '00080005': ['CS', 'ISO_IR 192'], '00100010': ['PN', 'Wang^XiaoDong=王^小东'], '00081032': ['SQ', Array.from({ length: 120 }, () => item)], '00090010': ['LO', 'MAKER'], '00091001': ['LO', 'in private'],
  } }));
  const app = withApp({ args: [folder] });
  beforeAll(async () => {
    await app().page.locator('.pane[data-status=shown]').waitFor();
  });

  test('twelve thousand are there to scroll and search, decoded, and few of them in the page', async () => {
    const { page } = app();
    await page.keyboard.press('Control+i');
    const rows = page.getByTestId('tags').getByRole('row');
    await expect.poll(() => page.getByTestId('tags').getByRole('status').innerText()).toMatch(/^(\d{5}) of \1$/);
    expect(await rows.count()).toBeLessThan(120);
    const search = page.getByTestId('tags').getByRole('searchbox');
    expect(await search.evaluate((input) => input === document.activeElement)).toBe(true);
    await search.fill('0010,0010');
    await expect.poll(() => rows.allInnerTexts()).toEqual([expect.stringMatching(/\(0010,0010\)\s+PN\s+PatientName\s+Wang\^XiaoDong=王\^小东\s+\d+ B/)]);
    await search.fill('in private');
    await expect.poll(() => rows.allInnerTexts()).toEqual([expect.stringContaining('[MAKER]')]);
    await search.fill('value 77');
    await expect.poll(() => page.getByTestId('tags').getByRole('status').innerText()).toMatch(/^120 of/);
    await search.fill('');
    await page.getByRole('table').evaluate((table) => table.scrollTo(0, table.scrollHeight));
    await page.getByTestId('tags').getByText('PixelData', { exact: true }).waitFor();
    expect(await axe(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByTestId('tags').waitFor({ state: 'detached' });
  });
});
