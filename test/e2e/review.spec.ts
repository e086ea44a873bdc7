/** The main way through the window: open, look, compare, see where it looked; in both languages, with bad files, and for everyone. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCodecs, decodeFrame, parseDicom, renderGrey, summarise } from '../../src/dicom/index.ts';
import { ROOT } from '../support/data.ts';
import { writeDicom } from '../support/dicom-writer.ts';
import { withApp } from './app.ts';

const SAMPLES = join(ROOT, 'models/samples');
const CHEST = join(SAMPLES, 'chest-synthetic');
const CT = join(SAMPLES, 'ct-synthetic');

const shown = (page: Page): Promise<unknown> => page.locator('.pane[data-status=shown]').waitFor();
const viewport = (page: Page): ReturnType<Page['getByTestId']> => page.getByTestId('viewport');
const text = (page: Page, id: string): Promise<string> => page.getByTestId(id).innerText();
const series = (page: Page, name: string): ReturnType<Page['getByTestId']> => page.getByTestId('series').filter({ hasText: name });

/** Greys in the middle of the viewport's canvas, `size` × `size`, and whether they are grey at all. */
async function middle(page: Page, size: number): Promise<number[]> {
  // Two frames: what was asked for last has been drawn.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  return viewport(page).locator('canvas').evaluate((canvas: HTMLCanvasElement, n) => {
    const left = Math.floor((canvas.width - n) / 2);
    const top = Math.floor((canvas.height - n) / 2);
    const { data } = canvas.getContext('2d')!.getImageData(left, top, n, n);
    return Array.from({ length: n * n }, (_, i) => data[i * 4]!);
  }, size);
}

/** The same, from the file by the room that the command line uses: at 1:1 image and screen pixels coincide. */
/** `from`: the file's pixel that is seen where one of the upright image would be; of square images. */
async function expectedMiddle(page: Page, path: string, size: number, invert = false, from = (x: number, y: number): [number, number] => [x, y]): Promise<number[]> {
  const none = createCodecs(() => Promise.reject(new Error('the samples are not compressed')));
  const frame = await decodeFrame(parseDicom(new Uint8Array(readFileSync(path))), 0, none);
  if (frame.kind !== 'grey') throw new Error('a grey sample is expected');
  const greys = renderGrey(frame, frame.voi[0]!, invert);
  const pane = await viewport(page).locator('canvas').evaluate((canvas: HTMLCanvasElement) => ({ width: canvas.width, height: canvas.height }));
  const start = (paneSize: number, imageSize: number): number => Math.floor((paneSize - size) / 2) - Math.round((paneSize - imageSize) / 2);
  const left = start(pane.width, frame.columns);
  const top = start(pane.height, frame.rows);
  return Array.from({ length: size * size }, (_, i) => {
    const [x, y] = from(left + (i % size), top + Math.floor(i / size));
    return greys[y * frame.columns + x]!;
  });
}

/** How far two pictures are apart: the number of pixels that differ. */
const differing = (a: readonly number[], b: readonly number[]): number => a.filter((grey, i) => grey !== b[i]).length;
const same = async (page: Page, path: string, invert = false, from?: (x: number, y: number) => [number, number]): Promise<number> => differing(await middle(page, 60), await expectedMiddle(page, path, 60, invert, from));

async function axe(page: Page): Promise<string[]> {
  const { violations, passes } = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
  expect(passes.length).toBeGreaterThan(5);
  return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
}

