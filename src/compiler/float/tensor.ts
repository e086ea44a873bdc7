/** Constants while a network is made canonical: shapes, and values as numbers. */
import type { TensorData } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';

export type Tensor = { readonly dataType: number; readonly dims: readonly number[]; readonly data: TensorData };

export const countOf = (dims: readonly number[]): number => dims.reduce((product, d) => product * d, 1);
export const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((d, i) => d === b[i]);
export const iota = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Values as doubles; integers beyond 2^53 (the "to the end" of a Slice) lose what nobody needs of them. */
export function numbers({ data }: Tensor): number[] | Float32Array | Float64Array {
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  return Array.from(data as ArrayLike<number | bigint>, Number);
}

const INT64 = 2 ** 63;
const int64 = (value: number): bigint => (value >= INT64 ? 2n ** 63n - 1n : value <= -INT64 ? -(2n ** 63n) : BigInt(Number.isFinite(value) ? Math.trunc(value) : 0));

export function tensorOf(dataType: number, dims: readonly number[], values: ArrayLike<number>): Tensor {
  const data: TensorData =
    // Not from(), which goes through an iterator: weights come this way.
    dataType === OnnxType.FLOAT ? new Float32Array(values)
    : dataType === OnnxType.DOUBLE ? new Float64Array(values)
    : dataType === OnnxType.INT64 ? BigInt64Array.from(Array.from(values, int64))
    : dataType === OnnxType.INT32 ? Int32Array.from(values)
    : dataType === OnnxType.INT8 ? Int8Array.from(values)
    : Uint8Array.from(values);
  return { dataType, dims: [...dims], data };
}

export const floats = (dims: readonly number[], values: ArrayLike<number>): Tensor => tensorOf(OnnxType.FLOAT, dims, values);
export const integers = (values: readonly number[]): Tensor => tensorOf(OnnxType.INT64, [values.length], values);

export function stridesOf(dims: readonly number[]): number[] {
  const strides = dims.map(() => 1);
  for (let i = dims.length - 2; i >= 0; i--) strides[i] = (strides[i + 1] as number) * (dims[i + 1] as number);
  return strides;
}

/** For each element of a tensor of shape `dims`, in order: the sum of its index times `strides`. */
export function offsets(dims: readonly number[], strides: readonly number[], start = 0): Int32Array {
  const out = new Int32Array(countOf(dims));
  const index = dims.map(() => 0);
  let at = start;
  for (let i = 0; i < out.length; i++) {
    out[i] = at;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      at += strides[axis] as number;
      if (++(index[axis] as number) < (dims[axis] as number)) break;
      at -= (strides[axis] as number) * (dims[axis] as number);
      index[axis] = 0;
    }
  }
  return out;
}

/** Elements at the given places, in the tensor's own type. */
export function gather({ dataType, data }: Tensor, dims: readonly number[], places: Int32Array): Tensor {
  const Kind = data.constructor as new (length: number) => TensorData;
  const out = new Kind(places.length);
  for (let i = 0; i < places.length; i++) out[i] = data[places[i] as number] as never;
  return { dataType, dims: [...dims], data: out };
}

export function permuted(tensor: Tensor, perm: readonly number[]): Tensor {
  const dims = perm.map((p) => tensor.dims[p] as number);
  if (isIdentity(perm)) return tensor;
  if (perm.length === 2 && tensor.data instanceof Float32Array) return { ...tensor, dims, data: turned(tensor.data, dims[1] as number, dims[0] as number) };
  const strides = stridesOf(tensor.dims);
  return gather(tensor, dims, offsets(dims, perm.map((p) => strides[p] as number)));
}

/** A matrix's other order, block by block: the matrices of dense layers are larger than any cache. */
function turned(data: Float32Array, rows: number, columns: number): Float32Array {
  const BLOCK = 32;
  const out = new Float32Array(data.length);
  for (let r0 = 0; r0 < rows; r0 += BLOCK) {
    for (let c0 = 0; c0 < columns; c0 += BLOCK) {
      for (let c = c0; c < Math.min(c0 + BLOCK, columns); c++) for (let r = r0; r < Math.min(r0 + BLOCK, rows); r++) out[c * rows + r] = data[r * columns + c] as number;
    }
  }
  return out;
}

export const isIdentity = (perm: readonly number[]): boolean => perm.every((p, i) => p === i);

export function inverse(perm: readonly number[]): number[] {
  const out = perm.map(() => 0);
  perm.forEach((p, i) => (out[p] = i));
  return out;
}

/** numpy's rule; null where the shapes do not agree. */
export function broadcast(a: readonly number[], b: readonly number[]): number[] | null {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return null;
    out.push(x === 1 ? y : x);
  }
  return out;
}

/** Strides that read `from` as if it had shape `to`. */
export function broadcastStrides(from: readonly number[], to: readonly number[]): number[] {
  const strides = stridesOf(from);
  return to.map((_, i) => {
    const axis = i - (to.length - from.length);
    return axis < 0 || from[axis] === 1 ? 0 : (strides[axis] as number);
  });
}
