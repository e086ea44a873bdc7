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

/** Which scale and zero point each element has: the first, or the one of its index along `axis`. */
function along(node: OnnxNode, dims: readonly number[], axis: number, count: number): (i: number) => number {
  if (count === 1) return () => 0;
  const at = axis < 0 ? axis + dims.length : axis;
  if (dims[at] !== count) throw new CompileError(`has ${count} scales for axis ${axis} of a constant of shape ${dims.join('×')} (one for all, or one an index of the axis, is supported).`, node.name);
  const inner = dims.slice(at + 1).reduce((product, d) => product * d, 1);
  return (i) => Math.floor(i / inner) % count;
}

/** (code − zero point) · scale, rounded once to fp32, as ONNX Runtime computes it. */
export function dequantised(node: OnnxNode, codes: Tensor, scales: Float32Array, zeros: ArrayLike<number | bigint>, axis: number): Float32Array {
  const place = along(node, codes.dims, axis, Math.max(scales.length, zeros.length));
  const [oneScale, oneZero] = [scales.length === 1, zeros.length <= 1];
  const from = codes.data as ArrayLike<number>;
  const out = new Float32Array(from.length);
  for (let i = 0; i < out.length; i++) {
    const c = place(i);
    out[i] = ((from[i] as number) - Number(zeros[oneZero ? 0 : c] ?? 0)) * (scales[oneScale ? 0 : c] as number);
  }
  return out;
}

/** saturate(round half to even(x / scale) + zero point), the quotient in fp32. */
export function quantisedCodes(node: OnnxNode, { dims, data }: Tensor, scales: Float32Array, zeros: ArrayLike<number | bigint>, axis: number, dataType: number): Int8Array | Uint8Array {
  const place = along(node, dims, axis, Math.max(scales.length, zeros.length));
  const [oneScale, oneZero] = [scales.length === 1, zeros.length <= 1];
  const from = data as Float32Array;
  const out = dataType === OnnxType.INT8 ? new Int8Array(from.length) : new Uint8Array(from.length);
  const [low, high] = dataType === OnnxType.INT8 ? [-128, 127] : [0, 255];
  for (let i = 0; i < out.length; i++) {
    const c = place(i);
    const steps = Math.fround((from[i] as number) / (scales[oneScale ? 0 : c] as number));
    if (Number.isNaN(steps)) throw new CompileError('quantises a constant that holds what is no number.', node.name);
    const floor = Math.floor(steps);
    const rest = steps - floor;
    const nearest = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
    out[i] = Math.max(low, Math.min(high, nearest + Number(zeros[oneZero ? 0 : c] ?? 0)));
  }
  return out;
}
