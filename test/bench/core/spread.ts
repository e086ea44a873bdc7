/**
 * How an activation's codes are expected to be spread: the share of each of the 256 codes, were its values independent. The bench
 * networks have random weights; their requantisation is chosen from this, so that every layer's output uses the range of codes.
 */
export type Spread = Float64Array;

const CODES = 256;
const codeOf = (index: number): number => index - 128;
const indexOf = (code: number): number => Math.min(CODES - 1, Math.max(0, Math.round(code) + 128));

function scaled(spread: Spread): Spread {
  const sum = spread.reduce((a, b) => a + b, 0);
  return spread.map((share) => share / sum);
}

export const uniform = (): Spread => new Float64Array(CODES).fill(1 / CODES);

/** Gaussian; what lies beyond the codes is clamped to their ends. */
export function normal(mean: number, deviation: number): Spread {
  const spread = new Float64Array(CODES);
  for (let z = -5; z <= 5; z += 1 / 64) {
    const at = indexOf(mean + z * deviation);
    spread[at] = (spread[at] as number) + Math.exp((-z * z) / 2);
  }
  return scaled(spread);
}

export function mean(spread: Spread): number {
  return spread.reduce((sum, share, i) => sum + share * codeOf(i), 0);
}

export function variance(spread: Spread): number {
  const middle = mean(spread);
  return spread.reduce((sum, share, i) => sum + share * (codeOf(i) - middle) ** 2, 0);
}

/** Of f(code), clamped to the codes. */
export function mapped(spread: Spread, f: (code: number) => number): Spread {
  const out = new Float64Array(CODES);
  spread.forEach((share, i) => {
    const at = indexOf(f(codeOf(i)));
    out[at] = (out[at] as number) + share;
  });
  return out;
}

/** Of f(a, b), clamped to the codes. */
export function combined(a: Spread, b: Spread, f: (a: number, b: number) => number): Spread {
  const out = new Float64Array(CODES);
  for (let i = 0; i < CODES; i++) {
    for (let j = 0; j < CODES; j++) {
      const at = indexOf(f(codeOf(i), codeOf(j)));
      out[at] = (out[at] as number) + (a[i] as number) * (b[j] as number);
    }
  }
  return out;
}

/** Of the largest of `count` values. */
export function largest(spread: Spread, count: number): Spread {
  let below = 0;
  let before = 0;
  return spread.map((share) => {
    below = Math.min(1, below + share);
    const upTo = below ** count;
    const now = upTo - before;
    before = upTo;
    return now;
  });
}

/** Of values from several tensors, each with its number of channels. */
export function mixed(parts: readonly { readonly spread: Spread; readonly channels: number }[]): Spread {
  const out = new Float64Array(CODES);
  for (const { spread, channels } of parts) spread.forEach((share, i) => (out[i] = (out[i] as number) + share * channels));
  return scaled(out);
}
