/** One stage → one descriptor, with its packed weights, channel parameters and table. */
import { ALIGNMENT, DescriptorFlag, NONE, Op } from '../contract/layout.ts';
import type { Arena, Place } from './arena.ts';
import { CompileError } from './error.ts';
import type { AveragePoolLayer, ConvLayer, DenseLayer, QLayer, QTensor, Window } from './graph.ts';
import type { Stage } from './partition.ts';
import { codeBounds, isDepthwise } from './partition.ts';
import type { FixedPoint, Ratio } from './scale.ts';
import { divide, fixedPoint, fixedPoints, multiply, ratioOf, roundHalfEven } from './scale.ts';
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

/** Code of the same real value in another quantisation, for all 256 codes; null where both are the same. */
function rescaleTable(input: QTensor, output: QTensor): Int8Array | null {
  if (input.scale === output.scale && input.zeroPoint === output.zeroPoint) return null;
  const ratio: Ratio = divide(ratioOf(input.scale), ratioOf(output.scale));
  return Int8Array.from({ length: 256 }, (_, i) => {
    const steps = roundHalfEven(BigInt(i - 128 - input.zeroPoint) * ratio.numerator, ratio.denominator);
    const code = steps + BigInt(output.zeroPoint);
    return Number(code < -128n ? -128n : code > 127n ? 127n : code);
  });
}

const NO_WINDOW: Window = { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] };

/** What the operation itself needs; the rest of a descriptor is the same for all. */
function operation(layer: QLayer, data: Data): { op: number; flags: number; weights: number; parameters: number; table: number; window: Window } {
  const bare = { flags: 0, weights: NONE, parameters: NONE, table: NONE, window: NO_WINDOW };
  const tableOf = (): { flags: number; table: number } => {
    const table = rescaleTable(layer.input, layer.output);
    return table === null ? { flags: 0, table: NONE } : { flags: DescriptorFlag.HAS_TABLE, table: data.add(asBytes(table)) };
  };
  if (layer.kind === 'conv' || layer.kind === 'dense') {
    const outputs = layer.output.channels;
    const pixels = layer.kind === 'conv' ? layer.window.kernel[0] * layer.window.kernel[1] : layer.input.height * layer.input.width;
    const depthwise = isDepthwise(layer);
    const parameters = channelParameters(layer);
    // Depthwise, a channel's only "input" is itself: its taps are to the layer what a pixel's channels are to one output.
    const packed = depthwise ? channelsLast(layer.weights.codes, 1, outputs, pixels) : channelsLast(layer.weights.codes, outputs, layer.input.channels, pixels);
    const weights = data.add(asBytes(packed));
    const op = depthwise ? Op.DEPTHWISE : layer.kind === 'conv' ? Op.CONV : Op.DENSE;
    return { ...bare, op, weights, parameters: data.add(packParameters(parameters)), window: layer.kind === 'conv' ? layer.window : NO_WINDOW };
  }
  if (layer.kind === 'maxPool') return { ...bare, op: Op.MAX_POOL, window: layer.window, ...tableOf() };
  if (layer.kind === 'averagePool') {
    const flags = layer.countIncludePad ? DescriptorFlag.COUNT_INCLUDE_PAD : 0;
    return { ...bare, op: Op.AVERAGE_POOL, flags, parameters: data.add(packParameters(averageParameters(layer))), window: layer.window };
  }
  if (layer.kind === 'add') return { ...bare, op: Op.ADD };
  const identity = Int8Array.from({ length: 256 }, (_, i) => i - 128);
  return { ...bare, op: Op.TABLE, flags: DescriptorFlag.HAS_TABLE, table: data.add(asBytes(rescaleTable(layer.input, layer.output) ?? identity)) };
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

/** All fields but the name's place in STRINGS. */
export function lower(stage: Stage, arena: Arena, tensorIndex: ReadonlyMap<number, number>, data: Data): Omit<Values<typeof Descriptor>, 'nameOffset' | 'nameBytes'> {
  const { layer, residual, pool, output } = stage;
  const place = (tensor: QTensor): Place => arena.places.get(tensor.id) as Place;
  const { op, flags, weights, parameters, table, window } = operation(layer, data);
  const last = residual?.add ?? layer;
  const other = residual?.other ?? (layer.kind === 'add' ? layer.other : null);
  const bounds = codeBounds(last.bounds, output);
  const from = place(layer.input);
  const to = place(output);
  const beside = other === null ? null : place(other);
  const first = layer.kind === 'add' ? layer.input : layer.output;
  return {
    op,
    flags: flags | (other === null ? 0 : DescriptorFlag.HAS_RESIDUAL) | (pool === null ? 0 : DescriptorFlag.POOL_OUTPUT),
    inputOffset: from.offset,
    inputPlaneStride: from.planeStride,
    inputRowStride: from.rowStride,
    inputHeight: layer.input.height,
    inputWidth: layer.input.width,
    inputChannels: layer.input.channels,
    secondOffset: NONE,
    secondPlaneStride: 0,
    secondRowStride: 0,
    secondChannels: 0,
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
    tableOffset: table,
    residualOffset: beside?.offset ?? NONE,
    residualPlaneStride: beside?.planeStride ?? 0,
    residualRowStride: beside?.rowStride ?? 0,
    ...(other === null ? NO_ADD : addFields(first, other, output, last.name)),
    inputZeroPoint: layer.input.zeroPoint,
    stageZeroPoint: layer.output.zeroPoint,
    outputMin: bounds.min,
    outputMax: bounds.max,
    outputTensor: tensorIndex.get(output.id) as number,
  };
}
