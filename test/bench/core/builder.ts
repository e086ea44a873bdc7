/**
 * Builds a network of random weights as a program for the core (layout v2), layer by layer, with neither ONNX nor compiler: what the
 * core's bench runs. Activations are kept apart in the arena. All is given by the seed.
 */
import { ALIGNMENT, DescriptorFlag, NONE, Op, PARAMETER_BYTES, PLANE_CHANNELS } from '../../../src/contract/layout.ts';
import type { Place } from '../../../src/compiler/arena.ts';
import type { GraphPort } from '../../../src/compiler/graph.ts';
import { writeProgram, type ProgramParts } from '../../../src/compiler/write.ts';
import { random } from '../../support/qdq.ts';
import { add, average, LINEAR, parameterOf, pieceOf, type Act, type Bounds } from './requantise.ts';
import { largest, mapped, mean, mixed, normal, uniform, variance, type Spread } from './spread.ts';

export type Shape = readonly [height: number, width: number, channels: number];
/** A tensor that is there. `peak`: what it is the maximum of, for pools of pools, whose windows overlap. */
export type Activation = { readonly place: Place; readonly spread: Spread; readonly peak?: { readonly of: Spread; readonly side: number } };
/** Planes of a tensor that several layers write side by side: concatenation by address. */
export type Room = { readonly place: Place; readonly parts: { readonly at: number; readonly made: Activation }[] };
export type Target = { readonly room: Room; readonly at: number };
/** Top, left, bottom, right. */
export type Pads = readonly [number, number, number, number];
/** `half`: read at twice its height and width, nearest. */
export type Source = Activation | { readonly half: Activation };

export type Residual = { readonly other: Activation; readonly relu: boolean };
export type ConvOptions = {
  readonly out: number;
  readonly kernel?: number;
  readonly stride?: number;
  /** One for all sides; (kernel - 1) / 2 where it is not given. */
  readonly pad?: number | Pads;
  readonly act?: Act;
  readonly residual?: Residual;
  readonly into?: Target;
  /** The largest of each 2 x 2 outputs is what is written. */
  readonly pool?: boolean;
};
export type LayerNote = { readonly name: string; readonly op: keyof typeof Op; readonly macs: number; readonly output: Shape };
export type Network = { readonly name: string; readonly parts: ProgramParts; readonly program: Uint8Array; readonly layers: readonly LayerNote[]; readonly macs: number; readonly input: Shape };

type Values = ProgramParts['descriptors'][number]['values'];

const planes = (channels: number): number => Math.ceil(channels / PLANE_CHANNELS);
const padsOf = (pad: number | Pads): Pads => (typeof pad === 'number' ? [pad, pad, pad, pad] : pad);
const activationOf = (source: Source): Activation => ('half' in source ? source.half : source);
export const portOf = ({ tensor }: Place): GraphPort => ({ name: tensor.name, tensor, dataType: 'INT8', shape: [1, tensor.channels, tensor.height, tensor.width] });
const RELU: Bounds = { min: -128, max: 127 };

export class NetworkBuilder {
  readonly #name: string;
  readonly #next: () => number;
  readonly #places: Place[] = [];
  readonly #descriptors: ProgramParts['descriptors'][number][] = [];
  readonly #layers: LayerNote[] = [];
  readonly #data: Uint8Array[] = [];
  #dataBytes = 0;
  #arenaBytes = 0;
  readonly #inputs: Activation[] = [];

  constructor(name: string, seed: number) {
    this.#name = name;
    this.#next = random(seed);
  }

  input(height: number, width: number, channels: number): Activation {
    const made = { place: this.#place([height, width, channels], 0), spread: uniform() };
    this.#inputs.push(made);
    return made;
  }

  /** @param channels a multiple of 8 */
  room(height: number, width: number, channels: number): Room {
    return { place: this.#place([height, width, channels], 0), parts: [] };
  }

  /** The whole of a room, all of whose planes have been written. */
  whole({ place, parts }: Room): Activation {
    const filled = parts.reduce((sum, { made }) => sum + made.place.tensor.channels, 0);
    if (filled !== place.tensor.channels) throw new Error(`${place.tensor.name}: ${filled} of ${place.tensor.channels} channels are written`);
    return { place, spread: mixed(parts.map(({ made }) => ({ spread: made.spread, channels: made.place.tensor.channels }))) };
  }

  conv(from: Source | readonly [Source, Source], { out, kernel = 1, stride = 1, pad = (kernel - 1) / 2, act = 'none', residual, into, pool = false }: ConvOptions): Activation {
    const window = this.#window(from);
    const [height, width, channels] = window.shape;
    return this.#weighted('CONV', window, { outputs: out, each: kernel * kernel * channels, act, pool, ...(residual && { residual }), ...(into && { into }) }, {
      ...sliding([height, width], kernel, stride, padsOf(pad)), channels: out,
    });
  }

