/** The Verilated core behind a pipe (driver.cpp), for tests and benches: load a program, run it, read what came out and what it took. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Pipe } from '../tests/pipe.ts';
import { DRIVER, SOURCES } from './sources.mjs';
import { verilate } from './verilate.mjs';

/** Outcome of driver.cpp. */
export const Outcome = { OK: 0, REFUSED: 1, FAILED: 2, DIFFERENT: 3, HANGS: 4, BREACH: 5 } as const;
export const SLVERR = 2;
export const DECERR = 3;
export const ANY = 0xffffffff;

/** Output and pixel lanes, log2 of buffer rows a bank and of weight steps. */
export type Geometry = { oc: 8 | 16; px: 1 | 3; rowsLog2?: number; stepsLog2?: number };
export type Stalls = { ar: number; r: number; aw: number; w: number; b: number; /** Of m1; as m0's unless said. */ ar1?: number; r1?: number };
export type Setting = {
  clockMHz?: number;
  bytesPerSecond?: number;
  latencyNs?: number;
  /** Gives stalls, pauses on the register port and odd addresses; 0: none of these but the stalls asked for. */
  seed?: number;
  /** Of 1000 cycles, in how many a channel stalls. */
  stalls?: Partial<Stalls>;
  watchdogCycles?: number;
  /** The RTL's, where they were built in. Off for commands that no scheduler makes. */
  assertions?: boolean;
};
export type Fault = { write: boolean; port?: number; burst?: number; address?: number; bytes?: number; response: number };
export type Stage = { onCore: boolean; firstLayer: number; layers: number; commands: number; commandAddress: number };
export type Loaded = { inputBytes: number; outputBytes: number; stages: Stage[] };
export type Traffic = { bytesRead: number; bytesWritten: number; readBursts: number; writeBursts: number };
export type Run = {
  outcome: number;
  text: string;
  errorCode: number;
  errorLayer: number;
  cycles: number;
  stallRead: number;
  stallWrite: number;
  /** HP0 and HP2. */
  traffic: [Traffic, Traffic];
  /** Cycles of each layer, from the end of the one before; 0 on the processor. */
  layers: number[];
  outputs: Int8Array;
};

const BOUND = 20_000_000;
const HLS = fileURLToPath(new URL('..', import.meta.url));
/** Where coverage is written, a file a simulation. */
export const COVERAGE = join(HLS, '../build/hls/coverage');

