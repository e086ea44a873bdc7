/**
 * `npm run bench:link [-- --json]`: round trips of 1 MB tensors to one server on this computer: bare TCP, our client over plain TCP, over our SSH stream, and over OpenSSH's
 * `ssh -L`, in turns so that what else the computer does is shared out. Both SSH ways end in the same sshd.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { OipClient } from '../../src/board/client.ts';
import type { Tensor } from '../../src/board/protocol.ts';
import { connectSsh } from '../../src/board/ssh/connection.ts';
import { freePort, startSshd } from '../support/sshd.ts';

const BYTES = 1_000_000;
const ROUNDS = 60;
const WARM_UP = 10;
const tensor: Tensor = { name: 'x', datatype: 'INT8', shape: [BYTES], data: new Int8Array(BYTES) };

const children: ChildProcess[] = [];
const firstLine = (child: ChildProcess): Promise<string> => new Promise((done, reject) => {
  child.stdout!.once('data', (line: Buffer) => done(line.toString()));
  child.once('error', reject).once('exit', (code) => reject(new Error(`ended with ${code}`)));
});

const server = await startSshd();
try {
  const far = spawn(process.execPath, [join(import.meta.dirname, 'link/server.mjs'), String(BYTES)], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(far);
  const ports = JSON.parse(await firstLine(far)) as { raw: number; http: number };

  const socket = connect(ports.raw, '127.0.0.1').setNoDelay(true);
  const bytes = Buffer.alloc(BYTES);
  const raw = (): Promise<void> => new Promise((done) => {
    socket.once('data', () => done());
    socket.write(bytes);
  });

  writeFileSync(join(server.folder, 'key'), server.key, { mode: 0o600 });
  writeFileSync(join(server.folder, 'known'), `[127.0.0.1]:${server.port} ${server.hostKey.algorithm} ${server.hostKey.blob}\n`);
  const local = await freePort();
  children.push(spawn('ssh', ['-F', 'none', '-N', '-p', String(server.port), '-i', join(server.folder, 'key'), '-o', `UserKnownHostsFile=${join(server.folder, 'known')}`, '-L', `127.0.0.1:${local}:127.0.0.1:${ports.http}`, `${server.user}@127.0.0.1`], { stdio: ['ignore', 'inherit', 'inherit'] }));
  const ssh = await connectSsh({ host: '127.0.0.1', port: server.port, login: { user: server.user, key: { text: server.key } }, candidates: [], accept: server.fingerprint });

  const infer = (client: OipClient) => async (): Promise<void> => void (await client.infer('m', [tensor]));
  const forwarded = new OipClient({ host: '127.0.0.1', port: local });
  for (const end = performance.now() + 20_000; ;) {
    try {
      await forwarded.serverMetadata();
      break;
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((done) => setTimeout(done, 100));
    }
  }
  const ways: { name: string; of: string; aim: number; go: () => Promise<void>; ms: number[] }[] = [
    { name: 'raw TCP', of: '', aim: 0, go: raw, ms: [] },
    { name: 'our client, plain TCP', of: 'raw TCP', aim: 0.9, go: infer(new OipClient({ host: '127.0.0.1', port: ports.http })), ms: [] },
    { name: 'our client, our SSH stream', of: 'our client, ssh -L', aim: 0.9, go: infer(new OipClient({ host: '127.0.0.1', port: ports.http, connect: () => ssh.stream(ports.http) })), ms: [] },
    { name: 'our client, ssh -L', of: '', aim: 0, go: infer(forwarded), ms: [] },
  ];
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const way of ways) {
      const began = performance.now();
      await way.go();
      if (round >= 0) way.ms.push(performance.now() - began);
    }
  }
  const quantile = (ms: number[], q: number): number => [...ms].sort((a, b) => a - b)[Math.min(ms.length - 1, Math.floor(q * ms.length))]!;
  const rows = ways.map(({ name, of, aim, ms }) => ({ name, of, aim, p50: quantile(ms, 0.5), p99: quantile(ms, 0.99), mbPerS: BYTES / 1e3 / quantile(ms, 0.5) }));
  const share = ({ of, mbPerS }: (typeof rows)[number]): number | null => (of ? mbPerS / rows.find(({ name }) => name === of)!.mbPerS : null);
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ bytes: BYTES, rounds: ROUNDS, rows: rows.map((row) => ({ ...row, share: share(row) })) }, null, 2)}\n`);
  } else {
    const text = rows.map((row) => [row.name.padEnd(28), row.mbPerS.toFixed(0).padStart(6), row.p50.toFixed(2).padStart(8), row.p99.toFixed(2).padStart(8), row.of ? `  ${(share(row)! * 100).toFixed(0)} % of ${row.of}, aim ${row.aim * 100} %: ${share(row)! >= row.aim ? 'met' : 'missed'}` : ''].join(' '));
    process.stdout.write(`${['1 MB there, little back'.padEnd(28) + '   MB/s   p50 ms   p99 ms', ...text].join('\n')}\nMB/s at p50. All on this computer: it says what the ways cost, not what a board's network and processor allow.\n`);
  }
  ssh.close();
  socket.destroy();
} finally {
  children.forEach((child) => child.kill());
  await server.stop();
}
process.exit();
