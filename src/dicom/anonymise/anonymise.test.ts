import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TS, writeDicom, type Elements, type Value, type WriteOptions } from '../../../test/support/dicom-writer.ts';
import { attributeOf } from '../dictionary.ts';
import { DicomError, parseDicom, type Anonymised, type AnonymiseOptions, type DicomFile } from '../index.ts';
import { T } from '../tags.ts';
import { anonymise } from './anonymise.ts';
import { actionOf, type Retain } from './table.ts';

const CT: Record<string, readonly [string, Value]> = { '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.2'], '00080060': ['CS', 'CT'] };
const pixels = Uint16Array.of(1, 2, 3, 4, 5, 6);
const NONE: Retain = { dates: false, patient: false };

/** Pseudonyms that a test can foresee. */
function pseudonyms(): AnonymiseOptions['pseudonyms'] & { uids: Map<string, string> } {
  const uids = new Map<string, string>();
  return { uids, uid: (original) => uids.get(original) ?? (uids.set(original, `2.25.${uids.size + 1}`), uids.get(original)!), patient: () => 'ANON-1' };
}
const options = (more: Partial<AnonymiseOptions> = {}): AnonymiseOptions => ({ pseudonyms: pseudonyms(), retain: NONE, includeHeld: false, software: 'FabricLens test', ...more });
const written = (result: Anonymised): { bytes: Buffer; file: DicomFile } => {
  if (!('pieces' in result)) throw new Error(`held back: ${result.held}`);
  const bytes = Buffer.concat(result.pieces);
  return { bytes, file: parseDicom(bytes) };
};
const of = (write: WriteOptions, more?: Partial<AnonymiseOptions>): ReturnType<typeof written> => written(anonymise(parseDicom(writeDicom({ pixels, ...write, elements: { ...CT, ...write.elements } })), options(more)));
const pixelBytes = ({ dataSet }: DicomFile): Buffer => {
  const { offset, length } = dataSet.get(T.PixelData)!;
  return Buffer.from(dataSet.source.bytes.subarray(offset, offset + length));
};
const text = (file: DicomFile, tag: string): string => file.dataSet.text({ id: Number.parseInt(tag, 16), vr: 'LO' });
const has = (file: DicomFile, tag: string): boolean => file.dataSet.elements.has(Number.parseInt(tag, 16));

describe('actions', () => {
  test('of attributes as table E.1-1 has them, where it leaves a choice the one that every object allows', () => {
    const actions = (retain: Retain, ...tags: string[]): string[] => tags.map((tag) => actionOf(Number.parseInt(tag, 16), retain).action);
    expect(actions(NONE, '00100010', '00100030', '00080050', '00081030', '00080080', '00080018', '00081140', '00181030', '00080022', '00400555', '7FE00010')).toEqual(
      ['empty', 'empty', 'empty', 'remove', 'dummy', 'uid', 'keep', 'dummy', 'empty', 'empty', 'keep']);
    expect(actions({ dates: true, patient: false }, '00080020', '00080022', '00100030', '00101010')).toEqual(['keep', 'keep', 'empty', 'remove']);
    expect(actions({ dates: false, patient: true }, '00080020', '00100040', '00101010', '00101030', '00102110')).toEqual(['empty', 'keep', 'keep', 'keep', 'remove']);
  });
  test('private, unknown, curve and overlay attributes go; so do group lengths and what is no attribute of an object', () => {
    for (const tag of [0x00090010, 0x7fe11010, 0x00080000, 0x00280fff, 0x50003000, 0x60003000, 0x60000010, 0x601e4000, 0x00020010, 0x00041220]) expect(actionOf(tag, { dates: true, patient: true }).action).toBe('remove');
  });
});