  /** Each channel by itself; kernel 1 is a factor and an offset a channel. */
  depthwise(from: Source, { kernel = 1, stride = 1, act = 'none' }: { kernel?: number; stride?: number; act?: Act } = {}): Activation {
    const window = this.#window(from);
    const [height, width, channels] = window.shape;
    return this.#weighted('DEPTHWISE', window, { outputs: channels, each: kernel * kernel, act }, { ...sliding([height, width], kernel, stride, padsOf((kernel - 1) / 2)), channels });
  }

  dense(from: Activation, out: number): Activation {
    const window = this.#window(from);
    const [height, width, channels] = window.shape;
    return this.#weighted('DENSE', window, { outputs: out, each: height * width * channels, act: 'none' }, { height: 1, width: 1, channels: out, values: sliding([1, 1], 1, 1, padsOf(0)).values });
  }

  maxPool(from: Activation, kernel: number, stride: number, pad: number | Pads = 0, into?: Target): Activation {
    const window = this.#window(from);
    const [height, width, channels] = window.shape;
    const side = (from.peak?.side ?? 1) + kernel - 1;
    const of = from.peak?.of ?? from.spread;
    const spread = largest(of, side * side);
    const output = { ...sliding([height, width], kernel, stride, padsOf(pad)), channels };
    const made = this.#emit('MAX_POOL', window, output, { zero: from.place.tensor.zeroPoint, macs: 0, spread, values: {}, ...(into && { into }) });
    return stride === 1 ? { ...made, peak: { of, side } } : made;
  }

  /** Over the whole height and width. */
  globalAverage(from: Activation): Activation {
    const window = this.#window(from);
    const [height, width, channels] = window.shape;
    const { parameter, spread } = average(from.spread, height * width);
    const output = { height: 1, width: 1, channels, values: { ...sliding([height, width], 1, 1, padsOf(0)).values, kernelH: height, kernelW: width } };
    return this.#emit('AVERAGE_POOL', window, output, { zero: 0, macs: 0, spread, values: { parametersOffset: this.#parameters([parameter]) } });
  }

  add(from: Activation, residual: Residual): Activation {
    const window = this.#window(from);
    const [height, width, channels] = window.shape;
    return this.#emit('ADD', window, { ...sliding([height, width], 1, 1, padsOf(0)), channels }, { zero: from.place.tensor.zeroPoint, macs: 0, spread: from.spread, residual, values: {} });
  }

