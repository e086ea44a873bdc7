/** What DCMTK makes of files: their stored values, their pixels as it shows them, and their elements as it reads them. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { GreyFrame } from '../../src/contract/pixels.ts';
import { pixelHeader } from '../../src/dicom/attributes.ts';
import type { DicomFile } from '../../src/dicom/index.ts';
import { storedValues } from '../../src/dicom/pixels.ts';
import { T } from '../../src/dicom/tags.ts';
import { dcmtk } from '../support/dcmtk.ts';
import { toRgb } from './colour.ts';

const DECOMPRESSOR: Record<string, string> = { '.4.5': 'dcmdjpeg', '.4.7': 'dcmdjpeg', '.4.8': 'dcmdjpls', '.5': 'dcmdrle' };
function decompressor(uid: string): string | null {
  const tail = uid.slice('1.2.840.10008.1.2'.length);
  if (tail === '.2') return 'dcmconv';
  return DECOMPRESSOR[tail === '.5' ? '.5' : tail.slice(0, 4)] ?? null;
}

/** A copy that DCMTK decompressed to little endian (the file itself where it is that); null when it cannot. */
export async function decompressed(path: string, uid: string, colour: boolean, scratch: string): Promise<string | null> {
  if (/^1\.2\.840\.10008\.1\.2(\.1(\.99)?)?$/.test(uid)) return path;
  const program = decompressor(uid);
  const plain = join(scratch, `${basename(path)}.plain`);
  const options = program === 'dcmdjpeg' && colour ? ['+cg'] : [];
  return program && (await dcmtk(program, ['-q', ...options, '+te', path, plain])) !== null ? plain : null;
}

/** Writes out the pixel data of many files in one process: one for each took a third of the time. */
export async function dumpPixels(plain: string[], folder: string): Promise<void> {
  mkdirSync(folder);
  // It goes on behind a file that it cannot read, and fails in the end.
  await dcmtk('dcmdump', ['-q', '+W', folder, ...plain]);
}

/** The pixel data, all frames, that `dumpPixels` wrote of a file; null when there are none. */
export function dumpedPixels(plain: string, folder: string): Uint8Array<ArrayBuffer> | null {
  const own = `${basename(plain)}.`;
  // Icon images and palettes come out too: the pixel data are the last written.
  const order = (file: string): number => Number(/^(\d+)\.raw$/.exec(file.slice(own.length))?.[1] ?? Number.NaN);
  const raw = readdirSync(folder).filter((file) => file.startsWith(own) && !Number.isNaN(order(file))).sort((x, y) => order(x) - order(y)).at(-1);
  return raw === undefined ? null : new Uint8Array(readFileSync(join(folder, raw)));
}

/** Little endian cells of one, two or four bytes. */
const wordsOf = (bytes: Uint8Array<ArrayBuffer>, size: number): Uint8Array | Uint16Array | Uint32Array => (size === 1 ? bytes : size === 2 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer));

/** Stored values of a frame in DCMTK's raw pixel data, which it leaves packed and unmasked. */
export function storedOf(raw: Uint8Array<ArrayBuffer>, file: DicomFile, frame: GreyFrame, n: number): ArrayLike<number> | null {
  const header = pixelHeader(file);
  const size = frame.pixels.BYTES_PER_ELEMENT;
  const bits = header.bitsAllocated;
  if (header.pixelData !== 'integer') return null;
  if (bits !== size * 8) {
    if (header.signed || header.highBit !== bits - 1 || header.bitsStored !== bits || raw.length * 8 < (n + 1) * frame.pixels.length * bits) return null;
    const bit = (at: number): number => (raw[Math.floor(at / 8)]! >> (at % 8)) & 1;
    return Array.from(frame.pixels, (_, i) => Array.from({ length: bits }, (_, b) => bit((n * frame.pixels.length + i) * bits + b) * 2 ** b).reduce((a, b) => a + b));
  }
  const bytes = raw.slice(n * frame.pixels.length * size, (n + 1) * frame.pixels.length * size);
  if (bytes.length < frame.pixels.length * size) return null;
  return storedValues(wordsOf(bytes, size), header);
}

/** The colours of a frame in DCMTK's raw pixel data, as 8-bit RGB; null of a palette's indices. @param file the one that they are of, decompressed. */
export function rgbOf(raw: Uint8Array<ArrayBuffer>, file: DicomFile, n: number): ArrayLike<number> | null {
  const header = pixelHeader(file);
  const { rows, columns, samples, photometric, planar, bitsAllocated, bitsStored } = header;
  if (samples !== 3) return null;
  const pixels = rows * columns;
  const size = (pixels * (photometric === 'YBR_FULL_422' ? 2 : 3) * bitsAllocated) / 8;
  const bytes = raw.slice(n * size, (n + 1) * size);
  return bytes.length < size ? null : toRgb({ values: storedValues(wordsOf(bytes, bitsAllocated / 8), header), pixels, bits: bitsStored, photometric, planar });
}

