/** QGraph → stages: who runs each layer, and which tables, adds and poolings ride in another layer's output stage. One stage becomes one descriptor. */
import { MAX_CHANNELS, MAX_DILATION, MAX_KERNEL, MAX_POOL_KERNEL, MAX_STRIDE, MAX_TAPS, MAX_WINDOW_FIELD } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { AddLayer, Bounds, ConvLayer, FloatLayer, GraphLayer, MaxPoolLayer, QGraph, QLayer, QTensor, TableLayer, ViewLayer, Window, WorkLayer } from './graph.ts';
import { inputsOf, isFloat, isFloatPort, isView, macsOf, sameCodes, tensorsOf } from './graph.ts';
import { clamped, codeBounds, compose, IDENTITY, isIdentity, rescaleTable } from './tables.ts';

export type Target = 'PL' | 'PS';
/** What one descriptor computes. */
export type Stage = {
  readonly target: Target;
  readonly layer: WorkLayer;
  /** Looked up behind the layer's own result, whose quantisation is layer.output's; bounds before it are in it. */
  readonly table: Int8Array | null;
  /** Quantisation of what the table gives, and of the add's operand a. */
  readonly result: QTensor;
  /** An add fused behind the layer: its other operand. */
  readonly residual: { readonly add: AddLayer; readonly other: QTensor } | null;
  /** A pooling fused behind the layer, which has no residual then: the largest of each 2 x 2 is all that is written. */
  readonly pool: MaxPoolLayer | null;
  /** Codes of the final clamp. */
  readonly bounds: Bounds;
  readonly output: QTensor;
  /** All that it computes, in order: a row of the report each. */
  readonly layers: readonly WorkLayer[];
};

/** What is run one after the other: a stage, a float operator, or a view, which nobody runs. */
export type Item = Stage | FloatLayer | ViewLayer;

/** Whether it writes codes or fp32 values that are wanted. */
const makes = (layer: GraphLayer, tensors: ReadonlySet<number>, floats: ReadonlySet<number>): boolean =>
  isFloat(layer) ? (layer.output === null ? layer.tensor !== null && tensors.has(layer.tensor.id) : floats.has(layer.output.storage.id)) : tensors.has(layer.output.id);

/** Marks what a layer reads. */
function read(layer: GraphLayer, tensors: Set<number>, floats: Set<number>): void {
  for (const { id } of readsOf(layer)) tensors.add(id);
  if (isFloat(layer)) for (const { storage } of layer.inputs) floats.add(storage.id);
}

/** Tensors of codes that a layer reads. */
function readsOf(layer: GraphLayer): readonly QTensor[] {
  if (!isFloat(layer)) return inputsOf(layer);
  return layer.output !== null && layer.tensor !== null ? [layer.tensor] : [];
}

/** Layers that some output needs, in order. */
function live(graph: QGraph): GraphLayer[] {
  const tensors = new Set(tensorsOf(graph.outputs).map((t) => t.id));
  const floats = new Set(graph.outputs.flatMap((port) => (isFloatPort(port) ? [port.float.storage.id] : [])));
  const kept = [...graph.layers].reverse().filter((layer) => {
    if (!makes(layer, tensors, floats)) return false;
    read(layer, tensors, floats);
    return true;
  });
  return kept.reverse();
}

/** Float operators whose results never become codes again go behind everything else: the core then rings once for the whole network. */
function tailLast(items: readonly Item[]): Item[] {
  const [tensors, floats] = [new Set<number>(), new Set<number>()];
  const tail = new Set<Item>();
  for (const item of [...items].reverse()) {
    if (isStage(item) || !isFloat(item)) continue;
    if (item.output === null || floats.has(item.output.storage.id)) read(item, tensors, floats);
    else tail.add(item);
  }
  return [...items.filter((item) => !tail.has(item)), ...items.filter((item) => tail.has(item))];
}

/** Multiply-accumulates of one layer; a run can be cancelled between layers only. */
const MAX_LAYER_MACS = 2 ** 35;

/** Each channel convolved by itself. */
export const isDepthwise = (layer: QLayer): boolean =>
  layer.kind === 'conv' && layer.groups > 1 && layer.groups === layer.input.channels && layer.groups === layer.output.channels;

/** Longest side of a dense layer's input on the core. */
const MAX_CORE_DENSE = 255;
/** Words of 16 channels that the core holds for one output, a little less than its buffer has. */
const MAX_CORE_WORDS = 12_000;

