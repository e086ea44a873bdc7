/** One random descriptor as a program of its own, and its naive evaluation in exact integers: what hls/core is held against. */
import { DescriptorFlag, MAX_SHIFT, NONE, Op } from '../../src/contract/layout.ts';
import type { Place } from '../../src/compiler/arena.ts';
import type { GraphPort, QTensor } from '../../src/compiler/graph.ts';
import type { Target } from '../../src/compiler/partition.ts';
import type { ProgramParts } from '../../src/compiler/write.ts';
import { writeProgram } from '../../src/compiler/write.ts';
import { random } from '../../test/support/qdq.ts';

export type Layer = {
  op: number;
  flags: number;
  /** [height, width, channels] of the window that the layer sees: both sources, after upsampling. */
  input: [number, number, number];
  /** Channels of the second source, the last of the input's; 0 without one. */
  second: number;
  /** As it is written: pooled, with POOL_OUTPUT. */
  output: [number, number, number];
  kernel: [number, number];
  strides: [number, number];
  dilations: [number, number];
  /** top, left, bottom, right */
  pads: [number, number, number, number];
  weights: Int8Array;
  parameters: { bias: number; multiplier: number; shift: number }[];
  table: Int8Array;
  add: { a: number; b: number; shift: number; zeroA: number; zeroB: number; zeroOut: number };
  inputZero: number;
  stageZero: number;
  min: number;
  max: number;
  /** Bytes added to plane and row strides beyond what is needed. */
  slack: [number, number];
};

const DENSE_LIMIT = 600;
const WEIGHTED: readonly number[] = [Op.CONV, Op.DENSE, Op.DEPTHWISE];
const POOLS: readonly number[] = [Op.MAX_POOL, Op.AVERAGE_POOL];

/**
 * @param seed gives everything; extremes (ends of ranges, exact ties, overflow of the code range) are common
 * @param pool most convolutions that can have POOL_OUTPUT have it
 * @param far convolutions alone, whose windows are the processor's: kernels, strides and dilations beyond the core's
 * @param three convolutions alone, 3 x 3 side by side: the windows that the processor's kernels have ways of their own for
 */
