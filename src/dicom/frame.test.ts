import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ColourFrame, GreyFrame } from '../contract/pixels.ts';
import { nodeCodecs } from '../../test/support/codecs.ts';
import type { WriteOptions } from '../../test/support/dicom-writer.ts';
import { encodeRle, offsetTable, TS, writeDicom } from '../../test/support/dicom-writer.ts';
import { decodeFrame, parseDicom, renderGrey, summarise } from './index.ts';

const codecs = nodeCodecs();
const decode = (options: WriteOptions, frame = 0) => decodeFrame(parseDicom(writeDicom(options)), frame, codecs);
const grey = async (options: WriteOptions, frame = 0): Promise<GreyFrame> => {
  const decoded = await decode(options, frame);
  if (decoded.kind !== 'grey') throw new Error('a grey frame was expected');
  return decoded;
};
const colour = async (options: WriteOptions, frame = 0): Promise<ColourFrame> => {
  const decoded = await decode(options, frame);
  if (decoded.kind !== 'colour') throw new Error('a colour frame was expected');
  return decoded;
};
const size = (rows: number, columns: number, frames = 1) => ({ '00280008': ['IS', String(frames)], '00280010': ['US', rows], '00280011': ['US', columns] }) as const;
const depth = (allocated: number, stored: number, high: number, signed: boolean) =>
  ({ '00280100': ['US', allocated], '00280101': ['US', stored], '00280102': ['US', high], '00280103': ['US', signed ? 1 : 0] }) as const;
const rgb = { '00280002': ['US', 3], '00280004': ['CS', 'RGB'], '00280006': ['US', 0], ...depth(8, 8, 7, false) } as const;

/** A stored value at its place in the cell, sign and all, with noise in the bits that are not its own. */
const cell = (value: number, stored: number, high: number, noise: number): number => {
  const shift = high + 1 - stored;
  const mask = ((1 << stored) - 1) << shift;
  return (((value << shift) & mask) | (noise & ~mask)) & 0xffff;
};

