import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeElements, IMAGE, TS, writeDicom } from '../../test/support/dicom-writer.ts';
import { nodeCodecs } from '../../test/support/codecs.ts';
import { decodeText } from './charset.ts';
import { decodeFrame, DicomError, parseDicom, readDicomDir, summarise } from './index.ts';
import { T } from './tags.ts';

const pixels = Uint16Array.of(1, 2, 3, 4, 5, 6);
const codecs = nodeCodecs();
const origin = { id: 'i', fileName: 'f.dcm' };

/** The error that `run` throws; a failure when it throws none or another kind. */
function problemOf(run: () => unknown): DicomError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(DicomError);
    return error as DicomError;
  }
  throw new Error('nothing was thrown');
}

describe('encodings', () => {
  for (const undefinedLengths of [false, true]) {
    for (const meta of [true, false]) {
      test.each([TS.implicit, TS.explicit, TS.bigEndian])(`%s, ${undefinedLengths ? 'undefined' : 'known'} lengths, ${meta ? 'Part 10' : 'bare data set'}`, async (transferSyntax) => {
        const bytes = writeDicom({
          transferSyntax,
          meta,
          undefinedLengths,
          pixels,
          elements: { '00089215': ['SQ', [{ '00080100': ['SH', 'inner'], '00089216': ['SQ', [{ '00080100': ['SH', 'deep'] }]] }, { '00080100': ['SH', 'second'] }]], '00102160': ['SH', 'after'] },
        });
        const file = parseDicom(bytes);
        expect(file.transferSyntax).toBe(transferSyntax);
        expect(file.problem).toBeNull();
        const sequence = file.dataSet.items({ id: 0x00089215, vr: 'SQ' });
        expect(sequence.map((item) => item.string({ id: 0x00080100, vr: 'SH' }))).toEqual(['inner', 'second']);
        expect(sequence[0]!.items({ id: 0x00089216, vr: 'SQ' })[0]!.string({ id: 0x00080100, vr: 'SH' })).toBe('deep');
        expect(file.dataSet.string({ id: 0x00102160, vr: 'SH' })).toBe('after');
        const frame = await decodeFrame(file, 0, codecs);
        expect(frame.kind === 'grey' && [...frame.pixels]).toEqual([...pixels]);
      });
    }
  }

  test('deflated', () => {
    const { instance } = summarise(parseDicom(writeDicom({ transferSyntax: TS.deflated, pixels })), origin);
    expect([instance.rows, instance.columns]).toEqual([2, 3]);
  });
  test('meta information that names the wrong VR encoding: the bytes decide', () => {
    const explicit = writeDicom({ pixels });
    const text = Buffer.from(explicit).toString('latin1').replace(`${TS.explicit}\0`, `${TS.implicit}\0\0\0`);
    const file = parseDicom(Buffer.from(text, 'latin1'));
    expect(file.transferSyntax).toBe(TS.implicit);
    expect(file.dataSet.number(T.Rows)).toBe(2);
  });
  test('a view into a larger buffer, as hosts hand over', () => {
    const bytes = writeDicom({ pixels });
    const larger = new Uint8Array(bytes.length + 100);
    larger.set(bytes, 50);
    const file = parseDicom(larger.subarray(50, 50 + bytes.length));
    expect(file.dataSet.number(T.Columns)).toBe(3);
    expect(file.dataSet.source.bytes.buffer).toBe(larger.buffer);
  });
});

describe('what is no image says so', () => {
  test.each([
    ['an empty file', new Uint8Array(0)],
    ['text', new TextEncoder().encode('This is a text file, and a rather long one, so that a header would fit. '.repeat(4))],
    ['a PNG', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52)],
    ['zeros', new Uint8Array(4096)],
  ])('%s is not DICOM', (_, bytes) => {
    expect(problemOf(() => parseDicom(bytes)).code).toBe('not-dicom');
  });
  test('a report is named by its class', () => {
    const file = parseDicom(writeDicom({ elements: { '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.88.33'], '00280010': null } }));
    const problem = problemOf(() => summarise(file, origin));
    expect(problem).toMatchObject({ code: 'no-image', message: 'Comprehensive SR holds no image' });
  });
});

