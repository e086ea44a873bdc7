/** Every float operator against ONNX Runtime, over random shapes, broadcasts, permutations and steps. What only moves values must be equal. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BinaryFunction, FloatOperator, ReduceFunction, UnaryFunction } from '../../src/contract/layout.ts';
import { random } from '../../test/support/qdq.ts';
import { elementsOf, FloatProgram, unaryOf, words, type Shape } from '../tests/float-program.ts';
import { BUILD_TIMEOUT, Golden } from '../tests/golden.ts';
import { OrtGraph } from '../tests/ort-graph.ts';

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start('driver-sanitized')), BUILD_TIMEOUT);
afterAll(async () => {
  const { code, stderr } = await golden.end();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

const RUNS = { numRuns: 40, seed: 17 };
const dims = (maxRank = 6, maxDim = 5, minRank = 0): fc.Arbitrary<number[]> => fc.array(fc.integer({ min: 1, max: maxDim }), { minLength: minRank, maxLength: maxRank });
/** Values that fp32 adds and multiplies with rounding. */
function values(shape: Shape, seed: number, span = 8): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length: elementsOf(shape) }, () => (next() - 0.5) * span);
}

/** The program's outputs and ONNX Runtime's. */
async function both(build: (program: FloatProgram, graph: OrtGraph) => void): Promise<[got: Float32Array[], want: Float32Array[]]> {
  const [program, graph] = [new FloatProgram(), new OrtGraph()];
  build(program, graph);
  return [await program.run(golden), await graph.run()];
}

function near(got: Float32Array, want: Float32Array, tolerance: (i: number) => number): void {
  expect(got.length).toBe(want.length);
  got.forEach((value, i) => {
    if (!(Math.abs(value - want[i]!) <= tolerance(i))) throw new Error(`value ${i} is ${value}, not ${want[i]}`);
  });
}

/** A shape, and one that is broadcast to it: some axes 1, some of the first left out. */
const broadcastable = fc.tuple(dims(), fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), fc.nat(6), fc.nat(6)).map(([full, ones, leftA, leftB]) => {
  const operand = (left: number, from: number): number[] => full.map((d, i) => (ones[from + i] === true ? 1 : d)).slice(Math.min(left, full.length));
  const a = operand(ones[0] === true ? leftA : 0, 0);
  const b = operand(ones[0] === true ? 0 : leftB, 6);
  const rank = Math.max(a.length, b.length);
  const out = Array.from({ length: rank }, (_, i) => Math.max(a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1));
  return { a, b, out };
});

