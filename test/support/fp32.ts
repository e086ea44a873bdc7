/** Builds fp32 networks as exporters would write them, of any opset, and runs them. */
import * as ort from 'onnxruntime-node';
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from '../../src/compiler/onnx.ts';
import { OnnxType } from '../../src/compiler/onnx.ts';
import { writeOnnx } from '../../src/compiler/onnx-write.ts';
import { random } from './qdq.ts';

export type Attributes = Record<string, number | string | number[] | { float: number } | { floats: number[] } | { tensor: Omit<OnnxTensor, 'name'> }>;

const attribute = (name: string, value: Attributes[string]): OnnxAttribute => {
  const base = { name, floats: [], ints: [] };
  if (typeof value === 'number') return { ...base, i: value };
  if (typeof value === 'string') return { ...base, s: value };
  if (Array.isArray(value)) return { ...base, ints: value };
  if ('float' in value) return { ...base, f: value.float };
  if ('floats' in value) return { ...base, floats: value.floats };
  return { ...base, t: { name: '', ...value.tensor } };
};

export class Fp32 {
  readonly opset: number;
  readonly next: () => number;
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers = new Map<string, OnnxTensor>();
  readonly #inputs: OnnxValue[] = [];
  #count = 0;

  constructor(opset: number, seed = 1) {
    this.opset = opset;
    this.next = random(seed);
  }

  input(dims: number[], name = 'x'): string {
    this.#inputs.push({ name, elementType: OnnxType.FLOAT, dims });
    return name;
  }

  /** Random values around 0, as initialised layers have them. */
  weights(dims: number[], scale = 1, offset = 0): string {
    const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => (this.next() * 2 - 1) * scale + offset);
    return this.constant(OnnxType.FLOAT, data, dims);
  }

  constant(dataType: number, data: OnnxTensor['data'], dims: number[]): string {
    const name = `w${this.#count++}`;
    this.#initializers.set(name, { name, dataType, dims, data });
    return name;
  }

  floats(...values: number[]): string {
    return this.constant(OnnxType.FLOAT, Float32Array.from(values), [values.length]);
  }

  scalar(value: number): string {
    return this.constant(OnnxType.FLOAT, Float32Array.of(value), []);
  }

  ints(...values: number[]): string {
    return this.constant(OnnxType.INT64, BigInt64Array.from(values.map(BigInt)), [values.length]);
  }

  node(opType: string, inputs: string[], attributes: Attributes = {}): string {
    return this.nodes(opType, inputs, attributes, 1)[0] as string;
  }

  nodes(opType: string, inputs: string[], attributes: Attributes, count: number): string[] {
    const id = this.#count++;
    const outputs = Array.from({ length: count }, (_, i) => `${opType}${id}${count > 1 ? `_${i}` : ''}`);
    this.#nodes.push({ name: `node_${opType}${id}`, opType, domain: '', inputs, outputs, attributes: new Map(Object.entries(attributes).map(([name, value]) => [name, attribute(name, value)])) });
    return outputs;
  }

  conv(x: string, inputs: number, outputs: number, kernel = 3, attributes: Attributes = {}, bias = true): string {
    const group = (attributes['group'] as number | undefined) ?? 1;
    const w = this.weights([outputs, inputs / group, kernel, kernel], 1.5 / Math.sqrt((inputs / group) * kernel * kernel));
    return this.node('Conv', bias ? [x, w, this.weights([outputs], 0.3)] : [x, w], { kernel_shape: [kernel, kernel], ...attributes });
  }

  batchNormalization(x: string, channels: number): string {
    return this.node('BatchNormalization', [x, this.weights([channels], 0.5, 1), this.weights([channels], 0.3), this.weights([channels], 0.3), this.weights([channels], 0.4, 1)], { epsilon: { float: 1e-3 } });
  }

  build(outputs: string[]): OnnxModel {
    return { opset: this.opset, nodes: this.#nodes, inputs: this.#inputs, outputs: outputs.map((name) => ({ name, elementType: OnnxType.FLOAT, dims: [] })), initializers: this.#initializers };
  }
}

export type Feeds = Record<string, { data: Float32Array; dims: number[] }>;

/** ONNX Runtime with its own graph optimisations off. */
export async function runFp32(model: OnnxModel, feeds: Feeds): Promise<Record<string, { data: Float32Array; dims: readonly number[] }>> {
  const session = await ort.InferenceSession.create(writeOnnx(model), { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1, logSeverityLevel: 3 });
  const given = Object.fromEntries(Object.entries(feeds).map(([name, { data, dims }]) => [name, new ort.Tensor('float32', data, dims)]));
  const results = await session.run(given);
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, { data: t.data as Float32Array, dims: t.dims }]));
}

/** [1, H, W, C] → [1, C, H, W] */
export function channelsFirst(data: Float32Array, [, height = 1, width = 1, channels = 1]: number[]): Float32Array {
  const out = new Float32Array(data.length);
  for (let p = 0; p < height * width; p++) for (let c = 0; c < channels; c++) out[c * height * width + p] = data[p * channels + c] as number;
  return out;
}
