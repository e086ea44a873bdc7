import { describe, expect, test, vi } from 'vitest';
import type { ClassificationComparison, Comparison } from '../../src/contract/engine.ts';
import { failure, TestBridge, type Answers } from '../testing/bridge.ts';
import { comparison, failed, instance, library, model, run, series, study } from '../testing/samples.ts';
import { selectionOf, shownNow } from './panes.ts';
import { entryOf } from './selectors.ts';
import { Session } from './session.ts';
import type { ComparisonEntry } from './store.ts';

const settings = { locale: 'en' as const, runOnOpen: false, engines: ['cpu-fp32' as const, 'board' as const], repeats: 3, rememberStudies: true };

const bridgeOf = (answers: Answers): TestBridge => new TestBridge({
  'app.info': () => ({ version: '1', electron: '1', endOfLifeRuntime: false, sandboxOff: false, settings }),
  'library.get': () => library(), 'models.list': () => ({ models: [model], problems: [] }), 'boards.list': () => ({ boards: [] }),
  'studies.search': () => ({ rows: [], total: 0, all: 0, state: 'kept', detail: '' }), 'results.of': () => ({ comparison: null, at: '', outdated: 0 }), 'keyImages.get': () => ({ images: [] }), ...answers,
});

const lib = library(study('1', [series('s', [instance('a')]), series('ct', [instance('b', { modality: 'CT' })])]));
async function started(answers: Answers = {}): Promise<{ session: Session; bridge: TestBridge }> {
  const bridge = bridgeOf({ 'library.get': () => lib, ...answers });
  const session = new Session(bridge);
  await session.start();
  return { session, bridge };
}
const entry = (session: Session): ComparisonEntry | null => entryOf(session.store.get(), shownNow(session.store.get()));

describe('starting', () => {
  test('shows the first picture of what is open', async () => {
    const { session } = await started();
    expect(session.store.get()).toMatchObject({ active: 0, panes: { 0: { selection: { seriesUid: 's', position: 0 } } }, modelId: 'm', startError: '' });
  });

  test('an event that came while the library was asked for is newer than the answer', async () => {
    const bridge: TestBridge = bridgeOf({ 'library.get': () => { bridge.emit('library.changed', lib); return library(); } });
    const session = new Session(bridge);
    await session.start();
    expect(session.store.get().library).toBe(lib);
  });

  test('a host that does not answer is said', async () => {
    const { session } = await started({ 'app.info': () => Promise.reject(new Error('gone')) });
    expect(session.store.get().startError).toBe('gone');
  });
});

