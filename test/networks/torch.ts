/**
 * PyTorch layers as its exporters write them. `scoped`: torch.onnx.export by tracing, from 1.13 on ('/layer1/layer1.0/conv1/Conv'); `numbered`: the same
 * before ('Conv_12', values called '345'); `dynamo`: torch.onnx.export(..., dynamo=True) ('node_conv2d_3', constants as initializers 'val_7').
 */
import type { OnnxModel } from '../../src/compiler/onnx.ts';
import type { Attributes, Names, Scope } from './graph.ts';
import { count, Graph } from './graph.ts';
import type { Norm, Spread, Value } from './values.ts';
import { behind, joined, normOf, rectified, summed } from './values.ts';

export type Style = 'scoped' | 'numbered' | 'dynamo';
export type TorchOptions = {
  readonly style: Style;
  readonly opset: number;
  readonly seed: number;
  /** BatchNormalization stays a node of its own (training=PRESERVE, an unoptimised export); tracing folds it where a convolution is right before it. */
  readonly keepNorm?: boolean;
};
export type ConvOptions = { readonly out: number; readonly kernel: number; readonly stride?: number; readonly pad?: number; readonly groups?: number; readonly bias?: boolean };
/** `gain`: about what deviation its BatchNormalization leaves; small at the end of a residual branch, as training starts and leaves it. */
export type NormedOptions = ConvOptions & { readonly gain?: number };

/** aten's names, by which the dynamo exporter calls its nodes. */
const ATEN: Readonly<Record<string, string>> = {
  Conv: 'conv2d', Relu: 'relu', MaxPool: 'max_pool2d', Add: 'add', Mul: 'mul', Concat: 'cat', Gemm: 'linear', ReduceMean: 'mean', Reshape: 'view', Sigmoid: 'sigmoid', Clip: 'clamp', LeakyRelu: 'leaky_relu',
  Resize: 'upsample_nearest2d', Transpose: 'permute', Split: 'split_with_sizes', Pow: 'pow', Slice: 'slice', AveragePool: 'avg_pool2d', Pad: 'constant_pad_nd', BatchNormalization: '_native_batch_norm_legit_no_training',
};

function names(style: Style): Names {
  const taken = new Map<string, number>();
  const unique = (wanted: string): string => {
    const n = taken.get(wanted) ?? 0;
    taken.set(wanted, n + 1);
    return n === 0 ? wanted : `${wanted}_${n}`;
  };
  if (style === 'scoped') return { node: (scope, op) => unique(`/${scope === '' ? '' : `${scope}/`}${op}`), output: (node, _, i) => `${node}_output_${i}` };
  if (style === 'numbered') {
    let [nodes, values] = [0, 120];
    return { node: (_, op) => `${op}_${nodes++}`, output: () => String(values++) };
  }
  const aten = (op: string): string => ATEN[op] ?? op.toLowerCase();
  return { node: (_, op) => unique(`node_${aten(op)}`), output: (node, op, i) => (op === 'Split' ? `${node.slice(5)}_split_${i}` : node.slice(5)) };
}

/** 'layer1/layer1.0/conv1' is the module layer1.0.conv1: a member of a list bears the list's name too. */
function moduleOf(scope: Scope): string {
  const parts = scope.split('/');
  return parts.map((part, i) => (i > 0 && part.startsWith(`${parts[i - 1]}.`) ? part.slice((parts[i - 1] as string).length) : `${i > 0 ? '.' : ''}${part}`)).join('');
}

/** Of the values that a network's first layer sees, after ImageNet's normalisation. */
export const NORMALISED: Spread = { mean: 0, variance: 1 };
/** Grey levels from 0 to 1. */
export const UNIT: Spread = { mean: 0.5, variance: 0.06 };

export class Torch extends Graph {
  readonly style: Style;
  readonly #keepNorm: boolean;

  constructor({ style, opset, seed, keepNorm = false }: TorchOptions) {
    super(opset, seed, names(style));
    this.style = style;
    this.#keepNorm = keepNorm;
  }

  override constant(scope: Scope, data: Float32Array | BigInt64Array, dims: readonly number[]): string {
    return this.style === 'dynamo' ? this.initializer(`val_${this.fresh()}`, data, dims) : super.constant(scope, data, dims);
  }

