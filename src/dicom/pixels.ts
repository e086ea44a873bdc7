/** Bytes of one frame to stored values: cell widths, bit masks, sign extension, byte order, range. */
import type { StoredPixels } from '../contract/pixels.ts';
import type { PixelHeader } from './attributes.ts';
import { DicomError } from './errors.ts';

/** Samples as they lie in the frame, before masking. YBR_FULL_422 in native encoding shares chroma between two pixels. */
export const samplesPerFrame = (header: PixelHeader, subsampled: boolean): number => {
  const pixels = header.rows * header.columns;
  return subsampled ? Math.ceil(pixels / 2) * 4 : pixels * header.samples;
};

/** A copy of `count` cells from `bytes`, in the machine's byte order (little endian everywhere we run). */
function cells(bytes: Uint8Array, count: number, bits: number, littleEndian: boolean): Uint8Array | Uint16Array | Uint32Array {
  const copy = bytes.slice(0, (count * bits) / 8);
  if (bits === 8) return copy;
  if (!littleEndian) {
    const view = new DataView(copy.buffer);
    if (bits === 16) for (let at = 0; at < copy.length; at += 2) view.setUint16(at, view.getUint16(at, false), true);
    else for (let at = 0; at < copy.length; at += 4) view.setUint32(at, view.getUint32(at, false), true);
  }
  return bits === 16 ? new Uint16Array(copy.buffer) : new Uint32Array(copy.buffer);
}

/**
 * Cells of 1 or 12 bits, packed from the least significant bit on (PS3.5 8.1.1, annex D); frames follow one another without padding.
 * @param firstBit of the frame, within `bytes`.
 */
export function unpack(bytes: Uint8Array, firstBit: number, count: number, bits: 1 | 12): Uint8Array | Uint16Array {
  const out = bits === 1 ? new Uint8Array(count) : new Uint16Array(count);
  if (bits === 1) {
    for (let i = 0, bit = firstBit; i < count; i++, bit++) out[i] = (bytes[bit >> 3]! >> (bit & 7)) & 1;
  } else {
    for (let i = 0, bit = firstBit; i < count; i++, bit += 12) {
      const at = Math.floor(bit / 8);
      out[i] = bit % 8 === 0 ? bytes[at]! | ((bytes[at + 1]! & 0x0f) << 8) : (bytes[at]! >> 4) | (bytes[at + 1]! << 4);
    }
  }
  return out;
}

/** Masks to Bits Stored below High Bit and extends the sign; in place, the result may be a view of another type on the same memory. */
export function storedValues(raw: Uint8Array | Uint16Array | Uint32Array, header: Pick<PixelHeader, 'bitsStored' | 'highBit' | 'signed'>): StoredPixels {
  const { bitsStored, highBit, signed } = header;
  const width = raw.BYTES_PER_ELEMENT * 8;
  const shift = highBit + 1 - bitsStored;
  if (!signed) {
    if (bitsStored < width) {
      const mask = 2 ** bitsStored - 1;
      if (width === 32) for (let i = 0; i < raw.length; i++) raw[i] = ((raw[i]! >>> shift) & mask) >>> 0;
      else for (let i = 0; i < raw.length; i++) raw[i] = (raw[i]! >>> shift) & mask;
    }
    return raw;
  }
  const out = raw instanceof Uint8Array ? new Int8Array(raw.buffer, raw.byteOffset, raw.length) : raw instanceof Uint16Array ? new Int16Array(raw.buffer, raw.byteOffset, raw.length) : new Int32Array(raw.buffer, raw.byteOffset, raw.length);
  if (bitsStored < width) {
    const up = 31 - highBit;
    const down = 32 - bitsStored;
    for (let i = 0; i < out.length; i++) out[i] = (out[i]! << up) >> down;
  }
  return out;
}

/** Stored values of a frame in a native (not encapsulated) encoding. `bytes` begins at the frame and holds all of it. */
export function nativeSamples(bytes: Uint8Array, header: PixelHeader, littleEndian: boolean, subsampled: boolean): StoredPixels {
  const count = samplesPerFrame(header, subsampled);
  if (header.pixelData !== 'integer') {
    const raw = bytes.slice(0, count * (header.bitsAllocated / 8));
    const view = new DataView(raw.buffer);
    if (header.pixelData === 'float') {
      const out = new Float32Array(raw.buffer);
      if (!littleEndian) for (let i = 0; i < count; i++) view.setUint32(i * 4, view.getUint32(i * 4, false), true);
      return out;
    }
    const out = new Float64Array(raw.buffer);
    if (!littleEndian) for (let i = 0; i < count; i++) view.setBigUint64(i * 8, view.getBigUint64(i * 8, false), true);
    return out;
  }
  const bits = header.bitsAllocated;
  if (bits === 1 || bits === 12) return storedValues(unpack(bytes, 0, count, bits), header);
  return storedValues(cells(bytes, count, bits, littleEndian), header);
}

/** Smallest and largest value, those in [paddingLow, paddingHigh], infinities and not-a-numbers left out; of all values when nothing else is there. */
export function valueRange(pixels: StoredPixels, padding: [number, number] | null): { min: number; max: number } {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  const [low, high] = padding ?? [1, 0];
  for (let i = 0; i < pixels.length; i++) {
    const value = pixels[i]!;
    if (value >= low && value <= high) continue;
    if (value < min && value !== Number.NEGATIVE_INFINITY) min = value;
    if (value > max && value !== Number.POSITIVE_INFINITY) max = value;
  }
  if (min > max) return padding ? valueRange(pixels, null) : { min: 0, max: 0 };
  return { min, max };
}

/** @throws DicomError `too-large` when a decoded frame would exceed the budget. Called before anything is allocated. */
export function checkFrameBudget(header: PixelHeader, limit: number): void {
  const bytes = header.rows * header.columns * Math.max(header.samples === 3 ? 4 : 1, header.samples * Math.max(1, Math.ceil(header.bitsAllocated / 8)));
  if (bytes > limit) {
    throw new DicomError('too-large', `a frame of ${header.columns} × ${header.rows} pixels needs ${Math.ceil(bytes / 2 ** 20)} MiB, more than the limit of ${Math.round(limit / 2 ** 20)} MiB`);
  }
}
