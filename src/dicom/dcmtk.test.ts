/**
 * DCMTK as the peer: every file of the test set that it decodes must give the same stored values, and greys or colours within 1 of 255.
 * JPEG 2000 and HTJ2K, which DCMTK 3.6 cannot decode, are held against files of the same image in another encoding.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ColourFrame, Frame, GreyFrame, StoredPixels } from '../contract/pixels.ts';
import { nodeCodecs } from '../../test/support/codecs.ts';
import { dataPath, hasData } from '../../test/support/data.ts';
import { dcmtk, dcmtkVersion } from '../../test/support/dcmtk.ts';
import type { DicomFile } from './index.ts';
import { decodeFrame, DicomError, parseDicom, renderGrey, summarise } from './index.ts';
import { pixelHeader } from './attributes.ts';
import { storedValues } from './pixels.ts';
import { T } from './tags.ts';

const codecs = nodeCodecs();
const parse = (name: string): DicomFile => parseDicom(readFileSync(dataPath('dicom', name)));
const files = hasData('dicom') ? readdirSync(dataPath('dicom')).filter((name) => name !== 'MANIFEST.tsv') : [];
let scratch = '';
beforeAll(() => void (scratch = mkdtempSync(join(tmpdir(), 'fabriclens-dcmtk-'))));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const DECOMPRESSOR: Record<string, string> = { '.4.5': 'dcmdjpeg', '.4.7': 'dcmdjpeg', '.4.8': 'dcmdjpls', '.5': 'dcmdrle' };
const decompressor = (uid: string): string | null => {
  const tail = uid.slice('1.2.840.10008.1.2'.length);
  if (tail === '.2') return 'dcmconv';
  return DECOMPRESSOR[tail === '.5' ? '.5' : tail.slice(0, 4)] ?? null;
};

/** A copy that DCMTK decompressed to little endian (the file itself where it is that); null when it cannot. */
async function decompressed(name: string, uid: string, colour: boolean): Promise<string | null> {
  if (/^1\.2\.840\.10008\.1\.2(\.1(\.99)?)?$/.test(uid)) return dataPath('dicom', name);
  const program = decompressor(uid);
  const plain = join(scratch, `${name}.plain`);
  const options = program === 'dcmdjpeg' && colour ? ['+cg'] : [];
  return program && (await dcmtk(program, ['-q', ...options, '+te', dataPath('dicom', name), plain])) !== null ? plain : null;
}

/** Writes out the pixel data of many files in one process: one for each took a third of the test's time. */
async function dump(plain: string[], folder: string): Promise<void> {
  mkdirSync(folder);
  // It goes on behind a file that it cannot read, and fails in the end.
  await dcmtk('dcmdump', ['-q', '+W', folder, ...plain]);
}

/** The pixel data, all frames, that `dump` wrote of a file; null when there are none. */
function rawPixels(plain: string, folder: string): Uint8Array | null {
  const own = `${basename(plain)}.`;
  // Icon images and palettes come out too: the pixel data are the last written.
  const order = (file: string): number => Number(/^(\d+)\.raw$/.exec(file.slice(own.length))?.[1] ?? Number.NaN);
  const raw = readdirSync(folder).filter((file) => file.startsWith(own) && !Number.isNaN(order(file))).sort((x, y) => order(x) - order(y)).at(-1);
  return raw === undefined ? null : new Uint8Array(readFileSync(join(folder, raw)));
}

/** Calls `work` on each item, two at a time: half of the work is DCMTK's processes. */
async function inPairs<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  await Promise.all([1, 2].map(async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  }));
}

