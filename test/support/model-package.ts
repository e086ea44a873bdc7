/** Writes a small but whole model package: 16 × 16 grey → conv 3 × 3 stride 2 → features [1,4,8,8] → mean → dense → 2 logits; fp32 and QDQ int8. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClassifierFields, ModelMetadata } from '../../src/contract/model.ts';
import { onnxModel, type OnnxInitializer, type OnnxNode } from './onnx.ts';

const CHANNELS = 4;
const SIZE = 16;
const INPUT = { scale: 1 / 64, zeroPoint: 0 };

/** Repeatable values in [-1, 1). */
function values(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 2 ** 30 - 1;
  });
}

export interface TinyWeights { conv: Float32Array; convBias: Float32Array; dense: Float32Array; denseBias: Float32Array }
export const tinyWeights = (seed = 7): TinyWeights => ({
  conv: values(CHANNELS * 9, seed),
  convBias: values(CHANNELS, seed + 1),
  dense: values(2 * CHANNELS, seed + 2).map((v) => 8 * v),
  denseBias: values(2, seed + 3),
});

const IO = {
  inputs: [{ name: 'image', type: 'float32' as const, shape: [1, 1, SIZE, SIZE] }],
  outputs: [{ name: 'logits', type: 'float32' as const, shape: [1, 2] }, { name: 'features', type: 'float32' as const, shape: [1, CHANNELS, SIZE / 2, SIZE / 2] }],
};
const CONV = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };

/** `softmax`: the output named logits holds probabilities. */
export function tinyFp32(weights = tinyWeights(), softmax = false): Uint8Array<ArrayBuffer> {
  return onnxModel({
    ...IO,
    nodes: [
      { op: 'Conv', inputs: ['image', 'conv', 'convBias'], outputs: ['c'], attributes: CONV },
      { op: 'Relu', inputs: ['c'], outputs: ['features'] },
      { op: 'GlobalAveragePool', inputs: ['features'], outputs: ['mean'] },
      { op: 'Flatten', inputs: ['mean'], outputs: ['flat'] },
      { op: 'Gemm', inputs: ['flat', 'dense', 'denseBias'], outputs: [softmax ? 'scores' : 'logits'], attributes: { transB: 1 } },
      ...(softmax ? [{ op: 'Softmax', inputs: ['scores'], outputs: ['logits'], attributes: { axis: 1 } }] : []),
    ],
    initializers: [
      { name: 'conv', shape: [CHANNELS, 1, 3, 3], data: weights.conv },
      { name: 'convBias', shape: [CHANNELS], data: weights.convBias },
      { name: 'dense', shape: [2, CHANNELS], data: weights.dense },
      { name: 'denseBias', shape: [2], data: weights.denseBias },
    ],
  });
}

