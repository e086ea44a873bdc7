/** DICOM Part 10 bytes (PS3.10 7.1), or a bare data set, to structure (PS3.5 chapter 7). Why not dicom-parser: docs/decisions/dicom-structure.md. */
import type { Budgets } from './budgets.ts';
import { withDefaults } from './budgets.ts';
import type { Element, Fragment, Source } from './dataset.ts';
import { DataSet } from './dataset.ts';
import { ITEM, ITEM_END, LONG, SEQUENCE_END, SHORT, UNDEFINED } from './encoding.ts';
import { DicomError } from './errors.ts';
import { inflateRaw } from './inflate.ts';
import { T, tagText } from './tags.ts';
import { UID } from './uids.ts';

/** A parsed file. Values and pixels stay in `dataSet.source.bytes`, which is the given array (or what it inflated to): keep it unchanged. */
export interface DicomFile {
  /** File meta information, group 0002; null for a bare data set. */
  meta: DataSet | null;
  dataSet: DataSet;
  /** (0002,0010), or what the bytes look like where there is no meta information. */
  transferSyntax: string;
  /** Why reading stopped before the end of the data set, if it did: `truncated` or `corrupt`. What came before it is usable. */
  problem: DicomError | null;
}

const PIXEL_DATA = T.PixelData.id;

/** Ends the walk: the rest cannot be read, what was read stays. */
class Stop extends Error {
  constructor(readonly code: 'truncated' | 'corrupt', message: string) {
    super(message);
  }
}

class Parser {
  private elements = 0;

  constructor(private readonly budgets: Budgets) {}

  private readonly parseItems = (element: Element, parent: DataSet): DataSet[] => {
    const items: DataSet[] = [];
    // UN of known length holds what it held when it was written, and that is implicit little endian (PS3.5 6.2.2).
    const source = element.vr === 'UN' && parent.source.explicit ? { ...parent.source, explicit: false, littleEndian: true } : parent.source;
    try {
      this.readItems(source, element.offset, element.offset + element.length, parent, items, false);
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      parent.damaged = true;
    }
    return items;
  };

  private count(): void {
    if (++this.elements > this.budgets.elements) {
      throw new DicomError('too-large', `the file has more than ${this.budgets.elements} data elements, the limit`);
    }
  }

  dataSet(source: Source, parent: DataSet | null): DataSet {
    const depth = parent ? parent.depth + 1 : 0;
    if (depth > this.budgets.depth) throw new DicomError('corrupt', `sequences are nested deeper than ${this.budgets.depth} levels, the limit`);
    return new DataSet(source, depth, parent, this.parseItems);
  }

