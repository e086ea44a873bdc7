/** Figures of a classifier over labelled images, of one class against the others at the package's threshold. */

/** What one engine said of one image: the thresholded class's probability, the surest class, that class's activation map. */
export type Answer = { readonly p: number; readonly top: number; readonly map: Float32Array | null };

/** 0…1 all of them; `ece` with BINS bins of equal width. */
export type Measures = { auc: number; accuracy: number; sensitivity: number; specificity: number; ece: number };
export const MEASURES = ['auc', 'accuracy', 'sensitivity', 'specificity', 'ece'] as const;
export type Interval = Record<(typeof MEASURES)[number], [low: number, high: number]>;
export type Fidelity = { labelAgreement: number; maxDelta: number; meanDelta: number; /** Pearson's, of an image's class-activation maps: over the images. Null without maps. */ mapCorrelation: { mean: number; least: number } | null };
/** `share`: of positives among the images of the bin; `p`: their mean probability. Null without images. */
export type Bin = { from: number; to: number; images: number; p: number | null; share: number | null };

export const BINS = 10;
const RESAMPLES = 2000;

export function binsOf(p: readonly number[], positive: readonly boolean[]): Bin[] {
  return Array.from({ length: BINS }, (_, bin) => {
    const inside = p.flatMap((value, i) => (Math.min(BINS - 1, Math.floor(value * BINS)) === bin ? [i] : []));
    const mean = (of: (i: number) => number): number | null => (inside.length === 0 ? null : inside.reduce((sum, i) => sum + of(i), 0) / inside.length);
    return { from: bin / BINS, to: (bin + 1) / BINS, images: inside.length, p: mean((i) => p[i] as number), share: mean((i) => Number(positive[i])) };
  });
}

/** Images by rising probability, so that one pass counts everything. */
type Sorted = { readonly order: readonly number[]; readonly p: Float64Array; readonly positive: Uint8Array };

function sorted(p: readonly number[], positive: readonly boolean[]): Sorted {
  const order = p.map((_, i) => i).sort((a, b) => (p[a] as number) - (p[b] as number));
  return { order, p: Float64Array.from(order, (i) => p[i] as number), positive: Uint8Array.from(order, (i) => Number(positive[i])) };
}

/** Each image as often as `times` says. AUC: share of pairs of a positive and a negative in the right order, ties half. ECE: |mean probability − share of positives|, over the bins by their images. */
function count({ p, positive }: Sorted, times: Uint32Array, threshold: number): Measures {
  const [sums, shares] = [new Float64Array(BINS), new Float64Array(BINS)];
  let [below, positives, ordered, right, hits, images] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < p.length; ) {
    const value = p[i] as number;
    let [yes, no] = [0, 0];
    for (; i < p.length && p[i] === value; i++) {
      if (positive[i] === 1) yes += times[i] as number;
      else no += times[i] as number;
    }
    ordered += yes * (below + no / 2);
    below += no;
    positives += yes;
    images += yes + no;
    right += value >= threshold ? yes : no;
    if (value >= threshold) hits += yes;
    const bin = Math.min(BINS - 1, Math.floor(value * BINS));
    sums[bin] = (sums[bin] as number) + value * (yes + no);
    shares[bin] = (shares[bin] as number) + yes;
  }
  return {
    auc: ordered / (positives * below), accuracy: right / images, sensitivity: hits / positives, specificity: (right - hits) / below,
    ece: sums.reduce((total, sum, bin) => total + Math.abs(sum - (shares[bin] as number)), 0) / images,
  };
}

const once = (images: number): Uint32Array => new Uint32Array(images).fill(1);
export const measuresOf = (p: readonly number[], positive: readonly boolean[], threshold: number): Measures => count(sorted(p, positive), once(p.length), threshold);
export const aucOf = (p: readonly number[], positive: readonly boolean[]): number => measuresOf(p, positive, 0.5).auc;

/** Numbers in [0, 1) by a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** 95 % percentile bootstrap, images resampled within each class. */
export function intervalOf(p: readonly number[], positive: readonly boolean[], threshold: number): Interval {
  const random = randomOf(1);
  const images = sorted(p, positive);
  const rank = new Uint32Array(p.length);
  images.order.forEach((image, at) => void (rank[image] = at));
  const groups = [true, false].map((wanted) => p.flatMap((_, i) => (positive[i] === wanted ? [rank[i] as number] : [])));
  const draws = Array.from({ length: RESAMPLES }, () => {
    const times = new Uint32Array(p.length);
    for (const group of groups) {
      for (let left = group.length; left > 0; left--) {
        const i = group[Math.floor(random() * group.length)] as number;
        times[i] = (times[i] as number) + 1;
      }
    }
    return count(images, times, threshold);
  });
  const of = (measure: keyof Measures): [number, number] => {
    const values = draws.map((draw) => draw[measure]).sort((a, b) => a - b);
    return [values[Math.round(0.025 * (RESAMPLES - 1))] as number, values[Math.round(0.975 * (RESAMPLES - 1))] as number];
  };
  return { auc: of('auc'), accuracy: of('accuracy'), sensitivity: of('sensitivity'), specificity: of('specificity'), ece: of('ece') };
}

/** Pearson's correlation; 1 of two constant maps. */
export function correlationOf(a: Float32Array, b: Float32Array): number {
  const mean = (x: Float32Array): number => x.reduce((sum, v) => sum + v, 0) / x.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [(a[i] as number) - ma, (b[i] as number) - mb];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa === 0 && bb === 0 ? 1 : ab / Math.sqrt(aa * bb);
}

export function fidelityOf(answers: readonly Answer[], reference: readonly Answer[], threshold: number): Fidelity {
  const pairs = answers.map((answer, i) => [answer, reference[i] as Answer] as const);
  const deltas = pairs.map(([a, b]) => Math.abs(a.p - b.p));
  const maps = pairs.flatMap(([a, b]) => (a.map && b.map ? [correlationOf(a.map, b.map)] : []));
  const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  return {
    labelAgreement: pairs.filter(([a, b]) => a.p >= threshold === b.p >= threshold).length / pairs.length,
    maxDelta: Math.max(...deltas),
    meanDelta: mean(deltas),
    mapCorrelation: maps.length === 0 ? null : { mean: mean(maps), least: Math.min(...maps) },
  };
}

/** Highest value, of four digits, that at least `sensitivity` of the positives reach. */
export function thresholdFor(p: readonly number[], positive: readonly boolean[], sensitivity: number): number {
  const reached = p.filter((_, i) => positive[i]).sort((a, b) => a - b);
  return Math.floor((reached[Math.floor((1 - sensitivity) * reached.length)] as number) * 1e4) / 1e4;
}
