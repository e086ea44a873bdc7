/** What is computed in fp32 and no fraction holds, at chosen places of the output, in double precision: by ONNX's definitions. */
import type { OnnxNode } from '../onnx.ts';
import { axesOf, axisOf, joined, moved, spread } from './movement.ts';
import { broadcast, countOf, stridesOf } from './shape.ts';
import type { Ask, Operator, Value } from './values.ts';
import { attribute, input, intsOf, NotCovered } from './values.ts';

const numbers = (values: Float64Array): Value => ({ kind: 'numbers', values });
const all = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i);

/** Over one axis; LogSoftmax is its logarithm. */
function softmax(log: boolean): Operator {
  const axis = (node: OnnxNode, ask: Ask): number => axisOf(node, ask.shape(input(node, 0)).length, -1);
  return {
    shape: (node, ask) => ask.shape(input(node, 0)),
    cost: (node, ask) => ask.shape(input(node, 0))[axis(node, ask)] as number,
    at: (node, ask, places) => {
      const dims = ask.shape(input(node, 0));
      const length = dims[axis(node, ask)] as number;
      const inner = countOf(dims.slice(axis(node, ask) + 1));
      const first = (place: number): number => place - (Math.floor(place / inner) % length) * inner;
      // Places of one row share it.
      const rows = new Map([...new Set(Array.from(places, first))].map((start, i) => [start, i * length]));
      const lies = new Int32Array(rows.size * length);
      for (const [start, at] of rows) for (let k = 0; k < length; k++) lies[at + k] = start + k * inner;
      const { values } = ask.numbers(input(node, 0), lies);
      const sums = new Map<number, { most: number; sum: number }>();
      for (const at of rows.values()) {
        const row = values.subarray(at, at + length);
        const most = row.reduce((a, b) => Math.max(a, b));
        sums.set(at, { most, sum: row.reduce((sum, v) => sum + Math.exp(v - most), 0) });
      }
      return numbers(Float64Array.from(places, (place) => {
        const at = rows.get(first(place)) as number;
        const { most, sum } = sums.get(at) as { most: number; sum: number };
        const above = (values[at + (place - first(place)) / inner] as number) - most;
        return log ? above - Math.log(sum) : Math.exp(above) / sum;
      }));
    },
  };
}

/** A constant around the tensor; negative pads cut. */
const pad: Operator = {
  shape: (node, ask) => {
    const mode = node.attributes.get('mode')?.s ?? 'constant';
    const pads = intsOf(ask.initializer(input(node, 1)));
    const dims = ask.shape(input(node, 0));
    if (mode !== 'constant' || pads.length !== 2 * dims.length) throw new NotCovered(`a Pad of mode ${mode} or of some axes only`);
    return dims.map((d, i) => d + (pads[i] as number) + (pads[i + dims.length] as number));
  },
  at: (node, ask, places) => {
    const dims = ask.shape(input(node, 0));
    const strides = stridesOf(dims);
    const pads = intsOf(ask.initializer(input(node, 1)));
    const [value = 0] = intsOf(ask.initializer(input(node, 2)));
    const from = moved(places, pad.shape(node, ask, 0), (index) => {
      const own = index.map((v, i) => v - (pads[i] as number));
      return own.every((v, i) => v >= 0 && v < (dims[i] as number)) ? own.reduce((sum, v, i) => sum + v * (strides[i] as number), 0) : -1;
    });
    const inside = all(places.length).filter((i) => from[i] !== -1);
    const around = all(places.length).filter((i) => from[i] === -1);
    const part = { value: ask.at(input(node, 0), inside.map((i) => from[i] as number)), at: inside };
    return around.length === 0 ? part.value : joined([part, { value: numbers(new Float64Array(around.length).fill(value)), at: around }], places.length, 'a Pad');
  },
};

/** Place in the input that an output index reads, by the transformation's name; `scale` as ONNX gives or derives it. */
const COORDINATES: Readonly<Record<string, (v: number, scale: number, length: number, out: number) => number>> = {
  half_pixel: (v, scale) => (v + 0.5) / scale - 0.5,
  pytorch_half_pixel: (v, scale, _, out) => (out > 1 ? (v + 0.5) / scale - 0.5 : 0),
  asymmetric: (v, scale) => v / scale,
  align_corners: (v, _, length, out) => (out > 1 ? (v * (length - 1)) / (out - 1) : 0),
};

function resized(node: OnnxNode, ask: Ask): { out: number[]; place: (v: number, axis: number) => number } {
  const dims = ask.shape(input(node, 0));
  const mode = node.attributes.get('coordinate_transformation_mode')?.s ?? 'half_pixel';
  const coordinate = Object.hasOwn(COORDINATES, mode) ? COORDINATES[mode] : undefined;
  if (coordinate === undefined || node.attributes.get('antialias')?.i || node.attributes.get('exclude_outside')?.i || node.attributes.has('axes')) throw new NotCovered(`a linear Resize of this form (${mode})`);
  const sizes = intsOf(ask.initializer(input(node, 3)));
  const scales = intsOf(ask.initializer(input(node, 2)));
  const out = dims.map((d, i) => sizes[i] ?? Math.floor(d * (scales[i] as number)));
  return {
    out,
    place: (v, axis) => {
      const [length, count] = [dims[axis] as number, out[axis] as number];
      return length === count ? v : Math.max(0, Math.min(length - 1, coordinate(v, scales[axis] ?? count / length, length, count)));
    },
  };
}

