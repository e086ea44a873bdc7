/** What every exporter's writing has in common: nodes, initializers, constants, and names as that exporter gives them. */
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor, OnnxValue, TensorData } from '../../src/compiler/onnx.ts';
import { OnnxType } from '../../src/compiler/onnx.ts';
import type { Spread, Value } from './values.ts';
import { Source } from './values.ts';

export type Attributes = Readonly<Record<string, number | string | readonly number[] | { readonly float: number } | { readonly tensor: Omit<OnnxTensor, 'name'> }>>;

function attribute(name: string, value: Attributes[string]): OnnxAttribute {
  const base = { name, floats: [], ints: [] };
  if (typeof value === 'number') return { ...base, i: value };
  if (typeof value === 'string') return { ...base, s: value };
  if ('float' in value) return { ...base, f: value.float };
  if ('tensor' in value) return { ...base, t: { name: '', ...value.tensor } };
  return { ...base, ints: [...value] };
}

/** Where a layer stands in its framework's module tree: 'layer1/layer1.0/conv1'. */
export type Scope = string;
export type Names = { /** Of a node; unique within the graph. */ node: (scope: Scope, op: string) => string; /** Of a node's outputs. */ output: (node: string, op: string, index: number) => string };

export const count = (dims: readonly number[]): number => dims.reduce((product, d) => product * d, 1);

export abstract class Graph {
  readonly opset: number;
  readonly source: Source;
  readonly #names: Names;
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers = new Map<string, OnnxTensor>();
  readonly #inputs: OnnxValue[] = [];
  #constants = 0;

  constructor(opset: number, seed: number, names: Names) {
    this.opset = opset;
    this.source = new Source(seed);
    this.#names = names;
  }

  input(name: string, dims: readonly number[], spread: Spread): Value {
    this.#inputs.push({ name, elementType: OnnxType.FLOAT, dims: [...dims] });
    return { name, dims, ...spread };
  }

  initializer(name: string, data: TensorData, dims: readonly number[]): string {
    const dataType = data instanceof Float32Array ? OnnxType.FLOAT : OnnxType.INT64;
    this.#initializers.set(name, { name, dataType, dims: [...dims], data });
    return name;
  }

  /** A constant in the graph: a Constant node, which is how tracing leaves them. */
  constant(scope: Scope, data: Float32Array | BigInt64Array, dims: readonly number[]): string {
    const dataType = data instanceof Float32Array ? OnnxType.FLOAT : OnnxType.INT64;
    return this.node(scope, 'Constant', [], { value: { tensor: { dataType, dims: [...dims], data } } });
  }

  ints(scope: Scope, ...values: number[]): string {
    return this.constant(scope, BigInt64Array.from(values, BigInt), [values.length]);
  }

  scalar(scope: Scope, value: number): string {
    return this.constant(scope, Float32Array.of(value), []);
  }

  node(scope: Scope, op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.nodes(scope, op, inputs, attributes, 1)[0] as string;
  }

  nodes(scope: Scope, op: string, inputs: readonly string[], attributes: Attributes, outputs: number): string[] {
    const name = this.#names.node(scope, op);
    const made = Array.from({ length: outputs }, (_, i) => this.#names.output(name, op, i));
    this.#nodes.push({ name, opType: op, domain: '', inputs: [...inputs], outputs: made, attributes: new Map(Object.entries(attributes).map(([key, value]) => [key, attribute(key, value)])) });
    return made;
  }

  /** A number that no other constant has. */
  fresh(): number {
    return this.#constants++;
  }

  /** @param outputs the graph's names for what it gives */
  build(outputs: Readonly<Record<string, Value>>): OnnxModel {
    const renamed = new Map(Object.entries(outputs).map(([to, { name }]) => [name, to]));
    const rename = (name: string): string => renamed.get(name) ?? name;
    const nodes = this.#nodes.map((node) => ({ ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) }));
    const ports = Object.entries(outputs).map(([name, { dims }]) => ({ name, elementType: OnnxType.FLOAT, dims: [...dims] }));
    return { opset: this.opset, nodes, inputs: this.#inputs, outputs: ports, initializers: this.#initializers };
  }
}
