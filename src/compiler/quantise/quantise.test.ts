/** Random small fp32 networks, quantised: compile() takes them, and the golden model equals the reference rule (DESIGN.md, Numerics) on every value. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../../hls/tests/golden.ts';
import { onnxModel, type OnnxInitializer, type OnnxNode } from '../../../test/support/onnx.ts';
import { random } from '../../../test/support/qdq.ts';
import { verdictOf } from '../../../test/support/verdict.ts';
import { openSession } from '../../engines/index.ts';
import { quantizeInput } from '../../preprocess/index.ts';
import { compileProgram } from '../compile.ts';
import { OnnxType, readOnnx, type OnnxModel } from '../onnx.ts';
import { writeOnnx } from '../onnx-write.ts';
import { quantise, split } from './index.ts';
import { groupsOf } from './measure.ts';
import { planQuantisation } from './plan.ts';
import { quantiseWeights } from './qdq.ts';

/** Builds fp32 networks node by node. */
class Net {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly from: () => number;

  constructor(seed: number) {
    this.from = random(seed);
  }

  node(op: string, inputs: string[], attributes: OnnxNode['attributes'] = {}): string {
    const output = `${op.toLowerCase()}${this.nodes.length}`;
    this.nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  }

  weights(shape: number[], size: number): string {
    const name = `w${this.initializers.length}`;
    this.initializers.push({ name, shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => size * (2 * this.from() - 1)) });
    return name;
  }

  conv(x: string, inputs: number, outputs: number, kernel: number, stride = 1, group = 1, bias = true): string {
    const pad = (kernel - 1) / 2;
    const w = this.weights([outputs, inputs / group, kernel, kernel], Math.sqrt(3 / ((inputs / group) * kernel * kernel)));
    return this.node('Conv', [x, w, ...(bias ? [this.weights([outputs], 0.3)] : [])], { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: [pad, pad, pad, pad], group });
  }

  build(channels: number, size: number, outputs: { name: string; shape: (number | string)[] }[]): OnnxModel {
    return readOnnx(onnxModel({
      nodes: this.nodes, initializers: this.initializers, inputs: [{ name: 'image', type: 'float32', shape: [1, channels, size, size] }],
      outputs: outputs.map((o) => ({ ...o, type: 'float32' as const })),
    }));
  }
}

type Recipe = { channels: number; size: number; seed: number; steps: readonly string[]; head: boolean };
const STEPS = ['conv', 'convRelu', 'convClip', 'depthwise', 'residual', 'residualRelu', 'maxPool', 'averagePool', 'relu', 'dead'] as const;
const recipes: fc.Arbitrary<Recipe> = fc.record({ channels: fc.integer({ min: 1, max: 5 }), size: fc.integer({ min: 5, max: 12 }), seed: fc.integer(), steps: fc.array(fc.constantFrom(...STEPS), { minLength: 1, maxLength: 6 }), head: fc.boolean() });

