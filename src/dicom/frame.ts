/** One frame of a file, decoded: stored values with the transforms that turn them into greys, or RGBA. */
import type { Frame, GreyFrame, StoredPixels, Voi } from '../contract/pixels.ts';
import type { PixelHeader } from './attributes.ts';
import { pixelHeader, windowsOf } from './attributes.ts';
import type { Budgets } from './budgets.ts';
import { withDefaults } from './budgets.ts';
import { reducedTo, type Codecs, type Decoder } from './codecs.ts';
import { paletteToRgba, toRgba } from './colour.ts';
import type { Element } from './dataset.ts';
import { encapsulatedFrame, nativeFrame } from './encapsulated.ts';
import { DicomError } from './errors.ts';
import { applyModality } from './grey.ts';
import { inflateRaw } from './inflate.ts';
import { modalityOf, voisOf } from './lut.ts';
import type { DicomFile } from './parse.ts';
import { checkFrameBudget, nativeSamples, samplesPerFrame, storedValues, unpack, valueRange } from './pixels.ts';
import { decodeRle } from './rle.ts';
import { T } from './tags.ts';
import { transferSyntaxName, UID } from './uids.ts';

/** Samples as decoded, and how they lie. */
interface Samples {
  values: StoredPixels;
  photometric: string;
  planar: boolean;
  subsampled: boolean;
}

const NATIVE = new Set<string>([UID.ImplicitLittleEndian, UID.ExplicitLittleEndian, UID.DeflatedExplicitLittleEndian, UID.ExplicitBigEndian]);
const ENCAPSULATED = new Set<string>([UID.RLE, UID.DeflatedImageFrame, UID.EncapsulatedUncompressed]);
/** JPEG, JPEG-LS, JPEG 2000, HTJ2K and JPEG XL: the code stream itself says which (file headers are sometimes wrong). */
const JPEG_FAMILY = /^1\.2\.840\.10008\.1\.2\.4\.(5[0-9]|6[0-6]|70|8[01]|9[0-3]|11[0-2]|20[1-3])$/;
const LOSSLESS = /\.4\.(57|70|80|90|92|110|201|202)$/;

/** Two pixels share their chroma, in encodings that leave the frame as it is. */
const isSubsampled = (header: PixelHeader): boolean => header.samples === 3 && /^YBR_(FULL|PARTIAL)_422$/.test(header.photometric) && header.bitsAllocated === 8;

const elementOf = ({ dataSet }: DicomFile, { pixelData }: PixelHeader): Element =>
  dataSet.get(pixelData === 'float' ? T.FloatPixelData : pixelData === 'double' ? T.DoubleFloatPixelData : T.PixelData)!;

