/** What a reader measures, and what comes of it. Pure; points are image pixels from the image's corner, so that a pixel's centre lies at a half. */
import type { InstanceInfo, SpacingPlane } from '../../src/contract/dicom.ts';
import type { Frame, GreyFrame } from '../../src/contract/pixels.ts';
import type { Point } from '../viewport/presentation.ts';

/** Points of each kind. Angle: its vertex is the second. Cobb: two lines. Rectangle and ellipse: corners across. Arrow: its head is the first. */
export const POINTS = { length: 2, angle: 3, cobb: 4, rectangle: 2, ellipse: 2, probe: 1, arrow: 2 } as const;
export type Kind = keyof typeof POINTS;
export const KINDS = Object.keys(POINTS) as Kind[];
export const isKind = (tool: string): tool is Kind => Object.hasOwn(POINTS, tool);

export interface Measurement {
  id: number;
  kind: Kind;
  points: readonly Point[];
  /** What the reader wrote beside it. */
  text: string;
}

/** `region`: of a part of an ultrasound image; null: no millimetres, so lengths are in pixels. */
export type Plane = SpacingPlane | 'region' | null;

export type Result =
  | { kind: 'length'; length: number; plane: Plane }
  | { kind: 'angle'; degrees: number }
  /** `area` in mm², or pixels without a plane. `statistics` of the pixels whose centre lies inside, in modality units: null for colours and where there is none. */
  | { kind: 'area'; area: number; plane: Plane; statistics: Statistics | null; units: string }
  /** Column and row from 0; `values`: one in modality units, or red, green and blue; [] outside the image. */
  | { kind: 'probe'; x: number; y: number; values: number[]; units: string }
  | { kind: 'note' };

/** sd: of the population (n, not n - 1). */
export interface Statistics {
  count: number;
  mean: number;
  sd: number;
  min: number;
  max: number;
}

export type Geometry = Pick<InstanceInfo, 'spacing' | 'regions' | 'pixelAspect'>;

interface Scale {
  x: number;
  y: number;
  plane: Plane;
}

/** Millimetres a pixel where all `points` lie; of parts of an image only within one of them. */
export function scaleOf({ spacing, regions }: Geometry, points: readonly Point[]): Scale {
  // An edge is inside, and is the last pixel's number: the pixel reaches one further.
  const region = regions.find(({ left, top, right, bottom }) => points.every(({ x, y }) => x >= left && x <= right + 1 && y >= top && y <= bottom + 1));
  if (region) return { x: region.column, y: region.row, plane: 'region' };
  if (regions.length > 0 || !spacing) return { x: 1, y: 1, plane: null };
  return { x: spacing.column, y: spacing.row, plane: spacing.plane };
}

/** @param frame of the image measured; null while it is not there: then areas have no statistics and probes no values */
export function measure({ kind, points }: Pick<Measurement, 'kind' | 'points'>, geometry: Geometry, frame: Frame | null): Result {
  const [a, b, c, d] = points as [Point, Point, Point, Point];
  switch (kind) {
    case 'length': {
      const { x, y, plane } = scaleOf(geometry, points);
      return { kind, length: Math.hypot((b.x - a.x) * x, (b.y - a.y) * y), plane };
    }
    case 'angle':
      return { kind, degrees: between(vector(b, a, geometry), vector(b, c, geometry)) };
    case 'cobb': {
      const degrees = between(vector(a, b, geometry), vector(c, d, geometry));
      // Lines have no direction.
      return { kind: 'angle', degrees: Math.min(degrees, 180 - degrees) };
    }
    case 'rectangle':
    case 'ellipse': {
      const { x, y, plane } = scaleOf(geometry, points);
      const area = Math.abs((b.x - a.x) * x * (b.y - a.y) * y) * (kind === 'ellipse' ? Math.PI / 4 : 1);
      return { kind: 'area', area, plane, statistics: frame?.kind === 'grey' ? statistics(kind, a, b, frame) : null, units: frame?.kind === 'grey' ? frame.units : '' };
    }
    case 'probe': {
      const [x, y] = [Math.floor(a.x), Math.floor(a.y)];
      return { kind, x, y, values: frame ? valuesAt(frame, x, y) : [], units: frame?.kind === 'grey' ? frame.units : '' };
    }
    case 'arrow':
      return { kind: 'note' };
  }
}

/** As long and as steep as in the patient: pixels need not be square. */
const vector = (from: Point, to: Point, { pixelAspect }: Geometry): Point => ({ x: to.x - from.x, y: (to.y - from.y) * pixelAspect });

function between(u: Point, v: Point): number {
  const degrees = (Math.atan2(Math.abs(u.x * v.y - u.y * v.x), u.x * v.x + u.y * v.y) * 180) / Math.PI;
  return Number.isFinite(degrees) ? degrees : 0;
}

/** Stored value to modality unit (PS3.3 C.11.1). */
function modalityUnit({ modality }: GreyFrame): (stored: number) => number {
  if (modality.kind === 'linear') return (stored) => stored * modality.slope + modality.intercept;
  const { first, values } = modality;
  return (stored) => values[Math.min(values.length - 1, Math.max(0, stored - first))]!;
}

function valuesAt(frame: Frame, x: number, y: number): number[] {
  if (x < 0 || y < 0 || x >= frame.columns || y >= frame.rows) return [];
  const at = y * frame.columns + x;
  return frame.kind === 'grey' ? [modalityUnit(frame)(frame.pixels[at]!)] : [...frame.rgba.subarray(at * 4, at * 4 + 3)];
}

/** Of the pixels whose centre lies in the rectangle, or the ellipse in it. Sums about the first value: large offsets cancel nothing. */
function statistics(kind: 'rectangle' | 'ellipse', a: Point, b: Point, frame: GreyFrame): Statistics | null {
  const [left, right, top, bottom] = [Math.min(a.x, b.x), Math.max(a.x, b.x), Math.min(a.y, b.y), Math.max(a.y, b.y)];
  const [centreX, centreY, radiusX, radiusY] = [(left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2];
  const unit = modalityUnit(frame);
  let [count, sum, squares, min, max, base] = [0, 0, 0, Infinity, -Infinity, 0];
  for (let row = Math.max(0, Math.ceil(top - 0.5)); row + 0.5 <= bottom && row < frame.rows; row++) {
    const reach = kind === 'ellipse' ? radiusX * Math.sqrt(Math.max(0, 1 - ((row + 0.5 - centreY) / radiusY) ** 2)) : radiusX;
    const end = Math.min(frame.columns - 1, Math.floor(centreX + reach - 0.5));
    for (let column = Math.max(0, Math.ceil(centreX - reach - 0.5)); column <= end; column++) {
      const value = unit(frame.pixels[row * frame.columns + column]!);
      if (count++ === 0) base = value;
      sum += value - base;
      squares += (value - base) ** 2;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  if (count === 0) return null;
  const mean = sum / count;
  return { count, mean: base + mean, sd: Math.sqrt(Math.max(0, squares / count - mean * mean)), min, max };
}
