/**
 * From the wanted picture to the drawn one: decoding ahead, a bounded cache, and a presentation that the reader keeps while
 * scrolling. What the window says about the image comes from `view.drawn`, never from what is still on its way.
 */
import type { Frame, Voi } from '../../src/contract/pixels.ts';
import { Store } from '../state/store.ts';
import type { Shown, Slice } from '../state/selectors.ts';
import { DecodeError, isAbort, PRIORITY } from '../workers/pool.ts';
import type { DecodedFrame } from '../workers/protocol.ts';
import { sliceKey, type Frames } from './frames.ts';
import type { Overlay, Viewport } from './port.ts';
import { dragWindow, modalityRange, mirror, panBy, presets, turn, zoomAbout, type Point, type Preset, type Presentation, type ToPane } from './presentation.ts';

/** Decoded ahead at a time: as many as there are workers would leave none for what the reader turns to. */
const AHEAD_AT_A_TIME = 2;
/** A picture that takes longer than this to come blanks the old one. */
const BLANK_AFTER_MS = 150;

export interface FrameFacts {
  kind: Frame['kind'];
  rows: number;
  columns: number;
  units: string;
  voi: readonly Voi[];
  voiFromFile: boolean;
  range: { low: number; high: number };
  presets: readonly Preset[];
  /** Overlay planes of the file. */
  planes: number;
}

export interface View {
  status: 'empty' | 'loading' | 'shown' | 'error';
  error: { code: string; message: string } | null;
  /** What is on the screen now. */
  drawn: Shown | null;
  presentation: Presentation | null;
  /** Where the drawn image's pixels lie, for what is laid over it. */
  toPane: ToPane | null;
  facts: FrameFacts | null;
  decodeMs: number;
  drawMs: number;
}
const EMPTY: View = { status: 'empty', error: null, drawn: null, presentation: null, toPane: null, facts: null, decodeMs: 0, drawMs: 0 };

export class Viewer {
  readonly view = new Store<View>(EMPTY);
  private readonly frames: Frames;
  private viewport: Viewport | null = null;
  private wanted: Shown | null = null;
  private neighbours: readonly Slice[] = [];
  /** Asked for ahead of the picture that is wanted now. */
  private ahead = new Set<string>();
  private loading: AbortController | null = null;
  private blank: ReturnType<typeof setTimeout> | undefined;
  private aheadNow = 0;
  /** Key of the picture that is seen until the wanted one is there; '' where none is. */
  private preview = '';
  /** How the series shown last is presented: it stays so while a picture of it takes long. */
  private kept: { seriesUid: string; presentation: Presentation; rows: number; columns: number } | null = null;
  /** What is put on the screen, while there is one: other panes may have pushed it out of the cache. */
  private current: { key: string; decoded: DecodedFrame } | null = null;
  /** The reader changed the window: it stays while scrolling in the series. */
  private ownVoi: { seriesUid: string; voi: Voi } | null = null;

  constructor(frames: Frames) {
    this.frames = frames;
  }

  attach(viewport: Viewport | null): void {
    this.viewport = viewport;
    if (!viewport) {
      this.current = null;
      return;
    }
    viewport.onDrawn = ({ key, presentation, toPane, drawMs }) => {
      // Nothing is said of a preview: its pixels are not the image's.
      if (key === this.preview) return;
      const drawn = this.wanted && sliceKey(this.wanted) === key ? this.wanted : this.view.get().drawn;
      const decoded = this.decodedOf(key);
      const before = this.view.get();
      const same = before.drawn !== null && drawn !== null && sliceKey(before.drawn) === sliceKey(drawn) && before.facts;
      const facts = !same && decoded && drawn ? factsOf(decoded, drawn.instance.modality) : before.facts;
      if (drawn && facts) this.kept = { seriesUid: drawn.series.uid, presentation, rows: facts.rows, columns: facts.columns };
      this.view.set({
        drawn,
        presentation,
        toPane,
        drawMs,
        ...(drawn && this.wanted && sliceKey(drawn) === sliceKey(this.wanted) ? { status: 'shown', error: null } : {}),
        ...(facts !== before.facts ? { facts, decodeMs: decoded!.decodeMs } : {}),
      });
    };
    this.retry();
  }

