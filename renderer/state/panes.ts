/** The viewer's panes: which are seen, what each shows, which one the reader works in. Pure. */
import type { Library, SeriesInfo } from '../../src/contract/dicom.ts';
import { findSeries, reselect, shownOf, type Selection, type Shown } from './selectors.ts';

export interface Pane {
  /** Stays with the pane when panes change places: its viewer is known by it. */
  id: number;
  selection: Selection | null;
  /** Place in the stack where stacks that are scrolled together have their common zero. */
  offset: number;
}

export interface Layout {
  rows: number;
  columns: number;
}

/** `panes` fill the layout row by row; those beyond it are not seen. */
export interface Panes {
  layout: Layout;
  panes: readonly Pane[];
  /** Index of the pane with the tools and the keys; it is always seen. */
  active: number;
  /** The active pane has the room of all. */
  maximised: boolean;
}

export const MOST = 3;
export const LAYOUTS: readonly Layout[] = [1, 2, 3].flatMap((rows) => [1, 2, 3].map((columns) => ({ rows, columns })));
export const INITIAL_PANES: Panes = { layout: { rows: 1, columns: 1 }, panes: Array.from({ length: MOST * MOST }, (_, id) => ({ id, selection: null, offset: 0 })), active: 0, maximised: false };

export const countPanes = ({ rows, columns }: Layout): number => rows * columns;
export const activePane = ({ panes, active }: Panes): Pane => panes[active]!;
export const selectionOf = (state: Panes): Selection | null => activePane(state).selection;
/** What the active pane shows. */
export const shownNow = (state: Panes & { library: Library }): Shown | null => shownOf(state.library, selectionOf(state));

export const visiblePanes = (state: Panes): Pane[] => (state.maximised ? [activePane(state)] : state.panes.slice(0, countPanes(state.layout)));

/** Shows it in the pane (by default the active one), which becomes the active one. */
export const withSelection = ({ panes, active }: Panes, selection: Selection, index = active, offset = selection.position): Pick<Panes, 'panes' | 'active'> => ({ panes: panes.map((pane, i) => (i === index ? { ...pane, selection, offset } : pane)), active: index });

/** The active pane comes along into a smaller layout; in a larger one panes that are still empty take the series of its study that are not seen yet. */
export function withLayout(state: Panes, layout: Layout, library: Library): Panes {
  const count = countPanes(layout);
  const panes = [...state.panes];
  let { active } = state;
  if (active >= count) {
    [panes[count - 1], panes[active]] = [panes[active]!, panes[count - 1]!];
    active = count - 1;
  }
  const selection = panes[active]!.selection;
  const study = selection && findSeries(library, selection.seriesUid)?.study;
  const seen = new Set(panes.slice(0, count).map((pane) => pane.selection?.seriesUid));
  const left: SeriesInfo[] = study?.series.filter(({ uid }) => !seen.has(uid)) ?? [];
  for (let i = 0; i < count; i++) {
    if (panes[i]!.selection || left.length === 0) continue;
    panes[i] = { ...panes[i]!, selection: { seriesUid: left.shift()!.uid, position: 0 } };
  }
  return { layout, panes, active, maximised: false };
}

/** The pane beside the active one, as many columns and rows away as said; null at the edge. A maximised pane has none. */
export function beside({ layout, active, maximised }: Panes, columns: number, rows: number): number | null {
  const column = (active % layout.columns) + columns;
  const row = Math.floor(active / layout.columns) + rows;
  return maximised || column < 0 || row < 0 || column >= layout.columns || row >= layout.rows ? null : row * layout.columns + column;
}

/** After the library changed each pane keeps its picture if it is still there; when the active one lost its own, it takes the first of all. */
export function reselectPanes(before: Library, after: Library, state: Panes): readonly Pane[] {
  return state.panes.map((pane, index) => {
    if (index !== state.active && (!pane.selection || !findSeries(after, pane.selection.seriesUid))) return pane.selection ? { ...pane, selection: null } : pane;
    return { ...pane, selection: reselect(before, after, pane.selection) };
  });
}
