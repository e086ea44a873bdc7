/** What the main process and the process that makes models (adder-process.ts) say to one another: one job a process. */
import type { CallError, CalibrationMethod, ModelDraft, ModelFields } from '../../contract/ipc.ts';

export interface AddJob {
  kind: 'add';
  /** Absolute paths. */
  model: string;
  metadata: string | null;
  samples: string;
  /** The package's folder, in the reader's models folder. */
  out: string;
  fields: ModelFields;
  method: CalibrationMethod | null;
  limit: number;
}
export interface InspectJob {
  kind: 'inspect';
  model: string;
  metadata: string | null;
}
export type Job = AddJob | InspectJob;
export type JobResult<J extends Job> = J extends InspectJob ? ModelDraft : null;

export type ToAdder = { kind: 'job'; job: Job } | { kind: 'abort' };

export type FromAdder =
  | { kind: 'progress'; step: string; done: number; total: number }
  | { kind: 'done'; value: ModelDraft | null }
  | { kind: 'failed'; error: CallError };
