/**
 * Operators that work on each value by itself. What depends on one tensor's codes alone, over however many nodes, becomes a table of 256;
 * a factor or an offset a channel becomes a depthwise 1 × 1 convolution; a sum of two tensors an add.
 */
import { CompileError } from './error.ts';
import { broadcast } from './float-builder.ts';
import { functionOf } from './functions.ts';
import type { Weights } from './graph.ts';
import { NO_BOUNDS } from './graph.ts';
import type { Importer } from './import.ts';
import type { OnnxNode } from './onnx.ts';
import { OnnxType } from './onnx.ts';
import type { Operator } from './operators.ts';
import type { FunctionValue, PendingValue, RealValue, Value } from './values.ts';
import { dimsOfTensor } from './values.ts';

type Numbers = { values: Float64Array; dims: number[] };

/** Real values of a constant, dequantised where it is stored as codes; null where the value is none. */
export function numbersOf(value: Value): Numbers | null {
  if (value.kind === 'constant') {
    if (value.tensor.dataType !== OnnxType.FLOAT) return null;
    return { values: Float64Array.from(value.tensor.data as Float32Array), dims: value.tensor.dims };
  }
  if (value.kind !== 'weights') return null;
  const { tensor, scales, zeros, axis } = value;
  const inner = tensor.dims.slice(axis + 1).reduce((product, d) => product * d, 1);
  const pick = <T>(list: ArrayLike<T>, i: number): T => list[list.length === 1 ? 0 : Math.floor(i / inner) % list.length] as T;
  return { values: Float64Array.from(tensor.data as ArrayLike<number>, (code, i) => (code - (zeros.length === 0 ? 0 : pick(zeros, i))) * pick(scales, i)), dims: tensor.dims };
}

const scalarOf = ({ values }: Numbers): number | null => (values.length > 0 && values.every((v) => v === values[0]) ? (values[0] as number) : null);

/** One number a channel of an activation of this shape; null where the constant is anything else. */
function channelsOf({ values, dims }: Numbers, shape: readonly number[], channels: number): Float64Array | null {
  const behind = shape.length - 2;
  const axis = dims.length - 1 - behind;
  if (shape[1] !== channels || axis < 0 || axis > 1 || dims[axis] !== channels || values.length !== channels) return null;
  return values;
}

export const unary: Operator = (importer, node) => importer.mapped(node, importer.value(node, 0), functionOf(node));

export const prelu: Operator = (importer, node) => {
  const slopes = numbersOf(importer.value(node, 1));
  const slope = slopes === null ? null : scalarOf(slopes);
  if (slope === null) throw new CompileError('PRelu with a slope a channel is not supported; the core looks all channels up in one table. Train with one slope, or use LeakyRelu.', node.name);
  return importer.mapped(node, importer.value(node, 0), (x) => (x < 0 ? slope * x : x));
};

/** weights of a depthwise 1 × 1 convolution that multiplies by `factors`: ±1 at the factor's scale, which is exact. */
function factorWeights(factors: Float64Array): Weights {
  return {
    codes: Int8Array.from(factors, Math.sign),
    scales: Float32Array.from(factors, (f) => Math.fround(Math.abs(f)) || 1),
    bias: new Int32Array(factors.length),
  };
}

/** The same with an offset: weights of ±127, so that the bias is counted in 127ths of the input's steps, or finer where the factor is small. */
function offsetWeights({ codes, scales }: Weights, offsets: Float64Array, inputScale: number): Weights {
  // No bias above 2^23: its fraction of 2^-24 is what fp32 knows of the offset.
  const fine = Float32Array.from(scales, (s, c) => (codes[c] === 0 ? Math.abs(offsets[c] as number) / inputScale / 2 ** 23 || 1 : s / 127));
  return { codes: codes.map((code) => 127 * code), scales: fine, bias: Int32Array.from(offsets, (b, c) => Math.round(b / inputScale / (fine[c] as number))) };
}

function perChannel(importer: Importer, node: OnnxNode, { tensor, shape }: RealValue, weights: Weights): PendingValue {
  importer.charge(node, tensor.channels, tensor.channels);
  const window = { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] } as const;
  return { kind: 'pending', draft: { kind: 'conv', input: tensor, window, groups: tensor.channels, weights }, node: node.name, operator: node.opType, bounds: NO_BOUNDS, dims: dimsOfTensor(tensor), shape };
}

