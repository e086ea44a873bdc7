/** The agent as a process whose memory, threads and files are looked at, and that is killed: for soak and benchmark. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Cut, getRequest, Peer } from './peer.ts';

export const TOKEN = 'a-token-of-soak-and-benchmark-01';

export interface Usage {
  residentBytes: number;
  threads: number;
  files: number;
}

export class AgentProcess {
  readonly port: number;
  readonly pid: number;
  readonly log: string[];
  readonly #child: ChildProcess;
  readonly #closed: Promise<number | null>;

  private constructor(child: ChildProcess, port: number, log: string[], closed: Promise<number | null>) {
    this.#child = child;
    this.port = port;
    this.pid = child.pid!;
    this.log = log;
    this.#closed = closed;
  }

  /** Resolves when it is ready. */
  static async start({ modelsDir, runtimeLibrary, agentDir }: { modelsDir: string; runtimeLibrary: string; agentDir: string }, options: readonly string[] = []): Promise<AgentProcess> {
    const child = spawn('python3', ['-B', '-m', 'fabriclens_agent', '--models', modelsDir, '--runtime', runtimeLibrary, '--token-stdin', '--exit-with-parent', ...options], { cwd: agentDir, stdio: ['pipe', 'pipe', 'pipe'] });
    const log: string[] = [];
    const closed = new Promise<number | null>((done) => child.once('close', done));
    child.stdin.on('error', () => {});
    child.stdin.write(`${TOKEN}\n`);
    createInterface({ input: child.stderr }).on('line', (line) => log.push(line));
    const line = await Promise.race([new Promise<string>((done) => createInterface({ input: child.stdout }).once('line', done)), closed.then((code) => Promise.reject(new Error(`the agent ended with ${code}: ${log.join('\n')}`)))]);
    const said = JSON.parse(line) as { port?: number; error?: string };
    if (said.port === undefined) throw new Error(said.error);
    const agent = new AgentProcess(child, said.port, log, closed);
    for (const until = Date.now() + 120_000; !(await agent.ready()); ) {
      if (Date.now() > until) throw new Error(`the agent was not ready in 120 s: ${log.join('\n')}`);
      await new Promise((done) => setTimeout(done, 20));
    }
    return agent;
  }

  async get(path: string): Promise<{ status: number; json: Record<string, unknown> }> {
    const peer = await Peer.connect(this.port);
    try {
      peer.write(getRequest(path, TOKEN));
      const { status, body } = await peer.answer();
      return { status, json: JSON.parse(body.toString()) as Record<string, unknown> };
    } finally {
      peer.destroy();
    }
  }

  ready(): Promise<boolean> {
    return this.get('/v2/health/ready').then(({ status }) => status === 200, (error: unknown) => {
      if (error instanceof Cut) return false;
      throw error;
    });
  }

  /** By /proc: Linux alone. */
  usage(): Usage {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
    return { residentBytes: field('VmRSS') * 1024, threads: field('Threads'), files: readdirSync(`/proc/${this.pid}/fd`).length };
  }

  /** Its exit code; null where a signal ended it. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    this.#child.kill(signal);
    return this.#closed;
  }
}
