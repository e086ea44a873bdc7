import { describe, expect, test } from 'vitest';
import { averagePrecision, bestThreshold, curveOf, decisionOf, intervalOfPrecision, type Known } from './boxes.ts';
import type { Box } from '../../src/contract/engine.ts';

const square = (x: number, label = 0): Known => ({ x, y: 0, width: 10, height: 10, label });
const found = (x: number, score: number, label = 0): Box => ({ ...square(x, label), score });

describe('average precision', () => {
  test('is 1 where every box comes before every wrong one, and 0 where nothing is found', () => {
    expect(averagePrecision(curveOf([[found(1, 0.9), found(200, 0.2)], [found(2, 0.5)]], [[square(0)], [square(0)]], 0))).toBe(1);
    expect(averagePrecision(curveOf([[], []], [[square(0)], []], 0))).toBe(0);
  });

  test('is the area under the curve, precision made monotone', () => {
    // Right, wrong, right; one of three is never found: 1/3 × 1 + 1/3 × 2/3.
    const curve = curveOf([[found(0, 0.9), found(500, 0.8), found(100, 0.7)]], [[square(0), square(100), square(300)]], 0);
    expect(averagePrecision(curve)).toBeCloseTo(1 / 3 + 2 / 9, 12);
  });

  test('a box hits once, of its class alone, from half an overlap on', () => {
    const hits = (boxes: Box[], known: Known[]): boolean[] => curveOf([boxes], [known], 0).found.map(({ hit }) => hit);
    expect(hits([found(0, 0.9), found(1, 0.8)], [square(0)])).toEqual([true, false]);
    expect(hits([found(0, 0.9)], [square(0, 1)])).toEqual([false]);
    expect(hits([found(3, 0.9)], [square(0)])).toEqual([true]);
    expect(hits([found(4, 0.9)], [square(0)])).toEqual([false]);
  });

  test('its interval holds it', () => {
    const images = Array.from({ length: 40 }, (_, i) => i);
    const curve = curveOf(images.map((i) => [found(i % 4 === 0 ? 50 : 0, 1 - i / 100)]), images.map(() => [square(0)]), 0);
    const [low, high] = intervalOfPrecision(curve);
    expect(low).toBeLessThan(averagePrecision(curve));
    expect(high).toBeGreaterThan(averagePrecision(curve));
  });
});

describe('at a threshold', () => {
  const known = [[square(0)], [square(0, 1)], [], []];
  const curves = (boxes: Box[][]): ReturnType<typeof curveOf>[] => [0, 1].map((label) => curveOf(boxes, known, label));

  test('both classes are counted, and images with nothing to find', () => {
    const boxes = [[found(0, 0.9)], [found(50, 0.6, 1)], [found(0, 0.7)], [found(0, 0.3)]];
    expect(decisionOf(curves(boxes), 0.5)).toEqual({ precision: 1 / 3, recall: 1 / 2, falseBoxes: 2 / 4, clear: 2, clearWithBoxes: 1 });
  });

  test('the best one parts right from wrong', () => {
    const best = bestThreshold(curves([[found(0, 0.9)], [found(0, 0.6, 1)], [found(0, 0.455)], [found(0, 0.3)]]));
    expect(best).toBeGreaterThan(0.455);
    expect(best).toBeLessThanOrEqual(0.6);
  });
});
