/** Random small canonical QDQ networks for property tests: every operator of the compiler's table, at its edges. */
import fc from 'fast-check';
import type { Activation, Quantisation } from './qdq.ts';
import { Qdq, random } from './qdq.ts';

const STEPS = ['conv', 'relu', 'depthwise', 'maxPool', 'averagePool', 'residual', 'rescale', 'clip', 'convPool', 'activation', 'concat', 'upsample', 'split', 'scaled', 'route'] as const;
type Step = { kind: (typeof STEPS)[number]; seed: number };
/** Weights and scales follow from the seeds, so that a counterexample prints as a few numbers. */
export type Recipe = { channels: number; height: number; width: number; seed: number; steps: Step[]; head: 'none' | 'gemm' | 'matMul'; flavour: 'plain' | 'extreme' | 'powers' };

export const recipes: fc.Arbitrary<Recipe> = fc.record({
  channels: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(8, 16, 24, 32)),
  height: fc.integer({ min: 1, max: 13 }),
  width: fc.integer({ min: 1, max: 13 }),
  seed: fc.integer(),
  steps: fc.array(fc.record({ kind: fc.constantFrom(...STEPS), seed: fc.integer() }), { minLength: 1, maxLength: 5 }),
  head: fc.constantFrom('none' as const, 'gemm' as const, 'matMul' as const),
  flavour: fc.constantFrom('plain' as const, 'extreme' as const, 'powers' as const),
});

export type Network = { onnx: Uint8Array; inputElements: number; codes: Activation[]; final: Activation };

