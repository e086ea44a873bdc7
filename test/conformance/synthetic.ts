/** Files of our own for the conformance table: one a thing that a file can be, small, of nobody. Written by test/support or by DCMTK's encoders. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { dcmtk } from '../support/dcmtk.ts';
import type { Elements, WriteOptions } from '../support/dicom-writer.ts';
import { encodeRle, offsetTable, TS, writeDicom } from '../support/dicom-writer.ts';
import type { Picture } from '../support/encoders.ts';
import { encode, encodeLossless, picture } from '../support/encoders.ts';
import { smallDicomDir } from '../support/small-dicom.ts';
import type { Reason, Subject } from './row.ts';

type Made = Omit<Subject, 'path' | 'twin'> & {
  /** `written` is what the pixels are: absent where the encoding is lossy. */
  file: WriteOptions | Uint8Array;
  /** A tool of DCMTK, with its options, that turns `file` into the one that is tried. */
  by?: readonly [program: string, ...options: string[]];
  twin?: WriteOptions;
};

const JPEG_XL = '1.2.840.10008.1.2.4.110';
const ROWS = 37;
const COLUMNS = 53;
const size = (rows: number, columns: number, frames = 1): Elements => ({ ...(frames > 1 ? { '00280008': ['IS', String(frames)] } : {}), '00280010': ['US', rows], '00280011': ['US', columns] });
const depth = (allocated: number, stored: number, signed = false, high = stored - 1): Elements => ({ '00280100': ['US', allocated], '00280101': ['US', stored], '00280102': ['US', high], '00280103': ['US', signed ? 1 : 0] });
const window = (center: number, width: number, fn?: string): Elements => ({ '00281050': ['DS', String(center)], '00281051': ['DS', String(width)], ...(fn ? { '00281056': ['CS', fn] } : {}) });
const rgb = (photometric = 'RGB', planar = 0): Elements => ({ ...depth(8, 8), '00280002': ['US', 3], '00280004': ['CS', photometric], '00280006': ['US', planar] });

const grey12 = picture(1, 12);
const grey8 = picture(1, 8);
const grey16 = picture(1, 16);
const colour = picture(3, 8);
const words = (p: Picture): Uint16Array => Uint16Array.from(p.samples);
const bytes = (p: Picture): Uint8Array => Uint8Array.from(p.samples);
const GREY12: Elements = { ...size(ROWS, COLUMNS), ...depth(16, 12), ...window(2000, 3000) };
const GREY16: Elements = { ...size(ROWS, COLUMNS), ...depth(16, 16), ...window(30000, 50000) };
const GREY8: Elements = { ...size(ROWS, COLUMNS), ...depth(8, 8), ...window(120, 200) };
const COLOUR: Elements = { ...size(ROWS, COLUMNS), ...rgb() };
const plain12: WriteOptions = { pixels: words(grey12), elements: GREY12 };
const plain8: WriteOptions = { pixels: bytes(grey8), elements: GREY8 };
const plain16: WriteOptions = { pixels: words(grey16), elements: GREY16 };
const plainColour: WriteOptions = { pixels: bytes(colour), elements: COLOUR };

/** Byte planes, most significant first, as RLE has them: of `bytes` a sample. */
const planesOf = (p: Picture, size: number): Uint8Array[] =>
  Array.from({ length: p.components }, (_, c) => Array.from({ length: size }, (_, b) => Uint8Array.from({ length: p.rows * p.columns }, (_, i) => Math.floor(p.samples[i * p.components + c]! / 2 ** (8 * (size - 1 - b))) & 255))).flat();

/** Little endian cells of any number of bytes, or packed cells of fewer than eight bits' multiple. */
function cells(values: readonly number[], bits: number): Uint8Array {
  const out = new Uint8Array(Math.ceil((values.length * bits) / 8));
  values.forEach((value, i) => {
    for (let b = 0; b < bits; b++) if (Math.floor(value / 2 ** b) % 2 === 1 || (value < 0 && Math.floor((value + 2 ** 32) / 2 ** b) % 2 === 1)) out[(i * bits + b) >> 3]! |= 1 << ((i * bits + b) & 7);
  });
  return out;
}

