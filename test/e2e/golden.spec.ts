/** What tools and layouts draw, held against pictures that were looked at (golden.ts): the viewing area alone, of drawn studies. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';
import { writeFilm, writeThorax } from '../support/thorax.ts';
import { withApp, type Launched } from './app.ts';
import { AREA, compareGolden, difference, fitWindow, readGolden, type Picture } from './golden.ts';

type Point = readonly [x: number, y: number];

/** The window at rest: its panel folded, the grid as large as the pictures are. */
async function makeReady(page: Page): Promise<void> {
  await page.locator('.pane[data-status=shown]').waitFor();
  expect(await page.evaluate(() => devicePixelRatio)).toBe(1);
  await page.locator('.comparison').waitFor();
  await page.keyboard.press('k');
  await page.locator('.comparison').waitFor({ state: 'detached' });
  await fitWindow(page);
}

const tools = (app: () => Launched) => {
  const pane = (index: number): Locator => app().page.getByTestId('pane').nth(index);
  const middle = async (index: number, [x, y]: Point): Promise<Point> => {
    const box = (await pane(index).boundingBox())!;
    return [box.x + box.width / 2 + x, box.y + box.height / 2 + y];
  };
  const press = async (...keys: string[]): Promise<void> => {
    for (const key of keys) await app().page.keyboard.press(key);
  };
  return {
    pane,
    press,
    series: (text: string): Locator => app().page.getByTestId('series').filter({ hasText: text }),
    at: (index: number, place: string): Promise<void> => pane(index).getByTestId('stack-position').getByText(place).waitFor(),
    /** Through these points, from the middle of the pane. */
    drag: async (points: readonly Point[], index = 0): Promise<void> => {
      const { mouse } = app().page;
      await mouse.move(...(await middle(index, points[0]!)));
      await mouse.down();
      for (const point of points.slice(1)) await mouse.move(...(await middle(index, point)), { steps: 4 });
      await mouse.up();
    },
    over: async (point: Point, index = 0): Promise<void> => app().page.mouse.move(...(await middle(index, point))),
    /** Nothing is pointed at and nothing has the focus. */
    shot: async (name: string, pointing = false): Promise<void> => {
      if (!pointing) await app().page.mouse.move(2, 2);
      await app().page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
      await compareGolden(app().page, name);
    },
  };
};

