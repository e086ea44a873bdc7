/**
 * `npm run bench:core [-- --json] [-- --nightly] [-- --model] [-- --record] [-- NAME…]`: whole networks on the simulated core, no sampling.
 * Without --nightly the longest (YOLOv5s) runs once, at the first setting; --model counts cycles with the cycle model alone, in seconds;
 * --record keeps the figures of the networks that ran in hls/results/core.json, against which hls/README.md's tables are held.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { Simulated } from '../../hls/sim/simulated.ts';
import { Counter, DEFAULT_GEOMETRY } from '../../hls/tests/counter.ts';
import { Golden } from '../../hls/tests/golden.ts';
import { verdicts } from './core/aims.ts';
import { byModel, byRtl, goldenSeconds, SETTINGS, type Measured, type NetworkResult } from './core/measure.ts';
import type { BenchNetwork, Benched } from './core/networks.ts';
import { recorded, type RecordedNetwork } from './core/record.ts';
import { printed } from './core/report.ts';
import { BENCHED } from './core/shipped.ts';

const { values, positionals } = parseArgs({ options: { json: { type: 'boolean', default: false }, nightly: { type: 'boolean', default: false }, model: { type: 'boolean', default: false }, record: { type: 'boolean', default: false } }, allowPositionals: true });
const RECORD = 'hls/results/core.json';
const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
const unknown = positionals.find((id) => BENCHED.every((network) => network.id !== id));
if (unknown !== undefined) {
  say(`no network '${unknown}'; there are ${BENCHED.map(({ id }) => id).join(', ')}`);
  process.exit(1);
}
const chosen = BENCHED.filter(({ id, extra }) => (positionals.length > 0 ? positionals.includes(id) : !extra));

const counter = await Counter.start(say);
const golden = await Golden.start();
const core = values.model ? null : await Simulated.start({ oc: 8, px: 3 }, { log: say });

async function measure({ id, make, long }: BenchNetwork<Benched>): Promise<NetworkResult> {
  const network = make();
  say(`${network.name}: golden model`);
  const seconds = await goldenSeconds(golden, network);
  const measured: Measured[] = [];
  let plan: NetworkResult['plan'] = [];
  for (const [i, setting] of SETTINGS.entries()) {
    const model = await byModel(counter, network, setting);
    if (i === 0) plan = model.plan;
    const rtl = core !== null && (i === 0 || !long || values.nightly);
    if (rtl) say(`${network.name}: RTL at ${setting.clockMHz} MHz, ${setting.bytesPerSecond / 1e9} GB/s, ${setting.latencyNs} ns`);
    measured.push(rtl ? await byRtl(core, network, model.measured) : model.measured);
  }
  return { id, name: network.name, macs: network.macs, layers: network.layers, plan, goldenSeconds: seconds, measured };
}

const results: NetworkResult[] = [];
for (const network of chosen) {
  const result = await measure(network);
  results.push(result);
  if (!values.json) process.stdout.write(`${printed(result)}\n\n`);
}
await Promise.all([counter.end(), golden.end(), core?.end()]);

const machine = { cpu: cpus()[0]?.model.trim() ?? '', cores: cpus().length, node: process.version };
if (values.json) process.stdout.write(`${JSON.stringify({ machine, geometry: DEFAULT_GEOMETRY, networks: results.map((result) => ({ ...result, verdicts: verdicts(result) })) }, null, 2)}\n`);
else process.stdout.write(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}. Cycles of source rtl are the Verilated core's, of source model the cycle model's; no board has run this.\n`);
if (values.record) {
  mkdirSync('hls/results', { recursive: true });
  const kept = existsSync(RECORD) ? (JSON.parse(readFileSync(RECORD, 'utf8')) as { networks: RecordedNetwork[] }).networks : [];
  const all = new Map([...kept, ...results.map(recorded)].map((network) => [network.id, network]));
  writeFileSync(RECORD, `${JSON.stringify({ networks: BENCHED.flatMap(({ id }) => all.get(id) ?? []) }, null, 1)}\n`);
}
// A difference from the golden model is no figure but a fault.
if (results.some(({ measured }) => measured.some(({ difference }) => difference !== ''))) process.exitCode = 1;
