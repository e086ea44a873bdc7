/** Where layers run when a person says so, inner tensors as outputs, and detections behind predictions. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../hls/tests/golden.ts';
import { Qdq } from '../../test/support/qdq.ts';
import { inputCodes, network } from '../../test/support/random-network.ts';
import { Header, MAX_BINDINGS, Section, SectionKind, Segment, Target } from '../contract/layout.ts';
import type { CompileOptions } from './compile.ts';
import { compileProgram, stageOutputs } from './compile.ts';
import { readOnnx } from './onnx.ts';

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

const Q = { scale: 0.05, zeroPoint: 3 };

/** Convolution and ReLU, convolution, sum, a pooling that the core lacks, a product that only fp32 has. */
function mixed(): Uint8Array {
  const net = new Qdq();
  const x = net.input([1, 8, 9, 9], Q);
  const conv = (from: typeof x): { name: string; shape: number[] } => net.conv(from, Int8Array.from({ length: 8 * 8 * 9 }, (_, i) => (i * 37) % 11 - 5), 8, new Float32Array(8).fill(0.01), null, { kernel: [3, 3], pads: [1, 1, 1, 1] });
  const first = conv(x);
  const a = net.quantised(net.node('Relu', [first.name]), first.shape, Q);
  const second = conv(a);
  const b = net.quantised(second.name, second.shape, Q);
  const sum = net.quantised(net.node('Add', [b.name, a.name]), b.shape, Q);
  const pooled = net.quantised(net.pool('MaxPool', sum, { kernel: [3, 3], strides: [3, 3] }), [1, 8, 3, 3], Q);
  const mean = net.quantised(net.node('GlobalAveragePool', [pooled.name]), [1, 8, 1, 1], Q);
  const product = net.quantised(net.node('Mul', [pooled.name, mean.name]), [1, 8, 3, 3], Q);
  const third = net.conv(product, new Int8Array(8 * 8).fill(3), 8, new Float32Array(8).fill(0.01), null, { kernel: [1, 1] });
  return net.build([net.quantised(third.name, third.shape, Q)]);
}

const onnx = mixed();
const nodeOf = (op: string, index = 0): string => readOnnx(onnx).nodes.filter((n) => n.opType === op)[index]?.name as string;
const tensorOf = (op: string): string => readOnnx(onnx).nodes.find((n) => n.inputs[0] === readOnnx(onnx).nodes.find((m) => m.opType === op)?.outputs[0])?.outputs[0] as string;

function targets(program: Uint8Array): number[] {
  const view = new DataView(program.buffer, program.byteOffset);
  const section = (field: { offset: number }): number => view.getUint32(Header.bytes + (SectionKind.SEGMENTS - 1) * Section.bytes + field.offset, true);
  return Array.from({ length: section(Section.fields.count) }, (_, i) => view.getUint32(section(Section.fields.offset) + i * Segment.bytes + Segment.fields.target.offset, true));
}

async function run(options: CompileOptions, codes = inputCodes(8 * 81, 5)): Promise<Int8Array> {
  expect((await golden.load(compileProgram(onnx, options).program, true)).text).toBe('');
  return golden.run(codes);
}

