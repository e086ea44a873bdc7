/** Levels through a grey table into RGBA: the inner loops of every drawing. Never more pixels than the screen has are coloured. Pure. */
import type { Levels } from '../workers/tables.ts';

const OPAQUE = 0xff000000;

/** Fills `out`, one little-endian RGBA word a pixel, with the part of an image that begins at `left`, `top`. `values` are greys by level, from the type's lowest on. */
export function paintPart({ pixels, first }: Levels, columns: number, part: { left: number; top: number; width: number; height: number }, values: Uint8ClampedArray, out: Uint32Array): void {
  const words = new Uint32Array(values.length);
  for (let i = 0; i < words.length; i++) words[i] = OPAQUE | (values[i]! * 0x10101);
  for (let y = 0, at = 0; y < part.height; y++) {
    const from = (part.top + y) * columns + part.left;
    for (let i = from; i < from + part.width; i++) out[at++] = words[pixels[i]! - first]!;
  }
}

/** Along one axis of the screen: the image's pixels under each of its own. */
export interface Cover {
  /** Of the screen's, the first that has some. */
  start: number;
  from: Int32Array;
  /** One more than the last. */
  to: Int32Array;
}

/**
 * `scale` screen pixels an image pixel (below 0: mirrored), the image's edge at `offset`; `size` and `count` pixels of screen and image.
 * @param nearest the one image pixel under the middle of the screen's, else all that lie under it
 */
export function cover(scale: number, offset: number, size: number, count: number, nearest: boolean): Cover {
  const inImage = (at: number): number => (at - offset) / scale;
  const there = (at: number): boolean => inImage(at + 0.5) >= 0 && inImage(at + 0.5) < count;
  let start = 0;
  while (start < size && !there(start)) start++;
  let end = start;
  while (end < size && there(end)) end++;
  const from = new Int32Array(end - start);
  const to = new Int32Array(end - start);
  for (let i = 0; i < from.length; i++) {
    const [a, b] = [inImage(start + i), inImage(start + i + 1)];
    from[i] = Math.min(count - 1, Math.max(0, nearest ? Math.floor((a + b) / 2) : Math.round(Math.min(a, b))));
    to[i] = nearest ? from[i]! + 1 : Math.min(count, Math.max(from[i]! + 1, Math.round(Math.max(a, b))));
  }
  return { start, from, to };
}

/** The levels under the middle of each screen pixel. `turned`: the screen's x runs down the image's columns. */
export function sampled({ pixels, first }: Levels, columns: number, turned: boolean, x: Cover, y: Cover): Levels {
  const [stepX, stepY] = turned ? [columns, 1] : [1, columns];
  const { length } = x.from;
  const out = new (pixels.constructor as new (count: number) => Levels['pixels'])(length * y.from.length);
  const across = x.from.map((at) => at * stepX);
  for (let j = 0, at = 0; j < y.from.length; j++) {
    const row = y.from[j]! * stepY;
    for (let i = 0; i < length; i++) out[at++] = pixels[row + across[i]!]!;
  }
  return { pixels: out, first };
}

/** Fills `out`, a word for each screen pixel, with the mean of the greys that it covers; axes as of `sampled`. */
export function paintReduced({ pixels, first }: Levels, columns: number, turned: boolean, x: Cover, y: Cover, values: Uint8ClampedArray, out: Uint32Array): void {
  const [stepX, stepY] = turned ? [columns, 1] : [1, columns];
  const { length } = x.from;
  const sums = new Uint32Array(length);
  const lefts = x.from.map((at) => at * stepX);
  const rights = x.to.map((at) => at * stepX);
  for (let j = 0, at = 0; j < y.from.length; j++) {
    sums.fill(0);
    const [top, bottom] = [y.from[j]! * stepY, y.to[j]! * stepY];
    for (let row = top; row < bottom; row += stepY) {
      for (let i = 0; i < length; i++) {
        let sum = 0;
        for (let column = row + lefts[i]!; column < row + rights[i]!; column += stepX) sum += values[pixels[column]! - first]!;
        sums[i]! += sum;
      }
    }
    const height = y.to[j]! - y.from[j]!;
    for (let i = 0; i < length; i++) out[at++] = OPAQUE | (Math.round(sums[i]! / (height * (x.to[i]! - x.from[i]!))) * 0x10101);
  }
}
