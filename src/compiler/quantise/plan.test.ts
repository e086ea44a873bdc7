/** What stays fp32: detection heads as a whole, products inside the network between codes and codes. ONNX Runtime runs the result, and the compiler takes it. */
import { describe, expect, it } from 'vitest';
import { Fp32 } from '../../../test/support/fp32.ts';
import { random } from '../../../test/support/qdq.ts';
import { compileProgram } from '../compile.ts';
import { canonical } from '../float/canonical.ts';
import type { OnnxModel } from '../onnx.ts';
import { writeOnnx } from '../onnx-write.ts';
import { quantise } from './index.ts';
import { Network } from './measure.ts';
import { planQuantisation } from './plan.ts';

const CLASSES = 4;

/** Two heads of YOLOv5 v6.x behind a small backbone, as PyTorch exports them. */
function detector(): OnnxModel {
  const net = new Fp32(13, 5);
  const silu = (x: string): string => net.node('Mul', [x, net.node('Sigmoid', [x])]);
  const conv = (x: string, from: number, to: number, stride: number): string => silu(net.conv(x, from, to, 3, { pads: [1, 1, 1, 1], strides: [stride, stride] }));
  const p3 = conv(conv(net.input([1, 3, 32, 32]), 3, 8, 2), 8, 16, 2);
  const p4 = conv(p3, 16, 16, 2);
  const row = 5 + CLASSES;
  const heads = [[p3, 8, 4], [p4, 4, 8]].map(([x, side, stride]) => {
    const n = side as number;
    const raw = net.conv(x as string, 16, 3 * row, 1);
    const turned = net.node('Transpose', [net.node('Reshape', [raw, net.ints(1, 3, row, n, n)])], { perm: [0, 1, 3, 4, 2] });
    const [xy, wh, rest] = net.nodes('Split', [net.node('Sigmoid', [turned]), net.ints(2, 2, CLASSES + 1)], { axis: 4 }, 3) as [string, string, string];
    const centre = net.node('Mul', [net.node('Add', [net.node('Mul', [xy, net.scalar(2)]), net.weights([1, 3, n, n, 2], 4)]), net.scalar(stride as number)]);
    const size = net.node('Mul', [net.node('Pow', [net.node('Mul', [wh, net.scalar(2)]), net.scalar(2)]), net.weights([1, 3, n, n, 2], 4, 8)]);
    return net.node('Reshape', [net.node('Concat', [centre, size, rest], { axis: 4 }), net.ints(1, 3 * n * n, row)]);
  });
  return canonical(net.build([net.node('Concat', heads, { axis: 1 })])).model;
}

/** Convolution, a gate a channel made by two more, a product, convolution. */
function squeezeAndExcitation(): OnnxModel {
  const net = new Fp32(13, 9);
  const x = net.node('Relu', [net.conv(net.input([1, 3, 12, 12]), 3, 8)]);
  const gate = net.node('Sigmoid', [net.conv(net.node('Relu', [net.conv(net.node('GlobalAveragePool', [x]), 8, 4, 1)]), 4, 8, 1)]);
  return canonical(net.build([net.conv(net.node('Mul', [x, gate]), 8, 5, 1)])).model;
}

const samples = (model: OnnxModel, count: number): Float32Array[] => {
  const next = random(3);
  const size = (model.inputs[0]?.dims ?? []).reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, () => Float32Array.from({ length: size }, () => next()));
};

describe('a detection head', () => {
  const model = detector();

  it('stays fp32 from the last convolutions on, each of which keeps a scale of its own', async () => {
    const { tensors, groups, nodes } = planQuantisation(model);
    const last = nodes.filter((p) => p.role === 'layer').slice(-2).map((p) => p.node.outputs[0]);
    expect(tensors.slice(-2).every((name) => last.includes(name) || nodes.some((p) => p.quantised && p.node.outputs[0] === name))).toBe(true);
    for (const name of last) expect(groups.find((group) => group.includes(name as string))).toEqual([name]);
    const behind = nodes.filter((p) => ['Transpose', 'Slice', 'Concat', 'Pow'].includes(p.node.opType) || (p.node.opType === 'Sigmoid' && p.role !== 'insideTable'));
    expect(behind.length).toBeGreaterThan(6);
    expect(behind.every((p) => !p.quantised)).toBe(true);

    const { bytes, report } = await quantise(model, samples(model, 6));
    expect(report.outputs[0]?.sqnr).toBeGreaterThan(20);
    const { report: compiled } = compileProgram(bytes);
    // Convolutions, SiLUs, then everything else: the core is rung once.
    const targets = compiled.layers.map((l) => l.float);
    expect(targets.lastIndexOf(false)).toBeLessThan(targets.indexOf(true));
    expect(compiled.layers.filter((l) => !l.float).every((l) => l.target === 'PL')).toBe(true);
    expect(compiled.layers.at(-1)).toMatchObject({ operator: 'Concat', float: true });
  });
});

