/** The whole core in simulation against the golden model: every layer, whole networks, stalls, errors, resets, queues. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ControlBit, CORE_ID, CORE_VERSION, CoreError, DescriptorFlag, LAYOUT_VERSION, Op, Register, StatusBit } from '../../src/contract/layout.ts';
import { writeProgram } from '../../src/compiler/write.ts';
import { resnet8 } from '../../test/bench/core/cifar.ts';
import { inputOf } from '../../test/bench/core/networks.ts';
import { yolov5s } from '../../test/bench/core/yolov5s.ts';
import { random } from '../../test/support/qdq.ts';
import { inputCodes } from '../../test/support/random-network.ts';
import { Counter, type NetworkCount } from '../tests/counter.ts';
import { BUILD_TIMEOUT } from '../tests/golden.ts';
import type { Layer } from '../tests/layer.ts';
import { inputsOf, programOf, randomLayer } from '../tests/layer.ts';
import { manySmall, randomNetwork } from '../tests/network.ts';
import { merge, pointsOf } from './coverage.mjs';
import type { Geometry, Run, Setting, Stalls } from './simulated.ts';
import { DECERR, Outcome, SLVERR, Simulated } from './simulated.ts';

/** The default core, and the other array shape with buffers so small that most layers are cut into tiles. */
const SHAPES: [string, Geometry][] = [['16 x 8 x 3', { oc: 8, px: 3 }], ['16 x 16 x 1, small buffers', { oc: 16, px: 1, rowsLog2: 9, stepsLog2: 8 }]];
/** What coverage.mjs asks for. */
const COVERED = process.env.FL_COVERAGE_OF === 'all' ? 'all' : 'lines';
/** Models that count toggles take minutes to compile, and some times as long to run. */
const PATIENCE = COVERED === 'all' ? 5 : 1;
const LINES_FLOOR = 0.98;
const STALLS = { ar: 300, r: 300, aw: 300, w: 300, b: 300 };
const WATCHDOG = 200_000;
/** For channels that hardly move. */
const PATIENT = 10_000_000;
const BOUND = 2_000_000;
/** Where driver.cpp puts slot 0 with seed 0. */
const ARENA_BASE = 0x10000000;
const DATA_BASE = 0x60000000;

const started = new Map<string, Simulated>();
const on = (name: string): Simulated => started.get(name) as Simulated;
let core: Simulated;
let counter: Counter;
beforeAll(async () => {
  counter = await Counter.start();
  for (const [name, geometry] of SHAPES) started.set(name, await Simulated.start(geometry, { asserts: true, coverage: { of: COVERED, name: `core-${geometry.oc}` } }));
  core = on('16 x 8 x 3');
}, BUILD_TIMEOUT * PATIENCE);
afterAll(async () => {
  for (const one of started.values()) await one.end();
  await counter.end();
});

const layer = (values: Partial<Layer>): Layer => ({
  op: Op.CONV, flags: 0, input: [8, 8, 16], second: 0, output: [8, 8, 16], kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0],
  weights: new Int8Array(), parameters: [], table: Int8Array.from({ length: 256 }, (_, i) => 127 - i), add: { a: 2 ** 23, b: 2 ** 22, shift: 24, zeroA: 3, zeroB: -5, zeroOut: 1 },
  inputZero: 0, stageZero: 0, min: -128, max: 127, slack: [0, 0], ...values,
});

/** How the core that a shape names should take a program, by the cycle model. */
const counted = (program: Uint8Array, { oc, px, rowsLog2 = 12, stepsLog2 = 10 }: Geometry): Promise<NetworkCount> =>
  counter.count(program, { outputLanes: oc, pixelLanes: px, bankRows: 2 ** rowsLog2, weightSteps: 2 ** stepsLog2 }, { clockMHz: 100, bytesPerSecond: 1e9, latencyNs: 400 });

/** A convolution with random weights whose results use the codes. */
function convolution(height: number, width: number, channels: number, outputs: number, kernel: number, values: Partial<Layer> = {}): Layer {
  const each = kernel * kernel * channels;
  const pad = (kernel - 1) / 2;
  return layer({
    input: [height, width, channels], output: [height, width, outputs], kernel: [kernel, kernel], pads: [pad, pad, pad, pad],
    weights: inputCodes(each * outputs, 5).map((w) => Math.max(-127, w)),
    parameters: Array.from({ length: outputs }, (_, i) => ({ bias: 37 * i - 500, multiplier: 2 ** 23 + 9999 * i, shift: 31 + Math.round(Math.log2(each) / 2) })),
    ...values,
  });
}

