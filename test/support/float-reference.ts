/**
 * Operators that fp32 carries out, in double precision, by ONNX's definitions and nothing of src/compiler: element by element, an index at a time. For
 * small tensors only.
 */
import type { OnnxNode } from '../../src/compiler/onnx.ts';

export type Numbers = { kind: 'numbers'; shape: number[]; values: Float64Array };

const size = (shape: readonly number[]): number => shape.reduce((product, d) => product * d, 1);

function indexOf(shape: readonly number[], at: number): number[] {
  const index = shape.map(() => 0);
  for (let i = shape.length - 1, rest = at; i >= 0; i--) {
    index[i] = rest % (shape[i] as number);
    rest = Math.floor(rest / (shape[i] as number));
  }
  return index;
}

const placeOf = (shape: readonly number[], index: readonly number[]): number => shape.reduce((at, d, i) => at * d + (index[i] as number), 0);

/** Each element of a new tensor from its index. */
function made(shape: number[], value: (index: number[]) => number): Numbers {
  return { kind: 'numbers', shape, values: Float64Array.from({ length: size(shape) }, (_, i) => value(indexOf(shape, i))) };
}

const at = (x: Numbers, index: readonly number[]): number => x.values[placeOf(x.shape, index)] as number;

/** As if x had the shape that `index` is of: numpy's rule. */
const spread = (x: Numbers, index: readonly number[]): number => at(x, x.shape.map((d, i) => (d === 1 ? 0 : (index[index.length - x.shape.length + i] as number))));

function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => Math.max(a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1));
}

const BINARY: Record<string, (a: number, b: number) => number> = { Add: (a, b) => a + b, Sub: (a, b) => a - b, Mul: (a, b) => a * b, Div: (a, b) => a / b, Min: Math.min, Max: Math.max, Pow: (a, b) => a ** b };
const UNARY: Record<string, (x: number) => number> = { Relu: (x) => Math.max(0, x), Sigmoid: (x) => 1 / (1 + Math.exp(-x)), Tanh: Math.tanh, Exp: Math.exp, Abs: Math.abs, Neg: (x) => -x };

