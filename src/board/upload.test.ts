/** Models sent to the real agent, over connections that break. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { agentFixture } from '../../test/support/agent.ts';
import { ROOT } from '../../test/support/data.ts';
import { OipClient } from './client.ts';
import { deployPackage, type Deployment } from './upload.ts';

const TOKEN = 'token-of-the-upload-test-0123456789';
const CHUNK = 1 << 20;
let fixture: Awaited<ReturnType<typeof agentFixture>>;
let folder: string;
/** A small model with a long card: 3.2 chunks of it, and one each of the others. */
let big: string;
const closing: Array<() => unknown> = [];

beforeAll(async () => {
  fixture = await agentFixture('tiny', 'tail');
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-upload-'));
  mkdirSync(join(folder, 'none'));
  big = join(fixture.modelsDir, 'tail');
  writeFileSync(join(big, 'CARD.md'), randomBytes(3.2 * CHUNK));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => {
  for (const path of [folder, fixture?.modelsDir]) if (path) rmSync(path, { recursive: true, force: true });
});

interface Agent { port: number; store: string; client: OipClient; kill(): Promise<void> }

async function startAgent({ models = join(folder, 'none'), store = mkdtempSync(join(folder, 'store-')), options = ['--store', store, '--store-reserve', '0'] as string[] } = {}): Promise<Agent> {
  const child = spawn('python3', ['-B', '-m', 'fabriclens_agent', '--models', models, '--runtime', fixture.runtimeLibrary, '--token-stdin', '--exit-with-parent', ...options], { cwd: fixture.agentDir, stdio: ['pipe', 'pipe', 'ignore'] });
  closing.push(() => kill(child));
  child.stdin.write(`${TOKEN}\n`);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line', { signal: AbortSignal.timeout(60_000) })) as [string];
  const { port } = JSON.parse(line) as { port: number };
  const client = clientOf(port);
  await vi.waitUntil(() => client.ready().then(() => true, () => false), { timeout: 60_000 });
  return { port, store, client, kill: () => kill(child) };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'close');
  child.kill('SIGKILL');
  await ended;
}

function clientOf(port: number): OipClient {
  const client = new OipClient({ host: '127.0.0.1', port, token: TOKEN });
  closing.push(() => client.close());
  return client;
}

/** What becomes of a connection: after that many bytes from the client or from the board it breaks, or one byte from the client is turned over. */
interface Mishap { from: 'client' | 'board'; after: number; flip?: boolean }

