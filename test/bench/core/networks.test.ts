import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../../hls/tests/golden.ts';
import { writeProgram } from '../../../src/compiler/write.ts';
import { portOf, type Network } from './builder.ts';
import { inputOf, NETWORKS } from './networks.ts';
import { tinyYolov3 } from './tiny-yolov3.ts';
import { yolov5s } from './yolov5s.ts';

/** Deviation of a layer's codes: of all that a code can be, 74 is the most even. Below LEAST a wrong value would often round away. */
const LEAST = 15;
/** Share of codes that lie at an end of the range. ReLU clips the half of them. */
const CLIPPED = 0.65;

let golden: Golden;
beforeAll(async () => {
  golden = await Golden.start();
}, BUILD_TIMEOUT);
afterAll(() => golden.end());

/** Deviation, and share at the ends, of every layer's output. */
async function spreads(network: Network): Promise<{ name: string; deviation: number; clipped: number }[]> {
  const { parts, layers } = network;
  const written = parts.descriptors.map(({ values }) => parts.places[values.outputTensor] as (typeof parts.places)[number]);
  const all = writeProgram({ ...parts, outputs: written.map(portOf) });
  expect(await golden.load(all, true)).toMatchObject({ status: 0, text: '', layers: layers.length });
  const codes = await golden.run(inputOf(network, 1));
  let from = 0;
  return written.map(({ tensor: { height, width, channels } }, i) => {
    const values = codes.subarray(from, (from += height * width * channels));
    const middle = values.reduce((sum, v) => sum + v, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - middle) ** 2, 0) / values.length);
    return { name: layers[i]?.name ?? '', deviation, clipped: values.reduce((sum, v) => sum + (v === -128 || v === 127 ? 1 : 0), 0) / values.length };
  });
}

describe('the bench networks', () => {
  it.each(NETWORKS)('$id multiplies as often as is published', ({ make, mmac }) => {
    const { macs } = make();
    if (mmac !== undefined) expect(Math.abs(macs / 1e6 / mmac - 1)).toBeLessThan(0.002);
  });

  it('YOLOv5s with its stem rearranged multiplies as often', () => {
    expect(yolov5s({ stem: 's2d' }).macs).toBe(yolov5s().macs);
  });

  const small: [string, () => Network][] = [
    ...NETWORKS.filter(({ id }) => id.startsWith('resnet') || id === 'mobilenetv2').map(({ id, make }): [string, () => Network] => [id, make]),
    ['yolov5s at 160', () => yolov5s({ size: 160 })],
    ['yolov5s at 160, s2d', () => yolov5s({ size: 160, stem: 's2d' })],
    ['tiny-yolov3 at 160', () => tinyYolov3(160)],
  ];
  it.each(small)('%s: every layer uses the codes', async (_, make) => {
    const found = await spreads(make());
    expect(found.filter(({ deviation, clipped }) => deviation < LEAST || clipped > CLIPPED)).toEqual([]);
  }, 120_000);
});