/** @param inputs all of the node's, constants as their numbers; null where one is left out */
export function floatResult(node: OnnxNode, inputs: readonly (Numbers | null)[]): Numbers | Numbers[] {
  const x = inputs[0] as Numbers;
  const list = (index: number): number[] => [...((inputs[index] as Numbers | undefined)?.values ?? [])];
  const ints = (name: string): number[] | undefined => node.attributes.get(name)?.ints;
  const axis = (otherwise: number, rank = x.shape.length): number => ((node.attributes.get('axis')?.i ?? otherwise) + rank) % rank;
  const binary = BINARY[node.opType];
  if (binary !== undefined) {
    const y = inputs[1] as Numbers;
    return made(broadcast(x.shape, y.shape), (index) => binary(spread(x, index), spread(y, index)));
  }
  const unary = UNARY[node.opType];
  if (unary !== undefined) return { ...x, values: x.values.map((v) => unary(v)) };
  switch (node.opType) {
    case 'PRelu':
      return made(x.shape, (index) => (at(x, index) < 0 ? at(x, index) * spread(inputs[1] as Numbers, index) : at(x, index)));
    case 'Reshape': {
      const shape = list(1);
      return { ...x, shape: shape.map((d) => (d === -1 ? x.values.length / size(shape.filter((e) => e !== -1)) : d)) };
    }
    case 'Flatten':
      return { ...x, shape: [1, x.values.length] };
    case 'Transpose': {
      const perm = ints('perm') as number[];
      return made(perm.map((p) => x.shape[p] as number), (index) => at(x, x.shape.map((_, i) => index[perm.indexOf(i)] as number)));
    }
    case 'Slice': {
      const [starts, ends, axes, steps] = [1, 2, 3, 4].map(list) as [number[], number[], number[], number[]];
      const step = x.shape.map((_, i) => (axes.includes(i) ? (steps[axes.indexOf(i)] ?? 1) : 1));
      const start = x.shape.map((_, i) => (axes.includes(i) ? (starts[axes.indexOf(i)] as number) : 0));
      const shape = x.shape.map((d, i) => (axes.includes(i) ? Math.ceil((Math.min(d, ends[axes.indexOf(i)] as number) - (start[i] as number)) / (step[i] as number)) : d));
      return made(shape, (index) => at(x, index.map((v, i) => (start[i] as number) + v * (step[i] as number))));
    }
    case 'Concat': {
      const along = axis(1);
      const parts = inputs as Numbers[];
      const shape = x.shape.map((d, i) => (i === along ? parts.reduce((sum, p) => sum + (p.shape[along] as number), 0) : d));
      return made(shape, (index) => {
        let from = index[along] as number;
        const part = parts.find((p) => {
          if (from < (p.shape[along] as number)) return true;
          from -= p.shape[along] as number;
          return false;
        }) as Numbers;
        return at(part, index.map((v, i) => (i === along ? from : v)));
      });
    }
    case 'Pad': {
      const pads = list(1);
      const value = list(2)[0] ?? 0;
      return made(x.shape.map((d, i) => d + (pads[i] as number) + (pads[i + x.shape.length] as number)), (index) => {
        const from = index.map((v, i) => v - (pads[i] as number));
        return from.every((v, i) => v >= 0 && v < (x.shape[i] as number)) ? at(x, from) : value;
      });
    }
    case 'Resize': {
      const scales = list(2);
      const shape = x.shape.map((d, i) => Math.floor(d * (scales[i] as number)));
      const place = (v: number, i: number): number => Math.max(0, Math.min((x.shape[i] as number) - 1, (v + 0.5) / (scales[i] as number) - 0.5));
      // Linear, half pixel: over all corners around the place.
      return made(shape, (index) => {
        const places = index.map(place);
        let sum = 0;
        for (let corner = 0; corner < 2 ** places.length; corner++) {
          const upper = places.map((_, i) => (corner >> i) & 1);
          const weight = places.reduce((w, p, i) => w * (upper[i] === 1 ? p - Math.floor(p) : 1 - (p - Math.floor(p))), 1);
          if (weight > 0) sum += weight * at(x, places.map((p, i) => Math.floor(p) + (upper[i] as number)));
        }
        return sum;
      });
    }
    case 'Softmax': {
      const along = axis(-1);
      const row = (index: number[]): number[] => Array.from({ length: x.shape[along] as number }, (_, k) => at(x, index.map((v, i) => (i === along ? k : v))));
      return made(x.shape, (index) => {
        const all = row(index);
        const most = Math.max(...all);
        return Math.exp(at(x, index) - most) / all.reduce((sum, v) => sum + Math.exp(v - most), 0);
      });
    }
    case 'ReduceMean':
    case 'GlobalAveragePool': {
      const axes = node.opType === 'GlobalAveragePool' ? x.shape.map((_, i) => i).slice(2) : (ints('axes') as number[]).map((a) => (a + x.shape.length) % x.shape.length);
      const count = size(axes.map((a) => x.shape[a] as number));
      const kept = x.shape.map((d, i) => (axes.includes(i) ? 1 : d));
      const values = new Float64Array(size(kept));
      x.values.forEach((v, i) => (values[placeOf(kept, indexOf(x.shape, i).map((k, a) => (axes.includes(a) ? 0 : k)))]! += v / count));
      return { kind: 'numbers', shape: node.attributes.get('keepdims')?.i === 0 ? x.shape.filter((_, i) => !axes.includes(i)) : kept, values };
    }
    case 'MatMul': {
      const y = inputs[1] as Numbers;
      const batch = broadcast(x.shape.slice(0, -2), y.shape.slice(0, -2));
      const depth = x.shape.at(-1) as number;
      return made([...batch, x.shape.at(-2) as number, y.shape.at(-1) as number], (index) => {
        const [row, column] = [index.at(-2) as number, index.at(-1) as number];
        let sum = 0;
        for (let k = 0; k < depth; k++) sum += spread(x, [...index.slice(0, -2), row, k]) * spread(y, [...index.slice(0, -2), k, column]);
        return sum;
      });
    }
    default:
      throw new Error(`the reference has no ${node.opType} in fp32`);
  }
}
