import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DescriptorFlag, MAX_DILATION, MAX_KERNEL, MAX_STRIDE, Op } from '../../src/contract/layout.ts';
import { inputCodes } from '../../test/support/random-network.ts';
import { BUILD_TIMEOUT, Golden } from '../tests/golden.ts';
import type { Layer } from '../tests/layer.ts';
import { evaluate, inputsOf, programOf, randomLayer } from '../tests/layer.ts';

let golden: Golden;
let baseline: Golden;
beforeAll(async () => {
  golden = await Golden.start();
  baseline = await Golden.start('driver-baseline');
}, BUILD_TIMEOUT);
afterAll(async () => {
  await golden.end();
  await baseline.end();
});

/** Bytes that are too few for it. */
const size = (layer: Layer): number => 2 * layer.weights.length;

async function outcome(on: Golden, layer: Layer, codes: Int8Array, target: 'PL' | 'PS' = 'PL'): Promise<Int8Array> {
  const loaded = await on.load(programOf(layer, target), true);
  expect(loaded.text).toBe('');
  expect(loaded.inputBytes).toBe(inputsOf(layer));
  return on.run(codes);
}

describe('every layer, in the words of the descriptor', () => {
  it('equals the naive evaluation in exact integers, with and without the vector units', async () => {
    const met = new Map<number, number>();
    let values = 0;
    let pooled = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const layer = randomLayer(seed, { pool: true });
        const codes = inputCodes(inputsOf(layer), seed ^ 0x5eed);
        const want = evaluate(layer, codes);
        expect(await outcome(golden, layer, codes)).toEqual(want);
        expect(await outcome(baseline, layer, codes)).toEqual(want);
        met.set(layer.op, (met.get(layer.op) ?? 0) + 1);
        values += want.length;
        if (layer.flags & DescriptorFlag.POOL_OUTPUT) pooled++;
      }),
      { numRuns: 600 },
    );
    console.log(`${values} values of ${[...met.values()].reduce((a, b) => a + b, 0)} layers, ${pooled} of them pooled`);
    expect([...met.keys()].sort()).toEqual(Object.values(Op).sort());
    expect(pooled).toBeGreaterThan(30);
  }, 120_000);
});

describe('windows that the core lacks', () => {
  it('equal the naive evaluation on the processor, and are refused in a segment of the core', async () => {
    const met = { kernel: 0, stride: 0, dilation: 0, pooled: 0 };
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const layer = randomLayer(seed, { pool: true, far: true });
        const codes = inputCodes(inputsOf(layer), seed ^ 0x5eed);
        const want = evaluate(layer, codes);
        expect(await outcome(golden, layer, codes, 'PS')).toEqual(want);
        expect(await outcome(baseline, layer, codes, 'PS')).toEqual(want);
        const [kernel, stride, dilation] = [layer.kernel, layer.strides, layer.dilations].map((sides) => Math.max(...sides)) as [number, number, number];
        const words = kernel > MAX_KERNEL ? "kernel is larger than the core's" : stride > MAX_STRIDE ? 'stride is not 1 or 2' : dilation > MAX_DILATION ? 'dilation is not 1 or 2' : '';
        expect((await golden.load(programOf(layer))).text).toContain(words);
        const { text } = words === '' || (await golden.load(programOf(layer, 'PS'))).text !== '' ? { text: '' } : await golden.refusal(0);
        expect(text).toMatch(kernel > MAX_KERNEL ? /^a kernel of \d+x\d+: the core has up to 7x7$/ : stride > MAX_STRIDE ? /^a stride of / : dilation > MAX_DILATION ? /^a dilation of / : /^$/);
        met.kernel += Number(kernel > MAX_KERNEL);
        met.stride += Number(stride > MAX_STRIDE);
        met.dilation += Number(dilation > MAX_DILATION);
        met.pooled += Number((layer.flags & DescriptorFlag.POOL_OUTPUT) !== 0);
      }),
      { numRuns: 300 },
    );
    console.log(met);
    for (const [what, count] of Object.entries(met)) expect(count, what).toBeGreaterThan(20);
  }, 120_000);
});

describe('3 x 3 kernels, for which the board\'s processor has ways of its own', () => {
  it('equal the naive evaluation, in much memory and in as little as will do', async () => {
    let [wide, pooled] = [0, 0];
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const layer = randomLayer(seed, { pool: true, three: true });
        const codes = inputCodes(inputsOf(layer), seed ^ 0x5eed);
        const want = evaluate(layer, codes);
        expect(await outcome(golden, layer, codes, 'PS')).toEqual(want);
        const least = /^program needs (\d+) bytes/.exec((await golden.load(programOf(layer, 'PS'), true, size(layer))).text)?.[1];
        expect((await golden.load(programOf(layer, 'PS'), true, Number(least))).text).toBe('');
        expect(await golden.run(codes)).toEqual(want);
        wide += Number(layer.op === Op.CONV && Math.max(...layer.strides) === 1 && Math.min(layer.output[0], layer.output[1]) > 4);
        pooled += Number((layer.flags & DescriptorFlag.POOL_OUTPUT) !== 0);
      }),
      { numRuns: 150 },
    );
    console.log({ wide, pooled });
    expect(wide).toBeGreaterThan(5);
    expect(pooled).toBeGreaterThan(10);
  }, 120_000);

  // Either side of 2^25, up to which the fast way knows a sum.
  it.each([228, 240])('sum %i channels of extremes', async (channels) => {
    for (const [weight, code] of [[127, -128], [-127, -128], [127, 127]] as const) {
      const layer: Layer = {
        op: Op.CONV, flags: 0, input: [6, 6, channels], second: 0, output: [6, 6, 8], kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1],
        weights: new Int8Array(8 * 9 * channels).fill(weight), parameters: Array.from({ length: 8 }, (_, i) => ({ bias: i, multiplier: 2 ** 23 + 1 + 2 * i, shift: 42 })),
        table: new Int8Array(256), add: { a: 0, b: 0, shift: 1, zeroA: 0, zeroB: 0, zeroOut: 0 }, inputZero: 0, stageZero: 0, min: -128, max: 127, slack: [0, 0],
      };
      const x = new Int8Array(36 * channels).fill(code);
      expect(await outcome(golden, layer, x)).toEqual(evaluate(layer, x));
    }
  });
});

