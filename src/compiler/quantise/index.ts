/**
 * fp32 network and calibration samples → canonical QDQ and a report. The method, bias correction and equalisation are chosen by what the int8 network's
 * outputs lose on samples that calibration did not see. Deterministic for the same ONNX Runtime on the same kind of processor.
 */
import { CompileError } from '../error.ts';
import { readOnnx, type OnnxModel } from '../onnx.ts';
import { writeOnnx } from '../onnx-write.ts';
import { biasCorrections, equalised } from './correct.ts';
import { calibrate, compareTensors, Network, type Hooks, type TensorQuality } from './measure.ts';
import { planQuantisation, type Plan } from './plan.ts';
import { quantisationOf, quantised, type Quantisation } from './qdq.ts';
import { METHODS, NoiseRatio, rangeOf, withHeadroom, type Method, type Range, type TensorStatistics } from './statistics.ts';

export { METHODS, type Method, type Range } from './statistics.ts';
export type { Hooks } from './measure.ts';

export type QuantiseOptions = Hooks & {
  /** Undefined: all are tried, the best is taken. */
  readonly method?: Method | undefined;
  /** What the input can hold, where it is known: grey 0 to 1 after normalisation. Else it is calibrated. */
  readonly inputRange?: Range | undefined;
  /** Nodes that stay in fp32. */
  readonly float?: readonly string[] | undefined;
};

export type LayerQuality = TensorQuality & {
  /** Name of the ONNX node. */
  readonly name: string;
  readonly operator: string;
  readonly tensor: string;
  readonly scale: number;
  readonly zeroPoint: number;
};

export type Attempt = { readonly method: Method; readonly biasCorrection: boolean; readonly equalised: boolean; /** Mean over the graph's outputs, dB. */ readonly sqnr: number };

export type QuantisationReport = {
  readonly samples: number;
  /** Samples that quality is measured on. */
  readonly heldOut: number;
  /** False where there were too few samples to keep some from calibration. */
  readonly heldOutUnseen: boolean;
  readonly chosen: Attempt;
  readonly tried: readonly Attempt[];
  /** int8 against fp32, both in ONNX Runtime. */
  readonly outputs: readonly { readonly name: string; readonly sqnr: number | null; readonly maxDifference: number }[];
  /** Worst first. */
  readonly layers: readonly LayerQuality[];
};

export type Quantised = { readonly bytes: Uint8Array<ArrayBuffer>; readonly model: OnnxModel; readonly input: Quantisation; readonly report: QuantisationReport };

/** Fewer samples than this are all used for both. */
const MIN_SAMPLES_TO_SPLIT = 5;
const MAX_HELD_OUT = 32;
/** Larger networks are not equalised: that takes another copy of their weights, and calibrating them takes most of a small computer's memory as it is. */
const MAX_EQUALISED_BYTES = 256e6;
/** What an option must gain to be taken, dB. */
const WORTHWHILE = 0.1;

/** Every fifth sample is kept from calibration: folders tend to be sorted by class. */
export function split<T>(samples: readonly T[]): { seen: T[]; heldOut: T[]; unseen: boolean } {
  if (samples.length < MIN_SAMPLES_TO_SPLIT) return { seen: [...samples], heldOut: [...samples], unseen: false };
  return { seen: samples.filter((_, i) => i % 5 !== 4), heldOut: samples.filter((_, i) => i % 5 === 4).slice(0, MAX_HELD_OUT), unseen: true };
}

/** A quantised network and how it was made. */
type Candidate = { attempt: Attempt; plan: Plan; statistics: ReadonlyMap<string, TensorStatistics>; quantisation: Map<string, Quantisation>; model: OnnxModel };

class Quantiser {
  readonly #options: QuantiseOptions;
  readonly #heldOut: readonly Float32Array[];
  readonly #reference: readonly Map<string, Float32Array>[];
  readonly tried: Attempt[] = [];

  constructor(options: QuantiseOptions, heldOut: readonly Float32Array[], reference: readonly Map<string, Float32Array>[]) {
    this.#options = options;
    this.#heldOut = heldOut;
    this.#reference = reference;
  }

  async candidate(plan: Plan, statistics: ReadonlyMap<string, TensorStatistics>, method: Method, isEqualised: boolean, biasCorrection: boolean): Promise<Candidate> {
    const input = plan.model.inputs[0]?.name;
    const { inputRange } = this.#options;
    const ranges = new Map([...statistics].map(([name, s]) => [name, name === input && inputRange !== undefined ? inputRange : withHeadroom(rangeOf(s, method), s.count)]));
    const quantisation = quantisationOf(plan, ranges);
    const model = quantised(plan, quantisation, biasCorrection ? biasCorrections(plan, quantisation, statistics) : new Map());
    const outputs = compareOutputs(this.#reference, await new Network(model).outputs(this.#heldOut, 'all', this.#options.signal));
    const ratios = outputs.map((o) => o.sqnr).filter((r) => r !== null);
    const attempt = { method, biasCorrection, equalised: isEqualised, sqnr: ratios.reduce((sum, r) => sum + r, 0) / Math.max(1, ratios.length) };
    this.tried.push(attempt);
    this.#options.onProgress?.({ step: 'trying quantisations', done: this.tried.length, total: 2 * this.#methods.length + 1 });
    return { attempt, plan, statistics, quantisation, model };
  }

  get #methods(): readonly Method[] {
    return this.#options.method === undefined ? METHODS : [this.#options.method];
  }

