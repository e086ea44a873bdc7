/**
 * Weights of the canonical fp32 network → int8 codes. Where the file had codes they come back exactly, whatever folding did to a whole output
 * channel (a BatchNormalization multiplies its scale); what folding changed otherwise, or was never quantised, is quantised here.
 */
import { CompileError } from '../error.ts';
import type { OnnxNode, OnnxTensor } from '../onnx.ts';
import type { Quantisation } from './codes.ts';
import { roundHalfEven } from './codes.ts';
import type { StoredWeights } from './read.ts';

export type LayerWeights = {
  readonly codes: Int8Array;
  /** One an output channel. */
  readonly scales: Float32Array;
  /** In units of input scale × weight scale; null where it is all 0. */
  readonly bias: Int32Array | null;
};

/** How far a weight may lie from a code, in steps: fp32 products and quotients of 8-bit codes stay far below. */
const OFF_LATTICE = 2 ** -8;
/** A bias further from a whole step than this was rounded; of a large one fp32 holds no more than 24 bits. */
const OFF_STEP = 2 ** -6;
const FLOAT_ERROR = 2 ** -22;

/** Why a node's codes are not the file's own. */
type Changes = { negative: number; rounded: boolean; coarser: number; anew: boolean };

class Layer {
  readonly #node: OnnxNode;
  readonly #weights: Float32Array;
  readonly #each: number;
  readonly #stored: StoredWeights | undefined;
  readonly changes: Changes = { negative: 0, rounded: false, coarser: 0, anew: false };

  constructor(node: OnnxNode, weights: OnnxTensor, stored: StoredWeights | undefined) {
    this.#node = node;
    this.#weights = weights.data as Float32Array;
    this.#each = this.#weights.length / (weights.dims[0] as number);
    this.#stored = stored;
  }

  /** Scale of output channel c in the file, times what folding did to the channel; null where its weights are no multiples of it. */
  #lattice(c: number): number | null {
    const stored = this.#stored;
    if (stored === undefined || stored.scales.length * this.#each !== this.#weights.length) return null;
    const before = stored.peaks[c] as number;
    let peak = 0;
    for (let i = c * this.#each; i < (c + 1) * this.#each; i++) peak = Math.max(peak, Math.abs(this.#weights[i] as number));
    if (before === 0 || peak === 0) return peak === before ? (stored.scales[c] as number) : null;
    const scale = Math.fround(peak === before ? (stored.scales[c] as number) : (stored.scales[c] as number) * (peak / before));
    for (let i = c * this.#each; i < (c + 1) * this.#each; i++) {
      const steps = (this.#weights[i] as number) / scale;
      const code = Math.round(steps);
      if (Math.abs(steps - code) > OFF_LATTICE) return null;
      if (code < -128 || code > 128) {
        throw new CompileError(`weights '${stored.tensor}' have zero point ${stored.zeroPoint} (as int8), and codes less zero point reach ${code}; the core multiplies by int8 weights with zero point 0. Quantise weights symmetrically (onnxruntime.quantization: weight_type=QInt8, extra_options={'WeightSymmetric': True}).`, this.#node.name);
      }
    }
    return scale;
  }

  /** Codes of channel c at a scale. -128 has no place in the core's multipliers, nor has 128, which uint8 codes with zero point 127 can mean. */
  #fill(c: number, scale: number, codes: Int8Array): { sum: number; magnitude: number } {
    let [sum, magnitude] = [0, 0];
    for (let i = c * this.#each; i < (c + 1) * this.#each; i++) {
      const code = roundHalfEven((this.#weights[i] as number) / scale);
      if (code < -127 || code > 127) this.changes.negative++;
      const kept = Math.max(-127, Math.min(127, code));
      codes[i] = kept;
      sum += kept;
      magnitude += Math.abs(kept);
    }
    return { sum, magnitude };
  }

  quantised(bias: Float32Array | undefined, input: Quantisation): LayerWeights {
    const outputs = this.#weights.length / this.#each;
    const codes = new Int8Array(this.#weights.length);
    const lattice = Array.from({ length: outputs }, (_, c) => this.#lattice(c));
    const usual = this.#weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0) / 127 || 1;
    const steps = new Int32Array(outputs);
    const scales = Float32Array.from(lattice, (known, c) => {
      let peak = 0;
      for (let i = c * this.#each; i < (c + 1) * this.#each; i++) peak = Math.max(peak, Math.abs(this.#weights[i] as number));
      if (known === null) this.changes.anew = true;
      let scale = Math.fround(Math.max(known ?? (peak === 0 ? usual : peak / 127), 2 ** -60));
      const value = bias?.[c] ?? 0;
      if (!Number.isFinite(value) || !Number.isFinite(peak)) throw new CompileError(`output channel ${c} has a weight or bias that is no finite number.`, this.#node.name);
      for (let tries = 0; ; tries++) {
        const before = this.changes.negative;
        const { sum, magnitude } = this.#fill(c, scale, codes);
        const exact = value / (input.scale * scale);
        const whole = roundHalfEven(exact);
        // lower.ts proves the same of every accumulator: 128 · Σ|w| + |bias − zero point · Σw| < 2^31.
        if (Math.abs(whole) < 2 ** 31 && 128 * magnitude + Math.abs(whole - input.zeroPoint * sum) < 2 ** 31) {
          steps[c] = whole;
          if (Math.abs(exact - whole) > OFF_STEP + Math.abs(exact) * FLOAT_ERROR) this.changes.rounded = true;
          if (tries > 0) this.changes.coarser++;
          return scale;
        }
        this.changes.negative = before;
        scale *= 2;
      }
    });
    return { codes, scales, bias: steps.every((b) => b === 0) ? null : steps };
  }
}

/**
 * @param weights [output channel][…] in fp32
 * @param notes gets a sentence about each thing that is not as the file had it
 * @throws CompileError where the file's codes need a zero point that the core has not
 */
export function layerWeights(node: OnnxNode, weights: OnnxTensor, bias: OnnxTensor | undefined, stored: StoredWeights | undefined, input: Quantisation, notes: string[]): LayerWeights {
  const layer = new Layer(node, weights, stored);
  const made = layer.quantised(bias?.data as Float32Array | undefined, input);
  const { negative, rounded, coarser, anew } = layer.changes;
  const say = (text: string): void => void notes.push(`Node '${node.name}': ${text}`);
  if (negative > 0) say(`${negative} weights of ±128 became ±127.`);
  if (anew) say(stored === undefined ? 'its weights were not quantised; they are now, one scale an output channel.' : 'folding a neighbour into its weights took them off their codes; they are quantised anew, one scale an output channel.');
  if (rounded) say('its bias was no whole number of steps (input scale × weight scale); it is rounded to int32 steps.');
  if (coarser > 0) say(`${coarser} output channels have a coarser scale than the file gives them, so that bias and sum fit 32 bits.`);
  return made;
}
