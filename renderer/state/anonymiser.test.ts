import { expect, test } from 'vitest';
import type { Response } from '../../src/contract/ipc.ts';
import { failure, TestBridge, type Answers } from '../testing/bridge.ts';
import { instance, library, series, study } from '../testing/samples.ts';
import { Anonymiser } from './anonymiser.ts';
import { withSelection } from './panes.ts';
import { INITIAL_STATE, Store, type AppState } from './store.ts';

const REPORT = { folder: 'out', written: 2, held: [], failed: [], cancelled: false };

function setUp(answers: Answers = {}): { anonymiser: Anonymiser; store: Store<AppState>; bridge: TestBridge } {
  const bridge = new TestBridge({ 'anonymise.run': () => ({ report: REPORT }), ...answers });
  const all = library(study('s', [series('x', [instance('a'), instance('b')]), series('y', [instance('c')])]));
  const store = new Store<AppState>({ ...INITIAL_STATE, library: all, ...withSelection(INITIAL_STATE, { seriesUid: 'x', position: 1 }) });
  const anonymiser = new Anonymiser(bridge, store);
  anonymiser.begin();
  return { anonymiser, store, bridge };
}

test('the study, the series or the image that is shown, with what was chosen', async () => {
  const { anonymiser, store, bridge } = setUp();
  for (const [scope, instanceIds] of [['study', ['a', 'b', 'c']], ['series', ['a', 'b']], ['image', ['b']]] as const) {
    anonymiser.set({ scope, choices: { keepDates: true, keepPatient: false, includeHeld: false } });
    await anonymiser.run();
    expect(bridge.asked.pop()).toEqual(['anonymise.run', { instanceIds, choices: { keepDates: true, keepPatient: false, includeHeld: false } }]);
    // Events and answers overtake one another.
    bridge.emit('anonymise.progress', { done: 3, total: 3 });
    expect(store.get().anonymising).toMatchObject({ done: null, report: REPORT });
    anonymiser.again();
  }
  expect(store.get().anonymising).toMatchObject({ scope: 'image', report: null });
});

test('tells how far it is, and stops when asked: what was written by then is told', async () => {
  const { anonymiser, store, bridge } = setUp({ 'anonymise.run': (_request, signal) => new Promise<Response<'anonymise.run'>>((resolve) => signal!.addEventListener('abort', () => resolve({ report: { ...REPORT, written: 1, cancelled: true } }))) });
  const running = anonymiser.run();
  bridge.emit('anonymise.progress', { done: 1, total: 3 });
  expect(store.get().anonymising).toMatchObject({ done: 1, cancelling: false });
  // Not twice at a time.
  await anonymiser.run();
  expect(bridge.asked).toHaveLength(1);
  anonymiser.cancel();
  await running;
  expect(store.get().anonymising).toMatchObject({ done: null, cancelling: true, report: { written: 1, cancelled: true } });
});

test('no folder was chosen: nothing happened; a folder that will not do is said', async () => {
  const none = setUp({ 'anonymise.run': () => ({ report: null }) });
  await none.anonymiser.run();
  expect(none.store.get().anonymising).toMatchObject({ done: null, report: null, failure: null });
  const full = setUp({ 'anonymise.run': () => Promise.reject(failure('folder-not-empty', 'out has files in it.')) });
  await full.anonymiser.run();
  expect(full.store.get().anonymising).toMatchObject({ done: null, failure: { code: 'folder-not-empty', message: 'out has files in it.' } });
  full.anonymiser.set({ scope: 'image' });
  expect(full.store.get().anonymising!.failure).toBeNull();
});

test('leaving cancels, and events that come late change nothing', async () => {
  let aborted = false;
  const { anonymiser, store, bridge } = setUp({ 'anonymise.run': (_request, signal) => new Promise<Response<'anonymise.run'>>((resolve) => signal!.addEventListener('abort', () => ((aborted = true), resolve({ report: REPORT })))) });
  const running = anonymiser.run();
  anonymiser.leave();
  await running;
  bridge.emit('anonymise.progress', { done: 1, total: 3 });
  expect([aborted, store.get().anonymising]).toEqual([true, null]);
});
