/** What the window does: calls to the host and what their answers change in the state. */
import type { EngineId } from '../../src/contract/engine.ts';
import type { Deployed, HostBridge, Request, Settings } from '../../src/contract/ipc.ts';
import { INITIAL_STATE, Store, type AppState, type ComparisonEntry, type Notice } from './store.ts';
import type { MeasurementRow } from '../../src/contract/measurement.ts';
import type { AddModelReport } from '../../src/contract/report.ts';
import { ModelAdder } from './adding.ts';
import { comparisonKey, countSlices, entryOf, findSeries, intentConcern, modelOf, okRuns, positionOf } from './selectors.ts';
import { besideKey, keySlices, withMark } from './keyImages.ts';
import { withPrior } from './prior.ts';
import { joined, scrolled } from './together.ts';
import { beside, reselectPanes, selectionOf, shownNow, withLayout, withSelection, type Layout } from './panes.ts';

/** Comparisons kept in the window; the oldest go first. */
const MAX_COMPARISONS = 200;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export class Session {
  readonly store = new Store<AppState>(INITIAL_STATE);
  private readonly bridge: HostBridge;
  private readonly running = new Map<string, AbortController>();
  private nextNotice = 1;
  readonly adder: ModelAdder;
  /** Called when a menu item of the host is chosen. */
  onMenuAction: (id: string) => void = () => {};
  /** Called when the reader moves in a stack. */
  onReaderScroll: () => void = () => {};

  constructor(bridge: HostBridge) {
    this.bridge = bridge;
    this.adder = new ModelAdder(bridge, this.store, () => this.refreshModels());
  }

  /** Subscribes, then asks for everything; events that come meanwhile are newer than the answers and win. */
  async start(): Promise<void> {
    const { bridge, store } = this;
    let libraryNewer = false;
    let boardsNewer = false;
    bridge.on('library.changed', (library) => {
      libraryNewer = true;
      this.setLibrary(library);
    });
    bridge.on('library.progress', (scan) => store.set({ scan: scan.done < scan.total ? scan : null }));
    bridge.on('boards.changed', ({ boards }) => {
      boardsNewer = true;
      store.set({ boards });
    });
    bridge.on('compare.progress', ({ instanceId, engine, done, total }) =>
      this.eachRunning(instanceId, null, (entry) => ({ ...entry, progress: { ...entry.progress, [engine]: { done, total } } })));
    bridge.on('compare.run', ({ instanceId, frame, run }) =>
      this.eachRunning(instanceId, frame, (entry) => ({ ...entry, arrived: { ...entry.arrived, [run.engine]: run } })));
    bridge.on('menu.action', ({ action }) => this.onMenuAction(action));
    try {
      const info = await bridge.call('app.info', {});
      store.set({ info });
      const [library, models, boards] = await Promise.all([bridge.call('library.get', {}), bridge.call('models.list', {}), bridge.call('boards.list', {})]);
      store.set({ models: models.models, modelProblems: models.problems, modelId: models.models[0]?.id ?? null });
      if (!libraryNewer) this.setLibrary(library);
      if (!boardsNewer) store.set({ boards: boards.boards });
    } catch (error) {
      store.set({ startError: messageOf(error) });
    }
  }

  async open(source: 'files' | 'folder' | 'sample'): Promise<void> {
    await this.opening(() => this.bridge.call('library.open', { source }));
  }

  async drop(files: File[]): Promise<void> {
    if (files.length > 0) await this.opening(() => this.bridge.openDropped(files));
  }

  async closeStudy(studyUid: string): Promise<void> {
    await this.attempt(() => this.bridge.call('library.close', { studyUid }));
  }

  /** Into the active pane, or another, which becomes the active one. */
  select(seriesUid: string, position = 0, pane?: number): void {
    this.store.set((state) => ({ ...withSelection(state, { seriesUid, position }, pane, position - state.together.place), workspace: 'review' }));
    this.runOnOpen();
  }

  activate(pane: number): void {
    if (this.store.get().active !== pane) this.store.set({ active: pane });
  }

  /** To the pane beside the active one. */
  activateBeside(columns: number, rows: number): void {
    const pane = beside(this.store.get(), columns, rows);
    if (pane !== null) this.activate(pane);
  }

  setLayout(layout: Layout): void {
    this.store.set((state) => withLayout(state, layout, state.library));
  }

  /** Scrolls the seen stacks together, from where they are, or each by itself. */
  joinScrolling(): void {
    this.store.set((state) => ({ ...joined(state), together: { ...state.together, scroll: !state.together.scroll, place: 0 } }));
  }

  /** The prior study beside the current one, where there is one. */
  showPrior(): void {
    this.store.set((state) => withPrior(state) ?? {});
  }

  /** Moves in the active pane's stack; stops at its ends. */
  scrollTo(position: number): void {
    this.onReaderScroll();
    this.playTo(position);
  }

  /** The same, not by the reader's hand. */
  playTo(position: number): void {
    const state = this.store.get();
    const selection = selectionOf(state);
    const found = selection && findSeries(state.library, selection.seriesUid);
    if (!found) return;
    const clamped = Math.min(countSlices(found.series) - 1, Math.max(0, position));
    if (clamped === selection.position) return;
    this.store.set((now) => scrolled(now, clamped));
    this.runOnOpen();
  }

  scrollBy(steps: number): void {
    const selection = selectionOf(this.store.get());
    if (selection) this.scrollTo(selection.position + steps);
  }

  /** The series before or after the shown one, over all studies. */
  stepSeries(step: 1 | -1): void {
    const state = this.store.get();
    const selection = selectionOf(state);
    const all = state.library.studies.flatMap((study) => study.series);
    const next = all[all.findIndex((s) => s.uid === selection?.seriesUid) + step];
    if (next) this.select(next.uid);
  }

  /**
   * Runs the comparison on the shown frame. For an image that the model was not made for, only after the reader has
   * said so (`anyway`).
   */
  async compare(anyway = false): Promise<void> {
    const state = this.store.get();
    const shown = shownNow(state);
    const model = modelOf(state);
    if (!shown || !model || !state.info) return;
    const key = comparisonKey(shown, model.id);
    if (this.running.has(key)) return;
    if (intentConcern(shown.instance, model.metadata) && !state.confirmed.includes(key)) {
      if (!anyway) return this.store.set({ panelOpen: true });
      this.store.set({ confirmed: [...state.confirmed, key] });
    }
    const { repeats } = state.info.settings;
    const wanted = state.info.settings.engines.filter((e) => model.engines.includes(e));
    const engines: EngineId[] = wanted.length > 0 ? wanted : [...model.engines];
    const abort = new AbortController();
    this.running.set(key, abort);
    this.patch(key, { state: 'running', arrived: {}, progress: {}, engines, error: '' }, true);
    try {
      const comparison = await this.bridge.call('compare.run', { instanceId: shown.instance.id, frame: shown.frame, model: model.id, engines, repeats }, abort.signal);
      // A cancelled run may bring less than is there already: nothing that was computed is lost.
      const before = this.store.get().comparisons[key]?.comparison;
      const less = abort.signal.aborted && before && okRuns(before.runs).length > okRuns(comparison.runs).length;
      this.patch(key, { state: abort.signal.aborted ? 'cancelled' : 'done', ...(less ? {} : { comparison }) });
    } catch (error) {
      this.patch(key, abort.signal.aborted ? { state: 'cancelled' } : { state: 'failed', error: messageOf(error) });
    } finally {
      this.running.delete(key);
    }
  }

  /** Cancels the comparison of the shown frame. */
  cancel(): void {
    const state = this.store.get();
    const shown = shownNow(state);
    const model = modelOf(state);
    if (shown && model) this.running.get(comparisonKey(shown, model.id))?.abort();
  }

  /** `done` is called with whether a file was written. */
  async exportComparison(savedText: string): Promise<void> {
    const state = this.store.get();
    const comparison = entryOf(state, shownNow(state))?.comparison;
    if (!comparison) return;
    await this.attempt(async () => {
      const { saved } = await this.bridge.call('compare.export', { comparison });
      if (saved) this.notify('info', savedText);
    });
  }

  async exportMeasurements(rows: () => Promise<MeasurementRow[]>, savedText: string): Promise<void> {
    await this.attempt(async () => {
      const { saved } = await this.bridge.call('measurements.export', { rows: await rows() });
      if (saved) this.notify('info', savedText);
    });
  }

  /** Marks the shown image as a key image, or takes the mark away. */
  toggleKeyImage(): void {
    this.store.set((state) => {
      const shown = shownNow(state);
      return shown ? { keyImages: withMark(state.keyImages, shown) } : {};
    });
  }

  stepKeyImage(step: 1 | -1): void {
    const state = this.store.get();
    const next = besideKey(keySlices(state.library, state.keyImages), shownNow(state), step);
    if (next) this.select(next.series.uid, positionOf(next.series, next.instance.id, next.frame));
  }

  async exportKeyImages(savedText: string): Promise<void> {
    await this.attempt(async () => {
      const { saved } = await this.bridge.call('keyImages.export', { images: [...this.store.get().keyImages] });
      if (saved) this.notify('info', savedText);
    });
  }

  /** What lies there in the window (client pixels), as `capture` has it drawn; then where to is asked. */
  async exportImage(rect: Request<'image.capture'>['rect'], format: 'png' | 'jpeg', savedText: string): Promise<void> {
    await this.attempt(async () => {
      const { id } = await this.bridge.call('image.capture', { rect, format }).finally(() => this.store.set({ capture: null }));
      const { saved } = await this.bridge.call('image.save', { id });
      if (saved) this.notify('info', savedText);
    });
  }

  async toggleFullScreen(): Promise<void> {
    await this.attempt(() => this.bridge.call('window.fullScreen', {}));
  }

  async setSettings(change: Partial<Settings>): Promise<void> {
    await this.attempt(async () => {
      const settings = await this.bridge.call('settings.set', change);
      this.store.set(({ info }) => ({ info: info && { ...info, settings } }));
    });
  }

  async reconnect(boardId: string): Promise<void> {
    await this.attempt(() => this.bridge.call('boards.reconnect', { id: boardId }));
  }

  report(id: string): Promise<AddModelReport | null> {
    return this.bridge.call('models.report', { id }).then(({ report }) => report);
  }

  async exportReport(id: string, savedText: string): Promise<void> {
    await this.attempt(async () => {
      const { saved } = await this.bridge.call('models.exportReport', { id });
      if (saved) this.notify('info', savedText);
    });
  }

  /** Into the virtual board. @returns what it answered; null: it did not, and a notice says why */
  async deployModel(id: string): Promise<Deployed | null> {
    let deployed: Deployed | null = null;
    await this.attempt(async () => void (deployed = await this.bridge.call('models.deploy', { id })));
    return deployed;
  }

  async removeModel(id: string, removedText: string): Promise<void> {
    await this.attempt(async () => {
      await this.bridge.call('models.remove', { id });
      // Another model may come under this name.
      this.store.set(({ comparisons }) => ({ comparisons: Object.fromEntries(Object.entries(comparisons).filter(([, entry]) => entry.comparison?.model !== id)) }));
      await this.refreshModels();
      this.notify('info', removedText);
    });
  }

  notify(kind: Notice['kind'], text: string): void {
    this.store.set(({ notices }) => ({ notices: [...notices.slice(-3), { id: this.nextNotice++, kind, text }] }));
  }

  dismiss(id: number): void {
    this.store.set(({ notices }) => ({ notices: notices.filter((n) => n.id !== id) }));
  }

  private async refreshModels(): Promise<void> {
    const { models, problems } = await this.bridge.call('models.list', {});
    const { modelId } = this.store.get();
    this.store.set({ models, modelProblems: problems, modelId: models.some(({ id }) => id === modelId) ? modelId : (models[0]?.id ?? null) });
  }

  private setLibrary(library: AppState['library']): void {
    this.store.set((state) => ({ library, panes: reselectPanes(state.library, library, state) }));
    this.runOnOpen();
  }

  /** After an import the first new image is shown. */
  private async opening(open: () => Promise<{ opened: number }>): Promise<void> {
    const before = new Set(this.store.get().library.studies.flatMap((s) => s.series.map((x) => x.uid)));
    await this.attempt(async () => {
      const { opened } = await open();
      if (opened === 0) return;
      const fresh = this.store.get().library.studies.flatMap((s) => s.series).find((x) => !before.has(x.uid));
      if (fresh) this.select(fresh.uid);
    });
    this.store.set({ scan: null });
  }

  private runOnOpen(): void {
    const state = this.store.get();
    if (!state.info?.settings.runOnOpen) return;
    const shown = shownNow(state);
    // Only a single image opens a comparison by itself: scrolling through a stack would start one a slice.
    if (shown && shown.count === 1 && !entryOf(state, shown)) void this.compare();
  }

  private async attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.notify('error', messageOf(error));
    }
  }

  private patch(key: string, change: Partial<ComparisonEntry>, create = false): void {
    this.store.set(({ comparisons }) => {
      const old = comparisons[key] ?? (create ? { state: 'running' as const, arrived: {}, progress: {}, engines: [], comparison: null, error: '' } : null);
      if (!old) return {};
      const kept = Object.entries(comparisons).filter(([k]) => k !== key).slice(-(MAX_COMPARISONS - 1));
      return { comparisons: { ...Object.fromEntries(kept), [key]: { ...old, ...change } } };
    });
  }

  /** Events name the image, not the call: they go to what runs on it. */
  private eachRunning(instanceId: string, frame: number | null, change: (entry: ComparisonEntry) => ComparisonEntry): void {
    for (const key of this.running.keys()) {
      const entry = this.store.get().comparisons[key];
      if (entry && key.startsWith(frame === null ? `${instanceId}/` : `${instanceId}/${frame}/`)) this.patch(key, change(entry));
    }
  }
}
