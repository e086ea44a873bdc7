/** Kept results as documents: a table with a row an engine, or the comparisons whole. */
import type { Comparison } from '../contract/engine.ts';
import type { ResultRow } from '../contract/studies.ts';
import { csv } from './csv.ts';
import { exportComparison, NOT_FOR_DIAGNOSIS } from './export.ts';

const COLUMNS = [
  'sop_instance_uid', 'series_number', 'image_number', 'frame', 'computed_at', 'model', 'model_version', 'model_is_installed', 'engine', 'model_sha256',
  'score', 'boxes', 'threshold', 'flip', 'max_delta', 'tolerance', 'latency_p50_ms', 'latency_p95_ms', 'latency_sources', 'warnings', 'moved_to', 'error',
] as const;
const yes = (value: boolean): string => (value ? 'yes' : 'no');

/** Frames count from 1. The SOP Instance UID is the only thing in it that leads to a patient. */
export function resultsCsv(rows: readonly ResultRow[]): string {
  return csv(COLUMNS, rows.flatMap((row) => row.runs.map((run) => [
    row.sopInstanceUid, row.seriesNumber, row.instanceNumber, row.frame + 1, row.at, row.model, row.modelVersion, yes(row.current), run.engine, run.modelSha256,
    run.score, run.boxes, row.threshold, yes(run.flip), row.maxDelta, row.tolerance, run.p50, run.p95, run.sources.join(' '), row.warnings, run.moved, run.error,
  ])));
}

/** `comparisonOf` and `labelsOf` of a row: null and empty where another version wrote it, or its model is not installed. */
export function resultsJson(rows: readonly ResultRow[], comparisonOf: (row: ResultRow) => Comparison | null, labelsOf: (row: ResultRow) => readonly string[]): string {
  const results = rows.flatMap((row) => {
    const comparison = comparisonOf(row);
    return comparison ? [{ computedAt: row.at, modelVersion: row.modelVersion, modelIsInstalled: row.current, ...exportComparison(comparison, row.sopInstanceUid, labelsOf(row)) }] : [];
  });
  return `${JSON.stringify({ format: 'fabriclens-results/1', notice: NOT_FOR_DIAGNOSIS, results }, null, 1)}\n`;
}
