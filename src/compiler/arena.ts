/** Where each activation lies in the arena: memory is shared by buffers that are never needed at the same time. */
import { ALIGNMENT, MAX_ARENA_BYTES, PLANE_CHANNELS } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { QGraph, QTensor } from './graph.ts';
import { tensorsOf } from './graph.ts';
import type { Buffer, Layout } from './views.ts';
import { isFloatStep } from './views.ts';

/** Bytes. A plane holds rows of pixels of PLANE_CHANNELS bytes; channel c is byte c % PLANE_CHANNELS of plane c / PLANE_CHANNELS. */
export type Place = { readonly tensor: QTensor; readonly offset: number; readonly planeStride: number; readonly rowStride: number };
export type Arena = { readonly bytes: number; readonly places: ReadonlyMap<number, Place> };

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Rows, and planes, lie end to end: the core then stores whole tiles in long bursts. */
function strides(tensor: QTensor): { planeStride: number; rowStride: number } {
  const rowStride = PLANE_CHANNELS * tensor.width;
  return { planeStride: rowStride * tensor.height, rowStride };
}

/** First and last step during which something is kept. */
export type Life = { first: number; last: number };
/** What needs memory, in bytes; `id` orders those of one size. */
export type Block = { readonly bytes: number; readonly id: number; readonly life: Life };

/** Offset of each block, and the bytes of all: largest first, each at the lowest offset that is free through its life. */
export function place<B extends Block>(blocks: readonly B[]): { bytes: number; offsets: Map<B, number> } {
  const placed: { offset: number; end: number; life: Life }[] = [];
  const offsets = new Map<B, number>();
  for (const block of [...blocks].sort((a, b) => b.bytes - a.bytes || a.id - b.id)) {
    const { bytes, life } = block;
    const rivals = placed.filter((p) => p.life.first <= life.last && life.first <= p.life.last).sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const rival of rivals) {
      if (offset + bytes <= rival.offset) break;
      offset = Math.max(offset, roundUp(rival.end, ALIGNMENT));
    }
    placed.push({ offset, end: offset + bytes, life });
    offsets.set(block, offset);
  }
  return { bytes: roundUp(placed.reduce((most, p) => Math.max(most, p.end), 0), ALIGNMENT), offsets };
}

/** First and last step during which each buffer must be kept; inputs live from before step 0, outputs to after the last. */
function lives(graph: QGraph, { steps, outputs }: Layout, bufferOf: ReadonlyMap<number, Buffer>): Map<Buffer, Life> {
  const all = new Map<Buffer, Life>();
  const touch = (tensor: QTensor, at: number): void => {
    const buffer = bufferOf.get(tensor.id) as Buffer;
    const life = all.get(buffer);
    if (life === undefined) all.set(buffer, { first: at, last: at });
    else life.last = Math.max(life.last, at);
  };
  for (const input of graph.inputs) touch(input.tensor, -1);
  const stored = (tensor: QTensor): QTensor => outputs.get(tensor.id)?.tensor ?? tensor;
  steps.forEach((step, i) => {
    if (isFloatStep(step)) {
      if (step.float.tensor !== null) touch(stored(step.float.tensor), i);
      return;
    }
    for (const { tensor } of step.sources) touch(tensor, i);
    if (step.other !== null) touch(step.other.tensor, i);
    touch(step.stage.output, i);
  });
  for (const tensor of tensorsOf(graph.outputs)) touch(stored(tensor), steps.length);
  return all;
}

/**
 * Where each tensor of codes lies.
 * @throws CompileError where the activations exceed the layout's limit
 */
export function placeTensors(graph: QGraph, layout: Layout): Arena {
  const bufferOf = new Map(layout.buffers.flatMap((buffer) => buffer.members.map(({ tensor }) => [tensor.id, buffer])));
  const blocks = [...lives(graph, layout, bufferOf)].map(([{ members }, life]) => {
    const low = Math.min(...members.map((m) => m.plane));
    const high = Math.max(...members.map((m) => m.plane + Math.ceil(m.tensor.channels / PLANE_CHANNELS)));
    const tensor = (members[0] as (typeof members)[number]).tensor;
    return { members, life, low, id: Math.min(...members.map((m) => m.tensor.id)), bytes: (high - low) * strides(tensor).planeStride };
  });
  const { bytes, offsets } = place(blocks);
  if (bytes > MAX_ARENA_BYTES) throw new CompileError(`Activations need ${bytes} bytes, more than the ${MAX_ARENA_BYTES} of a program.`);
  const places = new Map<number, Place>();
  for (const block of blocks) {
    for (const { tensor, plane } of block.members) {
      const { planeStride, rowStride } = strides(tensor);
      places.set(tensor.id, { tensor, offset: (offsets.get(block) as number) + (plane - block.low) * planeStride, planeStride, rowStride });
    }
  }
  const read = layout.steps.flatMap((step) => (isFloatStep(step) && step.float.tensor !== null ? [step.float.tensor] : []));
  for (const tensor of [...tensorsOf(graph.outputs), ...read]) {
    const source = layout.outputs.get(tensor.id);
    if (source === undefined) continue;
    const within = places.get(source.tensor.id) as Place;
    places.set(tensor.id, { ...within, tensor, offset: within.offset + source.plane * within.planeStride });
  }
  return { bytes, places: new Map([...places].sort(([a], [b]) => a - b)) };
}
