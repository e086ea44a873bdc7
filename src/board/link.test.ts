import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { agentFixture } from '../../test/support/agent.ts';
import type { BoardStatus } from '../contract/ipc.ts';
import { parseBoardAddress, readBoardToken } from './address.ts';
import { BoardLink, connectBoard, virtualBoardLink } from './link.ts';
import { startVirtualBoard, type OpenBoard } from './virtual.ts';

let fixture: Awaited<ReturnType<typeof agentFixture>>;
const links: BoardLink[] = [];

beforeAll(async () => {
  fixture = await agentFixture('tiny');
});
afterEach(async () => {
  await Promise.all(links.splice(0).map((link) => link.close()));
});
afterAll(() => rmSync(fixture.modelsDir, { recursive: true, force: true }));

/** Keeps the link for afterEach, and every state it goes through. */
function watched(link: BoardLink): { link: BoardLink; states: string[]; until: (state: BoardStatus['state']) => Promise<void> } {
  links.push(link);
  const states: string[] = [link.status.state];
  link.onStatus(({ state }) => {
    if (state !== states.at(-1)) states.push(state);
  });
  return { link, states, until: (state) => expect.poll(() => link.status.state, { timeout: 60_000, interval: 5 }).toBe(state) };
}

describe('virtual board', () => {
  test('starts with a token of its own, serves, and leaves no process behind', async () => {
    const lines: string[] = [];
    const first = await startVirtualBoard({ ...fixture, log: (line) => lines.push(line) });
    const second = await startVirtualBoard(fixture);
    expect(first.port).not.toBe(second.port);
    expect(first.token).not.toBe(second.token);
    await expect.poll(() => lines.join('\n'), { timeout: 60_000 }).toMatch(/model tiny version 1\.2\.0 loaded/);
    expect(lines.join('\n')).not.toContain(first.token!);
    await Promise.all([first.close(), second.close()]);
    expect(await first.exited).toContain('exit code 0');
  });

  test.each([
    ['python that is not there', { python: 'python-of-nowhere' }, /Python was not found \('python-of-nowhere'\); install Python 3\.8/],
    ['a python that is something else', { python: 'true' }, /ended at once/],
    ['no library', { runtimeLibrary: '/absent/lib.so' }, /runtime library is not built .*node hls\/build\.mjs/],
    ['no agent', { agentDir: '/absent' }, /agent is missing .*install/],
    ['no models', { modelsDir: '/absent' }, /model folder is missing/],
    ['a library that is none', { runtimeLibrary: import.meta.filename }, /cannot be loaded/],
  ])('%s: absent, and what mends it', async (_, change, message) => {
    await expect(startVirtualBoard({ ...fixture, ...change })).rejects.toMatchObject({ code: 'board-absent', message: expect.stringMatching(message) as string });
    const { link } = watched(virtualBoardLink({ ...fixture, ...change }));
    await expect(link.ready()).rejects.toMatchObject({ code: 'board-absent', message: expect.stringMatching(/^Virtual board absent: /) as string });
    expect(link.status).toMatchObject({ state: 'absent', message: expect.stringMatching(message) as string });
  });

  test('starting can be cancelled', async () => {
    const abort = new AbortController();
    const start = startVirtualBoard({ ...fixture, signal: abort.signal });
    abort.abort();
    await expect(start).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('BoardLink', () => {
  test('goes from starting to ready and tells what is there', async () => {
    const { link, states } = watched(virtualBoardLink(fixture));
    const client = await link.ready();
    expect(states).toEqual(['starting', 'connecting', 'ready']);
    expect(link.status).toEqual({ id: 'virtual', name: 'Virtual board', virtual: true, link: 'process', use: true, address: client.address, state: 'ready', message: '', backend: 'golden', models: ['tiny'] });
    await link.close();
    expect(link.status.state).toBe('absent');
    await expect(link.ready()).rejects.toMatchObject({ code: 'board-absent' });
  });

  test('a board that would not use its logic is ready, and says why not', async () => {
    const token = 'of-this-test-0123456789';
    const agent = spawn('python3', ['-B', '-m', 'fabriclens_agent', '--models', fixture.modelsDir, '--runtime', fixture.runtimeLibrary, '--token-stdin', '--exit-with-parent', '--overlay', '/absent'], { cwd: fixture.agentDir, stdio: ['pipe', 'pipe', 'ignore'] });
    agent.stdin.write(`${token}\n`);
    const [line] = await once(agent.stdout, 'data') as [Buffer];
    const { link } = watched(connectBoard({ host: '127.0.0.1', port: (JSON.parse(line.toString()) as { port: number }).port, token }));
    await link.ready();
    expect(link.status).toMatchObject({ state: 'ready', message: expect.stringContaining('PYNQ') as string });
    agent.stdin.end();
  });

  test('a virtual board that is killed is started again, and says so meanwhile', async () => {
    const options = await agentFixture('tiny', 'slow');
    let pid = 0;
    const open = async (signal: AbortSignal): Promise<OpenBoard> => {
      const board = await startVirtualBoard({ ...options, signal });
      pid = board.pid;
      return board;
    };
    const { link, states, until } = watched(new BoardLink({ id: 'v', name: 'v', virtual: true, link: 'process', pollMs: 50, open }));
    const client = await link.ready({ timeoutMs: 100_000 });
    const running = client.infer('slow', [{ name: 'image', datatype: 'INT8', shape: [1, 16, 128, 128], data: new Int8Array(16 * 128 * 128) }]);
    await expect.poll(async () => (await client.serverMetadata()).parameters?.['queue_depth'], { timeout: 60_000, interval: 5 }).toBe(1);
    process.kill(pid, 'SIGKILL');
    await expect(running).rejects.toMatchObject({ code: 'board-unreachable' });
    await expect.poll(() => states, { timeout: 60_000 }).toContain('lost');
    await until('ready');
    expect(states).toEqual(['starting', 'connecting', 'ready', 'lost', 'starting', 'connecting', 'ready']);
    await expect((await link.ready()).modelMetadata('tiny')).resolves.toHaveProperty('name', 'tiny');
    rmSync(options.modelsDir, { recursive: true });
  }, 200_000);

  test('a board on the network: connecting until it is there, lost when it goes, ready when it comes back; a wrong token needs somebody', async () => {
    const token = 'a-token-that-both-sides-know-1234';
    const file = join(mkdtempSync(join(tmpdir(), 'fabriclens-token-')), 'token');
    writeFileSync(file, token, { mode: 0o600 });
    const start = (port: number): Promise<{ port: number; kill: () => Promise<void> }> => new Promise((done, reject) => {
      const child = spawn('python3', ['-B', '-m', 'fabriclens_agent', '--models', fixture.modelsDir, '--runtime', fixture.runtimeLibrary, '--port', String(port), '--token-file', file], { cwd: fixture.agentDir, stdio: ['ignore', 'pipe', 'ignore'] });
      child.stdout.once('data', (line: Buffer) => done({
        port: (JSON.parse(line.toString()) as { port: number }).port,
        kill: () => new Promise((ended) => { child.once('close', () => ended()); child.kill('SIGKILL'); }),
      }));
      child.once('error', reject);
    });
    let agent = await start(0);
    const { port } = agent;
    await agent.kill();
    const { link, states, until } = watched(connectBoard({ host: '127.0.0.1', port, token: await readBoardToken({}, file), pollMs: 50 }));
    link.start();
    await expect.poll(() => link.status.message, { timeout: 60_000 }).toContain('refuses connections');
    await expect(link.ready({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'board-unreachable', message: expect.stringContaining('refuses connections') as string });
    agent = await start(port);
    await until('ready');
    await agent.kill();
    await until('lost');
    expect(link.status.message).toContain(`127.0.0.1:${port}`);
    agent = await start(port);
    await until('ready');
    expect(states).toEqual(['connecting', 'ready', 'lost', 'ready']);
    const wrong = watched(connectBoard({ host: '127.0.0.1', port, token: `${token}x` }));
    await expect(wrong.link.ready()).rejects.toMatchObject({ code: 'unauthorised' });
    expect(wrong.link.status.state).toBe('absent');
    await agent.kill();
    rmSync(file);
  }, 300_000);

  test('a virtual board that cannot stay alive is given up with its reason, until somebody asks again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fabriclens-python-'));
    const python = join(folder, 'python');
    const count = join(folder, 'count');
    writeFileSync(python, `#!/bin/sh\necho x >> ${count}\necho '{"port": 9, "pid": 1, "version": "0"}'\nexit 3\n`);
    chmodSync(python, 0o755);
    const { link } = watched(virtualBoardLink({ ...fixture, python }));
    await expect(link.ready()).rejects.toMatchObject({ code: 'board-absent', message: expect.stringContaining('exit code 3') as string });
    expect(readFileSync(count, 'utf8')).toBe('x\n'.repeat(5));
    link.reconnect();
    expect(link.status.state).toBe('starting');
    await expect.poll(() => readFileSync(count, 'utf8'), { timeout: 60_000 }).toContain('x\n'.repeat(6));
    await link.close();
    rmSync(folder, { recursive: true });
  });

  test('waiting can be cancelled', async () => {
    const { link } = watched(connectBoard({ host: '127.0.0.1', port: 9 }));
    await expect(link.ready({ signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('addresses and tokens', () => {
  test('addresses', () => {
    expect(parseBoardAddress('pynq:8600')).toEqual({ host: 'pynq', port: 8600 });
    expect(parseBoardAddress('[::1]:1')).toEqual({ host: '::1', port: 1 });
    for (const text of ['', 'pynq', ':80', 'a:0', 'a:65536', 'a:b', 'a b:1', '::1:80', 'http://a:1', 'user@a:1', 'a:1/x']) {
      expect(() => parseBoardAddress(text), text).toThrow(/HOST:PORT/);
    }
  });

  test('tokens come from a private file, else the environment', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fabriclens-token-'));
    const file = join(folder, 'token');
    writeFileSync(file, 'from-file\n', { mode: 0o600 });
    const environment = { FABRICLENS_BOARD_TOKEN: 'from-environment' };
    expect(await readBoardToken(environment, file)).toBe('from-file');
    expect(await readBoardToken(environment)).toBe('from-environment');
    expect(await readBoardToken({})).toBeUndefined();
    chmodSync(file, 0o640);
    await expect(readBoardToken({}, file)).rejects.toMatchObject({ code: 'unauthorised', message: expect.stringContaining('chmod 600') as string });
    await expect(readBoardToken({}, join(folder, 'absent'))).rejects.toMatchObject({ code: 'unauthorised' });
    await expect(readBoardToken({ FABRICLENS_BOARD_TOKEN: 'two words' })).rejects.toMatchObject({ code: 'unauthorised' });
    rmSync(folder, { recursive: true });
  });
});
