/** Damaged DICOM files: by bytes, as a disk or a network damages them, and by the values that sizes hang on, as somebody with a purpose does. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { TS } from '../support/dicom-writer.ts';

type Next = () => number;
const below = (next: Next, limit: number): number => Math.floor(next() * limit);
const pick = <T>(next: Next, list: readonly T[]): T => list[below(next, list.length)] as T;

const EXTREMES = [0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 4095, 4096, 16_384, 32_767, 32_768, 65_534, 65_535, 2 ** 20, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1];
/** Attributes by which something is allocated or walked (element within group 0028, then the LUT descriptors). */
const SIZES = [0x0002, 0x0008, 0x0010, 0x0011, 0x0100, 0x0101, 0x0102, 0x0103, 0x0006, 0x1101, 0x3002];

/** Writes an extreme where a size attribute's value lies, or nowhere when the file has none that is found. */
function resize(next: Next, bytes: Buffer): void {
  const element = pick(next, SIZES);
  const at = bytes.indexOf(Buffer.from([0x28, 0x00, element & 255, element >> 8]));
  const value = pick(next, EXTREMES);
  if (at >= 0 && at + 10 <= bytes.length) bytes.writeUInt16LE(value % 65_536, at + 8);
}

/** The size of the image and that of its code stream together, so that no check of one against the other refuses it. */
function resizeBoth(next: Next, bytes: Buffer): void {
  const [rows, columns] = [pick(next, EXTREMES) % 65_536, pick(next, EXTREMES) % 65_536];
  for (const [element, value] of [[0x10, rows], [0x11, columns]] as const) {
    const at = bytes.indexOf(Buffer.from([0x28, 0x00, element, 0x00]));
    if (at >= 0 && at + 10 <= bytes.length) bytes.writeUInt16LE(value, at + 8);
  }
  for (let at = 0; at + 48 < bytes.length; at++) {
    if (bytes[at] !== 0xff) continue;
    const marker = bytes[at + 1]!;
    if ([0xc0, 0xc1, 0xc2, 0xc3, 0xf7].includes(marker)) {
      bytes.writeUInt16BE(rows, at + 5);
      bytes.writeUInt16BE(columns, at + 7);
      return;
    }
    if (marker === 0x4f && bytes[at + 2] === 0xff && bytes[at + 3] === 0x51) {
      for (const [offset, value] of [[8, columns], [12, rows], [24, columns], [28, rows]] as const) bytes.writeUInt32BE(value, at + offset);
      return;
    }
  }
}

/** One to three changes; the first kilobyte, where the header is, as often as all the rest. */
function changed(next: Next, source: Buffer, others: Buffer): Buffer {
  let bytes = Buffer.from(source);
  for (let left = 1 + below(next, 3); left > 0 && bytes.length > 16; left--) {
    const end = next() < 0.5 ? Math.min(bytes.length, 1400) : bytes.length;
    const at = Math.min(end - 9, 132 + below(next, Math.max(1, end - 140)));
    if (at < 0) continue;
    switch (below(next, 20)) {
      case 0: case 1: case 2: case 3: bytes[at] = below(next, 256); break;
      case 4: case 5: case 6: bytes[at] = bytes[at]! ^ (1 << below(next, 8)); break;
      case 7: case 8: bytes.writeUInt16LE(pick(next, EXTREMES) % 65_536, at); break;
      case 9: bytes.writeUInt32LE(pick(next, EXTREMES), at); break;
      case 10: case 11: bytes.writeUInt16BE(pick(next, EXTREMES) % 65_536, at); break;
      case 12: bytes = bytes.subarray(0, at); break;
      case 13: bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(next, 40))]); break;
      case 14: {
        const from = below(next, others.length);
        bytes = Buffer.concat([bytes.subarray(0, at), others.subarray(from, from + 1 + below(next, 60)), bytes.subarray(at)]);
        break;
      }
      case 15: case 16: case 17: resize(next, bytes); break;
      default: resizeBoth(next, bytes);
    }
  }
  return bytes;
}

/** A damaged copy. A deflated data set is damaged as often inside as outside. */
export function mutated(next: Next, source: Uint8Array, other: Uint8Array): Uint8Array {
  const bytes = Buffer.from(source);
  const body = bytes.indexOf(`${TS.deflated}`, 'latin1') > 0 && next() < 0.5 ? deflatedBody(bytes) : -1;
  if (body < 0) return new Uint8Array(changed(next, bytes, Buffer.from(other)));
  const inner = changed(next, Buffer.concat([Buffer.alloc(132), inflateRawSync(bytes.subarray(body))]), Buffer.from(other)).subarray(132);
  return new Uint8Array(Buffer.concat([bytes.subarray(0, body), deflateRawSync(inner)]));
}

/** Where the deflated data set begins: behind group 0002, whose length comes first; -1 where it says none. */
function deflatedBody(bytes: Buffer): number {
  return bytes.readUInt32LE(132) === 2 ? 132 + 12 + bytes.readUInt32LE(140) : -1;
}
