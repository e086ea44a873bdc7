/** The runtime's driver against simulated hardware: programs on the core, on the processor and on both equal the golden model; and what happens when it fails. */
import fc from 'fast-check';
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CORE_ID, CORE_VERSION, CoreError, LAYOUT_VERSION, Register, StatusBit } from '../../src/contract/layout.ts';
import { compileProgram } from '../../src/compiler/compile.ts';
import { writeProgram } from '../../src/compiler/write.ts';
import { random } from '../../test/support/qdq.ts';
import { inputCodes, network, recipes } from '../../test/support/random-network.ts';
import { BUILD_TIMEOUT, Golden, Status } from '../tests/golden.ts';
import { halves, mixedFloats, randomNetwork } from '../tests/network.ts';
import { MEMORY_ADDRESS, SimulatedBoard } from './board.ts';

const OK = { status: Status.OK, text: '' };
const PNEUMONIA = readFileSync(new URL('../../models/pneumonia/program.bin', import.meta.url));
const SMALL = randomNetwork(7).program;
/** Of what never ends. Whatever must end has a minute. */
const SHORT_MS = 1500;
let board: SimulatedBoard;
let driver: Golden;
beforeAll(async () => {
  board = await SimulatedBoard.start();
  driver = await Golden.start('driver-sanitized');
}, BUILD_TIMEOUT);
afterAll(async () => {
  expect(await driver.end()).toMatchObject({ code: 0, stderr: '' });
  expect(await board.end()).toEqual({ code: 0, stderr: '' });
});

const open = (options: Parameters<Golden['openCore']>[2] = {}): Promise<{ status: number; text: string }> => driver.openCore(board.folder, MEMORY_ADDRESS, options);

async function close(): Promise<number> {
  for (const slot of [1, 0]) {
    driver.slot(slot);
    driver.unload();
  }
  return driver.closeCore();
}
/** For hooks. */
const closed = async (): Promise<void> => expect(await close()).toBe(Status.OK);

/** Loads a program into slot 0, which the core runs, and into slot 1, which the golden model runs. @returns bytes of inputs */
async function loadBoth(program: Uint8Array): Promise<number> {
  driver.slot(1);
  expect((await driver.load(program)).text).toBe('');
  driver.slot(0);
  const { text, inputBytes } = await driver.load(program);
  expect(text).toBe('');
  return inputBytes;
}

async function golden(codes: Int8Array): Promise<Int8Array> {
  driver.slot(1);
  const want = await driver.run(codes);
  driver.slot(0);
  return want;
}

/** Twice, so that nothing that was left from the first time passes for a result. */
async function right(program: Uint8Array, seed: number): Promise<void> {
  const inputs = await loadBoth(program);
  expect(await driver.useCore()).toEqual(OK);
  for (const one of [seed, seed + 1]) {
    const codes = inputCodes(inputs, one);
    const run = await driver.runOnCore(codes);
    expect(run.text).toBe('');
    expect(new Int8Array(run.bytes.buffer)).toEqual(await golden(codes));
  }
}

describe.each([['memory that the processor does not cache', false], ['cached memory, brought up to date by ranges', true]])('programs in %s', (_, cached) => {
  beforeAll(async () => expect(await open({ cached })).toEqual(OK));
  afterAll(closed);

  it('compiled networks whose layers are the core\'s or the processor\'s at random', async () => {
    let mixed = 0;
    await fc.assert(fc.asyncProperty(recipes, fc.integer({ min: 1 }), async (recipe, seed) => {
      const { onnx } = network(recipe, false);
      const next = random(seed);
      // What the compiler adds, to rescale or to copy, has no layer's name.
      const layers = compileProgram(onnx).report.layers.filter(({ name, descriptor, float }) => descriptor !== null && !float && !name.startsWith('DequantizeLinear'));
      const { program, report } = compileProgram(onnx, { pin: Object.fromEntries(layers.flatMap(({ name }) => (next() < 0.4 ? [[name, 'PS' as const]] : []))) });
      mixed += new Set(report.layers.filter(({ descriptor }) => descriptor !== null).map(({ target }) => target)).size - 1;
      await right(program, seed);
    }), { numRuns: 25 });
    expect(mixed).toBeGreaterThan(5);
  }, 120_000);

  it('networks of tensors that share rooms and lie side by side', async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1 }), async (seed) => {
      const { parts } = randomNetwork(seed);
      const next = random(seed ^ 0x5eed);
      await right(writeProgram({ ...parts, descriptors: parts.descriptors.map((d) => ({ ...d, target: next() < 0.5 ? 'PL' as const : 'PS' as const })) }), seed);
    }), { numRuns: 15 });
  }, 120_000);

  it('layers whose results lie between one another\'s, row by row', async () => {
    for (const targets of [['PL', 'PS', 'PL'], ['PS', 'PL', 'PS'], ['PL', 'PS', 'PS'], ['PS', 'PL', 'PL']] as const) await right(halves(targets), 3);
  });

  it('one with float operators between the core\'s layers and behind them', async () => {
    await right(compileProgram(mixedFloats().onnx).program, 5);
  });

  it('two at once, which share the core', async () => {
    const sizes: number[] = [];
    for (const [slot, seed] of [3, 4].entries()) {
      driver.slot(slot);
      sizes.push((await driver.load(randomNetwork(seed).program)).inputBytes);
      expect(await driver.useCore()).toEqual(OK);
    }
    expect((await driver.coreInfo()).programs).toBe(2);
    expect(await driver.both(8, [inputCodes(sizes[0]!, 1), inputCodes(sizes[1]!, 2)])).toEqual({ right: 16, wrong: 0 });
  }, 60_000);
});

