/** QOperator format: operators on codes, each spelt out as DequantizeLinear, the fp32 operator, QuantizeLinear. This table is the whole set. */
import { CompileError } from '../error.ts';
import { floats } from '../float/tensor.ts';
import type { OnnxAttribute, OnnxNode } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';
import { scalesOf, typeName } from './codes.ts';
import type { QuantisedReader } from './read.ts';

export type Spell = (reader: QuantisedReader, node: OnnxNode) => void;

const output = (node: OnnxNode): string => node.outputs[0] ?? '';

function only(node: OnnxNode, ...names: readonly string[]): OnnxNode['attributes'] {
  return new Map(names.flatMap((name): [string, OnnxAttribute][] => (node.attributes.has(name) ? [[name, node.attributes.get(name) as OnnxAttribute]] : [])));
}

const int = (node: OnnxNode, name: string, otherwise: number): number => node.attributes.get(name)?.i ?? otherwise;

/** The operand at inputs `at` (codes), `at + 1` (scale) and `at + 2` (zero point) as real values. */
const operand = (reader: QuantisedReader, node: OnnxNode, at: number, axis = 0): string => reader.dequantise(node, node.inputs[at] ?? '', at + 1, at + 2, axis);

/** An int32 bias at input scale × weight scale (× factor). */
function bias(reader: QuantisedReader, node: OnnxNode, at: number, inputScale: number, weightScale: number, factor = 1): string {
  const { dataType, dims, data } = reader.constant(node, at);
  if (dataType !== OnnxType.INT32) throw new CompileError(`its bias is ${typeName(dataType)}; int32 is wanted.`, node.name);
  const x = scalesOf(node, reader.constant(node, inputScale))[0] as number;
  const w = scalesOf(node, reader.constant(node, weightScale));
  if (w.length !== 1 && w.length !== data.length) throw new CompileError(`has ${w.length} weight scales for a bias of ${data.length} values.`, node.name);
  return reader.keep(node, `${node.name}/bias`, floats(dims, Float64Array.from(data as Int32Array, (b, c) => b * (x * (w[w.length === 1 ? 0 : c] as number) * factor))));
}

const conv: Spell = (reader, node) => {
  const inputs = [operand(reader, node, 0), operand(reader, node, 3)];
  if (reader.has(node, 8)) inputs.push(bias(reader, node, 8, 1, 4));
  const made = reader.emit('Conv', node.name, inputs, only(node, 'auto_pad', 'dilations', 'group', 'kernel_shape', 'pads', 'strides'));
  reader.quantise(node, made, 6, 7, output(node));
};

const matMul: Spell = (reader, node) => {
  const made = reader.emit('MatMul', node.name, [operand(reader, node, 0), operand(reader, node, 3, -1)], new Map());
  reader.quantise(node, made, 6, 7, output(node));
};

/** Its result is float32 where no output scale is given. */
const gemm: Spell = (reader, node) => {
  const transposed = int(node, 'transB', 0) !== 0;
  const alpha = node.attributes.get('alpha')?.f ?? 1;
  const inputs = [operand(reader, node, 0), operand(reader, node, 3, transposed ? 0 : 1)];
  if (reader.has(node, 6)) inputs.push(bias(reader, node, 6, 1, 4, alpha));
  const quantised = reader.has(node, 7);
  const made = reader.emit('Gemm', node.name, inputs, only(node, 'alpha', 'transA', 'transB'), quantised ? undefined : output(node));
  if (quantised) reader.quantise(node, made, 7, 8, output(node));
};

const binary = (op: string): Spell => (reader, node) => {
  reader.quantise(node, reader.emit(op, node.name, [operand(reader, node, 0), operand(reader, node, 3)], new Map()), 6, 7, output(node));
};

/** Of one operand: x, its scale and zero point, those of the result, attributes that the fp32 operator has too. */
const unary = (op: string, ...attributes: readonly string[]): Spell => (reader, node) => {
  if (int(node, 'channels_last', 0) !== 0) throw new CompileError(`${node.opType} with channels_last is not supported; quantise the model as it was exported, before ONNX Runtime changes its layout.`, node.name);
  reader.quantise(node, reader.emit(op, node.name, [operand(reader, node, 0)], only(node, ...attributes)), 3, 4, output(node));
};

const softmax: Spell = (reader, node) => {
  // The node says by which opset's rule it works; the model's other nodes go by the model's.
  const { attributes } = node;
  const axis = attributes.get('axis')?.i ?? -1;
  const made = reader.emit('Softmax', node.name, [operand(reader, node, 0)], new Map([['axis', { name: 'axis', i: axis, floats: [], ints: [] }]]));
  reader.quantise(node, made, 3, 4, output(node));
};

/** Scale and zero point of the result come first, then three inputs a part. */
const concat: Spell = (reader, node) => {
  const parts = Array.from({ length: Math.max(0, Math.floor((node.inputs.length - 2) / 3)) }, (_, i) => operand(reader, node, 2 + 3 * i));
  reader.quantise(node, reader.emit('Concat', node.name, parts, only(node, 'axis')), 0, 1, output(node));
};

export const QOPERATORS: Readonly<Record<string, Spell>> = {
  QLinearConv: conv,
  QLinearMatMul: matMul,
  QGemm: gemm,
  QLinearAdd: binary('Add'),
  QLinearMul: binary('Mul'),
  QLinearConcat: concat,
  QLinearAveragePool: unary('AveragePool', 'auto_pad', 'ceil_mode', 'count_include_pad', 'kernel_shape', 'pads', 'strides'),
  QLinearGlobalAveragePool: unary('GlobalAveragePool'),
  QLinearSigmoid: unary('Sigmoid'),
  QLinearLeakyRelu: unary('LeakyRelu', 'alpha'),
  QLinearSoftmax: softmax,
  QLinearReduceMean: unary('ReduceMean', 'axes', 'keepdims'),
};

const DYNAMIC = 'belongs to dynamic quantisation, whose scales follow from each image; quantise statically, with calibration data (onnxruntime.quantization.quantize_static)';
const QCDQ = 'is of QONNX, not standard ONNX; export with brevitas.export.export_onnx_qcdq, or convert with qonnx.transformation.qonnx_to_qcdq.QuantToQCDQ';

/** Operators of quantised networks that are asked for and cannot be there, and the mend. */
export const REFUSED: Readonly<Record<string, string>> = {
  DynamicQuantizeLinear: DYNAMIC,
  DynamicQuantizeMatMul: DYNAMIC,
  ConvInteger: DYNAMIC,
  MatMulInteger: DYNAMIC,
  MatMulIntegerToFloat: DYNAMIC,
  DynamicQuantizeLSTM: DYNAMIC,
  Quant: QCDQ,
  BipolarQuant: QCDQ,
  IntQuant: QCDQ,
  Trunc: QCDQ,
  FakeQuantize: "is OpenVINO's own; export standard ONNX, where it is QuantizeLinear and DequantizeLinear",
  MatMulNBits: 'has weights of fewer than 8 bits; quantise weights to int8',
  QAttention: 'belongs to transformers, which are not supported',
};
