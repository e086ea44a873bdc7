import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Box, DetectionRun, EngineId } from '../contract/engine.ts';
import type { DetectionRule, Preprocessing } from '../contract/model.ts';
import type { RawBoxes } from '../engines/index.ts';
import { boxesOf, suppress, type InputBox } from './detections.ts';
import { compareBoxes, groupBoxes, iouOf } from './match-boxes.ts';

const rule: DetectionRule = { scoreThreshold: 0.25, iouThreshold: 0.45, maxDetections: 300, objectness: true, boxes: 'cxcywh-pixels' };
const letterbox: Preprocessing = { width: 64, height: 64, channels: 1, fit: 'letterbox', pad: 0, resample: 'triangle', mean: 0, std: 1 };
const predictions = (values: number, ...rows: number[][]): Float32Array => {
  for (const row of rows) expect(row).toHaveLength(values);
  return Float32Array.from(rows.flat());
};

describe('scores', () => {
  test('objectness × best class, in float32; of equal classes the first; below the threshold nothing', () => {
    const [one, ...others] = suppress(predictions(8, [10, 20, 4, 6, 0.9, 0.1, 0.7, 0.7], [40, 40, 4, 4, 0.5, 0.49, 0.1, 0.1]), 8, rule);
    expect(one).toEqual({ x1: 8, y1: 17, x2: 12, y2: 23, score: Math.fround(Math.fround(0.9) * Math.fround(0.7)), label: 1 });
    expect(others).toEqual([]);
  });

  test('a score of the threshold itself counts', () => {
    expect(suppress(predictions(6, [10, 20, 4, 6, 0.5, 0.5]), 6, rule)).toHaveLength(1);
    // 0.1 in float32 is more than 0.1: the threshold is rounded as the runtime rounds it.
    expect(suppress(predictions(5, [10, 20, 4, 6, 0.1]), 5, { ...rule, objectness: false, scoreThreshold: 0.1 })).toHaveLength(1);
  });

  test('rows without objectness', () => {
    expect(suppress(predictions(6, [10, 20, 4, 6, 0.2, 0.8]), 6, { ...rule, objectness: false })).toMatchObject([{ score: Math.fround(0.8), label: 1 }]);
  });
});

describe('suppression', () => {
  const box = (cx: number, score: number, label = 0): number[] => [cx, 50, 20, 20, score, ...[0, 1].map((c) => (c === label ? 1 : 0))];

  test('the higher score stays, within a class only', () => {
    const found = suppress(predictions(7, box(50, 0.6), box(52, 0.9), box(53, 0.7, 1), box(90, 0.5)), 7, rule);
    expect(found.map(({ x1, score, label }) => [x1, score, label])).toEqual([[42, Math.fround(0.9), 0], [43, Math.fround(0.7), 1], [80, 0.5, 0]]);
  });

  test('a box that a suppressed one overlaps stays', () => {
    // 50 suppresses 56 (IoU 14/26 = 0.54), and 56 would have suppressed 62 (0.54); 50 and 62 overlap by 8/32.
    expect(suppress(predictions(7, box(50, 0.9), box(56, 0.8), box(62, 0.7)), 7, rule).map(({ x1 }) => x1)).toEqual([40, 52]);
  });

  test('an overlap of just the threshold stays', () => {
    // 10 of 30: IoU 1/3 in float32 on both sides.
    const rows = predictions(7, [10, 10, 20, 20, 0.9, 1, 0], [20, 10, 20, 20, 0.8, 1, 0]);
    expect(suppress(rows, 7, { ...rule, iouThreshold: 1 / 3 })).toHaveLength(2);
    expect(suppress(rows, 7, { ...rule, iouThreshold: 0.3333 })).toHaveLength(1);
  });

  test('ties go to the lower row, and no more than maxDetections', () => {
    const found = suppress(predictions(7, ...Array.from({ length: 9 }, (_, i) => box(30 * i, 0.5))), 7, { ...rule, maxDetections: 4 });
    expect(found.map(({ x1 }) => x1)).toEqual([-10, 20, 50, 80]);
  });

  const number = (min: number, max: number): fc.Arbitrary<number> => fc.float({ min: Math.fround(min), max: Math.fround(max), noNaN: true });
  const row = fc.tuple(number(0, 64), number(0, 64), number(0, 30), number(0, 30), number(0, 1), number(0, 1), number(0, 1), number(0, 1));

  test('is what the rule says, word for word, on any rows', () => {
    /** Pairwise and without shortcuts: whoever is kept is not overlapped by a kept one of its class with a higher place; whoever is not, is. */
    const overlap = (a: InputBox, b: InputBox): number => {
      const f = Math.fround;
      const width = f(Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1));
      const height = f(Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1));
      if (width <= 0 || height <= 0) return 0;
      const area = (c: InputBox): number => f(f(c.x2 - c.x1) * f(c.y2 - c.y1));
      return f(f(width * height) / f(f(area(a) + area(b)) - f(width * height)));
    };
    fc.assert(fc.property(fc.array(row, { maxLength: 40 }), number(0, 1), (rows, iouThreshold) => {
      const data = Float32Array.from(rows.flat());
      const all = Array.from({ length: rows.length }, (_, i) => suppress(data.slice(8 * i, 8 * i + 8), 8, rule).map((b) => ({ ...b, row: i }))).flat().sort((a, b) => b.score - a.score || a.row - b.row);
      const kept: InputBox[] = [];
      for (const candidate of all) if (!kept.some((k) => k.label === candidate.label && overlap(k, candidate) > iouThreshold)) kept.push(candidate);
      expect(suppress(data, 8, { ...rule, iouThreshold })).toEqual(kept.map(({ x1, y1, x2, y2, score, label }) => ({ x1, y1, x2, y2, score, label })));
    }), { numRuns: 300 });
  });
});