/** Each connection has the next of `mishaps` from the time on that they are armed; those after the last have none. */
async function proxy(target: number, mishaps: readonly Mishap[]): Promise<{ port: number; arm: () => void; happened: () => number }> {
  const left = [...mishaps];
  let armed = false;
  let happened = 0;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    let mishap: Mishap | undefined;
    const far = connect(target, '127.0.0.1');
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const [name, from, to] of [['client', near, far], ['board', far, near]] as const) {
      sockets.add(from);
      let passed = 0;
      from.on('data', (bytes: Buffer) => {
        if (armed) mishap ??= left.shift() ?? { from: 'client', after: Infinity };
        const start = mishap?.from === name ? mishap.after - passed : Infinity;
        if (mishap) passed += bytes.length;
        if (start < 0 || start >= bytes.length) return void to.write(bytes);
        happened++;
        if (mishap?.flip) {
          bytes[start]! ^= 1;
          to.write(bytes);
        } else {
          to.write(bytes.subarray(0, start), end);
        }
      });
      from.on('close', end);
      from.on('error', end);
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  closing.push(() => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, arm: () => void (armed = true), happened: () => happened };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const sent = ['CARD.md', 'metadata.json', 'program.bin'];

/** What the board keeps is that package, byte for byte, and nothing else. */
function expectStored(store: string, dir: string, { model, package: id }: Deployment): void {
  const files = readdirSync(dir).filter((name) => sent.includes(name)).map((name) => readFileSync(join(dir, name)));
  expect(sha256(readFileSync(join(store, 'models', model)))).toBe(id);
  expect(readdirSync(join(store, 'objects')).sort()).toEqual(files.map(sha256).sort());
  for (const name of readdirSync(join(store, 'objects'))) expect(sha256(readFileSync(join(store, 'objects', name)))).toBe(name);
  expect(readdirSync(join(store, 'incoming'))).toEqual([]);
}

describe('deployPackage', () => {
  test('the shipped model arrives, is served, and answers as where it came from; again nothing is sent', async () => {
    const dir = join(ROOT, 'models/pneumonia');
    const agent = await startAgent();
    const origin = await startAgent({ models: join(ROOT, 'models'), options: [] });
    const seen: string[] = [];
    const deployment = await deployPackage(agent.client, dir, { onProgress: ({ step, doneBytes, totalBytes }) => seen.push(`${step} ${doneBytes} of ${totalBytes}`) });
    const sizes = sent.map((name) => readFileSync(join(dir, name)).length);
    const total = sizes.reduce((a, b) => a + b);
    expect(deployment).toMatchObject({ model: 'pneumonia', totalBytes: total, sentBytes: total, programSha256: sha256(readFileSync(join(dir, 'program.bin'))) });
    expectStored(agent.store, dir, deployment);
    expect([seen[0], seen.at(-2), seen.at(-1)]).toEqual([`sending 0 of ${total}`, `sending ${total} of ${total}`, `activating ${total} of ${total}`]);

    const { inputs } = await agent.client.modelMetadata('pneumonia');
    const shape = inputs[0]!.shape.map((extent) => (extent === -1 ? 1 : extent)); // the batch's
    const image = { name: inputs[0]!.name, datatype: 'INT8' as const, shape, data: Int8Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => (i * 37) % 256 - 128) };
    expect((await agent.client.infer('pneumonia', [image])).outputs).toEqual((await origin.client.infer('pneumonia', [image])).outputs);

    expect(await deployPackage(agent.client, dir)).toEqual({ ...deployment, sentBytes: 0 });
    expect(await agent.client.store()).toMatchObject({ pending_bytes: 0, models: [{ name: 'pneumonia', package: deployment.package }] });
    await agent.client.removeModel('pneumonia');
    await expect(agent.client.modelMetadata('pneumonia')).rejects.toMatchObject({ code: 'model-absent' });
    await expect(agent.client.removeModel('pneumonia')).rejects.toMatchObject({ code: 'model-absent' });
  }, 120_000);

  test('connections that break anywhere cost at most a chunk each', async () => {
    const agent = await startAgent();
    let cuts = 0;
    const mishap = fc.oneof(
      fc.record({ from: fc.constant('client' as const), after: fc.oneof(fc.nat(2_000), fc.nat(1.5 * CHUNK)) }),
      fc.record({ from: fc.constant('board' as const), after: fc.nat(800) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(mishap, { minLength: 1, maxLength: 4 }), async (mishaps) => {
        const store = await agent.client.store();
        for (const { name } of store!.models) await agent.client.removeModel(name);
        const between = await proxy(agent.port, mishaps);
        const deployment = await deployPackage(clientOf(between.port), big, { onProgress: between.arm });
        expectStored(agent.store, big, deployment);
        expect(deployment.sentBytes).toBeLessThanOrEqual(deployment.totalBytes + between.happened() * CHUNK);
        cuts += between.happened();
        expect((await agent.client.infer('tail', [{ name: 'image', datatype: 'INT8', shape: [1, 1, 8, 8], data: new Int8Array(64) }])).outputs.size).toBe(2);
      }),
      { numRuns: 15 },
    );
    expect(cuts).toBeGreaterThan(10);
  }, 120_000);

  test('a byte that changes on the way is found, and the file sent again', async () => {
    const agent = await startAgent();
    const between = await proxy(agent.port, [{ from: 'client', after: 2 * CHUNK, flip: true }]);
    const deployment = await deployPackage(clientOf(between.port), big, { onProgress: between.arm });
    expect(between.happened()).toBe(1);
    expect(deployment.sentBytes).toBeGreaterThan(deployment.totalBytes + 3 * CHUNK);
    expectStored(agent.store, big, deployment);
  }, 60_000);

  test('an agent that is killed and started again goes on where it was', async () => {
    const first = await startAgent();
    let killed: Promise<Agent> | undefined;
    const deployment = await deployPackage(first.client, big, {
      onProgress: ({ doneBytes }) => {
        if (doneBytes < 2 * CHUNK) return;
        killed ??= first.kill().then(() => startAgent({ store: first.store, options: ['--store', first.store, '--store-reserve', '0', '--port', String(first.port)] }));
      },
    });
    await killed;
    expect(deployment.sentBytes).toBeLessThanOrEqual(deployment.totalBytes + CHUNK);
    expectStored(first.store, big, deployment);
  }, 60_000);

  test('what was sent before it was cancelled is not sent again', async () => {
    const agent = await startAgent();
    const abort = new AbortController();
    let done = 0;
    const cancelled = deployPackage(agent.client, big, {
      signal: abort.signal,
      onProgress: ({ doneBytes }) => {
        done = doneBytes;
        if (doneBytes >= 2 * CHUNK) abort.abort();
      },
    });
    await expect(cancelled).rejects.toMatchObject({ name: 'BoardError', code: 'cancelled' });
    expect(await agent.client.store()).toMatchObject({ models: [] });
    const deployment = await deployPackage(agent.client, big);
    expect(deployment.sentBytes).toBeLessThanOrEqual(deployment.totalBytes - done);
    expectStored(agent.store, big, deployment);
  }, 60_000);

  test('two deployments of one model at once both come to an end, and the board to one of them', async () => {
    const agent = await startAgent();
    const deployments = await Promise.all([1, 2].map(() => deployPackage(clientOf(agent.port), big)));
    expect(deployments[0]!.package).toBe(deployments[1]!.package);
    expectStored(agent.store, big, deployments[0]!);
  }, 60_000);

  test('a package that the board refuses leaves what it serves', async () => {
    const agent = await startAgent();
    const deployment = await deployPackage(agent.client, big);
    const bad = join(folder, 'bad');
    cpSync(big, bad, { recursive: true });
    const metadata = JSON.parse(readFileSync(join(bad, 'metadata.json'), 'utf8')) as { fabriclens: { sha256: Record<string, string> } };
    writeFileSync(join(bad, 'program.bin'), 'no program');
    metadata.fabriclens.sha256['program.bin'] = sha256(Buffer.from('no program'));
    writeFileSync(join(bad, 'metadata.json'), JSON.stringify(metadata));
    await expect(deployPackage(agent.client, bad)).rejects.toMatchObject({ code: 'bad-request', message: expect.stringContaining('was refused by the runtime') as string });
    expect(await agent.client.store()).toMatchObject({ models: [{ name: 'tail', package: deployment.package }] });
    expect(await agent.client.modelMetadata('tail')).toMatchObject({ parameters: { program_sha256: deployment.programSha256 } });
  }, 60_000);

  test('a board without room says how much there is', async () => {
    const agent = await startAgent({ options: ['--store', join(folder, 'full'), '--store-reserve', '1000000000'] });
    await expect(deployPackage(agent.client, big)).rejects.toMatchObject({ code: 'board-full', message: expect.stringMatching(/3355443 more bytes are needed, \d+ are free/) as string });
  });

  test('a board that takes no models, or is not there', async () => {
    const agent = await startAgent({ options: [] });
    await expect(deployPackage(agent.client, big)).rejects.toMatchObject({ code: 'bad-request', message: expect.stringContaining('--store DIR') as string });
    await agent.kill();
    await expect(deployPackage(clientOf(agent.port), big)).rejects.toMatchObject({ code: 'board-unreachable' });
  });

  test.each([
    ['no folder', () => {}, 'is no model package'],
    ['no JSON', (dir: string) => writeFileSync(join(dir, 'metadata.json'), '{'), 'is no model package'],
    ['other JSON', (dir: string) => writeFileSync(join(dir, 'metadata.json'), '{"fabriclens":{}}'), 'is no model package: metadata.json cannot be read (version'],
    ['no program', (dir: string) => rmSync(join(dir, 'program.bin')), 'has no program.bin: make it with "npx fabriclens compile-program'],
    ['another program', (dir: string) => writeFileSync(join(dir, 'program.bin'), 'x'), 'program.bin is corrupt'],
    ['a folder for a program', (dir: string) => { rmSync(join(dir, 'program.bin')); mkdirSync(join(dir, 'program.bin')); }, 'program.bin cannot be sent'],
  ])('%s is refused before anything is sent', async (name, change, message) => {
    const agent = await startAgent();
    const dir = join(folder, `wrong ${name}`);
    if (name !== 'no folder') cpSync(big, dir, { recursive: true });
    change(dir);
    await expect(deployPackage(agent.client, dir)).rejects.toMatchObject({ name: 'BoardError', code: 'bad-request', message: expect.stringContaining(message) as string });
    expect(readdirSync(join(agent.store, 'incoming'))).toEqual([]);
  });
});
