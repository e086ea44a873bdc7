/**
 * Which tensors of a canonical fp32 network are quantised, and which of them share a scale: the form that DESIGN.md (Numerics) calls canonical QDQ and
 * import.ts reads. A tensor is quantised once, where the core's output stage writes it: behind a Relu or Clip that the layer takes in, before and
 * behind a table (SiLU, sigmoid, …). Operators that int8 does not carry stay fp32 between codes and codes (a squeeze-and-excitation's product), or
 * from the last convolutions on to the end (a detection head, whose boxes and scores no one scale fits).
 */
import { CompileError } from '../error.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';
import type { Range } from './statistics.ts';

/** Operators whose results int8 carries well, and what lies behind them is worth quantising for them. */
const HEAVY = new Set(['Conv', 'Gemm', 'MatMul', 'MaxPool', 'AveragePool', 'GlobalAveragePool']);
/** Functions of one value: a table of 256 codes. */
const TABLES = new Set(['Sigmoid', 'Tanh', 'HardSigmoid', 'HardSwish', 'LeakyRelu', 'Elu', 'Softplus', 'Mish', 'Gelu', 'Selu', 'Erf', 'Exp', 'Abs', 'Neg', 'Sqrt']);
/** The same values under another shape or name. */
const SAME_VALUES = new Set(['Flatten', 'Reshape', 'Identity', 'Dropout', 'Squeeze', 'Unsqueeze']);
/** Some of the same values elsewhere: of codes they are codes again. */
const MOVES = new Set(['Slice', 'Transpose', 'Gather', 'DepthToSpace', 'SpaceToDepth', 'Expand', 'Tile']);
/** What reads and writes codes of one scale. */
const ONE_SCALE = new Set(['MaxPool', 'Concat', 'Resize', 'Upsample', ...MOVES]);
const BOUNDS = new Set(['Relu', 'Clip']);
const WEIGHTED = new Set(['Conv', 'Gemm', 'MatMul']);

export type Role = 'layer' | 'bounds' | 'table' | 'insideTable' | 'bias' | 'sameValues' | 'move' | 'float';

export type Planned = {
  readonly node: OnnxNode;
  readonly role: Role;
  /** Whether it works on int8 codes. */
  readonly quantised: boolean;
};

export type Plan = {
  readonly model: OnnxModel;
  readonly nodes: readonly Planned[];
  /** Tensors that get QuantizeLinear and DequantizeLinear, in the order of the graph. */
  readonly tensors: readonly string[];
  /** Of each tensor, the nodes that one layer takes in: `Conv + Relu`; and the name of the first. */
  readonly layers: ReadonlyMap<string, { readonly node: string; readonly operator: string }>;
  /** Tensors that share scale and zero point; every quantised tensor is in one. */
  readonly groups: readonly (readonly string[])[];
  /** Of tensors that a Clip ends in: its bounds. */
  readonly bounds: ReadonlyMap<string, Range>;
  /** Where the values of a tensor are made: past Flatten and the like. */
  readonly carrier: (tensor: string) => string;
};

export const isWeighted = ({ opType }: OnnxNode): boolean => WEIGHTED.has(opType);

/** The model with Constant nodes as initializers. */
export function withoutConstantNodes(model: OnnxModel): OnnxModel {
  const initializers = new Map(model.initializers);
  const nodes = model.nodes.filter((node) => {
    const tensor = node.opType === 'Constant' ? node.attributes.get('value')?.t : undefined;
    if (tensor === undefined) return true;
    const name = node.outputs[0] ?? '';
    initializers.set(name, { ...tensor, name });
    return false;
  });
  return { ...model, nodes, initializers };
}

class Planner {
  readonly #model: OnnxModel;
  readonly #float: ReadonlySet<string>;
  readonly #producer = new Map<string, OnnxNode>();
  readonly #readers = new Map<string, OnnxNode[]>();
  readonly #outputs: ReadonlySet<string>;
  readonly #roles = new Map<OnnxNode, Role>();

  constructor(model: OnnxModel, float: ReadonlySet<string>) {
    this.#model = model;
    this.#float = float;
    this.#outputs = new Set(model.outputs.map((o) => o.name));
    for (const node of model.nodes) {
      for (const output of node.outputs) if (output !== '') this.#producer.set(output, node);
      for (const input of new Set(node.inputs)) this.#readers.set(input, [...(this.#readers.get(input) ?? []), node]);
    }
  }

