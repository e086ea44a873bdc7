/** PNG and JPEG files as frames, for calibration. PNG: 8 or 16 bits, or a palette, not interlaced; JPEG: whatever the DICOM codecs decode. */
import { inflateSync } from 'node:zlib';
import type { ColourFrame, Frame, GreyFrame } from '../contract/pixels.ts';
import type { Decoder } from '../dicom/index.ts';

const MAX_PIXELS = 2 ** 26;
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Undefined for a file that is neither. @throws Error in words for people, without the file's name */
export async function readImage(bytes: Uint8Array, codecs: Decoder): Promise<Frame | undefined> {
  if (PNG.every((byte, i) => bytes[i] === byte)) return readPng(bytes);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return readJpeg(bytes, codecs);
  return undefined;
}

function grey(rows: number, columns: number, pixels: Uint8Array | Uint16Array): GreyFrame {
  const max = pixels instanceof Uint8Array ? 255 : 65535;
  return {
    kind: 'grey', rows, columns, pixels, min: 0, max, modality: { kind: 'linear', slope: 1, intercept: 0 },
    voi: [{ kind: 'window', center: max / 2, width: max, function: 'LINEAR_EXACT' }], voiFromFile: true, windows: [], inverted: false, units: '',
  };
}

function colour(rows: number, columns: number, at: (pixel: number, channel: number) => number): ColourFrame {
  const rgba = new Uint8ClampedArray(4 * rows * columns).fill(255);
  for (let i = 0; i < rows * columns; i++) for (let c = 0; c < 3; c++) rgba[4 * i + c] = at(i, c);
  return { kind: 'colour', rows, columns, rgba };
}

function checkSize(rows: number, columns: number): void {
  if (rows < 1 || columns < 1 || rows * columns > MAX_PIXELS) throw new Error(`it is ${columns} × ${rows} pixels; at most ${MAX_PIXELS} are read`);
}

/** Samples a pixel by PNG colour type: grey, RGB, palette, grey and alpha, RGBA. */
const PNG_SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

function readPng(bytes: Uint8Array): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data: Uint8Array[] = [];
  let palette = new Uint8Array(0);
  let [columns, rows, depth, type] = [0, 0, 0, 0];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (body.length < length) throw new Error('the PNG is truncated');
    if (kind === 'IHDR' && length >= 13) {
      [columns, rows, depth, type] = [view.getUint32(at + 8), view.getUint32(at + 12), bytes[at + 16]!, bytes[at + 17]!];
      if (bytes[at + 20] !== 0) throw new Error('interlaced PNG is not read; save it without interlacing');
    } else if (kind === 'PLTE') palette = new Uint8Array(body);
    else if (kind === 'IDAT') data.push(body);
    at += 12 + length;
  }
  checkSize(rows, columns);
  const samples = PNG_SAMPLES[type];
  if (samples === undefined || (depth !== 8 && (depth !== 16 || type === 3))) throw new Error(`PNG of ${depth} bits and colour type ${type} is not read; save it with 8 bits`);
  const width = (samples * depth) / 8;
  const stride = columns * width;
  let raw: Uint8Array;
  try {
    raw = inflateSync(Buffer.concat(data), { maxOutputLength: (stride + 1) * rows });
  } catch {
    throw new Error('the PNG is damaged');
  }
  if (raw.length < (stride + 1) * rows) throw new Error('the PNG is truncated');
  const pixels = unfiltered(raw, rows, stride, width);
  const sample = (pixel: number, channel: number): number => pixels[pixel * width + (channel * depth) / 8]!;
  if (type === 3) return colour(rows, columns, (i, c) => palette[3 * pixels[i]! + c] ?? 0);
  if (samples >= 3) return colour(rows, columns, sample);
  const values = depth === 8 ? new Uint8Array(rows * columns) : new Uint16Array(rows * columns);
  for (let i = 0; i < values.length; i++) values[i] = depth === 8 ? sample(i, 0) : 256 * pixels[i * width]! + pixels[i * width + 1]!;
  return grey(rows, columns, values);
}

/** Undoes the filter of each row (PNG 9.2). */
function unfiltered(raw: Uint8Array, rows: number, stride: number, width: number): Uint8Array {
  const out = new Uint8Array(rows * stride);
  for (let y = 0; y < rows; y++) {
    const filter = raw[y * (stride + 1)]!;
    if (filter > 4) throw new Error('the PNG is damaged');
    for (let x = 0; x < stride; x++) {
      const left = x >= width ? out[y * stride + x - width]! : 0;
      const up = y > 0 ? out[(y - 1) * stride + x]! : 0;
      const corner = x >= width && y > 0 ? out[(y - 1) * stride + x - width]! : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]!;
      out[y * stride + x] = raw[y * (stride + 1) + 1 + x]! + guess;
    }
  }
  return out;
}

function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/** Rows, columns and components of the frame header. */
function jpegSize(bytes: Uint8Array): [number, number, number] {
  for (let at = 2; at + 9 < bytes.length; ) {
    const marker = bytes[at + 1]!;
    if (bytes[at] !== 0xff) break;
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return [256 * bytes[at + 5]! + bytes[at + 6]!, 256 * bytes[at + 7]! + bytes[at + 8]!, bytes[at + 9]!];
    at += marker === 0xff ? 1 : 2 + 256 * bytes[at + 2]! + bytes[at + 3]!;
  }
  throw new Error('the JPEG is damaged');
}

async function readJpeg(bytes: Uint8Array, codecs: Decoder): Promise<Frame> {
  const [rows, columns, samples] = jpegSize(bytes);
  checkSize(rows, columns);
  if (samples !== 1 && samples !== 3) throw new Error(`a JPEG of ${samples} components is not read; save it as grey or RGB`);
  const decoded = await codecs.decode(bytes, { rows, columns, samples, photometric: samples === 1 ? 'MONOCHROME2' : 'YBR_FULL_422' });
  if (decoded.bits > 8 || (samples === 3 && (decoded.planar || !decoded.rgb))) throw new Error('only JPEG of 8 bits, grey or RGB, is read');
  return samples === 1 ? grey(rows, columns, decoded.bytes) : colour(rows, columns, (i, c) => decoded.bytes[3 * i + c]!);
}
