/** Operators that only say where a value lies: a place of the output is a place of an input. */
import type { OnnxNode } from '../onnx.ts';
import type { Fraction } from './fraction.ts';
import { same } from './fraction.ts';
import { broadcast, countOf, stridesOf } from './shape.ts';
import type { Ask, Operator, Value } from './values.ts';
import { attribute, input, intsOf, NotCovered, numbersOf, realOf, termOf } from './values.ts';

/** For each place of a tensor of shape `dims`: f of its indices. */
export function moved(places: Int32Array, dims: readonly number[], f: (index: readonly number[]) => number): Int32Array {
  const strides = stridesOf(dims);
  const index = dims.map(() => 0);
  return places.map((place) => {
    for (let axis = 0; axis < dims.length; axis++) index[axis] = Math.floor(place / (strides[axis] as number)) % (dims[axis] as number);
    return f(index);
  });
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, i) => sum + v * (b[i] as number), 0);

/** Places of a tensor of shape `from` that numpy reads at the places of one of shape `to`. */
export function spread(places: Int32Array, from: readonly number[], to: readonly number[]): Int32Array {
  if (countOf(from) === countOf(to)) return places;
  const own = stridesOf(from);
  const strides = to.map((_, i) => {
    const axis = i - (to.length - from.length);
    return axis < 0 || from[axis] === 1 ? 0 : (own[axis] as number);
  });
  return moved(places, to, (index) => dot(index, strides));
}

export function broadcastShape(node: OnnxNode, ask: Ask): readonly number[] {
  return node.inputs.map((name) => ask.shape(name)).reduce(broadcast);
}

/** Parts of a tensor, each with the positions in `places` that it fills. */
export function joined(parts: readonly { value: Value; at: Int32Array }[], count: number, what: string): Value {
  if (parts.every(({ value }) => value.kind === 'codes')) {
    const codes = new Int8Array(count);
    for (const { value, at } of parts) if (value.kind === 'codes') at.forEach((to, i) => (codes[to] = value.codes[i] as number));
    return { kind: 'codes', codes };
  }
  if (parts.some(({ value }) => value.kind !== 'real')) {
    const values = new Float64Array(count);
    for (const { value, at } of parts) {
      const own = numbersOf(value).values;
      at.forEach((to, i) => (values[to] = own[i] as number));
    }
    return { kind: 'numbers', values };
  }
  const [ints, which, scales] = [new Float64Array(count), new Int32Array(count), [] as Fraction[]];
  for (const { value, at } of parts) {
    if (value.kind !== 'real') continue;
    const term = termOf(value, what);
    // Parts of one scale stay comparable.
    const places = term.scales.map((scale) => {
      const known = scales.findIndex((other) => same(scale, other));
      return known === -1 ? scales.push(scale) - 1 : known;
    });
    at.forEach((to, i) => {
      ints[to] = term.ints[i] as number;
      which[to] = places[term.which?.[i] ?? 0] as number;
    });
  }
  return realOf(ints, scales, which);
}

export const axisOf = (node: OnnxNode, rank: number, otherwise: number): number => {
  const axis = attribute(node, 'axis', otherwise);
  return axis < 0 ? axis + rank : axis;
};

const concat: Operator = {
  shape: (node, ask) => {
    const shapes = node.inputs.map((name) => ask.shape(name));
    const first = shapes[0] as readonly number[];
    const axis = axisOf(node, first.length, 0);
    return first.map((d, i) => (i === axis ? shapes.reduce((sum, s) => sum + (s[axis] as number), 0) : d));
  },
  at: (node, ask, places) => {
    const dims = concat.shape(node, ask, 0);
    const axis = axisOf(node, dims.length, 0);
    const inner = countOf(dims.slice(axis + 1));
    const length = dims[axis] as number;
    const parts: { value: Value; at: Int32Array }[] = [];
    let from = 0;
    for (const name of node.inputs) {
      const own = ask.shape(name)[axis] as number;
      const [lies, at]: [number[], number[]] = [[], []];
      for (let i = 0; i < places.length; i++) {
        const place = places[i] as number;
        const row = Math.floor(place / inner);
        const k = (row % length) - from;
        if (k < 0 || k >= own) continue;
        at.push(i);
        lies.push((Math.floor(row / length) * own + k) * inner + (place % inner));
      }
      if (at.length > 0) parts.push({ value: ask.at(name, Int32Array.from(lies)), at: Int32Array.from(at) });
      from += own;
    }
    return joined(parts, places.length, 'a Concat');
  },
};

/** A part of one axis. */
function part(ask: Ask, name: string, places: Int32Array, axis: number, from: number, step: number, count: number): Value {
  const dims = ask.shape(name);
  const inner = countOf(dims.slice(axis + 1));
  return ask.at(name, places.map((place) => (Math.floor(place / inner / count) * (dims[axis] as number) + from + step * (Math.floor(place / inner) % count)) * inner + (place % inner)));
}

function splitSizes(node: OnnxNode, ask: Ask): number[] {
  const given = ask.initializer(input(node, 1));
  const dims = ask.shape(input(node, 0));
  const length = dims[axisOf(node, dims.length, 0)] as number;
  if (given !== undefined) return intsOf(given);
  const each = Math.ceil(length / node.outputs.length);
  return node.outputs.map((_, i) => Math.min(each, length - i * each));
}

const split: Operator = {
  shape: (node, ask, index) => {
    const dims = ask.shape(input(node, 0));
    const axis = axisOf(node, dims.length, 0);
    return dims.map((d, i) => (i === axis ? (splitSizes(node, ask)[index] as number) : d));
  },
  at: (node, ask, places, index) => {
    const sizes = splitSizes(node, ask);
    const axis = axisOf(node, ask.shape(input(node, 0)).length, 0);
    return part(ask, input(node, 0), places, axis, sizes.slice(0, index).reduce((a, b) => a + b, 0), 1, sizes[index] as number);
  },
};

