/** What the window does: calls to the host and what their answers change in the state. */
import type { Library } from '../../src/contract/dicom.ts';
import type { DoctorReport } from '../../src/contract/boards.ts';
import type { EngineId } from '../../src/contract/engine.ts';
import type { Deployed, DroppedFile, HostBridge, ModelInfo, Request, Settings } from '../../src/contract/ipc.ts';
import type { Imported } from '../../src/contract/studies.ts';
import { INITIAL_STATE, Store, type AppState, type ComparisonEntry, type Notice } from './store.ts';
import type { MeasurementRow } from '../../src/contract/measurement.ts';
import type { AddModelReport } from '../../src/contract/report.ts';
import { ModelAdder } from './adding.ts';
import { Anonymiser } from './anonymiser.ts';
import { BoardKeeper } from './boardKeeper.ts';
import { BoardProvisioner } from './provisioner.ts';
import { comparisonKey, countSlices, entryOf, findSeries, intentConcern, modelOf, okRuns, positionOf, shownOf, slicesOf, type Shown, type Slice } from './selectors.ts';
import { besideKey, isKeyImage, keySlices, withKept, withMark } from './keyImages.ts';
import { withPrior } from './prior.ts';
import { messageOf, Studies } from './studies.ts';
import { joined, scrolled } from './together.ts';
import { beside, reselectPanes, selectionOf, shownNow, withLayout, withSelection, type Layout } from './panes.ts';

const seriesOf = ({ studies }: Library): Set<string> => new Set(studies.flatMap(({ series }) => series.map(({ uid }) => uid)));
/** The beginning of the first series that was not there before. */
function firstOf(library: Library, before: ReadonlySet<string>): Shown | null {
  const fresh = library.studies.flatMap(({ series }) => series).find(({ uid }) => !before.has(uid));
  return fresh ? shownOf(library, { seriesUid: fresh.uid, position: 0 }) : null;
}
const idsOf = ({ studies }: Library): Set<string> => new Set(studies.flatMap(({ series }) => series.flatMap(({ instances }) => instances.map(({ id }) => id))));

/** Comparisons kept in the window; the oldest go first. */
const MAX_COMPARISONS = 200;
/** Of a library that was told, for the picture's sake: no list is missed so soon (milliseconds). */
const HOLD_MS = 60;

export class Session {
  readonly store = new Store<AppState>(INITIAL_STATE);
  private readonly bridge: HostBridge;
  private readonly running = new Map<string, AbortController>();
  private nextNotice = 1;
  private seriesAbort: AbortController | null = null;
  /** Kept results that are being asked for, by comparison key. */
  private readonly recalling = new Map<string, Promise<void>>();
  readonly adder: ModelAdder;
  readonly anonymiser: Anonymiser;
  readonly studies: Studies;
  readonly keeper: BoardKeeper;
  readonly provisioner: BoardProvisioner;
  /** Called when a menu item of the host is chosen. */
  onMenuAction: (id: string) => void = () => {};
  /** Called with the ids of the instances that are open, when they change. */
  onLibrary: (instances: ReadonlySet<string>) => void = () => {};
  /** Called with the picture that an opening begins with, before the page knows of it. Settles when it is on the screen, or can't be. */
  onFirst: (shown: Shown) => Promise<void> = () => Promise.resolve();
  /** Called with what was dropped, before the host has looked at it. */
  onDropped: (dropped: readonly DroppedFile[]) => void = () => {};
  /** Called when the reader moves in a stack. */
  onReaderScroll: () => void = () => {};

  /** There is no picture yet of what is being opened. */
  private begins = false;
  /** Told by the host, and not yet set. */
  private held: Library | null = null;
  private telling: Promise<unknown> = Promise.resolve();

