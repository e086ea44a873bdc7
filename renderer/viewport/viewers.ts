/** A viewer for each pane, over the same pictures and grey tables. */
import { activePane, type Panes } from '../state/panes.ts';
import type { Frames } from './frames.ts';
import type { GreyTables } from './port.ts';
import { Viewer } from './viewer.ts';

export class Viewers {
  private readonly frames: Frames;
  private readonly tables: GreyTables;
  private readonly panes: () => Panes;
  private readonly each = new Map<number, Viewer>();

  constructor(frames: Frames, tables: GreyTables, panes: () => Panes) {
    this.frames = frames;
    this.tables = tables;
    this.panes = panes;
  }

  /** Of the pane with this id. */
  of(id: number): Viewer {
    const known = this.each.get(id);
    if (known) return known;
    const viewer = new Viewer(this.frames, this.tables);
    this.each.set(id, viewer);
    return viewer;
  }

  get active(): Viewer {
    return this.of(activePane(this.panes()).id);
  }
}
