/**
 * Canonical QDQ ONNX → QGraph. Walks the nodes in their (topological) order and follows what each value is: a dequantised int8 tensor, a
 * dequantised constant, or a real-valued result still waiting for its QuantizeLinear.
 */
import { MAX_BINDINGS, MAX_DESCRIPTORS } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { GraphPort, QGraph, QLayer, QTensor } from './graph.ts';
import { NO_BOUNDS } from './graph.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from './onnx.ts';
import { OnnxType } from './onnx.ts';
import { OPERATORS } from './operators.ts';
import type { RealValue, Value, WeightsValue } from './values.ts';
import { dimsOf } from './values.ts';

/** Nodes may share constants: a small file can ask for any number of copies of them. */
const MAX_WEIGHTS = 2 ** 29;
const MAX_PARAMETERS = 2 ** 20;

export class Importer {
  readonly #values = new Map<string, Value>();
  readonly #uses = new Map<string, number>();
  readonly #layers: QLayer[] = [];
  readonly #inputs: GraphPort[] = [];
  readonly #notes: string[] = [];
  #tensors = 0;
  #weightCount = 0;
  #parameterCount = 0;

  constructor(model: OnnxModel) {
    for (const tensor of model.initializers.values()) this.#values.set(tensor.name, { kind: 'constant', tensor });
    for (const input of model.inputs) {
      // A free batch dimension is run as 1.
      const shape = input.dims.map((d, i) => (i === 0 && d === 0 ? 1 : d));
      this.#values.set(input.name, { kind: 'input', name: input.name, shape, elementType: input.elementType });
    }
    for (const name of [...model.nodes.flatMap((n) => n.inputs), ...model.outputs.map((o) => o.name)]) this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
  }

