/** Frame → network input, in the order that src/contract/model.ts (Preprocessing) states. */
import type { Frame } from '../contract/pixels.ts';
import type { Preprocessing } from '../contract/model.ts';
import { greyUnit, luma } from '../dicom/index.ts';
import { resizeTriangle } from './resample.ts';

/**
 * The frame as a float32 tensor of shape [1, 1, height, width]: grey in [0, 1] by the frame's first VOI, or luma of a colour frame;
 * resized; (grey − mean) / std.
 */
export function toTensor(frame: Frame, preprocessing: Preprocessing): Float32Array {
  const grey = frame.kind === 'grey' ? greyUnit(frame, frame.voi[0]!) : luma(frame);
  return normalise(fitGrey(grey, frame.rows, frame.columns, preprocessing), preprocessing);
}

/** Where a `rows`×`columns` image lies in the input: all of it (squash), or centred with its aspect ratio kept (letterbox). */
export function placement(rows: number, columns: number, { width, height, fit }: Preprocessing): { top: number; left: number; rows: number; columns: number } {
  if (fit === 'squash') return { top: 0, left: 0, rows: height, columns: width };
  const scale = Math.min(width / columns, height / rows);
  const inside = { rows: Math.min(height, Math.max(1, Math.round(rows * scale))), columns: Math.min(width, Math.max(1, Math.round(columns * scale))) };
  return { top: Math.floor((height - inside.rows) / 2), left: Math.floor((width - inside.columns) / 2), ...inside };
}

function fitGrey(grey: Float32Array, rows: number, columns: number, preprocessing: Preprocessing): Float32Array {
  const place = placement(rows, columns, preprocessing);
  const resized = resizeTriangle(grey, rows, columns, place.rows, place.columns);
  const { width, height, pad } = preprocessing;
  if (place.rows === height && place.columns === width) return resized;
  const out = new Float32Array(width * height).fill(pad);
  for (let y = 0; y < place.rows; y++) {
    out.set(resized.subarray(y * place.columns, (y + 1) * place.columns), (place.top + y) * width + place.left);
  }
  return out;
}

function normalise(grey: Float32Array, { mean, std }: Preprocessing): Float32Array {
  const out = new Float32Array(grey.length);
  for (let i = 0; i < grey.length; i++) out[i] = (grey[i]! - mean) / std;
  return out;
}
