/** Synthetic images of nobody for the viewer's benchmark, of a body's smoothness and a detector's noise, with even patches whose greys are known. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TS, writeDicom, type Elements } from '../../support/dicom-writer.ts';
import { encode, encodeLossless, type Picture } from '../../support/encoders.ts';

/** A place of the image and the grey that must be seen there. */
export interface Spot {
  /** Image pixels. */
  x: number;
  y: number;
  /** 0…255, by the file's own window (PS3.3 C.11.2.1.2). */
  grey: number;
}

export interface Shape {
  columns: number;
  rows: number;
}

export interface Patch {
  /** Of the image's width and height. */
  x: number;
  y: number;
  stored: number;
}

export interface Window {
  center: number;
  width: number;
}

export const SYNTAXES = ['explicit', 'jpeg-lossless', 'jpeg-ls', 'jpeg-2000', 'htj2k'] as const;
export type Syntax = (typeof SYNTAXES)[number];
const UIDS: Record<Syntax, string> = { explicit: TS.explicit, 'jpeg-lossless': TS.jpegLossless, 'jpeg-ls': TS.jpegLs, 'jpeg-2000': TS.jpeg2000, htj2k: '1.2.840.10008.1.2.4.201' };

/** An image as a file with `MARK` in its UIDs, and what must be seen of it. */
export interface Made {
  bytes: Buffer;
  shape: Shape;
  spots: Spot[];
}

/** Stands in every UID of a file until `stamped` puts a number there, so that no viewer has seen the file before. */
const MARK = '.99999999.';
const uid = (...parts: number[]): string => `1.2.826.0.1.3680043.10.1.7${MARK}${parts.join('.')}`;

const SIDE = 20;
/** Stored values of 12 bits. */
const LARGEST = 4095;
const DX_WINDOW: Window = { center: 2048, width: 4000 };
const CT_WINDOW: Window = { center: 40, width: 400 };
const AIR = -1024;

export const DX: Shape = { columns: 2048, rows: 2048 };
export const MAMMOGRAM: Shape = { columns: 4096, rows: 5000 };
export const CT: Shape = { columns: 512, rows: 512 };
/** The first is that of the window's centre: what a drag is watched at. */
const DX_PATCHES: Patch[] = [{ x: 0.5, y: 0.5, stored: 2048 }, { x: 0.15, y: 0.15, stored: 300 }, { x: 0.85, y: 0.15, stored: 1200 }, { x: 0.15, y: 0.85, stored: 2900 }, { x: 0.85, y: 0.85, stored: 3800 }];
const CT_PATCHES: Patch[] = [[0.5, 0.5, 40], [0.15, 0.15, -100], [0.85, 0.15, 0], [0.15, 0.85, 120], [0.85, 0.85, 200]].map(([x, y, hu]) => ({ x: x!, y: y!, stored: hu! - AIR }));

export const linear = (value: number, { center, width }: Window): number => Math.min(255, Math.max(0, ((value - (center - 0.5)) / (width - 1) + 0.5) * 255));

function pixels({ columns, rows }: Shape, patches: readonly Patch[], seed: number): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(columns * rows);
  let state = seed * 2654435761 + 1;
  const across = Float32Array.from({ length: columns }, (_, x) => Math.sin((Math.PI * x) / columns) * (1 + 0.25 * Math.cos((x * 40) / columns)));
  for (let y = 0, at = 0; y < rows; y++) {
    const down = 1500 * Math.sin((Math.PI * y) / rows) + 120 * Math.sin((y * 60) / rows);
    for (let x = 0; x < columns; x++, at++) {
      // Two throws of xorshift, summed: a triangle of ±24 about nothing.
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      const noise = ((state & 0xff) + ((state >>> 8) & 0xff) - 255) * 0.1;
      out[at] = Math.min(LARGEST, Math.max(0, 600 + down * across[x]! + noise));
    }
  }
  const half = Math.round(Math.min(columns, rows) / SIDE / 2);
  for (const { x, y, stored } of patches) {
    const [left, top] = [Math.round(x * columns) - half, Math.round(y * rows) - half];
    for (let row = top; row < top + 2 * half; row++) out.fill(stored, row * columns + left, row * columns + left + 2 * half);
  }
  // The whole range: a viewer may hold a window to what the image has.
  [out[0], out[1]] = [0, LARGEST];
  return out;
}

const spotsOf = ({ columns, rows }: Shape, patches: readonly Patch[], window: Window, rescale = 0): Spot[] =>
  patches.map(({ x, y, stored }) => ({ x: Math.round(x * columns), y: Math.round(y * rows), grey: linear(stored + rescale, window) }));

