/** Geometry of a roofline plot: both axes logarithmic, whole decades. Pure; lengths in units of the picture. */
import type { Roofline } from '../../../src/contract/report.ts';

export interface Frame {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export interface Plot {
  x: (macsPerByte: number) => number;
  y: (macsPerCycle: number) => number;
  xTicks: number[];
  yTicks: number[];
  /** Corners of the ceiling, left to right. */
  ceiling: Array<{ x: number; y: number }>;
  points: Array<Roofline['points'][number] & { cx: number; cy: number; r: number }>;
}

/** A point of no value at all is drawn at the foot of its axis. */
export function plot({ macsPerCycle, bytesPerCycle, ridge, points }: Roofline, { width, height, left, right, top, bottom }: Frame): Plot {
  const [xLow, xHigh] = decades([ridge, ...points.map((p) => p.macsPerByte)]);
  const [yLow, yHigh] = decades([macsPerCycle, ...points.map((p) => p.macsPerCycle)]);
  const scale = (low: number, high: number, from: number, to: number) => (value: number): number => {
    const inside = Math.min(Math.max(value, 10 ** low), 10 ** high);
    return from + ((Math.log10(inside) - low) / (high - low)) * (to - from);
  };
  const x = scale(xLow, xHigh, left, width - right);
  const y = scale(yLow, yHigh, height - bottom, top);
  // The slope enters at the left edge, or at the bottom one.
  const start = Math.max(10 ** xLow, 10 ** yLow / bytesPerCycle);
  return {
    x, y, xTicks: between(xLow, xHigh), yTicks: between(yLow, yHigh),
    ceiling: [{ x: x(start), y: y(start * bytesPerCycle) }, { x: x(ridge), y: y(macsPerCycle) }, { x: x(10 ** xHigh), y: y(macsPerCycle) }],
    points: points.map((point) => ({ ...point, cx: x(point.macsPerByte), cy: y(point.macsPerCycle), r: 4 + 10 * Math.sqrt(Math.max(0, Math.min(1, point.share))) })),
  };
}

const MAX_DECADES = 6;

/** Powers of ten around the values, at least two apart. */
function decades(values: readonly number[]): [number, number] {
  const logs = values.filter((value) => value > 0).map(Math.log10);
  // One unit above the highest, so that nothing lies on the frame.
  const high = Math.floor(Math.max(...logs)) + 1;
  return [Math.max(high - MAX_DECADES, Math.min(high - 2, Math.floor(Math.min(...logs)))), high];
}
const between = (low: number, high: number): number[] => Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
