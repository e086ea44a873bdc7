/** How many products each layer of an exported network does in a cycle, and what that comes to: arithmetic on shapes, for a tool that has never been run here. */
import { Op, PLANE_CHANNELS } from '../contract/layout.ts';
import type { Program } from './read-program.ts';

type Descriptor = Program['descriptors'][number];

/** Of an XC7Z020: DSP48E1, and block RAM of 36 kbit (512 words of 72 bits). */
export const DEVICE = { dsp: 220, bram: 140 } as const;
/** What is dealt out; a tool that must place every last one seldom keeps a clock. */
const DSP_BUDGET = 200;
/** Products of a 32-bit accumulator and a 24-bit multiplier, of a code and a 24-bit multiplier twice. */
const REQUANTISE_DSP = 4;
const ADD_DSP = 4;
/** Bytes of input rows that a layer holds, where one row of output does not need more. */
const ROWS_BYTES = 12_288;
const BRAM_WORDS = 512;

export type Lanes = { readonly inputs: number; readonly outputs: number };
export type LayerPlan = {
  readonly lanes: Lanes;
  /** Rows of output that one load of the weights serves. */
  readonly tileRows: number;
  /** Steps of the innermost loop: what the layer takes where it never waits. */
  readonly cycles: number;
  readonly dsp: number;
  readonly bram: number;
};

const planes = (channels: number): number => Math.ceil(channels / PLANE_CHANNELS);
export const isPooled = (d: Descriptor, flag: number): boolean => (d.flags & flag) !== 0;
export const multiplies = ({ op }: Descriptor): boolean => op === Op.CONV || op === Op.DENSE || op === Op.DEPTHWISE;

/** Of a pixel of eight channels: those that have weights, whole steps of `inputs`. */
export const usedChannels = (d: Descriptor, inputs: number): number => (d.inputChannels < PLANE_CHANNELS ? Math.ceil(d.inputChannels / inputs) * inputs : PLANE_CHANNELS);

/** A dense layer's kernel is its whole input. */
export const kernelOf = (d: Descriptor): readonly [number, number] => (d.op === Op.DENSE ? [d.inputHeight, d.inputWidth] : [d.kernelH, d.kernelW]);

/** Beats of weights behind one plane of outputs. */
export function depthOf(d: Descriptor, inputs: number): number {
  const [height, width] = kernelOf(d);
  return d.op === Op.DEPTHWISE ? height * width : height * width * planes(d.inputChannels) * usedChannels(d, inputs);
}

function cyclesOf(d: Descriptor, side: number, { inputs, outputs }: Lanes): number {
  const results = d.outputHeight * d.outputWidth * side * side * planes(d.outputChannels);
  const [height, width] = kernelOf(d);
  if (multiplies(d)) return results * Math.max(PLANE_CHANNELS, (depthOf(d, inputs) / (d.op === Op.DEPTHWISE ? 1 : inputs)) * (PLANE_CHANNELS / outputs));
  return results * Math.max(PLANE_CHANNELS, height * width);
}

function buffers(d: Descriptor, side: number): { row: number; rows: (tile: number) => number } {
  const [height, width] = kernelOf(d);
  const columns = (d.outputWidth * side - 1) * d.strideW + (width - 1) * d.dilationW + 1;
  const row = columns * (d.op === Op.CONV || d.op === Op.DENSE ? planes(d.inputChannels) : 1);
  return { row, rows: (tile) => (tile * side - 1) * d.strideH + (height - 1) * d.dilationH + 1 };
}

/** @param poolFlag DescriptorFlag.POOL_OUTPUT @param onPl whether the layer's products count against the device */
export function planLayers(descriptors: readonly Descriptor[], onPl: readonly boolean[], flags: { readonly pool: number; readonly residual: number }): LayerPlan[] {
  const lanes: Lanes[] = descriptors.map(() => ({ inputs: 1, outputs: 1 }));
  const sideOf = (d: Descriptor): number => (isPooled(d, flags.pool) ? 2 : 1);
  const fixed = (d: Descriptor): number => (multiplies(d) || d.op === Op.AVERAGE_POOL ? REQUANTISE_DSP : 0) + ((d.flags & flags.residual) === 0 ? 0 : ADD_DSP);
  const doubled = (d: Descriptor, { inputs, outputs }: Lanes): Lanes | null => {
    if (outputs < PLANE_CHANNELS) return { inputs, outputs: outputs * 2 };
    return d.op !== Op.DEPTHWISE && inputs * 2 <= Math.min(PLANE_CHANNELS, d.inputChannels) ? { inputs: inputs * 2, outputs } : null;
  };
  let left: number = DSP_BUDGET - descriptors.reduce((sum, d, i) => sum + (onPl[i] === true ? fixed(d) + (multiplies(d) ? 1 : 0) : 0), 0);
  // Each time the layer that gains most for a product more.
  for (;;) {
    let best = { gain: 0, index: -1, lanes: { inputs: 1, outputs: 1 }, cost: 0 };
    descriptors.forEach((d, i) => {
      const now = lanes[i] as Lanes;
      const next = onPl[i] === true && multiplies(d) ? doubled(d, now) : null;
      if (next === null) return;
      const cost = now.inputs * now.outputs;
      const gain = (cyclesOf(d, sideOf(d), now) - cyclesOf(d, sideOf(d), next)) / cost;
      if (cost <= left && gain > best.gain) best = { gain, index: i, lanes: next, cost };
    });
    if (best.index < 0) break;
    lanes[best.index] = best.lanes;
    left -= best.cost;
  }
  return descriptors.map((d, i) => {
    const chosen = lanes[i] as Lanes;
    const side = sideOf(d);
    const { row, rows } = buffers(d, side);
    let tileRows = 1;
    while (tileRows * 2 <= d.outputHeight && rows(tileRows * 2) * row * PLANE_CHANNELS <= ROWS_BYTES) tileRows *= 2;
    const windowed = multiplies(d) || d.op === Op.MAX_POOL || d.op === Op.AVERAGE_POOL;
    const block = multiplies(d) ? chosen.inputs * Math.ceil(depthOf(d, chosen.inputs) / chosen.inputs / BRAM_WORDS) : 0;
    return {
      lanes: chosen, tileRows, cycles: cyclesOf(d, side, chosen),
      dsp: fixed(d) + (multiplies(d) ? chosen.inputs * chosen.outputs : 0),
      bram: (windowed ? Math.ceil((rows(tileRows) * row) / BRAM_WORDS) : 0) + block,
    };
  });
}
