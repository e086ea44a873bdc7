import { describe, expect, test } from 'vitest';
import type { Connected, DoctorReport, Login, Plan } from '../../src/contract/boards.ts';
import type { BoardStatus } from '../../src/contract/ipc.ts';
import { failure, TestBridge, untilAborted, type Answers } from '../testing/bridge.ts';
import { BoardProvisioner } from './provisioner.ts';
import { byGrade, mayGoOn, NEW_BOARD, offerOf, stepLines, type Provisioning } from './provisioning.ts';
import { INITIAL_STATE, Store, type AppState } from './store.ts';

const ID = 'a'.repeat(32);
const KEY = { algorithm: 'ssh-ed25519', fingerprint: 'SHA256:right' };
const status: BoardStatus = { id: ID, name: 'desk', virtual: false, link: 'ssh', use: true, address: '10.0.0.7:22', state: 'absent', message: '', backend: '', models: [], ssh: { user: 'xilinx', installed: '', previous: '' } };
const trusted: Connected = { ...KEY, state: 'trusted', id: ID, name: '10.0.0.7:22', publicPassword: true, twin: 'other' };
const report: DoctorReport = { format: 'fabriclens-doctor/1', address: '10.0.0.7:22', findings: [], runs: [], python: 'python3', home: '/home/x', systemd: true, installed: '', previous: '', boardId: '', overlay: '' };
const plan: Plan = { version: '1', installed: '', previous: '', obstacles: [], steps: [{ id: 'upload', title: 'Send', as: 'login', why: '' }, { id: 'unpack', title: 'Unpack', as: 'root', why: 'it must' }] };
const password: Login = { method: 'password', password: 'secret', remember: false };

function setUp(answers: Answers = {}): { provisioner: BoardProvisioner; bridge: TestBridge; store: Store<AppState>; now: () => Provisioning } {
  const bridge = new TestBridge({
    'boards.find': () => ({ found: [{ address: '10.0.0.7:22', sure: 'likely', evidence: [] }] }),
    'boards.connect': ({ login, accept }) => (accept === null ? { ...KEY, state: 'unknown' } : login === null ? { ...KEY, state: 'login', tried: [] } : trusted),
    'boards.rename': () => ({}), 'boards.doctor': () => report, 'boards.plan': () => plan, 'boards.install': () => ({ version: '1', selfTests: [] }), 'boards.unlock': () => ({}),
    'boards.pick': ({ what }) => ({ file: { id: `id-${what}`, name: what } }), ...answers,
  });
  const store = new Store<AppState>(INITIAL_STATE);
  return { provisioner: new BoardProvisioner(bridge, store), bridge, store, now: () => store.get().provisioning! };
}
/** As far as the plan, by password. */
async function toPlan(provisioner: BoardProvisioner, now: () => Provisioning): Promise<void> {
  provisioner.begin();
  await provisioner.find(null);
  await provisioner.next();
  provisioner.set({ compared: true });
  await provisioner.next();
  await provisioner.connect(password, KEY.fingerprint);
  await provisioner.next('desk');
  await provisioner.next();
  expect(now().step).toBe('plan');
}

test('from the network to ready, a step at a time; nothing goes on without a comparison of the key', async () => {
  const { provisioner, bridge, now } = setUp();
  provisioner.begin();
  await provisioner.next();
  expect(bridge.asked).toEqual([]);
  await provisioner.find(null);
  expect(now().address).toBe('10.0.0.7:22');
  await provisioner.next();
  expect(now()).toMatchObject({ step: 'trust', connected: { state: 'unknown' }, compared: false });
  const before = bridge.asked.length;
  await provisioner.next();
  expect(bridge.asked.length).toBe(before);
  provisioner.set({ compared: true });
  await provisioner.next();
  expect(bridge.asked.at(-1)).toEqual(['boards.connect', { address: '10.0.0.7:22', user: 'xilinx', login: null, accept: 'SHA256:right', name: null }]);
  expect(now()).toMatchObject({ connected: { state: 'login' }, compared: false });
  await provisioner.connect(password, KEY.fingerprint);
  await provisioner.next('desk');
  expect(bridge.asked.slice(-2)).toEqual([['boards.rename', { id: ID, name: 'desk' }], ['boards.doctor', { id: ID }]]);
  expect(now()).toMatchObject({ step: 'check', board: { name: 'desk' }, report });
  await provisioner.next();
  await provisioner.next();
  expect(now()).toMatchObject({ step: 'test', installed: { version: '1' } });
  provisioner.back();
  expect(now().step).toBe('test');
  await provisioner.next();
  expect(now().step).toBe('ready');
  expect(JSON.stringify(now())).not.toContain('secret');
});

