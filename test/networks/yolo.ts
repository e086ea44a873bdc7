/**
 * Detectors as Ultralytics' export.py writes them: YOLOv5 v6.x (6 × 6 stem, C3, SPPF) and Tiny-YOLOv3, BatchNormalization folded, with the whole Detect
 * head behind: Reshape to five dimensions, Transpose, Sigmoid, boxes from grid and anchors, Concat to [1, N, 85] in pixels of the network's image.
 */
import type { OnnxModel } from '../../src/compiler/onnx.ts';
import type { Scope } from './graph.ts';
import { count } from './graph.ts';
import type { TorchOptions } from './torch.ts';
import { Torch, UNIT } from './torch.ts';
import type { Value } from './values.ts';

export const CLASSES = 80;
const VALUES = 5 + CLASSES;
/** Anchors in pixels, a row a scale: COCO's, as published with each network. */
const ANCHORS_V5 = [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]];
const ANCHORS_TINY = [[10, 14, 23, 27, 37, 58], [81, 82, 135, 169, 344, 319]];

/**
 * Forms of the head. `split`: v6.2 and v7.0 (Split in three, the half pixel inside the grid); `slice`: v6.0 and v6.1 with inplace=False (Slices, the half pixel
 * subtracted); `slice-raw`: the same, which also gives the three raw maps; `shapes`: v6.2 whose Reshapes ask the tensors for their sizes.
 */
export type Head = 'split' | 'slice' | 'slice-raw' | 'shapes';
export type YoloOptions = TorchOptions & { readonly head: Head };

class Detect {
  readonly #net: Torch;
  readonly #head: Head;
  readonly #scope: Scope;

