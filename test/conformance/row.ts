/** A row of the conformance table: what we make of one file, held against DCMTK, against what was written, or against pydicom. */
import { basename, join } from 'node:path';
import { readFileSync } from 'node:fs';
import type { ColourFrame, Frame } from '../../src/contract/pixels.ts';
import { pixelHeader } from '../../src/dicom/attributes.ts';
import type { Decoder, DicomFile, Summary } from '../../src/dicom/index.ts';
import { decodeFrame, DicomError, parseDicom, renderGrey, summarise } from '../../src/dicom/index.ts';
import { transferSyntaxName } from '../../src/dicom/uids.ts';
import { toRgb } from './colour.ts';
import { dcmtkElements, dcmtkRendered, decompressed, dumpedPixels, dumpPixels, rgbOf, storedOf, windowOptions } from './dcmtk-peer.ts';
import type { PydicomAnswer } from './pydicom-peer.ts';
import { NOTHING, spacingCell, textCell } from './header-cells.ts';

/** Why a file may differ, or be refused: the only way for a row not to be equal. */
export interface Reason {
  /** The code of the refusal. */
  refused?: DicomError['code'];
  /** Largest difference allowed of stored values, and of 8-bit display values; Infinity: also that no peer is there to differ from. */
  stored?: number;
  rendering?: number;
  /** Text differs. */
  text?: true;
  why: string;
}

export interface Subject {
  name: string;
  path: string;
  written?: readonly ArrayLike<number>[];
  /** A file of the same pixels in an encoding that a peer can read where it cannot read this one, and what that is to the table's reader. */
  twin?: { path: string; what: string };
  reason?: Reason;
}

export interface Cell {
  text: string;
  ok: boolean;
}

export const COLUMNS = ['decode', 'stored', 'rendering', 'spacing', 'text'] as const;
export type Row = { file: string; transferSyntax: string; why: string } & Record<(typeof COLUMNS)[number], Cell>;

interface Read {
  subject: Subject;
  file: DicomFile | null;
  summary: Summary | null;
  refusal: DicomError | null;
  /** All of them, decoded; the first and the last are compared. */
  frames: number;
  compared: [number, Frame][];
}

/** What the peers made of all files at once, by path: decompressed by DCMTK, its raw pixel data, pydicom's answer. */
interface Peers {
  plain: Map<string, string>;
  dumped: string;
  pydicom: Map<string, PydicomAnswer>;
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let most = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
};

/** Without the fourth sample of each pixel. */
function withoutAlpha({ rgba }: ColourFrame): Uint8Array {
  const out = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) for (let c = 0; c < 3; c++) out[to + c] = rgba[from + c]!;
  return out;
}

/** Calls `work` on each item, two at a time: half of the work is processes of others. */
async function inPairs<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  await Promise.all([1, 2].map(async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  }));
}

/** Parses and decodes everything; keeps the frames that are compared. */
async function readSubject(subject: Subject, codecs: Decoder): Promise<Read> {
  const read: Read = { subject, file: null, summary: null, refusal: null, frames: 0, compared: [] };
  try {
    read.file = parseDicom(readFileSync(subject.path));
    read.summary = summarise(read.file, { id: subject.name, fileName: basename(subject.name) });
    const { frames } = read.summary.instance;
    for (let n = 0; n < frames; n++) {
      const frame = await decodeFrame(read.file, n, codecs);
      if (n === 0 || n === frames - 1) read.compared.push([n, frame]);
    }
    read.frames = frames;
  } catch (error) {
    if (!(error instanceof DicomError)) throw error;
    read.refusal = error;
    read.compared = [];
  }
  return read;
}

/** The first peer that can judge it: its name, and the largest difference over the frames compared. */
type Verdict = { peer: string; worst: number } | null;