/** Linear along every axis: the corners around the place, weighted. */
export const linear: Operator = {
  shape: (node, ask) => resized(node, ask).out,
  cost: () => 4,
  at: (node, ask, places) => {
    const { out, place } = resized(node, ask);
    const dims = ask.shape(input(node, 0));
    const strides = stridesOf(dims);
    const axes = dims.flatMap((d, i) => (d === out[i] ? [] : [i]));
    const sums = new Float64Array(places.length);
    for (let corner = 0; corner < 2 ** axes.length; corner++) {
      const weights = new Float64Array(places.length);
      let i = 0;
      const lies = moved(places, out, (index) => {
        let [weight, at] = [1, 0];
        index.forEach((v, axis) => {
          const p = place(v, axis);
          const upper = (corner >> axes.indexOf(axis)) & 1;
          if (!axes.includes(axis)) at += v * (strides[axis] as number);
          else {
            weight *= upper === 1 ? p - Math.floor(p) : 1 - (p - Math.floor(p));
            at += Math.min((dims[axis] as number) - 1, Math.floor(p) + upper) * (strides[axis] as number);
          }
        });
        weights[i++] = weight;
        return at;
      });
      const { values } = ask.numbers(input(node, 0), lies);
      for (let k = 0; k < sums.length; k++) sums[k] = (sums[k] as number) + (weights[k] as number) * (values[k] as number);
    }
    return numbers(sums);
  },
};

/** Of two tensors, neither constant int8 weights. */
export const product: Operator = {
  gathers: true,
  shape: (node, ask) => {
    const [a, b] = [ask.shape(input(node, 0)), ask.shape(input(node, 1))];
    if (a.length < 2 || b.length < 2) throw new NotCovered('a MatMul of a vector');
    return [...broadcast(a.slice(0, -2), b.slice(0, -2)), a.at(-2) as number, b.at(-1) as number];
  },
  cost: (node, ask) => ask.shape(input(node, 0)).at(-1) as number,
  at: (node, ask, places) => {
    const [a, b] = [ask.shape(input(node, 0)), ask.shape(input(node, 1))];
    const out = product.shape(node, ask, 0);
    const [depth, columns, plane] = [a.at(-1) as number, b.at(-1) as number, countOf(out.slice(-2))];
    // First elements of the row and of the column, each in a tensor of whose matrices some are read for several of the output's.
    const batches = places.map((place) => Math.floor(place / plane));
    const matrix = (dims: readonly number[]): Int32Array => spread(batches, dims.slice(0, -2), out.slice(0, -2)).map((i) => i * countOf(dims.slice(-2)));
    const [left, right] = [matrix(a), matrix(b)];
    const [x, y] = [ask.numbers(input(node, 0), all(countOf(a))).values, ask.numbers(input(node, 1), all(countOf(b))).values];
    return numbers(Float64Array.from(places, (place, i) => {
      const row = (left[i] as number) + Math.floor((place % plane) / columns) * depth;
      const column = (right[i] as number) + (place % columns);
      let sum = 0;
      for (let k = 0; k < depth; k++) sum += (x[row + k] as number) * (y[column + k * columns] as number);
      return sum;
    }));
  },
};

const FOLDS: Readonly<Record<string, readonly [start: number, fold: (a: number, b: number) => number]>> = {
  ReduceMean: [0, (a, b) => a + b], ReduceSum: [0, (a, b) => a + b], ReduceMax: [-Infinity, Math.max], ReduceMin: [Infinity, Math.min],
};

/** Over any axes. */
export const reduce: Operator = {
  shape: (node, ask) => {
    const dims = ask.shape(input(node, 0));
    const gone = reduced(node, ask);
    return attribute(node, 'keepdims', 1) === 0 ? dims.filter((_, i) => !gone.includes(i)) : dims.map((d, i) => (gone.includes(i) ? 1 : d));
  },
  cost: (node, ask) => countOf(reduced(node, ask).map((i) => ask.shape(input(node, 0))[i] as number)),
  at: (node, ask, places) => {
    const dims = ask.shape(input(node, 0));
    const gone = reduced(node, ask);
    const strides = stridesOf(dims);
    const kept = dims.flatMap((_, i) => (gone.includes(i) ? [] : [i]));
    const starts = moved(places, kept.map((i) => dims[i] as number), (index) => index.reduce((sum, v, i) => sum + v * (strides[kept[i] as number] as number), 0));
    const counts = gone.map((i) => dims[i] as number);
    const [start, fold] = FOLDS[node.opType] as (typeof FOLDS)[string];
    const results = new Float64Array(places.length).fill(start);
    for (const offset of moved(all(countOf(counts)), counts, (index) => index.reduce((sum, v, i) => sum + v * (strides[gone[i] as number] as number), 0))) {
      const { values } = ask.numbers(input(node, 0), starts.map((at) => at + offset));
      for (let i = 0; i < results.length; i++) results[i] = fold(results[i] as number, values[i] as number);
    }
    return numbers(node.opType === 'ReduceMean' ? results.map((v) => v / countOf(counts)) : results);
  },
};

/** In order; all where none are given. */
function reduced(node: OnnxNode, ask: Ask): number[] {
  const { length } = ask.shape(input(node, 0));
  const given = axesOf(node, ask, length);
  return given.length === 0 ? [...all(length)] : given.sort((a, b) => a - b);
}

export const FLOAT: Readonly<Record<string, Operator>> = { Softmax: softmax(false), LogSoftmax: softmax(true), Pad: pad, ReduceSum: reduce, ReduceMax: reduce, ReduceMin: reduce };
