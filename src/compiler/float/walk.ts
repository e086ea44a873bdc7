/**
 * The walk over the exported graph. Each value is a constant or a *view* of a step's result: an order of axes that nobody has carried out
 * yet. A Transpose only changes the view, element-wise operators pass it on, and a convolution asks for the plain order, so the pairs of
 * transposes that exporters from NHWC frameworks leave around every layer vanish without a search for them. Time is linear in the nodes.
 */
import { CompileError } from '../error.ts';
import { unique } from '../names.ts';
import type { OnnxNode } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';
import type { Affine, Attributes, Network, Step } from './step.ts';
import type { Tensor } from './tensor.ts';
import { countOf, integers, inverse, iota, isIdentity, numbers, permuted, same } from './tensor.ts';

/** Axis i of the value is axis perm[i] of the tensor, whose other axes are 1 (SIGNAL). `flat` is the value's own shape where it was flattened after that. */
export type View = { readonly kind: 'view'; readonly tensor: string; readonly perm: readonly number[]; readonly flat?: readonly number[] };
export type Value = View | { readonly kind: 'constant'; readonly tensor: Tensor };

/** Of a signal [1, C, W] held as an image of one row. */
export const SIGNAL: readonly number[] = [0, 1, 3];
export const isSignal = ({ perm }: View): boolean => same(perm, SIGNAL);

/** Elements of one activation, and of all constants that are made on the way. */
const MAX_ELEMENTS = 2 ** 28;
const MAX_MADE = 2 ** 28;
const MAX_NOTES = 1000;

export class Walk {
  readonly opset: number;
  readonly notes: string[] = [];
  readonly steps: Step[] = [];
  readonly #values = new Map<string, Value>();
  readonly #shapes = new Map<string, readonly number[]>();
  readonly #makers = new Map<string, Step>();
  readonly #names = new Set<string>();
  readonly #nodeNames = new Set<string>();
  /** Transposes carried out already. */
  readonly #turned = new Map<string, string>();
  #made = 0;

  constructor(opset: number) {
    this.opset = opset;
  }

  note(text: string): void {
    if (this.notes.length < MAX_NOTES) this.notes.push(text.slice(0, 1000));
  }

