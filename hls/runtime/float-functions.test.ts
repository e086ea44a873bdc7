/** The float operators' functions of one and two numbers against double precision. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BinaryFunction, FloatOperator, UnaryFunction } from '../../src/contract/layout.ts';
import { random } from '../../test/support/qdq.ts';
import { FloatProgram, unaryOf } from '../tests/float-program.ts';
import { BUILD_TIMEOUT, Golden } from '../tests/golden.ts';

const f32 = Math.fround;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** erfc by the trapezoidal rule on its integral (2 / pi) ∫ e^(-x²(1+t²)) / (1+t²) dt over t = sinh u: nothing that the runtime does. */
function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < 0) return 2 - erfc(-x);
  if (x > 30) return 0;
  if (x < 0.5) {
    let [term, sum] = [x, x];
    for (let n = 1; n < 40; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  const step = 1 / 64;
  let sum = 0;
  for (let k = -1500; k <= 1500; k++) {
    const t = Math.sinh(k * step);
    sum += (Math.exp(-x * x * t * t) * Math.cosh(k * step)) / (1 + t * t);
  }
  return (Math.exp(-x * x) * sum * step) / Math.PI;
}
function erf(x: number): number {
  if (Math.abs(x) >= 0.5) return 1 - erfc(x);
  let [term, sum] = [x, x];
  for (let n = 1; n < 40; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
const clamp = (x: number): number => Math.min(1, Math.max(0, x));
const roundEven = (x: number): number => {
  const floor = Math.floor(x);
  return x - floor > 0.5 || (x - floor === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
};

const [A, B] = [f32(0.3), f32(1.7)];
/** Of x in double, as the layout's words say it; alpha is A, beta is B. */
const REFERENCE: Record<keyof typeof UnaryFunction, (x: number) => number> = {
  SIGMOID: sigmoid, TANH: Math.tanh, EXP: Math.exp, LOG: Math.log, SQRT: Math.sqrt, NEG: (x) => -x, ABS: Math.abs, RECIPROCAL: (x) => 1 / x,
  RELU: (x) => Math.max(x, 0), LEAKY_RELU: (x) => (x < 0 ? A * x : x), THRESHOLDED_RELU: (x) => (x > A ? x : 0), ELU: (x) => (x < 0 ? A * Math.expm1(x) : x),
  CELU: (x) => (x < 0 ? A * Math.expm1(x / A) : x), SELU: (x) => B * (x < 0 ? A * Math.expm1(x) : x), HARD_SIGMOID: (x) => clamp(A * x + B),
  HARD_SWISH: (x) => x * clamp(x / 6 + 0.5), SWISH: (x) => x * sigmoid(A * x), SOFTPLUS: softplus, SOFTSIGN: (x) => x / (1 + Math.abs(x)),
  MISH: (x) => x * Math.tanh(softplus(x)), GELU: (x) => (x / 2) * erfc(-x * Math.SQRT1_2),
  GELU_TANH: (x) => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)), ERF: erf, CLIP: (x) => Math.min(Math.max(x, A), B),
  FLOOR: Math.floor, CEIL: Math.ceil, ROUND: roundEven, SIGN: Math.sign,
};

/** Steps between two fp32 numbers; 0 where both are NaN, or zeros of either sign. */
function steps(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b) ? 0 : Infinity;
  const bits = new Int32Array(Float32Array.of(a, b).buffer);
  const [x, y] = Array.from(bits, (v) => (v < 0 ? -(v & 0x7fffffff) : v)) as [number, number];
  return Math.abs(x - y);
}

const next = random(4);
const bitPatterns = (count: number): number[] => Array.from({ length: count }, () => new Float32Array(Uint32Array.of(next() * 2 ** 32).buffer)[0] as number);
const EDGES = [0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 0.25, 1e-45, -1e-45, 1.17549435e-38, 1e-8, -1e-8, 1e-4, 3.4028234e38, -3.4028234e38, 87, 88.72283, 88.8, -87, -103, -104, 8388607.5, 16777216, A, B, Infinity, -Infinity, NaN];
const SAMPLE = Float32Array.from([...EDGES, ...Array.from({ length: 20_000 }, () => (next() - 0.5) * 2 * [0.01, 1, 5, 20, 120][Math.floor(next() * 5)]!), ...bitPatterns(8000)]);
/** What is left of x and infinity by hand: x * 0 is NaN in the one form and 0 in the other, and no network means either. */
const infinite = (name: string, x: number): boolean => !Number.isFinite(x) && ['HARD_SWISH', 'SWISH', 'MISH', 'GELU', 'GELU_TANH', 'SOFTSIGN'].includes(name);
/** A NaN is one of these: what a comparison makes of it. */
const chooses = (name: string, x: number): boolean => Number.isNaN(x) && ['THRESHOLDED_RELU', 'SIGN'].includes(name);

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void expect((await golden.end()).code).toBe(0));

