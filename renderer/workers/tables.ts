/** A frame's pixels as levels that a table of greys goes by, and the greys of a window: exactly those of src/dicom, for a drawing in this very frame of the screen. */
import type { GreyFrame, StoredPixels, Voi } from '../../src/contract/pixels.ts';
import { greyTable, renderGrey } from '../../src/dicom/index.ts';

/** Pixels that a table has an entry for each value of; `first` is the lowest of their type. */
export interface Levels {
  pixels: Uint8Array | Int8Array | Uint16Array | Int16Array;
  first: number;
}

/** Levels of pixels too wide for a table of all their values: evenly spaced from the frame's smallest to its largest; the last level is not-a-number. */
const SAMPLES = 65_535;
const stepOf = ({ min, max }: GreyFrame): number => Math.max((max - min) / (SAMPLES - 1), Number.MIN_VALUE);

const narrow = (pixels: StoredPixels): pixels is Levels['pixels'] => pixels.BYTES_PER_ELEMENT <= 2;

/** Levels of wide pixels are made once a frame. */
const sampled = new WeakMap<GreyFrame, Levels>();

export function levelsOf(frame: GreyFrame): Levels {
  const { pixels, min } = frame;
  if (narrow(pixels)) return { pixels, first: pixels instanceof Int8Array ? -0x80 : pixels instanceof Int16Array ? -0x8000 : 0 };
  let levels = sampled.get(frame);
  if (!levels) {
    const step = stepOf(frame);
    const out = new Uint16Array(pixels.length);
    for (let i = 0; i < out.length; i++) {
      const at = Math.round((pixels[i]! - min) / step);
      out[i] = Number.isNaN(at) ? SAMPLES : Math.min(SAMPLES - 1, Math.max(0, at));
    }
    sampled.set(frame, (levels = { pixels: out, first: 0 }));
  }
  return levels;
}

/** Greys 0…255 of a frame's levels, from the first on. */
export function greysOf(frame: GreyFrame, voi: Voi, invert: boolean): Uint8ClampedArray {
  const exact = greyTable(frame, voi, invert);
  if (exact) return exact.values;
  const step = stepOf(frame);
  const samples = Float64Array.from({ length: SAMPLES }, (_, i) => frame.min + i * step);
  const values = new Uint8ClampedArray(SAMPLES + 1);
  values.set(renderGrey({ ...frame, pixels: samples }, voi, invert));
  return values;
}
