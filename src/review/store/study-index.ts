/** Studies and their files in the database: what was read of each file, where it lies, and the words by which a study is found. Paths and text, never pixels. */
import { InstanceInfo, SeriesInfo } from '../../contract/dicom.ts';
import type { StudyQuery, StudyRow, StudySort } from '../../contract/studies.ts';
import { z } from 'zod';
import { placeOf, type Entry, type ObjectEntry } from '../library.ts';
import type { Database } from './database.ts';
import { readStored, StoredStudy, studyOf } from './stored.ts';

const StoredFile = z.object({ series: SeriesInfo.omit({ instances: true }), instance: InstanceInfo });

/** An object without a Study Instance UID is a study of its own. */
export const listKeyOf = ({ study, source }: Entry | ObjectEntry): string => study.uid || `file:${placeOf(source)}`;

/** Lower case, without accents, wide letters as narrow ones: what is searched and what is searched for alike. */
export const fold = (text: string): string => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

const SORTED_BY: Record<StudySort, string> = {
  date: 'by_date', name: 'by_name', patientId: 'by_patient_id', modality: 'modalities', description: 'by_description', images: 'images', added: 'added',
};

interface StudyRecord {
  id: number;
  uid: string;
  info: string;
  modalities: string;
  series: number;
  images: number;
  objects: number;
  copies: number;
  missing: number;
  results: number;
}

export interface StoredPath {
  path: string;
  missing: boolean;
}