/** Display values as DCMTK renders them (PGM or PPM, 8 bits); null when it cannot. */
export async function dcmtkRendered(path: string, frame: number, options: string[]): Promise<Uint8Array | null> {
  const pnm = await dcmtk('dcmj2pnm', ['-q', '-O', '+Ma', '+F', String(frame + 1), ...options, '+op', path]);
  const header = pnm && /^P([56])\s+(?:#[^\n]*\s+)*(\d+)\s+(\d+)\s+255\s/.exec(pnm.subarray(0, 200).toString('latin1'));
  return pnm && header ? new Uint8Array(pnm.subarray(header[0].length)) : null;
}

/** The options that make DCMTK use the window, or table, that we use. */
export function windowOptions(file: DicomFile, frame: GreyFrame): string[] {
  const { modality, voi: [voi] } = frame;
  if (voi!.kind === 'table') return ['+Wl', '1'];
  const { center, width, function: fn } = voi!;
  const functional = fn === 'SIGMOID' ? '+Wfs' : '+Wfl';
  // Of functional groups it reads no VOI, and no frame's own rescale; LINEAR_EXACT it does not know: the same line then, said as LINEAR in its units.
  const grouped = file.dataSet.has(T.SharedFunctionalGroupsSequence) || file.dataSet.has(T.PerFrameFunctionalGroupsSequence);
  if (frame.voiFromFile && !grouped && fn !== 'LINEAR_EXACT') return ['+Wi', '1', functional];
  const rescaled = file.dataSet.has(T.RescaleSlope) || file.dataSet.items(T.SharedFunctionalGroupsSequence)[0]?.has(T.PixelValueTransformationSequence) === true;
  const theirs = (x: number): number => (rescaled || modality.kind !== 'linear' ? x : (x - modality.intercept) / modality.slope);
  if (fn === 'SIGMOID') return ['+Ww', String(theirs(center)), String(theirs(width) - theirs(0)), functional];
  const [low, high] = (fn === 'LINEAR' ? [center - width / 2, center + width / 2 - 1] : [center - width / 2, center + width / 2]).map(theirs) as [number, number];
  return ['+Ww', String((low + high + 1) / 2), String(high - low + 1), functional];
}

/** An element as DCMTK reads it: the tags (and item numbers) that lead to it, its VR, its text in UTF-8. */
export interface PeerElement {
  path: (number | { item: number })[];
  tag: number;
  vr: string;
  value: string;
}

const ENTITIES: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: '\'' };
const unescaped = (text: string): string => text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (_, hex: string, decimal: string, name: string) => (name ? ENTITIES[name] ?? '' : String.fromCodePoint(Number.parseInt(hex ?? decimal, hex ? 16 : 10))));
const numberOf = (tag: string): number => Number.parseInt(tag.replace(',', ''), 16);

/**
 * The elements of a data set, sequences included, of up to 4 kB each.
 * @param utf8 text converted from its character sets; DCMTK then refuses a file whose sets it does not know, or whose text breaks them.
 * @returns null when it cannot read the file.
 */
export async function dcmtkElements(path: string, utf8: boolean): Promise<PeerElement[] | null> {
  const xml = await dcmtk('dcm2xml', ['-q', ...(utf8 ? ['+U8'] : ['+Ca', 'latin-1']), path]);
  if (!xml) return null;
  const text = xml.toString('utf8');
  const found: PeerElement[] = [];
  const at: PeerElement['path'] = [];
  const items: number[] = [];
  const body = text.slice(text.indexOf('<data-set'));
  for (const [, closing, name, attributes = '', selfClosed, content] of body.matchAll(/<(\/?)(element|sequence|item|pixel-item)\b([^>]*?)(\/?)>([^<]*)/g)) {
    const attribute = (key: string): string => new RegExp(`\\b${key}="([^"]*)"`).exec(attributes)?.[1] ?? '';
    if (name === 'sequence') {
      if (closing) {
        at.pop();
        items.pop();
      } else if (!selfClosed) {
        at.push(numberOf(attribute('tag')));
        items.push(0);
      }
    } else if (name === 'item') {
      if (closing) at.pop();
      else if (!selfClosed) at.push({ item: items[items.length - 1]!++ });
      else items[items.length - 1]! += 1;
    } else if (name === 'element' && !closing && attribute('loaded') !== 'no') {
      found.push({ path: [...at], tag: numberOf(attribute('tag')), vr: attribute('vr'), value: unescaped(content ?? '') });
    }
  }
  return found;
}
