/** A viewer for each pane, over the same pictures; and what they do together. */
import { activePane, visiblePanes, type Panes } from '../state/panes.ts';
import type { Together } from '../state/together.ts';
import type { Frames } from './frames.ts';
import { Viewer } from './viewer.ts';

export class Viewers {
  private readonly frames: Frames;
  private readonly state: () => Panes & { together: Together };
  private readonly each = new Map<number, Viewer>();

  constructor(frames: Frames, state: () => Panes & { together: Together }) {
    this.frames = frames;
    this.state = state;
  }

  /** Of the pane with this id. */
  of(id: number): Viewer {
    const known = this.each.get(id);
    if (known) return known;
    const viewer = new Viewer(this.frames);
    this.each.set(id, viewer);
    return viewer;
  }

  get active(): Viewer {
    return this.of(activePane(this.state()).id);
  }

  /** Zoom and pan of a pane; with it go those that are moved together. */
  move(viewer: Viewer, by: (viewer: Viewer) => void): void {
    for (const each of [viewer, ...this.others(viewer, 'move')]) by(each);
  }

  /** Changes a pane's window; with it those of the same modality and units that share one. */
  window(viewer: Viewer, by: (viewer: Viewer) => void): void {
    by(viewer);
    const { voi } = viewer;
    const { drawn, facts } = viewer.view.get();
    if (!voi) return;
    for (const each of this.others(viewer, 'window')) {
      const other = each.view.get();
      if (other.facts?.kind === 'grey' && other.facts.units === facts?.units && other.drawn?.instance.modality === drawn?.instance.modality) each.setVoi(voi);
    }
  }

  setInteracting(viewer: Viewer, interacting: boolean): void {
    for (const each of new Set([viewer, ...this.others(viewer, 'move'), ...this.others(viewer, 'window')])) each.setInteracting(interacting);
  }

  private others(viewer: Viewer, what: 'move' | 'window'): Viewer[] {
    const state = this.state();
    return state.together[what] ? visiblePanes(state).map(({ id }) => this.of(id)).filter((each) => each !== viewer) : [];
  }
}
