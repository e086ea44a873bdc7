/** The bytes of one frame: out of native pixel data, or out of the fragments of encapsulated ones (PS3.5 A.4). */
import type { PixelHeader } from './attributes.ts';
import type { Element, Fragment } from './dataset.ts';
import { DicomError } from './errors.ts';
import type { DicomFile } from './parse.ts';
import { T } from './tags.ts';

const truncated = (what: string): DicomError => new DicomError('truncated', `pixel data truncated: ${what}; copy the file again from its source`);

/**
 * A view of the bytes of `frame`, and the bit that it begins at (1- and 12-bit frames need not begin on a byte).
 * Pixels that are no words, in big endian OW, come as a copy: bytes of a 16-bit word change places, whichever frame they belong to.
 */
export function nativeFrame(file: DicomFile, element: Element, header: PixelHeader, frame: number, samples: number): { bytes: Uint8Array; firstBit: number } {
  const { source } = file.dataSet;
  const bits = samples * header.bitsAllocated;
  const from = frame * bits;
  const start = Math.floor(from / 8);
  const end = Math.ceil((from + bits) / 8);
  if (end > element.length) {
    if (element.declared !== undefined || file.problem?.code === 'truncated') {
      throw truncated(`frame ${frame + 1} of ${header.frames} ends at byte ${end}, the file has ${element.length}`);
    }
    throw new DicomError('corrupt', `the pixel data have ${element.length} bytes, but ${header.frames} frame(s) of ${header.columns} × ${header.rows} need ${Math.ceil((bits * header.frames) / 8)}`);
  }
  const bytes = source.bytes.subarray(element.offset + start, element.offset + end);
  const firstBit = from - start * 8;
  if (source.littleEndian || element.vr !== 'OW' || header.bitsAllocated % 16 === 0) return { bytes, firstBit };
  const all = source.bytes.subarray(element.offset, element.offset + element.length);
  return { bytes: bytes.map((_, i) => all[(start + i) ^ 1] ?? 0), firstBit };
}

/** Whether a fragment begins an image of its own: JPEG family SOI, JPEG 2000 SOC, JPEG XL, or the signature box of a JP2 or JPEG XL file. */
function beginsImage(bytes: Uint8Array, { offset, length }: Fragment): boolean {
  const [a, b, c, d] = bytes.subarray(offset, offset + Math.min(length, 4));
  return (a === 0xff && b === 0xd8 && c === 0xff) || (a === 0xff && b === 0x4f && c === 0xff && d === 0x51) || (a === 0xff && b === 0x0a) || (a === 0 && b === 0 && c === 0 && d === 0x0c);
}

/** Index of the first fragment of each frame, by the basic offset table, else by what the fragments are. */
function frameStarts(file: DicomFile, element: Element, frames: number): number[] {
  const { offsetTable, fragments } = element.encapsulated!;
  const { bytes, view } = file.dataSet.source;
  if (frames === 1) return [0];
  if (offsetTable.length >= frames * 4) {
    const byOffset = new Map(fragments.map((fragment, i) => [fragment.tableOffset, i]));
    const starts = Array.from({ length: frames }, (_, i) => byOffset.get(view.getUint32(offsetTable.offset + i * 4, true)));
    // A wrong table is worse than none: it must name fragments, in order.
    if (starts.every((start, i) => start !== undefined && (i === 0 ? start === 0 : start > (starts[i - 1] ?? Infinity)))) return starts as number[];
  }
  if (fragments.length === frames || file.problem) return fragments.map((_, i) => i);
  const images = fragments.flatMap((fragment, i) => (beginsImage(bytes, fragment) ? [i] : []));
  if (images.length === frames && images[0] === 0) return images;
  throw new DicomError('corrupt', `the pixel data have ${fragments.length} fragments for ${frames} frames and no usable offset table: which belong together cannot be told`);
}

/**
 * The compressed bytes of a frame; fragments are joined (a single one is a view of the file's bytes).
 * @throws DicomError `truncated` where the file ends within the frame, `corrupt` where fragments and frames do not fit one another.
 */
export function encapsulatedFrame(file: DicomFile, element: Element, header: PixelHeader, frame: number): Uint8Array {
  const { fragments } = element.encapsulated!;
  const { bytes } = file.dataSet.source;
  const extended = extendedFrame(file, fragments, frame);
  let own: Fragment[];
  if (extended) {
    own = extended;
  } else {
    const starts = frameStarts(file, element, header.frames);
    const start = starts[frame];
    own = start === undefined ? [] : fragments.slice(start, starts[frame + 1] ?? fragments.length);
  }
  if (own.length === 0) {
    if (file.problem) throw truncated(`frame ${frame + 1} of ${header.frames} is missing`);
    throw new DicomError('corrupt', `frame ${frame + 1} of ${header.frames} has no pixel data`);
  }
  if (own.some((fragment) => fragment.cut)) throw truncated(`the file ends within frame ${frame + 1} of ${header.frames}`);
  const first = own[0]!;
  if (own.length === 1) return bytes.subarray(first.offset, first.offset + first.length);
  const joined = new Uint8Array(own.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const { offset, length } of own) {
    joined.set(bytes.subarray(offset, offset + length), at);
    at += length;
  }
  return joined;
}

/** By the Extended Offset Table (7FE0,0001), whose frames are one fragment each; null without one. */
function extendedFrame(file: DicomFile, fragments: Fragment[], frame: number): Fragment[] | null {
  const element = file.dataSet.get(T.ExtendedOffsetTable);
  if (!element || element.length < (frame + 1) * 8) return null;
  const { view, littleEndian } = file.dataSet.source;
  const offset = Number(view.getBigUint64(element.offset + frame * 8, littleEndian));
  const found = fragments.find((fragment) => fragment.tableOffset === offset);
  return found ? [found] : null;
}