describe('from nothing', () => {
  const app = withApp();

  test('the empty window offers files, a folder and the sample, and opens the sample', async () => {
    const { page } = app();
    const empty = page.getByTestId('empty');
    for (const name of ['Open files', 'Open folder', 'Open sample']) await empty.getByRole('button', { name }).waitFor();
    expect(await axe(page)).toEqual([]);
    await page.getByTestId('empty-sample').click();
    await shown(page);
    expect(await text(page, 'patient-name')).toContain('Synthetic');
    await page.getByTestId('synthetic').waitFor();
  });

  test('files held over the window are welcome everywhere', async () => {
    const { page } = app();
    await page.evaluate(() => {
      const data = new DataTransfer();
      data.items.add(new File(['x'], 'x.dcm'));
      window.dispatchEvent(new DragEvent('dragenter', { dataTransfer: data }));
    });
    await page.getByTestId('drop-overlay').waitFor();
    await page.evaluate(() => {
      const data = new DataTransfer();
      data.items.add(new File(['x'], 'x.dcm'));
      window.dispatchEvent(new DragEvent('dragleave', { dataTransfer: data }));
    });
    await page.getByTestId('drop-overlay').waitFor({ state: 'detached' });
  });
});

describe('files and folders dropped on the window', () => {
  const app = withApp();

  test('are opened by their real paths; what is no image is named', async () => {
    const { page } = app();
    await page.getByTestId('empty').waitFor();
    const browser = await page.context().newCDPSession(page);
    const at = { x: 400, y: 300, data: { items: [], files: [CHEST, join(CT, 'slice-01.dcm'), join(ROOT, 'package.json')], dragOperationsMask: 1 } };
    await browser.send('Input.dispatchDragEvent', { type: 'dragEnter', ...at });
    await page.getByTestId('drop-overlay').waitFor();
    await browser.send('Input.dispatchDragEvent', { type: 'dragOver', ...at });
    await browser.send('Input.dispatchDragEvent', { type: 'drop', ...at });
    await shown(page);
    await page.getByTestId('drop-overlay').waitFor({ state: 'detached' });
    await expect.poll(() => page.getByTestId('series').count()).toBe(3);
    await page.getByTestId('problems').getByText('package.json', { exact: true }).waitFor();
  });
});

describe('on a dense screen', () => {
  const app = withApp({ args: ['--force-device-scale-factor=2', CT] });

  test('a canvas pixel is a device pixel, and 1:1 is the file’s own pixels', async () => {
    const { page } = app();
    await shown(page);
    expect(await page.evaluate(() => devicePixelRatio)).toBe(2);
    const { canvas, pane } = await viewport(page).evaluate((element) => ({ canvas: element.querySelector('canvas')!.width, pane: element.clientWidth }));
    expect(canvas).toBe(2 * pane);
    await page.keyboard.press('1');
    await expect.poll(() => text(page, 'zoom')).toContain('100 %');
    await expect.poll(() => same(page, join(CT, 'slice-01.dcm'))).toBe(0);
  });

  test('a drag carries the image as far as the hand goes', async () => {
    const { page } = app();
    await page.keyboard.press('p');
    const before = await middle(page, 60);
    const box = (await viewport(page).boundingBox())!;
    const drag = async (dx: number): Promise<void> => {
      await page.mouse.move(box.x + 200, box.y + 200);
      await page.mouse.down();
      await page.mouse.move(box.x + 200 + dx, box.y + 200, { steps: 3 });
      await page.mouse.up();
    };
    await drag(10);
    // Ten client pixels are twenty of the canvas: its column 0 is now where column 20 was.
    await expect.poll(async () => {
      const moved = await middle(page, 60);
      return Array.from({ length: 60 * 40 }, (_, i) => moved[Math.floor(i / 40) * 60 + 20 + (i % 40)] !== before[Math.floor(i / 40) * 60 + (i % 40)]).filter(Boolean).length;
    }).toBe(0);
  });
});