/** Display values as DCMTK renders them (PGM or PPM, 8 bits); null when it cannot. */
async function dcmtkRendered(path: string, frame: number, options: string[]): Promise<{ channels: number; pixels: Uint8Array } | null> {
  const pnm = await dcmtk('dcmj2pnm', ['-q', '-O', '+Ma', '+F', String(frame + 1), ...options, '+op', path]);
  const header = pnm && /^P([56])\s+(?:#[^\n]*\s+)*(\d+)\s+(\d+)\s+255\s/.exec(pnm.subarray(0, 200).toString('latin1'));
  if (!pnm || !header) return null;
  return { channels: header[1] === '6' ? 3 : 1, pixels: new Uint8Array(pnm.subarray(header[0].length)) };
}

/** The options that make DCMTK use the window, or table, that we use. */
function windowOptions(file: DicomFile, frame: GreyFrame): string[] {
  const voi = frame.voi[0]!;
  if (voi.kind === 'table') return ['+Wl', '1'];
  const functional = voi.function === 'SIGMOID' ? ['+Wfs'] : ['+Wfl'];
  // It reads no VOI in functional groups, and does not know LINEAR_EXACT: the same line, said as LINEAR.
  const grouped = file.dataSet.has(T.SharedFunctionalGroupsSequence) || file.dataSet.has(T.PerFrameFunctionalGroupsSequence);
  if (frame.voiFromFile && !grouped && voi.function !== 'LINEAR_EXACT') return ['+Wi', '1', ...functional];
  const exact = voi.function === 'LINEAR_EXACT' ? 1 : 0;
  return ['+Ww', String(voi.center + exact / 2), String(voi.width + exact), ...functional];
}

/** Stored values of a frame in DCMTK's raw pixel data, which it leaves unmasked; null when the cells are packed bits. */
function storedOf(raw: Uint8Array, file: DicomFile, frame: GreyFrame, n: number): StoredPixels | null {
  const header = pixelHeader(file);
  const size = frame.pixels.BYTES_PER_ELEMENT;
  if (header.bitsAllocated !== size * 8) return null;
  const bytes = raw.slice(n * frame.pixels.length * size, (n + 1) * frame.pixels.length * size);
  if (bytes.length < frame.pixels.length * size) return null;
  const cells = size === 1 ? bytes : size === 2 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer);
  return storedValues(cells, header);
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let most = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
};
/** Without the fourth sample of each pixel. */
function rgbOf({ rgba }: ColourFrame): Uint8Array {
  const out = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) for (let c = 0; c < 3; c++) out[to + c] = rgba[from + c]!;
  return out;
}

/** Where we differ from DCMTK on purpose: by how much, and why. */
const DIFFERENT: Record<string, { stored?: number; display?: number; why: string }> = {
  ...Object.fromEntries(
    ['dcm4che__YBR_FULL-RLE.dcm', 'pydicom-data__SC_ybr_full_uncompressed.dcm'].map((name) => [name, { display: 2, why: 'DCMTK takes chroma around 127.5, PS3.3 C.7.6.3.1.2 around 128' }]),
  ),
  dtf__RG3_JPLY: { stored: 1024, display: 255, why: 'ten bits stored, lossy: DCMTK wraps the overshoot above 1023 to black, we clamp it' },
  'pydicom__rtdose_expb.dcm': { stored: Infinity, display: 255, why: 'DCMTK swaps the halves of 32-bit pixels in big endian OW; the little endian sibling is equal to ours' },
};

