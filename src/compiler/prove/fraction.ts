/** Exact rationals: an fp32 scale is one. */

/** d > 0; not in lowest terms. */
export type Fraction = { readonly n: bigint; readonly d: bigint };

/** Of a finite number. @throws RangeError of another, which no halving would ever make whole */
export function fraction(value: number): Fraction {
  if (!Number.isFinite(value)) throw new RangeError(`${value} is no fraction`);
  let n = value;
  let d = 1n;
  while (!Number.isInteger(n)) {
    n *= 2;
    d *= 2n;
  }
  return { n: BigInt(n), d };
}

export const times = (a: Fraction, b: Fraction): Fraction => ({ n: a.n * b.n, d: a.d * b.d });
export const plus = (a: Fraction, b: Fraction): Fraction => ({ n: a.n * b.d + b.n * a.d, d: a.d * b.d });
/** b > 0 */
export const over = (a: Fraction, b: Fraction): Fraction => ({ n: a.n * b.d, d: a.d * b.n });
export const same = (a: Fraction, b: Fraction): boolean => a.n * b.d === b.n * a.d;

const bits = (n: bigint): bigint => BigInt((n < 0n ? -n : n).toString(2).length);

/** Number nearest to a fraction, but for the last bit: through a 60-bit quotient. */
export function approximate({ n, d }: Fraction): number {
  const shift = 60n + bits(d) - bits(n);
  return shift >= 0n ? Number((n << shift) / d) / 2 ** Number(shift) : Number(n / d);
}

/** Nearest integer, half to even. */
export function halfEven({ n, d }: Fraction): number {
  const floor = n >= 0n ? n / d : -((-n + d - 1n) / d);
  const rest = 2n * (n - floor * d);
  return Number(rest > d || (rest === d && floor % 2n !== 0n) ? floor + 1n : floor);
}
