/** Where the words of a measurement go, so that they are seen whole. Pure. */
import type { Kind } from '../measure/measure.ts';
import type { Point, Size } from '../viewport/presentation.ts';
import { boundsOf } from './boxes.ts';

/** Client pixels. */
const GAP = 9;
export const LINE_HEIGHT = 17;
/** Of a figure and of letters as a rule, of a Chinese character at the most, and of the ground around them. A word of Ms reaches further, and is still seen. */
const LETTER = 7.2;
const WIDE = 12.5;
const GROUND = 14;

/** Room that lines of text need. */
export function roomOf(lines: readonly string[]): Size {
  const widths = lines.map((line) => [...line].reduce((sum, letter) => sum + (letter >= '⺀' ? WIDE : LETTER), GROUND));
  return { width: Math.max(0, ...widths), height: lines.length * LINE_HEIGHT + 4 };
}

const within = (value: number, most: number): number => Math.max(0, Math.min(value, most));

/** Upper left corner: beside the point furthest to the right, of an area beside its middle; where the pane ends there, on the other side; where it ends there too, under or over it all. */
export function placeLabel(kind: Kind, points: readonly Point[], room: Size, pane: Size): Point & { before: boolean } {
  const { left, right, top, bottom } = boundsOf(points);
  const area = kind === 'rectangle' || kind === 'ellipse';
  const levelAt = (x: number): number => (area ? (top + bottom) / 2 : points.find((point) => point.x === x)!.y) - LINE_HEIGHT / 2;
  const beside = { x: right + GAP, y: levelAt(right), before: false };
  if (right < 0 || bottom < 0 || left > pane.width || top > pane.height) return beside;
  const inside = (y: number): number => within(y, pane.height - room.height);
  if (beside.x + room.width <= pane.width) return { ...beside, y: inside(beside.y) };
  const before = left - GAP - room.width;
  if (before >= 0) return { x: before, y: inside(levelAt(left)), before: true };
  const under = bottom + GAP + room.height <= pane.height;
  return { x: within(right - room.width, pane.width - room.width), y: inside(under ? bottom + GAP : top - GAP - room.height), before: true };
}
