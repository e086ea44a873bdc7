/** Builds canonical QDQ networks operator by operator, for tests: every operator's result is quantised and dequantised behind it. */
import { onnxModel, type Attributes, type OnnxInitializer, type OnnxNode, type OnnxValue } from './onnx.ts';

/** A dequantised int8 tensor; `name` is DequantizeLinear's output, `codes` QuantizeLinear's. */
export type Activation = { name: string; codes: string; shape: number[]; scale: number; zeroPoint: number };
export type Quantisation = { scale: number; zeroPoint: number };
export type WindowAttributes = { kernel: [number, number]; strides?: [number, number]; dilations?: [number, number]; pads?: [number, number, number, number] };

/** mulberry32: repeatable numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const f32 = Math.fround;

export class Qdq {
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers: OnnxInitializer[] = [];
  readonly #inputs: OnnxValue[] = [];
  #count = 0;

  #name(stem: string): string {
    return `${stem}${this.#count++}`;
  }

  constant(name: string, data: OnnxInitializer['data'], shape: number[]): string {
    this.#initializers.push({ name, shape, data });
    return name;
  }

  node(op: string, inputs: string[], attributes: Attributes = {}): string {
    const output = this.#name(op);
    this.#nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  }

  /** A node with several outputs. */
  nodes(op: string, inputs: string[], count: number, attributes: Attributes = {}): string[] {
    const outputs = Array.from({ length: count }, () => this.#name(op));
    this.#nodes.push({ op, inputs, outputs, attributes });
    return outputs;
  }

  /** A fp32 or int64 constant under a name of its own. */
  value(data: Float32Array | BigInt64Array, shape: number[] = [data.length]): string {
    return this.constant(this.#name('value'), data, shape);
  }

  /** Nearest, twice as large, as PyTorch exports it. */
  upsampled(from: Activation): string {
    return this.node('Resize', [from.name, '', this.value(Float32Array.of(1, 1, 2, 2))], { coordinate_transformation_mode: 'asymmetric', mode: 'nearest', nearest_mode: 'floor' });
  }

  /** QuantizeLinear and DequantizeLinear behind a result. */
  quantised(from: string, shape: number[], { scale, zeroPoint }: Quantisation): Activation {
    const s = this.constant(this.#name('scale'), Float32Array.of(scale), []);
    const z = this.constant(this.#name('zero'), Int8Array.of(zeroPoint), []);
    const codes = this.node('QuantizeLinear', [from, s, z]);
    return { name: this.node('DequantizeLinear', [codes, s, z]), codes, shape, scale: f32(scale), zeroPoint };
  }

  input(shape: number[], quantisation: Quantisation): Activation {
    const name = this.#name('input');
    this.#inputs.push({ name, type: 'float32', shape });
    return this.quantised(name, shape, quantisation);
  }

  /** int8 weights with one scale an index of `axis`, and their int32 bias in units of input scale × weight scale. */
  #weights(input: Activation, codes: Int8Array, shape: number[], axis: number, scales: Float32Array, bias: Int32Array | null): string[] {
    const dequantised = (data: Int8Array | Int32Array, dims: number[], s: Float32Array, along: number): string => {
      const name = this.#name('w');
      this.constant(`${name}_codes`, data, dims);
      this.constant(`${name}_scale`, s, [s.length]);
      this.constant(`${name}_zero`, data instanceof Int8Array ? new Int8Array(s.length) : new Int32Array(s.length), [s.length]);
      return this.node('DequantizeLinear', [`${name}_codes`, `${name}_scale`, `${name}_zero`], { axis: along });
    };
    const weights = dequantised(codes, shape, scales, axis);
    return bias === null ? [weights] : [weights, dequantised(bias, [bias.length], scales.map((s) => f32(s * input.scale)), 0)];
  }

  /** Result of a Conv, not yet quantised. Of a signal [1, C, W] the window has one row. */
  conv(input: Activation, codes: Int8Array, outputs: number, scales: Float32Array, bias: Int32Array | null, window: WindowAttributes, group = 1): { name: string; shape: number[] } {
    const axes = input.shape.length - 2;
    const [channels = 0, height = 0, width = 0] = axes === 1 ? [input.shape[1], 1, input.shape[2]] : input.shape.slice(1);
    const { kernel, strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0] } = window;
    const parts = this.#weights(input, codes, [outputs, channels / group, ...kernel.slice(-axes)], 0, scales, bias);
    const attributes = { kernel_shape: kernel.slice(-axes), strides: strides.slice(-axes), dilations: dilations.slice(-axes), pads: axes === 1 ? [pads[1], pads[3]] : pads };
    const name = this.node('Conv', [input.name, ...parts], { ...attributes, group });
    const out = [0, 1].map((i) => Math.floor(([height, width][i]! + pads[i]! + pads[i + 2]! - (kernel[i]! - 1) * dilations[i]! - 1) / strides[i]!) + 1);
    return { name, shape: [1, outputs, ...out.slice(-axes)] };
  }

  /** Gemm (transB) or MatMul and Add on a flattened input. */
  dense(input: Activation, codes: Int8Array, outputs: number, scales: Float32Array, bias: Int32Array, matMul: boolean): { name: string; shape: number[] } {
    const columns = codes.length / outputs;
    if (!matMul) {
      const parts = this.#weights(input, codes, [outputs, columns], 0, scales, bias);
      return { name: this.node('Gemm', [input.name, ...parts], { transB: 1 }), shape: [1, outputs] };
    }
    const turned = Int8Array.from(codes, (_, i) => codes[(i % outputs) * columns + Math.floor(i / outputs)] as number);
    const [weights = '', added = ''] = this.#weights(input, turned, [columns, outputs], 1, scales, bias);
    return { name: this.node('Add', [this.node('MatMul', [input.name, weights]), added]), shape: [1, outputs] };
  }

  pool(op: 'MaxPool' | 'AveragePool', input: Activation, window: WindowAttributes, more: Attributes = {}): string {
    const { kernel, strides = [1, 1], pads = [0, 0, 0, 0] } = window;
    const axes = input.shape.length - 2;
    return this.node(op, [input.name], { kernel_shape: kernel.slice(-axes), strides: strides.slice(-axes), pads: axes === 1 ? [pads[1], pads[3]] : pads, ...more });
  }

  clip(from: string, min: number, max: number): string {
    return this.node('Clip', [from, this.constant(this.#name('min'), Float32Array.of(min), []), this.constant(this.#name('max'), Float32Array.of(max), [])]);
  }

  /** Graph outputs: dequantised tensors as fp32, or their codes as int8. */
  build(outputs: Activation[], codes: Activation[] = []): Uint8Array {
    return onnxModel({
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: this.#inputs,
      outputs: [
        ...outputs.map(({ name, shape }): OnnxValue => ({ name, type: 'float32', shape })),
        ...codes.map(({ codes: name, shape }): OnnxValue => ({ name, type: 'int8', shape })),
      ],
    });
  }
}