  /**
   * Reads elements from `at` into `into` until `end`, an item delimiter (`undefinedLength`), or the first for which `until` is true.
   * @returns where it stopped.
   */
  readElements(into: DataSet, at: number, end: number, undefinedLength: boolean, until?: (id: number) => boolean): number {
    const { source } = into;
    const { view, littleEndian } = source;
    while (at < end) {
      if (at + 8 > end) {
        // Some writers pad the file with a few zero bytes.
        if (source.bytes.subarray(at, end).every((byte) => byte === 0)) return end;
        throw new Stop('truncated', 'the file ends within an element\'s header');
      }
      const start = at;
      const id = view.getUint16(at, littleEndian) * 0x10000 + view.getUint16(at + 2, littleEndian);
      if (until?.(id)) return start;
      this.count();
      if (id === ITEM_END) {
        if (undefinedLength) return at + 8;
        at += 8;
        continue;
      }
      if (id === SEQUENCE_END) {
        // A stray delimiter, as some writers leave behind a sequence of known length.
        at += 8;
        continue;
      }
      let vr = '';
      let length: number;
      if (source.explicit) {
        vr = String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5));
        if (SHORT.has(vr)) {
          length = view.getUint16(at + 6, littleEndian);
          at += 8;
        } else if (/^[A-Z]{2}$/.test(vr)) {
          if (at + 12 > end) throw new Stop('truncated', `the file ends within the header of ${tagText(id)}`);
          length = view.getUint32(at + 8, littleEndian);
          at += 12;
        } else {
          // An implicit element in an explicit file: some writers mix them.
          vr = '';
          length = view.getUint32(at + 4, littleEndian);
          at += 8;
        }
      } else {
        length = view.getUint32(at + 4, littleEndian);
        at += 8;
      }
      const element: Element = { id, vr, offset: at, length };
      if (length === UNDEFINED) {
        at = this.readUndefined(into, element, end);
        continue;
      }
      if (length > end - at) {
        if (end < source.bytes.length) throw new Stop('corrupt', `${tagText(id)} is longer than the item that holds it`);
        element.declared = length;
        element.length = end - at;
        // Only pixel data are of use in part (to say how much is missing, or for whole frames before the cut).
        if (id >= T.FloatPixelData.id && id <= PIXEL_DATA) into.elements.set(id, element);
        throw new Stop('truncated', `${tagText(id)} should have ${length} bytes, the file ends after ${end - at}`);
      }
      into.elements.set(id, element);
      at += length;
    }
    return at;
  }

  private readUndefined(into: DataSet, element: Element, end: number): number {
    const { source } = into;
    // Pixel data of a deflated-frame or compressed syntax; within an icon's item too.
    if (element.id === PIXEL_DATA) return this.readFragments(into, element, end);
    // Implicit items within explicit data (PS3.5 6.2.2 note 4); any other VR of undefined length has no other meaning than items.
    const inner = element.vr === 'UN' && source.explicit ? { ...source, explicit: false, littleEndian: true } : source;
    element.items = [];
    // Where the file ends within it, it ends there too.
    element.length = end - element.offset;
    into.elements.set(element.id, element);
    const at = this.readItems(inner, element.offset, end, into, element.items, true);
    element.length = at - element.offset;
    return at;
  }

  private readItems(source: Source, at: number, end: number, parent: DataSet, items: DataSet[], undefinedLength: boolean): number {
    const { view, littleEndian } = source;
    while (at < end) {
      if (at + 8 > end) throw new Stop('truncated', 'the file ends within an item\'s header');
      const id = view.getUint16(at, littleEndian) * 0x10000 + view.getUint16(at + 2, littleEndian);
      const length = view.getUint32(at + 4, littleEndian);
      at += 8;
      this.count();
      if (id === SEQUENCE_END) {
        if (undefinedLength) return at;
        continue;
      }
      if (id !== ITEM) throw new Stop('corrupt', `a sequence holds ${tagText(id)} where an item should be`);
      const item = this.dataSet(source, parent);
      items.push(item);
      if (length === UNDEFINED) {
        at = this.readElements(item, at, end, true);
      } else {
        const itemEnd = at + length;
        if (itemEnd > end) throw new Stop(end === source.bytes.length ? 'truncated' : 'corrupt', 'an item is longer than what holds it');
        try {
          this.readElements(item, at, itemEnd, false);
        } catch (error) {
          // The item's own length says where to go on.
          if (!(error instanceof Stop)) throw error;
          item.damaged = true;
        }
        at = itemEnd;
      }
    }
    if (undefinedLength) throw new Stop('truncated', 'the file ends within a sequence');
    return at;
  }

  /** Encapsulated pixel data (PS3.5 A.4): the basic offset table's place, and the fragments. */
  private readFragments(into: DataSet, element: Element, end: number): number {
    const { view, littleEndian } = into.source;
    const fragments: Fragment[] = [];
    element.encapsulated = { offsetTable: { offset: element.offset, length: 0 }, fragments };
    element.length = end - element.offset;
    into.elements.set(element.id, element);
    let at = element.offset;
    let first = -1;
    while (at + 8 <= end) {
      const start = at;
      const id = view.getUint16(at, littleEndian) * 0x10000 + view.getUint16(at + 2, littleEndian);
      const length = view.getUint32(at + 4, littleEndian);
      at += 8;
      this.count();
      if (id === SEQUENCE_END) {
        element.length = start - element.offset;
        return at;
      }
      if (id !== ITEM) throw new Stop('corrupt', `pixel data hold ${tagText(id)} where a fragment should be`);
      const there = Math.min(length, end - at);
      if (first < 0) {
        first = at + there;
        element.encapsulated.offsetTable = { offset: at, length: there };
      } else {
        fragments.push({ tableOffset: start - first, offset: at, length: there, cut: there < length });
      }
      if (there < length) throw new Stop('truncated', `a pixel data fragment should have ${length} bytes, the file ends after ${there}`);
      at += length;
    }
    throw new Stop('truncated', 'the file ends within the pixel data');
  }
}

const sourceOf = (bytes: Uint8Array, explicit: boolean, littleEndian: boolean): Source => ({
  bytes,
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  explicit,
  littleEndian,
});