test('DICOMDIR: paths, without those that leave its folder', () => {
  const record = (path: string) => ({ '00041430': ['CS', 'IMAGE'], '00041500': ['CS', path] }) as const;
  const file = parseDicom(
    writeDicom({
      elements: { '00080016': ['UI', '1.2.840.10008.1.3.10'], '00041220': ['SQ', [record('DIR\\IM1'), { '00041430': ['CS', 'PATIENT'] }, record('..\\..\\etc\\passwd'), record('/etc\\passwd'), record('IM2')]] },
    }),
  );
  expect(readDicomDir(file)).toEqual([['DIR', 'IM1'], ['IM2']]);
  expect(problemOf(() => summarise(file, origin)).code).toBe('no-image');
  expect(problemOf(() => readDicomDir(parseDicom(writeDicom({ pixels })))).code).toBe('corrupt');
});

describe('budgets', () => {
  test('a deflated bomb stops at the limit', () => {
    const body = encodeElements(IMAGE, { explicit: true, little: true, undefinedLengths: false });
    const head = writeDicom({ transferSyntax: TS.deflated });
    const meta = head.subarray(0, head.length - deflateRawSync(body).length);
    const bomb = Buffer.concat([meta, deflateRawSync(Buffer.concat([body, Buffer.from([0xe0, 0x7f, 0x10, 0, 0x4f, 0x42, 0, 0, 0, 0, 0, 0x10]), Buffer.alloc(2 ** 26)]))]);
    expect(bomb.length).toBeLessThan(2 ** 19);
    const before = process.memoryUsage().arrayBuffers;
    expect(problemOf(() => parseDicom(bomb, { inflatedBytes: 2 ** 24 })).code).toBe('too-large');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 26);
  });
  test.each([true, false])('sequences nested without end (undefined lengths: %s)', (undefinedLengths) => {
    let item: Record<string, readonly ['SQ' | 'SH', never]> = { '00080100': ['SH', 'x' as never] };
    for (let i = 0; i < 200; i++) item = { '00089215': ['SQ', [item] as never] };
    const walk = (): void => {
      let set = parseDicom(writeDicom({ elements: item, undefinedLengths })).dataSet;
      for (let next = set.items({ id: 0x00089215, vr: 'SQ' })[0]; next; next = set.items({ id: 0x00089215, vr: 'SQ' })[0]) set = next;
    };
    expect(problemOf(walk)).toMatchObject({ code: 'corrupt' });
  });
  test('a value as long as the file is read in part: no list of millions, no search in the square of its length', () => {
    const long = (byte: number): Uint8Array => new Uint8Array(4 << 20).fill(byte);
    const { dataSet } = parseDicom(writeDicom({ transferSyntax: TS.implicit, elements: { '00281050': ['DS', long(0x5c)], '00081030': ['LO', long(0x5c)] } }));
    expect(dataSet.strings(T.WindowCenter).length).toBeLessThan(0x10010);
    expect(dataSet.texts(T.StudyDescription).length).toBeLessThan(0x10010);
    // Not a goal of time: in the square of their length, these take hours.
    const middle = long(0x20);
    middle[0] = middle[middle.length - 1] = 0x78;
    expect(decodeText(middle, [], 'LO')[0]!.length).toBe(middle.length);
    const digits = String.fromCharCode(0x31).repeat(2 ** 20);
    expect(decodeText(Uint8Array.of(0x61), [`${digits}x`], 'LO')).toEqual(['a']);
    const carets = long(0x5e);
    carets[0xffff] = 0x78;
    const named = parseDicom(writeDicom({ transferSyntax: TS.implicit, pixels, elements: { '00100010': ['PN', carets] } }));
    expect(summarise(named, origin).study.patientName.alphabetic.length).toBe(0x10000);
  });
  test.each([
    ['Rows', '00280010', 1.5], ['Columns', '00280011', 2.5], ['Bits Stored', '00280101', 7.5], ['Rows', '00280010', Infinity],
  ])('%s (%s) of %d, in a VR that can say so, is refused by name', async (name, tag, value) => {
    const file = parseDicom(writeDicom({ pixels, elements: { [tag]: ['FD', value] } }));
    await expect(decodeFrame(file, 0, codecs)).rejects.toMatchObject({ name: 'DicomError', code: 'corrupt', message: expect.stringContaining(name) as string });
  });
  test('more elements than the limit', () => {
    expect(problemOf(() => parseDicom(writeDicom({ pixels }), { elements: 5 })).code).toBe('too-large');
  });
  test('a frame beyond the limit is refused before it is allocated', async () => {
    const file = parseDicom(writeDicom({ pixels, elements: { '00280010': ['US', 65535], '00280011': ['US', 65535] } }));
    await expect(decodeFrame(file, 0, codecs)).rejects.toMatchObject({ code: 'too-large' });
  });
});

