/** Random small fp32 networks in the manner of either framework, for property tests of the compiler's front end. */
import fc from 'fast-check';
import type { OnnxModel } from '../../src/compiler/onnx.ts';
import type { Attributes } from './fp32.ts';
import { Fp32 } from './fp32.ts';
import { random } from './qdq.ts';

const STEPS = ['conv', 'depthwise', 'norm', 'activation', 'maxPool', 'averagePool', 'residual', 'join', 'split', 'scale', 'gate', 'enlarge', 'pad', 'reorder'] as const;
export type Recipe = { style: 'first' | 'last'; opset: number; channels: number; height: number; width: number; seed: number; steps: { kind: (typeof STEPS)[number]; seed: number }[]; head: 'map' | 'mean' | 'dense' };

export const recipes: fc.Arbitrary<Recipe> = fc.record({
  style: fc.constantFrom('first' as const, 'last' as const),
  opset: fc.constantFrom(11, 12, 13, 17, 18, 21),
  channels: fc.integer({ min: 1, max: 6 }),
  height: fc.integer({ min: 2, max: 9 }),
  width: fc.integer({ min: 2, max: 9 }),
  seed: fc.integer(),
  steps: fc.array(fc.record({ kind: fc.constantFrom(...STEPS), seed: fc.integer() }), { minLength: 1, maxLength: 7 }),
  head: fc.constantFrom('map' as const, 'mean' as const, 'dense' as const),
});

