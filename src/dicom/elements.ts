/** A file's elements as lines to read: all of them, nested and private ones too, in the file's order, within bounds. */
import { decodeText, PADDING, stripped } from './charset.ts';
import type { DataSet, Element } from './dataset.ts';
import { attributeOf } from './dictionary.ts';
import type { DicomFile } from './parse.ts';

export interface ElementRow {
  depth: number;
  /** `(gggg,eeee)`; '' for the head of an item. */
  tag: string;
  vr: string;
  /** Keyword; the private creator's name in brackets; '' where neither is known. For the head of an item its number, from 1. */
  name: string;
  /** As text, cut at `MOST_TEXT` characters; of a sequence the number of its items. */
  value: string;
  /** More of the value is in the file than is told. */
  cut: boolean;
  /** Of the value, in the file. */
  bytes: number;
}
export interface ElementList {
  rows: ElementRow[];
  /** The file has more elements than were listed. */
  more: boolean;
}

export const MOST_ROWS = 50_000;
export const MOST_TEXT = 256;
const MOST_NUMBERS = 32;
const MOST_BYTES = 24;

const TEXTS = new Set(['SH', 'LO', 'ST', 'LT', 'UT', 'UC', 'PN']);
const STRINGS = new Set(['AE', 'AS', 'CS', 'DA', 'DS', 'DT', 'IS', 'TM', 'UI', 'UR']);
const NUMBERS: Record<string, number> = { US: 2, SS: 2, UL: 4, SL: 4, FL: 4, FD: 8, OV: 8, UV: 8 };
const LATIN1 = new TextDecoder('latin1');

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');
const isPrivate = (id: number): boolean => Math.floor(id / 0x10000) % 2 === 1;

function nameOf(set: DataSet, id: number): string {
  if (!isPrivate(id)) return attributeOf(id)?.keyword ?? (id % 0x10000 === 0 ? 'GroupLength' : '');
  const [group, element] = [Math.floor(id / 0x10000), id % 0x10000];
  if (element < 0x100) return 'PrivateCreator';
  const creator = set.text({ id: group * 0x10000 + (element >> 8), vr: 'LO' }).slice(0, 64);
  return creator === '' ? '' : `[${creator}]`;
}

/** What an implicit VR file does not say, or says as unknown, the dictionary may. */
function vrOf({ id, vr, items }: Element): string {
  if (items) return 'SQ';
  if (vr !== '' && vr !== 'UN') return vr;
  if (isPrivate(id)) return id % 0x10000 < 0x100 ? 'LO' : 'UN';
  return attributeOf(id)?.vr ?? 'UN';
}

/** Control characters would break the line; a text's own line ends are seen as such. */
const oneLine = (text: string): string => text.replace(/\r\n?|\n/g, ' ⏎ ').replace(/\p{Cc}/gu, '·');

function valueOf(set: DataSet, element: Element, vr: string): { value: string; cut: boolean } {
  const { length } = element;
  const tag = { id: element.id, vr };
  if (length === 0) return { value: '', cut: false };
  if (TEXTS.has(vr) || STRINGS.has(vr)) {
    // Four bytes a character at most: beyond that nothing is shown.
    const bytes = set.bytes(tag).subarray(0, MOST_TEXT * 4);
    const text = TEXTS.has(vr) ? decodeText(bytes, set.characterSets(), vr).join('\\') : LATIN1.decode(bytes).split('\\').map((part) => stripped(part, PADDING, PADDING)).join('\\');
    const line = oneLine(text);
    return { value: line.slice(0, MOST_TEXT), cut: line.length > MOST_TEXT || length > bytes.length };
  }
  if (vr === 'AT') {
    const pairs = set.numbers({ id: element.id, vr: 'US' }, MOST_NUMBERS * 2);
    return { value: Array.from({ length: pairs.length >> 1 }, (_, i) => `(${hex(pairs[2 * i]!, 4)},${hex(pairs[2 * i + 1]!, 4)})`).join('\\'), cut: length > MOST_NUMBERS * 4 };
  }
  const size = NUMBERS[vr];
  if (size) return { value: set.numbers(tag, MOST_NUMBERS).join('\\'), cut: length > MOST_NUMBERS * size };
  return { value: [...set.bytes(tag).subarray(0, MOST_BYTES)].map((byte) => hex(byte, 2)).join(' '), cut: length > MOST_BYTES };
}

export function listElements(file: DicomFile): ElementList {
  const rows: ElementRow[] = [];
  let more = false;
  const add = (row: ElementRow): void => {
    if (rows.length < MOST_ROWS) rows.push(row);
    else more = true;
  };
  const walk = (set: DataSet, depth: number): void => {
    for (const element of set.elements.values()) {
      if (more) return;
      const { id, length } = element;
      const vr = vrOf(element);
      const head = { depth, tag: `(${hex(Math.floor(id / 0x10000), 4)},${hex(id % 0x10000, 4)})`, vr, name: nameOf(set, id) };
      if (vr !== 'SQ') {
        const fragments = element.encapsulated?.fragments;
        const bytes = fragments ? fragments.reduce((sum, fragment) => sum + fragment.length, 0) : length;
        add({ ...head, ...(fragments ? { value: '', cut: bytes > 0 } : valueOf(set, element, vr)), bytes });
        continue;
      }
      const items = set.items({ id, vr });
      add({ ...head, value: String(items.length), cut: false, bytes: length });
      items.forEach((item, index) => {
        add({ depth: depth + 1, tag: '', vr: '', name: String(index + 1), value: '', cut: false, bytes: 0 });
        walk(item, depth + 2);
      });
    }
  };
  if (file.meta) walk(file.meta, 0);
  walk(file.dataSet, 0);
  return { rows, more };
}
