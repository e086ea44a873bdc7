/** Integer codes of quantised ONNX files: their types, and constants to and from real values as QuantizeLinear and DequantizeLinear define them. */
import { CompileError } from '../error.ts';
import type { Tensor } from '../float/tensor.ts';
import type { OnnxNode } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';

/** Of an activation as the core holds it: int8. A file's uint8 zero point is 128 more. */
export type Quantisation = { readonly scale: number; readonly zeroPoint: number };

/** TensorProto.DataType: what codes and scales may come as. */
const TYPE_NAMES: Readonly<Record<number, string>> = {
  1: 'float32', 2: 'uint8', 3: 'int8', 4: 'uint16', 5: 'int16', 6: 'int32', 7: 'int64', 10: 'float16', 11: 'float64', 12: 'uint32', 16: 'bfloat16',
  17: 'float8e4m3fn', 18: 'float8e4m3fnuz', 19: 'float8e5m2', 20: 'float8e5m2fnuz', 21: 'uint4', 22: 'int4', 23: 'float4e2m1',
};

export const typeName = (dataType: number): string => TYPE_NAMES[dataType] ?? `data type ${dataType}`;

export const isCode = (dataType: number): boolean => dataType === OnnxType.INT8 || dataType === OnnxType.UINT8;

export const sameQuantisation = (a: Quantisation, b: Quantisation): boolean => a.scale === b.scale && a.zeroPoint === b.zeroPoint;

/** Positive and finite, or the node is refused. */
export function scalesOf(node: OnnxNode, { dataType, data }: Tensor): Float32Array {
  if (dataType !== OnnxType.FLOAT) throw new CompileError(`its scale is ${typeName(dataType)}; float32 scales are supported (quantise the fp32 model, not one converted to half precision).`, node.name);
  const bad = (data as Float32Array).find((s) => !(s > 0) || !Number.isFinite(s));
  if (data.length === 0 || bad !== undefined) throw new CompileError(`its scale is ${bad ?? 'empty'}, which is no positive number.`, node.name);
  return data as Float32Array;
}

/** Elements of one index of an axis lie in runs of `inner`; `count` indices in turn. Weights are millions: a call a run, not one an element. */
export function runs(length: number, inner: number, count: number, visit: (index: number, from: number, to: number) => void): void {
  for (let from = 0, index = 0; from < length; from += inner, index = index + 1 === count ? 0 : index + 1) visit(index, from, from + inner);
}

/** Runs of elements that share scale and zero point: one run, or those of `axis`. */
function along(node: OnnxNode, dims: readonly number[], length: number, axis: number, count: number, visit: (index: number, from: number, to: number) => void): void {
  if (length === 0) return;
  if (count === 1) return visit(0, 0, length);
  const at = axis < 0 ? axis + dims.length : axis;
  if (dims[at] !== count) throw new CompileError(`has ${count} scales for axis ${axis} of a constant of shape ${dims.join('×')} (one for all, or one an index of the axis, is supported).`, node.name);
  runs(length, dims.slice(at + 1).reduce((product, d) => product * d, 1), count, visit);
}

const pick = (list: ArrayLike<number | bigint>, index: number): number => Number(list[list.length === 1 ? 0 : index] ?? 0);

/** (code − zero point) · scale, rounded once to fp32, as ONNX Runtime computes it. */
export function dequantised(node: OnnxNode, { dims, data }: Tensor, scales: Float32Array, zeros: ArrayLike<number | bigint>, axis: number): Float32Array {
  const from = data as ArrayLike<number>;
  const out = new Float32Array(from.length);
  along(node, dims, out.length, axis, Math.max(scales.length, zeros.length), (index, start, end) => {
    const [scale, zero] = [pick(scales, index), pick(zeros, index)];
    for (let i = start; i < end; i++) out[i] = ((from[i] as number) - zero) * scale;
  });
  return out;
}

/** saturate(round half to even(x / scale) + zero point), the quotient in fp32. */
export function quantisedCodes(node: OnnxNode, { dims, data }: Tensor, scales: Float32Array, zeros: ArrayLike<number | bigint>, axis: number, dataType: number): Int8Array | Uint8Array {
  const from = data as Float32Array;
  const out = dataType === OnnxType.INT8 ? new Int8Array(from.length) : new Uint8Array(from.length);
  const [low, high] = dataType === OnnxType.INT8 ? [-128, 127] : [0, 255];
  along(node, dims, out.length, axis, Math.max(scales.length, zeros.length), (index, start, end) => {
    const [scale, zero] = [pick(scales, index), pick(zeros, index)];
    for (let i = start; i < end; i++) {
      const code = roundHalfEven(Math.fround((from[i] as number) / scale)) + zero;
      if (Number.isNaN(code)) throw new CompileError('quantises a constant that holds what is no number.', node.name);
      out[i] = code < low ? low : code > high ? high : code;
    }
  });
  return out;
}

export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}