/** Files of the same image in different encodings, and the frames to compare. */
const SIBLINGS: [string, string, number[]][] = [
  ['dtf__NM1_J2KR', 'dtf__NM1_UNC', [0]],
  ['dtf__NM1_JLSL', 'dtf__NM1_UNC', [0]],
  ['dtf__MR1_JLSL', 'dtf__MR1_UNC', [0]],
  ['dtf__CT1_JLSL', 'dtf__CT1_RLE', [0]],
  ['dtf__RG3_JLSL', 'dtf__RG3_RLE', [0]],
  ['pydicom-data__RG3_J2KR.dcm', 'dtf__RG3_RLE', [0]],
  ['pydicom-data__MR2_J2KR.dcm', 'pylibjpeg-data__JPEGLossless_1s_1f_u_16_12.dcm', [0]],
  ['pydicom__MR_small_jp2klossless.dcm', 'pydicom__MR_small_implicit.dcm', [0]],
  ['pydicom__MR_small_jpeg_ls_lossless.dcm', 'pydicom__MR_small_implicit.dcm', [0]],
  ['pydicom__MR_small_bigendian.dcm', 'pydicom__MR_small_implicit.dcm', [0]],
  ['pydicom-data__emri_small_jpeg_ls_lossless.dcm', 'pydicom-data__emri_small_RLE.dcm', [0, 9]],
  ['pydicom-data__liver_j2k.dcm', 'pydicom-data__liver_rle.dcm', [0, 1, 2]],
  ['pydicom-data__liver_deflate.dcm', 'pydicom-data__liver_rle.dcm', [0, 1, 2]],
  ['pydicom__liver_1frame.dcm', 'pydicom-data__liver_rle.dcm', [0]],
  ['pydicom__liver_expb_1frame.dcm', 'pydicom__liver_1frame.dcm', [0]],
  ['pydicom__rtdose_expb.dcm', 'pydicom__rtdose.dcm', [0, 14]],
  ['pydicom__rtdose_rle.dcm', 'pydicom__rtdose.dcm', [0, 14]],
  ['dicomParser__CT0012.not_fragmented_no_bot_jpeg_ls.80.dcm', 'dicomParser__CT0012.not_fragmented_no_bot_rle.dcm', [0, 1]],
  ['dicomParser__CT0012.fragmented_no_bot_jpeg_lossless.57.dcm', 'dicomParser__CT0012.not_fragmented_no_bot_rle.dcm', [0, 1]],
  ['dicomParser__CT0012.fragmented_no_bot_jpeg_lossless.70.dcm', 'dicomParser__CT0012.not_fragmented_no_bot_rle.dcm', [0, 1]],
  ['pydicom-data__SC_rgb_expb_32bit_2frame.dcm', 'pydicom-data__SC_rgb_32bit_2frame.dcm', [0, 1]],
  ['pydicom__SC_rgb_rle_32bit_2frame.dcm', 'pydicom-data__SC_rgb_32bit_2frame.dcm', [0, 1]],
  ['pydicom-data__gdcm-US-ALOKA-16_big.dcm', 'pydicom-data__gdcm-US-ALOKA-16.dcm', [0]],
];

/** Files that we refuse, with the reason's code. A change here is a change of what a reader can open. */
const REFUSED: Record<string, string> = {
  'dcm4che__3gb-bulk-data-truncated': 'corrupt',
  dcm4che__no_preamble_dicm_in_data: 'no-image',
  'dcm4che__will-jxl.dcm': 'unsupported-transfer-syntax',
  pydicom__DICOMDIR: 'no-image',
  'pydicom__ExplVR_BigEndNoMeta.dcm': 'no-image',
  'pydicom__ExplVR_LitEndNoMeta.dcm': 'no-image',
  'pydicom__MR_truncated.dcm': 'truncated',
  'pydicom__no_meta.dcm': 'not-dicom',
  'pydicom__no_meta_group_length.dcm': 'no-image',
  'pydicom__reportsi.dcm': 'no-image',
  'pydicom__reportsi_with_empty_number_tags.dcm': 'no-image',
  'pydicom__rtplan.dcm': 'no-image',
  'pydicom__rtplan_truncated.dcm': 'no-image',
  'pydicom__rtstruct.dcm': 'no-image',
  'pydicom__test-SR.dcm': 'no-image',
  'pydicom__waveform_ecg.dcm': 'no-image',
};

