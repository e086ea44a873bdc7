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

/**
 * Frame → tensor, in this order: modality transform, VOI transform to a grey in [0,1] (the frame's first window or VOI LUT;
 * without one the frame's own value range), MONOCHROME1 turned over, colour to luma, resize, (grey − mean) / std.
 */
export const Preprocessing = z.object({
  width: z.number().int().min(1).max(4096),
  height: z.number().int().min(1).max(4096),
  /** `squash`: both axes scaled on their own. `letterbox`: aspect ratio kept, padded with `pad`. */
  fit: z.enum(['squash', 'letterbox']),
  pad: z.number().default(0),
  /**
   * `triangle`: separable triangle filter whose support grows with the reduction (half-pixel centres, edge taps dropped and
   * weights renormalised), as Pillow's BILINEAR does on float images. No rounding to 8 bit in between.
   */
  resample: z.literal('triangle'),
  mean: z.number(),
  std: z.number().positive(),
});
export type Preprocessing = z.infer<typeof Preprocessing>;

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
  fabriclens: z.object({
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
    /** Graph outputs by role. */
    outputs: z.object({ logits: z.string(), features: z.string().optional() }),
    activation: z.enum(['softmax', 'sigmoid']),
    labels: z.array(z.object({ name: z.string(), text: LocalText })).min(1),
    threshold: z.object({
      classIndex: z.number().int().nonnegative(),
      value: z.number().min(0).max(1),
      /** How it was chosen, on which rows: one sentence. */
      method: z.string(),
      /** Of model.onnx, which the threshold belongs to. */
      sha256: Sha256,
    }),
    /** Largest |Δp| between engines that is called agreement; from the evaluation. */
    tolerance: z.number().positive(),
    /** Class-activation map: maps[c] = Σ_k weights[c][k] · features[k]. */
    heatmap: z.object({ weights: z.array(z.array(z.number())) }).optional(),
    /** What the model may be shown without a warning. */
    intended: z.object({
      /** DICOM Modality (0008,0060) values. */
      modalities: z.array(z.string()).min(1),
      /** Body parts examined (0018,0015), upper case; a file without one is not warned about. */
      bodyParts: z.array(z.string()),
      text: LocalText,
    }),
    limits: z.array(LocalText),
  }),
});
export type ModelMetadata = z.infer<typeof ModelMetadata>;
