/** Canonical QDQ networks rewritten as the quantisers of others would have written them: the same numbers in another spelling. */
import protobuf from 'protobufjs/minimal.js';
import type { OnnxModel, OnnxNode, OnnxTensor, TensorData } from '../../src/compiler/onnx.ts';
import { OnnxType } from '../../src/compiler/onnx.ts';
import { writeOnnx } from '../../src/compiler/onnx-write.ts';

export type Style = {
  /** Activations as uint8, 128 higher. */
  readonly unsigned: boolean;
  /** int8; uint8 around 128; fp32 with QuantizeLinear behind; the same with a Clip of the codes. */
  readonly weights: 'int8' | 'uint8' | 'quantised' | 'clipped';
  readonly bias: 'int32' | 'float';
  /** Q and DQ of ONNX Runtime's own domain. */
  readonly contrib: boolean;
  /** A pair for each reader. */
  readonly dedicated: boolean;
  /** A second pair behind each, with an Identity and a Reshape in between where the shape is known. */
  readonly redundant: boolean;
  /** QLinearConv and its like where the pattern is there, moves between codes. */
  readonly operators: boolean;
  readonly opset: number;
};

class Stylist {
  readonly #style: Style;
  readonly #model: OnnxModel;
  readonly #initializers: Map<string, OnnxTensor>;
  #count = 0;

  constructor(model: OnnxModel, style: Style) {
    this.#style = style;
    this.#model = model;
    this.#initializers = new Map(model.initializers);
  }

