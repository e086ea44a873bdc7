/**
 * Canonical QDQ ONNX → program.bin (layout v2 of hls/core/layout.json): read, import, partition, place, lower, write. Pure; the same bytes
 * in give the same bytes out.
 */
import { createHash } from 'node:crypto';
import { placeTensors } from './arena.ts';
import { extraOutputs, groupsOf } from './extra-outputs.ts';
import type { Detections } from './float-builder.ts';
import type { FloatLayer, QGraph, QLayer, QTensor } from './graph.ts';
import { inputsOf, isFloat, isFloatPort, isView, macsOf } from './graph.ts';
import { withoutGroups } from './groups.ts';
import { importGraph } from './import.ts';
import { Data, lower } from './lower.ts';
import { readOnnx } from './onnx.ts';
import type { Item, Placement, Target } from './partition.ts';
import { isStage, notCores, partition, Targets } from './partition.ts';
import type { Layout } from './views.ts';
import { isFloatStep, layOut } from './views.ts';
import { writeProgram } from './write.ts';
import { writeFloat } from './write-float.ts';

/** A row of the report: one layer of the quantised graph. */
export type LayerReport = {
  /** Name of the ONNX node. */
  readonly name: string;
  /** ONNX operator with what was fused into it, e.g. `Conv + Relu`. */
  readonly operator: string;
  /** Name of the int8 tensor that it makes, as in the ONNX graph; null where it makes none. */
  readonly tensor: string | null;
  /** [C, H, W]; of a float operator its own shape. */
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly macs: number;
  readonly target: Target;
  /** Whether the processor computes it in fp32 (then `target` is PS). */
  readonly float: boolean;
  /** Why it is not the core's; '' where nothing else was to be expected, or it was pinned to the PS. */
  readonly reason: string;
  /**
   * Index of the runtime's layer that computes it: descriptors and float operators in their order of execution. A table, add or pooling may share one with
   * the layer before it; of a float operator that takes several, the first. null: by addresses alone.
   */
  readonly descriptor: number | null;
  /** Runtime layers from `descriptor` on that are this row's. */
  readonly count: number;
  readonly weightBytes: number;
  /** Input, other operand and output of this layer. */
  readonly activationBytes: number;
};

export type CompileReport = {
  readonly layers: readonly LayerReport[];
  readonly macs: number;
  /** Activations as codes. */
  readonly arenaBytes: number;
  /** Contiguous memory that the core needs: activations and its layers' weights; 0 where everything runs on the processor. */
  readonly contiguousBytes: number;
  /** Ordinary memory of what is computed in fp32. */
  readonly floatArenaBytes: number;
  readonly programBytes: number;
  readonly notes: readonly string[];
};

const shapeOf = (t: QTensor): readonly [number, number, number] => [t.channels, t.height, t.width];
const sizeOf = (t: QTensor): number => t.channels * t.height * t.width;

function layerRow(layer: QLayer, target: Target, descriptor: number | null): LayerReport {
  return {
    name: layer.name,
    operator: layer.operator,
    tensor: layer.output.name,
    input: shapeOf(layer.input),
    output: shapeOf(layer.output),
    macs: macsOf(layer),
    target,
    float: false,
    reason: target === 'PL' || isView(layer) ? '' : (notCores(layer) ?? ''),
    descriptor,
    count: descriptor === null ? 0 : 1,
    weightBytes: layer.kind === 'conv' || layer.kind === 'dense' ? layer.weights.codes.length : 0,
    activationBytes: descriptor === null ? 0 : [...inputsOf(layer), layer.output].reduce((sum, tensor) => sum + sizeOf(tensor), 0),
  };
}

/** What the float operators of one node do together. */
function floatRow(layers: readonly FloatLayer[], descriptor: number): LayerReport {
  const [first, last] = [layers[0] as FloatLayer, layers.at(-1) as FloatLayer];
  const codes = (layer: FloatLayer): readonly number[] => (layer.tensor === null ? [] : shapeOf(layer.tensor));
  const bytes = (layer: FloatLayer): number =>
    (layer.tensor === null ? 0 : sizeOf(layer.tensor)) + 4 * [...layer.inputs, ...(layer.output === null ? [] : [layer.output])].reduce((sum, { storage }) => sum + storage.elements, 0);
  return {
    name: first.name, operator: first.operator, tensor: last.output === null ? (last.tensor?.name ?? null) : null, input: first.inputs[0]?.shape ?? codes(first), output: last.output?.shape ?? codes(last), macs: 0, target: 'PS', float: true,
    reason: first.reason, descriptor, count: layers.length, weightBytes: 0, activationBytes: layers.reduce((sum, layer) => sum + bytes(layer), 0),
  };
}

