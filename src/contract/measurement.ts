/** What a reader measured on an image, as it leaves the window. */
import { z } from 'zod';
import { SpacingPlane } from './dicom.ts';

/** One quantity of one measurement. */
export const MeasurementRow = z.object({
  instanceId: z.string(),
  /** From 0. */
  frame: z.number().int().nonnegative(),
  /** Of the measurement within its image, from 1: rows of one measurement have the same. */
  number: z.number().int().positive(),
  kind: z.enum(['length', 'angle', 'cobb', 'rectangle', 'ellipse', 'probe', 'arrow']),
  text: z.string().max(1000),
  /** Image pixels from the corner of the first pixel. */
  points: z.array(z.object({ x: z.number(), y: z.number() })).min(1).max(4),
  /** Empty for an arrow, which has none. */
  quantity: z.enum(['length', 'angle', 'area', 'count', 'mean', 'sd', 'min', 'max', 'value', 'red', 'green', 'blue', '']),
  value: z.number().nullable(),
  /** mm, mm2, px, px2, deg, or that of the image's values. */
  unit: z.string().max(20),
  /** What millimetres are those of; '' for what has none. */
  plane: z.union([SpacingPlane, z.literal('region'), z.literal('')]),
});
export type MeasurementRow = z.infer<typeof MeasurementRow>;
