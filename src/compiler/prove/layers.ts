/** Convolutions, matrices and pooling at chosen places of their output, in exact integers. */
import type { OnnxNode } from '../onnx.ts';
import { FLOAT, linear, product, reduce } from './float.ts';
import type { Fraction } from './fraction.ts';
import { times } from './fraction.ts';
import { axesOf, nearest } from './movement.ts';
import { countOf } from './shape.ts';
import type { Ask, Constant, Operator } from './values.ts';
import { attribute, input, NotCovered, numbersOf, realOf } from './values.ts';

function weightsOf(node: OnnxNode, ask: Ask, index: number): Constant {
  const constant = ask.constant(input(node, index));
  if (constant === null) throw new NotCovered(`a ${node.opType} without constant int8 weights`);
  return constant;
}

/** Unit of output channel o's sums; `first(o)` is the place of one of its weights. */
function units(ask: Ask, node: OnnxNode, x: Fraction, w: Constant, outputs: number, first: (o: number) => number): Fraction[] {
  return ask.once(node, () => Array.from({ length: outputs }, (_, o) => times(x, w.scales[Math.floor(first(o) / w.inner) % w.scales.length] as Fraction)));
}

type Window = { kernel: number[]; pads: number[]; strides: number[]; dilations: number[]; out: number[] };

/** A signal [1, C, W] as an image of one row. */
const imageOf = (dims: readonly number[]): readonly number[] => (dims.length === 3 ? [...dims.slice(0, 2), 1, ...dims.slice(2)] : dims);

/** Of a Conv or pooling over [1, C, H, W], or [1, C, W] taken as one row: [top, left, bottom, right] pads, and [rows, columns] of the output. */
function windowOf(node: OnnxNode, given: readonly number[], sides: number[]): Window {
  const signal = given.length === 3;
  if (given.length !== 4 && !signal) throw new NotCovered(`a ${node.opType} of rank ${given.length}`);
  if (!['NOTSET', undefined].includes(node.attributes.get('auto_pad')?.s)) throw new NotCovered(`auto_pad of a ${node.opType}`);
  const dims = imageOf(given);
  const kernel = signal ? [1, ...sides] : sides;
  const ints = (name: string): number[] => {
    const own = node.attributes.get(name)?.ints;
    return own === undefined ? [1, 1] : signal ? [1, ...own] : own;
  };
  const { ints: around = signal ? [0, 0] : [0, 0, 0, 0] } = node.attributes.get('pads') ?? {};
  const pads = signal ? [0, around[0] as number, 0, around[1] as number] : around;
  const [strides, dilations] = [ints('strides'), ints('dilations')];
  const ceil = attribute(node, 'ceil_mode', 0) !== 0;
  const out = [0, 1].map((axis) => {
    const [before, after, stride] = [pads[axis] as number, pads[axis + 2] as number, strides[axis] as number];
    const extent = ((kernel[axis] as number) - 1) * (dilations[axis] as number) + 1;
    const n = (ceil ? Math.ceil : Math.floor)(((dims[axis + 2] as number) + before + after - extent) / stride) + 1;
    // A last window that begins in the padding behind is none.
    return ceil && (n - 1) * stride >= (dims[axis + 2] as number) + before ? n - 1 : n;
  });
  return { kernel, pads, strides, dilations, out };
}

const convWindow = (node: OnnxNode, ask: Ask): Window => windowOf(node, ask.shape(input(node, 0)), weightsOf(node, ask, 1).dims.slice(2));

