/**
 * The reference of DESIGN.md, "Numerics": exact integer and rational evaluation of a canonical QDQ graph, node by node, each layer fed
 * the int8 codes that the implementation under test produced. Written from the ONNX operators alone; shares nothing with src/compiler
 * but the file reader. Test code: no product code repeats this arithmetic.
 */
import type { OnnxModel, OnnxNode } from '../../src/compiler/onnx.ts';
import { floatResult, type Numbers } from './float-reference.ts';

type Fraction = { n: bigint; d: bigint };
/** real[i] = ints[i] · scale(i) */
type Term = { ints: Int32Array; scale: (index: number) => Fraction };
type Real = { kind: 'real'; shape: number[]; terms: Term[]; min: number; max: number };
type Value = Real | Numbers | { kind: 'codes'; codes: Int8Array; shape: number[] } | { kind: 'float'; shape: number[] };

export type Verdict = {
  /** Values compared, those within 2^-12 LSB of a tie, and the tensors whose codes differ from the reference (first place and values). */
  values: number;
  nearTies: number;
  wrong: { tensor: string; index: number; got: number; want: number }[];
};

const TIE = 2 ** -12;
/** What a few operations in fp32 may be off, in LSB: values of some hundred LSB, each rounded to 24 bits. Only where a network computes in fp32. */
const FP32_SLACK = 2 ** -9;
const size = (shape: number[]): number => shape.reduce((product, d) => product * d, 1);

function fraction(value: number): Fraction {
  let n = value;
  let d = 1n;
  while (!Number.isInteger(n)) {
    n *= 2;
    d *= 2n;
  }
  return { n: BigInt(n), d };
}

const times = (a: Fraction, b: Fraction): Fraction => ({ n: a.n * b.n, d: a.d * b.d });
const over = (a: Fraction, b: Fraction): Fraction => ({ n: a.n * b.d, d: a.d * b.n });

/** Number nearest to a fraction, through a 60-bit quotient. */
function approximate({ n, d }: Fraction): number {
  const shift = 60n + BigInt(d.toString(2).length) - BigInt(n.toString(2).length);
  return shift >= 0n ? Number((n << shift) / d) / 2 ** Number(shift) : Number(n / d);
}

function halfEven(n: bigint, d: bigint): number {
  const floor = n >= 0n ? n / d : -((-n + d - 1n) / d);
  const rest = 2n * (n - floor * d);
  return Number(rest > d || (rest === d && floor % 2n !== 0n) ? floor + 1n : floor);
}

export class Reference {
  readonly #values = new Map<string, Value>();
  readonly #model: OnnxModel;
  readonly verdict: Verdict = { values: 0, nearTies: 0, wrong: [] };
  /** Values that fp32 operators make. */
  readonly #float = new Set<Value>();

  constructor(model: OnnxModel) {
    this.#model = model;
    for (const input of model.inputs) this.#values.set(input.name, { kind: 'float', shape: input.dims.map((d) => d || 1) });
  }

  /** Compares every quantised tensor; `codes` holds what the implementation made, by QuantizeLinear's output name. */
  check(codes: ReadonlyMap<string, Int8Array>): Verdict {
    for (const node of this.#model.nodes) {
      const name = node.outputs[0] as string;
      if (node.opType !== 'QuantizeLinear') [this.#evaluate(node)].flat().forEach((value, i) => void this.#values.set(node.outputs[i] as string, value));
      else {
        const got = codes.get(name);
        if (got === undefined) throw new Error(`no codes for ${name}`);
        const from = this.#get(node.inputs[0] as string);
        if (from.kind === 'real' || from.kind === 'numbers') this.#compare(name, from, this.#constant(node, 1)[0] as number, Number(this.#constant(node, 2)[0]), got);
        this.#values.set(name, { kind: 'codes', codes: got, shape: from.shape });
      }
    }
    return this.verdict;
  }

  #get(name: string): Value {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`${name} is not there`);
    return value;
  }

  #constant(node: OnnxNode, index: number): ArrayLike<number> {
    return (this.#model.initializers.get(node.inputs[index] as string)?.data ?? []) as ArrayLike<number>;
  }