test('back to the search from a trusted board, the wizard is no longer about that board', async () => {
  const { provisioner, now } = setUp({ 'boards.connect': () => trusted });
  provisioner.begin();
  await provisioner.find(null);
  await provisioner.next();
  expect(now().board).toEqual({ id: ID, name: '10.0.0.7:22' });
  provisioner.back();
  expect(now()).toMatchObject({ step: 'find', connected: null, board: null, address: '10.0.0.7:22' });
});

test('a changed key goes nowhere by “next”', async () => {
  const { provisioner, bridge, now } = setUp({ 'boards.connect': ({ accept }) => (accept === null ? { ...KEY, state: 'changed', pinned: [] } : trusted) });
  provisioner.begin();
  await provisioner.find('10.0.0.7');
  await provisioner.next();
  provisioner.set({ compared: true });
  await provisioner.next();
  expect(bridge.asked.filter(([name]) => name === 'boards.connect')).toHaveLength(1);
  await provisioner.connect(null, KEY.fingerprint);
  expect(now().connected?.state).toBe('trusted');
});

test('what answers is shown as it comes, and stays when looking is cancelled', async () => {
  const { provisioner, bridge, now } = setUp({ 'boards.find': (_request, signal) => untilAborted(signal) });
  provisioner.begin();
  const looking = provisioner.find('10.0.0.0/24');
  bridge.emit('boards.found', { found: [{ address: '10.0.0.9:22', sure: 'possible', evidence: ['answers'] }], done: 9, total: 254 });
  expect(now()).toMatchObject({ busy: 'find', looked: { done: 9, total: 254 }, found: [{ address: '10.0.0.9:22' }] });
  provisioner.cancel();
  await looking;
  expect(now()).toMatchObject({ busy: null, failure: { code: 'cancelled' }, found: [{ address: '10.0.0.9:22' }] });
});

describe('a board that was left', () => {
  test('goes on with its check when what is kept lets us in', async () => {
    const { provisioner, now } = setUp({ 'boards.connect': () => trusted });
    await provisioner.resume(status);
    expect(now()).toMatchObject({ step: 'check', report, board: { id: ID } });
  });

  test('asks for what is wanting', async () => {
    const { provisioner, now } = setUp({ 'boards.connect': () => ({ ...KEY, state: 'login', tried: ['agent'] }) });
    await provisioner.resume(status);
    expect(now()).toMatchObject({ step: 'trust', connected: { state: 'login', tried: ['agent'] }, user: 'xilinx', address: '10.0.0.7:22' });
  });

  test('that cannot be reached can be tried again', async () => {
    let there = false;
    const { provisioner, now } = setUp({ 'boards.connect': () => (there ? trusted : Promise.reject(failure('board-unreachable', 'No route.'))) });
    await provisioner.resume(status);
    expect(now()).toMatchObject({ step: 'trust', failure: { code: 'board-unreachable', message: 'No route.' } });
    there = true;
    await provisioner.retry();
    expect(now()).toMatchObject({ failure: null, connected: { state: 'trusted' } });
  });
});

describe('an installation', () => {
  test('asks for sudo’s password, again when it is wrong, and goes on by itself', async () => {
    let word = '';
    const { provisioner, now } = setUp({
      'boards.install': () => (word === '' ? Promise.reject(failure('needs-password', '')) : word === 'right' ? { version: '1', selfTests: [] } : Promise.reject(failure('unauthorised', 'sudo does not take it.'))),
      'boards.unlock': (request) => { word = request.password; return {}; },
    });
    await toPlan(provisioner, now);
    await provisioner.next();
    expect(now()).toMatchObject({ step: 'install', locked: 'needed', failure: null });
    await provisioner.unlock('wrong', false);
    expect(now()).toMatchObject({ step: 'install', locked: 'refused', failure: { code: 'unauthorised' } });
    await provisioner.unlock('right', true);
    expect(now()).toMatchObject({ step: 'test', locked: null, failure: null });
  });

  test('cancelled midway stays at its step, with what was done, and can be finished', async () => {
    let cut = true;
    const { provisioner, bridge, now } = setUp({ 'boards.install': (_request, signal) => (cut ? untilAborted(signal) : { version: '1', selfTests: [] }) });
    await toPlan(provisioner, now);
    const going = provisioner.next();
    await Promise.resolve();
    bridge.emit('boards.step', { board: ID, step: 'upload', state: 'running', fraction: 0.5, ms: 10, message: '' });
    bridge.emit('boards.step', { board: 'b'.repeat(32), step: 'unpack', state: 'running', fraction: null, ms: 10, message: '' });
    bridge.emit('boards.step', { board: ID, step: 'upload', state: 'done', fraction: null, ms: 20, message: '' });
    expect(now().events).toEqual([{ board: ID, step: 'upload', state: 'done', fraction: null, ms: 20, message: '' }]);
    expect(provisioner.dirty).toBe(true);
    provisioner.cancel();
    expect(now().busy).toBe('cancel');
    await going;
    expect(now()).toMatchObject({ step: 'install', busy: null, failure: { code: 'cancelled' } });
    expect(now().endedAt).not.toBeNull();
    cut = false;
    await provisioner.retry();
    expect(now().step).toBe('test');
  });

  test('a plan with obstacles is not carried out', async () => {
    const { provisioner, bridge, now } = setUp({ 'boards.plan': () => ({ ...plan, obstacles: [{ id: 'disk', grade: 'red', what: '1 MiB', mend: 'delete' }] }) });
    await toPlan(provisioner, now);
    await provisioner.next();
    expect(now().step).toBe('plan');
    expect(bridge.asked.some(([name]) => name === 'boards.install')).toBe(false);
  });

  test('an overlay makes another plan, and goes along', async () => {
    const { provisioner, bridge, now } = setUp();
    await toPlan(provisioner, now);
    await provisioner.pick('overlay');
    expect(bridge.asked.at(-1)).toEqual(['boards.plan', { id: ID, overlay: 'id-overlay' }]);
    await provisioner.next();
    expect(bridge.asked.find(([name]) => name === 'boards.install')![1]).toEqual({ id: ID, overlay: 'id-overlay' });
  });
});

