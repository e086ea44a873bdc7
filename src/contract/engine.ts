/**
 * Who runs a model (Engine), one run of it on one frame (Run), and the runs of one frame side by side (Comparison).
 * Every latency says where it comes from (DESIGN.md, contract 5).
 */
import { z } from 'zod';

export const EngineId = z.enum(['cpu-fp32', 'cpu-int8', 'board']);
export type EngineId = z.infer<typeof EngineId>;
export const ENGINE_IDS: readonly EngineId[] = EngineId.options;

/**
 * `measured`: on a board. `rtl`: cycles of the simulated RTL divided by the stated clock.
 * `model`: the cycle model. `host`: this computer's clock.
 */
export const TimingSource = z.enum(['measured', 'rtl', 'model', 'host']);
export type TimingSource = z.infer<typeof TimingSource>;

/**
 * Parts of a run's latency, in the order in which they happen.
 * `transfer` is the request's round trip minus what the agent says it spent (queue, pl, ps);
 * CPU engines have `engine`, the board has `queue`, `pl` and `ps` instead.
 */
export const TimingPart = z.enum(['decode', 'preprocess', 'transfer', 'queue', 'pl', 'ps', 'engine', 'post']);
export type TimingPart = z.infer<typeof TimingPart>;

/** p50 and p95 over the repeats (milliseconds); with one repeat both equal it. */
export const PartTiming = z.object({
  part: TimingPart,
  source: TimingSource,
  p50: z.number().nonnegative(),
  p95: z.number().nonnegative(),
});
export type PartTiming = z.infer<typeof PartTiming>;

/** What produced a number; shown and exported with it. */
export const Identity = z.object({
  /** Model package's name and version. */
  model: z.string(),
  modelVersion: z.string(),
  /** SHA-256 (hex) of the file this engine executed: model.onnx, model.int8.onnx or program.bin. */
  modelSha256: z.string(),
  engine: EngineId,
  /** For people: `onnxruntime-node 1.30.0`, `virtual board 127.0.0.1:40123, golden model`. */
  runner: z.string(),
  /** SHA-256 of the overlay on the PL; absent where no overlay is loaded (CPU engines, golden model). */
  overlaySha256: z.string().optional(),
  software: z.string(),
});
export type Identity = z.infer<typeof Identity>;

/** Class-activation maps (Zhou et al. 2016): for each class, `rows`×`columns` in row-major order, in logit units. */
export const ClassMaps = z.object({
  rows: z.number().int().positive(),
  columns: z.number().int().positive(),
  /** One map a class, in the order of the model's labels. */
  maps: z.array(z.instanceof(Float32Array)),
});
export type ClassMaps = z.infer<typeof ClassMaps>;

export const RunOk = z.object({
  state: z.literal('ok'),
  identity: Identity,
  repeats: z.number().int().positive(),
  /** Raw network output, one a class. */
  logits: z.array(z.number()),
  /** 0…1, one a class, in the order of the model's labels. */
  probabilities: z.array(z.number()),
  classMaps: ClassMaps.nullable(),
  timings: z.array(PartTiming),
  /** Sum of all parts (ms), over the repeats. */
  total: z.object({ p50: z.number(), p95: z.number() }),
});
export type RunOk = z.infer<typeof RunOk>;

/** A failed engine never takes the others down: its Run carries the reason and the mend. */
export const RunFailed = z.object({
  state: z.literal('failed'),
  engine: EngineId,
  /** Stable word for tests and scripts: `board-unreachable`, `timeout`, `model-corrupt`, `cancelled`, … */
  code: z.string(),
  /** One sentence for people: what failed and what mends it. */
  message: z.string(),
});
export type RunFailed = z.infer<typeof RunFailed>;

export const Run = z.discriminatedUnion('state', [RunOk, RunFailed]);
export type Run = z.infer<typeof Run>;

/** Each has a text in every language of the window, by test. */
export const WarningCode = z.enum(['modality-not-intended', 'body-part-not-intended', 'colour-image', 'no-window-in-file', 'quality-control-image', 'repeats-cut-short']);

/** A caution that must be visible before a number is: `text` by its code is in the reader's language in the UI. */
export const Warning = z.object({
  code: WarningCode,
  /** English sentence naming the cause, for the command line and files. */
  message: z.string(),
  /** Values for the translated sentence. */
  values: z.record(z.string(), z.string()),
});
export type Warning = z.infer<typeof Warning>;

export const Comparison = z.object({
  instanceId: z.string(),
  /** Frame number from 0. */
  frame: z.number().int().nonnegative(),
  model: z.string(),
  warnings: z.array(Warning),
  runs: z.array(Run),
  /** Class index whose probability is held against the threshold, and the threshold. */
  threshold: z.object({ classIndex: z.number().int(), value: z.number() }),
  /** Engines whose decision at the threshold is not the first (reference) engine's. */
  flips: z.array(EngineId),
  /** Largest |Δp| between any engine and the reference, and the tolerance it is held against (from the model). */
  maxDelta: z.number().nullable(),
  tolerance: z.number(),
});
export type Comparison = z.infer<typeof Comparison>;
