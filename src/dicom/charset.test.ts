import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeText } from './charset.ts';
import { parseDicom, summarise } from './index.ts';
import { writeDicom } from '../../test/support/dicom-writer.ts';

/** `\e` for ESC and octal escapes, as PS3.5 prints its examples. */
const bytes = (text: string): Uint8Array => Uint8Array.from(text.replace(/\\e/g, '\x1b').replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))), (c) => c.charCodeAt(0));
const name = (text: string, ...terms: string[]): string => decodeText(bytes(text), terms, 'PN')[0]!;

describe('person names as PS3.5 annexes H to K print them', () => {
  test.each([
    ['H.3.1 Japanese, kanji by ISO 2022 IR 87', 'Yamada^Tarou=\\e$B;3ED\\e(B^\\e$BB@O:\\e(B=\\e$B$d$^$@\\e(B^\\e$B$?$m$&\\e(B', ['', 'ISO 2022 IR 87'], 'Yamada^Tarou=山田^太郎=やまだ^たろう'],
    ['H.3.2 Japanese, half-width katakana first', '\\324\\317\\300\\336^\\300\\333\\263=\\e$B;3ED\\e(J^\\e$BB@O:\\e(J=\\e$B$d$^$@\\e(J^\\e$B$?$m$&\\e(J', ['ISO 2022 IR 13', 'ISO 2022 IR 87'], 'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう'],
    ['I.2 Korean', 'Hong^Gildong=\\e$)C\\373\\363^\\e$)C\\321\\316\\324\\327=\\e$)C\\310\\253^\\e$)C\\261\\346\\265\\277', ['', 'ISO 2022 IR 149'], 'Hong^Gildong=洪^吉洞=홍^길동'],
    ['J.1 Chinese, UTF-8', 'Wang^XiaoDong=\\347\\216\\213^\\345\\260\\217\\346\\235\\261=', ['ISO_IR 192'], 'Wang^XiaoDong=王^小東='],
    ['J.3 Chinese, GB18030', 'Wang^XiaoDong=\\315\\365^\\320\\241\\266\\253=', ['GB18030'], 'Wang^XiaoDong=王^小东='],
    ['K.2 Chinese, ISO 2022 IR 58', 'Zhang^XiaoDong=\\e$)A\\325\\305^\\e$)A\\320\\241\\266\\253=', ['', 'ISO 2022 IR 58'], 'Zhang^XiaoDong=张^小东='],
    ['single byte, Latin-1', 'Buc^J\\351r\\364me', ['ISO_IR 100'], 'Buc^Jérôme'],
    ['single byte, Cyrillic', '\\273\\356\\332\\341\\325\\334\\321\\343\\340\\323', ['ISO_IR 144'], 'Люксембург'],
    ['single byte, Greek', '\\304\\351\\357\\355\\365\\363\\351\\357\\362', ['ISO_IR 126'], 'Διονυσιος'],
    ['GBK, whose second bytes include \\ and ^', '\\201\\134^\\201\\136', ['GBK'], '乗^乛'],
  ])('%s', (_, text, terms, expected) => {
    expect(name(text, ...terms)).toBe(expected);
  });

  test('an extension whose escape sequence the writer left out', () => {
    expect(name('\\325\\305^\\320\\241\\266\\253', '', 'ISO 2022 IR 58')).toBe('张^小东');
  });
  test('JIS X 0212 supplementary kanji', () => {
    expect(name('\\e$(D0!\\e(B', '', 'ISO 2022 IR 159')).toBe('丂');
  });
  test('a designation ends at the component delimiter', () => {
    expect(name('\\e$)C\\310\\253^abc', '', 'ISO 2022 IR 149')).toBe('홍^abc');
  });
  test('spellings met in the field', () => {
    expect(name('J\\351r\\364me', 'ISO IR 100')).toBe('Jérôme');
    expect(name('J\\303\\251r\\303\\264me', 'UTF8')).toBe('Jérôme');
  });
  test('undeclared high bytes: UTF-8 when they are, else Latin-1', () => {
    expect(name('\\345\\260\\217')).toBe('小');
    expect(name('J\\351r')).toBe('Jér');
  });
});

test('several values, and the backslash in long text', () => {
  expect(decodeText(bytes('a \\134b'), [], 'LO')).toEqual(['a', 'b']);
  expect(decodeText(bytes('a\\134b '), [], 'ST')).toEqual(['a\\b']);
});

test('component groups and nested text reach the summary decoded', () => {
  const file = parseDicom(
    writeDicom({ pixels: new Uint16Array(6), elements: { '00080005': ['CS', 'GB18030'], '00100010': ['PN', bytes('Wang^XiaoDong=\\315\\365^\\320\\241\\266\\253=')], '0008103E': ['LO', bytes('\\320\\330\\262\\277')] } }),
  );
  const { study, series } = summarise(file, { id: 'a', fileName: 'a.dcm' });
  expect(study.patientName).toEqual({ alphabetic: 'Wang^XiaoDong', ideographic: '王^小东', phonetic: '' });
  expect(series.description).toBe('胸部');
});

test('any bytes under any terms give text, and end', () => {
  const term = fc.constantFrom('', 'ISO_IR 6', 'ISO 2022 IR 6', 'ISO 2022 IR 13', 'ISO 2022 IR 58', 'ISO 2022 IR 87', 'ISO 2022 IR 149', 'ISO 2022 IR 159', 'ISO_IR 100', 'ISO_IR 166', 'ISO_IR 192', 'GB18030', 'nonsense', 'ISO_IR 999');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.array(term, { maxLength: 4 }), fc.constantFrom('PN', 'LO', 'ST'), (value, terms, vr) => {
      expect(decodeText(value, terms, vr).length).toBeGreaterThan(0);
    }),
  );
});
