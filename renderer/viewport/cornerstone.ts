/**
 * The viewport on cornerstone-core's canvas path. cornerstone keeps the element and the transform; greys, drawing and when to draw are ours
 * (its LINEAR is off by up to 25 grey levels, DESIGN.md).
 */
import type { CornerstoneImage } from 'cornerstone-core';
import * as cornerstone from 'cornerstone-core';
import type { OverlayPlane } from '../../src/contract/pixels.ts';
import type { Overlay, Viewport, ViewportImage } from './port.ts';
import { fitZoom, snapPan, type Point, type Presentation, type Size } from './presentation.ts';
import { Raster, REDUCED_TO } from './raster.ts';

const SETTLE_MS = 140;
/** On the element while a picture is drawn in it: what stands there without one gives way in the same frame. */
const PICTURE = 'data-picture';
/** ABGR, as a little endian word: a green that no grey is, on black and on white. */
const PLANE_COLOUR = 0xff5affb6;

/** cornerstone's own loop would ask for every frame of the screen for ever, drawn or not: it is never begun. */
function enableWithoutLoop(element: HTMLElement): void {
  const { requestAnimationFrame } = window;
  window.requestAnimationFrame = () => 1;
  try {
    cornerstone.enable(element);
  } finally {
    window.requestAnimationFrame = requestAnimationFrame;
  }
}

export class CornerstoneViewport implements Viewport {
  onDrawn: Viewport['onDrawn'] = null;
  private readonly element: HTMLElement;
  private readonly observer: ResizeObserver;
  private readonly raster = new Raster();
  private readonly lens = new Raster();
  private shown: { image: ViewportImage; presentation: Presentation } | null = null;
  private overlay: Overlay | null = null;
  private readonly masks = new WeakMap<OverlayPlane, HTMLCanvasElement>();
  /** From image pixels to those of the canvas, as last drawn. */
  private toCanvas: DOMMatrix | null = null;
  private interacting = false;
  private settle: ReturnType<typeof setTimeout> | undefined;
  /** While it runs, a picture that has just come is drawn as in a drag: the mean of all pixels of a mammogram takes longer than its decoding. */
  private coarse: ReturnType<typeof setTimeout> | undefined;
  /** The frame of the screen that is asked for; 0: none. */
  private frame = 0;
  /** Nothing was said yet of what this pane shows, since it was empty. */
  private first = true;
  private saying: ReturnType<typeof setTimeout> | undefined;

  constructor(element: HTMLElement) {
    this.element = element;
    enableWithoutLoop(element);
    this.fillPane();
    this.observer = new ResizeObserver(() => this.resize());
    // This box changes also when the window comes to a screen of another density.
    this.observer.observe(element, { box: 'device-pixel-content-box' });
  }

  get presentation(): Presentation | null {
    return this.shown?.presentation ?? null;
  }
  get image(): ViewportImage | null {
    return this.shown?.image ?? null;
  }

  show(image: ViewportImage, presentation: Presentation): void {
    const changed = this.shown?.image.key !== image.key;
    this.shown = { image, presentation: this.refit(image, presentation) };
    if (changed) {
      this.drawCoarse(this.shown.presentation);
      cornerstone.displayImage(this.element, this.toCornerstone(image), this.transformOf(image, this.shown.presentation));
    }
    this.apply();
  }

  present(presentation: Presentation): void {
    if (!this.shown) return;
    this.shown.presentation = this.refit(this.shown.image, presentation);
    this.apply();
  }

  clear(): void {
    clearTimeout(this.coarse);
    clearTimeout(this.saying);
    this.first = true;
    this.shown = null;
    this.overlay = null;
    this.raster.clear();
    this.element.removeAttribute(PICTURE);
    // It would hold the pixels until another one is shown.
    const enabled = cornerstone.getEnabledElement(this.element);
    enabled.image = undefined;
    const { canvas } = enabled;
    const context = canvas.getContext('2d')!;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
  }