describe('squeeze and excitation', () => {
  it('quantises the product, which fp32 makes between codes and codes', async () => {
    const model = squeezeAndExcitation();
    const { bytes, report } = await quantise(model, samples(model, 6));
    expect(report.outputs[0]?.sqnr).toBeGreaterThan(20);
    const { layers } = compileProgram(bytes).report;
    const at = layers.findIndex((l) => l.operator === 'Mul');
    // Both operands are dequantised in one row.
    expect(layers.slice(at - 1, at + 2).map((l) => [l.operator, l.count])).toEqual([['DequantizeLinear', 2], ['Mul', 1], ['QuantizeLinear', 1]]);
    expect(layers.at(-1)).toMatchObject({ operator: 'Conv', target: 'PL' });
  });
});

describe('what moves codes', () => {
  it('keeps their scale: channels in another order between convolutions', async () => {
    const net = new Fp32(13, 2);
    const x = net.node('Relu', [net.conv(net.input([1, 3, 8, 8]), 3, 8, 1)]);
    const shuffled = net.node('Reshape', [net.node('Transpose', [net.node('Reshape', [x, net.ints(1, 2, 4, 8, 8)])], { perm: [0, 2, 1, 3, 4] }), net.ints(1, 8, 8, 8)]);
    const { model } = canonical(net.build([net.conv(shuffled, 8, 4, 1)]));
    const { groups } = planQuantisation(model);
    expect(groups.some((group) => group.length === 2)).toBe(true);
    const { bytes, model: int8 } = await quantise(model, samples(model, 6));
    expect(await new Network(int8, bytes).outputs(samples(model, 1), 'all')).toHaveLength(1);
    const { layers } = compileProgram(writeOnnx(int8)).report;
    expect(layers.filter((l) => l.float).map((l) => l.operator)).toEqual(['DequantizeLinear', 'Transpose', 'QuantizeLinear']);
  });
});

describe('what the core has not, from an fp32 network on', () => {
  it('runs in fp32 between codes and codes: bilinear enlargement, a slope a channel, attention', async () => {
    const net = new Fp32(17, 6);
    const x = net.node('PRelu', [net.conv(net.input([1, 3, 6, 6]), 3, 8, 3, { pads: [1, 1, 1, 1] }), net.weights([8, 1, 1], 0.3)]);
    const flat = net.node('Reshape', [net.conv(x, 8, 8, 1), net.ints(1, 8, 36)]);
    const weights = net.node('Softmax', [net.node('MatMul', [flat, net.node('Transpose', [flat], { perm: [0, 2, 1] })])], { axis: 2 });
    const attended = net.node('Reshape', [net.node('MatMul', [weights, flat]), net.ints(1, 8, 6, 6)]);
    const large = net.node('Resize', [net.conv(attended, 8, 8, 1), '', net.floats(1, 1, 2, 2)], { mode: 'linear' });
    const { model } = canonical(net.build([net.conv(large, 8, 4, 3)]));
    const { bytes, report } = await quantise(model, samples(model, 6));
    expect(report.outputs[0]?.sqnr).toBeGreaterThan(15);
    const { layers } = compileProgram(bytes).report;
    for (const operator of ['PRelu', 'MatMul', 'Softmax', 'Resize']) expect(layers.find((l) => l.operator === operator), operator).toMatchObject({ float: true });
    expect(layers.filter((l) => l.operator === 'Conv').every((l) => l.target === 'PL')).toBe(true);
  });
});
