/**
 * Who runs a model (Engine), one run of it on one frame (Run), and the runs of one frame side by side (Comparison).
 * Every latency says where it comes from (DESIGN.md, contract 5).
 */
import { z } from 'zod';
import { DetectionRule } from './model.ts';

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

/** The board that was asked was lost: another one, or this computer, ran the same quantised network instead. What came before is not in the run. */
export const Moved = z.object({
  /** The boards that were lost, for people: `board 192.168.2.99:8600`. */
  from: z.string(),
  /** Who answered. */
  to: z.string(),
  /** English sentence. */
  reason: z.string(),
});
export type Moved = z.infer<typeof Moved>;

const Ran = z.object({
  state: z.literal('ok'),
  /** Who was asked; `identity` says who computed, which is another one where the run `moved`. */
  engine: EngineId,
  identity: Identity,
  /** Absent where it ran where it was asked to. */
  moved: Moved.optional(),
  repeats: z.number().int().positive(),
  timings: z.array(PartTiming),
  /** Sum of all parts (ms), over the repeats. */
  total: z.object({ p50: z.number(), p95: z.number() }),
});

export const ClassificationRun = Ran.extend({
  task: z.literal('classification'),
  /** Raw network output, one a class. */
  logits: z.array(z.number()),
  /** 0…1, one a class, in the order of the model's labels. */
  probabilities: z.array(z.number()),
  classMaps: ClassMaps.nullable(),
});
export type ClassificationRun = z.infer<typeof ClassificationRun>;

/** In pixels of the image: (0, 0) is the outer corner of its first pixel, so that a whole image of 5 columns is 5 wide. Inside the image. */
export const Box = z.object({
  x: z.number(),
  y: z.number(),
  width: z.number().positive(),
  height: z.number().positive(),
  /** 0…1. */
  score: z.number(),
  /** Index into the model's labels. */
  label: z.number().int().nonnegative(),
});
export type Box = z.infer<typeof Box>;

export const DetectionRun = Ran.extend({
  task: z.literal('detection'),
  /** Highest score first. */
  boxes: z.array(Box),
});
export type DetectionRun = z.infer<typeof DetectionRun>;

export const RunOk = z.discriminatedUnion('task', [ClassificationRun, DetectionRun]);
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
export const WarningCode = z.enum(['modality-not-intended', 'body-part-not-intended', 'view-not-intended', 'unlike-training-images', 'colour-image', 'no-window-in-file', 'quality-control-image', 'repeats-cut-short']);

/** A caution that must be visible before a number is: `text` by its code is in the reader's language in the UI. */
export const Warning = z.object({
  code: WarningCode,
  /** English sentence naming the cause, for the command line and files. */
  message: z.string(),
  /** Values for the translated sentence. */
  values: z.record(z.string(), z.string()),
});
export type Warning = z.infer<typeof Warning>;

const Compared = z.object({
  instanceId: z.string(),
  /** Frame number from 0. */
  frame: z.number().int().nonnegative(),
  model: z.string(),
  warnings: z.array(Warning),
  /**
   * Engines that decide otherwise than the first (reference) engine: a classifier at its threshold; a detector by a box that the
   * reference has not, or by none where the reference has one.
   */
  flips: z.array(EngineId),
  /** Largest difference of a probability, or of a matched box's score, between any engine and the reference; null without two answers (or boxes to match). */
  maxDelta: z.number().nullable(),
  /** What `maxDelta` is held against (from the model). */
  tolerance: z.number(),
});

export const ClassificationComparison = Compared.extend({
  task: z.literal('classification'),
  runs: z.array(z.discriminatedUnion('state', [ClassificationRun, RunFailed])),
  /** Class index whose probability is held against the threshold, and the threshold. */
  threshold: z.object({ classIndex: z.number().int(), value: z.number() }),
});
export type ClassificationComparison = z.infer<typeof ClassificationComparison>;

/** One thing in the image as the engines see it. */
export const BoxGroup = z.object({
  label: z.number().int().nonnegative(),
  /** One an engine at most, in the order of the runs. `iou` is with the group's first box, null for that one itself. */
  boxes: z.array(z.object({ engine: EngineId, /** Into the run's boxes. */ index: z.number().int().nonnegative(), iou: z.number().nullable() })).min(1),
});
export type BoxGroup = z.infer<typeof BoxGroup>;

/** One engine's boxes against the reference's. */
export const BoxAgreement = z.object({
  engine: EngineId,
  matched: z.number().int().nonnegative(),
  /** Boxes that the reference alone has, and that this engine alone has. */
  missing: z.number().int().nonnegative(),
  extra: z.number().int().nonnegative(),
  /** Over the matched pairs; null without any. */
  maxDelta: z.number().nullable(),
  minIou: z.number().nullable(),
});
export type BoxAgreement = z.infer<typeof BoxAgreement>;

export const DetectionComparison = Compared.extend({
  task: z.literal('detection'),
  runs: z.array(z.discriminatedUnion('state', [DetectionRun, RunFailed])),
  rule: DetectionRule,
  /** Highest score first. Boxes of one label that overlap by IOU_MATCH or more are one thing. */
  groups: z.array(BoxGroup),
  /** One for every engine that answered but the reference; empty when that one failed. */
  agreements: z.array(BoxAgreement),
});
export type DetectionComparison = z.infer<typeof DetectionComparison>;

/** Smallest intersection over union of two engines' boxes that is called the same box. */
export const IOU_MATCH = 0.5;

export const Comparison = z.discriminatedUnion('task', [ClassificationComparison, DetectionComparison]);
export type Comparison = z.infer<typeof Comparison>;