  build(outputs: readonly Activation[]): Network {
    const ports = (activations: readonly Activation[]): GraphPort[] => activations.map(({ place }) => portOf(place));
    const parts = {
      modelSha256: new Uint8Array(32), arenaBytes: this.#arenaBytes, places: this.#places, inputs: ports(this.#inputs), outputs: ports(outputs),
      descriptors: this.#descriptors, data: Buffer.concat(this.#data),
    };
    const { height, width, channels } = (this.#inputs[0] as Activation).place.tensor;
    return { name: this.#name, parts, program: writeProgram(parts), layers: this.#layers, macs: this.#layers.reduce((sum, { macs }) => sum + macs, 0), input: [height, width, channels] };
  }

  #int(low: number, high: number): number {
    return low + Math.floor(this.#next() * (high - low + 1));
  }

  #place([height, width, channels]: Shape, zeroPoint: number, within?: Target): Place {
    const rowStride = PLANE_CHANNELS * width;
    const planeStride = rowStride * height;
    const bytes = planeStride * planes(channels);
    const tensor = { id: this.#places.length, name: `t${this.#places.length}`, channels, height, width, scale: 1 / 32, zeroPoint };
    if (within !== undefined) {
      const { tensor: around } = within.room.place;
      if (around.height !== height || around.width !== width || within.at % PLANE_CHANNELS !== 0 || channels % PLANE_CHANNELS !== 0) throw new Error(`${tensor.name} does not fit into ${around.name}`);
    }
    const offset = within === undefined ? this.#arenaBytes : within.room.place.offset + (within.at / PLANE_CHANNELS) * planeStride;
    if (within === undefined) this.#arenaBytes += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const place = { tensor, offset, planeStride, rowStride, bytes };
    this.#places.push(place);
    return place;
  }

  /** One or two sources as the layer sees them. */
  #window(from: Source | readonly [Source, Source]): Window {
    const sources = 'length' in from ? from : [from];
    const [first, second] = sources as readonly [Source, Source?];
    const sizes = sources.map((source) => {
      const { height, width } = activationOf(source).place.tensor;
      return 'half' in source ? [2 * height, 2 * width] : [height, width];
    });
    const [[height, width]] = sizes as [[number, number]];
    if (sizes.some(([h, w]) => h !== height || w !== width)) throw new Error('the sources of a layer differ in size');
    const { place } = activationOf(first);
    const other = second === undefined ? undefined : activationOf(second).place;
    const channels = place.tensor.channels + (other?.tensor.channels ?? 0);
    const flags = ('half' in first ? DescriptorFlag.UPSAMPLE_FIRST : 0) | (second !== undefined && 'half' in second ? DescriptorFlag.UPSAMPLE_SECOND : 0);
    return {
      shape: [height, width, channels], flags,
      spread: mixed(sources.map((source) => ({ spread: activationOf(source).spread, channels: activationOf(source).place.tensor.channels }))),
      values: {
        inputOffset: place.offset, inputPlaneStride: place.planeStride, inputRowStride: place.rowStride, inputHeight: height, inputWidth: width, inputChannels: channels,
        secondOffset: other?.offset ?? NONE, secondPlaneStride: other?.planeStride ?? 0, secondRowStride: other?.rowStride ?? 0, secondChannels: other?.tensor.channels ?? 0,
        inputZeroPoint: place.tensor.zeroPoint,
      },
    };
  }

  #keep(bytes: Uint8Array): number {
    const offset = this.#dataBytes;
    const padded = new Uint8Array(Math.ceil(bytes.length / ALIGNMENT) * ALIGNMENT);
    padded.set(bytes);
    this.#data.push(padded);
    this.#dataBytes += padded.length;
    return offset;
  }