/** A ramp over all that `stored` bits can hold, ends included. */
function ramp(stored: number, signed: boolean, count: number): number[] {
  const low = signed ? -(2 ** (stored - 1)) : 0;
  return Array.from({ length: count }, (_, i) => low + Math.round((i / (count - 1)) * (2 ** stored - 1)));
}

function depths(): Made[] {
  const all: [number, number, boolean, number?][] = [
    [1, 1, false], [8, 1, false], [8, 3, false], [8, 7, false], [8, 8, true], [8, 4, true], [8, 5, false, 6],
    [16, 9, false], [16, 10, true], [16, 12, true], [16, 12, false, 15], [16, 14, false], [16, 15, true], [16, 16, true],
    [12, 12, false], [24, 20, false], [24, 24, true], [32, 17, false], [32, 25, true], [32, 31, false], [32, 32, false], [32, 32, true],
  ];
  return all.map(([allocated, stored, signed, high = stored - 1]) => {
    const values = ramp(stored, signed, 96);
    const lift = high + 1 - stored;
    const packed = cells(values.map((value) => (value < 0 ? value + 2 ** stored : value) * 2 ** lift), allocated);
    const pixels = allocated % 16 === 0 ? new Uint16Array(packed.buffer) : packed;
    const name = `${stored} bits ${signed ? 'signed ' : ''}in ${allocated}${lift ? `, high bit ${high}` : ''}`;
    const elements = { ...size(8, 12), ...depth(allocated, stored, signed, high), ...window((values[0]! + values.at(-1)!) / 2, Math.max(2, values.at(-1)! - values[0]!)) };
    // Cells that are no whole words are shown by DCMTK where they are words.
    const twin = { pixels: new Uint16Array(cells(values.map((value) => (value < 0 ? value + 2 ** 32 : value)), 32).buffer), elements: { ...elements, ...depth(32, 32, signed) } };
    return { name, file: { pixels, elements }, written: [values], twin };
  });
}

