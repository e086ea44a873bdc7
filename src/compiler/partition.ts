/** QGraph → stages: who runs each layer, and which adds ride in another layer's output stage. One stage becomes one descriptor. */
import { MAX_CHANNELS, MAX_KERNEL, MAX_POOL_KERNEL } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { AddLayer, Bounds, QGraph, QLayer, QTensor, Window } from './graph.ts';
import { macsOf } from './graph.ts';
import { ratioOf, roundHalfEven } from './scale.ts';

export type Target = 'PL' | 'PS';
export type Stage = {
  readonly target: Target;
  readonly layer: QLayer;
  /** An add fused behind the layer: its other operand. */
  readonly residual: { readonly add: AddLayer; readonly other: QTensor } | null;
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

/** The layer into whose output stage `add` fits, and the operand that stays: a convolution or dense layer that only the add reads. */
function host(add: AddLayer, layers: readonly QLayer[], readers: ReadonlyMap<number, number>): { layer: QLayer; other: QTensor } | null {
  if (add.input.id === add.other.id) return null;
  const candidates = layers.filter((layer) => {
    if (layer.output.id !== add.input.id && layer.output.id !== add.other.id) return false;
    if ((layer.kind !== 'conv' && layer.kind !== 'dense') || readers.get(layer.output.id) !== 1) return false;
    // The output stage clamps only after the add.
    const { min, max } = codeBounds(layer.bounds, layer.output);
    return min === -128 && max === 127;
  });
  const layer = candidates.at(-1);
  return layer === undefined ? null : { layer, other: layer.output.id === add.input.id ? add.other : add.input };
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

  const hosts = new Map<QLayer, { layer: QLayer; other: QTensor }>();
  for (const layer of layers) {
    const found = layer.kind === 'add' ? host(layer, layers, readers) : null;
    if (found !== null) hosts.set(layer, found);
  }
  const absorbed = new Set([...hosts.values()].map((h) => h.layer));
  return layers.flatMap((layer): Stage[] => {
    if (absorbed.has(layer)) return [];
    const found = hosts.get(layer);
    if (layer.kind !== 'add' || found === undefined) return [{ target: targetOf(layer), layer, residual: null, output: layer.output }];
    return [{ target: 'PL', layer: found.layer, residual: { add: layer, other: found.other }, output: layer.output }];
  });
}
