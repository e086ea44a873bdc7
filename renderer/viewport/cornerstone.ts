/**
 * The viewport on cornerstone-core's canvas path. cornerstone keeps the element, the transform and the redraw loop; greys and
 * drawing are ours, through `image.render` (its LINEAR is off by up to 25 grey levels, DESIGN.md).
 */
import type { CornerstoneImage, EnabledElement } from 'cornerstone-core';
import * as cornerstone from 'cornerstone-core';
import type { OverlayPlane } from '../../src/contract/pixels.ts';
import { paintGrey, sample } from './paint.ts';
import type { GreyTables, Overlay, Viewport, ViewportImage } from './port.ts';
import { fitZoom, sameVoi, snapPan, type Point, type Presentation, type Size } from './presentation.ts';

/** Above this enlargement pixels may be shown as squares. */
const SQUARES_FROM = 2;
const SETTLE_MS = 140;
/** ABGR, as a little endian word: a green that no grey is, on black and on white. */
const PLANE_COLOUR = 0xff5affb6;

export class CornerstoneViewport implements Viewport {
  onDrawn: Viewport['onDrawn'] = null;
  onError: Viewport['onError'] = null;
  private readonly element: HTMLElement;
  private readonly tables: GreyTables;
  private readonly observer: ResizeObserver;
  /** The image's pixels as last coloured: all of them, or while a window is dragged every `stride`-th. */
  private readonly pixels = document.createElement('canvas');
  private raster: ImageData | null = null;
  private stride = 1;
  private shown: { image: ViewportImage; presentation: Presentation } | null = null;
  /** Asked for, but its greys are still in the making. */
  private pending: { image: ViewportImage; presentation: Presentation } | null = null;
  private overlay: Overlay | null = null;
  private readonly masks = new WeakMap<OverlayPlane, HTMLCanvasElement>();
  /** From image pixels to those of the canvas, as last drawn. */
  private toCanvas: DOMMatrix | null = null;
  private interacting = false;
  private settle: ReturnType<typeof setTimeout> | undefined;

  constructor(element: HTMLElement, tables: GreyTables) {
    this.element = element;
    this.tables = tables;
    cornerstone.enable(element);
    this.fillPane();
    this.observer = new ResizeObserver(() => this.resize());
    // This box changes also when the window comes to a screen of another density.
    this.observer.observe(element, { box: 'device-pixel-content-box' });
  }

  get presentation(): Presentation | null {
    return (this.pending ?? this.shown)?.presentation ?? null;
  }
  get image(): ViewportImage | null {
    return (this.pending ?? this.shown)?.image ?? null;
  }

  show(image: ViewportImage, presentation: Presentation): void {
    this.pending = { image, presentation: this.refit(image, presentation) };
    this.colour();
  }

  present(presentation: Presentation): void {
    const current = this.pending ?? this.shown;
    if (!current) return;
    const before = current.presentation;
    const next = this.refit(current.image, presentation);
    if (this.pending || !sameVoi(before.voi, next.voi) || before.invert !== next.invert) {
      this.pending = { image: current.image, presentation: next };
      // Zoom and pan do not wait for the greys.
      if (this.shown?.image.key === current.image.key) this.shown.presentation = { ...next, voi: this.shown.presentation.voi, invert: this.shown.presentation.invert };
      this.colour();
    } else {
      this.shown!.presentation = next;
    }
    this.apply();
  }

  clear(): void {
    this.shown = null;
    this.pending = null;
    this.overlay = null;
    const { canvas } = cornerstone.getEnabledElement(this.element);
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
    this.paint(context, this.shown.presentation.zoom * factor);
  }

  setOverlay(overlay: Overlay | null): void {
    this.overlay = overlay;
    if (this.shown) cornerstone.draw(this.element);
  }