  constructor(bridge: HostBridge) {
    this.bridge = bridge;
    this.adder = new ModelAdder(bridge, this.store, () => this.refreshModels());
    this.anonymiser = new Anonymiser(bridge, this.store);
    this.studies = new Studies(bridge, this.store, {
      select: (seriesUid, position) => this.select(seriesUid, position),
      attempt: (work) => this.attempt(work),
      refresh: async () => this.setLibrary(await bridge.call('library.get', {})),
      studyUid: () => shownNow(this.store.get())?.study.uid ?? null,
      placeOf: ({ sopInstanceUid, frame }) => {
        for (const series of this.store.get().library.studies.flatMap((study) => study.series)) {
          const instance = series.instances.find((one) => one.sopInstanceUid === sopInstanceUid);
          if (instance) return { seriesUid: series.uid, position: positionOf(series, instance.id, frame) };
        }
        return null;
      },
    });
    this.keeper = new BoardKeeper(bridge, this.store);
    this.provisioner = new BoardProvisioner(bridge, this.store);
  }

  /** Subscribes, then asks for everything; events that come meanwhile are newer than the answers and win. */
  async start(): Promise<void> {
    const { bridge, store } = this;
    let libraryNewer = false;
    let boardsNewer = false;
    bridge.on('library.changed', (library) => {
      libraryNewer = true;
      this.tell(library);
    });
    bridge.on('studies.changed', () => {
      void this.studies.search();
      if (store.get().workspace === 'results') void this.studies.results();
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
      let recalled: string | null = null;
      const recallShown = (): void => {
        const state = store.get();
        const shown = shownNow(state);
        const model = modelOf(state);
        const key = shown && model && comparisonKey(shown, model.id);
        if (key === recalled) return;
        recalled = key;
        void this.recall();
      };
      store.subscribe(recallShown);
      recallShown();
      await this.studies.search();
    } catch (error) {
      store.set({ startError: messageOf(error) });
    }
  }

  async open(source: 'files' | 'folder' | 'sample'): Promise<void> {
    await this.opening(() => this.bridge.call('library.open', { source }));
  }

  async drop(files: File[]): Promise<void> {
    if (files.length === 0) return;
    const dropped = files.map((file) => ({ id: crypto.randomUUID(), file }));
    this.onDropped(dropped);
    await this.opening(() => this.bridge.openDropped(dropped));
  }

  async closeStudy(studyUid: string): Promise<void> {
    await this.attempt(() => this.bridge.call('library.close', { studyUid }));
  }

  /** Into the active pane, or another, which becomes the active one. */
  select(seriesUid: string, position = 0, pane?: number): void {
    this.store.set((state) => ({ ...withSelection(state, { seriesUid, position }, pane, position - state.together.place), workspace: 'review' }));
    void this.runOnOpen();
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
    void this.runOnOpen();
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
    await this.run(shown, model, new AbortController());
  }

  /** Runs those images of the shown series that have no answer yet, or all again where each has one. For what the model was not made for, only after a yes to the shown image. */
  async compareSeries(): Promise<void> {
    const state = this.store.get();
    const shown = shownNow(state);
    const model = modelOf(state);
    if (!shown || !model || this.seriesAbort) return;
    if (intentConcern(shown.instance, model.metadata) && !state.confirmed.includes(comparisonKey(shown, model.id))) return this.store.set({ panelOpen: true });
    const abort = (this.seriesAbort = new AbortController());
    const slices = slicesOf(shown.series);
    const progress = (done: number, total: number): void => this.store.set({ seriesRun: { seriesUid: shown.series.uid, done, total } });
    progress(0, slices.length);
    try {
      const left: Slice[] = [];
      for (const slice of slices) if (!(await this.answered(slice, model))) left.push(slice);
      const todo = left.length === 0 ? slices : left;
      this.store.set(({ confirmed }) => ({ confirmed: [...new Set([...confirmed, ...(intentConcern(shown.instance, model.metadata) ? todo.map((slice) => comparisonKey(slice, model.id)) : [])])] }));
      for (const [done, slice] of todo.entries()) {
        if (abort.signal.aborted) break;
        progress(slices.length - todo.length + done, slices.length);
        await this.run(slice, model, abort);
      }
    } finally {
      this.seriesAbort = null;
      this.store.set({ seriesRun: null });
    }
  }

  cancelSeries(): void {
    this.seriesAbort?.abort();
  }

  private async answered(slice: Slice, model: ModelInfo): Promise<boolean> {
    await this.recallOf(slice, model);
    const entry = this.store.get().comparisons[comparisonKey(slice, model.id)];
    // What a cancelled run did finish is shown, but it is no whole answer.
    return entry?.state === 'done' && entry.comparison !== null;
  }

  private async run(slice: Slice, model: ModelInfo, abort: AbortController): Promise<void> {
    const key = comparisonKey(slice, model.id);
    const { info } = this.store.get();
    if (!info || this.running.has(key)) return;
    const { repeats } = info.settings;
    const wanted = info.settings.engines.filter((e) => model.engines.includes(e));
    const engines: EngineId[] = wanted.length > 0 ? wanted : [...model.engines];
    this.running.set(key, abort);
    this.patch(key, { state: 'running', arrived: {}, progress: {}, engines, error: '' }, true);
    try {
      const comparison = await this.bridge.call('compare.run', { instanceId: slice.instance.id, frame: slice.frame, model: model.id, engines, repeats }, abort.signal);
      // A cancelled run may bring less than is there already: nothing that was computed is lost.
      const before = this.store.get().comparisons[key]?.comparison;
      const less = abort.signal.aborted && before && okRuns(before.runs).length > okRuns(comparison.runs).length;
      this.patch(key, { state: abort.signal.aborted ? 'cancelled' : 'done', ...(less ? {} : { comparison, at: '' }) });
    } catch (error) {
      this.patch(key, abort.signal.aborted ? { state: 'cancelled' } : { state: 'failed', error: messageOf(error) });
    } finally {
      this.running.delete(key);
    }
  }

  /** What was computed of the shown image before this session began. */
  private async recall(): Promise<void> {
    const state = this.store.get();
    const shown = shownNow(state);
    const model = modelOf(state);
    if (shown && model) await this.recallOf(shown, model);
  }

  private recallOf(slice: Slice, model: ModelInfo): Promise<void> {
    const key = comparisonKey(slice, model.id);
    if (this.store.get().comparisons[key]) return Promise.resolve();
    let asking = this.recalling.get(key);
    if (!asking) this.recalling.set(key, (asking = this.askKept(key, slice, model).finally(() => void this.recalling.delete(key))));
    return asking;
  }

  private async askKept(key: string, slice: Slice, model: ModelInfo): Promise<void> {
    // An image that was closed meanwhile, or a model that went, has nothing to show.
    const kept = await this.bridge.call('results.of', { instanceId: slice.instance.id, frame: slice.frame, model: model.id }).catch(() => ({ comparison: null, at: '', outdated: 0 }));
    const { comparison, at } = kept;
    if (comparison && !this.store.get().comparisons[key]) this.patch(key, { state: 'done', comparison, at, engines: comparison.runs.map(({ engine }) => engine) }, true);
    this.store.set(({ outdated }) => ({ outdated: { ...outdated, [key]: kept.outdated } }));
  }

  /** Cancels the comparison of the shown frame. */
  cancel(): void {
    const state = this.store.get();
    const shown = shownNow(state);
    const model = modelOf(state);
    if (shown && model) this.running.get(comparisonKey(shown, model.id))?.abort();
  }

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

  /** Of an image or of an object without one. */
  showTags(tags: AppState['tags']): void {
    this.store.set({ tags });
  }

  /** Marks the shown image as a key image, or takes the mark away. */
  toggleKeyImage(): void {
    const { keyImages } = this.store.get();
    const shown = shownNow(this.store.get());
    if (!shown) return;
    this.store.set({ keyImages: withMark(keyImages, shown) });
    void this.attempt(() => this.bridge.call('keyImages.mark', { instanceId: shown.instance.id, frame: shown.frame, on: !isKeyImage(keyImages, shown) }));
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

  async exportDoctor(report: DoctorReport, savedText: string): Promise<void> {
    await this.attempt(async () => {
      const { saved } = await this.bridge.call('boards.exportDoctor', { report });
      if (saved) this.notify('info', savedText);
    });
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
      this.store.set(({ comparisons }) => ({ outdated: {}, comparisons: Object.fromEntries(Object.entries(comparisons).filter(([, entry]) => entry.comparison?.model !== id)) }));
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

  /** The picture comes first: to lay out all that is said of it takes the page's one thread longer than to draw it. */
  private tell(library: Library): void {
    if (this.held) {
      this.held = library;
      return;
    }
    const first = this.begins ? firstOf(library, seriesOf(this.store.get().library)) : null;
    if (!first) {
      this.setLibrary(library);
      return;
    }
    this.begins = false;
    this.held = library;
    this.telling = Promise.race([this.onFirst(first), new Promise((resolve) => setTimeout(resolve, HOLD_MS))]).then(() => {
      // Unless a newer one was asked for meanwhile.
      if (this.held) this.setLibrary(this.held);
    });
  }

  private setLibrary(library: Library): void {
    this.held = null;
    const [before, now] = [idsOf(this.store.get().library), idsOf(library)];
    const fresh = new Set([...now].filter((id) => !before.has(id)));
    // Of images that are open already the window knows best: a mark that was just taken away would come again.
    if (fresh.size > 0) void this.attempt(() => this.recallKeyImages(fresh));
    this.store.set((state) => ({ library, panes: reselectPanes(state.library, library, state) }));
    if (fresh.size > 0 || now.size < before.size) this.onLibrary(now);
    void this.runOnOpen();
  }

  /** Marks of another time, on images that were not open before. */
  private async recallKeyImages(fresh: ReadonlySet<string>): Promise<void> {
    const { images } = await this.bridge.call('keyImages.get', {});
    this.store.set(({ keyImages }) => ({ keyImages: withKept(keyImages, images.filter(({ instanceId }) => fresh.has(instanceId))) }));
  }

  /** The first new image is shown as soon as it is there, and when all are the beginning of its stack, unless the reader went elsewhere meanwhile. */
  private async opening(open: () => Promise<Imported>): Promise<void> {
    const before = seriesOf(this.store.get().library);
    this.begins = true;
    this.studies.imported(null);
    const shownId = (): string | undefined => shownNow(this.store.get())?.instance.id;
    let shown: { seriesUid: string; instanceId: string | undefined } | null = null;
    const show = (): void => {
      const first = shown ? null : firstOf(this.store.get().library, before);
      if (!first) return;
      const { uid } = first.series;
      shown = { seriesUid: uid, instanceId: '' };
      this.select(uid);
      shown.instanceId = shownId();
    };
    const stop = this.store.subscribe(show);
    await this.attempt(async () => {
      try {
        // What is said of an import is said when its images are there: the reader may go elsewhere then.
        const imported = await open().finally(() => this.telling);
        this.studies.imported({ ...imported, cancelled: false });
        if (imported.opened === 0) return;
      } catch (error) {
        if ((error as Error).name !== 'cancelled') throw error;
        this.studies.imported({ opened: 0, images: 0, copies: 0, cancelled: true });
      }
      show();
      if (shown && shown.instanceId === shownId() && selectionOf(this.store.get())?.position !== 0) this.select(shown.seriesUid);
    });
    this.begins = false;
    stop();
    this.store.set({ scan: null });
  }

  private async runOnOpen(): Promise<void> {
    const shown = shownNow(this.store.get());
    // Only a single image opens a comparison by itself: scrolling through a stack would start one a slice.
    if (!this.store.get().info?.settings.runOnOpen || shown?.count !== 1) return;
    await this.recall();
    const state = this.store.get();
    const now = shownNow(state);
    if (now?.instance.id === shown.instance.id && !entryOf(state, now)) await this.compare();
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
      const old = comparisons[key] ?? (create ? { state: 'running' as const, arrived: {}, progress: {}, engines: [], comparison: null, error: '', at: '' } : null);
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
