/** The runtime's non-maximum suppression against a plain one and against src/review/detections.ts, which decodes the other engines' predictions. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FloatOperator, MAX_NMS_CANDIDATES, NmsFunction } from '../../src/contract/layout.ts';
import { suppress } from '../../src/review/detections.ts';
import { random } from '../../test/support/qdq.ts';
import { FloatProgram, words } from '../tests/float-program.ts';
import { BUILD_TIMEOUT, Golden } from '../tests/golden.ts';

type Rule = { scoreThreshold: number; iouThreshold: number; maxDetections: number; objectness: boolean };
const f32 = Math.fround;
const RESULT = 6;

async function detections(golden: Golden, rows: Float32Array, values: number, { scoreThreshold, iouThreshold, maxDetections, objectness }: Rule): Promise<Float32Array> {
  const program = new FloatProgram();
  program.result(FloatOperator.NMS, [program.constant(rows, [1, rows.length / values, values])], [1, maxDetections, RESULT], {
    function: objectness ? NmsFunction.OBJECTNESS : NmsFunction.CLASSES, parameters: words({ f32: scoreThreshold }, { f32: iouThreshold }, maxDetections),
  });
  return (await program.run(golden))[0]!;
}

/** As the layout's rows: x1, y1, x2, y2, score, class; unused ones 0, 0, 0, 0, 0, -1. */
function asRows(boxes: readonly { x1: number; y1: number; x2: number; y2: number; score: number; label: number }[], most: number): Float32Array {
  const out = new Float32Array(most * RESULT).map((_, i) => (i % RESULT === RESULT - 1 ? -1 : 0));
  boxes.forEach(({ x1, y1, x2, y2, score, label }, i) => out.set([x1, y1, x2, y2, score, label], i * RESULT));
  return out;
}

/** The rule as one would write it down: all pairs, no shortcuts. */
function plain(rows: Float32Array, values: number, { scoreThreshold, iouThreshold, maxDetections, objectness }: Rule): Float32Array {
  const first = objectness ? 5 : 4;
  const all = Array.from({ length: rows.length / values }, (_, row) => {
    const [cx, cy, w, h, o] = rows.subarray(row * values, (row + 1) * values) as unknown as [number, number, number, number, number];
    const classes = [...rows.subarray(row * values + first, (row + 1) * values)];
    const best = Math.max(...classes);
    return { row, x1: f32(cx - w / 2), y1: f32(cy - h / 2), x2: f32(cx + w / 2), y2: f32(cy + h / 2), score: objectness ? f32(o * best) : best, label: classes.indexOf(best) };
  });
  type Box = (typeof all)[number];
  const area = (b: Box): number => f32(f32(b.x2 - b.x1) * f32(b.y2 - b.y1));
  const iou = (a: Box, b: Box): number => {
    const [w, h] = [f32(Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1)), f32(Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1))];
    const both = w > 0 && h > 0 ? f32(w * h) : 0;
    return f32(both / f32(f32(area(a) + area(b)) - both));
  };
  let waiting = all.filter((b) => b.score >= f32(scoreThreshold)).sort((a, b) => b.score - a.score || a.row - b.row).slice(0, MAX_NMS_CANDIDATES);
  const kept: Box[] = [];
  while (waiting.length > 0 && kept.length < maxDetections) {
    const [next, ...rest] = waiting as [Box, ...Box[]];
    kept.push(next);
    waiting = rest.filter((b) => b.label !== next.label || !(iou(b, next) > f32(iouThreshold)));
  }
  return asRows(kept, maxDetections);
}

/** Rows about a few objects, so that they overlap; scores in steps, so that some are equal. */
function predictions(count: number, classes: number, objectness: boolean, seed: number): { rows: Float32Array; values: number } {
  const next = random(seed);
  const values = (objectness ? 5 : 4) + classes;
  const objects = Array.from({ length: 6 }, () => [next() * 600, next() * 600, 10 + next() * 200, 10 + next() * 200]);
  const rows = new Float32Array(count * values);
  for (let i = 0; i < count; i++) {
    const object = objects[Math.floor(next() * objects.length)]!;
    rows.set(object.map((v) => v + (next() - 0.5) * 40), i * values);
    for (let k = 4; k < values; k++) rows[i * values + k] = Math.floor(next() * 64) / 64;
  }
  return { rows, values };
}