describe('looking', () => {
  const app = withApp({ args: [SAMPLES] });
  beforeAll(async () => {
    const { page } = app();
    await series(page, 'CT').click();
    await page.getByTestId('patient-name').getByText('Phantom B').waitFor();
    await shown(page);
  });

  test('the pixels on the screen are those of the file by its own window', async () => {
    const { page } = app();
    await page.keyboard.press('1');
    await expect.poll(() => same(page, join(CT, 'slice-01.dcm'))).toBe(0);
    await page.keyboard.press('i');
    await expect.poll(() => same(page, join(CT, 'slice-01.dcm'), true)).toBe(0);
    await page.keyboard.press('r');
  });

  test('the stack scrolls by wheel and keys, and ends on the right picture however fast', async () => {
    const { page } = app();
    expect(await text(page, 'stack-position')).toContain('1/10');
    await viewport(page).hover();
    await page.mouse.wheel(0, 120);
    await expect.poll(() => text(page, 'stack-position')).toContain('2/10');
    for (let i = 0; i < 20; i++) await page.keyboard.press('PageDown');
    await expect.poll(() => text(page, 'stack-position')).toContain('10/10');
    await page.keyboard.press('1');
    await expect.poll(() => same(page, join(CT, 'slice-10.dcm'))).toBe(0);
    await page.keyboard.press('Home');
    await expect.poll(() => text(page, 'stack-position')).toContain('1/10');
    await expect.poll(() => same(page, join(CT, 'slice-01.dcm'))).toBe(0);
    await page.keyboard.press('r');
  });

  test('the window follows the drag, the presets and reset', async () => {
    const { page } = app();
    const before = await text(page, 'window-level');
    const box = (await viewport(page).boundingBox())!;
    await page.keyboard.press('w');
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2 + 80, box.y + box.height / 2 + 30, { steps: 8 });
    await page.mouse.up();
    await expect.poll(() => text(page, 'window-level')).not.toBe(before);
    const [width, level] = (await text(page, 'window-level')).match(/-?\d+/g)!.map(Number);
    const [width0, level0] = before.match(/-?\d+/g)!.map(Number);
    expect(width!).toBeGreaterThan(width0!);
    expect(level!).toBeGreaterThan(level0!);
    await page.getByRole('combobox', { name: 'Window presets' }).click();
    await page.getByRole('option', { name: 'Lung W 1500 L -600', exact: true }).click();
    await expect.poll(() => text(page, 'window-level')).toContain('W 1500 L -600');
    await viewport(page).focus();
    await page.keyboard.press('r');
    await expect.poll(() => text(page, 'window-level')).toBe(before);
  });

  test('zoom, pan and fit change the picture, not the file', async () => {
    const { page } = app();
    const zoom = await text(page, 'zoom');
    const picture = await middle(page, 40);
    await page.keyboard.press('+');
    await expect.poll(() => text(page, 'zoom')).not.toBe(zoom);
    await page.keyboard.press('p');
    const box = (await viewport(page).boundingBox())!;
    await page.mouse.move(box.x + 200, box.y + 200);
    await page.mouse.down();
    await page.mouse.move(box.x + 120, box.y + 260, { steps: 4 });
    await page.mouse.up();
    await expect.poll(async () => differing(await middle(page, 40), picture)).toBeGreaterThan(0);
    await page.keyboard.press('f');
    await expect.poll(() => text(page, 'zoom')).toBe(zoom);
    await expect.poll(async () => differing(await middle(page, 40), picture)).toBe(0);
    await page.keyboard.press('w');
  });

  test('orientation letters stand at the edges, and turn with the picture', async () => {
    const { page } = app();
    expect([await text(page, 'edge-left'), await text(page, 'edge-right'), await text(page, 'edge-top'), await text(page, 'edge-bottom')]).toEqual(['R', 'L', 'A', 'P']);
    const letters = (): Promise<string[]> => Promise.all(['left', 'right', 'top', 'bottom'].map((side) => text(page, `edge-${side}`)));
    const side = summarise(parseDicom(new Uint8Array(readFileSync(join(CT, 'slice-01.dcm')))), { id: 'a', fileName: 'a' }).instance.rows;
    await page.keyboard.press('1');
    await page.keyboard.press('.');
    await expect.poll(letters).toEqual(['P', 'A', 'R', 'L']);
    // The first row of the turned picture is the first column of the file, from below.
    await expect.poll(() => same(page, join(CT, 'slice-01.dcm'), false, (x, y) => [y, side - 1 - x])).toBe(0);
    await page.keyboard.press('x');
    await expect.poll(letters).toEqual(['A', 'P', 'R', 'L']);
    expect(await text(page, 'turned')).toBe('Mirrored · Turned 270°');
    await expect.poll(() => same(page, join(CT, 'slice-01.dcm'), false, (x, y) => [y, x])).toBe(0);
    await page.keyboard.press('r');
    await expect.poll(letters).toEqual(['R', 'L', 'A', 'P']);
  });

  test('each series has its thumbnail', async () => {
    const { page } = app();
    await expect.poll(() => page.locator('.series .thumb[data-state=done]').count()).toBe(await page.getByTestId('series').count());
  });
});

