/**
 * The shipped classifier layer by layer: on the core (cycle model), as one function a layer (what `export-hls` reckons), and at best on the
 * board's processor. Markdown, as it stands in docs/routes.md.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Counter } from '../../../hls/tests/counter.ts';
import { exportHls, SHIPPED_SOURCES } from '../../../src/compiler/export-hls.ts';
import { ROOT } from '../../support/data.ts';
import { byModel, SETTINGS } from '../core/measure.ts';
import type { RecordedNetwork } from '../core/record.ts';
import { BENCHED } from '../core/shipped.ts';

/**
 * No multiply-accumulate of the two Cortex-A9 can be faster: VMLAL.S8 multiplies 8 codes by 8 and adds to 16-bit sums, one a cycle and core. Real
 * kernels widen to 32 bits, load, requantise and wait for memory. A bound, not a measurement: no board has run this.
 */
export const PROCESSOR = { cores: 2, macsACycle: 8, clockMHz: 650 } as const;
const MACS_A_MS = PROCESSOR.cores * PROCESSOR.macsACycle * PROCESSOR.clockMHz * 1000;

export type Row = { readonly name: string; readonly macs: number; readonly cycles: number; readonly steps: number };
export type Routes = { readonly rows: readonly Row[]; readonly cycles: number; readonly steps: number; readonly dsp: number; readonly macs: number; readonly clockMHz: number };

export async function routes(counter: Counter): Promise<Routes> {
  const network = BENCHED.find(({ id }) => id === 'pneumonia')!.make();
  const [setting] = SETTINGS;
  const { measured } = await byModel(counter, network, setting);
  const sources = new Map(Object.keys(SHIPPED_SOURCES).map((path) => [path, readFileSync(join(ROOT, 'hls', path), 'utf8')]));
  const { report } = exportHls(network.program, { name: network.name, version: '', sha256: '', sources });
  const rows = network.layers.map(({ name, macs }, i) => ({ name, macs, cycles: measured.layers[i]?.cycles ?? 0, steps: report.layers[i]?.plan.cycles ?? 0 }));
  return { rows, cycles: measured.cycles, steps: report.cycles, dsp: report.dsp, macs: network.macs, clockMHz: setting.clockMHz };
}

/** The RTL's cycles of the whole network at the first setting, as `npm run bench:core -- --record` kept them. */
export function simulatedCycles(): number {
  const { networks } = JSON.parse(readFileSync(join(ROOT, 'hls/results/core.json'), 'utf8')) as { networks: readonly RecordedNetwork[] };
  const run = networks.find(({ id }) => id === 'pneumonia')?.runs[0];
  if (run === undefined || run.source !== 'rtl') throw new Error('hls/results/core.json has no simulated run of the shipped classifier');
  return run.cycles;
}

const grouped = (value: number): string => value.toLocaleString('en');

export function markdown({ rows, cycles, steps, macs, clockMHz }: Routes): string {
  const ms = (count: number): string => (count / clockMHz / 1000).toFixed(3);
  const row = (name: string, mac: number, core: number, own: number): string => {
    const processor = mac / MACS_A_MS;
    // What pools multiplies nothing: the bound says nothing of it.
    const bound = mac < 1e4 ? ['–', '–'] : [processor.toFixed(3), (processor / (core / clockMHz / 1000)).toFixed(1)];
    return `| ${[name, (mac / 1e6).toFixed(2), grouped(core), ms(core), grouped(own), ms(own), ...bound].join(' | ')} |`;
  };
  return [
    '| layer | MMAC | core: cycles | ms | one function a layer: steps | ms | processor, at best: ms | core is faster by at least |',
    '|---|---:|---:|---:|---:|---:|---:|---:|',
    ...rows.map((r) => row(r.name, r.macs, r.cycles, r.steps)),
    row('**whole network**', macs, cycles, steps),
  ].join('\n');
}
