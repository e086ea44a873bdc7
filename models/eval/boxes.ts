/** Figures of a detector over images whose boxes are known. A box found hits the one of its class that it overlaps most, by IOU_MATCH at least, each once. */
import { IOU_MATCH, type Box } from '../../src/contract/engine.ts';
import { iouOf } from '../../src/review/index.ts';
import { randomOf } from './figures.ts';

export type Known = Omit<Box, 'score'>;
/** Of one class: every box found, the highest score first, and how many there are to find in each image. */
type Curve = { readonly found: readonly { readonly image: number; readonly score: number; readonly hit: boolean }[]; readonly known: Uint32Array };

const RESAMPLES = 2000;

export function curveOf(found: readonly (readonly Box[])[], known: readonly (readonly Known[])[], label: number): Curve {
  const entries = found.flatMap((boxes, image) => {
    const free = new Set(known[image]?.filter((box) => box.label === label));
    return boxes.filter((box) => box.label === label).sort((a, b) => b.score - a.score).map((box) => {
      const best = [...free].map((one) => ({ one, iou: iouOf({ ...one, score: 1 }, box) })).reduce<{ one: Known; iou: number } | null>((a, b) => (b.iou >= IOU_MATCH && b.iou > (a?.iou ?? 0) ? b : a), null);
      if (best) free.delete(best.one);
      return { image, score: box.score, hit: best !== null };
    });
  });
  return { found: entries.sort((a, b) => b.score - a.score), known: Uint32Array.from(known, (boxes) => boxes.filter((box) => box.label === label).length) };
}

/** Area under the curve of precision over recall, precision made monotone (PASCAL VOC 2010), each image as often as `times` says. NaN with nothing to find. */
export function averagePrecision({ found, known }: Curve, times: Uint32Array = new Uint32Array(known.length).fill(1)): number {
  const points: { precision: number; recall: number }[] = [];
  const total = known.reduce((sum, count, image) => sum + count * (times[image] as number), 0);
  let [hits, all] = [0, 0];
  for (const { image, hit } of found) {
    all += times[image] as number;
    if (hit) hits += times[image] as number;
    if (all > 0) points.push({ precision: hits / all, recall: hits / total });
  }
  let [area, best] = [0, 0];
  for (let i = points.length - 1; i >= 0; i--) {
    const { precision, recall } = points[i]!;
    best = Math.max(best, precision);
    area += best * (recall - (points[i - 1]?.recall ?? 0));
  }
  return total === 0 ? NaN : area;
}

/** 95 % percentile bootstrap over the images. */
export function intervalOfPrecision(curve: Curve): [low: number, high: number] {
  const random = randomOf(1);
  const images = curve.known.length;
  const draws = Array.from({ length: RESAMPLES }, () => {
    const times = new Uint32Array(images);
    for (let left = images; left > 0; left--) times[Math.floor(random() * images)]!++;
    return averagePrecision(curve, times);
  }).filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  return [draws[Math.round(0.025 * (draws.length - 1))] as number, draws[Math.round(0.975 * (draws.length - 1))] as number];
}

/** Of all classes together, boxes of at least `threshold`. */
export type Decision = { precision: number; recall: number; /** Boxes that hit nothing, an image. */ falseBoxes: number; /** Images with nothing to find, and how many of them got a box all the same. */ clear: number; clearWithBoxes: number };

export function decisionOf(curves: readonly Curve[], threshold: number): Decision {
  const found = curves.flatMap((curve) => curve.found.filter(({ score }) => score >= threshold));
  const known = curves[0]!.known.map((_, image) => curves.reduce((sum, curve) => sum + (curve.known[image] as number), 0));
  const hits = found.filter(({ hit }) => hit).length;
  const boxed = new Set(found.map(({ image }) => image));
  const clear = [...known].flatMap((count, image) => (count === 0 ? [image] : []));
  return {
    precision: hits / found.length, recall: hits / known.reduce((a, b) => a + b, 0), falseBoxes: (found.length - hits) / known.length,
    clear: clear.length, clearWithBoxes: clear.filter((image) => boxed.has(image)).length,
  };
}

/** The score, of two digits, from which precision and recall of all classes have the highest harmonic mean (F1). */
export function bestThreshold(curves: readonly Curve[]): number {
  const f1 = (threshold: number): number => {
    const { precision, recall } = decisionOf(curves, threshold);
    return precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0;
  };
  const steps = Array.from({ length: 99 }, (_, i) => (i + 1) / 100);
  return steps.reduce((best, threshold) => (f1(threshold) > f1(best) ? threshold : best));
}