  /** Counts what a node adds to the program, before it is made. */
  charge(node: OnnxNode, weights: number, parameters: number): void {
    this.#weightCount += weights;
    this.#parameterCount += parameters;
    if (this.#weightCount > MAX_WEIGHTS) throw new CompileError(`the network has more than ${MAX_WEIGHTS} weights up to here.`, node.name);
    if (this.#parameterCount > MAX_PARAMETERS) throw new CompileError(`the network has more than ${MAX_PARAMETERS} output channels up to here.`, node.name);
  }

  note(text: string): void {
    this.#notes.push(text);
  }

  /** The value of a node's input. @throws CompileError where it isn't there */
  value(node: OnnxNode, index: number): Value {
    const name = node.inputs[index] ?? '';
    const value = this.#values.get(name);
    if (value === undefined) throw new CompileError(name === '' ? `${node.opType} lacks its input ${index}.` : `reads '${name}', which no earlier node makes.`, node.name);
    if (value.kind === 'pending' && (this.#uses.get(name) ?? 0) > 1) {
      throw new CompileError(`its result '${name}' is read by several nodes before it is quantised; put QuantizeLinear and DequantizeLinear right behind it.`, value.node);
    }
    return value;
  }

  has(node: OnnxNode, index: number): boolean {
    return (node.inputs[index] ?? '') !== '';
  }

  /** An input that must be a dequantised activation. */
  real(node: OnnxNode, index: number): RealValue {
    const value = this.value(node, index);
    if (value.kind === 'real') return value;
    throw new CompileError(`${node.opType} reads '${node.inputs[index]}', which is not quantised; the network must be canonical QDQ (int8 QuantizeLinear/DequantizeLinear around every operator).`, node.name);
  }

  constant(node: OnnxNode, index: number): OnnxTensor {
    const value = this.value(node, index);
    if (value.kind !== 'constant') throw new CompileError(`input ${index} ('${node.inputs[index]}') of ${node.opType} must be a constant.`, node.name);
    return value.tensor;
  }

  add(model: OnnxModel): QGraph {
    for (const node of model.nodes) {
      const value = this.#visit(node);
      const name = node.outputs[0] ?? '';
      if (this.#values.has(name)) throw new CompileError(`makes '${name}', which is already there.`, node.name);
      this.#values.set(name, value);
    }
    return { inputs: this.#inputs, outputs: model.outputs.map((o) => this.#output(o.name)), layers: this.#layers, notes: this.#notes };
  }

  #visit(node: OnnxNode): Value {
    if (node.domain !== '' && node.domain !== 'ai.onnx') throw new CompileError(`operator ${node.opType} of domain '${node.domain}' is not a standard ONNX operator.`, node.name);
    if (node.opType === 'QuantizeLinear') return this.#quantise(node);
    if (node.opType === 'DequantizeLinear') return this.#dequantise(node);
    const operator = Object.hasOwn(OPERATORS, node.opType) ? OPERATORS[node.opType] : undefined;
    if (operator === undefined) {
      throw new CompileError(`operator ${node.opType} can run neither on the core nor on the processor yet. There are ${['QuantizeLinear', 'DequantizeLinear', ...Object.keys(OPERATORS)].join(', ')}.`, node.name);
    }
    return operator(this, node);
  }

  /** Scale and zero point of an activation's QuantizeLinear or DequantizeLinear: one for the tensor, int8. */
  #quantisation(node: OnnxNode): { scale: number; zeroPoint: number } {
    const scale = this.constant(node, 1);
    if (scale.dataType !== OnnxType.FLOAT || scale.data.length !== 1) throw new CompileError('an activation needs one fp32 scale for the whole tensor.', node.name);
    const zero = this.has(node, 2) ? this.constant(node, 2) : null;
    if (zero === null || zero.dataType !== OnnxType.INT8 || zero.data.length !== 1) {
      throw new CompileError('activations must be int8 with one zero point (uint8 activations: quantise again with activation_type=QInt8).', node.name);
    }
    const value = Number(scale.data[0]);
    if (!(value > 0) || !Number.isFinite(value)) throw new CompileError(`its scale is ${value}.`, node.name);
    return { scale: value, zeroPoint: Number(zero.data[0]) };
  }

  #tensor(name: string, dims: readonly [number, number, number], parameters: { scale: number; zeroPoint: number }): QTensor {
    const [channels, height, width] = dims;
    return { id: this.#tensors++, name, channels, height, width, ...parameters };
  }

  #quantise(node: OnnxNode): Value {
    if (this.#layers.length >= MAX_DESCRIPTORS) throw new CompileError(`the network has more than ${MAX_DESCRIPTORS} layers.`, node.name);
    const value = this.value(node, 0);
    const parameters = this.#quantisation(node);
    const name = node.outputs[0] ?? '';
    if (value.kind === 'input') {
      if (value.elementType !== OnnxType.FLOAT) throw new CompileError(`input '${value.name}' must be float32 to be quantised.`, node.name);
      const tensor = this.#tensor(name, dimsOf(value.shape, node.name), parameters);
      this.#inputs.push({ name: value.name, tensor, dataType: 'FP32', shape: value.shape });
      return { kind: 'codes', tensor, shape: value.shape };
    }
    if (value.kind === 'real') {
      const { tensor, shape } = value;
      if (tensor.scale === parameters.scale && tensor.zeroPoint === parameters.zeroPoint) return { kind: 'codes', tensor, shape };
      const output = this.#tensor(name, [tensor.channels, tensor.height, tensor.width], parameters);
      this.#layers.push({ kind: 'rescale', name: node.name, operator: 'QuantizeLinear', input: tensor, output, bounds: NO_BOUNDS });
      return { kind: 'codes', tensor: output, shape };
    }
    if (value.kind !== 'pending') throw new CompileError(`'${node.inputs[0]}' is a constant or already quantised.`, node.name);
    const output = this.#tensor(name, value.dims, parameters);
    this.#layers.push({ ...value.draft, name: value.node, operator: value.operator, output, bounds: value.bounds } as QLayer);
    return { kind: 'codes', tensor: output, shape: value.shape };
  }

  #dequantise(node: OnnxNode): Value {
    const value = this.value(node, 0);
    if (value.kind === 'constant') return this.#weights(node, value.tensor);
    const parameters = this.#quantisation(node);
    if (value.kind === 'input') {
      if (value.elementType !== OnnxType.INT8) throw new CompileError(`input '${value.name}' must be int8 to be dequantised.`, node.name);
      const tensor = this.#tensor(value.name, dimsOf(value.shape, node.name), parameters);
      this.#inputs.push({ name: value.name, tensor, dataType: 'INT8', shape: value.shape });
      this.#values.set(value.name, { kind: 'codes', tensor, shape: value.shape });
      return { kind: 'real', tensor, shape: value.shape };
    }
    if (value.kind !== 'codes') throw new CompileError(`'${node.inputs[0]}' is not quantised.`, node.name);
    const { tensor } = value;
    if (tensor.scale !== parameters.scale || tensor.zeroPoint !== parameters.zeroPoint) {
      throw new CompileError(`its scale or zero point differs from those that '${tensor.name}' was quantised with.`, node.name);
    }
    return { kind: 'real', tensor, shape: value.shape };
  }

  #weights(node: OnnxNode, tensor: OnnxTensor): WeightsValue {
    const scale = this.constant(node, 1);
    if (scale.dataType !== OnnxType.FLOAT) throw new CompileError('its scale must be fp32.', node.name);
    const scales = scale.data as Float32Array;
    if (scales.some((s) => !(s > 0) || !Number.isFinite(s))) throw new CompileError('a weight scale is not a positive number.', node.name);
    if (tensor.dataType !== OnnxType.INT8 && tensor.dataType !== OnnxType.INT32) throw new CompileError(`constant '${tensor.name}' must be int8 (weights) or int32 (bias).`, node.name);
    if (this.has(node, 2) && [...this.constant(node, 2).data].some((zero) => Number(zero) !== 0)) {
      throw new CompileError(`weights '${tensor.name}' have a zero point other than 0; quantise them symmetrically.`, node.name);
    }
    const rank = tensor.dims.length;
    const given = node.attributes.get('axis')?.i ?? 1;
    const axis = given < 0 ? given + rank : given;
    if (scales.length !== 1 && tensor.dims[axis] !== scales.length) throw new CompileError(`has ${scales.length} scales for axis ${axis} of shape ${tensor.dims.join('×')}.`, node.name);
    return { kind: 'weights', tensor, scales, axis };
  }

  #output(name: string): GraphPort {
    const value = this.#values.get(name);
    if (value?.kind === 'real') return { name, tensor: value.tensor, dataType: 'FP32', shape: value.shape };
    if (value?.kind === 'codes') return { name, tensor: value.tensor, dataType: 'INT8', shape: value.shape };
    if (value === undefined) throw new CompileError(`The graph's output '${name}' is made by no node.`);
    throw new CompileError(`The graph's output '${name}' is not quantised; it must come from QuantizeLinear or DequantizeLinear.`, value.kind === 'pending' ? value.node : '');
  }
}

/**
 * @throws CompileError naming the first node that cannot be held, and why
 */
export function importGraph(model: OnnxModel): QGraph {
  if (model.opset < 13) throw new CompileError(`The model has opset ${model.opset}; canonical QDQ needs 13 or later (per-channel DequantizeLinear).`);
  const graph = new Importer(model).add(model);
  if (graph.inputs.length === 0) throw new CompileError('The network quantises no input.');
  if (graph.inputs.length + graph.outputs.length > MAX_BINDINGS) throw new CompileError(`The network has ${graph.inputs.length + graph.outputs.length} inputs and outputs; a program holds ${MAX_BINDINGS}.`);
  if (graph.outputs.length === 0) throw new CompileError('The graph has no output.');
  return graph;
}