describe('operators that round at most once', () => {
  it('BINARY, broadcast as numpy does', () => fc.assert(fc.asyncProperty(broadcastable, fc.nat(), async ({ a, b, out }, seed) => {
    const names = { ADD: 'Add', SUB: 'Sub', MUL: 'Mul', DIV: 'Div', MIN: 'Min', MAX: 'Max' } as const;
    const [x, y] = [values(a, seed), values(b, seed + 1)];
    const [got, want] = await both((program, graph) => {
      const [px, py] = [program.constant(x, a), program.constant(y, b)];
      const [gx, gy] = [graph.constant(x, a), graph.constant(y, b)];
      for (const [name, op] of Object.entries(names)) {
        program.result(FloatOperator.BINARY, [px, py], out, { function: BinaryFunction[name as keyof typeof names] });
        graph.output(graph.node(op, [gx, gy]));
      }
    });
    expect(got).toEqual(want);
  }), RUNS));

  const permuted = fc.oneof(dims(6, 4, 1), dims(3, 40, 2)).chain((shape) => fc.record({ shape: fc.constant(shape), perm: fc.shuffledSubarray(shape.map((_, i) => i), { minLength: shape.length }) }));
  it('TRANSPOSE', () => fc.assert(fc.asyncProperty(permuted, async ({ shape, perm }) => {
    const x = values(shape, 1);
    const [got, want] = await both((program, graph) => {
      program.result(FloatOperator.TRANSPOSE, [program.constant(x, shape)], perm.map((axis) => shape[axis]!), { parameters: Uint32Array.from(perm) });
      graph.output(graph.node('Transpose', [graph.constant(x, shape)], { perm }));
    });
    expect(got).toEqual(want);
  }), { ...RUNS, numRuns: 80 }));

  const sliced = dims(6, 7, 1).chain((shape) => fc.tuple(...shape.map((d) => fc.record({ start: fc.nat(d - 1), step: fc.integer({ min: -3, max: 3 }).filter((s) => s !== 0), part: fc.double({ min: 0, max: 1, noNaN: true }) }))).map((axes) => ({ shape, axes })));
  it('SLICE, in steps of either sign', () => fc.assert(fc.asyncProperty(sliced, async ({ shape, axes }) => {
    const x = values(shape, 2);
    const counts = axes.map(({ start, step, part }, i) => 1 + Math.floor(part * Math.floor((step > 0 ? shape[i]! - 1 - start : start) / Math.abs(step))));
    const [got, want] = await both((program, graph) => {
      program.result(FloatOperator.SLICE, [program.constant(x, shape)], counts, { parameters: Int32Array.from([...axes.map((a) => a.start), ...axes.map((a) => a.step)]) });
      const ends = axes.map(({ start, step }, i) => start + step * (counts[i]! - 1) + Math.sign(step)).map((end) => (end < 0 ? -1000 : end));
      graph.output(graph.node('Slice', [graph.constant(x, shape), graph.int64(axes.map((a) => a.start)), graph.int64(ends), graph.int64(shape.map((_, i) => i)), graph.int64(axes.map((a) => a.step))]));
    });
    expect(got).toEqual(want);
  }), RUNS));

  const parts = dims(5, 5, 1).chain((shape) => fc.record({ shape: fc.constant(shape), axis: fc.nat(shape.length - 1), lengths: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }) }));
  it('PLACE, the parts of a Concat in any order', () => fc.assert(fc.asyncProperty(parts, fc.nat(), async ({ shape, axis, lengths }, seed) => {
    const shapes = lengths.map((n) => shape.map((d, i) => (i === axis ? n : d)));
    const data = shapes.map((s, i) => values(s, i));
    const [got, want] = await both((program, graph) => {
      const output = program.tensor(shape.map((d, i) => (i === axis ? lengths.reduce((sum, n) => sum + n, 0) : d)));
      const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, n) => sum + n, 0));
      const order = lengths.map((_, i) => i).sort((p, q) => ((p * 7 + seed) % 5) - ((q * 7 + seed) % 5));
      for (const i of order) program.op(FloatOperator.PLACE, [program.constant(data[i]!, shapes[i]!)], output, { parameters: Uint32Array.from(shape.map((_, k) => (k === axis ? starts[i]! : 0))) });
      program.output(output);
      graph.output(graph.node('Concat', data.map((d, i) => graph.constant(d, shapes[i]!)), { axis }));
    });
    expect(got).toEqual(want);
  }), RUNS));

  it('INTERPOLATE with weight 0: a Gather', () => fc.assert(fc.asyncProperty(dims(5, 6, 1), fc.nat(4), fc.array(fc.nat(5), { minLength: 1, maxLength: 9 }), async (shape, at, picks) => {
    const axis = at % shape.length;
    const indices = picks.map((p) => p % shape[axis]!);
    const x = values(shape, 3);
    x[0] = Infinity;
    const [got, want] = await both((program, graph) => {
      program.result(FloatOperator.INTERPOLATE, [program.constant(x, shape)], shape.map((d, i) => (i === axis ? indices.length : d)), { axis, parameters: words(...indices.flatMap((i) => [i, i, { f32: 0 }])) });
      graph.output(graph.node('Gather', [graph.constant(x, shape), graph.int64(indices)], { axis }));
    });
    expect(got).toEqual(want);
  }), RUNS));

  it('DEQUANTIZE and QUANTIZE, with and without room between rows and planes', () => fc.assert(fc.asyncProperty(fc.tuple(fc.integer({ min: 1, max: 19 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 9 })), fc.constantFrom(0, 8, 24), fc.integer({ min: -128, max: 127 }), fc.constantFrom(0.5, 0.0173, 1 / 3), async (shape, slack, zeroPoint, scale) => {
    const x = values(shape, zeroPoint + 200, scale * 300);
    [x[0], x[1]] = [scale * 2.5, scale * 3.5];
    const real = x.map((v) => v);
    const [got, want] = await both((program, graph) => {
      const codes = program.codes(shape, scale, zeroPoint, slack, true);
      program.op(FloatOperator.QUANTIZE, [program.constant(real, [elementsOf(shape)])], null, { tensor: codes });
      program.result(FloatOperator.DEQUANTIZE, [], [1, ...shape], { tensor: codes });
      const [s, z] = [graph.constant(Float32Array.of(scale), []), graph.constant(Int8Array.of(zeroPoint), [])];
      const made = graph.node('DequantizeLinear', [graph.node('QuantizeLinear', [graph.constant(real, shape), s, z]), s, z]);
      graph.output(made);
      graph.output(made);
    });
    expect(got).toEqual(want);
  }), RUNS));
});

