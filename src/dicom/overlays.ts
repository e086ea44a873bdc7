/** Overlay planes (PS3.3 C.9.2): bitmaps that lie over an image, of groups 6000 to 601E, beside the pixels or (retired) in their unused bits. */
import type { OverlayPlane } from '../contract/pixels.ts';
import { pixelHeader } from './attributes.ts';
import { nativeFrame } from './encapsulated.ts';
import type { DicomFile } from './parse.ts';
import { unpack } from './pixels.ts';
import type { Tag } from './tags.ts';
import { T } from './tags.ts';

const GROUPS = Array.from({ length: 16 }, (_, i) => 0x6000 + 2 * i);
/** An overlay may be larger than its image, but not by much. */
const MAX_PIXELS = 2 ** 26;

/** Those of a frame that can be read; one that is cut short or impossible is left out. */
export function overlaysOf(file: DicomFile, frame: number): OverlayPlane[] {
  const { dataSet } = file;
  return GROUPS.flatMap((group) => {
    const tag = (element: number, vr: string): Tag => ({ id: group * 0x10000 + element, vr });
    const rows = dataSet.number(tag(0x0010, 'US')) ?? 0;
    const columns = dataSet.number(tag(0x0011, 'US')) ?? 0;
    if (!(rows >= 1 && columns >= 1 && rows * columns <= MAX_PIXELS)) return [];
    // Origin is a row and a column from 1 (C.9.2.1.1); frames are those of the image from Image Frame Origin on.
    const [top = 1, left = 1] = dataSet.numbers(tag(0x0050, 'SS'));
    const frames = dataSet.number(tag(0x0015, 'IS')) ?? 1;
    const own = frame - ((dataSet.number(tag(0x0051, 'US')) ?? 1) - 1);
    const single = !dataSet.has(tag(0x0015, 'IS'));
    if (!single && (own < 0 || own >= frames)) return [];
    const data = tag(0x3000, 'OW');
    const bits = dataSet.has(data) ? besidePixels(file, data, rows * columns, single ? 0 : own) : amongPixels(file, frame, dataSet.number(tag(0x0102, 'US')), rows, columns);
    return bits ? [{ rows, columns, left: left - 1, top: top - 1, bits, label: dataSet.text(tag(0x1500, 'LO')) || dataSet.text(tag(0x0022, 'LO')) }] : [];
  });
}

/** Packed from the least significant bit on, frame after frame without padding (PS3.5 8.1.2). */
function besidePixels({ dataSet }: DicomFile, tag: Tag, count: number, frame: number): Uint8Array | null {
  const element = dataSet.get(tag)!;
  const bytes = dataSet.bytes(tag);
  const first = frame * count;
  if (first + count > bytes.length * 8) return null;
  const swapped = !dataSet.source.littleEndian && element.vr === 'OW';
  return unpack(swapped ? bytes.map((_, i) => bytes[i ^ 1] ?? 0) : bytes, first, count, 1) as Uint8Array;
}

/** In a bit of the pixel cells that the image does not use; of uncompressed 16-bit images, where they were written. */
function amongPixels(file: DicomFile, frame: number, bit: number | undefined, rows: number, columns: number): Uint8Array | null {
  const header = pixelHeader(file);
  const element = file.dataSet.get(T.PixelData);
  const unused = bit !== undefined && (bit > header.highBit || bit <= header.highBit - header.bitsStored) && bit < header.bitsAllocated;
  if (!element || element.encapsulated || !unused || header.bitsAllocated !== 16 || header.samples !== 1 || header.rows !== rows || header.columns !== columns) return null;
  const { bytes } = nativeFrame(file, element, header, frame, rows * columns);
  const [byte, shift] = [(bit >> 3) ^ (file.dataSet.source.littleEndian ? 0 : 1), bit & 7];
  return Uint8Array.from({ length: rows * columns }, (_, i) => (bytes[2 * i + byte]! >> shift) & 1);
}
