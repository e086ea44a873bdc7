/** The settled network → its two forms: canonical QDQ, and fp32 without marks. Tensors have the same names in both, behind DequantizeLinear in the first. */
import type { OnnxModel, OnnxNode, OnnxTensor } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';
import { Writer } from '../quantise/qdq.ts';
import type { Quantisation } from './codes.ts';
import { sameQuantisation } from './codes.ts';
import { rangeOfCodes } from './intervals.ts';
import { isMark, quantisationOf } from './mark.ts';
import type { Net } from './net.ts';
import type { StoredWeights } from './read.ts';
import { layerWeights } from './weights.ts';

const identity = (name: string, input: string, output: string): OnnxNode => ({ name, opType: 'Identity', domain: '', inputs: [input], outputs: [output], attributes: new Map() });

/** Initializers that nodes read, in the order of reading. */
function usedBy(nodes: readonly OnnxNode[], ...from: readonly ReadonlyMap<string, OnnxTensor>[]): Map<string, OnnxTensor> {
  const used = new Map<string, OnnxTensor>();
  for (const name of nodes.flatMap((n) => n.inputs)) {
    const tensor = from.map((map) => map.get(name)).find((t) => t !== undefined);
    if (tensor !== undefined) used.set(name, tensor);
  }
  return used;
}

/** The fp32 network: marks hand on what they read, but for those that cut. */
export function floatOf(net: Net): OnnxModel {
  const bounds = new Map<string, OnnxTensor>();
  const bound = (name: string, value: number): string => {
    bounds.set(name, { name, dataType: OnnxType.FLOAT, dims: [], data: Float32Array.of(value) });
    return name;
  };
  const nodes = net.nodes().flatMap((node): OnnxNode[] => {
    if (isMark(node) && !net.cuts.has(node)) return [];
    const inputs = node.inputs.map((input) => (input === '' || net.constant(input) !== undefined ? input : net.floatName(input)));
    const outputs = node.outputs.map((output) => net.floatName(output));
    if (!isMark(node)) return [{ ...node, inputs, outputs }];
    const { min, max } = rangeOfCodes(quantisationOf(node));
    return [{ name: node.name, opType: 'Clip', domain: '', inputs: [inputs[0] as string, bound(`${node.name}/min`, min), bound(`${node.name}/max`, max)], outputs, attributes: new Map() }];
  });
  for (const { name, tensor } of net.outputs) {
    const own = net.floatName(tensor);
    if (own !== name) nodes.push(identity(`${name}/output`, own, name));
  }
  return { ...net.model, nodes, initializers: usedBy(nodes, bounds, net.model.initializers) };
}

class QdqWriter {
  readonly #net: Net;
  readonly #weights: ReadonlyMap<string, StoredWeights>;
  readonly #notes: string[];
  readonly #writer: Writer;
  /** Names in the QDQ network of the marked network's tensors. */
  readonly #named = new Map<string, string>();

  constructor(net: Net, weights: ReadonlyMap<string, StoredWeights>, notes: string[]) {
    this.#net = net;
    this.#weights = weights;
    this.#notes = notes;
    const marks = net.nodes().filter(isMark);
    this.#writer = new Writer({ ...net.model, nodes: net.nodes() });
    for (const { name } of net.model.inputs) this.#named.set(name, name);
    // A graph's output keeps its name; then what is behind the first mark of a tensor gets the name that the tensor has in fp32.
    const taken = new Set(net.model.inputs.map((i) => i.name));
    const give = (tensor: string, name: string): void => {
      if (this.#named.has(tensor) || taken.has(name)) return;
      taken.add(name);
      this.#named.set(tensor, name);
    };
    for (const { name, tensor } of net.outputs) give(tensor, name);
    for (const mark of marks) if (!net.isInput(net.root(mark.outputs[0] as string))) give(mark.outputs[0] as string, net.floatName(mark.outputs[0] as string));
    for (const mark of marks) if (!this.#named.has(mark.outputs[0] as string)) give(mark.outputs[0] as string, this.#writer.name(net.isInput(mark.inputs[0] as string) ? `${mark.inputs[0]}/dequantised` : `${net.floatName(mark.inputs[0] as string)}/requantised`));
    for (const tensor of net.model.nodes.flatMap((n) => n.outputs)) {
      if (this.#named.has(tensor)) continue;
      const name = net.floatName(tensor);
      if (taken.has(name)) this.#named.set(tensor, this.#writer.name(`${name}/real`));
      else give(tensor, name);
    }
  }

  #name(tensor: string): string {
    return this.#named.get(tensor) ?? tensor;
  }

  #layer(node: OnnxNode, inputs: string[]): string[] {
    const input = this.#net.lattice(node.inputs[0] ?? '') as Quantisation;
    const weights = this.#net.constant(node.inputs[1]) as OnnxTensor;
    const made = layerWeights(node, weights, this.#net.constant(node.inputs[2]), this.#weights.get(node.name), input, this.#notes);
    const parts = [inputs[0] as string, this.#writer.constants(`${node.name}/weights`, made.codes, weights.dims, made.scales, 0)];
    if (made.bias !== null) parts.push(this.#writer.constants(`${node.name}/bias`, made.bias, [made.bias.length], made.scales.map((s) => s * input.scale), 0));
    return parts;
  }

  write(): OnnxModel {
    const net = this.#net;
    const writer = this.#writer;
    for (const node of net.nodes()) {
      const inputs = node.inputs.map((input) => this.#name(input));
      const outputs = node.outputs.map((output) => this.#name(output));
      const [from = ''] = inputs;
      const [to = ''] = outputs;
      if (!isMark(node)) {
        const layer = node.opType === 'Conv' || node.opType === 'Gemm';
        writer.nodes.push({ ...node, inputs: layer ? this.#layer(node, inputs) : inputs, outputs });
      } else if (sameQuantisation(net.lattice(node.inputs[0] ?? '') ?? { scale: 0, zeroPoint: 0 }, quantisationOf(node))) writer.node('Identity', `${to}/same`, [from], to);
      else writer.activation(net.isInput(net.root(node.inputs[0] ?? '')) ? from : to, from, to, quantisationOf(node));
    }
    for (const { name, tensor } of net.outputs) if (this.#name(tensor) !== name) writer.node('Identity', `${name}/output`, [this.#name(tensor)], name);
    return { ...net.model, nodes: writer.nodes, initializers: usedBy(writer.nodes, writer.initializers, net.model.initializers) };
  }
}

export const qdqOf = (net: Net, weights: ReadonlyMap<string, StoredWeights>, notes: string[]): OnnxModel => new QdqWriter(net, weights, notes).write();