/** Each channel in its own way, some hardly moving: only where there is little to move, or simulating it takes minutes. */
function randomStalls(seed: number, { bytesRead, bytesWritten }: NetworkCount): Stalls {
  const next = random(seed ^ 0x57a11);
  const most = bytesRead + bytesWritten > 200_000 ? 300 : 950;
  const pick = (): number => Math.min(most, [0, 0, 100, 300, 600, 950][Math.floor(6 * next())] as number);
  return { ar: pick(), r: pick(), ar1: pick(), r1: pick(), aw: pick(), w: pick(), b: pick() };
}

const codesFor = (one: Layer, seed = 1): Int8Array => inputCodes(inputsOf(one), seed);

/** Loads and runs a layer and expects what the golden model says. */
async function right(one: Layer, codes = codesFor(one), simulated = core): Promise<Run> {
  await simulated.load(programOf(one));
  const run = await simulated.run(codes, { bound: BOUND });
  expect(run.text).toBe('');
  expect(run.outcome).toBe(Outcome.OK);
  return run;
}

describe.each(SHAPES)('every layer on %s', (name, geometry) => {
  const { oc, px } = geometry;
  it('equals the golden model, with and without stalls on every channel, in the cycles that the cycle model counts', async () => {
    const simulated = on(name);
    expect((await simulated.configure()) & 0xffffff).toBe((px << 16) | (oc << 8) | 16);
    const met = new Map<number, number>();
    let refused = 0;
    let values = 0;
    const attempt = async (seed: number, stalls: boolean, pool: boolean): Promise<void> => {
      const one = randomLayer(seed, { pool });
      let count: NetworkCount;
      try {
        count = await counted(programOf(one), geometry);
      } catch (error) {
        // The scheduler's refusals are its own tests' business; anything else is not.
        expect((error as Error).message).toMatch(/^layer 0 of the segment: /);
        refused++;
        return;
      }
      await simulated.configure({ seed, watchdogCycles: PATIENT, ...(stalls ? { stalls: randomStalls(seed, count) } : {}) });
      await simulated.load(programOf(one));
      const run = await simulated.run(codesFor(one, seed ^ 0x5eed), { bound: 2 * PATIENT });
      expect(run.text).toBe('');
      if (!stalls) expect(count.cycles).toBe(run.cycles);
      met.set(one.op, (met.get(one.op) ?? 0) + 1);
      values += run.outputs.length;
    };
    await fc.assert(fc.asyncProperty(fc.integer(), fc.boolean(), fc.boolean(), attempt), { numRuns: 200 });
    // Most random pooling is not the core's.
    const all = Object.values(Op);
    for (let seed = 1; met.size < all.length && seed < 200; seed++) await attempt(seed, false, false);
    console.log(`${name}: ${values} values of ${[...met.values()].reduce((a, b) => a + b, 0)} layers, ${refused} refused`);
    expect(met.size).toBe(all.length);
    expect(refused).toBeLessThan(60);
  }, 120_000 * PATIENCE);

  const ends = [[-127, -128], [-127, 127], [127, -128], [127, 127]] as const;
  it.each(ends)('long sums of extremes: weights %i, codes %i', async (weight, code) => {
    await on(name).configure({ watchdogCycles: WATCHDOG });
    const kernels = [[3, 256, 0], [1, 512, 0], [7, 16, 127]] as const;
    for (const [kernel, channels, zero] of kernels) {
      const one = convolution(7, 8, channels, 5, kernel, { weights: new Int8Array(kernel * kernel * channels * 5).fill(weight), inputZero: zero, stageZero: -zero });
      await right(one, new Int8Array(inputsOf(one)).fill(code), on(name));
    }
  });

  it('weights of a block that the ring cannot hold: they stream by, tile for tile', async () => {
    await on(name).configure({ watchdogCycles: WATCHDOG });
    const [kernel, channels] = oc === 8 ? [7, 336] : [3, 464];
    await right(convolution(3, 2, channels, 8, kernel), undefined, on(name));
  });

  it.each([-128, 127])('zero points of %i everywhere', async (zero) => {
    await on(name).configure({ watchdogCycles: WATCHDOG });
    const add = { a: 2 ** 24 - 1, b: 2 ** 24 - 1, shift: 24, zeroA: zero, zeroB: zero, zeroOut: zero };
    await right(convolution(9, 7, 24, 24, 3, { inputZero: zero, stageZero: zero, add, flags: DescriptorFlag.HAS_TABLE | DescriptorFlag.HAS_RESIDUAL }), undefined, on(name));
  });
});

