/** The canonical network with marks while marks are added: who makes a value, who reads it, and what comes behind it. */
import { unique } from '../names.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from '../onnx.ts';
import type { Quantisation } from './codes.ts';
import { sameQuantisation } from './codes.ts';
import { isMark, markNode, quantisationOf } from './mark.ts';

/** The same elements in another place, or some of them. */
const MOVES = new Set(['Identity', 'Reshape', 'Flatten', 'Transpose', 'Squeeze', 'Unsqueeze', 'Slice', 'Resize']);
export const isMove = (node: OnnxNode): boolean => MOVES.has(node.opType);

export class Net {
  readonly model: OnnxModel;
  /** A graph output's name and the tensor that it is. */
  readonly outputs: { readonly name: string; tensor: string }[];
  readonly #makers = new Map<string, OnnxNode>();
  readonly #readers = new Map<string, Set<OnnxNode>>();
  /** Marks that were added, by what they read. */
  readonly #added = new Map<string, OnnxNode[]>();
  /** Marks that another of the same codes stands for. */
  readonly #merged = new Set<OnnxNode>();
  readonly #lattice = new Map<string, Quantisation>();
  readonly #names: Set<string>;
  /** Marks that stand for an activation as well: beyond 0 they clip what would be there (mark → Clip in fp32). */
  readonly cuts = new Set<OnnxNode>();
  readonly #floatNames = new Map<string, string>();

  constructor(model: OnnxModel) {
    this.model = model;
    this.outputs = model.outputs.map(({ name }) => ({ name, tensor: name }));
    this.#names = new Set([...model.inputs.map((i) => i.name), ...model.initializers.keys(), ...model.nodes.flatMap((n) => [n.name, ...n.outputs])]);
    for (const node of model.nodes) this.#link(node);
  }

  /** Once the marks that cut are known: what tensors are called in fp32. An output's name wins; what a cut makes takes the name of what it cuts. */
  giveNames(): void {
    const give = (tensor: string, name: string): boolean => {
      if (this.#floatNames.has(tensor)) return false;
      this.#floatNames.set(tensor, name);
      return true;
    };
    for (const { name, tensor } of this.outputs) if (!this.isInput(this.root(tensor))) give(this.root(tensor), name);
    for (const cut of this.cuts) {
      const before = this.root(cut.inputs[0] as string);
      if (!this.#floatNames.has(before) && give(cut.outputs[0] as string, before)) this.#floatNames.set(before, unique(this.#names, `${before}/uncut`));
    }
  }

  #link(node: OnnxNode): void {
    for (const output of node.outputs) this.#makers.set(output, node);
    for (const input of node.inputs) {
      const readers = this.#readers.get(input);
      if (readers === undefined) this.#readers.set(input, new Set([node]));
      else readers.add(node);
    }
    this.learn(node);
  }

  /** Nodes in an order of execution, the added marks behind what they read. */
  nodes(): OnnxNode[] {
    const behind = (name: string): OnnxNode[] => (this.#added.get(name) ?? []).flatMap((mark) => [mark, ...behind(mark.outputs[0] as string)]);
    return [...this.model.inputs.flatMap((i) => behind(i.name)), ...this.model.nodes.flatMap((node) => [node, ...node.outputs.flatMap(behind)])].filter((node) => !this.#merged.has(node));
  }

  /** Marks of the same codes behind one tensor become one: some tools write a pair for each reader. */
  merge(tensor: string): void {
    const marks = this.readers(tensor).filter(isMark);
    marks.forEach((mark, i) => {
      const first = marks.slice(0, i).find((other) => sameQuantisation(quantisationOf(other), quantisationOf(mark)));
      const [made = ''] = mark.outputs;
      const [stands] = first?.outputs ?? [];
      if (stands === undefined) return;
      for (const node of this.readers(made)) this.redirect(node, made, stands);
      for (const output of this.outputs) if (output.tensor === made) output.tensor = stands;
      this.#readers.get(tensor)?.delete(mark);
      this.#merged.add(mark);
    });
  }

  constant(name: string | undefined): OnnxTensor | undefined {
    return this.model.initializers.get(name ?? '');
  }

  maker(name: string): OnnxNode | undefined {
    return this.#makers.get(name);
  }

  readers(name: string): readonly OnnxNode[] {
    return [...(this.#readers.get(name) ?? [])];
  }

  isOutput(name: string): boolean {
    return this.outputs.some((o) => o.tensor === name);
  }

  isInput(name: string): boolean {
    return this.model.inputs.some((i) => i.name === name);
  }

  /** What codes a value's elements are of; undefined where they are of none. */
  lattice(name: string): Quantisation | undefined {
    return this.#lattice.get(name);
  }

  /** Works out the codes of a node's outputs from those of its inputs. */
  learn(node: OnnxNode): void {
    const of = (): Quantisation | undefined => {
      if (isMark(node)) return quantisationOf(node);
      const [first, ...others] = node.opType === 'Concat' ? node.inputs : isMove(node) ? [node.inputs[0] ?? ''] : [];
      const codes = this.#lattice.get(first ?? '');
      return codes !== undefined && others.every((name) => sameQuantisation(this.#lattice.get(name) ?? { scale: 0, zeroPoint: 0 }, codes)) ? codes : undefined;
    };
    const codes = of();
    for (const output of node.outputs) {
      if (codes === undefined) this.#lattice.delete(output);
      else this.#lattice.set(output, codes);
    }
  }

  /** What lies before all marks that only round: the fp32 network's tensor. */
  root(name: string): string {
    let at = name;
    for (let maker = this.#makers.get(at); maker !== undefined && isMark(maker) && !this.cuts.has(maker); maker = this.#makers.get(at)) at = maker.inputs[0] as string;
    return at;
  }

  /** Name of a value in the fp32 network: what marks hand on is one tensor there, and an output's name wins. */
  floatName(name: string): string {
    const root = this.root(name);
    return this.#floatNames.get(root) ?? root;
  }

  /** A mark behind `tensor`, which `readers` read instead of it, and the graph's outputs too where they are to. */
  mark(tensor: string, quantisation: Quantisation, readers: readonly OnnxNode[], outputs: boolean): OnnxNode {
    const mark = markNode(unique(this.#names, `${tensor}/mark`), tensor, unique(this.#names, `${tensor}/marked`), quantisation);
    const [made = ''] = mark.outputs;
    this.#link(mark);
    this.#added.set(tensor, [...(this.#added.get(tensor) ?? []), mark]);
    for (const node of readers) this.redirect(node, tensor, made);
    if (outputs) for (const output of this.outputs) if (output.tensor === tensor) output.tensor = made;
    return mark;
  }

  /** Lets `node` read `to` instead of `from`. */
  redirect(node: OnnxNode, from: string, to: string): void {
    node.inputs.forEach((input, i) => void (input === from && (node.inputs[i] = to)));
    this.#readers.get(from)?.delete(node);
    const readers = this.#readers.get(to);
    if (readers === undefined) this.#readers.set(to, new Set([node]));
    else readers.add(node);
    this.learn(node);
  }
}
