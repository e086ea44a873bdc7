/** What the agent costs beside computing: requests, tensors, memory; from one process beside it on the same machine. */
import { spawn } from 'node:child_process';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../../support/data.ts';
import { type AgentProcess, TOKEN } from '../../support/agent-process.ts';
import { inferRequest, Peer, type PeerAnswer } from '../../support/peer.ts';

export interface Requests {
  clients: number;
  requests: number;
  perSecond: number;
  /** Milliseconds from the first byte given to the socket to the answer's last. */
  p50: number;
  p99: number;
}

export interface Overhead {
  /** Milliseconds of a round trip outside of fl_run, one client, so that nothing waits. */
  p50: number;
  p99: number;
  runs: number;
}

export interface Throughput {
  megabytes: number;
  /** MB/s with the time inside fl_run taken off, and of the bare socket; of runs in turn. */
  agent: { median: number; best: number };
  socket: { median: number; best: number };
  runs: number;
}

export interface Memory {
  requests: number;
  /** Resident bytes after the first tenth of the requests, and after all. */
  early: number;
  late: number;
}

export const quantile = (values: readonly number[], q: number): number => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))]!;

const TINY = { model: 'tiny', token: TOKEN, shape: [1, 1, 8, 8], data: Buffer.from(Array.from({ length: 64 }, (_, i) => i)), outputs: ['logits'] };

async function timed(peer: Peer, request: readonly Uint8Array[]): Promise<{ ms: number; answer: PeerAnswer }> {
  const start = performance.now();
  const waiting = peer.answer();
  peer.write(...request);
  const answer = await waiting;
  if (answer.status !== 200) throw new Error(`the agent answered ${answer.status}: ${answer.body.toString('latin1').slice(0, 300)}`);
  return { ms: performance.now() - start, answer };
}

export async function requests(agent: AgentProcess, clients: number, seconds: number): Promise<Requests> {
  const peers = await Promise.all(Array.from({ length: clients }, () => Peer.connect(agent.port)));
  const request = inferRequest(TINY);
  const times: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  await Promise.all(peers.map(async (peer) => {
    while (performance.now() < end) times.push((await timed(peer, request)).ms);
    peer.destroy();
  }));
  return { clients, requests: times.length, perSecond: (1000 * times.length) / (performance.now() - start), p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

/** The golden model tells the cycle model's time for the PL in place of its own: what fl_run took comes from the statistics, as the mean of all runs. */
export async function overhead(agent: AgentProcess, runs: number): Promise<Overhead> {
  const peer = await Peer.connect(agent.port);
  const request = inferRequest(TINY);
  for (let n = 0; n < 50; n++) await timed(peer, request);
  const before = await computed(agent, 'tiny');
  const times: number[] = [];
  for (let n = 0; n < runs; n++) {
    times.push((await timed(peer, request)).ms);
  }
  const after = await computed(agent, 'tiny');
  const run = (after - before) / runs;
  peer.destroy();
  return { p50: quantile(times, 0.5) - run, p99: quantile(times, 0.99) - run, runs };
}

/** Milliseconds inside fl_run since the model was loaded. */
async function computed(agent: AgentProcess, model: string): Promise<number> {
  const { json } = await agent.get(`/v2/models/${model}/stats`);
  const kinds = (json as { model_stats: { inference_stats: Record<string, { ns: number }> }[] }).model_stats[0]!.inference_stats;
  return ['compute_input', 'compute_infer', 'compute_output'].reduce((sum, kind) => sum + kinds[kind]!.ns / 1e6, 0);
}

export async function throughput(agent: AgentProcess, megabytes: 1 | 8, runs: number): Promise<Throughput> {
  const sink = spawn('python3', [join(ROOT, 'test/bench/agent/sink.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const port = Number(await new Promise<string>((done) => createInterface({ input: sink.stdout }).once('line', done)));
  const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
  const peer = await Peer.connect(agent.port);
  const data = Buffer.alloc(megabytes << 20, 5);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(data.length);
  const bare = async (): Promise<number> => {
    const start = performance.now();
    const answered = new Promise((done) => socket.once('data', done));
    socket.cork();
    socket.write(head);
    socket.write(data);
    socket.uncork();
    await answered;
    return performance.now() - start;
  };
  const request = inferRequest({ model: `mb${megabytes}`, token: TOKEN, shape: [1, 8 * megabytes, 128, 1024], data, outputs: ['logits'] });
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let n = -3; n < runs; n++) {
    const other = await bare();
    const before = await computed(agent, `mb${megabytes}`);
    const { ms } = await timed(peer, request);
    const inside = (await computed(agent, `mb${megabytes}`)) - before;
    if (n < 0) continue; // warm
    ours.push(ms - inside);
    theirs.push(other);
  }
  peer.destroy();
  socket.destroy();
  sink.stdin.end();
  const speed = (ms: number): number => data.length / 1e3 / ms;
  const speeds = (times: readonly number[]): { median: number; best: number } => ({ median: speed(quantile(times, 0.5)), best: speed(Math.min(...times)) });
  return { megabytes, agent: speeds(ours), socket: speeds(theirs), runs };
}

export async function memory(agent: AgentProcess, count: number, say: (line: string) => void): Promise<Memory> {
  const peers = await Promise.all(Array.from({ length: 8 }, () => Peer.connect(agent.port)));
  const request = inferRequest(TINY);
  let sent = 0;
  let early = 0;
  await Promise.all(peers.map(async (peer) => {
    while (sent < count) {
      sent++;
      if (sent === Math.floor(count / 10)) early = agent.usage().residentBytes;
      if (sent % 20_000 === 0) say(`${sent} requests, ${(agent.usage().residentBytes / 1e6).toFixed(1)} MB`);
      await timed(peer, request);
    }
    peer.destroy();
  }));
  return { requests: sent, early, late: agent.usage().residentBytes };
}
