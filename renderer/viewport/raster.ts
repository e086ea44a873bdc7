/**
 * A frame drawn where a context's transform puts its pixels: at half its size and less by the mean of what each screen pixel covers (while a drag lasts
 * by the pixel under its middle), above by the part that is seen.
 */
import type { ColourFrame, GreyFrame } from '../../src/contract/pixels.ts';
import { greysOf, levelsOf, type Levels } from '../workers/tables.ts';
import { cover, paintPart, paintReduced, sampled } from './paint.ts';
import type { ViewportImage } from './port.ts';
import type { Presentation } from './presentation.ts';

/** Above this enlargement pixels may be shown as squares. */
const SQUARES_FROM = 2;

/** Up to this scale each screen pixel has the mean of at least four; between it and 1:1 some would have one and some two, and interpolating is better. */
export const REDUCED_TO = 0.5;

export class Raster {
  private readonly pixels = document.createElement('canvas');
  /** What `pixels` or `reduced` holds. */
  private holds = '';
  private holdsVoi: Presentation['voi'] = null;
  /** On the screen's own pixels, from x, y on. */
  private reduced: { image: ImageData; x: number; y: number } | null = null;
  /** The levels that a drag of the window goes through again and again. */
  private samples: { of: string; levels: Levels } | null = null;

  /** @param quick while a drag lasts */
  draw(context: CanvasRenderingContext2D, { key, frame }: ViewportImage, presentation: Presentation, zoom: number, quick: boolean): void {
    context.imageSmoothingEnabled = zoom < SQUARES_FROM ? zoom !== 1 : presentation.smooth;
    context.imageSmoothingQuality = quick || zoom > 1 ? 'low' : 'medium';
    if (frame.kind === 'colour') this.drawColour(context, key, frame, presentation.invert);
    else this.drawGrey(context, key, frame, presentation, quick);
  }

  /** Gives back what it holds. */
  clear(): void {
    this.holds = '';
    this.reduced = null;
    this.samples = null;
    this.pixels.width = this.pixels.height = 0;
  }

  private isNew(holds: string, voi: Presentation['voi']): boolean {
    if (holds === this.holds && voi === this.holdsVoi) return false;
    this.holds = holds;
    this.holdsVoi = voi;
    return true;
  }

  private drawColour(context: CanvasRenderingContext2D, key: string, frame: ColourFrame, invert: boolean): void {
    const { columns, rows } = frame;
    if (this.isNew(`${key} ${invert}`, null)) {
      const image = new ImageData(columns, rows);
      image.data.set(frame.rgba);
      if (invert) invertColours(image.data);
      this.put(image);
    }
    context.drawImage(this.pixels, 0, 0);
  }

  private drawGrey(context: CanvasRenderingContext2D, key: string, frame: GreyFrame, { voi, invert }: Presentation, quick: boolean): void {
    const matrix = context.getTransform();
    const { a, b, c, d, e, f } = matrix;
    const { width, height } = context.canvas;
    const window = voi ?? frame.voi[0]!;
    const scale = Math.min(Math.hypot(a, b), Math.hypot(c, d));
    if (scale <= REDUCED_TO || (quick && scale < 1)) {
      const geometry = `${key} ${[a, b, c, d, e, f, width, height, quick].join(' ')}`;
      if (this.isNew(`${geometry} ${invert}`, window)) this.reduce(geometry, matrix, context.canvas, frame, greysOf(frame, window, invert), quick);
      if (this.reduced) context.putImageData(this.reduced.image, this.reduced.x, this.reduced.y);
      return;
    }
    // What is seen, and a pixel more on each side for the interpolation.
    const back = matrix.inverse();
    const corners = [new DOMPoint(0, 0), new DOMPoint(width, height)].map((corner) => back.transformPoint(corner));
    const [left, right] = between(corners.map(({ x }) => x), frame.columns);
    const [top, bottom] = between(corners.map(({ y }) => y), frame.rows);
    if (right <= left || bottom <= top) return;
    const part = { left, top, width: right - left, height: bottom - top };
    if (this.isNew(`${key} ${invert} ${Object.values(part).join(' ')}`, window)) {
      const image = new ImageData(part.width, part.height);
      paintPart(levelsOf(frame), frame.columns, part, greysOf(frame, window, invert), new Uint32Array(image.data.buffer));
      this.put(image);
    }
    context.drawImage(this.pixels, left, top);
  }

  private reduce(geometry: string, { a, b, c, d, e, f }: DOMMatrix, { width, height }: HTMLCanvasElement, frame: GreyFrame, greys: Uint8ClampedArray, quick: boolean): void {
    const { rows, columns } = frame;
    const turned = Math.abs(b) > Math.abs(a);
    const x = cover(turned ? c : a, e, width, turned ? rows : columns, quick);
    const y = cover(turned ? b : d, f, height, turned ? columns : rows, quick);
    const [across, down] = [x.from.length, y.from.length];
    if (across === 0 || down === 0) {
      this.reduced = null;
      return;
    }
    const image = this.reduced?.image.width === across && this.reduced.image.height === down ? this.reduced.image : new ImageData(across, down);
    const out = new Uint32Array(image.data.buffer);
    if (quick) {
      if (this.samples?.of !== geometry) this.samples = { of: geometry, levels: sampled(levelsOf(frame), columns, turned, x, y) };
      paintPart(this.samples.levels, across, { left: 0, top: 0, width: across, height: down }, greys, out);
    } else {
      this.samples = null;
      paintReduced(levelsOf(frame), columns, turned, x, y, greys, out);
    }
    this.reduced = { image, x: x.start, y: y.start };
  }

  private put(image: ImageData): void {
    this.reduced = null;
    this.samples = null;
    if (this.pixels.width !== image.width || this.pixels.height !== image.height) {
      this.pixels.width = image.width;
      this.pixels.height = image.height;
    }
    this.pixels.getContext('2d', { alpha: false })!.putImageData(image, 0, 0);
  }
}

function between(values: readonly number[], count: number): [number, number] {
  return [Math.max(0, Math.floor(Math.min(...values)) - 1), Math.min(count, Math.ceil(Math.max(...values)) + 1)];
}

function invertColours(rgba: Uint8ClampedArray): void {
  const words = new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.length / 4);
  for (let i = 0; i < words.length; i++) words[i] = words[i]! ^ 0x00ffffff;
}
