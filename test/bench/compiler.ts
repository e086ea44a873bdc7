/**
 * `npm run bench:compiler [-- --json] [-- --record] [-- --only NAME…]`: the networks of test/networks from an exported file to a program that the golden
 * model runs: seconds, memory, where layers run, and how near int8 comes. --record keeps the figures of those that ran and writes docs/networks.md.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Golden } from '../../hls/tests/golden.ts';
import { buildForTest } from '../support/build.ts';
import { verdicts } from './compiler/aims.ts';
import { measure, type CompilerResult } from './compiler/measure.ts';
import { BENCHED } from './compiler/networks.ts';
import { networksPage, PAGE, RECORD, recorded, type Machine, type RecordedNetwork } from './compiler/record.ts';

const { values, positionals } = parseArgs({ options: { json: { type: 'boolean', default: false }, record: { type: 'boolean', default: false }, only: { type: 'string', multiple: true, default: [] } }, allowPositionals: true });
const only = [...values.only, ...positionals];
const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
const unknown = only.find((id) => BENCHED.every((network) => network.id !== id));
if (unknown !== undefined) {
  say(`no network '${unknown}'; there are ${BENCHED.map(({ id }) => id).join(', ')}`);
  process.exit(1);
}

const child = fileURLToPath(await buildForTest('test/bench/compiler/child.ts'));
const golden = await Golden.start();
const results: { result: CompilerResult; machine: Machine }[] = [];

/** After each network: a run of all takes long. */
function record({ result, machine }: { result: CompilerResult; machine: Machine }): void {
  const kept = existsSync(RECORD) ? (JSON.parse(readFileSync(RECORD, 'utf8')) as RecordedNetwork[]) : [];
  const all = new Map([...kept, recorded(result, machine)].map((network) => [network.id, network]));
  const ordered = BENCHED.flatMap(({ id }) => all.get(id) ?? []);
  writeFileSync(RECORD, `${JSON.stringify(ordered, null, 1)}\n`);
  writeFileSync(PAGE, networksPage(ordered));
}

const print = (line: string): void => void (values.json || process.stdout.write(`${line}\n`));
for (const network of BENCHED.filter(({ id }) => only.length === 0 || only.includes(id))) {
  const before = loadavg()[0] ?? 0;
  try {
    const result = await measure(network, { child, golden, say });
    const measured = { result, machine: { cpu: cpus()[0]?.model.trim() ?? '', cores: cpus().length, node: process.version, load: [before, loadavg()[0] ?? 0] } satisfies Machine };
    results.push(measured);
    if (values.record) record(measured);
    const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
    const time = ({ seconds, cpuSeconds, peakBytes }: CompilerResult['import']): string => `${seconds.toFixed(1)} s (own ${cpuSeconds.toFixed(1)} s), ${mb(peakBytes)} MB`;
    print(`${result.name} (${result.form}): ${(result.macs / 1e6).toFixed(1)} MMAC, ${((100 * result.plMacs) / result.macs).toFixed(2)} % on the PL, ${result.floatOperators} fp32 operators, arena ${mb(result.arenaBytes)} MB, program ${mb(result.programBytes)} MB`);
    print(`  import ${time(result.import)}; quantise ${time(result.quantise)}; compile ${time(result.compile)}; load ${result.loadSeconds.toFixed(2)} s; schedule ${result.schedule === null ? '-' : `${result.schedule.seconds.toFixed(2)} s, ${result.schedule.cycles} cycles`}`);
    print(`  dB: int8 ${result.sqnrInt8?.toFixed(1)}, golden ${result.sqnrGolden?.toFixed(1)}, golden to int8 ${result.sqnrGoldenInt8?.toFixed(1)}; same label ${(100 * result.labels).toFixed(1)} % (${result.distinctLabels} labels)`);
    for (const { text } of verdicts(result)) print(`  ${text}`);
  } catch (error) {
    // One network that fails leaves the others their figures.
    say((error as Error).message);
    process.exitCode = 1;
  }
}
await golden.end();

if (values.json) process.stdout.write(`${JSON.stringify(results.map(({ result, machine }) => ({ ...result, machine, verdicts: verdicts(result) })), null, 2)}\n`);