/** Words that one output's window takes in the core's buffer. */
function wordsOf(layer: WorkLayer): number {
  if (layer.kind === 'dense') return layer.input.height * layer.input.width * Math.ceil(layer.input.channels / 16);
  if (layer.kind !== 'conv' && layer.kind !== 'maxPool' && layer.kind !== 'averagePool') return 1;
  const { kernel, dilations } = layer.window;
  const pixels = ((kernel[0] - 1) * dilations[0] + 1) * ((kernel[1] - 1) * dilations[1] + 1);
  return pixels * (layer.kind === 'conv' && !isDepthwise(layer) ? Math.ceil(layer.input.channels / 16) : 1);
}

/**
 * Bytes of a dense layer's weights that may lie in the core's contiguous memory, of which a board has some 42 MB. Such a layer reads each weight once,
 * so that memory bounds it wherever it runs.
 */
const MAX_CORE_DENSE_WEIGHTS = 2 ** 24;

/** What of a convolution's window the core lacks; null where it has all. */
function notCoresWindow({ kernel, strides, dilations }: Window): string | null {
  if (Math.max(...kernel) > MAX_KERNEL) return `a kernel of ${kernel.join('×')}: the core has up to ${MAX_KERNEL}×${MAX_KERNEL}`;
  if (Math.max(...strides) > MAX_STRIDE) return `a stride of ${strides.join('×')}: the core has 1 and 2`;
  return Math.max(...dilations) > MAX_DILATION ? `a dilation of ${dilations.join('×')}: the core has 1 and 2` : null;
}

/** Why a layer is valid but not the core's (hls/core/schedule.h), so that the processor runs it; null where the core does. */
export function notCores(layer: WorkLayer): string | null {
  const window = layer.kind === 'conv' ? notCoresWindow(layer.window) : null;
  if (window !== null) return window;
  const words = wordsOf(layer);
  if (layer.kind === 'dense' && layer.weights.codes.length > MAX_CORE_DENSE_WEIGHTS) return `its ${layer.weights.codes.length} weights are more than the ${MAX_CORE_DENSE_WEIGHTS} bytes that contiguous memory has room for`;
  if (words > MAX_CORE_WORDS) return `one result of it reads ${words} words, and the core's buffer holds ${MAX_CORE_WORDS}`;
  if (layer.kind === 'dense') return Math.max(layer.input.height, layer.input.width) > MAX_CORE_DENSE ? `its input is longer than ${MAX_CORE_DENSE} rows or columns` : null;
  if (layer.kind !== 'maxPool' && layer.kind !== 'averagePool') return null;
  const { strides, pads } = layer.window;
  if (layer.kind === 'averagePool' && !layer.countIncludePad && pads.some((p) => p > 0)) return 'its average leaves padding out';
  // Where an axis has one result its stride says nothing.
  const leaps = (strides[0] > MAX_STRIDE && layer.output.height > 1) || (strides[1] > MAX_STRIDE && layer.output.width > 1);
  return leaps ? `a stride of ${strides.join('×')}: the core has 1 and 2` : null;
}

/** Where layers shall run, beyond what they can. */
export type Placement = {
  /** By name of the layer's node. */
  readonly pin?: Readonly<Record<string, Target>> | undefined;
  /** Everything on the processor: no bitstream is needed. */
  readonly psOnly?: boolean | undefined;
};

/** Decides who runs a layer. */
export class Targets {
  readonly #pins: ReadonlyMap<string, Target>;
  readonly #otherwise: Target | undefined;

