/** Where each activation lies in the arena: memory is shared by tensors that are never needed at the same time. */
import { ALIGNMENT, MAX_ARENA_BYTES, PLANE_CHANNELS } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { QGraph, QTensor } from './graph.ts';
import type { Stage } from './partition.ts';

/** Bytes. A plane holds rows of pixels of PLANE_CHANNELS bytes; channel c is byte c % PLANE_CHANNELS of plane c / PLANE_CHANNELS. */
export type Place = { readonly tensor: QTensor; readonly offset: number; readonly planeStride: number; readonly rowStride: number; readonly bytes: number };
export type Arena = { readonly bytes: number; readonly places: ReadonlyMap<number, Place> };

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Rows, and planes, lie end to end: the core then stores whole tiles in long bursts. */
function strides(tensor: QTensor): { planeStride: number; rowStride: number; bytes: number } {
  const rowStride = PLANE_CHANNELS * tensor.width;
  const planeStride = rowStride * tensor.height;
  return { planeStride, rowStride, bytes: planeStride * Math.ceil(tensor.channels / PLANE_CHANNELS) };
}

type Life = { tensor: QTensor; first: number; last: number };

/** First and last stage during which each tensor must be kept; inputs live from before stage 0, outputs to after the last. */
function lives(graph: QGraph, stages: readonly Stage[]): Life[] {
  const all = new Map<number, Life>();
  const touch = (tensor: QTensor, at: number): void => {
    const life = all.get(tensor.id);
    if (life === undefined) all.set(tensor.id, { tensor, first: at, last: at });
    else life.last = Math.max(life.last, at);
  };
  for (const input of graph.inputs) touch(input.tensor, -1);
  stages.forEach((stage, i) => {
    touch(stage.layer.input, i);
    if (stage.residual !== null) touch(stage.residual.other, i);
    else if (stage.layer.kind === 'add') touch(stage.layer.other, i);
    touch(stage.output, i);
  });
  for (const output of graph.outputs) touch(output.tensor, stages.length);
  return [...all.values()];
}

/**
 * Largest tensors first, each at the lowest offset that is free through its life.
 * @throws CompileError where the activations exceed the layout's limit
 */
export function placeTensors(graph: QGraph, stages: readonly Stage[]): Arena {
  const waiting = lives(graph, stages)
    .map((life) => ({ life, ...strides(life.tensor) }))
    .sort((a, b) => b.bytes - a.bytes || a.life.tensor.id - b.life.tensor.id);
  const placed: (Place & { life: Life })[] = [];
  for (const { life, ...size } of waiting) {
    const rivals = placed.filter((p) => p.life.first <= life.last && life.first <= p.life.last).sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const rival of rivals) {
      if (offset + size.bytes <= rival.offset) break;
      offset = Math.max(offset, roundUp(rival.offset + rival.bytes, ALIGNMENT));
    }
    placed.push({ tensor: life.tensor, offset, ...size, life });
  }
  const bytes = roundUp(Math.max(0, ...placed.map((p) => p.offset + p.bytes)), ALIGNMENT);
  if (bytes > MAX_ARENA_BYTES) throw new CompileError(`Activations need ${bytes} bytes, more than the ${MAX_ARENA_BYTES} of a program.`);
  return { bytes, places: new Map(placed.sort((a, b) => a.tensor.id - b.tensor.id).map(({ life, ...place }) => [life.tensor.id, place])) };
}