export class StudyIndex {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** What a software of another version read is read anew when it is next met. */
  readBy(software: string): void {
    const before = this.#db.get<{ value: string }>("SELECT value FROM meta WHERE key = 'reader'")?.value;
    if (before === software) return;
    this.#db.transaction(() => {
      this.#db.run('UPDATE files SET modified = -1');
      this.#db.run("INSERT OR REPLACE INTO meta VALUES ('reader', ?)", software);
    });
  }

  /** In one transaction. @returns how many hold an image that another file holds already */
  add(entries: readonly (Entry | ObjectEntry)[]): number {
    let copies = 0;
    const db = this.#db;
    db.transaction(() => {
      const touched = new Set<number>();
      for (const entry of entries) {
        const { study, series, source, sha256, size, modified } = entry;
        const image = 'instance' in entry;
        const place = placeOf(source);
        const id = this.#study(listKeyOf(entry), study);
        touched.add(id);
        const before = db.get<{ study: number }>('SELECT study FROM files WHERE path = ?', place);
        if (before && before.study !== id) touched.add(before.study);
        const sopUid = !image ? entry.sopInstanceUid : entry.instance.sopInstanceUid === entry.instance.id ? '' : entry.instance.sopInstanceUid;
        if (image && !before && sopUid !== '' && db.get('SELECT 1 FROM files WHERE sop_uid = ? AND sha256 = ?', sopUid, sha256)) copies++;
        db.run(
          'INSERT OR REPLACE INTO files (path, study, series_uid, modality, description, sop_uid, sha256, size, modified, info, image) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
          place, id, series.uid, series.modality, series.description, sopUid, sha256, size, modified, JSON.stringify(image ? { series, instance: entry.instance } : { series, object: entry.object }), image ? 1 : 0,
        );
      }
      for (const id of touched) this.#refresh(id);
    });
    return copies;
  }

  /** The image that was read there, if the file has not changed since. Its instance has the id of that time. */
  known(source: Entry['source'], size: number, modified: number): Entry | null {
    const row = this.#db.get<{ sha256: string; size: number; modified: number; missing: number; study: string; info: string }>(
      'SELECT sha256, size, modified, files.missing, studies.info AS study, files.info FROM files JOIN studies ON studies.id = files.study WHERE path = ? AND image = 1', placeOf(source));
    if (!row || row.missing !== 0 || row.size !== size || row.modified !== modified) return null;
    const study = readStored(StoredStudy, row.study);
    const file = readStored(StoredFile, row.info);
    return study && file && { source, sha256: row.sha256, size, modified, study, ...file };
  }

  search({ text, sort, descending, limit }: StudyQuery): { rows: StudyRow[]; total: number } {
    const words = fold(text).split(/[\s,^]+/).filter(Boolean);
    // Three letters and more by the index; fewer, as Chinese given names have, by looking.
    const matches = words.filter((word) => [...word].length >= 3).map((word) => `"${word.replaceAll('"', '""')}"`).join(' AND ');
    const looked = words.filter((word) => [...word].length < 3);
    const tests = [...(matches === '' ? [] : ['studies_text MATCH ?']), ...looked.map(() => 'instr(text, ?) > 0')];
    const where = tests.length === 0 ? '' : `WHERE id IN (SELECT rowid FROM studies_text WHERE ${tests.join(' AND ')})`;
    const values = [...(matches === '' ? [] : [matches]), ...looked];
    const order = `${SORTED_BY[sort]} ${descending ? 'DESC' : 'ASC'}, by_name, id`;
    const rows = this.#db.all<StudyRecord>(`SELECT *, (SELECT count(*) FROM records WHERE records.study = studies.id) AS results FROM studies ${where} ORDER BY ${order} LIMIT ?`, ...values, limit);
    return { rows: rows.map(studyRow), total: this.#db.get<{ n: number }>(`SELECT count(*) AS n FROM studies ${where}`, ...values)!.n };
  }

  count(): number {
    return this.#db.get<{ n: number }>('SELECT count(*) AS n FROM studies')!.n;
  }

  /** Places (placeOf) of a study's files; none for one that is not on the list. */
  files(uid: string): StoredPath[] {
    return this.#db.all<{ path: string; missing: number }>('SELECT path, files.missing FROM files JOIN studies ON studies.id = files.study WHERE uid = ? ORDER BY path', uid)
      .map(({ path, missing }) => ({ path, missing: missing !== 0 }));
  }

  studiesWithCopies(): string[] {
    return this.#db.all<{ uid: string }>('SELECT uid FROM studies WHERE copies > 0').map(({ uid }) => uid);
  }

  /** Notes which files of a study are there. One that is not, and whose image lies elsewhere, was moved: it goes from the list. @returns how many went, or null where nothing changed */
  note(uid: string, there: ReadonlyMap<string, boolean>): number | null {
    const id = this.#db.get<{ id: number }>('SELECT id FROM studies WHERE uid = ?', uid)?.id;
    if (id === undefined) return null;
    const before = this.files(uid);
    const changed = before.filter(({ path, missing }) => there.get(path) === missing);
    this.#db.transaction(() => {
      for (const { path, missing } of changed) this.#db.run('UPDATE files SET missing = ? WHERE path = ?', missing ? 0 : 1, path);
      this.#db.run("DELETE FROM files WHERE study = ? AND missing = 1 AND sop_uid <> '' AND EXISTS (SELECT 1 FROM files AS other WHERE other.sop_uid = files.sop_uid AND other.missing = 0)", id);
    });
    const moved = before.length - this.files(uid).length;
    if (changed.length === 0 && moved === 0) return null;
    this.#db.transaction(() => this.#refresh(id));
    return moved;
  }

  /** The study and its results; its files on disk are not touched. null: all of them. */
  remove(uid: string | null): void {
    this.#db.transaction(() => {
      const ids = this.#db.all<{ id: number }>(uid === null ? 'SELECT id FROM studies' : 'SELECT id FROM studies WHERE uid = ?', ...(uid === null ? [] : [uid]));
      for (const { id } of ids) this.#forget(id);
    });
    this.#db.scrub();
  }

  #forget(id: number): void {
    this.#db.run('DELETE FROM studies_text WHERE rowid = ?', id);
    this.#db.run('DELETE FROM studies WHERE id = ?', id);
  }

  #study(uid: string, study: Entry['study']): number {
    const found = this.#db.get<{ id: number; info: string }>('SELECT id, info FROM studies WHERE uid = ?', uid);
    const info = JSON.stringify(study);
    if (found?.info === info) return found.id;
    this.#db.run(
      `INSERT INTO studies (uid, info, added, by_name, by_patient_id, by_date, by_description) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (uid) DO UPDATE SET info = excluded.info, by_name = excluded.by_name, by_patient_id = excluded.by_patient_id, by_date = excluded.by_date, by_description = excluded.by_description`,
      uid, info, Date.now(), fold(`${study.patientName.alphabetic} ${study.patientName.ideographic}`), fold(study.patientId), `${study.date} ${study.time}`.replaceAll('.', ''), fold(study.description),
    );
    return found?.id ?? this.#db.get<{ id: number }>('SELECT id FROM studies WHERE uid = ?', uid)!.id;
  }

  /** Counts and words of a study from its files; one without any is no study any more. */
  #refresh(id: number): void {
    const db = this.#db;
    const counts = db.get<{ files: number; imageFiles: number; images: number; objects: number; series: number; missing: number }>(
      `SELECT count(*) AS files, sum(image) AS imageFiles, count(DISTINCT CASE image WHEN 1 THEN CASE sop_uid WHEN '' THEN path ELSE sop_uid || ' ' || sha256 END END) AS images,
              count(DISTINCT CASE image WHEN 0 THEN CASE sop_uid WHEN '' THEN path ELSE sop_uid || ' ' || sha256 END END) AS objects,
              count(DISTINCT CASE image WHEN 1 THEN CASE series_uid WHEN '' THEN path ELSE series_uid END END) AS series, sum(missing) AS missing FROM files WHERE study = ?`, id)!;
    if (counts.files === 0) return this.#forget(id);
    const series = db.all<{ modality: string; description: string }>('SELECT DISTINCT modality, description FROM files WHERE study = ? ORDER BY modality, description', id);
    const modalities = [...new Set(series.map(({ modality }) => modality))].filter(Boolean).join(' ');
    db.run('UPDATE studies SET modalities = ?, series = ?, images = ?, objects = ?, copies = ?, missing = ? WHERE id = ?', modalities, counts.series, counts.images, counts.objects, counts.imageFiles - counts.images, counts.missing, id);
    const study = studyOf(db.get<{ info: string }>('SELECT info FROM studies WHERE id = ?', id)!.info);
    const date = study.date.replaceAll('.', '');
    const names = Object.values<string>(study.patientName);
    const words = [...names, ...names.map((name) => name.replaceAll('^', '')), study.patientId, date, date.replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3'), study.description, study.accessionNumber, modalities, ...series.map(({ description }) => description)];
    db.run('INSERT OR REPLACE INTO studies_text (rowid, text) VALUES (?, ?)', id, fold(words.join('\n').replaceAll('^', ' ')));
  }
}

function studyRow({ uid, info, modalities, series, images, objects, copies, missing, results }: StudyRecord): StudyRow {
  const { patientName, patientId, patientBirthDate, date, description, accessionNumber } = studyOf(info);
  return { uid, patientName, patientId, patientBirthDate, date, description, accessionNumber, modalities: modalities.split(' ').filter(Boolean), series, images, objects, copies, missing, results };
}
