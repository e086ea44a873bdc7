/** Runs the damaged files in children, each going on behind the file that ended the one before it. */
import { spawn } from 'node:child_process';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildForTest } from '../support/build.ts';
import { dataPath, hasData } from '../support/data.ts';
import type { FuzzFault, FuzzJob, FuzzTally } from './fuzz-child.ts';
import { syntheticFiles } from './synthetic.ts';

export interface FuzzReport extends FuzzTally {
  seed: number;
  sources: number;
  faults: FuzzFault[];
}

/** Files a child: what a process leaves behind does not add up without end. */
const CHILD = 1000;
/** By the clock; a child that is only slow because others are busy is none that hangs. */
const CHILD_MS = 30 * 60_000;
/** Larger ones would make the run one of copying. */
const SOURCE_BYTES = 400_000;

/** Files of our own in every encoding; with `shared`, those of others that are small too. */
export async function fuzzSources(folder: string, shared: boolean): Promise<string[]> {
  const own = (await syntheticFiles(folder)).map(({ path }) => path);
  const others = shared && hasData('dicom') ? readdirSync(dataPath('dicom')).filter((name) => name !== 'MANIFEST.tsv').sort().map((name) => dataPath('dicom', name)) : [];
  return [...own, ...others].filter((path) => statSync(path).size <= SOURCE_BYTES);
}

export async function fuzz(sources: readonly string[], { seed, from: first = 0, count }: { seed: number; from?: number; count: number }, scratch: string, onProgress: (done: number) => void = () => {}): Promise<FuzzReport> {
  const program = fileURLToPath(await buildForTest('test/conformance/fuzz-child.ts'));
  const report: FuzzReport = { seed, sources: sources.length, done: 0, frames: 0, refused: {}, slowest: 0, peakBytes: 0, faults: [] };
  for (let from = first; from < first + count; ) {
    const to = Math.min(first + count, from + CHILD);
    const { faults, tally, error } = await child(program, { sources, seed, from, to }, scratch);
    report.faults.push(...faults);
    if (tally) {
      report.done += tally.done;
      report.frames += tally.frames;
      for (const [code, n] of Object.entries(tally.refused)) report.refused[code] = (report.refused[code] ?? 0) + n;
      report.slowest = Math.max(report.slowest, tally.slowest);
      report.peakBytes = Math.max(report.peakBytes, tally.peakBytes);
      from = to;
    } else {
      const last = faults.findLast(({ fault }) => fault !== 'crash');
      if (!last) throw new Error(`a child ended without a word between ${from} and ${to}: ${error}`);
      report.done += last.file + 1 - from;
      from = last.file + 1;
    }
    onProgress(report.done);
  }
  return report;
}

function child(program: string, job: FuzzJob, scratch: string): Promise<{ faults: FuzzFault[]; tally: FuzzTally | null; error: string }> {
  const path = join(scratch, 'job.json');
  writeFileSync(path, JSON.stringify(job));
  const forked = spawn(process.execPath, ['--max-old-space-size=768', program, path], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, error] = ['', ''];
  forked.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  forked.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()));
  const late = setTimeout(() => forked.kill('SIGKILL'), CHILD_MS);
  return new Promise((resolve, reject) => forked.on('error', reject).on('close', () => {
    clearTimeout(late);
    const lines = out.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as FuzzFault | FuzzTally);
    resolve({ faults: lines.filter((line): line is FuzzFault => 'fault' in line), tally: lines.find((line): line is FuzzTally => 'done' in line) ?? null, error: error.slice(-1500) });
  }));
}

/** As people read it. */
export function fuzzText({ seed, sources, done, frames, refused, slowest, peakBytes, faults }: FuzzReport): string {
  const codes = Object.entries(refused).sort(([, a], [, b]) => b - a).map(([code, n]) => `${n} ${code}`).join(', ');
  return [
    `${done} damaged files (of ${sources} sound ones, seed ${seed}): ${frames} frames decoded; refused: ${codes}`,
    `at most ${slowest.toFixed(2)} s of processor time a file and ${(peakBytes / 1e6).toFixed(0)} MB of memory; ${faults.length} faults`,
    ...faults.map(({ fault, file, message }) => `FAULT: ${fault}: file ${file}: ${message}`),
  ].join('\n');
}
