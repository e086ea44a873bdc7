/**
 * `npm run bench:agent [-- --json] [-- --record] [-- --quick]`: what the agent costs beside computing, on this machine's loopback: requests a second and their times at 1, 8 and 64 clients,
 * 1 and 8 MiB tensors against a bare socket in the same run, the time of a request outside of fl_run, memory over 100,000 requests. --record writes docs/agent.md.
 */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { agentFixture } from '../support/agent.ts';
import { AgentProcess } from '../support/agent-process.ts';
import { memory, overhead, requests, throughput } from './agent/measure.ts';
import { page, PAGE, printed, type AgentFigures } from './agent/report.ts';

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, record: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } } });
const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
const [seconds, runs, many] = values.quick ? [1, 8, 5_000] : [10, 40, 100_000];

const fixture = await agentFixture('tiny');
const before = loadavg()[0] ?? 0;
try {
  execFileSync('python3', ['-B', 'test/bench/agent/program.py', fixture.modelsDir]);
  const agent = await AgentProcess.start(fixture);
  const rates = [];
  for (const clients of [1, 8, 64]) {
    say(`${clients} clients`);
    rates.push(await requests(agent, clients, seconds));
  }
  say('overhead');
  const cost = await overhead(agent, values.quick ? 300 : 3000);
  say('tensors');
  const tensors = [await throughput(agent, 1, 5 * runs), await throughput(agent, 8, runs)];
  say(`${many} requests`);
  const kept = await memory(agent, many, say);
  await agent.end('SIGTERM');
  const python = execFileSync('python3', ['--version'], { encoding: 'utf8' }).trim();
  const figures: AgentFigures = {
    machine: { cpu: cpus()[0]?.model.trim() ?? '', cores: cpus().length, node: process.version, python, load: [before, loadavg()[0] ?? 0], date: new Date().toISOString().slice(0, 10) },
    requests: rates, overhead: cost, throughput: tensors, memory: kept,
  };
  process.stdout.write(values.json ? `${JSON.stringify(figures, null, 2)}\n` : `${printed(figures)}\n`);
  if (values.record) writeFileSync(PAGE, page(figures));
} finally {
  rmSync(fixture.modelsDir, { recursive: true, force: true });
}
