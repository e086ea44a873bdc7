/** One property of other tools' files at a time: what becomes of it, against ONNX Runtime on the file as it was, and what is refused and how. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as ort from 'onnxruntime-node';
import { BUILD_TIMEOUT, Golden } from '../../../hls/tests/golden.ts';
import { type Attributes, Fp32 } from '../../../test/support/fp32.ts';
import { random } from '../../../test/support/qdq.ts';
import { styled, written } from '../../../test/support/quantised.ts';
import { network } from '../../../test/support/random-network.ts';
import { compileProgram } from '../compile.ts';
import { CompileError } from '../error.ts';
import type { OnnxModel, OnnxTensor } from '../onnx.ts';
import { OnnxType, readOnnx } from '../onnx.ts';
import { calibratedQdq } from './calibrate.ts';
import { canonicalQdq, isQuantised, type QuantisedImport } from './index.ts';

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

const SHAPE = [1, 3, 8, 8];
const OUT = 0.05;

/** Writes quantised networks by hand. Zero points are in the codes' own type. */
class Foreign extends Fp32 {
  codes(x: string, scale: number, zero: number, type: number = OnnxType.UINT8): { codes: string; parameters: [string, string] } {
    const parameters: [string, string] = [this.scalar(scale), this.constant(type, type === OnnxType.UINT8 ? Uint8Array.of(zero) : Int8Array.of(zero), [])];
    return { codes: this.node('QuantizeLinear', [x, ...parameters]), parameters };
  }

  pair(x: string, scale: number, zero: number, type: number = OnnxType.UINT8): string {
    const { codes, parameters } = this.codes(x, scale, zero, type);
    return this.node('DequantizeLinear', [codes, ...parameters]);
  }

  /** int8 (or uint8) weights behind DequantizeLinear, a scale an index of axis 0. */
  kernel(dims: number[], options: { data?: Int8Array | Uint8Array; scales?: number[]; zero?: number } = {}): string {
    const count = dims.reduce((a, b) => a * b, 1);
    const data = options.data ?? Int8Array.from({ length: count }, () => Math.floor(this.next() * 255) - 127);
    const scales = options.scales ?? Array.from({ length: dims[0] as number }, () => 0.002 + 0.004 * this.next());
    const type = data instanceof Uint8Array ? OnnxType.UINT8 : OnnxType.INT8;
    const zeros = (type === OnnxType.UINT8 ? new Uint8Array(scales.length) : new Int8Array(scales.length)).fill(options.zero ?? 0);
    return this.node('DequantizeLinear', [this.constant(type, data, dims), this.floats(...scales), this.constant(type, zeros, [scales.length])], { axis: 0 });
  }

  layer(x: string, inputs: number, outputs: number, attributes: Attributes = {}, rest: string[] = [], kernel = this.kernel([outputs, inputs, 3, 3])): string {
    return this.node('Conv', [x, kernel, ...rest], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], ...attributes });
  }

  image(type: number = OnnxType.UINT8): string {
    return this.pair(this.input(SHAPE), 1 / 32, type === OnnxType.UINT8 ? 120 : -8, type);
  }
}

const build = (make: (g: Foreign) => string, opset = 13): OnnxModel => {
  const g = new Foreign(opset, 3);
  return g.build([make(g)]);
};

async function runtime(model: OnnxModel, feed: ort.Tensor): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(written(model), { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1, logSeverityLevel: 3 });
  const result = await session.run({ [model.inputs[0]?.name ?? '']: feed });
  await session.release();
  return Float32Array.from(result[model.outputs[0]?.name ?? '']?.data as Float32Array);
}

const image = (seed = 4): Float32Array => {
  const next = random(seed);
  return Float32Array.from({ length: SHAPE.reduce((a, b) => a * b, 1) }, () => 8 * next() - 4);
};

/** Compiled and run, against ONNX Runtime on the file: within `steps` of `lsb`. */
async function agrees(model: OnnxModel, steps = 1.01, lsb = OUT, made: QuantisedImport = canonicalQdq(readOnnx(written(model)))): Promise<QuantisedImport> {
  expect(isQuantised(model)).toBe(true);
  const data = image();
  const wanted = await runtime(model, new ort.Tensor('float32', data, SHAPE));
  expect((await golden.load(compileProgram(made.bytes).program)).text).toBe('');
  const { values } = await golden.runFloat(data);
  expect(values.length).toBe(wanted.length);
  const worst = values.reduce((most, v, i) => Math.max(most, Math.abs(v - (wanted[i] as number)) / lsb), 0);
  expect(worst).toBeLessThan(steps);
  expect(new Set(values).size).toBeGreaterThan(4);
  return made;
}

