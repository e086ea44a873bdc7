/** What the window needs of a viewer. cornerstone-core is one way to do it (cornerstone.ts) and can be replaced behind this. */
import type { Frame, OverlayPlane } from '../../src/contract/pixels.ts';
import type { Point, Presentation, ToPane } from './presentation.ts';
import type { Rect } from './heatMap.ts';

export interface ViewportImage {
  /** Instance and frame; two images with one key are the same picture. */
  key: string;
  frame: Frame;
  /** Of the file, drawn over it where the presentation wants them. */
  planes: readonly OverlayPlane[];
  /** Height of a pixel over its width; 1 where the file gives no spacing. */
  aspect: number;
}

/** A picture over the image, in image pixels: it moves with it. */
export interface Overlay {
  /** Of the image it belongs to: over another one it is not drawn. */
  key: string;
  canvas: CanvasImageSource;
  rect: Rect;
  /** 0…1. */
  opacity: number;
}

export interface Viewport {
  /** Shows an image, with the presentation given. The picture changes at once or not at all: never a mixture. */
  show(image: ViewportImage, presentation: Presentation): void;
  clear(): void;
  present(presentation: Presentation): void;
  /** Draws what lies around a point (client coordinates) into the middle of another canvas, `factor` times as large as it is seen. */
  magnify(canvas: HTMLCanvasElement, client: Point, factor: number): void;
  setOverlay(overlay: Overlay | null): void;
  /** Fast interpolation while a drag lasts, best when it ends. */
  setInteracting(interacting: boolean): void;
  /** The presentation now in force: resizing changes it. */
  readonly presentation: Presentation | null;
  readonly image: ViewportImage | null;
  /** Device pixels a client pixel. Zoom, and offsets in the pane, are in device pixels: at zoom 1 an image pixel is one of the screen's. */
  readonly pixelRatio: number;
  /** Position in client coordinates → offset from the pane's centre, in device pixels. */
  fromCentre(client: Point): Point;
  /** Called after every drawing, with what is seen, where its pixels lie, and how long the drawing took (ms). */
  onDrawn: ((shown: { key: string; presentation: Presentation; toPane: ToPane; drawMs: number }) => void) | null;
  dispose(): void;
}
