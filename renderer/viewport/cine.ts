/** Plays the active stack in a loop. Every picture is shown, in order: where decoding is slower than asked, the pace gives way, and the rate that is reached is told. */
import { activePane, shownNow } from '../state/panes.ts';
import type { Session } from '../state/session.ts';
import type { Viewers } from './viewers.ts';

/** Pictures a second where the file says nothing. */
const USUAL = 10;
export const SLOWEST = 1;
export const FASTEST = 60;
/** The rate is of the last second, told twice in it. */
const SPAN_MS = 1000;
const TELL_MS = 500;

const within = (fps: number): number => Math.min(FASTEST, Math.max(SLOWEST, fps));

export interface Clock {
  now(): number;
  /** Calls at the next drawing of the screen. */
  frame(then: () => void): void;
}
const SCREEN: Clock = { now: () => performance.now(), frame: (then) => void requestAnimationFrame(then) };

export class Cine {
  private readonly session: Session;
  private readonly viewers: Viewers;
  private readonly clock: Clock;
  private due = 0;
  private told = 0;
  private shownAt: number[] = [];
  /** Each start is a run of its own: frames asked for by an older one do nothing. */
  private run = 0;

  constructor(session: Session, viewers: Viewers, clock = SCREEN) {
    this.session = session;
    this.viewers = viewers;
    this.clock = clock;
    session.onReaderScroll = () => this.stop();
  }

  toggle(): void {
    if (this.session.store.get().cine) this.stop();
    else this.start();
  }

  stop(): void {
    if (this.session.store.get().cine) this.session.store.set({ cine: null });
  }

  /** By a factor. */
  pace(factor: number): void {
    const { cine } = this.session.store.get();
    // To whole pictures, and never by less than one.
    const next = (fps: number): number => within(factor > 1 ? Math.max(Math.round(fps * factor), Math.floor(fps) + 1) : Math.min(Math.round(fps * factor), Math.ceil(fps) - 1));
    if (cine) this.session.store.set({ cine: { ...cine, fps: next(cine.fps) } });
  }

  private start(): void {
    const state = this.session.store.get();
    const shown = shownNow(state);
    if (!shown || shown.count < 2) return;
    const fps = within(shown.instance.frameTime === null ? USUAL : 1000 / shown.instance.frameTime);
    this.session.store.set({ cine: { pane: activePane(state).id, seriesUid: shown.series.uid, fps, measured: null } });
    this.due = this.clock.now() + 1000 / fps;
    this.told = this.clock.now();
    this.shownAt = [];
    const run = ++this.run;
    const again = (): void => {
      if (run !== this.run) return;
      this.step();
      if (this.session.store.get().cine) this.clock.frame(again);
    };
    this.clock.frame(again);
  }

  private step(): void {
    const state = this.session.store.get();
    const { cine } = state;
    const shown = shownNow(state);
    if (!cine) return;
    if (!shown || state.workspace !== 'review' || cine.pane !== activePane(state).id || cine.seriesUid !== shown.series.uid) return this.stop();
    const now = this.clock.now();
    const { drawn, status } = this.viewers.of(cine.pane).view.get();
    const there = status === 'error' || drawn?.position === shown.position;
    if (now < this.due || !there) return;
    this.shownAt = [...this.shownAt.filter((at) => at > now - SPAN_MS), now];
    // What was late is not made good by a burst.
    this.due = Math.max(this.due + 1000 / cine.fps, now - 1000 / cine.fps);
    if (now - this.told >= TELL_MS && this.shownAt.length > 1) {
      this.told = now;
      this.session.store.set({ cine: { ...cine, measured: ((this.shownAt.length - 1) * 1000) / (now - this.shownAt[0]!) } });
    }
    this.session.playTo((shown.position + 1) % shown.count);
  }
}