export function randomLayer(seed: number, { pool: pooling = false, far = false, three = false }: { pool?: boolean; far?: boolean; three?: boolean } = {}): Layer {
  const next = random(seed);
  const int = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  const pick = <T>(list: readonly T[]): T => list[int(0, list.length - 1)] as T;
  const op = three ? pick([Op.CONV, Op.CONV, Op.DEPTHWISE]) : far ? pick([Op.CONV, Op.DEPTHWISE]) : pick([Op.CONV, Op.CONV, Op.CONV, Op.DEPTHWISE, Op.DEPTHWISE, Op.DENSE, Op.MAX_POOL, Op.AVERAGE_POOL, Op.ADD, Op.TABLE, Op.COPY]);
  const pool = POOLS.includes(op);
  const convolution = op === Op.CONV || op === Op.DEPTHWISE;
  const channels = three ? pick([8, 8, 15, 17, 32]) : far ? pick([1, 3, 4, 8, 9, 17, 30]) : pick([1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 70, int(1, 130)]);
  const second = channels > 8 && next() < 0.3 ? channels - 8 * int(1, Math.ceil(channels / 8) - 1) : 0;
  const axis = (): { length: number; kernel: number; stride: number; dilation: number; before: number; after: number; out: number } => {
    const length = three ? int(2, 17) : int(1, far ? 40 : 12);
    if (!convolution && !pool) return { length, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0, out: op === Op.DENSE ? 1 : length };
    const dilation = three ? 1 : far ? pick([1, 1, 2, 3, 6, 12, 18, 255]) : convolution && next() < 0.3 ? 2 : 1;
    const kernel = three ? 3 : far ? pick(dilation > 1 ? [1, 2, 3, 5] : [1, 3, 8, 9, 11, 13, 31]) : int(1, pool ? 9 : 7);
    const extent = (kernel - 1) * dilation + 1;
    const most = Math.min(255, extent - 1);
    let before = next() < 0.5 ? 0 : int(0, most);
    let after = next() < 0.5 ? 0 : int(0, most);
    if (length + before + after < extent) before = after = most;
    if (length + before + after < extent) return { length, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0, out: length };
    const stride = three ? pick([1, 1, 1, 2]) : far ? pick([1, 2, 3, 4, 7, 255]) : int(1, pool ? 4 : 2);
    return { length, kernel, stride, dilation, before, after, out: Math.floor((length + before + after - extent) / stride) + 1 };
  };
  const [h, w] = [axis(), axis()];
  if (op === Op.DENSE && h.length * w.length * channels > DENSE_LIMIT) h.length = w.length = 1;
  const outputs = three && op === Op.CONV ? pick([8, 9, 16, 65]) : far && op === Op.CONV ? pick([1, 3, 8, 17]) : op === Op.CONV || op === Op.DENSE ? pick([1, 2, 3, 4, 5, 63, 64, 65, int(1, 90)]) : channels;
  const each = op === Op.CONV ? h.kernel * w.kernel * channels : op === Op.DENSE ? h.length * w.length * channels : op === Op.DEPTHWISE ? h.kernel * w.kernel : 0;
  const extreme = next() < 0.3;
  const weights = Int8Array.from({ length: each * outputs }, () => (extreme ? pick([-127, 127]) : int(-127, 127)));
  const pads: Layer['pads'] = [h.before, w.before, h.after, w.after];
  let flags = op === Op.TABLE ? DescriptorFlag.HAS_TABLE : op === Op.ADD ? DescriptorFlag.HAS_RESIDUAL : 0;
  if (next() < 0.3) flags |= DescriptorFlag.HAS_TABLE;
  if (next() < 0.4) flags |= DescriptorFlag.HAS_RESIDUAL;
  if (op === Op.AVERAGE_POOL && next() < 0.5) flags |= DescriptorFlag.COUNT_INCLUDE_PAD;
  if (next() < 0.2) flags |= DescriptorFlag.UPSAMPLE_FIRST;
  if (second > 0 && next() < 0.5) flags |= DescriptorFlag.UPSAMPLE_SECOND;
  const perCount = !(flags & DescriptorFlag.COUNT_INCLUDE_PAD) && pads.some((p) => p > 0);
  const count = WEIGHTED.includes(op) ? outputs : op === Op.AVERAGE_POOL ? (perCount ? h.kernel * w.kernel : 1) : 0;
  const reach = op === Op.AVERAGE_POOL ? 128 * h.kernel * w.kernel : 128 * 73 * Math.sqrt(Math.max(1, each));
  const parameters = Array.from({ length: count }, () => {
    const style = next();
    // Any multiplier and shift; or one that spreads sums over the codes; or a power of two, where exact ties are common.
    if (style < 0.1) return { bias: int(-(2 ** 20), 2 ** 20), multiplier: int(0, 2 ** 24 - 1), shift: int(1, MAX_SHIFT) };
    const shift = Math.max(1, Math.min(MAX_SHIFT, 24 + Math.round(Math.log2(reach / 160))));
    if (style < 0.4) return { bias: int(-200, 200), multiplier: 2 ** 23, shift };
    return { bias: int(-2000, 2000), multiplier: int(2 ** 23, 2 ** 24 - 1), shift };
  });
  const zero = (): number => pick([-128, 127, 0, int(-128, 127)]);
  const clampLow = next() < 0.5 ? -128 : int(-128, 127);
  const tie = next() < 0.5;
  const poolable = convolution && !(flags & DescriptorFlag.HAS_RESIDUAL) && h.out > 1 && w.out > 1;
  const pooled = pooling && poolable && next() < 0.7;
  if (pooled) flags |= DescriptorFlag.POOL_OUTPUT;
  return {
    op, flags, weights, parameters, pads, second,
    input: [h.length, w.length, channels],
    output: pooled ? [Math.floor(h.out / 2), Math.floor(w.out / 2), outputs] : [h.out, w.out, outputs],
    kernel: [h.kernel, w.kernel],
    strides: [h.stride, w.stride],
    dilations: [h.dilation, w.dilation],
    table: Int8Array.from({ length: 256 }, () => int(-128, 127)),
    add: { a: tie ? 2 ** 23 : int(0, 2 ** 24 - 1), b: tie ? 2 ** 22 : int(0, 2 ** 24 - 1), shift: pick([24, 24, 23, 25, int(1, MAX_SHIFT)]), zeroA: zero(), zeroB: zero(), zeroOut: zero() },
    inputZero: zero(),
    stageZero: zero(),
    min: clampLow,
    max: next() < 0.5 ? 127 : int(clampLow, 127),
    slack: [pick([0, 0, 8, 56]), pick([0, 0, 8, 64])],
  };
}