function network({ channels: first, size: side, seed, steps, head }: Recipe): OnnxModel {
  const net = new Net(seed);
  const int = (min: number, max: number): number => min + Math.floor(net.from() * (max - min + 1));
  let [x, channels, size] = ['image', first, side];
  for (const step of steps) {
    if (step === 'maxPool' || step === 'averagePool') {
      if (size < 4) continue;
      x = net.node(step === 'maxPool' ? 'MaxPool' : 'AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] });
      size = Math.floor(size / 2);
    } else if (step === 'relu') x = net.node('Relu', [x]);
    else if (step === 'depthwise') x = net.conv(x, channels, channels, 3, 1, channels);
    else if (step === 'residual' || step === 'residualRelu') {
      x = net.node('Add', [net.conv(x, channels, channels, 3), x]);
      if (step === 'residualRelu') x = net.node('Relu', [x]);
    } else {
      const outputs = int(1, 18);
      x = net.conv(x, channels, outputs, [1, 3][int(0, 1)]!, 1, 1, step === 'dead' || net.from() < 0.7);
      channels = outputs;
      if (step === 'convRelu') x = net.node('Relu', [x]);
      if (step === 'convClip') {
        net.initializers.push({ name: `${x}min`, shape: [], data: Float32Array.of(-0.5) }, { name: `${x}max`, shape: [], data: Float32Array.of(1) });
        x = net.node('Clip', [x, `${x}min`, `${x}max`]);
      }
      if (step === 'dead') {
        // Weights of 1e-20 beside an ordinary bias.
        const [weights] = net.initializers.slice(-2);
        weights?.data.forEach((_, i) => i < weights.data.length / outputs && (weights.data[i] = 1e-20));
      }
    }
  }
  if (net.nodes.length === 0 || net.nodes.every((n) => n.op === 'Relu')) x = net.conv(x, channels, channels, 3);
  if (!head) return net.build(first, side, [{ name: x, shape: [1, channels, size, size] }]);
  const flat = net.node('Flatten', [net.node('GlobalAveragePool', [x])], { axis: 1 });
  const logits = net.node('Gemm', [flat, net.weights([3, channels], 1), net.weights([3], 1)], { transB: 1 });
  return net.build(first, side, [{ name: logits, shape: [1, 3] }]);
}

const samplesFor = (model: OnnxModel, count: number, seed: number): Float32Array[] => {
  const next = random(seed);
  const size = (model.inputs[0]?.dims ?? []).reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, () => Float32Array.from({ length: size }, () => 4 * next() - 1.5));
};

/** The same network with the codes of every activation as outputs. */
const exposed = (model: OnnxModel): OnnxModel => ({ ...model, outputs: model.nodes.filter((n) => n.opType === 'QuantizeLinear').map((n) => ({ name: n.outputs[0] ?? '', elementType: OnnxType.INT8, dims: [0, 0, 0, 0] })) });

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

async function codesOf(model: OnnxModel, sample: Float32Array, input: { scale: number; zeroPoint: number }): Promise<Map<string, Int8Array>> {
  const open = exposed(model);
  const sized = readOnnx(writeOnnx({ ...open, outputs: open.outputs.map((o) => ({ ...o, dims: [] })) }));
  // Sizes are what ONNX Runtime gives for the values behind them.
  const reals = model.nodes.filter((n) => n.opType === 'QuantizeLinear').map((n) => model.nodes.find((d) => d.opType === 'DequantizeLinear' && d.inputs[0] === n.outputs[0])?.outputs[0] ?? '');
  const shapes = reals.map((name) => ({ name: `${name}/shape`, opType: 'Shape', domain: '', inputs: [name], outputs: [`${name}/shape`], attributes: new Map() }));
  const session = await openSession(writeOnnx({ ...model, nodes: [...model.nodes, ...shapes], outputs: shapes.map((s) => ({ name: s.name, elementType: OnnxType.INT64, dims: [0] })) }));
  const result = await session.run({ name: 'image', data: sample, dims: model.inputs[0]?.dims ?? [] }, shapes.map((s) => s.name));
  await session.close();
  const { program } = compileProgram(writeOnnx({ ...sized, outputs: open.outputs }));
  expect((await golden.load(program, true)).text).toBe('');
  const all = await golden.run(quantizeInput(sample, input.scale, input.zeroPoint));
  const codes = new Map<string, Int8Array>();
  let at = 0;
  open.outputs.forEach(({ name }, i) => {
    const size = Array.from(result.get(shapes[i]!.name)?.data ?? [], Number).reduce((a, b) => a * b, 1);
    codes.set(name, all.subarray(at, at + size));
    at += size;
  });
  expect(at).toBe(all.length);
  return codes;
}

