/** The fp32 part of a program: where its tensors lie, and its operators as the layout has them. */
import { FloatOperator, FloatPlace, MAX_FLOAT_ARENA_BYTES, MAX_FLOAT_TENSORS, MAX_RANK, NONE } from '../contract/layout.ts';
import type { Life } from './arena.ts';
import { place } from './arena.ts';
import { CompileError } from './error.ts';
import type { FloatLayer, FloatStorage, FloatTensor, QGraph } from './graph.ts';
import { isFloatPort } from './graph.ts';
import type { Data } from './lower.ts';
import type { Layout } from './views.ts';
import { isFloatStep } from './views.ts';
import type { FloatParts } from './write.ts';

/** Memory of one or more storages, the later ones written over the earlier. */
type Slot = { readonly id: number; readonly bytes: number; readonly life: Life };

/** The only operators whose result may lie where an input lay (layout, FloatOp). */
const IN_PLACE: ReadonlySet<number> = new Set([FloatOperator.UNARY, FloatOperator.BINARY]);

/** The slot of each storage that is no constant. */
function slotsOf(graph: QGraph, layers: readonly FloatLayer[]): Map<number, Slot> {
  const lastRead = new Map<number, number>();
  layers.forEach(({ inputs }, i) => inputs.forEach(({ storage }) => void lastRead.set(storage.id, i)));
  for (const port of graph.outputs) if (isFloatPort(port)) lastRead.set(port.float.storage.id, layers.length);
  const slots = new Map<number, Slot>();
  layers.forEach(({ op, inputs, output }, i) => {
    for (const { storage } of inputs) extend(slots.get(storage.id), i);
    if (output === null) return;
    const { id, elements } = output.storage;
    const known = slots.get(id);
    const over = inputs.find(({ storage }) => IN_PLACE.has(op) && storage.constant === null && storage.elements === elements && lastRead.get(storage.id) === i);
    const slot = known ?? (over === undefined ? undefined : slots.get(over.storage.id)) ?? { id, bytes: 4 * elements, life: { first: i, last: i } };
    slots.set(id, slot);
    extend(slot, i);
  });
  for (const port of graph.outputs) if (isFloatPort(port)) extend(slots.get(port.float.storage.id), layers.length);
  return slots;
}

function extend(slot: Slot | undefined, at: number): void {
  if (slot !== undefined) slot.life.last = Math.max(slot.life.last, at);
}

const words = (values: Float32Array): Uint8Array => {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return new Uint8Array(view.buffer);
};

export type WrittenFloat = { readonly parts: FloatParts; /** Index of a tensor in the program. */ readonly indexOf: (tensor: FloatTensor) => number };

/**
 * @param tensorIndex of tensors of codes, by id
 * @throws CompileError where the layout has no room for them
 */
export function writeFloat(graph: QGraph, { steps }: Layout, tensorIndex: ReadonlyMap<number, number>, data: Data): WrittenFloat {
  const layers = steps.flatMap((step) => (isFloatStep(step) ? [step.float] : []));
  const slots = slotsOf(graph, layers);
  const { bytes, offsets } = place([...new Set(slots.values())]);
  if (bytes > MAX_FLOAT_ARENA_BYTES) throw new CompileError(`The part computed in fp32 needs ${bytes} bytes of memory, more than the ${MAX_FLOAT_ARENA_BYTES} of a program.`);

  const constants = new Map<number, number>();
  const constantAt = ({ id, constant }: FloatStorage): number => {
    const offset = constants.get(id) ?? data.add(words(constant as Float32Array));
    constants.set(id, offset);
    return offset;
  };
  const tensors: FloatParts['tensors'][number][] = [];
  const known = new Map<string, number>();
  const indexOf = ({ storage, shape }: FloatTensor): number => {
    const key = `${storage.id} ${shape.join()}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    if (tensors.length >= MAX_FLOAT_TENSORS) throw new CompileError(`The network has more than ${MAX_FLOAT_TENSORS} fp32 tensors.`);
    const slot = slots.get(storage.id);
    if (storage.constant === null && slot === undefined) throw new CompileError('The network reads an fp32 value that nothing makes.');
    const at = slot === undefined ? { place: FloatPlace.CONSTANT, offset: constantAt(storage) } : { place: FloatPlace.ARENA, offset: offsets.get(slot) as number };
    known.set(key, tensors.length);
    tensors.push({ rank: shape.length, dims: [...shape, ...Array.from({ length: MAX_RANK - shape.length }, () => 1)], ...at });
    return tensors.length - 1;
  };

  let after = 0;
  const ops = steps.flatMap((step) => {
    if (!isFloatStep(step)) {
      after++;
      return [];
    }
    const { name, op, function: what, inputs, output, tensor, parameters, axis } = step.float;
    const [a, b] = inputs;
    const values = {
      op, function: what, inputA: a === undefined ? NONE : indexOf(a), inputB: b === undefined ? NONE : indexOf(b), output: output === null ? NONE : indexOf(output),
      tensor: tensor === null ? NONE : (tensorIndex.get(tensor.id) as number),
      parametersOffset: parameters.length === 0 ? NONE : data.add(parameters), parametersCount: parameters.length / 4, axis,
    };
    return [{ name, after, values }];
  });
  for (const port of graph.outputs) if (isFloatPort(port)) indexOf(port.float);
  return { parts: { arenaBytes: bytes, tensors, ops }, indexOf };
}
