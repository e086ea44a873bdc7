/** The scale bar's length. Pure. */
import type { Spacing } from '../../src/contract/dicom.ts';
import type { ToPane } from '../viewport/presentation.ts';

/** Client pixels that it may take at most. */
const LONGEST = 140;

/** The largest of 1, 2 and 5 times a power of ten (mm) that is not too long, and its length in client pixels across the screen. */
export function scaleBar({ row, column }: Pick<Spacing, 'row' | 'column'>, { a, c }: Pick<ToPane, 'a' | 'c'>): { millimetres: number; width: number } | null {
  // Across the screen run the image's rows, or in an image on its side its columns.
  const perPixel = Math.abs(a) >= Math.abs(c) ? column / Math.abs(a) : row / Math.abs(c);
  const most = LONGEST * perPixel;
  if (!Number.isFinite(most) || most <= 0) return null;
  const power = 10 ** Math.floor(Math.log10(most));
  const millimetres = [5, 2, 1].map((step) => step * power).find((length) => length <= most) ?? power;
  return { millimetres, width: millimetres / perPixel };
}
