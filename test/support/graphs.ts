/** Parts of known networks as canonical QDQ, small and with random weights, for tests of what they compile to. */
import type { Activation, Quantisation } from './qdq.ts';
import { Qdq, random } from './qdq.ts';

const Q: Quantisation = { scale: 0.05, zeroPoint: -3 };

/** A convolution of random weights whose results use the codes; `act` behind it, quantised in between as exporters do. */
class Net extends Qdq {
  readonly all: Activation[] = [];
  readonly #next = random(99);

  keep(from: string, shape: number[], quantisation: Quantisation = Q): Activation {
    const made = this.quantised(from, shape, quantisation);
    this.all.push(made);
    return made;
  }

  block(x: Activation, outputs: number, kernel: number, stride: number, act: 'silu' | 'relu' | 'none', quantisation: Quantisation = Q): Activation {
    const depth = (x.shape[1] as number) * kernel * kernel;
    const pad = Math.floor(kernel / 2);
    const scales = new Float32Array(outputs).fill((0.05 * 40) / (0.05 * 73 * 60 * Math.sqrt(depth)));
    const codes = Int8Array.from({ length: outputs * depth }, () => Math.floor(this.#next() * 255) - 127);
    const made = this.conv(x, codes, outputs, scales, null, { kernel: [kernel, kernel], strides: [stride, stride], pads: [pad, pad, pad, pad] });
    if (act === 'relu') return this.keep(this.node('Relu', [made.name]), made.shape, quantisation);
    const plain = this.keep(made.name, made.shape, act === 'none' ? quantisation : Q);
    if (act === 'none') return plain;
    const gate = this.keep(this.node('Sigmoid', [plain.name]), made.shape, { scale: 1 / 256, zeroPoint: -128 });
    return this.keep(this.node('Mul', [plain.name, gate.name]), made.shape, quantisation);
  }

  join(parts: Activation[]): Activation {
    const [first] = parts as [Activation];
    const channels = parts.reduce((sum, p) => sum + (p.shape[1] as number), 0);
    return this.keep(this.node('Concat', parts.map((p) => p.name), { axis: 1 }), [1, channels, ...first.shape.slice(2)], first);
  }

  batchNorm(x: Activation): Activation {
    const channels = x.shape[1] as number;
    const codes = Int8Array.from({ length: channels }, () => 20 + Math.floor(this.#next() * 100));
    const bias = Int32Array.from({ length: channels }, () => Math.floor(this.#next() * 2000) - 1000);
    const made = this.conv(x, codes, channels, new Float32Array(channels).fill(0.01), bias, { kernel: [1, 1] }, channels);
    return this.keep(this.node('Relu', [made.name]), made.shape);
  }
}

export type Graph = { onnx: Uint8Array; open: Uint8Array; codes: Activation[]; final: Activation[]; inputElements: number };

const built = (net: Net, input: Activation, final: Activation[], kept: Activation[]): Graph => ({
  onnx: net.build(final), open: net.build(final, kept), codes: kept, final, inputElements: input.shape.reduce((a, b) => a * b, 1),
});

/** The head of YOLOv5 v6.x: SPPF, two C3 on the way up behind upsampling and concatenation, two on the way down. Convolutions in front make its three inputs. */
export function yoloNeck(size = 8): Graph {
  const net = new Net();
  const image = net.input([1, 8, 4 * size, 4 * size], Q);
  const silu = (x: Activation, outputs: number, kernel = 1, stride = 1): Activation => net.block(x, outputs, kernel, stride, 'silu');
  const c3 = (x: Activation, outputs: number, shortcut: boolean): Activation => {
    const hidden = outputs / 2;
    const a = silu(x, hidden);
    const m = silu(silu(a, hidden), hidden, 3);
    const left = shortcut ? net.keep(net.node('Add', [a.name, m.name]), a.shape) : m;
    return silu(net.join([left, silu(x, hidden)]), outputs);
  };
  const up = (x: Activation): Activation => net.keep(net.upsampled(x), [...x.shape.slice(0, 2), 2 * (x.shape[2] as number), 2 * (x.shape[3] as number)], x);
  const p3 = c3(image, 16, true);
  const p4 = c3(silu(p3, 32, 3, 2), 32, true);
  const p5 = silu(p4, 64, 3, 2);
  const hidden = silu(p5, 32);
  const pools = [hidden];
  for (let i = 0; i < 3; i++) pools.push(net.keep(net.pool('MaxPool', pools[i] as Activation, { kernel: [5, 5], pads: [2, 2, 2, 2] }), hidden.shape, hidden));
  const spp = silu(net.join(pools), 64);
  const top = silu(spp, 32);
  const middle = silu(c3(net.join([up(top), p4]), 32, false), 16);
  const out8 = c3(net.join([up(middle), p3]), 16, false);
  const out16 = c3(net.join([silu(out8, 16, 3, 2), middle]), 32, false);
  const out32 = c3(net.join([silu(out16, 32, 3, 2), top]), 64, false);
  return built(net, image, [out8, out16, out32].map((x) => net.block(x, 24, 1, 1, 'none')), net.all.slice(0, 59));
}

/** A dense block of DenseNet: each layer reads all before it. */
export function denseBlock(layers: number, growth = 16, reversed = false): Graph {
  const net = new Net();
  const image = net.input([1, 32, 10, 10], Q);
  const parts = [net.block(image, 32, 3, 1, 'relu')];
  for (let i = 0; i < layers; i++) {
    const all = parts.length === 1 ? (parts[0] as Activation) : net.join(parts);
    const made = net.block(net.block(net.batchNorm(all), 4 * growth, 1, 1, 'relu'), growth, 3, 1, 'none');
    if (reversed) parts.unshift(made);
    else parts.push(made);
  }
  return built(net, image, [net.block(net.batchNorm(net.join(parts)), 32, 1, 1, 'relu')], net.all.slice(0, 60));
}
