/** The runtime behind a pipe (driver.cpp), for tests: load a program, run it, read what came out. One request at a time. */
import { build, type Machine } from '../build.mjs';
import { emulated } from './armhf.ts';
import { Pipe } from './pipe.ts';

/** fl_status of include/fabriclens_runtime.h. */
export const Status = { OK: 0, ARGUMENT: 1, FORMAT: 2, VERSION: 3, UNSUPPORTED: 4, MEMORY: 5, BUSY: 6, CANCELLED: 7, DEADLINE: 8, DEVICE: 9 } as const;
/** For hooks that start a driver: the first time it is compiled. */
export const BUILD_TIMEOUT = 600_000;
const INT8 = 1;
const FP32 = 3;
export type Outcome = { status: number; text: string; bytes: Uint8Array };
/** hls/runtime's fl_estimate; `status` other than OK leaves the numbers at 0. */
export type CycleEstimate = {
  status: number; text: string; clockKhz: number; latencyNs: number; macsPerCycle: number; bytesPerSecond: number; cycles: number; bytesRead: number; bytesWritten: number;
  layers: { cycles: number; weightBytes: number; readBytes: number; writtenBytes: number }[];
};
export type Loaded = { status: number; text: string; inputBytes: number; outputBytes: number; layers: number };

/** A run on a core; `source` and times, in nanoseconds, as fl_timing has them. */
export type CoreRun = Outcome & { source: string; totalNs: number; inputNs: number; plNs: number; psNs: number; outputNs: number; layerNs: number[] };
export type CoreInfo = { coreVersion: number; layoutVersion: number; clockKhz: number; lanes: [number, number, number]; programs: number; memoryBytes: number; memoryUsed: number };

type Target = 'driver' | 'driver-sanitized' | 'driver-baseline';
let machine: Machine = 'host';
/** Whose drivers Golden.start starts from now on in this test file. Emulation has no sanitizers: there the plain driver runs, which still watches the heap. */
export const useMachine = (chosen: Machine): void => void (machine = chosen);

export class Golden {
  readonly #pipe: Pipe;

  private constructor(command: string | [string, ...string[]]) {
    this.#pipe = new Pipe(command, { ASAN_OPTIONS: 'detect_leaks=1:allocator_may_return_null=1' });
  }

  static async start(target: Target = 'driver', on: Machine = machine): Promise<Golden> {
    if (on === 'host') return new Golden(await build(target));
    return new Golden(emulated(await build(target === 'driver-sanitized' ? 'driver' : target, { machine: on })));
  }

  /** Ends the driver and gives its exit code; leaks found by the sanitizer make it other than 0. */
  async end(): Promise<{ code: number | null; stderr: string }> {
    return this.#pipe.end();
  }

  async kill(): Promise<void> {
    await this.#pipe.kill();
  }

