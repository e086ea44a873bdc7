/**
 * Between which values a tensor lies, from the codes that went in; and between which values it matters, where what lies beyond is clipped by
 * whoever reads it. From both comes a scale for a tensor that the export left unquantised.
 */
import { functionOf, FUNCTIONS } from '../functions.ts';
import type { OnnxNode, OnnxTensor } from '../onnx.ts';
import type { Range } from '../quantise/statistics.ts';
import type { Quantisation } from './codes.ts';
import { isMark, quantisationOf } from './mark.ts';
import type { Net } from './net.ts';

const ANY: Range = { min: -Infinity, max: Infinity };
/** Readers behind one another that are followed, and beside one another. */
const MAX_DEPTH = 6;
const MAX_READERS = 4;
const SAME = new Set(['Identity', 'Reshape', 'Flatten', 'Transpose', 'Squeeze', 'Unsqueeze', 'Slice', 'Resize', 'MaxPool', 'GlobalAveragePool', 'Dropout']);
/** Functions that grow with their argument. */
const RISING = new Set(['Sigmoid', 'Tanh', 'HardSigmoid', 'Softplus', 'Erf', 'Exp', 'Elu', 'Selu', 'Celu', 'Softsign', 'LeakyRelu']);

export const rangeOfCodes = ({ scale, zeroPoint }: Quantisation): Range => ({ min: zeroPoint === -128 ? 0 : (-128 - zeroPoint) * scale, max: zeroPoint === 127 ? 0 : (127 - zeroPoint) * scale });

export const union = (ranges: readonly Range[]): Range => ({ min: Math.min(...ranges.map((r) => r.min)), max: Math.max(...ranges.map((r) => r.max)) });
export const meet = (a: Range, b: Range): Range => ({ min: Math.max(a.min, b.min), max: Math.min(a.max, b.max) });
/** 0 · ∞ is 0 here: a weight of 0 takes nothing in. */
const times = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);
const product = (a: Range, b: Range): Range => {
  const corners = [times(a.min, b.min), times(a.min, b.max), times(a.max, b.min), times(a.max, b.max)];
  return { min: Math.min(...corners), max: Math.max(...corners) };
};
const known = ({ min, max }: Range): Range => ({ min: Number.isNaN(min) ? -Infinity : min, max: Number.isNaN(max) ? Infinity : max });

export class Intervals {
  readonly #net: Net;
  readonly #ranges = new Map<string, Range>();

  constructor(net: Net) {
    this.#net = net;
  }

  of(name: string): Range {
    return this.#ranges.get(name) ?? ANY;
  }

  set(name: string, range: Range): void {
    this.#ranges.set(name, range);
  }

  /** Works out a node's result; its inputs' come first. */
  visit(node: OnnxNode): void {
    const range = known(this.#result(node));
    for (const output of node.outputs) this.#ranges.set(output, range);
  }

  #numbers(name: string | undefined): Range | undefined {
    const data = this.#net.constant(name)?.data as ArrayLike<number> | undefined;
    if (data === undefined || data.length === 0) return undefined;
    return { min: Array.prototype.reduce.call(data, (least, v) => Math.min(least as number, v as number), Infinity) as number, max: Array.prototype.reduce.call(data, (most, v) => Math.max(most as number, v as number), -Infinity) as number };
  }

