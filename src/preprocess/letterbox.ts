/** Where an image lies in the network's input, and the way back from there. */
import type { Preprocessing } from '../contract/model.ts';
import { roundHalfEven } from './quantize.ts';

export interface Placement {
  top: number;
  left: number;
  rows: number;
  columns: number;
}

type Fit = Pick<Preprocessing, 'width' | 'height' | 'fit'>;

/**
 * Where a `rows`×`columns` image lies in the input: all of it (squash), or centred with its aspect ratio kept (letterbox: sizes and
 * borders to the pixel as YOLOv5's `letterbox(auto=False)` has them; of an odd border the smaller half is above and left).
 */
export function placement(rows: number, columns: number, { width, height, fit }: Fit): Placement {
  if (fit === 'squash') return { top: 0, left: 0, rows: height, columns: width };
  const scale = Math.min(height / rows, width / columns);
  // Python's round() takes ties to the even number.
  const inside = { rows: Math.min(height, Math.max(1, roundHalfEven(rows * scale))), columns: Math.min(width, Math.max(1, roundHalfEven(columns * scale))) };
  return { top: Math.floor((height - inside.rows) / 2), left: Math.floor((width - inside.columns) / 2), ...inside };
}

/**
 * From a position in the input to one in the image, in pixels of each, (0, 0) being the outer corner of the first. Exact: resizing puts
 * the image's edges onto the edges of its place, whatever whole number of pixels that place was rounded to.
 */
export function toImage(rows: number, columns: number, fit: Fit): (point: { x: number; y: number }) => { x: number; y: number } {
  const place = placement(rows, columns, fit);
  return ({ x, y }) => ({ x: ((x - place.left) * columns) / place.columns, y: ((y - place.top) * rows) / place.rows });
}
