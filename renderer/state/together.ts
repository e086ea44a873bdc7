/** Stacks that are scrolled together. Pure. */
import type { Library } from '../../src/contract/dicom.ts';
import { nearest } from '../viewport/geometry.ts';
import { activePane, visiblePanes, type Pane, type Panes } from './panes.ts';
import { countSlices, findSeries, shownOf } from './selectors.ts';

/** What the seen panes do together. `place` is how far the stacks have come from where they were when scrolling was joined. */
export interface Together {
  scroll: boolean;
  /** Zoom and pan. */
  move: boolean;
  window: boolean;
  place: number;
}

/** Joined, the stacks keep the distance that they have now: a reader sets two studies to the same level first. */
export const joined = (state: Panes): Pick<Panes, 'panes'> => ({ panes: state.panes.map((pane) => ({ ...pane, offset: pane.selection?.position ?? 0 })) });

/** The active stack at `position`, and those that go with it: to the slice nearest in the patient, or where space does not say, as many pictures on. They wait at their ends. */
export function scrolled(state: Panes & { together: Together; library: Library }, position: number): Pick<Panes, 'panes'> & { together: Together } {
  const { library, together } = state;
  const from = activePane(state);
  const place = position - from.offset;
  const seen = new Set(visiblePanes(state).map(({ id }) => id));
  const slice = shownOf(library, from.selection && { ...from.selection, position });
  const follow = (pane: Pane): Pane => {
    if (!pane.selection) return pane;
    if (pane.id === from.id) return { ...pane, selection: { ...pane.selection, position } };
    const series = together.scroll && seen.has(pane.id) ? findSeries(library, pane.selection.seriesUid)?.series : undefined;
    if (!series) return pane;
    const wanted = (slice && nearest(series, slice)) ?? pane.offset + place;
    return { ...pane, selection: { ...pane.selection, position: Math.min(countSlices(series) - 1, Math.max(0, wanted)) } };
  };
  return { panes: state.panes.map(follow), together: { ...together, place } };
}
