/**
 * Canonical QDQ ONNX → program.bin (layout v1 of hls/core/layout.json): read, import, partition, place, lower, write. Pure; the same bytes
 * in give the same bytes out.
 */
import { createHash } from 'node:crypto';
import { placeTensors } from './arena.ts';
import type { QLayer, QTensor } from './graph.ts';
import { macsOf } from './graph.ts';
import { importGraph } from './import.ts';
import { Data, lower } from './lower.ts';
import { readOnnx } from './onnx.ts';
import type { Stage, Target } from './partition.ts';
import { partition } from './partition.ts';
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
  /** Index of the descriptor that computes it; an add or pooling may share one with the layer before it. */
  readonly descriptor: number;
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

/** The layers that one descriptor computes, in order. */
const layersOf = ({ layer, residual, pool }: Stage): QLayer[] => [layer, residual?.add, pool].filter((l) => l !== undefined && l !== null);

const shapeOf = (t: QTensor): readonly [number, number, number] => [t.channels, t.height, t.width];
const sizeOf = (t: QTensor): number => t.channels * t.height * t.width;

function rows(stages: readonly Stage[]): LayerReport[] {
  const row = (layer: QLayer, target: Target, descriptor: number): LayerReport => ({
    name: layer.name,
    operator: layer.operator,
    input: shapeOf(layer.input),
    output: shapeOf(layer.output),
    macs: macsOf(layer),
    target,
    descriptor,
    weightBytes: layer.kind === 'conv' || layer.kind === 'dense' ? layer.weights.codes.length : 0,
    activationBytes: sizeOf(layer.input) + sizeOf(layer.output) + (layer.kind === 'add' ? sizeOf(layer.other) : 0),
  });
  return stages.flatMap((stage, i) => layersOf(stage).map((layer) => row(layer, stage.target, i)));
}

/**
 * @param onnx model.int8.onnx: int8 QDQ with fixed shapes, batch 1, one file
 * @returns program.bin and a report, one row a layer
 * @throws CompileError naming the node (`node`) and what would make it work; never another error for any bytes
 */
export function compileProgram(onnx: Uint8Array): { program: Uint8Array; report: CompileReport } {
  const graph = importGraph(readOnnx(onnx));
  const stages = partition(graph);
  const arena = placeTensors(graph, stages);
  const places = [...arena.places.values()];
  const tensorIndex = new Map(places.map((place, i) => [place.tensor.id, i]));
  const data = new Data();
  const descriptors = stages.map((stage) => ({
    values: lower(stage, arena, tensorIndex, data),
    name: layersOf(stage).map((layer) => layer.name).join(' + '),
    target: stage.target,
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
  const layers = rows(stages);
  return {
    program,
    report: { layers, macs: layers.reduce((sum, l) => sum + l.macs, 0), arenaBytes: arena.bytes, programBytes: program.length, notes: graph.notes },
  };
}