async function encoded(syntax: Syntax, picture: Picture): Promise<Uint8Array> {
  switch (syntax) {
    case 'jpeg-lossless':
      return encodeLossless(picture, 12, 1);
    case 'jpeg-ls':
      return encode('charls', picture);
    case 'jpeg-2000':
      return encode('openjpeg', picture);
    case 'htj2k':
      return encode('openjph', picture);
    case 'explicit':
      throw new Error('nothing to encode');
  }
}

interface Header {
  modality: 'DX' | 'MG' | 'CT';
  sopClass: string;
  window: Window;
  rescale: number;
  /** Instance number, from 1. */
  number: number;
}

async function made(shape: Shape, patches: readonly Patch[], { modality, sopClass, window, rescale, number }: Header, syntax: Syntax): Promise<Made> {
  const { columns, rows } = shape;
  const samples = pixels(shape, patches, number);
  const elements: Elements = {
    '00080016': ['UI', sopClass],
    '00080018': ['UI', uid(3, number)],
    '00080060': ['CS', modality],
    '00100010': ['PN', 'Synthetic^Bench'],
    '00100020': ['LO', 'BENCH'],
    '0020000D': ['UI', uid(1)],
    '0020000E': ['UI', uid(2)],
    '00200011': ['IS', '1'],
    '00200013': ['IS', String(number)],
    '00280010': ['US', rows],
    '00280011': ['US', columns],
    '00280101': ['US', 12],
    '00280102': ['US', 11],
    '00280300': ['CS', 'YES'],
    '00281050': ['DS', String(window.center)],
    '00281051': ['DS', String(window.width)],
    ...(modality === 'CT'
      ? {
        '00200032': ['DS', `-200\\-200\\${number}`],
        '00200037': ['DS', '1\\0\\0\\0\\1\\0'],
        '00200052': ['UI', uid(4)],
        '00280030': ['DS', '0.78\\0.78'],
        '00180050': ['DS', '1'],
      } as Elements
      : { '00181164': ['DS', '0.14\\0.14'] } as Elements),
    '00281052': ['DS', String(rescale)],
    '00281053': ['DS', '1'],
  };
  const file = writeDicom({
    elements,
    transferSyntax: UIDS[syntax],
    pixels: syntax === 'explicit' ? samples : { fragments: [await encoded(syntax, { rows, columns, components: 1, bits: 16, samples })] },
  });
  return { bytes: Buffer.from(file), shape, spots: spotsOf(shape, patches, window, rescale) };
}

export const makeDx = (syntax: Syntax): Promise<Made> => made(DX, DX_PATCHES, { modality: 'DX', sopClass: '1.2.840.10008.5.1.4.1.1.1.1', window: DX_WINDOW, rescale: 0, number: 1 }, syntax);
export const makeMammogram = (): Promise<Made> => made(MAMMOGRAM, DX_PATCHES, { modality: 'MG', sopClass: '1.2.840.10008.5.1.4.1.1.1.2', window: DX_WINDOW, rescale: 0, number: 1 }, 'explicit');

/** A slice, its number in two patches as digits to the base 16. */
export function makeCt(number: number): Promise<Made> {
  const digits = [number >> 4, number & 15].map((digit, i) => ({ x: 0.35 + 0.3 * i, y: 0.5, stored: -150 + 25 * digit - AIR }));
  return made(CT, number === 0 ? CT_PATCHES : [...digits, ...CT_PATCHES.slice(1)], { modality: 'CT', sopClass: '1.2.840.10008.5.1.4.1.1.2', window: CT_WINDOW, rescale: AIR, number }, 'explicit');
}

/** Greys after a drag down by so many screen pixels: each raises the window's centre by a 500th of its width. */
export const draggedSpots = ({ shape }: Made, down: number): Spot[] => spotsOf(shape, DX_PATCHES, { ...DX_WINDOW, center: DX_WINDOW.center + (down * DX_WINDOW.width) / 500 });

let stamps = 0;
/** Writes the images as files that no viewer has seen, of one study. @returns their paths, in order */
export function writeFresh(folder: string, images: readonly Made[]): string[] {
  const own = join(folder, String(++stamps));
  mkdirSync(own, { recursive: true });
  return images.map(({ bytes }, i) => {
    const fresh = Buffer.from(bytes);
    for (let at = fresh.indexOf(MARK); at >= 0 && at < 4096; at = fresh.indexOf(MARK, at + 1)) fresh.write(`.${10_000_000 + stamps}.`, at, 'latin1');
    const path = join(own, `IM${String(i + 1).padStart(4, '0')}`);
    writeFileSync(path, fresh);
    return path;
  });
}
