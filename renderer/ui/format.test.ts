import { describe, expect, test } from 'vitest';
import { dicomDate, dicomTime, milliseconds, personName, signed, windowValue } from './format.ts';

describe('person names', () => {
  test('family first, components in reading order', () => expect(personName({ alphabetic: 'Yamada^Taro^K^Dr^Jr', ideographic: '', phonetic: '' })).toBe('Yamada, Dr Taro K Jr'));
  test('the ideographic form leads', () => expect(personName({ alphabetic: 'Wang^XiaoDong', ideographic: '王^小东', phonetic: '' })).toBe('王小东 (Wang, XiaoDong)'));
  test('none is empty', () => expect(personName({ alphabetic: '', ideographic: '', phonetic: '' })).toBe(''));
});

test('dates and times as in the file, or as they are when they are none', () => {
  expect([dicomDate('20240131'), dicomDate('2024.01.31'), dicomDate('January'), dicomDate(''), dicomDate('00000000')]).toEqual(['2024-01-31', '2024-01-31', 'January', '', '']);
  expect([dicomTime('142530.5'), dicomTime('14'), dicomTime('')]).toEqual(['14:25', '', '']);
});

test('numbers keep the digits that mean something', () => {
  expect([0.123, 8.0666, 54.83, 1234.5].map(milliseconds)).toEqual(['0.12', '8.07', '54.8', '1235']);
  expect([signed(0.00751), signed(-0.2), signed(0)]).toEqual(['+0.0075', '−0.2000', '+0.0000']);
  expect([windowValue(400.4, 400), windowValue(4.25, 5), windowValue(0.01234, 0.02)]).toEqual(['400', '4.3', '0.0123']);
});
