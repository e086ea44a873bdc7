/** The soak: two agents, one on the golden model and one on the simulated RTL whose bus fails, many clients, and a kill now and then. */
import { rmSync } from 'node:fs';
import { SimulatedBoard } from '../../hls/sim/board.ts';
import { agentFixture } from '../support/agent.ts';
import { AgentProcess, TOKEN, type Usage } from '../support/agent-process.ts';
import { inferRequest, Peer, tensorsOf } from '../support/peer.ts';
import { random } from '../support/qdq.ts';
import { client, COUNTS, VIOLATIONS, type Counts, type Known, type Target } from './client.ts';

export interface SoakOptions {
  seconds: number;
  clients: number;
  /** Seconds between kills: each of the two agents in turn. */
  killEvery: number;
  hangMs: number;
  seed: number;
  say: (line: string) => void;
}

export interface StandReport {
  backend: string;
  kills: number;
  counts: Counts;
  faults: number;
  /** When it was first ready, before any client; and of the last life, when all clients had gone. */
  before: Usage;
  after: Usage;
  /** The largest seen in any life. */
  peakBytes: number;
  exitCode: number | null;
}

const FAULTS = ['fault read slverr', 'fault read decerr', 'fault write slverr', 'fault write decerr', 'fault read slverr 2', 'lose'];
const SLOW_SHAPE = [1, 16, 128, 128];
/** Files, threads and memory that an agent may keep when all clients have gone: what Python and the C library hold back. */
const SLACK = { files: 2, threads: 2, bytes: 48 << 20 };

export async function soak(options: SoakOptions): Promise<{ stands: StandReport[]; violations: string[] }> {
  const fixture = await agentFixture('tiny', 'slow');
  const board = await SimulatedBoard.start();
  const violations: string[] = [];
  const say = (stand: string) => (line: string): void => {
    violations.push(`${stand}: ${line}`);
    options.say(violations.at(-1)!);
  };
  try {
    const known = await answers(fixture, options.seed);
    const rtl = { ...fixture, modelsDir: (await agentFixture('tiny')).modelsDir };
    const stands = await Promise.all([
      Stand.start('golden', fixture, [], { ...options, clients: Math.ceil(options.clients / 2) }, known, SLOW_SHAPE, say('golden')),
      Stand.start('rtl', rtl, ['--simulated-board', board.folder], { ...options, clients: Math.floor(options.clients / 2) }, known, null, say('rtl')),
    ]);
    const end = Date.now() + options.seconds * 1000;
    const faults = failing(board, stands[1]!, random(options.seed + 1), end);
    for (let turn = 0; Date.now() < end || turn < stands.length; turn++) {
      await pause(options.killEvery * 1000);
      if (Date.now() < end || turn < stands.length) await stands[turn % stands.length]!.kill();
      options.say(stands.map((stand) => stand.summary()).join('; '));
    }
    await faults;
    const reports = await Promise.all(stands.map((stand) => stand.end()));
    rmSync(rtl.modelsDir, { recursive: true, force: true });
    return { stands: reports, violations };
  } finally {
    await board.end();
    rmSync(fixture.modelsDir, { recursive: true, force: true });
  }
}

/** What the golden model makes of some inputs, asked one by one before the storm. */
async function answers(fixture: Awaited<ReturnType<typeof agentFixture>>, seed: number): Promise<Known[]> {
  const next = random(seed);
  const agent = await AgentProcess.start(fixture);
  const peer = await Peer.connect(agent.port);
  const known: Known[] = [];
  for (let n = 0; n < 8; n++) {
    const codes = Buffer.from(Array.from({ length: 64 }, () => Math.floor(next() * 256)));
    peer.write(...inferRequest({ model: 'tiny', token: TOKEN, shape: [1, 1, 8, 8], data: codes, outputs: ['logits', 'features'] }));
    known.push({ codes, tensors: Buffer.from(tensorsOf(await peer.answer())) });
  }
  peer.destroy();
  await agent.end('SIGTERM');
  return known;
}

async function failing(board: SimulatedBoard, stand: Stand, next: () => number, end: number): Promise<void> {
  while (Date.now() < end - 1000) {
    await pause(300 + next() * 1200);
    if (stand.resting) continue;
    const answer = await board.tell(FAULTS[Math.floor(next() * FAULTS.length)]!);
    if (answer !== 'ok') throw new Error(answer);
    stand.faults++;
  }
}