  /** @throws CompileError where a pin contradicts psOnly */
  constructor({ pin = {}, psOnly = false }: Placement = {}) {
    this.#pins = new Map(Object.entries(pin));
    this.#otherwise = psOnly ? 'PS' : undefined;
    const [name] = [...this.#pins].find(([, target]) => target === 'PL') ?? [];
    if (psOnly && name !== undefined) throw new CompileError('it is pinned to the PL, and everything shall run on the PS.', name);
  }

  /** @throws CompileError naming a pin that cannot hold, or that no layer has */
  check(layers: readonly GraphLayer[]): void {
    const byName = new Map<string, GraphLayer[]>();
    for (const layer of layers) byName.set(layer.name, [...(byName.get(layer.name) ?? []), layer]);
    for (const [name, target] of this.#pins) {
      const found = byName.get(name);
      if (found === undefined) throw new CompileError(`it is pinned to the ${target}, and no layer has that name; what a layer takes in (a Relu, a Clip, QuantizeLinear) has the name of that layer.`, name);
      for (const layer of found) {
        const why = target === 'PS' ? null : isFloat(layer) ? `it is computed in fp32. ${layer.reason || 'It works on what is no code'}` : isView(layer) ? null : notCores(layer);
        if (why !== null) throw new CompileError(`it is pinned to the PL, and cannot run there: ${why.replace(/\.$/, '')}.`, name);
      }
    }
  }

  pinned(layer: GraphLayer): Target | undefined {
    return this.#pins.get(layer.name);
  }

  of(layer: WorkLayer): Target {
    return this.pinned(layer) ?? this.#otherwise ?? (notCores(layer) === null ? 'PL' : 'PS');
  }
}

/** What can run at all (issue of the PL core, and hls/runtime/src/check_layer.cpp, which refuses the same). */
function requireRunnable(layer: QLayer): void {
  if (macsOf(layer) > MAX_LAYER_MACS) throw new CompileError(`its ${macsOf(layer)} multiply-accumulates are more than the ${MAX_LAYER_MACS} of one layer.`, layer.name);
  if (layer.kind === 'dense') {
    const columns = layer.input.channels * layer.input.height * layer.input.width;
    if (columns > MAX_CHANNELS) throw new CompileError(`a dense layer of ${columns} columns; the core holds ${MAX_CHANNELS}. Pool its input first.`, layer.name);
  }
  if (layer.kind === 'conv') {
    const { kernel, strides, dilations, pads } = layer.window;
    const most = `a convolution may have ${MAX_WINDOW_FIELD} along each axis`;
    if (Math.max(...kernel) > MAX_WINDOW_FIELD) throw new CompileError(`its kernel of ${kernel.join('×')} is too large; ${most}. Several smaller ones behind one another see as far.`, layer.name);
    if (kernel[0] * kernel[1] > MAX_TAPS) throw new CompileError(`its kernel of ${kernel.join('×')} has ${kernel[0] * kernel[1]} taps; a convolution may have ${MAX_TAPS} (64×64). Several smaller ones behind one another see as far.`, layer.name);
    if (Math.max(...strides) > MAX_WINDOW_FIELD) throw new CompileError(`a stride of ${strides.join('×')}; ${most}. Give the network a smaller image instead.`, layer.name);
    if (Math.max(...dilations) > MAX_WINDOW_FIELD) throw new CompileError(`a dilation of ${dilations.join('×')}; ${most}.`, layer.name);
    if (Math.max(...pads) > MAX_WINDOW_FIELD) throw new CompileError(`padding of ${pads.join(', ')}; ${most}. Put a Pad in front of it.`, layer.name);
  }
  if (layer.kind === 'maxPool' || layer.kind === 'averagePool') {
    const { kernel, strides, dilations } = layer.window;
    if (Math.max(...kernel) > MAX_POOL_KERNEL) throw new CompileError(`its window of ${kernel.join('×')} is larger than ${MAX_POOL_KERNEL}×${MAX_POOL_KERNEL}; pool in two steps.`, layer.name);
    if (Math.max(...strides) > MAX_POOL_KERNEL) throw new CompileError(`a stride of ${strides.join('×')} is above ${MAX_POOL_KERNEL}; pool in two steps.`, layer.name);
    if (Math.max(...dilations) > 1) throw new CompileError(`a pooling of dilation ${dilations.join('×')}; there is 1. Export the model with dilation=1 in its pooling layer (trained again, its windows differ).`, layer.name);
  }
}

const ANY_CODE: Bounds = { min: -128, max: 127 };
const isAny = ({ min, max }: Bounds): boolean => min <= -128 && max >= 127;
const boundsOf = (layer: QLayer): Bounds => codeBounds(layer.bounds, layer.output);

/** The table of a layer that has one by itself; a max pooling's where its output has other codes. */
function tableOf(layer: WorkLayer): Int8Array | null {
  if (layer.kind === 'table') return layer.codes;
  return layer.kind === 'maxPool' ? rescaleTable(layer.input, layer.output) : null;
}

export const isStage = (item: Item): item is Stage => 'target' in item;

export function alone(layer: WorkLayer, target: Target): Stage {
  return { target, layer, table: tableOf(layer), result: layer.output, residual: null, pool: null, bounds: boundsOf(layer), output: layer.output, layers: [layer] };
}

/** Clamp and table become one table: what is looked up is clamped already. */
function looked(stage: Stage, codes: Int8Array, bounds: Bounds): Int8Array | null {
  const before = clamped(stage.table ?? IDENTITY, stage.bounds);
  const table = clamped(compose(codes, before), bounds);
  return isIdentity(table) ? null : table;
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

/** Stages so far, by the tensor that each writes. */
class Stages {
  /** By the tensor of codes; a float operator by itself. */
  readonly #open = new Map<number | FloatLayer, Item>();
  readonly #readers: ReadonlyMap<number, number>;
  readonly #targets: Targets;

  constructor(readers: ReadonlyMap<number, number>, targets: Targets) {
    this.#readers = readers;
    this.#targets = targets;
  }

  /** The stage whose result only this layer reads, and into whose output stage it fits: never on another target than it is pinned to. */
  #host(tensor: QTensor, layer: WorkLayer): Stage | null {
    const stage = this.#open.get(tensor.id);
    if (stage === undefined || !isStage(stage) || this.#readers.get(tensor.id) !== 1 || stage.residual !== null || stage.pool !== null) return null;
    return (this.#targets.pinned(layer) ?? stage.target) === stage.target ? stage : null;
  }

  #into(stage: Stage, more: Partial<Stage>, layer: WorkLayer): Stage {
    this.#open.delete(stage.output.id);
    return { ...stage, ...more, output: layer.output, layers: [...stage.layers, layer] };
  }

  /** A table behind any layer but an add, which it would have to precede. */
  #table(layer: TableLayer): Stage | null {
    const stage = this.#host(layer.input, layer);
    if (stage === null || stage.layer.kind === 'add') return null;
    return this.#into(stage, { table: looked(stage, layer.codes, boundsOf(layer)), result: layer.output, bounds: ANY_CODE }, layer);
  }

  /**
   * An add behind a convolution, dense layer or lone table: that of its two operands with the most to compute, under which the other's way from memory
   * hides, or else the last.
   */
  #add(layer: AddLayer): Stage | null {
    if (layer.input.id === layer.other.id) return null;
    const order = [...this.#open.keys()];
    const [stage] = [layer.input, layer.other]
      .flatMap((tensor) => this.#host(tensor, layer) ?? [])
      .filter(({ layer: { kind } }) => kind === 'conv' || kind === 'dense' || kind === 'table')
      .sort((a, b) => macsOf(b.layer) - macsOf(a.layer) || order.indexOf(b.output.id) - order.indexOf(a.output.id));
    if (stage === undefined) return null;
    const other = stage.output.id === layer.input.id ? layer.other : layer.input;
    // The output stage clamps only after the add; before it, a table does.
    const table = isAny(stage.bounds) ? stage.table : looked(stage, IDENTITY, ANY_CODE);
    return this.#into(stage, { table, residual: { add: layer, other }, bounds: boundsOf(layer) }, layer);
  }

  /** A pooling on the way of a convolution's results to memory: only the pool reads them, and as they are. */
  #pool(layer: MaxPoolLayer): Stage | null {
    const stage = this.#host(layer.input, layer);
    if (stage?.layer.kind !== 'conv' || !halves(layer) || !isAny(boundsOf(layer)) || !sameCodes(layer.input, layer.output) || !hasRoomToPool(stage.layer)) return null;
    return this.#into(stage, { pool: layer }, layer);
  }

  take(layer: GraphLayer): void {
    if (isFloat(layer)) {
      this.#open.set(layer, layer);
      return;
    }
    if (isView(layer)) {
      this.#open.set(layer.output.id, layer);
      return;
    }
    const shared = layer.kind === 'table' ? this.#table(layer) : layer.kind === 'add' ? this.#add(layer) : layer.kind === 'maxPool' ? this.#pool(layer) : null;
    this.#open.set(layer.output.id, shared ?? alone(layer, this.#targets.of(layer)));
  }

  all(): Item[] {
    return [...this.#open.values()];
  }
}

/**
 * Stages, float operators, and views between them, in an order of execution.
 * @throws CompileError naming the layer that nobody can run, or that cannot run where it is pinned to
 */
export function partition(graph: QGraph, targets: Targets = new Targets()): Item[] {
  const layers = live(graph);
  targets.check(layers);
  for (const layer of layers) if (!isFloat(layer)) requireRunnable(layer);
  const readers = new Map<number, number>();
  for (const { id } of [...layers.flatMap(readsOf), ...tensorsOf(graph.outputs)]) readers.set(id, (readers.get(id) ?? 0) + 1);
  const stages = new Stages(readers, targets);
  for (const layer of layers) stages.take(layer);
  return tailLast(stages.all());
}
