/**
 * Which stages become one FabricConv node, and what goes in and out of it. A node takes what the core runs one after the other; the tensors at its borders
 * are codes that the ONNX file has a name for. What it has none for (a part of a Concat that was rescaled, a few groups of a convolution) ONNX Runtime
 * cannot make: it stays inside a node, or goes from one node to another.
 */
import type { Prepared } from './compile.ts';
import { CompileError } from './error.ts';
import type { FloatLayer, GraphPort, QTensor, ViewLayer } from './graph.ts';
import { inputsOf, isFloat, isFloatPort } from './graph.ts';
import type { OnnxModel, OnnxNode } from './onnx.ts';
import type { Item, Stage } from './partition.ts';
import { isStage } from './partition.ts';

/** A node to be: its stages and the views that they read, in an order of execution. */
export type Part = { readonly items: readonly (Stage | ViewLayer)[]; readonly inputs: readonly GraphPort[]; readonly outputs: readonly GraphPort[] };
/** Codes of what the file has in fp32 alone. */
export type Quantised = { readonly port: GraphPort; readonly from: string };
export type Cut = {
  /** In an order of execution; those alone that something reads. */
  readonly parts: readonly Part[];
  readonly quantised: readonly Quantised[];
  /** Nodes of the file that stay, in its order. */
  readonly kept: readonly OnnxNode[];
};

type Run = { readonly members: Set<Item>; readonly at: number; readonly inputs: Map<string, GraphPort>; readonly outputs: Map<string, GraphPort> };

/** Shapes that a program's inputs and outputs of codes have. */
const isBindable = (shape: readonly number[]): boolean => shape[0] === 1 && shape.length >= 2 && shape.length <= 4;

class Cutter {
  readonly #items: readonly Item[];
  readonly #prepared: Prepared;
  readonly #model: OnnxModel;
  readonly #makers: ReadonlyMap<string, OnnxNode>;
  /** Names of a tensor's codes in the file, the first made first. */
  readonly #named = new Map<number, GraphPort[]>();
  readonly #owners = new Map<number, Run>();
  readonly #views = new Map<number, { readonly view: ViewLayer; readonly at: number }>();
  readonly #floats = new Map<number, FloatLayer>();
  /** Views that are put together for a reader outside. */
  readonly #gathered = new Map<number, Run>();
  readonly #runs = new Set<Run>();
  readonly #quantised = new Map<number, Quantised>();
  readonly #unnamed = new Map<number, GraphPort>();
  readonly #kept = new Set<OnnxNode>();
  readonly #wanted: string[];