describe('boxes in the image', () => {
  const raw = (...rows: number[][]): RawBoxes => ({ kind: 'detections', data: Float32Array.from(rows.flat()), rows: rows.length, values: 6 });
  const image = { rows: 100, columns: 200, preprocessing: letterbox, labels: 2 };

  test('come out of the letterbox, cut at the edges; what is padding alone is no box', () => {
    // 200 × 100 in 64 × 64: 64 × 32 at 16 from the top, 3.125 image pixels a pixel.
    const boxes = boxesOf(raw([8, 20, 24, 36, 0.9, 1], [-4, 10, 8, 24, 0.8, 0], [0, 2, 20, 15, 0.7, 0], [0, 0, 0, 0, 0, -1]), rule, image);
    expect(boxes).toEqual([
      { x: 25, y: 12.5, width: 50, height: 50, score: Math.fround(0.9), label: 1 },
      { x: 0, y: 0, width: 25, height: 25, score: Math.fround(0.8), label: 0 },
    ]);
  });

  test("the program's detections and the graph's predictions of the same boxes are the same boxes", () => {
    const data = predictions(7, [16, 28, 16, 16, 0.9, 0, 1], [17, 28, 16, 16, 0.7, 0, 1], [40, 30, 8, 8, 0.8, 1, 0]);
    const kept = suppress(data, 7, rule);
    const rows = kept.map(({ x1, y1, x2, y2, score, label }) => [x1, y1, x2, y2, score, label]);
    expect(boxesOf({ kind: 'predictions', data, rows: 3, values: 7 }, rule, image)).toEqual(boxesOf(raw(...rows, [0, 0, 0, 0, 0, -1]), rule, image));
    expect(rows).toHaveLength(2);
  });

  test('a class that the package does not name is left out', () => {
    expect(boxesOf(raw([8, 20, 24, 36, 0.9, 7]), rule, image)).toEqual([]);
  });
});