  /** `neighbours` are decoded ahead, nearest first. */
  show(wanted: Shown | null, neighbours: readonly Slice[]): void {
    this.neighbours = neighbours;
    if (wanted && this.wanted && sliceKey(wanted) === sliceKey(this.wanted)) {
      // The same picture, though the library may say more of it now.
      this.wanted = wanted;
      if (this.view.get().status === 'shown') this.view.set({ drawn: wanted });
      this.loadAhead();
      return;
    }
    this.loading?.abort();
    clearTimeout(this.blank);
    this.wanted = wanted;
    this.ahead = new Set();
    if (!wanted) {
      this.viewport?.clear();
      this.kept = this.current = null;
      this.view.set(EMPTY);
      return;
    }
    const loading = new AbortController();
    this.loading = loading;
    const ready = this.frames.get(sliceKey(wanted));
    if (ready) {
      this.put(wanted, ready);
    } else {
      this.blank = setTimeout(() => {
        this.viewport?.clear();
        this.view.set({ ...EMPTY, status: 'loading' });
      }, BLANK_AFTER_MS);
      this.frames.load(wanted, PRIORITY.shown, loading.signal).then(
        (decoded) => this.wanted === wanted || (this.wanted && sliceKey(this.wanted) === sliceKey(wanted)) ? this.put(this.wanted, decoded) : undefined,
        (error: unknown) => {
          if (isAbort(error) || !this.wanted || sliceKey(this.wanted) !== sliceKey(wanted)) return;
          this.fail(error instanceof DecodeError ? error.code : 'corrupt', error instanceof Error ? error.message : String(error));
        },
      );
      void this.frames.preview(wanted, loading.signal).then((decoded) => decoded && this.putPreview(wanted, decoded));
    }
    this.loadAhead();
  }

  /** The pixels of an image, where they are held. */
  held(key: string): Frame | null {
    return this.decodedOf(key)?.frame ?? null;
  }

  /** The pixels of any image. */
  async frameOf(slice: Slice): Promise<Frame> {
    return this.held(sliceKey(slice)) ?? (await this.frames.load(slice, PRIORITY.ahead)).frame;
  }

  retry(): void {
    const again = this.wanted;
    this.wanted = null;
    this.show(again, this.neighbours);
  }

  change(by: (presentation: Presentation) => Presentation): void {
    const { viewport } = this;
    if (viewport?.presentation) viewport.present(by(viewport.presentation));
  }

  setVoi(voi: Voi): void {
    if (!this.wanted) return;
    this.ownVoi = { seriesUid: this.wanted.series.uid, voi };
    this.change((p) => (p.voi ? { ...p, voi } : p));
  }

  /** The newest asked for. */
  get voi(): Voi | null {
    return this.viewport?.presentation?.voi ?? null;
  }

  dragWindow(dx: number, dy: number): void {
    const { facts } = this.view.get();
    const { voi } = this;
    if (facts && voi) this.setVoi(dragWindow(voi, dx, dy, facts.range.high - facts.range.low));
  }

  /** By a drag in client pixels. */
  pan(dx: number, dy: number): void {
    const ratio = this.viewport?.pixelRatio ?? 1;
    this.change((p) => panBy(p, dx * ratio, dy * ratio, this.viewport?.image?.aspect));
  }

  /** About a point as `fromCentre` gives it, or the centre. */
  zoom(factor: number, about: Point = { x: 0, y: 0 }): void {
    this.change((p) => zoomAbout(p, factor, about, this.viewport?.image?.aspect));
  }

  /** A point in client coordinates from the pane's centre, in device pixels. */
  fromCentre(client: Point): Point {
    return this.viewport?.fromCentre(client) ?? { x: 0, y: 0 };
  }

  fit(): void {
    this.change((p) => ({ ...p, fitted: true, pan: { x: 0, y: 0 } }));
  }
  actualSize(): void {
    this.change((p) => ({ ...p, zoom: 1, fitted: false }));
  }
  turn(): void {
    this.change(turn);
  }
  mirror(): void {
    this.change(mirror);
  }
  invert(): void {
    this.change((p) => ({ ...p, invert: !p.invert }));
  }
  togglePlanes(): void {
    this.change((p) => ({ ...p, planes: !p.planes }));
  }
  toggleSmooth(): void {
    this.change((p) => ({ ...p, smooth: !p.smooth }));
  }
  reset(): void {
    const { facts } = this.view.get();
    this.ownVoi = null;
    this.change(() => ({ ...FRESH, voi: facts?.kind === 'grey' ? facts.voi[0]! : null }));
  }

