/**
 * How an image stands in the viewport, as values: window, zoom, pan. Pure; the drawing is elsewhere.
 * Zoom is screen (device) pixels an image pixel; pan is in image pixels, from the centre, as cornerstone's translation is.
 */
import type { GreyFrame, Voi } from '../../src/contract/pixels.ts';

export interface Size {
  width: number;
  height: number;
}
export interface Point {
  x: number;
  y: number;
}

/** Degrees clockwise. */
export type Rotation = 0 | 90 | 180 | 270;

export interface Presentation {
  /** VOI in force; null for colour images. */
  voi: Voi | null;
  /** The reader's own turning over, on top of what the file says (MONOCHROME1). */
  invert: boolean;
  zoom: number;
  pan: Point;
  /** The picture is mirrored, left for right, and then turned. */
  mirrored: boolean;
  rotation: Rotation;
  /** Keeps the image fitted while the pane is resized. */
  fitted: boolean;
  /** The file's overlay planes are seen. */
  planes: boolean;
  /** Interpolates between pixels when enlarged. */
  smooth: boolean;
}

/** From image pixels to client pixels of the pane: x′ = a·x + c·y + e, y′ = b·x + d·y + f. */
export interface ToPane {
  a: number;
  b: number;
  c: number;
  d: number;
  e: number;
  f: number;
}

/** A point of the image in client pixels of the pane. */
export const onPane = ({ a, b, c, d, e, f }: ToPane, { x, y }: Point): Point => ({ x: a * x + c * y + e, y: b * x + d * y + f });

/** A point of the pane in image pixels. */
export function fromPane({ a, b, c, d, e, f }: ToPane, { x, y }: Point): Point {
  const determinant = a * d - b * c;
  return { x: (d * (x - e) - c * (y - f)) / determinant, y: (a * (y - f) - b * (x - e)) / determinant };
}

export const MIN_ZOOM = 0.02;
export const MAX_ZOOM = 40;
/** PS3.3 C.11.2.1.2: the width of LINEAR is at least 1. */
export const MIN_WIDTH = 1;

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** Largest zoom at which the whole image is seen. `aspect` is the height of a pixel over its width. */
export function fitZoom(pane: Size, image: Size, aspect = 1, rotation: Rotation = 0): number {
  const { x, y } = stretch(aspect, rotation);
  const { width, height } = turned(image, rotation);
  return clamp(Math.min(pane.width / (width * x), pane.height / (height * y)), MIN_ZOOM, MAX_ZOOM);
}

const onItsSide = (rotation: Rotation): boolean => rotation === 90 || rotation === 270;
const turned = (size: Size, rotation: Rotation): Size => (onItsSide(rotation) ? { width: size.height, height: size.width } : size);

/** Factors across and down the screen that a pixel that is not square is drawn with: the shorter side is the unit (as cornerstone draws). */
export function stretch(aspect: number, rotation: Rotation): Point {
  const { x, y } = aspect >= 1 ? { x: 1, y: aspect } : { x: 1 / aspect, y: 1 };
  return onItsSide(rotation) ? { x: y, y: x } : { x, y };
}

/** A quarter turn clockwise about the pane's centre. */
export const turn = (p: Presentation): Presentation => ({ ...p, rotation: ((p.rotation + 90) % 360) as Rotation, pan: { x: -p.pan.y, y: p.pan.x } });

/** Left for right, as it stands on the screen. */
export const mirror = (p: Presentation): Presentation => ({ ...p, mirrored: !p.mirrored, rotation: ((360 - p.rotation) % 360) as Rotation, pan: { x: -p.pan.x, y: p.pan.y } });

/** Zooms by `factor` about a point (screen pixels from the pane's centre) that stays where it is. */
export function zoomAbout(p: Presentation, factor: number, about: Point, aspect = 1): Presentation {
  const zoom = clamp(p.zoom * factor, MIN_ZOOM, MAX_ZOOM);
  const shift = 1 / zoom - 1 / p.zoom;
  const { x, y } = stretch(aspect, p.rotation);
  return { ...p, zoom, pan: { x: p.pan.x + (about.x * shift) / x, y: p.pan.y + (about.y * shift) / y }, fitted: false };
}

