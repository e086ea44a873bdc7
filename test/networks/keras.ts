/**
 * Keras layers as tf2onnx writes them: NHWC outside, a Transpose into the first layer that knows channels first only; SAME padding either as pads that
 * were worked out (uneven where the stride is 2) or as auto_pad; a dense layer as MatMul and Add. Names are TensorFlow's.
 */
import type { Attributes, Names, Scope } from './graph.ts';
import { count, Graph } from './graph.ts';
import type { Norm, Spread, Value } from './values.ts';
import { normOf, rectified, summed } from './values.ts';

export type KerasOptions = {
  readonly opset: number;
  readonly seed: number;
  /** 'optimised': tf2onnx's own passes have cancelled inner transposes and folded BatchNormalization; 'plain': around every layer. */
  readonly transposes: 'optimised' | 'plain';
  readonly padding: 'pads' | 'auto';
};
export type ConvOptions = { readonly out: number; readonly kernel: number; readonly stride?: number; readonly depthwise?: boolean; readonly bias?: boolean };

function names(model: string): Names {
  const taken = new Map<string, number>();
  return {
    node: (scope, op) => {
      const wanted = `StatefulPartitionedCall/${model}/${scope === '' ? op : `${scope}/${op}`}`;
      const n = taken.get(wanted) ?? 0;
      taken.set(wanted, n + 1);
      return n === 0 ? wanted : `${wanted}__${n}`;
    },
    output: (node, _, index) => `${node}:${index}`,
  };
}

export class Keras extends Graph {
  readonly #options: KerasOptions;

  constructor(model: string, options: KerasOptions) {
    super(options.opset, options.seed, names(model));
    this.#options = options;
  }

  /** An image [N, H, W, C] with a free batch, as Keras has it; inside, optimised graphs are channels first. */
  image(name: string, side: number, channels: number, spread: Spread): Value {
    const x = this.input(name, [0, side, side, channels], spread);
    const fixed = { ...x, dims: [1, side, side, channels] };
    return this.#options.transposes === 'optimised' ? this.#turned('', fixed, [0, 3, 1, 2]) : fixed;
  }

