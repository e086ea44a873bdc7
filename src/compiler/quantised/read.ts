/**
 * Quantised ONNX as its tools write it → the fp32 network that it stands for, with a mark wherever it rounds, and what is known of its weights'
 * codes. One walk over the nodes: constants are worked out (weights that are quantised by nodes among them), QOperators are spelt out
 * (qoperators.ts), and an operator that works on codes works on their real values, which is the same for those that only move or compare.
 */
import { CompileError } from '../error.ts';
import { FOLDS } from '../float/fold.ts';
import type { Tensor } from '../float/tensor.ts';
import { countOf, floats, stridesOf } from '../float/tensor.ts';
import { Walk } from '../float/walk.ts';
import { unique } from '../names.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';
import type { Quantisation } from './codes.ts';
import { dequantised, isCode, quantisedCodes, runs, sameQuantisation, scalesOf, typeName } from './codes.ts';
import { MARK, markNode } from './mark.ts';
import { QOPERATORS, REFUSED } from './qoperators.ts';

/** Codes of an activation: the real values that they stand for, under their name in the fp32 network. */
type Codes = { readonly real: string; readonly quantisation: Quantisation; readonly unsigned: boolean };
/** How a constant of real values was stored: with one scale, one an index of `axis`, or (moved since) one an element. */
type Stored = { readonly name: string; readonly scales: Float32Array; readonly axis: number; readonly each?: Tensor; readonly zeroPoint: number };

/** Of a Conv, Gemm or MatMul, by its node's name: a scale and the largest weight of each output channel, as the file has them. */
export type StoredWeights = { readonly tensor: string; readonly scales: Float32Array; readonly peaks: Float64Array; /** Of the file's codes, less 128 where they are uint8. */ readonly zeroPoint: number };
export type Marked = { readonly model: OnnxModel; readonly weights: ReadonlyMap<string, StoredWeights>; readonly notes: readonly string[] };

/** Operators that hand elements on as they are: what comes out is still of the codes that went in. */
const MOVES = new Set(['Identity', 'Reshape', 'Flatten', 'Transpose', 'Squeeze', 'Unsqueeze', 'Slice', 'Split', 'Gather', 'Dropout', 'Expand']);
/** Those that may stand between codes as well: what they give is among their inputs' values. */
const ON_CODES = new Set([...MOVES, 'MaxPool', 'Concat', 'Resize', 'Upsample', 'Pad', 'Clip']);
/** Moves of constants after which a scale an element is moved alike. */
const MOVED_WITH_SCALES = new Set(['Identity', 'Reshape', 'Flatten', 'Transpose', 'Squeeze', 'Unsqueeze', 'Cast']);

/** Constants are charged by fp32 words; codes are bytes. */
const WORD = 4;

const STANDARD = new Set(['', 'ai.onnx']);
/** ONNX Runtime's domain, which has the two linear operators for types beyond the standard's. */
const MICROSOFT = 'com.microsoft';

export class QuantisedReader {
  readonly #model: OnnxModel;
  /** Holds the constants, counts those that are made, and folds. */
  readonly #walk: Walk;
  readonly #codes = new Map<string, Codes>();
  /** Values that are of known codes, by their fp32 names. */
  readonly #lattice = new Map<string, Quantisation>();
  /** What a mark reads, by what it gives. */
  readonly #sources = new Map<string, string>();
  readonly #stored = new Map<string, Stored>();
  readonly #weights = new Map<string, StoredWeights>();
  readonly #codeInputs: Map<string, number>;
  readonly #nodes: OnnxNode[] = [];
  readonly #notes: string[] = [];
  readonly #names: Set<string>;
  readonly #nodeNames = new Set<string>();

  constructor(model: OnnxModel) {
    this.#model = model;
    this.#walk = new Walk(model.opset);
    this.#names = new Set([...model.initializers.keys(), ...model.inputs.map((i) => i.name), ...model.nodes.flatMap((n) => n.outputs)]);
    for (const tensor of model.initializers.values()) this.#walk.set(tensor.name, { kind: 'constant', tensor });
    this.#codeInputs = new Map(model.inputs.filter((i) => isCode(i.elementType)).map((i) => [i.name, i.elementType]));
  }

