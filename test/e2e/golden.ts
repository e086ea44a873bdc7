/**
 * The viewing area as it was looked at and found good (test/e2e/golden/), held against what the window shows now. `npm run golden` takes the pictures
 * anew: look at each that git says has changed before it is committed.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright';
import { PNG } from 'pngjs';
import { ROOT } from '../support/data.ts';

export interface Picture {
  width: number;
  height: number;
  /** RGBA. */
  data: Uint8Array;
}

/** Grey levels of 255 by which a pixel may leave what the other picture has at most one pixel away, and the part of that range by which it may besides: letters and edges may be smoothed otherwise. */
const LEVELS = 4;
const SMOOTHED = 0.15;
/** So many pixels of a picture may do so: a fifth of the smallest letter. */
const STRAY = 12;
/** And no square of so many pixels may be brighter or darker by more than so many levels: what the neighbours' range lets through. */
const SQUARE = 16;
const SQUARE_LEVELS = 2;
/** For a picture that is not right yet: an image on its way, a drawing that follows. */
const SETTLED_MS = 20_000;
const STILL_MS = 700;

const GOLDEN = join(ROOT, 'test/e2e/golden');
const FOUND = join(ROOT, 'test-results/golden');
const renewing = process.env['FABRICLENS_GOLDEN'] === 'renew';

export interface Difference {
  /** Pixels that are nothing like those around their place in the other picture. */
  pixels: number;
  /** Of the worst square, in grey levels. */
  square: number;
  /** The golden picture, dark, with what differs in red and squares that differ in blue. */
  seen: Picture;
}

/** Pixels of one picture that lie outside the range of the other's around their place. */
function outside(picture: Picture, other: Picture, mark: (index: number) => void): void {
  const { width, height, data } = picture;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 4;
      for (let channel = 0; channel < 3; channel++) {
        const value = data[at + channel]!;
        if (Math.abs(value - other.data[at + channel]!) <= LEVELS) continue;
        let [low, high] = [255, 0];
        for (let j = Math.max(0, y - 1); j <= Math.min(height - 1, y + 1); j++) {
          for (let i = Math.max(0, x - 1); i <= Math.min(width - 1, x + 1); i++) {
            const near = other.data[(j * width + i) * 4 + channel]!;
            low = Math.min(low, near);
            high = Math.max(high, near);
          }
        }
        const most = LEVELS + SMOOTHED * (high - low);
        if (value < low - most || value > high + most) mark(y * width + x);
      }
    }
  }
}

/** @returns null where they are alike enough */
export function difference(golden: Picture, actual: Picture): Difference | null {
  const { width, height } = golden;
  if (actual.width !== width || actual.height !== height) throw new Error(`The picture is ${actual.width} × ${actual.height} pixels instead of ${width} × ${height}.`);
  const marked = new Set<number>();
  outside(actual, golden, (index) => marked.add(index));
  outside(golden, actual, (index) => marked.add(index));
  const seen = { width, height, data: golden.data.map((value, i) => (i % 4 === 3 ? 255 : value * 0.4)) };
  let worst = 0;
  for (let top = 0; top < height; top += SQUARE) {
    for (let left = 0; left < width; left += SQUARE) {
      const inside: number[] = [];
      for (let y = top; y < Math.min(height, top + SQUARE); y++) for (let x = left; x < Math.min(width, left + SQUARE); x++) inside.push((y * width + x) * 4);
      const by = Math.max(...[0, 1, 2].map((channel) => Math.abs(inside.reduce((sum, at) => sum + actual.data[at + channel]! - golden.data[at + channel]!, 0)) / inside.length));
      worst = Math.max(worst, by);
      if (by > SQUARE_LEVELS) for (const at of inside) seen.data[at + 2] = 255;
    }
  }
  for (const index of marked) seen.data.set([255, 40, 40], index * 4);
  return marked.size > STRAY || worst > SQUARE_LEVELS ? { pixels: marked.size, square: worst, seen } : null;
}

const decode = (png: Uint8Array): Picture => PNG.sync.read(Buffer.from(png));

export function readGolden(name: string): Picture {
  return decode(readFileSync(join(GOLDEN, `${name}.png`)));
}

/** The layout's grid becomes this large and stands on whole pixels, whatever stands around it. */
export const AREA = { width: 900, height: 600 };
const CORNER = { x: 320, y: 80 };
export async function fitWindow(page: Page): Promise<void> {
  await page.setViewportSize({ width: CORNER.x + AREA.width + 20, height: CORNER.y + AREA.height + 40 });
  await page.getByTestId('panes').evaluate((panes, { x, y, width, height }) => Object.assign(panes.style, { position: 'fixed', left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` }), { ...CORNER, ...AREA });
}

/** Holds the panes against the golden picture of this name until they are alike, or writes it anew. @throws with the files that show the difference */
export async function compareGolden(page: Page, name: string): Promise<void> {
  const take = (): Promise<Buffer> => page.screenshot({ clip: { ...CORNER, ...AREA }, animations: 'disabled', caret: 'hide' });
  const path = join(GOLDEN, `${name}.png`);
  await page.evaluate(() => document.fonts.ready);
  if (renewing) {
    for (let last = await take(); ; ) {
      await page.waitForTimeout(STILL_MS);
      const next = await take();
      if (next.equals(last)) break;
      last = next;
    }
    mkdirSync(GOLDEN, { recursive: true });
    // Packed once more, without the alpha that the screen has not.
    writeFileSync(path, PNG.sync.write(PNG.sync.read(await take()), { colorType: 2, deflateLevel: 9, filterType: -1 }));
    return;
  }
  const golden = readGolden(name);
  for (const end = Date.now() + SETTLED_MS; ; ) {
    const actual = await take();
    const found = difference(golden, decode(actual));
    if (!found) return;
    if (Date.now() < end) continue;
    mkdirSync(FOUND, { recursive: true });
    const [is, differs] = [join(FOUND, `${name}.png`), join(FOUND, `${name}.difference.png`)];
    writeFileSync(is, actual);
    writeFileSync(differs, PNG.sync.write(Object.assign(new PNG({ width: golden.width, height: golden.height }), { data: Buffer.from(found.seen.data) })));
    throw new Error(`The panes are not as in test/e2e/golden/${name}.png: ${found.pixels} pixels differ (${STRAY} may), a square of ${SQUARE} × ${SQUARE} by ${found.square.toFixed(1)} levels (${SQUARE_LEVELS} may). ` +
      `They are in ${is}, the difference in ${differs}. If the new picture is right, \`npm run golden\` takes it.`);
  }
}
