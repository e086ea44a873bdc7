/**
 * The networks that must compile, each at a size that a test has time for: read as exported, quantised, compiled, and run on the golden model, every value
 * of every layer within the numeric contract. At their full size they run in `npm run bench:compiler`.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../hls/tests/golden.ts';
import { compileProgram } from '../../src/compiler/compile.ts';
import { canonical } from '../../src/compiler/float/canonical.ts';
import type { OnnxModel } from '../../src/compiler/onnx.ts';
import { readOnnx } from '../../src/compiler/onnx.ts';
import { writeOnnx } from '../../src/compiler/onnx-write.ts';
import { withoutFinalActivation } from '../../src/compiler/quantise/describe.ts';
import { quantise } from '../../src/compiler/quantise/index.ts';
import { exposed, outputsOf } from '../support/exposed.ts';
import { channelsFirst, runFp32 } from '../support/fp32.ts';
import { verdictOf } from '../support/verdict.ts';
import { densenet121, mobilenetV2, resnet, vgg11 } from './classifiers.ts';
import { imageOf } from './inputs.ts';
import { efficientnetLite0, resnet20v2, resnet8 } from './keras-models.ts';
import { endingIn, heads, tinyYolov3, yolov5 } from './yolo.ts';

type Range = 'unit' | 'normalised';
const SIZE = { size: 64, classes: 40 };
const NARROW = { ...SIZE, width: 0.25 };

/** Each family in several exporters' hands; the forms at full size are others (index.ts). 'read': another form of the same network runs. */
const FORMS: [string, Range, () => OnnxModel, 'run' | 'read'][] = [
  ['ResNet-8, optimised by tf2onnx, auto_pad', 'normalised', () => resnet8({ opset: 11, seed: 1, transposes: 'optimised', padding: 'auto' }), 'read'],
  ['ResNet-8, transposes around each layer', 'normalised', () => resnet8({ opset: 18, seed: 2, transposes: 'plain', padding: 'pads' }), 'run'],
  ['ResNet20v2, optimised', 'normalised', () => resnet20v2({ opset: 13, seed: 3, transposes: 'optimised', padding: 'pads' }), 'read'],
  ['ResNet20v2, transposes around each layer', 'normalised', () => resnet20v2({ opset: 21, seed: 4, transposes: 'plain', padding: 'auto' }), 'run'],
  ['ResNet-18, traced', 'normalised', () => resnet(18, { style: 'scoped', opset: 11, seed: 5 }, NARROW), 'run'],
  ['ResNet-18, dynamo, BatchNormalization kept', 'normalised', () => resnet(18, { style: 'dynamo', opset: 21, seed: 6, keepNorm: true }, NARROW), 'read'],
  ['ResNet-50, traced', 'normalised', () => resnet(50, { style: 'numbered', opset: 14, seed: 7 }, NARROW), 'run'],
  ['MobileNetV2, dynamo', 'normalised', () => mobilenetV2({ style: 'dynamo', opset: 18, seed: 8 }, { ...SIZE, width: 0.5 }), 'run'],
  ['EfficientNet-lite0, optimised by tf2onnx', 'normalised', () => efficientnetLite0({ opset: 17, seed: 9, transposes: 'optimised', padding: 'auto' }, SIZE), 'run'],
  ['DenseNet-121, traced', 'normalised', () => densenet121({ style: 'scoped', opset: 12, seed: 10 }, NARROW), 'run'],
  ['VGG-11, traced', 'normalised', () => vgg11({ style: 'scoped', opset: 15, seed: 11 }, NARROW), 'run'],
  ['Tiny-YOLOv3, padded by zeros', 'unit', () => tinyYolov3({ style: 'scoped', opset: 13, seed: 12, head: 'split', pad: 'zeros' }, 64), 'run'],
  ['Tiny-YOLOv3, padded within the pooling', 'unit', () => tinyYolov3({ style: 'numbered', opset: 11, seed: 13, head: 'slice-raw', pad: 'same' }, 64), 'read'],
  ['YOLOv5n v6.2, traced', 'unit', () => yolov5('n', { style: 'scoped', opset: 17, seed: 14, head: 'split' }, 64), 'run'],
  ['YOLOv5n v6.0, traced', 'unit', () => yolov5('n', { style: 'numbered', opset: 11, seed: 15, head: 'slice-raw' }, 64), 'run'],
  ['YOLOv5n whose Reshapes ask for sizes', 'unit', () => yolov5('n', { style: 'scoped', opset: 12, seed: 16, head: 'shapes' }, 64), 'read'],
  ['YOLOv5s, dynamo', 'unit', () => yolov5('s', { style: 'dynamo', opset: 20, seed: 17, head: 'split' }, 64), 'read'],
];

const deviation = (data: Float32Array): number => {
  const mean = data.reduce((a, b) => a + b, 0) / data.length;
  return Math.sqrt(data.reduce((sum, v) => sum + (v - mean) ** 2, 0) / data.length);
};

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

