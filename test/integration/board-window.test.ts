/** The page's calls on boards as the window answers them: the main process's handlers, the boards process as it is built, and a real OpenSSH server. */
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createBoardHandlers } from '../../src/hosts/electron/board-calls.ts';
import type { BoardsCalls, BoardsPlace } from '../../src/hosts/electron/boards-messages.ts';
import { startProcess, type Child, type ProcessClient } from '../../src/hosts/electron/process-client.ts';
import { openSecrets } from '../../src/hosts/electron/secrets.ts';
import { buildForTest } from '../support/build.ts';
import { ROOT } from '../support/data.ts';
import { pynqRoot } from '../support/pynq-root.ts';
import { freePort, newKey, startSshd, type TestServer } from '../support/sshd.ts';

let server: TestServer;
let script: string;
let boards: ProcessClient<BoardsCalls>;
let calls: ReturnType<typeof createBoardHandlers>;
let children: ChildProcess[];
let choice: string;
const { signal } = new AbortController();

beforeAll(async () => {
  server = await startSshd();
  for (const [name, text] of Object.entries(pynqRoot())) {
    const file = join(server.folder, 'board', name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  writeFileSync(join(server.folder, 'key'), server.key, { mode: 0o600 });
  script = (await buildForTest('src/hosts/electron/boards-process.ts')).pathname;
  children = [];
  const place: BoardsPlace = { root: ROOT, userModelsDir: server.folder, boardRoot: join(server.folder, 'board'), agentPort: await freePort() };
  const knownFile = join(server.folder, 'boards.json');
  const asChild = (): Child => {
    const child = fork(script, [JSON.stringify(place)], { execArgv: ['--import', join(ROOT, 'test/support/parent-port.mjs')], env: { ...process.env, FABRICLENS_BOARDS: knownFile, SSH_AUTH_SOCK: '' } });
    children.push(child);
    return { postMessage: (message) => child.send(message), on: (event: string, listener: unknown) => child.on(event, listener as () => void), kill: () => child.kill('SIGKILL') };
  };
  boards = startProcess<BoardsCalls>({ fork: asChild, name: 'boards', what: 'The process that talks to boards', eager: false, log: () => {} });
  const vault = { isEncryptionAvailable: () => false, getSelectedStorageBackend: () => 'basic_text', encryptString: () => Buffer.of(), decryptString: () => '' };
  calls = createBoardHandlers({ dialogs: { open: async () => choice }, boards, secrets: openSecrets(join(server.folder, 'secrets.json'), vault, () => {}), knownFile });
});
beforeEach(() => { choice = join(server.folder, 'key'); });
afterAll(async () => {
  await boards.close();
  await server.stop();
});

const connect = (change: object = {}): ReturnType<(typeof calls)['boards.connect']> =>
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
  expect(existsSync(join(server.folder, 'boards.json'))).toBe(false);

  choice = join(server.folder, 'key');
  const trusted = await connect({ accept: server.fingerprint, name: 'desk', login: { method: 'key', keyFile: await pickKey(), passphrase: null, remember: false } });
  expect(trusted).toMatchObject({ state: 'trusted', name: 'desk', publicPassword: false, twin: null });
  const { id } = trusted as { id: string };
  expect(await connect()).toEqual(trusted);
  expect((await calls['boards.find']({ where }, signal)).found).toMatchObject([{ sure: 'certain' }]);
  const report = await calls['boards.doctor']({ id }, signal);
  expect(report).toMatchObject({ address: where, installed: '' });
  expect(JSON.parse(readFileSync(join(server.folder, 'boards.json'), 'utf8'))).toMatchObject({ boards: [{ id, name: 'desk', addresses: [where] }] });
});

test('a process that dies takes the call along, and the next call has a new one', async () => {
  const dying = calls['boards.find']({ where: '192.0.2.0/24' }, signal);
  children.at(-1)!.kill('SIGKILL');
  await expect(dying).rejects.toMatchObject({ code: 'boards-lost' });
  expect((await calls['boards.find']({ where: `127.0.0.1:${server.port}` }, signal)).found).toHaveLength(1);
});
