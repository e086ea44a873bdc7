/** What follows from the state. Pure. */
import type { FileProblem, InstanceInfo, Library, SeriesInfo, StudyInfo } from '../../src/contract/dicom.ts';
import type { ClassificationRun, Comparison, EngineId, Run, RunOk } from '../../src/contract/engine.ts';
import type { BoardStatus, ModelInfo } from '../../src/contract/ipc.ts';
import type { ModelMetadata } from '../../src/contract/model.ts';
import type { AppState, ComparisonEntry } from './store.ts';

/** What a pane shows: a series, and the place in its stack of frames. */
export interface Selection {
  seriesUid: string;
  position: number;
}

/** One picture of a stack. */
export interface Slice {
  instance: InstanceInfo;
  /** From 0. */
  frame: number;
}

export interface Shown extends Slice {
  study: StudyInfo;
  series: SeriesInfo;
  position: number;
  /** Pictures in the stack. */
  count: number;
}

export const countSlices = (series: SeriesInfo): number => series.instances.reduce((n, i) => n + i.frames, 0);

/** The picture at `position` of a series: instances in their order, their frames one after another. */
export function sliceAt(series: SeriesInfo, position: number): Slice | null {
  let left = position;
  for (const instance of series.instances) {
    if (left < instance.frames) return { instance, frame: Math.max(0, left) };
    left -= instance.frames;
  }
  return null;
}

export function positionOf(series: SeriesInfo, instanceId: string, frame: number): number {
  let at = 0;
  for (const instance of series.instances) {
    if (instance.id === instanceId) return at + Math.min(frame, instance.frames - 1);
    at += instance.frames;
  }
  return -1;
}

export function findSeries(library: Library, seriesUid: string): { study: StudyInfo; series: SeriesInfo } | null {
  for (const study of library.studies) for (const series of study.series) if (series.uid === seriesUid) return { study, series };
  return null;
}

export function shownOf(library: Library, selection: Selection | null): Shown | null {
  if (!selection) return null;
  const found = findSeries(library, selection.seriesUid);
  if (!found) return null;
  const slice = sliceAt(found.series, selection.position);
  return slice && { ...slice, ...found, position: selection.position, count: countSlices(found.series) };
}

/** The selection after the library changed: the same picture if it is still there, else the first of all. */
export function reselect(before: Library, after: Library, selection: Selection | null): Selection | null {
  const shown = shownOf(before, selection);
  const now = shown && findSeries(after, shown.series.uid);
  if (shown && now) {
    const position = positionOf(now.series, shown.instance.id, shown.frame);
    return { seriesUid: now.series.uid, position: Math.max(0, position) };
  }
  const first = after.studies.flatMap((study) => study.series)[0];
  return first ? { seriesUid: first.uid, position: 0 } : null;
}

/** Every picture of a stack, in order. */
export const slicesOf = (series: SeriesInfo): Slice[] => series.instances.flatMap((instance) => Array.from({ length: instance.frames }, (_, frame) => ({ instance, frame })));

export const comparisonKey = (slice: Slice, modelId: string): string => `${slice.instance.id}/${slice.frame}/${modelId}`;

export const modelOf = (state: Pick<AppState, 'models' | 'modelId'>): ModelInfo | null => state.models.find((m) => m.id === state.modelId) ?? state.models[0] ?? null;

export const boardOf = (state: Pick<AppState, 'boards' | 'boardId'>): BoardStatus | null => state.boards.find(({ id }) => id === state.boardId) ?? state.boards[0] ?? null;

/** Why an image is not what the model was made for, before anything is run; null when nothing speaks against it. */
export function intentConcern(instance: InstanceInfo, metadata: ModelMetadata): 'modality' | 'bodyPart' | null {
  const { modalities, bodyParts } = metadata.fabriclens.intended;
  if (!modalities.includes(instance.modality)) return 'modality';
  const part = instance.bodyPart.trim().toUpperCase();
  return part !== '' && bodyParts.length > 0 && !bodyParts.includes(part) ? 'bodyPart' : null;
}

export const okRuns = (runs: readonly Run[]): RunOk[] => runs.filter((r): r is RunOk => r.state === 'ok');

/** Runs that say where they looked. */
export const runsWithMaps = (comparison: Comparison | null): ClassificationRun[] =>
  comparison?.task === 'classification' ? comparison.runs.filter((r): r is ClassificationRun => r.state === 'ok' && r.classMaps !== null) : [];

/** The run a heat map is made from: the chosen engine's, or the first that has maps. */
export function heatMapRun(comparison: Comparison | null, engine: EngineId | null): ClassificationRun | null {
  const withMaps = runsWithMaps(comparison);
  return withMaps.find((r) => r.engine === engine) ?? withMaps[0] ?? null;
}

export const entryOf = (state: Pick<AppState, 'comparisons' | 'models' | 'modelId'>, shown: Slice | null): ComparisonEntry | null => {
  const model = modelOf(state);
  return shown && model ? (state.comparisons[comparisonKey(shown, model.id)] ?? null) : null;
};

export interface ProblemGroup {
  fileName: string;
  code: string;
  /** One a problem; without the file's name, which the list says already. */
  causes: string[];
}

/** What is wrong with one file in one way stands together: a DICOMDIR may miss a hundred files. In the order of the first of each. */
export function problemGroups(problems: readonly FileProblem[]): ProblemGroup[] {
  const groups = new Map<string, ProblemGroup>();
  for (const { fileName, code, message } of problems) {
    const key = `${code}/${fileName}`;
    const group = groups.get(key) ?? { fileName, code, causes: [] };
    group.causes.push(message.startsWith(`${fileName}: `) ? message.slice(fileName.length + 2) : message);
    groups.set(key, group);
  }
  return [...groups.values()];
}