async function compressed(): Promise<Made[]> {
  const wrap = (p: Picture, stream: Uint8Array, transferSyntax: string, elements: Elements, twin: WriteOptions, more: Partial<Made> = {}): Omit<Made, 'name'> => ({ file: { transferSyntax, pixels: { fragments: [stream] }, elements }, written: [p.samples], twin, ...more });
  const lossless = async (codec: 'charls' | 'openjpeg' | 'openjph' | 'libjxl', p: Picture, mode = 0): Promise<Uint8Array> => encode(codec, p, (e) => (codec === 'charls' ? e.setInterleaveMode?.(mode) : codec === 'libjxl' ? e.setLossless?.(true) : e.setQuality?.(true, 0)));
  const made: Made[] = [];
  const add = (name: string, one: Omit<Made, 'name'>): void => void made.push({ name, ...one });
  for (const [bits, p, elements, twin] of [[8, grey8, GREY8, plain8], [12, grey12, GREY12, plain12], [16, grey16, GREY16, plain16]] as const) {
    add(`JPEG-LS ${bits} bits`, wrap(p, await lossless('charls', p), TS.jpegLs, elements, twin));
    add(`JPEG 2000 ${bits} bits`, wrap(p, await lossless('openjpeg', p), TS.jpeg2000, elements, twin));
    add(`HTJ2K ${bits} bits`, wrap(p, await lossless('openjph', p), '1.2.840.10008.1.2.4.201', elements, twin));
    add(`JPEG XL ${bits} bits`, wrap(p, await lossless('libjxl', p), JPEG_XL, elements, twin));
    add(`JPEG Lossless ${bits} bits, predictor 1`, wrap(p, encodeLossless(p, bits, 1), TS.jpegLossless, elements, twin));
    add(`JPEG Lossless ${bits} bits, predictor 6`, wrap(p, encodeLossless(p, bits, 6, 4), '1.2.840.10008.1.2.4.57', elements, twin));
    add(`RLE ${bits} bits`, wrap(p, encodeRle(planesOf(p, bits > 8 ? 2 : 1)), TS.rle, elements, twin));
  }
  const wide = ramp(32, false, 96);
  const wide32 = { ...size(8, 12), ...depth(32, 32), ...window(2 ** 31, 2 ** 32 - 1) };
  add('RLE 32 bits', { file: { transferSyntax: TS.rle, pixels: { fragments: [encodeRle(planesOf({ rows: 8, columns: 12, components: 1, bits: 32, samples: Uint32Array.from(wide) as unknown as Uint16Array }, 4))] }, elements: wide32 }, written: [wide], twin: { pixels: new Uint16Array(cells(wide, 32).buffer), elements: wide32 } });
  // By planes, the encoder takes them from planes.
  for (const [mode, name, given] of [[0, 'planes', { ...colour, samples: Uint8Array.from(planesOf(colour, 1).flatMap((plane) => [...plane])) }], [1, 'lines', colour], [2, 'samples', colour]] as const) add(`JPEG-LS RGB by ${name}`, wrap(colour, await lossless('charls', given, mode), TS.jpegLs, COLOUR, plainColour));
  add('JPEG 2000 RGB, no transform said', wrap(colour, await lossless('openjpeg', colour), TS.jpeg2000, COLOUR, plainColour));
  add('JPEG 2000 YBR_RCT', wrap(colour, await lossless('openjpeg', colour), TS.jpeg2000, { ...COLOUR, ...rgb('YBR_RCT') }, plainColour));
  add('JPEG 2000 YBR_ICT', wrap(colour, await encode('openjpeg', colour, (e) => e.setQuality?.(false, 0)), '1.2.840.10008.1.2.4.91', { ...COLOUR, ...rgb('YBR_ICT') }, plainColour, { written: undefined, reason: { stored: 2, rendering: 2, why: 'lossy, of what was written: its wavelets and its colours round' } }));
  add('HTJ2K YBR_RCT', wrap(colour, await lossless('openjph', colour), '1.2.840.10008.1.2.4.201', { ...COLOUR, ...rgb('YBR_RCT') }, plainColour));
  add('JPEG XL RGB', wrap(colour, await lossless('libjxl', colour), JPEG_XL, COLOUR, plainColour));
  add('JPEG Lossless RGB', wrap(colour, encodeLossless(colour, 8, 1), TS.jpegLossless, COLOUR, plainColour, { reason: { rendering: 254, why: 'DCMTK guesses YCbCr by component numbers; RGB is what was written and what the header says' } }));
  add('RLE RGB', wrap(colour, encodeRle(planesOf(colour, 1)), TS.rle, COLOUR, plainColour));
  add('a deflated frame', { file: { transferSyntax: '1.2.840.10008.1.2.8.1', pixels: { fragments: [deflated(words(grey12))] }, elements: GREY12 }, written: [grey12.samples], twin: plain12 });
  add('encapsulated uncompressed', { file: { transferSyntax: '1.2.840.10008.1.2.1.98', pixels: { fragments: [new Uint8Array(words(grey12).buffer)] }, elements: GREY12 }, written: [grey12.samples], twin: plain12 });
  // DCMTK's own encoders.
  const by = (name: string, file: WriteOptions, ...program: readonly [string, ...string[]]): void => add(`${name}, by DCMTK`, { file, by: program });
  by('JPEG baseline grey', plain8, 'dcmcjpeg', '+eb');
  by('JPEG baseline YBR_FULL_422', plainColour, 'dcmcjpeg', '+eb', '+cy', '+s2');
  by('JPEG baseline YBR_FULL, no subsampling', plainColour, 'dcmcjpeg', '+eb', '+cy', '+s4');
  by('JPEG baseline RGB', plainColour, 'dcmcjpeg', '+eb', '+cr');
  by('JPEG extended 8 bits', plain8, 'dcmcjpeg', '+ee');
  by('JPEG extended 12 bits', plain12, 'dcmcjpeg', '+ee', '+bt');
  by('JPEG spectral selection', plain8, 'dcmcjpeg', '+es');
  by('JPEG progressive 12 bits', plain12, 'dcmcjpeg', '+ep', '+bt');
  by('JPEG lossless 16 bits, predictor 4', plain16, 'dcmcjpeg', '+el', '+sv', '4');
  by('JPEG lossless RGB', plainColour, 'dcmcjpeg', '+e1');
  by('JPEG-LS lossless', plain16, 'dcmcjpls', '+el');
  by('JPEG-LS near-lossless', plain8, 'dcmcjpls', '+en', '+md', '3');
  by('RLE', plain16, 'dcmcrle');
  by('big endian', plain16, 'dcmconv', '+tb');
  by('deflated', plain16, 'dcmconv', '+td');
  return made;
}