/** [axis, start, step, count] of each sliced axis. */
function slices(node: OnnxNode, ask: Ask): [number, number, number, number][] {
  const dims = ask.shape(input(node, 0));
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((i) => intsOf(ask.initializer(input(node, i)))) as [number[], number[], number[], number[]];
  return starts.map((start, i) => {
    const axis = axes[i] ?? i;
    const at = axis < 0 ? axis + dims.length : axis;
    const [length, step, end] = [dims[at] as number, steps[i] ?? 1, ends[i] as number];
    const from = (v: number): number => (v < 0 ? v + length : v);
    const bounded = (v: number): number => (step > 0 ? Math.max(0, Math.min(length, v)) : Math.max(-1, Math.min(length - 1, v)));
    const [a, b] = [bounded(from(start)), bounded(end < -length ? -1 : from(end))];
    return [at, a, step, Math.max(0, Math.ceil((b - a) / step))];
  });
}

const slice: Operator = {
  shape: (node, ask) => {
    const counts = new Map(slices(node, ask).map(([axis, , , count]) => [axis, count]));
    return ask.shape(input(node, 0)).map((d, i) => counts.get(i) ?? d);
  },
  at: (node, ask, places) => {
    const from = ask.shape(input(node, 0));
    const strides = [...stridesOf(from)];
    let start = 0;
    for (const [axis, begin, step] of slices(node, ask)) {
      start += begin * (strides[axis] as number);
      strides[axis] = step * (strides[axis] as number);
    }
    return ask.at(input(node, 0), moved(places, slice.shape(node, ask, 0), (index) => start + dot(index, strides)));
  },
};

const transpose: Operator = {
  shape: (node, ask) => {
    const dims = ask.shape(input(node, 0));
    return (node.attributes.get('perm')?.ints ?? dims.map((_, i) => dims.length - 1 - i)).map((p) => dims[p] as number);
  },
  at: (node, ask, places) => {
    const dims = ask.shape(input(node, 0));
    const strides = stridesOf(dims);
    const perm = node.attributes.get('perm')?.ints ?? dims.map((_, i) => dims.length - 1 - i);
    return ask.at(input(node, 0), moved(places, transpose.shape(node, ask, 0), (index) => dot(index, perm.map((p) => strides[p] as number))));
  },
};

/** Nearest by a whole factor an axis: every spelling of it reads element floor(i / factor). */
export const nearest: Operator = {
  shape: (node, ask) => {
    const dims = ask.shape(input(node, 0));
    const sizes = intsOf(ask.initializer(input(node, 3)));
    const scales = intsOf(ask.initializer(input(node, 2)));
    const out = dims.map((d, i) => sizes[i] ?? Math.floor(d * (scales[i] ?? 1)));
    const mode = node.attributes.get('mode')?.s ?? 'nearest';
    if (mode !== 'nearest' || out.some((d, i) => d % (dims[i] as number) !== 0)) throw new NotCovered('a Resize other than nearest by a whole factor');
    return out;
  },
  at: (node, ask, places) => {
    const dims = ask.shape(input(node, 0));
    const strides = stridesOf(dims);
    const out = nearest.shape(node, ask, 0);
    return ask.at(input(node, 0), moved(places, out, (index) => index.reduce((sum, v, i) => sum + Math.floor((v * (dims[i] as number)) / (out[i] as number)) * (strides[i] as number), 0)));
  },
};

const shaped = (shape: Operator['shape']): Operator => ({ shape, at: (node, ask, places) => ask.at(input(node, 0), places) });
/** Of an attribute or the second input; counted from 0. */
export const axesOf = (node: OnnxNode, ask: Ask, rank: number): number[] => (node.attributes.get('axes')?.ints ?? intsOf(ask.initializer(input(node, 1)))).map((a) => (a < 0 ? a + rank : a));

export const MOVEMENT: Readonly<Record<string, Operator>> = {
  Concat: concat,
  Split: split,
  Slice: slice,
  Transpose: transpose,
  Identity: shaped((node, ask) => ask.shape(input(node, 0))),
  Dropout: shaped((node, ask) => ask.shape(input(node, 0))),
  Flatten: shaped((node, ask) => {
    const dims = ask.shape(input(node, 0));
    const axis = axisOf(node, dims.length, 1);
    return [countOf(dims.slice(0, axis)), countOf(dims.slice(axis))];
  }),
  Reshape: shaped((node, ask) => {
    const dims = ask.shape(input(node, 0));
    const wanted = intsOf(ask.initializer(input(node, 1))).map((d, i) => (d === 0 && attribute(node, 'allowzero', 0) === 0 ? (dims[i] as number) : d));
    const known = countOf(wanted.filter((d) => d !== -1));
    return wanted.map((d) => (d === -1 ? countOf(dims) / known : d));
  }),
  Squeeze: shaped((node, ask) => {
    const dims = ask.shape(input(node, 0));
    const gone = axesOf(node, ask, dims.length);
    return dims.filter((d, i) => (gone.length > 0 ? !gone.includes(i) : d !== 1));
  }),
  Unsqueeze: shaped((node, ask) => {
    const dims = [...ask.shape(input(node, 0))];
    const rank = dims.length + (node.attributes.get('axes')?.ints ?? intsOf(ask.initializer(input(node, 1)))).length;
    for (const axis of axesOf(node, ask, rank).sort((a, b) => a - b)) dims.splice(axis, 0, 1);
    return dims;
  }),
};