describe('the file', () => {
  const whole: Elements = {
    '00080020': ['DA', '20240229'], '00080080': ['LO', 'St. Elsewhere'], '00081030': ['LO', 'Chest of Doe'], '00100010': ['PN', 'Doe^Jane'], '00100020': ['LO', 'ID-77'], '00100040': ['CS', 'F'], '00101010': ['AS', '041Y'],
    '00090010': ['LO', 'MAKER'], '00091001': ['LO', 'Jane Doe'], '00280301': ['CS', 'NO'],
  };
  test('says what was done, by whom and with which options', () => {
    const { file } = of({ elements: whole }, { retain: { dates: true, patient: true } });
    expect([text(file, '00120062'), text(file, '00120063'), text(file, '00280303'), text(file, '00280301')]).toEqual(['YES', 'FabricLens test', 'UNMODIFIED', 'NO']);
    expect(file.dataSet.items(T.DeidentificationMethodCodeSequence).map((item) => [item.string(T.CodeValue), item.string(T.CodingSchemeDesignator)])).toEqual([['113100', 'DCM'], ['113106', 'DCM'], ['113108', 'DCM']]);
    expect([text(file, '00080020'), text(file, '00100040'), text(file, '00101010')]).toEqual(['20240229', 'F', '041Y']);
    expect(text(of({ elements: whole }).file, '00280303')).toBe('REMOVED');
  });
  test('has a preamble and meta information that name nobody', () => {
    const source = writeDicom({ pixels, elements: CT });
    source.set(Buffer.from('Jane was here'), 0);
    const { bytes, file } = written(anonymise(parseDicom(source), options()));
    expect(bytes.subarray(0, 128).every((byte) => byte === 0)).toBe(true);
    expect([...file.meta!.elements.keys()].map((id) => id - 0x20000)).toEqual([0, 1, 2, 3, 0x10, 0x12, 0x13]);
    expect(file.meta!.string({ id: 0x00020003, vr: 'UI' })).toBe(file.dataSet.string(T.SOPInstanceUID));
    expect(file.meta!.number({ id: 0x00020000, vr: 'UL' })).toBe(bytes.indexOf(Buffer.from([8, 0, 0x16, 0])) - 144);
  });
  test('keeps text that stays in its own character set', () => {
    const utf8 = (word: string): Uint8Array => new TextEncoder().encode(word);
    const { file } = of({ elements: { '00080005': ['CS', 'ISO_IR 192'], '00080070': ['LO', utf8('Müller 医疗')], '00100010': ['PN', utf8('王^小東')] } });
    expect([text(file, '00080070'), text(file, '00100010')]).toEqual(['Müller 医疗', 'ANON-1']);
  });
  test.each([TS.implicit, TS.explicit, TS.bigEndian, TS.deflated])('%s: pixels and transfer syntax as they were', (transferSyntax) => {
    const { file } = of({ transferSyntax, elements: { ...whole, '00281050': ['DS', '40'], '00189345': ['FD', 1.5] } });
    expect([file.transferSyntax, file.problem]).toEqual([transferSyntax, null]);
    const source = parseDicom(writeDicom({ transferSyntax, pixels, elements: CT }));
    expect(pixelBytes(file)).toEqual(pixelBytes(source));
    expect([file.dataSet.number(T.WindowCenter), file.dataSet.number(T.Rows), file.dataSet.number({ id: 0x00189345, vr: 'FD' })]).toEqual([40, 2, 1.5]);
  });
  test('fragments and their offset table as they were', () => {
    const write: WriteOptions = { transferSyntax: TS.jpegLs, pixels: { fragments: [Uint8Array.of(1, 2, 3, 4), Uint8Array.from({ length: 9000 }, (_, i) => i)], offsets: [0, 12] }, elements: { ...whole, '00280008': ['IS', '2'] } };
    const { file } = of(write);
    expect(pixelBytes(file)).toEqual(pixelBytes(parseDicom(writeDicom({ ...write, elements: CT }))));
    expect(file.dataSet.get(T.PixelData)!.encapsulated!.fragments).toHaveLength(2);
  });
  test('implicit items within an explicit file (UN) are rewritten as the sequence that they are', () => {
    const item = Buffer.from('feff00e00e000000080000010600000053454352455400', 'hex').subarray(0, 22);
    const { file, bytes } = of({ elements: { '00081032': ['UN', item] } });
    expect(file.dataSet.items({ id: 0x00081032, vr: 'SQ' })[0]!.string(T.CodeValue)).toBe('SECRET');
    const removed = of({ elements: { '00081084': ['UN', item] } });
    expect([bytes.includes('SECRET'), removed.bytes.includes('SECRET')]).toEqual([true, false]);
  });
  test('of a sequence that is replaced the structure stays, and nothing that it says', () => {
    const { file, bytes } = of({ elements: { '0040A730': ['SQ', [{ '0040A30A': ['DS', '71.25'], '00280030': ['DS', '0.71\\0.25'], '00081150': ['UI', '1.2.840.10008.5.1.4.1.1.2'], '0040A168': ['SQ', [{ '00080104': ['LO', 'SECRET'] }]] }]] } });
    const [item] = file.dataSet.items({ id: 0x0040a730, vr: 'SQ' });
    expect([item!.string({ id: 0x0040a30a, vr: 'DS' }), item!.string({ id: 0x00081150, vr: 'UI' }), item!.items({ id: 0x0040a168, vr: 'SQ' })[0]!.string(T.CodeMeaning), bytes.includes('SECRET')]).toEqual(['0', '1.2.840.10008.5.1.4.1.1.2', 'REMOVED', false]);
  });
  test('what a file says is a sequence, and is none, is not handed on', () => {
    const { bytes } = of({ elements: { '00281050': ['SQ', [{ '00080104': ['LO', 'SECRET'] }]], '00082218': ['LO', 'SECRET'] } });
    expect(bytes.includes('SECRET')).toBe(false);
  });
});