  async best(plan: Plan, statistics: ReadonlyMap<string, TensorStatistics>, isEqualised: boolean): Promise<Candidate> {
    const [first = 'minmax', ...others] = this.#methods;
    let best = await this.candidate(plan, statistics, first, isEqualised, false);
    // Not all at once: each holds the network's weights as codes.
    for (const method of others) best = better(best, await this.candidate(plan, statistics, method, isEqualised, false));
    return best;
  }
}

const constantBytes = (model: OnnxModel): number => [...model.initializers.values()].reduce((sum, { data }) => sum + data.byteLength, 0);

const better = (a: Candidate, b: Candidate): Candidate => (b.attempt.sqnr > a.attempt.sqnr + WORTHWHILE ? b : a);

/** Signal to noise and largest difference of each output over the samples. */
export function compareOutputs(reference: readonly ReadonlyMap<string, Float32Array>[], other: readonly ReadonlyMap<string, Float32Array>[]): QuantisationReport['outputs'] {
  return [...(reference[0]?.keys() ?? [])].map((name) => {
    const ratio = new NoiseRatio();
    let maxDifference = 0;
    reference.forEach((outputs, i) => {
      const [want, got] = [outputs.get(name) as Float32Array, other[i]?.get(name) as Float32Array];
      ratio.add(want, got);
      for (let k = 0; k < want.length; k++) maxDifference = Math.max(maxDifference, Math.abs((want[k] as number) - (got[k] as number)));
    });
    return { name, sqnr: ratio.decibels, maxDifference };
  });
}

/**
 * @param fp32 a canonical model with one fp32 input
 * @param samples inputs as the network takes them
 * @throws CompileError naming what cannot be quantised; the signal's reason when cancelled
 */
export async function quantise(fp32: OnnxModel, samples: readonly Float32Array[], options: QuantiseOptions = {}): Promise<Quantised> {
  const plan = planQuantisation(fp32, options.float);
  const network = new Network(plan.model);
  if (samples.length === 0) throw new CompileError('There is no calibration sample.');
  const wrong = samples.findIndex((sample) => sample.length !== network.inputElements);
  if (wrong !== -1) throw new CompileError(`Calibration sample ${wrong + 1} has ${samples[wrong]?.length} values; the network takes ${network.inputDims.join('×')}.`);

  const { seen, heldOut, unseen } = split(samples);
  const statistics = await calibrate(network, plan.tensors, seen, options);
  const reference = await network.outputs(heldOut, 'all', options.signal);
  const quantiser = new Quantiser(options, heldOut, reference);
  let chosen = await quantiser.best(plan, statistics, false);
  const equal = constantBytes(plan.model) > MAX_EQUALISED_BYTES ? null : equalised(plan, statistics);
  if (equal !== null) {
    const equalPlan = planQuantisation(equal, options.float);
    chosen = better(chosen, await quantiser.best(equalPlan, await calibrate(new Network(equal), equalPlan.tensors, seen, options), true));
  }
  chosen = better(chosen, await quantiser.candidate(chosen.plan, chosen.statistics, chosen.attempt.method, chosen.attempt.equalised, true));

  const bytes = writeOnnx(chosen.model);
  // Held against the network that it was made from: the equalised one, whose inner tensors have other units than the given one's.
  const quality = await compareTensors(new Network(chosen.plan.model), new Network(chosen.model), chosen.quantisation, heldOut, options);
  const layers = [...quality].map(([tensor, measured]): LayerQuality => {
    const { node = tensor, operator = '' } = chosen.plan.layers.get(tensor) ?? {};
    return { name: node, operator, tensor, ...measured, ...(chosen.quantisation.get(tensor) as Quantisation) };
  });
  layers.sort((a, b) => (a.sqnr ?? 200) - (b.sqnr ?? 200));
  const outputs = compareOutputs(reference, await new Network(chosen.model, bytes).outputs(heldOut, 'all', options.signal));
  return {
    bytes,
    model: readOnnx(bytes),
    input: chosen.quantisation.get(plan.model.inputs[0]?.name ?? '') as Quantisation,
    report: { samples: samples.length, heldOut: heldOut.length, heldOutUnseen: unseen, chosen: chosen.attempt, tried: quantiser.tried, outputs, layers },
  };
}
