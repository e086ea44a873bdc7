/** What calibration remembers of a tensor's values, and the range that each method makes of it. Pure; the same values in give the same range out. */

export const METHODS = ['minmax', 'percentile', 'entropy'] as const;
export type Method = (typeof METHODS)[number];
export type Range = { readonly min: number; readonly max: number };

/** Share of the values that `percentile` keeps. */
export const PERCENTILE = 0.9999;
/** Even; half of them on each side of 0. Growing halves what is in use, so that 1024 to 2048 of a side are. */
const BINS = 4096;
const HALF = BINS / 2;

/**
 * Counts of values in equal bins over [−limit, limit), zeros apart; the limit is a power of two and doubles as values ask for it, two bins becoming one, so
 * that the counts are exact in whatever order values come.
 */
export class TensorStatistics {
  min = Infinity;
  max = -Infinity;
  count = 0;
  zeros = 0;
  limit = 0;
  bins = new Float64Array(BINS);
  /** Sum and largest magnitude of each channel (axis 1), over all samples. */
  readonly channelSums: Float64Array;
  readonly channelPeaks: Float64Array;
  #perChannel = 0;

  constructor(channels: number) {
    this.channelSums = new Float64Array(channels);
    this.channelPeaks = new Float64Array(channels);
  }

  /** @param values of one sample, [1, channels, …]. @throws RangeError where one is no finite number */
  add(values: Float32Array): void {
    const channels = this.channelSums.length;
    const inner = values.length / channels;
    this.#perChannel += inner;
    this.count += values.length;
    for (let c = 0; c < channels; c++) {
      let [sum, low, high] = [0, Infinity, -Infinity];
      for (let i = c * inner; i < (c + 1) * inner; i++) {
        const value = values[i] as number;
        sum += value;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      if (!Number.isFinite(sum)) throw new RangeError('a value that is no finite number');
      this.channelSums[c]! += sum;
      this.channelPeaks[c] = Math.max(this.channelPeaks[c] as number, high, -low);
      this.min = Math.min(this.min, low);
      this.max = Math.max(this.max, high);
    }
    this.#grow(Math.max(this.max, -this.min));
    this.#histogram(values);
  }

  channelMeans(): Float64Array {
    return this.channelSums.map((sum) => sum / this.#perChannel);
  }

  #histogram(values: Float32Array): void {
    const { bins } = this;
    const perUnit = HALF / this.limit;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      if (value === 0) this.zeros++;
      else bins[Math.floor(value * perUnit) + HALF]!++;
    }
  }

  #grow(peak: number): void {
    // Strictly above the peak: the highest bin is half open.
    const wanted = 2 ** (Math.floor(Math.log2(Math.max(peak, 2 ** -100))) + 1);
    if (this.limit === 0) this.limit = wanted;
    for (; this.limit < wanted; this.limit *= 2) {
      const merged = new Float64Array(BINS);
      for (let i = 0; i < BINS; i++) merged[(i + HALF) >> 1]! += this.bins[i] as number;
      this.bins = merged;
    }
  }
}

/** The smallest range of both; every range holds 0. */
export const joined = (ranges: readonly Range[]): Range => ({
  min: Math.min(0, ...ranges.map((r) => r.min)),
  max: Math.max(0, ...ranges.map((r) => r.max)),
});

/** The range of real values that int8 codes should span. */
export function rangeOf(statistics: TensorStatistics, method: Method): Range {
  const { min, max } = statistics;
  if (!(min <= max)) return { min: 0, max: 0 };
  const whole = joined([{ min, max }]);
  if (method === 'minmax' || statistics.zeros === statistics.count) return whole;
  const chosen = method === 'percentile' ? percentileRange(statistics) : entropyRange(statistics);
  return joined([{ min: Math.max(chosen.min, whole.min), max: Math.min(chosen.max, whole.max) }]);
}

/** Cuts the same share of values off each end, at the outer edge of the bin where it is reached. */
function percentileRange({ bins, count, limit, zeros }: TensorStatistics): Range {
  const cut = (count * (1 - PERCENTILE)) / 2;
  const width = limit / HALF;
  const counts = [...bins];
  counts[HALF]! += zeros;
  const end = (order: readonly number[]): number => {
    let seen = 0;
    return order.find((i) => (seen += counts[i] as number) > cut) ?? HALF;
  };
  const upward = counts.map((_, i) => i);
  return { min: (end(upward) - HALF) * width, max: (end(upward.reverse()) - HALF + 1) * width };
}

/** Codes of one side of an asymmetric tensor, or of both together. */
const LEVELS = 256;
/** Bins between one tried limit and the next. */
const STEP = 16;