  #real(node: OnnxNode, index: number): Real {
    const value = this.#get(node.inputs[index] as string);
    if (value.kind !== 'real') throw new Error(`${node.name} reads ${value.kind}`);
    return value;
  }

  #compare(tensor: string, value: Real | Numbers, scale: number, zero: number, got: Int8Array): void {
    const { terms, min, max } = value.kind === 'real' ? value : { terms: [], min: -Infinity, max: Infinity };
    const out = fraction(scale);
    const bound = (value: number): number => (Number.isFinite(value) ? halfEven(fraction(value).n * out.d, fraction(value).d * out.n) : value);
    const [low, high] = [bound(min), bound(max)];
    const cache = new Map<Fraction, { ratio: Fraction; number: number }>();
    const ratioOf = (f: Fraction): { ratio: Fraction; number: number } => {
      const known = cache.get(f);
      if (known !== undefined) return known;
      const ratio = over(f, out);
      const made = { ratio, number: approximate(ratio) };
      cache.set(f, made);
      return made;
    };
    const clamp = (steps: number): number => Math.max(-128, Math.min(127, Math.max(low, Math.min(high, steps)) + zero));
    for (let i = 0; i < got.length; i++) {
      let sum = value.kind === 'numbers' ? (value.values[i] as number) / scale : 0;
      for (const term of terms) sum += (term.ints[i] as number) * ratioOf(term.scale(i)).number;
      const fromTie = Math.abs(sum - Math.floor(sum) - 0.5);
      let steps = Math.round(sum);
      // Doubles decide unless they come near a tie; there the fractions do.
      if (fromTie < 1e-6 && value.kind === 'real') {
        const exact = terms.map((term) => ({ n: BigInt(term.ints[i] as number) * ratioOf(term.scale(i)).ratio.n, d: ratioOf(term.scale(i)).ratio.d }));
        const whole = exact.reduce((a, b) => ({ n: a.n * b.d + b.n * a.d, d: a.d * b.d }));
        steps = halfEven(whole.n, whole.d);
      }
      const want = clamp(steps);
      let right = got[i] === want;
      if (fromTie < (this.#float.has(value) ? FP32_SLACK : TIE)) {
        this.verdict.nearTies++;
        right ||= got[i] === clamp(Math.floor(sum)) || got[i] === clamp(Math.ceil(sum));
      }
      if (!right) {
        this.verdict.wrong.push({ tensor, index: i, got: got[i] as number, want });
        break;
      }
    }
    this.verdict.values += got.length;
  }

  /** Whether int8 arithmetic has no such operator, or not on these operands. */
  #isFloat(node: OnnxNode): boolean {
    const shape = (index: number): string => {
      const value = this.#values.get(node.inputs[index] ?? '');
      return value !== undefined && 'shape' in value ? value.shape.join() : '';
    };
    if (node.inputs.some((name) => this.#float.has(this.#values.get(name) as Value))) return true;
    if (['Transpose', 'Reshape', 'Softmax', 'PRelu', 'Pad', 'Sub', 'Min', 'Max', 'Exp', 'Abs', 'Neg'].includes(node.opType)) return true;
    if (node.opType === 'Resize') return node.attributes.get('mode')?.s === 'linear';
    if (node.opType === 'Slice') return Number(this.#constant(node, 3)[0] ?? 1) !== 1;
    if (node.opType === 'Concat') return node.attributes.get('axis')?.i !== 1;
    if (node.opType === 'ReduceMean') return [...(node.attributes.get('axes')?.ints ?? [])].sort().join() !== '2,3';
    if (node.opType === 'MatMul') return !this.#isWeights(node.inputs[1] as string);
    const constant = node.inputs.map((name) => this.#model.initializers.get(name)?.dims).find((dims) => dims !== undefined);
    if (['Mul', 'Add', 'Div'].includes(node.opType) && constant !== undefined) return size(constant) !== 1 && constant.slice(-2).some((d) => d !== 1);
    if (node.opType === 'Mul' || node.opType === 'Add') return node.inputs.every((name) => this.#values.get(name)?.kind === 'real' && !this.#isWeights(name)) && shape(0) !== shape(1);
    return false;
  }

  #isWeights(name: string): boolean {
    const maker = this.#model.nodes.find((n) => n.outputs.includes(name));
    return maker?.opType === 'DequantizeLinear' && this.#model.initializers.has(maker.inputs[0] as string);
  }

  #evaluate(node: OnnxNode): Value | Value[] {
    const moved = node.opType === 'Transpose' || node.opType === 'Reshape' ? this.#values.get(node.inputs[0] as string) : undefined;
    if (moved?.kind === 'real' && moved.terms.length === 1) {
      // Codes elsewhere, which a convolution may read.
      const term = moved.terms[0] as Term;
      const made = floatResult(node, [{ kind: 'numbers', shape: moved.shape, values: Float64Array.from(term.ints) }, ...(node.inputs.length > 1 ? [this.#numbers(node, 1)] : [])]) as Numbers;
      const scale = term.scale(0);
      return { ...moved, shape: made.shape, terms: [{ ints: Int32Array.from(made.values), scale: () => scale }] };
    }
    if (node.opType !== 'DequantizeLinear' && this.#isFloat(node)) {
      const made = floatResult(node, node.inputs.map((name, i) => (name === '' ? null : this.#numbers(node, i))));
      for (const value of [made].flat()) this.#float.add(value);
      return made;
    }
    const unbounded = { kind: 'real' as const, min: -Infinity, max: Infinity };
    switch (node.opType) {
      case 'DequantizeLinear': {
        const scales = this.#constant(node, 1);
        const tensor = this.#model.initializers.get(node.inputs[0] as string);
        const from = tensor === undefined ? this.#get(node.inputs[0] as string) : null;
        if (from !== null && from.kind !== 'codes') throw new Error(`${node.name} dequantises ${from.kind}`);
        const zero = tensor === undefined ? Number(this.#constant(node, 2)[0]) : 0;
        const data = tensor === undefined ? (from as { codes: Int8Array }).codes : (tensor.data as Int8Array);
        const shape = tensor === undefined ? (from as { shape: number[] }).shape : tensor.dims;
        const fractions = Array.from(scales, fraction);
        const axis = node.attributes.get('axis')?.i ?? 1;
        const inner = size(shape.slice(axis + 1));
        const pick = (i: number): Fraction => fractions[fractions.length === 1 ? 0 : Math.floor(i / inner) % fractions.length] as Fraction;
        return { ...unbounded, shape, terms: [{ ints: Int32Array.from(data, (code) => code - zero), scale: pick }] };
      }
      case 'Conv':
        return this.#conv(node);
      case 'Gemm':
      case 'MatMul':
        return this.#matrix(node);
      case 'MaxPool':
      case 'AveragePool':
      case 'GlobalAveragePool':
      case 'ReduceMean':
        return this.#pool(node);
      case 'Concat':
        return this.#concat(node);
      case 'Split': {
        let from = 0;
        const sizes = Array.from(this.#constant(node, 1), Number);
        return sizes.map((size) => this.#channels(this.#real(node, 0), from, (from += size)));
      }
      case 'Slice':
        return this.#channels(this.#real(node, 0), Number(this.#constant(node, 1)[0]), Number(this.#constant(node, 2)[0]));
      case 'Resize': {
        const x = this.#real(node, 0);
        const [, channels = 0, height = 0, width = 0] = x.shape;
        const shape = [1, channels, 2 * height, 2 * width];
        const term = x.terms[0] as Term;
        const from = (i: number): number => (Math.floor(i / (4 * height * width)) * height + Math.floor((Math.floor(i / (2 * width)) % (2 * height)) / 2)) * width + Math.floor((i % (2 * width)) / 2);
        return { ...x, shape, terms: [{ ints: Int32Array.from({ length: size(shape) }, (_, i) => term.ints[from(i)] as number), scale: (i) => term.scale(from(i)) }] };
      }
      case 'Sigmoid':
        return this.#mapped(node, (x) => 1 / (1 + Math.exp(-x)));
      case 'Tanh':
        return this.#mapped(node, Math.tanh);
      case 'HardSigmoid': {
        const [alpha, beta] = [node.attributes.get('alpha')?.f ?? Math.fround(0.2), node.attributes.get('beta')?.f ?? 0.5];
        return this.#mapped(node, (x) => Math.min(1, Math.max(0, alpha * x + beta)));
      }
      case 'HardSwish':
        return this.#mapped(node, (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6);
      case 'LeakyRelu': {
        const alpha = node.attributes.get('alpha')?.f ?? Math.fround(0.01);
        return this.#mapped(node, (x) => (x >= 0 ? x : x * alpha));
      }
      case 'Elu':
        return this.#mapped(node, (x) => (x >= 0 ? x : (node.attributes.get('alpha')?.f ?? 1) * (Math.exp(x) - 1)));
      case 'Mish':
        return this.#mapped(node, (x) => x * Math.tanh(Math.log(1 + Math.exp(x))));
      case 'Mul':
      case 'Div':
        return this.#pointwise(node, (a, b) => (node.opType === 'Mul' ? a * b : a / b));
      case 'Add': {
        const exact = node.inputs.every((name) => this.#values.get(name)?.kind === 'real');
        if (!exact) return this.#pointwise(node, (a, b) => a + b);
        const a = this.#real(node, 0);
        const b = this.#real(node, 1);
        // The bias of a MatMul: integers in the same unit.
        if (b.shape.length === 1) {
          const term = a.terms[0] as Term;
          return { ...a, terms: [{ ints: term.ints.map((v, i) => v + ((b.terms[0] as Term).ints[i] as number)), scale: term.scale }] };
        }
        return { ...unbounded, shape: a.shape, terms: [...a.terms, ...b.terms] };
      }
      case 'Relu':
        return { ...this.#real(node, 0), min: 0 };
      case 'Clip':
        if (this.#get(node.inputs[0] as string).kind === 'numbers') return this.#mapped(node, (x) => Math.max(this.#constant(node, 1)[0] as number, Math.min(this.#constant(node, 2)[0] as number, x)));
        return { ...this.#real(node, 0), min: this.#constant(node, 1)[0] as number, max: this.#constant(node, 2)[0] as number };
      case 'Flatten':
        return { ...this.#real(node, 0), shape: [1, size(this.#real(node, 0).shape)] };
      default:
        throw new Error(`the reference has no ${node.opType}`);
    }
  }

  /** Any operand as numbers: a result, an activation, or a fp32 constant. */
  #numbers(node: OnnxNode, index: number): Numbers {
    const tensor = this.#model.initializers.get(node.inputs[index] as string);
    if (tensor !== undefined) return { kind: 'numbers', shape: tensor.dims, values: Float64Array.from(tensor.data as ArrayLike<number | bigint>, Number) };
    const value = this.#get(node.inputs[index] as string);
    if (value.kind === 'numbers') return value;
    const { shape, terms, min, max } = this.#real(node, index);
    const each = new Map<Fraction, number>();
    const number = (f: Fraction): number => each.get(f) ?? (each.set(f, approximate(f)).get(f) as number);
    const sum = (i: number): number => terms.reduce((all, term) => all + (term.ints[i] as number) * number(term.scale(i)), 0);
    return { kind: 'numbers', shape, values: Float64Array.from({ length: size(shape) }, (_, i) => Math.max(min, Math.min(max, sum(i)))) };
  }

  #mapped(node: OnnxNode, f: (x: number) => number): Numbers {
    const from = this.#numbers(node, 0);
    return { ...from, values: from.values.map((x) => f(x)) };
  }

  /** Of two operands; the smaller holds one number, or one a channel. */
  #pointwise(node: OnnxNode, f: (a: number, b: number) => number): Numbers {
    const [a, b] = [this.#numbers(node, 0), this.#numbers(node, 1)];
    const { shape } = a.values.length >= b.values.length ? a : b;
    const inner = size(shape.slice(2));
    const at = ({ values }: Numbers, i: number): number => values[values.length === size(shape) ? i : values.length === 1 ? 0 : Math.floor(i / inner)] as number;
    return { kind: 'numbers', shape, values: Float64Array.from({ length: size(shape) }, (_, i) => f(at(a, i), at(b, i))) };
  }

  #channels(x: Real, from: number, to: number): Real {
    const [, , height = 1, width = 1] = x.shape;
    const term = x.terms[0] as Term;
    const before = from * height * width;
    return { ...x, shape: [1, to - from, ...x.shape.slice(2)], terms: [{ ints: term.ints.subarray(before, to * height * width), scale: (i) => term.scale(i + before) }] };
  }

  #concat(node: OnnxNode): Real {
    const parts = node.inputs.map((_, i) => this.#real(node, i));
    const [first] = parts as [Real];
    const counts = parts.map(({ shape }) => size(shape));
    const ints = new Int32Array(counts.reduce((a, b) => a + b, 0));
    const starts = counts.map((_, i) => counts.slice(0, i).reduce((a, b) => a + b, 0));
    parts.forEach(({ terms }, i) => void ints.set((terms[0] as Term).ints, starts[i]));
    const scale = (at: number): Fraction => {
      const i = starts.findLastIndex((start) => start <= at);
      return ((parts[i] as Real).terms[0] as Term).scale(at - (starts[i] as number));
    };
    const shape = first.shape.map((d, axis) => (axis === 1 ? parts.reduce((sum, p) => sum + (p.shape[1] as number), 0) : d));
    return { ...first, shape, terms: [{ ints, scale }] };
  }

  /** [top, left, bottom, right], strides and dilations, with ONNX's defaults; of a signal, whose one axis is that of one row, as of an image. */
  #window(node: OnnxNode, signal: boolean): { pads: number[]; strides: number[]; dilations: number[] } {
    const ints = (name: string, otherwise: number): number[] => {
      const given = node.attributes.get(name)?.ints ?? Array<number>(name === 'pads' ? 4 : 2).fill(otherwise);
      const last = given.slice(-1)[0] as number;
      return !signal ? given : name === 'pads' ? [0, given[0] as number, 0, last] : [1, last];
    };
    return { pads: ints('pads', 0), strides: ints('strides', 1), dilations: ints('dilations', 1) };
  }

  /** [1, C, W] as an image of one row. */
  #image(shape: number[]): number[] {
    return shape.length === 3 ? [...shape.slice(0, 2), 1, ...shape.slice(2)] : shape;
  }

  #conv(node: OnnxNode): Real {
    const x = this.#real(node, 0);
    const w = this.#real(node, 1);
    const bias = node.inputs[2] ? (this.#real(node, 2).terms[0] as Term).ints : null;
    const signal = x.shape.length === 3;
    const { pads, strides, dilations } = this.#window(node, signal);
    const [, , height = 0, width = 0] = this.#image(x.shape);
    // An output channel sees those input channels that its group shares.
    const [outputs = 0, channels = 0, kh = 0, kw = 0] = this.#image(w.shape);
    const perGroup = outputs / (node.attributes.get('group')?.i ?? 1);
    const extent = (k: number, axis: number): number => (k - 1) * (dilations[axis] as number) + 1;
    const oh = Math.floor((height + (pads[0] as number) + (pads[2] as number) - extent(kh, 0)) / (strides[0] as number)) + 1;
    const ow = Math.floor((width + (pads[1] as number) + (pads[3] as number) - extent(kw, 1)) / (strides[1] as number)) + 1;
    const xi = (x.terms[0] as Term).ints;
    const wi = (w.terms[0] as Term).ints;
    const ints = new Int32Array(outputs * oh * ow);
    for (let o = 0; o < outputs; o++) {
      const first = Math.floor(o / perGroup) * channels;
      for (let y = 0; y < oh; y++) {
        for (let z = 0; z < ow; z++) {
          let sum = bias?.[o] ?? 0;
          for (let c = 0; c < channels; c++) {
            for (let ky = 0; ky < kh; ky++) {
              const iy = y * (strides[0] as number) - (pads[0] as number) + ky * (dilations[0] as number);
              if (iy < 0 || iy >= height) continue;
              for (let kx = 0; kx < kw; kx++) {
                const ix = z * (strides[1] as number) - (pads[1] as number) + kx * (dilations[1] as number);
                if (ix >= 0 && ix < width) sum += (xi[((first + c) * height + iy) * width + ix] as number) * (wi[((o * channels + c) * kh + ky) * kw + kx] as number);
              }
            }
          }
          ints[(o * oh + y) * ow + z] = sum;
        }
      }
    }
    const input = (x.terms[0] as Term).scale(0);
    const each = Array.from({ length: outputs }, (_, o) => times(input, (w.terms[0] as Term).scale(o * channels * kh * kw)));
    return { kind: 'real', shape: [1, outputs, ...(signal ? [ow] : [oh, ow])], min: -Infinity, max: Infinity, terms: [{ ints, scale: (i) => each[Math.floor(i / (oh * ow))] as Fraction }] };
  }

  #matrix(node: OnnxNode): Real {
    const x = this.#real(node, 0);
    const w = this.#real(node, 1);
    const transposed = (node.attributes.get('transB')?.i ?? 0) !== 0;
    const bias = node.opType === 'Gemm' && node.inputs[2] ? (this.#real(node, 2).terms[0] as Term).ints : null;
    const columns = size(x.shape);
    const outputs = size(w.shape) / columns;
    const at = (o: number, k: number): number => (transposed ? o * columns + k : k * outputs + o);
    const ints = new Int32Array(outputs);
    for (let o = 0; o < outputs; o++) {
      ints[o] = bias?.[o] ?? 0;
      for (let k = 0; k < columns; k++) ints[o] = (ints[o] as number) + ((x.terms[0] as Term).ints[k] as number) * ((w.terms[0] as Term).ints[at(o, k)] as number);
    }
    const each = Array.from({ length: outputs }, (_, o) => times((x.terms[0] as Term).scale(0), (w.terms[0] as Term).scale(at(o, 0))));
    return { kind: 'real', shape: [1, outputs], min: -Infinity, max: Infinity, terms: [{ ints, scale: (i) => each[i] as Fraction }] };
  }

  #pool(node: OnnxNode): Real {
    const x = this.#real(node, 0);
    const signal = x.shape.length === 3;
    const [, channels = 0, height = 0, width = 0] = this.#image(x.shape);
    const global = node.opType === 'GlobalAveragePool' || node.opType === 'ReduceMean';
    const kernel = node.attributes.get('kernel_shape')?.ints ?? [];
    const [kh = 1, kw = 1] = global ? [height, width] : signal ? [1, ...kernel] : kernel;
    const { pads, strides } = this.#window(node, signal);
    const ceil = (node.attributes.get('ceil_mode')?.i ?? 0) !== 0;
    const length = (axis: number, size: number, k: number): number => {
      const [before, after, stride] = [pads[axis] as number, pads[axis + 2] as number, strides[axis] as number];
      const out = (ceil ? Math.ceil : Math.floor)((size + before + after - k) / stride) + 1;
      return ceil && (out - 1) * stride >= size + before ? out - 1 : out;
    };
    const [oh, ow] = [length(0, height, kh), length(1, width, kw)];
    const xi = (x.terms[0] as Term).ints;
    const input = (x.terms[0] as Term).scale(0);
    const includePad = (node.attributes.get('count_include_pad')?.i ?? 0) !== 0;
    const max = node.opType === 'MaxPool';
    const ints = new Int32Array(channels * oh * ow);
    const counts = new Int32Array(ints.length);
    for (let i = 0; i < ints.length; i++) {
      const [c, y, z] = [Math.floor(i / (oh * ow)), Math.floor(i / ow) % oh, i % ow];
      let count = 0;
      let value = max ? -Infinity : 0;
      for (let ky = 0; ky < kh; ky++) {
        for (let kx = 0; kx < kw; kx++) {
          const iy = y * (strides[0] as number) - (pads[0] as number) + ky;
          const ix = z * (strides[1] as number) - (pads[1] as number) + kx;
          if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
          count++;
          const v = xi[(c * height + iy) * width + ix] as number;
          value = max ? Math.max(value, v) : value + v;
        }
      }
      ints[i] = value;
      counts[i] = includePad || global ? kh * kw : count;
    }
    const each = Array.from({ length: kh * kw + 1 }, (_, n) => (n === 0 || max ? input : { n: input.n, d: input.d * BigInt(n) }));
    return { kind: 'real', shape: [1, channels, ...(signal ? [ow] : [oh, ow])], min: -Infinity, max: Infinity, terms: [{ ints, scale: (i) => each[counts[i] as number] as Fraction }] };
  }
}