describe('whole networks', () => {
  it.each(SHAPES)('random ones, with and without stalls, on %s', async (name, geometry) => {
    let layers = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.boolean(), async (seed, stalls) => {
        const net = randomNetwork(seed);
        await on(name).configure({ seed, watchdogCycles: PATIENT, ...(stalls ? { stalls: randomStalls(seed, await counted(net.program, geometry)) } : {}) });
        await on(name).load(net.program);
        const run = await on(name).run(inputOf(net, seed), { bound: 20 * PATIENT });
        expect(run.text).toBe('');
        layers += net.layers.length;
      }),
      { numRuns: 30 },
    );
    console.log(`${name}: ${layers} layers of networks`);
  }, 120_000 * PATIENCE);

  it('many layers that need not wait, when writes are answered late', async () => {
    const net = manySmall(30);
    await core.configure({ watchdogCycles: WATCHDOG, stalls: { b: 990 } });
    await core.load(net.program);
    expect((await core.run(inputOf(net, 1))).text).toBe('');
  });

  it('ResNet-8 from one doorbell, at both speeds of the memory', async () => {
    const net = resnet8();
    for (const setting of [{}, { bytesPerSecond: 0.6e9, latencyNs: 800, clockMHz: 150 }]) {
      await core.configure({ watchdogCycles: WATCHDOG, ...setting });
      expect((await core.load(net.program)).stages).toHaveLength(1);
      const run = await core.run(inputOf(net, 1));
      expect(run.text).toBe('');
      // Counters that fit together.
      expect(run.layers).toHaveLength(net.layers.length);
      expect(Math.min(...run.layers)).toBeGreaterThan(0);
      const sum = run.layers.reduce((a, b) => a + b, 0);
      expect(sum).toBeLessThanOrEqual(run.cycles);
      expect(sum).toBeGreaterThan(run.cycles - 100);
      expect(run.cycles).toBeGreaterThan(net.macs / 384);
      expect(run.cycles).toBeLessThan((net.macs / 384) * 3);
      expect(run.stallRead + run.stallWrite).toBeLessThan(run.cycles);
      expect(run.traffic[0].bytesRead).toBeGreaterThan(net.input.reduce((a, b) => a * b, 1));
      expect(run.traffic[0].bytesWritten).toBeGreaterThan(run.outputs.length);
      expect(run.traffic[1].bytesWritten).toBe(0);
      // A burst has at most 128 bytes, and the memory cannot have been faster than it is.
      const [a, b] = run.traffic;
      expect(a.readBursts * 128).toBeGreaterThanOrEqual(a.bytesRead);
      const { bytesPerSecond = 1e9, clockMHz = 100 } = setting as Setting;
      expect(a.bytesRead + a.bytesWritten + b.bytesRead).toBeLessThan((run.cycles * bytesPerSecond) / (clockMHz * 1e6));
    }
  }, 60_000 * PATIENCE);

  it('YOLOv5s at 64 x 64 under stalls: upsampling, concatenation by address, spatial pyramid, tables, adds', async () => {
    const net = yolov5s({ size: 64 });
    await core.configure({ seed: 11, watchdogCycles: 2_000_000, stalls: { ar: 100, r: 100, aw: 100, w: 100, b: 100 } });
    await core.load(net.program);
    const run = await core.run(inputOf(net, 2));
    expect(run.text).toBe('');
  }, 120_000 * PATIENCE);

  it('a network of which the processor runs some layers', async () => {
    const { parts, ...net } = resnet8();
    const descriptors = parts.descriptors.map((d, i) => ({ ...d, target: [0, 3, 4].includes(i) ? ('PS' as const) : d.target }));
    await core.configure({ watchdogCycles: WATCHDOG });
    const { stages } = await core.load(writeProgram({ ...parts, descriptors }));
    expect(stages.map(({ onCore }) => onCore)).toEqual([false, true, false, true]);
    const run = await core.run(inputOf(net, 1));
    expect(run.text).toBe('');
    expect(run.layers.map((cycles) => cycles === 0)).toEqual(descriptors.map(({ target }) => target === 'PS'));
  }, 60_000 * PATIENCE);

  it('a layer that differs is named, with where it differs', async () => {
    await core.configure({ watchdogCycles: WATCHDOG });
    await core.load(programOf(convolution(8, 8, 16, 16, 1)));
    const commands = await core.commands();
    new DataView(commands.buffer).setInt8(82, 5); // out_max
    await core.patch(commands);
    const run = await core.run(codesFor(convolution(8, 8, 16, 16, 1)));
    expect(run.outcome).toBe(Outcome.DIFFERENT);
    expect(run.text).toMatch(/^layer 0 \(layer, conv\): \d+ of 1024 values differ, in channels .*\n {2}channel \d+ row \d+ column \d+: 5, not \d+/);
  });
});