const deflated = (pixels: Uint16Array): Uint8Array => new Uint8Array(deflateRawSync(new Uint8Array(pixels.buffer)));

function encodings(): Made[] {
  const of = (name: string, options: WriteOptions): Made => ({ name, file: { ...plain12, ...options }, written: [grey12.samples] });
  return [
    of('implicit little endian', { transferSyntax: TS.implicit }),
    of('explicit little endian', {}),
    of('explicit big endian', { transferSyntax: TS.bigEndian }),
    of('deflated', { transferSyntax: TS.deflated }),
    of('sequences of undefined length', { undefinedLengths: true, elements: { ...GREY12, '00081140': ['SQ', [{ '00081150': ['UI', '1.2.3'] }]] } }),
    { ...of('no preamble, no meta information, implicit', { transferSyntax: TS.implicit, meta: false }) },
    { ...of('no preamble, no meta information, explicit', { meta: false }) },
    { name: 'meta information without a preamble', file: writeDicom(plain12).subarray(132), written: [grey12.samples] },
  ];
}

/** Frames: two, unlike each other. */
function frames(): Made[] {
  const first = { ...grey8, rows: 4, columns: 6, samples: grey8.samples.slice(0, 24) };
  const second = { ...first, samples: grey8.samples.slice(24, 48) };
  const written = [first.samples, second.samples];
  const elements = { ...GREY8, ...size(4, 6, 2) };
  const twin: WriteOptions = { pixels: Uint8Array.from([...first.samples, ...second.samples]), elements };
  const rle = [first, second].map((p) => encodeRle(planesOf(p, 1)));
  const halves = rle.flatMap((b) => [b.slice(0, 64), b.slice(64)]);
  const jpeg = [first, second].map((p) => encodeLossless(p, 8, 1));
  const jpegHalves = jpeg.flatMap((b) => [b.slice(0, 20), b.slice(20)]);
  const of = (name: string, transferSyntax: string, pixels: WriteOptions['pixels'], more: Elements = {}): Made => ({ name: `two frames, ${name}`, file: { transferSyntax, pixels: pixels!, elements: { ...elements, ...more } }, written, twin });
  const starts = offsetTable(rle, [0, 1]);
  return [
    of('uncompressed', TS.explicit, twin.pixels),
    of('a fragment each, no offset table', TS.rle, { fragments: rle }),
    of('a fragment each, basic offset table', TS.rle, { fragments: rle, offsets: starts }),
    of('a fragment each, extended offset table', TS.rle, { fragments: rle }, { '7FE00001': ['OV', starts], '7FE00002': ['OV', rle.map((b) => b.length)] }),
    of('two fragments each, basic offset table', TS.rle, { fragments: halves, offsets: offsetTable(halves, [0, 2]) }),
    of('two fragments each, no offset table', TS.jpegLossless, { fragments: jpegHalves }),
    of('a wrong offset table', TS.rle, { fragments: rle, offsets: [0, 4711] }),
  ];
}

