/** Percentile `p` (0…1) of `samples` by linear interpolation between order statistics (Hyndman and Fan's type 7, NumPy's default). */
export function percentile(samples: readonly number[], p: number): number {
  if (samples.length === 0) throw new RangeError('no samples');
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (sorted.length - 1) * p;
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (at - low);
}

export const p50p95 = (samples: readonly number[]): { p50: number; p95: number } => ({ p50: percentile(samples, 0.5), p95: percentile(samples, 0.95) });
