/** The database behind the study list and the results, and the only file that knows SQLite. */
import { chmodSync, closeSync, existsSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import type { DatabaseSyncInstance, StatementSyncInstance } from '@photostructure/sqlite';
import type { ListState } from '../../contract/studies.ts';

/** Raised whenever the tables change; migrations are steps from one to the next. */
const SCHEMA = 2;

const TABLES = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE studies (
    id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, info TEXT NOT NULL, added INTEGER NOT NULL,
    by_name TEXT NOT NULL, by_patient_id TEXT NOT NULL, by_date TEXT NOT NULL, by_description TEXT NOT NULL,
    modalities TEXT NOT NULL DEFAULT '', series INTEGER NOT NULL DEFAULT 0, images INTEGER NOT NULL DEFAULT 0,
    copies INTEGER NOT NULL DEFAULT 0, missing INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE files (
    path TEXT PRIMARY KEY, study INTEGER NOT NULL REFERENCES studies ON DELETE CASCADE,
    series_uid TEXT NOT NULL, modality TEXT NOT NULL, description TEXT NOT NULL,
    sop_uid TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, modified REAL NOT NULL,
    missing INTEGER NOT NULL DEFAULT 0, info TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX files_of_study ON files (study);
  CREATE INDEX files_of_image ON files (sop_uid);
  CREATE VIRTUAL TABLE studies_text USING fts5 (text, tokenize = 'trigram');
  INSERT INTO studies_text (studies_text, rank) VALUES ('secure-delete', 1);
  CREATE TABLE records (
    id INTEGER PRIMARY KEY, study INTEGER NOT NULL REFERENCES studies ON DELETE CASCADE,
    sop_uid TEXT NOT NULL, frame INTEGER NOT NULL, sha256 TEXT NOT NULL, model TEXT NOT NULL, model_hash TEXT NOT NULL,
    at INTEGER NOT NULL, flips INTEGER NOT NULL, line TEXT NOT NULL, comparison TEXT NOT NULL,
    UNIQUE (sop_uid, frame, sha256, model, model_hash)
  );
  CREATE INDEX records_of_study ON records (study);
`;
/** From the version before to each; the first is that of TABLES. Objects without an image, and key images. */
const STEPS: Record<number, string> = {
  2: `
    ALTER TABLE files ADD COLUMN image INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE studies ADD COLUMN objects INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE key_images (
      id INTEGER PRIMARY KEY, study INTEGER NOT NULL REFERENCES studies ON DELETE CASCADE,
      sop_uid TEXT NOT NULL, frame INTEGER NOT NULL, UNIQUE (sop_uid, frame)
    );
    CREATE INDEX key_images_of_study ON key_images (study);
  `,
};

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const DAMAGED = new Set([11, 26]);
const IN_MEMORY = ':memory:';

type Value = string | number | null;
type Open = new (path: string, options: { timeout: number }) => DatabaseSyncInstance;

export class Database {
  readonly #db: DatabaseSyncInstance;
  readonly #statements = new Map<string, StatementSyncInstance>();
  /** Of the tables as they were found; 0: they were made now. */
  readonly version: number;

  constructor(Sqlite: Open, path: string) {
    this.#db = new Sqlite(path, { timeout: 2_000 });
    try {
      // What is removed is overwritten, for it names patients.
      this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY');
      this.version = Number(this.#pragma('user_version'));
      if (this.version > 0 && this.#pragma('quick_check') !== 'ok') throw Object.assign(new Error('its pages do not fit together'), { errcode: 11 });
      this.transaction(() => {
        if (this.version === 0) this.#db.exec(TABLES);
        for (let step = Math.max(2, this.version + 1); step <= SCHEMA; step++) this.#db.exec(`${STEPS[step]!} PRAGMA user_version = ${step}`);
      });
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  all<R>(sql: string, ...values: Value[]): R[] {
    return this.#statement(sql).all(...values) as R[];
  }

  get<R>(sql: string, ...values: Value[]): R | undefined {
    return this.#statement(sql).get(...values) as R | undefined;
  }

  run(sql: string, ...values: Value[]): void {
    this.#statement(sql).run(...values);
  }

  /** All of it or nothing, also through a power cut. */
  transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Takes what was removed out of the write-ahead log too. */
  scrub(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  close(): void {
    if (!this.#db.isOpen) return;
    try {
      this.scrub();
    } finally {
      this.#statements.clear();
      this.#db.close();
    }
  }

  /** The first value. Not by a statement: those are let go only when memory is collected, and hold the file, which may have to be set aside. */
  #pragma(name: string): unknown {
    const values: unknown[] = [];
    this.#db.function('fabriclens_tell', (value: unknown) => void values.push(value));
    this.#db.exec(`SELECT fabriclens_tell(${name}) FROM pragma_${name}`);
    return values[0];
  }

  #statement(sql: string): StatementSyncInstance {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, (statement = this.#db.prepare(sql)));
    return statement;
  }
}

export interface OpenedDatabase {
  db: Database;
  state: ListState;
  detail: string;
}

/**
 * Opens the file at `path`, or a database in memory for null. A file that is damaged is set aside beside its place, never emptied; one that cannot be opened or that
 * a later version made stays as it is. Each is said in `state`. Throws only where SQLite itself is not there.
 */
export function openDatabase(path: string | null): OpenedDatabase {
  // Not by an import: the command line, which keeps nothing, need not load it.
  const { DatabaseSync: Sqlite } = createRequire(import.meta.url)('@photostructure/sqlite') as { DatabaseSync: Open };
  const inMemory = (state: ListState, detail: string): OpenedDatabase => ({ db: new Database(Sqlite, IN_MEMORY), state, detail });
  if (path === null) return inMemory('session', '');
  try {
    makePrivate(path);
    const db = new Database(Sqlite, path);
    if (db.version <= SCHEMA) return { db, state: 'kept', detail: '' };
    db.close();
    return inMemory('newer', basename(path));
  } catch (error) {
    if (!DAMAGED.has((error as { errcode?: number }).errcode ?? 0)) return inMemory('unavailable', error instanceof Error ? error.message : String(error));
  }
  try {
    const aside = setAside(path);
    makePrivate(path);
    return { db: new Database(Sqlite, path), state: 'damaged', detail: aside };
  } catch (error) {
    return inMemory('unavailable', error instanceof Error ? error.message : String(error));
  }
}

/** SQLite gives its journals the mode of the database. */
function makePrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
}

const JOURNALS = ['-wal', '-shm'];
const asideOf = (path: string): string => `${basename(path, '.db')}.damaged-`;

/** @returns the new name */
function setAside(path: string): string {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const name = `${asideOf(path)}${stamp}.db`;
  for (const journal of JOURNALS) if (existsSync(path + journal)) renameSync(path + journal, join(dirname(path), name + journal));
  renameSync(path, join(dirname(path), name));
  return name;
}

/** The file, its journals, and what was ever set aside: nothing of a patient stays. */
export function deleteDatabase(path: string): void {
  const dir = dirname(path);
  for (const name of existsSync(dir) ? readdirSync(dir) : []) {
    if (name === basename(path) || JOURNALS.some((journal) => name === basename(path) + journal) || name.startsWith(asideOf(path))) rmSync(join(dir, name), { force: true });
  }
}
