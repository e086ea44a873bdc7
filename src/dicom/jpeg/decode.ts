/**
 * JPEG that no maintained library decodes as DICOM needs it: lossless (T.81 annex H, processes 14) of 2 to 16 bits, and 12-bit
 * sequential and progressive DCT (processes 2, 4, 6, 8, 10, 12). See docs/decisions/jpeg.md.
 */
import { DicomError } from '../errors.ts';
import { decodeDctScan, inverseDct } from './dct.ts';
import { BitReader, damaged, HuffmanTable } from './huffman.ts';
import { decodeLosslessScan } from './lossless.ts';

export interface Component {
  id: number;
  /** Sampling factors. */
  h: number;
  v: number;
  quantisation: number;
  /** Samples across and down, without padding. */
  width: number;
  height: number;
  /** Blocks (DCT) across and down, padded to whole MCUs. */
  blocksAcross: number;
  blocksDown: number;
  /** DCT coefficients (64 a block), or lossless samples. */
  data: Int16Array | Uint16Array;
}

export interface JpegFrame {
  lossless: boolean;
  progressive: boolean;
  precision: number;
  width: number;
  height: number;
  components: Component[];
  maxH: number;
  maxV: number;
}

export interface Scan {
  components: { component: Component; dc: HuffmanTable | undefined; ac: HuffmanTable | undefined }[];
  /** First and last coefficient (DCT), or the predictor (lossless, in `start`). */
  start: number;
  end: number;
  /** Successive approximation: high and low bit; in lossless `low` is the point transform. */
  high: number;
  low: number;
  restartInterval: number;
}

/**
 * Decodes a lossless or DCT frame.
 * @returns interleaved samples, `components` a pixel, of `precision` bits, all at full size (chroma repeated).
 * @throws DicomError `corrupt`, `truncated` where scans end before the image does.
 */