describe('the core', () => {
  beforeAll(async () => expect(await open()).toEqual(OK));
  afterAll(closed);

  it('runs the shipped classifier as the golden model does, and tells what it took', async () => {
    const codes = inputCodes(await loadBoth(PNEUMONIA), 1);
    const before = await driver.coreInfo();
    expect(await driver.useCore()).toEqual(OK);
    const run = await driver.runOnCore(codes);
    expect(run.text).toBe('');
    expect(new Int8Array(run.bytes.buffer)).toEqual(await golden(codes));
    // The cycles that the README's table has, at 100 MHz.
    expect(run.source).toBe('rtl');
    expect(run.plNs).toBe(705_836 * 10);
    expect(run.layerNs.reduce((sum, ns) => sum + ns)).toBe(run.plNs);
    expect(run.totalNs).toBeGreaterThanOrEqual(run.inputNs + run.plNs + run.psNs + run.outputNs);
    expect(before).toMatchObject({ coreVersion: CORE_VERSION, layoutVersion: LAYOUT_VERSION, clockKhz: 100_000, lanes: [16, 8, 3], programs: 0, memoryBytes: 32 << 20, memoryUsed: 0 });
    expect(await driver.coreInfo()).toMatchObject({ programs: 1, memoryUsed: expect.toSatisfy((bytes: number) => bytes > 500_000 && bytes % 128 === 0) as number });
  }, 120_000);

  it('stops when the caller has had enough, and is right afterwards', async () => {
    const codes = inputCodes(await loadBoth(PNEUMONIA), 2);
    expect(await driver.useCore()).toEqual(OK);
    for (const [options, status, text] of [[{ cancelAfterMs: 100 }, Status.CANCELLED, 'cancelled'], [{ timeoutMs: 100 }, Status.DEADLINE, 'the deadline passed']] as const) {
      const run = await driver.runOnCore(codes, options);
      expect(run).toMatchObject({ status, text });
      expect(run.bytes.every((byte) => byte === 0x55)).toBe(true);
    }
    await right(SMALL, 1);
  }, 60_000);

  it('gives memory back, with nothing left in it', async () => {
    await right(SMALL, 3);
    expect((await driver.coreInfo()).programs).toBe(1);
    expect(await driver.closeCore()).toBe(Status.BUSY);
    const used = (): boolean => readFileSync(join(board.folder, 'memory')).some((byte) => byte !== 0);
    expect(used()).toBe(true);
    expect(await driver.useCore(false)).toEqual(OK);
    expect(await driver.coreInfo()).toMatchObject({ programs: 0, memoryUsed: 0 });
    expect(used()).toBe(false);
    const codes = inputCodes(await loadBoth(SMALL), 3);
    expect(await driver.runOnCore(codes)).toMatchObject({ status: Status.OK, source: 'host' });
  });

  it('is refused with the argument that is wrong', async () => {
    await right(SMALL, 4);
    const lines = await driver.misuseCore();
    const expected = [
      /^struct_bytes: argument device .*struct_bytes/, /^clock: argument clock_khz/, /^no registers: argument registers/, /^short window: argument register_bytes/,
      /^unaligned memory: argument memory/, /^unaligned address: argument memory_address/, /^beyond 4 GB: argument memory ends beyond/, /^no deadline: argument deadline_ns/,
      /^no source: argument source is NULL/, /^another source: argument source is neither/, /^close while it is used: busy $/, /^close nothing: ok $/, /^no core info: argument $/, /^no program: argument program is NULL/,
    ];
    expect(lines).toHaveLength(expected.length);
    lines.forEach((line, i) => expect(line).toMatch(expected[i] as RegExp));
  });
});