async function readSamples(file: DicomFile, header: PixelHeader, frame: number, decode: Decoder['decode']): Promise<Samples> {
  const { dataSet, transferSyntax } = file;
  const element = elementOf(file, header);
  const plain = { photometric: header.photometric, planar: header.planar && header.samples > 1 };

  if (!element.encapsulated) {
    if (!NATIVE.has(transferSyntax) && (JPEG_FAMILY.test(transferSyntax) || transferSyntax === UID.RLE)) {
      throw new DicomError('corrupt', `the file says ${transferSyntaxName(transferSyntax)} but its pixel data are not encapsulated`);
    }
    if (!NATIVE.has(transferSyntax)) throw unsupported(transferSyntax);
    const subsampled = isSubsampled(header);
    const count = samplesPerFrame(header, subsampled);
    const { littleEndian } = dataSet.source;
    const { bytes, firstBit } = nativeFrame(file, element, header, frame, count);
    return { ...plain, values: nativeSamples(bytes, firstBit, header, littleEndian, subsampled), subsampled };
  }

  // Before its fragments are looked at: those of a film are no frames.
  if (!ENCAPSULATED.has(transferSyntax) && !JPEG_FAMILY.test(transferSyntax)) throw unsupported(transferSyntax);
  const encoded = encapsulatedFrame(file, element, header, frame);
  const pixels = header.rows * header.columns;
  if (transferSyntax === UID.RLE) {
    if (header.bitsAllocated === 1) {
      // One-bit frames are run-length coded as the packed bytes that they are.
      const packed = decodeRle(encoded, Math.ceil(pixels / 8), 1, 1);
      return { ...plain, values: storedValues(unpack(packed, 0, pixels, 1), header), planar: false, subsampled: false };
    }
    if (header.bitsAllocated % 8 !== 0) throw new DicomError('corrupt', `RLE has no cells of ${header.bitsAllocated} bits`);
    const bytes = decodeRle(encoded, pixels, header.samples, header.bitsAllocated / 8);
    return { ...plain, values: nativeSamples(bytes, 0, header, true, false), planar: false, subsampled: false };
  }
  if (transferSyntax === UID.DeflatedImageFrame || transferSyntax === UID.EncapsulatedUncompressed) {
    const subsampled = isSubsampled(header);
    const size = Math.ceil((samplesPerFrame(header, subsampled) * header.bitsAllocated) / 8);
    // A whole frame and the padding that makes it even.
    const bytes = transferSyntax === UID.DeflatedImageFrame ? inflateRaw(encoded, size + 1, `frame ${frame + 1}`).bytes : encoded;
    if (bytes.length < size) throw new DicomError('corrupt', `frame ${frame + 1} has ${bytes.length} bytes where ${size} are needed`);
    return { ...plain, values: nativeSamples(bytes, 0, header, true, subsampled), subsampled };
  }
  const decoded = await decode(encoded, header);
  return {
    values: codedValues(decoded, header, !LOSSLESS.test(transferSyntax)),
    photometric: decoded.rgb && header.samples === 3 ? 'RGB' : header.photometric,
    planar: decoded.planar,
    subsampled: false,
  };
}

const unsupported = (uid: string): DicomError => new DicomError('unsupported-transfer-syntax', `the pixel data are compressed as ${transferSyntaxName(uid)}, which this version cannot decode; export the file as JPEG 2000, JPEG-LS or uncompressed`);

/**
 * Samples of a codec to stored values; the header knows the sign. What a lossless stream has above Bits Stored (overlays) is masked off;
 * what a lossy one has there is overshoot at an edge, and wrapped around it would be a black speck in the white.
 */
function codedValues(decoded: { bytes: Uint8Array<ArrayBuffer>; bits: number }, header: PixelHeader, lossy: boolean): StoredPixels {
  const { bytes, bits } = decoded;
  const raw = bits <= 8 ? bytes : new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const bitsStored = Math.min(header.bitsStored, raw.BYTES_PER_ELEMENT * 8);
  if (lossy && bits > bitsStored) {
    const values = storedValues(raw, { bitsStored: raw.BYTES_PER_ELEMENT * 8, highBit: raw.BYTES_PER_ELEMENT * 8 - 1, signed: header.signed });
    const low = header.signed ? -(2 ** (bitsStored - 1)) : 0;
    const high = low + 2 ** bitsStored - 1;
    for (let i = 0; i < values.length; i++) values[i] = Math.min(Math.max(values[i]!, low), high);
    return values;
  }
  // Streams as wide as the cell carry it whole, High Bit and all; narrower ones carry the stored bits.
  const highBit = bits > header.highBit ? header.highBit : bitsStored - 1;
  return storedValues(raw, { bitsStored, highBit, signed: header.signed });
}

/** Pixel Padding Value and Range Limit (PS3.3 C.7.5.1.1.2) as a closed range of stored values; null without. */
function paddingOf(file: DicomFile, header: PixelHeader): [number, number] | null {
  const sign = (value: number): number => (header.signed && header.bitsAllocated <= 16 ? (value << 16) >> 16 : value);
  const value = file.dataSet.number(T.PixelPaddingValue);
  if (value === undefined || header.pixelData !== 'integer') return null;
  const limit = file.dataSet.number(T.PixelPaddingRangeLimit) ?? value;
  return [Math.min(sign(value), sign(limit)), Math.max(sign(value), sign(limit))];
}