function colours(): Made[] {
  const planes = [0, 1, 2].flatMap((c) => Array.from({ length: ROWS * COLUMNS }, (_, i) => colour.samples[i * 3 + c]!));
  const even = picture(3, 8, 8, 10);
  const pairs = Array.from({ length: 40 }, (_, i) => [even.samples[i * 6]!, even.samples[i * 6 + 3]!, even.samples[i * 6 + 1]!, even.samples[i * 6 + 2]!]).flat();
  const wide = picture(3, 16, 8, 10);
  const index = Uint8Array.from({ length: 80 }, (_, i) => i * 3);
  const paletted: Elements = { ...size(8, 10), ...depth(8, 8), '00280004': ['CS', 'PALETTE COLOR'] };
  const table = (c: number, bits: number): number[] => Array.from({ length: 200 }, (_, i) => Math.floor(((i + 1) * (c + 2) * (bits === 8 ? 255 : 65535)) / 1000));
  const palette = (bits: number, first: number): Elements => Object.fromEntries([0, 1, 2].flatMap((c) => [[`0028110${c + 1}`, ['US', [200, first, bits]] as const], [`0028120${c + 1}`, ['OW', bits === 8 ? Uint8Array.from(table(c, 8)) : table(c, 16)] as const]]));
  // Discrete, linear (twice, by repetition), of 16-bit entries; and what that comes to.
  const segments = [0, 2, 100, 5000, 1, 100, 60000, 1, 98, 300];
  const line = (from: number, to: number, n: number): number[] => Array.from({ length: n }, (_, i) => Math.round(from + ((to - from) * (i + 1)) / n));
  const expanded = [100, 5000, ...line(5000, 60000, 100), ...line(60000, 300, 98)];
  const segmented: Elements = Object.fromEntries([1, 2, 3].flatMap((c) => [[`0028110${c}`, ['US', [200, 0, 16]] as const], [`0028122${c}`, ['OW', segments] as const]]));
  const whole: Elements = Object.fromEntries([1, 2, 3].flatMap((c) => [[`0028110${c}`, ['US', [200, 0, 16]] as const], [`0028120${c}`, ['OW', expanded] as const]]));
  const chroma: Reason = { rendering: 2, why: 'DCMTK takes chroma around 127.5, PS3.3 C.7.6.3.1.2 around 128' };
  return [
    { name: 'RGB', file: plainColour, written: [colour.samples] },
    { name: 'RGB, planar 1', file: { pixels: Uint8Array.from(planes), elements: { ...COLOUR, ...rgb('RGB', 1) } }, written: [colour.samples] },
    { name: 'RGB, big endian words', file: { transferSyntax: TS.bigEndian, pixels: new Uint16Array(Uint8Array.from(even.samples).buffer), elements: { ...size(8, 10), ...rgb() } }, written: [even.samples] },
    { name: 'RGB of 16 bits', file: { pixels: words(wide), elements: { ...size(8, 10), ...rgb(), ...depth(16, 16) } }, written: [wide.samples], reason: { rendering: 1, why: 'DCMTK shows the high byte, we the nearest value' } },
    { name: 'YBR_FULL', file: { pixels: bytes(colour), elements: { ...COLOUR, ...rgb('YBR_FULL') } }, written: [colour.samples], reason: chroma },
    { name: 'YBR_FULL, planar 1', file: { pixels: Uint8Array.from(planes), elements: { ...COLOUR, ...rgb('YBR_FULL', 1) } }, written: [colour.samples], reason: chroma },
    { name: 'YBR_FULL, RLE', file: { transferSyntax: TS.rle, pixels: { fragments: [encodeRle(planesOf(colour, 1))] }, elements: { ...COLOUR, ...rgb('YBR_FULL') } }, written: [colour.samples], reason: chroma },
    { name: 'YBR_FULL_422', file: { pixels: Uint8Array.from(pairs), elements: { ...size(8, 10), ...rgb('YBR_FULL_422') } }, written: [pairs], reason: chroma },
    { name: 'palette of 8-bit entries', file: { pixels: index, elements: { ...paletted, ...palette(8, 10) } } },
    { name: 'palette of 8-bit entries, RLE', file: { transferSyntax: TS.rle, pixels: { fragments: [encodeRle([index])] }, elements: { ...paletted, ...palette(8, 10) } } },
    { name: 'palette of 16-bit entries', file: { pixels: index, elements: { ...paletted, ...palette(16, 0) } } },
    { name: 'segmented palette of 16-bit entries', file: { pixels: index, elements: { ...paletted, ...segmented } }, twin: { pixels: index, elements: { ...paletted, ...whole } } },
  ];
}

