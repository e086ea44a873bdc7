/** Figures of a two-class model's probabilities over labelled images. */

/** Area under the ROC curve: share of pairs of a positive and a negative in the right order, ties half. */
export function aucOf(p: readonly number[], positive: readonly boolean[]): number {
  const order = p.map((value, i) => ({ value, positive: positive[i] === true })).sort((a, b) => a.value - b.value);
  let [below, pairs, right] = [0, 0, 0];
  for (let i = 0; i < order.length; ) {
    const same = order.slice(i).findIndex(({ value }) => value !== order[i]?.value);
    const group = order.slice(i, same === -1 ? undefined : i + same);
    const hits = group.filter((entry) => entry.positive).length;
    right += hits * (below + (group.length - hits) / 2);
    below += group.length - hits;
    pairs += hits;
    i += group.length;
  }
  return right / (pairs * below);
}

export type Figures = { images: number; auc: number; accuracy: number; labelAgreement: number; maxDelta: number };

/** Against the labels, and against fp32 on the same images. */
export function figuresOf(p: readonly number[], fp32: readonly number[], positive: readonly boolean[], threshold: number): Figures {
  const share = (right: (value: number, i: number) => boolean): number => p.filter(right).length / p.length;
  return {
    images: p.length,
    auc: aucOf(p, positive),
    accuracy: share((value, i) => value >= threshold === positive[i]),
    labelAgreement: share((value, i) => value >= threshold === (fp32[i] as number) >= threshold),
    maxDelta: Math.max(...p.map((value, i) => Math.abs(value - (fp32[i] as number)))),
  };
}
