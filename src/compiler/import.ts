/**
 * Canonical QDQ ONNX → QGraph. Walks the nodes in their (topological) order and follows what each value is: a dequantised int8 tensor, a
 * dequantised constant, or a real-valued result still waiting for its QuantizeLinear. What the int8 operators (operators.ts) refuse on such values
 * is computed in fp32 (float-operators.ts), and stays fp32 up to the next QuantizeLinear.
 */
import { MAX_BINDINGS, MAX_DESCRIPTORS } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { Detections } from './float-builder.ts';
import { FloatBuilder } from './float-builder.ts';
import type { FloatEntry } from './float-operators.ts';
import { FLOAT_OPERATORS } from './float-operators.ts';
import { numbersOf } from './elementwise.ts';
import type { FloatPort, FloatTensor, GraphLayer, GraphPort, OutputPort, QGraph, QLayer, QTensor, WorkLayer } from './graph.ts';
import { isFloatPort, NO_BOUNDS, sameCodes } from './graph.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from './onnx.ts';
import { OnnxType } from './onnx.ts';
import type { Operator } from './operators.ts';
import { OPERATORS } from './operators.ts';
import { clamped, codeBounds, IDENTITY, quantise, rescaleTable, valuesOf } from './tables.ts';
import type { FloatValue, FunctionValue, JoinedValue, Parameters, PendingValue, RealValue, Value, WeightsValue } from './values.ts';
import { dimsOf, dimsOfTensor, storedDims } from './values.ts';

/** Nodes may share constants: a small file can ask for any number of copies of them. */
const MAX_WEIGHTS = 2 ** 29;
const MAX_PARAMETERS = 2 ** 20;
/** Each is 256 numbers. */
const MAX_FUNCTIONS = 2 ** 15;
/** Tables that are followed back from one tensor to another. */
const MAX_CHAIN = 16;
/** Operators whose results were a function of codes, done again in fp32. */
const MAX_REPLAY = 200;
const MAX_LIST = 2 ** 20;
/** Name of the output that non-maximum suppression makes. */
export const DETECTIONS = 'detections';
/** Float operators whose results are values of their operands, elsewhere. */
const MOVES = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose', 'Slice', 'Split', 'Concat', 'Gather', 'Expand', 'Tile', 'DepthToSpace', 'SpaceToDepth', 'Identity', 'Dropout']);
/** What is worth codes again where all that it reads are codes. */
const HEAVY = new Set(['Conv', 'Gemm', 'MatMul', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'ReduceMean']);

/** A tensor that is a table of another. */
type Derived = { readonly from: QTensor; readonly codes: Int8Array };