async function judge(read: Read, judges: readonly [peer: string, (n: number, frame: Frame) => Promise<number | null> | number | null][]): Promise<Verdict> {
  for (const [peer, difference] of judges) {
    const all = await Promise.all(read.compared.map(([n, frame]) => difference(n, frame)));
    if (all.length > 0 && all.every((one): one is number => one !== null)) return { peer, worst: Math.max(...all) };
  }
  return null;
}

type Judges = Parameters<typeof judge>[1];

/** The file itself, then its twin: the path, and what a cell says behind the peer's name. */
const witnesses = ({ subject: { path, twin } }: Read): [string, string][] => [[path, ''], ...(twin ? [[twin.path, `, of ${twin.what}`] as [string, string]] : [])];

function storedJudges(read: Read, { plain, dumped, pydicom }: Peers): Judges {
  const grey = (of: (n: number, frame: Frame & { kind: 'grey' }) => ArrayLike<number> | null | undefined) => (n: number, frame: Frame): number | null => {
    const theirs = frame.kind === 'grey' ? of(n, frame) : null;
    return frame.kind === 'grey' && theirs ? largest(frame.pixels, theirs) : null;
  };
  const [own, ...twins] = witnesses(read).map(([path, what]): Judges => {
    const from = plain.get(path);
    const raw = from === undefined ? null : dumpedPixels(from, dumped);
    const file = path === read.subject.path ? read.file! : parseDicom(readFileSync(path));
    return [[`DCMTK${what}`, grey((n, frame) => raw && storedOf(raw, file, frame, n))], [`pydicom${what}`, grey((n) => pydicom.get(path)?.frames.get(n)?.stored)]];
  });
  return [own![0]!, ['written', grey((n) => read.subject.written?.[n])], own![1]!, ...twins.flat()];
}

/** What was written comes first here: DCMTK may guess what colours are, and is asked again when they are rendered. */
function colourJudges(read: Read, { plain, dumped, pydicom }: Peers): Judges {
  const { rows, columns, photometric, bitsStored } = pixelHeader(read.file!);
  const against = (of: (n: number) => ArrayLike<number> | null | undefined) => (n: number, frame: Frame): number | null => {
    const theirs = of(n);
    return frame.kind === 'colour' && theirs ? largest(withoutAlpha(frame), theirs) : null;
  };
  const interleaved = (values: ArrayLike<number> | null | undefined): ArrayLike<number> | null => (values ? toRgb({ values, pixels: rows * columns, bits: bitsStored, photometric, planar: false }) : null);
  return [
    ['written', against((n) => interleaved(read.subject.written?.[n]))],
    ...witnesses(read).flatMap(([path, what]): Judges => {
      const from = plain.get(path);
      const raw = from === undefined ? null : dumpedPixels(from, dumped);
      return [[`DCMTK${what}`, against((n) => raw && rgbOf(raw, parseDicom(readFileSync(from!)), n))], [`pydicom${what}`, against((n) => interleaved(pydicom.get(path)?.frames.get(n)?.stored))]];
    }),
  ];
}

function renderingJudges(read: Read, { plain, pydicom }: Peers): Judges {
  const against = async (theirs: ArrayLike<number> | null | undefined, frame: Frame): Promise<number | null> => (theirs ? largest(frame.kind === 'colour' ? withoutAlpha(frame) : renderGrey(frame, frame.voi[0]!, false), theirs) : null);
  const options = (frame: Frame): string[] => (frame.kind === 'grey' ? windowOptions(read.file!, frame) : ['+cg']);
  return witnesses(read).flatMap(([path, what]): Judges => [
    [`DCMTK${what}`, async (n, frame) => against(await dcmtkRendered(plain.get(path) ?? path, n, options(frame)), frame)],
    [`pydicom${what}`, (n, frame) => against(pydicom.get(path)?.frames.get(n)?.shown, frame)],
  ]);
}

function cellOf(verdict: Verdict, allowed: number): Cell {
  if (!verdict) return { text: 'no peer', ok: allowed === Infinity };
  const { peer, worst } = verdict;
  return { text: worst === 0 ? `equal (${peer})` : `within ${worst} (${peer})`, ok: worst <= allowed };
}