/** x · factor or x + offset, one a channel. */
function channelwise(importer: Importer, node: OnnxNode, value: Value, numbers: Numbers, swapped: boolean): PendingValue | null {
  const { opType } = node;
  const input = value.kind === 'real' ? { tensor: value.tensor, shape: value.shape } : value.kind === 'pending' && value.operator === 'Mul' && value.draft.kind === 'conv' ? { tensor: value.draft.input, shape: value.shape } : null;
  const channels = input === null ? null : channelsOf(numbers, input.shape, input.tensor.channels);
  if (input === null || channels === null || (swapped && opType === 'Div')) return null;
  if (!channels.every(Number.isFinite)) throw new CompileError(`the constant of ${opType} holds what is no number.`, node.name);
  const real: RealValue = { kind: 'real', ...input };
  if (opType === 'Mul' || opType === 'Div') {
    if (value.kind !== 'real') return null;
    return perChannel(importer, node, real, factorWeights(opType === 'Mul' ? channels : channels.map((f) => 1 / f)));
  }
  if (opType !== 'Add' && opType !== 'Sub') return null;
  // a - x = -1 · x + a
  const sign = opType === 'Sub' && swapped ? -1 : 1;
  if (value.kind === 'pending' && sign === -1) return null;
  const before = value.kind === 'pending' && value.draft.kind === 'conv' ? value.draft.weights : factorWeights(new Float64Array(input.tensor.channels).fill(sign));
  const offsets = opType === 'Sub' && !swapped ? channels.map((b) => -b) : channels;
  const made = perChannel(importer, node, real, offsetWeights(before, offsets, input.tensor.scale));
  if (made.draft.kind === 'conv' && made.draft.weights.bias.some((b) => Math.abs(b) >= 2 ** 30)) throw new CompileError(`the constant of ${opType} is far larger than its input's scale.`, node.name);
  importer.note(`Node '${node.name}': its offsets are rounded to 1/127 of a step of its input; as a convolution with an int32 bias they would be exact.`);
  return { ...made, operator: value.kind === 'pending' ? `${value.operator} + ${opType}` : opType };
}

const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  Min: Math.min,
  Max: Math.max,
};

const shapeText = (value: Value): string => ('shape' in value ? value.shape.join('×') : 'unknown');

/** Of an activation and a constant, or of two activations that are functions of the same tensor. */
export const binary: Operator = (importer, node) => {
  if (node.inputs.length !== 2) throw new CompileError(`${node.opType} of ${node.inputs.length} inputs; two are supported.`, node.name);
  const operation = BINARY[node.opType] as (a: number, b: number) => number;
  const [a, b] = [importer.value(node, 0), importer.value(node, 1)];
  const [first, second] = [numbersOf(a), numbersOf(b)];
  const numbers = second ?? first;
  if (numbers === null) return both(importer, node, a, b, operation);
  if (first !== null && second !== null) throw new CompileError(`${node.opType} of two constants; fold it first.`, node.name);
  const swapped = second === null;
  const value = swapped ? b : a;
  if ('shape' in value && broadcast(value.shape, numbers.dims)?.join() !== value.shape.join()) throw new CompileError(`${node.opType} of ${shapeText(value)} and a constant of ${numbers.dims.join('×')}, which is the larger.`, node.name);
  const scalar = scalarOf(numbers);
  if (scalar === null) {
    const made = channelwise(importer, node, value, numbers, swapped);
    if (made === null) throw new CompileError(`${node.opType} of ${shapeText(value)} and a constant of ${numbers.dims.join('×')}: one number, or one a channel, is supported.`, node.name);
    return made;
  }
  if (node.opType === 'Min' || node.opType === 'Max') return importer.bounded(node, value, node.opType === 'Max' ? scalar : -Infinity, node.opType === 'Min' ? scalar : Infinity);
  return importer.mapped(node, value, swapped ? (x) => operation(scalar, x) : (x) => operation(x, scalar));
};

function both(importer: Importer, node: OnnxNode, a: Value, b: Value, operation: (a: number, b: number) => number): FunctionValue {
  const common = importer.common(a, b);
  if (common === null) {
    throw new CompileError(`${node.opType} of two activations (${shapeText(a)} and ${shapeText(b)}) is not the core's, unless both are functions of the same quantised tensor; only Add is.`, node.name);
  }
  const [left, right] = common;
  if (left.shape.join() !== right.shape.join()) throw new CompileError(`${node.opType} of shapes ${shapeText(a)} and ${shapeText(b)}: they must be equal.`, node.name);
  return importer.made(node, left, left.values.map((x, i) => operation(x, right.values[i] as number)));
}