const constantOf = (model: OnnxModel, suffix: string): OnnxTensor => [...model.initializers.values()].find((t) => t.name.endsWith(suffix)) as OnnxTensor;

const refusal = (model: OnnxModel): string => {
  try {
    compileProgram(canonicalQdq(readOnnx(written(model))).bytes);
  } catch (error) {
    if (error instanceof CompileError) return error.message;
    throw error;
  }
  throw new Error('it was taken');
};

describe('what tools write', () => {
  it('a BatchNormalization behind a convolution multiplies its scales, signs and all, and leaves the codes', async () => {
    const g = new Foreign(13, 3);
    const codes = Int8Array.from({ length: 4 * 27 }, () => Math.floor(g.next() * 255) - 127);
    const x = g.layer(g.image(), 3, 4, {}, [g.weights([4], 0.4)], g.kernel([4, 3, 3, 3], { data: codes }));
    const gamma = [0.7, -1.3, 1, 0.2];
    const y = g.node('BatchNormalization', [x, g.floats(...gamma), g.weights([4], 0.3), g.weights([4], 0.3), g.floats(0.5, 1, 2, 1)]);
    const { model, notes } = await agrees(g.build([g.pair(g.node('Relu', [y]), OUT, 0)]));
    const made = constantOf(model, '/weights/codes').data as Int8Array;
    expect([...made]).toEqual(Array.from(codes, (c, i) => c * Math.sign(gamma[Math.floor(i / 27)] as number)));
    expect(notes.join()).not.toContain('anew');
  });

  it('weights in [-128, 127], of uint8 around 128: shifted, and -128 becomes -127 and is told', async () => {
    const data = Uint8Array.from({ length: 4 * 27 }, (_, i) => (i % 40 === 0 ? 0 : (i * 37) % 256));
    const { model, notes } = await agrees(build((g) => g.pair(g.layer(g.image(), 3, 4, {}, [], g.kernel([4, 3, 3, 3], { data, zero: 128 })), OUT, 128)), 3);
    expect(Math.min(...(constantOf(model, '/weights/codes').data as Int8Array))).toBe(-127);
    expect(notes.some((n) => /weights of ±128 became ±127/.test(n))).toBe(true);
  });

  it('a bias at another scale is counted in the core\'s steps, and told; one in fp32 as well', async () => {
    const odd = build((g) => {
      const bias = g.node('DequantizeLinear', [g.constant(OnnxType.INT8, Int8Array.of(3, -90, 127, 44), [4]), g.scalar(0.013)]);
      return g.pair(g.layer(g.image(), 3, 4, {}, [bias]), OUT, 128);
    });
    expect((await agrees(odd)).notes.some((n) => n.includes('its bias was no whole number of steps'))).toBe(true);
    await agrees(build((g) => g.pair(g.layer(g.image(), 3, 4, {}, [g.weights([4], 0.5)]), OUT, 128)));
  });

  it('powers of two in int8 throughout, the bias too (Quark)', async () => {
    const { notes } = await agrees(build((g) => {
      const image = g.pair(g.input(SHAPE), 1 / 32, 0, OnnxType.INT8);
      const bias = g.node('DequantizeLinear', [g.constant(OnnxType.INT8, Int8Array.of(30, -90, 127, 4), [4]), g.scalar(1 / 128), g.constant(OnnxType.INT8, Int8Array.of(0), [])]);
      const x = g.layer(image, 3, 4, {}, [bias], g.kernel([4, 3, 3, 3], { scales: [1 / 256, 1 / 256, 1 / 256, 1 / 256] }));
      return g.pair(g.node('Relu', [x]), 1 / 16, 0, OnnxType.INT8);
    }), 1.01, 1 / 16);
    expect(notes).toEqual([]);
  });

  it('fewer bits: codes that are clipped between the two nodes (Brevitas)', async () => {
    const made = await agrees(build((g) => {
      const narrow = g.codes(g.weights([4, 3, 3, 3], 0.3), 0.03, 0, OnnxType.INT8);
      const bounds = [g.constant(OnnxType.INT8, Int8Array.of(-7), []), g.constant(OnnxType.INT8, Int8Array.of(7), [])];
      const kernel = g.node('DequantizeLinear', [g.node('Clip', [narrow.codes, ...bounds]), ...narrow.parameters]);
      const act = g.codes(g.node('Relu', [g.layer(g.image(), 3, 4, {}, [], kernel)]), OUT, 0);
      const clipped = g.node('Clip', [act.codes, g.constant(OnnxType.UINT8, Uint8Array.of(0), []), g.constant(OnnxType.UINT8, Uint8Array.of(31), [])]);
      return g.node('DequantizeLinear', [clipped, ...act.parameters]);
    }));
    const codes = constantOf(made.model, '/weights/codes').data as Int8Array;
    expect([Math.min(...codes), Math.max(...codes)]).toEqual([-7, 7]);
  });

  it('pairs around what only moves become one', async () => {
    const { bytes } = await agrees(build((g) => {
      const x = g.pair(g.node('Relu', [g.layer(g.image(), 3, 4, { strides: [2, 2] })]), OUT, 0);
      const flat = g.pair(g.node('Flatten', [g.pair(g.node('Identity', [x]), OUT, 0)]), OUT, 0);
      const again = g.pair(g.node('Reshape', [flat, g.ints(1, 64)]), OUT, 0);
      return g.pair(g.node('Gemm', [again, g.kernel([6, 64])], { transB: 1 }), OUT, 100);
    }));
    expect(compileProgram(bytes).report.layers.map((l) => l.operator)).toEqual(['Conv + Relu', 'Gemm']);
    expect(readOnnx(bytes).nodes.filter((n) => n.opType === 'QuantizeLinear').length).toBe(3);
  });

  it('padding between pairs goes into the convolution; scales that differ across max pooling and Concat are brought together', async () => {
    const { bytes } = await agrees(build((g) => {
      const padded = g.pair(g.node('Pad', [g.image(), g.ints(0, 0, 1, 1, 0, 0, 1, 1)]), 1 / 32, 120);
      const a = g.pair(g.node('Conv', [padded, g.kernel([8, 3, 3, 3])], { kernel_shape: [3, 3] }), OUT, 128);
      const b = g.pair(g.node('MaxPool', [a], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }), 0.04, 60);
      const joined = g.pair(g.node('Concat', [a, b], { axis: 1 }), 0.06, 110);
      return g.pair(g.layer(joined, 16, 4), OUT, 128);
    }), 2.01);
    expect(compileProgram(bytes).report.layers.some((l) => l.operator.includes('Rescale'))).toBe(true);
  });

  it('QOperator on a network whose image comes as uint8 and whose scores leave as uint8', async () => {
    const g = new Foreign(13, 3);
    const zero = (v: number): string => g.constant(OnnxType.UINT8, Uint8Array.of(v), []);
    const kernel = [g.constant(OnnxType.INT8, Int8Array.from({ length: 108 }, () => Math.floor(g.next() * 255) - 127), [4, 3, 3, 3]), g.scalar(0.004), g.constant(OnnxType.INT8, Int8Array.of(0), [])];
    g.input(SHAPE, 'x');
    const conv = g.node('QLinearConv', ['x', g.scalar(1 / 32), zero(120), ...kernel, g.scalar(OUT), zero(40), g.constant(OnnxType.INT32, Int32Array.of(100, -2000, 4000, 7), [4])], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
    const pooled = g.node('MaxPool', [conv], { kernel_shape: [2, 2], strides: [2, 2] });
    const flat = g.node('Reshape', [pooled, g.ints(1, 64)]);
    const scores = g.node('QLinearMatMul', [flat, g.scalar(OUT), zero(40), g.constant(OnnxType.INT8, Int8Array.from({ length: 320 }, () => Math.floor(g.next() * 255) - 127), [64, 5]), g.floats(0.002, 0.003, 0.004, 0.005, 0.006), g.constant(OnnxType.INT8, new Int8Array(5), [5]), g.scalar(0.1), zero(128)]);
    const bare = g.build([scores]);
    const model: OnnxModel = { ...bare, inputs: bare.inputs.map((i) => ({ ...i, elementType: OnnxType.UINT8 })), outputs: bare.outputs.map((o) => ({ ...o, elementType: OnnxType.UINT8 })) };
    const made = canonicalQdq(model);
    expect(made.input).toEqual({ scale: 1 / 32, zeroPoint: -8 });
    expect(made.model.inputs[0]?.elementType).toBe(OnnxType.FLOAT);
    const codes = Uint8Array.from(image(), (v) => Math.max(0, Math.min(255, Math.round(v * 32) + 120)));
    const session = await ort.InferenceSession.create(written(model), { graphOptimizationLevel: 'disabled', logSeverityLevel: 3 });
    const wanted = Array.from((await session.run({ x: new ort.Tensor('uint8', codes, SHAPE) }))[scores]?.data as Uint8Array, (c) => (c - 128) * Math.fround(0.1));
    await session.release();
    expect((await golden.load(compileProgram(made.bytes).program)).text).toBe('');
    const { values } = await golden.runFloat(Float32Array.from(codes, (c) => (c - 120) / 32));
    for (const [i, v] of values.entries()) expect(Math.abs(v - (wanted[i] as number))).toBeLessThan(0.101);
    expect(made.notes.map((n) => n.split(' ').slice(0, 4).join(' '))).toEqual([`Input 'x' comes as`, `Output '${scores}' comes as`]);
  });

  it('a Relu that the codes stand for is a Clip in fp32', async () => {
    const model = build((g) => {
      const hidden = g.pair(g.layer(g.image(), 3, 4), OUT, 0);
      return g.pair(g.layer(hidden, 4, 4), OUT, 128);
    });
    const { float } = await agrees(model);
    expect(float.nodes.map((n) => n.opType)).toEqual(['Conv', 'Clip', 'Conv']);
  });
});

