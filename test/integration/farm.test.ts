/** docs/haproxy.cfg, with Debian's HAProxy and three real agents: requests are spread, and a board that dies is not noticed by whoever asks. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OipClient } from '../../src/board/client.ts';
import type { Tensor } from '../../src/board/protocol.ts';
import { agentFixture } from '../support/agent.ts';
import { ROOT } from '../support/data.ts';
import { freePort } from '../support/sshd.ts';

const TOKEN = 'one-token-for-the-whole-farm';
const folder = mkdtempSync(join(tmpdir(), 'fabriclens-farm-'));
const children: ChildProcess[] = [];
let models: string;
let agents: { port: number; child: ChildProcess }[];
let client: OipClient;

function start(command: string, args: string[], options: object): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  child.stderr!.resume();
  children.push(child);
  return child;
}

beforeAll(async () => {
  const { modelsDir, runtimeLibrary, agentDir } = await agentFixture('tiny');
  models = modelsDir;
  writeFileSync(join(folder, 'token'), TOKEN, { mode: 0o600 });
  agents = await Promise.all([1, 2, 3].map(() => new Promise<{ port: number; child: ChildProcess }>((done, reject) => {
    const child = start('python3', ['-B', '-m', 'fabriclens_agent', '--models', modelsDir, '--runtime', runtimeLibrary, '--token-file', join(folder, 'token')], { cwd: agentDir });
    child.once('error', reject);
    child.stdout!.once('data', (line: Buffer) => done({ port: (JSON.parse(line.toString()) as { port: number }).port, child }));
  })));
  const port = await freePort();
  let text = readFileSync(join(ROOT, 'docs/haproxy.cfg'), 'utf8').replace('bind 127.0.0.1:8600', `bind 127.0.0.1:${port}`);
  agents.forEach((agent, i) => { text = text.replace(`192.168.1.1${i + 1}:8600`, `127.0.0.1:${agent.port}`); });
  writeFileSync(join(folder, 'haproxy.cfg'), text);
  start('/usr/sbin/haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], { env: { FABRICLENS_TOKEN: TOKEN } }).stdout!.resume();
  client = new OipClient({ host: '127.0.0.1', port, token: TOKEN });
  // Through the proxy one ready board is enough; the spreading wants all three.
  for (const one of [client, ...agents.map((agent) => new OipClient({ host: '127.0.0.1', port: agent.port, token: TOKEN }))]) await readyWithin(one, 100_000);
});
afterAll(async () => {
  client?.close();
  await Promise.all(children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).map((child) => new Promise((done) => { child.once('exit', done); child.kill('SIGKILL'); })));
  rmSync(folder, { recursive: true });
  rmSync(models, { recursive: true });
});

async function readyWithin(one: OipClient, ms: number): Promise<void> {
  for (const end = performance.now() + ms; ;) {
    try {
      return await one.ready();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((done) => setTimeout(done, 200));
    }
  }
}

const image: Tensor = { name: 'image', datatype: 'INT8', shape: [1, 1, 8, 8], data: new Int8Array(64).fill(5) };
const answers = (n: number): Promise<string[]> => Promise.all(Array.from({ length: n }, async () => JSON.stringify([...(await client.infer('tiny', [image])).outputs.values()].map(({ data }) => Array.from(data, String)))));
const counted = (port: number): Promise<number> => new OipClient({ host: '127.0.0.1', port, token: TOKEN }).statistics('tiny').then((all) => all!.model_stats[0]!.inference_count!);

test('requests are spread over the boards, all with one answer', async () => {
  await expect.poll(async () => {
    expect(new Set(await answers(30)).size).toBe(1);
    return Math.min(...await Promise.all(agents.map(({ port }) => counted(port))));
  }, { timeout: 60_000, interval: 200 }).toBeGreaterThan(3);
});

test('a board that dies costs nobody an answer, and comes back by itself nowhere', async () => {
  const [dead] = agents;
  await new Promise((done) => { dead!.child.once('exit', done); dead!.child.kill('SIGKILL'); });
  expect(new Set(await answers(30)).size).toBe(1);
  expect(new Set(await answers(30)).size).toBe(1);
});

test('whoever has no token gets nothing', async () => {
  await expect(new OipClient({ host: '127.0.0.1', port: Number(client.address.split(':')[1]), token: 'another-token-1234' }).serverMetadata()).rejects.toMatchObject({ code: 'unauthorised' });
});
