/** One stage → one descriptor, with its packed weights, channel parameters and table. */
import { ALIGNMENT, DescriptorFlag, NONE, Op } from '../contract/layout.ts';
import type { Arena, Place } from './arena.ts';
import { CompileError } from './error.ts';
import type { AveragePoolLayer, ConvLayer, DenseLayer, QTensor, Window, WorkLayer } from './graph.ts';
import { isDepthwise } from './partition.ts';
import type { FixedPoint } from './scale.ts';
import { divide, fixedPoint, fixedPoints, multiply, ratioOf } from './scale.ts';
import { IDENTITY } from './tables.ts';
import type { Source, Step } from './views.ts';
import type { Values } from './write.ts';
import type { Descriptor } from '../contract/layout.ts';

/** Section DATA while it grows. */
export class Data {
  #bytes = 0;
  readonly #parts: { offset: number; bytes: Uint8Array }[] = [];

  /** Appends at the next multiple of ALIGNMENT and returns the offset. */
  add(bytes: Uint8Array): number {
    const offset = Math.ceil(this.#bytes / ALIGNMENT) * ALIGNMENT;
    this.#parts.push({ offset, bytes });
    this.#bytes = offset + bytes.length;
    return offset;
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.#bytes);
    for (const part of this.#parts) out.set(part.bytes, part.offset);
    return out;
  }
}

const asBytes = (codes: Int8Array): Uint8Array => new Uint8Array(codes.buffer, codes.byteOffset, codes.length);

type Parameter = FixedPoint & { readonly bias: number };

function packParameters(parameters: readonly Parameter[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(parameters.length * 8));
  parameters.forEach(({ bias, multiplier, shift }, i) => {
    view.setInt32(i * 8, bias, true);
    view.setUint32(i * 8 + 4, multiplier + shift * 2 ** 24, true);
  });
  return new Uint8Array(view.buffer);
}

/** [O][I][pixel] → [O][pixel][I]: the arena holds the channels of a pixel together, ONNX the pixels of a channel. */
function channelsLast(codes: Int8Array, outputs: number, inputs: number, pixels: number): Int8Array {
  const out = new Int8Array(codes.length);
  for (let o = 0, at = 0; o < outputs; o++) {
    for (let p = 0; p < pixels; p++) for (let i = 0; i < inputs; i++) out[at++] = codes[(o * inputs + i) * pixels + p] as number;
  }
  return out;
}

/**
 * (accumulator + bias) · M / 2^s for each output channel, the input's zero point folded into the bias, and the proof that no accumulator
 * leaves 32 bits: 128 · Σ|w| + |bias| < 2^31 bounds every order of summation.
 */
function channelParameters(layer: ConvLayer | DenseLayer): Parameter[] {
  const { codes, scales, bias } = layer.weights;
  const count = codes.length / scales.length;
  const input = ratioOf(layer.input.scale);
  const output = ratioOf(layer.output.scale);
  return [...scales].map((scale, c) => {
    let sum = 0;
    let magnitude = 0;
    for (let k = c * count; k < (c + 1) * count; k++) {
      sum += codes[k] as number;
      magnitude += Math.abs(codes[k] as number);
    }
    const folded = (bias[c] as number) - layer.input.zeroPoint * sum;
    if (128 * magnitude + Math.abs(folded) >= 2 ** 31) throw new CompileError(`output channel ${c} can overflow a 32-bit accumulator; its weight scale is too small for its bias (a dead channel?).`, layer.name);
    return { bias: folded, ...fixedPoint(divide(multiply(input, ratioOf(scale)), output), `the scale of output channel ${c}`, layer.name) };
  });
}

/** Without padding, or counting it: one parameter. Otherwise one for each number of valid taps. */
function averageParameters(layer: AveragePoolLayer): Parameter[] {
  const taps = layer.window.kernel[0] * layer.window.kernel[1];
  const padded = layer.window.pads.some((p) => p > 0);
  const counts = padded && !layer.countIncludePad ? Array.from({ length: taps }, (_, i) => i + 1) : [taps];
  return counts.map((count) => {
    const scale = divide(ratioOf(layer.input.scale), multiply(ratioOf(layer.output.scale), { numerator: BigInt(count), denominator: 1n }));
    return { bias: 0 - layer.input.zeroPoint * count, ...fixedPoint(scale, 'its scale', layer.name) };
  });
}

const NO_WINDOW: Window = { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] };

type Operation = { op: number; flags: number; weights: number; parameters: number; window: Window };

/** What the operation itself needs; the rest of a descriptor is the same for all. */
function operation(layer: WorkLayer, data: Data): Operation {
  const bare = { flags: 0, weights: NONE, parameters: NONE, window: NO_WINDOW };
  if (layer.kind === 'conv' || layer.kind === 'dense') {
    const outputs = layer.output.channels;
    const depthwise = isDepthwise(layer);
    const pixels = layer.weights.codes.length / (depthwise ? outputs : outputs * layer.input.channels);
    const parameters = channelParameters(layer);
    // Depthwise, a channel's only "input" is itself: its taps are to the layer what a pixel's channels are to one output.
    const packed = depthwise ? channelsLast(layer.weights.codes, 1, outputs, pixels) : channelsLast(layer.weights.codes, outputs, layer.input.channels, pixels);
    const weights = data.add(asBytes(packed));
    const op = depthwise ? Op.DEPTHWISE : layer.kind === 'conv' ? Op.CONV : Op.DENSE;
    return { ...bare, op, weights, parameters: data.add(packParameters(parameters)), window: layer.kind === 'conv' ? layer.window : NO_WINDOW };
  }
  if (layer.kind === 'maxPool') return { ...bare, op: Op.MAX_POOL, window: layer.window };
  if (layer.kind === 'averagePool') {
    const flags = layer.countIncludePad ? DescriptorFlag.COUNT_INCLUDE_PAD : 0;
    return { ...bare, op: Op.AVERAGE_POOL, flags, parameters: data.add(packParameters(averageParameters(layer))), window: layer.window };
  }
  return { ...bare, op: layer.kind === 'add' ? Op.ADD : layer.kind === 'copy' ? Op.COPY : Op.TABLE };
}

type AddFields = Pick<Values<typeof Descriptor>, 'addMultiplierA' | 'addMultiplierB' | 'addShift' | 'addZeroA' | 'addZeroB' | 'addZeroOut'>;

/** Largest error of a sum through its rounded multipliers, in LSB: the rule of DESIGN.md forgives ties within 2^-12. */
const ADD_TOLERANCE = 2 ** -12;

function addFields(a: QTensor, b: QTensor, out: QTensor, node: string): AddFields {
  const output = ratioOf(out.scale);
  const { multipliers, shift } = fixedPoints([divide(ratioOf(a.scale), output), divide(ratioOf(b.scale), output)], 'the scale of the sum', node);
  if (255 / 2 ** shift > ADD_TOLERANCE) throw new CompileError('the scale of the sum is far smaller than an operand\'s; quantise it again.', node);
  const [addMultiplierA = 0, addMultiplierB = 0] = multipliers;
  return { addMultiplierA, addMultiplierB, addShift: shift, addZeroA: a.zeroPoint, addZeroB: b.zeroPoint, addZeroOut: out.zeroPoint };
}

const NO_ADD: AddFields = { addMultiplierA: 0, addMultiplierB: 0, addShift: 0, addZeroA: 0, addZeroB: 0, addZeroOut: 0 };

type Area = { offset: number; planeStride: number; rowStride: number };

function areaOf({ tensor, plane }: Source, arena: Arena): Area {
  const { offset, planeStride, rowStride } = arena.places.get(tensor.id) as Place;
  return { offset: offset + plane * planeStride, planeStride, rowStride };
}

function flagsOf({ stage: { pool }, sources: [first, second], other }: Step, table: boolean): number {
  return (table ? DescriptorFlag.HAS_TABLE : 0) | (other === null ? 0 : DescriptorFlag.HAS_RESIDUAL) | (pool === null ? 0 : DescriptorFlag.POOL_OUTPUT) |
    (first?.half === true ? DescriptorFlag.UPSAMPLE_FIRST : 0) | (second?.half === true ? DescriptorFlag.UPSAMPLE_SECOND : 0);
}

/** All fields but the name's place in STRINGS. */
export function lower(step: Step, arena: Arena, tensorIndex: ReadonlyMap<number, number>, data: Data): Omit<Values<typeof Descriptor>, 'nameOffset' | 'nameBytes'> {
  const { stage, sources, other } = step;
  const { layer, residual, result, bounds, output } = stage;
  const { op, flags, weights, parameters, window } = operation(layer, data);
  const table = stage.table ?? (layer.kind === 'table' ? IDENTITY : null);
  const [first, second] = sources as [Source, Source | undefined];
  const from = areaOf(first, arena);
  const behind = second === undefined ? null : areaOf(second, arena);
  const to = arena.places.get(output.id) as Place;
  const beside = other === null ? null : areaOf(other, arena);
  // A lone add's first operand is its input.
  const [a, b] = layer.kind === 'add' ? [layer.input, layer.other] : [result, residual?.other];
  return {
    op,
    flags: flags | flagsOf(step, table !== null),
    inputOffset: from.offset,
    inputPlaneStride: from.planeStride,
    inputRowStride: from.rowStride,
    inputHeight: layer.input.height,
    inputWidth: layer.input.width,
    inputChannels: sources.reduce((sum, source) => sum + source.channels, 0),
    secondOffset: behind?.offset ?? NONE,
    secondPlaneStride: behind?.planeStride ?? 0,
    secondRowStride: behind?.rowStride ?? 0,
    secondChannels: second?.channels ?? 0,
    outputOffset: to.offset,
    outputPlaneStride: to.planeStride,
    outputRowStride: to.rowStride,
    outputHeight: output.height,
    outputWidth: output.width,
    outputChannels: output.channels,
    kernelH: window.kernel[0],
    kernelW: window.kernel[1],
    strideH: window.strides[0],
    strideW: window.strides[1],
    dilationH: window.dilations[0],
    dilationW: window.dilations[1],
    padTop: window.pads[0],
    padLeft: window.pads[1],
    padBottom: window.pads[2],
    padRight: window.pads[3],
    weightsOffset: weights,
    parametersOffset: parameters,
    tableOffset: table === null ? NONE : data.add(asBytes(table)),
    residualOffset: beside?.offset ?? NONE,
    residualPlaneStride: beside?.planeStride ?? 0,
    residualRowStride: beside?.rowStride ?? 0,
    ...(b === undefined ? NO_ADD : addFields(a, b, output, (residual?.add ?? layer).name)),
    inputZeroPoint: layer.input.zeroPoint,
    stageZeroPoint: layer.output.zeroPoint,
    outputMin: bounds.min,
    outputMax: bounds.max,
    outputTensor: tensorIndex.get(output.id) as number,
  };
}