describe('overlay planes of a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-planes-'));
  const path = join(folder, 'planes.dcm');
  // Every second column of 64 × 64 is set.
  writeFileSync(path, writeDicom({ pixels: new Uint16Array(64 * 64), elements: {
    '00280010': ['US', 64], '00280011': ['US', 64], '60000010': ['US', 64], '60000011': ['US', 64], '60000040': ['CS', 'G'], '60000050': ['SS', [1, 1]], '60000100': ['US', 1], '60000102': ['US', 0], '60003000': ['OB', new Uint8Array(512).fill(0x55)],
  } }));
  const app = withApp({ args: [path] });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('lie over it, pixel on pixel, until they are put away', async () => {
    const { page } = app();
    await shown(page);
    await page.keyboard.press('1');
    const columns = async (): Promise<number> => (await middle(page, 40)).filter((red) => red === 0xb6).length;
    await expect.poll(columns).toBe(40 * 20);
    await page.getByTestId('action-view.planes').click();
    await expect.poll(columns).toBe(0);
    await page.keyboard.press('v');
    await expect.poll(columns).toBe(40 * 20);
  });
});

/** Pixels of the viewport's middle in which a heat map is looked for: most of the image. */
const REGION = 400;

describe('comparing', () => {
  const app = withApp({ args: [CHEST] });
  beforeAll(async () => {
    const { page } = app();
    await shown(page);
    await page.getByText(/Virtual board.*Ready/).waitFor();
  });

  test('nothing is run and no heat map is drawn until the reader asks', async () => {
    const { page } = app();
    await page.getByTestId('run').waitFor();
    expect(await page.getByTestId('results').count()).toBe(0);
    expect(await page.getByTestId('action-heatMap.toggle').isDisabled()).toBe(true);
  });

  test('three engines side by side: probabilities, decision, difference, latency with its sources, identity', async () => {
    const { page } = app();
    await page.getByTestId('run').click();
    await page.getByTestId('results').waitFor();
    const table = page.getByTestId('probabilities');
    expect(await table.locator('thead th').allInnerTexts()).toEqual(['Class', 'CPU fp32', 'CPU int8', 'Board']);
    const sums = await table.locator('tbody').evaluate((body) => {
      const rows = [...body.querySelectorAll('tr')].slice(0, 2).map((row) => [...row.querySelectorAll('td .number')].map((cell) => Number(cell.textContent)));
      return rows[0]!.map((p, engine) => p + rows[1]![engine]!);
    });
    expect(sums).toHaveLength(3);
    for (const sum of sums) expect(sum).toBeCloseTo(1, 2);
    for (const engine of ['cpu-fp32', 'cpu-int8', 'board']) expect(['Normal', 'Pneumonia']).toContain((await text(page, `decision-${engine}`)).split('\n')[0]);
    await page.getByTestId('verdict').getByText(/tolerance/).waitFor();
    const latency = page.getByTestId('latency');
    for (const part of ['Decode', 'Preprocess', 'Transfer', 'PL (logic)', 'Engine', 'Total']) await latency.getByRole('rowheader', { name: part }).waitFor();
    await latency.getByText('measured with this computer’s clock').waitFor();
    await latency.getByText('estimate of the cycle model').waitFor();
    await page.getByText('golden model').first().waitFor();
    await page.getByText('The file says that it is a phantom or synthetic image').waitFor();
  });

  test('the heat map is off, comes over the image when asked, moves with it, and goes without a trace', async () => {
    const { page } = app();
    // Evidence for the class that won is somewhere in the picture, whatever the weights of the day; nowhere else need it be.
    const winner = (await text(page, 'decision-cpu-fp32')).split('\n')[0]!;
    await page.getByTestId('heatmap-panel').getByLabel('Class').first().click();
    await page.getByRole('option', { name: winner }).click();
    const plain = await middle(page, REGION);
    await page.getByTestId('heatmap-toggle').click();
    await page.getByTestId('legend').waitFor();
    const mapped = await middle(page, REGION);
    expect(differing(mapped, plain)).toBeGreaterThan(100);
    const slider = page.getByTestId('opacity').getByRole('slider');
    await slider.focus();
    for (let i = 0; i < 10; i++) await page.keyboard.press('ArrowLeft');
    await expect.poll(() => slider.getAttribute('aria-valuenow')).toBe('0');
    await expect.poll(async () => differing(await middle(page, REGION), plain)).toBe(0);
    for (let i = 0; i < 10; i++) await page.keyboard.press('ArrowRight');
    await expect.poll(async () => differing(await middle(page, REGION), mapped)).toBe(0);
    // Another image: its predecessor's map is not drawn over it.
    await viewport(page).focus();
    await page.keyboard.press('PageDown');
    await expect.poll(() => text(page, 'stack-position')).toContain('2/2');
    await page.keyboard.press('1');
    await expect.poll(() => same(page, join(CHEST, 'clear-2.dcm'))).toBe(0);
    await page.keyboard.press('PageUp');
    await expect.poll(() => text(page, 'stack-position')).toContain('1/2');
    await page.keyboard.press('r');
    await expect.poll(async () => differing(await middle(page, REGION), mapped)).toBe(0);
    await page.keyboard.press('h');
    await expect.poll(async () => differing(await middle(page, REGION), plain)).toBe(0);
  });

  test('a long run is cancelled, and what was there stays', async () => {
    const { page } = app();
    await page.getByTestId('rail-workspace.settings').click();
    const repeats = page.getByRole('textbox', { name: 'Repeats' });
    await repeats.fill('200');
    await page.getByTestId('rail-workspace.review').click();
    await shown(page);
    await page.getByTestId('run').click();
    await page.getByTestId('cancel').click();
    await page.getByText('Cancelled.').waitFor();
    expect(['Normal', 'Pneumonia']).toContain((await text(page, 'decision-board')).split('\n')[0]);
    await page.getByTestId('rail-workspace.settings').click();
    await repeats.fill('3');
    await page.getByTestId('rail-workspace.review').click();
    await shown(page);
    await page.getByTestId('run').click();
    await page.getByText('p50 / p95 of 3 runs').waitFor();
  });

  test('everyone can use it: axe finds nothing in any workspace, nor in Chinese', async () => {
    const { page } = app();
    await page.keyboard.press('h');
    expect(await axe(page)).toEqual([]);
    await page.keyboard.press('h');
    for (const workspace of ['models', 'boards', 'settings']) {
      await page.getByTestId(`rail-workspace.${workspace}`).click();
      expect(await axe(page), workspace).toEqual([]);
    }
    await page.getByText('简体中文', { exact: true }).click();
    await page.getByText('不可用于诊断').waitFor();
    expect(await page.evaluate(() => document.documentElement.lang)).toBe('zh-CN');
    expect(await axe(page)).toEqual([]);
    await page.getByTestId('rail-workspace.review').click();
    await shown(page);
    await page.getByRole('button', { name: '再次运行' }).waitFor();
    expect(await axe(page)).toEqual([]);
    await page.getByTestId('rail-workspace.settings').click();
    await page.getByText('English', { exact: true }).click();
    await page.getByText('Not for diagnostic use').first().waitFor();
  });

  test('the model card is one click away', async () => {
    const { page } = app();
    await page.getByTestId('rail-workspace.review').click();
    await page.getByRole('button', { name: 'Model card' }).click();
    const card = page.getByTestId('model-card');
    for (const heading of ['Intended use', 'Limits', 'Evaluation', 'Identity']) await card.getByRole('heading', { name: heading }).waitFor();
  });

  test('nothing went wrong in the page meanwhile', () => expect(app().pageErrors()).toEqual([]));
});

