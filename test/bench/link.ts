/**
 * `npm run bench:link [-- --json] [-- --rounds N]`: 1 MB tensors to one server on this computer, as large a one or a small one back: the same bytes over a bare socket, our client over plain TCP,
 * over our SSH stream, and over OpenSSH's `ssh -L`; each round takes all of them in an order by lot, so that what else the computer does, and
 * what it did just before, is shared out. Both SSH ways end in the same sshd and have run a command there, after which sshd no longer waits to send what is small (src/board/tunnel.ts).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { OipClient } from '../../src/board/client.ts';
import type { Tensor } from '../../src/board/protocol.ts';
import { connectSsh } from '../../src/board/ssh/connection.ts';
import { freePort, startSshd } from '../support/sshd.ts';
import { BareSocket } from './link/bare.ts';

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '200' } } });
const BYTES = 1_000_000;
const ROUNDS = Number(values.rounds);
const WARM_UP = 20;
const tensor: Tensor = { name: 'x', datatype: 'INT8', shape: [BYTES], data: new Int8Array(BYTES) };

/** Models of the server: bytes that they answer. */
const MODELS = { echo: BYTES, sink: 16 } as const;
type Model = keyof typeof MODELS;

interface Way {
  name: string;
  /** The way that it is held against; empty: none. */
  of: string;
  aim: number;
  infer: (model: Model) => Promise<void>;
  ms: Record<Model, number[]>;
}

const children: ChildProcess[] = [];
const firstLine = (child: ChildProcess): Promise<string> => new Promise((done, reject) => {
  child.stdout!.once('data', (line: Buffer) => done(line.toString()));
  child.once('error', reject).once('exit', (code) => reject(new Error(`ended with ${code}`)));
});

/** Until the forwarded port answers. */
async function reachable(client: OipClient): Promise<OipClient> {
  for (const end = performance.now() + 20_000; ;) {
    try {
      await client.serverMetadata();
      return client;
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}

const quantile = (ms: readonly number[], q: number): number => [...ms].sort((a, b) => a - b)[Math.min(ms.length - 1, Math.floor(q * ms.length))]!;

const server = await startSshd();
try {
  const far = spawn(process.execPath, [join(import.meta.dirname, 'link/server.mjs'), String(BYTES)], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(far);
  const port = Number(await firstLine(far));
  const local = await freePort();
  writeFileSync(join(server.folder, 'key'), server.key, { mode: 0o600 });
  writeFileSync(join(server.folder, 'known'), `[127.0.0.1]:${server.port} ${server.hostKey.algorithm} ${server.hostKey.blob}\n`);
  children.push(spawn('ssh', ['-F', 'none', '-p', String(server.port), '-i', join(server.folder, 'key'), '-o', `UserKnownHostsFile=${join(server.folder, 'known')}`, '-L', `127.0.0.1:${local}:127.0.0.1:${port}`, `${server.user}@127.0.0.1`, 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] }));
  const ssh = await connectSsh({ host: '127.0.0.1', port: server.port, login: { user: server.user, key: { text: server.key } }, candidates: [], accept: server.fingerprint });
  await ssh.exec(':');

  const by = (client: OipClient) => async (model: Model): Promise<void> => {
    const { outputs } = await client.infer(model, [tensor]);
    if (outputs.get('y')?.data.length !== MODELS[model]) throw new Error('the answer is not the one that was asked for');
  };
  const bare = await BareSocket.connect(port, tensor);
  const way = (name: string, infer: Way['infer'], of = ''): Way => ({ name, of, aim: of ? 0.9 : 0, infer, ms: { echo: [], sink: [] } });
  const ways: Way[] = [
    way('bare socket', (model) => bare.infer(model)),
    way('our client, plain TCP', by(new OipClient({ host: '127.0.0.1', port })), 'bare socket'),
    way('our client, our SSH stream', by(new OipClient({ host: '127.0.0.1', port, connect: () => ssh.stream(port) })), 'our client, ssh -L'),
    way('our client, ssh -L', by(await reachable(new OipClient({ host: '127.0.0.1', port: local })))),
  ];
  const load = [loadavg()[0]!];
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const model of ['echo', 'sink'] as const) {
      for (const { infer, ms } of [...ways].sort(() => Math.random() - 0.5)) {
        const began = performance.now();
        await infer(model);
        if (round >= 0) ms[model].push(performance.now() - began);
      }
    }
  }
  load.push(loadavg()[0]!);
  const results = (['echo', 'sink'] as const).flatMap((model) => {
    const rows = ways.map(({ name, of, aim, ms: { [model]: ms } }) => ({ model, name, of, aim, p10: quantile(ms, 0.1), p50: quantile(ms, 0.5), p99: quantile(ms, 0.99), mbPerS: (BYTES + MODELS[model]) / 1e3 / quantile(ms, 0.5) }));
    return rows.map((row) => {
      const other = rows.find(({ name }) => name === row.of);
      // Of the speed of what it is held against: at p50, and in the tenth of the rounds that were least disturbed.
      return { ...row, share: other ? other.p50 / row.p50 : null, shareOfBest: other ? other.p10 / row.p10 : null };
    });
  });
  const machine = { cpu: cpus()[0]?.model.trim() ?? '', cores: cpus().length, node: process.version, load };
  if (values.json) process.stdout.write(`${JSON.stringify({ machine, bytes: BYTES, rounds: ROUNDS, rows: results }, null, 2)}\n`);
  else {
    const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
    const line = ({ name, of, aim, p10, p50, p99, mbPerS, share, shareOfBest }: (typeof results)[number]): string => [
      name.padEnd(28), mbPerS.toFixed(0).padStart(6), ...[p10, p50, p99].map((ms) => ms.toFixed(2).padStart(8)),
      share === null ? '' : ` ${percent(share)} of ${of} at p50 (p10: ${percent(shareOfBest!)}), aim ${percent(aim)}: ${share >= aim ? 'met' : 'missed'}`,
    ].join(' ').trimEnd();
    const table = (model: Model, title: string): string => `${[`${title.padEnd(28)}   MB/s   p10 ms   p50 ms   p99 ms`, ...results.filter((row) => row.model === model).map(line)].join('\n')}\n`;
    process.stdout.write(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, load ${load.map((l) => l.toFixed(1)).join(' → ')}; ${ROUNDS} rounds\n`
      + `${table('echo', '1 MB there and 1 MB back')}\n${table('sink', '1 MB there, 16 bytes back')}\nMB/s at p50, both ways together. All on this computer: it says what the ways cost, not what a board's network and processor allow.\n`);
  }
  ssh.close();
  bare.close();
} finally {
  children.forEach((child) => child.kill());
  await server.stop();
}
process.exit();
