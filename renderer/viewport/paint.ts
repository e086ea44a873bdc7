/** Stored values through a grey table into RGBA: the inner loop of every window drag. */
import type { StoredPixels } from '../../src/contract/pixels.ts';

/** Greys 0…255 by stored value: `values[round((v − first) / step)]`; values outside take the table's ends. */
export interface GreyTable {
  first: number;
  /** 1 for pixels of 8 and 16 bits, for which `values` has an entry for every value of their type. */
  step: number;
  values: ArrayLike<number>;
}

/** Every `stride`-th pixel of every `stride`-th row, for a picture that is drawn smaller than it is. */
export function sample(pixels: StoredPixels, rows: number, columns: number, stride: number): { pixels: StoredPixels; rows: number; columns: number } {
  if (stride <= 1) return { pixels, rows, columns };
  const height = Math.ceil(rows / stride);
  const width = Math.ceil(columns / stride);
  const out = new (pixels.constructor as new (length: number) => StoredPixels)(height * width);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0, from = y * stride * columns; x < width; x++, from += stride) out[at++] = pixels[from]!;
  }
  return { pixels: out, rows: height, columns: width };
}

const OPAQUE = 0xff000000;

/** Fills `out`, one little-endian RGBA word a pixel, at least as long as `pixels`. */
export function paintGrey(pixels: StoredPixels, table: GreyTable, out: Uint32Array): void {
  const { first, step, values } = table;
  const words = new Uint32Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const grey = values[i]!;
    words[i] = OPAQUE | (grey << 16) | (grey << 8) | grey;
  }
  const n = pixels.length;
  if (pixels instanceof Uint8Array || pixels instanceof Uint16Array) {
    for (let i = 0; i < n; i++) out[i] = words[pixels[i]!]!;
  } else if (pixels instanceof Int8Array || pixels instanceof Int16Array) {
    for (let i = 0; i < n; i++) out[i] = words[pixels[i]! - first]!;
  } else {
    const last = words.length - 1;
    // Not-a-number is black, as renderGrey has it.
    for (let i = 0; i < n; i++) {
      const at = Math.round((pixels[i]! - first) / step);
      out[i] = Number.isNaN(at) ? OPAQUE : words[Math.min(last, Math.max(0, at))]!;
    }
  }
}