describe('a core that fails', () => {
  beforeAll(async () => expect(await open()).toEqual(OK));
  afterAll(closed);

  it.each([
    ['read slverr', 'a bus error on a read'], ['read decerr 3', 'a bus error on a read'], ['write slverr 1', 'a bus error on a write'], ['write decerr', 'a bus error on a write'],
  ])('%s: the layer is named, nothing is answered, and the next run is right', async (fault, text) => {
    const codes = inputCodes(await loadBoth(SMALL), 5);
    expect(await driver.useCore()).toEqual(OK);
    expect(await board.tell(`fault ${fault}`)).toBe('ok');
    const run = await driver.runOnCore(codes);
    expect(run).toMatchObject({ status: Status.DEVICE, text: expect.stringMatching(new RegExp(`^layer '.+': the core reports ${text}`)) as string });
    expect(run.bytes.every((byte) => byte === 0x55)).toBe(true);
    await right(SMALL, 6);
  });

  /** A program on the core that has little time, and is then told to fail so. @returns inputs */
  async function hurried(command: string): Promise<Int8Array> {
    await closed();
    expect(await open({ deadlineMs: SHORT_MS })).toEqual(OK);
    const inputs = await loadBoth(SMALL);
    expect(await driver.useCore()).toEqual(OK);
    expect(await board.tell(command)).toBe('ok');
    return inputCodes(inputs, 5);
  }
  const late = { status: Status.DEVICE, text: expect.stringMatching(/^the core did not end a segment within 1500 ms/) as string };

  it('a segment that never ends', async () => {
    expect(await driver.runOnCore(await hurried('lose'))).toMatchObject(late);
    await closed();
    expect(await open()).toEqual(OK);
    await right(SMALL, 7);
  }, 60_000);

  it('a bus that stands still, until it goes on', async () => {
    const codes = await hurried('hang');
    expect(await driver.runOnCore(codes)).toMatchObject(late);
    const lost = { status: Status.DEVICE, text: expect.stringMatching(/^the core does not end a reset within 1500 ms \(STATUS 0x[0-9a-f]+\): load its overlay again, or restart the board$/) as string };
    expect(await driver.runOnCore(codes)).toMatchObject(lost);
    driver.slot(1);
    expect(await driver.useCore()).toMatchObject(lost);
    expect(await close()).toBe(Status.DEVICE);
    expect(await board.tell('resume')).toBe('ok');
    expect(await open()).toEqual(OK);
    await right(SMALL, 8);
  }, 60_000);

  it('a driver that is killed in the middle of a run', async () => {
    const other = await Golden.start('driver-sanitized');
    expect(await other.openCore(board.folder, MEMORY_ADDRESS)).toEqual(OK);
    const { inputBytes } = await other.load(PNEUMONIA);
    expect(await other.useCore()).toEqual(OK);
    const cut = other.runOnCore(inputCodes(inputBytes, 1)).catch((error: unknown) => error);
    await sleep(200);
    await other.kill();
    expect(await cut).toBeInstanceOf(Error);
    await closed();
    expect(await open()).toEqual(OK);
    await right(SMALL, 9);
  }, 60_000);
});