function greys(): Made[] {
  const ct: Elements = { ...size(ROWS, COLUMNS), ...depth(16, 12), '00080060': ['CS', 'CT'], '00281052': ['DS', '-1024'], '00281053': ['DS', '1'] };
  const of = (name: string, more: Elements, extra: Partial<Made> = {}): Made => ({ name, file: { pixels: words(grey12), elements: { ...ct, ...more } }, written: [grey12.samples], ...extra });
  const lut = (first: number, count: number, bits: number, more: Elements = {}): Elements => ({ '00283002': ['SS', [count, first, bits]], '00283006': ['OW', Array.from({ length: count }, (_, i) => Math.floor(((2 ** bits - 1) * Math.sqrt(i)) / Math.sqrt(count - 1)))], ...more });
  const macros = (intercept: number, w: Elements): Elements => ({ '00289145': ['SQ', [{ '00281052': ['DS', String(intercept)], '00281053': ['DS', '2'], '00281054': ['LO', 'HU'] }]], '00289132': ['SQ', [w]] });
  const two = { ...size(ROWS, COLUMNS, 2), ...depth(16, 12) };
  const both = Uint16Array.from([...grey12.samples, ...grey12.samples.slice().reverse()]);
  const enhanced: Elements = { '52009229': ['SQ', [{ '00289110': ['SQ', [{ '00280030': ['DS', '0.5\\0.25'] }]] }]], '52009230': ['SQ', [macros(-1000, window(500, 1500)), macros(-500, window(3000, 6000))]] };
  return [
    of('window LINEAR', window(40, 400)),
    of('window LINEAR, width 1', window(40, 1)),
    of('window LINEAR_EXACT', window(40, 400, 'LINEAR_EXACT')),
    of('window SIGMOID', window(40, 400, 'SIGMOID')),
    of('no window', {}),
    of('no window, padding', { '00280120': ['US', grey12.samples[0]!] }),
    of('MONOCHROME1', { ...window(40, 400), '00280004': ['CS', 'MONOCHROME1'] }),
    of('presentation LUT shape INVERSE', { ...window(40, 400), '20500020': ['CS', 'INVERSE'] }),
    of('presentation LUT shape IDENTITY', { ...window(40, 400), '20500020': ['CS', 'IDENTITY'] }),
    of('rescale slope 0.5', { ...window(0, 900), '00281053': ['DS', '0.5'] }),
    of('modality LUT sequence', { ...window(30000, 50000), '00281052': ['DS', ''], '00281053': ['DS', ''], '00283000': ['SQ', [{ ...lut(0, 4096, 16), '00283004': ['LO', 'US'] }]] }),
    of('VOI LUT sequence of 8 bits', { '00283010': ['SQ', [lut(-1000, 4000, 8)]] }),
    of('VOI LUT sequence of 12 bits', { '00283010': ['SQ', [lut(-800, 3000, 12)]] }),
    { name: 'enhanced: rescale and window of each frame, shared spacing', file: { pixels: both, elements: { ...two, ...enhanced } }, written: [grey12.samples, grey12.samples.slice().reverse()] },
    ...(['float', 'double float'] as const).map((kind): Made => {
      const values = Array.from({ length: 24 }, (_, i) => i * 1.5 - 3);
      const [tag, vr] = kind === 'float' ? ['7FE00008', 'OF'] : ['7FE00009', 'OD'];
      // Doubled, DCMTK has whole numbers: the same line from -10 to 29.
      return { name: `${kind} pixel data`, file: { elements: { ...size(4, 6), ...window(10, 40), [tag!]: [vr!, values] } }, written: [values], twin: { pixels: Int16Array.from(values, (value) => value * 2), elements: { ...size(4, 6), ...depth(16, 16, true), ...window(19.5, 79) } } };
    }),
  ];
}

