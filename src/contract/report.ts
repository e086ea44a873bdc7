/**
 * `report.json` of a model package: what its making found out, a row a layer, for the command line (`--json`) and the Models page.
 * A number that was not found is null, never 0. Times and cycles are of the source that stands beside them (DESIGN.md, contract 5).
 */
import { z } from 'zod';
import { TimingSource } from './engine.ts';

const Count = z.number().int().nonnegative();
/** dB; null where the signal has no noise at all, or was not measured. */
const Decibels = z.number().nullable();

/** Who computes a layer. `address`: nobody, its readers find their input by address (views such as Concat, Split, 2 × upsampling). */
export const LayerTarget = z.enum(['PL', 'PS', 'address']);
export type LayerTarget = z.infer<typeof LayerTarget>;

export const LayerRow = z.object({
  /** Name of the ONNX node. */
  name: z.string(),
  /** ONNX operator with what was fused into it: `Conv + Relu`. */
  operator: z.string(),
  /** [C, H, W] of int8 layers, any rank of fp32 ones. */
  input: z.array(Count),
  output: z.array(Count),
  target: LayerTarget,
  arithmetic: z.enum(['int8', 'fp32']),
  /** On the PS: why, one English sentence. */
  reason: z.string().nullable(),
  /** Name of the row in whose pass over the data it is computed: that row has the cycles, bytes and time of both. */
  within: z.string().nullable(),
  macs: Count,
  weightBytes: Count,
  /** Memory traffic of the pass: weights, parameters and activations, by the cycle model where it ran, else each once. */
  bytes: Count,
  /** Of the core, from the end of the layer before. */
  cycles: Count.nullable(),
  /** 0…1: macs of the pass / (core.macsPerCycle · cycles), at most 1: a layer begins while the one before it is being stored. */
  utilisation: z.number().nullable(),
  /** At the clock of `core`. */
  ms: z.number().nullable(),
  /** int8 against fp32 with everything before it quantised too, on held-out samples. */
  sqnr: Decibels,
  /** Of this layer's own rounding alone. */
  ownSqnr: Decibels,
  /** 0…1: share of the output's values at either end of the int8 range. */
  saturation: z.number().nullable(),
});
export type LayerRow = z.infer<typeof LayerRow>;

/** What the cycles and milliseconds presume. No overlay of this clock has been built by a vendor tool: see hls/README.md. */
export const CoreSetting = z.object({
  /** Of every `cycles` and `ms` in the report: `model`, the cycle model. */
  source: TimingSource,
  megahertz: z.number().positive(),
  /** Where the clock comes from: `default` is the clock that the design was made for, `overlay` a built overlay's, `given` the caller's. */
  clockFrom: z.enum(['default', 'overlay', 'given']),
  /** Of both memory ports and directions together. */
  bytesPerSecond: z.number().positive(),
  latencyNs: z.number().nonnegative(),
  memoryFrom: z.enum(['default', 'measured', 'given']),
  /** Most multiply-accumulates a cycle. */
  macsPerCycle: z.number().int().positive(),
});
export type CoreSetting = z.infer<typeof CoreSetting>;

/**
 * Both axes logarithmic: x MAC/byte, y MAC/cycle. Ceilings: `macsPerCycle` (flat) and x · `bytesPerCycle` (slope); they meet at `ridge`.
 */
export const Roofline = z.object({
  macsPerCycle: z.number().positive(),
  bytesPerCycle: z.number().positive(),
  ridge: z.number().positive(),
  points: z.array(z.object({
    /** Of the row. */
    name: z.string(),
    macsPerByte: z.number().nonnegative(),
    macsPerCycle: z.number().nonnegative(),
    /** Which ceiling is above the point. */
    bound: z.enum(['compute', 'memory']),
    /** 0…1: of all cycles; for the size of the mark. */
    share: z.number(),
  })),
});
export type Roofline = z.infer<typeof Roofline>;

/** Each has a text in every language of the window, by test. Placeholders: `{{name}}` of `values`. */
export const AdviceCode = z.enum([
  /** layers, first, share: cycles of layers that wait for memory, % of all. */
  'memory-bound',
  /** layers, first, share: cycles of layers below half of the array, % of all. */
  'low-utilisation',
  /** layers, first, share (% of MACs), reason. */
  'on-ps',
  /** layer, sqnr: keep it in fp32 with --float. */
  'worst-layer',
  /** layer, saturation (%). */
  'saturated',
  /** megabytes, limit. */
  'large-arena',
  /** samples, wanted. */
  'few-samples',
  /** agreement (%). */
  'labels-differ',
  /** milliseconds, share: all is well, the PL does everything. */
  'all-on-pl',
]);
export type AdviceCode = z.infer<typeof AdviceCode>;