describe('functions of one number', () => {
  // Evaluated in double to 1e-11 and rounded: at most the neighbour where the exact result is all but half way between two numbers.
  it('are at most one step from double precision, in 28,000 places each', async () => {
    const program = new FloatProgram();
    const x = program.constant(SAMPLE, [SAMPLE.length]);
    const names = Object.keys(UnaryFunction) as (keyof typeof UnaryFunction)[];
    for (const name of names) unaryOf(program, x, UnaryFunction[name], A, B);
    const results = await program.run(golden);
    const wrong: string[] = [];
    names.forEach((name, k) => {
      SAMPLE.forEach((value, i) => {
        if (infinite(name, value) || chooses(name, value)) return;
        const [got, want] = [results[k]![i]!, f32(REFERENCE[name](value))];
        if (steps(got, want) > 1) wrong.push(`${name}(${value}) = ${got}, not ${want}`);
      });
    });
    expect(wrong.slice(0, 20)).toEqual([]);
  });

  it('take no more than their operands\' place', async () => {
    const program = new FloatProgram();
    const x = program.constant(SAMPLE.slice(0, 1000), [10, 100]);
    const y = program.tensor([10, 100]);
    program.op(FloatOperator.UNARY, [x], y, { function: UnaryFunction.NEG, parameters: Float32Array.of(0, 0) });
    // In place, under another shape of as many elements, and as either operand.
    const z = program.tensor([1000], y);
    program.op(FloatOperator.UNARY, [y], program.tensor([10, 100], y), { function: UnaryFunction.ABS, parameters: Float32Array.of(0, 0) });
    program.op(FloatOperator.BINARY, [z, program.constant(Float32Array.of(2), [])], z, { function: BinaryFunction.MUL });
    program.op(FloatOperator.BINARY, [program.constant(Float32Array.of(1), []), z], z, { function: BinaryFunction.SUB });
    program.output(z);
    expect((await program.run(golden))[0]).toEqual(SAMPLE.slice(0, 1000).map((v) => f32(1 - f32(2 * Math.abs(v)))));
  });
});