/** A row a layer in the order of execution; views have one too, in their place. */
function rows(items: readonly Item[], { steps }: Layout): LayerReport[] {
  const positions = new Map<unknown, number>(items.map((item, i) => [isStage(item) || !isFloat(item) ? item.output.id : item, i]));
  const made: { at: number | undefined; rows: LayerReport[] }[] = [];
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as (typeof steps)[number];
    if (!isFloatStep(step)) {
      made.push({ at: positions.get(step.stage.output.id), rows: step.stage.layers.map((layer) => layerRow(layer, step.stage.target, i)) });
      continue;
    }
    const layers = [step.float];
    for (let next = steps[i + 1]; next !== undefined && isFloatStep(next) && next.float.name === step.float.name && next.float.operator === step.float.operator; next = steps[i + layers.length]) layers.push(next.float);
    made.push({ at: positions.get(step.float), rows: [floatRow(layers, i)] });
    i += layers.length - 1;
  }
  // A copy stands in front of the step that it is made for.
  let next = items.length;
  for (const entry of [...made].reverse()) next = entry.at ??= next;
  const views = items.flatMap((item, at) => (isStage(item) || isFloat(item) ? [] : [{ at, rows: [layerRow(item, 'PL', null)] }]));
  return [...made, ...views].sort((a, b) => (a.at as number) - (b.at as number)).flatMap((entry) => entry.rows);
}

export type CompileOptions = Placement & {
  /**
   * Inner tensors that become outputs behind the graph's own: by name, or every stage's codes. Stages stay as they are; what one takes in is not stored and so
   * cannot be had.
   */
  readonly extraOutputs?: readonly string[] | 'all' | undefined;
  /** Adds an output `detections` behind an output of predictions. */
  readonly detections?: Detections | undefined;
};

/** Contiguous memory that a board has at most without being set up for more; a real one had 42 MB free. */
const MAX_CONTIGUOUS = 40e6;

/** A network, and who runs what of it in which order. */
export type Prepared = { readonly graph: QGraph; readonly items: readonly Item[]; readonly targets: Targets };

/** @throws CompileError as compileProgram */
export function prepared(onnx: Uint8Array, options: CompileOptions): Prepared {
  const graph = withoutGroups(importGraph(readOnnx(onnx), options));
  const targets = new Targets(options);
  return { graph, items: partition(graph, targets), targets };
}

/**
 * Names of all stages' codes, in groups that compileProgram takes as `extraOutputs`: together they are every tensor that a run of the program stores.
 * @throws CompileError as compileProgram
 */
export function stageOutputs(onnx: Uint8Array, options: CompileOptions = {}): string[][] {
  const { graph, items } = prepared(onnx, options);
  return groupsOf(graph, items);
}

type Assembled = { readonly program: Uint8Array; readonly layout: Layout; readonly arenaBytes: number; readonly floatArenaBytes: number };

/** Places, lowers and writes what is prepared. */
export function assemble({ graph, items, targets }: Prepared, modelSha256: Uint8Array): Assembled {
  const layout = layOut(graph, items, targets);
  const arena = placeTensors(graph, layout);
  const places = [...arena.places.values()];
  const tensorIndex = new Map(places.map((place, i) => [place.tensor.id, i]));
  const data = new Data();
  const descriptors = layout.steps.flatMap((step) => (isFloatStep(step) ? [] : [{
    values: lower(step, arena, tensorIndex, data),
    name: step.stage.layers.map((layer) => layer.name).join(' + '),
    target: step.stage.target,
  }]));
  const float = writeFloat(graph, layout, tensorIndex, data);
  const program = writeProgram({
    modelSha256,
    arenaBytes: arena.bytes,
    places,
    inputs: graph.inputs,
    outputs: graph.outputs.map((port) => (isFloatPort(port) ? { name: port.name, floatTensor: float.indexOf(port.float), shape: port.shape } : port)),
    descriptors,
    float: float.parts,
    data: data.bytes(),
  });
  return { program, layout, arenaBytes: arena.bytes, floatArenaBytes: float.parts.arenaBytes };
}

/**
 * @param onnx model.int8.onnx: int8 QDQ with fixed shapes, batch 1, one file
 * @returns program.bin and a report, one row a layer
 * @throws CompileError naming the node (`node`) and what would make it work; never another error for any bytes
 */
export function compileProgram(onnx: Uint8Array, options: CompileOptions = {}): { program: Uint8Array; report: CompileReport } {
  const { graph: own, items, targets } = prepared(onnx, options);
  const graph = { ...own, outputs: [...own.outputs, ...extraOutputs(own, items, options.extraOutputs ?? [])] };
  const { program, layout, arenaBytes, floatArenaBytes } = assemble({ graph, items, targets }, createHash('sha256').update(onnx).digest());
  const layers = rows(items, layout);
  const weights = layers.reduce((sum, l) => sum + (l.target === 'PL' ? l.weightBytes : 0), 0);
  const contiguousBytes = layers.some((l) => l.target === 'PL' && l.descriptor !== null) ? arenaBytes + weights : 0;
  return {
    program,
    report: {
      layers, macs: layers.reduce((sum, l) => sum + l.macs, 0), arenaBytes, floatArenaBytes, contiguousBytes, programBytes: program.length,
      notes: [...graph.notes, ...memoryNotes(contiguousBytes, arenaBytes)],
    },
  };
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

function memoryNotes(contiguous: number, activations: number): string[] {
  if (contiguous <= MAX_CONTIGUOUS) return [];
  return [`The core needs ${megabytes(contiguous)} MB of contiguous memory (${megabytes(activations)} of activations, the rest weights), and a PYNQ-Z2 may have no more than ${megabytes(MAX_CONTIGUOUS)}: pin large layers to the PS, or take a smaller image.`];
}