export class Importer {
  readonly #values = new Map<string, Value>();
  readonly #uses = new Map<string, number>();
  readonly #layers: GraphLayer[] = [];
  readonly #inputs: GraphPort[] = [];
  readonly #notes: string[] = [];
  readonly #derived = new Map<number, Derived>();
  #tensors = 0;
  #weightCount = 0;
  #parameterCount = 0;
  #functions = 0;
  #works = 0;
  readonly #makers = new Map<string, OnnxNode>();
  readonly #floats = new Map<string, FloatTensor>();
  /** The same values in fp32, of tensors that were moved there: by tensor. */
  readonly #moved = new Map<number, FloatTensor>();
  /** What was moved in fp32 and is read as codes, by storage and shape. */
  readonly #coded = new Map<string, RealValue>();
  readonly #build = new FloatBuilder((layer) => this.#layers.push({ ...layer, reason: this.#reason }));
  /** Of the float operators that are being made. */
  #reason = '';

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
    if (value.kind === 'pending' && value.draft.kind !== 'rescale' && (this.#uses.get(name) ?? 0) > 1 && !this.#canReplay(name)) {
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
    if (value.kind === 'float' && value.codes !== null) return this.#again(node, value, value.codes);
    throw new CompileError(`${node.opType} reads '${node.inputs[index]}', which is not quantised; the network must be canonical QDQ (int8 QuantizeLinear/DequantizeLinear around every operator).`, node.name);
  }

  constant(node: OnnxNode, index: number): OnnxTensor {
    const value = this.value(node, index);
    if (value.kind !== 'constant') throw new CompileError(`input ${index} ('${node.inputs[index]}') of ${node.opType} must be a constant.`, node.name);
    return value.tensor;
  }

  add(model: OnnxModel, detections: Detections | undefined): QGraph {
    for (const node of model.nodes) {
      const made = this.#visit(node);
      const values = Array.isArray(made) ? made : [made];
      values.forEach((value, i) => {
        const name = node.outputs[i] ?? '';
        if (this.#values.has(name)) throw new CompileError(`makes '${name}', which is already there.`, node.name);
        this.#values.set(name, value);
        this.#makers.set(name, node);
      });
    }
    const outputs = model.outputs.map((o) => this.#output(o.name));
    if (detections !== undefined) outputs.push(this.#detections(outputs, detections));
    const named = new Map([...this.#values].flatMap(([name, value]): [string, OutputPort][] => {
      if (value.kind === 'float') return [[name, { name, float: value.tensor, shape: value.shape }]];
      return value.kind === 'real' || value.kind === 'codes' ? [[name, { name, tensor: value.tensor, dataType: value.kind === 'real' ? 'FP32' : 'INT8', shape: value.shape }]] : [];
    }));
    return { inputs: this.#inputs, outputs, layers: this.#layers, notes: this.#notes, named };
  }

  /** Non-maximum suppression behind an output of predictions. */
  #detections(outputs: readonly OutputPort[], options: Detections): FloatPort {
    const { predictions } = options;
    const port = outputs.find((o) => o.name === predictions);
    if (port === undefined) throw new CompileError(`There is no output '${predictions.slice(0, 200)}' to take detections from; there are ${outputs.map((o) => o.name).slice(0, 10).join(', ')}.`);
    if (outputs.some((o) => o.name === DETECTIONS)) throw new CompileError(`The network has an output '${DETECTIONS}' of its own; rename it.`);
    const node: OnnxNode = { name: DETECTIONS, opType: 'NonMaxSuppression', domain: '', inputs: [predictions], outputs: [DETECTIONS], attributes: new Map() };
    this.#reason = '';
    const x = isFloatPort(port) ? port.float : this.#build.dequantised(node, port.tensor, port.shape);
    const float = this.#build.detections(node, x, options);
    return { name: DETECTIONS, float, shape: float.shape };
  }

  #visit(node: OnnxNode): Value | Value[] {
    if (node.domain !== '' && node.domain !== 'ai.onnx') throw new CompileError(`operator ${node.opType} of domain '${node.domain}' is not a standard ONNX operator.`, node.name);
    if (node.opType === 'QuantizeLinear') return this.#quantise(node);
    if (node.opType === 'DequantizeLinear') return this.#dequantise(node);
    const onCodes = Object.hasOwn(OPERATORS, node.opType) ? OPERATORS[node.opType] : undefined;
    const inFloat = Object.hasOwn(FLOAT_OPERATORS, node.opType);
    if (onCodes === undefined && !inFloat) {
      const known = [...new Set(['QuantizeLinear', 'DequantizeLinear', ...Object.keys(OPERATORS), ...Object.keys(FLOAT_OPERATORS)])].join(', ');
      const mend = node.opType === 'ConvTranspose' ? ' Enlarge with Resize (nearest) and put a Conv behind it.' : '';
      throw new CompileError(`operator ${node.opType} can run neither on the core nor on the processor.${mend} There are ${known}.`, node.name);
    }
    const floats = node.inputs.flatMap((name) => this.#values.get(name) ?? []).filter((value) => value.kind === 'float');
    if (floats.length > 0 && !(onCodes !== undefined && HEAVY.has(node.opType) && floats.every((value) => value.codes !== null))) {
      if (inFloat) return this.#inFloat(node, '');
      throw new CompileError(`${node.opType} reads '${node.inputs.find((name) => this.#values.get(name)?.kind === 'float')}', which is not quantised; put QuantizeLinear and DequantizeLinear in front of it.`, node.name);
    }
    if (onCodes === undefined) return this.#inFloat(node, '');
    return this.#onCodes(node, onCodes);
  }

  /** The int8 operator; where it refuses, the float one, as if nothing had been tried before. */
  #onCodes(node: OnnxNode, operator: Operator): Value | Value[] {
    const before = { layers: this.#layers.length, notes: this.#notes.length, tensors: this.#tensors, works: this.#works, weights: this.#weightCount, parameters: this.#parameterCount };
    try {
      return operator(this, node);
    } catch (error) {
      if (!(error instanceof CompileError) || !Object.hasOwn(FLOAT_OPERATORS, node.opType)) throw error;
      this.#layers.length = before.layers;
      this.#notes.length = before.notes;
      for (let id = before.tensors; id < this.#tensors; id++) this.#derived.delete(id);
      [this.#tensors, this.#works, this.#weightCount, this.#parameterCount] = [before.tensors, before.works, before.weights, before.parameters];
      try {
        return this.#inFloat(node, error.bare);
      } catch (second) {
        if (!(second instanceof CompileError)) throw second;
        throw new CompileError(`${error.bare} Nor can it be done in fp32 on the processor: ${second.bare}`, node.name);
      }
    }
  }

  #inFloat(node: OnnxNode, reason: string, depth = 0): FloatValue[] {
    this.#reason = reason;
    const { make } = FLOAT_OPERATORS[node.opType] as FloatEntry;
    const constant = (index: number): OnnxTensor => {
      const tensor = this.constant(node, index);
      if (tensor.data.length > MAX_LIST) throw new CompileError(`input ${index} ('${node.inputs[index]}') of ${node.opType} is too long.`, node.name);
      return tensor;
    };
    const read = new Set<number>();
    const input = (index: number): FloatTensor => {
      read.add(index);
      return this.#float(node, index, depth);
    };
    const made = make({
      node, build: this.#build, has: (index) => this.has(node, index), input,
      numbers: (index) => Array.from(constant(index).data as ArrayLike<number | bigint>, Number), dims: (index) => constant(index).dims,
    });
    const codes = MOVES.has(node.opType) ? this.#sharedCodes(node, [...read]) : null;
    return (Array.isArray(made) ? made : [made]).map((tensor) => ({ kind: 'float', tensor, shape: [...tensor.shape], codes }));
  }

  /** Scale and zero point that all of the given inputs have; null where they differ, or one has none. */
  #sharedCodes(node: OnnxNode, indices: readonly number[]): Parameters | null {
    const all = indices.map((index): Parameters | null => {
      const value = this.value(node, index);
      return value.kind === 'real' ? value.tensor : value.kind === 'float' ? value.codes : null;
    });
    const [first = null] = all;
    return first !== null && all.every((one) => one?.scale === first.scale && one.zeroPoint === first.zeroPoint) ? { scale: first.scale, zeroPoint: first.zeroPoint } : null;
  }

  /** Codes that were moved in fp32, as codes. */
  #again(node: OnnxNode, { tensor: float, shape }: FloatValue, codes: Parameters): RealValue {
    const key = `${float.storage.id} ${shape.join()}`;
    const known = this.#coded.get(key);
    if (known !== undefined) return known;
    const made: RealValue = { kind: 'real', tensor: this.#stored(node, `${node.name} (codes)`, float, shape, codes), shape };
    this.#coded.set(key, made);
    return made;
  }

  #stored(node: OnnxNode, name: string, float: FloatTensor, shape: number[], codes: Parameters): QTensor {
    const tensor = this.tensor(name, storedDims(shape, node.name), codes);
    this.#reason = '';
    this.#build.quantised(node, float, tensor);
    return tensor;
  }

  /** Whether a value that is no tensor yet can be computed in fp32. */
  #canReplay(name: string): boolean {
    return Object.hasOwn(FLOAT_OPERATORS, this.#makers.get(name)?.opType ?? '');
  }

  /** The fp32 values of a node's input. @throws CompileError where there are none */
  #float(node: OnnxNode, index: number, depth: number): FloatTensor {
    const name = node.inputs[index] ?? '';
    const known = this.#floats.get(name);
    if (known !== undefined) return known;
    const made = this.#floatOf(node, name, this.value(node, index), depth);
    this.#floats.set(name, made);
    return made;
  }

  #floatOf(node: OnnxNode, name: string, value: Value, depth: number): FloatTensor {
    if (value.kind === 'float') return value.tensor;
    if (value.kind === 'real') {
      const moved = this.#moved.get(value.tensor.id);
      return moved === undefined ? this.#build.dequantised(node, value.tensor, value.shape) : this.#build.reshaped(node, moved, value.shape);
    }
    if (value.kind === 'constant' || value.kind === 'weights') {
      const numbers = numbersOf(value);
      if (numbers === null) throw new CompileError(`${node.opType} reads the constant '${name}', which is not fp32.`, node.name);
      return this.#build.constant(node, Float32Array.from(numbers.values), numbers.dims);
    }
    const maker = this.#makers.get(name);
    if (maker !== undefined && (value.kind === 'function' || value.kind === 'joined' || value.kind === 'pending') && this.#canReplay(name)) {
      if (depth > MAX_REPLAY) throw new CompileError(`${node.opType} stands behind more than ${MAX_REPLAY} operators without a QuantizeLinear.`, node.name);
      return (this.#inFloat(maker, this.#reason, depth + 1)[maker.outputs.indexOf(name)] as FloatValue).tensor;
    }
    const what = value.kind === 'input' ? 'the graph\'s input as it is; put QuantizeLinear and DequantizeLinear behind the input' : value.kind === 'codes' ? 'codes; put DequantizeLinear in front' : 'what is not quantised; put QuantizeLinear and DequantizeLinear in front';
    throw new CompileError(`${node.opType} reads '${name}', ${what}.`, node.name);
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

  tensor(name: string, dims: readonly [number, number, number], { scale, zeroPoint }: Parameters): QTensor {
    const [channels, height, width] = dims;
    return { id: this.#tensors++, name, channels, height, width, scale, zeroPoint };
  }

  dims(shape: readonly number[], node: OnnxNode): [number, number, number] {
    return dimsOf(shape, node.name);
  }

  push(layer: QLayer): void {
    if (++this.#works > MAX_DESCRIPTORS) throw new CompileError(`the network has more than ${MAX_DESCRIPTORS} layers.`, layer.name);
    this.#layers.push(layer);
  }

  /** A layer of `from`'s codes alone. */
  #table(layer: { name: string; operator: string; bounds: PendingValue['bounds'] }, from: QTensor, codes: Int8Array, output: QTensor): void {
    this.push({ kind: 'table', input: from, codes, output, ...layer });
    this.#derived.set(output.id, { from, codes: clamped(codes, codeBounds(layer.bounds, output)) });
  }

  /** The value as a function of one tensor's codes. @throws CompileError where it is none */
  #function(node: OnnxNode, value: Value): FunctionValue {
    if (value.kind === 'function') return value;
    if (value.kind === 'pending' && value.draft.kind === 'rescale') {
      const { min, max } = value.bounds;
      const { node: name, operator, shape } = value;
      return { kind: 'function', source: value.draft.input, values: valuesOf(value.draft.input).map((v) => Math.max(min, Math.min(max, v))), node: name, operator, shape };
    }
    if (value.kind === 'real') return { kind: 'function', source: value.tensor, values: valuesOf(value.tensor), node: '', operator: '', shape: value.shape };
    const what = value.kind === 'pending' ? `the result of ${value.operator} as it is before quantisation; put QuantizeLinear and DequantizeLinear between the two` : 'what is not quantised';
    throw new CompileError(`${node.opType} reads ${what}.`, node.name);
  }

  made(node: OnnxNode, base: FunctionValue, values: Float64Array): FunctionValue {
    if (++this.#functions > MAX_FUNCTIONS) throw new CompileError(`the network has more than ${MAX_FUNCTIONS} functions up to here.`, node.name);
    return { ...base, values, node: node.name, operator: base.operator === '' ? node.opType : `${base.operator} + ${node.opType}` };
  }

  /** f of a value that is a function of one tensor's codes. */
  mapped(node: OnnxNode, value: Value, f: (x: number) => number): FunctionValue {
    const base = this.#function(node, value);
    return this.made(node, base, base.values.map((x) => f(x)));
  }

  /** The tensors that a value is a function of: the nearest first. */
  #chain(value: FunctionValue): FunctionValue[] {
    const chain = [value];
    for (let last = value; chain.length < MAX_CHAIN;) {
      const derived = this.#derived.get(last.source.id);
      if (derived === undefined) break;
      const { values } = last;
      last = { ...last, source: derived.from, values: Float64Array.from(derived.codes, (code) => values[code + 128] as number) };
      chain.push(last);
    }
    return chain;
  }

  /** Both values as functions of one tensor; null where there is none. */
  common(a: Value, b: Value): [FunctionValue, FunctionValue] | null {
    const pointwise = (value: Value): boolean => value.kind === 'real' || value.kind === 'function' || (value.kind === 'pending' && value.draft.kind === 'rescale');
    if (!pointwise(a) || !pointwise(b)) return null;
    const nowhere = { opType: '', name: '' } as OnnxNode;
    const others = this.#chain(this.#function(nowhere, b));
    for (const left of this.#chain(this.#function(nowhere, a))) {
      const right = others.find((other) => other.source.id === left.source.id);
      if (right === undefined) continue;
      const operator = [left.operator, right.operator].filter((text) => text !== '').join(', ');
      return [{ ...left, operator }, right];
    }
    return null;
  }

  /** Bounds on a result that is not quantised yet, or a layer of its own on a quantised tensor. */
  bounded(node: OnnxNode, value: Value, min: number, max: number): Value {
    const clip = (x: number): number => Math.min(Math.max(x, min), max);
    if (value.kind === 'function') return this.mapped(node, value, clip);
    if (value.kind !== 'pending' && value.kind !== 'real') throw new CompileError(`${node.opType} of a value that is not quantised; put QuantizeLinear and DequantizeLinear in front.`, node.name);
    const before: PendingValue = value.kind === 'pending' ? value : {
      kind: 'pending', draft: { kind: 'rescale', input: value.tensor }, node: node.name, operator: '', bounds: NO_BOUNDS, dims: dimsOfTensor(value.tensor), shape: value.shape,
    };
    // Clip(Clip(x)): the later bounds win where the two do not overlap.
    const operator = before.operator === '' ? node.opType : `${before.operator} + ${node.opType}`;
    return { ...before, bounds: { min: clip(before.bounds.min), max: clip(before.bounds.max) }, operator };
  }

  /** Tensors behind one another, each rescaled first where its codes are others. */
  joined({ node, operator, parts, dims, shape }: Omit<JoinedValue, 'kind'>, name: string, parameters: Parameters): RealValue {
    const output = this.tensor(name, dims, parameters);
    const same = parts.map(({ tensor }, i) => {
      if (sameCodes(tensor, output)) return tensor;
      const rescaled = this.tensor(`${name} (${i})`, dimsOfTensor(tensor), parameters);
      this.#table({ name: node.name, operator: 'Rescale', bounds: NO_BOUNDS }, tensor, rescaleTable(tensor, rescaled) ?? IDENTITY, rescaled);
      return rescaled;
    });
    this.push({ kind: 'concat', name: node.name, operator, input: same[0] as QTensor, parts: same, output, bounds: NO_BOUNDS });
    return { kind: 'real', tensor: output, shape };
  }

  #quantise(node: OnnxNode): Value {
    const value = this.value(node, 0);
    const parameters = this.#quantisation(node);
    const name = node.outputs[0] ?? '';
    if (value.kind === 'float') {
      const tensor = this.#stored(node, name, value.tensor, value.shape, parameters);
      if (value.codes?.scale === parameters.scale && value.codes.zeroPoint === parameters.zeroPoint) this.#moved.set(tensor.id, value.tensor);
      return { kind: 'codes', tensor, shape: value.shape };
    }
    if (value.kind === 'input') {
      if (value.elementType !== OnnxType.FLOAT) throw new CompileError(`input '${value.name}' must be float32 to be quantised.`, node.name);
      const tensor = this.tensor(name, dimsOf(value.shape, node.name), parameters);
      this.#inputs.push({ name: value.name, tensor, dataType: 'FP32', shape: value.shape });
      return { kind: 'codes', tensor, shape: value.shape };
    }
    if (value.kind === 'joined') return { ...this.joined(value, name, parameters), kind: 'codes' };
    if (value.kind === 'real') {
      const { tensor, shape } = value;
      if (sameCodes(tensor, { ...tensor, ...parameters })) return { kind: 'codes', tensor, shape };
      return { kind: 'codes', tensor: this.#rescaled({ name: node.name, operator: 'QuantizeLinear', bounds: NO_BOUNDS }, tensor, name, parameters), shape };
    }
    if (value.kind === 'function') {
      if (value.values.some(Number.isNaN)) throw new CompileError(`${value.operator} has no number as its result for some of its input's codes.`, value.node);
      const output = this.tensor(name, dimsOfTensor(value.source), parameters);
      this.#table({ name: value.node, operator: value.operator, bounds: NO_BOUNDS }, value.source, quantise(value.values, parameters), output);
      return { kind: 'codes', tensor: output, shape: value.shape };
    }
    if (value.kind !== 'pending') throw new CompileError(`'${node.inputs[0]}' is a constant or already quantised.`, node.name);
    const { draft, bounds, operator } = value;
    if (draft.kind === 'rescale') return { kind: 'codes', tensor: this.#rescaled({ name: value.node, operator, bounds }, draft.input, name, parameters), shape: value.shape };
    const output = this.tensor(name, value.dims, parameters);
    this.push({ ...draft, name: value.node, operator, output, bounds } as WorkLayer);
    return { kind: 'codes', tensor: output, shape: value.shape };
  }

  #rescaled(layer: { name: string; operator: string; bounds: PendingValue['bounds'] }, from: QTensor, name: string, parameters: Parameters): QTensor {
    const output = this.tensor(name, dimsOfTensor(from), parameters);
    this.#table(layer, from, rescaleTable(from, output) ?? IDENTITY, output);
    return output;
  }

  #dequantise(node: OnnxNode): Value {
    const value = this.value(node, 0);
    if (value.kind === 'constant') return this.#weights(node, value.tensor);
    const parameters = this.#quantisation(node);
    if (value.kind === 'input') {
      if (value.elementType !== OnnxType.INT8) throw new CompileError(`input '${value.name}' must be int8 to be dequantised.`, node.name);
      const tensor = this.tensor(value.name, dimsOf(value.shape, node.name), parameters);
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
    const zeros = this.has(node, 2) ? [...this.constant(node, 2).data].map(Number) : [];
    const rank = tensor.dims.length;
    const given = node.attributes.get('axis')?.i ?? 1;
    const axis = given < 0 ? given + rank : given;
    if (scales.length !== 1 && tensor.dims[axis] !== scales.length) throw new CompileError(`has ${scales.length} scales for axis ${axis} of shape ${tensor.dims.join('×')}.`, node.name);
    if (zeros.length > 1 && zeros.length !== scales.length) throw new CompileError(`has ${zeros.length} zero points for ${scales.length} scales.`, node.name);
    return { kind: 'weights', tensor, scales, zeros, axis };
  }

  #output(name: string): OutputPort {
    const value = this.#values.get(name);
    if (value === undefined) throw new CompileError(`The graph's output '${name}' is made by no node.`);
    if (value.kind === 'real' && isBindable(value.shape)) return { name, tensor: value.tensor, dataType: 'FP32', shape: value.shape };
    if (value.kind === 'codes') {
      if (!isBindable(value.shape)) throw new CompileError(`The graph's output '${name}' holds codes of shape ${value.shape.join('×')}; outputs of codes are [1, C], [1, C, W] or [1, C, H, W].`);
      return { name, tensor: value.tensor, dataType: 'INT8', shape: value.shape };
    }
    if (value.kind === 'input' || value.kind === 'constant' || value.kind === 'weights') throw new CompileError(`The graph's output '${name}' is ${value.kind === 'input' ? 'an input' : 'a constant'}.`);
    this.#reason = '';
    const reader: OnnxNode = this.#makers.get(name) ?? { name, opType: 'output', domain: '', inputs: [], outputs: [], attributes: new Map() };
    const float = this.#floats.get(name) ?? this.#floatOf({ ...reader, name: reader.name || name }, name, value, 0);
    return { name, float, shape: float.shape };
  }
}

/** Shapes that an output of codes may have. */
const isBindable = (shape: readonly number[]): boolean => shape[0] === 1 && shape.length >= 2 && shape.length <= 4;

/**
 * @throws CompileError naming the first node that cannot be held, and why
 */
export function importGraph(model: OnnxModel, { detections }: { readonly detections?: Detections | undefined } = {}): QGraph {
  if (model.opset < 13) throw new CompileError(`The model has opset ${model.opset}; canonical QDQ needs 13 or later (per-channel DequantizeLinear).`);
  const graph = new Importer(model).add(model, detections);
  if (graph.inputs.length === 0) throw new CompileError('The network quantises no input.');
  if (graph.inputs.length + graph.outputs.length > MAX_BINDINGS) throw new CompileError(`The network has ${graph.inputs.length + graph.outputs.length} inputs and outputs; a program holds ${MAX_BINDINGS}.`);
  if (graph.outputs.length === 0) throw new CompileError('The graph has no output.');
  return graph;
}