  setInteracting(interacting: boolean): void {
    clearTimeout(this.settle);
    if (interacting) {
      this.interacting = true;
      return;
    }
    this.settle = setTimeout(() => {
      this.interacting = false;
      if (!this.shown) return;
      if (this.stride > 1) {
        this.pending ??= { ...this.shown };
        this.colour();
      }
      cornerstone.draw(this.element);
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
    this.observer.disconnect();
    // A table that is still being made finds nothing to colour.
    this.pending = null;
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
    for (const held of [this.shown, this.pending]) if (held) held.presentation = this.refit(held.image, held.presentation);
    this.apply();
  }

  /** Brings `pending` to the screen once its pixels are coloured; an older answer for another image is dropped. */
  private colour(): void {
    const wish = this.pending;
    if (!wish) return;
    const { frame } = wish.image;
    if (frame.kind === 'colour') {
      this.land(wish, 1, frame, (raster) => {
        raster.data.set(frame.rgba);
        if (wish.presentation.invert) invertColours(raster.data);
      });
      return;
    }
    const voi = wish.presentation.voi ?? frame.voi[0]!;
    this.tables.make(this, frame, voi, wish.presentation.invert, (table) => {
      // Of this image, though perhaps not of the newest window: each step of a drag is shown.
      if (this.pending?.image.key !== wish.image.key) return;
      // While the window is dragged, no more pixels than the screen has: a mammogram follows the hand too.
      const stride = this.interacting ? Math.max(1, Math.floor(1 / wish.presentation.zoom)) : 1;
      const sampled = sample(frame.pixels, frame.rows, frame.columns, stride);
      this.land(wish, stride, sampled, (raster) => paintGrey(sampled.pixels, table, new Uint32Array(raster.data.buffer)));
    }, (message) => {
      if (this.pending?.image.key === wish.image.key) this.onError?.(message);
    });
  }

  private land(wish: { image: ViewportImage; presentation: Presentation }, stride: number, { rows, columns }: { rows: number; columns: number }, fill: (raster: ImageData) => void): void {
    const changed = this.shown?.image.key !== wish.image.key;
    if (this.raster?.width !== columns || this.raster.height !== rows) {
      this.raster = new ImageData(columns, rows);
      this.pixels.width = columns;
      this.pixels.height = rows;
    }
    this.stride = stride;
    fill(this.raster);
    this.pixels.getContext('2d', { alpha: false })!.putImageData(this.raster, 0, 0);
    const newest = this.pending!.presentation;
    this.shown = { image: wish.image, presentation: { ...newest, voi: wish.presentation.voi, invert: wish.presentation.invert } };
    if (this.pending === wish) this.pending = null;
    if (changed) cornerstone.displayImage(this.element, this.toCornerstone(wish.image), this.transformOf(wish.image, newest));
    this.apply();
  }

  private transformOf({ frame }: ViewportImage, p: Presentation): { scale: number; translation: Point; rotation: number; hflip: boolean } {
    return { scale: p.zoom, translation: snapPan(p, this.pane, { width: frame.columns, height: frame.rows }), rotation: p.rotation, hflip: p.mirrored };
  }

  private apply(): void {
    if (!this.shown || !cornerstone.getEnabledElement(this.element).image) return;
    cornerstone.setViewport(this.element, this.transformOf(this.shown.image, this.shown.presentation));
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
      render: (enabled) => this.draw(enabled),
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

  private draw(enabled: EnabledElement): void {
    if (!this.shown) return;
    const start = performance.now();
    const { image, presentation } = this.shown;
    const { canvas } = enabled;
    const context = canvas.getContext('2d')!;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.fillStyle = '#000';
    context.fillRect(0, 0, canvas.width, canvas.height);
    cornerstone.setToPixelCoordinateSystem(enabled, context);
    this.toCanvas = context.getTransform();
    const { a, b, c, d, e, f } = this.toCanvas;
    this.paint(context, presentation.zoom);
    const ratio = this.pixelRatio;
    const toPane = { a: a / ratio, b: b / ratio, c: c / ratio, d: d / ratio, e: e / ratio, f: f / ratio };
    this.onDrawn?.({ key: image.key, presentation, toPane, drawMs: performance.now() - start });
  }

  /** The image with its planes and what lies over it, where the context's transform puts its pixels. */
  private paint(context: CanvasRenderingContext2D, zoom: number): void {
    const { image, presentation } = this.shown!;
    context.imageSmoothingEnabled = zoom < SQUARES_FROM ? zoom !== 1 : presentation.smooth;
    context.imageSmoothingQuality = this.interacting || zoom > 1 ? 'low' : 'medium';
    // A row or column that the stride does not divide reaches over the edge by less than a screen pixel.
    context.drawImage(this.pixels, 0, 0, this.pixels.width * this.stride, this.pixels.height * this.stride);
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

function invertColours(rgba: Uint8ClampedArray): void {
  const words = new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.length / 4);
  for (let i = 0; i < words.length; i++) words[i] = words[i]! ^ 0x00ffffff;
}
