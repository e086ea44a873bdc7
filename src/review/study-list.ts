/** The studies that FabricLens knows, open or not, and the results that it keeps of them: imports into the index, looks for files, opens, removes, clears. */
import { access } from 'node:fs/promises';
import type { Comparison } from '../contract/engine.ts';
import type { ModelMetadata } from '../contract/model.ts';
import type { KeptResult, ListState, ResultQuery, ResultRow, StudyPage, StudyQuery } from '../contract/studies.ts';
import { pathOf, type Entry, type ObjectEntry, type Opened, type OpenHooks } from './library.ts';
import { deleteDatabase, openDatabase, type Database, type OpenedDatabase } from './store/database.ts';
import { KeyImages, type KeptKeyImage } from './store/key-images.ts';
import { Records, type Pictured } from './store/records.ts';
import { StudyIndex } from './store/study-index.ts';

/** Files a transaction: a few milliseconds of the process's one thread. What is killed loses no more than these, or what half a second brought. */
const BATCH = { files: 200, ms: 500 };
/** Files looked for at a time. */
const LOOKS = 8;

export class StudyList {
  #path: string | null;
  #db!: Database;
  #index!: StudyIndex;
  #records!: Records;
  #keyImages!: KeyImages;
  #state!: { state: ListState; detail: string };
  /** Why what came last could not be written; '' where it could. */
  #failure = '';
  readonly #software: string;
  readonly #changed: () => void;
  /** Studies whose files were looked for in this session. */
  readonly #looked = new Set<string>();

  /**
   * @param path of the database; null: in memory, for this session
   * @param changed called when what the list shows may be another
   * @throws Error where SQLite is not there
   */
  constructor(path: string | null, software: string, changed: () => void = () => {}) {
    this.#software = software;
    this.#changed = changed;
    this.#path = path;
    this.#take(openDatabase(path));
  }

  search(query: StudyQuery): StudyPage {
    const found = this.#index.search(query);
    return { ...found, all: this.#index.count(), ...(this.#failure === '' ? this.#state : { state: 'failed' as const, detail: this.#failure }) };
  }

  /**
   * Runs `open` with hooks that know what was read before and put what is read into the index, batch by batch. What was read stays, also when `open` is cancelled.
   * @returns what it returns, and how many files hold an image once more
   */
  async import(hooks: OpenHooks, open: (hooks: OpenHooks) => Promise<Opened>): Promise<Opened & { copies: number }> {
    let copies = 0;
    let pending: (Entry | ObjectEntry)[] = [];
    let last = Date.now();
    const write = (): void => {
      const entries = pending;
      pending = [];
      last = Date.now();
      if (entries.length === 0) return;
      copies += this.#written(() => this.#index.add(entries)) ?? 0;
      this.#changed();
    };
    const take = (entry: Entry | ObjectEntry): void => {
      pending.push(entry);
      if (pending.length >= BATCH.files || Date.now() - last >= BATCH.ms) write();
    };
    try {
      const opened = await open({
        ...hooks,
        known: (...file) => this.#read(() => this.#index.known(...file)) ?? null,
        onRead: take,
        onObject: take,
      });
      write();
      // The other file may be gone: then this one is where the image was moved to.
      if (copies > 0) copies = Math.max(0, copies - (await this.#look(this.#index.studiesWithCopies())));
      return { ...opened, copies };
    } finally {
      write();
    }
  }

  /** Are the files of these studies there? Once a session for each study; `changed` is called where the list says otherwise. */
  async look(uids: readonly string[]): Promise<void> {
    await this.#look(uids.filter((uid) => !this.#looked.has(uid)));
  }

  /** Paths of a study's files, ZIP files whole: those that are there, and those that are not. */
  async files(uid: string): Promise<{ there: string[]; missing: string[] }> {
    await this.#look([uid]);
    const files = this.#index.files(uid);
    const paths = (which: boolean): string[] => [...new Set(files.filter(({ missing }) => missing === which).map(({ path }) => pathOf(path)))];
    return { there: paths(false), missing: paths(true) };
  }

  /** From the list, with its results; the files stay. null: all. */
  remove(uid: string | null): void {
    this.#index.remove(uid);
    this.#changed();
  }

  /** `sha256` of the bytes that were decoded. */
  keep(pictured: Pictured, sha256: string, comparison: Comparison, metadata: ModelMetadata): void {
    if (this.#written(() => this.#records.keep(pictured, sha256, comparison, metadata)) === true) this.#changed();
  }

  keptOf(pictured: Pictured, metadata: ModelMetadata): KeptResult {
    return this.#records.of(pictured, metadata);
  }

  results(query: ResultQuery, hashes: ReadonlyMap<string, string>): ResultRow[] {
    return this.#records.list(query, hashes);
  }

  comparison(id: number): Comparison | null {
    return this.#records.comparison(id);
  }

  /** Marks an image as a key image, or takes the mark away. */
  mark(pictured: Pictured, on: boolean): void {
    this.#written(() => this.#keyImages.mark(pictured, on));
  }

  marked(): KeptKeyImage[] {
    return this.#read(() => this.#keyImages.all()) ?? [];
  }

  /** From now on in this file, or in memory with null. The list of before is not taken along; `forget` is a file to delete with all that was set aside. */
  use(path: string | null, forget: string | null = null): void {
    if (forget !== null) this.#index.remove(null);
    this.#db.close();
    if (forget !== null) deleteDatabase(forget);
    this.#path = path;
    this.#take(openDatabase(path));
    this.#changed();
  }

  /** Nothing is left of what was kept; `file` is where lists are kept, now or at another time. */
  clear(file: string): void {
    this.use(this.#path, file);
  }

  close(): void {
    this.#db.close();
  }

  #take({ db, state, detail }: OpenedDatabase): void {
    this.#db = db;
    this.#index = new StudyIndex(db);
    this.#records = new Records(db);
    this.#keyImages = new KeyImages(db);
    this.#state = { state, detail };
    this.#failure = '';
    this.#looked.clear();
    this.#index.readBy(this.#software);
  }

  /** Are the files of these studies where they were? @returns how many were moved, and are off the list now */
  async #look(uids: readonly string[]): Promise<number> {
    let changed = false;
    let moved = 0;
    for (const uid of uids) {
      this.#looked.add(uid);
      const queue = (this.#read(() => this.#index.files(uid)) ?? []).map(({ path }) => path);
      const there = new Map<string, boolean>();
      const looking = async (): Promise<void> => {
        for (let path = queue.pop(); path !== undefined; path = queue.pop()) there.set(path, await access(pathOf(path)).then(() => true, () => false));
      };
      await Promise.all(Array.from({ length: LOOKS }, looking));
      const went = this.#written(() => this.#index.note(uid, there)) ?? null;
      changed ||= went !== null;
      moved += went ?? 0;
    }
    if (changed) this.#changed();
    return moved;
  }

  /** A disk that is full costs the list's memory of what came last, and never the images. */
  #written<T>(work: () => T): T | undefined {
    try {
      const value = work();
      this.#failure = '';
      return value;
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      return undefined;
    }
  }

  #read<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch {
      return undefined;
    }
  }
}
