/** The list of studies that FabricLens knows, and the results that it keeps: what of both the page sees. Never a path. */
import { z } from 'zod';
import { PersonName } from './dicom.ts';
import { Comparison, EngineId, TimingSource } from './engine.ts';

/**
 * `kept`: on this computer's disk. `session`: in memory, as the reader chose. Else in memory because it cannot be kept: `damaged` (the file was set aside and a
 * new one begun, which is kept), `newer` (made by a later version), `unavailable` (cannot be opened), `failed` (what came last could not be written).
 */
export const ListState = z.enum(['kept', 'session', 'damaged', 'newer', 'unavailable', 'failed']);
export type ListState = z.infer<typeof ListState>;

export const StudyRow = z.object({
  /** Study Instance UID; for an object without one a key of ours. */
  uid: z.string(),
  patientName: PersonName,
  patientId: z.string(),
  patientBirthDate: z.string(),
  /** DICOM DA as in the file. */
  date: z.string(),
  description: z.string(),
  accessionNumber: z.string(),
  modalities: z.array(z.string()),
  series: z.number().int(),
  images: z.number().int(),
  /** Without an image. */
  objects: z.number().int(),
  /** Files that hold an image once more. */
  copies: z.number().int(),
  /** Files that were not there when last looked for. */
  missing: z.number().int(),
  /** Comparisons that are kept. */
  results: z.number().int(),
});
export type StudyRow = z.infer<typeof StudyRow>;

export const StudySort = z.enum(['date', 'name', 'patientId', 'modality', 'description', 'images', 'added']);
export type StudySort = z.infer<typeof StudySort>;

export const StudyQuery = z.object({
  /** Words that all must occur, anywhere and in any case: in name, id, date (20240131 or 2024-01-31), modality, descriptions, accession number. */
  text: z.string().max(200),
  sort: StudySort,
  descending: z.boolean(),
  limit: z.number().int().min(1).max(500),
});
export type StudyQuery = z.infer<typeof StudyQuery>;

export const StudyPage = z.object({
  rows: z.array(StudyRow),
  /** That the query finds. */
  total: z.number().int(),
  /** On the list. */
  all: z.number().int(),
  state: ListState,
  /** What is behind a state that is not as it should be: a file's name or an error; English. */
  detail: z.string(),
});
export type StudyPage = z.infer<typeof StudyPage>;

/** What an import brought. `opened` images are shown, the others are on the list; `copies` hold an image that another file holds too. */
export const Imported = z.object({ opened: z.number().int(), images: z.number().int(), copies: z.number().int() });
export type Imported = z.infer<typeof Imported>;

/** One engine's part of a result. */
export const ResultRun = z.object({
  engine: EngineId,
  /** Of the class under the threshold, or the highest score of a box; null where it failed or found nothing. */
  score: z.number().nullable(),
  /** Of a detector. */
  boxes: z.number().int().nullable(),
  flip: z.boolean(),
  /** Milliseconds; null where it failed. */
  p50: z.number().nullable(),
  p95: z.number().nullable(),
  sources: z.array(TimingSource),
  /** Of the file that was executed; '' where it failed. */
  modelSha256: z.string(),
  /** Who answered in place of a board that was lost; '' where it ran as asked. */
  moved: z.string(),
  /** Why it failed; '' where it did not. */
  error: z.string(),
});
export type ResultRun = z.infer<typeof ResultRun>;

/** A kept comparison in one line. */
export const ResultRow = z.object({
  id: z.number().int(),
  studyUid: z.string(),
  patientName: PersonName,
  seriesUid: z.string(),
  seriesNumber: z.number().nullable(),
  seriesDescription: z.string(),
  sopInstanceUid: z.string(),
  instanceNumber: z.number().nullable(),
  fileName: z.string(),
  /** From 0. */
  frame: z.number().int(),
  frames: z.number().int(),
  /** When it was computed: ISO 8601, UTC. */
  at: z.string(),
  model: z.string(),
  modelVersion: z.string(),
  /** The model is installed as it was then. */
  current: z.boolean(),
  task: z.enum(['classification', 'detection']),
  /** Class of `score`, and the threshold. Of a detector its score threshold, without a class. */
  classIndex: z.number().int().nullable(),
  threshold: z.number(),
  runs: z.array(ResultRun),
  flips: z.array(EngineId),
  maxDelta: z.number().nullable(),
  tolerance: z.number(),
  warnings: z.number().int(),
});
export type ResultRow = z.infer<typeof ResultRow>;

export const ResultQuery = z.object({
  /** null: all studies. */
  studyUid: z.string().nullable(),
  /** Only those in which an engine decides otherwise than the reference. */
  flipsOnly: z.boolean(),
});
export type ResultQuery = z.infer<typeof ResultQuery>;

/** An image that the reader marked. */
export const KeyImage = z.object({ instanceId: z.string(), /** From 0. */ frame: z.number().int().nonnegative() });
export type KeyImage = z.infer<typeof KeyImage>;

/** What is kept of one frame by one model. `outdated` results are of another version of the model or of the file: they are never shown as this one's. */
export const KeptResult = z.object({ comparison: Comparison.nullable(), at: z.string(), outdated: z.number().int() });
export type KeptResult = z.infer<typeof KeptResult>;
