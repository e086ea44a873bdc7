/**
 * From a detector's raw output to boxes in the image. The rule (score, non-maximum suppression) is the runtime's NMS operator in all
 * its float32 steps (hls/runtime, docs/decisions/ps-float.md; a test holds the two equal), so that the CPU engines' predictions and the
 * board's own detections are comparable.
 */
import type { Box } from '../contract/engine.ts';
import type { DetectionRule, Preprocessing } from '../contract/model.ts';
import type { RawBoxes } from '../engines/index.ts';
import { toImage } from '../preprocess/index.ts';

/** A box in pixels of the network's input. */
export interface InputBox {
  x1: number;
  y1: number;
  x2: number;
  y2: number;
  score: number;
  label: number;
}

/** Rows of highest score that are looked at (MAX_NMS_CANDIDATES in hls/core/layout.json): a threshold of nothing must not take hours. */
export const MAX_CANDIDATES = 30_000;

const f = Math.fround;

/**
 * Score = objectness × best class score. Rows of at least the score threshold, highest first, ties by the lower row; one that overlaps a kept one
 * of its class by more than the IoU threshold goes. At most `maxDetections`.
 */
export function suppress(predictions: Float32Array, values: number, rule: DetectionRule): InputBox[] {
  const candidates = candidatesOf(predictions, values, rule);
  const threshold = f(rule.iouThreshold);
  const kept: InputBox[] = [];
  /** Of each class, so that only those are compared. */
  const byClass = new Map<number, InputBox[]>();
  for (const { row, score, label } of candidates) {
    if (kept.length === rule.maxDetections) break;
    const [cx, cy, w, h] = predictions.subarray(row * values, row * values + 4) as unknown as [number, number, number, number];
    const box = { x1: f(cx - w / 2), y1: f(cy - h / 2), x2: f(cx + w / 2), y2: f(cy + h / 2), score, label };
    const others = byClass.get(label) ?? [];
    if (others.some((other) => iou32(box, other) > threshold)) continue;
    others.push(box);
    byClass.set(label, others);
    kept.push(box);
  }
  return kept;
}

interface Candidate {
  row: number;
  score: number;
  label: number;
}

function candidatesOf(predictions: Float32Array, values: number, { scoreThreshold, objectness }: DetectionRule): Candidate[] {
  const first = objectness ? 5 : 4;
  const threshold = f(scoreThreshold);
  const found: Candidate[] = [];
  for (let row = 0, at = 0; at + values <= predictions.length; row++, at += values) {
    let label = 0;
    let best = predictions[at + first]!;
    for (let c = 1; c < values - first; c++) {
      const value = predictions[at + first + c]!;
      if (value > best) {
        best = value;
        label = c;
      }
    }
    const score = objectness ? f(predictions[at + 4]! * best) : best;
    if (score >= threshold) found.push({ row, score, label });
  }
  found.sort((a, b) => b.score - a.score || a.row - b.row);
  return found.length > MAX_CANDIDATES ? found.slice(0, MAX_CANDIDATES) : found;
}

/** Intersection over union with a rounding to float32 after every step; NaN (larger than nothing) where both boxes are empty. */
function iou32(a: InputBox, b: InputBox): number {
  const width = f(Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1));
  const height = f(Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1));
  if (!(width > 0 && height > 0)) return 0;
  const both = f(width * height);
  const area = ({ x1, y1, x2, y2 }: InputBox): number => f(f(x2 - x1) * f(y2 - y1));
  return f(both / f(f(area(a) + area(b)) - both));
}

/** The rows of the program's own NMS; those of class -1 are empty. */
function given({ data, rows, values }: RawBoxes): InputBox[] {
  const boxes: InputBox[] = [];
  for (let row = 0; row < rows; row++) {
    const [x1, y1, x2, y2, score, label] = data.subarray(row * values, (row + 1) * values) as unknown as [number, number, number, number, number, number];
    if (label >= 0) boxes.push({ x1, y1, x2, y2, score, label });
  }
  return boxes;
}

export interface ImageFrame {
  rows: number;
  columns: number;
  preprocessing: Preprocessing;
  /** Classes; a row of the program's that names another is left out. */
  labels: number;
}

/** Boxes in pixels of the image, cut at its edges, highest score first; what lies wholly in the padding is no box in the image. */
export function boxesOf(raw: RawBoxes, rule: DetectionRule, { rows, columns, preprocessing, labels }: ImageFrame): Box[] {
  const found = raw.kind === 'predictions' ? suppress(raw.data, raw.values, rule) : given(raw);
  const back = toImage(rows, columns, preprocessing);
  const clamp = (value: number, size: number): number => Math.min(size, Math.max(0, value));
  return found.flatMap(({ x1, y1, x2, y2, score, label }) => {
    const [from, to] = [back({ x: x1, y: y1 }), back({ x: x2, y: y2 })];
    const [x, y] = [clamp(from.x, columns), clamp(from.y, rows)];
    const [width, height] = [clamp(to.x, columns) - x, clamp(to.y, rows) - y];
    return width > 0 && height > 0 && label < labels ? [{ x, y, width, height, score, label }] : [];
  });
}