describe('what tools leave unquantised', () => {
  /** A residual block whose convolution goes into the sum as it is, and a last layer whose result nobody quantises (NNCF). */
  const sparse = (): OnnxModel => build((g) => {
    const x = g.pair(g.node('Relu', [g.layer(g.image(), 3, 4)]), OUT, 0);
    const sum = g.pair(g.node('Relu', [g.node('Add', [g.layer(x, 4, 4), x])]), OUT, 0);
    const flat = g.node('Flatten', [g.node('GlobalAveragePool', [sum])]);
    return g.node('Gemm', [g.pair(flat, OUT / 4, 0), g.kernel([5, 4]), g.weights([5])], { transB: 1 });
  });

  it('a sum\'s operand is rounded so that nothing is lost that is kept behind it', async () => {
    const made = await agrees(build((g) => {
      const x = g.pair(g.node('Relu', [g.layer(g.image(), 3, 4)]), OUT, 0);
      return g.pair(g.node('Relu', [g.node('Add', [g.layer(x, 4, 4), x])]), OUT, 0);
    }), 2.01);
    expect(made.uncalibrated.length).toBe(1);
    expect(made.notes.join()).toContain('nothing is lost that the next quantisation keeps');
  });

  it('results at the end are bounded by the weights, and better measured', async () => {
    const bounded = canonicalQdq(sparse());
    expect(bounded.notes.some((n) => n.includes('calibration data would do better'))).toBe(true);
    const made = await calibratedQdq(sparse(), Array.from({ length: 40 }, (_, i) => image(i)));
    const last = (m: QuantisedImport): number => Number(m.model.initializers.get(m.model.nodes.filter((n) => n.opType === 'QuantizeLinear').at(-1)?.inputs[1] ?? '')?.data[0]);
    expect(last(made)).toBeLessThan(last(bounded));
    expect(made.notes.some((n) => n.includes('from calibration data'))).toBe(true);
    await agrees(sparse(), 2.01, last(made) * 4, made);
  });

  it('an image that is not quantised needs a range', async () => {
    const model = build((g) => g.pair(g.layer(g.input(SHAPE), 3, 4), OUT, 128));
    expect(refusal(model)).toMatch(/graph's input 'x' is not quantised/);
    const made = await calibratedQdq(model, [image()], { inputRange: { min: -4, max: 4 } });
    expect(made.input.scale).toBeCloseTo(8 / 255, 5);
    await agrees(model, 3, OUT, made);
  });
});

describe('what is refused', () => {
  const dynamic = (op: string): OnnxModel => build((g) => g.node(op, [g.image(), g.kernel([4, 3, 3, 3])]));
  it.each<[string, OnnxModel, RegExp]>([
    ['weights around a zero point that int8 cannot follow', build((g) => g.pair(g.layer(g.image(), 3, 4, {}, [], g.kernel([4, 3, 3, 3], { data: Uint8Array.from({ length: 108 }, (_, i) => (i * 91) % 256), zero: 30 })), OUT, 128)), /zero point -98.*WeightSymmetric/],
    ['a scale a channel of an activation', build((g) => g.node('DequantizeLinear', [g.node('QuantizeLinear', [g.input(SHAPE), g.floats(0.1, 0.2, 0.3), g.constant(OnnxType.INT8, new Int8Array(3), [3])]), g.floats(0.1, 0.2, 0.3), g.constant(OnnxType.INT8, new Int8Array(3), [3])])), /per tensor/],
    ['int16', build((g) => g.node('QuantizeLinear', [g.input(SHAPE), g.scalar(0.1), g.constant(5, new Uint8Array(0), [])])), /quantises to int16/],
    ['int4 weights', build((g) => g.layer(g.image(), 3, 4, {}, [], g.node('DequantizeLinear', [g.constant(22, new Uint8Array(0), [4, 3, 3, 3]), g.scalar(0.1)]))), /is int4/],
    ['float8', build((g) => g.node('QuantizeLinear', [g.input(SHAPE), g.scalar(0.1), g.constant(17, new Uint8Array(0), [])])), /float8e4m3fn/],
    ['half precision scales', build((g) => g.node('QuantizeLinear', [g.input(SHAPE), g.constant(10, new Uint8Array(0), []), g.constant(3, Int8Array.of(0), [])])), /scale is float16/],
    ['dynamic quantisation', dynamic('DynamicQuantizeLinear'), /quantise statically/],
    ['ConvInteger', dynamic('ConvInteger'), /ConvInteger belongs to dynamic quantisation.*quantize_static/],
    ['MatMulInteger', dynamic('MatMulInteger'), /quantise statically/],
    ['QONNX before its conversion', dynamic('Quant'), /QuantToQCDQ/],
    ['scales computed from the image', build((g) => g.node('QuantizeLinear', [g.input(SHAPE), g.node('ReduceMax', ['x'], { keepdims: 0 }), g.constant(3, Int8Array.of(0), [])])), /scales and zero points that are computed/],
    ['another scale behind than in front', build((g) => g.node('DequantizeLinear', [g.codes(g.input(SHAPE), 0.1, 0).codes, g.scalar(0.2), g.constant(OnnxType.UINT8, Uint8Array.of(0), [])])), /the two must be equal/],
    ['arithmetic on codes', build((g) => g.node('Add', [g.codes(g.input(SHAPE), 0.1, 0).codes, g.codes('x', 0.1, 0).codes])), /computes with integer codes/],
    ['a scale of 0', build((g) => g.pair(g.input(SHAPE), 0, 0)), /its scale is 0/],
    ['blocks', build((g) => g.node('QuantizeLinear', [g.input(SHAPE), g.scalar(0.1), g.constant(3, Int8Array.of(0), [])], { block_size: 16 }), 21), /in blocks/],
    ['our own mark', build((g) => g.node('fabriclens.Mark', [g.image()])), /not a standard ONNX operator/],
    ['constants of a node without its inputs', build((g) => g.node('Add', [g.image(), g.node('Relu', [])])), /Relu has 0 of the 1 input/],
    ['constants of a node without its second input', build((g) => g.node('Add', [g.image(), g.node('Mul', [g.scalar(2)])])), /Mul has 1 of the 2 input/],
    ['an old opset', build((g) => g.pair(g.input(SHAPE), 0.1, 0), 10), /opset 10/],
  ])('%s', (_, model, message) => {
    expect(refusal(model)).toMatch(message);
  });

  it('damaged files, by a CompileError and nothing else', () => {
    const base = written(styled(readOnnx(network({ channels: 8, height: 6, width: 6, seed: 2, flavour: 'plain', head: 'gemm', steps: [{ kind: 'conv', seed: 1 }, { kind: 'residual', seed: 2 }, { kind: 'concat', seed: 3 }] }, false).onnx), { unsigned: true, weights: 'clipped', bias: 'float', contrib: false, dedicated: true, redundant: true, operators: true, opset: 13 }));
    let taken = 0;
    fc.assert(
      fc.property(fc.nat(base.length), fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 6 }), fc.boolean(), (end, changes, cut) => {
        const bytes = Uint8Array.from(cut ? base.subarray(0, end) : base);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          const made = canonicalQdq(readOnnx(bytes));
          compileProgram(made.bytes);
          taken++;
        } catch (error) {
          if (!(error instanceof CompileError)) throw error;
        }
      }),
      { numRuns: 400 },
    );
    console.log(`${taken} of 400 damaged files were still networks`);
  }, 120_000);
});
