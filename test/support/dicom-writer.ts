/**
 * Writes small Part 10 files for tests: explicit or implicit little endian, big endian, deflated, and encapsulated pixel data.
 * It follows PS3.5 and PS3.10 only as far as tests need; it is not how the application writes DICOM.
 */
import { deflateRawSync } from 'node:zlib';

/** Value of an element: text (padded), numbers (by VR), bytes as they are, or the items of a sequence. */
export type Value = string | number | readonly number[] | Uint8Array | readonly Elements[];
/** Elements by tag as eight hex digits (`'00280010'`), each with its VR and value. */
export type Elements = Record<string, readonly [vr: string, value: Value]>;

export const TS = {
  implicit: '1.2.840.10008.1.2',
  explicit: '1.2.840.10008.1.2.1',
  deflated: '1.2.840.10008.1.2.1.99',
  bigEndian: '1.2.840.10008.1.2.2',
  rle: '1.2.840.10008.1.2.5',
  jpeg: '1.2.840.10008.1.2.4.50',
  jpegLossless: '1.2.840.10008.1.2.4.70',
  jpegLs: '1.2.840.10008.1.2.4.80',
  jpeg2000: '1.2.840.10008.1.2.4.90',
} as const;

/** Fragments of encapsulated pixel data; `offsets` fills the basic offset table. */
export interface Encapsulated {
  fragments: readonly Uint8Array[];
  offsets?: readonly number[];
}

export interface WriteOptions {
  /** Data set elements; those of `IMAGE` are there unless given, or given as null. */
  elements?: Record<string, readonly [vr: string, value: Value] | null>;
  /** Default: explicit little endian. */
  transferSyntax?: string;
  /** Pixel Data: bytes, 16-bit words (written in the file's byte order), or fragments. Absent: no pixel data. */
  pixels?: Uint8Array | Uint16Array | Int16Array | Encapsulated;
  /** False: a bare data set, without preamble and file meta information. */
  meta?: boolean;
  /** Sequences and items of undefined length with delimiters, as most equipment writes them. */
  undefinedLengths?: boolean;
}

/** A 2 × 3 (rows × columns) 16-bit MONOCHROME2 image of nobody. */
export const IMAGE: Elements = {
  '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.7'],
  '00080018': ['UI', '1.2.826.0.1.3680043.10.1.3'],
  '00080060': ['CS', 'OT'],
  '00100010': ['PN', 'Test^Nobody'],
  '00100020': ['LO', 'T1'],
  '0020000D': ['UI', '1.2.826.0.1.3680043.10.1.1'],
  '0020000E': ['UI', '1.2.826.0.1.3680043.10.1.2'],
  '00280002': ['US', 1],
  '00280004': ['CS', 'MONOCHROME2'],
  '00280010': ['US', 2],
  '00280011': ['US', 3],
  '00280100': ['US', 16],
  '00280101': ['US', 16],
  '00280102': ['US', 15],
  '00280103': ['US', 0],
};

const LONG = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const NUMBER: Record<string, [number, (view: DataView, value: number, little: boolean) => void]> = {
  US: [2, (v, x, le) => v.setUint16(0, x, le)],
  SS: [2, (v, x, le) => v.setInt16(0, x, le)],
  OW: [2, (v, x, le) => v.setUint16(0, x, le)],
  UL: [4, (v, x, le) => v.setUint32(0, x, le)],
  SL: [4, (v, x, le) => v.setInt32(0, x, le)],
  FL: [4, (v, x, le) => v.setFloat32(0, x, le)],
  OF: [4, (v, x, le) => v.setFloat32(0, x, le)],
  FD: [8, (v, x, le) => v.setFloat64(0, x, le)],
  OD: [8, (v, x, le) => v.setFloat64(0, x, le)],
  OV: [8, (v, x, le) => v.setBigUint64(0, BigInt(x), le)],
  OB: [1, (v, x) => v.setUint8(0, x)],
};