  #constant(dataType: number, data: TensorData, dims: number[]): string {
    const name = `styled${this.#count++}`;
    this.#initializers.set(name, { name, dataType, dims, data });
    return name;
  }

  #tensor(name: string | undefined): OnnxTensor {
    return this.#initializers.get(name ?? '') as OnnxTensor;
  }

  #node(opType: string, inputs: string[], output: string, given: OnnxNode['attributes'] = new Map(), domain = ''): OnnxNode {
    return { name: `styled${this.#count++}`, opType, domain, inputs, outputs: [output], attributes: given };
  }

  #fresh(): string {
    return `styled${this.#count++}`;
  }

  /** Real values of codes behind a DequantizeLinear. */
  #reals(node: OnnxNode): Float32Array {
    const { data, dims } = this.#tensor(node.inputs[0]);
    const scales = this.#tensor(node.inputs[1]).data as Float32Array;
    const axis = node.attributes.get('axis')?.i ?? 1;
    const inner = dims.slice(axis + 1).reduce((product, d) => product * d, 1);
    return Float32Array.from(data as ArrayLike<number>, (code, i) => code * (scales[scales.length === 1 ? 0 : Math.floor(i / inner) % scales.length] as number));
  }

  /** DequantizeLinear of a constant. */
  #constants(node: OnnxNode): OnnxNode[] {
    const codes = this.#tensor(node.inputs[0]);
    const { weights, bias } = this.#style;
    const [output = ''] = node.outputs;
    if (codes.dataType === OnnxType.INT32) {
      if (bias === 'int32') return [node];
      const tensor = { dataType: OnnxType.FLOAT, dims: codes.dims, data: this.#reals(node), name: output };
      this.#initializers.set(output, tensor);
      return [];
    }
    if (weights === 'int8') return [node];
    const [, scale = ''] = node.inputs;
    if (weights === 'uint8') {
      const zeros = this.#constant(OnnxType.UINT8, new Uint8Array(this.#tensor(scale).data.length).fill(128), this.#tensor(scale).dims);
      const data = Uint8Array.from(codes.data as Int8Array, (c) => c + 128);
      return [{ ...node, inputs: [this.#constant(OnnxType.UINT8, data, codes.dims), scale, zeros] }];
    }
    const zeros = this.#constant(OnnxType.INT8, new Int8Array(this.#tensor(scale).data.length), this.#tensor(scale).dims);
    const [quantised, clipped] = [this.#fresh(), this.#fresh()];
    const made = [this.#node('QuantizeLinear', [this.#constant(OnnxType.FLOAT, this.#reals(node), codes.dims), scale, zeros], quantised, node.attributes)];
    if (weights === 'clipped') made.push(this.#node('Clip', [quantised, this.#constant(OnnxType.INT8, Int8Array.of(-127), []), this.#constant(OnnxType.INT8, Int8Array.of(127), [])], clipped));
    made.push(this.#node('DequantizeLinear', [weights === 'clipped' ? clipped : quantised, scale, zeros], output, node.attributes));
    return made;
  }

  /** The same zero point, of the style's type. */
  #zero(name: string | undefined): string {
    const { data, dims } = this.#tensor(name);
    return this.#style.unsigned ? this.#constant(OnnxType.UINT8, Uint8Array.of(Number(data[0]) + 128), dims) : (name as string);
  }

  /** A pair of nodes for the pairs of the model: the codes' name goes with Q, the real values' with DQ. */
  style(): OnnxModel {
    const { contrib, dedicated, redundant, operators, opset } = this.#style;
    const domain = contrib ? 'com.microsoft' : '';
    const quantisers = new Map(this.#model.nodes.filter((n) => n.opType === 'QuantizeLinear').map((n) => [n.outputs[0] as string, n]));
    let nodes = this.#model.nodes.flatMap((node): OnnxNode[] => {
      if (node.opType === 'QuantizeLinear') return [{ ...node, domain, inputs: [node.inputs[0] as string, node.inputs[1] as string, this.#zero(node.inputs[2])] }];
      if (node.opType !== 'DequantizeLinear') return [node];
      if (this.#initializers.has(node.inputs[0] as string)) return this.#constants(node).map((n) => (n.opType === 'Clip' ? n : { ...n, domain }));
      const [codes = '', scale = ''] = node.inputs;
      const zero = this.#zero(node.inputs[2]);
      if (!redundant || !quantisers.has(codes)) return [{ ...node, domain, inputs: [codes, scale, zero] }];
      const [first, same, again] = [this.#fresh(), this.#fresh(), this.#fresh()];
      return [
        { ...this.#node('DequantizeLinear', [codes, scale, zero], first), domain }, this.#node('Identity', [first], same),
        { ...this.#node('QuantizeLinear', [same, scale, zero], again), domain }, { ...node, domain, inputs: [again, scale, zero] },
      ];
    });
    if (dedicated) nodes = this.#dedicated(nodes);
    if (operators) nodes = this.#operators(nodes);
    const used = new Set(nodes.flatMap((n) => n.inputs));
    return { ...this.#model, opset, nodes, initializers: new Map([...this.#initializers].filter(([name]) => used.has(name))) };
  }

  #dedicated(nodes: readonly OnnxNode[]): OnnxNode[] {
    const pairs = new Map<string, [OnnxNode, OnnxNode]>();
    for (const dequantiser of nodes) {
      const quantiser = nodes.find((n) => n.opType === 'QuantizeLinear' && n.outputs[0] === dequantiser.inputs[0] && !this.#initializers.has(n.inputs[0] as string));
      if (dequantiser.opType === 'DequantizeLinear' && quantiser !== undefined) pairs.set(dequantiser.outputs[0] as string, [quantiser, dequantiser]);
    }
    return nodes.flatMap((node) => {
      const before: OnnxNode[] = [];
      const inputs = node.inputs.map((input) => {
        const pair = pairs.get(input);
        if (pair === undefined || node.opType === 'QuantizeLinear') return input;
        const [codes, real] = [this.#fresh(), this.#fresh()];
        before.push({ ...pair[0], name: this.#fresh(), outputs: [codes] }, { ...pair[1], name: this.#fresh(), inputs: [codes, ...pair[1].inputs.slice(1)], outputs: [real] });
        return real;
      });
      return [...before, { ...node, inputs }];
    });
  }

  /** DQ → operator → Q as one QOperator, where nothing else reads what lies between. */
  #operators(nodes: readonly OnnxNode[]): OnnxNode[] {
    const makers = new Map(nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
    const reads = new Map<string, OnnxNode[]>();
    for (const node of nodes) for (const input of node.inputs) reads.set(input, [...(reads.get(input) ?? []), node]);
    const outputs = new Set(this.#model.outputs.map((o) => o.name));
    const gone = new Set<OnnxNode>();
    const replaced = new Map<OnnxNode, OnnxNode>();
    for (const node of nodes) {
      const [result = ''] = node.outputs;
      const [quantiser, ...others] = reads.get(result) ?? [];
      const given = node.inputs.map((input) => makers.get(input));
      if (quantiser?.opType !== 'QuantizeLinear' || others.length > 0 || outputs.has(result)) continue;
      const codes = (i: number): string[] => [...(given[i]?.inputs ?? [])];
      const isCodes = (i: number): boolean => given[i]?.opType === 'DequantizeLinear';
      const [, scale = '', zero = ''] = quantiser.inputs;
      const made = (opType: string, inputs: string[], domain = ''): void => {
        gone.add(quantiser);
        replaced.set(node, { ...node, opType, domain, inputs, outputs: quantiser.outputs });
      };
      const bias = codes(2)[0];
      const tensor = this.#tensor(codes(1)[0]);
      const perChannel = (axis: number): boolean => isCodes(1) && tensor !== undefined && (given[1]?.attributes.get('axis')?.i ?? 1) === axis;
      const intBias = node.inputs.length < 3 || (isCodes(2) && bias !== undefined);
      if (node.opType === 'Conv' && isCodes(0) && perChannel(0) && intBias) made('QLinearConv', [...codes(0), ...codes(1), scale, zero, ...(bias === undefined ? [] : [bias])]);
      else if (node.opType === 'Gemm' && isCodes(0) && perChannel(0) && intBias) made('QGemm', [...codes(0), ...codes(1), bias ?? '', scale, zero], 'com.microsoft');
      else if (node.opType === 'MatMul' && isCodes(0) && perChannel(1)) made('QLinearMatMul', [...codes(0), ...codes(1), scale, zero]);
      else if (node.opType === 'Add' && isCodes(0) && isCodes(1)) made('QLinearAdd', [...codes(0), ...codes(1), scale, zero], 'com.microsoft');
      else if (node.opType === 'Concat' && node.inputs.every((_, i) => isCodes(i))) made('QLinearConcat', [scale, zero, ...node.inputs.flatMap((_, i) => codes(i))], 'com.microsoft');
      else if (['AveragePool', 'GlobalAveragePool', 'Sigmoid', 'LeakyRelu'].includes(node.opType) && isCodes(0)) made(`QLinear${node.opType}`, [...codes(0), scale, zero], 'com.microsoft');
      else if (['MaxPool', 'Resize'].includes(node.opType) && isCodes(0) && this.#sameCodes(codes(0), [scale, zero])) made(node.opType, [codes(0)[0] as string, ...node.inputs.slice(1)]);
    }
    return nodes.filter((n) => !gone.has(n)).map((n) => replaced.get(n) ?? n);
  }

  #sameCodes([, scale, zero]: string[], [outScale, outZero]: string[]): boolean {
    return this.#tensor(scale).data[0] === this.#tensor(outScale).data[0] && this.#tensor(zero).data[0] === this.#tensor(outZero).data[0];
  }
}

export const styled = (model: OnnxModel, style: Style): OnnxModel => new Stylist(model, style).style();

/** The file, with the domain of ONNX Runtime's own operators imported: a second list of opsets merges into the first. */
export function written(model: OnnxModel): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32((8 << 3) | 2).fork().uint32((1 << 3) | 2).string('com.microsoft').uint32(2 << 3).int64(1).ldelim();
  return Buffer.concat([writeOnnx(model), writer.finish()]);
}

