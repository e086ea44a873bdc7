import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodeCodecs } from '../../test/support/codecs.ts';
import { TS, writeDicom } from '../../test/support/dicom-writer.ts';
import type { Picture } from '../../test/support/encoders.ts';
import { encode, encodeLossless, picture } from '../../test/support/encoders.ts';
import { decodeFrame, decodeReduced, DicomError, parseDicom } from './index.ts';
import { decodeJpeg } from './jpeg/decode.ts';
import { readStreamInfo } from './jpeg/stream.ts';

const codecs = nodeCodecs();

function fileOf({ rows, columns, components, bits }: Picture, stream: Uint8Array, transferSyntax: string, photometric = components === 3 ? 'RGB' : 'MONOCHROME2'): Uint8Array {
  const allocated = bits > 8 ? 16 : 8;
  return writeDicom({
    transferSyntax,
    pixels: { fragments: [stream] },
    elements: {
      '00280002': ['US', components],
      '00280004': ['CS', photometric],
      '00280010': ['US', rows],
      '00280011': ['US', columns],
      '00280100': ['US', allocated],
      '00280101': ['US', bits],
      '00280102': ['US', bits - 1],
    },
  });
}

/** Samples of the decoded frame, interleaved, as the picture has them. */
async function samplesOf(bytes: Uint8Array): Promise<number[]> {
  const frame = await decodeFrame(parseDicom(bytes), 0, codecs);
  return frame.kind === 'grey' ? [...frame.pixels] : [...frame.rgba].filter((_, i) => i % 4 !== 3);
}

const HTJ2K = '1.2.840.10008.1.2.4.201';
const JPEG_XL = '1.2.840.10008.1.2.4.110';
const LOSSLESS: [string, (picture: Picture) => Promise<Uint8Array>, string][] = [
  ['JPEG-LS, by sample', (p) => encode('charls', p, (e) => e.setInterleaveMode?.(p.components === 3 ? 2 : 0)), TS.jpegLs],
  ['JPEG 2000', (p) => encode('openjpeg', p, (e) => e.setQuality?.(true, 0)), TS.jpeg2000],
  ['HTJ2K', (p) => encode('openjph', p, (e) => e.setQuality?.(true, 0)), HTJ2K],
  ['JPEG XL', (p) => encode('libjxl', p, (e) => e.setLossless?.(true)), JPEG_XL],
  ['JPEG Lossless', async (p) => Promise.resolve(encodeLossless(p, p.bits, 1)), TS.jpegLossless],
];

describe('lossless codecs give back every sample', () => {
  for (const [name, encoder, transferSyntax] of LOSSLESS) {
    test.each([[1, 8], [1, 12], [1, 16], [3, 8]] as const)(`${name}: %i component(s) of %i bits`, async (components, bits) => {
      const original = picture(components, bits);
      expect(await samplesOf(fileOf(original, await encoder(original), transferSyntax))).toEqual([...original.samples]);
    });
  }
});

test('JPEG Lossless: all predictors, precisions and restart intervals', () => {
  fc.assert(
    fc.property(
      fc.record({ precision: fc.integer({ min: 2, max: 16 }), predictor: fc.integer({ min: 1, max: 7 }), restart: fc.nat(3), rows: fc.integer({ min: 1, max: 7 }), columns: fc.integer({ min: 1, max: 7 }), components: fc.constantFrom(1 as const, 3 as const) }),
      fc.array(fc.nat(0xffff), { minLength: 147, maxLength: 147 }),
      ({ precision, predictor, restart, rows, columns, components }, values) => {
        const samples = Uint16Array.from(values.slice(0, rows * columns * components), (value) => value & (2 ** precision - 1));
        const stream = encodeLossless({ rows, columns, components, bits: precision, samples }, precision, predictor, restart);
        expect([...decodeJpeg(stream).samples]).toEqual([...samples]);
      },
    ),
    { numRuns: 300 },
  );
});