function spacings(): Made[] {
  const of = (name: string, modality: string, more: Elements): Made => ({ name: `spacing: ${name}`, file: { ...plain8, elements: { ...GREY8, '00080060': ['CS', modality], ...more } }, written: [grey8.samples] });
  return [
    of('of a slice', 'MR', { '00280030': ['DS', '0.7\\0.65'] }),
    of('of a detector', 'DX', { '00181164': ['DS', '0.14\\0.14'] }),
    of('of a detector, magnified', 'MG', { '00181164': ['DS', '0.07\\0.07'], '00181114': ['DS', '1.5'] }),
    of('of a calibrated projection', 'XA', { '00181164': ['DS', '0.3\\0.3'], '00280030': ['DS', '0.2\\0.2'] }),
    of('of a scanned film', 'CR', { '00182010': ['DS', '0.1\\0.1'] }),
    of('none', 'OT', {}),
    of('of an ultrasound region', 'US', { '00186011': ['SQ', [{ '00186012': ['US', 1], '00186018': ['UL', 2], '0018601A': ['UL', 3], '0018601C': ['UL', 40], '0018601E': ['UL', 30], '00186024': ['US', 3], '00186026': ['US', 3], '0018602C': ['FD', 0.05], '0018602E': ['FD', 0.04] }]] }),
  ];
}

function texts(): Made[] {
  const latin = (text: string): Uint8Array => Uint8Array.from(text.replace(/\\e/g, '\x1b').replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))), (c) => c.charCodeAt(0));
  const of = (name: string, terms: string, person: string | Uint8Array, description: string | Uint8Array): Made => ({
    name: `text: ${name}`,
    file: { ...plain8, undefinedLengths: true, elements: { ...GREY8, '00080005': ['CS', terms], '00100010': ['PN', person], '0008103E': ['LO', description], '00104000': ['LT', description], '00321064': ['SQ', [{ '00080104': ['LO', description] }]] } },
    written: [grey8.samples],
  });
  const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
  return [
    of('ASCII', 'ISO_IR 6', 'Test^Nobody', 'chest'),
    of('Latin-1', 'ISO_IR 100', latin('Buc^J\\351r\\364me'), latin('\\340 c\\364t\\351')),
    of('Latin-2', 'ISO_IR 101', latin('Wa\\263\\352sa'), latin('\\245\\306')),
    of('Cyrillic', 'ISO_IR 144', latin('\\273\\356\\332\\341\\325\\334\\321\\343\\340\\323'), latin('\\276\\337\\330\\341')),
    of('Greek', 'ISO_IR 126', latin('\\304\\351\\357\\355\\365\\363\\351\\357\\362'), latin('\\310\\357')),
    of('Arabic', 'ISO_IR 127', latin('\\342\\310\\307\\346\\352'), latin('\\304\\346')),
    of('Hebrew', 'ISO_IR 138', latin('\\371\\370\\345\\357^\\343\\341\\345\\370\\344'), latin('\\371\\370')),
    of('Thai', 'ISO_IR 166', latin('\\266\\344'), latin('\\241\\242')),
    of('UTF-8 with component groups', 'ISO_IR 192', utf8('Wang^XiaoDong=王^小東=おう^しょうとう'), utf8('胸部正位 Überprüfung')),
    of('GB18030', 'GB18030', latin('Wang^XiaoDong=\\315\\365^\\320\\241\\266\\253='), latin('\\320\\330\\262\\277\\2010\\2010')),
    of('GBK, bytes of \\ and ^ within characters', 'GBK', latin('Wang=\\201\\134^\\201\\136='), latin('\\320\\330\\201\\134')),
    of('ISO 2022 IR 58', '\\ISO 2022 IR 58', latin('Zhang^XiaoDong=\\e$)A\\325\\305^\\e$)A\\320\\241\\266\\253='), latin('\\e$)A\\320\\330\\262\\277')),
    of('ISO 2022 IR 87', '\\ISO 2022 IR 87', latin('Yamada^Tarou=\\e$B;3ED\\e(B^\\e$BB@O:\\e(B=\\e$B$d$^$@\\e(B^\\e$B$?$m$&\\e(B'), latin('\\e$B66It\\e(B X')),
    of('ISO 2022 IR 13 and 87', 'ISO 2022 IR 13\\ISO 2022 IR 87', latin('\\324\\317\\300\\336^\\300\\333\\263=\\e$B;3ED\\e(J^\\e$BB@O:\\e(J=\\e$B$d$^$@\\e(J^\\e$B$?$m$&\\e(J'), latin('\\e$B66It\\e(J')),
    of('ISO 2022 IR 149', '\\ISO 2022 IR 149', latin('Hong^Gildong=\\e$)C\\373\\363^\\e$)C\\321\\316\\324\\327=\\e$)C\\310\\253^\\e$)C\\261\\346\\265\\277'), latin('\\e$)C\\310\\253 abc')),
    of('ISO 2022 IR 159', '\\ISO 2022 IR 159', latin('X=\\e$(D0!\\e(B='), latin('\\e$(D0!\\e(B')),
  ];
}