  #parameters(list: readonly { bias: number; multiplier: number; shift: number }[]): number {
    const view = new DataView(new ArrayBuffer(PARAMETER_BYTES * list.length));
    list.forEach(({ bias, multiplier, shift }, i) => {
      view.setInt32(PARAMETER_BYTES * i, bias, true);
      view.setUint32(PARAMETER_BYTES * i + 4, multiplier + shift * 2 ** 24, true);
    });
    return this.#keep(new Uint8Array(view.buffer));
  }

  /** Weights, and parameters that bring each channel's sums to the spread that its activation wants. */
  #weighted(op: 'CONV' | 'DENSE' | 'DEPTHWISE', window: Window, { outputs, each, act, pool = false, residual, into }: { outputs: number; each: number; act: Act; pool?: boolean; residual?: Residual; into?: Target }, results: Output): Activation {
    // Depthwise weights lie channel last; a factor of nearly 0 would leave one channel without a spread.
    const least = each === 1 ? 32 : 0;
    const weights = Int8Array.from({ length: each * outputs }, () => (this.#next() < 0.5 ? -1 : 1) * this.#int(least, 127));
    const centre = mean(window.spread);
    const deviation = Math.sqrt(variance(window.spread));
    const piece = pieceOf(act);
    const parameters = Array.from({ length: outputs }, (_, channel) => {
      let sum = 0;
      let squares = 0;
      for (let k = 0; k < each; k++) {
        const w = weights[op === 'DEPTHWISE' ? k * outputs + channel : channel * each + k] as number;
        sum += w;
        squares += w * w;
      }
      const ratio = (piece.deviation * (0.8 + 0.4 * this.#next())) / (deviation * Math.sqrt(squares));
      return parameterOf(ratio, -centre * sum + (piece.centre - piece.stageZero) / ratio);
    });
    const weightsOffset = this.#keep(new Uint8Array(weights.buffer));
    const tableOffset = piece.table === null ? NONE : this.#keep(new Uint8Array(piece.table.buffer));
    const staged = normal(piece.centre, piece.deviation);
    const spread = piece.table === null ? staged : mapped(staged, (code) => (piece.table as Int8Array)[code + 128] as number);
    return this.#emit(op, window, pool ? { ...results, height: Math.floor(results.height / 2), width: Math.floor(results.width / 2) } : results, {
      zero: piece.zero, macs: results.height * results.width * outputs * each, spread: pool ? largest(spread, 4) : spread,
      bounds: piece.bounds, ...(residual && { residual }), ...(into && { into }),
      flags: (piece.table === null ? 0 : DescriptorFlag.HAS_TABLE) | (pool ? DescriptorFlag.POOL_OUTPUT : 0),
      values: { weightsOffset, tableOffset, parametersOffset: this.#parameters(parameters), stageZeroPoint: piece.stageZero },
    });
  }

  #emit(op: keyof typeof Op, window: Window, output: Output, { zero, macs, spread, residual, into, bounds = LINEAR, flags = 0, values }: Emit): Activation {
    const { height, width, channels } = output;
    const sum = residual && add({ spread, zero }, { spread: residual.other.spread, zero: residual.other.place.tensor.zeroPoint }, residual.relu);
    if (residual !== undefined) {
      const other = residual.other.place.tensor;
      if (other.height !== height || other.width !== width || other.channels !== channels) throw new Error('a residual is of another shape than the output');
    }
    const { min, max } = residual?.relu === true ? RELU : bounds;
    const place = this.#place([height, width, channels], sum?.zeroOut ?? zero, into);
    const name = `${this.#descriptors.length} ${op.toLowerCase()}`;
    this.#descriptors.push({
      name, target: 'PL',
      values: {
        op: Op[op], flags: window.flags | flags | (sum === undefined ? 0 : DescriptorFlag.HAS_RESIDUAL),
        ...window.values, ...output.values,
        outputOffset: place.offset, outputPlaneStride: place.planeStride, outputRowStride: place.rowStride, outputHeight: height, outputWidth: width, outputChannels: channels,
        weightsOffset: NONE, parametersOffset: NONE, tableOffset: NONE, stageZeroPoint: 0,
        residualOffset: residual?.other.place.offset ?? NONE, residualPlaneStride: residual?.other.place.planeStride ?? 0, residualRowStride: residual?.other.place.rowStride ?? 0,
        addMultiplierA: sum?.a ?? 0, addMultiplierB: sum?.b ?? 0, addShift: sum?.shift ?? 1,
        addZeroA: sum === undefined ? 0 : zero, addZeroB: residual?.other.place.tensor.zeroPoint ?? 0, addZeroOut: sum?.zeroOut ?? 0,
        outputMin: min, outputMax: max, outputTensor: place.tensor.id,
        ...values,
      },
    });
    this.#layers.push({ name, op, macs, output: [height, width, channels] });
    const made = { place, spread: mapped(sum?.spread ?? spread, (code) => Math.min(max, Math.max(min, code))) };
    into?.room.parts.push({ at: into.at, made });
    return made;
  }
}

type Window = { readonly shape: Shape; readonly spread: Spread; readonly flags: number; readonly values: Pick<Values, 'inputOffset' | 'inputPlaneStride' | 'inputRowStride' | 'inputHeight' | 'inputWidth' | 'inputChannels' | 'secondOffset' | 'secondPlaneStride' | 'secondRowStride' | 'secondChannels' | 'inputZeroPoint'> };
type Kernel = Pick<Values, 'kernelH' | 'kernelW' | 'strideH' | 'strideW' | 'dilationH' | 'dilationW' | 'padTop' | 'padLeft' | 'padBottom' | 'padRight'>;
type Output = { readonly height: number; readonly width: number; readonly channels: number; readonly values: Kernel };
/** spread, zero: before the residual add. */
type Emit = { readonly zero: number; readonly macs: number; readonly spread: Spread; readonly residual?: Residual; readonly into?: Target; readonly bounds?: Bounds; readonly flags?: number; readonly values: Partial<Values> };

function sliding([height, width]: readonly [number, number], kernel: number, stride: number, [top, left, bottom, right]: Pads): { height: number; width: number; values: Kernel } {
  return {
    height: Math.floor((height + top + bottom - kernel) / stride) + 1,
    width: Math.floor((width + left + right - kernel) / stride) + 1,
    values: { kernelH: kernel, kernelW: kernel, strideH: stride, strideW: stride, dilationH: 1, dilationW: 1, padTop: top, padLeft: left, padBottom: bottom, padRight: right },
  };
}