describe('what is not this core', () => {
  const refused = async (offset: number, value: number): Promise<{ status: number; text: string }> => {
    expect(await board.tell(`show ${offset} ${value}`)).toBe('ok');
    const outcome = await open();
    expect(await board.tell(`show ${offset}`)).toBe('ok');
    expect(await driver.closeCore()).toBe(Status.OK);
    return outcome;
  };

  it('is refused by what it answers, with the mend', async () => {
    expect(await refused(Register.ID, 0)).toEqual({ status: Status.DEVICE, text: `the programmable logic answers ID 0x00000000, a FabricLens core answers 0x${CORE_ID.toString(16)}: load the FabricLens overlay, built by hls/vivado` });
    expect(await refused(Register.VERSION, (9 << 16) | LAYOUT_VERSION)).toMatchObject({ status: Status.VERSION, text: expect.stringMatching(/^the core is of version 9 .*: build and import the overlay of this release, or update the runtime$/) as string });
    expect(await refused(Register.VERSION, (CORE_VERSION << 16) | (LAYOUT_VERSION + 1))).toMatchObject({ status: Status.VERSION });
    for (const shape of [0xac030810, 0xac040810, 0xac030408, 0xffffffff]) {
      const { status } = await refused(Register.CAPABILITY, shape);
      expect(status).toBe(shape === 0xac030810 ? Status.OK : Status.DEVICE);
    }
  });

  it('and memory that is too small is told with numbers', async () => {
    const small = await SimulatedBoard.start({ memoryBytes: 4 << 10 });
    expect(await driver.openCore(small.folder, MEMORY_ADDRESS)).toEqual(OK);
    const inputs = await loadBoth(SMALL);
    expect(await driver.useCore()).toMatchObject({ status: Status.MEMORY, text: expect.stringMatching(/^the program needs \d{5,} bytes of the core's memory; of its 4096 bytes, 4096 are free in one piece$/) as string });
    const codes = inputCodes(inputs, 1);
    expect(new Int8Array((await driver.runOnCore(codes)).bytes.buffer)).toEqual(await golden(codes));
    await closed();
    expect(await small.end()).toEqual({ code: 0, stderr: '' });
  }, 60_000);
});

describe('the simulated board', () => {
  /** As a client that has mapped DIR/registers: the same pages. */
  class Registers {
    readonly #file = openSync(join(board.folder, 'registers'), 'r+');
    read(offset: number): number {
      const word = Buffer.alloc(4);
      readSync(this.#file, word, 0, 4, offset);
      return word.readUInt32LE();
    }
    write(offset: number, value: number): void {
      const word = Buffer.alloc(4);
      word.writeUInt32LE(value >>> 0);
      writeSync(this.#file, word, 0, 4, offset);
    }
    async until(offset: number, value: number): Promise<void> {
      const end = Date.now() + 30_000;
      while (this.read(offset) !== value) {
        if (Date.now() > end) throw new Error(`register ${offset} is 0x${this.read(offset).toString(16)}, not 0x${value.toString(16)}`);
        await sleep(1);
      }
    }
    close(): void {
      closeSync(this.#file);
    }
  }

  it('keeps what is read-only, clears what is written with 1, and forgets the doorbell', async () => {
    const r = new Registers();
    const mark = 0x80000000;
    expect(r.read(Register.ID)).toBe(CORE_ID);
    r.write(Register.ID, 5);
    await r.until(Register.ID, CORE_ID);
    // Lower bits of addresses are 0, and a segment without commands is an error.
    r.write(Register.ARENA_ADDRESS, 0x12345678);
    await r.until(Register.ARENA_ADDRESS, 0x12345600);
    r.write(Register.COMMAND_COUNT, 0);
    r.write(Register.WATCHDOG_CYCLES, 1000);
    r.write(Register.DOORBELL, 1);
    await r.until(Register.STATUS, (StatusBit.ERROR | mark) >>> 0);
    expect(r.read(Register.ERROR_CODE)).toBe(CoreError.COMMAND);
    expect(r.read(Register.DOORBELL)).toBe(0);
    r.write(Register.STATUS, StatusBit.ERROR);
    await r.until(Register.STATUS, 0);
    expect(r.read(Register.ERROR_CODE)).toBe(CoreError.COMMAND);
    r.write(Register.CONTROL, 1);
    await r.until(Register.CONTROL, 0);
    expect(r.read(Register.ERROR_CODE)).toBe(CoreError.NONE);
    r.close();
  });

  it('says what it does not understand', async () => {
    for (const line of ['', 'dance', 'fault', 'fault read ok', 'show', 'show 3', 'show 4096']) expect(await board.tell(line)).toMatch(/^error ./);
  });

  it('hardly costs processor time when nothing runs', async () => {
    const ticks = (): number => readFileSync(`/proc/${board.pid}/stat`, 'latin1').split(') ')[1]!.split(' ').slice(11, 13).reduce((sum, field) => sum + Number(field), 0);
    await sleep(100);
    const before = ticks();
    await sleep(1000);
    // Of 100 a second.
    expect(ticks() - before).toBeLessThan(20);
  });
});
