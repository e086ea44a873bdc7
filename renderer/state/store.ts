/** One immutable state, replaced as a whole; React reads it by selectors. */
import { useSyncExternalStore } from 'react';
import type { Adding } from './adding.ts';
import type { Anonymising } from './anonymiser.ts';
import { INITIAL_RESULTS, INITIAL_STUDIES, type ResultsView, type StudiesView } from './studies.ts';
import type { Care } from './boardKeeper.ts';
import type { Provisioning } from './provisioning.ts';
import type { Comparison, EngineId, Run } from '../../src/contract/engine.ts';
import type { AppInfo, BoardStatus, EventPayload, ModelInfo } from '../../src/contract/ipc.ts';
import type { Library, ObjectInfo } from '../../src/contract/dicom.ts';
import type { Kind } from '../measure/measure.ts';
import { INITIAL_PANES, type Panes } from './panes.ts';
import type { KeyImage } from '../../src/contract/studies.ts';
import type { Together } from './together.ts';

export type Workspace = 'review' | 'studies' | 'results' | 'models' | 'boards' | 'settings';
export type ViewTool = 'window' | 'pan' | 'zoom' | 'scroll' | 'magnifier';
export type Tool = ViewTool | Kind;

/** Everything known of one comparison, from the asking on. */
export interface ComparisonEntry {
  state: 'running' | 'done' | 'cancelled' | 'failed';
  /** Runs that have ended, by engine; numbers are shown once `comparison` brings their warnings. */
  arrived: Partial<Record<EngineId, Run>>;
  progress: Partial<Record<EngineId, { done: number; total: number }>>;
  engines: readonly EngineId[];
  /** The last complete one: it stays while a new one runs. */
  comparison: Comparison | null;
  /** Why the call as a whole failed. */
  error: string;
  /** When it was computed, of one that was kept (ISO 8601); '' for one of this session. */
  at: string;
}

/** All images of a series, one after another. */
export interface SeriesRun {
  seriesUid: string;
  done: number;
  total: number;
}

export interface HeatMapChoice {
  on: boolean;
  engine: EngineId | null;
  classIndex: number | null;
  /** 0…1. */
  opacity: number;
}

/** Of a detector, over the image. */
export interface BoxesChoice {
  on: boolean;
  /** Whose boxes are drawn; null: of all that answered. */
  engines: readonly EngineId[] | null;
  /** Score from which boxes are shown; the model's own threshold where that is higher. */
  threshold: number;
  /** Pointed at in the picture or in the table: a group of the comparison of that picture. */
  highlighted: { key: string; group: number } | null;
}

/** A stack that is played. */
export interface Playing {
  /** By its id. */
  pane: number;
  seriesUid: string;
  /** Pictures a second that are asked for, and that are reached; null while that is not known. */
  fps: number;
  measured: number | null;
}

export interface Notice {
  id: number;
  kind: 'error' | 'info';
  text: string;
}

export interface AppState extends Panes {
  info: AppInfo | null;
  /** The host did not answer at the start. */
  startError: string;
  library: Library;
  scan: EventPayload<'library.progress'> | null;
  workspace: Workspace;
  tool: Tool;
  together: Together;
  /** Where the active pane's slice crosses the others is drawn. */
  lines: boolean;
  cine: Playing | null;
  keyImages: readonly KeyImage[];
  /** The active pane is being made into a picture: with measurements and boxes, with the text of the corners. */
  capture: { pane: number; marks: boolean; text: boolean } | null;
  exportOpen: boolean;
  /** The export without identity while its window is open. */
  anonymising: Anonymising | null;
  paletteOpen: boolean;
  /** The file whose elements are shown. */
  tags: Pick<ObjectInfo, 'id' | 'fileName'> | null;
  models: readonly ModelInfo[];
  modelProblems: ReadonlyArray<{ name: string; message: string }>;
  modelId: string | null;
  /** The wizard's state while it is open. */
  adding: Adding | null;
  boards: readonly BoardStatus[];
  /** The board that is looked at. */
  boardId: string | null;
  /** By the board's id. */
  care: Readonly<Record<string, Care>>;
  /** The wizard's state while it is open. */
  provisioning: Provisioning | null;
  /** Whether the OS keychain keeps secrets; null: not asked yet. */
  keychain: boolean | null;
  comparisons: Readonly<Record<string, ComparisonEntry>>;
  /** Kept results of another version of the model or the file, by comparison key: their number. */
  outdated: Readonly<Record<string, number>>;
  /** null: none is running. */
  seriesRun: SeriesRun | null;
  studies: StudiesView;
  results: ResultsView;
  /** Images for which the reader has said yes to running despite the warning. */
  confirmed: readonly string[];
  heatMap: HeatMapChoice;
  boxes: BoxesChoice;
  panelOpen: boolean;
  helpOpen: boolean;
  notices: readonly Notice[];
}

export const INITIAL_STATE: AppState = {
  info: null,
  startError: '',
  library: { studies: [], problems: [] },
  scan: null,
  workspace: 'review',
  ...INITIAL_PANES,
  tool: 'window',
  together: { scroll: false, move: false, window: false, place: 0 },
  lines: true,
  cine: null,
  keyImages: [],
  capture: null,
  exportOpen: false,
  anonymising: null,
  paletteOpen: false,
  tags: null,
  models: [],
  modelProblems: [],
  modelId: null,
  adding: null,
  boards: [],
  boardId: null,
  care: {},
  provisioning: null,
  keychain: null,
  comparisons: {},
  outdated: {},
  seriesRun: null,
  studies: INITIAL_STUDIES,
  results: INITIAL_RESULTS,
  confirmed: [],
  heatMap: { on: false, engine: null, classIndex: null, opacity: 0.5 },
  boxes: { on: true, engines: null, threshold: 0, highlighted: null },
  panelOpen: true,
  helpOpen: false,
  notices: [],
};

export class Store<S> {
  private state: S;
  private readonly listeners = new Set<() => void>();

  constructor(initial: S) {
    this.state = initial;
  }
  get = (): S => this.state;
  set = (change: Partial<S> | ((state: S) => Partial<S>)): void => {
    const patch = typeof change === 'function' ? change(this.state) : change;
    this.state = { ...this.state, ...patch };
    for (const listener of this.listeners) listener();
  };
  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
}

/** `select` must return the same value for the same state: pick, do not build. */
export function useStore<S, T>(store: Store<S>, select: (state: S) => T): T {
  return useSyncExternalStore(store.subscribe, () => select(store.get()));
}
