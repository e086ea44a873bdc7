/** Which boxes of different engines are the same thing in the image. */
import { IOU_MATCH, type Box, type BoxAgreement, type BoxGroup, type DetectionComparison, type DetectionRun, type EngineId, type Run } from '../contract/engine.ts';

/** Intersection over union; 0 where they only touch. */
export function iouOf(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / (a.width * a.height + b.width * b.height - both);
}

interface Group {
  /** The first engine's that has it; the others are matched with it. */
  first: Box;
  boxes: BoxGroup['boxes'];
}

/**
 * Engine by engine, its boxes by falling score: each joins the group of its label whose first box it overlaps most, IOU_MATCH at
 * least, unless a box of that engine is there already; else it begins a group. Highest score first.
 */
export function groupBoxes(runs: readonly DetectionRun[]): BoxGroup[] {
  const groups: Group[] = [];
  for (const { identity: { engine }, boxes } of runs) {
    const before = [...groups];
    const taken = new Set<Group>();
    for (const [index, box] of boxes.entries()) {
      const best = before
        .filter((group) => group.first.label === box.label && !taken.has(group))
        .map((group) => ({ group, iou: iouOf(group.first, box) }))
        .reduce<{ group: Group; iou: number } | null>((a, b) => (b.iou >= IOU_MATCH && b.iou > (a?.iou ?? 0) ? b : a), null);
      if (best) {
        best.group.boxes.push({ engine, index, iou: best.iou });
        taken.add(best.group);
      } else {
        groups.push({ first: box, boxes: [{ engine, index, iou: null }] });
      }
    }
  }
  return groups.sort((a, b) => b.first.score - a.first.score).map(({ first: { label }, boxes }) => ({ label, boxes }));
}

/** What a comparison of detectors says; against the first engine, if that one answered. */
export function compareBoxes(runs: readonly Run[]): Pick<DetectionComparison, 'groups' | 'agreements' | 'flips' | 'maxDelta'> {
  const answered = runs.filter((run): run is DetectionRun => run.state === 'ok' && run.task === 'detection');
  const groups = groupBoxes(answered);
  const reference = answered[0] !== undefined && answered[0] === runs[0] ? answered[0] : null;
  const agreements = reference ? answered.slice(1).map((run) => agreement(run, reference, groups)) : [];
  const deltas = agreements.flatMap(({ maxDelta }) => (maxDelta === null ? [] : [maxDelta]));
  return {
    groups,
    agreements,
    flips: agreements.filter(({ missing, extra }) => missing + extra > 0).map(({ engine }) => engine),
    maxDelta: deltas.length > 0 ? Math.max(...deltas) : null,
  };
}

function agreement(run: DetectionRun, reference: DetectionRun, groups: readonly BoxGroup[]): BoxAgreement {
  const of = ({ boxes }: BoxGroup, engine: EngineId): BoxGroup['boxes'][number] | undefined => boxes.find((b) => b.engine === engine);
  const result: BoxAgreement = { engine: run.engine, matched: 0, missing: 0, extra: 0, maxDelta: null, minIou: null };
  for (const group of groups) {
    const mine = of(group, run.engine);
    const theirs = of(group, reference.engine);
    if (mine && theirs) {
      const delta = Math.abs(run.boxes[mine.index]!.score - reference.boxes[theirs.index]!.score);
      result.matched++;
      result.maxDelta = Math.max(result.maxDelta ?? 0, delta);
      // The reference's box is its group's first, and `mine` was matched with that one.
      result.minIou = Math.min(result.minIou ?? 1, mine.iou!);
    } else if (theirs) result.missing++;
    else if (mine) result.extra++;
  }
  return result;
}
