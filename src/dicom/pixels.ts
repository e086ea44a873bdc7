/** Bytes of one frame to stored values: cell widths, bit masks, sign extension, byte order, range. */
import type { StoredPixels } from '../contract/pixels.ts';
import type { PixelHeader } from './attributes.ts';
import type { Budgets } from './budgets.ts';
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
 * Cells of any width, packed from the least significant bit on (PS3.5 8.1.1, annex D); frames follow one another without padding.
 * @param firstBit of the frame, within `bytes`.
 */
export function unpack(bytes: Uint8Array, firstBit: number, count: number, bits: number): Uint8Array | Uint16Array | Uint32Array {
  const out = bits <= 8 ? new Uint8Array(count) : bits <= 16 ? new Uint16Array(count) : new Uint32Array(count);
  if (bits === 1) {
    for (let i = 0, bit = firstBit; i < count; i++, bit++) out[i] = (bytes[bit >> 3]! >> (bit & 7)) & 1;
    return out;
  }
  for (let i = 0, bit = firstBit; i < count; i++) {
    let value = 0;
    for (let have = 0; have < bits; ) {
      const from = bit % 8;
      const take = Math.min(8 - from, bits - have);
      value += ((bytes[(bit - from) / 8]! >> from) & ((1 << take) - 1)) * 2 ** have;
      have += take;
      bit += take;
    }
    out[i] = value;
  }
  return out;
}

/** Whether cells are whole words of the machine's, which need no unpacking. */
const wholeCells = (bits: number): boolean => bits === 8 || bits === 16 || bits === 32;

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

/** Stored values of a frame in a native (not encapsulated) encoding. `bytes` holds all of it, from `firstBit` on (of cells that are no whole words). */
export function nativeSamples(bytes: Uint8Array, firstBit: number, header: PixelHeader, littleEndian: boolean, subsampled: boolean): StoredPixels {
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
  if (!wholeCells(bits)) return storedValues(unpack(bytes, firstBit, count, bits), header);
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

/**
 * Called before anything is allocated.
 * @param coded the frame is compressed: its decoder holds samples of four bytes, and its output, beside the result.
 * @throws DicomError `too-large` when the frame, or decoding it, would take more than the budget.
 */
export function checkFrameBudget(header: PixelHeader, coded: boolean, { frameBytes, decodeBytes }: Budgets): void {
  const pixels = header.rows * header.columns;
  const stored = header.samples * Math.max(1, Math.ceil(header.bitsAllocated / 8));
  const shown = header.samples === 3 || header.photometric === 'PALETTE COLOR' ? 4 : 0;
  const refuse = (what: string, bytes: number, limit: number): void => {
    if (bytes > limit) throw new DicomError('too-large', `${what} of ${header.columns} × ${header.rows} pixels needs ${Math.ceil(bytes / 2 ** 20)} MiB, more than the limit of ${Math.round(limit / 2 ** 20)} MiB`);
  };
  refuse('a frame', pixels * Math.max(stored, shown), frameBytes);
  refuse('decoding a frame', pixels * (stored + shown + (coded ? stored + 4 * header.samples : 0)), decodeBytes);
}
