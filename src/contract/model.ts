/**
 * `metadata.json` of a model package: the MONAI-bundle convention (network_data_format, task, intended_use, …), and under
 * `fabriclens` what a host needs to run, bind and show the model. Unknown MONAI keys are kept out of the way, not refused.
 */
import { z } from 'zod';

export const PACKAGE_FILES = {
  metadata: 'metadata.json',
  fp32: 'model.onnx',
  int8: 'model.int8.onnx',
  program: 'program.bin',
  card: 'CARD.md',
} as const;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex');

/** A text in the languages of the window; English is the fallback. */
export const LocalText = z.object({ en: z.string(), 'zh-CN': z.string().optional() });
export type LocalText = z.infer<typeof LocalText>;

/** One number for all channels, or one each (R, G, B). */
const perChannel = (number: z.ZodNumber) => z.union([number, z.tuple([number, number, number])]);

/**
 * Frame → tensor, in this order: modality transform, VOI transform to a grey in [0,1] (the frame's first window or VOI LUT;
 * without one the frame's own value range), MONOCHROME1 turned over, channels, resize of each, (value − mean) / std.
 */
export const Preprocessing = z.object({
  width: z.number().int().min(1).max(4096),
  height: z.number().int().min(1).max(4096),
  /** 1: grey, colour to luma. 3: R, G, B in [0,1]; a grey frame is given thrice. */
  channels: z.union([z.literal(1), z.literal(3)]).default(1),
  /** `squash`: both axes scaled on their own. `letterbox`: aspect ratio kept, centred, padded with `pad` (before mean and std), as YOLOv5 does. */
  fit: z.enum(['squash', 'letterbox']),
  pad: z.number().default(0),
  /**
   * `triangle`: separable triangle filter whose support grows with the reduction (half-pixel centres, edge taps dropped and
   * weights renormalised), as Pillow's BILINEAR does on float images. No rounding to 8 bit in between.
   */
  resample: z.literal('triangle'),
  mean: perChannel(z.number()),
  std: perChannel(z.number().positive()),
}).refine(({ channels, mean, std }) => channels === 3 || (typeof mean === 'number' && typeof std === 'number'), { message: 'one number a channel needs "channels": 3', path: ['mean'] });
export type Preprocessing = z.infer<typeof Preprocessing>;

/** What every package says under `fabriclens`, whatever its task. */
const Common = z.object({
  /** Name in the Open Inference Protocol and folder name: letters, digits, `-`, `_`, `.`. */
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  title: LocalText,
  /** Hash of every file of the package that is executed; a mismatch is a corrupt package. program.bin is absent until compiled. */
  sha256: z.object({ 'model.onnx': Sha256, 'model.int8.onnx': Sha256, 'program.bin': Sha256.optional() }),
  input: z.object({
    name: z.string(),
    /** NCHW. */
    shape: z.tuple([z.literal(1), z.number().int(), z.number().int(), z.number().int()]),
    /** QuantizeLinear of the int8 network's input. */
    scale: z.number().positive(),
    zeroPoint: z.number().int().min(-128).max(127),
  }),
  preprocessing: Preprocessing,
  labels: z.array(z.object({ name: z.string(), text: LocalText })).min(1),
  /** Largest difference of a probability, or of a box's score, between engines that is called agreement; from the evaluation. */
  tolerance: z.number().positive(),
  /** What the model may be shown without a warning. */
  intended: z.object({
    /** DICOM Modality (0008,0060) values. */
    modalities: z.array(z.string()).min(1),
    /** Body parts examined (0018,0015), upper case; a file without one is not warned about. */
    bodyParts: z.array(z.string()),
    /** View positions (0018,5101); a file without one is not warned about. */
    views: z.array(z.string()).default([]),
    text: LocalText,
  }),
  limits: z.array(LocalText),
});

const Base64 = z.base64();

