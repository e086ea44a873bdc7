/** Shapes, as the reference counts them: its own, since it is the witness of the compiler's. */

export const countOf = (dims: readonly number[]): number => dims.reduce((product, d) => product * d, 1);

/** Elements between neighbours along each axis, in C order. */
export function stridesOf(dims: readonly number[]): number[] {
  return dims.map((_, axis) => countOf(dims.slice(axis + 1)));
}

/** numpy's rule, for shapes that agree. */
export function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    return x === 1 ? y : x;
  });
}
