/** Inner tensors as outputs beside the graph's own: for the heat map, and for a proof layer by layer. They change no stage, only how long memory is kept. */
import { MAX_BINDINGS } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { OutputPort, QGraph, QTensor } from './graph.ts';
import { isFloat, isFloatPort, isView } from './graph.ts';
import type { Item } from './partition.ts';
import { isStage } from './partition.ts';

/** Bytes of one group's outputs: all of them are kept to the end of a run. */
const GROUP_BYTES = 2 ** 26;

const bytesOf = (t: QTensor): number => Math.ceil(t.channels / 8) * 8 * t.height * t.width;

/** Tensors of codes that some item writes, or a graph's input is. */
const storedBy = (graph: QGraph, items: readonly Item[]): QTensor[] => [
  ...graph.inputs.map((i) => i.tensor),
  ...items.flatMap((item) => (isStage(item) ? [item.output] : isFloat(item) ? (item.output === null && item.tensor !== null ? [item.tensor] : []) : [])),
];

/** The codes of every stage as outputs, in the order of execution; what the graph has as an output of codes already is not among them. */
function all(graph: QGraph, items: readonly Item[]): OutputPort[] {
  const ports = new Map<number, OutputPort>();
  for (const port of graph.named.values()) {
    if (!isFloatPort(port) && port.dataType === 'INT8' && port.shape[0] === 1 && port.shape.length >= 2 && port.shape.length <= 4 && !ports.has(port.tensor.id)) ports.set(port.tensor.id, port);
  }
  const taken = new Set(graph.outputs.map((o) => o.name));
  return storedBy(graph, items).flatMap((tensor) => ports.get(tensor.id) ?? []).filter((port) => !taken.has(port.name));
}

/** Names of the codes of every stage, in groups that fit a program beside its own inputs and outputs. */
export function groupsOf(graph: QGraph, items: readonly Item[]): string[][] {
  const room = MAX_BINDINGS - graph.inputs.length - graph.outputs.length;
  const groups: string[][] = [];
  let bytes = Infinity;
  for (const port of all(graph, items)) {
    const size = isFloatPort(port) ? 0 : bytesOf(port.tensor);
    if (bytes + size > GROUP_BYTES || (groups.at(-1)?.length ?? 0) >= room) {
      groups.push([]);
      bytes = 0;
    }
    bytes += size;
    (groups.at(-1) as string[]).push(port.name);
  }
  return groups;
}

/**
 * @param wanted names of codes (QuantizeLinear's output: INT8) or of what they stand for (DequantizeLinear's: FP32), or 'all' stages' codes
 * @throws CompileError naming what cannot be an output, or where there are too many
 */
export function extraOutputs(graph: QGraph, items: readonly Item[], wanted: readonly string[] | 'all'): OutputPort[] {
  const stored = new Set(storedBy(graph, items).map((t) => t.id));
  const floats = new Set(items.flatMap((item) => (!isStage(item) && isFloat(item) && item.output !== null ? [item.output.storage.id] : [])));
  const views = new Set(items.flatMap((item) => (!isStage(item) && !isFloat(item) && isView(item) ? [item.output.id] : [])));
  const taken = new Set(graph.outputs.map((o) => o.name));
  const ports = wanted === 'all' ? all(graph, items) : [...new Set(wanted)].filter((name) => !taken.has(name)).map((name) => {
    const port = graph.named.get(name);
    if (port === undefined) throw new CompileError(`There is no quantised tensor '${name.slice(0, 200)}' to be an output.`);
    if (isFloatPort(port) ? floats.has(port.float.storage.id) : stored.has(port.tensor.id) || views.has(port.tensor.id)) {
      if (!isFloatPort(port) && (port.shape[0] !== 1 || port.shape.length < 2 || port.shape.length > 4)) throw new CompileError(`Tensor '${name}' of shape ${port.shape.join('×')} cannot be an output; codes are [1, C], [1, C, W] or [1, C, H, W].`);
      return port;
    }
    const swallowing = items.find((item) => isStage(item) && !isFloatPort(port) && item.layers.some((layer) => layer.output.id === port.tensor.id));
    const why = swallowing !== undefined && isStage(swallowing) ? `is never stored: ${swallowing.layers.map((layer) => `'${layer.name}'`).join(' and ')} are one stage` : 'is needed by no output';
    throw new CompileError(`Tensor '${name}' ${why}, so that it cannot be an output.`);
  });
  const count = graph.inputs.length + graph.outputs.length + ports.length;
  if (count > MAX_BINDINGS) throw new CompileError(`${ports.length} further outputs make ${count} inputs and outputs; a program holds ${MAX_BINDINGS}. Ask for them in groups (stageOutputs).`);
  return ports;
}