describe('where layers run', () => {
  it('is the core where it can, and nothing where everything shall run on the processor; the results are the same', async () => {
    const { program, report } = compileProgram(onnx);
    expect(targets(program)).toEqual([Target.PL, Target.PS, Target.PL, Target.FLOAT, Target.PL]);
    expect(report.contiguousBytes).toBeGreaterThan(report.arenaBytes);
    const alone = compileProgram(onnx, { psOnly: true });
    expect(targets(alone.program)).toEqual([Target.PS, Target.FLOAT, Target.PS]);
    expect(alone.report.contiguousBytes).toBe(0);
    expect(await run({ psOnly: true })).toEqual(await run({}));
  });

  it('is where it is pinned to, and nothing is fused across', async () => {
    const pin = { [nodeOf('Conv', 1)]: 'PS' } as const;
    const { program, report } = compileProgram(onnx, { pin });
    const at = report.layers.findIndex((l) => l.name === nodeOf('Conv', 1));
    expect(report.layers[at]).toMatchObject({ target: 'PS' });
    // The sum is not pinned: it rides on its convolution.
    expect(report.layers[at + 1]).toMatchObject({ operator: 'Add', target: 'PS', descriptor: report.layers[at]?.descriptor });
    const apart = compileProgram(onnx, { pin: { ...pin, [nodeOf('Add')]: 'PL' } }).report.layers;
    expect(apart[at + 1]).toMatchObject({ operator: 'Add', target: 'PL' });
    expect(apart[at + 1]?.descriptor).not.toBe(apart[at]?.descriptor);
    expect(targets(program).slice(0, 2)).toEqual([Target.PL, Target.PS]);
    expect(await run({ pin })).toEqual(await run({}));
    expect(await run({ pin: { ...pin, [nodeOf('Add')]: 'PL' } })).toEqual(await run({}));
  });

  it('cannot be the core for what it lacks, and says why', () => {
    expect(() => compileProgram(onnx, { pin: { [nodeOf('MaxPool')]: 'PL' } })).toThrow(/Node 'MaxPool_\d+': it is pinned to the PL, and cannot run there: a stride of 3×3: the core has 1 and 2/);
    expect(() => compileProgram(onnx, { pin: { [nodeOf('Mul')]: 'PL' } })).toThrow(/it is computed in fp32\. Mul of two activations .* only Add is\.$/);
    expect(() => compileProgram(onnx, { pin: { nobody: 'PS' } })).toThrow(/Node 'nobody': it is pinned to the PS, and no layer has that name/);
    expect(() => compileProgram(onnx, { pin: { [nodeOf('Conv')]: 'PL' }, psOnly: true })).toThrow(/everything shall run on the PS/);
  });

  it('leaves dense weights that contiguous memory has no room for to the processor', () => {
    const net = new Qdq();
    const x = net.input([1, 64, 16, 17], Q);
    const flat = { ...x, name: net.node('Flatten', [x.name]), shape: [1, 17_408] };
    const made = net.dense(flat, new Int8Array(17_408 * 1000).fill(1), 1000, new Float32Array(1000).fill(0.01), new Int32Array(1000), false);
    const { report } = compileProgram(net.build([net.quantised(made.name, made.shape, Q)]));
    expect(report.layers.map((l) => [l.operator, l.target])).toEqual([['Gemm', 'PS']]);
    expect(report.contiguousBytes).toBe(0);
  });

  it('warns of more contiguous memory than a board has', () => {
    const net = new Qdq();
    const x = net.input([1, 8, 1600, 1600], Q);
    const { report } = compileProgram(net.build([net.quantised(net.pool('MaxPool', x, { kernel: [3, 3], pads: [1, 1, 1, 1] }), x.shape, Q)]));
    expect(report.notes.join()).toMatch(/needs 41\.0 MB of contiguous memory/);
  });
});