describe('references', () => {
  test('go with what they refer to; classes, and what the standard names, stay', () => {
    const names = pseudonyms();
    const image = (uid: string, other: string): DicomFile => of({
      elements: {
        '00080018': ['UI', uid], '0020000D': ['UI', '1.2.3.100'],
        '00081140': ['SQ', [{ '00081150': ['UI', '1.2.840.10008.5.1.4.1.1.2'], '00081155': ['UI', other] }]],
        '00200052': ['UI', '1.2.840.10008.1.4.1.1'], '00081110': ['SQ', [{ '00081155': ['UI', '1.2.3.100'] }]],
      },
    }, { pseudonyms: names }).file;
    const [a, b] = [image('1.2.3.1', '1.2.3.2'), image('1.2.3.2', '1.2.3.1')];
    const referred = (file: DicomFile): string => file.dataSet.items({ id: 0x00081140, vr: 'SQ' })[0]!.string({ id: 0x00081155, vr: 'UI' });
    expect([referred(a), referred(b)]).toEqual([b.dataSet.string(T.SOPInstanceUID), a.dataSet.string(T.SOPInstanceUID)]);
    expect(a.dataSet.string(T.StudyInstanceUID)).toBe(b.dataSet.string(T.StudyInstanceUID));
    expect(a.dataSet.items({ id: 0x00081140, vr: 'SQ' })[0]!.string({ id: 0x00081150, vr: 'UI' })).toBe('1.2.840.10008.5.1.4.1.1.2');
    expect(a.dataSet.string(T.FrameOfReferenceUID)).toBe('1.2.840.10008.1.4.1.1');
    expect([...names.uids.keys()].sort()).toEqual(['1.2.3.1', '1.2.3.100', '1.2.3.2', '1.2.826.0.1.3680043.10.1.2']);
  });
});