export function decodeJpeg(stream: Uint8Array): { samples: Uint16Array<ArrayBuffer>; precision: number; components: number } {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  const quantisation: (Uint16Array | undefined)[] = [];
  const dcTables: (HuffmanTable | undefined)[] = [];
  const acTables: (HuffmanTable | undefined)[] = [];
  let frame: JpegFrame | null = null;
  let restartInterval = 0;
  let scans = 0;
  const seen = new Set<Component>();

  for (let at = 2; ; ) {
    if (at + 2 > stream.length) throw new DicomError('truncated', 'pixel data truncated: the compressed frame has no end; copy the file again from its source');
    if (stream[at] !== 0xff) throw damaged('a marker is missing');
    const marker = stream[at + 1]!;
    if (marker === 0xd9) break;
    if (marker === 0xff || (marker >= 0xd0 && marker <= 0xd8) || marker === 0x01) {
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    const length = at + 4 <= stream.length ? view.getUint16(at + 2) : 0;
    if (length < 2 || at + 2 + length > stream.length) throw damaged('a marker segment is longer than the frame');
    const body = stream.subarray(at + 4, at + 2 + length);
    at += 2 + length;
    if (marker === 0xdb) readQuantisation(body, quantisation);
    else if (marker === 0xc4) readHuffman(body, dcTables, acTables);
    else if (marker === 0xdd) restartInterval = ((body[0] ?? 0) << 8) | (body[1] ?? 0);
    else if (marker >= 0xc0 && marker <= 0xc3) {
      if (frame) throw damaged('it has two frame headers');
      frame = readFrame(body, marker);
    } else if (marker === 0xda) {
      if (!frame) throw damaged('a scan comes before the frame header');
      // The product of scans and pixels bounds the work; progressive frames have some dozens.
      if (++scans > 256) throw damaged('it has more than 256 scans');
      const scan = readScan(body, frame, dcTables, acTables, restartInterval);
      const reader = new BitReader(stream, at);
      if (frame.lossless) decodeLosslessScan(reader, frame, scan);
      else decodeDctScan(reader, frame, scan);
      for (const { component } of scan.components) seen.add(component);
      at = reader.end();
    }
  }
  if (!frame) throw damaged('it has no frame header');
  if (seen.size < frame.components.length) throw new DicomError('truncated', 'pixel data truncated: a component of the compressed frame is missing; copy the file again from its source');
  return { samples: interleave(frame, quantisation), precision: frame.precision, components: frame.components.length };
}

function readQuantisation(body: Uint8Array, tables: (Uint16Array | undefined)[]): void {
  for (let at = 0; at < body.length; ) {
    const wide = body[at]! >> 4 !== 0;
    const table = new Uint16Array(64);
    if (at + 1 + (wide ? 128 : 64) > body.length) throw damaged('a quantisation table is incomplete');
    for (let i = 0; i < 64; i++) table[i] = wide ? (body[at + 1 + 2 * i]! << 8) | body[at + 2 + 2 * i]! : body[at + 1 + i]!;
    tables[body[at]! & 15] = table;
    at += 1 + (wide ? 128 : 64);
  }
}

function readHuffman(body: Uint8Array, dc: (HuffmanTable | undefined)[], ac: (HuffmanTable | undefined)[]): void {
  for (let at = 0; at + 17 <= body.length; ) {
    const counts = body.subarray(at + 1, at + 17);
    const total = counts.reduce((a, b) => a + b, 0);
    if (at + 17 + total > body.length) throw damaged('a Huffman table is incomplete');
    (body[at]! >> 4 === 0 ? dc : ac)[body[at]! & 15] = new HuffmanTable(counts, body.slice(at + 17, at + 17 + total));
    at += 17 + total;
  }
}

function readFrame(body: Uint8Array, marker: number): JpegFrame {
  const [precision = 0, y1 = 0, y0 = 0, x1 = 0, x0 = 0, count = 0] = body;
  const [height, width] = [(y1 << 8) | y0, (x1 << 8) | x0];
  const lossless = marker === 0xc3;
  if (height === 0 || width === 0 || body.length < 6 + 3 * count || (count !== 1 && count !== 3)) throw damaged('its frame header makes no sense');
  if (lossless ? precision < 2 || precision > 16 : precision !== 8 && precision !== 12) throw damaged(`its samples have ${precision} bits`);
  const sampling = Array.from({ length: count }, (_, i) => body[7 + 3 * i]!);
  const maxH = Math.max(...sampling.map((s) => s >> 4));
  const maxV = Math.max(...sampling.map((s) => s & 15));
  if (sampling.some((s) => s >> 4 < 1 || s >> 4 > 4 || (s & 15) < 1 || (s & 15) > 4)) throw damaged('its sampling factors make no sense');
  if (lossless && sampling.some((s) => s !== sampling[0])) throw new DicomError('unsupported-transfer-syntax', 'lossless JPEG with subsampled chroma cannot be decoded');
  const unit = lossless ? 1 : 8;
  const mcusAcross = Math.ceil(width / (unit * maxH));
  const mcusDown = Math.ceil(height / (unit * maxV));
  const components = sampling.map((s, i): Component => {
    const [h, v] = [s >> 4, s & 15];
    const blocksAcross = mcusAcross * h;
    const blocksDown = mcusDown * v;
    const data = lossless ? new Uint16Array(width * height) : new Int16Array(blocksAcross * blocksDown * 64);
    return { id: body[6 + 3 * i]!, h, v, quantisation: body[8 + 3 * i]!, width: Math.ceil((width * h) / maxH), height: Math.ceil((height * v) / maxV), blocksAcross, blocksDown, data };
  });
  return { lossless, progressive: marker === 0xc2, precision, width, height, components, maxH, maxV };
}

function readScan(body: Uint8Array, frame: JpegFrame, dc: (HuffmanTable | undefined)[], ac: (HuffmanTable | undefined)[], restartInterval: number): Scan {
  const count = body[0] ?? 0;
  if (count < 1 || count > frame.components.length || body.length < 4 + 2 * count) throw damaged('its scan header makes no sense');
  const components = Array.from({ length: count }, (_, i) => {
    const component = frame.components.find(({ id }) => id === body[1 + 2 * i]);
    if (!component) throw damaged('a scan names a component that the frame has not');
    const tables = body[2 + 2 * i]!;
    return { component, dc: dc[tables >> 4], ac: ac[tables & 15] };
  });
  const [start = 0, end = 0, approximation = 0] = body.subarray(1 + 2 * count);
  return { components, start, end, high: approximation >> 4, low: approximation & 15, restartInterval };
}

/** Components at full size, sample by sample; subsampled chroma is repeated. */
function interleave(frame: JpegFrame, quantisation: (Uint16Array | undefined)[]): Uint16Array<ArrayBuffer> {
  const { width, height, components, maxH, maxV } = frame;
  const step = components.length;
  const out = new Uint16Array(width * height * step);
  components.forEach((component, offset) => {
    let plane = component.data;
    let stride = width;
    if (!frame.lossless) {
      const table = quantisation[component.quantisation];
      if (!table) throw damaged('a quantisation table is missing');
      plane = inverseDct(component, table, frame.precision);
      stride = component.blocksAcross * 8;
    }
    const across = component.h / maxH;
    const down = component.v / maxV;
    for (let y = 0, to = offset; y < height; y++) {
      const row = Math.floor(y * down) * stride;
      if (across === 1) for (let x = 0; x < width; x++, to += step) out[to] = plane[row + x]!;
      else for (let x = 0; x < width; x++, to += step) out[to] = plane[row + Math.floor(x * across)]!;
    }
  });
  return out;
}
