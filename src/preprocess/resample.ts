/**
 * Separable triangle resampling, value for value as Pillow's BILINEAR on mode F images (libImaging/Resample.c): output pixel centres
 * at (i + ½)·scale, a support that grows with the reduction, taps beyond the edge dropped and the rest renormalised; the horizontal
 * pass first (Pillow 13 may turn the order round to save time, which moves the last bit), each pass summed in double and stored as float32.
 */

/** Taps of one axis: output i is Σ weights[i·taps + k] · input[first[i] + k], k < count[i]. */
interface Axis {
  taps: number;
  first: Int32Array;
  count: Int32Array;
  weights: Float64Array;
}

function triangleAxis(from: number, to: number): Axis {
  const scale = from / to;
  const support = Math.max(scale, 1);
  const taps = Math.ceil(support) * 2 + 1;
  const axis: Axis = { taps, first: new Int32Array(to), count: new Int32Array(to), weights: new Float64Array(to * taps) };
  const inverse = 1 / support;
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let x = first; x < end; x++) {
      const weight = Math.max(0, 1 - Math.abs((x - centre + 0.5) * inverse));
      axis.weights[i * taps + x - first] = weight;
      sum += weight;
    }
    for (let k = 0; k < end - first; k++) axis.weights[i * taps + k]! /= sum;
    axis.first[i] = first;
    axis.count[i] = end - first;
  }
  return axis;
}

/**
 * Resizes a row-major float image of `rows`×`columns` to `toRows`×`toColumns`.
 * Throws RangeError when a size is not a positive integer or the data are not rows × columns long.
 */
export function resizeTriangle(pixels: Float32Array, rows: number, columns: number, toRows: number, toColumns: number): Float32Array {
  for (const size of [rows, columns, toRows, toColumns]) {
    if (!Number.isInteger(size) || size < 1) throw new RangeError(`cannot resize ${rows}×${columns} to ${toRows}×${toColumns}`);
  }
  if (pixels.length !== rows * columns) throw new RangeError(`${pixels.length} pixels are not ${rows}×${columns}`);
  return resizeRows(resizeColumns(pixels, rows, columns, toColumns), rows, toColumns, toRows);
}

function resizeColumns(pixels: Float32Array, rows: number, columns: number, toColumns: number): Float32Array {
  if (columns === toColumns) return pixels;
  const { taps, first, count, weights } = triangleAxis(columns, toColumns);
  const out = new Float32Array(rows * toColumns);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < toColumns; x++) {
      const from = y * columns + first[x]!;
      const end = from + count[x]!;
      let sum = 0;
      for (let i = from, w = x * taps; i < end; i++, w++) sum += pixels[i]! * weights[w]!;
      out[y * toColumns + x] = sum;
    }
  }
  return out;
}

function resizeRows(pixels: Float32Array, rows: number, columns: number, toRows: number): Float32Array {
  if (rows === toRows) return pixels;
  const { taps, first, count, weights } = triangleAxis(rows, toRows);
  const out = new Float32Array(toRows * columns);
  const sums = new Float64Array(columns);
  for (let y = 0; y < toRows; y++) {
    sums.fill(0);
    for (let k = 0; k < count[y]!; k++) {
      const weight = weights[y * taps + k]!;
      const from = (first[y]! + k) * columns;
      for (let x = 0; x < columns; x++) sums[x]! += pixels[from + x]! * weight;
    }
    out.set(sums, y * columns);
  }
  return out;
}
