/** Export of images without whom they are of (DICOM PS3.15 annex E): what is asked, and what came of it. */
import { z } from 'zod';

/**
 * Why an image is held back unless somebody has looked at it: its pixels may say who it is of. `burned-in`, `recognisable`: it says so (0028,0301/0302);
 * `capture`: of a screen, a page or a film; `private-class`: of a manufacturer's own class; `overlay`: drawn into unused bits of the pixels.
 */
export const HOLD_CODES = ['burned-in', 'recognisable', 'capture', 'ultrasound', 'visible-light', 'private-class', 'overlay'] as const;
export const HoldCode = z.enum(HOLD_CODES);
export type HoldCode = z.infer<typeof HoldCode>;

/** Options of the standard, and one of ours. */
export const AnonymiseChoices = z.object({
  /** Dates and times stay (113106). */
  keepDates: z.boolean(),
  /** Sex, age, size, weight stay (113108). */
  keepPatient: z.boolean(),
  /** What would be held back goes along. */
  includeHeld: z.boolean(),
});
export type AnonymiseChoices = z.infer<typeof AnonymiseChoices>;

/** A file of which nothing was written. */
export const NotWritten = z.object({
  fileName: z.string(),
  /** A HoldCode, the code of a FileProblem, `same-uid`, `unknown-instance` or `write-failed`. */
  code: z.string(),
  /** English; names the file. */
  message: z.string(),
});
export type NotWritten = z.infer<typeof NotWritten>;

export const AnonymiseReport = z.object({
  /** Name of the folder. */
  folder: z.string(),
  written: z.number().int().nonnegative(),
  held: z.array(NotWritten),
  failed: z.array(NotWritten),
  /** Stopped before all were tried; what was written is whole. */
  cancelled: z.boolean(),
});
export type AnonymiseReport = z.infer<typeof AnonymiseReport>;
