/** The link over a real OpenSSH server to the real agent. */
import { rmSync } from 'node:fs';
import { createServer as createTcp } from 'node:net';
import type { AddressInfo } from 'node:net';
import ssh2 from 'ssh2';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { agentFixture } from '../../test/support/agent.ts';
import { cable, newKey, startSshd, type Cable, type TestServer } from '../../test/support/sshd.ts';
import type { BoardStatus } from '../contract/ipc.ts';
import { OipClient } from './client.ts';
import { connectBoard, sshBoardLink, type BoardLink, type SshBoardOptions } from './link.ts';
import type { Tensor } from './protocol.ts';
import { fingerprintOf, readHostKey, type KnownBoard } from './ssh/host-keys.ts';
import { SshTunnel } from './tunnel.ts';
import { startVirtualBoard, type VirtualBoard } from './virtual.ts';

let fixture: Awaited<ReturnType<typeof agentFixture>>;
let server: TestServer;
let agent: VirtualBoard;
let wire: Cable;
const links: BoardLink[] = [];

beforeAll(async () => {
  fixture = await agentFixture('tiny', 'slow');
  server = await startSshd();
  agent = await startVirtualBoard(fixture);
  wire = await cable(server.port);
  const warm = connectBoard({ host: '127.0.0.1', port: agent.port, token: agent.token });
  await warm.ready({ timeoutMs: 100_000 });
  await warm.close();
});
afterEach(async () => {
  await Promise.all(links.splice(0).map((link) => link.close()));
});
afterAll(async () => {
  await Promise.all([wire.close(), server.stop(), agent.close()]);
  rmSync(fixture.modelsDir, { recursive: true, force: true });
});

const pinned = (): KnownBoard => ({ id: '0'.repeat(32), name: 'desk', addresses: [], user: server.user, hostKeys: [server.hostKey] });
const SERVER = JSON.stringify({ name: 'other', version: '1', extensions: ['model_repository'] });
const slow: Tensor = { name: 'image', datatype: 'INT8', shape: [1, 16, 128, 128], data: new Int8Array(16 * 128 * 128) };
const tiny: Tensor = { name: 'image', datatype: 'INT8', shape: [1, 1, 8, 8], data: Int8Array.from({ length: 64 }, (_, i) => i - 30) };

function overSsh(change: Partial<SshBoardOptions['ssh']> = {}, more: Partial<SshBoardOptions> = {}): { link: BoardLink; states: BoardStatus['state'][] } {
  const link = sshBoardLink({
    id: 'desk', name: 'desk', port: agent.port, pollMs: 50, readToken: () => Promise.resolve(agent.token),
    ssh: { host: '127.0.0.1', port: wire.port, login: { user: server.user, key: { text: server.key } }, candidates: [pinned()], keepaliveMs: 300, ...change }, ...more,
  });
  links.push(link);
  const states = [link.status.state];
  link.onStatus(({ state }) => state !== states.at(-1) && states.push(state));
  return { link, states };
}

