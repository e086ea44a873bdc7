/** What the numbers of a comparison say, as values for the panel. Pure. */
import type { ClassificationComparison, ClassificationRun, Comparison, EngineId, PartTiming, Run, RunFailed, RunOk, TimingPart, TimingSource } from '../../src/contract/engine.ts';
import { okRuns } from '../state/selectors.ts';

export type Agreement = 'agree' | 'agreePartly' | 'apart' | 'flip' | 'single' | 'noReference' | 'none';

/** `apart`: the same decision, though scores differ by more than the model allows. `agreePartly`: those that answered agree, others failed. `noReference`: flips and differences
 * are against the first engine, which failed. `single`: fewer than two engines answered, so there is nothing to agree with. */
export function agreementOf(comparison: Comparison): Agreement {
  const ok = okRuns(comparison.runs).length;
  if (ok === 0) return 'none';
  if (comparison.flips.length > 0) return 'flip';
  if (ok === 1) return 'single';
  if (comparison.runs[0]?.state !== 'ok') return 'noReference';
  if (isBeyond(comparison)) return 'apart';
  return ok < comparison.runs.length ? 'agreePartly' : 'agree';
}

/** The largest difference is more than the model's tolerance. */
export const isBeyond = ({ maxDelta, tolerance }: Comparison): boolean => maxDelta !== null && maxDelta > tolerance;

/** The class a run decides for at the threshold; null when it stays below and the model has no one other class. */
export function decisionOf(run: ClassificationRun, threshold: ClassificationComparison['threshold'], labels: number): { positive: boolean; classIndex: number | null } {
  const positive = (run.probabilities[threshold.classIndex] ?? 0) >= threshold.value;
  if (positive) return { positive, classIndex: threshold.classIndex };
  return { positive, classIndex: labels === 2 ? 1 - threshold.classIndex : null };
}

/** The first engine asked for is the reference; null when it failed. */
export const referenceOf = <R extends RunOk>(runs: readonly (R | RunFailed)[]): R | null => (runs[0]?.state === 'ok' ? runs[0] : null);

/** Probability minus the reference's, of the class under the threshold. */
export function deltaOf(run: ClassificationRun, reference: ClassificationRun, classIndex: number): number {
  return (run.probabilities[classIndex] ?? 0) - (reference.probabilities[classIndex] ?? 0);
}

export interface Segment {
  part: TimingPart;
  source: TimingSource;
  p50: number;
  p95: number;
  /** 0…1 of the common axis. */
  start: number;
  width: number;
}
export interface WaterfallRow {
  run: RunOk;
  segments: Segment[];
  total: { p50: number; p95: number };
  /** Where the total's p95 ends on the axis. */
  p95End: number;
}
export interface Waterfall {
  rows: WaterfallRow[];
  /** Milliseconds at the right end of the axis; a round number. */
  axisMs: number;
  ticks: number[];
}

/** Below this (ms) no clock tells a time from none, and powers of ten run out of digits. */
const NOTHING = 1e-9;

/** 1, 2 or 5 times a power of ten, at least `value`. */
export function roundUp(value: number): number {
  if (!(value > NOTHING)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 2, 5, 10]) if (step * power >= value) return step * power;
  return 10 * power;
}

/** Parts end to end on one axis for all engines, as long as the longest p95. */
export function waterfall(runs: readonly Run[]): Waterfall {
  const ok = okRuns(runs);
  const longest = Math.max(0, ...ok.map((run) => Math.max(run.total.p95, sum(run.timings))));
  const tick = roundUp(longest / 4);
  const axisMs = tick * Math.max(1, Math.ceil(longest / tick - 1e-9));
  const rows = ok.map((run): WaterfallRow => {
    let at = 0;
    const segments = run.timings.map(({ part, source, p50, p95 }): Segment => {
      const segment = { part, source, p50, p95, start: at / axisMs, width: p50 / axisMs };
      at += p50;
      return segment;
    });
    return { run, segments, total: run.total, p95End: run.total.p95 / axisMs };
  });
  return { rows, axisMs, ticks: Array.from({ length: Math.round(axisMs / tick) + 1 }, (_, i) => i * tick) };
}
const sum = (timings: readonly PartTiming[]): number => timings.reduce((total, { p50 }) => total + p50, 0);

/** Parts that any run has, in the order of the contract. */
export function partsOf(runs: readonly Run[], order: readonly TimingPart[]): TimingPart[] {
  const present = new Set(okRuns(runs).flatMap((run) => run.timings.map(({ part }) => part)));
  return order.filter((part) => present.has(part));
}

/** The number of runs behind each engine's percentiles; null when it is not the same for all (repeats were cut short). */
export function commonRepeats(runs: readonly Run[]): number | null {
  const counts = new Set(okRuns(runs).map(({ repeats }) => repeats));
  return counts.size === 1 ? [...counts][0]! : null;
}

/** Where a part's numbers come from, over all engines that have it. */
export const sourcesOfPart = (runs: readonly Run[], part: TimingPart): TimingSource[] => [...new Set(okRuns(runs).flatMap((run) => run.timings.filter((t) => t.part === part).map(({ source }) => source)))];
export const sourcesOf = (runs: readonly Run[]): TimingSource[] => [...new Set(okRuns(runs).flatMap((run) => run.timings.map(({ source }) => source)))];

/** Columns of the panel: one an engine asked for, whether it has answered or not. */
export function columnsOf<R extends Run>(engines: readonly EngineId[], runs: readonly R[]): Array<{ engine: EngineId; run: R | null }> {
  return engines.map((engine) => ({ engine, run: runs.find((run) => run.engine === engine) ?? null }));
}

