/** Stored values → greys: modality transform, VOI transform, display. Everything that shows, measures or classifies a grey frame goes through here. */
import type { ColourFrame, GreyFrame, ModalityTransform, StoredPixels, Voi } from '../contract/pixels.ts';

/** Display grey of each stored value of 8- and 16-bit pixels: `values[stored − first]`, for every value that the pixels' type can hold. */
export interface GreyTable {
  first: number;
  values: Uint8ClampedArray<ArrayBuffer>;
}

/** Stored value → modality unit (PS3.3 C.11.1). */
export function applyModality(modality: ModalityTransform, stored: number): number {
  if (modality.kind === 'linear') return stored * modality.slope + modality.intercept;
  const { first, values } = modality;
  return values[Math.min(Math.max(Math.round(stored) - first, 0), values.length - 1)]!;
}

/**
 * Modality unit → grey in [0,1], unrounded: LINEAR by PS3.3 C.11.2.1.2.1, SIGMOID by C.11.2.1.3.1, LINEAR_EXACT by C.11.2.1.3.2,
 * VOI LUT by C.11.2.1.1 (outside the table its ends hold).
 */
export function applyVoi(voi: Voi, x: number): number {
  if (voi.kind === 'table') {
    const { first, values } = voi;
    return values[Math.min(Math.max(Math.round(x) - first, 0), values.length - 1)]!;
  }
  const { center: c, width: w } = voi;
  switch (voi.function) {
    case 'LINEAR': {
      const low = c - 0.5 - (w - 1) / 2;
      const high = c - 0.5 + (w - 1) / 2;
      // At w = 1 low equals high: a threshold, and the division below is never reached.
      if (x <= low) return 0;
      if (x > high) return 1;
      return (x - (c - 0.5)) / (w - 1) + 0.5;
    }
    case 'LINEAR_EXACT':
      if (x <= c - w / 2) return 0;
      if (x > c + w / 2) return 1;
      return (x - c) / w + 0.5;
    case 'SIGMOID':
      return 1 / (1 + Math.exp((-4 * (x - c)) / w));
  }
}

/** Smallest and largest value of the pixels' type when a table over it is worth having, else null. */
function typeRange(pixels: StoredPixels): [number, number] | null {
  if (pixels instanceof Uint8Array) return [0, 0xff];
  if (pixels instanceof Int8Array) return [-0x80, 0x7f];
  if (pixels instanceof Uint16Array) return [0, 0xffff];
  if (pixels instanceof Int16Array) return [-0x8000, 0x7fff];
  return null;
}

/** Grey in [0,1] of one stored value, `inverted` of the frame (MONOCHROME1) and `invert` (the reader's) applied. */
function unitOf(frame: GreyFrame, voi: Voi, invert: boolean): (stored: number) => number {
  const { modality } = frame;
  const turned = frame.inverted !== invert;
  return (stored) => {
    const grey = applyVoi(voi, applyModality(modality, stored));
    return turned ? 1 - grey : grey;
  };
}

/**
 * Table from stored value to 8-bit display grey (0 black, 255 white, rounded to nearest), MONOCHROME1 turned over.
 * @param invert turn the greys over once more, as a reader asks for.
 * @returns null for 32-bit, float and double pixels: use `renderGrey`.
 */
export function greyTable(frame: GreyFrame, voi: Voi, invert: boolean): GreyTable | null {
  const range = typeRange(frame.pixels);
  if (!range) return null;
  const [first, last] = range;
  const unit = unitOf(frame, voi, invert);
  const grey = (i: number): number => Math.floor(unit(first + i) * 255 + 0.5);
  const values = new Uint8ClampedArray(last - first + 1);
  let [from, to] = [0, values.length];
  // Beyond a window's ends all is black or white; the table is made for every picture of a drag.
  if (frame.modality.kind === 'linear' && voi.kind === 'window' && voi.function !== 'SIGMOID') {
    const [begin, end] = [grey(0), grey(to - 1)];
    from = firstOf(to, (i) => grey(i) !== begin);
    to = firstOf(to, (i) => i >= from && grey(i) === end);
    values.fill(begin, 0, from).fill(end, to);
  }
  for (let i = from; i < to; i++) values[i] = grey(i);
  return { first, values };
}

/** The first of 0…count − 1 for which `holds`, as it then does for all that follow; `count` where it does for none. */
function firstOf(count: number, holds: (i: number) => boolean): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** 8-bit display greys (0 black, 255 white), rows × columns, MONOCHROME1 turned over; any kind of pixels. Not-a-number is black. */
export function renderGrey(frame: GreyFrame, voi: Voi, invert: boolean): Uint8ClampedArray<ArrayBuffer> {
  const { pixels } = frame;
  const out = new Uint8ClampedArray(pixels.length);
  const table = greyTable(frame, voi, invert);
  if (table) {
    const { first, values } = table;
    for (let i = 0; i < out.length; i++) out[i] = values[pixels[i]! - first]!;
  } else {
    const unit = unitOf(frame, voi, invert);
    for (let i = 0; i < out.length; i++) out[i] = Math.floor(unit(pixels[i]!) * 255 + 0.5);
  }
  return out;
}

/** Greys in [0,1], unrounded, rows × columns, MONOCHROME1 turned over: what a network is fed. Not-a-number is 0. */
export function greyUnit(frame: GreyFrame, voi: Voi): Float32Array<ArrayBuffer> {
  const { pixels } = frame;
  const out = new Float32Array(pixels.length);
  const unit = unitOf(frame, voi, false);
  const range = typeRange(pixels);
  if (range) {
    const [first, last] = range;
    // Filled by a loop: `Float32Array.from` over so many takes longer than the pixels themselves.
    const table = new Float32Array(last - first + 1);
    for (let i = 0; i < table.length; i++) table[i] = unit(first + i);
    for (let i = 0; i < out.length; i++) out[i] = table[pixels[i]! - first]!;
  } else {
    for (let i = 0; i < out.length; i++) {
      const grey = unit(pixels[i]!);
      out[i] = Number.isNaN(grey) ? 0 : grey;
    }
  }
  return out;
}

/** Luma of a colour frame (ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B) in [0,1], rows × columns. */
export function luma(frame: ColourFrame): Float32Array<ArrayBuffer> {
  const { rgba } = frame;
  const out = new Float32Array(rgba.length / 4);
  for (let i = 0, at = 0; i < out.length; i++, at += 4) out[i] = (0.299 * rgba[at]! + 0.587 * rgba[at + 1]! + 0.114 * rgba[at + 2]!) / 255;
  return out;
}