  #input(node: OnnxNode, index: number): Range {
    const name = node.inputs[index] ?? '';
    return this.#numbers(name) ?? this.of(name);
  }

  /** Bounds of a Relu or Clip. */
  #bounds(node: OnnxNode): Range {
    if (node.opType === 'Relu') return { min: 0, max: Infinity };
    return { min: this.#numbers(node.inputs[1])?.min ?? -Infinity, max: this.#numbers(node.inputs[2])?.max ?? Infinity };
  }

  #result(node: OnnxNode): Range {
    const x = this.#input(node, 0);
    const { opType } = node;
    if (isMark(node)) {
      const codes = rangeOfCodes(quantisationOf(node));
      return { min: Math.min(Math.max(x.min, codes.min), codes.max), max: Math.max(Math.min(x.max, codes.max), codes.min) };
    }
    if (opType === 'Conv' || opType === 'Gemm') return this.#weighted(node, opType === 'Conv' ? union([x, { min: 0, max: 0 }]) : x);
    if (SAME.has(opType)) return x;
    // Padding counts as 0.
    if (opType === 'AveragePool' || opType === 'Pad') return union([x, { min: 0, max: 0 }]);
    if (opType === 'Relu' || opType === 'Clip') {
      const { min, max } = this.#bounds(node);
      return { min: Math.min(Math.max(x.min, min), max), max: Math.min(Math.max(x.max, min), max) };
    }
    if (opType === 'Concat') return union(node.inputs.map((_, i) => this.#input(node, i)));
    if (opType === 'Softmax') return { min: 0, max: 1 };
    if (RISING.has(opType)) return { min: functionOf(node)(x.min), max: functionOf(node)(x.max) };
    // x · sigmoid(x) and its like: no lower than -0.4, and below x.
    if (opType in FUNCTIONS && ['HardSwish', 'Mish', 'Gelu', 'Swish'].includes(opType)) return { min: -0.4, max: Math.max(0, x.max) };
    const y = this.#input(node, 1);
    if (opType === 'Add') return { min: x.min + y.min, max: x.max + y.max };
    if (opType === 'Sub') return { min: x.min - y.max, max: x.max - y.min };
    if (opType === 'Mul') return product(x, y);
    return ANY;
  }

  #weighted(node: OnnxNode, x: Range): Range {
    const weights = this.#net.constant(node.inputs[1]) as OnnxTensor;
    const bias = this.#net.constant(node.inputs[2])?.data as Float32Array | undefined;
    const outputs = weights.dims[0] ?? 1;
    const each = weights.data.length / outputs;
    const result = { min: Infinity, max: -Infinity };
    for (let o = 0; o < outputs; o++) {
      let [positive, negative] = [0, 0];
      for (let i = o * each; i < (o + 1) * each; i++) {
        const w = weights.data[i] as number;
        if (w > 0) positive += w;
        else negative += w;
      }
      const b = bias?.[o] ?? 0;
      result.min = Math.min(result.min, times(positive, x.min) + times(negative, x.max) + b);
      result.max = Math.max(result.max, times(positive, x.max) + times(negative, x.min) + b);
    }
    return result;
  }

  /** What may be clipped to these bounds without a change behind any reader. */
  useful(name: string, depth = MAX_DEPTH): Range {
    const readers = this.#net.readers(name);
    if (depth === 0 || readers.length === 0 || readers.length > MAX_READERS || this.#net.isOutput(name)) return ANY;
    return union(readers.map((node) => known(this.#usefulTo(node, name, depth))));
  }

  #usefulTo(node: OnnxNode, name: string, depth: number): Range {
    const { opType } = node;
    if (isMark(node)) return rangeOfCodes(quantisationOf(node));
    const behind = this.useful(node.outputs[0] ?? '', depth - 1);
    if (opType === 'Concat' || (SAME.has(opType) && opType !== 'GlobalAveragePool')) return behind;
    if (opType === 'Relu' || opType === 'Clip') {
      const { min, max } = this.#bounds(node);
      return { min: Math.min(Math.max(behind.min, min), max), max: Math.min(Math.max(behind.max, min), max) };
    }
    const other = node.inputs[0] === name ? 1 : 0;
    const y = this.#input(node, other);
    if (opType === 'Add') return node.inputs[0] === node.inputs[1] ? { min: behind.min / 2, max: behind.max / 2 } : { min: behind.min - y.max, max: behind.max - y.min };
    if (opType === 'Mul' && this.#numbers(node.inputs[other]) !== undefined && (y.min > 0 || y.max < 0)) return product(behind, { min: Math.min(1 / y.min, 1 / y.max), max: Math.max(1 / y.min, 1 / y.max) });
    if (opType === 'Conv') return this.#usefulToFactors(node, behind);
    return ANY;
  }

  /** A depthwise convolution of one tap, as the front end writes x · factor + offset. */
  #usefulToFactors(node: OnnxNode, behind: Range): Range {
    const weights = this.#net.constant(node.inputs[1]) as OnnxTensor;
    const bias = this.#net.constant(node.inputs[2])?.data as Float32Array | undefined;
    if ((node.attributes.get('group')?.i ?? 1) !== weights.dims[0] || weights.data.length !== weights.dims[0]) return ANY;
    return union(Array.from(weights.data as Float32Array, (w, c) => {
      if (w === 0) return { min: 0, max: 0 };
      const ends = [behind.min, behind.max].map((end) => (end - (bias?.[c] ?? 0)) / w);
      return { min: Math.min(...ends), max: Math.max(...ends) };
    }));
  }
}