  read(): Marked {
    const { inputs, outputs, opset } = this.#model;
    for (const node of this.#model.nodes) this.#visit({ ...node, name: unique(this.#nodeNames, node.name) });
    for (const { name } of outputs) {
      const codes = this.#codes.get(name);
      if (codes === undefined) continue;
      this.#notes.push(`Output '${name}' comes as ${codes.unsigned ? 'uint8' : 'int8'} codes and is float32 now.`);
      this.emit('Identity', `${name}/output`, [codes.real], new Map(), name);
    }
    const used = new Set(this.#nodes.flatMap((n) => n.inputs));
    const initializers = new Map<string, OnnxTensor>();
    for (const name of used) {
      const value = this.#walk.find(name);
      if (value?.kind === 'constant') initializers.set(name, { ...value.tensor, name, dims: [...value.tensor.dims] });
    }
    const float = <T extends { name: string; elementType: number }>(value: T): T => ({ ...value, elementType: OnnxType.FLOAT });
    return {
      model: { opset, nodes: this.#nodes, initializers, inputs: inputs.map((i) => (this.#codeInputs.has(i.name) ? float(i) : i)), outputs: outputs.map(float) },
      weights: this.#weights,
      notes: this.#notes,
    };
  }

  has(node: OnnxNode, index: number): boolean {
    return (node.inputs[index] ?? '') !== '';
  }

  /** A constant input. @throws CompileError where it is computed from the image */
  constant(node: OnnxNode, index: number): Tensor {
    const name = node.inputs[index] ?? '';
    const value = this.#walk.find(name);
    if (value?.kind === 'constant') return value.tensor;
    throw new CompileError(`input ${index} ('${name}') of ${node.opType} must be a constant; scales and zero points that are computed from the image (dynamic quantisation) are not supported. Quantise statically, with calibration data.`, node.name);
  }

  isConstant(name: string | undefined): boolean {
    return name !== undefined && this.#walk.find(name)?.kind === 'constant';
  }

  /** Keeps a constant under a name like `wanted`, and gives the name. */
  keep(node: OnnxNode, wanted: string, tensor: Tensor): string {
    const name = unique(this.#names, wanted);
    this.#walk.charge(node, tensor.data.length);
    this.#walk.set(name, { kind: 'constant', tensor });
    return name;
  }

  /** A node of the fp32 network; its first output's name. */
  emit(opType: string, name: string, inputs: readonly string[], attributes: OnnxNode['attributes'], output?: string): string {
    const made = output ?? unique(this.#names, `${name}/real`);
    this.#push({ name: unique(this.#nodeNames, name), opType, domain: '', inputs: [...inputs], outputs: [made], attributes });
    return made;
  }

  #push(node: OnnxNode): void {
    this.#noteWeights(node);
    this.#nodes.push(node);
    const [input = ''] = node.inputs;
    const same = MOVES.has(node.opType) || (node.opType === 'Pad' && this.#padsWithZeros(node));
    const quantisation = same ? this.#lattice.get(input) : undefined;
    if (quantisation !== undefined) for (const output of node.outputs) this.#lattice.set(output, quantisation);
  }

  #padsWithZeros(node: OnnxNode): boolean {
    if ((node.attributes.get('mode')?.s ?? 'constant') !== 'constant') return true;
    if (!this.has(node, 2)) return (node.attributes.get('value')?.f ?? 0) === 0;
    return this.isConstant(node.inputs[2]) && Number(this.constant(node, 2).data[0]) === 0;
  }

  /** Scale and zero point of an activation. */
  #parameters(node: OnnxNode, scaleAt: number, zeroAt: number): { quantisation: Quantisation; unsigned: boolean } {
    const scales = scalesOf(node, this.constant(node, scaleAt));
    const type = this.#codeType(node, zeroAt);
    const zeros = this.has(node, zeroAt) ? (this.constant(node, zeroAt).data as ArrayLike<number>) : [0];
    for (const list of [scales, zeros]) {
      if (list.length !== 1 && Array.from(list).some((v) => v !== list[0])) throw new CompileError('quantises an activation with a scale a channel; the core has one for the whole tensor. Quantise activations per tensor (per channel is for weights).', node.name);
    }
    const unsigned = type === OnnxType.UINT8;
    return { quantisation: { scale: scales[0] as number, zeroPoint: Number(zeros[0] ?? 0) - (unsigned ? 128 : 0) }, unsigned };
  }

  /** Data type of the codes that a QuantizeLinear makes: its zero point's, or output_dtype, or uint8. */
  #codeType(node: OnnxNode, zeroAt: number): number {
    const asked = node.attributes.get('output_dtype')?.i ?? 0;
    const type = this.has(node, zeroAt) ? this.constant(node, zeroAt).dataType : asked === 0 ? OnnxType.UINT8 : asked;
    if (!isCode(type)) throw new CompileError(`quantises to ${typeName(type)}; int8 and uint8 are supported. Quantise again with 8-bit activations and weights.`, node.name);
    if ((node.attributes.get('block_size')?.i ?? 0) !== 0) throw new CompileError('quantises in blocks; one scale a tensor, or one an output channel of weights, is supported.', node.name);
    return type;
  }

  #axis = (node: OnnxNode): number => node.attributes.get('axis')?.i ?? 1;

  /** QuantizeLinear: `x` becomes the codes `output`. */
  quantise(node: OnnxNode, x: string, scaleAt: number, zeroAt: number, output: string): void {
    const value = this.#walk.find(x);
    if (value?.kind === 'constant') {
      const type = this.#codeType(node, zeroAt);
      if (value.tensor.dataType !== OnnxType.FLOAT) throw new CompileError(`quantises a constant of type ${typeName(value.tensor.dataType)}; float32 is wanted.`, node.name);
      const zeros = this.has(node, zeroAt) ? (this.constant(node, zeroAt).data as ArrayLike<number>) : [0];
      this.#walk.charge(node, value.tensor.data.length / WORD);
      const data = quantisedCodes(node, value.tensor, scalesOf(node, this.constant(node, scaleAt)), zeros, this.#axis(node), type);
      this.#walk.set(output, { kind: 'constant', tensor: { dataType: type, dims: value.tensor.dims, data } });
      return;
    }
    if (this.#codes.has(x)) throw new CompileError(`quantises '${x}', which is codes already.`, node.name);
    const { quantisation, unsigned } = this.#parameters(node, scaleAt, zeroAt);
    this.#setCodes(node, output, this.#marked(node, x, quantisation, output), quantisation, unsigned);
  }

  #setCodes(node: OnnxNode, name: string, real: string, quantisation: Quantisation, unsigned: boolean): void {
    if (this.#codes.has(name)) throw new CompileError(`makes '${name}', which is already there.`, node.name);
    this.#codes.set(name, { real, quantisation, unsigned });
  }

  /** `x` rounded to the codes; `x` itself where its values are of these codes already. */
  #marked(node: OnnxNode, x: string, quantisation: Quantisation, stem: string): string {
    const known = this.#lattice.get(x);
    if (known !== undefined && sameQuantisation(known, quantisation)) return x;
    const real = unique(this.#names, `${stem}/mark`);
    this.#push(markNode(unique(this.#nodeNames, `${node.name}/mark`), x, real, quantisation));
    this.#lattice.set(real, quantisation);
    this.#sources.set(real, x);
    return real;
  }

  /** DequantizeLinear: the name of the real values of `x` in the fp32 network; constants are kept under a name like `wanted`. */
  dequantise(node: OnnxNode, x: string, scaleAt: number, zeroAt: number, axis: number, wanted = `${x}/dequantised`): string {
    const value = this.#walk.find(x);
    if (value?.kind === 'constant') return this.#dequantiseConstant(node, x, value.tensor, scaleAt, zeroAt, axis, wanted);
    const { quantisation, unsigned } = this.#parameters(node, scaleAt, zeroAt);
    const type = this.#codeInputs.get(x);
    if (type !== undefined && !this.#codes.has(x)) {
      const { zeroPoint } = quantisation;
      // A file may leave the zero point out, whose type then is the input's.
      const own = this.has(node, zeroAt) ? quantisation : { ...quantisation, zeroPoint: type === OnnxType.UINT8 ? -128 : 0 };
      this.#notes.push(`Input '${x}' comes as ${typeName(type)} codes and is float32 now, quantised with scale ${own.scale} and zero point ${own.zeroPoint} (int8).`);
      if (this.has(node, zeroAt) && unsigned !== (type === OnnxType.UINT8)) throw new CompileError(`its zero point ${zeroPoint} is not of the type of '${x}'.`, node.name);
      this.#setCodes(node, x, this.#marked(node, x, own, x), own, type === OnnxType.UINT8);
    }
    const codes = this.#codes.get(x);
    if (codes === undefined) throw new CompileError(`reads '${x}', which no QuantizeLinear makes.`, node.name);
    const stated = this.has(node, zeroAt) ? quantisation : { ...quantisation, zeroPoint: codes.unsigned ? -128 : 0 };
    if (!sameQuantisation(stated, codes.quantisation)) {
      throw new CompileError(`reads '${x}' with scale ${stated.scale} and zero point ${stated.zeroPoint}, but it was quantised with ${codes.quantisation.scale} and ${codes.quantisation.zeroPoint} (as int8); the two must be equal.`, node.name);
    }
    return codes.real;
  }

  #dequantiseConstant(node: OnnxNode, x: string, tensor: Tensor, scaleAt: number, zeroAt: number, axis: number, wanted: string): string {
    const scales = scalesOf(node, this.constant(node, scaleAt));
    if (!isCode(tensor.dataType) && tensor.dataType !== OnnxType.INT32) throw new CompileError(`constant '${x}' is ${typeName(tensor.dataType)}; int8 and uint8 weights and int32 biases are supported.`, node.name);
    if ((node.attributes.get('block_size')?.i ?? 0) !== 0) throw new CompileError('is quantised in blocks; one scale a tensor, or one an output channel of weights, is supported.', node.name);
    const zeros = this.has(node, zeroAt) ? (this.constant(node, zeroAt).data as ArrayLike<number>) : [0];
    this.#walk.charge(node, tensor.data.length);
    const name = this.#walk.find(wanted) === undefined && !this.#codes.has(wanted) ? wanted : unique(this.#names, wanted);
    this.#walk.set(name, { kind: 'constant', tensor: floats(tensor.dims, dequantised(node, tensor, scales, zeros, axis)) });
    const off = tensor.dataType === OnnxType.UINT8 ? 128 : 0;
    const worst = Array.from(zeros, Number).reduce((far, zero) => (Math.abs(zero - off) > Math.abs(far) ? zero - off : far), 0);
    this.#stored.set(name, { name: x, scales, axis: axis < 0 ? axis + tensor.dims.length : axis, zeroPoint: worst });
    return name;
  }

  #noteWeights(node: OnnxNode): void {
    const stored = this.#stored.get(node.inputs[1] ?? '');
    if (stored === undefined || (node.opType !== 'Conv' && node.opType !== 'Gemm' && node.opType !== 'MatMul')) return;
    const { dims, data } = this.constant(node, 1);
    const outputAxis = node.opType === 'Conv' || (node.opType === 'Gemm' && (node.attributes.get('transB')?.i ?? 0) !== 0) ? 0 : dims.length - 1;
    const outputs = dims[outputAxis] ?? 0;
    const scales = new Float32Array(outputs);
    const peaks = new Float64Array(outputs);
    // A scale of another axis than the outputs' is no scale a channel: the weights are quantised anew then.
    if (stored.each === undefined && stored.scales.length > 1 && stored.axis !== outputAxis) return;
    const each = stored.each?.data as Float32Array | undefined;
    const values = data as Float32Array;
    let differ = false;
    runs(values.length, stridesOf(dims)[outputAxis] ?? 1, outputs, (c, from, to) => {
      const scale = (each === undefined ? stored.scales[stored.scales.length === 1 ? 0 : c] : each[from]) as number;
      differ ||= scales[c] !== 0 && scales[c] !== scale;
      scales[c] = scale;
      let peak = peaks[c] as number;
      for (let i = from; i < to; i++) {
        const size = Math.abs(values[i] as number);
        if (size > peak) peak = size;
        differ ||= each !== undefined && each[i] !== scale;
      }
      peaks[c] = peak;
    });
    if (differ) return;
    this.#weights.set(node.name, { tensor: stored.name, scales, peaks, zeroPoint: stored.zeroPoint });
  }

  #visit(node: OnnxNode): void {
    const { opType, domain } = node;
    const refusal = Object.hasOwn(REFUSED, opType) ? REFUSED[opType] : undefined;
    if (refusal !== undefined) throw new CompileError(`operator ${opType} ${refusal}.`, node.name);
    if (opType === MARK) throw new CompileError(`operator ${opType} is not a standard ONNX operator.`, node.name);
    const known = STANDARD.has(domain) || domain === MICROSOFT;
    if (known && opType === 'QuantizeLinear') return this.quantise(node, node.inputs[0] ?? '', 1, 2, node.outputs[0] ?? '');
    if (known && opType === 'DequantizeLinear') return this.#dequantiseNode(node);
    const spelt = known && Object.hasOwn(QOPERATORS, opType) ? QOPERATORS[opType] : undefined;
    if (spelt !== undefined) return spelt(this, node);
    if (domain === MICROSOFT) throw new CompileError(`operator ${opType} of domain '${domain}' is ONNX Runtime's own; quantise the model as it was exported, not one that ONNX Runtime saved optimised.`, node.name);
    if (node.inputs.every((name) => name === '' || this.isConstant(name)) && (Object.hasOwn(FOLDS, opType) || opType === 'Clip')) return this.#fold(node);
    if (node.inputs.some((name) => this.#codes.has(name))) return this.#onCodes(node);
    const input = node.inputs.find((name) => this.#codeInputs.has(name));
    if (input !== undefined) throw new CompileError(`reads the codes of input '${input}' before DequantizeLinear; put DequantizeLinear right behind the input.`, node.name);
    this.#push(node);
  }

  #dequantiseNode(node: OnnxNode): void {
    const output = node.outputs[0] ?? '';
    const real = this.dequantise(node, node.inputs[0] ?? '', 1, 2, this.#axis(node), output);
    if (real !== output) this.emit('Identity', node.name, [real], new Map(), output);
  }

  #fold(node: OnnxNode): void {
    const made = node.opType === 'Clip' ? this.#clippedConstant(node) : FOLDS[node.opType]?.(this.#walk, node);
    (Array.isArray(made) ? made : [made]).forEach((tensor, i) => {
      const name = node.outputs[i] ?? '';
      if (name !== '' && tensor !== undefined) this.#walk.set(name, { kind: 'constant', tensor });
    });
    const stored = this.#stored.get(node.inputs[0] ?? '');
    const [output] = node.outputs;
    if (stored === undefined || output === undefined || !MOVED_WITH_SCALES.has(node.opType)) return;
    if (stored.scales.length === 1) {
      this.#stored.set(output, stored);
      return;
    }
    // The same move of a scale for each element.
    const { dims } = this.constant(node, 0);
    const inner = stridesOf(dims)[stored.axis] ?? 1;
    const each = stored.each ?? floats(dims, Float32Array.from({ length: countOf(dims) }, (_, i) => stored.scales[Math.floor(i / inner) % stored.scales.length] as number));
    const scales = this.keep(node, `${output}/scales`, each);
    const moved = FOLDS[node.opType]?.(this.#walk, { ...node, inputs: [scales, ...node.inputs.slice(1)] });
    if (moved !== undefined && !Array.isArray(moved)) this.#stored.set(output, { ...stored, each: moved });
  }

  #clippedConstant(node: OnnxNode): Tensor {
    const { dataType, dims, data } = this.constant(node, 0);
    const [low, high] = this.#clipBounds(node);
    this.#walk.charge(node, data.length / (isCode(dataType) ? WORD : 1));
    if (!isCode(dataType) && dataType !== OnnxType.FLOAT) throw new CompileError(`Clip of a constant of type ${typeName(dataType)} is not supported.`, node.name);
    return { dataType, dims, data: (data as Float32Array).map((v) => Math.min(Math.max(v, low), high)) };
  }

  #clipBounds(node: OnnxNode): [number, number] {
    const bound = (index: number, name: string, otherwise: number): number => (this.has(node, index) ? Number(this.constant(node, index).data[0]) : (node.attributes.get(name)?.f ?? otherwise));
    const [low, high] = [bound(1, 'min', -Infinity), bound(2, 'max', Infinity)];
    if (!(low <= high)) throw new CompileError(`Clip has a minimum of ${low} and a maximum of ${high}.`, node.name);
    return [low, high];
  }

  /** An operator between codes, as one between the values that they stand for. */
  #onCodes(node: OnnxNode): void {
    const { opType } = node;
    if (!ON_CODES.has(opType) || !STANDARD.has(node.domain)) throw new CompileError(`operator ${opType} computes with integer codes ('${node.inputs.find((name) => this.#codes.has(name))}'); put DequantizeLinear in front of it and QuantizeLinear behind it.`, node.name);
    const given = opType === 'Concat' ? node.inputs : [node.inputs[0] ?? ''];
    const [first, ...others] = given.map((name) => this.#codes.get(name));
    if (first === undefined || others.some((codes) => codes === undefined || !sameQuantisation(codes.quantisation, first.quantisation) || codes.unsigned !== first.unsigned)) {
      throw new CompileError(`${opType} of codes that do not all have one scale and zero point; dequantise them first.`, node.name);
    }
    const { quantisation, unsigned } = first;
    const [output = ''] = node.outputs;
    if (opType === 'Clip') {
      this.#setCodes(node, output, this.#clippedCodes(node, first, output), quantisation, unsigned);
      return;
    }
    const inputs = node.inputs.map((name) => this.#codes.get(name)?.real ?? name);
    const real = (code: number): number => Math.fround((code - (unsigned ? 128 : 0) - quantisation.zeroPoint) * quantisation.scale);
    if (opType === 'Pad') inputs[2] = this.keep(node, `${node.name}/value`, floats([], [real(this.has(node, 2) ? Number(this.constant(node, 2).data[0]) : 0)]));
    const outputs = node.outputs.map((name) => (name === '' ? '' : unique(this.#names, `${name}/real`)));
    this.#push({ ...node, inputs, outputs });
    node.outputs.forEach((name, i) => {
      // A Dropout's mask, a MaxPool's indices: nobody has use for them here.
      if (name !== '' && (i === 0 || opType === 'Split')) this.#setCodes(node, name, this.#marked(node, outputs[i] as string, quantisation, name), quantisation, unsigned);
    });
  }

  /** Fewer than 256 codes (a narrow range, fewer bits): the values are clipped before they are rounded, which gives the same. */
  #clippedCodes(node: OnnxNode, { real, quantisation, unsigned }: Codes, output: string): string {
    const [low, high] = this.#clipBounds(node).map((bound) => bound - (unsigned ? 128 : 0)) as [number, number];
    if (low <= -128 && high >= 127) return real;
    const bound = (code: number): string => this.keep(node, `${node.name}/bound`, floats([], [(code - quantisation.zeroPoint) * quantisation.scale]));
    const source = this.#sources.get(real) ?? real;
    const clipped = this.emit('Clip', node.name, [source, low <= -128 ? '' : bound(low), high >= 127 ? '' : bound(high)].slice(0, high >= 127 ? 2 : 3), new Map());
    return this.#marked(node, clipped, quantisation, output);
  }
}
