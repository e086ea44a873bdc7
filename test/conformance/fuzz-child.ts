/**
 * Damaged files through everything that reads them, in a process that ends itself where one takes too long or too much: `node child.mjs JOB.json`.
 * A line of JSON a fault on stdout, and one at the end; the file under way is named by its number.
 */
import { readFileSync, writeSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import type { DataSet } from '../../src/dicom/dataset.ts';
import { decodeFrame, DicomError, greyUnit, luma, overlaysOf, parseDicom, readDicomDir, renderGrey, summarise } from '../../src/dicom/index.ts';
import { nodeCodecs } from '../support/codecs.ts';
import { random } from '../support/qdq.ts';
import { mutated } from './mutate.ts';

export interface FuzzJob {
  /** Paths of undamaged files; `planted:hang`, `planted:memory` and `planted:crash` do as they say, to see that they are seen. */
  sources: readonly string[];
  seed: number;
  from: number;
  to: number;
}
export type FuzzFault = { fault: 'hang' | 'memory' | 'crash'; file: number; message: string };
export interface FuzzTally {
  done: number;
  frames: number;
  refused: Record<string, number>;
  /** Of one file: processor seconds; and the process's largest resident memory, bytes. */
  slowest: number;
  peakBytes: number;
}

const SECONDS = 2;
const BYTES = 2 ** 30;
const say = (line: FuzzFault | FuzzTally): void => void writeSync(1, `${JSON.stringify(line)}\n`);

/** Progress that both threads see: the file under way, and the process's processor time when it began (milliseconds). */
const shared = new Int32Array(isMainThread ? new SharedArrayBuffer(8) : (workerData as SharedArrayBuffer));
const cpuMs = (): number => Object.values(process.cpuUsage()).reduce((a, b) => a + b) / 1000;

/** In a thread of its own, since a decoder that loops lets nothing else run in its own. */
function watch(): void {
  setInterval(() => {
    const file = Atomics.load(shared, 0);
    const spent = cpuMs() - Atomics.load(shared, 1);
    const rss = process.memoryUsage.rss();
    if (spent <= SECONDS * 1000 && rss <= 1.5 * BYTES) return;
    if (Atomics.load(shared, 0) !== file) return;
    say(rss > 1.5 * BYTES ? { fault: 'memory', file, message: `${(rss / 1e6).toFixed(0)} MB` } : { fault: 'hang', file, message: `${(spent / 1000).toFixed(1)} s and not done` });
    process.kill(process.pid, 'SIGKILL');
  }, 25);
}

const hoard: Uint8Array[] = [];
function planted(kind: string): void {
  if (kind === 'planted:crash') throw new RangeError('planted');
  for (;;) if (kind === 'planted:memory') hoard.push(new Uint8Array(2 ** 26).fill(1));
}

const TEXT = ['PN', 'LO', 'ST', 'UI'];
function readAll(set: DataSet, depth = 0): void {
  for (const { id, vr } of set.elements.values()) {
    set.texts({ id, vr: TEXT[id % TEXT.length]! });
    set.numbers({ id, vr: vr || 'US' }, 64);
    if (depth < 4) for (const item of set.items({ id, vr: 'SQ' }).slice(0, 20)) readAll(item, depth + 1);
  }
}

async function run(): Promise<void> {
  const { sources, seed, from, to } = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as FuzzJob;
  const files = sources.map((path) => (path.startsWith('planted:') ? path : new Uint8Array(readFileSync(path))));
  const real = files.filter((file) => typeof file !== 'string');
  const codecs = nodeCodecs();
  const tally: FuzzTally = { done: 0, frames: 0, refused: {}, slowest: 0, peakBytes: 0 };
  const peak = (): number => process.resourceUsage().maxRSS * 1024;
  const unless = async (work: () => Promise<void> | void): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof DicomError)) throw error;
      tally.refused[error.code] = (tally.refused[error.code] ?? 0) + 1;
    }
  };
  for (let file = from; file < to; file++) {
    const next = random(seed * 1_000_003 + file);
    const source = files[file % files.length]!;
    const bytes = typeof source === 'string' ? null : mutated(next, source, real[Math.floor(next() * real.length)]!);
    const before = peak();
    const start = cpuMs();
    Atomics.store(shared, 1, start);
    Atomics.store(shared, 0, file);
    try {
      if (!bytes) planted(source as string);
      else await unless(async () => {
        const dicom = parseDicom(bytes);
        readAll(dicom.dataSet);
        try {
          readDicomDir(dicom);
        } catch (error) {
          if (!(error instanceof DicomError)) throw error;
        }
        const { frames } = summarise(dicom, { id: 'f', fileName: 'f' }).instance;
        for (const n of new Set([0, frames - 1])) {
          const frame = await decodeFrame(dicom, n, codecs);
          overlaysOf(dicom, n);
          if (frame.kind === 'grey') {
            renderGrey(frame, frame.voi[0]!, false);
            greyUnit(frame, frame.voi[0]!);
          } else luma(frame);
          tally.frames++;
        }
      });
    } catch (error) {
      say({ fault: 'crash', file, message: error instanceof Error ? error.stack?.split('\n').slice(0, 5).join(' ') ?? error.message : String(error) });
    }
    tally.slowest = Math.max(tally.slowest, (cpuMs() - start) / 1000);
    tally.peakBytes = peak();
    if (before <= BYTES && tally.peakBytes > BYTES) say({ fault: 'memory', file, message: `${(tally.peakBytes / 1e6).toFixed(0)} MB` });
    tally.done++;
  }
  say(tally);
}

if (isMainThread) {
  const watcher = new Worker(new URL(import.meta.url), { workerData: shared.buffer });
  await run();
  await watcher.terminate();
} else {
  watch();
}
