/** A comparison as a document of its own: who answered what, how long each part took and by whose clock. */
import { z } from 'zod';
import { ClassificationComparison, ClassificationRun, DetectionComparison, RunFailed, type Comparison } from '../contract/engine.ts';

const MapsAsNumbers = z.object({ rows: z.number(), columns: z.number(), maps: z.array(z.array(z.number())) });

/** JSON form of a comparison; the SOP Instance UID is the only thing in it that leads to a patient. */
const Exported = {
  format: z.literal('fabriclens-comparison/1'),
  notice: z.string(),
  /** Of the image, (0008,0018). No other identifier of a patient, study or file is written. */
  sopInstanceUid: z.string(),
  /** Names of the model's classes, in the order of logits, probabilities and maps; a box's `label` counts in them. */
  labels: z.array(z.string()),
};
const ExportedRun = z.discriminatedUnion('state', [ClassificationRun.extend({ classMaps: MapsAsNumbers.nullable() }), RunFailed]);

export const ExportedComparison = z.discriminatedUnion('task', [
  ClassificationComparison.omit({ instanceId: true }).extend({ ...Exported, runs: z.array(ExportedRun) }),
  DetectionComparison.omit({ instanceId: true }).extend(Exported),
]);
export type ExportedComparison = z.infer<typeof ExportedComparison>;

export const NOT_FOR_DIAGNOSIS = 'Not for diagnostic use.';

export function exportComparison(comparison: Comparison, sopInstanceUid: string, labels: readonly string[]): ExportedComparison {
  const head = { format: 'fabriclens-comparison/1' as const, notice: NOT_FOR_DIAGNOSIS, sopInstanceUid, labels: [...labels] };
  return comparison.task === 'detection' ? { ...head, ...anonymous(comparison) } : { ...head, ...anonymous(comparison), runs: comparison.runs.map(exportRun) };
}

/** The instance's id leads to its file in this session. */
function anonymous<C extends Comparison>(comparison: C): Omit<C, 'instanceId'> {
  const copy: Omit<C, 'instanceId'> & { instanceId?: string } = { ...comparison };
  delete copy.instanceId;
  return copy;
}

function exportRun(run: ClassificationRun | RunFailed): z.infer<typeof ExportedRun> {
  if (run.state === 'failed') return run;
  return { ...run, classMaps: run.classMaps && { ...run.classMaps, maps: run.classMaps.maps.map((map) => Array.from(map)) } };
}
