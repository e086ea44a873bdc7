/** Against OpenSSH's own sftp-server. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { cable, startSshd, type Cable, type TestServer } from '../../../test/support/sshd.ts';
import { connectSsh, type SshConnection } from './connection.ts';
import { upload } from './upload.ts';

const bytes = randomBytes(6_000_001);
let server: TestServer;
let wire: Cable;
let folder: string;
const open: SshConnection[] = [];

beforeAll(async () => {
  server = await startSshd();
  folder = join(server.home, 'it’s a folder');
});
beforeEach(async () => {
  mkdirSync(folder);
  wire = await cable(server.port);
});
afterEach(async () => {
  open.splice(0).forEach((ssh) => ssh.close());
  await wire.close();
  rmSync(folder, { recursive: true });
});
afterAll(() => server.stop());

async function connect(): Promise<SshConnection> {
  const ssh = await connectSsh({ host: '127.0.0.1', port: wire.port, login: { user: server.user, key: { text: server.key } }, candidates: [], accept: server.fingerprint });
  open.push(ssh);
  return ssh;
}

test('a file arrives whole, under its name alone, readable by nobody else; once there it is not sent again', async () => {
  const path = join(folder, 'bundle.tar');
  const seen: number[] = [];
  expect(await upload(await connect(), bytes, path, { onProgress: (done) => seen.push(done) })).toBe(0);
  expect(readFileSync(path).equals(bytes)).toBe(true);
  expect(readdirSync(folder)).toEqual(['bundle.tar']);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(seen.at(-1)).toBe(bytes.length);
  const before = wire.sent();
  expect(await upload(await connect(), bytes, path)).toBe(bytes.length);
  expect(wire.sent() - before).toBeLessThan(20_000);
});

test('broken off, it goes on where it was', async () => {
  const path = join(folder, 'bundle.tar');
  const ssh = await connect();
  await expect(upload(ssh, bytes, path, { onProgress: (done) => done > 4_000_000 && wire.cut() })).rejects.toMatchObject({ code: 'board-unreachable' });
  expect(existsSync(path)).toBe(false);
  const before = wire.sent();
  expect(await upload(await connect(), bytes, path)).toBeGreaterThan(1_000_000);
  expect(readFileSync(path).equals(bytes)).toBe(true);
  expect(wire.sent() - before).toBeLessThan(5_200_000);
});

test('cancelled, what arrived is kept', async () => {
  const path = join(folder, 'bundle.tar');
  const abort = new AbortController();
  await expect(upload(await connect(), bytes, path, { signal: abort.signal, onProgress: (done) => done > 3_000_000 && abort.abort() })).rejects.toMatchObject({ code: 'cancelled' });
  expect(await upload(await connect(), bytes, path)).toBeGreaterThan(0);
  expect(readFileSync(path).equals(bytes)).toBe(true);
});

test.each([
  ['of another file', Buffer.alloc(5_000_000, 'x')],
  ['longer than the file', Buffer.alloc(7_000_000, 'x')],
])('a part %s is found by the hash and replaced', async (_, other) => {
  const path = join(folder, 'bundle.tar');
  writeFileSync(`${path}.part`, other);
  await upload(await connect(), bytes, path);
  expect(readFileSync(path).equals(bytes)).toBe(true);
});

test('a full disk and a folder that is not there are told', async () => {
  symlinkSync('/dev/full', join(folder, 'bundle.tar.part'));
  await expect(upload(await connect(), bytes, join(folder, 'bundle.tar'))).rejects.toMatchObject({ code: 'command-failed', message: expect.stringContaining('full') as string });
  await expect(upload(await connect(), bytes, join(folder, 'absent/x'))).rejects.toMatchObject({ code: 'command-failed', message: expect.stringContaining('absent/x') as string });
});

test('an empty file', async () => {
  await upload(await connect(), new Uint8Array(0), join(folder, 'empty'));
  expect(statSync(join(folder, 'empty')).size).toBe(0);
});