describe('stored values survive every native and RLE encoding', () => {
  const shape = fc
    .record({ rows: fc.integer({ min: 1, max: 5 }), columns: fc.integer({ min: 1, max: 5 }), frames: fc.integer({ min: 1, max: 3 }), stored: fc.integer({ min: 1, max: 16 }), lift: fc.nat(15), signed: fc.boolean() })
    .map((s) => ({ ...s, high: Math.min(15, s.stored - 1 + s.lift) }))
    .chain((s) =>
      fc.record({
        shape: fc.constant(s),
        values: fc.array(s.signed ? fc.integer({ min: -(2 ** (s.stored - 1)), max: 2 ** (s.stored - 1) - 1 }) : fc.nat(2 ** s.stored - 1), { minLength: s.rows * s.columns * s.frames, maxLength: s.rows * s.columns * s.frames }),
        noise: fc.nat(0xffff),
      }),
    );
  test.each([TS.implicit, TS.explicit, TS.bigEndian, TS.deflated, TS.rle])('%s, 16 bits allocated', async (transferSyntax) => {
    await fc.assert(
      fc.asyncProperty(shape, async ({ shape: { rows, columns, frames, stored, high, signed }, values, noise }) => {
        const words = Uint16Array.from(values, (value) => cell(value, stored, high, noise));
        const count = rows * columns;
        const planes = (frame: number): Uint8Array[] => {
          const own = words.subarray(frame * count, (frame + 1) * count);
          return [Uint8Array.from(own, (word) => word >> 8), Uint8Array.from(own, (word) => word & 255)];
        };
        const pixels = transferSyntax === TS.rle ? { fragments: Array.from({ length: frames }, (_, i) => encodeRle(planes(i))) } : words;
        const file = parseDicom(writeDicom({ transferSyntax, pixels, elements: { ...size(rows, columns, frames), ...depth(16, stored, high, signed) } }));
        for (let frame = 0; frame < frames; frame++) {
          const decoded = await decodeFrame(file, frame, codecs);
          const expected = values.slice(frame * count, (frame + 1) * count);
          expect(decoded.kind === 'grey' && [...decoded.pixels]).toEqual(expected);
          expect(decoded).toMatchObject({ min: Math.min(...expected), max: Math.max(...expected) });
        }
      }),
      { numRuns: 60 },
    );
  });

  test.each([TS.explicit, TS.bigEndian])('%s, one bit, frames that begin within a byte', async (transferSyntax) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(1), { minLength: 45, maxLength: 45 }), async (bits) => {
        const packed = new Uint8Array(6);
        bits.forEach((bit, i) => (packed[i >> 3]! |= bit << (i & 7)));
        const options = { transferSyntax, pixels: packed, elements: { ...size(3, 5, 3), ...depth(1, 1, 0, false) } };
        for (let frame = 0; frame < 3; frame++) expect([...(await grey(options, frame)).pixels]).toEqual(bits.slice(frame * 15, frame * 15 + 15));
      }),
    );
  });

  test('eight-bit pixels in big endian words, odd frames', async () => {
    // 2 frames of 3 pixels: 1 2 3 | 4 5 6 in OW words whose bytes are swapped.
    const options = { transferSyntax: TS.bigEndian, pixels: Uint16Array.of(0x0201, 0x0403, 0x0605), elements: { ...size(1, 3, 2), ...depth(8, 8, 7, false) } };
    expect([...(await grey(options, 0)).pixels]).toEqual([1, 2, 3]);
    expect([...(await grey(options, 1)).pixels]).toEqual([4, 5, 6]);
  });

  test('32-bit, float and double pixels', async () => {
    const long = new Uint8Array(Uint32Array.of(1, 2 ** 32 - 1).buffer);
    expect([...(await grey({ pixels: long, elements: { ...size(1, 2), ...depth(32, 32, 31, false) } })).pixels]).toEqual([1, 2 ** 32 - 1]);
    expect([...(await grey({ pixels: long, elements: { ...size(1, 2), ...depth(32, 32, 31, true) } })).pixels]).toEqual([1, -1]);
    for (const transferSyntax of [TS.explicit, TS.bigEndian]) {
      expect([...(await grey({ transferSyntax, elements: { ...size(1, 2), '7FE00008': ['OF', [1.5, -2]] } })).pixels]).toEqual([1.5, -2]);
      expect([...(await grey({ transferSyntax, elements: { ...size(1, 2), '7FE00009': ['OD', [0.1, 1e300]] } })).pixels]).toEqual([0.1, 1e300]);
    }
  });
});

test('the pixels are a copy: the file can be decoded again after they were written to', async () => {
  const file = parseDicom(writeDicom({ pixels: Uint16Array.of(1, 2, 3, 4, 5, 6) }));
  const first = await decodeFrame(file, 0, codecs);
  if (first.kind === 'grey') first.pixels.fill(9);
  const second = await decodeFrame(file, 0, codecs);
  expect(second.kind === 'grey' && [...second.pixels]).toEqual([1, 2, 3, 4, 5, 6]);
});