export function network({ style, opset, channels, height, width, seed, steps, head }: Recipe): OnnxModel {
  const g = new Fp32(opset, seed);
  const last = style === 'last';
  const shaped = (c: number, h: number, w: number): number[] => (last ? [1, h, w, c] : [1, c, h, w]);
  const vector = (values: number): number[] => (last ? [values] : [values, 1, 1]);
  /** A layer that knows channels first only, between transposes where the framework is of the other kind. */
  const first = (x: string, layer: (x: string) => string): string => (last ? g.node('Transpose', [layer(g.node('Transpose', [x], { perm: [0, 3, 1, 2] }))], { perm: [0, 2, 3, 1] }) : layer(x));
  const axes = last ? [1, 2] : [2, 3];
  const mean = (x: string, keepdims: number): string => (opset >= 18 ? g.node('ReduceMean', [x, g.ints(...axes)], { keepdims }) : g.node('ReduceMean', [x], { axes, keepdims }));
  let [c, h, w] = [channels, height, width];
  let x = first(g.input([0, ...shaped(c, h, w).slice(1)]), (v) => g.conv(v, c, c, 1));
  for (const step of steps) {
    const next = random(step.seed);
    const int = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
    const axis = last ? 3 : 1;
    const before = x;
    if (step.kind === 'conv' || step.kind === 'depthwise') {
      const kernel = int(1, 3);
      const stride = int(1, 2);
      const out = step.kind === 'conv' ? int(1, 8) : c;
      const from = c;
      const same: Attributes = next() < 0.5 ? { auto_pad: 'SAME_UPPER' } : { pads: [0, 0, kernel - 1, kernel - 1] };
      x = first(x, (v) => g.conv(v, from, out, kernel, { strides: [stride, stride], ...same, ...(step.kind === 'depthwise' && { group: from }) }, next() < 0.5));
      [c, h, w] = [out, Math.ceil(h / stride), Math.ceil(w / stride)];
    } else if (step.kind === 'norm') {
      const from = c;
      x = first(x, (v) => g.batchNormalization(v, from));
    } else if (step.kind === 'activation') {
      const kind = int(0, 6);
      x = kind === 0 ? g.node('Relu', [x]) : kind === 1 ? g.node('Mul', [x, g.node('Sigmoid', [x])])
        : kind === 2 ? g.node('Mul', [g.node('Clip', [g.node('Add', [x, g.scalar(3)]), g.scalar(0), g.scalar(6)]), g.node('Mul', [x, g.scalar(1 / 6)])])
        : kind === 3 ? g.node('LeakyRelu', [x], { alpha: { float: 0.1 } }) : kind === 4 ? g.node('Min', [g.node('Relu', [x]), g.scalar(6)]) : kind === 5 ? g.node('Tanh', [x]) : g.node('Neg', [x]);
    } else if (step.kind === 'maxPool' || step.kind === 'averagePool') {
      const op = step.kind === 'maxPool' ? 'MaxPool' : 'AveragePool';
      x = first(x, (v) => g.node(op, [v], { kernel_shape: [2, 2], strides: [2, 2], auto_pad: 'SAME_UPPER' }));
      [h, w] = [Math.ceil(h / 2), Math.ceil(w / 2)];
    } else if (step.kind === 'residual') {
      const from = c;
      x = g.node('Add', [first(x, (v) => g.conv(v, from, from, 3, { pads: [1, 1, 1, 1] })), before]);
    } else if (step.kind === 'join') {
      const out = int(1, 4);
      const from = c;
      x = g.node('Concat', [x, first(x, (v) => g.conv(v, from, out, 1))], { axis: next() < 0.5 ? axis : axis - 4 });
      c += out;
    } else if (step.kind === 'split' && c > 1) {
      const cut = int(1, c - 1);
      const parts = opset >= 13 ? g.nodes('Split', [x, g.ints(cut, c - cut)], { axis }, 2) : g.nodes('Split', [x], { axis, split: [cut, c - cut] }, 2);
      x = next() < 0.5 ? (parts[0] as string) : g.node('Concat', [...parts].reverse(), { axis });
      if (x === parts[0]) c = cut;
    } else if (step.kind === 'scale') {
      const op = (['Add', 'Sub', 'Mul', 'Div'] as const)[int(0, 3)] as string;
      const constant = next() < 0.3 ? g.scalar(1.5) : next() < 0.5 ? g.weights(vector(c), 0.5, 1.2) : g.weights(shaped(c, h, w), 0.5, 1.2);
      x = g.node(op, next() < 0.3 && op !== 'Div' ? [constant, x] : [x, constant]);
    } else if (step.kind === 'gate') {
      const from = c;
      const squeezed = last ? g.node('Reshape', [mean(x, 0), g.ints(1, 1, 1, from)]) : mean(x, 1);
      x = g.node('Mul', [first(squeezed, (v) => g.node('Sigmoid', [g.conv(v, from, from, 1)])), x]);
    } else if (step.kind === 'enlarge' && h * w < 200) {
      const [a, b] = [int(1, 2), int(1, 2)];
      x = first(x, (v) => g.node('Resize', [v, opset < 13 ? g.floats() : '', g.floats(1, 1, a, b)], { mode: 'nearest', coordinate_transformation_mode: next() < 0.5 ? 'half_pixel' : 'asymmetric' }));
      [h, w] = [h * a, w * b];
    } else if (step.kind === 'pad') {
      const pads = last ? [0, 1, 0, 0, 0, 0, 1, 0] : [0, 0, 1, 0, 0, 0, 0, 1];
      x = g.node('Pad', [x, g.ints(...pads)]);
      const from = c;
      const kind = int(0, 2);
      // Of (h + 1) × (w + 1) pixels a 2 × 2 window leaves h × w.
      x = kind === 0 ? first(x, (v) => g.conv(v, from, from, 2)) : first(x, (v) => g.node(kind === 1 ? 'MaxPool' : 'AveragePool', [v], { kernel_shape: [2, 2], strides: [1, 1] }));
    } else if (step.kind === 'reorder') {
      x = g.node('Transpose', [g.node('Relu', [g.node('Transpose', [x], { perm: [0, 2, 1, 3] })])], { perm: [0, 2, 1, 3] });
    }
  }
  if (head === 'map') return g.build([x]);
  if (head === 'mean') return g.build([mean(x, 0), x]);
  const count = c * h * w;
  const flat = last ? g.node('Reshape', [x, g.ints(-1, count)]) : g.node('Flatten', [x]);
  return g.build([g.node('Softmax', [g.node('Add', [g.node('MatMul', [flat, g.weights([count, 3], 0.3)]), g.weights([3])])], { axis: -1 })]);
}