async function rowOf(read: Read, peers: Peers): Promise<Row> {
  const { subject, file, summary, refusal, frames } = read;
  const { reason } = subject;
  const transferSyntax = file ? transferSyntaxName(file.transferSyntax).replace(/ \(1\.2\..*/, '') : '—';
  const elements = await dcmtkElements(subject.path, true);
  const header = { spacing: summary ? spacingCell(summary.instance, elements ?? (await dcmtkElements(subject.path, false))) : NOTHING, text: file ? textCell(file, elements, peers.pydicom.get(subject.path)?.texts) : NOTHING };
  if (reason?.text) header.text = { ...header.text, ok: true };
  const row = { file: subject.name, transferSyntax, why: reason?.why ?? '', ...header };
  if (refusal) {
    const listed = refusal.code === 'no-image' ? `listed: ${refusal.message.replace(/ (holds no image|is a table of contents).*/, '')}` : `refused: ${refusal.code}`;
    const shown = await dcmtkRendered(subject.path, 0, []);
    return { ...row, decode: { text: listed, ok: reason?.refused === refusal.code }, stored: NOTHING, rendering: shown ? { text: 'DCMTK shows it', ok: reason?.rendering !== undefined } : NOTHING };
  }
  const colour = read.compared[0]![1].kind === 'colour';
  const palette = colour && pixelHeader(file!).samples === 1;
  const stored = palette ? { text: 'palette: as rendered', ok: true } : cellOf(await judge(read, colour ? colourJudges(read, peers) : storedJudges(read, peers)), reason?.stored ?? 0);
  const rendering = cellOf(await judge(read, renderingJudges(read, peers)), Math.max(reason?.rendering ?? 0, colour ? 0 : 1));
  return { ...row, decode: { text: frames === 1 ? '1 frame' : `${frames} frames`, ok: reason?.refused === undefined }, stored, rendering };
}

/**
 * The rows, in the order of the files.
 * @param pydicom asked once for all that DCMTK may not decode; without it, such rows have no peer.
 */
export async function conformance(subjects: readonly Subject[], codecs: Decoder, scratch: string, pydicom?: (jobs: { path: string; frames: number[] }[]) => Promise<PydicomAnswer[] | null>): Promise<Row[]> {
  const reads: Read[] = [];
  for (const subject of subjects) reads.push(await readSubject(subject, codecs));
  const peers: Peers = { plain: new Map(), dumped: join(scratch, 'raw'), pydicom: new Map() };
  const paths = [...new Set(reads.filter((read) => read.compared.length > 0).flatMap((read) => witnesses(read).map(([path]) => path)))];
  await inPairs(paths, async (path) => {
    const file = parseDicom(readFileSync(path));
    const { samples, photometric } = pixelHeader(file);
    const plain = await decompressed(path, file.transferSyntax, samples === 3 || photometric === 'PALETTE COLOR', scratch);
    if (plain !== null) peers.plain.set(path, plain);
  });
  await dumpPixels([...peers.plain.values()], peers.dumped);
  const frames = new Map(reads.flatMap((read) => witnesses(read).map(([path]) => [path, read.compared.map(([n]) => n)] as const)));
  const answers = await pydicom?.([...frames].map(([path, wanted]) => ({ path, frames: wanted })));
  [...frames.keys()].forEach((path, i) => answers?.[i] && peers.pydicom.set(path, answers[i]));
  const rows = new Map<Read, Row>();
  await inPairs(reads, async (read) => void rows.set(read, await rowOf(read, peers)));
  return reads.map((read) => rows.get(read)!);
}

/** The cells of a row that are neither equal nor explained. */
export const faultsOf = (row: Row): string[] => COLUMNS.filter((column) => !row[column].ok).map((column) => `${row.file}: ${column}: ${row[column].text}`);