/** Objects without an image that can be shown: each is listed by what it is. */
function others(): Made[] {
  const no = Object.fromEntries(['00280002', '00280004', '00280010', '00280011', '00280100', '00280101', '00280102', '00280103'].map((tag) => [tag, null]));
  const of = (name: string, sopClass: string, modality: string, more: Elements = {}): Made => ({ name, file: { elements: { ...no, '00080016': ['UI', sopClass], '00080060': ['CS', modality], ...more } }, reason: { refused: 'no-image', why: 'no image, listed by its type' } });
  const coded = (name: string, transferSyntax: string): Made => ({ name, file: { transferSyntax, pixels: { fragments: [Uint8Array.of(0, 0, 1, 0xb3, 0, 0, 0, 0)] }, elements: { ...size(8, 8, 3), ...rgb('YBR_PARTIAL_420') } }, reason: { refused: 'unsupported-transfer-syntax', why: 'no decoder for it here, named by its transfer syntax' } });
  const whole = writeDicom(plain12);
  return [
    of('Comprehensive SR', '1.2.840.10008.5.1.4.1.1.88.33', 'SR'),
    of('RT Plan', '1.2.840.10008.5.1.4.1.1.481.5', 'RTPLAN'),
    of('RT Structure Set', '1.2.840.10008.5.1.4.1.1.481.3', 'RTSTRUCT'),
    of('12-lead ECG', '1.2.840.10008.5.1.4.1.1.9.1.1', 'ECG'),
    of('encapsulated PDF', '1.2.840.10008.5.1.4.1.1.104.1', 'DOC', { '00420011': ['OB', new TextEncoder().encode('%PDF-1.4 ')] }),
    coded('MPEG2', '1.2.840.10008.1.2.4.100'),
    coded('MPEG-4', '1.2.840.10008.1.2.4.102'),
    coded('HEVC', '1.2.840.10008.1.2.4.107'),
    { name: 'DICOMDIR', file: smallDicomDir([['IMG', 'A']]), reason: { refused: 'no-image', why: 'a directory: its files are opened' } },
    { name: 'truncated in its pixels', file: whole.subarray(0, whole.length - 100), reason: { refused: 'truncated', why: 'the file ends early' } },
    { name: 'truncated in its header', file: whole.subarray(0, 400), reason: { refused: 'truncated', why: 'the file ends early' } },
  ];
}

/** Writes them all into a folder. */
export async function syntheticFiles(folder: string): Promise<Subject[]> {
  mkdirSync(folder, { recursive: true });
  const made = [...encodings(), ...depths(), ...(await compressed()), ...frames(), ...colours(), ...greys(), ...spacings(), ...texts(), ...others()];
  const written = (file: WriteOptions | Uint8Array): Uint8Array => (file instanceof Uint8Array ? file : writeDicom(file));
  return Promise.all(made.map(async ({ file, by, twin, ...rest }, i): Promise<Subject> => {
    const path = join(folder, `${i}.dcm`);
    writeFileSync(path, written(file));
    if (by) {
      const [program, ...options] = by;
      const source = join(folder, `${i}.source.dcm`);
      writeFileSync(source, readFileSync(path));
      if ((await dcmtk(program, ['-q', ...options, source, path])) === null) throw new Error(`${program} ${options.join(' ')} did not write ${rest.name}`);
    }
    const twinPath = twin && join(folder, `${i}.twin.dcm`);
    if (twinPath) writeFileSync(twinPath, writeDicom(twin));
    return { ...rest, path, ...(twinPath ? { twin: { path: twinPath, what: 'the same pixels uncompressed' } } : {}) };
  }));
}
