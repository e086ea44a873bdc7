/** A plain ONNX Runtime session behind a pipe (ort_host.cpp), with the operator library or without: the library of onnxruntime-node, by its C interface. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from '../build.mjs';
import { Pipe } from './pipe.ts';

/** ONNX element types. */
export const FLOAT = 1;
export const INT8 = 3;
export type Tensor = { type: number; shape: readonly number[]; bytes: Uint8Array };
export type Made = { type: number; bytes: Uint8Array };

const library = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')), `bin/napi-v6/${process.platform}/${process.arch}/libonnxruntime.so.1`);
/** Whether this computer's ONNX Runtime is one that the host can load. */
export const hasOrt = existsSync(library);

const words = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, 4 * i));
  return bytes;
};

export class OrtHost {
  readonly #pipe: Pipe;

  private constructor(command: readonly [string, ...string[]]) {
    this.#pipe = new Pipe(command);
  }

  /** @param operators path of the operator library; null: without one */
  static async start(operators: string | null): Promise<OrtHost> {
    return new OrtHost([await build('ort-host'), library, ...(operators === null ? [] : [operators])]);
  }

  async #text(): Promise<string> {
    return (await this.#pipe.read(await this.#pipe.u32())).toString();
  }

  /** ONNX Runtime's words where it refuses, or ''. */
  async load(model: Uint8Array, optimised = true): Promise<string> {
    this.#pipe.write(words(1, optimised ? 99 : 0, model.length));
    this.#pipe.write(model);
    return this.#text();
  }

  #give({ type, shape, bytes }: Tensor): void {
    this.#pipe.write(words(type, shape.length, ...shape, bytes.length));
    this.#pipe.write(bytes);
  }

  async run(input: Tensor): Promise<{ text: string; outputs: Made[] }> {
    this.#pipe.write(words(2));
    this.#give(input);
    const text = await this.#text();
    const outputs: Made[] = [];
    for (let left = await this.#pipe.u32(); left > 0; left--) outputs.push({ type: await this.#pipe.u32(), bytes: Uint8Array.from(await this.#pipe.read(await this.#pipe.u32())) });
    return { text, outputs };
  }

  /** One session, run by several threads at once: runs with the right outputs, and others. */
  async threads(threads: number, runs: number, input: Tensor): Promise<{ good: number; bad: number }> {
    this.#pipe.write(words(3, threads, runs));
    this.#give(input);
    return { good: await this.#pipe.u32(), bad: await this.#pipe.u32() };
  }

  async end(): Promise<{ code: number | null; stderr: string }> {
    return this.#pipe.end();
  }
}