export function tinyInt8(weights = tinyWeights()): Uint8Array<ArrayBuffer> {
  const initializers: OnnxInitializer[] = [];
  const nodes: OnnxNode[] = [];
  const constant = (name: string, data: OnnxInitializer['data'], shape: number[] = []): string => {
    initializers.push({ name, shape, data });
    return name;
  };
  const activation = (from: string, to: string, scale: number, zero: number): void => {
    const s = constant(`${to}_scale`, Float32Array.of(scale));
    const z = constant(`${to}_zero`, Int8Array.of(zero));
    nodes.push({ op: 'QuantizeLinear', inputs: [from, s, z], outputs: [`${to}_q`] }, { op: 'DequantizeLinear', inputs: [`${to}_q`, s, z], outputs: [to] });
  };
  const weight = (name: string, data: Float32Array, bias: Float32Array, shape: number[], inputScale: number): void => {
    const outputs = shape[0]!;
    const each = data.length / outputs;
    const scales = Float32Array.from({ length: outputs }, (_, o) => Math.max(...data.subarray(o * each, (o + 1) * each).map(Math.abs)) / 127);
    const biasScales = scales.map((s) => s * inputScale);
    const codes = Int8Array.from(data, (v, i) => Math.round(v / scales[Math.floor(i / each)]!));
    const s = constant(`${name}_scale`, scales, [outputs]);
    const z = constant(`${name}_zero`, new Int8Array(outputs), [outputs]);
    const bs = constant(`${name}Bias_scale`, biasScales, [outputs]);
    const bz = constant(`${name}Bias_zero`, new Int32Array(outputs), [outputs]);
    constant(`${name}_q`, codes, shape);
    constant(`${name}Bias_q`, Int32Array.from(bias, (v, o) => Math.round(v / biasScales[o]!)), [outputs]);
    nodes.push(
      { op: 'DequantizeLinear', inputs: [`${name}_q`, s, z], outputs: [name], attributes: { axis: 0 } },
      { op: 'DequantizeLinear', inputs: [`${name}Bias_q`, bs, bz], outputs: [`${name}Bias`], attributes: { axis: 0 } },
    );
  };
  const featureScale = 1 / 32;
  activation('image', 'x', INPUT.scale, INPUT.zeroPoint);
  weight('conv', weights.conv, weights.convBias, [CHANNELS, 1, 3, 3], INPUT.scale);
  nodes.push({ op: 'Conv', inputs: ['x', 'conv', 'convBias'], outputs: ['c'], attributes: CONV }, { op: 'Relu', inputs: ['c'], outputs: ['r'] });
  activation('r', 'features', featureScale, -128);
  nodes.push({ op: 'GlobalAveragePool', inputs: ['features'], outputs: ['m'] });
  activation('m', 'mean', featureScale, -128);
  nodes.push({ op: 'Flatten', inputs: ['mean'], outputs: ['flat'] });
  weight('dense', weights.dense, weights.denseBias, [2, CHANNELS], featureScale);
  nodes.push({ op: 'Gemm', inputs: ['flat', 'dense', 'denseBias'], outputs: ['l'], attributes: { transB: 1 } });
  activation('l', 'logits', 1 / 8, 0);
  return onnxModel({ ...IO, nodes, initializers });
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export type ClassifierMetadata = ModelMetadata & { fabriclens: ClassifierFields };

/** Writes `parent/name` and gives its folder; `change` may alter metadata.json before it is written. */
export function writeTinyPackage(parent: string, name = 'tiny', change: (metadata: ClassifierMetadata) => void = () => {}): string {
  const dir = join(parent, name);
  const weights = tinyWeights();
  const files = { 'model.onnx': tinyFp32(weights), 'model.int8.onnx': tinyInt8(weights) };
  const metadata: ClassifierMetadata = {
    version: '0.0.1', task: 'test', description: 'random weights', authors: 'test', copyright: 'test', license: 'Apache-2.0', data_source: 'none',
    intended_use: 'tests', eval_metrics: {}, network_data_format: { inputs: {}, outputs: {} },
    fabriclens: {
      task: 'classification', name, title: { en: 'Tiny' },
      sha256: { 'model.onnx': sha256(files['model.onnx']), 'model.int8.onnx': sha256(files['model.int8.onnx']) },
      input: { name: 'image', shape: [1, 1, SIZE, SIZE], ...INPUT },
      preprocessing: { width: SIZE, height: SIZE, channels: 1, fit: 'squash', pad: 0, resample: 'triangle', mean: 0.5, std: 0.25 },
      outputs: { logits: 'logits', features: 'features' },
      activation: 'softmax',
      labels: [{ name: 'NORMAL', text: { en: 'Normal' } }, { name: 'OTHER', text: { en: 'Other' } }],
      threshold: { classIndex: 1, value: 0.5, method: 'none', sha256: sha256(files['model.onnx']) },
      tolerance: 0.05,
      heatmap: { weights: [[...weights.dense.subarray(0, CHANNELS)], [...weights.dense.subarray(CHANNELS)]] },
      intended: { modalities: ['DX', 'CR'], bodyParts: ['CHEST'], views: ['AP', 'PA'], text: { en: 'Chest radiographs.' } },
      limits: [],
    },
  };
  change(metadata);
  mkdirSync(dir, { recursive: true });
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(dir, file), bytes);
  writeFileSync(join(dir, 'metadata.json'), JSON.stringify(metadata));
  writeFileSync(join(dir, 'CARD.md'), '# Tiny\n');
  return dir;
}

/** A guard for the tiny package to which an image is as far as its features are from `mean`, one a value: flat images are near 0. */
export function guardOf({ fabriclens }: ClassifierMetadata, mean = 0): NonNullable<ClassifierFields['guard']> {
  const base64 = (values: Float32Array | Int8Array): string => Buffer.from(values.buffer).toString('base64');
  const values = 4 * CHANNELS;
  return {
    sha256: fabriclens.sha256['model.onnx'], mean: base64(new Float32Array(values).fill(mean)), deviation: base64(new Float32Array(values).fill(1)),
    directions: base64(Int8Array.from({ length: values }, (_, i) => (i === 0 ? 127 : 0))), steps: [1 / 127], variances: [1], rest: 1, limit: 25, method: 'none',
  };
}