/** @param expose every quantised tensor becomes an int8 output as well */
export function network(recipe: Recipe, expose: boolean): Network {
  const next = random(recipe.seed);
  const int = (low: number, high: number, from = next): number => low + Math.floor(from() * (high - low + 1));
  const { flavour } = recipe;
  const zero = (): number => (flavour === 'extreme' ? ([-128, 127, 0][int(0, 2)] as number) : int(-128, 127));
  /** Powers of two make exact ties common; otherwise any fp32 value. */
  const scale = (about: number): number => Math.fround(flavour === 'powers' ? 2 ** Math.round(Math.log2(about)) : about * (0.5 + next()));
  const q = (about: number): Quantisation => ({ scale: scale(about), zeroPoint: zero() });
  const weights = (count: number): Int8Array => Int8Array.from({ length: count }, () => (flavour === 'extreme' ? (next() < 0.5 ? -127 : 127) : int(-127, 127)));
  const net = new Qdq();
  let x = net.input([1, recipe.channels, recipe.height, recipe.width], q(0.02));
  const all: Activation[] = [x];
  const keep = (activation: Activation): Activation => {
    all.push(activation);
    return activation;
  };

  const conv = (input: Activation, outputs: number, kernel: [number, number], strides: [number, number], dilations: [number, number], pads: [number, number, number, number], group = 1): { name: string; shape: number[]; about: number } => {
    const depth = ((input.shape[1] as number) / group) * kernel[0] * kernel[1];
    const scales = Float32Array.from({ length: outputs }, () => scale(0.01));
    const bias = next() < 0.2 ? null : Int32Array.from({ length: outputs }, () => int(-5000, 5000));
    const made = net.conv(input, weights(outputs * depth), outputs, scales, bias, { kernel, strides, dilations, pads }, group);
    // Results spread over the codes, some beyond them.
    return { ...made, about: input.scale * 0.01 * 73 * Math.sqrt(depth) * (flavour === 'extreme' ? 4 : 1) };
  };
  const side = (from: () => number, length: number, limit: number): { kernel: number; stride: number; dilation: number; before: number; after: number } => {
    const kernel = int(1, limit, from);
    const dilation = kernel > 1 && from() < 0.3 ? 2 : 1;
    const extent = (kernel - 1) * dilation + 1;
    let before = int(0, extent - 1, from);
    let after = int(0, extent - 1, from);
    if (length + before + after < extent) before = after = extent - 1;
    return { kernel, stride: int(1, 2, from), dilation, before, after };
  };

  for (const step of recipe.steps) {
    const from = random(step.seed);
    const [, channels = 1, height = 1, width = 1] = x.shape;
    const h = side(from, height, 7);
    const w = side(from, width, 7);
    if (step.kind === 'conv' || step.kind === 'depthwise' || step.kind === 'relu' || step.kind === 'clip') {
      const [outputs, group] = step.kind === 'depthwise' ? [channels, channels] : [from() < 0.4 ? 8 * int(1, 8, from) : int(1, 70, from), 1];
      const made = conv(x, outputs, [h.kernel, w.kernel], [h.stride, w.stride], [h.dilation, w.dilation], [h.before, w.before, h.after, w.after], group);
      const name = step.kind === 'relu' ? net.node('Relu', [made.name]) : step.kind === 'clip' ? net.clip(made.name, -made.about * 20, made.about * 60) : made.name;
      x = keep(net.quantised(name, made.shape, q(made.about / 40)));
    } else if (step.kind === 'maxPool' || step.kind === 'averagePool') {
      const reach = (s: typeof h): typeof h => {
        const before = Math.min(s.before, s.kernel - 1);
        const after = Math.min(s.after, s.kernel - 1);
        return { ...s, before, after };
      };
      const [a, b] = [reach(h), reach(w)];
      if (height + a.before + a.after < a.kernel || width + b.before + b.after < b.kernel) continue;
      const ceil = step.kind === 'maxPool' && from() < 0.3;
      const out = ([length, s]: [number, typeof h]): number => {
        const room = length + s.before + s.after - s.kernel;
        const n = (ceil ? Math.ceil(room / s.stride) : Math.floor(room / s.stride)) + 1;
        return ceil && (n - 1) * s.stride >= length + s.before ? n - 1 : n;
      };
      const shape = [1, channels, out([height, a]), out([width, b])];
      const window = { kernel: [a.kernel, b.kernel] as [number, number], strides: [a.stride, b.stride] as [number, number], pads: [a.before, b.before, a.after, b.after] as [number, number, number, number] };
      const name = step.kind === 'maxPool' ? net.pool('MaxPool', x, window, ceil ? { ceil_mode: 1 } : {}) : net.pool('AveragePool', x, window, { count_include_pad: from() < 0.5 ? 1 : 0 });
      // Same scale as the input, or another: an explicit rescale.
      x = keep(net.quantised(name, shape, from() < 0.5 ? x : q(x.scale)));
    } else if (step.kind === 'residual') {
      const made = conv(x, channels, [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]);
      // A Relu before the add keeps the convolution's stage from taking the add in.
      const branch = keep(net.quantised(from() < 0.3 ? net.node('Relu', [made.name]) : made.name, made.shape, q(made.about / 40)));
      const [left, right] = from() < 0.5 ? [x, branch] : [branch, x];
      const sum = net.node('Add', [left.name, right.name]);
      x = keep(net.quantised(from() < 0.5 ? net.node('Relu', [sum]) : sum, made.shape, q(Math.max(x.scale, branch.scale))));
    } else if (step.kind === 'convPool') {
      // Mostly such that the convolution's stage takes the pooling in.
      const made = conv(x, int(1, 40, from), [3, 3], [int(1, 2, from), 1], [1, 1], [1, 1, 1, 1]);
      const [, , rows = 1, columns = 1] = made.shape;
      const convolved = keep(net.quantised(from() < 0.5 ? net.node('Relu', [made.name]) : made.name, made.shape, q(made.about / 40)));
      x = convolved;
      if (rows < 2 || columns < 2) continue;
      const ceil = from() < 0.3;
      const shape = [1, made.shape[1] as number, ...[rows, columns].map((n) => (ceil ? Math.ceil : Math.floor)(n / 2))];
      x = keep(net.quantised(net.pool('MaxPool', convolved, { kernel: [2, 2], strides: [2, 2] }, ceil ? { ceil_mode: 1 } : {}), shape, from() < 0.8 ? convolved : q(convolved.scale)));
    } else if (step.kind === 'activation') {
      // Behind a convolution or alone; SiLU and hard swish as one node or several, quantised in between or not.
      const made = from() < 0.6 ? conv(x, int(1, 40, from), [1, 1], [1, 1], [1, 1], [0, 0, 0, 0]) : null;
      const before = made === null ? x : keep(net.quantised(made.name, made.shape, q(Math.min(0.2, made.about / 40))));
      const gate = (name: string): string => (from() < 0.5 ? name : keep(net.quantised(name, before.shape, q(1 / 200))).name);
      const one = (value: number): string => net.value(Float32Array.of(value), []);
      const kinds: (() => string)[] = [
        () => net.node('Mul', [before.name, gate(net.node('Sigmoid', [before.name]))]),
        () => net.node('Mul', [gate(net.node('HardSigmoid', [before.name], { alpha: 1 / 6 })), before.name]),
        () => net.node('Div', [net.node('Mul', [before.name, net.clip(net.node('Add', [before.name, one(3)]), 0, 6)]), one(6)]),
        () => net.node('Sigmoid', [before.name]),
        () => net.node('Tanh', [before.name]),
        () => net.node('LeakyRelu', [before.name], { alpha: 0.1015625 }),
        () => net.node('Elu', [before.name]),
        () => net.node('Mish', [before.name]),
        () => net.node('HardSwish', [before.name]),
      ];
      const after = (kinds[int(0, kinds.length - 1, from)] as () => string)();
      x = keep(net.quantised(after, before.shape, q(Math.max(before.scale / 2, 1 / 300))));
      // And on into an add, as YOLO's bottlenecks do.
      const other = all.filter((a) => a !== x && a.shape.join() === x.shape.join())[int(0, 3, from)];
      if (other !== undefined && from() < 0.5) x = keep(net.quantised(net.node('Add', [x.name, other.name]), x.shape, q(Math.max(x.scale, other.scale))));
    } else if (step.kind === 'concat' || step.kind === 'route') {
      // Tensors of the same size from anywhere, made for it or not, once or twice; most of whole planes.
      const size = x.shape.slice(2).join();
      const found = all.filter((a) => a.shape.slice(2).join() === size);
      const parts = Array.from({ length: int(1, 4, from) }, () => {
        if (step.kind === 'route' && from() < 0.7) return found[int(0, found.length - 1, from)] as Activation;
        const made = conv(x, from() < 0.8 ? 8 * int(1, 3, from) : int(1, 20, from), [1, 1], [1, 1], [1, 1], [0, 0, 0, 0]);
        return keep(net.quantised(made.name, made.shape, from() < 0.7 ? x : q(x.scale)));
      });
      parts.splice(int(0, parts.length, from), 0, x);
      const sum = parts.reduce((all, p) => all + (p.shape[1] as number), 0);
      x = keep(net.quantised(net.node('Concat', parts.map((p) => p.name), { axis: 1 }), [1, sum, height, width], from() < 0.8 ? x : q(x.scale)));
    } else if (step.kind === 'upsample') {
      if (height > 14 || width > 14) continue;
      const large = keep(net.quantised(net.upsampled(x), [1, channels, 2 * height, 2 * width], x));
      x = large;
      if (from() < 0.6) {
        const made = conv(large, 8 * int(1, 3, from), [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]);
        const beside = keep(net.quantised(made.name, made.shape, large));
        const parts = from() < 0.5 ? [large, beside] : [beside, large];
        x = keep(net.quantised(net.node('Concat', parts.map((p) => p.name), { axis: 1 }), [1, channels + (made.shape[1] as number), 2 * height, 2 * width], large));
      }
    } else if (step.kind === 'split') {
      if (channels < 2) continue;
      const first = channels > 8 && from() < 0.8 ? 8 * int(1, Math.floor((channels - 1) / 8), from) : int(1, channels - 1, from);
      const [a, b] = net.nodes('Split', [x.name, net.value(BigInt64Array.of(BigInt(first), BigInt(channels - first)))], 2, { axis: 1 }) as [string, string];
      const left = keep(net.quantised(a, [1, first, height, width], x));
      const right = keep(net.quantised(b, [1, channels - first, height, width], from() < 0.7 ? x : q(x.scale)));
      const made = conv(left, first, [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]);
      const third = keep(net.quantised(made.name, made.shape, x));
      x = keep(net.quantised(net.node('Concat', [left.name, right.name, third.name], { axis: 1 }), [1, channels + first, height, width], x));
    } else if (step.kind === 'scaled') {
      const factors = Float32Array.from({ length: channels }, () => (from() < 0.1 ? 0 : 2 * from() - 0.7));
      x = keep(net.quantised(net.node('Mul', [x.name, net.value(factors, [1, channels, 1, 1])]), x.shape, q(x.scale)));
    } else {
      x = keep(net.quantised(from() < 0.5 ? net.node('Relu', [x.name]) : x.name, x.shape, q(x.scale)));
    }
  }
  if (recipe.head !== 'none') {
    const pooled = keep(net.quantised(net.node('GlobalAveragePool', [x.name]), [1, x.shape[1] as number, 1, 1], q(x.scale)));
    const source = next() < 0.5 ? pooled : x;
    const columns = source.shape.reduce((a, b) => a * b, 1);
    const flat: Activation = { ...source, name: net.node('Flatten', [source.name], { axis: 1 }), shape: [1, columns] };
    const outputs = int(1, 9);
    const scales = Float32Array.from({ length: outputs }, () => scale(0.01));
    const made = net.dense(flat, weights(columns * outputs), outputs, scales, Int32Array.from({ length: outputs }, () => int(-5000, 5000)), recipe.head === 'matMul');
    x = keep(net.quantised(made.name, made.shape, q((flat.scale * 0.73 * Math.sqrt(columns)) / 40)));
  }
  const inputElements = recipe.channels * recipe.height * recipe.width;
  return { onnx: net.build([x], expose ? all : []), inputElements, codes: all, final: x };
}

/** Input codes: any, with the ends of the range common. */
export function inputCodes(count: number, seed: number): Int8Array {
  const next = random(seed);
  return Int8Array.from({ length: count }, () => {
    const r = next();
    return r < 0.1 ? -128 : r < 0.2 ? 127 : Math.floor(next() * 256) - 128;
  });
}