test('securing: what is public no longer is, and the new key is the one that is shown', async () => {
  const { provisioner, now } = setUp({ 'boards.secure': () => ({ done: ['made new host keys'], fingerprint: 'SHA256:new' }) });
  provisioner.begin();
  await provisioner.find(null);
  await provisioner.next();
  await provisioner.connect(password, KEY.fingerprint);
  await provisioner.secure({ key: 'own', hostKeys: true, password: 'a new one', rootPassword: null, services: true });
  expect(now()).toMatchObject({ secured: { done: ['made new host keys'] }, connected: { fingerprint: 'SHA256:new', publicPassword: false, twin: null } });
  expect(JSON.stringify(now())).not.toContain('a new one');
});

test('leaving cancels, and late answers change nothing', async () => {
  const { provisioner, store, now } = setUp({ 'boards.install': (_request, signal) => untilAborted(signal) });
  await toPlan(provisioner, now);
  const going = provisioner.next();
  provisioner.leave();
  expect(store.get().provisioning).toBeNull();
  provisioner.begin();
  await going;
  expect(now()).toEqual(NEW_BOARD);
});

describe('what follows', () => {
  test('a board is offered what it lacks', () => {
    expect(offerOf(status)).toBe('continue');
    expect(offerOf({ ...status, ssh: { user: 'x', installed: '1', previous: '' } })).toBe('update');
    expect(offerOf({ id: 'x', name: 'x', virtual: false, link: 'tls', use: true, address: '', state: 'ready', message: '', backend: '', models: [] })).toBeNull();
  });

  test('steps stand in the plan’s order with the last word of each; one that it did not name comes after', () => {
    const event = { board: ID, fraction: null, ms: 5, message: '' };
    expect(stepLines(plan.steps, [{ ...event, step: 'upload', state: 'done' }, { ...event, step: 'unpack', state: 'running' }, { ...event, step: 'unpack', state: 'failed', message: 'full' }, { ...event, step: 'extra', state: 'done' }])
      .map(({ id, state, message }) => [id, state, message])).toEqual([['upload', 'done', ''], ['unpack', 'failed', 'full'], ['extra', 'done', '']]);
    expect(stepLines(plan.steps, []).map(({ state }) => state)).toEqual(['waiting', 'waiting']);
  });

  test('red first, and otherwise as the report has it', () => {
    const finding = (id: string, grade: 'green' | 'amber' | 'red'): DoctorReport['findings'][number] => ({ id, grade, what: '', mend: '' });
    expect(byGrade([finding('a', 'green'), finding('b', 'amber'), finding('c', 'red'), finding('d', 'amber')]).map(({ id }) => id)).toEqual(['c', 'b', 'd', 'a']);
  });

  test('while something is under way nothing else begins', () => {
    expect(mayGoOn({ ...NEW_BOARD, step: 'check', report })).toBe(true);
    expect(mayGoOn({ ...NEW_BOARD, step: 'check', report, busy: 'check' })).toBe(false);
    expect(mayGoOn({ ...NEW_BOARD, step: 'trust', connected: { ...KEY, state: 'changed', pinned: [] }, compared: true })).toBe(false);
  });
});
