/** A graph of constants and operators evaluated by ONNX Runtime, as a second opinion for tests. */
import * as ort from 'onnxruntime-node';
import { onnxModel, type Attributes, type OnnxInitializer, type OnnxNode } from '../../test/support/onnx.ts';

export class OrtGraph {
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers: OnnxInitializer[] = [];
  readonly #outputs: string[] = [];

  constant(data: OnnxInitializer['data'], shape: readonly number[] = [data.length]): string {
    const name = `c${this.#initializers.length}`;
    this.#initializers.push({ name, shape: [...shape], data });
    return name;
  }

  int64(values: readonly number[]): string {
    return this.constant(BigInt64Array.from(values, BigInt));
  }

  node(op: string, inputs: string[], attributes: Attributes = {}): string {
    const output = `n${this.#nodes.length}`;
    this.#nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  }

  output(name: string): void {
    this.#outputs.push(name);
  }

  /** Values of the outputs, in their order. */
  async run(): Promise<Float32Array[]> {
    const model = onnxModel({ nodes: this.#nodes, initializers: this.#initializers, inputs: [], outputs: this.#outputs.map((name) => ({ name, type: 'float32' as const })) });
    const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1, logSeverityLevel: 3 });
    const results = await session.run({});
    await session.release();
    return this.#outputs.map((name) => results[name]!.data as Float32Array);
  }
}
