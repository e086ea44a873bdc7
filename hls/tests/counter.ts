/** How a network is cut for an array, and the cycle model's count (counter.cpp). */
import { build } from '../build.mjs';
import { Pipe } from './pipe.ts';

export type Geometry = { readonly outputLanes: number; readonly pixelLanes: number; readonly bankRows: number; readonly weightSteps: number };
export const DEFAULT_GEOMETRY: Geometry = { outputLanes: 8, pixelLanes: 3, bankRows: 4096, weightSteps: 1024 };
export type Memory = { readonly clockMHz: number; readonly bytesPerSecond: number; readonly latencyNs: number };

export type LayerCount = {
  /** From the end of the layer before. */
  readonly cycles: number;
  /** Bytes in memory: commands and weights, activations read, activations written. */
  readonly weightBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly commands: number;
  /** Of a full tile. */
  readonly tile: { readonly rows: number; readonly columns: number; readonly blocks: number };
};
export type NetworkCount = { readonly cycles: number; readonly stallRead: number; readonly stallWrite: number; readonly bytesRead: number; readonly bytesWritten: number; readonly layers: readonly LayerCount[] };

export class Counter {
  readonly #pipe: Pipe;

  private constructor(pipe: Pipe) {
    this.#pipe = pipe;
  }

  static async start(log: (line: string) => void = () => {}): Promise<Counter> {
    return new Counter(new Pipe(await build('counter', { log })));
  }

  async end(): Promise<{ code: number | null; stderr: string }> {
    return this.#pipe.end();
  }

  async #u64(): Promise<number> {
    return Number((await this.#pipe.read(8)).readBigUInt64LE());
  }

  /** @throws Error with the refusal where the core cannot run the network */
  async count(program: Uint8Array, { outputLanes, pixelLanes, bankRows, weightSteps }: Geometry, { clockMHz, bytesPerSecond, latencyNs }: Memory): Promise<NetworkCount> {
    const head = Buffer.alloc(36);
    [outputLanes, pixelLanes, bankRows, weightSteps, Math.round(clockMHz * 1000), latencyNs].forEach((word, i) => head.writeUInt32LE(word, 4 * i));
    head.writeBigUInt64LE(BigInt(bytesPerSecond), 24);
    head.writeUInt32LE(program.length, 32);
    this.#pipe.write(head);
    this.#pipe.write(program);
    const refusal = await this.#pipe.u32();
    if (refusal > 0) throw new Error((await this.#pipe.read(refusal)).toString());
    const total = { cycles: await this.#u64(), stallRead: await this.#u64(), stallWrite: await this.#u64(), bytesRead: await this.#u64(), bytesWritten: await this.#u64() };
    const layers: LayerCount[] = [];
    for (let left = await this.#pipe.u32(); left > 0; left--) {
      layers.push({
        cycles: await this.#u64(), weightBytes: await this.#u64(), readBytes: await this.#u64(), writtenBytes: await this.#u64(),
        commands: await this.#pipe.u32(), tile: { rows: await this.#pipe.u32(), columns: await this.#pipe.u32(), blocks: await this.#pipe.u32() },
      });
    }
    return { ...total, layers };
  }
}
