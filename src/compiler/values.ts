/** What an ONNX value is while a graph is imported. */
import { MAX_CHANNELS, MAX_DIMENSION } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { Bounds, FloatTensor, QTensor, WorkLayer } from './graph.ts';
import type { OnnxNode, OnnxTensor } from './onnx.ts';

type Draft<L> = L extends WorkLayer ? Omit<L, 'output' | 'bounds' | 'operator' | 'name'> : never;
/** A layer without its output. 'rescale': the input's values, whatever codes they get. */
export type LayerDraft = Draft<WorkLayer> | { readonly kind: 'rescale'; readonly input: QTensor };

/** An int8 or int32 constant behind a DequantizeLinear. scales and zeros have one entry, or one for each index of axis. */
export type WeightsValue = { kind: 'weights'; tensor: OnnxTensor; scales: Float32Array; zeros: readonly number[]; axis: number };
/** A dequantised int8 activation. shape is ONNX's; [1, C·H·W] for a flattened tensor. */
export type RealValue = { kind: 'real'; tensor: QTensor; shape: number[] };
/** The exact result of a layer, before QuantizeLinear; dims are [channels, height, width]. */
export type PendingValue = {
  kind: 'pending';
  draft: LayerDraft;
  node: string;
  operator: string;
  bounds: Bounds;
  dims: [number, number, number];
  shape: number[];
};
/** A function of one tensor's codes, not yet quantised: its value for each of the 256. */
export type FunctionValue = { kind: 'function'; source: QTensor; values: Float64Array; node: string; operator: string; shape: number[] };
/** Tensors behind one another that differ in quantisation; what they get is said behind them. */
export type JoinedValue = { kind: 'joined'; node: OnnxNode; operator: string; parts: readonly RealValue[]; dims: [number, number, number]; shape: number[] };
export type Parameters = { readonly scale: number; readonly zeroPoint: number };
/** What a float operator made; `codes` where each of its values is a code's: those of an int8 tensor elsewhere. */
export type FloatValue = { kind: 'float'; tensor: FloatTensor; shape: number[]; codes: Parameters | null };
export type Value =
  | { kind: 'input'; name: string; shape: number[]; elementType: number }
  | { kind: 'constant'; tensor: OnnxTensor }
  | { kind: 'codes'; tensor: QTensor; shape: number[] }
  | WeightsValue
  | RealValue
  | PendingValue
  | FunctionValue
  | JoinedValue
  | FloatValue;

export const dimsOfTensor = (tensor: QTensor): [number, number, number] => [tensor.channels, tensor.height, tensor.width];

/**
 * Channels, height and width that hold a shape's elements in its own order. [1, C, H, W] of rank 2 to 4 is what it says; of other shapes the axes between
 * the first and the last longer than 1 become the rows.
 */
export function storedDims(shape: readonly number[], node: string): [number, number, number] {
  if (shape[0] === 1 && shape.length >= 2 && shape.length <= 4) return dimsOf(shape, node);
  const long = shape.filter((d) => d !== 1);
  const [channels = 1, width = 1] = long.length > 1 ? [long[0], long.at(-1)] : [long[0]];
  return dimsOf([1, channels, long.slice(1, -1).reduce((product, d) => product * d, 1), width], node);
}

/** [1, C, H, W] of any rank from 2 to 4; the batch is 1. */
export function dimsOf(shape: readonly number[], node: string): [number, number, number] {
  const [batch, channels, ...rest] = shape;
  if (batch !== 1 || channels === undefined || rest.length > 2) throw new CompileError(`a tensor of shape ${shape.join('×')}; it must be [1, C], [1, C, W] or [1, C, H, W].`, node);
  const dims: [number, number, number] = [channels, rest.length === 2 ? (rest[0] as number) : 1, rest.at(-1) ?? 1];
  if (dims.some((d) => d < 1) || channels > MAX_CHANNELS || Math.max(dims[1], dims[2]) > MAX_DIMENSION) {
    throw new CompileError(`a tensor of shape ${shape.join('×')} is out of the core's range (fixed sizes, at most ${MAX_DIMENSION} rows or columns).`, node);
  }
  return dims;
}
