/**
 * An exported fp32 network → the canonical fp32 network: standard operators of one opset, batch 1, fixed shapes, channels first, weights
 * and biases in place, nothing left of the exporter's habits. The form that quantisation starts from.
 */
import { CompileError } from '../error.ts';
import type { OnnxModel, OnnxNode, OnnxValue } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';
import { CARRIED, carried } from './carried.ts';
import { FOLDS } from './fold.ts';
import { foldAffines, foldPads, lowerAffines, lowerPads } from './passes.ts';
import { recognise } from './patterns.ts';
import type { Port } from './step.ts';
import { alive, modelOf } from './step.ts';
import { CONSTANT_ONLY, type Entry, OPERATORS, REMEDIES } from './table.ts';
import { countOf } from './tensor.ts';
import type { Value } from './walk.ts';
import { Walk } from './walk.ts';

export type Canonical = {
  model: OnnxModel;
  /** What was changed that a person may want to know. */
  notes: string[];
  /** Inputs that came as [1, H, W, C] and are [1, C, H, W] now. */
  turned: string[];
};

/** Operators beyond the table, of one input, whose place in the network counts (where a quantised network rounds). */
export type Marks = Readonly<Record<string, Entry>>;

const MIN_OPSET = 11;
const MAX_OPSET = 21;
const MAX_SIDE = 2 ** 16;
const MAX_PORTS = 100;
const NHWC = [0, 2, 3, 1];

function inputShape({ name, elementType, dims }: OnnxValue): number[] {
  if (elementType !== OnnxType.FLOAT) throw new CompileError(`The graph's input '${name}' has data type ${elementType}; it must be float32 (leave casts from uint8 to the preprocessing).`);
  const shape = dims.map((d, i) => (i === 0 && d === 0 ? 1 : d));
  const free = shape.findIndex((d) => d === 0);
  if (free >= 0) throw new CompileError(`Dimension ${free} of the graph's input '${name}' is not fixed; export the model with fixed height and width.`);
  if (shape.length < 2 || shape.length > 8 || !shape.every((d) => Number.isSafeInteger(d) && d >= 1 && d <= MAX_SIDE) || countOf(shape) > 2 ** 28) throw new CompileError(`The graph's input '${name}' has shape ${shape.slice(0, 8).join('×')}, which no image has.`);
  if (shape[0] !== 1) throw new CompileError(`The graph's input '${name}' has a batch of ${shape[0]}; export the model with a batch of 1.`);
  return shape;
}

/** What a framework of channels-last order may do to an image before its first Transpose. */
const ON_THE_WAY = new Set(['Identity', 'Cast', 'Add', 'Sub', 'Mul', 'Div', 'Pad', 'Relu', 'Neg', 'Clip']);

/** Channels last: everything that happens to it comes to a Transpose that says so; of one channel, where turning is a Reshape, the shape does. */
function isChannelsLast(model: OnnxModel, name: string, shape: readonly number[], marks: Marks): boolean {
  if (shape.length !== 4) return false;
  const reached = new Set([name]);
  let found = false;
  for (const node of model.nodes) {
    if (!node.inputs.some((input) => reached.has(input))) continue;
    if (ON_THE_WAY.has(node.opType) || Object.hasOwn(marks, node.opType)) node.outputs.forEach((output) => reached.add(output));
    else if (node.opType === 'Transpose' && node.attributes.get('perm')?.ints.join() === '0,3,1,2') found = true;
    else if (node.opType === 'Reshape' && shape[3] === 1 && (shape[1] as number) > 1) found = true;
    else if (node.opType !== 'Shape') return false;
  }
  return found;
}

function refuse(node: OnnxNode): never {
  if (node.domain !== '' && node.domain !== 'ai.onnx') throw new CompileError(`operator ${node.opType} of domain '${node.domain}' is not a standard ONNX operator; export with functions inlined (torch.onnx.export(..., dynamo=True, optimize=True), or onnx.inliner.inline_local_functions).`, node.name);
  const remedy = Object.hasOwn(REMEDIES, node.opType) ? REMEDIES[node.opType] : undefined;
  if (CONSTANT_ONLY.includes(node.opType)) throw new CompileError(`operator ${node.opType} is supported on constants only; here it is computed from the image. Export with fixed shapes.`, node.name);
  throw new CompileError(`operator ${node.opType} is not supported${remedy === undefined ? '; docs/operators.md lists those that are.' : `: ${remedy}.`}`, node.name);
}