describe('range and windows', () => {
  test('pixel padding is left out of the range, one value or a span', async () => {
    const pixels = Int16Array.of(-2000, -1990, 0, 50, 100, -2000);
    const signed = depth(16, 16, 15, true);
    expect(await grey({ pixels, elements: { ...signed, '00280120': ['SS', -2000] } })).toMatchObject({ min: -1990, max: 100 });
    expect(await grey({ pixels, elements: { ...signed, '00280120': ['SS', -2000], '00280121': ['SS', -1980] } })).toMatchObject({ min: 0, max: 100 });
  });
  test('without a word of the file, the frame\'s own range is shown from black to white', async () => {
    const frame = await grey({ pixels: Uint16Array.of(10, 20, 30, 40, 50, 60) });
    expect(frame.voiFromFile).toBe(false);
    expect([...renderGrey(frame, frame.voi[0]!, false)]).toEqual([0, 51, 102, 153, 204, 255]);
  });
  test('one infinite pixel of a float image does not make the others one grey', async () => {
    const frame = await grey({ elements: { ...size(1, 5), '7FE00008': ['OF', [-Infinity, 1, 2, 3, Infinity]] } });
    expect(frame).toMatchObject({ min: 1, max: 3 });
    expect([...renderGrey(frame, frame.voi[0]!, false)]).toEqual([0, 0, 128, 255, 255]);
  });
  test('windows first, then tables; tables alone come first', async () => {
    const table = { '00283010': ['SQ', [{ '00283002': ['US', [3, 5, 8]], '00283003': ['LO', 'bone'], '00283006': ['OW', [0, 128, 255]] }]] } as const;
    const pixels = Uint16Array.of(4, 5, 6, 7, 8, 9);
    const alone = await grey({ pixels, elements: table });
    expect(alone.voi[0]).toMatchObject({ kind: 'table', first: 5, explanation: 'bone' });
    expect([...renderGrey(alone, alone.voi[0]!, false)]).toEqual([0, 0, 128, 255, 255, 255]);
    const both = await grey({ pixels, elements: { ...table, '00281050': ['DS', '5\\6'], '00281051': ['DS', '2\\0'], '00281055': ['LO', 'soft\\none'] } });
    expect(both.voi.map(({ kind }) => kind)).toEqual(['window', 'table']);
    expect(both.windows).toEqual([{ center: 5, width: 2, explanation: 'soft' }]);
  });
  test('a modality table wins over rescale, and its unit is told', async () => {
    const frame = await grey({
      pixels: Uint16Array.of(0, 1, 2, 3, 4, 5),
      elements: { '00281052': ['DS', '-5'], '00281053': ['DS', '1'], '00283000': ['SQ', [{ '00283002': ['US', [2, 1, 16]], '00283004': ['LO', 'OD'], '00283006': ['OW', [100, 200]] }]] },
    });
    expect(frame).toMatchObject({ units: 'OD', modality: { kind: 'table', first: 1 } });
  });
  test('enhanced multi-frame: each frame has its own rescale, window, position', async () => {
    const group = (intercept: number, z: number) => ({
      '00289145': ['SQ', [{ '00281052': ['DS', String(intercept)], '00281053': ['DS', '2'], '00281054': ['LO', 'HU'] }]] as const,
      '00289132': ['SQ', [{ '00281050': ['DS', String(intercept)], '00281051': ['DS', '10'] }]] as const,
      '00209113': ['SQ', [{ '00200032': ['DS', `0\\0\\${z}`] }]] as const,
    });
    const options: WriteOptions = {
      pixels: new Uint16Array(12),
      elements: {
        ...size(2, 3, 2),
        '52009229': ['SQ', [{ '00209116': ['SQ', [{ '00200037': ['DS', '1\\0\\0\\0\\1\\0'] }]], '00289110': ['SQ', [{ '00280030': ['DS', '0.5\\0.25'] }]] }]],
        '52009230': ['SQ', [group(-10, 1), group(-20, 2)]],
      },
    };
    expect(await grey(options, 1)).toMatchObject({ units: 'HU', modality: { slope: 2, intercept: -20 }, windows: [{ center: -20, width: 10 }] });
    const { instance } = summarise(parseDicom(writeDicom(options)), { id: 'a', fileName: 'a' });
    expect(instance).toMatchObject({ frames: 2, slicePosition: 1, spacing: { row: 0.5, column: 0.25, source: 'PixelSpacing' }, patientOrientation: ['L', 'P'] });
  });
});

