/** QGraph → stages: who runs each layer, and which adds and poolings ride in another layer's output stage. One stage becomes one descriptor. */
import { MAX_CHANNELS, MAX_KERNEL, MAX_POOL_KERNEL } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { AddLayer, Bounds, ConvLayer, MaxPoolLayer, QGraph, QLayer, QTensor, Window } from './graph.ts';
import { macsOf } from './graph.ts';
import { ratioOf, roundHalfEven } from './scale.ts';

export type Target = 'PL' | 'PS';
export type Stage = {
  readonly target: Target;
  readonly layer: QLayer;
  /** An add fused behind the layer: its other operand. */
  readonly residual: { readonly add: AddLayer; readonly other: QTensor } | null;
  /** A pooling fused behind the layer, which has no residual then: the largest of each 2 x 2 is all that is written. */
  readonly pool: MaxPoolLayer | null;
  readonly output: QTensor;
};

/** Codes between which a real-valued bound keeps a tensor: Relu gives [zero point, 127]. */
export function codeBounds(bounds: Bounds, tensor: QTensor): { min: number; max: number } {
  const codeOf = (bound: number): number => {
    if (!Number.isFinite(bound)) return bound;
    const steps = bound === 0 ? 0n : quantised(bound, tensor.scale);
    return Math.min(127, Math.max(-128, tensor.zeroPoint + Number(steps)));
  };
  return { min: Math.max(-128, codeOf(bounds.min)), max: Math.min(127, codeOf(bounds.max)) };
}

function quantised(value: number, scale: number): bigint {
  const a = ratioOf(Math.abs(value));
  const b = ratioOf(scale);
  const numerator = a.numerator * b.denominator;
  return roundHalfEven(value < 0 ? -numerator : numerator, a.denominator * b.numerator);
}

/** Layers that some output needs, in order. */
function live(graph: QGraph): QLayer[] {
  const needed = new Set(graph.outputs.map((o) => o.tensor.id));
  const kept = [...graph.layers].reverse().filter((layer) => {
    if (!needed.has(layer.output.id)) return false;
    needed.add(layer.input.id);
    if (layer.kind === 'add') needed.add(layer.other.id);
    return true;
  });
  return kept.reverse();
}

function requireWindow(layer: QLayer, window: Window, limit: number): void {
  const [height, width] = window.kernel;
  if (height > limit || width > limit) throw new CompileError(`its kernel of ${height}×${width} is larger than ${limit}×${limit}.`, layer.name);
}

/** Multiply-accumulates of one layer; a run can be cancelled between layers only. */
const MAX_LAYER_MACS = 2 ** 35;

/** Each channel convolved by itself. */
export const isDepthwise = (layer: QLayer): boolean =>
  layer.kind === 'conv' && layer.groups > 1 && layer.groups === layer.input.channels && layer.groups === layer.output.channels;

/** Largest stride of the core's pooling. */
const MAX_CORE_STRIDE = 2;

/** Layers that are valid but not the core's (hls/core/schedule.h): the processor runs them. */
function targetOf(layer: QLayer): Target {
  if (layer.kind !== 'maxPool' && layer.kind !== 'averagePool') return 'PL';
  const { strides, pads } = layer.window;
  const excludesPadding = layer.kind === 'averagePool' && !layer.countIncludePad && pads.some((p) => p > 0);
  return excludesPadding || Math.max(...strides) > MAX_CORE_STRIDE ? 'PS' : 'PL';
}

/** What can run at all (issue of the PL core, and hls/runtime/src/check_layer.cpp, which refuses the same). */
function requireRunnable(layer: QLayer): void {
  if (macsOf(layer) > MAX_LAYER_MACS) throw new CompileError(`its ${macsOf(layer)} multiply-accumulates are more than the ${MAX_LAYER_MACS} of one layer.`, layer.name);
  if (layer.kind === 'dense') {
    const columns = layer.input.channels * layer.input.height * layer.input.width;
    if (columns > MAX_CHANNELS) throw new CompileError(`a dense layer of ${columns} columns; the core holds ${MAX_CHANNELS}. Pool its input first.`, layer.name);
  }
  if (layer.kind === 'conv') {
    requireWindow(layer, layer.window, MAX_KERNEL);
    if (layer.groups !== 1 && !isDepthwise(layer)) {
      throw new CompileError(`a convolution of ${layer.groups} groups from ${layer.input.channels} to ${layer.output.channels} channels; the core has one group, or one a channel.`, layer.name);
    }
    if (Math.max(...layer.window.strides) > 2) throw new CompileError(`a convolution of stride ${layer.window.strides.join('×')}; the core has 1 and 2.`, layer.name);
    if (Math.max(...layer.window.dilations) > 2) throw new CompileError(`a convolution of dilation ${layer.window.dilations.join('×')}; the core has 1 and 2.`, layer.name);
  }
  if (layer.kind === 'maxPool' || layer.kind === 'averagePool') {
    requireWindow(layer, layer.window, MAX_POOL_KERNEL);
    if (Math.max(...layer.window.strides) > MAX_POOL_KERNEL) throw new CompileError(`a stride of ${layer.window.strides.join('×')} is too large.`, layer.name);
    if (Math.max(...layer.window.dilations) > 1) throw new CompileError('dilated pooling is not supported.', layer.name);
  }
}

