/**
 * Float operators while a graph is imported: what the core's int8 arithmetic lacks and the processor computes in fp32 (hls/core/layout.json, FloatOperator).
 * Every method checks its operands' shapes and appends one operator or, where the layout has no such operator, the few that make it up.
 */
import { BinaryFunction, FloatOperator, MAX_FLOAT_ARENA_BYTES, MAX_FLOAT_OPS, MAX_FLOAT_TENSORS, MAX_NMS_CANDIDATES, MAX_RANK, NmsFunction, ReduceFunction, SoftmaxFunction, UnaryFunction } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { FloatLayer, FloatTensor, QTensor } from './graph.ts';
import type { OnnxNode } from './onnx.ts';

const MAX_ELEMENTS = MAX_FLOAT_ARENA_BYTES / 4;
/** Of all constants and parameters, which nodes may share: a small file can ask for any number of copies. */
const MAX_CONSTANTS = 2 ** 26;

export type Shape = readonly number[];
export type Ranges = readonly { readonly start: number; readonly count: number; readonly step: number }[];
/** Of each output index along an axis: the two neighbours and the weight of the upper one. */
export type Sampling = readonly { readonly low: number; readonly high: number; readonly weight: number }[];

/** Which output holds predictions [1, N, 5 + C] (4 + C without objectness) and what becomes of them: hls/core/layout.json, FloatOperator.NMS. */
export type Detections = {
  readonly predictions: string;
  readonly scoreThreshold: number;
  readonly iouThreshold: number;
  readonly maxDetections: number;
  readonly objectness: boolean;
};

export const elementsOf = (shape: Shape): number => shape.reduce((product, d) => product * d, 1);
const text = (shape: Shape): string => (shape.length === 0 ? 'one number' : shape.join('×'));

/** numpy's rule; null where the shapes do not agree. */
export function broadcast(a: Shape, b: Shape): number[] | null {
  const rank = Math.max(a.length, b.length);
  const out = Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    return x === y || y === 1 ? x : x === 1 ? y : 0;
  });
  return out.includes(0) ? null : out;
}

export class FloatBuilder {
  readonly #push: (layer: FloatLayer) => void;
  #storages = 0;
  #ops = 0;
  #constants = 0;
  readonly #dequantised = new Map<number, FloatTensor>();

  constructor(push: (layer: FloatLayer) => void) {
    this.#push = push;
  }

  #charge(node: OnnxNode, words: number): void {
    this.#constants += words;
    if (this.#constants > MAX_CONSTANTS) throw new CompileError(`the network has more than ${MAX_CONSTANTS} fp32 constants up to here.`, node.name);
  }

