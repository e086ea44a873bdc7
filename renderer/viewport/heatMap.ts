/**
 * Class-activation map (Zhou et al. 2016) → picture over the image. Positive evidence only: what speaks against a class is left
 * transparent. All engines share one scale, so that their maps can be compared.
 */
import type { Preprocessing } from '../../src/contract/model.ts';

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The model's input field in image pixels: the image itself when squashed, the padded frame around it when letterboxed. */
export function inputField(pre: Pick<Preprocessing, 'fit' | 'width' | 'height'>, rows: number, columns: number): Rect {
  if (pre.fit === 'squash') return { x: 0, y: 0, width: columns, height: rows };
  const scale = Math.min(pre.width / columns, pre.height / rows);
  const width = pre.width / scale;
  const height = pre.height / scale;
  return { x: (columns - width) / 2, y: (rows - height) / 2, width, height };
}

/** Bilinear, half-pixel centres, edges repeated: `map` is rows × columns, the result height × width, both row-major. */
export function resampleBilinear(map: ArrayLike<number>, rows: number, columns: number, height: number, width: number): Float32Array {
  const out = new Float32Array(height * width);
  const x0 = new Int32Array(width);
  const x1 = new Int32Array(width);
  const fx = new Float32Array(width);
  for (let x = 0; x < width; x++) {
    const at = Math.min(columns - 1, Math.max(0, ((x + 0.5) * columns) / width - 0.5));
    x0[x] = Math.floor(at);
    x1[x] = Math.min(columns - 1, x0[x]! + 1);
    fx[x] = at - x0[x]!;
  }
  for (let y = 0; y < height; y++) {
    const at = Math.min(rows - 1, Math.max(0, ((y + 0.5) * rows) / height - 0.5));
    const y0 = Math.floor(at);
    const y1 = Math.min(rows - 1, y0 + 1);
    const fy = at - y0;
    for (let x = 0; x < width; x++) {
      const top = map[y0 * columns + x0[x]!]! * (1 - fx[x]!) + map[y0 * columns + x1[x]!]! * fx[x]!;
      const bottom = map[y1 * columns + x0[x]!]! * (1 - fx[x]!) + map[y1 * columns + x1[x]!]! * fx[x]!;
      out[y * width + x] = top * (1 - fy) + bottom * fy;
    }
  }
  return out;
}

/** OKLab (Ottosson 2020) to 8-bit sRGB, out-of-gamut parts clipped. */
function oklabToRgb(L: number, a: number, b: number): [number, number, number] {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s, -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s, -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s];
  return linear.map((v) => {
    const c = Math.min(1, Math.max(0, v));
    return Math.round(255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055));
  }) as [number, number, number];
}

/** 256 × RGB: lightness rises evenly, hue turns from violet over red and orange to yellow. Readable in grey too. */
export const COLOURS: Uint8Array = (() => {
  const table = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const t = i / 255;
    const hue = ((310 + t * 155) * Math.PI) / 180;
    const chroma = 0.12 + 0.07 * Math.sin(Math.PI * t);
    table.set(oklabToRgb(0.28 + 0.64 * t, chroma * Math.cos(hue), chroma * Math.sin(hue)), i * 3);
  }
  return table;
})();

/** Opaque from a quarter of the scale on, so that weak evidence stays faint without hiding the strong. */
export const alphaOf = (t: number): number => Math.min(1, t * 4);

/** RGBA, straight alpha; `scale` is the logit value of the colour map's end. */
export function colourise(values: ArrayLike<number>, scale: number): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray(values.length * 4);
  for (let i = 0; i < values.length; i++) {
    const t = scale > 0 ? Math.min(1, Math.max(0, values[i]! / scale)) : 0;
    const colour = Math.round(t * 255) * 3;
    rgba[i * 4] = COLOURS[colour]!;
    rgba[i * 4 + 1] = COLOURS[colour + 1]!;
    rgba[i * 4 + 2] = COLOURS[colour + 2]!;
    rgba[i * 4 + 3] = Math.round(255 * alphaOf(t));
  }
  return rgba;
}

/** Largest positive evidence in any of the maps: the common end of the scale, in logit units. */
export function commonScale(maps: ReadonlyArray<ArrayLike<number>>): number {
  let largest = 0;
  for (const map of maps) for (let i = 0; i < map.length; i++) if (map[i]! > largest) largest = map[i]!;
  return largest;
}