describe.skipIf(!hasData('dicom') || !dcmtkVersion)('dicom against DCMTK', () => {
  test('stored values equal, display values within 1, refusals as listed', { timeout: 600_000 }, async () => {
    const refused: Record<string, string> = {};
    const faults: string[] = [];
    const notes: string[] = [];
    const counts = { files: 0, frames: 0, stored: 0, rendered: 0, dcmtkCannot: 0 };
    const refusal = (name: string, error: unknown): void => {
      if (!(error instanceof DicomError)) throw error;
      refused[name] = error.code;
    };
    const images: { name: string; file: DicomFile; last: number; plain: string | null }[] = [];
    for (const name of files) {
      counts.files++;
      try {
        const file = parse(name);
        images.push({ name, file, last: summarise(file, { id: name, fileName: basename(name) }).instance.frames - 1, plain: null });
      } catch (error) {
        refusal(name, error);
      }
    }
    await inPairs(images, async (image) => {
      const { samples, photometric } = pixelHeader(image.file);
      image.plain = await decompressed(image.name, image.file.transferSyntax, samples === 3 || photometric === 'PALETTE COLOR');
    });
    const dumped = join(scratch, 'raw');
    await dump(images.flatMap(({ plain }) => plain ?? []), dumped);
    const compare = async ({ name, file, last, plain }: (typeof images)[number]): Promise<void> => {
      let frames: [number, Frame][];
      try {
        frames = await Promise.all([...new Set([0, last])].map(async (n): Promise<[number, Frame]> => [n, await decodeFrame(file, n, codecs)]));
      } catch (error) {
        return refusal(name, error);
      }
      counts.frames += frames.length;
      const stored = plain && rawPixels(plain, dumped);
      let rendered = false;
      for (const [n, frame] of frames) {
        const theirs = stored && frame.kind === 'grey' ? storedOf(stored, file, frame, n) : null;
        if (theirs && frame.kind === 'grey') {
          counts.stored++;
          const worst = largest(frame.pixels, theirs);
          if (worst > (DIFFERENT[name]?.stored ?? 0)) faults.push(`${name} frame ${n}: stored values differ by up to ${worst}`);
        }
        const peer = await dcmtkRendered(plain ?? dataPath('dicom', name), n, frame.kind === 'grey' ? windowOptions(file, frame) : ['+cg']);
        if (!peer) continue;
        rendered = true;
        counts.rendered++;
        const ours = frame.kind === 'colour' ? rgbOf(frame) : renderGrey(frame, frame.voi[0]!, false);
        const worst = largest(ours, peer.pixels);
        if (worst > (DIFFERENT[name]?.display ?? 1)) faults.push(`${name} frame ${n}: display values differ by up to ${worst} (${ours.filter((v, i) => Math.abs(v - peer.pixels[i]!) > 1).length} of ${ours.length})`);
      }
      if (!rendered) {
        counts.dcmtkCannot++;
        notes.push(name);
      }
    };
    await inPairs(images, compare);
    console.log(
      [
        `DCMTK ${dcmtkVersion}: ${counts.files} files, ${counts.frames} frames decoded; stored values compared ${counts.stored}, display values compared ${counts.rendered}`,
        `refused ${Object.keys(refused).length}: ${Object.entries(refused).map(([name, code]) => `${name} (${code})`).join(', ')}`,
        `DCMTK renders nothing of ${counts.dcmtkCannot}: ${notes.join(', ')}`,
        `different on purpose: ${Object.entries(DIFFERENT).map(([name, { why }]) => `${name}: ${why}`).join('; ')}`,
      ].join('\n'),
    );
    expect(counts).toMatchObject({ files: 146, frames: 160, stored: 78, rendered: 131 });
    expect(faults).toEqual([]);
    expect(refused).toEqual(REFUSED);
  });
});

describe.skipIf(!hasData('dicom'))('dicom test set', () => {
  test('files of one image in several encodings show the same pixels', { timeout: 120_000 }, async () => {
    const values = async (name: string, frame: number): Promise<ArrayLike<number>> => {
      const decoded = await decodeFrame(parse(name), frame, codecs);
      return decoded.kind === 'grey' ? decoded.pixels : decoded.rgba;
    };
    const worst: Record<string, number> = {};
    for (const [a, b, frames] of SIBLINGS) for (const n of frames) worst[`${a} ${b} ${n}`] = largest(await values(a, n), await values(b, n));
    expect(Object.entries(worst).filter(([, difference]) => difference > 0)).toEqual([]);
  });
});
