/**
 * How far an image's features are from those of the images a network was made for: the squared Mahalanobis distance under probabilistic principal
 * components (Tipping & Bishop 1999; Lee et al. 2018 for its use on a network's features), a value, so that 1 is an image like any other. Pure.
 */
import type { Guard } from '../contract/model.ts';
import { EngineError, type Features } from '../engines/index.ts';

/** Square roots of the channels' means in each quarter of the map: [top left, top right, bottom left, bottom right] × channels. */
export function describe({ data, channels, rows, columns }: Features): Float32Array {
  const out = new Float32Array(4 * channels);
  const cut = (size: number, half: number): [number, number] => (half === 0 ? [0, Math.ceil(size / 2)] : [Math.floor(size / 2), size]);
  for (let quarter = 0; quarter < 4; quarter++) {
    const [top, bottom] = cut(rows, quarter >> 1);
    const [left, right] = cut(columns, quarter & 1);
    for (let k = 0; k < channels; k++) {
      let sum = 0;
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += data[(k * rows + y) * columns + x]!;
      // The map comes after a ReLU; int8 codes keep it so.
      out[quarter * channels + k] = Math.sqrt(Math.max(0, sum) / ((bottom - top) * (right - left)));
    }
  }
  return out;
}

const floats = (base64: string): Float32Array => {
  const bytes = Uint8Array.from(Buffer.from(base64, 'base64'));
  return new Float32Array(bytes.buffer, 0, Math.floor(bytes.length / 4));
};

/** Values that the guard's statistics are of; undefined where they do not fit one another. */
export function valuesOf({ mean, deviation, directions, steps, variances }: Guard): number | undefined {
  const bytes = (base64: string): number => Buffer.byteLength(base64, 'base64');
  const values = bytes(mean) / 4;
  return Number.isInteger(values) && values > steps.length && bytes(deviation) === 4 * values && bytes(directions) === steps.length * values && variances.length === steps.length ? values : undefined;
}

/** Throws EngineError `model-mismatch` when the statistics are of another number of channels. */
export function distanceOf(features: Features, guard: Guard): number {
  const values = describe(features);
  if (valuesOf(guard) !== values.length) throw new EngineError('model-mismatch', `The guard's statistics are not of a feature map of ${features.channels} channels.`);
  const [mean, deviation] = [floats(guard.mean), floats(guard.deviation)];
  const directions = new Int8Array(Uint8Array.from(Buffer.from(guard.directions, 'base64')).buffer);
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - mean[i]!) / deviation[i]!;
  let sum = values.reduce((total, v) => total + v * v, 0) / guard.rest;
  guard.variances.forEach((variance, row) => {
    let along = 0;
    for (let i = 0; i < values.length; i++) along += directions[row * values.length + i]! * values[i]!;
    along *= guard.steps[row]!;
    sum += along * along * (1 / variance - 1 / guard.rest);
  });
  return sum / values.length;
}