/** @throws DicomError as `decodeFrame` */
export const frameCount = (file: DicomFile): number => pixelHeader(file).frames;

/**
 * Decodes a frame, enhanced multi-frame attributes included. The pixels are a copy: they may be transferred or written to.
 * @param frame from 0.
 * @throws DicomError `truncated`, `corrupt`, `unsupported-transfer-syntax` (named), `too-large` (budgets), `no-image`; never a partial frame.
 */
export async function decodeFrame(file: DicomFile, frame: number, codecs: Decoder, budgets?: Partial<Budgets>): Promise<Frame> {
  const header = checkedHeader(file, frame, budgets);
  return frameOf(file, frame, header, await readSamples(file, header, frame, codecs.decode));
}

/**
 * A JPEG 2000 frame at a half, a quarter, … of its size, the smallest with a side of at least `side` pixels, in a fraction of the time: to be looked at, not measured.
 * @throws DicomError as `decodeFrame`, and where nothing smaller lies in the frame.
 */
export async function decodeReduced(file: DicomFile, frame: number, side: number, codecs: Codecs): Promise<Frame> {
  const header = checkedHeader(file, frame);
  const level = Math.floor(Math.log2(Math.max(header.rows, header.columns) / side));
  if (level < 1) throw new DicomError('unsupported-transfer-syntax', `the frame is no larger than ${side} pixels`);
  const samples = await readSamples(file, header, frame, (stream, expected) => codecs.decodeReduced(stream, expected, level));
  return frameOf(file, frame, { ...header, rows: reducedTo(header.rows, level), columns: reducedTo(header.columns, level) }, samples);
}

function checkedHeader(file: DicomFile, frame: number, budgets?: Partial<Budgets>): PixelHeader {
  const limits = withDefaults(budgets);
  const header = pixelHeader(file);
  if (!Number.isInteger(frame) || frame < 0 || frame >= header.frames) throw new DicomError('corrupt', `there is no frame ${frame + 1}, the object has ${header.frames}`);
  checkFrameBudget(header, elementOf(file, header).encapsulated !== undefined, limits);
  return header;
}

function frameOf(file: DicomFile, frame: number, header: PixelHeader, { values, photometric, planar, subsampled }: Samples): Frame {
  const { rows, columns } = header;
  if (header.samples === 3) return { kind: 'colour', rows, columns, rgba: toRgba(values, header, photometric, planar, subsampled) };
  if (photometric === 'PALETTE COLOR') return { kind: 'colour', rows, columns, rgba: paletteToRgba(file, values, header) };
  return greyFrame(file, frame, header, values);
}

function greyFrame(file: DicomFile, frame: number, header: PixelHeader, pixels: StoredPixels): GreyFrame {
  const { min, max } = valueRange(pixels, paddingOf(file, header));
  const { modality, units } = modalityOf(file, frame, header);
  const voi = voisOf(file, frame, header, modality);
  const [a, b] = [applyModality(modality, min), applyModality(modality, max)];
  // Exactly the frame's own range from black to white; a width of 0 would divide by it.
  const range: Voi = { kind: 'window', center: (a + b) / 2, width: Math.abs(b - a) || 1, function: 'LINEAR_EXACT' };
  return {
    kind: 'grey',
    rows: header.rows,
    columns: header.columns,
    pixels,
    min,
    max,
    modality,
    voi: voi.length > 0 ? voi : [range],
    voiFromFile: voi.length > 0,
    windows: windowsOf(file, frame),
    inverted: header.photometric === 'MONOCHROME1' || file.dataSet.string(T.PresentationLUTShape) === 'INVERSE',
    units,
  };
}