describe('comparing', () => {
  test('asks with the settings, follows the progress, and keeps the answer', async () => {
    let answer!: (c: Comparison) => void;
    const { session, bridge } = await started({ 'compare.run': () => new Promise((resolve) => (answer = resolve)) });
    const done = session.compare();
    expect(bridge.asked.at(-1)).toEqual(['compare.run', { instanceId: 'a', frame: 0, model: 'm', engines: ['cpu-fp32', 'board'], repeats: 3 }]);
    bridge.emit('compare.progress', { instanceId: 'a', engine: 'cpu-fp32', done: 1, total: 3 });
    bridge.emit('compare.progress', { instanceId: 'other', engine: 'board', done: 2, total: 3 });
    bridge.emit('compare.run', { instanceId: 'a', frame: 0, run: run('cpu-fp32', 0.9) });
    expect(entry(session)).toMatchObject({ state: 'running', comparison: null, progress: { 'cpu-fp32': { done: 1, total: 3 } }, arrived: { 'cpu-fp32': { state: 'ok' } } });
    expect(entry(session)!.progress.board).toBeUndefined();
    answer(comparison([run('cpu-fp32', 0.9), failed('board')]));
    await done;
    expect(entry(session)).toMatchObject({ state: 'done', comparison: { runs: [{ state: 'ok' }, { state: 'failed' }] } });
  });

  test('an image that the model was not made for is run only after a yes', async () => {
    const { session, bridge } = await started({ 'compare.run': () => comparison([]) });
    session.select('ct');
    await session.compare();
    expect(bridge.asked.map(([name]) => name)).not.toContain('compare.run');
    await session.compare(true);
    expect(bridge.asked.map(([name]) => name)).toContain('compare.run');
  });

  test('cancelling keeps the last answer', async () => {
    let times = 0;
    const { session } = await started({
      'compare.run': (_, signal) => (times++ === 0 ? comparison([run('cpu-fp32', 0.9)]) : new Promise((_resolve, reject) => signal!.addEventListener('abort', () => reject(new Error('cancelled'))))),
    });
    await session.compare();
    const second = session.compare();
    session.cancel();
    await second;
    expect(entry(session)).toMatchObject({ state: 'cancelled', comparison: { runs: [{ state: 'ok' }] }, error: '' });
  });

  test('what a cancelled run did finish is shown, unless more was there already', async () => {
    let answer!: (c: Comparison) => void;
    const { session } = await started({ 'compare.run': () => new Promise((resolve) => (answer = resolve)) });
    const cancelledWith = async (runs: ClassificationComparison['runs']): Promise<number> => {
      const call = session.compare();
      session.cancel();
      answer(comparison(runs));
      await call;
      return entry(session)!.comparison!.runs.filter((r) => r.state === 'ok').length;
    };
    expect(await cancelledWith([run('cpu-fp32', 0.9), failed('board')])).toBe(1);
    expect(await cancelledWith([run('cpu-fp32', 0.9), run('board', 0.9)])).toBe(2);
    expect(await cancelledWith([run('cpu-fp32', 0.9), failed('board')])).toBe(2);
    expect(entry(session)!.state).toBe('cancelled');
  });

  test('a call that fails as a whole says why and keeps the last answer', async () => {
    let times = 0;
    const { session } = await started({ 'compare.run': () => (times++ === 0 ? comparison([run('cpu-fp32', 0.9)]) : Promise.reject(new Error('The review process ended.'))) });
    await session.compare();
    await session.compare();
    expect(entry(session)).toMatchObject({ state: 'failed', error: 'The review process ended.', comparison: { runs: [{ state: 'ok' }] } });
  });

  test('on open only when the reader chose so, and only for single images', async () => {
    const stack = library(study('1', [series('s', [instance('a')]), series('t', [instance('c'), instance('d')])]));
    const { session, bridge } = await started({
      'library.get': () => stack,
      'app.info': () => ({ version: '1', electron: '1', endOfLifeRuntime: false, sandboxOff: false, settings: { ...settings, runOnOpen: true } }),
      'compare.run': () => comparison([]),
    });
    const ran = (): string[] => bridge.asked.filter(([name]) => name === 'compare.run').map(([, request]) => (request as { instanceId: string }).instanceId);
    await vi.waitFor(() => expect(ran()).toEqual(['a']));
    session.select('t');
    await vi.waitFor(() => expect(bridge.asked.filter(([name]) => name === 'results.of').map(([, request]) => (request as { instanceId: string }).instanceId)).toContain('c'));
    expect(ran()).toEqual(['a']);
  });

  test('what was kept is shown with its date, and is not run again on open', async () => {
    const { session, bridge } = await started({
      'app.info': () => ({ version: '1', electron: '1', endOfLifeRuntime: false, sandboxOff: false, settings: { ...settings, runOnOpen: true } }),
      'results.of': ({ instanceId }) => (instanceId === 'a' ? { comparison: comparison([run('cpu-fp32', 0.9)]), at: '2026-01-02T03:04:05.000Z', outdated: 2 } : { comparison: null, at: '', outdated: 0 }),
    });
    await vi.waitFor(() => expect(entry(session)).toMatchObject({ state: 'done', at: '2026-01-02T03:04:05.000Z', engines: ['cpu-fp32'], comparison: { runs: [{ state: 'ok' }] } }));
    await vi.waitFor(() => expect(session.store.get().outdated).toEqual({ 'a/0/m': 2 }));
    expect(bridge.asked.map(([name]) => name)).not.toContain('compare.run');
  });
});

describe('a series', () => {
  const stack = library(study('1', [series('s', [instance('a'), instance('b', { frames: 2 }), instance('c')])]));
  const asked = (bridge: TestBridge): string[] => bridge.asked.filter(([name]) => name === 'compare.run').map(([, request]) => { const { instanceId, frame } = request as { instanceId: string; frame: number }; return `${instanceId}/${frame}`; });

  test('is run image by image, those alone that have no answer yet; once all have one, all again', async () => {
    const { session, bridge } = await started({
      'library.get': () => stack,
      'compare.run': () => comparison([run('cpu-fp32', 0.9)]),
      'results.of': ({ instanceId, frame }) => (instanceId === 'b' && frame === 1 ? { comparison: comparison([run('cpu-fp32', 0.5)]), at: '2026-01-02T03:04:05.000Z', outdated: 0 } : { comparison: null, at: '', outdated: 0 }),
    });
    await session.compareSeries();
    expect(asked(bridge)).toEqual(['a/0', 'b/0', 'c/0']);
    expect(session.store.get().seriesRun).toBeNull();
    await session.compareSeries();
    expect(asked(bridge).slice(3)).toEqual(['a/0', 'b/0', 'b/1', 'c/0']);
  });

  test('stops when told, and goes on over an image that cannot be run', async () => {
    const seen: Array<number | undefined> = [];
    const { session, bridge } = await started({
      'library.get': () => stack,
      'compare.run': ({ instanceId, frame }) => {
        seen.push(session.store.get().seriesRun?.done);
        if (instanceId === 'a') throw new Error('cut short');
        if (frame === 1) session.cancelSeries();
        return comparison([run('cpu-fp32', 0.9)]);
      },
    });
    await session.compareSeries();
    expect(asked(bridge)).toEqual(['a/0', 'b/0', 'b/1']);
    expect(seen).toEqual([0, 1, 2]);
    expect(session.store.get().comparisons['a/0/m']).toMatchObject({ state: 'failed', error: 'cut short' });
  });

  test('that the model was not made for waits for a yes', async () => {
    const { session, bridge } = await started({ 'library.get': () => library(study('1', [series('s', [instance('a', { modality: 'CT' }), instance('b', { modality: 'CT' })])])), 'compare.run': () => comparison([run('cpu-fp32', 0.9)]) });
    await session.compareSeries();
    expect(asked(bridge)).toEqual([]);
    await session.compare(true);
    await session.compareSeries();
    expect(asked(bridge)).toEqual(['a/0', 'b/0']);
  });
});

