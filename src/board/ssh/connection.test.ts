/** Against a real OpenSSH server; passwords against ssh2's own server, because a real one would need an account (test/support/sshd.ts). */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type AuthContext } from 'ssh2';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cable, newKey, startSshd, SUDO_PASSWORD, type Cable, type TestServer } from '../../../test/support/sshd.ts';
import { BoardError } from '../errors.ts';
import { connectSsh, HostKeyError, type SshConnection, type SshOptions } from './connection.ts';
import type { KnownBoard } from './host-keys.ts';
import { execAsRoot, quote } from './shell.ts';

let server: TestServer;
const servers: TestServer[] = [];
const open: SshConnection[] = [];
const cables: Cable[] = [];

beforeAll(async () => {
  server = await startSshd();
  servers.push(server);
});
afterEach(async () => {
  for (const ssh of open.splice(0)) {
    ssh.close();
    await ssh.closed;
  }
  await Promise.all(cables.splice(0).map((one) => one.close()));
});
afterAll(() => Promise.all(servers.map((one) => one.stop())));

const pinned = (): KnownBoard => ({ id: '0'.repeat(32), name: 'desk', addresses: [`127.0.0.1:${server.port}`], user: server.user, hostKeys: [server.hostKey] });

async function connect(change: Partial<SshOptions> = {}): Promise<SshConnection> {
  const ssh = await connectSsh({ host: '127.0.0.1', port: server.port, login: { user: server.user, key: { text: server.key } }, candidates: [pinned()], ...change });
  open.push(ssh);
  return ssh;
}
const failure = (work: Promise<unknown>): Promise<BoardError> => work.then(() => { throw new Error('it did not fail'); }, (error: unknown) => {
  expect(error).toBeInstanceOf(BoardError);
  return error as BoardError;
});

describe('who the board is', () => {
  test('an unknown key is told, not taken; accepted by its fingerprint it is', async () => {
    const error = await failure(connect({ candidates: [] }));
    expect(error).toBeInstanceOf(HostKeyError);
    expect(error).toMatchObject({ code: 'host-key', shown: server.fingerprint, pinned: [] });
    expect(error.message).toContain(server.fingerprint);
    expect((await failure(connect({ candidates: [], accept: `${server.fingerprint}x` }))).code).toBe('host-key');
    const ssh = await connect({ candidates: [], accept: server.fingerprint });
    expect(ssh.hostKey).toEqual(server.hostKey);
    expect(ssh.board).toBeUndefined();
    expect((await connect()).board?.name).toBe('desk');
  });

  test('a changed key stops everything and shows both fingerprints; nothing of the login was sent', async () => {
    const passwords: string[] = [];
    const impostor = await passwordServer({ seen: (word) => passwords.push(word) });
    const error = await failure(connectSsh({ host: '127.0.0.1', port: impostor.port, login: { user: 'xilinx', password: 'secret' }, candidates: [pinned()] }));
    expect(error).toMatchObject({ code: 'host-key', pinned: [{ key: server.hostKey, board: { name: 'desk' } }] });
    expect(error.message).toContain(server.fingerprint);
    expect(error.message).toContain((error as HostKeyError).shown);
    expect(passwords).toEqual([]);
    await impostor.close();
    const before = pinned();
    await server.changeHostKey();
    expect((await failure(connect({ candidates: [before] }))).code).toBe('host-key');
  });

  test('something else that listens there is named as such', async () => {
    const other = createServer((socket) => socket.on('error', () => {}).resume().end('220 ftp ready\r\n'));
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
    const { port } = other.address() as AddressInfo;
    expect((await failure(connect({ port }))).message).toContain(`127.0.0.1:${port}`);
    await new Promise((done) => other.close(done));
    expect(await failure(connect({ port }))).toMatchObject({ code: 'board-unreachable', message: expect.stringContaining('refuses') as string });
  });

  test('a server that says nothing is given up, and connecting can be cancelled', async () => {
    const silent = createServer((socket) => socket.on('error', () => {}).resume());
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
    const { port } = silent.address() as AddressInfo;
    expect((await failure(connect({ port, readyTimeoutMs: 100 }))).code).toBe('timeout');
    expect((await failure(connect({ port, signal: AbortSignal.timeout(50) }))).code).toBe('cancelled');
    await new Promise((done) => silent.close(done));
  });
});