  constructor(prepared: Prepared, model: OnnxModel) {
    const { graph, items } = prepared;
    this.#items = items;
    this.#prepared = prepared;
    this.#model = model;
    this.#makers = new Map(model.nodes.flatMap((node) => node.outputs.map((output) => [output, node])));
    this.#wanted = model.outputs.map(({ name }) => name);
    for (const port of graph.named.values()) {
      if (!isFloatPort(port) && port.dataType === 'INT8' && isBindable(port.shape)) this.#named.set(port.tensor.id, [...(this.#named.get(port.tensor.id) ?? []), port]);
    }
    let open: Run | null = null;
    items.forEach((item, at) => {
      if (isStage(item)) {
        if (item.target === 'PS' && this.#named.has(item.output.id)) open = null;
        else (open ??= this.#run(at)).members.add(item);
        if (open !== null) this.#owners.set(item.output.id, open);
      } else if (isFloat(item)) {
        open = null;
        if (item.output === null && item.tensor !== null) this.#floats.set(item.tensor.id, item);
      } else this.#views.set(item.output.id, { view: item, at });
    });
  }

  #run(at: number): Run {
    return { members: new Set(), at, inputs: new Map(), outputs: new Map() };
  }

  #leaves(tensor: QTensor): QTensor[] {
    const view = this.#views.get(tensor.id)?.view;
    return view === undefined ? [tensor] : inputsOf(view).flatMap((part) => this.#leaves(part));
  }

  /** Who makes codes for readers outside of nodes; null: nodes of the file. */
  #makerOf(tensor: QTensor): Run | null {
    const seen = this.#views.get(tensor.id);
    if (seen === undefined) return this.#owners.get(tensor.id) ?? null;
    const leaves = this.#leaves(tensor);
    if (leaves.every(({ id }) => this.#named.has(id))) return null;
    const [owner, ...others] = new Set(leaves.map(({ id }) => this.#owners.get(id)));
    const run = (others.length === 0 ? owner : undefined) ?? this.#gathered.get(tensor.id) ?? this.#run(seen.at);
    if (run.members.size === 0) this.#gathered.set(tensor.id, run);
    return run;
  }

  /** A name for codes that the file has none for. */
  #synthetic(tensor: QTensor): GraphPort {
    const known = this.#unnamed.get(tensor.id);
    if (known !== undefined) return known;
    let name = `fabric:${tensor.name}`;
    const taken = (text: string): boolean => this.#makers.has(text) || this.#model.initializers.has(text) || this.#model.inputs.some((input) => input.name === text) || [...this.#unnamed.values()].some((port) => port.name === text);
    while (taken(name)) name = `${name}'`;
    const port: GraphPort = { name, tensor, dataType: 'INT8', shape: [1, tensor.channels, tensor.height, tensor.width] };
    this.#unnamed.set(tensor.id, port);
    return port;
  }

  /** What a run reads of a tensor: views on the way become its own, what others make its inputs. */
  #reads(run: Run, tensor: QTensor): void {
    const owner = this.#owners.get(tensor.id);
    if (owner === run) return;
    const view = this.#views.get(tensor.id)?.view;
    if (view !== undefined) {
      if (run.members.has(view)) return;
      run.members.add(view);
      for (const part of inputsOf(view)) this.#reads(run, part);
      return;
    }
    const port = this.#named.get(tensor.id)?.[0] ?? this.#synthetic(tensor);
    run.inputs.set(port.name, port);
    if (owner !== undefined) this.#makes(owner, port);
    else if (this.#named.has(tensor.id)) this.#wanted.push(port.name);
    else this.#quantises(port);
  }

  #quantises(port: GraphPort): void {
    const source = this.#floats.get(port.tensor.id)?.inputs[0];
    const from = [...this.#prepared.graph.named.values()].find((other) => isFloatPort(other) && other.float.storage.id === source?.storage.id && other.shape.join() === source.shape.join());
    if (from === undefined) throw new CompileError(`its codes '${port.tensor.name}' cannot be named in an ONNX file.`, this.#floats.get(port.tensor.id)?.name ?? port.tensor.name);
    this.#quantised.set(port.tensor.id, { port, from: from.name });
    this.#wanted.push(from.name);
  }

  #makes(run: Run, port: GraphPort): void {
    run.outputs.set(port.name, port);
    this.#reads(run, port.tensor);
    if (this.#runs.has(run)) return;
    this.#runs.add(run);
    for (const stage of [...run.members].filter(isStage)) {
      for (const tensor of inputsOf(stage.layer)) this.#reads(run, tensor);
      if (stage.residual !== null) this.#reads(run, stage.residual.other);
    }
  }

  cut(): Cut {
    const seen = new Set<string>();
    for (let name = this.#wanted.pop(); name !== undefined; name = this.#wanted.pop()) {
      if (seen.has(name)) continue;
      seen.add(name);
      const port = this.#prepared.graph.named.get(name);
      const run = port !== undefined && !isFloatPort(port) && port.dataType === 'INT8' && isBindable(port.shape) ? this.#makerOf(port.tensor) : null;
      const node = this.#makers.get(name);
      if (run !== null) this.#makes(run, port as GraphPort);
      else if (node !== undefined) {
        this.#kept.add(node);
        this.#wanted.push(...node.inputs.filter((input) => input !== ''));
      }
    }
    const order = new Map(this.#items.map((item, i) => [item, i]));
    const parts = [...this.#runs].sort((a, b) => a.at - b.at).map((run): Part => ({
      items: [...run.members].sort((a, b) => (order.get(a) as number) - (order.get(b) as number)) as (Stage | ViewLayer)[],
      inputs: [...run.inputs.values()], outputs: [...run.outputs.values()],
    }));
    return { parts, quantised: [...this.#quantised.values()], kept: this.#model.nodes.filter((node) => this.#kept.has(node)) };
  }
}

/** @throws CompileError naming the node whose codes no file can name */
export const cutForOrt = (prepared: Prepared, model: OnnxModel): Cut => new Cutter(prepared, model).cut();