describe('DCT', () => {
  test.each([false, true])('our decoder and libjpeg-turbo agree within 1 (progressive: %s)', async (progressive) => {
    const original = picture(1, 8);
    const stream = await encode('libjpeg-turbo-8bit', original, (e) => {
      e.setProgressive?.(progressive);
      e.setQuality?.(85);
    });
    const theirs = await samplesOf(fileOf(original, stream, TS.jpeg));
    const ours = decodeJpeg(stream).samples;
    expect(Math.max(...theirs.map((value, i) => Math.abs(value - ours[i]!)))).toBeLessThanOrEqual(1);
    expect(Math.max(...theirs.map((value, i) => Math.abs(value - original.samples[i]!)))).toBeLessThan(80);
  });
  test('RGB and YBR_FULL_422 photometric interpretations of a JFIF stream show the same colours', async () => {
    const original: Picture = { rows: 16, columns: 16, components: 3, bits: 8, samples: Uint8Array.from({ length: 768 }, (_, i) => [200, 30, 60][i % 3]!) };
    const stream = await encode('libjpeg-turbo-8bit', original, (e) => e.setQuality?.(100));
    for (const photometric of ['RGB', 'YBR_FULL_422']) {
      const [r, g, b] = await samplesOf(fileOf(original, stream, TS.jpeg, photometric));
      expect([r! - 200, g! - 30, b! - 60].every((d) => Math.abs(d) <= 3)).toBe(true);
    }
  });
});

describe('JPEG XL', () => {
  const lossy: Parameters<typeof encode>[2] = (e) => {
    e.setLossless?.(false);
    e.setDistance?.(0.5);
  };
  test.each([[1, 64, 64], [3, 50, 100], [1, 30, 40], [3, 9, 16], [1, 512, 300], [1, 600, 520], [1, 1, 9000], [3, 8, 8]] as const)('its header as it is read before decoding: %i component(s), %i × %i', async (components, rows, columns) => {
    for (const bits of [1, 8, 10, 16]) {
      for (const lossless of [true, false]) {
        const stream = await encode('libjxl', picture(components, bits, rows, columns), lossless ? (e) => e.setLossless?.(true) : lossy);
        expect(readStreamInfo(stream)).toEqual({ kind: 'jpeg-xl', rows, columns, components, bits, colour: lossless || components === 1 ? 'unsaid' : 'rgb', offset: 0 });
      }
    }
  });
  test.each(['RGB', 'YBR_FULL', 'XYB'])('lossy colours are RGB whatever the file says: %s', async (photometric) => {
    const original: Picture = { rows: 16, columns: 16, components: 3, bits: 8, samples: Uint8Array.from({ length: 768 }, (_, i) => [200, 30, 60][i % 3]!) };
    const stream = await encode('libjxl', original, lossy);
    const [r, g, b] = await samplesOf(fileOf(original, stream, '1.2.840.10008.1.2.4.112', photometric));
    expect([r! - 200, g! - 30, b! - 60].every((d) => Math.abs(d) <= 4)).toBe(true);
  });
  test('lossless YBR stays what it is', async () => {
    const original: Picture = { rows: 16, columns: 16, components: 3, bits: 8, samples: Uint8Array.from({ length: 768 }, (_, i) => [120, 128, 128][i % 3]!) };
    const stream = await encode('libjxl', original, (e) => e.setLossless?.(true));
    expect((await samplesOf(fileOf(original, stream, JPEG_XL, 'YBR_FULL'))).slice(0, 3)).toEqual([120, 120, 120]);
  });
  test('what a frame of DICOM does not have is refused by its name', () => {
    // Bits as ISO/IEC 18181-1 D.2 and D.3 have them: 8 × 8, then what is asked.
    const header = (...more: [value: number, bits: number][]): Uint8Array => {
      const out = new Uint8Array(16);
      let at = 0;
      for (const [value, bits] of [[0x0aff, 16], [1, 1], [0, 5], [1, 3], ...more] as const) for (let i = 0; i < bits; i++, at++) out[at >> 3]! |= ((value >> i) & 1) << (at & 7);
      return out;
    };
    for (const [bits, what] of [[[[0, 1], [1, 1], [5, 3]], 'a rotation'], [[[0, 1], [1, 1], [0, 3], [0, 1], [1, 1]], 'a preview'], [[[0, 1], [1, 1], [0, 3], [0, 1], [0, 1], [1, 1]], 'an animation'], [[[0, 1], [0, 1], [1, 1]], 'floating-point'], [[[0, 1], [0, 1], [0, 1], [0, 2], [0, 1], [1, 2]], 'channels']] as [[number, number][], string][]) {
      expect(() => readStreamInfo(header(...bits))).toThrow(what);
    }
    expect(readStreamInfo(header([1, 1]))).toMatchObject({ rows: 8, columns: 8, components: 3, bits: 8 });
  });
});

