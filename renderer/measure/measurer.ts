/** Drawing, changing and taking back measurements. Points follow the pointer or the arrow keys; what a measurement says is in measure.ts. */
import { Store } from '../state/store.ts';
import type { Point } from '../viewport/presentation.ts';
import { POINTS, type Kind, type Measurement } from './measure.ts';

/** By image (sliceKey), in the order in which they were made. */
export type Measurements = Readonly<Record<string, readonly Measurement[]>>;

export interface Drawing {
  key: string;
  kind: Kind;
  /** The last one follows the pointer. */
  points: readonly Point[];
}

export interface MeasureState {
  all: Measurements;
  drawing: Drawing | null;
  selected: { key: string; id: number } | null;
  /** Before each change, the newest last; and what was taken back, the next to come again last. */
  past: readonly Measurements[];
  future: readonly Measurements[];
}

/** Changes that can be taken back. */
const DEPTH = 100;
/** Image pixels: a press and a release this near are a click, and the point is still to be placed. */
const CLICK = 0.75;

const distance = (a: Point, b: Point): number => Math.hypot(a.x - b.x, a.y - b.y);

export class Measurer {
  readonly store = new Store<MeasureState>({ all: {}, drawing: null, selected: null, past: [], future: [] });
  private nextId = 1;
  /** What there was when a point was taken hold of: a whole drag is one change. */
  private held: Measurements | null = null;

  /** A press of the pointer on an image: begins a measurement, or sets the point that follows it. */
  press(key: string, kind: Kind, at: Point): void {
    const { drawing } = this.store.get();
    if (drawing && drawing.key === key && drawing.kind === kind) {
      // A second line begins where it is pressed and ends where it is let go.
      const points = [...drawing.points.slice(0, -1), at];
      this.store.set({ drawing: { ...drawing, points: kind === 'cobb' && points.length === 3 ? [...points, at] : points } });
      return;
    }
    this.store.set({ drawing: { key, kind, points: POINTS[kind] === 1 ? [at] : [at, at] }, selected: null });
  }

  /** Over another image than the one that is drawn on nothing moves. */
  follow(key: string, at: Point): void {
    const { drawing } = this.store.get();
    if (drawing?.key === key) this.store.set({ drawing: { ...drawing, points: [...drawing.points.slice(0, -1), at] } });
  }

  /** The pointer is let go: the point stands, unless it was a mere click on the one before. */
  release(key: string, at: Point): void {
    this.follow(key, at);
    const { drawing } = this.store.get();
    if (drawing?.key !== key) return;
    const { kind, points } = drawing;
    const [before, last] = [points.at(-2), points.at(-1)!];
    if (before && distance(before, last) < CLICK) return;
    if (points.length < POINTS[kind]) this.store.set({ drawing: { ...drawing, points: [...points, last] } });
    else this.add(key, kind, points);
  }

  /** Without a pointer: a measurement of a usual form about `centre`, `size` image pixels across, for its points to be moved. */
  place(key: string, kind: Kind, centre: Point, size: number): void {
    const at = (x: number, y: number): Point => ({ x: centre.x + x * size, y: centre.y + y * size });
    const forms: Record<Kind, Point[]> = {
      length: [at(-0.5, 0), at(0.5, 0)], arrow: [at(0, 0), at(0.5, 0.5)], probe: [at(0, 0)], rectangle: [at(-0.5, -0.5), at(0.5, 0.5)], ellipse: [at(-0.5, -0.5), at(0.5, 0.5)],
      angle: [at(0.5, -0.5), at(-0.5, 0), at(0.5, 0)], cobb: [at(-0.5, -0.5), at(0.5, -0.3), at(-0.5, 0.5), at(0.5, 0.3)],
    };
    this.add(key, kind, forms[kind]);
  }

  /** An unfinished drawing goes. @returns whether there was one */
  cancel(): boolean {
    const drawing = this.store.get().drawing !== null;
    if (drawing) this.store.set({ drawing: null });
    return drawing;
  }

  select(key: string, id: number): void {
    this.store.set({ selected: { key, id }, drawing: null });
  }

  deselect(): void {
    this.store.set({ selected: null });
  }

  /** Moves a point, or with `point` null the whole, by image pixels. Until `settle` all moves are one change. */
  move(key: string, id: number, point: number | null, dx: number, dy: number): void {
    const { all } = this.store.get();
    this.held ??= all;
    this.store.set({ all: changed(all, key, id, (m) => ({ ...m, points: m.points.map((p, i) => (point === null || point === i ? { x: p.x + dx, y: p.y + dy } : p)) })) });
  }

  settle(): void {
    const { held } = this;
    this.held = null;
    if (held && held !== this.store.get().all) this.store.set(({ past }) => ({ past: [...past.slice(1 - DEPTH), held], future: [] }));
  }

  setText(key: string, id: number, text: string): void {
    this.change((all) => changed(all, key, id, (m) => ({ ...m, text })));
  }

  /** What is selected goes. */
  remove(): void {
    const { selected } = this.store.get();
    if (!selected) return;
    this.change((all) => ({ ...all, [selected.key]: (all[selected.key] ?? []).filter(({ id }) => id !== selected.id) }));
    this.store.set({ selected: null });
  }

  /** Of one image. */
  clear(key: string): void {
    if ((this.store.get().all[key] ?? []).length === 0) return;
    this.change((all) => ({ ...all, [key]: [] }));
    this.store.set({ selected: null, drawing: null });
  }

  undo(): void {
    if (this.cancel()) return;
    this.store.set(({ all, past, future }) => (past.length === 0 ? {} : { all: past.at(-1)!, past: past.slice(0, -1), future: [...future, all], selected: null }));
  }

  redo(): void {
    this.store.set(({ all, past, future }) => (future.length === 0 ? {} : { all: future.at(-1)!, past: [...past, all], future: future.slice(0, -1), selected: null, drawing: null }));
  }

  private add(key: string, kind: Kind, points: readonly Point[]): void {
    const id = this.nextId++;
    this.change((all) => ({ ...all, [key]: [...(all[key] ?? []), { id, kind, points, text: '' }] }));
    this.store.set({ drawing: null, selected: { key, id } });
  }

  private change(by: (all: Measurements) => Measurements): void {
    this.store.set(({ all, past }) => ({ all: by(all), past: [...past.slice(1 - DEPTH), all], future: [] }));
  }
}

const changed = (all: Measurements, key: string, id: number, by: (m: Measurement) => Measurement): Measurements => ({ ...all, [key]: (all[key] ?? []).map((m) => (m.id === id ? by(m) : m)) });