/** A layer that keeps every unit busy for some thousand cycles and all channels of the bus with it. */
const BUSY = convolution(13, 11, 24, 24, 3, { flags: DescriptorFlag.HAS_RESIDUAL | DescriptorFlag.HAS_TABLE });

/** After whatever was: a soft reset, no more errors, and the layer is right again. */
async function recovers(one = BUSY): Promise<void> {
  await core.reset();
  await core.faults([]);
  expect(await core.peek(Register.STATUS)).toBe(0);
  expect(await core.peek(Register.ERROR_CODE)).toBe(CoreError.NONE);
  expect(await core.step(1)).toBe(false);
  await right(one);
}

describe('errors', () => {
  it('on the bus stop the core with code, layer and interrupt; a soft reset brings it back', async () => {
    await core.configure({ watchdogCycles: WATCHDOG });
    await core.load(programOf(BUSY));
    const { traffic } = await right(BUSY);
    const met = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 }), fc.nat(), fc.constantFrom(SLVERR, DECERR), fc.boolean(), async (channel, pick, response, stalls) => {
        await core.configure({ seed: pick, watchdogCycles: WATCHDOG, ...(stalls ? { stalls: STALLS } : {}) });
        const [write, port] = channel === 2 ? [true, 0] : [false, channel];
        const bursts = write ? traffic[0].writeBursts : (traffic[port] as (typeof traffic)[0]).readBursts;
        await core.faults([{ write, port, burst: pick % bursts, response }]);
        const run = await core.run(codesFor(BUSY), { bound: BOUND });
        expect(run.outcome).toBe(Outcome.FAILED);
        expect(run.errorCode).toBe(write ? CoreError.WRITE : CoreError.READ);
        expect(run.errorLayer).toBe(0);
        met.set(channel, (met.get(channel) ?? 0) + 1);
        await recovers();
      }),
      { numRuns: 30 },
    );
    expect(met.size).toBe(3);
  }, 120_000 * PATIENCE);

  it('name the layer of a network', async () => {
    const net = resnet8();
    await core.configure({ watchdogCycles: WATCHDOG });
    await core.load(net.program);
    const commands = new DataView((await core.commands()).buffer);
    const field = (at: number): number[] => Array.from({ length: commands.byteLength / 128 }, (_, i) => commands.getUint32(128 * i + at, true));
    const [kinds, weights, steps] = [field(0), field(96), field(100)];
    const layers = kinds.map((word) => word >>> 16);
    const all = net.layers.map((_, i) => i);
    expect([...new Set(layers)]).toEqual(all);
    for (const wanted of all) {
      const streams = layers.flatMap((of, i) => (of === wanted && (steps[i] as number) > 0 ? [i] : []));
      const stream = streams[wanted % streams.length] as number;
      await core.faults([{ write: false, port: 1, address: DATA_BASE + (weights[stream] as number), bytes: 8, response: SLVERR }]);
      expect(await core.run(inputOf(net, 1))).toMatchObject({ outcome: Outcome.FAILED, errorCode: CoreError.READ, errorLayer: wanted });
      await core.reset();
      // The last byte that a layer writes where no layer before it has.
      const { outputOffset, outputPlaneStride } = (net.parts.descriptors[wanted] as (typeof net.parts.descriptors)[number]).values;
      const first = net.parts.descriptors.findIndex(({ values }) => values.outputOffset <= outputOffset && outputOffset < values.outputOffset + values.outputPlaneStride);
      expect(outputPlaneStride).toBeGreaterThan(0);
      await core.faults([{ write: true, address: ARENA_BASE + outputOffset, bytes: 8, response: SLVERR }]);
      expect(await core.run(inputOf(net, 1))).toMatchObject({ outcome: Outcome.FAILED, errorCode: CoreError.WRITE, errorLayer: first });
      await core.reset();
    }
  }, 60_000 * PATIENCE);

  it.each([
    ['the arena ends too early', Register.ARENA_BYTES, 2048, CoreError.RANGE],
    ['the weights end too early', Register.DATA_BYTES, 512, CoreError.RANGE],
    ['the commands are nowhere', Register.COMMAND_ADDRESS, 0xf0000000, CoreError.READ],
    ['there is no command', Register.COMMAND_COUNT, 0, CoreError.COMMAND],
    ['no time at all', Register.WATCHDOG_CYCLES, 0, CoreError.WATCHDOG],
    ['too little time', Register.WATCHDOG_CYCLES, 300, CoreError.WATCHDOG],
  ] as const)('%s', async (_, register, value, code) => {
    await core.configure({ watchdogCycles: WATCHDOG });
    await core.load(programOf(BUSY));
    await core.prepare(codesFor(BUSY));
    await core.poke(register, value);
    await core.poke(Register.DOORBELL, 1);
    await core.wait(BOUND);
    expect((await core.peek(Register.STATUS)) & (StatusBit.ERROR | StatusBit.DONE)).toBe(StatusBit.ERROR);
    expect(await core.peek(Register.ERROR_CODE)).toBe(code);
    expect(await core.peek(Register.ERROR_LAYER)).toBe(0);
    // Deaf while the error stands.
    await core.poke(register, await core.peek(register));
    await core.poke(Register.DOORBELL, 1);
    expect((await core.peek(Register.STATUS)) & StatusBit.QUEUE_FULL).toBe(0);
    await core.configure({ watchdogCycles: WATCHDOG });
    await recovers();
  });

  it.each([
    ['a kind that there is not', 0, 9],
    ['a pooled tile of odd columns', 1, 0x80],
    ['an address within a pixel', 8, 4],
    ['weights within a burst', 96, 64],
    ['no columns', 32, 0],
    ['no kernel', 56, 0],
    ['no blocks', 70, 0],
    ['add_shift beyond its end', 83, 56],
  ] as const)('a malformed command: %s', async (_, byte, value) => {
    await core.configure({ watchdogCycles: WATCHDOG, assertions: false });
    await core.load(programOf(BUSY));
    const commands = await core.commands();
    commands[byte] = value;
    if (value === 0) commands[byte + 1] = 0;
    await core.patch(commands);
    const run = await core.run(codesFor(BUSY), { bound: BOUND });
    expect(run.errorCode).toBe(CoreError.COMMAND);
    await recovers();
  });

  it.each([
    ['activations', 8, 8],
    ['weights', 96, 128],
    ['results', 104, 8],
    ['residuals', 112, 8],
  ] as const)('%s out of range: just behind the end, and where addresses begin anew', async (_, byte, step) => {
    await core.configure({ watchdogCycles: WATCHDOG });
    await core.load(programOf(BUSY));
    await core.prepare(null);
    const end = await core.peek(byte === 96 ? Register.DATA_BYTES : Register.ARENA_BYTES);
    for (const address of [end, 2 ** 32 - step]) {
      await core.load(programOf(BUSY));
      const commands = await core.commands();
      new DataView(commands.buffer).setUint32(byte, address, true);
      await core.patch(commands);
      expect(await core.run(codesFor(BUSY), { bound: BOUND })).toMatchObject({ outcome: Outcome.FAILED, errorCode: CoreError.RANGE, errorLayer: 0 });
      await recovers();
    }
  });

  it('whatever the commands are, it ends', async () => {
    const met = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(fc.tuple(fc.nat({ max: 127 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 40 }), fc.boolean(), async (seed, edits, stalls) => {
        await core.configure({ seed, watchdogCycles: 5000, assertions: false, ...(stalls ? { stalls: STALLS } : {}) });
        await core.load(programOf(BUSY));
        const commands = await core.commands();
        edits.forEach(([byte, value], i) => (commands[(i % (commands.length / 128)) * 128 + byte] = value));
        await core.patch(commands);
        const run = await core.run(codesFor(BUSY), { bound: BOUND });
        met.set(run.errorCode, (met.get(run.errorCode) ?? 0) + 1);
        await core.configure({ seed, watchdogCycles: WATCHDOG, assertions: false });
        await recovers();
      }),
      { numRuns: 60 },
    );
    console.log(`ends of garbage, by error code: ${[...met].sort().map(([code, count]) => `${code}: ${count}`).join(', ')}`);
    expect(met.size).toBeGreaterThan(2);
  }, 120_000 * PATIENCE);
});