const conv: Operator = {
  gathers: true,
  shape: (node, ask) => [1, weightsOf(node, ask, 1).dims[0] as number, ...convWindow(node, ask).out.slice(2 - ask.shape(input(node, 0)).length)],
  cost: (node, ask) => countOf(weightsOf(node, ask, 1).dims.slice(1)),
  at: (node, ask, places) => {
    const w = weightsOf(node, ask, 1);
    const bias = input(node, 2) === '' ? null : weightsOf(node, ask, 2).ints;
    const [, , height = 0, width = 0] = imageOf(ask.shape(input(node, 0)));
    const [outputs = 0, channels = 0, kh = 0, kw = 0] = imageOf(w.dims);
    const { pads: [top = 0, left = 0], strides: [sy = 1, sx = 1], dilations: [dy = 1, dx = 1], out: [oh = 0, ow = 0] } = convWindow(node, ask);
    // An output channel sees those input channels that its group shares.
    const perGroup = outputs / attribute(node, 'group', 1);
    const x = ask.whole(input(node, 0));
    const sums = new Float64Array(places.length);
    const which = new Int32Array(places.length);
    for (let i = 0; i < places.length; i++) {
      const place = places[i] as number;
      const o = Math.floor(place / (oh * ow));
      const y = (Math.floor(place / ow) % oh) * sy - top;
      const z = (place % ow) * sx - left;
      const first = Math.floor(o / perGroup) * channels;
      let sum = bias?.[o] ?? 0;
      for (let c = 0; c < channels; c++) {
        for (let ky = 0; ky < kh; ky++) {
          const iy = y + ky * dy;
          if (iy < 0 || iy >= height) continue;
          const row = ((first + c) * height + iy) * width;
          const taps = ((o * channels + c) * kh + ky) * kw;
          for (let kx = 0; kx < kw; kx++) {
            const ix = z + kx * dx;
            if (ix >= 0 && ix < width) sum += (x.ints[row + ix] as number) * (w.ints[taps + kx] as number);
          }
        }
      }
      sums[i] = sum;
      which[i] = o;
    }
    return realOf(sums, units(ask, node, x.scale, w, outputs, (o) => o * channels * kh * kw), which);
  },
};

/** x [..., K] times a constant matrix: Gemm (B perhaps transposed, with its bias) or MatMul. */
function matrix(gemm: boolean): Operator {
  const sizes = (node: OnnxNode, ask: Ask): { columns: number; outputs: number; turned: boolean; dims: readonly number[] } => {
    const dims = ask.shape(input(node, 0));
    const w = weightsOf(node, ask, 1);
    if (w.dims.length !== 2 || dims.length < 2 || (gemm && (attribute(node, 'transA', 0) !== 0 || ['alpha', 'beta'].some((name) => (node.attributes.get(name)?.f ?? 1) !== 1)))) {
      throw new NotCovered(`a ${node.opType} of this form`);
    }
    const turned = gemm && attribute(node, 'transB', 0) !== 0;
    return { dims, turned, columns: w.dims[turned ? 1 : 0] as number, outputs: w.dims[turned ? 0 : 1] as number };
  };
  return {
    gathers: true,
    shape: (node, ask) => {
      const { dims, outputs } = sizes(node, ask);
      return [...dims.slice(0, -1), outputs];
    },
    cost: (node, ask) => sizes(node, ask).columns,
    at: (node, ask, places) => {
      const { columns, outputs, turned } = sizes(node, ask);
      const w = weightsOf(node, ask, 1);
      const bias = gemm && input(node, 2) !== '' ? weightsOf(node, ask, 2).ints : null;
      const x = ask.whole(input(node, 0));
      const [along, across] = turned ? [1, columns] : [outputs, 1];
      const sums = new Float64Array(places.length);
      const which = places.map((place) => place % outputs);
      for (let i = 0; i < places.length; i++) {
        const o = which[i] as number;
        const row = Math.floor((places[i] as number) / outputs) * columns;
        let sum = bias?.[o] ?? 0;
        for (let k = 0; k < columns; k++) sum += (x.ints[row + k] as number) * (w.ints[o * across + k * along] as number);
        sums[i] = sum;
      }
      return realOf(sums, units(ask, node, x.scale, w, outputs, (o) => o * across), which);
    },
  };
}

type Pool = { max: boolean; window: Window; everywhere: boolean };

function poolOf(node: OnnxNode, ask: Ask): Pool {
  const dims = ask.shape(input(node, 0));
  const everywhere = node.opType.startsWith('Global') || node.opType === 'ReduceMean';
  const window = everywhere ? { kernel: imageOf(dims).slice(2), pads: [0, 0, 0, 0], strides: [1, 1], dilations: [1, 1], out: [1, 1] } : windowOf(node, dims, node.attributes.get('kernel_shape')?.ints ?? [1, 1]);
  return { max: node.opType.endsWith('MaxPool'), window, everywhere };
}

