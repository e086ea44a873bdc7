/** fl_estimate and fl_core_refusal: the cycle model behind the C ABI. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileProgram } from '../../src/compiler/compile.ts';
import { ROOT } from '../../test/support/data.ts';
import { Qdq } from '../../test/support/qdq.ts';
import { Counter, DEFAULT_GEOMETRY } from '../tests/counter.ts';
import { BUILD_TIMEOUT, Golden, Status } from '../tests/golden.ts';

let golden: Golden;
let counter: Counter;
beforeAll(async () => {
  golden = await Golden.start();
  counter = await Counter.start();
}, BUILD_TIMEOUT);
afterAll(async () => {
  await golden.end();
  await counter.end();
});

const shipped = readFileSync(join(ROOT, 'models/pneumonia/program.bin'));

describe('an estimate', () => {
  it('of the shipped classifier has the cycles that the simulated RTL took', async () => {
    const { layers, text } = await golden.load(shipped);
    expect(text).toBe('');
    const estimate = await golden.estimate(layers);
    const { networks } = JSON.parse(readFileSync(join(ROOT, 'hls/results/core.json'), 'utf8')) as { networks: { id: string; runs: { clockMHz: number; gigabytesPerSecond: number; cycles: number; source: string }[] }[] };
    const runs = networks.find(({ id }) => id === 'pneumonia')?.runs.filter(({ source, clockMHz, gigabytesPerSecond }) => source === 'rtl' && clockMHz === 100 && gigabytesPerSecond === 1);
    expect(runs?.map(({ cycles }) => cycles)).toEqual([estimate.cycles]);
    expect(estimate).toMatchObject({ status: Status.OK, text: '', clockKhz: 100_000, latencyNs: 400, bytesPerSecond: 1e9, macsPerCycle: 384 });
    expect(estimate.layers.reduce((sum, l) => sum + l.cycles, 0)).toBe(estimate.cycles);
  });

  it('follows the clock and the memory as the counter of the benchmarks does', async () => {
    const { layers } = await golden.load(shipped);
    for (const [clockMHz, bytesPerSecond, latencyNs] of [[150, 600e6, 800], [50, 2e9, 0]] as const) {
      const count = await counter.count(shipped, DEFAULT_GEOMETRY, { clockMHz, bytesPerSecond, latencyNs });
      const estimate = await golden.estimate(layers, { clockKhz: 1000 * clockMHz, bytesPerSecond, latencyNs });
      expect(estimate.cycles).toBe(count.cycles);
      expect([estimate.bytesRead, estimate.bytesWritten]).toEqual([count.bytesRead, count.bytesWritten]);
      expect(estimate.layers).toEqual(count.layers.map(({ cycles, weightBytes, readBytes, writtenBytes }) => ({ cycles, weightBytes, readBytes, writtenBytes })));
    }
  });

  it('leaves what the processor runs at 0, and its reason is at hand', async () => {
    const net = new Qdq();
    const x = net.input([1, 8, 12, 12], { scale: 0.05, zeroPoint: 3 });
    const pooled = net.pool('MaxPool', x, { kernel: [3, 3], strides: [3, 3] });
    const { program, report } = compileProgram(net.build([net.quantised(pooled, [1, 8, 4, 4], x)]));
    expect(report.layers.map((l) => l.target)).toEqual(['PS']);
    const { layers } = await golden.load(program);
    expect(await golden.estimate(layers)).toMatchObject({ status: Status.OK, cycles: 0, layers: [{ cycles: 0, weightBytes: 0, readBytes: 0, writtenBytes: 0 }] });
    const { status, text } = await golden.refusal(0);
    expect(status).toBe(Status.UNSUPPORTED);
    expect(text).toMatch(/stride/);
  });

  it('refuses settings that no board has, and what is not there', async () => {
    const { layers } = await golden.load(shipped);
    for (const setting of [{ clockKhz: 1, bytesPerSecond: 1e9, latencyNs: 0 }, { clockKhz: 100_000, bytesPerSecond: 0, latencyNs: 0 }, { clockKhz: 100_000, bytesPerSecond: 1e9, latencyNs: 2 ** 31 }]) {
      const { status, text } = await golden.estimate(layers, setting);
      expect([status, text]).toEqual([Status.ARGUMENT, expect.stringContaining('clock')]);
    }
    expect((await golden.refusal(layers)).status).toBe(Status.ARGUMENT);
    expect(await golden.refusal(0)).toEqual({ status: Status.OK, text: '' });
    await golden.load(new Uint8Array(3));
    expect((await golden.estimate(0)).status).toBe(Status.ARGUMENT);
    expect((await golden.refusal(0)).status).toBe(Status.ARGUMENT);
  });
});