  constructor(net: Torch, scope: Scope, head: Head) {
    [this.#net, this.#head, this.#scope] = [net, head, scope];
  }

  #reshape(x: Value, dims: readonly number[]): Value {
    const net = this.#net;
    const [scope, to] = [this.#scope, { ...x, dims }];
    if (this.#head !== 'shapes') return { ...to, name: net.node(scope, 'Reshape', [x.name, net.ints(scope, ...dims)], net.style === 'dynamo' ? { allowzero: 1 } : {}) };
    // Sizes that the tensor itself has are asked of it, each by itself.
    const shape = net.node(scope, 'Shape', [x.name]);
    const parts = dims.map((d) => {
      const axis = x.dims.indexOf(d);
      if (axis < 0) return net.ints(scope, d);
      const size = net.node(scope, 'Gather', [shape, net.constant(scope, BigInt64Array.of(BigInt(axis)), [])], { axis: 0 });
      return net.opset >= 13 ? net.node(scope, 'Unsqueeze', [size, net.ints(scope, 0)]) : net.node(scope, 'Unsqueeze', [size], { axes: [0] });
    });
    return { ...to, name: net.node(scope, 'Reshape', [x.name, net.node(scope, 'Concat', parts, { axis: 0 })]) };
  }

  #binary(op: string, x: Value, constant: string): Value {
    return { ...x, name: this.#net.node(this.#scope, op, [x.name, constant]) };
  }

  /** [1, 3, H, W, 85] in its parts along the last axis. */
  #parts(x: Value): Value[] {
    const net = this.#net;
    const sizes = [2, 2, VALUES - 4];
    const dims = (size: number): number[] => [...x.dims.slice(0, -1), size];
    if (this.#head === 'split' || this.#head === 'shapes') {
      const names = net.opset >= 13 ? net.nodes(this.#scope, 'Split', [x.name, net.ints(this.#scope, ...sizes)], { axis: 4 }, 3) : net.nodes(this.#scope, 'Split', [x.name], { axis: 4, split: sizes }, 3);
      return names.map((name, i) => ({ ...x, name, dims: dims(sizes[i] as number) }));
    }
    let start = 0;
    return sizes.map((size) => {
      // To the end, as x[..., 4:] means it.
      const end = start + size === VALUES ? 2 ** 31 - 1 : start + size;
      const name = net.node(this.#scope, 'Slice', [x.name, ...[start, end, 4, 1].map((v) => net.ints(this.#scope, v))]);
      start += size;
      return { ...x, name, dims: dims(size) };
    });
  }

  /** One scale: its convolution's map to boxes [1, 3·H·W, 85], and the map as [1, 3, H, W, 85]. */
  #scale(map: Value, stride: number, anchors: readonly number[]): { boxes: Value; raw: Value } {
    const net = this.#net;
    const [, , height = 1, width = 1] = map.dims;
    const five = this.#reshape(map, [1, 3, VALUES, height, width]);
    const raw = { ...five, name: net.node(this.#scope, 'Transpose', [five.name], { perm: [0, 1, 3, 4, 2] }), dims: [1, 3, height, width, VALUES] };
    const squashed = { ...raw, name: net.node(this.#scope, 'Sigmoid', [raw.name]) };
    const [xy, wh, rest] = this.#parts(squashed) as [Value, Value, Value];
    const half = this.#head === 'slice' || this.#head === 'slice-raw' ? 0 : 0.5;
    const pairs = (at: (anchor: number, y: number, x: number, k: number) => number): string => {
      const data = Float32Array.from({ length: 6 * height * width }, (_, i) => at(Math.floor(i / 2 / width / height), Math.floor(i / 2 / width) % height, Math.floor(i / 2) % width, i % 2));
      return net.constant(this.#scope, data, [1, 3, height, width, 2]);
    };
    let centre = this.#binary('Mul', xy, net.scalar(this.#scope, 2));
    if (half === 0) centre = this.#binary('Sub', centre, net.scalar(this.#scope, 0.5));
    centre = this.#binary('Add', centre, pairs((_, y, x, k) => (k === 0 ? x : y) - half));
    centre = this.#binary('Mul', centre, net.scalar(this.#scope, stride));
    const size = this.#binary('Pow', this.#binary('Mul', wh, net.scalar(this.#scope, 2)), net.scalar(this.#scope, 2));
    const scaled = this.#binary('Mul', size, pairs((anchor, _, __, k) => anchors[2 * anchor + k] as number));
    return { boxes: this.#reshape(net.concat(this.#scope, [centre, scaled, rest], 4), [1, 3 * height * width, VALUES]), raw };
  }

  build(maps: readonly Value[], strides: readonly number[], anchors: readonly (readonly number[])[]): OnnxModel {
    const scales = maps.map((map, i) => this.#scale(map, strides[i] as number, anchors[i] as readonly number[]));
    const all = this.#net.concat(this.#scope, scales.map((s) => s.boxes), 1);
    const name = this.#head === 'slice' || this.#head === 'slice-raw' ? 'output' : 'output0';
    const raw = this.#head === 'slice-raw' ? Object.fromEntries(scales.map((s, i) => [`raw_${i}`, s.raw])) : {};
    return this.#net.build({ [name]: all, ...raw });
  }
}

/** The head's own convolution: scores a little below 0, as a trained detector has them nearly everywhere. */
function mapOf(net: Torch, scope: Scope, x: Value): Value {
  return net.conv(scope, x, { out: 3 * VALUES, kernel: 1, pad: 0, bias: true });
}

/** YOLOv5 n or s: depth 0.33, width 0.25 or 0.5. */
export function yolov5(width: 'n' | 's', options: YoloOptions, size = 640): OnnxModel {
  const net = new Torch(options);
  const wide = (channels: number): number => channels * (width === 'n' ? 0.25 : 0.5);
  const conv = (scope: Scope, x: Value, out: number, kernel: number, stride = 1, pad?: number): Value =>
    net.silu(`${scope}/act`, net.convNorm(`${scope}/conv`, `${scope}/bn`, x, { out, kernel, stride, ...(pad !== undefined && { pad }) }));
  const c3 = (scope: Scope, x: Value, channels: number, repeats: number, shortcut: boolean): Value => {
    const hidden = wide(channels) / 2;
    let y = conv(`${scope}/cv1`, x, hidden, 1);
    for (let i = 0; i < repeats; i++) {
      const at = `${scope}/m/m.${i}`;
      const made = conv(`${at}/cv2`, conv(`${at}/cv1`, y, hidden, 1), hidden, 3);
      y = shortcut ? net.add(at, y, made) : made;
    }
    return conv(`${scope}/cv3`, net.concat(scope, [y, conv(`${scope}/cv2`, x, hidden, 1)]), wide(channels), 1);
  };
  const sppf = (scope: Scope, x: Value, channels: number): Value => {
    const parts = [conv(`${scope}/cv1`, x, wide(channels) / 2, 1)];
    for (let i = 0; i < 3; i++) parts.push(net.maxPool(`${scope}/m`, parts[i] as Value, 5, 1, [2, 2, 2, 2]));
    return conv(`${scope}/cv2`, net.concat(scope, parts), wide(channels), 1);
  };
  const model = (index: number): Scope => `model.${index}`;
  let x = conv(model(0), net.input('images', [1, 3, size, size], UNIT), wide(64), 6, 2, 2);
  x = c3(model(2), conv(model(1), x, wide(128), 3, 2), 128, 1, true);
  const p3 = c3(model(4), conv(model(3), x, wide(256), 3, 2), 256, 2, true);
  const p4 = c3(model(6), conv(model(5), p3, wide(512), 3, 2), 512, 3, true);
  x = sppf(model(9), c3(model(8), conv(model(7), p4, wide(1024), 3, 2), 1024, 1, true), 1024);
  const top = conv(model(10), x, wide(512), 1);
  x = c3(model(13), net.concat(model(12), [net.upsample(model(11), top), p4]), 512, 1, false);
  const middle = conv(model(14), x, wide(256), 1);
  const out8 = c3(model(17), net.concat(model(16), [net.upsample(model(15), middle), p3]), 256, 1, false);
  const out16 = c3(model(20), net.concat(model(19), [conv(model(18), out8, wide(256), 3, 2), middle]), 512, 1, false);
  const out32 = c3(model(23), net.concat(model(22), [conv(model(21), out16, wide(512), 3, 2), top]), 1024, 1, false);
  const maps = [out8, out16, out32].map((v, i) => mapOf(net, `model.24/m.${i}`, v));
  return new Detect(net, 'model.24', options.head).build(maps, [8, 16, 32], ANCHORS_V5);
}

/**
 * Tiny-YOLOv3: LeakyReLU, poolings, one concatenation. The pooling of stride 1 keeps the size: by zeros on the right and below (Ultralytics' ZeroPad2d),
 * or by values that never win (Darknet's).
 */
export function tinyYolov3(options: YoloOptions & { readonly pad: 'zeros' | 'same'; /** Share of the channels, for tests. */ readonly width?: number }, size = 416): OnnxModel {
  const net = new Torch(options);
  const conv = (index: number, x: Value, channels: number, kernel: number): Value =>
    net.leaky(`model.${index}/act`, net.convNorm(`model.${index}/conv`, `model.${index}/bn`, x, { out: channels * (options.width ?? 1), kernel }));
  let x = net.input('images', [1, 3, size, size], UNIT);
  [16, 32, 64, 128].forEach((out, i) => (x = net.maxPool(`model.${2 * i + 1}`, conv(2 * i, x, out, 3), 2, 2)));
  const route = conv(8, x, 256, 3);
  x = conv(10, net.maxPool('model.9', route, 2, 2), 512, 3);
  if (options.pad === 'zeros') {
    const [, channels = 1, height = 1, width = 1] = x.dims;
    const padded = net.node('model.11', 'Pad', [x.name, net.ints('model.11', 0, 0, 0, 0, 0, 0, 1, 1), net.scalar('model.11', 0)], { mode: 'constant' });
    x = net.maxPool('model.12', { ...x, name: padded, dims: [1, channels, height + 1, width + 1] }, 2, 1);
  } else x = net.maxPool('model.12', x, 2, 1, [0, 0, 1, 1]);
  const neck = conv(14, conv(13, x, 1024, 3), 256, 1);
  const large = conv(15, neck, 512, 3);
  const small = conv(19, net.concat('model.18', [net.upsample('model.17', conv(16, neck, 128, 1)), route]), 256, 3);
  const maps = [small, large].map((v, i) => mapOf(net, `model.20/m.${i}`, v));
  return new Detect(net, 'model.20', options.head).build(maps, [16, 32], ANCHORS_TINY);
}

/** The convolutions whose maps the head reads: all that is before the float tail. */
export function heads(model: OnnxModel): string[] {
  return model.nodes.filter((n) => n.opType === 'Conv' && model.initializers.get(n.inputs[1] ?? '')?.dims[0] === 3 * VALUES).map((n) => n.outputs[0] as string);
}

/** How many boxes the detector gives. */
export const boxesOf = (model: OnnxModel): number => count(model.outputs[0]?.dims ?? []) / VALUES;

/** The model that ends in `tensors`, without what only its old outputs needed. */
export function endingIn(model: OnnxModel, tensors: readonly string[]): OnnxModel {
  const wanted = new Set(tensors);
  const nodes = [...model.nodes].reverse().filter((node) => {
    if (!node.outputs.some((o) => wanted.has(o))) return false;
    for (const input of node.inputs) wanted.add(input);
    return true;
  });
  return { ...model, nodes: nodes.reverse(), outputs: tensors.map((name) => ({ name, elementType: 1, dims: [] })), initializers: new Map([...model.initializers].filter(([name]) => wanted.has(name))) };
}