describe('inner tensors as outputs', () => {
  it('all of them change neither the stages nor what comes out', async () => {
    const plain = await run({});
    const { report } = compileProgram(onnx, { extraOutputs: 'all' });
    expect(report.layers).toEqual(compileProgram(onnx).report.layers);
    const [names] = stageOutputs(onnx) as [string[]];
    // The image, the first convolution, the sum that took in the second, pooling, mean, product, the last convolution.
    expect(names).toHaveLength(7);
    const every = await run({ extraOutputs: 'all' });
    expect(every.subarray(0, plain.length)).toEqual(plain);
    const codes = inputCodes(8 * 81, 5);
    expect(every.subarray(plain.length, plain.length + codes.length)).toEqual(codes);
    expect(every).toHaveLength(plain.length + 3 * 648 + 72 + 8 + 72 + 72);
    const one = await run({ extraOutputs: [names[2] as string] });
    expect(one.subarray(plain.length)).toEqual(every.subarray(plain.length + 2 * 648, plain.length + 3 * 648));
  });

  it('come in groups where they are many', async () => {
    const { onnx: long } = network({ channels: 3, height: 7, width: 7, seed: 3, flavour: 'plain', head: 'none', steps: Array.from({ length: 60 }, (_, i) => ({ kind: i % 2 === 0 ? 'conv' as const : 'relu' as const, seed: i })) }, false);
    const groups = stageOutputs(long);
    if (groups.length > 1) expect(() => compileProgram(long, { extraOutputs: 'all' })).toThrow(new RegExp(`a program holds ${MAX_BINDINGS}`));
    for (const extraOutputs of groups) expect((await golden.load(compileProgram(long, { extraOutputs }).program, true)).text).toBe('');
    expect(new Set(groups.flat()).size).toBe(groups.flat().length);
  });

  it('are refused where a stage takes them in, and where there are none', () => {
    const inside = tensorOf('Conv');
    const second = readOnnx(onnx).nodes.filter((n) => n.opType === 'Conv')[1]?.outputs[0] as string;
    const swallowed = readOnnx(onnx).nodes.find((n) => n.inputs[0] === second)?.outputs[0] as string;
    expect(() => compileProgram(onnx, { extraOutputs: [swallowed] })).toThrow(/is never stored: 'Conv_\d+' and 'Add_\d+' are one stage/);
    expect(() => compileProgram(onnx, { extraOutputs: ['nothing'] })).toThrow(/There is no quantised tensor 'nothing'/);
    expect(() => compileProgram(onnx, { extraOutputs: [inside] })).toThrow(/no quantised tensor/);
  });
});

describe('detections', () => {
  const detector = (): { onnx: Uint8Array; predictions: string } => {
    const net = new Qdq();
    const x = net.input([1, 7, 5], { scale: 1, zeroPoint: 0 });
    const turned = net.node('Transpose', [x.name], { perm: [0, 2, 1] });
    return { onnx: net.build([{ ...x, name: turned, shape: [1, 5, 7] }]), predictions: turned };
  };
  const options = { scoreThreshold: 0.5, iouThreshold: 0.45, maxDetections: 4, objectness: true };

  it('come behind the predictions', async () => {
    const { onnx: file, predictions } = detector();
    expect((await golden.load(compileProgram(file, { detections: { predictions, ...options } }).program, true)).text).toBe('');
    // Rows cx, cy, w, h, objectness, two classes: two boxes of one place and class, one elsewhere, one of too low a score, one of another class.
    const rows = [[10, 10, 4, 4, 1, 3, 0], [10, 10, 4, 6, 1, 2, 0], [40, 40, 2, 2, 1, 0, 1], [60, 60, 2, 2, 0, 1, 1], [10, 10, 4, 4, 1, 0, 4]];
    const { values } = await golden.runFloat(Float32Array.from({ length: 35 }, (_, i) => rows[i % 5]?.[Math.floor(i / 5)] as number));
    const found = Array.from({ length: 4 }, (_, i) => [...values.subarray(35 + 6 * i, 41 + 6 * i)]);
    expect(found).toEqual([[8, 8, 12, 12, 4, 1], [8, 8, 12, 12, 3, 0], [39, 39, 41, 41, 1, 1], [0, 0, 0, 0, 0, -1]]);
  });

  it('need predictions of the right shape', () => {
    const { onnx: file, predictions } = detector();
    expect(() => compileProgram(file, { detections: { predictions: 'nowhere', ...options } })).toThrow(/There is no output 'nowhere'/);
    expect(() => compileProgram(file, { detections: { predictions, ...options, maxDetections: 0 } })).toThrow(/0 detections at most/);
    expect(() => compileProgram(onnx, { detections: { predictions: readOnnx(onnx).outputs[0]?.name as string, ...options } })).toThrow(/predictions are \[1, N, 5 \+ classes\]/);
  });
});
