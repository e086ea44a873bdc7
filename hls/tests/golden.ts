/** The runtime behind a pipe (driver.cpp), for tests: load a program, run it, read what came out. One request at a time. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { build } from '../build.mjs';

/** fl_status of include/fabriclens_runtime.h. */
export const Status = { OK: 0, ARGUMENT: 1, FORMAT: 2, VERSION: 3, UNSUPPORTED: 4, MEMORY: 5, BUSY: 6, CANCELLED: 7, DEADLINE: 8 } as const;
/** For hooks that start a driver: the first time it is compiled. */
export const BUILD_TIMEOUT = 600_000;
const INT8 = 1;
const FP32 = 3;
export type Outcome = { status: number; text: string; bytes: Uint8Array };
export type Loaded = { status: number; text: string; inputBytes: number; outputBytes: number; layers: number };

export class Golden {
  readonly #child: ChildProcessWithoutNullStreams;
  #chunks: Buffer[] = [];
  #have = 0;
  #wake: (() => void) | null = null;
  #ended: string | null = null;
  #stderr = '';

  private constructor(file: string) {
    this.#child = spawn(file, [], { env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=1:allocator_may_return_null=1' } });
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#have += chunk.length;
      this.#wake?.();
    });
    this.#child.stderr.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#child.stdin.on('error', () => {});
    this.#child.on('close', (code, signal) => {
      this.#ended = `the driver ended with ${signal ?? code}: ${this.#stderr}`;
      this.#wake?.();
    });
  }

  static async start(target: 'driver' | 'driver-sanitized' | 'driver-baseline' = 'driver'): Promise<Golden> {
    return new Golden(await build(target));
  }

  /** Ends the driver and gives its exit code; leaks found by the sanitizer make it other than 0. */
  async end(): Promise<{ code: number | null; stderr: string }> {
    const closed = new Promise<number | null>((resolve) => this.#child.on('close', resolve));
    if (this.#ended !== null) return { code: this.#child.exitCode, stderr: this.#stderr };
    this.#child.stdin.end();
    return { code: await closed, stderr: this.#stderr };
  }

  async #read(count: number): Promise<Buffer> {
    while (this.#have < count) {
      if (this.#ended !== null) throw new Error(this.#ended);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = all.length > count ? [all.subarray(count)] : [];
    this.#have -= count;
    return all.subarray(0, count);
  }

  #words(...words: number[]): void {
    const bytes = Buffer.alloc(4 * words.length);
    words.forEach((word, i) => bytes.writeUInt32LE(word >>> 0, 4 * i));
    this.#child.stdin.write(bytes);
  }

  async #u32(): Promise<number> {
    return (await this.#read(4)).readUInt32LE();
  }

  /** budget: bytes (0: the runtime's own). */
  async load(program: Uint8Array, verifyData = false, budget = 0): Promise<Loaded> {
    this.#words(1, verifyData ? 1 : 0, budget, 0, program.length);
    this.#child.stdin.write(program);
    const status = await this.#u32();
    const text = (await this.#read(await this.#u32())).toString();
    return { status, text, inputBytes: await this.#u32(), outputBytes: await this.#u32(), layers: await this.#u32() };
  }

  async #outcome(): Promise<Outcome> {
    const status = await this.#u32();
    const text = (await this.#read(await this.#u32())).toString();
    return { status, text, bytes: Uint8Array.from(await this.#read(await this.#u32())) };
  }

  /** All inputs one behind the other, as codes; all outputs likewise. */
  async run(codes: Int8Array): Promise<Int8Array> {
    this.#words(2, INT8, INT8, codes.length);
    this.#child.stdin.write(new Uint8Array(codes.buffer, codes.byteOffset, codes.length));
    const { status, text, bytes } = await this.#outcome();
    if (status !== Status.OK) throw new Error(`fl_run: ${status} ${text}`);
    return new Int8Array(bytes.buffer);
  }

  async runFloat(values: Float32Array): Promise<{ status: number; text: string; values: Float32Array }> {
    this.#words(2, FP32, FP32, values.byteLength);
    this.#child.stdin.write(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
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
    this.#child.stdin.write(head);
    this.#child.stdin.write(new Uint8Array(codes.buffer, codes.byteOffset, codes.length));
    return this.#outcome();
  }

  async quantize(values: Float32Array, scale: number, zeroPoint: number): Promise<{ firstNan: number; codes: Int8Array }> {
    const head = Buffer.alloc(16);
    head.writeUInt32LE(3, 0);
    head.writeFloatLE(scale, 4);
    head.writeInt32LE(zeroPoint, 8);
    head.writeUInt32LE(values.length, 12);
    this.#child.stdin.write(head);
    this.#child.stdin.write(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    const firstNan = (await this.#read(4)).readInt32LE();
    return { firstNan, codes: Int8Array.from(await this.#read(values.length)) };
  }

  /** Wrong calls on the loaded program: a line of status and text each. */
  async misuse(): Promise<string[]> {
    this.#words(6);
    return (await this.#read(await this.#u32())).toString().trimEnd().split('\n');
  }

  /** `runs` on each of two threads at once: how they ended. */
  async threads(codes: Int8Array, runs: number): Promise<{ ok: number; busy: number; bad: number }> {
    this.#words(7, runs, codes.length);
    this.#child.stdin.write(new Uint8Array(codes.buffer, codes.byteOffset, codes.length));
    return { ok: await this.#u32(), busy: await this.#u32(), bad: await this.#u32() };
  }

  /** Nanoseconds of each repeat, and the least of each layer over the repeats. */
  async time(codes: Int8Array, repeats: number, layers: number): Promise<{ totals: number[]; layers: number[] }> {
    this.#words(4, repeats, codes.length);
    this.#child.stdin.write(new Uint8Array(codes.buffer, codes.byteOffset, codes.length));
    const take = async (count: number): Promise<number[]> => {
      const bytes = await this.#read(8 * count);
      return Array.from({ length: count }, (_, i) => Number(bytes.readBigUInt64LE(8 * i)));
    };
    return { totals: await take(repeats), layers: await take(layers) };
  }
}
