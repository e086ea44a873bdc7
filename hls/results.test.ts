/** The figures in hls/README.md are those that the commands recorded, and what was recorded is still what the sources give. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SETTINGS } from '../test/bench/core/measure.ts';
import type { RecordedNetwork, RecordedRun } from '../test/bench/core/record.ts';
import { BENCHED } from '../test/bench/core/shipped.ts';
import { ROOT } from '../test/support/data.ts';
import { Counter, DEFAULT_GEOMETRY } from './tests/counter.ts';
import { BUILD_TIMEOUT } from './tests/golden.ts';

type Fit = { readonly shapes: readonly { readonly shape: string; readonly dsp: number; readonly bram: number; readonly lut: number; readonly ff: number; readonly logicCells: number; readonly gates: number }[] };
const read = (name: string): string => readFileSync(join(ROOT, 'hls', name), 'utf8');
const readme = read('README.md');
const { networks } = JSON.parse(read('results/core.json')) as { networks: readonly RecordedNetwork[] };
const fit = JSON.parse(read('results/fit.json')) as Fit;

const grouped = (value: number): string => value.toLocaleString('en');

/** Rows of the README's two tables. */
function networkRow({ name, mmac, runs }: RecordedNetwork): string {
  const at = (clockMHz: number, gigabytes: number): RecordedRun => {
    const run = runs.find((r) => r.clockMHz === clockMHz && r.gigabytesPerSecond === gigabytes);
    if (run === undefined) throw new Error(`${name} was not recorded at ${clockMHz} MHz and ${gigabytes} GB/s`);
    return run;
  };
  const first = at(100, 1);
  const ms = (run: RecordedRun): string => `${run.ms.toFixed(2)}${run.source === 'model' ? ' (model)' : ''}`;
  return `| ${name} | ${grouped(mmac)} | ${grouped(first.cycles)} | ${first.percentUsed.toFixed(1)} % | ${first.megabytes.toFixed(1)} | ${ms(first)} | ${ms(at(150, 1))} | ${ms(at(100, 0.6))} | ${ms(at(150, 0.6))} |`;
}

const fitRow = ({ shape, dsp, bram, lut, ff, logicCells, gates }: Fit['shapes'][number]): string =>
  `| ${shape.replace('x', ' × ')} | ${dsp} | ${bram} | ${grouped(lut)} | ${grouped(ff)} | ${grouped(logicCells)} | ${Math.round(gates / 1000)} k |`;

describe('recorded figures of the core', () => {
  test('stand in the README as they were recorded', () => {
    const rows = [...networks.map(networkRow), ...fit.shapes.map(fitRow)];
    expect(rows.length).toBeGreaterThanOrEqual(8);
    expect(rows.filter((row) => !readme.includes(`${row}\n`))).toEqual([]);
  });

  test('were simulated, whole, and the cycle model gave the same cycles', () => {
    for (const { name, runs } of networks) {
      expect(runs[0]?.source, name).toBe('rtl');
      for (const { cycles, modelCycles } of runs) expect(modelCycles, name).toBe(cycles);
    }
  });

  // What changes cycles changes the model's too, or sim/core.test.ts fails: then `npm run bench:core -- --record` is due.
  test('are what the scheduler and the cycle model still give', async () => {
    const counter = await Counter.start();
    const [setting] = SETTINGS;
    for (const { id, runs } of networks) {
      const network = BENCHED.find((n) => n.id === id);
      if (network === undefined) throw new Error(`no network '${id}'`);
      expect((await counter.count(network.make().program, DEFAULT_GEOMETRY, setting)).cycles, id).toBe(runs[0]?.modelCycles);
    }
    expect((await counter.end()).code).toBe(0);
  }, BUILD_TIMEOUT);
});