export const Advice = z.object({
  code: AdviceCode,
  /** English sentence, for the command line and files. */
  message: z.string(),
  /** Values for the translated sentence. */
  values: z.record(z.string(), z.string()),
});
export type Advice = z.infer<typeof Advice>;

/** Largest difference of an output, in its own unit, and signal to noise. */
export const Witness = z.object({ maxDifference: z.number(), sqnr: Decibels });
export type Witness = z.infer<typeof Witness>;

const NotRun = z.object({ state: z.literal('not-run'), /** One sentence. */ why: z.string() });

/** Layer by layer: the golden model's int8 outputs against the exact reference, each layer fed the golden model's own inputs. */
export const RuleProof = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('kept'),
    samples: Count,
    /** Values compared, of so many that there are in those samples. A large layer is looked at in places drawn by a fixed seed. */
    compared: Count,
    of: Count,
    /** Compared values whose exact result lies within 2⁻¹² LSB of a tie, where either neighbour is right. */
    nearTies: Count,
    /** Tensors in order of computation. */
    layers: z.array(z.object({ /** Of the row. */ name: z.string(), compared: Count, of: Count, nearTies: Count })),
    /** Layers that the rule says nothing of, one sentence each. */
    left: z.array(z.string()),
  }),
  NotRun,
]);
export type RuleProof = z.infer<typeof RuleProof>;

export const Proof = z.object({
  /** A package that breaks the rule is not written. */
  rule: RuleProof,
  /** Share of samples with the same highest class in fp32 and int8 (ONNX Runtime), over all samples; null for detectors. */
  labelAgreement: z.number().nullable(),
  /** Largest difference of a probability, fp32 against int8, over all samples; null for detectors. */
  maxDelta: z.number().nullable(),
  /** Outputs on the samples kept from calibration: int8 in ONNX Runtime with all optimisations against none of them. */
  runtimeLevels: Witness,
  /** End to end: the golden model, on the virtual board, against int8 in ONNX Runtime with either optimisation level. Reported, not bounded. */
  golden: z.discriminatedUnion('state', [z.object({ state: z.literal('ok'), samples: Count, all: Witness, disabled: Witness }), NotRun]),
});
export type Proof = z.infer<typeof Proof>;

const Attempt = z.object({ method: z.string(), biasCorrection: z.boolean(), equalised: z.boolean(), sqnr: z.number() });

export const QuantisationSummary = z.object({
  /** `here`: scales by calibration. `imported`: the file given was quantised already; its scales are kept. */
  by: z.enum(['here', 'imported']),
  samples: Count,
  heldOut: Count,
  /** False where there were too few samples to keep some from calibration. */
  heldOutUnseen: z.boolean(),
  /** null where imported. */
  chosen: Attempt.nullable(),
  tried: z.array(Attempt),
  /** int8 against fp32, both in ONNX Runtime. */
  outputs: z.array(z.object({ name: z.string(), sqnr: Decibels, maxDifference: z.number() })),
  /** Names of rows, lowest SQNR first. */
  worst: z.array(z.string()),
});
export type QuantisationSummary = z.infer<typeof QuantisationSummary>;

export const AddModelReport = z.object({
  reportVersion: z.literal(1),
  /** Name of the model; its folder's. */
  model: z.string(),
  task: z.enum(['classification', 'detection']),
  sha256: z.record(z.string(), z.string()),
  core: CoreSetting,
  layers: z.array(LayerRow),
  totals: z.object({
    layers: z.object({ PL: Count, PS: Count, address: Count }),
    macs: Count,
    macsOnPl: Count,
    weightBytes: Count,
    /** Traffic of the PL. */
    bytes: Count,
    /** Of all PL segments; null where the core cannot be estimated (see notes). */
    cycles: Count.nullable(),
    utilisation: z.number().nullable(),
    /** PL alone; the PS's time is known on a board only. */
    ms: z.number().nullable(),
    arenaBytes: Count,
    /** fp32 tensors of the PS; 0 without float operators. */
    floatArenaBytes: Count,
    programBytes: Count,
  }),
  roofline: Roofline,
  /** What would help most, first. */
  advice: z.array(Advice),
  quantisation: QuantisationSummary,
  proof: Proof,
  /** What was changed or assumed, an English sentence each. */
  notes: z.array(z.string()),
  /** Calibration files that were left out. */
  skipped: z.array(z.object({ file: z.string(), message: z.string() })),
});
export type AddModelReport = z.infer<typeof AddModelReport>;