/**
 * How features of images that the network was made for are distributed (src/review/guard.ts): what is far from it is something else. Of the last
 * feature map's four quarters (2 × 2, sharing the middle row and column of an odd map), the square roots of each channel's mean: 4 × channels values.
 */
const Guard = z.object({
  /** Of model.onnx, whose features these are. */
  sha256: Sha256,
  /** float32, little endian: a value's mean and standard deviation. */
  mean: Base64,
  deviation: Base64,
  /** int8, a row a direction of the largest variance; times the row's `steps` it is of unit length. */
  directions: Base64,
  steps: z.array(z.number().positive()).max(256),
  /** Along each direction, and mean over all others. */
  variances: z.array(z.number().positive()).max(256),
  rest: z.number().positive(),
  /** Largest distance that is not warned about. */
  limit: z.number().positive(),
  /** How the limit was chosen, on which rows: one sentence. */
  method: z.string(),
});
export type Guard = z.infer<typeof Guard>;

const Classifier = Common.extend({
  task: z.literal('classification'),
  /** Graph outputs by role. */
  outputs: z.object({ logits: z.string(), features: z.string().optional() }),
  activation: z.enum(['softmax', 'sigmoid']),
  threshold: z.object({
    classIndex: z.number().int().nonnegative(),
    value: z.number().min(0).max(1),
    /** How it was chosen, on which rows: one sentence. */
    method: z.string(),
    /** Of model.onnx, which the threshold belongs to. */
    sha256: Sha256,
  }),
  /** Class-activation map: maps[c] = Σ_k weights[c][k] · features[k]. */
  heatmap: z.object({ weights: z.array(z.array(z.number())) }).optional(),
  guard: Guard.optional(),
});

/** How raw predictions become boxes: the same numbers for the CPU engines (src/review/detections.ts) and for the program's own operator (NMS). */
export const DetectionRule = z.object({
  /** Boxes with a lower score are not looked at. */
  scoreThreshold: z.number().min(0).max(1),
  /** Of two boxes of one class that overlap by more, the one with the lower score goes. */
  iouThreshold: z.number().min(0).max(1),
  maxDetections: z.number().int().min(1).max(1000),
  /** Rows are box, objectness, class scores (YOLOv5); without it box, class scores. */
  objectness: z.boolean(),
  /** Centre x, centre y, width, height in pixels of the network's input. */
  boxes: z.literal('cxcywh-pixels'),
});
export type DetectionRule = z.infer<typeof DetectionRule>;

const Detector = Common.extend({
  task: z.literal('detection'),
  /** `predictions` [1, N, 5 + classes] or [1, N, 4 + classes]; `detections` [1, maxDetections, 6] (x1, y1, x2, y2, score, class) of the program alone. */
  outputs: z.object({ predictions: z.string(), detections: z.string().optional() }),
  detection: DetectionRule,
});

/** Packages written before there were detectors say no task. */
const withTask = (value: unknown): unknown => (typeof value === 'object' && value !== null && !('task' in value) ? { ...value, task: 'classification' } : value);

export const ModelMetadata = z.looseObject({
  version: z.string(),
  task: z.string(),
  description: z.string(),
  authors: z.string(),
  copyright: z.string(),
  license: z.string(),
  data_source: z.string(),
  intended_use: z.string(),
  eval_metrics: z.record(z.string(), z.number()),
  network_data_format: z.looseObject({
    inputs: z.record(z.string(), z.looseObject({})),
    outputs: z.record(z.string(), z.looseObject({})),
  }),
  fabriclens: z.preprocess(withTask, z.discriminatedUnion('task', [Classifier, Detector])),
});
export type ModelMetadata = z.infer<typeof ModelMetadata>;

type Fields = ModelMetadata['fabriclens'];
export type ClassifierFields = Extract<Fields, { task: 'classification' }>;
export type DetectorFields = Extract<Fields, { task: 'detection' }>;