interface Encoding {
  explicit: boolean;
  little: boolean;
  undefinedLengths: boolean;
}

const number = (size: 2 | 4, value: number, little: boolean): Buffer => {
  const bytes = Buffer.alloc(size);
  if (size === 2) bytes[little ? 'writeUInt16LE' : 'writeUInt16BE'](value);
  else bytes[little ? 'writeUInt32LE' : 'writeUInt32BE'](value);
  return bytes;
};
const tagBytes = (tag: string, little: boolean): Buffer => Buffer.concat([number(2, Number.parseInt(tag.slice(0, 4), 16), little), number(2, Number.parseInt(tag.slice(4), 16), little)]);
const delimiter = (tag: string, little: boolean): Buffer => Buffer.concat([tagBytes(tag, little), number(4, 0, little)]);

const isItems = (value: Value): value is readonly Elements[] => Array.isArray(value) && (value.length === 0 || typeof value[0] === 'object');

/** Latin-1 unless the text is outside it (then UTF-8): give bytes for any other character set. */
function textBytes(text: string, vr: string): Buffer {
  const bytes = Buffer.from(text, /^[\0-\xff]*$/.test(text) ? 'latin1' : 'utf8');
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from(vr === 'UI' ? '\0' : ' ')]);
}

function valueBytes(vr: string, value: Value, encoding: Encoding): Buffer {
  if (vr === 'SQ' && isItems(value)) {
    const items = value.map((item) => {
      const body = encodeElements(item, encoding);
      const head = tagBytes('FFFEE000', encoding.little);
      return encoding.undefinedLengths
        ? Buffer.concat([head, number(4, 0xffffffff, encoding.little), body, delimiter('FFFEE00D', encoding.little)])
        : Buffer.concat([head, number(4, body.length, encoding.little), body]);
    });
    return Buffer.concat(items);
  }
  if (value instanceof Uint8Array) return value.length % 2 === 0 ? Buffer.from(value) : Buffer.concat([value, Buffer.alloc(1)]);
  if (typeof value === 'string') return textBytes(value, vr);
  const values = (typeof value === 'number' ? [value] : value) as readonly number[];
  const writer = NUMBER[vr];
  if (!writer) return textBytes(values.join('\\'), vr);
  const [size, put] = writer;
  const bytes = Buffer.alloc(values.length * size + ((values.length * size) % 2));
  values.forEach((x, i) => put(new DataView(bytes.buffer, bytes.byteOffset + i * size, size), x, encoding.little));
  return bytes;
}

function element(tag: string, vr: string, bytes: Buffer, length: number, { explicit, little }: Encoding): Buffer {
  const head = tagBytes(tag, little);
  if (!explicit) return Buffer.concat([head, number(4, length, little), bytes]);
  if (LONG.has(vr)) return Buffer.concat([head, Buffer.from(vr), Buffer.alloc(2), number(4, length, little), bytes]);
  return Buffer.concat([head, Buffer.from(vr), number(2, length, little), bytes]);
}

/** Elements in order of tag, encoded. */
export function encodeElements(elements: Elements, encoding: Encoding): Buffer {
  const parts = Object.entries(elements)
    .sort(([a], [b]) => (a.toUpperCase() < b.toUpperCase() ? -1 : 1))
    .map(([tag, [vr, value]]) => {
      const bytes = valueBytes(vr, value, encoding);
      if (vr === 'SQ' && encoding.undefinedLengths) return element(tag, vr, Buffer.concat([bytes, delimiter('FFFEE0DD', encoding.little)]), 0xffffffff, encoding);
      return element(tag, vr, bytes, bytes.length, encoding);
    });
  return Buffer.concat(parts);
}

