/** Whole networks on the Verilated core: equal to the golden model on every layer, and the cycle model beside it. The large ones are the bench's. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Simulated } from '../../../hls/sim/simulated.ts';
import { Counter } from '../../../hls/tests/counter.ts';
import { verdicts } from './aims.ts';
import type { Network } from './builder.ts';
import { resnet20v2, resnet8 } from './cifar.ts';
import { byModel, byRtl, SETTINGS } from './measure.ts';
import { tinyYolov3 } from './tiny-yolov3.ts';
import { yolov5s } from './yolov5s.ts';

let core: Simulated;
let counter: Counter;
beforeAll(async () => {
  core = await Simulated.start();
  counter = await Counter.start();
}, 900_000);
afterAll(async () => {
  await Promise.all([core.end(), counter.end()]);
});

const NETWORKS: readonly [string, () => Network][] = [['resnet8', resnet8], ['resnet20v2', resnet20v2], ['tiny-yolov3 at 160', () => tinyYolov3(160)], ['yolov5s at 96', () => yolov5s({ size: 96 })]];
describe.each(NETWORKS)('%s', (id, make) => {
  const network = make();
  it.each([SETTINGS[0], SETTINGS[3]])('at $clockMHz MHz, $bytesPerSecond bytes/s, $latencyNs ns', async (setting) => {
    const { measured, plan } = await byModel(counter, network, setting);
    const rtl = await byRtl(core, network, measured);
    expect(rtl.difference).toBe('');
    expect([rtl.bytesRead, rtl.bytesWritten]).toEqual([measured.bytesRead, measured.bytesWritten]);
    const all = verdicts({ id, name: network.name, macs: network.macs, layers: network.layers, plan, goldenSeconds: 0, measured: [rtl] });
    expect(all.map(({ text }) => text).filter((text) => text.startsWith('cycle model'))).toHaveLength(2);
    expect(all.filter(({ met }) => !met)).toEqual([]);
  }, 120_000);
});
