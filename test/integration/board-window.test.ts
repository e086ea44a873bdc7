/** The page's calls on boards as the window answers them: the main process's handlers, the boards process as it is built, the review process's links, and a real OpenSSH server. */
import { fork, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { virtualBoardLink } from '../../src/board/index.ts';
import type { StepEvent } from '../../src/contract/boards.ts';
import type { BoardStatus } from '../../src/contract/ipc.ts';
import { createBoardCalls, type BoardCalls, type BoardWiring } from '../../src/hosts/electron/board-calls.ts';
import { BoardLinks } from '../../src/hosts/electron/board-links.ts';
import { openBoardState } from '../../src/hosts/electron/board-state.ts';
import type { BoardsCalls, BoardsPlace } from '../../src/hosts/electron/boards-messages.ts';
import { startProcess, type Child, type ProcessClient } from '../../src/hosts/electron/process-client.ts';
import { openSecrets } from '../../src/hosts/electron/secrets.ts';
import { agentFixture } from '../support/agent.ts';
import { boardBundle } from '../support/board-bundle.ts';
import { buildForTest } from '../support/build.ts';
import { ROOT } from '../support/data.ts';
import { pynqRoot } from '../support/pynq-root.ts';
import { freePort, newKey, startSshd, SUDO_PASSWORD, type TestServer } from '../support/sshd.ts';

let server: TestServer;
let boards: ProcessClient<BoardsCalls>;
let calls: BoardCalls['handlers'];
let links: BoardLinks;
let models: string;
let choice: string;
let id: string;
const children: ChildProcess[] = [];
const log: string[] = [];
const { signal } = new AbortController();

beforeAll(async () => {
  server = await startSshd([], { name: 'xilinx', password: SUDO_PASSWORD });
  for (const [name, text] of Object.entries(pynqRoot())) {
    const file = join(server.folder, 'board', name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  writeFileSync(join(server.folder, 'key'), server.key, { mode: 0o600 });
  const fixture = await agentFixture('tiny');
  models = fixture.modelsDir;
  const bundle = join(server.folder, 'fabriclens-board-1.0.0-armhf.tar');
  writeFileSync(bundle, boardBundle(fixture, '1.0.0').bytes);
  const script = (await buildForTest('src/hosts/electron/boards-process.ts')).pathname;
  const agentPort = await freePort();
  const place: BoardsPlace = { root: ROOT, userModelsDir: server.folder, boardRoot: join(server.folder, 'board'), agentPort, bundle };
  const knownFile = join(server.folder, 'boards.json');
  const asChild = (): Child => {
    const child = fork(script, [JSON.stringify(place)], { silent: true, execArgv: ['--import', join(ROOT, 'test/support/parent-port.mjs')], env: { ...process.env, FABRICLENS_BOARDS: knownFile, SSH_AUTH_SOCK: '' } });
    child.stderr!.on('data', (chunk: Buffer) => log.push(chunk.toString()));
    children.push(child);
    return { postMessage: (message) => child.send(message), on: (event: string, listener: unknown) => child.on(event, listener as () => void), kill: () => child.kill('SIGKILL') };
  };
  boards = startProcess<BoardsCalls>({ fork: asChild, name: 'boards', what: 'The process that talks to boards', eager: false, log: () => {} });
  links = new BoardLinks(virtualBoardLink(fixture), () => {});
  const review = {
    call: async (name: string, request: never): Promise<unknown> => {
      if (name === 'boards.set') links.set((request as { specs: [] }).specs, (request as { useVirtual: boolean }).useVirtual);
      else links.pool.get((request as { id: string }).id)?.reconnect();
      return {};
    },
  } as unknown as BoardWiring['review'];
  const vault = { isEncryptionAvailable: () => false, getSelectedStorageBackend: () => 'basic_text', encryptString: () => Buffer.of(), decryptString: () => '' };
  calls = createBoardCalls({
    dialogs: { open: async () => choice }, boards, review, agentPort, knownFile, log: (text) => log.push(text),
    secrets: openSecrets(join(server.folder, 'secrets.json'), vault, (text) => log.push(text)), state: openBoardState(join(server.folder, 'window.json'), (text) => log.push(text)),
  }).handlers;
}, 300_000);
beforeEach(() => { choice = join(server.folder, 'key'); });
afterAll(async () => {
  if (id) await calls['boards.uninstall']({ id }, signal).catch(() => {});
  await Promise.all([boards.close(), links.pool.close()]);
  await server.stop();
  rmSync(models, { recursive: true });
}, 120_000);

const connect = (change: object = {}): ReturnType<BoardCalls['handlers']['boards.connect']> =>
  calls['boards.connect']({ address: `127.0.0.1:${server.port}`, user: server.user, login: null, accept: null, name: null, ...change }, signal);
async function pickKey(): Promise<string> {
  return (await calls['boards.pick']({ what: 'key' }, signal)).file!.id;
}

test('found, unknown, let in, trusted, examined; then known without being asked again', async () => {
  const where = `127.0.0.1:${server.port}`;
  expect((await calls['boards.find']({ where }, signal)).found).toMatchObject([{ address: where, sure: 'possible' }]);
  expect(await connect()).toEqual({ state: 'unknown', algorithm: 'ssh-ed25519', fingerprint: server.fingerprint });
  expect(await connect({ accept: server.fingerprint })).toMatchObject({ state: 'login', fingerprint: server.fingerprint, tried: [] });
  choice = join(server.folder, 'other');
  writeFileSync(choice, newKey().private);
  expect(await connect({ accept: server.fingerprint, login: { method: 'key', keyFile: await pickKey(), passphrase: null, remember: false } })).toMatchObject({ state: 'login', tried: ['key'] });
  expect(await connect({ accept: server.fingerprint, login: { method: 'password', password: 'wrong', remember: true } })).toMatchObject({ state: 'login', tried: ['password'] });
  expect(existsSync(join(server.folder, 'boards.json'))).toBe(false);

  choice = join(server.folder, 'key');
  const trusted = await connect({ accept: server.fingerprint, name: 'desk', login: { method: 'key', keyFile: await pickKey(), passphrase: null, remember: false } });
  expect(trusted).toMatchObject({ state: 'trusted', name: 'desk', publicPassword: false, twin: null });
  id = (trusted as { id: string }).id;
  expect(await connect()).toEqual(trusted);
  expect((await calls['boards.find']({ where }, signal)).found).toMatchObject([{ sure: 'certain' }]);
  const report = await calls['boards.doctor']({ id }, signal);
  expect(report).toMatchObject({ address: where, installed: '' });
  expect(JSON.parse(readFileSync(join(server.folder, 'boards.json'), 'utf8'))).toMatchObject({ boards: [{ id, name: 'desk', addresses: [where] }] });
});

const statusOf = (board: string): BoardStatus => links.statuses.find((one) => one.id === board)!;
const steps = (): { seen: StepEvent[]; next: (match: (event: StepEvent) => boolean) => Promise<void> } => {
  const seen: StepEvent[] = [];
  const waiting: Array<[(event: StepEvent) => boolean, () => void]> = [];
  boards.on((name, payload) => {
    if (name !== 'boards.step') return;
    seen.push(payload as StepEvent);
    for (const [match, done] of waiting) if (match(payload as StepEvent)) done();
  });
  return { seen, next: (match) => new Promise((done) => waiting.push([match, done])) };
};

test('what needs root asks for the password first; a wrong one is not kept', async () => {
  await expect(calls['boards.install']({ id, overlay: null }, signal)).rejects.toMatchObject({ code: 'needs-password' });
  await expect(calls['boards.unlock']({ id, password: 'wrong', remember: true }, signal)).rejects.toMatchObject({ code: 'unauthorised' });
  await expect(calls['boards.logs']({ id }, signal)).rejects.toMatchObject({ code: 'needs-password' });
  expect((await calls['boards.plan']({ id, overlay: null }, signal)).steps.map((step) => step.id)).toContain('switch');
  // A board where nothing is installed says so, and takes no requests.
  await expect.poll(() => statusOf(id), { timeout: 60_000 }).toMatchObject({ state: 'absent', link: 'ssh', use: true, ssh: { user: server.user, installed: '' }, message: expect.stringContaining('install') as string });
  await calls['boards.unlock']({ id, password: SUDO_PASSWORD, remember: true }, signal);
});

test('an installation that is cancelled, then killed with its process, finishes when it is run again; the board is then ready', async () => {
  const controller = new AbortController();
  const first = steps();
  const cancelled = calls['boards.install']({ id, overlay: null }, controller.signal);
  await first.next(({ step, state }) => step === 'upload' && state === 'running');
  await expect(calls['boards.uninstall']({ id }, signal)).rejects.toMatchObject({ code: 'busy' });
  controller.abort();
  await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });

  const second = steps();
  const killed = calls['boards.install']({ id, overlay: null }, signal);
  await Promise.all([second.next(({ step, state }) => step === 'unpack' && state === 'done').then(() => children.at(-1)!.kill('SIGKILL')), expect(killed).rejects.toMatchObject({ code: 'boards-lost' })]);

  const third = steps();
  const installed = await calls['boards.install']({ id, overlay: null }, signal);
  expect(installed.version).toMatch(/^1\.0\.0-[0-9a-f]{12}$/);
  expect(installed.selfTests).toMatchObject([{ models: ['tiny'], vectors: 1 }]);
  expect(third.seen.filter(({ step, state }) => step === 'unpack' && state === 'already')).toHaveLength(1);
  expect(third.seen.every(({ board }) => board === id)).toBe(true);
  await expect.poll(() => statusOf(id), { timeout: 60_000 }).toMatchObject({ state: 'ready', models: ['tiny'], ssh: { installed: installed.version, previous: '' } });
  expect(links.targets().map(({ status }) => status.id)).toEqual([id]);
  expect((await calls['boards.logs']({ id }, signal)).text).toContain('model tiny');
  await expect(calls['boards.rollback']({ id }, signal)).rejects.toMatchObject({ code: 'bad-request', message: expect.stringContaining('no version before') as string });
}, 300_000);

test('a key of our own and new host keys: let in and pinned by them; a key that changed behind our back stops everything', async () => {
  // Renamed in the middle of it, where sudo is held: neither takes the other's change back.
  const hold = join(server.folder, 'hold');
  writeFileSync(hold, 'fabriclens-new');
  const secured = calls['boards.secure']({ id, choices: { key: 'own', hostKeys: true, password: null, rootPassword: null, services: false } }, signal);
  await expect.poll(() => existsSync(join(server.home, '.ssh/authorized_keys')), { timeout: 60_000 }).toBe(true);
  await calls['boards.rename']({ id, name: 'bench' }, signal);
  rmSync(hold);
  const { done, fingerprint } = await secured;
  expect(done).toEqual(['letting the key in', 'making new host keys']);
  expect(fingerprint).not.toBe(server.fingerprint);
  expect(readFileSync(join(server.home, '.ssh/authorized_keys'), 'utf8')).toMatch(/^ssh-ed25519 \S+ fabriclens\n$/);
  expect(await connect()).toMatchObject({ state: 'trusted', id, name: 'bench', fingerprint });
  await expect.poll(() => statusOf(id).state, { timeout: 60_000 }).toBe('ready');

  await server.changeHostKey();
  expect(await connect()).toEqual({ state: 'changed', algorithm: 'ssh-ed25519', fingerprint: server.fingerprint, pinned: [expect.objectContaining({ name: 'bench', fingerprint }) as object] });
  await expect(calls['boards.doctor']({ id }, signal)).rejects.toMatchObject({ code: 'host-key' });
  expect(await connect({ accept: server.fingerprint, login: { method: 'key', keyFile: await pickKey(), passphrase: null, remember: false } })).toMatchObject({ state: 'trusted', id });
}, 120_000);

test('used or not, renamed, uninstalled, forgotten; a board without SSH beside it', async () => {
  await calls['boards.use']({ id, use: false }, signal);
  await calls['boards.use']({ id: 'virtual', use: false }, signal);
  expect([statusOf(id).use, statusOf('virtual').use, links.targets()]).toEqual([false, false, []]);
  await calls['boards.use']({ id: 'virtual', use: true }, signal);
  await calls['boards.rename']({ id, name: 'shelf' }, signal);
  expect(statusOf(id)).toMatchObject({ name: 'shelf', use: false });
  await expect(calls['boards.rename']({ id: 'virtual', name: 'x' }, signal)).rejects.toMatchObject({ code: 'bad-request' });

  await calls['boards.uninstall']({ id }, signal);
  expect(existsSync(join(server.home, '.fabriclens'))).toBe(false);
  await expect.poll(() => statusOf(id), { timeout: 60_000 }).toMatchObject({ state: 'absent', ssh: { installed: '' } });

  const direct = await calls['boards.addDirect']({ name: 'bench', address: '127.0.0.1:1', token: 'a-token-of-the-bench', certificateSha256: null }, signal);
  expect(statusOf(direct.id)).toMatchObject({ name: 'bench', link: 'tcp', address: '127.0.0.1:1' });
  await expect(async () => calls['boards.addDirect']({ name: 'bench', address: 'bench', token: null, certificateSha256: null }, signal)).rejects.toMatchObject({ code: 'bad-request' });
  for (const board of [direct.id, id]) await calls['boards.forget']({ id: board }, signal);
  expect(links.statuses.map((status) => status.id)).toEqual(['virtual']);
  expect(await connect()).toMatchObject({ state: 'unknown' });
  id = '';
}, 120_000);

test('a process that dies takes the call along, and the next call has a new one', async () => {
  const dying = calls['boards.find']({ where: '192.0.2.0/24' }, signal);
  children.at(-1)!.kill('SIGKILL');
  await expect(dying).rejects.toMatchObject({ code: 'boards-lost' });
  expect((await calls['boards.find']({ where: `127.0.0.1:${server.port}` }, signal)).found).toHaveLength(1);
});

test('no secret was written or said', () => {
  expect(log.join('')).not.toContain(SUDO_PASSWORD);
  for (const secret of [SUDO_PASSWORD, 'a-token-of-the-bench']) expect(spawnSync('grep', ['-rlF', '--exclude=sudo-password', secret, server.folder], { timeout: 60_000 }).stdout.toString()).toBe('');
  expect(existsSync(join(server.folder, 'secrets.json'))).toBe(false);
});
