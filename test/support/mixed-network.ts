/** Random small canonical QDQ networks in which the core's operators and fp32 ones take turns. */
import fc from 'fast-check';
import type { Activation } from './qdq.ts';
import { Qdq, random } from './qdq.ts';

const KINDS = ['conv', 'grouped', 'gate', 'spatialGate', 'addMean', 'shuffle', 'linear', 'rows', 'everySecond', 'concatRows', 'prelu', 'softmax', 'attention', 'pad', 'average', 'two', 'table', 'concat'] as const;
type Step = { kind: (typeof KINDS)[number]; seed: number };
export type Recipe = { channels: number; height: number; width: number; seed: number; steps: readonly Step[]; tail: boolean };

export const recipes: fc.Arbitrary<Recipe> = fc.record({
  channels: fc.integer({ min: 1, max: 18 }), height: fc.integer({ min: 3, max: 9 }), width: fc.integer({ min: 3, max: 9 }), seed: fc.integer(),
  steps: fc.array(fc.record({ kind: fc.constantFrom(...KINDS), seed: fc.integer() }), { minLength: 2, maxLength: 7 }), tail: fc.boolean(),
});

/** Scales that make no ties of their own. */
const Q = (from: () => number, about: number): { scale: number; zeroPoint: number } => ({ scale: Math.fround(about * (0.7 + 0.6 * from())), zeroPoint: Math.floor(from() * 60) - 30 });

type Made = { onnx: Uint8Array; inputElements: number; all: Activation[]; tail: number[] | null };