describe('logging in', () => {
  test('a key that is not let in, and one that is none', async () => {
    expect(await failure(connect({ login: { user: server.user, key: { text: newKey().private } } }))).toMatchObject({ code: 'unauthorised', hostKey: server.hostKey, board: { name: 'desk' }, tried: ['key'] });
    expect(await failure(connect({ login: { user: server.user, key: { text: 'not a key' } } }))).toMatchObject({ code: 'bad-request', message: expect.stringContaining('private key') as string });
    const locked = newKey({ passphrase: 'open', cipher: 'aes256-ctr', rounds: 1 });
    expect((await failure(connect({ login: { user: server.user, key: { text: locked.private } } }))).message).toContain('ssh-add');
  });

  test('through an SSH agent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fabriclens-agent-'));
    const socket = join(folder, 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    try {
      await expect.poll(() => existsSync(socket), { timeout: 20_000 }).toBe(true);
      writeFileSync(join(folder, 'key'), server.key, { mode: 0o600 });
      await new Promise((done, reject) => spawn('ssh-add', ['-q', join(folder, 'key')], { env: { ...process.env, SSH_AUTH_SOCK: socket }, timeout: 20_000 }).on('exit', done).on('error', reject));
      const ssh = await connect({ login: { user: server.user, agent: socket } });
      expect((await ssh.exec('echo in')).stdout).toBe('in\n');
    } finally {
      agent.kill();
      rmSync(folder, { recursive: true });
    }
  });

  test.each(['password', 'keyboard-interactive'] as const)('with a password, asked for by %s', async (method) => {
    const seen: string[] = [];
    const peer = await passwordServer({ method, seen: (word) => seen.push(word) });
    const login = { user: 'xilinx', password: 'right' };
    const ssh = await connectSsh({ host: '127.0.0.1', port: peer.port, login, candidates: [], accept: peer.fingerprint });
    ssh.close();
    expect(await failure(connectSsh({ host: '127.0.0.1', port: peer.port, login: { ...login, password: 'wrong-password' }, candidates: [], accept: peer.fingerprint })))
      .toMatchObject({ code: 'unauthorised', message: expect.not.stringContaining('wrong-password') as string });
    expect(seen).toEqual(['right', 'wrong-password']);
    await peer.close();
  });
});

describe('commands', () => {
  test('exit code, output, stdin, and a home that is not ours', async () => {
    const ssh = await connect();
    expect(await ssh.exec('cat; echo oops >&2; exit 7', { stdin: 'from here' })).toEqual({ code: 7, stdout: 'from here', stderr: 'oops\n' });
    expect((await ssh.exec('echo $HOME')).stdout).toBe(`${server.home}\n`);
    const odd = `it's "$HOME" \\ \`x\` ; & \n end`;
    expect((await ssh.exec(`printf %s ${quote(odd)}`)).stdout).toBe(odd);
  });

  test('much on stderr blocks nothing; too much output, too long a time and a killed command are failures', async () => {
    const ssh = await connect();
    expect((await ssh.exec('head -c 5000000 /dev/zero >&2; echo done', { maxBytes: 6_000_000 })).stdout).toBe('done\n');
    expect((await failure(ssh.exec('yes'))).code).toBe('protocol');
    expect((await failure(ssh.exec('sleep 20', { timeoutMs: 200 }))).code).toBe('timeout');
    expect((await failure(ssh.exec('sleep 20', { signal: AbortSignal.timeout(200) }))).code).toBe('cancelled');
    const opening = new AbortController();
    const early = failure(ssh.exec('sleep 20', { signal: opening.signal }));
    opening.abort();
    expect((await early).code).toBe('cancelled');
    expect((await failure(ssh.exec('kill -9 $$'))).code).toBe('board-unreachable');
    expect((await ssh.exec('echo still here')).stdout).toBe('still here\n');
  });

  test('as root: the password by stdin only, and never taken for input', async () => {
    const ssh = await connect();
    const asked = { ...ssh, user: 'xilinx', address: ssh.address, exec: ssh.exec.bind(ssh) };
    const commands: string[] = [];
    const spied = { ...asked, exec: (command: string, options: object) => (commands.push(command), ssh.exec(command, options)) };
    expect(await execAsRoot(spied, 'cat; echo warned >&2; exit 3', SUDO_PASSWORD, { stdin: 'payload' })).toEqual({ code: 3, stdout: 'payload', stderr: 'warned\n' });
    expect(commands.join()).not.toContain(SUDO_PASSWORD);
    expect(await failure(execAsRoot(asked, 'true', 'wrong'))).toMatchObject({ code: 'unauthorised', message: expect.not.stringContaining('wrong') as string });
    writeFileSync(join(server.home, '.nopasswd'), '');
    expect((await execAsRoot(asked, 'cat', SUDO_PASSWORD, { stdin: 'payload' })).stdout).toBe('payload');
    rmSync(join(server.home, '.nopasswd'));
    expect((await execAsRoot({ ...asked, user: 'root' }, 'cat', undefined, { stdin: 'payload' })).stdout).toBe('payload');
  });
});