describe('what is not handed on', () => {
  const outcome = (elements: WriteOptions['elements'], more?: Partial<AnonymiseOptions>): Anonymised => anonymise(parseDicom(writeDicom({ pixels, elements: { ...CT, ...elements } })), options(more));
  test.each<[string, WriteOptions['elements']]>([
    ['burned-in', { '00280301': ['CS', 'YES'] }],
    ['recognisable', { '00280302': ['CS', 'YES'] }],
    ['capture', { '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.7'] }],
    ['capture', { '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.7.4'], '00280301': ['CS', 'NO'] }],
    ['capture', { '00080064': ['CS', 'DF'] }],
    ['capture', { '00080008': ['CS', 'DERIVED\\SECONDARY\\SCREEN SAVE'] }],
    ['ultrasound', { '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.3.1'] }],
    ['ultrasound', { '00080060': ['CS', 'US'] }],
    ['visible-light', { '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.77.1.4'] }],
    ['private-class', { '00080016': ['UI', '1.3.46.670589.11.0.0.12.2'] }],
    ['overlay', { '60000010': ['US', 2], '60000100': ['US', 16], '60000102': ['US', 12] }],
  ])('%s: held back, unless somebody has looked', (held, elements) => {
    expect(outcome(elements)).toEqual({ held });
    expect(outcome(elements, { includeHeld: true })).toHaveProperty('pieces');
  });
  test('an overlay with data of its own is no such thing: its data go', () => {
    const { file } = of({ elements: { '60000010': ['US', 2], '60003000': ['OW', new Uint8Array(2)] } });
    expect([...file.dataSet.elements.keys()].some((id) => id >= 0x60000000 && id < 0x61000000)).toBe(false);
  });

  const refused = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      expect(error).toBeInstanceOf(DicomError);
      return (error as DicomError).code;
    }
    return 'none';
  };
  test('objects without pixels, damaged and cut files, even where somebody has looked', () => {
    const bytes = writeDicom({ pixels, elements: CT });
    const all = { includeHeld: true };
    expect(refused(() => anonymise(parseDicom(writeDicom({ elements: { ...CT, '00420011': ['OB', Uint8Array.of(1, 2)] } })), options(all)))).toBe('no-image');
    expect(refused(() => anonymise(parseDicom(bytes.subarray(0, bytes.length - 2)), options(all)))).toBe('truncated');
    expect(refused(() => outcome({ '00080018': null }, all))).toBe('corrupt');
    // A sequence whose item says that it is longer than it is.
    const sequence = writeDicom({ pixels, elements: { ...CT, '00081032': ['SQ', [{ '00080100': ['SH', 'ABCDEF'] }]] } });
    sequence[Buffer.from(sequence).indexOf('ABCDEF') - 2] = 60;
    expect(refused(() => anonymise(parseDicom(sequence), options(all)))).toBe('corrupt');
    const wrong = Buffer.from(Buffer.from(writeDicom({ transferSyntax: TS.jpegLs, pixels: { fragments: [Uint8Array.of(1, 2)] }, elements: CT })).toString('latin1').replace(`${TS.jpegLs}`, `${TS.explicit}\0\0\0`), 'latin1');
    expect(refused(() => anonymise(parseDicom(wrong), options(all)))).toBe('corrupt');
  });
});