describe('truncated files', () => {
  test('a sequence that the file ends in has no values behind its end', () => {
    const whole = writeDicom({ undefinedLengths: true, elements: { '00281050': ['SQ', [{ '00080100': ['SH', 'x'] }]] } });
    const { dataSet, problem } = parseDicom(whole.subarray(0, whole.length - 10));
    expect(problem?.code).toBe('truncated');
    expect(dataSet.numbers({ id: 0x00281050, vr: 'US' }).length).toBeLessThan(20);
  });
  test('the header stays usable, the frame is refused', async () => {
    const whole = writeDicom({ pixels });
    const file = parseDicom(whole.subarray(0, whole.length - 4));
    expect(summarise(file, origin).instance.rows).toBe(2);
    await expect(decodeFrame(file, 0, codecs)).rejects.toMatchObject({ code: 'truncated', message: expect.stringContaining('pixel data truncated') as string });
  });
  test('whole frames before the cut can be shown', async () => {
    const whole = writeDicom({ pixels: Uint16Array.from({ length: 18 }, (_, i) => i), elements: { '00280008': ['IS', '3'] } });
    const file = parseDicom(whole.subarray(0, whole.length - 4));
    const frame = await decodeFrame(file, 1, codecs);
    expect(frame.kind === 'grey' && [...frame.pixels]).toEqual([6, 7, 8, 9, 10, 11]);
    await expect(decodeFrame(file, 2, codecs)).rejects.toMatchObject({ code: 'truncated' });
  });
  test('cut anywhere: an image, or a DicomError', async () => {
    for (const transferSyntax of [TS.implicit, TS.explicit, TS.bigEndian, TS.deflated]) {
      const whole = writeDicom({ transferSyntax, pixels, undefinedLengths: true, elements: { '00089215': ['SQ', [{ '00080100': ['SH', 'x'] }]] } });
      for (let length = 0; length < whole.length; length++) {
        try {
          const file = parseDicom(whole.subarray(0, length));
          summarise(file, origin);
          await decodeFrame(file, 0, codecs);
          // Deflate's last bits and the padding may be missing without loss; anything else must not pass.
          expect(whole.length - length).toBeLessThan(4);
        } catch (error) {
          expect(error).toBeInstanceOf(DicomError);
        }
      }
    }
  });
});

test('mutated bytes only ever give frames or DicomErrors', { timeout: 120_000 }, async () => {
  const originals = [TS.implicit, TS.explicit, TS.bigEndian, TS.deflated].map((transferSyntax) =>
    writeDicom({
      transferSyntax,
      pixels,
      undefinedLengths: true,
      elements: { '00080005': ['CS', '\\ISO 2022 IR 87'], '00281050': ['DS', '3'], '00281051': ['DS', '4'], '00283010': ['SQ', [{ '00283002': ['US', [4, 0, 16]], '00283006': ['OW', [0, 1, 2, 3]] }]] },
    }),
  );
  const outcomes = { frames: 0, errors: 0 };
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...originals), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }), fc.constantFrom(0, 0, 0, 7), async (original, changes, cut) => {
      const bytes = original.slice(0, original.length - cut);
      for (const [at, value] of changes) bytes[132 + (at % (bytes.length - 132))] = value;
      try {
        const file = parseDicom(bytes, { frameBytes: 2 ** 24, inflatedBytes: 2 ** 22 });
        summarise(file, origin);
        const frame = await decodeFrame(file, 0, codecs, { frameBytes: 2 ** 24 });
        expect(frame.kind === 'grey' ? frame.pixels.length : frame.rgba.length / 4).toBe(frame.rows * frame.columns);
        outcomes.frames++;
      } catch (error) {
        if (!(error instanceof DicomError)) throw error;
        outcomes.errors++;
      }
    }),
    { numRuns: 2000 },
  );
  expect(outcomes.frames).toBeGreaterThan(100);
  expect(outcomes.errors).toBeGreaterThan(100);
});

test('the header of a large file is parsed without copying it', () => {
  const bytes = writeDicom({ elements: { '00280010': ['US', 2048], '00280011': ['US', 2560] }, pixels: new Uint16Array(2048 * 2560) });
  const before = process.memoryUsage().arrayBuffers;
  const file = parseDicom(bytes);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  expect(file.dataSet.get(T.PixelData)?.length).toBe(2048 * 2560 * 2);
});
