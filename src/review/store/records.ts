/** Comparisons that are kept: each under its image (SOP Instance UID, frame, SHA-256 of the file) and its model (hash of its whole description). The last of each is kept. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Comparison, type ClassificationRun } from '../../contract/engine.ts';
import type { ModelMetadata } from '../../contract/model.ts';
import { ResultRow, type KeptResult, type ResultQuery, type ResultRun } from '../../contract/studies.ts';
import type { Entry } from '../library.ts';
import type { Database } from './database.ts';
import { readStored, studyOf } from './stored.ts';
import { listKeyOf } from './study-index.ts';

/** All that makes a model's numbers what they are: files, preprocessing, classes, threshold, version. */
export const modelHashOf = ({ version, fabriclens }: ModelMetadata): string => createHash('sha256').update(JSON.stringify([version, fabriclens])).digest('hex');

/** One frame of one file, and who it is. */
export interface Pictured {
  entry: Entry;
  frame: number;
}

const Line = ResultRow.omit({ id: true, studyUid: true, patientName: true, at: true, current: true });

interface Row {
  id: number;
  study: string;
  info: string;
  at: number;
  model: string;
  model_hash: string;
  line: string;
  comparison: string;
}

export class Records {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Nothing for an image without a SOP Instance UID, or of a study that is not on the list. `sha256` is that of the bytes that were decoded. */
  keep({ entry, frame }: Pictured, sha256: string, comparison: Comparison, metadata: ModelMetadata): boolean {
    const { instance } = entry;
    const study = this.#db.get<{ id: number }>('SELECT id FROM studies WHERE uid = ?', listKeyOf(entry));
    if (!study || instance.sopInstanceUid === instance.id) return false;
    this.#db.transaction(() => this.#db.run(
      'INSERT OR REPLACE INTO records (study, sop_uid, frame, sha256, model, model_hash, at, flips, line, comparison) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      study.id, instance.sopInstanceUid, frame, sha256, comparison.model, modelHashOf(metadata), Date.now(), comparison.flips.length,
      JSON.stringify(lineOf(entry, comparison, metadata)), JSON.stringify(comparison, (_key, value: unknown) => (value instanceof Float32Array ? [...value] : value)),
    ));
    return true;
  }

  /** Of this very file by this very model. */
  of({ entry, frame }: Pictured, metadata: ModelMetadata): KeptResult {
    const { instance, sha256 } = entry;
    const rows = this.#db.all<Row & { sha256: string }>('SELECT * FROM records WHERE sop_uid = ? AND frame = ? AND model = ?', instance.sopInstanceUid, frame, metadata.fabriclens.name);
    const hash = modelHashOf(metadata);
    const own = rows.find((row) => row.sha256 === sha256 && row.model_hash === hash);
    const comparison = own ? readComparison(own.comparison, instance.id) : null;
    return { comparison, at: comparison ? new Date(own!.at).toISOString() : '', outdated: rows.filter((row) => row !== own).length };
  }

  /** In the order of the images. `hashes`: of the models that are installed, by name. */
  list({ studyUid, flipsOnly }: ResultQuery, hashes: ReadonlyMap<string, string>): ResultRow[] {
    const tests = [...(studyUid === null ? [] : ['studies.uid = ?']), ...(flipsOnly ? ['flips > 0'] : [])];
    const rows = this.#db.all<Row>(
      `SELECT records.id, studies.uid AS study, studies.info, at, model, model_hash, line FROM records JOIN studies ON studies.id = records.study ${tests.length === 0 ? '' : `WHERE ${tests.join(' AND ')}`}`,
      ...(studyUid === null ? [] : [studyUid]));
    const lines = rows.flatMap((row): ResultRow[] => {
      const line = readStored(Line, row.line);
      if (!line) return [];
      return [{ ...line, id: row.id, studyUid: row.study, patientName: studyOf(row.info).patientName, at: new Date(row.at).toISOString(), current: hashes.get(row.model) === row.model_hash }];
    });
    const number = (value: number | null): number => value ?? Number.MAX_SAFE_INTEGER;
    const text = (row: ResultRow): string => `${row.patientName.alphabetic}\n${row.studyUid}`;
    return lines.sort((a, b) => natural.compare(text(a), text(b)) || number(a.seriesNumber) - number(b.seriesNumber) || natural.compare(a.seriesUid, b.seriesUid)
      || number(a.instanceNumber) - number(b.instanceNumber) || natural.compare(a.sopInstanceUid, b.sopInstanceUid) || a.frame - b.frame || natural.compare(a.model, b.model));
  }

  comparison(id: number): Comparison | null {
    const row = this.#db.get<Row>('SELECT comparison FROM records WHERE id = ?', id);
    return row ? readComparison(row.comparison, '') : null;
  }
}

const natural = new Intl.Collator('en', { numeric: true });

/** As it was, but for the image's id, which is another one in each session; null for what is damaged or what another version wrote otherwise. */
function readComparison(text: string, instanceId: string): Comparison | null {
  const asWritten = (value: unknown): unknown => {
    const stored = value as Comparison;
    const runs = stored.task !== 'classification' ? stored.runs : stored.runs.map((run) => (run.state === 'ok' && run.classMaps ? { ...run, classMaps: withFloats(run.classMaps) } : run));
    return { ...stored, instanceId, runs };
  };
  return readStored(z.preprocess(asWritten, Comparison), text);
}

const withFloats = (maps: NonNullable<ClassificationRun['classMaps']>): NonNullable<ClassificationRun['classMaps']> => ({ ...maps, maps: maps.maps.map((map) => Float32Array.from(map)) });

function lineOf({ series, instance }: Entry, comparison: Comparison, { version }: ModelMetadata): Omit<ResultRow, 'id' | 'studyUid' | 'patientName' | 'at' | 'current'> {
  const { frame, model, flips, maxDelta, tolerance, task } = comparison;
  const threshold = comparison.task === 'classification' ? comparison.threshold : { classIndex: null, value: comparison.rule.scoreThreshold };
  return {
    seriesUid: series.uid, seriesNumber: series.number, seriesDescription: series.description,
    sopInstanceUid: instance.sopInstanceUid, instanceNumber: instance.instanceNumber, fileName: instance.fileName, frame, frames: instance.frames,
    model, modelVersion: version, task, classIndex: threshold.classIndex, threshold: threshold.value,
    runs: comparison.runs.map((run) => resultRun(run, threshold.classIndex, flips)), flips, maxDelta, tolerance, warnings: comparison.warnings.length,
  };
}

function resultRun(run: Comparison['runs'][number], classIndex: number | null, flips: Comparison['flips']): ResultRun {
  if (run.state === 'failed') return { engine: run.engine, score: null, boxes: null, flip: false, p50: null, p95: null, sources: [], modelSha256: '', moved: '', error: run.message };
  const { engine, identity, total, timings, moved } = run;
  const score = run.task === 'classification' ? run.probabilities[classIndex!]! : (run.boxes[0]?.score ?? null);
  return {
    engine, score, boxes: run.task === 'detection' ? run.boxes.length : null, flip: flips.includes(engine),
    ...total, sources: [...new Set(timings.map(({ source }) => source))], modelSha256: identity.modelSha256, moved: moved?.to ?? '', error: '',
  };
}