function visit(walk: Walk, node: OnnxNode, marks: Marks): Value[] {
  const table = Object.hasOwn(marks, node.opType) ? marks : OPERATORS;
  const entry = Object.hasOwn(table, node.opType) ? table[node.opType] : undefined;
  const fold = Object.hasOwn(FOLDS, node.opType) ? FOLDS[node.opType] : undefined;
  if ((node.domain !== '' && node.domain !== 'ai.onnx') || (entry === undefined && fold === undefined && !Object.hasOwn(CARRIED, node.opType))) refuse(node);
  if (node.inputs.length > 10_000) throw new CompileError(`has ${node.inputs.length} inputs.`, node.name);
  const constant = node.inputs.every((name, i) => name === '' || walk.value(node, i).kind === 'constant');
  if (node.opType !== 'Constant' && node.inputs.every((name) => name === '')) throw new CompileError(`${node.opType} of nothing.`, node.name);
  if (constant && fold !== undefined) {
    const made = fold(walk, node);
    return (Array.isArray(made) ? made : [made]).map((tensor) => ({ kind: 'constant', tensor }));
  }
  if (constant) throw new CompileError(`${node.opType} of constants alone is not supported; run the exporter's constant folding.`, node.name);
  if (entry === undefined) return [carried(walk, node) ?? refuse(node)];
  try {
    const made = entry.lower(walk, node);
    return Array.isArray(made) ? made : [made];
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    const kept = carried(walk, node);
    if (kept === null) throw error;
    return [kept];
  }
}

/**
 * Pure. The weights of the result may share memory with those of the model.
 * @throws CompileError naming the first node that cannot be held, and what would make it work
 */
export function canonical(model: OnnxModel, marks: Marks = {}): Canonical {
  if (model.opset < MIN_OPSET || model.opset > MAX_OPSET) throw new CompileError(`The model has opset ${model.opset}; opsets ${MIN_OPSET} to ${MAX_OPSET} are supported.`);
  if (model.inputs.length === 0) throw new CompileError('The graph has no input.');
  if (model.outputs.length === 0) throw new CompileError('The graph has no output.');
  if (model.inputs.length + model.outputs.length > MAX_PORTS) throw new CompileError(`The graph has ${model.inputs.length + model.outputs.length} inputs and outputs.`);
  const walk = new Walk(model.opset);
  const turned: string[] = [];
  const inputs = model.inputs.map((input): Port => {
    const exported = inputShape(input);
    const last = isChannelsLast(model, input.name, exported, marks);
    const shape = last ? [1, 3, 1, 2].map((axis, i) => (i === 0 ? 1 : (exported[axis] as number))) : exported;
    walk.input(input.name, shape);
    if (last) {
      turned.push(input.name);
      walk.note(`Input '${input.name}' comes as ${exported.join('×')} and is ${shape.join('×')} (channels first) now.`);
    }
    walk.set(input.name, last ? { kind: 'view', tensor: input.name, perm: NHWC } : walk.identity(input.name));
    return { name: input.name, shape };
  });
  for (const tensor of model.initializers.values()) walk.set(tensor.name, { kind: 'constant', tensor });
  for (const node of model.nodes) {
    const values = visit(walk, node, marks);
    // Outputs beyond those that are made (a Dropout's mask, say) are missed only where somebody reads them.
    node.outputs.forEach((name, i) => {
      const value = values[i];
      if (name !== '' && value !== undefined) walk.set(name, value);
    });
  }
  const outputs = model.outputs.map((o) => o.name);
  if (new Set(outputs).size !== outputs.length) throw new CompileError('The graph names an output twice.');
  let network = alive(walk.finish(inputs, outputs));
  recognise(network);
  network = foldPads(alive(network));
  network = alive(foldAffines(network));
  const note = (text: string): void => walk.note(text);
  network = lowerPads(lowerAffines(network, note), note);
  return { model: modelOf(network), notes: walk.notes, turned };
}

