/** A comparison as a document of its own: who answered what, how long each part took and by whose clock. */
import { z } from 'zod';
import { Comparison, RunFailed, RunOk, type Run } from '../contract/engine.ts';

const MapsAsNumbers = z.object({ rows: z.number(), columns: z.number(), maps: z.array(z.array(z.number())) });

/** JSON form of a comparison; the SOP Instance UID is the only thing in it that leads to a patient. */
export const ExportedComparison = Comparison.omit({ instanceId: true, runs: true }).extend({
  format: z.literal('fabriclens-comparison/1'),
  notice: z.string(),
  /** Of the image, (0008,0018). No other identifier of a patient, study or file is written. */
  sopInstanceUid: z.string(),
  /** Names of the model's classes, in the order of logits, probabilities and maps. */
  labels: z.array(z.string()),
  runs: z.array(z.discriminatedUnion('state', [RunOk.extend({ classMaps: MapsAsNumbers.nullable() }), RunFailed])),
});
export type ExportedComparison = z.infer<typeof ExportedComparison>;

export const NOT_FOR_DIAGNOSIS = 'Not for diagnostic use.';

export function exportComparison(comparison: Comparison, sopInstanceUid: string, labels: readonly string[]): ExportedComparison {
  const { frame, model, warnings, threshold, flips, maxDelta, tolerance, runs } = comparison;
  return {
    format: 'fabriclens-comparison/1', notice: NOT_FOR_DIAGNOSIS, sopInstanceUid, frame, model, labels: [...labels],
    warnings, threshold, flips, maxDelta, tolerance, runs: runs.map(exportRun),
  };
}

function exportRun(run: Run): ExportedComparison['runs'][number] {
  if (run.state === 'failed' || run.classMaps === null) return run as ExportedComparison['runs'][number];
  return { ...run, classMaps: { ...run.classMaps, maps: run.classMaps.maps.map((map) => Array.from(map)) } };
}
