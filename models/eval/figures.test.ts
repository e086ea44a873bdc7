import { describe, expect, test } from 'vitest';
import { aucOf, binsOf, correlationOf, fidelityOf, intervalOf, measuresOf, randomOf, thresholdFor } from './figures.ts';
import { reliabilitySvg } from './reliability.ts';
import { greyOf, turned } from './sets.ts';

describe('figures', () => {
  test('AUC counts pairs in the right order, ties half', () => {
    expect(aucOf([0.1, 0.4, 0.35, 0.8], [false, false, true, true])).toBe(0.75);
    expect(aucOf([0.5, 0.5, 0.5], [false, true, true])).toBe(0.5);
    expect(aucOf([0.9, 0.1, 0.5, 0.5], [true, false, true, false])).toBe(0.875);
  });

  test('decisions at the threshold', () => {
    expect(measuresOf([0.2, 0.6, 0.4, 0.5], [false, true, true, false], 0.5)).toMatchObject({ accuracy: 0.5, sensitivity: 0.5, specificity: 0.5 });
  });

  test('the calibration error weighs the bins by their images', () => {
    expect(binsOf([0.05, 1], [true, true]).map(({ images }) => images)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    const ece = (p: number[], positive: boolean[]): number => measuresOf(p, positive, 0.5).ece;
    expect(ece([0.85, 0.85, 0.85, 0.25], [true, true, false, false])).toBeCloseTo(0.75 * (0.85 - 2 / 3) + 0.25 * 0.25, 12);
    expect(ece([1, 0], [true, false])).toBe(0);
  });

  test('the threshold keeps the sensitivity, and one step higher does not', () => {
    const random = randomOf(3);
    const p = Array.from({ length: 400 }, random);
    const positive = p.map((value) => value + 0.4 * random() > 0.6);
    const threshold = thresholdFor(p, positive, 0.97);
    const sensitivity = (t: number): number => measuresOf(p, positive, t).sensitivity;
    expect(sensitivity(threshold)).toBeGreaterThanOrEqual(0.97);
    const next = Math.min(...p.filter((value, i) => positive[i] && value > threshold + 1e-4));
    expect(sensitivity(next + 1e-9)).toBeLessThan(0.97);
  });

  test('intervals hold the figure, and are the same each time', () => {
    const random = randomOf(7);
    const positive = Array.from({ length: 200 }, (_, i) => i % 2 === 0);
    const p = positive.map((yes) => Math.min(1, random() * 0.7 + (yes ? 0.3 : 0)));
    const interval = intervalOf(p, positive, 0.5);
    const { auc, accuracy } = measuresOf(p, positive, 0.5);
    for (const [value, [low, high]] of [[auc, interval.auc], [accuracy, interval.accuracy]] as const) {
      expect(low).toBeLessThan(value);
      expect(high).toBeGreaterThan(value);
      expect(high - low).toBeLessThan(0.2);
    }
    expect(intervalOf(p, positive, 0.5)).toEqual(interval);
  });

  test('correlation of maps, and fidelity against fp32', () => {
    expect(correlationOf(Float32Array.of(1, 2, 3), Float32Array.of(2, 4, 6))).toBeCloseTo(1, 12);
    expect(correlationOf(Float32Array.of(1, 2, 3), Float32Array.of(3, 2, 1))).toBeCloseTo(-1, 12);
    const answer = (p: number, ...map: number[]): { p: number; top: number; map: Float32Array } => ({ p, top: 0, map: Float32Array.from(map) });
    expect(fidelityOf([answer(0.4, 1, 2), answer(0.9, 1, 2)], [answer(0.6, 2, 4), answer(0.8, 2, 1)], 0.5)).toEqual({
      labelAgreement: 0.5, maxDelta: expect.closeTo(0.2) as number, meanDelta: expect.closeTo(0.15) as number, mapCorrelation: { mean: expect.closeTo(0) as number, least: expect.closeTo(-1) as number },
    });
  });
});

test('a film is turned clockwise, after it is mirrored', () => {
  const film = greyOf(2, 3, Uint8Array.of(1, 2, 3, 4, 5, 6));
  const show = (quarters: number, mirrored: boolean): number[] => Array.from(turned(film, quarters, mirrored).pixels);
  expect(show(1, false)).toEqual([4, 1, 5, 2, 6, 3]);
  expect(show(2, false)).toEqual([6, 5, 4, 3, 2, 1]);
  expect(show(3, false)).toEqual([3, 6, 2, 5, 1, 4]);
  expect(show(0, true)).toEqual([3, 2, 1, 6, 5, 4]);
  expect(show(1, true)).toEqual([6, 3, 5, 2, 4, 1]);
  expect(turned(film, 1, false)).toMatchObject({ rows: 3, columns: 2 });
});

test('the reliability diagram has a point a bin that holds images', () => {
  const svg = reliabilitySvg(binsOf([0.05, 0.95, 0.96], [false, true, true]), 'SICK', 0.05);
  expect(svg.match(/<circle /g)).toHaveLength(2);
  expect(svg).toContain('2 images: mean probability 0.955, 100.0 % SICK');
});