describe('a stack', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-golden-'));
  const thorax = writeThorax(folder);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const app = withApp({ args: ['--force-device-scale-factor=1', thorax.now, thorax.before] });
  const { pane, press, series, at, drag, over, shot } = tools(app);
  const fresh = async (): Promise<void> => {
    await pane(0).getByTestId('viewport').focus();
    await press('r', 'w');
  };
  /** Of the measurements only what the tool makes now. */
  const measured = async (key: string, name: string, ...strokes: (readonly Point[])[]): Promise<void> => {
    await pane(0).getByTestId('viewport').focus();
    await press(key);
    for (const stroke of strokes) await drag(stroke);
    await app().page.getByTestId('measure').waitFor();
    await pane(0).getByTestId('viewport').focus();
    await press('Escape', 'w');
    await shot(name);
    await press('Control+z');
    await app().page.getByTestId('measure').waitFor({ state: 'detached' });
  };

  beforeAll(async () => {
    const { page } = app();
    await makeReady(page);
    await series('Axial').first().click();
    await pane(0).getByTestId('viewport').focus();
    await press('Home', ...Array.from({ length: 14 }, () => 'PageDown'));
    await at(0, '15/24');
  });

  test('as it opens', () => shot('open'));

  test('window and level', async () => {
    await fresh();
    await drag([[0, 0], [120, 0], [120, 50]]);
    await shot('window');
  });

  test('inverted', async () => {
    await fresh();
    await press('i');
    await shot('invert');
    await press('i');
  });

  test('turned and mirrored', async () => {
    await fresh();
    await press('.', 'x');
    await shot('turned');
  });

  test('zoomed and panned', async () => {
    await fresh();
    await press('z');
    await drag([[0, 0], [0, -140]]);
    await press('p');
    await drag([[0, 0], [-170, 50]]);
    await shot('zoomed');
  });

  test('magnifier', async () => {
    const { page } = app();
    await fresh();
    await press('g');
    await over([130, 10]);
    await page.mouse.down();
    await page.getByTestId('lens').waitFor({ state: 'visible' });
    await shot('magnifier', true);
    await page.mouse.up();
    await page.getByTestId('lens').waitFor({ state: 'hidden' });
  });

  test.each([
    ['l', 'length', [[-40, -60], [160, 20]]],
    ['q', 'probe', [[0, 160], [0, 160]]],
    ['t', 'rectangle', [[-190, -70], [-90, 60]]],
    ['e', 'ellipse', [[112, -8], [148, 28]]],
  ] as const)('%s: %s', async (key, name, stroke) => {
    await fresh();
    await measured(key, name, stroke);
  });

  test('angle and Cobb', async () => {
    await fresh();
    await measured('a', 'angle', [[-160, 40], [0, 150]], [[150, 20], [150, 20]]);
    await measured('o', 'cobb', [[-90, -120], [90, -150]], [[-90, 100], [90, 170]]);
  });

  test('an arrow with words', async () => {
    const { page } = app();
    await fresh();
    await press('m');
    await drag([[146, 2], [210, -70]]);
    await page.getByPlaceholder('What the arrow shows').fill('Nodule, 22 mm');
    await press('Enter');
    await pane(0).getByTestId('viewport').focus();
    await press('Escape', 'w');
    await shot('arrow');
    await press('Control+z', 'Control+z');
    await page.getByTestId('measure').waitFor({ state: 'detached' });
  });

  test('words at the edges of the pane are seen whole', async () => {
    const { page } = app();
    await fresh();
    await press('z');
    await drag([[0, 0], [0, -140]]);
    for (const [key, stroke] of [['l', [[200, -200], [430, -180]]], ['l', [[-440, -120], [440, -110]]], ['e', [[330, 100], [440, 280]]], ['l', [[-420, 200], [-300, 292]]], ['t', [[-440, -40], [-400, 60]]]] as const) {
      await press(key);
      await drag(stroke);
    }
    await expect.poll(() => page.getByTestId('measure').count()).toBe(5);
    await pane(0).getByTestId('viewport').focus();
    await press('Escape', 'w');
    await shot('edges');
    await press(...Array.from({ length: 5 }, () => 'Control+z'));
    await page.getByTestId('measure').waitFor({ state: 'detached' });
  });

  test('a key image is marked, a stack that played stands still', async () => {
    const { page } = app();
    await fresh();
    await press(' ');
    await page.getByTestId('cine-rate').waitFor();
    await expect.poll(() => pane(0).getByTestId('stack-position').innerText()).not.toContain('15/24');
    await press(' ');
    await page.getByTestId('cine-rate').waitFor({ state: 'detached' });
    await press('Home', 'PageDown', 'PageDown', 'PageDown', 'j');
    await at(0, '4/24');
    await page.getByTestId('key-mark').waitFor();
    await shot('cine-stopped');
    await press('j', ...Array.from({ length: 11 }, () => 'PageDown'));
    await at(0, '15/24');
  });

  test('prior beside current', async () => {
    await fresh();
    await press('Shift+P');
    await at(1, '15/24');
    await shot('prior');
  });

  test('side by side, with the line where one slice crosses the other; scrolled, zoomed and windowed together', async () => {
    await fresh();
    await press('Alt+4');
    await series('Coronal').dragTo(pane(1));
    await series('Sagittal').dragTo(pane(2));
    await series('Axial').last().dragTo(pane(3));
    await at(1, '1/9');
    await press('Alt+ArrowUp', 'Alt+ArrowLeft');
    for (const [index, steps, place] of [[1, 4, '5/9'], [2, 5, '6/11'], [3, 14, '15/24'], [0, 0, '15/24']] as const) {
      await pane(index).getByTestId('viewport').focus();
      await press(...Array.from({ length: steps }, () => 'PageDown'));
      await at(index, place);
    }
    await shot('2x2-lines');
    await press('Shift+S', 'Shift+Z', 'Shift+W', 'PageDown', 'PageDown', '+');
    await at(3, '17/24');
    await drag([[0, 0], [60, -40]]);
    await shot('2x2-together');
    await press('Shift+S', 'Shift+Z', 'Shift+W');
  });

  test('nine small panes: less text, none of it cut', async () => {
    await press('Alt+9');
    for (const index of [4, 5, 6, 7]) {
      await pane(index).getByTestId('viewport').focus();
      await series(index % 2 === 0 ? 'Coronal' : 'Sagittal').click();
      await at(index, '1/');
    }
    await shot('3x3');
    await press('Alt+2');
    await pane(2).waitFor({ state: 'detached' });
    await shot('1x2');
  });
});