describe('operators that round oftener', () => {
  // ONNX Runtime computes places and weights in fp32, which costs a few 2^-24 of what is interpolated; along two axes one after the other here, at once there.
  it('INTERPOLATE: Resize, linear', () => fc.assert(fc.asyncProperty(fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 })), fc.tuple(fc.constantFrom(1, 2, 3, 4), fc.constantFrom(1, 2, 3, 4)), fc.boolean(), async ([h, w], [sh, sw], half) => {
    const shape = [1, 3, h, w];
    const x = values(shape, h * 10 + w);
    const sampling = (length: number, factor: number): (number | { f32: number })[] => Array.from({ length: length * factor }, (_, i) => {
      const at = Math.max(0, Math.min(length - 1, half ? (i + 0.5) / factor - 0.5 : i / factor));
      const low = Math.floor(at);
      return [low, Math.min(length - 1, low + 1), { f32: at - low }];
    }).flat();
    const [[got], [want]] = (await both((program, graph) => {
      const rows = program.tensor([1, 3, h * sh, w]);
      program.op(FloatOperator.INTERPOLATE, [program.constant(x, shape)], rows, { axis: 2, parameters: words(...sampling(h, sh)) });
      program.result(FloatOperator.INTERPOLATE, [rows], [1, 3, h * sh, w * sw], { axis: 3, parameters: words(...sampling(w, sw)) });
      graph.output(graph.node('Resize', [graph.constant(x, shape), '', graph.constant(Float32Array.of(1, 1, sh, sw))], { mode: 'linear', coordinate_transformation_mode: half ? 'half_pixel' : 'asymmetric' }));
    })) as [[Float32Array], [Float32Array]];
    near(got, want, () => 1e-5);
  }), RUNS));

  // Each result here is rounded from double but for the powers, which are rounded once more: 2^-23 of it. ONNX Runtime's own powers are good to about 1e-6.
  it('SOFTMAX and LogSoftmax along any axis', () => fc.assert(fc.asyncProperty(fc.oneof(dims(5, 6, 1), fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 60, max: 140 }))), fc.nat(), fc.constantFrom(1, 20, 200), async (shape, seed, span) => {
    const axis = seed % shape.length;
    const x = values(shape, seed, span);
    const [got, want] = await both((program, graph) => {
      const [px, gx] = [program.constant(x, shape), graph.constant(x, shape)];
      program.result(FloatOperator.SOFTMAX, [px], shape, { axis });
      program.result(FloatOperator.SOFTMAX, [px], shape, { axis, function: 1 });
      graph.output(graph.node('Softmax', [gx], { axis }));
      graph.output(graph.node('LogSoftmax', [gx], { axis }));
    });
    near(got[0]!, want[0]!, () => 2e-6);
    near(got[1]!, want[1]!, (i) => 2e-6 * (1 + Math.abs(want[1]![i]!)));
  }), RUNS));

  // Summed in double here, in fp32 and in another order there: 2^-24 of the sum of sizes, for each that is summed.
  it('REDUCE over any axes', () => fc.assert(fc.asyncProperty(fc.oneof(dims(6, 5, 1), dims(2, 90, 1)), fc.nat(), fc.boolean(), async (shape, seed, keep) => {
    const mask = 1 + (seed % (2 ** shape.length - 1));
    const axes = shape.map((_, i) => i).filter((i) => (mask >> i) & 1);
    const out = keep ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));
    const x = values(shape, seed);
    const [got, want] = await both((program, graph) => {
      const [px, gx] = [program.constant(x, shape), graph.constant(x, shape)];
      for (const name of Object.keys(ReduceFunction) as (keyof typeof ReduceFunction)[]) program.result(FloatOperator.REDUCE, [px], out, { function: ReduceFunction[name], parameters: Uint32Array.of(mask) });
      const keepdims = keep ? 1 : 0;
      graph.output(graph.node('ReduceMean', [gx], { axes, keepdims }));
      graph.output(graph.node('ReduceSum', [gx, graph.int64(axes)], { keepdims }));
      graph.output(graph.node('ReduceMax', [gx], { axes, keepdims }));
      graph.output(graph.node('ReduceMin', [gx], { axes, keepdims }));
    });
    const count = elementsOf(axes.map((i) => shape[i]!));
    near(got[0]!, want[0]!, () => count * 4 * 2 ** -24);
    near(got[1]!, want[1]!, () => count * count * 4 * 2 ** -24);
    expect(got.slice(2)).toEqual(want.slice(2));
  }), RUNS));

  // Both in fp32, in other orders: 2^-24 of the sum of products' sizes, for each product.
  it('MATMUL, batches broadcast', () => fc.assert(fc.asyncProperty(broadcastable.filter(({ a, b }) => a.length <= 4 && b.length <= 4), fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 70 })), async ({ a, b, out }, [rows, depth, columns]) => {
    const [left, right] = [[...a, rows, depth], [...b, depth, columns]];
    const [x, y] = [values(left, rows), values(right, columns)];
    const [[got], [want]] = (await both((program, graph) => {
      program.result(FloatOperator.MATMUL, [program.constant(x, left), program.constant(y, right)], [...out, rows, columns]);
      graph.output(graph.node('MatMul', [graph.constant(x, left), graph.constant(y, right)]));
    })) as [[Float32Array], [Float32Array]];
    near(got, want, () => depth * depth * 16 * 2 ** -24);
  }), RUNS));

  // float-functions.test.ts holds each function against double precision; here, that they are ONNX's: its own approximations are good to about 1e-6.
  it('UNARY', async () => {
    const x = Float32Array.from({ length: 4000 }, (_, i) => (i - 2000) / 150);
    const [alpha, beta] = [0.3, 0.7].map(Math.fround) as [number, number];
    const positive = x.map((v) => Math.abs(v) + 0.01);
    const nodes: [keyof typeof UnaryFunction, string, Record<string, number>?][] = [
      ['SIGMOID', 'Sigmoid'], ['TANH', 'Tanh'], ['EXP', 'Exp'], ['NEG', 'Neg'], ['ABS', 'Abs'], ['RELU', 'Relu'], ['LEAKY_RELU', 'LeakyRelu', { alpha }], ['THRESHOLDED_RELU', 'ThresholdedRelu', { alpha }],
      ['ELU', 'Elu', { alpha }], ['CELU', 'Celu', { alpha }], ['SELU', 'Selu', { alpha, gamma: beta }], ['HARD_SIGMOID', 'HardSigmoid', { alpha, beta }], ['SOFTPLUS', 'Softplus'], ['SOFTSIGN', 'Softsign'], ['ERF', 'Erf'],
      ['FLOOR', 'Floor'], ['CEIL', 'Ceil'], ['ROUND', 'Round'], ['SIGN', 'Sign'], ['LOG', 'Log'], ['SQRT', 'Sqrt'], ['RECIPROCAL', 'Reciprocal'],
    ];
    const [got, want] = await both((program, graph) => {
      const domain = (name: string): Float32Array => (['LOG', 'SQRT', 'RECIPROCAL'].includes(name) ? positive : x);
      for (const [name, op, attributes] of nodes) {
        unaryOf(program, program.constant(domain(name), [x.length]), UnaryFunction[name], alpha, beta);
        graph.output(graph.node(op, [graph.constant(domain(name))], attributes));
      }
      unaryOf(program, program.constant(x, [x.length]), UnaryFunction.CLIP, -2.5, 3.25);
      graph.output(graph.node('Clip', [graph.constant(x), graph.constant(Float32Array.of(-2.5), []), graph.constant(Float32Array.of(3.25), [])]));
    });
    got.forEach((values, k) => near(values, want[k]!, (i) => 2e-6 * (1 + Math.abs(want[k]![i]!))));
  });
});