const pool: Operator = {
  shape: (node, ask) => {
    const dims = ask.shape(input(node, 0));
    if (node.opType === 'ReduceMean' && attribute(node, 'keepdims', 1) === 0) return dims.slice(0, 2);
    return [...dims.slice(0, 2), ...poolOf(node, ask).window.out.slice(2 - dims.length)];
  },
  cost: (node, ask) => countOf(poolOf(node, ask).window.kernel),
  at: (node, ask, places) => {
    const { max, window: { kernel: [kh = 1, kw = 1], pads: [top = 0, left = 0], strides: [sy = 1, sx = 1], dilations: [dy = 1, dx = 1], out: [oh = 1, ow = 1] }, everywhere } = poolOf(node, ask);
    const [, , height = 0, width = 0] = imageOf(ask.shape(input(node, 0)));
    const includePad = attribute(node, 'count_include_pad', 0) !== 0 || everywhere;
    const results = new Float64Array(places.length).fill(max ? -Infinity : 0);
    const counts = new Int32Array(places.length);
    let unit: Fraction | null = null;
    for (let tap = 0; tap < kh * kw; tap++) {
      const [ky, kx] = [Math.floor(tap / kw), tap % kw];
      const [lies, at]: [number[], number[]] = [[], []];
      for (let i = 0; i < places.length; i++) {
        const place = places[i] as number;
        const y = (Math.floor(place / ow) % oh) * sy - top + ky * dy;
        const x = (place % ow) * sx - left + kx * dx;
        if (y < 0 || y >= height || x < 0 || x >= width) continue;
        lies.push((Math.floor(place / (oh * ow)) * height + y) * width + x);
        at.push(i);
      }
      if (at.length === 0) continue;
      const value = ask.at(input(node, 0), Int32Array.from(lies));
      const [term, more] = value.kind === 'real' && value.min === -Infinity && value.max === Infinity ? value.terms : [];
      const exact = term !== undefined && more === undefined && term.scales.length === 1;
      unit = exact ? (term.scales[0] as Fraction) : null;
      const values = exact ? term.ints : numbersOf(value).values;
      at.forEach((to, i) => {
        results[to] = max ? Math.max(results[to] as number, values[i] as number) : (results[to] as number) + (values[i] as number);
        counts[to] = (counts[to] as number) + 1;
      });
    }
    const shares = includePad && !max ? counts.fill(kh * kw) : counts;
    if (unit === null) return { kind: 'numbers', values: results.map((v, i) => (max ? v : v / (shares[i] as number))) };
    const { n, d } = unit;
    return max ? realOf(results, [unit]) : realOf(results, Array.from({ length: kh * kw + 1 }, (_, count) => ({ n, d: d * BigInt(Math.max(1, count)) })), shares);
  },
};

/** What one operator is, depending on what it is asked of. */
const either = (pick: (node: OnnxNode, ask: Ask) => Operator, more: Pick<Operator, 'gathers'> = {}): Operator => ({
  ...more,
  shape: (node, ask, index) => pick(node, ask).shape(node, ask, index),
  cost: (node, ask) => pick(node, ask).cost?.(node, ask) ?? 1,
  at: (node, ask, places, index) => pick(node, ask).at(node, ask, places, index),
});

/** Over rows and columns, or over a signal: a pooling of everything. */
function isGlobal(node: OnnxNode, ask: Ask): boolean {
  const { length } = ask.shape(input(node, 0));
  return (length === 3 || length === 4) && axesOf(node, ask, length).sort().join() === (length === 4 ? '2,3' : '2');
}

export const LAYERS: Readonly<Record<string, Operator>> = {
  Conv: conv, Gemm: matrix(true), MatMul: either((node, ask) => (ask.constant(input(node, 1)) === null ? product : matrix(false)), { gathers: true }),
  MaxPool: pool, AveragePool: pool, GlobalMaxPool: pool, GlobalAveragePool: pool, ReduceMean: either((node, ask) => (isGlobal(node, ask) ? pool : reduce)),
  Resize: either((node) => (node.attributes.get('mode')?.s === 'linear' ? linear : nearest)),
  ...FLOAT,
};