describe('films', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-golden-'));
  writeFilm(folder);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const app = withApp({ args: ['--force-device-scale-factor=1', folder] });
  const { pane, press, series, drag, shot } = tools(app);
  beforeAll(() => makeReady(app().page));

  test.each([['film', 'at the detector'], ['no-scale', 'px']])('%s: overlays, greys, and what its lengths are', async (name, said) => {
    const { page } = app();
    await series(name).click();
    await pane(0).getByText(`· ${name}`).waitFor();
    await pane(0).getByTestId('viewport').focus();
    await press('l');
    await drag([[-108, -12], [108, -12]]);
    await page.getByTestId('measure').getByText(said).waitFor();
    await pane(0).getByTestId('viewport').focus();
    await press('Escape', 'w');
    await shot(name);
  });
});

describe('a heat map', () => {
  const app = withApp({ args: ['--force-device-scale-factor=1', join(ROOT, 'models/samples/chest-synthetic')] });
  const { series, press, shot } = tools(app);

  test('over the film', async () => {
    const { page } = app();
    await page.locator('.pane[data-status=shown]').waitFor();
    await series('opacit').first().click();
    await page.getByTestId('run').click();
    await page.getByTestId('results').getByTestId('verdict').waitFor({ timeout: 120_000 });
    await page.getByTestId('running').waitFor({ state: 'detached', timeout: 120_000 });
    await page.getByTestId('heatmap-toggle').click();
    await makeReady(page);
    await press('w');
    await shot('heat-map');
  });
});

describe('what is held against them', () => {
  let golden: Picture;
  beforeAll(() => {
    golden = readGolden('length');
  });
  const copy = (change: (data: Uint8Array, at: (x: number, y: number) => number) => void): Picture => {
    const data = Uint8Array.from(golden.data);
    change(data, (x, y) => (y * AREA.width + x) * 4);
    return { ...golden, data };
  };
  /** A part of the picture, so many pixels further to the right. */
  const moved = (left: number, top: number, right: number, bottom: number, by: number): Picture => copy((data, at) => {
    for (let y = top; y < bottom; y++) data.set(golden.data.subarray(at(left, y), at(right - by, y)), at(left + by, y));
  });
  const blackened = (left: number, top: number, right: number, bottom: number): Picture => copy((data, at) => {
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) data.set([0, 0, 0], at(x, y));
  });

  test('itself, and edges that are smoothed otherwise, pass', () => {
    expect(difference(golden, golden)).toBeNull();
    const smoothed = copy((data, at) => {
      for (let y = 0; y < AREA.height; y++) for (let x = 1; x < AREA.width; x++) for (const c of [0, 1, 2]) data[at(x, y) + c] = Math.round(golden.data[at(x, y) + c]! * 0.95 + golden.data[at(x - 1, y) + c]! * 0.05);
    });
    expect(difference(golden, smoothed)).toBeNull();
  });

  test.each([
    ['a measurement that moved by three pixels', () => moved(400, 230, 640, 340, 3)],
    ['a side marker that is gone', () => blackened(2, 285, 30, 315)],
    ['a scale bar that is gone', () => blackened(780, 520, 898, 550)],
    ['greys that are wrong by three levels', () => copy((data) => data.forEach((value, i) => i % 4 !== 3 && value > 40 && (data[i] = Math.min(255, value + 3))))],
    ['an inverted picture', () => copy((data) => data.forEach((value, i) => i % 4 !== 3 && (data[i] = 255 - value)))],
    ['one letter in place of another', () => moved(12, 8, 24, 26, 5)],
  ])('%s is caught', (_, picture) => {
    expect(difference(golden, picture())).not.toBeNull();
  });
});