describe('functions of two numbers', () => {
  it('are what IEEE 754 says', async () => {
    const pairs = Float32Array.from({ length: 20_000 }, (_, i) => (i < EDGES.length ** 2 ? EDGES[i % EDGES.length]! : (next() - 0.5) * 200));
    const others = Float32Array.from({ length: pairs.length }, (_, i) => (i < EDGES.length ** 2 ? EDGES[Math.floor(i / EDGES.length)]! : (next() - 0.5) * 200));
    const program = new FloatProgram();
    const [a, b] = [program.constant(pairs, [pairs.length]), program.constant(others, [pairs.length])];
    const functions: Partial<Record<keyof typeof BinaryFunction, (p: number, q: number) => number>> = { ADD: (p, q) => p + q, SUB: (p, q) => p - q, MUL: (p, q) => p * q, DIV: (p, q) => p / q, MIN: Math.min, MAX: Math.max };
    const entries = Object.entries(functions);
    for (const [name] of entries) program.result(FloatOperator.BINARY, [a, b], [pairs.length], { function: BinaryFunction[name as keyof typeof BinaryFunction] });
    const results = await program.run(golden);
    entries.forEach(([, fn], k) => pairs.forEach((p, i) => {
      if (steps(results[k]![i]!, f32(fn(p, others[i]!))) !== 0) throw new Error(`${entries[k]![0]}(${p}, ${others[i]}) = ${results[k]![i]}`);
    }));
  });

  it('POW is at most one step from double precision, and exact where C says what it is', async () => {
    const bases = Float32Array.from([...EDGES, ...Array.from({ length: 3000 }, () => next() * 20), ...Array.from({ length: 500 }, () => -next() * 20)]);
    const exponents = [0, -0, 1, 2, 3, -1, -2, 0.5, -0.5, 1 / 3, 2.5, 7, 64, 65, -65, 100.25, 1e10, Infinity, -Infinity, NaN].map(f32);
    const program = new FloatProgram();
    const x = program.constant(bases, [1, bases.length]);
    program.result(FloatOperator.BINARY, [x, program.constant(Float32Array.from(exponents), [exponents.length, 1])], [exponents.length, bases.length], { function: BinaryFunction.POW });
    const [result] = (await program.run(golden)) as [Float32Array];
    const wrong: string[] = [];
    exponents.forEach((y, k) => bases.forEach((base, i) => {
      // ECMAScript differs from C in 1 to the power of NaN or infinity, which is 1.
      const want = base === 1 || (base === -1 && Math.abs(y) === Infinity) ? 1 : f32(base ** y);
      if (steps(result[k * bases.length + i]!, want) > 1) wrong.push(`${base} ** ${y} = ${result[k * bases.length + i]}, not ${want}`);
    }));
    expect(wrong.slice(0, 20)).toEqual([]);
    const [squares] = (await (() => {
      const p = new FloatProgram();
      p.result(FloatOperator.BINARY, [p.constant(bases, [bases.length]), p.constant(Float32Array.of(2), [])], [bases.length], { function: BinaryFunction.POW });
      return p;
    })().run(golden)) as [Float32Array];
    expect(squares).toEqual(bases.map((v) => f32(v * v)));
  });
});

// Vector instructions of three kinds, plain ones, and the unoptimised build: IEEE arithmetic in a stated order has one result.
describe('the same bits', () => {
  it('come from every build', async () => {
    const program = new FloatProgram();
    const x = program.constant(SAMPLE, [SAMPLE.length]);
    for (const fn of Object.values(UnaryFunction)) unaryOf(program, x, fn, A, B);
    const square = program.constant(SAMPLE.subarray(40, 40 + 128 * 128).map((v) => (Math.abs(v) < 1e3 ? v : 1)), [128, 128]);
    program.result(FloatOperator.MATMUL, [square, square], [128, 128]);
    program.result(FloatOperator.SOFTMAX, [square], [128, 128], { axis: 0 });
    program.result(FloatOperator.SOFTMAX, [square], [128, 128], { axis: 1, function: 1 });
    program.result(FloatOperator.REDUCE, [square], [128], { parameters: Uint32Array.of(1) });
    program.result(FloatOperator.BINARY, [x, program.constant(Float32Array.of(0.37), [])], [SAMPLE.length], { function: BinaryFunction.POW });
    // A NaN's payload is nobody's business.
    const bits = (results: Float32Array[]): Uint32Array[] => results.map((values) => new Uint32Array(values.map((v) => (Number.isNaN(v) ? NaN : v)).buffer));
    const want = bits(await program.run(golden));
    for (const target of ['driver-baseline', 'driver-sanitized'] as const) {
      const other = await Golden.start(target);
      expect(bits(await program.run(other))).toEqual(want);
      const { code, stderr } = await other.end();
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    }
  }, BUILD_TIMEOUT);
});