  magnify(canvas: HTMLCanvasElement, client: Point, factor: number): void {
    const context = canvas.getContext('2d')!;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = '#000';
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!this.shown || !this.toCanvas) return;
    const about = this.fromCentre(client);
    const { width, height } = this.pane;
    context.setTransform(new DOMMatrix().translate(canvas.width / 2, canvas.height / 2).scale(factor).translate(-about.x - width / 2, -about.y - height / 2).multiply(this.toCanvas));
    this.paint(context, this.lens, this.shown.presentation.zoom * factor, true);
  }

  setOverlay(overlay: Overlay | null): void {
    this.overlay = overlay;
    this.redraw();
  }

  setInteracting(interacting: boolean): void {
    clearTimeout(this.settle);
    if (interacting) {
      this.interacting = true;
      return;
    }
    this.settle = setTimeout(() => {
      this.interacting = false;
      this.redraw();
    }, SETTLE_MS);
  }

  get pixelRatio(): number {
    return window.devicePixelRatio;
  }

  fromCentre(client: Point): Point {
    const box = this.element.getBoundingClientRect();
    const ratio = this.pixelRatio;
    return { x: (client.x - box.left - box.width / 2) * ratio, y: (client.y - box.top - box.height / 2) * ratio };
  }

  dispose(): void {
    clearTimeout(this.settle);
    clearTimeout(this.coarse);
    clearTimeout(this.saying);
    cancelAnimationFrame(this.frame);
    this.observer.disconnect();
    this.shown = null;
    cornerstone.disable(this.element);
  }

  /** In device pixels. */
  private get pane(): Size {
    const { width, height } = cornerstone.getEnabledElement(this.element).canvas;
    return { width, height };
  }

  /** A canvas pixel a device pixel, so that a dense screen shows what it can; cornerstone's own resize knows CSS pixels only. */
  private fillPane(): void {
    const { canvas } = cornerstone.getEnabledElement(this.element);
    const { clientWidth, clientHeight } = this.element;
    const width = Math.round(clientWidth * this.pixelRatio);
    const height = Math.round(clientHeight * this.pixelRatio);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    canvas.style.width = `${clientWidth}px`;
    canvas.style.height = `${clientHeight}px`;
  }

  private fitOf(image: ViewportImage, { rotation }: Presentation): number {
    return fitZoom(this.pane, { width: image.frame.columns, height: image.frame.rows }, image.aspect, rotation);
  }

  private refit(image: ViewportImage, p: Presentation): Presentation {
    return p.fitted ? { ...p, zoom: this.fitOf(image, p), pan: { x: 0, y: 0 } } : p;
  }

  private resize(): void {
    if (this.element.clientWidth === 0 || this.element.clientHeight === 0) return;
    this.fillPane();
    if (this.shown) this.shown.presentation = this.refit(this.shown.image, this.shown.presentation);
    this.apply();
  }

  private transformOf({ frame }: ViewportImage, p: Presentation): { scale: number; translation: Point; rotation: number; hflip: boolean } {
    return { scale: p.zoom, translation: snapPan(p, this.pane, { width: frame.columns, height: frame.rows }), rotation: p.rotation, hflip: p.mirrored };
  }

  private drawCoarse({ zoom }: Presentation): void {
    clearTimeout(this.coarse);
    this.coarse = zoom > REDUCED_TO ? undefined : setTimeout(() => {
      this.coarse = undefined;
      this.redraw();
    }, SETTLE_MS);
  }

  private apply(): void {
    if (!this.shown) return;
    cornerstone.setViewport(this.element, this.transformOf(this.shown.image, this.shown.presentation));
    this.redraw();
  }

  /** With the screen's next frame, however often it is asked for until then. */
  private redraw(): void {
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  private toCornerstone({ key, frame, aspect }: ViewportImage): CornerstoneImage {
    return {
      imageId: key,
      rows: frame.rows,
      columns: frame.columns,
      width: frame.columns,
      height: frame.rows,
      rowPixelSpacing: aspect,
      columnPixelSpacing: 1,
      color: frame.kind === 'colour',
      sizeInBytes: frame.kind === 'colour' ? frame.rgba.byteLength : frame.pixels.byteLength,
      getPixelData: () => (frame.kind === 'colour' ? frame.rgba : frame.pixels),
      // The greys are ours: these only satisfy cornerstone's checks.
      invert: false,
      windowCenter: 128,
      windowWidth: 256,
      minPixelValue: 0,
      maxPixelValue: 255,
      slope: 1,
      intercept: 0,
      render: () => {},
    };
  }

  /** A plane's set pixels in the overlay colour, the others clear. */
  private maskOf(plane: OverlayPlane): HTMLCanvasElement {
    const known = this.masks.get(plane);
    if (known) return known;
    const canvas = document.createElement('canvas');
    canvas.width = plane.columns;
    canvas.height = plane.rows;
    const raster = new ImageData(plane.columns, plane.rows);
    const words = new Uint32Array(raster.data.buffer);
    for (let i = 0; i < words.length; i++) if (plane.bits[i] === 1) words[i] = PLANE_COLOUR;
    canvas.getContext('2d')!.putImageData(raster, 0, 0);
    this.masks.set(plane, canvas);
    return canvas;
  }

  private draw(): void {
    if (!this.shown) return;
    const start = performance.now();
    const { image, presentation } = this.shown;
    const enabled = cornerstone.getEnabledElement(this.element);
    const { canvas } = enabled;
    const context = canvas.getContext('2d')!;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.fillStyle = '#000';
    context.fillRect(0, 0, canvas.width, canvas.height);
    cornerstone.setToPixelCoordinateSystem(enabled, context);
    this.toCanvas = context.getTransform();
    const { a, b, c, d, e, f } = this.toCanvas;
    this.element.setAttribute(PICTURE, '');
    this.paint(context, this.raster, presentation.zoom, this.interacting || (this.coarse !== undefined && presentation.zoom <= REDUCED_TO));
    const ratio = this.pixelRatio;
    const toPane = { a: a / ratio, b: b / ratio, c: c / ratio, d: d / ratio, e: e / ratio, f: f / ratio };
    const drawn = { key: image.key, presentation, toPane, drawMs: performance.now() - start };
    if (!this.first) {
      this.onDrawn?.(drawn);
      return;
    }
    // The first picture is on the screen before all that is said of it is laid out, which takes longer than the drawing.
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      this.first = false;
      this.onDrawn?.(drawn);
    });
  }

  /** The image with its planes and what lies over it, where the context's transform puts its pixels. */
  private paint(context: CanvasRenderingContext2D, raster: Raster, zoom: number, quick: boolean): void {
    const { image, presentation } = this.shown!;
    raster.draw(context, image, presentation, zoom, quick);
    if (presentation.planes) {
      for (const plane of image.planes) {
        context.imageSmoothingEnabled = false;
        context.drawImage(this.maskOf(plane), plane.left, plane.top);
      }
    }
    if (this.overlay?.key === image.key) {
      const { rect, opacity } = this.overlay;
      context.save();
      context.beginPath();
      context.rect(0, 0, image.frame.columns, image.frame.rows);
      context.clip();
      context.imageSmoothingEnabled = true;
      context.globalAlpha = opacity;
      context.drawImage(this.overlay.canvas, rect.x, rect.y, rect.width, rect.height);
      context.restore();
    }
  }
}
