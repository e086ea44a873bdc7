/**
 * Canonical QDQ ONNX → program.bin (layout v2 of hls/core/layout.json): read, import, partition, place, lower, write. Pure; the same bytes
 * in give the same bytes out.
 */
import { createHash } from 'node:crypto';
import { placeTensors } from './arena.ts';
import type { QLayer, QTensor, ViewLayer } from './graph.ts';
import { inputsOf, macsOf } from './graph.ts';
import { importGraph } from './import.ts';
import { Data, lower } from './lower.ts';
import { readOnnx } from './onnx.ts';
import type { Stage, Target } from './partition.ts';
import { isStage, partition } from './partition.ts';
import type { Step } from './views.ts';
import { layOut } from './views.ts';
import { writeProgram } from './write.ts';

/** A row of the report: one layer of the quantised graph. */
export type LayerReport = {
  /** Name of the ONNX node. */
  readonly name: string;
  /** ONNX operator with what was fused into it, e.g. `Conv + Relu`. */
  readonly operator: string;
  /** [C, H, W] */
  readonly input: readonly [number, number, number];
  readonly output: readonly [number, number, number];
  readonly macs: number;
  readonly target: Target;
  /** Index of the descriptor that computes it; a table, add or pooling may share one with the layer before it. null: by addresses alone. */
  readonly descriptor: number | null;
  readonly weightBytes: number;
  /** Input, other operand and output of this layer. */
  readonly activationBytes: number;
};

export type CompileReport = {
  readonly layers: readonly LayerReport[];
  readonly macs: number;
  readonly arenaBytes: number;
  readonly programBytes: number;
  readonly notes: readonly string[];
};

const shapeOf = (t: QTensor): readonly [number, number, number] => [t.channels, t.height, t.width];
const sizeOf = (t: QTensor): number => t.channels * t.height * t.width;

/** Views have a row too, in their place; no descriptor computes them. */
function rows(items: readonly (Stage | ViewLayer)[], steps: readonly Step[]): LayerReport[] {
  const row = (layer: QLayer, target: Target, descriptor: number | null): LayerReport => ({
    name: layer.name,
    operator: layer.operator,
    input: shapeOf(layer.input),
    output: shapeOf(layer.output),
    macs: macsOf(layer),
    target,
    descriptor,
    weightBytes: layer.kind === 'conv' || layer.kind === 'dense' ? layer.weights.codes.length : 0,
    activationBytes: descriptor === null ? 0 : [...inputsOf(layer), layer.output].reduce((sum, tensor) => sum + sizeOf(tensor), 0),
  });
  const views = new Map(items.flatMap((item, i) => (isStage(item) ? [] : [[item, i] as const])));
  const places = new Map(items.map((item, i) => [item.output.id, i]));
  const computed = steps.map(({ stage }, i) => ({ at: places.get(stage.output.id), rows: stage.layers.map((layer) => row(layer, stage.target, i)) }));
  // A copy stands in front of the step that it is made for.
  let next = items.length;
  for (const entry of [...computed].reverse()) next = entry.at ??= next;
  const all = [...computed.map(({ at = 0, rows: made }) => ({ at, made })), ...[...views].map(([view, at]) => ({ at, made: [row(view, 'PL', null)] }))];
  return all.sort((a, b) => a.at - b.at).flatMap(({ made }) => made);
}

/**
 * @param onnx model.int8.onnx: int8 QDQ with fixed shapes, batch 1, one file
 * @returns program.bin and a report, one row a layer
 * @throws CompileError naming the node (`node`) and what would make it work; never another error for any bytes
 */
export function compileProgram(onnx: Uint8Array): { program: Uint8Array; report: CompileReport } {
  const graph = importGraph(readOnnx(onnx));
  const items = partition(graph);
  const layout = layOut(graph, items);
  const arena = placeTensors(graph, layout);
  const places = [...arena.places.values()];
  const tensorIndex = new Map(places.map((place, i) => [place.tensor.id, i]));
  const data = new Data();
  const descriptors = layout.steps.map((step) => ({
    values: lower(step, arena, tensorIndex, data),
    name: step.stage.layers.map((layer) => layer.name).join(' + '),
    target: step.stage.target,
  }));
  const program = writeProgram({
    modelSha256: createHash('sha256').update(onnx).digest(),
    arenaBytes: arena.bytes,
    places,
    inputs: graph.inputs,
    outputs: graph.outputs,
    descriptors,
    data: data.bytes(),
  });
  const layers = rows(items, layout.steps);
  return {
    program,
    report: { layers, macs: layers.reduce((sum, l) => sum + l.macs, 0), arenaBytes: arena.bytes, programBytes: program.length, notes: graph.notes },
  };
}