class Stand {
  readonly name: string;
  readonly #start: (port?: number) => Promise<AgentProcess>;
  readonly #say: (line: string) => void;
  readonly #counts = Object.fromEntries(COUNTS.map((name) => [name, 0])) as Counts;
  readonly #target: { port: number; epoch: number; stopping: boolean };
  #agent: AgentProcess;
  readonly #before: Usage;
  #clients: Promise<unknown> = Promise.resolve();
  #peak = 0;
  #kills = 0;
  faults = 0;
  /** No fault may be armed: the one request that an agent makes of itself, when it loads a model, must succeed. */
  resting = false;

  private constructor(name: string, start: (port?: number) => Promise<AgentProcess>, agent: AgentProcess, say: (line: string) => void) {
    this.name = name;
    this.#start = start;
    this.#agent = agent;
    this.#say = say;
    this.#before = agent.usage();
    this.#target = { port: agent.port, epoch: 0, stopping: false };
  }

  static async start(name: string, fixture: Awaited<ReturnType<typeof agentFixture>>, more: readonly string[], { clients, hangMs, seed }: SoakOptions, known: readonly Known[], slowShape: readonly number[] | null, say: (line: string) => void): Promise<Stand> {
    const start = (port = 0): Promise<AgentProcess> => AgentProcess.start(fixture, ['--port', String(port), '--client-timeout', '2', '--run-timeout', '3', ...more]);
    const stand = new Stand(name, start, await start(), say);
    const target: Target = stand.#target;
    stand.#clients = Promise.all(Array.from({ length: clients }, (_, n) => client({ target, known, slowShape, next: random(seed + 1000 * n + name.length), hangMs, counts: stand.#counts, say })));
    stand.#clients.catch(() => {}); // told by end()
    return stand;
  }

  async kill(): Promise<void> {
    this.resting = true;
    await pause(this.faults > 0 ? 2000 : 0); // requests meet what is armed
    this.#look();
    this.#target.epoch++;
    await this.#agent.end('SIGKILL');
    this.#kills++;
    this.#agent = await this.#start(this.#target.port);
    this.#target.epoch++;
    this.resting = false;
  }

  summary(): string {
    return `${this.name}: ${COUNTS.filter((name) => this.#counts[name] > 0).map((name) => `${this.#counts[name]} ${name}`).join(', ')}, ${(this.#agent.usage().residentBytes / 1e6).toFixed(0)} MB`;
  }

  async end(): Promise<StandReport> {
    this.#target.stopping = true;
    await this.#clients;
    this.#look();
    const idle = async (): Promise<boolean> => ((await this.#agent.get('/v2')).json['parameters'] as Record<string, unknown>)['queue_depth'] === 0 && this.#agent.usage().files <= this.#before.files + SLACK.files;
    for (const until = Date.now() + 30_000; !(await idle()) && Date.now() < until; ) await pause(100);
    const after = this.#agent.usage();
    const grown = { files: after.files - this.#before.files, threads: after.threads - this.#before.threads, bytes: after.residentBytes - this.#before.residentBytes };
    for (const what of ['files', 'threads', 'bytes'] as const) if (grown[what] > SLACK[what]) this.#say(`leak: ${grown[what]} more ${what} than when it had started`);
    if (!(await this.#agent.ready())) this.#say('failed: not ready when all clients had gone');
    const exitCode = await this.#agent.end('SIGTERM');
    if (exitCode !== 0) this.#say(`failed: ended with exit code ${exitCode} at SIGTERM`);
    const backend = this.name;
    return { backend, kills: this.#kills, counts: this.#counts, faults: this.faults, before: this.#before, after, peakBytes: this.#peak, exitCode };
  }

  /** At the end of a life: its memory, and what its log says of defects. */
  #look(): void {
    this.#peak = Math.max(this.#peak, this.#agent.usage().residentBytes);
    for (const line of this.#agent.log) if (/^(request|connection) failed|Traceback/.test(line)) this.#say(`failed: ${line}`);
  }
}

export const violated = (counts: Counts): number => VIOLATIONS.reduce((sum, name) => sum + counts[name], 0);
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
