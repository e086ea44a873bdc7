/** Seeded images for networks of random weights: soft shapes, edges and noise, each channel its own, so that layers see more than noise. */
import { random } from '../support/qdq.ts';

/** @param dims [1, C, H, W]; @param range what the network's normalisation leaves: grey levels 0 to 1, or mean 0 and deviation 1 */
export function imageOf([, channels = 1, height = 1, width = 1]: readonly number[], seed: number, range: 'unit' | 'normalised'): Float32Array {
  const next = random(seed);
  const waves = Array.from({ length: 5 }, () => ({ fy: (next() - 0.5) * 12, fx: (next() - 0.5) * 12, phase: next() * 7, gain: 0.1 + 0.2 * next(), channel: next() * 3 }));
  const boxes = Array.from({ length: 4 }, () => ({ y: next(), x: next(), h: 0.1 + 0.5 * next(), w: 0.1 + 0.5 * next(), gain: next() - 0.5 }));
  const noise = 0.02 + 0.15 * next();
  const out = new Float32Array(channels * height * width);
  let at = 0;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [v, u] = [y / height, x / width];
        let value = 0.5 + noise * (next() - 0.5);
        for (const w of waves) value += 0.4 * w.gain * Math.sin(w.fy * v + w.fx * u + w.phase + c * w.channel);
        for (const b of boxes) if (v >= b.y && v < b.y + b.h && u >= b.x && u < b.x + b.w) value += 0.4 * b.gain;
        const grey = Math.min(1, Math.max(0, value));
        // 8-bit greys, as images are.
        out[at++] = range === 'unit' ? Math.round(grey * 255) / 255 : (Math.round(grey * 255) / 255 - 0.45) / 0.225;
      }
    }
  }
  return out;
}