const isUnbounded = (layer: QLayer): boolean => {
  const { min, max } = codeBounds(layer.bounds, layer.output);
  return min === -128 && max === 127;
};

/** The layer into whose output stage `add` fits, and the operand that stays: a convolution or dense layer that only the add reads. */
function host(add: AddLayer, layers: readonly QLayer[], readers: ReadonlyMap<number, number>): { layer: QLayer; other: QTensor } | null {
  if (add.input.id === add.other.id) return null;
  const candidates = layers.filter((layer) => {
    if (layer.output.id !== add.input.id && layer.output.id !== add.other.id) return false;
    if ((layer.kind !== 'conv' && layer.kind !== 'dense') || readers.get(layer.output.id) !== 1) return false;
    // The output stage clamps only after the add.
    return isUnbounded(layer);
  });
  const layer = candidates.at(-1);
  return layer === undefined ? null : { layer, other: layer.output.id === add.input.id ? add.other : add.input };
}

/** Whether it takes the largest of each 2 x 2 and an odd last row or column is left out: padding behind is then never looked at. */
function halves({ window, input, output }: MaxPoolLayer): boolean {
  const [top, left] = window.pads;
  return [...window.kernel, ...window.strides].every((n) => n === 2) && top === 0 && left === 0 &&
    output.height === Math.floor(input.height / 2) && output.width === Math.floor(input.width / 2);
}

/**
 * Words of 16 channels that the core reads at once for a single pooled output, up to which each of its shapes has room for them and for a block's
 * weights (hls/core/schedule.h).
 */
const MAX_POOLED_WORDS = 1000;

function hasRoomToPool(layer: ConvLayer): boolean {
  const { kernel, strides, dilations } = layer.window;
  // The window of two results.
  const length = (axis: 0 | 1): number => (kernel[axis] - 1) * dilations[axis] + 1 + strides[axis];
  // Up to two columns more, so that neighbours lie in different banks.
  const pixels = length(0) * (length(1) + 2);
  const words = isDepthwise(layer) ? 1 : Math.ceil(layer.input.channels / 16);
  return pixels * words <= MAX_POOLED_WORDS;
}

/** The convolution whose results `pool` can take on their way to memory: only the pool reads them, and as they are. */
function convolutionOf(pool: MaxPoolLayer, layers: readonly QLayer[], readers: ReadonlyMap<number, number>): QLayer | null {
  const { input, output } = pool;
  if (!halves(pool) || !isUnbounded(pool) || input.scale !== output.scale || input.zeroPoint !== output.zeroPoint || readers.get(input.id) !== 1) return null;
  return layers.find((layer) => layer.output.id === input.id && layer.kind === 'conv' && hasRoomToPool(layer)) ?? null;
}

/** The stage that `layer` shares with one before it; null where it has its own. */
function fused(layer: QLayer, layers: readonly QLayer[], readers: ReadonlyMap<number, number>): Stage | null {
  const bare = { target: 'PL', residual: null, pool: null, output: layer.output } as const;
  if (layer.kind === 'add') {
    const found = host(layer, layers, readers);
    return found && { ...bare, layer: found.layer, residual: { add: layer, other: found.other } };
  }
  if (layer.kind !== 'maxPool') return null;
  const convolution = convolutionOf(layer, layers, readers);
  return convolution && { ...bare, layer: convolution, pool: layer };
}

/**
 * Stages in an order of execution, each with who runs it.
 * @throws CompileError naming the layer that nobody can run
 */
export function partition(graph: QGraph): Stage[] {
  const layers = live(graph);
  layers.forEach(requireRunnable);
  const readers = new Map<number, number>();
  const read = (tensor: QTensor): void => void readers.set(tensor.id, (readers.get(tensor.id) ?? 0) + 1);
  for (const layer of layers) {
    read(layer.input);
    if (layer.kind === 'add') read(layer.other);
  }
  for (const output of graph.outputs) read(output.tensor);

  const shared = layers.map((layer) => fused(layer, layers, readers));
  const absorbed = new Set(shared.map((stage) => stage?.layer));
  return layers.flatMap((layer, i): Stage[] => {
    if (absorbed.has(layer)) return [];
    return [shared[i] ?? { target: targetOf(layer), layer, residual: null, pool: null, output: layer.output }];
  });
}
