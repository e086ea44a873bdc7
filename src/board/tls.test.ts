/** Boards known by the hash of their certificate: the real agent, and peers that are somebody else. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createPlainServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { agentFixture } from '../../test/support/agent.ts';
import { OipClient } from './client.ts';
import { connectBoard } from './link.ts';

const folder = mkdtempSync(join(tmpdir(), 'fabriclens-tls-'));
const TOKEN = 'a-token-that-both-sides-know-1234';
const others: Server[] = [];
let fixture: Awaited<ReturnType<typeof agentFixture>>;
let agent: ChildProcess;
let endpoint: { host: string; port: number; token: string; certificateSha256: string };

/** PEM files of a new certificate of no name that anybody would believe (Debian: apt-get install openssl). */
function certificate(name: string): { cert: string; key: string; sha256: string } {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=nobody', '-days', '1', '-keyout', key, '-out', cert], { stdio: 'ignore', timeout: 60_000 });
  execFileSync('chmod', ['600', key]);
  return { cert, key, sha256: new X509Certificate(readFileSync(cert)).fingerprint256 };
}

const listening = (server: Server): Promise<number> => new Promise((done) => {
  others.push(server);
  server.listen(0, '127.0.0.1', () => done((server.address() as AddressInfo).port));
});

beforeAll(async () => {
  fixture = await agentFixture('tiny');
  const { cert, key } = certificate('board');
  agent = spawn('python3', ['-B', '-m', 'fabriclens_agent', '--models', fixture.modelsDir, '--runtime', fixture.runtimeLibrary, '--token-stdin', '--exit-with-parent', '--tls-cert', cert, '--tls-key', key], { cwd: fixture.agentDir, stdio: ['pipe', 'pipe', 'ignore'] });
  agent.stdin!.write(`${TOKEN}\n`);
  const line = await new Promise<string>((done) => createInterface({ input: agent.stdout! }).once('line', done));
  const said = JSON.parse(line) as { port: number; certificate_sha256: string };
  endpoint = { host: '127.0.0.1', port: said.port, token: TOKEN, certificateSha256: said.certificate_sha256 };
});
afterAll(async () => {
  others.forEach((server) => server.close());
  const ended = new Promise((done) => agent.once('close', done));
  agent.kill('SIGKILL');
  await ended;
  rmSync(folder, { recursive: true });
  rmSync(fixture.modelsDir, { recursive: true });
});

test('the agent\'s certificate is pinned by what it says when it starts, in either notation', async () => {
  const colons = endpoint.certificateSha256.toUpperCase().replace(/..(?=.)/g, '$&:');
  for (const certificateSha256 of [endpoint.certificateSha256, colons]) {
    const client = new OipClient({ ...endpoint, certificateSha256 });
    await vi.waitUntil(() => client.ready().then(() => true, () => false), { timeout: 60_000 });
    const { outputs } = await client.infer('tiny', [{ name: 'image', datatype: 'INT8', shape: [1, 1, 8, 8], data: new Int8Array(64) }]);
    expect(outputs.get('features')?.data.length).toBe(256);
    client.close();
  }
});

test('a link over TLS becomes ready', async () => {
  const link = connectBoard(endpoint);
  await link.ready({ timeoutMs: 60_000 });
  expect(link.status).toMatchObject({ state: 'ready', models: ['tiny'] });
  await link.close();
});

test('who shows another certificate is sent nothing, the token least of all', async () => {
  const { cert, key, sha256 } = certificate('other');
  let received = 0;
  let left = 0;
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
    socket.on('error', () => {}).on('data', (chunk) => (received += chunk.length));
  });
  server.on('connection', (socket: Socket) => void socket.on('close', () => left++));
  const client = new OipClient({ ...endpoint, port: await listening(server) });
  const message = expect.stringMatching(new RegExp(`another certificate .SHA-256 ${sha256.replaceAll(':', '').toLowerCase()}.*on the board`)) as string;
  await expect(client.serverMetadata()).rejects.toMatchObject({ name: 'BoardError', code: 'unauthorised', message });
  await vi.waitUntil(() => left === 1, { timeout: 60_000 });
  expect(received).toBe(0);
});

test('a peer without TLS, and one that never shakes hands', async () => {
  const plain = await listening(createPlainServer((socket) => void socket.on('error', () => {}).on('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\n'))));
  await expect(new OipClient({ ...endpoint, port: plain }).serverMetadata()).rejects.toMatchObject({ code: 'protocol', message: expect.stringContaining('--tls-cert') as string });
  const silent = await listening(createPlainServer((socket) => void socket.on('error', () => {})));
  await expect(new OipClient({ ...endpoint, port: silent, connectTimeoutMs: 50 }).serverMetadata()).rejects.toMatchObject({ code: 'board-unreachable' });
});

test('plain HTTP to a board that wants TLS fails with words', async () => {
  await expect(new OipClient({ ...endpoint, certificateSha256: undefined }).serverMetadata()).rejects.toMatchObject({ name: 'BoardError' });
});