/**
 * The limit at which what 256 codes can tell apart loses least of the distribution (Kullback-Leibler divergence, as TensorRT and ONNX Runtime choose it).
 * Values of one sign are looked at alone; else the limit holds for both.
 */
function entropyRange({ bins, limit, min, max }: TensorStatistics): Range {
  const width = limit / HALF;
  const oneSided = min >= 0 || max <= 0;
  const side = (i: number): number => (min >= 0 ? (bins[HALF + i] as number) : (bins[HALF - 1 - i] as number));
  const used = Math.ceil(Math.max(max, -min) / width);
  const first = Math.min(oneSided ? LEVELS : LEVELS / 2, used);
  let best = { divergence: Infinity, bins: used };
  for (let n = first; n < used + STEP; n += STEP) {
    const kept = Math.min(n, used);
    // Clipped values gather in the outermost bins.
    const inside = oneSided ? Array.from({ length: kept }, (_, i) => side(i)) : [...bins.subarray(HALF - kept, HALF + kept)];
    const clipped = [...inside];
    if (oneSided) for (let i = kept; i < HALF; i++) clipped[kept - 1]! += side(i);
    else {
      for (let i = 0; i < HALF - kept; i++) {
        clipped[0]! += bins[i] as number;
        clipped[clipped.length - 1]! += bins[BINS - 1 - i] as number;
      }
    }
    const divergence = divergenceOf(clipped, quantisedCounts(inside));
    // The wider of equals: it clips less.
    if (divergence <= best.divergence) best = { divergence, bins: kept };
  }
  return { min: -best.bins * width, max: best.bins * width };
}

/** Values below which a tensor's extremes say little of what is to come. */
const FEW_VALUES = 2048;

/** A wider range where few values were seen (the logits of a few samples): twice as wide for 16, an eighth wider for a thousand. */
export function withHeadroom({ min, max }: Range, count: number): Range {
  const factor = count === 0 || count >= FEW_VALUES ? 1 : 1 + 4 / Math.sqrt(count);
  return { min: min * factor, max: max * factor };
}

/** Counts as they look through 256 codes: each code's, spread evenly over those of its bins that hold any. */
function quantisedCounts(counts: readonly number[]): number[] {
  const out = new Array<number>(counts.length).fill(0);
  for (let level = 0; level < LEVELS; level++) {
    const from = Math.floor((level * counts.length) / LEVELS);
    const to = Math.floor(((level + 1) * counts.length) / LEVELS);
    let [sum, filled] = [0, 0];
    for (let i = from; i < to; i++) {
      sum += counts[i] as number;
      if (counts[i] !== 0) filled++;
    }
    for (let i = from; i < to; i++) if (counts[i] !== 0) out[i] = sum / filled;
  }
  return out;
}

const SMOOTH = 1e-4;

/** Σ p ln(p / q) of two lists of counts; an empty bin weighs a ten-thousandth of a count, so that it is never infinite. */
export function divergenceOf(p: readonly number[], q: readonly number[]): number {
  const total = (counts: readonly number[]): number => counts.reduce((sum, n) => sum + (n || SMOOTH), 0);
  const [sumP, sumQ] = [total(p), total(q)];
  return p.reduce((sum, n, i) => sum + ((n || SMOOTH) / sumP) * Math.log((n || SMOOTH) / sumP / ((q[i] || SMOOTH) / sumQ)), 0);
}

/** fp32 scale and int8 zero point whose 256 codes span a range that holds 0; real 0 has a code of its own. */
export function parametersOf({ min, max }: Range): { scale: number; zeroPoint: number } {
  const scale = Math.fround((max - min) / 255);
  // Nothing but zeros, or values too small for an fp32 scale whose products are normal numbers.
  if (!(scale > 2 ** -60)) return { scale: 1, zeroPoint: 0 };
  return { scale, zeroPoint: Math.max(-128, Math.min(127, Math.round(-128 - min / scale))) };
}

/** Σ x² and Σ (x − y)², and from them the ratio in decibels. */
export class NoiseRatio {
  signal = 0;
  noise = 0;

  add(reference: Float32Array, quantised: Float32Array): void {
    for (let i = 0; i < reference.length; i++) {
      const x = reference[i] as number;
      const error = x - (quantised[i] as number);
      this.signal += x * x;
      this.noise += error * error;
    }
  }

  /** Signal to quantisation noise; null where there is no signal. At most 200 dB, which stands for equality. */
  get decibels(): number | null {
    if (this.signal === 0) return this.noise === 0 ? 200 : null;
    return this.noise === 0 ? 200 : Math.min(200, 10 * Math.log10(this.signal / this.noise));
  }
}
