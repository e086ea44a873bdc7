/** Seeded weights, and how an activation's values are expected to be spread, so that each layer's scale keeps them alive. */
import { random } from '../support/qdq.ts';

/** An activation of an exported graph: its name, its shape there, and what its elements are expected to be like. */
export type Value = { readonly name: string; readonly dims: readonly number[]; readonly mean: number; readonly variance: number };
export type Spread = { readonly mean: number; readonly variance: number };

const TABLE = 2 ** 16;

/** As many normal numbers as 16 bits choose from: two weights for one draw. VGG has 133 million. */
const normal = ((): Float32Array => {
  const next = random(99);
  const table = new Float32Array(TABLE);
  for (let i = 0; i < TABLE; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    const angle = 2 * Math.PI * next();
    table[i] = radius * Math.cos(angle);
    table[i + 1] = radius * Math.sin(angle);
  }
  return table;
})();

/** Repeatable random numbers of one network. */
export class Source {
  #state: number;

  constructor(seed: number) {
    // xorshift32 must not start at 0.
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 1;
  }

  #draw(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  normals(count: number, deviation: number, mean = 0): Float32Array {
    const out = new Float32Array(count);
    for (let i = 0; i < count; i += 2) {
      const bits = this.#draw();
      out[i] = mean + deviation * (normal[bits & (TABLE - 1)] as number);
      if (i + 1 < count) out[i + 1] = mean + deviation * (normal[bits >>> 16] as number);
    }
    return out;
  }

  uniform(count: number, low: number, high: number): Float32Array {
    return Float32Array.from({ length: count }, () => low + ((high - low) * this.#draw()) / 2 ** 32);
  }

  /**
   * Rows of `each` weights whose sum is 0, so that what is common to all inputs is not passed on: what trained BatchNormalization does with its
   * running means, without a training run. Each output's variance is `variance` where the inputs' is `spread.variance`.
   */
  rows(outputs: number, each: number, spread: Spread, variance = 1): Float32Array {
    const centred = each > 16;
    const power = centred ? spread.variance : spread.variance + spread.mean ** 2;
    const out = this.normals(outputs * each, Math.sqrt(variance / (each * power)));
    for (let o = 0; centred && o < outputs; o++) {
      let sum = 0;
      for (let i = o * each; i < (o + 1) * each; i++) sum += out[i] as number;
      for (let i = o * each; i < (o + 1) * each; i++) out[i]! -= sum / each;
    }
    return out;
  }
}

/** Of functions of a normal value around 0. */
const OF: Readonly<Record<'Silu' | 'Leaky', Spread>> = { Silu: { mean: 0.21, variance: 0.31 }, Leaky: { mean: 0.36, variance: 0.38 } };

export const behind = (kind: keyof typeof OF, { mean, variance }: Spread): Spread => ({ mean: mean + OF[kind].mean * Math.sqrt(variance), variance: OF[kind].variance * variance });

/** Behind a ReLU, of a normal value around any mean: residual streams are mostly above 0, where it does nothing. */
export function rectified({ mean, variance }: Spread): Spread {
  const deviation = Math.sqrt(variance);
  const at = mean / deviation;
  const [below, density] = [1 / (1 + Math.exp(-1.702 * at)), Math.exp((-at * at) / 2) / Math.sqrt(2 * Math.PI)];
  const first = mean * below + deviation * density;
  const second = (mean * mean + variance) * below + mean * deviation * density;
  return { mean: first, variance: Math.max(second - first * first, variance / 20) };
}
export const summed = (a: Spread, b: Spread): Spread => ({ mean: a.mean + b.mean, variance: a.variance + b.variance });

export function joined(parts: readonly { readonly spread: Spread; readonly channels: number }[]): Spread {
  const all = parts.reduce((sum, p) => sum + p.channels, 0);
  const share = (of: (s: Spread) => number): number => parts.reduce((sum, p) => sum + of(p.spread) * p.channels, 0) / all;
  return { mean: share((s) => s.mean), variance: share((s) => s.variance) };
}

/** What BatchNormalization holds of its channels. `gain`: about what deviation it leaves. */
export type Norm = { readonly gamma: Float32Array; readonly beta: Float32Array; readonly mean: Float32Array; readonly variance: Float32Array };

export const normOf = (source: Source, channels: number, { mean, variance }: Spread = { mean: 0, variance: 1 }, gain = 1): Norm => ({
  gamma: source.uniform(channels, 0.7 * gain, 1.3 * gain),
  beta: source.uniform(channels, -0.3 * gain, 0.3 * gain),
  mean: source.normals(channels, 0.1 * Math.sqrt(variance), mean),
  variance: source.uniform(channels, 0.7 * variance, 1.4 * variance),
});