/** The words of a request. */
class Words {
  readonly #parts: Uint8Array[] = [];
  u32(...values: number[]): this {
    const bytes = Buffer.alloc(4 * values.length);
    values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, 4 * i));
    this.#parts.push(bytes);
    return this;
  }
  u64(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    this.#parts.push(bytes);
    return this;
  }
  bytes(more: Uint8Array): this {
    this.u32(more.length);
    this.#parts.push(more);
    return this;
  }
  all(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

class Reader {
  #at = 0;
  readonly #bytes: Buffer;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  u32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32LE(this.#at - 4);
  }
  u64(): number {
    this.#at += 8;
    return Number(this.#bytes.readBigUInt64LE(this.#at - 8));
  }
  rest(): Int8Array {
    return Int8Array.from(this.#bytes.subarray(this.#at));
  }
}

const view = (codes: Int8Array): Uint8Array => new Uint8Array(codes.buffer, codes.byteOffset, codes.length);

export class Simulated {
  readonly #pipe: Pipe;

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
  }

  /**
   * @param options asserts: the RTL's assertions are checked, for tests. coverage: what is counted, and `name`d under COVERAGE at the end
   */
  static async start(
    { oc, px, rowsLog2, stepsLog2 }: Geometry = { oc: 8, px: 3 },
    { asserts = false, coverage, log }: { asserts?: boolean; coverage?: { of: 'lines' | 'all'; name: string }; log?: (line: string) => void } = {},
  ): Promise<Simulated> {
    const program = await verilate({
      top: 'fl_core',
      parameters: { OC: oc, PX: px, ...(rowsLog2 === undefined ? {} : { ROWS_LOG2: rowsLog2 }), ...(stepsLog2 === undefined ? {} : { STEPS_LOG2: stepsLog2 }) },
      sources: coverage?.of === 'all' ? ['sim/coverage.vlt', ...SOURCES] : SOURCES,
      bench: DRIVER,
      flags: asserts ? ['--assert'] : [],
      coverage: coverage?.of ?? false,
      ...(log ? { log } : {}),
    });
    if (coverage) mkdirSync(COVERAGE, { recursive: true });
    return new Simulated(new Pipe(program, coverage ? { FL_COVERAGE: join(COVERAGE, `${coverage.name}.dat`) } : {}));
  }

  async end(): Promise<{ code: number | null; stderr: string }> {
    return this.#pipe.end();
  }

  async #ask(request: number, words = new Words()): Promise<{ outcome: number; text: string; payload: Buffer }> {
    this.#pipe.write(new Words().u32(request).all());
    this.#pipe.write(words.all());
    const outcome = await this.#pipe.u32();
    const text = (await this.#pipe.read(await this.#pipe.u32())).toString();
    return { outcome, text, payload: await this.#pipe.read(await this.#pipe.u32()) };
  }

  /** As #ask, for requests that only go well. */
  async #demand(request: number, words = new Words()): Promise<Buffer> {
    const { outcome, text, payload } = await this.#ask(request, words);
    if (outcome !== Outcome.OK) throw new Error(text);
    return payload;
  }

  /** Resets core and memory; networks stay loaded. @returns register CAPABILITY */
  async configure({ clockMHz = 100, bytesPerSecond = 1e9, latencyNs = 400, seed = 0, stalls = {}, watchdogCycles = 10_000_000, assertions = true }: Setting = {}): Promise<number> {
    const { ar = 0, r = 0, aw = 0, w = 0, b = 0, ar1 = ar, r1 = r } = stalls;
    const words = new Words().u32(Math.round(clockMHz * 1000)).u64(bytesPerSecond).u32(latencyNs).u64(seed >>> 0).u32(ar, r, ar1, r1, aw, w, b, watchdogCycles, assertions ? 1 : 0);
    return (await this.#demand(1, words)).readUInt32LE();
  }

  /** Errors from now on; `burst` counts from the start of a run. */
  async faults(list: Fault[]): Promise<void> {
    const words = new Words().u32(list.length);
    for (const { write, port = ANY, burst = ANY, address = 0, bytes = 0, response } of list) words.u32(write ? 1 : 0, port, burst, address, bytes, response);
    await this.#demand(2, words);
  }

  /** @param single a doorbell a layer: the first layer at fault is found whatever memory the next ones reuse. @throws Error with the refusal */
  async load(program: Uint8Array, { slot = 0, single = false } = {}): Promise<Loaded> {
    const reader = new Reader(await this.#demand(3, new Words().u32(slot, single ? 1 : 0).bytes(program)));
    const [inputBytes, outputBytes, count] = [reader.u32(), reader.u32(), reader.u32()];
    const stages = Array.from({ length: count }, () => ({ onCore: reader.u32() !== 0, firstLayer: reader.u32(), layers: reader.u32(), commands: reader.u32(), commandAddress: reader.u32() }));
    return { inputBytes, outputBytes, stages };
  }

  /** @throws Error where the core breaks a rule of AXI or hangs; other bad outcomes come back */
  async run(codes: Int8Array, { slot = 0, bound = BOUND } = {}): Promise<Run> {
    const { outcome, text, payload } = await this.#ask(4, new Words().u32(slot).u64(bound).bytes(view(codes)));
    if (outcome !== Outcome.OK && outcome !== Outcome.FAILED && outcome !== Outcome.DIFFERENT) throw new Error(text);
    const r = new Reader(payload);
    const traffic = (): Traffic => ({ bytesRead: r.u64(), bytesWritten: r.u64(), readBursts: r.u64(), writeBursts: r.u64() });
    return {
      outcome, text, errorCode: r.u32(), errorLayer: r.u32(), cycles: r.u64(), stallRead: r.u64(), stallWrite: r.u64(),
      traffic: [traffic(), traffic()], layers: Array.from({ length: r.u32() }, () => r.u64()), outputs: r.rest(),
    };
  }

  /** Writes the registers of a stage, but the doorbell. Without codes the activations stay as they are. */
  async prepare(codes: Int8Array | null, { slot = 0, stage = 0 } = {}): Promise<void> {
    await this.#demand(5, new Words().u32(slot, stage).bytes(codes === null ? new Uint8Array() : view(codes)));
  }

  /** @returns cycles until the interrupt. @throws Error where it does not come */
  async wait(bound = BOUND): Promise<number> {
    return Number((await this.#demand(6, new Words().u64(bound))).readBigUInt64LE());
  }

  /** Holds what a stage left against the golden model. @returns the outputs. @throws Error with the differences */
  async check({ slot = 0, stage = 0 } = {}): Promise<Int8Array> {
    return Int8Array.from(await this.#demand(7, new Words().u32(slot, stage)));
  }

  /** @returns whether the interrupt is high afterwards */
  async step(cycles: number): Promise<boolean> {
    return (await this.#demand(8, new Words().u64(cycles))).readUInt32LE() !== 0;
  }

  async peek(offset: number): Promise<number> {
    return (await this.#demand(9, new Words().u32(offset))).readUInt32LE();
  }

  /** @param strobes which of the four bytes */
  async poke(offset: number, value: number, strobes = 0xf): Promise<void> {
    await this.#demand(10, new Words().u32(offset, value, strobes));
  }

  /** A soft reset. @throws Error where it does not end, or leaves transactions under way */
  async reset(): Promise<void> {
    await this.#demand(11);
  }

  async commands({ slot = 0, stage = 0 } = {}): Promise<Uint8Array> {
    return Uint8Array.from(await this.#demand(12, new Words().u32(slot, stage)));
  }

  async patch(commands: Uint8Array, { slot = 0, stage = 0 } = {}): Promise<void> {
    await this.#demand(13, new Words().u32(slot, stage).bytes(commands));
  }
}