describe('where there is no Python, and so no virtual board', () => {
  const empty = mkdtempSync(join(tmpdir(), 'fabriclens-e2e-'));
  afterAll(() => rmSync(empty, { recursive: true, force: true }));
  const app = withApp({ args: [CHEST], env: { PATH: empty } });

  test('the other engines answer, the board says why it does not, and the Boards screen how to mend it', async () => {
    const { page } = app();
    await shown(page);
    await page.getByText(/Virtual board.*Absent/).waitFor();
    await page.getByTestId('run').click();
    await page.getByTestId('results').waitFor();
    for (const engine of ['cpu-fp32', 'cpu-int8']) expect(['Normal', 'Pneumonia']).toContain(await text(page, `decision-${engine}`));
    expect(await page.getByTestId('decision-board').count()).toBe(0);
    await page.getByTestId('failed-board').getByText(/Python/).waitFor();
    await page.getByTestId('verdict').getByText('2 of 3 engines answered, and they agree').waitFor();
    expect(await axe(page)).toEqual([]);
    // Here a run may end before anyone polls for it: the page itself watches.
    const ran = page.evaluate(() => new Promise<void>((resolve) => {
      const observer = new MutationObserver(() => {
        if (document.querySelector('[data-testid="running"]') === null) return;
        observer.disconnect();
        resolve();
      });
      observer.observe(document.body, { childList: true, subtree: true });
    }));
    await page.getByTestId('failed-board').getByRole('button', { name: 'Try again' }).click();
    await ran;
    await page.getByTestId('running').waitFor({ state: 'detached' });
    await page.getByTestId('failed-board').waitFor();
    await page.getByTestId('rail-workspace.boards').click();
    await page.getByTestId('board').getByText(/install Python/).waitFor();
    await page.getByTestId('board').getByRole('button', { name: 'Restart' }).waitFor();
    expect(await axe(page)).toEqual([]);
  });
});