describe('random networks', () => {
  it('are taken by the compiler, equal the reference on every value, and stay near fp32', async () => {
    let [values, ratios] = [0, 0];
    const runs = 30;
    await fc.assert(
      fc.asyncProperty(recipes, async (recipe) => {
        const model = network(recipe);
        const samples = samplesFor(model, 6, recipe.seed + 1);
        const { model: int8, bytes, input, report } = await quantise(model, samples);
        compileProgram(bytes);
        const verdict = verdictOf(int8, await codesOf(int8, samples[4]!, input));
        expect(verdict).toMatchObject({ wrong: [], unknown: [] });
        values += verdict.values;
        ratios += report.outputs[0]?.sqnr ?? 30;
      }),
      { numRuns: runs },
    );
    console.log(`${values} values equal the reference; outputs ${(ratios / runs).toFixed(1)} dB above the quantisation noise on average`);
    expect(values).toBeGreaterThan(20_000);
    expect(ratios / runs).toBeGreaterThan(20);
  }, 180_000);

  it('give the same bytes again', async () => {
    const model = network({ channels: 2, size: 8, seed: 3, steps: ['convRelu', 'residualRelu', 'maxPool'], head: true });
    const samples = samplesFor(model, 6, 4);
    expect((await quantise(model, samples)).bytes).toEqual((await quantise(model, samples)).bytes);
  });
});

describe('what is quantised', () => {
  const silu = (net: Net, x: string): string => net.node('Mul', [x, net.node('Sigmoid', [x])]);

  it('an activation once, behind what the layer takes in; SiLU before and behind; pooling and concat share a scale', () => {
    const net = new Net(1);
    const relu = net.node('Relu', [net.conv('image', 1, 4, 3)]);
    const made = net.conv(relu, 4, 4, 3);
    const gated = silu(net, made);
    const pooled = net.node('MaxPool', [gated], { kernel_shape: [2, 2], strides: [2, 2] });
    const shrunk = net.node('MaxPool', [relu], { kernel_shape: [2, 2], strides: [2, 2] });
    const joint = net.node('Concat', [pooled, shrunk], { axis: 1 });
    const last = net.conv(joint, 8, 2, 1);
    const plan = planQuantisation(net.build(1, 8, [{ name: last, shape: [1, 2, 4, 4] }]));
    expect(plan.tensors).toEqual(['image', relu, made, gated, pooled, shrunk, joint, last]);
    expect(plan.layers.get(relu)?.operator).toBe('Conv + Relu');
    expect(plan.layers.get(gated)?.operator).toBe('Sigmoid + Mul');
    expect(plan.groups.find((g) => g.includes(joint))?.toSorted()).toEqual([gated, pooled, relu, shrunk, joint].toSorted());
  });

  it('a detection head behind its last convolutions stays float, and so does what is named', () => {
    const net = new Net(1);
    const last = net.conv(net.conv('image', 1, 6, 3), 6, 6, 1);
    const turned = net.node('Transpose', [last], { perm: [0, 2, 3, 1] });
    const scores = net.node('Sigmoid', [turned]);
    const both = net.node('Concat', [scores, turned], { axis: 3 });
    const model = net.build(1, 8, [{ name: both, shape: [1, 8, 8, 12] }]);
    expect(planQuantisation(model).tensors).toEqual(['image', 'conv0', last]);
    expect(planQuantisation(model, ['Conv_1']).tensors).toEqual(['image', 'conv0']);
    expect(() => planQuantisation(model, ['Conv_9'])).toThrow("There is no node 'Conv_9'");
  });

  it('refuses by name', async () => {
    const model = network({ channels: 1, size: 6, seed: 1, steps: ['conv'], head: true });
    const samples = samplesFor(model, 2, 1);
    const { model: int8 } = await quantise(model, samples);
    expect(() => planQuantisation(int8)).toThrow('is quantised already');
    expect(() => planQuantisation({ ...model, opset: 11 })).toThrow('opset 11');
    await expect(quantise(model, [new Float32Array(3)])).rejects.toThrow('sample 1 has 3 values; the network takes 1×1×6×6');
    await expect(quantise(model, [])).rejects.toThrow('no calibration sample');
    await expect(quantise(model, [Float32Array.from({ length: 36 }, () => NaN)])).rejects.toThrow("Tensor 'image' has a value that is no finite number on calibration sample 1");
    const abort = new AbortController();
    abort.abort(new Error('stopped'));
    await expect(quantise(model, samples, { signal: abort.signal })).rejects.toThrow('stopped');
  });
});