describe('engines against one another', () => {
  const box = (x: number, score: number, more: Partial<Box> = {}): Box => ({ x, y: 10, width: 20, height: 20, score, label: 0, ...more });
  const run = (engine: EngineId, ...boxes: Box[]): DetectionRun => ({
    state: 'ok', task: 'detection', engine, identity: { model: 'm', modelVersion: '1', modelSha256: '', engine, runner: '', software: '' }, repeats: 1, timings: [], total: { p50: 0, p95: 0 }, boxes,
  });

  test('the same box is one group, however slightly it moved; another class, or too far, is another', () => {
    const groups = groupBoxes([run('cpu-fp32', box(0, 0.9), box(50, 0.6)), run('board', box(52, 0.7), box(1, 0.6), box(0, 0.5, { label: 1 }), box(90, 0.3))]);
    expect(groups).toEqual([
      { label: 0, boxes: [{ engine: 'cpu-fp32', index: 0, iou: null }, { engine: 'board', index: 1, iou: expect.closeTo(19 / 21, 9) as number }] },
      { label: 0, boxes: [{ engine: 'cpu-fp32', index: 1, iou: null }, { engine: 'board', index: 0, iou: expect.closeTo(18 / 22, 9) as number }] },
      { label: 1, boxes: [{ engine: 'board', index: 2, iou: null }] },
      { label: 0, boxes: [{ engine: 'board', index: 3, iou: null }] },
    ]);
  });

  test('the higher score chooses first; nobody is matched twice', () => {
    const groups = groupBoxes([run('cpu-fp32', box(0, 0.9)), run('board', box(3, 0.8), box(0, 0.7))]);
    expect(groups.map(({ boxes }) => boxes.map(({ engine, index }) => `${engine} ${index}`))).toEqual([['cpu-fp32 0', 'board 0'], ['board 1']]);
  });

  test('what two others found and the reference did not is one thing still', () => {
    const groups = groupBoxes([run('cpu-fp32'), run('cpu-int8', box(0, 0.5)), run('board', box(1, 0.6))]);
    expect(groups).toHaveLength(1);
    expect(groups[0]!.boxes.map(({ engine }) => engine)).toEqual(['cpu-int8', 'board']);
  });

  test('differences, missing and extra boxes are against the first engine', () => {
    const fp32 = run('cpu-fp32', box(0, 0.9), box(50, 0.6), box(90, 0.3));
    const compared = compareBoxes([fp32, run('cpu-int8', box(0, 0.88), box(50, 0.65), box(90, 0.3)), run('board', box(0, 0.9), box(54, 0.5), box(0, 0.4, { y: 60 }))]);
    expect(compared.agreements).toEqual([
      { engine: 'cpu-int8', matched: 3, missing: 0, extra: 0, maxDelta: expect.closeTo(0.05, 9) as number, minIou: 1 },
      { engine: 'board', matched: 2, missing: 1, extra: 1, maxDelta: expect.closeTo(0.1, 9) as number, minIou: expect.closeTo(16 / 24, 9) as number },
    ]);
    expect(compared.flips).toEqual(['board']);
    expect(compared.maxDelta).toBeCloseTo(0.1, 9);
  });

  test('nothing anywhere agrees; without the reference nothing is told', () => {
    expect(compareBoxes([run('cpu-fp32'), run('board')])).toMatchObject({ groups: [], flips: [], maxDelta: null, agreements: [{ matched: 0, missing: 0, extra: 0, minIou: null }] });
    const failed = { state: 'failed', engine: 'cpu-fp32', code: 'timeout', message: '' } as const;
    expect(compareBoxes([failed, run('board', box(0, 1))])).toMatchObject({ groups: [{ label: 0 }], flips: [], agreements: [], maxDelta: null });
  });

  test('overlap of any two boxes is symmetric, within 0 and 1, and 1 of a box with itself', () => {
    const any = fc.record({ x: fc.double({ min: 0, max: 100, noNaN: true }), y: fc.double({ min: 0, max: 100, noNaN: true }), width: fc.double({ min: 0.01, max: 100, noNaN: true }), height: fc.double({ min: 0.01, max: 100, noNaN: true }) });
    fc.assert(fc.property(any, any, (a, b) => {
      const [one, two] = [{ ...box(0, 1), ...a }, { ...box(0, 1), ...b }];
      expect(iouOf(one, two)).toBeCloseTo(iouOf(two, one), 12);
      expect(iouOf(one, two)).toBeGreaterThanOrEqual(0);
      expect(iouOf(one, two)).toBeLessThanOrEqual(1 + 1e-9);
      expect(iouOf(one, one)).toBeCloseTo(1, 9);
    }));
  });
});
