/** Measuring in the real window: by mouse and by keyboard, in the file's millimetres and values, taken back, written out. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCodecs, decodeFrame, parseDicom, summarise } from '../../src/dicom/index.ts';
import { ROOT } from '../support/data.ts';
import { withApp } from './app.ts';

const SLICE = join(ROOT, 'models/samples/ct-synthetic/slice-01.dcm');
const file = parseDicom(new Uint8Array(readFileSync(SLICE)));
const { spacing } = summarise(file, { id: 'a', fileName: 'a' }).instance;

describe('measuring', () => {
  const app = withApp({ args: [SLICE] });
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-measure-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const measures = (): Locator => app().page.getByTestId('measure');
  const label = async (): Promise<string[]> => (await measures().last().locator('.measure-label').innerText()).split('\n');
  const viewport = (): Locator => app().page.getByTestId('viewport');
  let centre: { x: number; y: number };

  /** Client pixels from the middle of the pane, where at 1:1 an image pixel is one of the screen's. */
  const drag = async (page: Page, from: [number, number], to: [number, number]): Promise<void> => {
    await page.mouse.move(centre.x + from[0], centre.y + from[1]);
    await page.mouse.down();
    await page.mouse.move(centre.x + to[0], centre.y + to[1], { steps: 4 });
    await page.mouse.up();
  };

  beforeAll(async () => {
    const { page } = app();
    await page.locator('.pane[data-status=shown]').waitFor();
    const box = (await viewport().boundingBox())!;
    centre = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    await page.keyboard.press('1');
    await page.getByTestId('zoom').getByText('100 %').waitFor();
  });

  test('a length in the file’s millimetres, and the scale bar beside it', async () => {
    const { page } = app();
    await page.keyboard.press('l');
    await drag(page, [-60, 0], [60, 0]);
    expect(await label()).toEqual([`${120 * spacing!.column} mm`]);
    const bar = page.getByTestId('scale-bar');
    const millimetres = Number.parseFloat(await bar.innerText()) * (/cm/.test(await bar.innerText()) ? 10 : 1);
    const { width } = (await bar.locator('i').boundingBox())!;
    expect(width).toBeCloseTo(millimetres / spacing!.column, 0);
  });

  test('the values in an ellipse are those of the file', async () => {
    const { page } = app();
    const none = createCodecs(() => Promise.reject(new Error('the samples are not compressed')));
    const frame = await decodeFrame(file, 0, none);
    if (frame.kind !== 'grey' || frame.modality.kind !== 'linear') throw new Error('a grey sample with a slope is expected');
    const { slope, intercept } = frame.modality;
    await page.getByTestId('measure-menu').click();
    await page.getByTestId('action-tool.ellipse').click();
    await drag(page, [-40, -30], [41, 31]);
    const { x0, y0 } = await page.getByTestId('measures').evaluate((svg) => {
      const [x, y] = svg.querySelector('[data-kind=ellipse] .measure-line')!.getAttribute('d')!.slice(1).split('a')[0]!.split(' ').map(Number);
      return { x0: x!, y0: y! };
    });
    // Where the ellipse lies on the image: the pane's middle is the image's, but for half a pixel.
    const pane = (await viewport().boundingBox())!;
    const left = x0 - (pane.width / 2 - frame.columns / 2);
    const middle = y0 - (pane.height / 2 - frame.rows / 2);
    const near = [-0.5, 0, 0.5].flatMap((dx) => [-0.5, 0, 0.5].map((dy) => {
      const values: number[] = [];
      for (let row = 0; row < frame.rows; row++) {
        for (let column = 0; column < frame.columns; column++) {
          if (((column + 0.5 - left - dx - 40.5) / 40.5) ** 2 + ((row + 0.5 - middle - dy) / 30.5) ** 2 <= 1) values.push(frame.pixels[row * frame.columns + column]! * slope + intercept);
        }
      }
      return { count: values.length, mean: values.reduce((a, b) => a + b, 0) / values.length };
    }));
    const [area, mean, range] = await label();
    expect(Number.parseFloat(area!)).toBeCloseTo((Math.PI / 4) * 81 * 61 * spacing!.column * spacing!.row, -1);
    const said = Number(/mean (-?[\d.]+) HU/.exec(mean!)![1]);
    const count = Number(/(\d+) px$/.exec(range!)![1]);
    expect(near.some((one) => Math.abs(one.mean - said) < 0.6 && one.count === count), `${said} of ${count}; ${JSON.stringify(near)}`).toBe(true);
  });

  test('by keyboard alone: put down, point moved, deleted, brought back', async () => {
    const { page } = app();
    await viewport().focus();
    await page.keyboard.press('t');
    await page.keyboard.press('Enter');
    expect(await measures().last().getAttribute('data-kind')).toBe('rectangle');
    const before = await label();
    const handle = measures().last().locator('.measure-handle').first();
    await handle.focus();
    for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowLeft');
    await expect.poll(label).not.toEqual(before);
    await page.keyboard.press('Control+z');
    const count = await measures().count();
    await measures().last().getByRole('button').first().focus();
    await page.keyboard.press('Delete');
    await expect.poll(() => measures().count()).toBe(count - 1);
    await page.keyboard.press('Control+z');
    await expect.poll(() => measures().count()).toBe(count);
    expect((await new AxeBuilder({ page }).setLegacyMode(true).analyze()).violations.map(({ id }) => id)).toEqual([]);
  });

  test('an angle in two strokes, and an arrow with a word', async () => {
    const { page } = app();
    await viewport().focus();
    await page.keyboard.press('a');
    await drag(page, [-60, 40], [-20, 40]);
    await drag(page, [-20, 60], [-20, 60]);
    expect(await label()).toEqual(['90.0°']);
    await page.keyboard.press('m');
    await drag(page, [20, 45], [50, 60]);
    await page.getByPlaceholder('What the arrow shows').fill('Lesion');
    await page.keyboard.press('Enter');
    await viewport().focus();
    await page.keyboard.press('Escape');
    expect(await label()).toEqual(['Lesion']);
  });

  test('all of it goes out as a table', async () => {
    const { app: electron, page } = app();
    const path = join(folder, 'measurements.csv');
    await electron.evaluate(({ dialog }, filePath) => {
      dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath });
    }, path);
    await page.getByTestId('measure-menu').click();
    await page.getByTestId('action-measure.export').click();
    await page.getByText('The measurements were written.').waitFor();
    const [head, ...rows] = readFileSync(path, 'utf8').trim().split('\r\n');
    expect(head).toBe('sop_instance_uid,frame,number,kind,text,points,quantity,value,unit,plane');
    expect(new Set(rows.map((row) => row.split(',')[3]))).toEqual(new Set(['length', 'ellipse', 'rectangle', 'angle', 'arrow']));
    expect(rows.some((row) => row.includes(',mean,') && row.includes(',HU,'))).toBe(true);
    expect(rows.find((row) => row.includes(',arrow,'))).toContain('Lesion');
  });

  test('at 1280 × 720 the tools stand in one row, in both languages, whichever is chosen', async () => {
    const { page } = app();
    const before = await page.evaluate(() => ({ width: innerWidth, height: innerHeight }));
    await page.setViewportSize({ width: 1280, height: 720 });
    for (const locale of ['zh-CN', 'en'] as const) {
      await page.evaluate((value) => window.fabriclens.call('settings.set', { locale: value }), locale);
      await page.reload();
      await page.locator('.pane[data-status=shown]').waitFor();
      for (const key of ['l', 'a', 'o', 't', 'e', 'q', 'm']) {
        await page.keyboard.press(key);
        expect((await page.locator('.toolbar').boundingBox())!.height, `${locale} ${key}`).toBeLessThan(60);
      }
    }
    await page.setViewportSize(before);
  });
});
