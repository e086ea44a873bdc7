import { describe, expect, test } from 'vitest';
import { TS, writeDicom, type Elements, type Value, type WriteOptions } from '../../test/support/dicom-writer.ts';
import { attributeOf } from './dictionary.ts';
import { listElements, MOST_ROWS, MOST_TEXT, type ElementRow } from './elements.ts';
import { parseDicom } from './parse.ts';

const rows = (elements: Elements, options: Partial<WriteOptions> = {}): ElementRow[] => listElements(parseDicom(writeDicom({ elements, pixels: new Uint16Array(6), ...options }))).rows;
const row = (all: ElementRow[], tag: string): ElementRow | undefined => all.find((each) => each.tag === tag);

test('the dictionary knows standard attributes and repeating groups, and no private ones', () => {
  expect([attributeOf(0x00100010), attributeOf(0x60020010), attributeOf(0x00091001)]).toEqual([{ vr: 'PN', keyword: 'PatientName' }, { vr: 'US', keyword: 'OverlayRows' }, undefined]);
});

describe('a value as text', () => {
  test('by the character set of its data set', () => {
    const all = rows({ '00080005': ['CS', 'GB18030'], '00100010': ['PN', Uint8Array.of(0x57, 0x61, 0x6e, 0x67, 0x3d, 0xcd, 0xf5, 0x20)] });
    expect(row(all, '(0010,0010)')).toMatchObject({ vr: 'PN', name: 'PatientName', value: 'Wang=王' });
  });
  test('numbers, tags, bytes; what implicit VR does not say comes from the dictionary', () => {
    for (const transferSyntax of [TS.explicit, TS.implicit]) {
      const all = rows({ '00280010': ['US', 2], '00280009': ['AT', Uint8Array.of(0x18, 0, 0x63, 0x10)], '00281050': ['DS', '40\\-600 '] }, { transferSyntax });
      expect([row(all, '(0028,0010)')?.value, row(all, '(0028,0009)')?.value, row(all, '(0028,1050)')]).toMatchObject(['2', '(0018,1063)', { value: '40\\-600', vr: 'DS', bytes: 8, cut: false }]);
      expect(row(all, '(7FE0,0010)')).toMatchObject({ name: 'PixelData', bytes: 12, value: '00 00 00 00 00 00 00 00 00 00 00 00' });
    }
  });
  test('a long one is cut and says its length; a text of several lines stays on one', () => {
    const all = rows({ '00104000': ['LT', 'a\r\nb'], '00321060': ['LO', 'x'.repeat(5000)], '00282000': ['OB', new Uint8Array(400)] });
    expect(row(all, '(0010,4000)')?.value).toBe('a ⏎ b');
    expect(row(all, '(0032,1060)')).toMatchObject({ value: 'x'.repeat(MOST_TEXT), cut: true, bytes: 5000 });
    expect(row(all, '(0028,2000)')).toMatchObject({ cut: true, bytes: 400 });
  });
});

test('sequences with their items, private attributes under their creator', () => {
  const nested: Value = [{ '00080100': ['SH', 'A'] }, { '00080100': ['SH', 'B'], '00091001': ['LO', 'inside'] }];
  for (const undefinedLengths of [false, true]) {
    const all = rows({ '00081032': ['SQ', nested], '00090010': ['LO', 'MAKER'], '00091001': ['LO', 'secret'] }, { undefinedLengths });
    const at = all.findIndex(({ tag }) => tag === '(0008,1032)');
    expect(all.slice(at, at + 6).map(({ depth, tag, name, value }) => [depth, tag, name, value])).toEqual([
      [0, '(0008,1032)', 'ProcedureCodeSequence', '2'], [1, '', '1', ''], [2, '(0008,0100)', 'CodeValue', 'A'], [1, '', '2', ''], [2, '(0008,0100)', 'CodeValue', 'B'], [2, '(0009,1001)', '', 'inside'],
    ]);
    expect([row(all, '(0009,0010)'), all.findLast(({ tag }) => tag === '(0009,1001)')]).toMatchObject([{ name: 'PrivateCreator', value: 'MAKER' }, { name: '[MAKER]', value: 'secret', depth: 0 }]);
  }
});

test('no more lines than the bound, and it is said', () => {
  const item: Elements = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`0018${(0x9000 + i).toString(16)}`.toUpperCase(), ['LO', 'x'] as const]));
  const list = listElements(parseDicom(writeDicom({ elements: { '00081032': ['SQ', Array.from({ length: 1300 }, () => item)] }, pixels: new Uint16Array(6) })));
  expect([list.rows.length, list.more]).toEqual([MOST_ROWS, true]);
});