describe.each(FORMS)('%s', (_name, range, make, how) => {
  it('computes the same once it is canonical, and its values neither explode nor die', async () => {
    const exported = readOnnx(writeOnnx(make()));
    const { model, turned } = canonical(exported);
    const [{ name = '', dims = [] } = {}] = exported.inputs;
    const shape = dims.map((d) => d || 1);
    const last = turned.includes(name);
    const image = imageOf(model.inputs[0]?.dims ?? [], 1, range);
    const first = last ? channelsLast(image, model.inputs[0]?.dims ?? []) : image;
    expect(last ? channelsFirst(first, shape) : first).toEqual(image);
    const before = await runFp32(exported, { [name]: { data: first, dims: shape } });
    const after = await runFp32(model, { [name]: { data: image, dims: model.inputs[0]?.dims ?? [] } });
    expect(Object.keys(after)).toEqual(Object.keys(before));
    for (const [output, { data, dims: given }] of Object.entries(before)) {
      const other = after[output]!;
      expect(other.dims).toEqual(given);
      const peak = data.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-3);
      expect(data.reduce((m, v, i) => Math.max(m, Math.abs(v - other.data[i]!)), 0) / peak).toBeLessThan(1e-4);
    }
    const { model: scores } = withoutFinalActivation(model);
    const maps = heads(scores).length > 0 ? endingIn(scores, heads(scores)) : scores;
    for (const { data } of Object.values(await runFp32(maps, { [name]: { data: image, dims: model.inputs[0]?.dims ?? [] } }))) {
      expect(deviation(data)).toBeGreaterThan(0.05);
      expect(deviation(data)).toBeLessThan(100);
    }
  }, 120_000);

  if (how === 'run') it('runs on the golden model, every value within the contract', async () => {
    const { model: whole } = withoutFinalActivation(canonical(make()).model);
    const model = heads(whole).length > 0 ? endingIn(whole, heads(whole)) : whole;
    const dims = model.inputs[0]?.dims ?? [];
    const { bytes, input } = await quantise(model, [imageOf(dims, 2, range), imageOf(dims, 3, range)], { method: 'minmax' });
    const codes = Int8Array.from(imageOf(dims, 4, range), (v) => Math.max(-128, Math.min(127, Math.round(v / input.scale) + input.zeroPoint)));
    const run = async (onnx: Uint8Array): Promise<{ all: Int8Array; named: Map<string, Int8Array> }> => {
      const { program } = compileProgram(onnx);
      expect((await golden.load(program)).text).toBe('');
      const all = await golden.run(codes);
      const named = new Map<string, Int8Array>();
      let at = 0;
      for (const { name, elements } of outputsOf(program)) named.set(name, all.subarray(at, (at += elements)));
      expect(at).toBe(all.length);
      return { all, named };
    };
    // As it is shipped: adds and poolings fused, memory shared.
    const shipped = await run(bytes);
    const made = new Map<string, Int8Array>();
    for (const open of exposed(bytes)) {
      const { all, named } = await run(open);
      // The same with every activation kept.
      expect(all.subarray(0, shipped.all.length)).toEqual(shipped.all);
      for (const [name, values] of named) made.set(name, values);
    }
    const verdict = verdictOf(readOnnx(bytes), made);
    expect(verdict).toMatchObject({ wrong: [], unknown: [] });
    expect(verdict.values).toBeGreaterThan(10_000);
    const { layers } = compileProgram(bytes).report;
    expect(layers.filter((l) => l.operator.startsWith('Conv') && l.target !== 'PL')).toEqual([]);
  }, 120_000);
});

describe('a whole detector', () => {
  it('gives boxes in pixels: the float tail behind the int8 part, as ONNX Runtime computes it', async () => {
    const { model } = canonical(yolov5('n', { style: 'scoped', opset: 17, seed: 18, head: 'split' }, 96));
    const dims = model.inputs[0]?.dims ?? [];
    const { bytes } = await quantise(model, [imageOf(dims, 2, 'unit'), imageOf(dims, 3, 'unit')], { method: 'minmax' });
    const { program, report } = compileProgram(bytes);
    expect((await golden.load(program)).text).toBe('');
    const image = imageOf(dims, 4, 'unit');
    const { status, text, values } = await golden.runFloat(image);
    expect([status, text]).toEqual([0, '']);
    const { output0 } = await runFp32(readOnnx(bytes), { images: { data: image, dims } });
    const want = output0?.data ?? new Float32Array(0);
    expect(values.length).toBe(3 * (12 * 12 + 6 * 6 + 3 * 3) * 85);
    expect(values.length).toBe(want.length);
    // Their int8 parts differ by a code here and there; a box of up to 96 pixels then moves by less than a few, a score by less than a tenth.
    const worst = (columns: (c: number) => boolean): number => values.reduce((most, v, i) => (columns(i % 85) ? Math.max(most, Math.abs(v - (want[i] as number))) : most), 0);
    const mean = values.reduce((sum, v, i) => sum + Math.abs(v - (want[i] as number)), 0) / values.length;
    expect(mean).toBeLessThan(0.05);
    expect(worst((c) => c < 2)).toBeLessThan(8);
    expect(worst((c) => c >= 4)).toBeLessThan(0.2);
    const places = (target: string): string[] => report.layers.filter((l) => l.target === target).map((l) => l.operator.split(' + ')[0] ?? '');
    expect(new Set(places('PS')).has('Conv')).toBe(false);
    expect(places('PL').filter((op) => op === 'Conv')).toHaveLength(60);
  }, 120_000);
});

function channelsLast(data: Float32Array, [, channels = 1, height = 1, width = 1]: readonly number[]): Float32Array {
  const out = new Float32Array(data.length);
  for (let p = 0; p < height * width; p++) for (let c = 0; c < channels; c++) out[p * channels + c] = data[c * height * width + p] as number;
  return out;
}