describe('damaged streams', () => {
  test.each(LOSSLESS)('%s: a stream cut anywhere is refused', { timeout: 120_000 }, async (_, encoder, transferSyntax) => {
    const original = picture(1, 12, 40, 40);
    const stream = await encoder(original);
    for (const keep of [0, 2, 10, 30, stream.length >> 1, stream.length - 12, stream.length - 3]) {
      const bytes = fileOf(original, stream.subarray(0, keep), transferSyntax);
      const problem = await samplesOf(bytes).then(() => 'decoded', (error: unknown) => (error instanceof DicomError ? error.code : String(error)));
      expect(['truncated', 'corrupt']).toContain(problem);
    }
  });
  test('a scan that ends early is refused even where the end marker is there: no grey fill, no half image', async () => {
    const original = picture(1, 8, 64, 64);
    const streams: [Uint8Array, string][] = [
      [await encode('libjpeg-turbo-8bit', original), TS.jpeg],
      [await encode('charls', original), TS.jpegLs],
      [encodeLossless(original, 8, 1), TS.jpegLossless],
    ];
    for (const [stream, transferSyntax] of streams) {
      const cut = Uint8Array.from([...stream.subarray(0, Math.floor(stream.length * 0.6)), 0xff, 0xd9]);
      await expect(samplesOf(fileOf(original, cut, transferSyntax))).rejects.toBeInstanceOf(DicomError);
    }
  });
  test('a stream of another size than the header says is refused before it is decoded', async () => {
    const original = picture(1, 8);
    const stream = await encode('charls', original);
    await expect(samplesOf(fileOf({ ...original, rows: 9 }, stream, TS.jpegLs))).rejects.toMatchObject({ code: 'corrupt' });
  });
  describe.each(LOSSLESS.filter(([, , transferSyntax]) => [TS.jpeg2000, HTJ2K].includes(transferSyntax)))('%s: a grid that no decoder should be given', (_, encoder, transferSyntax) => {
    // Offsets of ISO/IEC 15444-1 A.5.1 behind SOC. OpenJPH's decoder never came back from a YRsiz of 57.
    test.each<[string, number, number[], string]>([
      ['fewer rows in a component', 44, [57], 'unsupported-transfer-syntax'], ['fewer columns', 43, [2], 'unsupported-transfer-syntax'], ['none at all', 44, [0], 'unsupported-transfer-syntax'],
      ['no tile', 24, [0, 0, 0, 0], 'corrupt'], ['a tile beside the image', 35, [1], 'corrupt'], ['components without a description', 40, [0x3f, 0xff], 'corrupt'],
    ])('%s', async (_, at, bytes, code) => {
      const original = picture(1, 12, 40, 40);
      const stream = (await encoder(original)).slice();
      stream.set(bytes, at);
      await expect(samplesOf(fileOf(original, stream, transferSyntax))).rejects.toMatchObject({ name: 'DicomError', code });
    });
    test('more tiles than there are numbers', async () => {
      const original = picture(1, 8, 300, 300);
      const stream = (await encoder(original)).slice();
      stream.set([0, 0, 0, 1, 0, 0, 0, 1], 24);
      await expect(samplesOf(fileOf(original, stream, transferSyntax))).rejects.toMatchObject({ code: 'corrupt', message: expect.stringContaining('90000 tiles') as string });
    });
  });
  test('the next frame decodes after one that made a decoder fail', async () => {
    const original = picture(1, 8);
    const stream = await encode('openjpeg', original, (e) => e.setQuality?.(true, 0));
    const broken = stream.slice();
    broken.fill(0xa5, 120, stream.length - 2);
    await samplesOf(fileOf(original, broken, TS.jpeg2000)).catch(() => null);
    expect(await samplesOf(fileOf(original, stream, TS.jpeg2000))).toEqual([...original.samples]);
  });
  test('mutated streams only ever give frames or DicomErrors', { timeout: 120_000 }, async () => {
    const original = picture(1, 12, 40, 40);
    const small = picture(1, 8, 40, 40);
    const streams: [Picture, Uint8Array, string][] = [
      ...(await Promise.all(LOSSLESS.map(async ([, encoder, ts]): Promise<[Picture, Uint8Array, string]> => [original, await encoder(original), ts]))),
      [small, await encode('libjpeg-turbo-8bit', small, (e) => e.setProgressive?.(true)), TS.jpeg],
    ];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...streams), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }), async ([pic, stream, ts], changes) => {
        const bytes = stream.slice();
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        try {
          expect((await samplesOf(fileOf(pic, bytes, ts))).length).toBe(1600);
        } catch (error) {
          if (!(error instanceof DicomError)) throw error;
        }
        try {
          decodeJpeg(bytes);
        } catch (error) {
          if (!(error instanceof DicomError)) throw error;
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('a smaller picture of a JPEG 2000 frame', () => {
  const smooth = (rows: number, columns: number, components: 1 | 3): Picture => {
    const samples = Array.from({ length: rows * columns * components }, (_, i) => 100 + (Math.floor(i / components) % columns) + Math.floor(i / components / columns));
    return components === 3 ? { rows, columns, components, bits: 8, samples: Uint8Array.from(samples) } : { rows, columns, components, bits: 12, samples: Uint16Array.from(samples) };
  };
  const reduced = async (of: Picture, side: number): Promise<Awaited<ReturnType<typeof decodeReduced>>> =>
    decodeReduced(parseDicom(fileOf(of, await encode('openjpeg', of, (e) => e.setQuality?.(true, 0)), TS.jpeg2000, of.components === 3 ? 'YBR_RCT' : 'MONOCHROME2')), 0, side, codecs);

  test.each([[64, 48, 1, 32, 2], [65, 33, 1, 20, 2], [64, 64, 1, 16, 4], [40, 40, 3, 20, 2]] as const)('%i × %i × %i to a side of %i: every %ith pixel or so', async (rows, columns, components, side, step) => {
    const of = smooth(rows, columns, components);
    const frame = await reduced(of, side);
    expect([frame.rows, frame.columns]).toEqual([Math.ceil(rows / step), Math.ceil(columns / step)]);
    const [values, channels] = frame.kind === 'grey' ? [frame.pixels, 1] : [frame.rgba, 4];
    for (let y = 1; y < frame.rows - 1; y++) {
      for (let x = 1; x < frame.columns - 1; x++) expect(Math.abs(values[(y * frame.columns + x) * channels]! - of.samples[(y * step * columns + x * step) * components]!)).toBeLessThanOrEqual(2 * step);
    }
  });

  test('is not to be had of a frame no larger, nor of another syntax', async () => {
    await expect(reduced(smooth(64, 48, 1), 64)).rejects.toMatchObject({ code: 'unsupported-transfer-syntax' });
    const of = smooth(64, 48, 1);
    const other = fileOf(of, await encode('charls', of), TS.jpegLs);
    await expect(decodeReduced(parseDicom(other), 0, 32, codecs)).rejects.toMatchObject({ code: 'unsupported-transfer-syntax' });
  });
});