/** Pans by a drag in screen pixels. */
export function panBy(p: Presentation, dx: number, dy: number, aspect = 1): Presentation {
  const { x, y } = stretch(aspect, p.rotation);
  return { ...p, pan: { x: p.pan.x + dx / (p.zoom * x), y: p.pan.y + dy / (p.zoom * y) }, fitted: false };
}

/** Pan, moved by less than a screen pixel so that at 1:1 image pixels and screen pixels coincide. */
export function snapPan(p: Presentation, pane: Size, image: Size): Point {
  if (p.zoom !== 1) return p.pan;
  const snap = (pan: number, paneSize: number, size: number): number => Math.round(paneSize / 2 + pan - size / 2) - paneSize / 2 + size / 2;
  const { width, height } = turned(image, p.rotation);
  return { x: snap(p.pan.x, pane.width, width), y: snap(p.pan.y, pane.height, height) };
}

/**
 * Window after a drag: right widens, down darkens (raises the centre). One screen pixel is 1/500 of the current width, at least
 * 1/4000 of the frame's range, so that neither a narrow window jumps nor a wide one crawls.
 * `range` is the frame's extent in modality units.
 */
export function dragWindow(voi: Voi, dx: number, dy: number, range: number): Voi {
  const from = asWindow(voi);
  const step = Math.max(from.width / 500, range / 4000);
  const width = Math.max(MIN_WIDTH * Math.min(1, range / 256 || 1), from.width + dx * step);
  return { ...from, width, center: from.center + dy * step };
}

/** A window with the reach of a VOI table; a window is itself. SIGMOID keeps its function, the rest go on as LINEAR. */
export function asWindow(voi: Voi): Extract<Voi, { kind: 'window' }> {
  if (voi.kind === 'window') return voi;
  return { kind: 'window', center: voi.first + voi.values.length / 2, width: Math.max(MIN_WIDTH, voi.values.length), function: 'LINEAR' };
}

/** Extent of a frame's values in modality units, from its smallest and largest stored value. */
export function modalityRange(frame: { min: number; max: number; modality: { kind: 'linear'; slope: number; intercept: number } | { kind: 'table'; first: number; values: Float32Array } }): { low: number; high: number } {
  const { modality, min, max } = frame;
  if (modality.kind === 'linear') {
    const a = min * modality.slope + modality.intercept;
    const b = max * modality.slope + modality.intercept;
    return { low: Math.min(a, b), high: Math.max(a, b) };
  }
  let low = Infinity;
  let high = -Infinity;
  for (const value of modality.values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

export interface Preset {
  id: string;
  voi: Voi;
  /** What the file calls it; the built-in ones are translated by their id. */
  label: string;
}

/** Windows in common use for CT, in HU. */
const CT_PRESETS: ReadonlyArray<[id: string, center: number, width: number]> = [
  ['softTissue', 50, 400],
  ['lung', -600, 1500],
  ['bone', 400, 1800],
  ['brain', 40, 80],
  ['angio', 300, 600],
];

/** What a reader may choose: the file's own first, then by modality, then the whole range of the frame. */
export function presets(modality: string, frame: Pick<GreyFrame, 'units' | 'voi' | 'voiFromFile' | 'windows'>, range: { low: number; high: number }): Preset[] {
  const explain = (v: Voi): string => (v.kind === 'table' ? v.explanation : (frame.windows.find((w) => w.center === v.center && w.width === v.width)?.explanation ?? ''));
  const own = frame.voiFromFile ? frame.voi.map((v, index) => ({ id: `file-${index}`, voi: v, label: explain(v) })) : [];
  const ct: Preset[] = modality === 'CT' && frame.units === 'HU' ? CT_PRESETS.map(([id, center, width]) => ({ id, label: '', voi: { kind: 'window', center, width, function: 'LINEAR' } })) : [];
  return [...own, ...ct, { id: 'fullRange', label: '', voi: { kind: 'window', center: (range.low + range.high) / 2, width: range.high - range.low || 1, function: 'LINEAR_EXACT' } }];
}

/** Same picture by either VOI. */
export function sameVoi(a: Voi | null, b: Voi | null): boolean {
  if (a === b) return true;
  if (!a || !b || a.kind !== b.kind) return false;
  if (a.kind === 'window' && b.kind === 'window') return a.center === b.center && a.width === b.width && a.function === b.function;
  return false;
}