/** `expose`: every activation is an output too. */
export function network({ channels, height, width, seed, steps, tail }: Recipe, expose: boolean): Made {
  const net = new Qdq();
  const start = random(seed);
  let x = net.input([1, channels, height, width], Q(start, 0.05));
  const all: Activation[] = [x];
  const keep = (a: Activation): Activation => {
    all.push(a);
    return a;
  };
  const ints = (...values: number[]): string => net.value(BigInt64Array.from(values, BigInt));
  for (const { kind, seed: own } of steps) {
    const from = random(own);
    const int = (min: number, max: number): number => min + Math.floor(from() * (max - min + 1));
    const [, c = 1, h = 1, w = 1] = x.shape;
    const floats = (shape: number[]): string => net.value(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * from() - 0.8), shape);
    const conv = (input: Activation, outputs: number, group: number): Activation => {
      const per = (input.shape[1] as number) / group;
      const codes = Int8Array.from({ length: outputs * per * 9 }, () => int(-127, 127));
      const made = net.conv(input, codes, outputs, Float32Array.from({ length: outputs }, () => 0.002 * (0.5 + from())), Int32Array.from({ length: outputs }, () => int(-2000, 2000)), { kernel: [3, 3], pads: [1, 1, 1, 1] }, group);
      return keep(net.quantised(from() < 0.5 ? net.node('Relu', [made.name]) : made.name, made.shape, Q(from, 0.05 * Math.sqrt(per))));
    };
    const q = (name: string, shape: number[], about = x.scale): void => void (x = keep(net.quantised(name, shape, Q(from, about))));
    const mean = (): Activation => keep(net.quantised(net.node('GlobalAveragePool', [x.name]), [1, c, 1, 1], Q(from, x.scale / 2)));
    if (kind === 'conv') x = conv(x, int(1, 20), 1);
    else if (kind === 'grouped') {
      const group = [2, 3, 4, 8].find((g) => c % g === 0) ?? 1;
      x = conv(x, group * int(1, 6), group);
    } else if (kind === 'gate') q(net.node('Mul', from() < 0.5 ? [x.name, mean().name] : [mean().name, x.name]), x.shape, 0.05);
    else if (kind === 'spatialGate') q(net.node('Mul', [x.name, net.node('Sigmoid', [net.node('ReduceMean', [x.name], { axes: [1] })])]), x.shape);
    else if (kind === 'addMean') q(net.node('Add', [x.name, mean().name]), x.shape);
    else if (kind === 'shuffle') {
      const g = [2, 3, 5].find((d) => c % d === 0) ?? 1;
      const turned = net.node('Transpose', [net.node('Reshape', [x.name, ints(1, g, c / g, h, w)])], { perm: [0, 2, 1, 3, 4] });
      const back = net.node('Reshape', [turned, ints(1, c, h, w)]);
      // As codes again, or at once into what follows.
      if (from() < 0.5) x = keep(net.quantised(back, x.shape, from() < 0.5 ? x : Q(from, x.scale)));
      else x = conv({ ...x, name: back }, int(1, 12), 1);
    } else if (kind === 'linear') {
      if (h * w > 60) continue;
      q(net.node('Resize', [x.name, '', net.value(Float32Array.of(1, 1, 2, 3))], { mode: 'linear' }), [1, c, 2 * h, 3 * w]);
    } else if (kind === 'rows') {
      if (h < 3) continue;
      q(net.node('Slice', [x.name, ints(1), ints(h), ints(2), ints(1)]), [1, c, h - 1, w]);
    } else if (kind === 'everySecond') {
      const [a, b] = [int(0, 1), int(0, 1)];
      if (h < 2 || w < 2) continue;
      const rows = net.node('Slice', [x.name, ints(a), ints(h), ints(2), ints(2)]);
      q(net.node('Slice', [rows, ints(b), ints(w), ints(3), ints(2)]), [1, c, Math.ceil((h - a) / 2), Math.ceil((w - b) / 2)]);
    } else if (kind === 'concatRows') q(net.node('Concat', [x.name, floats([1, c, 2, w]), x.name], { axis: 2 }), [1, c, 2 * h + 2, w]);
    else if (kind === 'prelu') q(net.node('PRelu', [x.name, floats([c, 1, 1])]), x.shape);
    else if (kind === 'softmax') q(net.node('Softmax', [x.name], { axis: int(1, 3) }), x.shape, 1 / 200);
    else if (kind === 'attention') {
      const flat = net.node('Reshape', [x.name, ints(1, c, h * w)]);
      // Scaled, as attention is: of logits in the thousands fp32 has no fraction left that a code would need.
      const logits = net.node('Mul', [net.node('MatMul', [flat, net.node('Transpose', [flat], { perm: [0, 2, 1] })]), net.value(Float32Array.of(8 / (h * w * (128 * x.scale) ** 2)), [])]);
      const weights = net.node('Softmax', [logits], { axis: 2 });
      q(net.node('Reshape', [net.node('MatMul', [weights, flat]), ints(1, c, h, w)]), x.shape);
    } else if (kind === 'pad') q(net.node('Pad', [x.name, ints(0, 1, 2, 0, 0, 0, 1, 1), net.value(Float32Array.of(from() - 0.5), [])]), [1, c + 1, h + 3, w + 1]);
    else if (kind === 'average') {
      if (h < 3 || w < 3) continue;
      q(net.pool('AveragePool', x, { kernel: [3, 3], strides: [2, 2] }, { ceil_mode: 1 }), [1, c, Math.ceil((h - 3) / 2) + 1, Math.ceil((w - 3) / 2) + 1]);
    } else if (kind === 'two') {
      const scaled = net.node('Mul', [x.name, floats([h, w])]);
      q(net.node('Add', [net.node('Tanh', [scaled]), net.node('Sub', [x.name, floats([c, 1, 1])])]), x.shape);
    } else if (kind === 'table') q(net.node('Mul', [x.name, net.node('Sigmoid', [x.name])]), x.shape);
    else if (kind === 'concat') q(net.node('Concat', [x.name, conv(x, 8, 1).name], { axis: 1 }), [1, c + 8, h, w]);
  }
  const inputElements = channels * height * width;
  if (!tail) return { onnx: net.build([x], expose ? all : []), inputElements, all, tail: null };
  const [, c = 1, h = 1, w = 1] = x.shape;
  const end = net.node('Softmax', [net.node('Transpose', [x.name], { perm: [0, 2, 3, 1] })]);
  return { onnx: net.build([{ ...x, name: end, shape: [1, h, w, c] }], expose ? all : []), inputElements, all, tail: [1, h, w, c] };
}