  #turned(scope: Scope, x: Value, perm: readonly number[]): Value {
    return { ...x, name: this.node(scope, 'Transpose', [x.name], { perm }), dims: perm.map((p) => x.dims[p] as number) };
  }

  /** A layer that knows channels first only. */
  #first(scope: Scope, x: Value, layer: (x: Value) => Value): Value {
    return this.#options.transposes === 'optimised' ? layer(x) : this.#turned(scope, layer(this.#turned(scope, x, [0, 3, 1, 2])), [0, 2, 3, 1]);
  }

  /** SAME: what the stride leaves over comes behind. */
  #same(x: Value, kernel: number, stride: number): { side: number; attributes: Attributes } {
    const length = x.dims[2] as number;
    const side = Math.ceil(length / stride);
    const total = Math.max(0, (side - 1) * stride + kernel - length);
    const [before, after] = [Math.floor(total / 2), Math.ceil(total / 2)];
    return { side, attributes: this.#options.padding === 'auto' ? { auto_pad: 'SAME_UPPER' } : { pads: [before, before, after, after] } };
  }

  #convolved(scope: Scope, x: Value, { out, kernel, stride = 1, depthwise = false, bias = true }: ConvOptions, norm: Norm | null): Value {
    const channels = x.dims[1] as number;
    const each = (depthwise ? 1 : channels) * kernel * kernel;
    const weights = this.source.rows(out, each, x);
    const biases = bias ? this.source.normals(out, 0.1) : new Float32Array(out);
    if (norm !== null) {
      for (let o = 0; o < out; o++) {
        const factor = (norm.gamma[o] as number) / Math.sqrt((norm.variance[o] as number) + 1e-3);
        for (let i = o * each; i < (o + 1) * each; i++) weights[i]! *= factor;
        biases[o] = ((biases[o] as number) - (norm.mean[o] as number)) * factor + (norm.beta[o] as number);
      }
    }
    const stem = `${scope}/${depthwise ? 'depthwise' : 'Conv2D'}`;
    const inputs = [x.name, this.initializer(`${stem}/ReadVariableOp:0`, weights, [out, depthwise ? 1 : channels, kernel, kernel])];
    if (bias || norm !== null) inputs.push(this.initializer(`${stem}_bias_fused_bn`, biases, [out]));
    const { side, attributes } = this.#same(x, kernel, stride);
    const name = this.node(scope, 'Conv', inputs, { dilations: [1, 1], strides: [stride, stride], kernel_shape: [kernel, kernel], group: depthwise ? channels : 1, ...attributes });
    return { name, dims: [1, out, side, side], mean: 0, variance: 1 };
  }

  conv(scope: Scope, x: Value, options: ConvOptions): Value {
    return this.#first(scope, x, (v) => this.#convolved(scope, v, options, null));
  }

  norm(scope: Scope, x: Value, given?: Norm): Value {
    return this.#first(scope, x, (v) => {
      const { gamma, beta, mean, variance } = given ?? normOf(this.source, v.dims[1] as number, v);
      const parameters = Object.entries({ gamma, beta, moving_mean: mean, moving_variance: variance }).map(([part, data]) => this.initializer(`${scope}/${part}:0`, data, [data.length]));
      return { ...v, name: this.node(scope, 'BatchNormalization', [v.name, ...parameters], { epsilon: { float: 1e-3 } }), mean: 0, variance: 1 };
    });
  }

  convNorm(scope: Scope, normScope: Scope, x: Value, options: ConvOptions): Value {
    const norm = normOf(this.source, options.out);
    if (this.#options.transposes === 'optimised') return this.#convolved(scope, x, options, norm);
    return this.norm(normScope, this.conv(scope, x, options), norm);
  }

  relu(scope: Scope, x: Value): Value {
    return { ...x, name: this.node(scope, 'Relu', [x.name]), ...rectified(x) };
  }

  /** tf.nn.relu6: Relu and Min. */
  relu6(scope: Scope, x: Value): Value {
    const six = this.initializer(`const_six__${this.fresh()}`, Float32Array.of(6), []);
    return { ...x, name: this.node(scope, 'Min', [this.node(scope, 'Relu', [x.name]), six]), ...rectified(x) };
  }

  add(scope: Scope, a: Value, b: Value): Value {
    return { ...a, name: this.node(scope, 'Add', [a.name, b.name]), ...summed(a, b) };
  }

  /** AveragePooling2D over the whole image and Flatten: [1, C]. */
  pooledFlat(scope: Scope, x: Value): Value {
    const [channels, side] = this.#options.transposes === 'optimised' ? [x.dims[1] as number, x.dims[2] as number] : [x.dims[3] as number, x.dims[2] as number];
    const pooled = this.#first(scope, x, (v) => ({ ...v, name: this.node(scope, 'AveragePool', [v.name], { kernel_shape: [side, side], strides: [side, side] }), dims: [1, channels, 1, 1], variance: v.variance / side }));
    const flat = this.node('flatten', 'Reshape', [pooled.name, this.initializer(`const_shape__${this.fresh()}`, BigInt64Array.of(-1n, BigInt(channels)), [2])]);
    return { ...pooled, name: flat, dims: [1, channels] };
  }

  /** GlobalAveragePooling2D, over the axes as TensorFlow counts them. */
  globalAverage(scope: Scope, x: Value): Value {
    const last = this.#options.transposes === 'plain';
    const channels = x.dims[last ? 3 : 1] as number;
    const axes = last ? [1, 2] : [2, 3];
    const name = this.opset >= 18 ? this.node(scope, 'ReduceMean', [x.name, this.initializer(`const_axes__${this.fresh()}`, BigInt64Array.from(axes, BigInt), [2])], { keepdims: 0 }) : this.node(scope, 'ReduceMean', [x.name], { axes, keepdims: 0 });
    return { ...x, name, dims: [1, channels], variance: x.variance / Math.sqrt(count(x.dims) / channels) };
  }

  dense(scope: Scope, x: Value, out: number, variance = 1): Value {
    const columns = x.dims[1] as number;
    const rows = this.source.rows(out, columns, x, variance);
    // TensorFlow's kernels have a column an output.
    const kernel = new Float32Array(rows.length);
    for (let o = 0; o < out; o++) for (let i = 0; i < columns; i++) kernel[i * out + o] = rows[o * columns + i] as number;
    const product = this.node(scope, 'MatMul', [x.name, this.initializer(`${scope}/MatMul/ReadVariableOp:0`, kernel, [columns, out])]);
    const name = this.node(scope, 'Add', [product, this.initializer(`${scope}/BiasAdd/ReadVariableOp:0`, this.source.normals(out, 0.1), [out])]);
    return { name, dims: [1, out], mean: 0, variance };
  }

  softmax(scope: Scope, x: Value): Value {
    return { ...x, name: this.node(scope, 'Softmax', [x.name], { axis: this.opset >= 13 ? -1 : 1 }) };
  }
}