  #words(...words: number[]): void {
    const bytes = Buffer.alloc(4 * words.length);
    words.forEach((word, i) => bytes.writeUInt32LE(word >>> 0, 4 * i));
    this.#pipe.write(bytes);
  }

  async #verdict(): Promise<{ status: number; text: string }> {
    return { status: await this.#pipe.u32(), text: (await this.#pipe.read(await this.#pipe.u32())).toString() };
  }

  async #u64(): Promise<number> {
    return Number((await this.#pipe.read(8)).readBigUInt64LE());
  }

  /** budget: bytes (0: the runtime's own). */
  async load(program: Uint8Array, verifyData = false, budget = 0): Promise<Loaded> {
    this.#words(1, verifyData ? 1 : 0, budget, 0, program.length);
    this.#pipe.write(program);
    return { ...(await this.#verdict()), inputBytes: await this.#pipe.u32(), outputBytes: await this.#pipe.u32(), layers: await this.#pipe.u32() };
  }

  async #outcome(): Promise<Outcome> {
    return { ...(await this.#verdict()), bytes: Uint8Array.from(await this.#pipe.read(await this.#pipe.u32())) };
  }

  /** All inputs one behind the other, as codes; all outputs likewise. */
  async run(codes: Int8Array): Promise<Int8Array> {
    this.#words(2, INT8, INT8, codes.length);
    this.#pipe.write(new Uint8Array(codes.buffer, codes.byteOffset, codes.length));
    const { status, text, bytes } = await this.#outcome();
    if (status !== Status.OK) throw new Error(`fl_run: ${status} ${text}`);
    return new Int8Array(bytes.buffer);
  }

  async runFloat(values: Float32Array): Promise<{ status: number; text: string; values: Float32Array }> {
    this.#words(2, FP32, FP32, values.byteLength);
    this.#pipe.write(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    const { status, text, bytes } = await this.#outcome();
    return { status, text, values: new Float32Array(bytes.buffer) };
  }

  /** With a deadline in nanoseconds (0: none) and the cancel flag as given. */
  async runBounded(codes: Int8Array, timeoutNs: bigint, cancel: boolean): Promise<Outcome> {
    const head = Buffer.alloc(20);
    head.writeUInt32LE(5, 0);
    head.writeBigUInt64LE(timeoutNs, 4);
    head.writeInt32LE(cancel ? 1 : 0, 12);
    head.writeUInt32LE(codes.length, 16);
    this.#pipe.write(head);
    this.#pipe.write(new Uint8Array(codes.buffer, codes.byteOffset, codes.length));
    return this.#outcome();
  }

  async quantize(values: Float32Array, scale: number, zeroPoint: number): Promise<{ firstNan: number; codes: Int8Array }> {
    const head = Buffer.alloc(16);
    head.writeUInt32LE(3, 0);
    head.writeFloatLE(scale, 4);
    head.writeInt32LE(zeroPoint, 8);
    head.writeUInt32LE(values.length, 12);
    this.#pipe.write(head);
    this.#pipe.write(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    const firstNan = (await this.#pipe.read(4)).readInt32LE();
    return { firstNan, codes: Int8Array.from(await this.#pipe.read(values.length)) };
  }

  /** Wrong calls on the loaded program: a line of status and text each. */
  async misuse(): Promise<string[]> {
    this.#words(6);
    return (await this.#pipe.read(await this.#pipe.u32())).toString().trimEnd().split('\n');
  }

  /** `runs` on each of two threads at once: how they ended. */
  async threads(codes: Int8Array, runs: number): Promise<{ ok: number; busy: number; bad: number }> {
    this.#words(7, runs, codes.length);
    this.#pipe.write(new Uint8Array(codes.buffer, codes.byteOffset, codes.length));
    return { ok: await this.#pipe.u32(), busy: await this.#pipe.u32(), bad: await this.#pipe.u32() };
  }

  /** `layers`: as load() told. Without a setting the library's own. */
  async estimate(layers: number, setting: { clockKhz: number; bytesPerSecond: number; latencyNs: number } = { clockKhz: 0, bytesPerSecond: 0, latencyNs: 0 }): Promise<CycleEstimate> {
    const head = Buffer.alloc(20);
    head.writeUInt32LE(8, 0);
    head.writeUInt32LE(setting.clockKhz, 4);
    head.writeBigUInt64LE(BigInt(setting.bytesPerSecond), 8);
    head.writeUInt32LE(setting.latencyNs, 16);
    this.#pipe.write(head);
    const { status, text } = await this.#verdict();
    const [clockKhz, latencyNs, macsPerCycle] = [await this.#pipe.u32(), await this.#pipe.u32(), await this.#pipe.u32()];
    const u64 = (): Promise<number> => this.#u64();
    const made: CycleEstimate = { status, text, clockKhz, latencyNs, macsPerCycle, bytesPerSecond: await u64(), cycles: await u64(), bytesRead: await u64(), bytesWritten: await u64(), layers: [] };
    for (let left = layers; left > 0; left--) made.layers.push({ cycles: await u64(), weightBytes: await u64(), readBytes: await u64(), writtenBytes: await u64() });
    return made;
  }

  /** Why the core cannot run a layer of the loaded program. */
  async refusal(layer: number): Promise<{ status: number; text: string }> {
    this.#words(9, layer);
    return this.#verdict();
  }

  /** So many threads a layer, for the loaded program. */
  async share(threads: number): Promise<{ status: number; text: string }> {
    this.#words(11, threads);
    return this.#verdict();
  }

  /** "target op name MACs" of each layer of the loaded program, in the order of execution. */
  async layers(): Promise<string[]> {
    this.#words(10);
    return (await this.#pipe.read(await this.#pipe.u32())).toString().trimEnd().split('\n');
  }

  /** Nanoseconds of each repeat, and the least of each layer over the repeats. */
  async time(codes: Int8Array, repeats: number, layers: number): Promise<{ totals: number[]; layers: number[] }> {
    this.#words(4, repeats, codes.length);
    this.#pipe.write(new Uint8Array(codes.buffer, codes.byteOffset, codes.length));
    const take = async (count: number): Promise<number[]> => {
      const bytes = await this.#pipe.read(8 * count);
      return Array.from({ length: count }, (_, i) => Number(bytes.readBigUInt64LE(8 * i)));
    };
    return { totals: await take(repeats), layers: await take(layers) };
  }

  // --- Of programs on a core: driver_core.cpp.

  /** Which of two programs everything is about from now on. */
  slot(slot: number): void {
    this.#words(12, slot);
  }

  /** Maps and opens the core whose files lie in `folder`. cached: the processor's copy of its memory is brought up to date by sync alone. */
  async openCore(folder: string, memoryAddress: number, { deadlineMs = 60_000, cached = false } = {}): Promise<{ status: number; text: string }> {
    const name = Buffer.from(folder);
    const deadline = BigInt(deadlineMs) * 1_000_000n;
    this.#words(13, name.length);
    this.#pipe.write(name);
    this.#words(memoryAddress, Number(deadline & 0xffffffffn), Number(deadline >> 32n), 100_000, cached ? 1 : 0);
    return this.#verdict();
  }

  /** The loaded program on the opened core, or on the golden model again. */
  async useCore(on = true): Promise<{ status: number; text: string }> {
    this.#words(14, on ? 1 : 0);
    return this.#verdict();
  }

  async runOnCore(codes: Int8Array, { timeoutMs = 0, cancelAfterMs = Infinity } = {}): Promise<CoreRun> {
    const head = Buffer.alloc(24);
    head.writeUInt32LE(15, 0);
    head.writeBigUInt64LE(BigInt(timeoutMs) * 1_000_000n, 4);
    head.writeBigUInt64LE(cancelAfterMs === Infinity ? 0xffffffffffffffffn : BigInt(cancelAfterMs) * 1_000_000n, 12);
    head.writeUInt32LE(codes.length, 20);
    this.#pipe.write(head);
    this.#pipe.write(new Uint8Array(codes.buffer, codes.byteOffset, codes.length));
    const outcome = await this.#outcome();
    const source = (await this.#pipe.read(await this.#pipe.u32())).toString();
    const [totalNs, inputNs, plNs, psNs, outputNs] = [await this.#u64(), await this.#u64(), await this.#u64(), await this.#u64(), await this.#u64()];
    const layerNs: number[] = [];
    for (let left = await this.#pipe.u32(); left > 0; left--) layerNs.push(await this.#u64());
    return { ...outcome, source, totalNs, inputNs, plNs, psNs, outputNs, layerNs };
  }

  async closeCore(): Promise<number> {
    this.#words(16);
    return this.#pipe.u32();
  }

  async coreInfo(): Promise<CoreInfo> {
    this.#words(17);
    const u32 = (): Promise<number> => this.#pipe.u32();
    return { coreVersion: await u32(), layoutVersion: await u32(), clockKhz: await u32(), lanes: [await u32(), await u32(), await u32()], programs: await u32(), memoryBytes: await this.#u64(), memoryUsed: await this.#u64() };
  }

  /** Both slots' programs at once, `runs` times each. */
  async both(runs: number, codes: readonly [Int8Array, Int8Array]): Promise<{ right: number; wrong: number }> {
    this.#words(18, runs);
    for (const one of codes) {
      this.#words(one.length);
      this.#pipe.write(new Uint8Array(one.buffer, one.byteOffset, one.length));
    }
    return { right: await this.#pipe.u32(), wrong: await this.#pipe.u32() };
  }

  unload(): void {
    this.#words(19);
  }

  /** Wrong calls on the opened core: a line of status and text each. */
  async misuseCore(): Promise<string[]> {
    this.#words(20);
    return (await this.#pipe.read(await this.#pipe.u32())).toString().trimEnd().split('\n');
  }
}
