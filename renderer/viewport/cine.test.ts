import { expect, test } from 'vitest';
import type { HostBridge } from '../../src/contract/ipc.ts';
import { selectionOf, shownNow } from '../state/panes.ts';
import { Session } from '../state/session.ts';
import { instance, library, series, study } from '../testing/samples.ts';
import { Cine } from './cine.ts';
import { Frames } from './frames.ts';
import { Viewers } from './viewers.ts';

/** A screen of 100 pictures a second, and decoding that takes `decodeMs`. */
function setUp({ decodeMs = 0, frameTime = null as number | null, count = 4 } = {}): { session: Session; cine: Cine; run: (ms: number) => number[] } {
  const session = new Session({ on: () => () => {}, call: () => Promise.reject(new Error('not asked')), openDropped: () => Promise.reject(new Error('not asked')) } as unknown as HostBridge);
  const viewers = new Viewers(new Frames({ run: () => new Promise(() => {}) }), session.store.get);
  let now = 0;
  let next: (() => void) | null = null;
  const cine = new Cine(session, viewers, { now: () => now, frame: (then) => (next = then) });
  session.store.set({ library: library(study('1', [series('s', [instance('a', { frames: count, frameTime })]), series('t', [instance('b')])])) });
  session.select('s');
  let wanted = { position: 0, since: 0 };
  const run = (ms: number): number[] => {
    const seen: number[] = [];
    for (const end = now + ms; now < end; now += 10) {
      const shown = shownNow(session.store.get());
      if (shown && shown.position !== wanted.position) wanted = { position: shown.position, since: now };
      if (shown && now - wanted.since >= decodeMs) viewers.active.view.set({ status: 'shown', drawn: shown });
      const then = next;
      next = null;
      then?.();
      const position = selectionOf(session.store.get())?.position;
      if (position !== undefined && position !== seen.at(-1)) seen.push(position);
    }
    return seen;
  };
  return { session, cine, run };
}

test('every picture in order, in a loop, at ten a second where the file says nothing', () => {
  const { cine, run, session } = setUp();
  cine.toggle();
  expect(run(1000)).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1]);
  expect(session.store.get().cine).toMatchObject({ fps: 10 });
  expect(session.store.get().cine!.measured).toBeCloseTo(10, 0);
});

test('at the file’s rate; faster and slower by whole pictures, within bounds', () => {
  const { cine, run, session } = setUp({ frameTime: 40 });
  cine.toggle();
  run(2000);
  expect(session.store.get().cine!.measured).toBeCloseTo(25, 0);
  const paces: number[] = [];
  for (const factor of [1.25, 0.8, 0.8, ...Array.from({ length: 20 }, () => 0.8), ...Array.from({ length: 40 }, () => 1.25)]) {
    cine.pace(factor);
    paces.push(session.store.get().cine!.fps);
  }
  expect(paces.slice(0, 3)).toEqual([31, 25, 20]);
  expect([Math.min(...paces), Math.max(...paces), paces.at(-1)]).toEqual([1, 60, 60]);
});

test('when decoding is slower, nothing is left out, and the rate told is the one reached', () => {
  const { cine, run, session } = setUp({ decodeMs: 250, count: 6 });
  cine.toggle();
  const seen = run(3000);
  expect(seen.every((position, i) => i === 0 || position === (seen[i - 1]! + 1) % 6)).toBe(true);
  expect(session.store.get().cine!.measured).toBeGreaterThan(3);
  expect(session.store.get().cine!.measured).toBeLessThan(4.1);
});

test('it ends when the reader scrolls, chooses another series, or leaves', () => {
  for (const leave of [(s: Session) => s.scrollBy(1), (s: Session) => s.select('t'), (s: Session) => s.store.set({ workspace: 'models' }), (s: Session) => s.activate(1)]) {
    const { cine, run, session } = setUp();
    cine.toggle();
    run(250);
    leave(session);
    run(250);
    expect(session.store.get().cine).toBeNull();
  }
});

test('a single picture does not play', () => {
  const { cine, session } = setUp();
  session.select('t');
  cine.toggle();
  expect(session.store.get().cine).toBeNull();
});
