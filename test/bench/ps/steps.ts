/**
 * A program's layers as other inference libraries see them: which tensor goes into which, weights and what the sums are multiplied by. Of what programs can
 * say, as much as the networks of the bench use.
 */
import { readProgram } from '../../../src/compiler/read-program.ts';
import { DescriptorFlag, NONE, Op, PARAMETER_BYTES } from '../../../src/contract/layout.ts';

export type Shape = readonly [height: number, width: number, channels: number];
export type Step = {
  readonly op: 'CONV' | 'DEPTHWISE' | 'DENSE' | 'MAX_POOL' | 'AVERAGE_POOL';
  /** Tensors by their number in the program. */
  readonly from: number;
  readonly to: number;
  readonly input: Shape;
  readonly output: Shape;
  readonly kernel: number;
  readonly stride: number;
  readonly pad: number;
  /** Output channel, tap, input channel; tap, channel where each channel stands by itself. Empty for pools. */
  readonly weights: Int8Array;
  /** A channel's codes are stageZero + (sum of weights times codes + bias) × ratio; one of each for an average. */
  readonly biases: readonly number[];
  readonly ratios: readonly number[];
  readonly stageZero: number;
  /** Codes are zero + (code - stageZero) × own + (the other's code - its zero point) × others. */
  readonly residual: { readonly from: number; readonly own: number; readonly others: number } | null;
  /** Of the result; `most` is 127 where nothing but the codes' end bounds it. */
  readonly relu: boolean;
  readonly most: number;
};
export type Tensor = { readonly shape: Shape; readonly zero: number };
export type Steps = { readonly tensors: readonly Tensor[]; readonly input: number; readonly outputs: readonly number[]; readonly steps: readonly Step[] };

const OPS = Object.fromEntries(Object.entries(Op).map(([name, code]) => [code, name]));

export const macsOf = ({ op, weights, output: [height, width] }: Step): number => (op === 'MAX_POOL' || op === 'AVERAGE_POOL' ? 0 : weights.length * height * width);

export function stepsOf(bytes: Uint8Array): Steps {
  const program = readProgram(bytes);
  const view = new DataView(program.data.buffer, program.data.byteOffset, program.data.byteLength);
  const inputs = program.bindings.filter((b) => b.direction === 0).map((b) => b.tensor);
  const outputs = program.bindings.filter((b) => b.direction === 1).map((b) => b.tensor);
  // Tensors share the arena: what lies at an address is what was written there last.
  const at = new Map(inputs.map((tensor) => [program.tensors[tensor]!.arenaOffset, tensor]));
  const steps = program.descriptors.map((d): Step => {
    const op = OPS[d.op]!;
    const pads = [d.padLeft, d.padBottom, d.padRight];
    const strange = op === 'ADD' || op === 'TABLE' || op === 'COPY' || (d.flags & ~DescriptorFlag.HAS_RESIDUAL & ~DescriptorFlag.COUNT_INCLUDE_PAD) !== 0 || d.secondChannels > 0
      || d.kernelH !== d.kernelW || d.strideH !== d.strideW || d.dilationH * d.dilationW !== 1 || pads.some((pad) => pad > d.padTop);
    if (strange) throw new Error(`${d.name}: the bench's peers are not given layers of this kind`);
    const [from, to] = [at.get(d.inputOffset)!, d.outputTensor];
    const other = at.get(d.residualOffset);
    at.set(d.outputOffset, to);
    const outs = op === 'DEPTHWISE' ? 1 : d.outputChannels;
    const taps = op === 'DENSE' ? d.inputHeight * d.inputWidth : d.kernelH * d.kernelW;
    const weights = d.weightsOffset === NONE ? new Int8Array() : new Int8Array(program.data.buffer, program.data.byteOffset + d.weightsOffset, outs * taps * d.inputChannels);
    const scaled = op === 'MAX_POOL' ? 0 : op === 'AVERAGE_POOL' ? 1 : d.outputChannels;
    const parameters = Array.from({ length: scaled }, (_, i) => d.parametersOffset + PARAMETER_BYTES * i);
    const power = 2 ** d.addShift;
    return {
      op: op as Step['op'], from, to, input: [d.inputHeight, d.inputWidth, d.inputChannels], output: [d.outputHeight, d.outputWidth, d.outputChannels],
      kernel: d.kernelH, stride: d.strideH, pad: d.padTop, weights, stageZero: d.stageZeroPoint,
      biases: parameters.map((p) => view.getInt32(p, true)),
      ratios: parameters.map((p) => (view.getUint32(p + 4, true) & 0xffffff) / 2 ** view.getUint8(p + 7)),
      residual: other === undefined ? null : { from: other, own: d.addMultiplierA / power, others: d.addMultiplierB / power },
      relu: program.tensors[to]!.zeroPoint === -128 && scaled > 1, most: d.outputMax,
    };
  });
  return { tensors: program.tensors.map((t) => ({ shape: [t.height, t.width, t.channels], zero: t.zeroPoint })), input: inputs[0]!, outputs, steps };
}

/** How a tensor's codes are real values: (code - centre) × unit. Residual adds are plain sums of values, averages plain means. */
export type Reading = { readonly centre: number; readonly unit: number; readonly most: number };

/** Of the tensors, by their number. */
export function readingsOf({ tensors, input, steps }: Steps): Map<number, Reading> {
  const all = new Map<number, Reading>([[input, { centre: tensors[input]!.zero, unit: 1, most: 127 }]]);
  for (const { op, from, to, input: [height, width], biases, ratios, stageZero, residual, most } of steps) {
    const before = all.get(from)!;
    const count = height * width;
    if (op === 'MAX_POOL') all.set(to, before);
    // What the average adds to the codes is in the centre.
    else if (op === 'AVERAGE_POOL') all.set(to, { centre: stageZero + (count * before.centre + biases[0]!) * ratios[0]!, unit: before.unit / (count * ratios[0]!), most });
    else all.set(to, { centre: tensors[to]!.zero, unit: residual === null ? 1 : all.get(residual.from)!.unit / residual.others, most });
  }
  return all;
}

/** How the sums of a step's weights, and nothing that is added to them, are codes: those of a tensor without a name where a residual is added. */
export const ownReading = ({ residual, stageZero }: Step, after: Reading): Reading => (residual === null ? after : { centre: stageZero, unit: after.unit * residual.own, most: 127 });

/** Of each output channel. */
export function weightSums({ op, weights, output: [, , outputs] }: Step): number[] {
  const each = weights.length / outputs;
  return Array.from({ length: outputs }, (_, o) => {
    let sum = 0;
    for (let k = 0; k < each; k++) sum += weights[op === 'DEPTHWISE' ? k * outputs + o : o * each + k]!;
    return sum;
  });
}