describe('soft reset', () => {
  it('is not needed once an error has drained the bus and its bit is cleared', async () => {
    await core.configure({ watchdogCycles: 300 });
    await core.load(programOf(BUSY));
    expect(await core.run(codesFor(BUSY))).toMatchObject({ outcome: Outcome.FAILED, errorCode: CoreError.WATCHDOG });
    while ((await core.peek(Register.STATUS)) & StatusBit.BUSY) await core.step(10);
    await core.poke(Register.STATUS, StatusBit.DONE);
    expect(await core.step(1)).toBe(true);
    await core.poke(Register.STATUS, StatusBit.ERROR);
    expect(await core.step(1)).toBe(false);
    expect(await core.peek(Register.ERROR_CODE)).toBe(CoreError.WATCHDOG);
    await core.poke(Register.WATCHDOG_CYCLES, WATCHDOG);
    await right(BUSY);
  });


  it('at any time drains the bus, and the next run is right', async () => {
    await core.configure({ watchdogCycles: WATCHDOG });
    const { cycles } = await right(BUSY);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: cycles }), fc.integer(), fc.boolean(), async (at, seed, stalls) => {
        await core.configure({ seed, watchdogCycles: WATCHDOG, ...(stalls ? { stalls: STALLS } : {}) });
        await core.load(programOf(BUSY));
        await core.prepare(codesFor(BUSY));
        await core.poke(Register.DOORBELL, 1);
        await core.step(at);
        await recovers();
      }),
      { numRuns: 40 },
    );
  }, 120_000 * PATIENCE);

  it('of an idle core changes nothing', async () => {
    await core.configure({ watchdogCycles: WATCHDOG });
    await recovers();
  });
});