  setInteracting(interacting: boolean): void {
    this.viewport?.setInteracting(interacting);
  }
  magnify(canvas: HTMLCanvasElement, client: Point, factor: number): void {
    this.viewport?.magnify(canvas, client, factor);
  }
  setOverlay(overlay: Overlay | null): void {
    this.viewport?.setOverlay(overlay);
  }

  /** Also for the same picture: a pane that comes back has its neighbours again, a stack that plays has others. */
  private loadAhead(): void {
    while (this.wanted && this.aheadNow < AHEAD_AT_A_TIME) {
      const next = this.neighbours.find((slice) => !this.ahead.has(sliceKey(slice)) && !this.frames.has(sliceKey(slice)));
      if (!next) return;
      this.ahead.add(sliceKey(next));
      this.aheadNow++;
      // One that fails says so when it is shown.
      void this.frames.load(next, PRIORITY.ahead).catch(() => {}).finally(() => {
        this.aheadNow--;
        this.loadAhead();
      });
    }
  }

  private decodedOf(key: string): DecodedFrame | undefined {
    return this.current?.key === key ? this.current.decoded : this.frames.get(key);
  }

  private put(shown: Shown, decoded: DecodedFrame): void {
    clearTimeout(this.blank);
    const { frame, overlays } = decoded;
    const { kept } = this;
    const base = this.baseOf(shown, kept !== null && kept.rows === frame.rows && kept.columns === frame.columns);
    this.preview = '';
    this.current = { key: sliceKey(shown), decoded };
    this.viewport?.show({ key: sliceKey(shown), frame, planes: overlays, aspect: shown.instance.pixelAspect }, { ...base, voi: this.voiOf(shown, frame) });
  }

  /** In place of what is seen, whose words go with it; the picture is still on its way. Only as large as the pane: its pixels are no measure of a zoom. */
  private putPreview(shown: Shown, { frame }: DecodedFrame): void {
    const base = this.baseOf(shown, true);
    if (this.wanted === null || sliceKey(this.wanted) !== sliceKey(shown) || this.decodedOf(sliceKey(shown)) || !base.fitted) return;
    clearTimeout(this.blank);
    this.view.set({ ...EMPTY, status: 'loading' });
    this.preview = `${sliceKey(shown)} preview`;
    this.viewport?.show({ key: this.preview, frame, planes: [], aspect: shown.instance.pixelAspect }, { ...base, voi: this.voiOf(shown, frame) });
  }

  /** As the series is presented already. */
  private baseOf({ series }: Shown, sameSize: boolean): Omit<Presentation, 'voi'> {
    if (this.kept?.seriesUid !== series.uid) return FRESH;
    const base = (this.preview === '' ? this.viewport?.presentation : null) ?? this.kept.presentation;
    return sameSize ? base : { ...base, fitted: true };
  }

  private voiOf({ series }: Shown, frame: Frame): Voi | null {
    if (frame.kind === 'colour') return null;
    return this.ownVoi?.seriesUid === series.uid ? this.ownVoi.voi : frame.voi[0]!;
  }

  private fail(code: string, message: string): void {
    clearTimeout(this.blank);
    this.viewport?.clear();
    this.view.set({ ...EMPTY, status: 'error', error: { code, message } });
  }
}

const FRESH: Omit<Presentation, 'voi'> = { invert: false, zoom: 1, pan: { x: 0, y: 0 }, mirrored: false, rotation: 0, planes: true, fitted: true, smooth: true };

function factsOf({ frame, overlays }: DecodedFrame, modality: string): FrameFacts {
  const planes = overlays.length;
  if (frame.kind === 'colour') return { kind: 'colour', rows: frame.rows, columns: frame.columns, units: '', voi: [], voiFromFile: false, range: { low: 0, high: 255 }, presets: [], planes };
  const range = modalityRange(frame);
  return { kind: 'grey', rows: frame.rows, columns: frame.columns, units: frame.units, voi: frame.voi, voiFromFile: frame.voiFromFile, range, presets: presets(modality, frame, range), planes };
}
