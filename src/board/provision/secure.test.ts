/** Against a real OpenSSH server, whose own host keys are replaced while we are logged in. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newKey, startSshd, SUDO_PASSWORD, type TestServer } from '../../../test/support/sshd.ts';
import { connectSsh, type SshConnection } from '../ssh/connection.ts';
import type { KnownBoard } from '../ssh/host-keys.ts';
import { LAYOUT } from './probe.ts';
import type { Session } from './runner.ts';
import { secure, type SecureHooks } from './secure.ts';

let server: TestServer;
let session: Session;

const connect = (key: string, hostKeys: KnownBoard['hostKeys']): Promise<SshConnection> =>
  connectSsh({ host: '127.0.0.1', port: server.port, login: { user: server.user, key: { text: key } }, candidates: [{ id: '0'.repeat(32), name: 'desk', addresses: [], user: server.user, hostKeys }] });

const pinned: KnownBoard['hostKeys'][] = [];
const hooks: SecureHooks = {
  login: (hostKeys) => connect(server.key, [...hostKeys]),
  pin: (hostKeys) => Promise.resolve(void pinned.push([...hostKeys])),
  tell: () => {},
};

beforeAll(async () => {
  server = await startSshd();
  session = { ssh: await connect(server.key, [server.hostKey]), layout: { ...LAYOUT, root: join(server.folder, 'board') }, sudoPassword: SUDO_PASSWORD };
});
afterAll(async () => {
  session.ssh.close();
  await server.stop();
});

test('a key is let in, once, beside those that are', async () => {
  const file = join(server.home, '.ssh/authorized_keys');
  mkdirSync(join(server.home, '.ssh'));
  // Without a line feed at its end, as editors leave it.
  writeFileSync(file, newKey().public, { mode: 0o600 });
  const mine = newKey();
  await expect(connect(mine.private, [server.hostKey])).rejects.toMatchObject({ code: 'unauthorised' });
  for (let i = 0; i < 2; i++) await secure(session, { key: `${mine.public} it's me\n`, hostKeys: false, services: false }, hooks);
  expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(2);
  (await connect(mine.private, [server.hostKey])).close();
  for (const wrong of ['', 'no key', mine.private, `${mine.public}\n${mine.public}`, 'command="x" ssh-ed25519 AAAA']) {
    await expect(secure(session, { key: wrong, hostKeys: false, services: false }, hooks)).rejects.toMatchObject({ code: 'bad-request' });
  }
});

test('new host keys: the session lives on, the old key is no longer shown, the new ones are told', async () => {
  const told: string[] = [];
  const shown = await secure(session, { hostKeys: true, services: false }, { ...hooks, tell: (what) => told.push(what) });
  expect(told).toEqual(['making new host keys']);
  // First beside the old one, which is what is shown until the server has started again; then alone.
  expect(pinned.map((keys) => keys.map(({ algorithm }) => algorithm).sort())).toEqual([['ecdsa-sha2-nistp256', 'ssh-ed25519', 'ssh-ed25519', 'ssh-rsa'], ['ecdsa-sha2-nistp256', 'ssh-ed25519', 'ssh-rsa']]);
  const keys = pinned[1]!;
  expect(keys).toContainEqual(shown);
  expect(keys).not.toContainEqual(server.hostKey);
  expect((await session.ssh.exec('echo here')).stdout).toBe('here\n');
  (await connect(server.key, keys)).close();
  await expect(connect(server.key, [server.hostKey])).rejects.toMatchObject({ code: 'host-key' });
  expect(existsSync(join(server.folder, 'board/etc/ssh/fabriclens-new'))).toBe(false);
});

test('services are not turned off where no systemd runs, and that is said', async () => {
  await expect(secure(session, { hostKeys: false, services: true }, hooks)).rejects.toMatchObject({ code: 'command-failed', message: expect.stringContaining('systemd') as string });
});