describe('an image that the model was not made for', () => {
  const app = withApp({ args: [CT] });

  test('is classified only after a warning and a yes', async () => {
    const { page } = app();
    await shown(page);
    await page.getByTestId('concern').getByText(/This image is CT/).waitFor();
    await page.keyboard.press('c');
    expect(await page.getByTestId('run').count()).toBe(0);
    expect(await page.getByTestId('results').count()).toBe(0);
    await page.getByTestId('run-anyway').click();
    await page.getByTestId('results').waitFor();
    await page.getByTestId('warning').getByText(/This image is CT/).waitFor();
  });
});

describe('bad files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-e2e-'));
  const whole = readFileSync(join(CT, 'slice-01.dcm'));
  writeFileSync(join(folder, 'notes.dcm'), 'These are not the pixels you are looking for.');
  writeFileSync(join(folder, 'cut.dcm'), whole.subarray(0, Math.floor(whole.length / 3)));
  copyFileSync(join(CHEST, 'clear-1.dcm'), join(folder, 'whole.dcm'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const app = withApp({ args: [folder] });

  test('are named with their cause; the others open', async () => {
    const { page } = app();
    // The cut file has a header, so it is in the list; its picture says what is wrong with it.
    await page.getByTestId('viewer-error').getByText('cut.dcm').waitFor();
    await page.getByTestId('viewer-error').getByText('Cut short').waitFor();
    await series(page, 'clear lungs').click();
    await shown(page);
    expect(await text(page, 'patient-name')).toContain('Phantom A');
    const problems = page.getByTestId('problems');
    await problems.getByText('notes.dcm', { exact: true }).waitFor();
    await problems.getByText('Not DICOM').waitFor();
    expect(await axe(page)).toEqual([]);
  });
});
