/** Largest size with the same proportions inside a square; never larger than the original, never 0. */
export function fitWithin(width: number, height: number, square: number): { width: number; height: number } {
  const shrink = Math.min(1, square / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * shrink)), height: Math.max(1, Math.round(height * shrink)) };
}