describe('the queue and the interrupt', () => {
  // It keeps the core busy for longer than a driver needs to describe the next one.
  const first = BUSY;
  const second = convolution(9, 9, 33, 20, 3);

  it('runs a second network right behind the first', async () => {
    await core.configure({ watchdogCycles: WATCHDOG });
    await core.load(programOf(first), { slot: 0 });
    await core.load(programOf(second), { slot: 1 });
    await core.prepare(codesFor(first), { slot: 0 });
    await core.poke(Register.DOORBELL, 1);
    expect(await core.peek(Register.STATUS)).toBe(StatusBit.BUSY);
    await core.prepare(codesFor(second), { slot: 1 });
    await core.poke(Register.DOORBELL, 1);
    expect(await core.peek(Register.STATUS)).toBe(StatusBit.BUSY | StatusBit.QUEUE_FULL);
    // A third is not heard.
    await core.poke(Register.DOORBELL, 1);
    await core.wait(BOUND);
    expect(await core.peek(Register.COMPLETED)).toBe(1);
    expect(await core.peek(Register.STATUS)).toBe(StatusBit.BUSY | StatusBit.DONE);
    await core.check({ slot: 0 });
    const firstCycles = await core.peek(Register.CYCLES_LOW);
    await core.poke(Register.STATUS, StatusBit.DONE);
    expect(await core.step(1)).toBe(false);
    await core.wait(BOUND);
    expect(await core.peek(Register.COMPLETED)).toBe(2);
    expect(await core.peek(Register.STATUS)).toBe(StatusBit.DONE);
    await core.check({ slot: 1 });
    expect(await core.peek(Register.CYCLES_LOW)).not.toBe(firstCycles);
    await core.step(2000);
    expect(await core.peek(Register.COMPLETED)).toBe(2);
  });

  it.each([
    ['an error of the first', async () => core.wait(BOUND)],
    ['a soft reset', async () => core.reset()],
  ])('is emptied by %s', async (_, end) => {
    await core.configure({ watchdogCycles: 300 });
    await core.load(programOf(first), { slot: 0 });
    for (let i = 0; i < 2; i++) {
      await core.prepare(codesFor(first));
      await core.poke(Register.DOORBELL, 1);
    }
    expect((await core.peek(Register.STATUS)) & StatusBit.QUEUE_FULL).toBe(StatusBit.QUEUE_FULL);
    await end();
    await core.step(2000);
    expect((await core.peek(Register.STATUS)) & (StatusBit.BUSY | StatusBit.QUEUE_FULL | StatusBit.DONE)).toBe(0);
    expect(await core.peek(Register.COMPLETED)).toBe(0);
    await core.poke(Register.WATCHDOG_CYCLES, WATCHDOG);
    await recovers();
  });

  it('is silent until enabled', async () => {
    await core.configure({ watchdogCycles: WATCHDOG });
    await core.load(programOf(second));
    await core.prepare(codesFor(second));
    await core.poke(Register.CONTROL, 0);
    await core.poke(Register.DOORBELL, 1);
    await expect(core.wait(100_000)).rejects.toThrow(/no interrupt in 100000 cycles; STATUS 2,/);
    expect(await core.peek(Register.STATUS)).toBe(StatusBit.DONE);
    await core.poke(Register.CONTROL, ControlBit.INTERRUPT_ENABLE);
    expect(await core.step(1)).toBe(true);
    await core.check();
  });
});

