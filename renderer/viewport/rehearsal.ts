/** What the page does while it is at rest after its start, so that the first picture is not also the first time that the drawing's loops run: they are compiled for speed by then. */
import type { GreyFrame } from '../../src/contract/pixels.ts';
import { Raster } from './raster.ts';

/** Pixels of the image and of the canvas that nobody sees. */
const [IMAGE, CANVAS] = [1024, 512] as const;
/** Reduced, as a drag draws and as it stays; enlarged. Each is short enough for a pause between two frames. */
const DRAWINGS = [[0.4, true], [0.4, false], [1.5, false]] as const;

export function rehearse(): void {
  const pixels = Uint16Array.from({ length: IMAGE * IMAGE }, (_, i) => i & 4095);
  const frame: GreyFrame = { kind: 'grey', rows: IMAGE, columns: IMAGE, pixels, min: 0, max: 4095, modality: { kind: 'linear', slope: 1, intercept: 0 }, voi: [{ kind: 'window', center: 2048, width: 4096, function: 'LINEAR' }], voiFromFile: true, windows: [], inverted: false, units: '' };
  const canvas = Object.assign(document.createElement('canvas'), { width: CANVAS, height: CANVAS });
  const context = canvas.getContext('2d')!;
  const raster = new Raster();
  const next = ([drawing, ...rest]: readonly (readonly [number, boolean])[]): void => {
    if (!drawing) return;
    requestIdleCallback(() => {
      const [zoom, quick] = drawing;
      context.setTransform(zoom, 0, 0, zoom, 0, 0);
      for (const center of [2000, 2048]) raster.draw(context, { key: '', frame, planes: [], aspect: 1 }, { voi: { kind: 'window', center, width: 4096, function: 'LINEAR' }, invert: false, zoom, pan: { x: 0, y: 0 }, mirrored: false, rotation: 0, planes: true, fitted: true, smooth: true }, zoom, quick);
      next(rest);
    });
  };
  next(DRAWINGS);
}
