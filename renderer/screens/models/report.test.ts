import { expect, test } from 'vitest';
import { AdviceCode, type LayerRow, type Roofline } from '../../../src/contract/report.ts';
import { en } from '../../i18n/en.ts';
import { zhCN } from '../../i18n/zh-CN.ts';
import { bytes, percent, short, sorted } from './numbers.ts';
import { plot } from './roofline.ts';

const row = (name: string, change: Partial<LayerRow> = {}): LayerRow => ({
  name, operator: 'Conv', input: [1, 8, 8], output: [4, 8, 8], target: 'PL', arithmetic: 'int8', reason: null, within: null, macs: 1, weightBytes: 0, bytes: 0,
  cycles: null, utilisation: null, ms: null, sqnr: null, ownSqnr: null, saturation: null, ...change,
});

test('a column sorts both ways; what is unknown stays last', () => {
  const rows = [row('b', { cycles: 5 }), row('c'), row('a', { cycles: 9 })];
  const names = (...args: [Parameters<typeof sorted>[1], boolean]): string => sorted(rows, ...args).map((r) => r.name).join('');
  expect([names('cycles', true), names('cycles', false), names('name', false), names('order', false), names('order', true)]).toEqual(['abc', 'bac', 'abc', 'bca', 'acb']);
});

test('numbers keep the digits that mean something', () => {
  expect([percent(0.0123), percent(0.5), percent(1), percent(0), percent(null)]).toEqual(['1.2 %', '50 %', '100 %', '0 %', '–']);
  expect([bytes(1234), bytes(2_500_000), short(0.00001), short(3.14159), short(1e4), short(0)]).toEqual(['1.2 kB', '2.50 MB', '1.0e-5', '3.14', '10000', '0']);
});

test('every advice has its words, with the same values, in both languages', () => {
  const holes = (text: string): string[] => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]!).sort();
  for (const code of AdviceCode.options) {
    expect(en.report.advice[code], code).toMatch(/\w/);
    expect(holes(zhCN.report.advice[code]), code).toEqual(holes(en.report.advice[code]));
  }
});

const FRAME = { width: 100, height: 60, left: 10, right: 0, top: 0, bottom: 10 };
const roofline: Roofline = {
  macsPerCycle: 256, bytesPerCycle: 8, ridge: 32,
  points: [{ name: 'a', macsPerByte: 100, macsPerCycle: 200, bound: 'compute', share: 0.9 }, { name: 'b', macsPerByte: 0, macsPerCycle: 0, bound: 'memory', share: 0.1 }],
};

test('the roof: up the slope to the ridge, then flat; nothing outside the frame', () => {
  const { ceiling, points, x, y, xTicks } = plot(roofline, FRAME);
  expect([ceiling[1]!.x, ceiling[1]!.y]).toEqual([x(32), y(256)]);
  expect(ceiling[2]!.y).toBe(ceiling[1]!.y);
  expect(ceiling[0]!.y).toBeGreaterThan(ceiling[1]!.y);
  for (const { cx, cy } of points) expect([cx >= 10, cx <= 100, cy >= 0, cy <= 50]).toEqual([true, true, true, true]);
  // One on the roof is under it by as much as its value says: a decade is a decade.
  expect(x(1000) - x(100)).toBeCloseTo(x(100) - x(10), 9);
  expect(xTicks).toEqual([10, 100, 1000]);
  expect(points[0]!.r).toBeGreaterThan(points[1]!.r);
});
