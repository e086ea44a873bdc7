/** A data set as structure over the file's bytes: nothing is copied, values are read when asked for. */
import { decodeText, PADDING, stripped } from './charset.ts';
import type { Tag } from './tags.ts';
import { T } from './tags.ts';

export interface Fragment {
  /** Of the item's tag, counted from the first byte after the basic offset table (as the table counts). */
  tableOffset: number;
  offset: number;
  length: number;
  /** The file ended before the fragment did. */
  cut: boolean;
}

export interface Element {
  id: number;
  /** As in the file; '' in implicit VR. */
  vr: string;
  /** Of the value, into the source's bytes. */
  offset: number;
  length: number;
  /** Items already walked (sequences of undefined length); others are parsed when asked for. */
  items?: DataSet[];
  /** Of encapsulated pixel data. */
  encapsulated?: { offsetTable: { offset: number; length: number }; fragments: Fragment[] };
  /** The file ended before the value did: `length` is what is there, `declared` what should be. */
  declared?: number;
}

/** Bytes with their encoding; a data set and its items share one, except for implicit items within an explicit file. */
export interface Source {
  bytes: Uint8Array;
  view: DataView;
  littleEndian: boolean;
  explicit: boolean;
}

/** Parses the items of a sequence element of known length; set by the parser (it owns the budgets). */
export type ItemParser = (element: Element, parent: DataSet) => DataSet[];

const LATIN1 = new TextDecoder('latin1');

/** What is read of a text value (bytes): as much as an explicit VR of a 16-bit length can hold, and more than any attribute here needs. */
const MAX_TEXT = 0x10000;

/** VRs with a binary value: bytes a value, and the reader. */
const BINARY: Record<string, [number, (view: DataView, at: number, littleEndian: boolean) => number]> = {
  US: [2, (v, at, le) => v.getUint16(at, le)],
  xs: [2, (v, at, le) => v.getUint16(at, le)],
  SS: [2, (v, at, le) => v.getInt16(at, le)],
  OW: [2, (v, at, le) => v.getUint16(at, le)],
  UL: [4, (v, at, le) => v.getUint32(at, le)],
  SL: [4, (v, at, le) => v.getInt32(at, le)],
  FL: [4, (v, at, le) => v.getFloat32(at, le)],
  FD: [8, (v, at, le) => v.getFloat64(at, le)],
  OV: [8, (v, at, le) => Number(v.getBigUint64(at, le))],
  UV: [8, (v, at, le) => Number(v.getBigUint64(at, le))],
};

export class DataSet {
  readonly elements = new Map<number, Element>();
  /** A part of it could not be read, and is not here: of an item, or of a sequence that was asked for. */
  damaged = false;

  constructor(
    readonly source: Source,
    readonly depth: number,
    private readonly parent: DataSet | null,
    private readonly parseItems: ItemParser,
  ) {}

  get(tag: Tag): Element | undefined {
    return this.elements.get(tag.id);
  }

  has(tag: Tag): boolean {
    return this.elements.has(tag.id);
  }

  /** The value's bytes, a view of the file's; empty when absent. */
  bytes(tag: Tag): Uint8Array {
    const element = this.get(tag);
    return element ? this.source.bytes.subarray(element.offset, element.offset + element.length) : new Uint8Array(0);
  }

  /** Values of a VR in the default repertoire (CS, UI, DA, TM, DS, IS …), split at `\`, without padding; [] when absent or empty. */
  strings(tag: Tag): string[] {
    const values = LATIN1.decode(this.bytes(tag).subarray(0, MAX_TEXT)).split('\\').map((value) => stripped(value, PADDING, PADDING));
    return values.length === 1 && values[0] === '' ? [] : values;
  }

  /** The first of `strings`, '' when absent. */
  string(tag: Tag): string {
    return this.strings(tag)[0] ?? '';
  }

  /** Values of a text VR (SH, LO, PN, ST …) by the Specific Character Set in force, without padding. */
  texts(tag: Tag): string[] {
    const element = this.get(tag);
    if (!element || element.length === 0) return [];
    return decodeText(this.bytes(tag).subarray(0, MAX_TEXT), this.characterSets(), tag.vr);
  }

  text(tag: Tag): string {
    return this.texts(tag)[0] ?? '';
  }

  /** Specific Character Set (0008,0005) of this data set, or of the one that it is nested in (PS3.3 C.12.1.1.2). */
  characterSets(): string[] {
    return this.has(T.SpecificCharacterSet) ? this.strings(T.SpecificCharacterSet) : this.parent?.characterSets() ?? [];
  }

  /** Numbers of DS, IS or a binary VR; values that are no number become NaN. [] when absent. At most `limit` are read. */
  numbers(tag: Tag, limit = 0x10000): number[] {
    const element = this.get(tag);
    if (!element) return [];
    // An explicit file's own VR decides (US or SS), unless it is nonsense for this attribute or unknown.
    const vr = element.vr in BINARY ? element.vr : tag.vr;
    const binary = BINARY[vr];
    if (!binary) {
      return this.strings(tag).slice(0, limit).map((text) => (text === '' ? Number.NaN : Number(text.replace(',', '.'))));
    }
    const [size, read] = binary;
    const count = Math.min(limit, Math.floor(element.length / size));
    return Array.from({ length: count }, (_, i) => read(this.source.view, element.offset + i * size, this.source.littleEndian));
  }

  /** The first number, or undefined when absent or no number. */
  number(tag: Tag): number | undefined {
    const value = this.numbers(tag, 1)[0];
    return value === undefined || Number.isNaN(value) ? undefined : value;
  }

  /** Items of a sequence; [] when absent. */
  items(tag: Tag): DataSet[] {
    const element = this.get(tag);
    if (!element) return [];
    element.items ??= this.parseItems(element, this);
    return element.items;
  }
}