function pixelElement(pixels: NonNullable<WriteOptions['pixels']>, encoding: Encoding): Buffer {
  if ('fragments' in pixels) {
    const item = (bytes: Uint8Array): Buffer => {
      const even = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
      return Buffer.concat([tagBytes('FFFEE000', true), number(4, even.length, true), even]);
    };
    const table = Buffer.concat((pixels.offsets ?? []).map((offset) => number(4, offset, true)));
    const body = Buffer.concat([item(table), ...pixels.fragments.map(item), delimiter('FFFEE0DD', true)]);
    return element('7FE00010', 'OB', body, 0xffffffff, encoding);
  }
  if (pixels instanceof Uint8Array) {
    const bytes = valueBytes('OB', pixels, encoding);
    return element('7FE00010', 'OB', bytes, bytes.length, encoding);
  }
  const bytes = Buffer.from(pixels.buffer.slice(pixels.byteOffset, pixels.byteOffset + pixels.byteLength));
  if (!encoding.little) bytes.swap16();
  return element('7FE00010', 'OW', bytes, bytes.length, encoding);
}

/** Byte offsets of fragments as a basic offset table counts them, for frames that begin at the given fragments. */
export function offsetTable(fragments: readonly Uint8Array[], firsts: readonly number[]): number[] {
  let at = 0;
  const starts = fragments.map(({ length }) => {
    const start = at;
    at += 8 + length + (length % 2);
    return start;
  });
  return firsts.map((index) => starts[index]!);
}

/** A whole file. */
export function writeDicom(options: WriteOptions = {}): Uint8Array {
  const { transferSyntax = TS.explicit, pixels, meta = true, undefinedLengths = false } = options;
  const encoding: Encoding = { explicit: transferSyntax !== TS.implicit, little: transferSyntax !== TS.bigEndian, undefinedLengths };
  const merged = { ...IMAGE, ...options.elements };
  const elements: Elements = Object.fromEntries(Object.entries(merged).filter((entry): entry is [string, readonly [string, Value]] => entry[1] !== null));
  // Group 7FE0 comes last but for trailing padding; the Extended Offset Table stands before the pixels.
  let body = Buffer.concat([encodeElements(elements, encoding), ...(pixels ? [pixelElement(pixels, encoding)] : [])]);
  if (transferSyntax === TS.deflated) body = deflateRawSync(body);
  if (!meta) return new Uint8Array(body);
  const plain: Encoding = { explicit: true, little: true, undefinedLengths: false };
  const group = encodeElements(
    {
      '00020001': ['OB', Uint8Array.of(0, 1)],
      '00020002': ['UI', elements['00080016']?.[1] ?? ''],
      '00020003': ['UI', elements['00080018']?.[1] ?? ''],
      '00020010': ['UI', transferSyntax],
      '00020012': ['UI', '1.2.826.0.1.3680043.10.1.0'],
    },
    plain,
  );
  const length = encodeElements({ '00020000': ['UL', group.length] }, plain);
  return new Uint8Array(Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), length, group, body]));
}

/** One RLE frame (PS3.5 annex G) of byte planes, each literal runs and repeats as they come. */
export function encodeRle(planes: readonly Uint8Array[]): Uint8Array {
  const segments = planes.map((plane) => {
    const out: number[] = [];
    for (let at = 0; at < plane.length; ) {
      let run = 1;
      while (run < 128 && plane[at + run] === plane[at]) run++;
      if (run > 1) {
        out.push(257 - run, plane[at]!);
        at += run;
        continue;
      }
      let literal = 1;
      while (literal < 128 && at + literal < plane.length && plane[at + literal] !== plane[at + literal + 1]) literal++;
      out.push(literal - 1, ...plane.subarray(at, at + literal));
      at += literal;
    }
    if (out.length % 2 === 1) out.push(0x80);
    return Buffer.from(out);
  });
  const header = Buffer.alloc(64);
  header.writeUInt32LE(segments.length, 0);
  let offset = 64;
  segments.forEach((segment, i) => {
    header.writeUInt32LE(offset, 4 + 4 * i);
    offset += segment.length;
  });
  return new Uint8Array(Buffer.concat([header, ...segments]));
}
