/** The plan's bytes, layer by layer, are those that the cycle model moves; and a clock or a memory changes cycles, never bytes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resnet8 } from '../../test/bench/core/cifar.ts';
import { tinyYolov3 } from '../../test/bench/core/tiny-yolov3.ts';
import { yolov5s } from '../../test/bench/core/yolov5s.ts';
import { Counter, DEFAULT_GEOMETRY, type Geometry } from './counter.ts';
import { BUILD_TIMEOUT } from './golden.ts';

const MEMORY = { clockMHz: 100, bytesPerSecond: 1e9, latencyNs: 400 };
const SQUARE: Geometry = { ...DEFAULT_GEOMETRY, outputLanes: 16, pixelLanes: 1 };

let counter: Counter;
beforeAll(async () => {
  counter = await Counter.start();
}, BUILD_TIMEOUT);
afterAll(() => counter.end());

const networks = [resnet8(), yolov5s({ size: 160 }), tinyYolov3(160)];
describe.each(networks.map(({ name, program }) => ({ name, program })))('$name', ({ program }) => {
  it.each([['8x3', DEFAULT_GEOMETRY], ['16x1', SQUARE]])('%s: bytes and cycles of the layers add up', async (_, geometry) => {
    const { cycles, bytesRead, bytesWritten, layers } = await counter.count(program, geometry, MEMORY);
    const sum = (key: 'cycles' | 'weightBytes' | 'readBytes' | 'writtenBytes'): number => layers.reduce((total, layer) => total + layer[key], 0);
    expect(sum('weightBytes') + sum('readBytes')).toBe(bytesRead);
    expect(sum('writtenBytes')).toBe(bytesWritten);
    expect(cycles - sum('cycles')).toBeGreaterThanOrEqual(0);
    expect(cycles - sum('cycles')).toBeLessThan(64);
  });

  it('a slow memory costs cycles, not bytes', async () => {
    const fast = await counter.count(program, DEFAULT_GEOMETRY, MEMORY);
    const slow = await counter.count(program, DEFAULT_GEOMETRY, { clockMHz: 150, bytesPerSecond: 0.6e9, latencyNs: 800 });
    expect(slow.cycles).toBeGreaterThan(fast.cycles);
    expect([slow.bytesRead, slow.bytesWritten]).toEqual([fast.bytesRead, fast.bytesWritten]);
  });
});

it('what the core cannot run is refused in words', async () => {
  await expect(counter.count(resnet8().program.slice(0, -1), DEFAULT_GEOMETRY, MEMORY)).rejects.toThrow(/bytes/);
  // The pipe still answers.
  expect((await counter.count(resnet8().program, DEFAULT_GEOMETRY, MEMORY)).layers).toHaveLength(11);
});