  #constant(name: string | undefined): OnnxTensor | undefined {
    return this.#model.initializers.get(name ?? '');
  }

  /** The node that alone reads a tensor, which is no output of the graph. */
  #onlyReader(tensor: string): OnnxNode | undefined {
    const readers = this.#readers.get(tensor) ?? [];
    return readers.length === 1 && !this.#outputs.has(tensor) ? readers[0] : undefined;
  }

  carrier = (tensor: string): string => {
    let name = tensor;
    for (let node = this.#producer.get(name); node !== undefined && this.#roles.get(node) === 'sameValues'; node = this.#producer.get(name)) name = node.inputs[0] ?? '';
    return name;
  };

  /** x of Mul(x, f(x)), where f is one or more tables that nothing else reads; their nodes. */
  #gate(node: OnnxNode): { input: string; inside: OnnxNode[] } | null {
    for (const [x = '', y = ''] of [node.inputs, [...node.inputs].reverse()]) {
      const inside: OnnxNode[] = [];
      let name = y;
      while (name !== x) {
        const before = this.#producer.get(name);
        if (before === undefined || !TABLES.has(before.opType) || this.#onlyReader(name) === undefined || this.#float.has(before.name)) break;
        inside.push(before);
        name = before.inputs[0] ?? '';
      }
      if (name === x && inside.length > 0) return { input: x, inside };
    }
    return null;
  }

  #roleOf(node: OnnxNode): Role {
    const { opType, inputs, domain } = node;
    if (this.#float.has(node.name) || (domain !== '' && domain !== 'ai.onnx')) return 'float';
    if (SAME_VALUES.has(opType)) return this.#constant(inputs[0]) === undefined ? 'sameValues' : 'float';
    if (opType === 'Mul') {
      const gate = this.#gate(node);
      if (gate === null) return 'float';
      for (const inner of gate.inside) this.#roles.set(inner, 'insideTable');
      return 'table';
    }
    if (WEIGHTED.has(opType)) return this.#constant(inputs[1])?.dataType === OnnxType.FLOAT ? 'layer' : 'float';
    if (HEAVY.has(opType) || opType === 'Concat') return 'layer';
    if (MOVES.has(opType)) return 'move';
    if (opType === 'Resize' || opType === 'Upsample') return (node.attributes.get('mode')?.s ?? 'nearest') === 'nearest' ? 'layer' : 'float';
    if (opType === 'Add') {
      if (inputs.every((input) => this.#constant(input) === undefined)) return 'layer';
      const product = this.#producer.get(inputs.find((input) => this.#constant(input) === undefined) ?? '');
      return product?.opType === 'MatMul' && this.#onlyReader(product.outputs[0] ?? '') === node && this.#roles.get(product) === 'layer' ? 'bias' : 'float';
    }
    if (BOUNDS.has(opType)) return 'bounds';
    return TABLES.has(opType) ? 'table' : 'float';
  }

  /** Tensors whose codes a node reads. */
  #activations({ node, role }: Planned): string[] {
    if (role === 'layer' && (node.opType === 'Concat' || node.opType === 'Add')) return node.inputs;
    if (role === 'bias') return node.inputs.filter((input) => this.#constant(input) === undefined);
    if (role === 'table' && node.opType === 'Mul') return [this.#gate(node)?.input ?? ''];
    return [node.inputs[0] ?? ''];
  }

  #isHeavy(node: OnnxNode): boolean {
    return HEAVY.has(node.opType) && this.#roles.get(node) === 'layer';
  }

  /** A bias, Relu or Clip that the layer before it takes in. */
  #isTakenIn(node: OnnxNode): boolean {
    const role = this.#roles.get(node);
    const before = node.inputs.map((input) => this.#producer.get(input)).find((maker) => maker !== undefined);
    if ((role !== 'bias' && role !== 'bounds') || before === undefined || this.#onlyReader(before.outputs[0] ?? '') !== node) return false;
    return this.#isHeavy(before) || this.#roles.get(before) === 'bias';
  }

  /** Nodes behind which no heavy layer follows, as far as they hang together and int8 would not carry all of them: they stay fp32 as a whole. */
  #floatTail(worthwhile: ReadonlySet<string>): Set<OnnxNode> {
    const tail = this.#model.nodes.filter((node) => !this.#isHeavy(node) && !node.outputs.some((o) => worthwhile.has(o)) && !this.#isTakenIn(node));
    const parts = new Map(tail.map((node) => [node, [node]]));
    for (const node of tail) {
      for (const input of node.inputs) {
        const [a, b] = [parts.get(this.#producer.get(input) as OnnxNode), parts.get(node) as OnnxNode[]];
        if (a === undefined || a === b) continue;
        // The smaller into the larger: linear but for a logarithm.
        const [large, small] = a.length >= b.length ? [a, b] : [b, a];
        for (const moved of small) {
          large.push(moved);
          parts.set(moved, large);
        }
      }
    }
    const needsFloat = (node: OnnxNode): boolean => this.#roles.get(node) === 'float' || this.#roles.get(node) === 'move' || node.opType === 'Concat';
    return new Set([...new Set(parts.values())].filter((part) => part.some(needsFloat)).flat());
  }

  plan(): Plan {
    const { nodes } = this.#model;
    for (const node of nodes) this.#roles.set(node, this.#roles.get(node) ?? this.#roleOf(node));
    // A gate's inner tables come before their Mul, and so were given a role of their own first.
    for (const node of nodes) if (this.#roles.get(node) === 'table' && node.opType === 'Mul') for (const inner of this.#gate(node)?.inside ?? []) this.#roles.set(inner, 'insideTable');

    const worthwhile = new Set<string>();
    for (const node of [...nodes].reverse()) {
      if (this.#isHeavy(node) || node.outputs.some((o) => worthwhile.has(o))) for (const input of node.inputs) worthwhile.add(input);
    }
    for (const node of this.#floatTail(worthwhile)) if (this.#roles.get(node) !== 'sameValues') this.#roles.set(node, 'float');
    // What nobody reads as codes is not moved as codes.
    const asCodes = new Set<string>();
    for (const node of [...nodes].reverse()) {
      const role = this.#roles.get(node);
      if (role !== 'float' && ((role !== 'move' && role !== 'sameValues') || node.outputs.some((o) => asCodes.has(o)))) for (const input of node.inputs) asCodes.add(input);
    }
    for (const node of nodes) if (this.#roles.get(node) === 'move' && !node.outputs.some((o) => asCodes.has(o))) this.#roles.set(node, 'float');

    // Values that come as codes, or may: a graph's input is quantised where it is first needed.
    const coded = new Set(this.#model.inputs.map((i) => i.name));
    const planned = nodes.map((node): Planned => {
      const role = this.#roles.get(node) as Role;
      const item = { node, role, quantised: true };
      const onCodes = role === 'insideTable' ? coded.has(this.carrier(node.inputs[0] ?? '')) : this.#activations(item).every((input) => coded.has(input));
      const output = node.outputs[0] ?? '';
      const quantised = role !== 'float' && (onCodes || (role !== 'sameValues' && role !== 'insideTable' && role !== 'move' && (HEAVY.has(node.opType) || worthwhile.has(output))));
      // Behind a table's inside the values are not coded, but the Mul reads x as well.
      if (quantised) coded.add(output);
      return { ...item, quantised };
    });
    return this.#collect(planned);
  }

  #collect(planned: readonly Planned[]): Plan {
    const byNode = new Map(planned.map((p) => [p.node, p]));
    /** The node into which a layer's result goes unquantised: its bias, Relu or Clip. */
    const follower = ({ node, role, quantised }: Planned): Planned | undefined => {
      if (!quantised || (role !== 'layer' && role !== 'bounds' && role !== 'bias')) return undefined;
      const next = byNode.get(this.#onlyReader(node.outputs[0] ?? '') as OnnxNode);
      // One Relu or Clip: a second one stands alone (ONNX Runtime 1.30 cannot load some chains of both).
      return next !== undefined && next.quantised && ((next.role === 'bounds' && role !== 'bounds') || next.role === 'bias') ? next : undefined;
    };
    const followers = new Map(planned.map((p) => [p, follower(p)]));
    const taken = new Set([...followers.values()].filter((f) => f !== undefined));
    const wanted = new Set<string>();
    const layers = new Map<string, { node: string; operator: string }>();
    const ties: string[][] = [];
    for (const item of planned) {
      if (!item.quantised || taken.has(item) || item.role === 'sameValues' || item.role === 'insideTable') continue;
      const inputs = this.#activations(item).map(this.carrier);
      for (const input of inputs) wanted.add(input);
      const parts = [item];
      for (let next = followers.get(item); next !== undefined; next = followers.get(next)) parts.push(next);
      const end = (parts.at(-1) as Planned).node.outputs[0] ?? '';
      wanted.add(end);
      const gate = item.role === 'table' && item.node.opType === 'Mul' ? this.#gate(item.node) : null;
      const names = [...[...(gate?.inside ?? [])].reverse().map((n) => n.opType), ...parts.map((p) => p.node.opType)];
      layers.set(end, { node: item.node.name || end, operator: names.join(' + ') });
      if (ONE_SCALE.has(item.node.opType)) ties.push([...inputs, end]);
    }
    // What is computed in fp32 from an image begins with its codes too.
    for (const { name } of this.#model.inputs) if (planned.some(({ node, role }) => role === 'float' && node.inputs.some((input) => this.carrier(input) === name))) wanted.add(name);
    for (const name of wanted) {
      const isInput = this.#model.inputs.some((i) => i.name === name);
      if (isInput) layers.set(name, { node: name, operator: 'input' });
      else if (!this.#producer.has(name)) throw new CompileError(`A layer reads '${name}', which no node makes and which is no input.`);
      // Made in fp32, read by a layer on codes.
      else if (!layers.has(name)) layers.set(name, { node: this.#producer.get(name)?.name ?? name, operator: this.#producer.get(name)?.opType ?? '' });
    }
    const order = [...this.#model.inputs.map((i) => i.name), ...this.#model.nodes.flatMap((n) => n.outputs)];
    const tensors = order.filter((name) => wanted.has(name));
    const bounds = new Map(planned.filter(({ node, role }) => role === 'bounds' && node.opType === 'Clip').map(({ node }) => {
      const bound = (index: number, otherwise: number): number => Number(this.#constant(node.inputs[index])?.data[0] ?? otherwise);
      return [node.outputs[0] ?? '', { min: bound(1, -Infinity), max: bound(2, Infinity) }];
    }));
    return { model: this.#model, nodes: planned, tensors, layers, groups: grouped(tensors, ties), bounds, carrier: this.carrier };
  }
}

/** Joins what shares a member. */
function grouped(tensors: readonly string[], ties: readonly (readonly string[])[]): string[][] {
  const group = new Map(tensors.map((name) => [name, [name]]));
  for (const [first = '', ...others] of ties) {
    for (const other of others) {
      const [a, b] = [group.get(first) ?? [], group.get(other) ?? []];
      if (a === b) continue;
      a.push(...b);
      for (const name of b) group.set(name, a);
    }
  }
  return [...new Set(group.values())];
}

/**
 * @param float names of nodes that stay in fp32 (the last layers of a detection head)
 * @throws CompileError where the model is quantised already, has no single fp32 input, or names a node that isn't there
 */
export function planQuantisation(model: OnnxModel, float: readonly string[] = []): Plan {
  const already = model.nodes.find((n) => n.opType === 'QuantizeLinear' || n.opType === 'DequantizeLinear' || n.opType.startsWith('QLinear'));
  if (already !== undefined) throw new CompileError('the model is quantised already; give the fp32 model that it was made from.', already.name || already.opType);
  if (model.opset < 13) throw new CompileError(`The model has opset ${model.opset}; quantisation per channel needs 13 or later. Export it again, or convert it (onnx.version_converter).`);
  const [input] = model.inputs;
  if (input === undefined || model.inputs.length !== 1 || input.elementType !== OnnxType.FLOAT) throw new CompileError(`The model has ${model.inputs.length} inputs; one of type float32 is what can be calibrated.`);
  const names = new Set(model.nodes.map((n) => n.name));
  for (const name of float) if (!names.has(name)) throw new CompileError(`There is no node '${name.slice(0, 200)}' to leave in fp32.`);
  const plan = new Planner(withoutConstantNodes(model), new Set(float)).plan();
  if (plan.tensors.length === 0) throw new CompileError('The network has no layer that could be quantised (no convolution, dense layer or pooling).');
  return plan;
}