  /** @throws CompileError where the layout holds no such tensor */
  #check(node: OnnxNode, shape: Shape): void {
    if (shape.length > MAX_RANK) throw new CompileError(`${node.opType} gives ${shape.length} dimensions (${text(shape)}); the processor's fp32 part holds ${MAX_RANK}.`, node.name);
    if (!shape.every((d) => Number.isSafeInteger(d) && d >= 1) || elementsOf(shape) > MAX_ELEMENTS) throw new CompileError(`${node.opType} gives a tensor of shape ${text(shape)}; fixed sizes from 1 on and at most ${MAX_ELEMENTS} elements are supported.`, node.name);
  }

  #made(node: OnnxNode, shape: Shape, constant: Float32Array | null = null): FloatTensor {
    this.#check(node, shape);
    if (this.#storages >= MAX_FLOAT_TENSORS) throw new CompileError(`the network has more than ${MAX_FLOAT_TENSORS} fp32 tensors up to here.`, node.name);
    return { storage: { id: this.#storages++, elements: elementsOf(shape), constant }, shape };
  }

  #append(node: OnnxNode, op: number, layer: Partial<FloatLayer>): void {
    if (++this.#ops > MAX_FLOAT_OPS) throw new CompileError(`the network has more than ${MAX_FLOAT_OPS} fp32 operators up to here.`, node.name);
    const { parameters = new Uint8Array() } = layer;
    this.#charge(node, parameters.length / 4);
    this.#push({ kind: 'float', name: node.name, operator: node.opType, reason: '', op, function: 0, inputs: [], output: null, tensor: null, axis: 0, ...layer, parameters });
  }

  /** An operator with an output of its own. */
  #output(node: OnnxNode, op: number, inputs: readonly FloatTensor[], shape: Shape, more: Partial<FloatLayer> = {}): FloatTensor {
    const output = this.#made(node, shape);
    this.#append(node, op, { inputs, output, ...more });
    return output;
  }

  constant(node: OnnxNode, values: Float32Array, shape: Shape): FloatTensor {
    this.#charge(node, values.length);
    return this.#made(node, shape, values);
  }

  number(node: OnnxNode, value: number): FloatTensor {
    return this.constant(node, Float32Array.of(value), []);
  }

  /** The same elements in the same order under another shape. */
  reshaped(node: OnnxNode, x: FloatTensor, shape: Shape): FloatTensor {
    if (elementsOf(shape) !== x.storage.elements) throw new CompileError(`${node.opType} turns ${text(x.shape)} into ${text(shape)}, which has another number of elements.`, node.name);
    this.#check(node, shape);
    return { storage: x.storage, shape };
  }

  /** Once for each tensor of codes. */
  dequantised(node: OnnxNode, tensor: QTensor, shape: Shape): FloatTensor {
    this.#check(node, shape);
    const known = this.#dequantised.get(tensor.id);
    if (known !== undefined) return { ...known, shape };
    const made = this.#output(node, FloatOperator.DEQUANTIZE, [], shape, { tensor, operator: 'DequantizeLinear' });
    this.#dequantised.set(tensor.id, made);
    return made;
  }

  quantised(node: OnnxNode, x: FloatTensor, tensor: QTensor): void {
    this.#append(node, FloatOperator.QUANTIZE, { inputs: [x], tensor, operator: 'QuantizeLinear' });
  }

  unary(node: OnnxNode, x: FloatTensor, name: keyof typeof UnaryFunction, alpha = 0, beta = 0): FloatTensor {
    return this.#output(node, FloatOperator.UNARY, [x], x.shape, { function: UnaryFunction[name], parameters: bytesOf(Float32Array.of(alpha, beta)) });
  }

  binary(node: OnnxNode, a: FloatTensor, b: FloatTensor, name: keyof typeof BinaryFunction): FloatTensor {
    const shape = broadcast(a.shape, b.shape);
    if (shape === null) throw new CompileError(`${node.opType} of shapes ${text(a.shape)} and ${text(b.shape)}, which cannot be broadcast.`, node.name);
    return this.#output(node, FloatOperator.BINARY, [a, b], shape, { function: BinaryFunction[name] });
  }

  transposed(node: OnnxNode, x: FloatTensor, order: readonly number[]): FloatTensor {
    if (order.length !== x.shape.length || [...order].sort((a, b) => a - b).some((axis, i) => axis !== i)) throw new CompileError(`${node.opType} has perm [${order.slice(0, 8).join(', ')}] for ${text(x.shape)}.`, node.name);
    const shape = order.map((axis) => x.shape[axis] as number);
    const moved = order.filter((axis) => x.shape[axis] !== 1);
    if (moved.every((axis, i) => i === 0 || axis > (moved[i - 1] as number))) return this.reshaped(node, x, shape);
    return this.#output(node, FloatOperator.TRANSPOSE, [x], shape, { parameters: bytesOf(Uint32Array.from(order)) });
  }

  sliced(node: OnnxNode, x: FloatTensor, ranges: Ranges): FloatTensor {
    if (ranges.every(({ start, count, step }, i) => start === 0 && count === x.shape[i] && (step === 1 || count === 1))) return x;
    const parameters = bytesOf(Int32Array.from([...ranges.map((r) => r.start), ...ranges.map((r) => r.step)]));
    return this.#output(node, FloatOperator.SLICE, [x], ranges.map((r) => r.count), { parameters });
  }

  /** Tensors behind one another along an axis. */
  joined(node: OnnxNode, parts: readonly FloatTensor[], axis: number): FloatTensor {
    const [first] = parts as [FloatTensor];
    const rest = (shape: Shape): string => shape.map((d, i) => (i === axis ? '' : d)).join();
    if (parts.some((p) => p.shape.length !== first.shape.length || rest(p.shape) !== rest(first.shape))) throw new CompileError(`Concat of ${parts.slice(0, 8).map((p) => text(p.shape)).join(' and ')} along axis ${axis}.`, node.name);
    if (parts.length === 1) return first;
    const output = this.#made(node, first.shape.map((d, i) => (i === axis ? parts.reduce((sum, p) => sum + (p.shape[axis] as number), 0) : d)));
    let at = 0;
    for (const part of parts) {
      this.#place(node, part, output, first.shape.map((_, i) => (i === axis ? at : 0)));
      at += part.shape[axis] as number;
    }
    return output;
  }

  #place(node: OnnxNode, part: FloatTensor, output: FloatTensor, start: readonly number[]): void {
    this.#append(node, FloatOperator.PLACE, { inputs: [part], output, parameters: bytesOf(Uint32Array.from(start)) });
  }

  /** A border of one value around a tensor. */
  padded(node: OnnxNode, x: FloatTensor, before: readonly number[], after: readonly number[], value: number): FloatTensor {
    if ([...before, ...after].every((p) => p === 0)) return x;
    const shape = x.shape.map((d, i) => d + (before[i] as number) + (after[i] as number));
    this.#check(node, shape);
    const output = this.expanded(node, this.reshaped(node, this.number(node, value), shape.map(() => 1)), shape);
    this.#place(node, x, output, before);
    return output;
  }

  /** Each axis of 1 repeated up to `shape`. */
  expanded(node: OnnxNode, x: FloatTensor, shape: Shape): FloatTensor {
    this.#check(node, shape);
    const start = this.reshaped(node, x, [...Array.from({ length: shape.length - x.shape.length }, () => 1), ...x.shape]);
    return shape.reduce<FloatTensor>((all, length, axis) => (all.shape[axis] === length ? all : this.picked(node, all, axis, Array.from({ length }, () => 0))), start);
  }

  /** The given indices of an axis, in their order. */
  picked(node: OnnxNode, x: FloatTensor, axis: number, indices: readonly number[]): FloatTensor {
    return this.interpolated(node, x, axis, indices.map((index) => ({ low: index, high: index, weight: 0 })));
  }

  interpolated(node: OnnxNode, x: FloatTensor, axis: number, sampling: Sampling): FloatTensor {
    const shape = x.shape.map((d, i) => (i === axis ? sampling.length : d));
    this.#check(node, shape);
    const parameters = new DataView(new ArrayBuffer(12 * sampling.length));
    sampling.forEach(({ low, high, weight }, i) => {
      parameters.setUint32(12 * i, low, true);
      parameters.setUint32(12 * i + 4, high, true);
      parameters.setFloat32(12 * i + 8, weight, true);
    });
    return this.#output(node, FloatOperator.INTERPOLATE, [x], shape, { axis, parameters: new Uint8Array(parameters.buffer) });
  }

  softmax(node: OnnxNode, x: FloatTensor, axis: number, name: keyof typeof SoftmaxFunction): FloatTensor {
    return this.#output(node, FloatOperator.SOFTMAX, [x], x.shape, { axis, function: SoftmaxFunction[name] });
  }

  reduced(node: OnnxNode, x: FloatTensor, axes: readonly number[], keep: boolean, name: keyof typeof ReduceFunction): FloatTensor {
    const gone = new Set(axes);
    const mask = [...gone].reduce((bits, axis) => bits | (1 << axis), 0);
    const made = this.#output(node, FloatOperator.REDUCE, [x], x.shape.map((d, i) => (gone.has(i) ? 1 : d)), { function: ReduceFunction[name], parameters: bytesOf(Uint32Array.of(mask)) });
    return keep ? made : this.reshaped(node, made, x.shape.filter((_, i) => !gone.has(i)));
  }

  /** numpy.matmul; a vector is a matrix of one row, or column, for its time. */
  product(node: OnnxNode, a: FloatTensor, b: FloatTensor): FloatTensor {
    const left = a.shape.length === 1 ? this.reshaped(node, a, [1, ...a.shape]) : a;
    const right = b.shape.length === 1 ? this.reshaped(node, b, [...b.shape, 1]) : b;
    const batch = broadcast(left.shape.slice(0, -2), right.shape.slice(0, -2));
    const [rows = 0, columns = 0] = [left.shape.at(-2), right.shape.at(-1)];
    if (batch === null || left.shape.length < 2 || right.shape.length < 2 || left.shape.at(-1) !== right.shape.at(-2)) throw new CompileError(`${node.opType} multiplies ${text(a.shape)} by ${text(b.shape)}.`, node.name);
    const made = this.#output(node, FloatOperator.MATMUL, [left, right], [...batch, rows, columns]);
    if (a.shape.length > 1 && b.shape.length > 1) return made;
    return this.reshaped(node, made, [...batch, ...(a.shape.length > 1 ? [rows] : []), ...(b.shape.length > 1 ? [columns] : [])]);
  }

  /** [1, most detections, 6]: x1, y1, x2, y2, score, class. */
  detections(node: OnnxNode, x: FloatTensor, { scoreThreshold, iouThreshold, maxDetections, objectness }: Detections): FloatTensor {
    const fixed = objectness ? 5 : 4;
    if (x.shape.length !== 3 || x.shape[0] !== 1 || (x.shape[2] as number) <= fixed) throw new CompileError(`'${node.inputs[0]}' has shape ${text(x.shape)}; predictions are [1, N, ${fixed} + classes].`, node.name);
    if (!Number.isInteger(maxDetections) || maxDetections < 1 || maxDetections > MAX_NMS_CANDIDATES) throw new CompileError(`${maxDetections} detections at most; it must be 1 to ${MAX_NMS_CANDIDATES}.`, node.name);
    if (![scoreThreshold, iouThreshold].every((t) => t >= 0 && t <= 1)) throw new CompileError(`thresholds of ${scoreThreshold} (score) and ${iouThreshold} (overlap); both must be 0 to 1.`, node.name);
    const parameters = new DataView(new ArrayBuffer(12));
    parameters.setFloat32(0, scoreThreshold, true);
    parameters.setFloat32(4, iouThreshold, true);
    parameters.setUint32(8, maxDetections, true);
    const what = objectness ? NmsFunction.OBJECTNESS : NmsFunction.CLASSES;
    return this.#output(node, FloatOperator.NMS, [x], [1, maxDetections, 6], { function: what, parameters: new Uint8Array(parameters.buffer) });
  }
}

function bytesOf(words: Float32Array | Int32Array | Uint32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * words.length));
  words.forEach((word, i) => {
    if (words instanceof Float32Array) view.setFloat32(4 * i, word, true);
    else view.setInt32(4 * i, word, true);
  });
  return new Uint8Array(view.buffer);
}
