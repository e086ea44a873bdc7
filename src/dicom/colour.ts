/** Colour pixels to RGBA: photometric interpretations of PS3.3 C.7.6.3.1.2 and palettes (C.7.6.3.1.5, segmented ones C.7.9.2). */
import type { StoredPixels } from '../contract/pixels.ts';
import type { PixelHeader } from './attributes.ts';
import type { DataSet } from './dataset.ts';
import { DicomError } from './errors.ts';
import type { DicomFile } from './parse.ts';
import type { Lut } from './lut.ts';
import { readLut } from './lut.ts';
import type { Tag } from './tags.ts';
import { T } from './tags.ts';

type Rgba = Uint8ClampedArray<ArrayBuffer>;

/** Writes RGBA of one pixel from YCbCr (8 bits each); the store clamps. */
function putYbr(out: Rgba, at: number, y: number, cb: number, cr: number, partial: boolean): void {
  const b = cb - 128;
  const r = cr - 128;
  if (partial) {
    // ITU-R BT.601 with footroom and headroom: Y 16…235, C 16…240.
    const luminance = 1.164383 * (y - 16);
    out[at] = luminance + 1.596027 * r;
    out[at + 1] = luminance - 0.391762 * b - 0.812968 * r;
    out[at + 2] = luminance + 2.017232 * b;
  } else {
    out[at] = y + 1.402 * r;
    out[at + 1] = y - 0.344136 * b - 0.714136 * r;
    out[at + 2] = y + 1.772 * b;
  }
  out[at + 3] = 255;
}

/**
 * Interleaved or planar samples to RGBA.
 * @param samples rows × columns × 3 unsigned values of `header.bitsStored` bits (of 8 bits and 2 a pixel, Y Y Cb Cr, when `subsampled`).
 * @param photometric what the samples are now: a codec may have turned YBR into RGB already.
 */
export function toRgba(samples: StoredPixels, header: PixelHeader, photometric: string, planar: boolean, subsampled: boolean): Rgba {
  const count = header.rows * header.columns;
  const out = new Uint8ClampedArray(count * 4);
  const ybr = photometric.startsWith('YBR');
  const partial = photometric.startsWith('YBR_PARTIAL');
  if (subsampled) {
    for (let i = 0, from = 0; i < count; i += 2, from += 4) {
      putYbr(out, i * 4, samples[from]!, samples[from + 2]!, samples[from + 3]!, partial);
      if (i + 1 < count) putYbr(out, i * 4 + 4, samples[from + 1]!, samples[from + 2]!, samples[from + 3]!, partial);
    }
    return out;
  }
  const step = planar ? 1 : 3;
  const plane = planar ? count : 1;
  const scale = header.bitsStored === 8 ? 1 : 255 / (2 ** header.bitsStored - 1);
  for (let i = 0, from = 0, at = 0; i < count; i++, from += step, at += 4) {
    const first = samples[from]! * scale;
    const second = samples[from + plane]! * scale;
    const third = samples[from + 2 * plane]! * scale;
    if (ybr) {
      putYbr(out, at, first, second, third, partial);
    } else {
      out[at] = first;
      out[at + 1] = second;
      out[at + 2] = third;
      out[at + 3] = 255;
    }
  }
  return out;
}

/** Segmented palette data (PS3.3 C.7.9.2): discrete, linear and indirect segments of 8- or 16-bit values, to at most `entries` values. */
function expandSegments(set: DataSet, tag: Tag, entries: number, bits: number): Uint16Array {
  const element = set.get(tag)!;
  const { view, littleEndian } = set.source;
  const wide = bits > 8;
  const length = wide ? Math.floor(element.length / 2) : element.length;
  const raw = (i: number): number => {
    if (i >= length) throw new DicomError('corrupt', 'a segmented palette ends within a segment');
    return wide ? view.getUint16(element.offset + i * 2, littleEndian) : view.getUint8(element.offset + i);
  };
  const out = new Uint16Array(entries);
  let size = 0;
  let segments = 0;
  const put = (value: number): void => {
    if (size < entries) out[size++] = value;
  };
  /** One segment at `at`; returns where the next begins. Indirect segments may not nest. */
  const segment = (at: number, nested: boolean): number => {
    // Segments that add nothing, repeated by others without end, would never fill the table; honest ones add an entry each.
    if (++segments > 2 * entries) throw new DicomError('corrupt', 'a segmented palette has more segments than entries');
    const [kind, count] = [raw(at), raw(at + 1)];
    if (kind === 0) {
      for (let i = 0; i < count; i++) put(raw(at + 2 + i));
      return at + 2 + count;
    }
    if (kind === 1) {
      const from = size > 0 ? out[size - 1]! : 0;
      const to = raw(at + 2);
      for (let i = 1; i <= count; i++) put(Math.round(from + ((to - from) * i) / count));
      return at + 3;
    }
    if (kind === 2 && !nested) {
      // The offset counts bytes; its low half comes first.
      const bytes = raw(at + 2) + raw(at + 3) * (wide ? 0x10000 : 0x100);
      let target = wide ? Math.floor(bytes / 2) : bytes;
      for (let i = 0; i < count && size < entries; i++) target = segment(target, true);
      return at + 4;
    }
    throw new DicomError('corrupt', `a segmented palette has a segment of kind ${kind}`);
  };
  for (let at = 0; at < length && size < entries; ) at = segment(at, false);
  return out;
}

function channel(set: DataSet, descriptor: Tag, data: Tag, segmented: Tag, signed: boolean): { first: number; values: Uint8Array } {
  let lut: Lut | null = readLut(set, descriptor, data, signed);
  if (!lut && set.has(segmented)) {
    const [count, first, bits] = set.numbers(descriptor, 3);
    if (count !== undefined && first !== undefined && bits !== undefined) {
      lut = { first: signed ? (first << 16) >> 16 : first, bits, values: expandSegments(set, segmented, (count & 0xffff) || 0x10000, bits) };
    }
  }
  if (!lut) throw new DicomError('corrupt', 'the palette of a PALETTE COLOR image is missing or incomplete');
  const largest = lut.values.reduce((a, b) => Math.max(a, b), 0);
  // Sixteen-bit entries show their high byte; writers that put eight-bit values into them are known by nothing larger than 255.
  const shift = lut.bits > 8 && largest > 255 ? lut.bits - 8 : 0;
  return { first: lut.first, values: Uint8Array.from(lut.values, (value) => value >> shift) };
}

/** PALETTE COLOR pixels to RGBA; inputs outside the table take its ends. @throws DicomError `corrupt` without a usable palette. */
export function paletteToRgba(file: DicomFile, indices: StoredPixels, header: PixelHeader): Rgba {
  const set = file.dataSet;
  const channels = [
    channel(set, T.RedPaletteDescriptor, T.RedPaletteData, T.SegmentedRedPaletteData, header.signed),
    channel(set, T.GreenPaletteDescriptor, T.GreenPaletteData, T.SegmentedGreenPaletteData, header.signed),
    channel(set, T.BluePaletteDescriptor, T.BluePaletteData, T.SegmentedBluePaletteData, header.signed),
  ];
  const out = new Uint8ClampedArray(indices.length * 4).fill(255);
  channels.forEach(({ first, values }, offset) => {
    const last = values.length - 1;
    for (let i = 0, at = offset; i < indices.length; i++, at += 4) out[at] = values[Math.min(Math.max(indices[i]! - first, 0), last)]!;
  });
  return out;
}