/** What the first element at `at` looks like, or null when it looks like no data set. */
function guessEncoding(bytes: Uint8Array, at: number): { explicit: boolean; littleEndian: boolean } | null {
  if (at + 8 > bytes.length) return null;
  const { view } = sourceOf(bytes, true, true);
  const vr = String.fromCharCode(bytes[at + 4]!, bytes[at + 5]!);
  const explicit = SHORT.has(vr) || LONG.has(vr);
  const little = view.getUint16(at, true);
  const big = view.getUint16(at, false);
  const littleEndian = little <= big;
  // A data set begins with a low even group: 0002 … 0010 in practice, sometimes a later one in a fragment of a set.
  const group = Math.min(little, big);
  if (group === 0 || group > 0x7fe0 || (group % 2 === 1 && !explicit)) return null;
  if (!explicit) {
    const length = view.getUint32(at + 4, littleEndian);
    if (!littleEndian || (length !== UNDEFINED && length > bytes.length - at - 8)) return null;
  }
  return { explicit, littleEndian };
}

/**
 * Parses structure only: no value is decoded, and no pixel is copied unless the file is deflated.
 * Truncated and partly damaged files give what could be read, with `problem` saying why the rest could not.
 * @throws DicomError `not-dicom`, `too-large` (a budget), `corrupt` (sequences nested beyond the budget, meta information unreadable).
 */
export function parseDicom(input: Uint8Array, budgets?: Partial<Budgets>): DicomFile {
  // Node's Buffer is a Uint8Array whose slice() is no copy.
  const bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  const limits = withDefaults(budgets);
  const parser = new Parser(limits);
  let meta: DataSet | null = null;
  let at = 0;
  let problem: DicomError | null = null;

  const isMeta = (offset: number): boolean => bytes[offset] === 2 && bytes[offset + 1] === 0 && /^[A-Z]{2}$/.test(String.fromCharCode(bytes[offset + 4] ?? 0, bytes[offset + 5] ?? 0));
  const prefixed = bytes.length >= 132 && bytes[128] === 0x44 && bytes[129] === 0x49 && bytes[130] === 0x43 && bytes[131] === 0x4d;
  // `DICM` at 128 may be a value of a bare data set.
  const start = prefixed && (isMeta(132) || guessEncoding(bytes, 0) === null) ? 132 : 0;
  if (isMeta(start)) {
    meta = parser.dataSet(sourceOf(bytes, true, true), null);
    try {
      at = parser.readElements(meta, start, bytes.length, false, (id) => id >>> 16 !== 2);
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      throw new DicomError(error.code, `the file meta information cannot be read: ${error.message}`);
    }
  } else {
    at = start;
  }

  const declared = meta?.string(T.TransferSyntaxUID) ?? '';
  let body = bytes;
  if (declared === UID.DeflatedExplicitLittleEndian) {
    const inflated = inflateRaw(bytes.subarray(at), limits.inflatedBytes, 'the deflated data set');
    if (!inflated.complete) problem = new DicomError('truncated', 'the deflated data set ends early; copy the file again from its source');
    body = inflated.bytes;
    at = 0;
  }

  // The bytes decide where the meta information is absent or wrong about the encoding, as some writers are.
  const guess = guessEncoding(body, at);
  const explicit = declared === '' ? guess?.explicit ?? true : declared !== UID.ImplicitLittleEndian;
  const littleEndian = declared === '' ? guess?.littleEndian ?? true : declared !== UID.ExplicitBigEndian;
  if (!meta && !guess) throw new DicomError('not-dicom', 'this is not a DICOM file: it has neither the DICM prefix nor a data set');
  const encoding = guess && guess.littleEndian === littleEndian && declared !== '' && at + 8 <= body.length ? guess.explicit : explicit;
  const dataSet = parser.dataSet(sourceOf(body, encoding, littleEndian), null);
  try {
    parser.readElements(dataSet, at, body.length, false);
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    problem ??= new DicomError(error.code, `the data set cannot be read to its end: ${error.message}`);
  }
  const identified = [T.SOPClassUID, T.SOPInstanceUID, T.StudyInstanceUID, T.Modality, T.Rows, T.DirectoryRecordSequence].some((tag) => dataSet.has(tag));
  if (!meta && !identified) throw new DicomError('not-dicom', 'this is not a DICOM file: it has neither the DICM prefix nor the elements of a data set');
  const transferSyntax = declared || (!encoding ? UID.ImplicitLittleEndian : littleEndian ? UID.ExplicitLittleEndian : UID.ExplicitBigEndian);
  return { meta, dataSet, transferSyntax, problem };
}
