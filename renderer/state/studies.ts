/** The list of known studies and the kept results: asks the host again whenever it says that they changed, and goes from a line to its image. */
import type { StudyInfo } from '../../src/contract/dicom.ts';
import type { HostBridge } from '../../src/contract/ipc.ts';
import type { Imported, ResultRow, StudyPage, StudyQuery, StudySort } from '../../src/contract/studies.ts';
import type { AppState, Store } from './store.ts';

export interface StudiesView {
  query: StudyQuery;
  /** What the host answered last; null before. */
  page: StudyPage | null;
  error: string;
  /** The study that is being opened. */
  opening: string | null;
  /** What the last import brought. */
  imported: (Imported & { cancelled: boolean }) | null;
}

export interface ResultsView {
  /** Of all studies, not only of the one that is shown. */
  all: boolean;
  flipsOnly: boolean;
  rows: readonly ResultRow[] | null;
  error: string;
}

/** Studies that are shown at first, and more each time. */
export const STEP = 100;
export const MOST_STUDIES = 500;

export const INITIAL_STUDIES: StudiesView = { query: { text: '', sort: 'date', descending: true, limit: STEP }, page: null, error: '', opening: null, imported: null };
export const INITIAL_RESULTS: ResultsView = { all: false, flipsOnly: false, rows: null, error: '' };

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What `Studies` needs of the window. */
export interface StudiesWindow {
  select(seriesUid: string, position: number): void;
  /** Does the work; a failure is a notice. */
  attempt(work: () => Promise<unknown>): Promise<void>;
  /** Asks for what is open. */
  refresh(): Promise<void>;
  /** The study that is shown. */
  studyUid(): string | null;
  /** The series and place of an image that is open; null: it is not. */
  placeOf(row: ResultRow): { seriesUid: string; position: number } | null;
}

export class Studies {
  private readonly bridge: HostBridge;
  private readonly store: Store<AppState>;
  private readonly window: StudiesWindow;
  private asked = 0;
  private askedResults = 0;

  constructor(bridge: HostBridge, store: Store<AppState>, window: StudiesWindow) {
    this.bridge = bridge;
    this.store = store;
    this.window = window;
  }

  /** Only the last question's answer is shown. */
  async search(change: Partial<StudyQuery> = {}): Promise<void> {
    const query = { ...this.store.get().studies.query, ...change };
    this.patch({ query });
    const mine = ++this.asked;
    try {
      const page = await this.bridge.call('studies.search', query);
      if (mine === this.asked) this.patch({ page, error: '' });
    } catch (error) {
      if (mine === this.asked) this.patch({ error: messageOf(error) });
    }
  }

  /** By this column; once more turns it round. Dates, counts and what came last begin with the greatest. */
  sortBy(sort: StudySort): Promise<void> {
    const { query } = this.store.get().studies;
    return this.search({ sort, descending: query.sort === sort ? !query.descending : sort === 'date' || sort === 'images' || sort === 'added' });
  }

  more(): Promise<void> {
    return this.search({ limit: Math.min(MOST_STUDIES, this.store.get().studies.query.limit + STEP) });
  }

  /** @returns files that are not where they were; null where it failed or was cancelled */
  async open(uid: string): Promise<{ opened: number; missing: number } | null> {
    let result: { opened: number; missing: number } | null = null;
    this.patch({ opening: uid });
    await this.window.attempt(async () => {
      result = await this.bridge.call('studies.open', { uid });
      const studies = (): AppState['library']['studies'] => this.store.get().library.studies;
      const found = (): StudyInfo | undefined => studies().find((study) => study.uid === uid);
      // The event that tells of it may come after the answer.
      if (!found()) await this.window.refresh();
      const [series] = (found() ?? (result.opened > 0 ? studies().at(-1) : undefined))?.series ?? [];
      if (series) this.window.select(series.uid, 0);
      else if (found()) this.store.set({ workspace: 'review' });
    });
    this.patch({ opening: null });
    this.store.set({ scan: null });
    return result;
  }

  /** The host says that the list has changed, and it is asked for again. */
  remove(uid: string): Promise<void> {
    return this.window.attempt(() => this.bridge.call('studies.remove', { uid }));
  }

  clear(doneText: string, notify: (text: string) => void): Promise<void> {
    return this.window.attempt(async () => {
      await this.bridge.call('studies.clear', {});
      notify(doneText);
    });
  }

  async cancelImport(): Promise<void> {
    await this.bridge.call('library.cancel', {});
  }

  imported(imported: StudiesView['imported']): void {
    this.patch({ imported });
  }

  async results(change: Partial<Pick<ResultsView, 'all' | 'flipsOnly'>> = {}): Promise<void> {
    this.patchResults(change);
    const mine = ++this.askedResults;
    try {
      const { rows } = await this.bridge.call('results.list', this.resultQuery());
      if (mine === this.askedResults) this.patchResults({ rows, error: '' });
    } catch (error) {
      if (mine === this.askedResults) this.patchResults({ error: messageOf(error) });
    }
  }

  exportResults(format: 'csv' | 'json', savedText: string, notify: (text: string) => void): Promise<void> {
    return this.window.attempt(async () => {
      const { saved } = await this.bridge.call('results.export', { ...this.resultQuery(), format });
      if (saved) notify(savedText);
    });
  }

  /** Shows the image of a result with its model; opens its study first where it is not open. @returns whether the image is there */
  async goTo(row: ResultRow): Promise<boolean> {
    if (!this.window.placeOf(row)) await this.open(row.studyUid);
    const place = this.window.placeOf(row);
    if (!place) return false;
    if (this.store.get().models.some(({ id }) => id === row.model)) this.store.set({ modelId: row.model });
    this.window.select(place.seriesUid, place.position);
    return true;
  }

  /** Of the study that is shown, or of all: also where none is shown. */
  private resultQuery(): { studyUid: string | null; flipsOnly: boolean } {
    const { all, flipsOnly } = this.store.get().results;
    return { studyUid: all ? null : this.window.studyUid(), flipsOnly };
  }

  private patch(change: Partial<StudiesView>): void {
    this.store.set(({ studies }) => ({ studies: { ...studies, ...change } }));
  }

  private patchResults(change: Partial<ResultsView>): void {
    this.store.set(({ results }) => ({ results: { ...results, ...change } }));
  }
}
