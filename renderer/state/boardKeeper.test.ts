import { expect, test } from 'vitest';
import { failure, TestBridge, untilAborted, type Answers } from '../testing/bridge.ts';
import { BoardKeeper, NO_CARE, type Care } from './boardKeeper.ts';
import { INITIAL_STATE, Store, type AppState } from './store.ts';

const ID = 'a'.repeat(32);
function setUp(answers: Answers): { keeper: BoardKeeper; bridge: TestBridge; store: Store<AppState>; care: () => Care } {
  const bridge = new TestBridge(answers);
  const store = new Store<AppState>(INITIAL_STATE);
  return { keeper: new BoardKeeper(bridge, store), bridge, store, care: () => store.get().care[ID]! };
}

test('what wants root asks for the password, and then does what was asked', async () => {
  let word = '';
  const { keeper, care } = setUp({
    'boards.uninstall': () => (word === 'right' ? {} : Promise.reject(failure(word === '' ? 'needs-password' : 'unauthorised', 'sudo does not take it.'))),
    'boards.unlock': ({ password }) => { word = password; return {}; },
  });
  await keeper.uninstall(ID);
  expect(care()).toMatchObject({ busy: null, locked: 'needed', failure: null, done: null });
  await keeper.unlock(ID, 'wrong', false);
  expect(care()).toMatchObject({ locked: 'refused', failure: { code: 'unauthorised' } });
  await keeper.unlock(ID, 'right', false);
  expect(care()).toMatchObject({ locked: null, failure: null, done: { what: 'uninstall' } });
  expect(JSON.stringify(care())).not.toContain('right');
});

test('boards do not wait for one another, and one does one thing at a time', async () => {
  const other = 'b'.repeat(32);
  const { keeper, bridge, store } = setUp({ 'boards.logs': ({ id }, signal) => (id === ID ? untilAborted(signal) : { text: 'all is well' }) });
  const reading = keeper.logs(ID);
  await keeper.logs(ID);
  await keeper.logs(other);
  expect(bridge.asked).toHaveLength(2);
  expect(store.get().care[other]).toMatchObject({ busy: null, log: 'all is well' });
  keeper.cancel(ID);
  await reading;
  expect(store.get().care[ID]).toMatchObject({ busy: null, failure: { code: 'cancelled' } });
});

test('what failed can be tried again', async () => {
  let there = false;
  const { keeper, care } = setUp({ 'boards.rollback': () => (there ? { version: '1.0.0-abc' } : Promise.reject(failure('board-unreachable', 'No route.'))) });
  await keeper.rollback(ID);
  expect(care().failure).toEqual({ code: 'board-unreachable', message: 'No route.' });
  there = true;
  await keeper.retry(ID);
  expect(care()).toMatchObject({ failure: null, done: { what: 'rollback', version: '1.0.0-abc' } });
});

test('asking sudo can be cancelled: the password is still wanted', async () => {
  const { keeper, care } = setUp({ 'boards.logs': () => Promise.reject(failure('needs-password', '')), 'boards.unlock': (_request, signal) => untilAborted(signal) });
  await keeper.logs(ID);
  const asking = keeper.unlock(ID, 'a word', false);
  expect(care().busy).toBe('unlock');
  keeper.cancel(ID);
  await asking;
  expect(care()).toMatchObject({ busy: null, locked: 'needed', failure: { code: 'cancelled' } });
});

test('nothing that a forgotten board said is left for when it is trusted again', async () => {
  const { keeper, care } = setUp({ 'boards.logs': () => ({ text: 'all is well' }), 'boards.doctor': () => Promise.reject(failure('board-unreachable', 'No route.')), 'boards.forget': () => ({}) });
  await keeper.logs(ID);
  await keeper.doctor(ID);
  expect(care()).toMatchObject({ log: 'all is well', failure: { code: 'board-unreachable' } });
  await keeper.forget(ID);
  expect(care()).toEqual(NO_CARE);
});

test('the keychain is asked once; a host that cannot say has none', async () => {
  const { keeper, bridge, store } = setUp({ 'boards.keychain': () => Promise.reject(new Error('no')) });
  await keeper.askKeychain();
  await keeper.askKeychain();
  expect(store.get().keychain).toBe(false);
  expect(bridge.asked).toHaveLength(1);
});