describe('colour', () => {
  const flat = ({ rgba }: ColourFrame): number[][] => Array.from({ length: rgba.length / 4 }, (_, i) => [...rgba.subarray(i * 4, i * 4 + 3)]);
  const two = [[255, 0, 10], [1, 2, 3]];

  test('interleaved and planar RGB', async () => {
    expect(flat(await colour({ pixels: Uint8Array.from(two.flat()), elements: { ...rgb, ...size(1, 2) } }))).toEqual(two);
    expect(flat(await colour({ pixels: Uint8Array.of(255, 1, 0, 2, 10, 3), elements: { ...rgb, ...size(1, 2), '00280006': ['US', 1] } }))).toEqual(two);
  });
  test('RLE RGB, which is always planar in itself', async () => {
    const fragments = [encodeRle([Uint8Array.of(255, 1), Uint8Array.of(0, 2), Uint8Array.of(10, 3)])];
    expect(flat(await colour({ transferSyntax: TS.rle, pixels: { fragments }, elements: { ...rgb, ...size(1, 2) } }))).toEqual(two);
  });
  test('16-bit RGB is shown by its high bits', async () => {
    expect(flat(await colour({ pixels: Uint16Array.of(0xffff, 0, 0x8080), elements: { ...rgb, ...size(1, 1), ...depth(16, 16, 15, false) } }))).toEqual([[255, 0, 128]]);
  });
  test('YBR_FULL and YBR_FULL_422 (PS3.3 C.7.6.3.1.2)', async () => {
    const red = [76, 85, 255];
    expect(flat(await colour({ pixels: Uint8Array.from(red), elements: { ...rgb, ...size(1, 1), '00280004': ['CS', 'YBR_FULL'] } }))[0]!.map((v, i) => Math.abs(v - [254, 0, 0][i]!) <= 1)).toEqual([true, true, true]);
    const pair = await colour({ pixels: Uint8Array.of(0, 255, 128, 128), elements: { ...rgb, ...size(1, 2), '00280004': ['CS', 'YBR_FULL_422'] } });
    expect(flat(pair)).toEqual([[0, 0, 0], [255, 255, 255]]);
  });
  const palette = (entries: number[][], bits: number) => ({
    ...size(1, 2),
    ...depth(8, 8, 7, false),
    '00280004': ['CS', 'PALETTE COLOR'] as const,
    ...Object.fromEntries([0, 1, 2].flatMap((c) => [[`0028110${c + 1}`, ['US', [entries[c]!.length, 1, bits]] as const], [`0028120${c + 1}`, ['OW', bits === 8 ? Uint8Array.from(entries[c]!) : entries[c]!] as const]])),
  });
  test('palettes of 16 and of 8 bits; inputs outside take the ends', async () => {
    expect(flat(await colour({ pixels: Uint8Array.of(0, 9), elements: palette([[0x1200, 0xff00], [0x3400, 0], [0x5600, 0x8000]], 16) }))).toEqual([[0x12, 0x34, 0x56], [255, 0, 128]]);
    expect(flat(await colour({ pixels: Uint8Array.of(1, 2), elements: palette([[1, 2], [3, 4], [5, 6]], 8) }))).toEqual([[1, 3, 5], [2, 4, 6]]);
  });
  test('segmented palettes: discrete, then linear', async () => {
    const segments = Uint16Array.of(0, 1, 0, 1, 2, 0xff00);
    const data = { pixels: Uint8Array.of(1, 2), elements: { ...size(1, 2), ...depth(8, 8, 7, false), '00280004': ['CS', 'PALETTE COLOR'] as const, ...Object.fromEntries([1, 2, 3].flatMap((c) => [[`0028110${c}`, ['US', [3, 0, 16]] as const], [`0028122${c}`, ['OW', new Uint8Array(segments.buffer)] as const]])) } };
    expect(flat(await colour(data))).toEqual([[0x7f, 0x7f, 0x7f], [255, 255, 255]]);
  });
  test('segmented palettes that claim four thousand million entries, or repeat an empty segment without end, are refused', async () => {
    const hostile = (descriptor: readonly [string, number[]], segments: Uint16Array) =>
      decode({
        pixels: Uint8Array.of(1, 2),
        elements: { ...size(1, 2), ...depth(8, 8, 7, false), '00280004': ['CS', 'PALETTE COLOR'], ...Object.fromEntries([1, 2, 3].flatMap((c) => [[`0028110${c}`, descriptor] as const, [`0028122${c}`, ['OW', new Uint8Array(segments.buffer)] as const]])) },
      });
    const whole = Uint16Array.of(0, 1, 0xff00);
    // An entry count has 16 bits, whatever VR the file gives it: 0xffffffff is 0xffff of them.
    expect(flat((await hostile(['UL', [0xffffffff, 0, 16]], whole)) as ColourFrame)).toEqual([[0, 0, 0], [0, 0, 0]]);
    const empty = Uint16Array.from({ length: 1 << 16 }, (_, i) => (i < 2 ? 0 : [2, 0xffff, 0, 0][(i - 2) % 4]!));
    await expect(hostile(['US', [0, 0, 16]], empty)).rejects.toMatchObject({ code: 'corrupt' });
  });
  test('a palette image without its palette is refused', async () => {
    await expect(decode({ pixels: Uint8Array.of(1, 2), elements: { ...size(1, 2), ...depth(8, 8, 7, false), '00280004': ['CS', 'PALETTE COLOR'] } })).rejects.toMatchObject({ code: 'corrupt' });
  });
});

