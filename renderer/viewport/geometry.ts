/** Slices in the patient: which of another series is nearest, and where two of them cross. Pure; millimetres. */
import type { InstanceInfo, Plane, SeriesInfo } from '../../src/contract/dicom.ts';
import type { Slice } from '../state/selectors.ts';
import type { Point } from './presentation.ts';

type Vector = readonly [number, number, number];
const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const minus = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
/** a + b · by */
const plus = (a: Vector, b: Vector, by: number): Vector => [a[0] + b[0] * by, a[1] + b[1] * by, a[2] + b[2] * by];
const normalOf = ({ row: [rx, ry, rz], column: [cx, cy, cz] }: Plane): Vector => [ry * cz - rz * cy, rz * cx - rx * cz, rx * cy - ry * cx];

/** Cosine from which two planes are parallel to a reader: 8°. */
const PARALLEL = 0.99;

const planeOf = ({ instance, frame }: Slice): Plane | null => instance.planes[instance.planes.length === 1 ? 0 : frame] ?? null;
const together = (a: InstanceInfo, b: InstanceInfo): boolean => a.frameOfReferenceUid !== '' && a.frameOfReferenceUid === b.frameOfReferenceUid;

/** The place in `series` of the slice nearest to `slice`; null where the two are of different frames of reference, unknown, not parallel, or where the stack is no stack in space. */
export function nearest(series: SeriesInfo, slice: Slice): number | null {
  const from = planeOf(slice);
  if (!from) return null;
  const normal = normalOf(from);
  let best: { position: number; distance: number } | null = null;
  let position = 0;
  for (const instance of series.instances) {
    for (let frame = 0; frame < instance.frames; frame++, position++) {
      const plane = together(instance, slice.instance) ? planeOf({ instance, frame }) : null;
      if (!plane || Math.abs(dot(normalOf(plane), normal)) < PARALLEL) continue;
      const distance = Math.abs(dot(minus(plane.position, from.position), normal));
      // A cine in one plane has no nearest frame.
      if (instance.frames > 1 && instance.planes.length === 1) return null;
      if (!best || distance < best.distance - 1e-6) best = { position, distance };
    }
  }
  return best && best.position;
}

/** Where the slice `other` crosses the picture of `slice`: the ends of a line in its image pixels; null where they do not cross, or do not know of one another. */
export function crossing(slice: Slice, other: Slice): [Point, Point] | null {
  const [plane, cut] = [planeOf(slice), planeOf(other)];
  const [spacing, reach] = [slice.instance.spacing, other.instance.spacing];
  if (!plane || !cut || spacing?.plane !== 'patient' || reach?.plane !== 'patient' || !together(slice.instance, other.instance)) return null;
  const normal = normalOf(plane);
  if (Math.abs(dot(normal, normalOf(cut))) >= PARALLEL) return null;
  // The other picture's corners, from the outer edges of its pixels; its position is the first one's centre.
  const corner = (x: number, y: number): Vector => plus(plus(cut.position, cut.row, (x - 0.5) * reach.column), cut.column, (y - 0.5) * reach.row);
  const { rows, columns } = other.instance;
  const corners = [corner(0, 0), corner(columns, 0), corner(columns, rows), corner(0, rows)];
  const heights = corners.map((at) => dot(minus(at, plane.position), normal));
  const ends: Point[] = [];
  for (let i = 0; i < 4; i++) {
    const [a, b] = [heights[i]!, heights[(i + 1) % 4]!];
    if (a < 0 === b < 0) continue;
    const at = minus(plus(corners[i]!, minus(corners[(i + 1) % 4]!, corners[i]!), a / (a - b)), plane.position);
    ends.push({ x: dot(at, plane.row) / spacing.column + 0.5, y: dot(at, plane.column) / spacing.row + 0.5 });
  }
  return ends.length === 2 ? [ends[0]!, ends[1]!] : null;
}
