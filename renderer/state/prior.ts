/** The hanging rule: an earlier study of the same patient beside the current one. Pure. */
import type { Library, SeriesInfo, StudyInfo } from '../../src/contract/dicom.ts';
import { shownNow, type Panes } from './panes.ts';
import { countSlices, type Shown } from './selectors.ts';

/** DICOM dates and times sort as text; a study without a date is neither before nor after another. */
const when = ({ date, time }: StudyInfo): string => (/^\d{8}$/.test(date) ? date + time : '');

const partOf = (series: SeriesInfo): string => series.instances[0]?.bodyPart.trim() ?? '';
const viewOf = (series: SeriesInfo): string => (series.instances[0] ? `${series.instances[0].viewPosition}/${series.instances[0].laterality}` : '');

/**
 * The series to compare with: of the same Patient ID and modality, and of the same body part where both say one; of the latest study before this one,
 * in it the series of the same view and side, else of the same description, else the first.
 */
export function priorOf(library: Library, shown: Shown | null): SeriesInfo | null {
  if (!shown || shown.study.patientId.trim() === '' || when(shown.study) === '') return null;
  const { study, series: current } = shown;
  const part = partOf(current);
  const fits = (series: SeriesInfo): boolean => series.modality === current.modality && countSlices(series) > 0 && (part === '' || partOf(series) === '' || partOf(series) === part);
  const earlier = library.studies
    .filter((other) => other.uid !== study.uid && other.patientId.trim() === study.patientId.trim() && when(other) !== '' && when(other) < when(study) && other.series.some(fits))
    .sort((a, b) => (when(a) < when(b) ? 1 : -1));
  const like = (series: SeriesInfo): number => (viewOf(series) === viewOf(current) ? 2 : 0) + (series.description === current.description ? 1 : 0);
  return earlier[0]?.series.filter(fits).sort((a, b) => like(b) - like(a))[0] ?? null;
}

/** Two panes: the current picture on the left, its prior on the right at the same part of its stack. Null where there is none. */
export function withPrior(state: Panes & { library: Library }): Panes | null {
  const shown = shownNow(state);
  const prior = priorOf(state.library, shown);
  if (!shown || !prior) return null;
  const panes = [...state.panes];
  [panes[0], panes[state.active]] = [panes[state.active]!, panes[0]!];
  const position = Math.round((shown.position / Math.max(1, shown.count - 1)) * (countSlices(prior) - 1));
  panes[1] = { ...panes[1]!, selection: { seriesUid: prior.uid, position }, offset: position };
  return { layout: { rows: 1, columns: 2 }, panes, active: 0, maximised: false };
}