type Shape = readonly [height: number, width: number, channels: number];
const size = ([h, w, c]: Shape): number => h * w * c;

/** What the layer reads, in the order of its program's inputs: first source, second source, residual; null where it has none. */
function shapesOf({ flags, input: [height, width, channels], second, output }: Layer): [Shape, Shape | null, Shape | null] {
  const source = (count: number, flag: number): Shape => (flags & flag ? [Math.ceil(height / 2), Math.ceil(width / 2), count] : [height, width, count]);
  return [
    source(channels - second, DescriptorFlag.UPSAMPLE_FIRST),
    second > 0 ? source(second, DescriptorFlag.UPSAMPLE_SECOND) : null,
    flags & DescriptorFlag.HAS_RESIDUAL ? output : null,
  ];
}

/** Codes that the layer's program takes. */
export const inputsOf = (layer: Layer): number => shapesOf(layer).reduce((sum, shape) => sum + (shape === null ? 0 : size(shape)), 0);

export const programOf = (layer: Layer, target: Target = 'PL'): Uint8Array => writeProgram(partsOf(layer, target));

export function partsOf(layer: Layer, target: Target = 'PL'): ProgramParts {
  const places: Place[] = [];
  let end = 0;
  const place = (name: string, [height, width, channels]: Shape, scale: number, zeroPoint: number): Place => {
    const tensor: QTensor = { id: places.length, name, channels, height, width, scale, zeroPoint };
    const rowStride = 8 * width + layer.slack[1];
    const planeStride = rowStride * height + layer.slack[0];
    const made = { tensor, offset: end, planeStride, rowStride, bytes: planeStride * Math.ceil(channels / 8) };
    end = Math.ceil((end + made.bytes) / 64) * 64;
    places.push(made);
    return made;
  };
  const [firstShape, secondShape, residualShape] = shapesOf(layer);
  const input = place('x', firstShape, 0.5, layer.inputZero);
  const output = place('y', layer.output, 0.25, residualShape === null ? layer.stageZero : layer.add.zeroOut);
  const second = secondShape === null ? null : place('z', secondShape, 0.5, layer.inputZero);
  const residual = residualShape === null ? null : place('r', residualShape, 0.125, layer.add.zeroB);
  const port = ({ tensor }: Place): GraphPort => ({ name: tensor.name, tensor, dataType: 'INT8', shape: [1, tensor.channels, tensor.height, tensor.width] });
  const parameters = new DataView(new ArrayBuffer(8 * layer.parameters.length));
  layer.parameters.forEach(({ bias, multiplier, shift }, i) => {
    parameters.setInt32(8 * i, bias, true);
    parameters.setUint32(8 * i + 4, multiplier + shift * 2 ** 24, true);
  });
  // Parameters first (aligned), then the table, then weights at an odd place: they need no alignment.
  const data = Buffer.concat([new Uint8Array(parameters.buffer), new Uint8Array(layer.table.buffer), Buffer.from([0]), new Uint8Array(layer.weights.buffer)]);
  return {
    modelSha256: new Uint8Array(32).fill(7),
    arenaBytes: end,
    places,
    inputs: [input, second, residual].filter((p) => p !== null).map(port),
    outputs: [port(output)],
    data,
    descriptors: [{
      name: 'layer',
      target,
      values: {
        op: layer.op, flags: layer.flags,
        inputOffset: input.offset, inputPlaneStride: input.planeStride, inputRowStride: input.rowStride,
        inputHeight: layer.input[0], inputWidth: layer.input[1], inputChannels: layer.input[2],
        secondOffset: second?.offset ?? NONE, secondPlaneStride: second?.planeStride ?? 0, secondRowStride: second?.rowStride ?? 0, secondChannels: layer.second,
        outputOffset: output.offset, outputPlaneStride: output.planeStride, outputRowStride: output.rowStride,
        outputHeight: layer.output[0], outputWidth: layer.output[1], outputChannels: layer.output[2],
        kernelH: layer.kernel[0], kernelW: layer.kernel[1], strideH: layer.strides[0], strideW: layer.strides[1],
        dilationH: layer.dilations[0], dilationW: layer.dilations[1],
        padTop: layer.pads[0], padLeft: layer.pads[1], padBottom: layer.pads[2], padRight: layer.pads[3],
        weightsOffset: layer.weights.length > 0 ? parameters.byteLength + 257 : NONE,
        parametersOffset: layer.parameters.length > 0 ? 0 : NONE,
        tableOffset: parameters.byteLength,
        residualOffset: residual?.offset ?? NONE, residualPlaneStride: residual?.planeStride ?? 0, residualRowStride: residual?.rowStride ?? 0,
        addMultiplierA: layer.add.a, addMultiplierB: layer.add.b, addShift: layer.add.shift,
        addZeroA: layer.add.zeroA, addZeroB: layer.add.zeroB, addZeroOut: layer.add.zeroOut,
        inputZeroPoint: layer.inputZero, stageZeroPoint: layer.stageZero, outputMin: layer.min, outputMax: layer.max, outputTensor: 1,
      },
    }],
  };
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** RNE(value · multiplier / 2^shift) in exact integers. */
function rounded(value: bigint, shift: number): number {
  const unit = 1n << BigInt(shift);
  const floor = value >> BigInt(shift);
  const twice = 2n * (value - floor * unit);
  return Number(twice > unit || (twice === unit && (floor & 1n) === 1n) ? floor + 1n : floor);
}

/** The window that the layer sees, channel by channel: both sources, upsampled. */
function windowOf(layer: Layer, codes: Int8Array): Int8Array {
  const [height, width, channels] = layer.input;
  const [first, second] = shapesOf(layer);
  const x = new Int8Array(size(layer.input));
  for (let i = 0; i < x.length; i++) {
    const [c, y, z] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
    const behind = c >= channels - layer.second;
    const [h, w] = behind ? (second as Shape) : first;
    const half = layer.flags & (behind ? DescriptorFlag.UPSAMPLE_SECOND : DescriptorFlag.UPSAMPLE_FIRST) ? 2 : 1;
    const from = behind ? size(first) : 0;
    x[i] = codes[from + ((behind ? c - channels + layer.second : c) * h + Math.floor(y / half)) * w + Math.floor(z / half)] as number;
  }
  return x;
}

/** The largest of each 2 x 2 of the layer's results, which are evaluated without the pooling. */
function pooledOf(layer: Layer, codes: Int8Array): Int8Array {
  const [height, width, channels] = layer.output;
  const results = evaluate({ ...layer, flags: layer.flags & ~DescriptorFlag.POOL_OUTPUT, output: [2 * height, 2 * width, channels] }, codes);
  return Int8Array.from({ length: size(layer.output) }, (_, i) => {
    const at = Math.floor(i / width) * 4 * width + (i % width) * 2;
    return Math.max(...[0, 1, 2 * width, 2 * width + 1].map((of) => results[at + of] as number));
  });
}

/** The layer by the words of DESIGN.md, an output at a time; `codes` are its program's inputs. Tensors in channel, row, column order. */
export function evaluate(layer: Layer, codes: Int8Array): Int8Array {
  if (layer.flags & DescriptorFlag.POOL_OUTPUT) return pooledOf(layer, codes);
  const x = windowOf(layer, codes);
  const residual = codes.subarray(inputsOf(layer) - size(layer.output));
  const [height, width, channels] = layer.input;
  const [oh, ow, outputs] = layer.output;
  const [kh, kw] = layer.op === Op.DENSE ? [height, width] : layer.kernel;
  const out = new Int8Array(outputs * oh * ow);
  /** Places of a window's taps in a channel's plane, row by row; -1 in the padding. */
  const windows = Array.from({ length: oh * ow }, (_, i) =>
    Array.from({ length: kh * kw }, (__, k) => {
      const y = Math.floor(i / ow) * layer.strides[0] - layer.pads[0] + Math.floor(k / kw) * layer.dilations[0];
      const z = (i % ow) * layer.strides[1] - layer.pads[1] + (k % kw) * layer.dilations[1];
      return y < 0 || z < 0 || y >= height || z >= width ? -1 : y * width + z;
    }),
  );
  const requantised = (sum: number, p: Layer['parameters'][number]): number =>
    clamp(layer.stageZero + rounded(BigInt(sum + p.bias) * BigInt(p.multiplier), p.shift), -128, 127);
  for (let i = 0; i < out.length; i++) {
    const o = Math.floor(i / (oh * ow));
    const taps = windows[i % (oh * ow)] as number[];
    let code: number;
    if (layer.op === Op.CONV || layer.op === Op.DENSE) {
      let sum = 0;
      for (let c = 0; c < channels; c++) {
        for (let k = 0; k < taps.length; k++) {
          const tap = taps[k] as number;
          sum += (tap < 0 ? layer.inputZero : (x[c * height * width + tap] as number)) * (layer.weights[(o * kh * kw + k) * channels + c] as number);
        }
      }
      code = requantised(sum, layer.parameters[o] as Layer['parameters'][number]);
    } else if (layer.op === Op.DEPTHWISE) {
      const sum = taps.reduce((a, tap, k) => a + (tap < 0 ? layer.inputZero : (x[o * height * width + tap] as number)) * (layer.weights[k * channels + o] as number), 0);
      code = requantised(sum, layer.parameters[o] as Layer['parameters'][number]);
    } else if (POOLS.includes(layer.op)) {
      const valid = taps.filter((tap) => tap >= 0).map((tap) => x[o * height * width + tap] as number);
      if (layer.op === Op.MAX_POOL) code = Math.max(-128, ...valid);
      else {
        const includes = (layer.flags & DescriptorFlag.COUNT_INCLUDE_PAD) !== 0 || layer.pads.every((p) => p === 0);
        const padding = includes ? (taps.length - valid.length) * layer.inputZero : 0;
        code = requantised(valid.reduce((a, v) => a + v, padding), layer.parameters[includes ? 0 : valid.length - 1] as Layer['parameters'][number]);
      }
    } else {
      code = x[i] as number;
    }
    if (layer.flags & DescriptorFlag.HAS_TABLE) code = layer.table[code + 128] as number;
    if (layer.flags & DescriptorFlag.HAS_RESIDUAL) {
      const { a, b, shift, zeroA, zeroB, zeroOut } = layer.add;
      code = clamp(zeroOut + rounded(BigInt((code - zeroA) * a) + BigInt(((residual[i] as number) - zeroB) * b), shift), -128, 127);
    }
    out[i] = clamp(code, layer.min, layer.max);
  }
  return out;
}