describe('a layer in parts', () => {
  it('is the same bits on one thread and on several', async () => {
    const layers = Array.from({ length: 3000 }, (_, i) => randomLayer(7000 + i, { pool: true, three: i % 4 === 0 }));
    const worthSharing = layers.filter(({ op, output: [h, w, c], weights }) => h * w * (weights.length + (op === Op.DEPTHWISE ? 0 : c)) > 60_000).slice(0, 40);
    expect(worthSharing).toHaveLength(40);
    // One result: its channels are what is shared.
    const dense: Layer = { ...requantiser(0, 2 ** 23, 30, 3), op: Op.DENSE, input: [2, 2, 130], output: [1, 1, 201], weights: Int8Array.from({ length: 520 * 201 }, (_, i) => ((i * 37) % 255) - 127), parameters: Array.from({ length: 201 }, (_, i) => ({ bias: i * 999, multiplier: 2 ** 23 + i, shift: 36 })) };
    for (const [i, layer] of [...worthSharing, dense].entries()) {
      const codes = inputCodes(inputsOf(layer), i);
      const want = await outcome(golden, layer, codes);
      for (const threads of [2, 3, 8, 1]) {
        expect(await golden.share(threads)).toEqual({ status: 0, text: '' });
        for (let run = 0; run < 3; run++) expect(await golden.run(codes)).toEqual(want);
      }
    }
    expect((await golden.share(0)).text).toBe('0 threads, 1 to 8 are possible');
    expect((await golden.share(9)).text).toMatch(/^9 threads/);
  }, 120_000);
});

/** A 1×1 convolution of one channel whose sums are code + bias: the requantiser alone. */
const requantiser = (bias: number, multiplier: number, shift: number, zero: number): Layer => ({
  op: Op.CONV, flags: 0, input: [16, 16, 1], second: 0, output: [16, 16, 1], kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0],
  weights: Int8Array.of(1), parameters: [{ bias, multiplier, shift }], table: new Int8Array(256),
  add: { a: 0, b: 0, shift: 1, zeroA: 0, zeroB: 0, zeroOut: 0 }, inputZero: 0, stageZero: zero, min: -128, max: 127, slack: [0, 0],
});
const everyCode = Int8Array.from({ length: 256 }, (_, i) => i - 128);

describe('requantisation', () => {
  it('rounds ties to even on both sides of zero', async () => {
    // x / 2: …, -1.5 → -2, -0.5 → 0, 0.5 → 0, 1.5 → 2, …
    const got = await outcome(golden, requantiser(0, 2 ** 23, 24, 0), everyCode);
    const of = (code: number): number => got[code + 128] as number;
    expect([-5, -3, -1, 1, 3, 5].map(of)).toEqual([-2, -2, 0, 0, 2, 2].map((v) => v + 0));
    expect([-4, -2, 0, 2, 4].map(of)).toEqual([-2, -1, 0, 1, 2]);
  });

  it('is exact at the ends of the accumulator, the multiplier and the shift', async () => {
    const ends = [-(2 ** 31) + 20_000, -1, 0, 1, 2 ** 31 - 20_000];
    for (const bias of ends) {
      for (const multiplier of [0, 1, 2 ** 23, 2 ** 24 - 1]) {
        for (const shift of [1, 2, 23, 24, 47, 54, 55]) {
          for (const zero of [-128, 0, 127]) {
            const layer = requantiser(bias, multiplier, shift, zero);
            expect(await outcome(golden, layer, everyCode)).toEqual(evaluate(layer, everyCode));
          }
        }
      }
    }
  }, 60_000);
});

describe('long accumulations of extremes', () => {
  it.each([[-127, -128], [-127, 127], [127, -128], [127, 127]])('weights %i, inputs %i, 512 channels, 7×7', async (weight, code) => {
    const layer: Layer = {
      op: Op.CONV, flags: 0, input: [8, 8, 512], second: 0, output: [2, 2, 5], kernel: [7, 7], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0],
      weights: new Int8Array(5 * 49 * 512).fill(weight), parameters: Array.from({ length: 5 }, (_, i) => ({ bias: 0, multiplier: 2 ** 23 + i, shift: 45 })),
      table: new Int8Array(256), add: { a: 0, b: 0, shift: 1, zeroA: 0, zeroB: 0, zeroOut: 0 }, inputZero: 0, stageZero: 0, min: -128, max: 127, slack: [0, 0],
    };
    const x = new Int8Array(8 * 8 * 512).fill(code);
    expect(await outcome(golden, layer, x)).toEqual(evaluate(layer, x));
  });
});