  /** Counts constants before they are made: nodes may share them, so a small file can ask for any number of copies. */
  charge(node: OnnxNode, elements: number): void {
    this.#made += elements;
    if (!(this.#made <= MAX_MADE)) throw new CompileError(`the network's constants have more than ${MAX_MADE} elements up to here.`, node.name);
  }

  set(name: string, value: Value): void {
    if (this.#values.has(name)) throw new CompileError(`The graph makes '${name}' twice.`);
    this.#values.set(name, value);
  }

  input(name: string, shape: readonly number[]): void {
    this.#shapes.set(name, shape);
    this.#names.add(name);
  }

  find(name: string): Value | undefined {
    return this.#values.get(name);
  }

  has(node: OnnxNode, index: number): boolean {
    return (node.inputs[index] ?? '') !== '';
  }

  value(node: OnnxNode, index: number): Value {
    const name = node.inputs[index] ?? '';
    const value = this.#values.get(name);
    if (value === undefined) throw new CompileError(name === '' ? `${node.opType} lacks its input ${index}.` : `reads '${name}', which no earlier node makes.`, node.name);
    return value;
  }

  view(node: OnnxNode, index: number): View {
    const value = this.value(node, index);
    if (value.kind === 'view') return value;
    throw new CompileError(`input ${index} ('${node.inputs[index]}') of ${node.opType} is a constant; it must come from the graph's input.`, node.name);
  }

  constant(node: OnnxNode, index: number): Tensor {
    const value = this.value(node, index);
    if (value.kind === 'view') throw new CompileError(`input ${index} ('${node.inputs[index]}') of ${node.opType} must be a constant; it is computed from the image.`, node.name);
    return value.tensor;
  }

  /** An fp32 constant. */
  weights(node: OnnxNode, index: number): { dims: readonly number[]; data: Float32Array } {
    const { dataType, dims, data } = this.constant(node, index);
    if (dataType !== OnnxType.FLOAT) throw new CompileError(`input ${index} ('${node.inputs[index]}') of ${node.opType} has data type ${dataType}, not fp32; convert the model to fp32 first.`, node.name);
    return { dims, data: data as Float32Array };
  }

  /** A list of integers that older opsets keep in an attribute and newer ones in an input. */
  list(node: OnnxNode, attribute: string, index: number): number[] | undefined {
    if (this.has(node, index)) return [...numbers(this.constant(node, index))];
    return node.attributes.get(attribute)?.ints;
  }

  shape({ tensor, perm, flat }: View): readonly number[] {
    const under = this.under(tensor);
    return flat ?? perm.map((p) => under[p] as number);
  }

  /** Shape of a step's result. */
  under(tensor: string): readonly number[] {
    return this.#shapes.get(tensor) as readonly number[];
  }

  maker(tensor: string): Step | undefined {
    return this.#makers.get(tensor);
  }

  identity(tensor: string): View {
    return { kind: 'view', tensor, perm: iota(this.under(tensor).length) };
  }

  /** A step that belongs to `node`. `like` is the view that the result gets: one of another order has another name than the exported value. */
  emit(node: OnnxNode, op: string, inputs: Step['inputs'], shape: readonly number[], attributes: Attributes = {}, like?: View, affine?: Affine): string {
    if (!shape.every((d) => Number.isSafeInteger(d) && d >= 1) || countOf(shape) > MAX_ELEMENTS) throw new CompileError(`${op} makes a tensor of shape ${shape.join('×')}.`, node.name);
    const wanted = node.outputs[0] || node.name;
    const output = unique(this.#names, like !== undefined && !isIdentity(like.perm) ? `${wanted}/nchw` : wanted);
    const step: Step = { name: unique(this.#nodeNames, node.name), op, inputs, output, shape, attributes, ...(affine && { affine }) };
    this.steps.push(step);
    this.#shapes.set(output, shape);
    this.#makers.set(output, step);
    return output;
  }

  affine(node: OnnxNode, view: View, scale: ArrayLike<number>, shift: ArrayLike<number>): View {
    const tensor = this.emit(node, 'Affine', [view.tensor], this.under(view.tensor), {}, view, { scale: Float64Array.from(scale), shift: Float64Array.from(shift) });
    return { ...view, tensor };
  }

  /** The same function on every element. */
  unary(node: OnnxNode, view: View, op: string, attributes: Attributes = {}, constants: (Tensor | null)[] = []): View {
    return { ...view, tensor: this.emit(node, op, [view.tensor, ...constants], this.under(view.tensor), attributes, view) };
  }

  /** Whether an order of axes leaves the elements where they are. */
  #movesNothing(perm: readonly number[], under: readonly number[]): boolean {
    const moved = perm.filter((p) => under[p] !== 1);
    return moved.every((p, i) => i === 0 || p > (moved[i - 1] as number));
  }

  /** A tensor's elements, in their order, under another shape. */
  #reshaped(node: OnnxNode, tensor: string, shape: readonly number[]): string {
    let from = tensor;
    for (let maker = this.maker(from); maker !== undefined && (maker.op === 'Reshape' || maker.op === 'Flatten'); maker = this.maker(from)) from = maker.inputs[0] as string;
    const before = this.under(from);
    if (same(before, shape)) return from;
    if (shape.length === 2 && shape[0] === 1 && before[0] === 1) return this.emit(node, 'Flatten', [from], shape, { axis: { i: 1 } });
    return this.emit(node, 'Reshape', [from, integers([...shape])], shape);
  }

  #transposed(node: OnnxNode, tensor: string, perm: readonly number[]): string {
    if (isIdentity(perm)) return tensor;
    const under = this.under(tensor);
    const shape = perm.map((p) => under[p] as number);
    if (this.#movesNothing(perm, under)) return this.#reshaped(node, tensor, shape);
    const key = `${perm.join()} ${tensor}`;
    const known = this.#turned.get(key);
    if (known !== undefined) return known;
    const made = this.emit(node, 'Transpose', [tensor], shape, { perm: { ints: perm } });
    this.#turned.set(key, made);
    this.note(`Node '${node.name}': its input has to be transposed (${perm.join()}), which costs a copy on the processor.`);
    return made;
  }

  /** The value itself, its axes in the order in which the exported graph sees them. */
  plain(node: OnnxNode, view: View): string {
    const turned = this.#transposed(node, view.tensor, view.perm);
    return view.flat === undefined ? turned : this.#reshaped(node, turned, view.flat);
  }

  /** [1, C, W] as a view of an image of one row. */
  signal(node: OnnxNode, view: View): View {
    if (view.flat === undefined && isSignal(view)) return view;
    const [batch = 1, channels = 1, width = 1] = this.shape(view);
    return { kind: 'view', tensor: this.#reshaped(node, this.plain(node, view), [batch, channels, 1, width]), perm: SIGNAL };
  }

  /** The value as a view of the given order. */
  aligned(node: OnnxNode, given: View, perm: readonly number[]): View {
    if (given.flat === undefined && same(given.perm, perm)) return given;
    if (same(perm, SIGNAL)) return this.signal(node, given);
    const view = isSignal(given) ? this.identity(this.plain(node, given)) : given;
    const plain = this.plain(node, view.flat === undefined ? { ...view, perm: iota(perm.length) } : view);
    const order = view.flat === undefined ? inverse(perm).map((i) => view.perm[i] as number) : inverse(perm);
    return { kind: 'view', tensor: this.#transposed(node, plain, order), perm };
  }

  reshape(node: OnnxNode, view: View, shape: readonly number[]): View {
    const before = this.shape(view);
    if (same(before, shape)) return view;
    if (countOf(shape) !== countOf(before) || shape.length > 8) throw new CompileError(`${node.opType} turns ${before.join('×')} into ${shape.join('×')}, which has another number of elements.`, node.name);
    if (view.flat === undefined && this.#movesNothing(view.perm, this.under(view.tensor))) return this.identity(this.#reshaped(node, view.tensor, shape));
    // Flattening another order is left to the matrix behind it, which sorts its columns instead.
    if (shape.length <= 2 && countOf(shape) === shape.at(-1)) return { kind: 'view', tensor: view.tensor, perm: view.perm, flat: shape };
    return this.identity(this.#reshaped(node, this.plain(node, view), shape));
  }

  /** The network so far, with the graph's outputs under their own names. */
  finish(inputs: Network['inputs'], outputs: readonly string[]): Network {
    const named = new Map<string, string>();
    const ports = outputs.map((name) => {
      const value = this.#values.get(name);
      if (value === undefined) throw new CompileError(`The graph's output '${name}' is made by no node.`);
      if (value.kind === 'constant') throw new CompileError(`The graph's output '${name}' is a constant: it does not depend on the input.`);
      const node: OnnxNode = { name: `${name}/output`, opType: 'Identity', domain: '', inputs: [], outputs: [name], attributes: new Map() };
      let tensor = this.plain(node, value);
      if (named.has(tensor) || this.maker(tensor) === undefined) tensor = this.emit(node, 'Identity', [tensor], this.under(tensor));
      named.set(tensor, name);
      return { name, shape: this.under(tensor) };
    });
    // Another step may hold an output's name (a value in another order, say): it gives way.
    const wanted = new Set(outputs);
    for (const step of this.steps) if (wanted.has(step.output) && !named.has(step.output)) named.set(step.output, unique(this.#names, `${step.output}/inner`));
    const rename = (name: string): string => named.get(name) ?? name;
    const steps = this.steps.map((step): Step => ({ ...step, output: rename(step.output), inputs: step.inputs.map((i) => (typeof i === 'string' ? rename(i) : i)) }));
    return { inputs, outputs: ports, steps };
  }
}

/** A constant as it lies beside a view's tensor. */
export function inOrder(tensor: Tensor, view: View): Tensor {
  if (!isSignal(view)) return permuted(tensor, inverse(view.perm));
  const [batch = 1, channels = 1, width = 1] = tensor.dims;
  return { ...tensor, dims: [batch, channels, 1, width] };
}

export const intOf = (node: OnnxNode, name: string, otherwise: number): number => node.attributes.get(name)?.i ?? otherwise;
export const floatOf = (node: OnnxNode, name: string, otherwise: number): number => node.attributes.get(name)?.f ?? otherwise;

/** An axis counted from the front. */
export function axisOf(node: OnnxNode, axis: number, rank: number): number {
  const counted = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(counted) || counted < 0 || counted >= rank) throw new CompileError(`${node.opType} names axis ${axis} of ${rank}.`, node.name);
  return counted;
}