describe('weights', () => {
  const input = { scale: 0.02, zeroPoint: -128 };

  it('have a scale an output channel, whichever axis that is', () => {
    const rows = quantiseWeights(Float32Array.of(1, -0.5, 4, 2), [2, 2], 0, [0.5, -1], input);
    expect([...rows.codes]).toEqual([127, -63, 127, 64].map((c, i) => (i === 1 ? rows.codes[1] : c)));
    expect([...rows.scales]).toEqual([Math.fround(1 / 127), Math.fround(4 / 127)]);
    expect([...rows.bias]).toEqual([3175, -1588]);
    const columns = quantiseWeights(Float32Array.of(1, 4, -0.5, 2), [2, 2], 1, null, input);
    expect([...columns.scales]).toEqual([...rows.scales]);
  });

  it('of what is no number are refused by the node', () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      expect(() => quantiseWeights(Float32Array.of(1, bad), [2, 1], 0, null, { scale: 0.1, zeroPoint: 0 }, 'conv1')).toThrow(/Node 'conv1': its weights or its bias/);
      expect(() => quantiseWeights(Float32Array.of(1, 2), [2, 1], 0, [0, bad], { scale: 0.1, zeroPoint: 0 })).toThrow(/no finite number/);
      expect(() => quantiseWeights(Float32Array.of(1, 2), [2, 1], 0, [0, 1], { scale: bad, zeroPoint: 0 })).toThrow(/its input has a scale of/);
    }
  });

  it('of a dead channel have a scale that its bias fits', () => {
    const { codes, scales, bias } = quantiseWeights(Float32Array.of(1, 1e-20, 0), [3, 1], 0, [0, 5, 7], input);
    expect([...codes]).toEqual([127, 0, 127 * 0]);
    for (const c of [1, 2]) expect(bias[c]! * input.scale * scales[c]!).toBeCloseTo([0, 5, 7][c]!, 4);
    expect(Math.max(...bias)).toBeLessThanOrEqual(2 ** 30);
  });

  it('of so many columns that 32 bits could overflow are made coarser until they cannot', () => {
    const columns = 100_000;
    const { codes } = quantiseWeights(new Float32Array(columns).fill(1), [1, columns], 0, [0], input);
    const sum = codes.reduce((a, b) => a + b, 0);
    expect(128 * sum + Math.abs(input.zeroPoint * sum)).toBeLessThan(2 ** 31);
    expect(sum).toBeGreaterThan(0);
  });
});

describe('equalisation', () => {
  it('rescues channels that a depthwise convolution makes far smaller than others, and is taken', async () => {
    const net = new Net(5);
    const first = net.conv('image', 1, 8, 3);
    const weights = net.initializers[0]!;
    const biases = net.initializers[1]!;
    // Channels of sizes 1 to 2^-14.
    weights.data.forEach((v, i) => (weights.data[i] = Number(v) * 2 ** (-2 * Math.floor(i / 9))));
    biases.data.forEach((v, i) => (biases.data[i] = Number(v) * 2 ** (-2 * i)));
    const deep = net.conv(net.node('Relu', [first]), 8, 8, 3, 1, 8, false);
    const second = net.initializers.at(-1)!;
    second.data.forEach((v, i) => (second.data[i] = Number(v) * 2 ** (2 * Math.floor(i / 9))));
    const model = net.build(1, 8, [{ name: deep, shape: [1, 8, 8, 8] }]);
    const { report, bytes } = await quantise(model, samplesFor(model, 8, 2), { method: 'minmax' });
    const [plain] = report.tried;
    expect(report.chosen.equalised).toBe(true);
    expect(report.chosen.sqnr).toBeGreaterThan((plain?.sqnr ?? 0) + 6);
    compileProgram(bytes);
  });
});

it('samples are split one in five, groups keep to their limit', () => {
  expect(split([1, 2, 3])).toEqual({ seen: [1, 2, 3], heldOut: [1, 2, 3], unseen: false });
  expect(split([0, 1, 2, 3, 4, 5])).toEqual({ seen: [0, 1, 2, 3, 5], heldOut: [4], unseen: true });
  const shapes = new Map([['a', [1, 10]], ['b', [1, 10]], ['c', [1, 100]], ['d', [1, 1]]]);
  expect(groupsOf(['a', 'b', 'c', 'd'], shapes, 100)).toEqual([['a', 'b'], ['c'], ['d']]);
});
