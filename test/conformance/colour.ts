/** What colour samples are as 8-bit RGB, by the words of PS3.3 C.7.6.3.1.2 and nothing of src/dicom. */

export interface ColourSamples {
  /** Of one frame: 3 a pixel, or Y Y Cb Cr of two. */
  values: ArrayLike<number>;
  pixels: number;
  bits: number;
  /** YBR_RCT and YBR_ICT are RGB once they are decompressed, so that all but YBR_FULL and YBR_FULL_422 is taken as it is. */
  photometric: string;
  planar: boolean;
}

/** rows × columns × 3, to the nearest whole number (of two as near, to the even one), within 0 and 255. */
export function toRgb({ values, pixels, bits, photometric, planar }: ColourSamples): Uint8ClampedArray {
  const out = new Uint8ClampedArray(pixels * 3);
  const shared = values.length < pixels * 3;
  const sample = (i: number, c: number): number => (shared ? values[(i >> 1) * 4 + (c === 0 ? i % 2 : c + 1)]! : planar ? values[c * pixels + i]! : values[i * 3 + c]!) * (255 / (2 ** bits - 1));
  for (let i = 0; i < pixels; i++) {
    const [a, b, c] = [sample(i, 0), sample(i, 1), sample(i, 2)];
    // Y = .299 R + .587 G + .114 B, CB = .5 (B - Y) / (1 - .114) + 128, CR = .5 (R - Y) / (1 - .299) + 128, from behind.
    const [red, blue] = [a + (c - 128) * 2 * (1 - 0.299), a + (b - 128) * 2 * (1 - 0.114)];
    out.set(/^YBR_FULL(_422)?$/.test(photometric) ? [red, (a - 0.299 * red - 0.114 * blue) / 0.587, blue] : [a, b, c], i * 3);
  }
  return out;
}
