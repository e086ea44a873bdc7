/** Frame → network input, in the order that src/contract/model.ts (Preprocessing) states. */
import type { ColourFrame, Frame } from '../contract/pixels.ts';
import type { Preprocessing } from '../contract/model.ts';
import { greyUnit, luma } from '../dicom/index.ts';
import { placement } from './letterbox.ts';
import { resizeTriangle } from './resample.ts';

/**
 * The frame as a float32 tensor of shape [1, channels, height, width]: values in [0, 1] (grey by the frame's first VOI; of a colour frame its
 * luma, or R, G and B where there are three channels); each channel resized; (value − mean) / std by its own mean and std.
 */
export function toTensor(frame: Frame, preprocessing: Preprocessing): Float32Array {
  const { channels, width, height } = preprocessing;
  const size = width * height;
  const out = new Float32Array(channels * size);
  const put = (channel: number, fitted: Float32Array): void => normaliseInto(out.subarray(channel * size, (channel + 1) * size), fitted, statistics(preprocessing, channel));
  if (channels === 3 && frame.kind === 'colour') {
    for (let channel = 0; channel < 3; channel++) put(channel, fit(component(frame, channel), frame.rows, frame.columns, preprocessing));
    return out;
  }
  const grey = frame.kind === 'grey' ? greyUnit(frame, frame.voi[0]!) : luma(frame);
  const fitted = fit(grey, frame.rows, frame.columns, preprocessing);
  for (let channel = 0; channel < channels; channel++) put(channel, fitted);
  return out;
}

/** Mean and std of one channel. */
export function statistics({ mean, std }: Pick<Preprocessing, 'mean' | 'std'>, channel: number): { mean: number; std: number } {
  const of = (value: number | readonly number[]): number => (typeof value === 'number' ? value : value[channel]!);
  return { mean: of(mean), std: of(std) };
}

/** One of R, G, B in [0, 1], rows × columns. */
function component({ rgba }: ColourFrame, channel: number): Float32Array {
  const out = new Float32Array(rgba.length / 4);
  for (let i = 0, at = channel; i < out.length; i++, at += 4) out[i] = rgba[at]! / 255;
  return out;
}

function fit(values: Float32Array, rows: number, columns: number, preprocessing: Preprocessing): Float32Array {
  const place = placement(rows, columns, preprocessing);
  const resized = resizeTriangle(values, rows, columns, place.rows, place.columns);
  const { width, height, pad } = preprocessing;
  if (place.rows === height && place.columns === width) return resized;
  const out = new Float32Array(width * height).fill(pad);
  for (let y = 0; y < place.rows; y++) {
    out.set(resized.subarray(y * place.columns, (y + 1) * place.columns), (place.top + y) * width + place.left);
  }
  return out;
}

function normaliseInto(out: Float32Array, values: Float32Array, { mean, std }: { mean: number; std: number }): void {
  for (let i = 0; i < out.length; i++) out[i] = (values[i]! - mean) / std;
}