describe('non-maximum suppression', () => {
  let golden: Golden;
  beforeAll(async () => void (golden = await Golden.start('driver-sanitized')), BUILD_TIMEOUT);
  afterAll(async () => void expect((await golden.end()).code).toBe(0));

  it('keeps what the plain rule keeps, to the bit, and what the review room keeps', async () => {
    let kept = 0;
    for (let seed = 0; seed < 60; seed++) {
      const next = random(seed + 1000);
      const rule: Rule = { objectness: seed % 2 === 0, scoreThreshold: [0.001, 0.25, 0.6][seed % 3]!, iouThreshold: [0.1, 0.45, 0.7][Math.floor(next() * 3)]!, maxDetections: [1, 7, 100][Math.floor(next() * 3)]! };
      const { rows, values } = predictions(1 + Math.floor(next() * 300), 1 + Math.floor(next() * 6), rule.objectness, seed);
      const got = await detections(golden, rows, values, rule);
      expect(got).toEqual(plain(rows, values, rule));
      expect(got).toEqual(asRows(suppress(rows, values, { ...rule, boxes: 'cxcywh-pixels' }), rule.maxDetections));
      kept += got.filter((v, i) => i % RESULT === 5 && v >= 0).length;
    }
    expect(kept).toBeGreaterThan(300);
  });

  it('puts equal scores in the order of their rows, and compares within a class alone', async () => {
    const rows = Float32Array.from([
      [50, 50, 20, 20, 1, 0.5, 0.5], [51, 50, 20, 20, 1, 0.5, 0.1], [52, 50, 20, 20, 1, 0.1, 0.5], [300, 50, 0, 0, 1, 0.25, 0], [300, 50, 0, 0, 1, 0.25, 0],
    ].flat());
    const got = await detections(golden, rows, 7, { objectness: true, scoreThreshold: 0.25, iouThreshold: 0.5, maxDetections: 6 });
    // Equal best classes: the first. The second row lies over the first; the third is of another class; boxes of no size suppress nothing.
    expect(got).toEqual(Float32Array.from([[40, 40, 60, 60, 0.5, 0], [42, 40, 62, 60, 0.5, 1], [300, 50, 300, 50, 0.25, 0], [300, 50, 300, 50, 0.25, 0], [0, 0, 0, 0, 0, -1], [0, 0, 0, 0, 0, -1]].flat()));
  });

  it('has an answer, the review room\'s too, for numbers that are none and beyond all bounds', async () => {
    const odd = [NaN, Infinity, -Infinity, 3e38, -3e38, 1e-45, 0, -0, 1];
    const next = random(77);
    for (let i = 0; i < 40; i++) {
      const rows = Float32Array.from({ length: 7 * 40 }, () => (next() < 0.15 ? odd[Math.floor(next() * odd.length)]! : next()));
      const rule: Rule = { objectness: true, scoreThreshold: 0.1, iouThreshold: 0.3, maxDetections: 50 };
      expect(await detections(golden, rows, 7, rule)).toEqual(asRows(suppress(rows, 7, { ...rule, boxes: 'cxcywh-pixels' }), 50));
    }
  });

  it('looks at no more than the highest scores', async () => {
    // One box many times over, and behind all of those by score another: out of reach from MAX_NMS_CANDIDATES on.
    for (const [count, reached] of [[MAX_NMS_CANDIDATES - 1, true], [MAX_NMS_CANDIDATES, false], [MAX_NMS_CANDIDATES + 2000, false]] as const) {
      const next = random(count);
      const rows = new Float32Array((count + 1) * 5);
      const last = Math.floor(next() * count);
      for (let i = 0; i <= count; i++) rows.set(i === last ? [500, 500, 10, 10, 0.25] : [100, 100, 50, 50, 0.5 + Math.floor(next() * 100) / 1000], i * 5);
      const rule: Rule = { objectness: false, scoreThreshold: 0.1, iouThreshold: 0.5, maxDetections: 3 };
      const got = await detections(golden, rows, 5, rule);
      expect(got[11]).toBe(reached ? 0 : -1);
      expect(got).toEqual(asRows(suppress(rows, 5, { ...rule, boxes: 'cxcywh-pixels' }), 3));
    }
  });
});