describe('any data set', () => {
  /** All attributes that are not kept, as the dictionary has them. */
  const listed: { tag: string; vr: string }[] = [];
  for (const group of [0x0008, 0x0010, 0x0012, 0x0014, 0x0018, 0x0020, 0x0028, 0x0032, 0x0034, 0x0038, 0x003a, 0x0040, 0x0044, 0x0050, 0x0062, 0x0070, 0x0088, 0x0400, 0x2200, 0x3006, 0x3008, 0x300a, 0x300c, 0x3010, 0x4008]) {
    for (let element = 1; element <= 0xffff; element++) {
      const id = group * 0x10000 + element;
      const attribute = attributeOf(id);
      const { action } = actionOf(id, NONE);
      if (attribute && action !== 'keep' && action !== 'foreign-uid' && attribute.vr !== 'SQ') listed.push({ tag: id.toString(16).padStart(8, '0').toUpperCase(), vr: attribute.vr });
    }
  }
  /** A value that is found nowhere by chance, for every VR that can hold text; numbers have none. */
  const secretOf = (vr: string, n: number): string | null => {
    const letters = [...String(n).padStart(6, '0')].map((digit) => 'GHJKQVWXYZ'[Number(digit)]).join('');
    if (vr === 'UI') return `1.9.${7_000_000 + n}.${letters.length}7`;
    if (vr === 'DA') return `1954${String((n % 12) + 1).padStart(2, '0')}17`;
    if (vr === 'DT') return `195411${String((n % 17) + 10)}131517.${n}`;
    if (vr === 'TM') return `13${String((n % 49) + 10)}47.${7000 + (n % 999)}`;
    if (vr === 'AS') return '077Y';
    if (vr === 'DS' || vr === 'IS') return String(7_100_000 + n);
    return ['AE', 'CS', 'LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UR', 'UT', 'OB', 'UN'].includes(vr) ? `LEAK${letters}` : null;
  };
  let counter = 0;
  const leaf = fc.constantFrom(...listed).map(({ tag, vr }) => ({ tag, vr, secret: secretOf(vr, counter++ % 900_000) })).filter(({ secret }) => secret !== null);
  const privates = fc.integer({ min: 0x10, max: 0xff }).map((block) => ({ creator: `000900${block.toString(16).padStart(2, '0')}`.toUpperCase(), tag: `0009${block.toString(16)}01`.toUpperCase(), secret: `LEAKP${'GHJKQVWXYZ'[counter++ % 10]!.repeat(5)}` }));
  /** Sequences that stay, sequences that go, and one whose values are replaced. */
  const sequences = ['00082218', '00081032', '00081110', '00081084', '0040A730', '52009229', '00089215', '00081140', '00091099'];
  interface Node { leaves: { tag: string; vr: string; secret: string | null }[]; privates: { creator: string; tag: string; secret: string }[]; nested: { tag: string; items: Node[] }[] }
  const node: (depth: number) => fc.Arbitrary<Node> = (depth) => fc.record({
    leaves: fc.array(leaf, { maxLength: 12 }),
    privates: fc.array(privates, { maxLength: 2 }),
    nested: depth === 0 ? fc.constant([]) : fc.array(fc.record({ tag: fc.constantFrom(...sequences), items: fc.array(node(depth - 1), { maxLength: 2 }) }), { maxLength: 3 }),
  });
  const elementsOf = ({ leaves, privates: own, nested }: Node): Elements => Object.fromEntries([
    ...leaves.map(({ tag, vr, secret }) => [tag, [vr, vr === 'OB' || vr === 'UN' ? Buffer.from(secret!) : secret!]] as const),
    ...own.flatMap(({ creator, tag, secret }) => [[creator, ['LO', `LEAKMAKER${secret}`]] as const, [tag, ['LO', secret]] as const]),
    ...nested.map(({ tag, items }) => [tag, ['SQ', items.map(elementsOf)]] as const),
  ]) as Elements;
  const secretsOf = (one: Node): string[] => [...one.leaves.map(({ secret }) => secret!), ...one.privates.map(({ secret }) => secret), ...one.nested.flatMap(({ items }) => items.flatMap(secretsOf))];

  test('no value of an attribute that goes is anywhere in what is written, and pixels stay', () => {
    expect(listed.length).toBeGreaterThan(400);
    fc.assert(fc.property(node(3), fc.constantFrom(TS.implicit, TS.explicit, TS.bigEndian, TS.deflated, TS.jpegLs), fc.boolean(), (tree, transferSyntax, undefinedLengths) => {
      const elements = { ...elementsOf(tree), ...CT, '00080018': ['UI', '1.9.1.1'] as const };
      const source = parseDicom(writeDicom({ elements, transferSyntax, undefinedLengths, pixels: transferSyntax === TS.jpegLs ? { fragments: [Uint8Array.of(1, 2, 3, 4)] } : pixels }));
      const { file, bytes } = written(anonymise(source, options({ includeHeld: true })));
      expect(file.problem).toBeNull();
      expect(pixelBytes(file)).toEqual(pixelBytes(source));
      const out = Buffer.concat([bytes.subarray(0, 400), file.dataSet.source.bytes]);
      for (const secret of ['LEAK', '1.9.1.1', 'Nobody', ...secretsOf(tree)]) expect(out.includes(secret), secret).toBe(false);
      expect([...file.dataSet.elements.keys()]).toEqual([...file.dataSet.elements.keys()].sort((a, b) => a - b));
    }), { numRuns: 150 });
  });

  test('anything that parses is written whole, held back, or refused by a DicomError; what is written has nothing more to lose', () => {
    const base = Buffer.from(writeDicom({ pixels, undefinedLengths: true, elements: { ...CT, '00081140': ['SQ', [{ '00081155': ['UI', '1.9.5'] }]], '00090010': ['LO', 'M'], '00082218': ['SQ', [{ '00080104': ['LO', 'Chest'] }]] } }));
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 132, max: base.length - 1 }), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }), (changes) => {
      const bytes = Buffer.from(base);
      for (const [at, value] of changes) bytes[at] = value;
      try {
        const { file } = written(anonymise(parseDicom(bytes), options({ includeHeld: true })));
        expect([file.problem, has(file, '00090010')]).toEqual([null, false]);
      } catch (error) {
        if (!(error instanceof DicomError)) throw error;
      }
    }), { numRuns: 400 });
  });
});