describe('fragments and frames', () => {
  const frames = [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]].map((words) => encodeRle([new Uint8Array(6), Uint8Array.from(words)]));
  const split = frames.flatMap((bytes) => [bytes.slice(0, 64), bytes.slice(64)]);
  const elements = size(2, 3, 2);

  test.each([
    ['one each, no table', { fragments: frames }],
    ['one each, a table', { fragments: frames, offsets: offsetTable(frames, [0, 1]) }],
    ['two each, a table', { fragments: split, offsets: offsetTable(split, [0, 2]) }],
    ['one each, a table that names nothing', { fragments: frames, offsets: [0, 12345] }],
  ])('%s', async (_, pixels) => {
    expect([...(await grey({ transferSyntax: TS.rle, elements, pixels }, 0)).pixels]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...(await grey({ transferSyntax: TS.rle, elements, pixels }, 1)).pixels]).toEqual([7, 8, 9, 10, 11, 12]);
  });
  test('an Extended Offset Table (OV)', async () => {
    const table = { '7FE00001': ['OV', offsetTable(frames, [0, 1])], '7FE00002': ['OV', frames.map(({ length }) => length)] } as const;
    expect([...(await grey({ transferSyntax: TS.rle, elements: { ...elements, ...table }, pixels: { fragments: frames } }, 1)).pixels]).toEqual([7, 8, 9, 10, 11, 12]);
  });
  test('fragments that cannot be told apart are refused, not guessed', async () => {
    await expect(decode({ transferSyntax: TS.rle, elements, pixels: { fragments: split } })).rejects.toMatchObject({ code: 'corrupt' });
  });
  test('an RLE segment that ends early is refused, not filled up', async () => {
    const short = encodeRle([new Uint8Array(6), Uint8Array.of(1, 2, 3)]);
    await expect(decode({ transferSyntax: TS.rle, pixels: { fragments: [short] } })).rejects.toMatchObject({ code: 'corrupt' });
  });
  test('a syntax that we cannot decode is named', async () => {
    await expect(decode({ transferSyntax: '1.2.840.10008.1.2.4.107', pixels: { fragments: [new Uint8Array(8)] } })).rejects.toMatchObject({ code: 'unsupported-transfer-syntax', message: expect.stringContaining('HEVC/H.265 Main Profile') as string });
  });
});