describe('streams and the end', () => {
  test('a stream to a port of the board, and one to a port where nobody listens', async () => {
    const echo = createServer((socket) => socket.pipe(socket));
    await new Promise<void>((done) => echo.listen(0, '127.0.0.1', done));
    const ssh = await connect();
    const stream = await ssh.stream((echo.address() as AddressInfo).port);
    const bytes = Buffer.alloc(3_000_000, 'fabriclens');
    const back: Buffer[] = [];
    const all = new Promise<void>((done) => stream.on('data', (chunk: Buffer) => { back.push(chunk); }).on('end', done));
    stream.end(bytes);
    await all;
    expect(Buffer.concat(back).equals(bytes)).toBe(true);
    await new Promise((done) => echo.close(done));
    expect(await failure(ssh.stream((echo.address() as AddressInfo | null)?.port ?? 1))).toMatchObject({ code: 'board-unreachable', message: expect.stringContaining('start the agent') as string });
  });

  test('forwarding that is turned off is named', async () => {
    const strict = await startSshd(['AllowTcpForwarding no']);
    servers.push(strict);
    const ssh = await connect({ port: strict.port, login: { user: strict.user, key: { text: strict.key } }, accept: strict.fingerprint, candidates: [] });
    expect((await failure(ssh.stream(1))).message).toContain('AllowTcpForwarding');
  });

  test.each(['cut', 'freeze'] as const)('a cable that is pulled (%s) ends commands, streams and the connection', async (how) => {
    const wire = await cable(server.port);
    cables.push(wire);
    const ssh = await connect({ port: wire.port, keepaliveMs: 200 });
    const begun = join(server.folder, `begun-${how}`);
    const running = failure(ssh.exec(`touch ${begun}; sleep 20`));
    await expect.poll(() => existsSync(begun), { timeout: 20_000 }).toBe(true);
    wire[how]();
    expect((await running).code).toBe('board-unreachable');
    expect(await ssh.closed).not.toBe('');
    expect((await failure(ssh.exec('true'))).code).toBe('board-unreachable');
    expect((await failure(ssh.stream(1))).code).toBe('board-unreachable');
  });
});

/** ssh2's server: lets 'right' in. */
async function passwordServer({ method = 'password', seen }: { method?: 'password' | 'keyboard-interactive'; seen: (word: string) => void }) {
  const pair = newKey();
  const peer = new ssh2.Server({ hostKeys: [pair.private] }, (client) => {
    client.on('error', () => {});
    client.on('authentication', (context: AuthContext) => {
      const judge = (word: string): void => {
        seen(word);
        if (word === 'right') context.accept();
        else context.reject([method]);
      };
      if (context.method !== method) context.reject([method]);
      else if (context.method === 'password') judge(context.password);
      else if (context.method === 'keyboard-interactive') context.prompt([{ prompt: 'Password: ', echo: false }], (answers) => judge(answers[0] ?? ''));
    });
  });
  await new Promise<void>((done) => peer.listen(0, '127.0.0.1', done));
  const port = (peer.address() as AddressInfo).port;
  const shown = await failure(connectSsh({ host: '127.0.0.1', port, login: { user: 'nobody' }, candidates: [] }));
  return { port, fingerprint: (shown as HostKeyError).shown, close: () => new Promise<void>((done) => peer.close(() => done())) };
}