  /** A parameter's name: its module's, but for what tracing folded, which it numbers. */
  #parameter(scope: Scope, name: string, folded: boolean, data: Float32Array, dims: readonly number[]): string {
    return this.initializer(folded ? `onnx::Conv_${300 + this.fresh()}` : `${moduleOf(scope)}.${name}`, data, dims);
  }

  /** @param norm what is folded into the layer */
  #convolved(scope: Scope, x: Value, { out, kernel, stride = 1, pad = (kernel - 1) >> 1, groups = 1, bias = false }: ConvOptions, norm: Norm | null): Value {
    const [, channels = 1, height = 1, width = 1] = x.dims;
    const each = (channels / groups) * kernel * kernel;
    const weights = this.source.rows(out, each, x);
    const biases = bias ? this.source.normals(out, 0.1) : new Float32Array(out);
    if (norm !== null) {
      for (let o = 0; o < out; o++) {
        const factor = (norm.gamma[o] as number) / Math.sqrt((norm.variance[o] as number) + 1e-5);
        for (let i = o * each; i < (o + 1) * each; i++) weights[i]! *= factor;
        biases[o] = ((biases[o] as number) - (norm.mean[o] as number)) * factor + (norm.beta[o] as number);
      }
    }
    const inputs = [x.name, this.#parameter(scope, 'weight', norm !== null, weights, [out, channels / groups, kernel, kernel])];
    if (bias || norm !== null) inputs.push(this.#parameter(scope, 'bias', norm !== null, biases, [out]));
    const side = (length: number): number => Math.floor((length + 2 * pad - kernel) / stride) + 1;
    const windows: Attributes = { dilations: [1, 1], group: groups, kernel_shape: [kernel, kernel], pads: [pad, pad, pad, pad], strides: [stride, stride] };
    const name = this.node(scope, 'Conv', inputs, this.style === 'dynamo' ? { ...windows, auto_pad: 'NOTSET' } : windows);
    return { name, dims: [1, out, side(height), side(width)], mean: 0, variance: 1 };
  }

  conv(scope: Scope, x: Value, options: ConvOptions): Value {
    return this.#convolved(scope, x, options, null);
  }

  norm(scope: Scope, x: Value, norm?: Norm): Value {
    const channels = x.dims[1] as number;
    const { gamma, beta, mean, variance } = norm ?? normOf(this.source, channels, x);
    const parameters = Object.entries({ weight: gamma, bias: beta, running_mean: mean, running_var: variance }).map(([part, data]) => this.#parameter(scope, part, false, data, [channels]));
    const attributes: Attributes = { epsilon: { float: 1e-5 }, momentum: { float: 0.9 }, ...(this.opset >= 14 && { training_mode: 0 }) };
    return { ...x, name: this.node(scope, 'BatchNormalization', [x.name, ...parameters], attributes), mean: 0, variance: 1 };
  }

  /** nn.Conv2d and nn.BatchNorm2d behind it. */
  convNorm(scope: Scope, normScope: Scope, x: Value, { gain = 1, ...options }: NormedOptions): Value {
    const norm = normOf(this.source, options.out, undefined, gain);
    const made = this.#keepNorm ? this.norm(normScope, this.conv(scope, x, options), norm) : this.#convolved(scope, x, options, norm);
    return { ...made, variance: gain * gain };
  }

  relu(scope: Scope, x: Value): Value {
    return { ...x, name: this.node(scope, 'Relu', [x.name]), ...rectified(x) };
  }

  relu6(scope: Scope, x: Value): Value {
    return { ...x, name: this.node(scope, 'Clip', [x.name, this.scalar(scope, 0), this.scalar(scope, 6)]), ...rectified(x) };
  }

  leaky(scope: Scope, x: Value): Value {
    return { ...x, name: this.node(scope, 'LeakyRelu', [x.name], { alpha: { float: 0.1 } }), ...behind('Leaky', x) };
  }

  silu(scope: Scope, x: Value): Value {
    return { ...x, name: this.node(scope, 'Mul', [x.name, this.node(scope, 'Sigmoid', [x.name])]), ...behind('Silu', x) };
  }

  add(scope: Scope, a: Value, b: Value): Value {
    return { ...a, name: this.node(scope, 'Add', [a.name, b.name]), ...summed(a, b) };
  }

  concat(scope: Scope, parts: readonly Value[], axis = 1): Value {
    const [first] = parts as [Value];
    const dims = first.dims.map((d, i) => (i === axis ? parts.reduce((sum, p) => sum + (p.dims[axis] as number), 0) : d));
    return { name: this.node(scope, 'Concat', parts.map((p) => p.name), { axis }), dims, ...joined(parts.map((p) => ({ spread: p, channels: p.dims[axis] as number }))) };
  }

  maxPool(scope: Scope, x: Value, kernel: number, stride: number, pads: readonly [number, number, number, number] = [0, 0, 0, 0]): Value {
    const [, channels = 1, height = 1, width = 1] = x.dims;
    const side = (length: number, i: number): number => Math.floor((length + (pads[i] as number) + (pads[i + 2] as number) - kernel) / stride) + 1;
    const attributes: Attributes = { kernel_shape: [kernel, kernel], pads, strides: [stride, stride], ...(this.opset >= 10 && { ceil_mode: 0 }), ...(this.style === 'dynamo' && { auto_pad: 'NOTSET', storage_order: 0, dilations: [1, 1] }) };
    return { name: this.node(scope, 'MaxPool', [x.name], attributes), dims: [1, channels, side(height, 0), side(width, 1)], mean: x.mean + 0.8 * Math.sqrt(x.variance), variance: 0.7 * x.variance };
  }

  averagePool(scope: Scope, x: Value, kernel: number, stride: number): Value {
    const [, channels = 1, height = 1, width = 1] = x.dims;
    const name = this.node(scope, 'AveragePool', [x.name], { ceil_mode: 0, count_include_pad: 1, kernel_shape: [kernel, kernel], pads: [0, 0, 0, 0], strides: [stride, stride] });
    return { name, dims: [1, channels, Math.floor((height - kernel) / stride) + 1, Math.floor((width - kernel) / stride) + 1], mean: x.mean, variance: x.variance / kernel };
  }

  /** nn.AdaptiveAvgPool2d(1), as [1, C, 1, 1]. */
  globalAverage(scope: Scope, x: Value): Value {
    const [, channels = 1, height = 1, width = 1] = x.dims;
    const name =
      this.style !== 'dynamo' ? this.node(scope, 'GlobalAveragePool', [x.name])
      : this.opset >= 18 ? this.node(scope, 'ReduceMean', [x.name, this.ints(scope, -1, -2)], { keepdims: 1, noop_with_empty_axes: 0 })
      : this.node(scope, 'ReduceMean', [x.name], { axes: [-1, -2], keepdims: 1 });
    return { name, dims: [1, channels, 1, 1], mean: x.mean, variance: x.variance / Math.sqrt(height * width) };
  }

  /** torch.flatten(x, 1); the dynamo exporter writes it as a view. */
  flatten(scope: Scope, x: Value): Value {
    const columns = count(x.dims);
    const name = this.style === 'dynamo' ? this.node(scope, 'Reshape', [x.name, this.ints(scope, 1, columns)], { allowzero: 1 }) : this.node(scope, 'Flatten', [x.name], { axis: 1 });
    return { ...x, name, dims: [1, columns] };
  }

  /** x.view(x.size(0), -1): the batch is asked for and put before the rest. */
  viewFlat(scope: Scope, x: Value): Value {
    const batch = this.node(scope, 'Gather', [this.node(scope, 'Shape', [x.name]), this.constant(scope, BigInt64Array.of(0n), [])], { axis: 0 });
    const raised = this.opset >= 13 ? this.node(scope, 'Unsqueeze', [batch, this.ints(scope, 0)]) : this.node(scope, 'Unsqueeze', [batch], { axes: [0] });
    const shape = this.node(scope, 'Concat', [raised, this.ints(scope, -1)], { axis: 0 });
    return { ...x, name: this.node(scope, 'Reshape', [x.name, shape]), dims: [1, count(x.dims)] };
  }

  /** @param variance of the outputs */
  linear(scope: Scope, x: Value, out: number, variance = 1): Value {
    const columns = x.dims[1] as number;
    const weights = this.#parameter(scope, 'weight', false, this.source.rows(out, columns, x, variance), [out, columns]);
    const bias = this.#parameter(scope, 'bias', false, this.source.normals(out, 0.1 * Math.sqrt(variance)), [out]);
    return { name: this.node(scope, 'Gemm', [x.name, weights, bias], { alpha: { float: 1 }, beta: { float: 1 }, transB: 1 }), dims: [1, out], mean: 0, variance };
  }

  /** nn.Upsample(scale_factor=2, mode='nearest'). */
  upsample(scope: Scope, x: Value): Value {
    const [, channels = 1, height = 1, width = 1] = x.dims;
    const scales = this.constant(scope, Float32Array.of(1, 1, 2, 2), [4]);
    const roi = this.opset < 13 ? this.constant(scope, new Float32Array(0), [0]) : '';
    const attributes: Attributes = { coordinate_transformation_mode: 'asymmetric', cubic_coeff_a: { float: -0.75 }, mode: 'nearest', nearest_mode: 'floor', ...(this.style === 'dynamo' && this.opset >= 18 && { antialias: 0, exclude_outside: 0, keep_aspect_ratio_policy: 'stretch' }) };
    return { ...x, name: this.node(scope, 'Resize', [x.name, roi, scales], attributes), dims: [1, channels, 2 * height, 2 * width] };
  }

  /** Class scores under the name that people give them. */
  classifier(scores: Value): OnnxModel {
    return this.build({ [this.style === 'dynamo' ? 'linear' : 'output']: scores });
  }
}