describe('registers', () => {
  it('tell who the core is, and hold what is written', async () => {
    await core.configure({ seed: 3 });
    expect(await core.peek(Register.ID)).toBe(CORE_ID);
    expect(await core.peek(Register.VERSION)).toBe((CORE_VERSION << 16) | LAYOUT_VERSION);
    for (const [offset, mask] of [[Register.COMMAND_ADDRESS, ~127], [Register.ARENA_ADDRESS, ~127], [Register.DATA_ADDRESS, ~127], [Register.ARENA_BYTES, ~0], [Register.DATA_BYTES, ~0], [Register.WATCHDOG_CYCLES, ~0], [Register.COMMAND_COUNT, 0xffff], [Register.LAYER_SELECT, 0xffff]] as const) {
      for (const value of [0xffffffff, 0x5a5a5a5a, 0]) {
        await core.poke(offset, value);
        expect(await core.peek(offset)).toBe((value & mask) >>> 0);
      }
    }
    await core.poke(Register.ARENA_BYTES, 0x11223344);
    await core.poke(Register.ARENA_BYTES, 0x55667788, 0b0101);
    expect(await core.peek(Register.ARENA_BYTES)).toBe(0x11663388);
    await core.poke(Register.CONTROL, ControlBit.INTERRUPT_ENABLE, 0b1110);
    expect(await core.peek(Register.CONTROL)).toBe(ControlBit.INTERRUPT_ENABLE);
    await core.poke(Register.CONTROL, 0, 0b1110);
    expect(await core.peek(Register.CONTROL)).toBe(ControlBit.INTERRUPT_ENABLE);
    for (const offset of [Register.ID, Register.COMPLETED, Register.CYCLES_LOW, 0xffc]) {
      const before = await core.peek(offset);
      await core.poke(offset, 0x12345678);
      expect(await core.peek(offset)).toBe(before);
    }
  });
});

describe('coverage of the tests above', () => {
  it(`reaches ${100 * LINES_FLOOR} % of the lines of the RTL`, async () => {
    for (const one of started.values()) expect(await one.end()).toMatchObject({ code: 0 });
    const files = pointsOf(merge(SHAPES.map(([, { oc }]) => `core-${oc}`)), 'line');
    const [reached, all] = files.reduce(([r, a], file) => [r + file.reached, a + file.points], [0, 0]);
    console.log(`${files.length} files, ${reached} of ${all} points reached\n${files.flatMap(({ name, missed }) => missed.map((point) => `  ${name}:${point}`)).join('\n')}`);
    expect(files.length).toBeGreaterThan(10);
    expect(all).toBeGreaterThan(300);
    expect(reached / all).toBeGreaterThan(LINES_FLOOR);
  });
});