describe('over SSH', () => {
  test('infers as over TCP, and no request leaves the connection', async () => {
    const { link } = overSsh();
    const client = await link.ready();
    const direct = connectBoard({ host: '127.0.0.1', port: agent.port, token: agent.token });
    links.push(direct);
    const [there, here] = [await client.infer('tiny', [tiny]), await (await direct.ready()).infer('tiny', [tiny])];
    expect(there.outputs).toEqual(here.outputs);
    await Promise.all(Array.from({ length: 20 }, () => client.infer('tiny', [tiny])));
    expect(link.status).toMatchObject({ state: 'ready', models: ['slow', 'tiny'], address: `127.0.0.1:${agent.port}` });
  });

  test.each(['cut', 'freeze'] as const)('a cable that is pulled (%s): lost and ready again by itself, and an inference under way is answered', async (how) => {
    const { link, states } = overSsh();
    const client = await link.ready();
    // Several, so that one of them is under way when it is looked at, however slow the look.
    const running = Promise.all(Array.from({ length: 4 }, () => client.infer('slow', [slow])));
    await expect.poll(async () => Number((await client.serverMetadata()).parameters?.['queue_depth']), { timeout: 60_000, interval: 5 }).toBeGreaterThan(0);
    wire[how]();
    for (const { outputs } of await running) expect(outputs.size).toBeGreaterThan(0);
    await expect.poll(() => link.status.state, { timeout: 60_000 }).toBe('ready');
    expect(states.at(0)).toBe('connecting');
    // The look under way at the break was repeated, or was missed: both end in ready.
    expect(new Set(states)).not.toContain('absent');
  }, 180_000);

  test('what is not idempotent is not sent twice', async () => {
    const requests: string[] = [];
    const breaking = createTcp((socket) => socket.on('error', () => {}).once('data', (chunk: Buffer) => {
      const line = chunk.toString('latin1').split('\r\n')[0]!;
      requests.push(line);
      if (line.startsWith('GET /v2 ')) socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${SERVER.length}\r\n\r\n${SERVER}`);
      else socket.destroy();
    }));
    await new Promise<void>((done) => breaking.listen(0, '127.0.0.1', done));
    const client = new OipClient({ host: '127.0.0.1', port: (breaking.address() as AddressInfo).port });
    await expect(client.load('tiny')).rejects.toMatchObject({ code: 'board-unreachable' });
    await expect(client.infer('tiny', [tiny])).rejects.toMatchObject({ code: 'board-unreachable' });
    expect(requests.filter((line) => line.includes('/load'))).toHaveLength(1);
    expect(requests.filter((line) => line.includes('/infer'))).toHaveLength(2);
    await new Promise((done) => breaking.close(done));
  });

  test('a board that is off is waited for; a login or a host key that is wrong needs somebody', async () => {
    const off = await cable(1);
    const waiting = overSsh({ port: off.port });
    waiting.link.start();
    await expect.poll(() => waiting.link.status.message, { timeout: 20_000 }).not.toBe('');
    expect(waiting.link.status.state).toBe('connecting');
    const stranger = overSsh({ candidates: [] });
    await expect(stranger.link.ready()).rejects.toMatchObject({ code: 'host-key', shown: server.fingerprint });
    expect(stranger.link.status.state).toBe('absent');
    const nobody = overSsh({ login: { user: server.user } });
    await expect(nobody.link.ready()).rejects.toMatchObject({ code: 'unauthorised' });
    const wrong = overSsh({}, { readToken: () => Promise.resolve('another-token-than-the-board-has') });
    await expect(wrong.link.ready()).rejects.toMatchObject({ code: 'unauthorised' });
    await off.close();
  });

  test('closed between the login and its first command, it leaves no connection behind', async () => {
    let ended: () => void = () => {};
    const end = new Promise<void>((done) => { ended = done; });
    const pair = newKey();
    // Lets everybody in, and ends no command.
    const peer = new ssh2.Server({ hostKeys: [pair.private] }, (client) => client.on('error', () => {}).on('authentication', (context) => context.accept()).on('ready', () => {
      client.on('session', (accept) => accept().on('exec', (start) => {
        start();
        void tunnel.close();
      }));
    }).on('close', ended));
    await new Promise<void>((done) => peer.listen(0, '127.0.0.1', done));
    const accept = fingerprintOf(readHostKey(Buffer.from(pair.public.split(' ')[1]!, 'base64'))!);
    const tunnel = new SshTunnel({ host: '127.0.0.1', port: (peer.address() as AddressInfo).port, login: { user: 'xilinx', password: 'xilinx' }, candidates: [], accept });
    await expect(tunnel.connection()).rejects.toMatchObject({ code: 'cancelled' });
    await end;
    await new Promise<void>((done) => peer.close(() => done()));
  });

  test('an agent that is not there: connecting, with what to do', async () => {
    const { link } = overSsh({}, { port: 1 });
    link.start();
    await expect.poll(() => link.status.message, { timeout: 20_000 }).toContain('start the agent');
    expect(link.status.state).toBe('connecting');
  });

  test('a host key that changes while connected stops the link when it comes back', async () => {
    const own = await startSshd();
    const through = await cable(own.port);
    try {
      const { link } = overSsh({ port: through.port, login: { user: own.user, key: { text: own.key } }, candidates: [{ ...pinned(), hostKeys: [own.hostKey] }] });
      await link.ready();
      await own.changeHostKey();
      through.cut();
      await expect.poll(() => link.status.state, { timeout: 20_000 }).toBe('absent');
      expect(link.status.message).toContain(own.fingerprint);
    } finally {
      await through.close();
      await own.stop();
    }
  });
});
