/** Kept results as the table shows them: by study and series, each series in one line first. Pure. */
import type { EngineId } from '../../src/contract/engine.ts';
import { ENGINE_IDS } from '../../src/contract/engine.ts';
import type { ResultRow, ResultRun } from '../../src/contract/studies.ts';

export interface SeriesResults {
  /** Of one model: numbers of two are not held against one another. */
  key: string;
  rows: readonly ResultRow[];
  /** The row with the highest score of its reference engine; null: none has one. */
  highest: ResultRow | null;
  /** Rows whose reference engine is at the threshold or above. */
  positive: number;
  flips: number;
  maxDelta: number | null;
}

/** The first engine that was asked for. */
export const referenceRun = (row: ResultRow): ResultRun | undefined => row.runs[0];
export const isPositive = (row: ResultRow, run: ResultRun): boolean => run.score !== null && run.score >= row.threshold;

/** In the order of the rows. */
export function bySeries(rows: readonly ResultRow[]): SeriesResults[] {
  const groups = new Map<string, ResultRow[]>();
  for (const row of rows) {
    const key = JSON.stringify([row.studyUid, row.seriesUid, row.model, row.modelVersion, row.current]);
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups].map(([key, group]) => {
    const score = (row: ResultRow | null): number => (row && referenceRun(row)?.score) ?? -1;
    const deltas = group.flatMap(({ maxDelta }) => (maxDelta === null ? [] : [maxDelta]));
    return {
      key, rows: group,
      highest: group.reduce<ResultRow | null>((best, row) => (score(row) > score(best) ? row : best), null),
      positive: group.filter((row) => { const run = referenceRun(row); return run !== undefined && isPositive(row, run); }).length,
      flips: group.filter(({ flips }) => flips.length > 0).length,
      maxDelta: deltas.length === 0 ? null : Math.max(...deltas),
    };
  });
}

/** Engines that any row was asked of, in the order of the contract. */
export const enginesOf = (rows: readonly ResultRow[]): EngineId[] => ENGINE_IDS.filter((engine) => rows.some(({ runs }) => runs.some((run) => run.engine === engine)));