test('each pane has a series and a place of its own; what is asked for goes to the active one', async () => {
  const { session } = await started({ 'library.get': () => library(study('1', [series('s', [instance('a'), instance('b')]), series('t', [instance('c'), instance('d')])])) });
  session.setLayout({ rows: 1, columns: 2 });
  session.activateBeside(1, 0);
  session.scrollBy(1);
  expect(session.store.get().panes.slice(0, 3).map(({ selection }) => selection)).toEqual([{ seriesUid: 's', position: 0 }, { seriesUid: 't', position: 1 }, null]);
  expect(shownNow(session.store.get())?.instance.id).toBe('d');
  session.activateBeside(1, 0);
  expect(session.store.get().active).toBe(1);
});

test('scrolling stops at the ends', async () => {
  const { session } = await started({ 'library.get': () => library(study('1', [series('s', [instance('a'), instance('b', { frames: 2 })])])) });
  session.scrollBy(-1);
  expect(selectionOf(session.store.get())?.position).toBe(0);
  session.scrollBy(50);
  expect(selectionOf(session.store.get())?.position).toBe(2);
});

test('which images are open is told when it changes', async () => {
  const { session, bridge } = await started();
  const told: string[][] = [];
  session.onLibrary = (ids) => void told.push([...ids]);
  bridge.emit('library.changed', lib);
  bridge.emit('library.changed', library());
  bridge.emit('library.changed', library());
  expect(told).toEqual([[]]);
});

test('what cannot be opened is a message, not a silence', async () => {
  const { session } = await started();
  await session.drop([{} as File]);
  expect(session.store.get().notices).toMatchObject([{ kind: 'error', text: 'The folder cannot be read.' }]);
});

test('opening what has no image, or cancelling while nothing is open yet, is no error', async () => {
  for (const open of [() => ({ opened: 1, images: 0, copies: 0 }), () => Promise.reject(failure('cancelled', 'Cancelled.'))]) {
    const { session } = await started({ 'library.get': () => library(), 'library.open': open });
    await session.open('files');
    expect(session.store.get()).toMatchObject({ notices: [], scan: null });
  }
});

describe('the picture that an opening begins with', () => {
  const [one, more] = [library(study('1', [series('s', [instance('a')])])), library(study('1', [series('s', [instance('a'), instance('b')])]))];
  async function opening(): Promise<{ session: Session; bridge: TestBridge; first: string[]; painted: () => void; opened: () => void; done: Promise<void> }> {
    let opened!: () => void;
    let painted!: () => void;
    const first: string[] = [];
    const { session, bridge } = await started({ 'library.get': () => library(), 'library.open': () => new Promise((resolve) => (opened = () => resolve({ opened: 2, images: 2, copies: 0 }))) });
    session.onFirst = ({ instance: { id } }) => {
      first.push(id);
      return new Promise((resolve) => (painted = resolve));
    };
    const done = session.open('files');
    return { session, bridge, first, painted: () => painted(), opened: () => opened(), done };
  }

  test('is on the screen before what is said of it is laid out: then by what was told last', async () => {
    const { session, bridge, first, painted, opened, done } = await opening();
    bridge.emit('library.changed', one);
    bridge.emit('library.changed', more);
    opened();
    await Promise.resolve();
    expect([first, session.store.get().library.studies]).toEqual([['a'], []]);
    painted();
    await done;
    expect([session.store.get().library, shownNow(session.store.get())?.instance.id, first]).toEqual([more, 'a', ['a']]);
  });

  test('is not waited for long, and is asked for once', async () => {
    const { session, bridge, first, opened, done } = await opening();
    bridge.emit('library.changed', one);
    await vi.waitFor(() => expect(session.store.get().library).toBe(one));
    bridge.emit('library.changed', more);
    expect(session.store.get().library).toBe(more);
    opened();
    await done;
    expect(first).toEqual(['a']);
  });

  test('is no one’s where nothing new was opened', async () => {
    const { session, bridge, first, opened, done } = await opening();
    bridge.emit('library.changed', library());
    expect(first).toEqual([]);
    opened();
    await done;
    expect(session.store.get().notices).toEqual([]);
  });
});
