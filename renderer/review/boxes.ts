/** What a detector's comparison shows: rows of the table, and boxes over the image. Pure. */
import type { Box, DetectionComparison, DetectionRun, EngineId } from '../../src/contract/engine.ts';
import type { BoxesChoice } from '../state/store.ts';
import { onPane, type Point, type ToPane } from '../viewport/presentation.ts';

/** One thing in the image. */
export interface BoxRow {
  /** Its place in the comparison's groups. */
  group: number;
  label: number;
  /** By engine; without an entry that engine did not find it. */
  boxes: ReadonlyMap<EngineId, Box>;
  /** The first engine's that found it. */
  first: Box;
  /** Least overlap with that one; null where only one engine found it. */
  iou: number | null;
}

const answered = (comparison: DetectionComparison): DetectionRun[] => comparison.runs.filter((run): run is DetectionRun => run.state === 'ok');

/** The score from which boxes are shown: the reader's, but not below what the engines were asked for. */
export const scoreFrom = ({ rule }: DetectionComparison, { threshold }: Pick<BoxesChoice, 'threshold'>): number => Math.max(rule.scoreThreshold, threshold);

/** Everything that some engine found, in the comparison's order. */
export function rowsOf(comparison: DetectionComparison): BoxRow[] {
  const runs = new Map(answered(comparison).map((run) => [run.engine, run]));
  return comparison.groups.map(({ label, boxes }, group) => {
    const found = new Map(boxes.map(({ engine, index }) => [engine, runs.get(engine)!.boxes[index]!]));
    const ious = boxes.flatMap(({ iou }) => (iou === null ? [] : [iou]));
    return { group, label, boxes: found, first: [...found.values()][0]!, iou: ious.length > 0 ? Math.min(...ious) : null };
  });
}

/** Some engine is at least this sure of it. */
export const reaches = ({ boxes }: BoxRow, score: number): boolean => [...boxes.values()].some((box) => box.score >= score);

/** Rows by label, in the order in which the labels first come. */
export function byLabel(rows: readonly BoxRow[]): Array<{ label: number; rows: BoxRow[] }> {
  const tables = new Map<number, BoxRow[]>();
  for (const row of rows) tables.set(row.label, [...(tables.get(row.label) ?? []), row]);
  return [...tables].map(([label, list]) => ({ label, rows: list }));
}

/** Engines whose boxes are drawn: those chosen that answered, in the order of the runs. */
export const drawnEngines = (comparison: DetectionComparison, { engines }: Pick<BoxesChoice, 'engines'>): EngineId[] =>
  answered(comparison).map((run) => run.engine).filter((engine) => engines === null || engines.includes(engine));

export interface DrawnBox {
  group: number;
  label: number;
  /** In the order of drawing: the last lies on top. */
  outlines: Array<{ engine: EngineId; box: Box }>;
  /** Of those drawn, when not all of them have it. */
  only: EngineId[] | null;
}

export function drawnBoxes(comparison: DetectionComparison, choice: Pick<BoxesChoice, 'engines' | 'threshold'>): DrawnBox[] {
  const engines = drawnEngines(comparison, choice);
  const from = scoreFrom(comparison, choice);
  return rowsOf(comparison).flatMap(({ group, label, boxes }) => {
    const outlines = engines.flatMap((engine) => {
      const box = boxes.get(engine);
      return box && box.score >= from ? [{ engine, box }] : [];
    });
    if (outlines.length === 0) return [];
    return [{ group, label, outlines, only: outlines.length < engines.length ? outlines.map(({ engine }) => engine) : null }];
  });
}

/** Corners in the pane, in order around the box, so that a turned or mirrored image has turned or mirrored boxes. */
export const cornersOf = ({ x, y, width, height }: Box, toPane: ToPane): Point[] =>
  [{ x, y }, { x: x + width, y }, { x: x + width, y: y + height }, { x, y: y + height }].map((point) => onPane(toPane, point));

export interface Bounds {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export const boundsOf = (points: readonly Point[]): Bounds => ({
  left: Math.min(...points.map((p) => p.x)),
  top: Math.min(...points.map((p) => p.y)),
  right: Math.max(...points.map((p) => p.x)),
  bottom: Math.max(...points.map((p) => p.y)),
});

/** Client pixels beside a line that still count as on it. */
const NEAR = 4;

/** The group under a point of the pane: of several the smallest, which is hardest to hit. */
export function groupAt(boxes: readonly DrawnBox[], toPane: ToPane, at: Point): number | null {
  let found: { group: number; area: number } | null = null;
  for (const { group, outlines } of boxes) {
    for (const { box } of outlines) {
      const { left, top, right, bottom } = boundsOf(cornersOf(box, toPane));
      if (at.x < left - NEAR || at.x > right + NEAR || at.y < top - NEAR || at.y > bottom + NEAR) continue;
      const area = (right - left) * (bottom - top);
      if (!found || area < found.area) found = { group, area };
    }
  }
  return found?.group ?? null;
}
