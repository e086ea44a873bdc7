import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Box } from '../../src/contract/engine.ts';
import { detected, detection, failed } from '../testing/samples.ts';
import { boundsOf, byLabel, cornersOf, drawnBoxes, drawnEngines, groupAt, reaches, rowsOf, scoreFrom } from './boxes.ts';

const box = (x: number, score: number, label = 0, size = 20): Box => ({ x, y: 10, width: size, height: size, score, label });
const all = { engines: null, threshold: 0 };
const compared = detection(
  [detected('cpu-fp32', [box(0, 0.9), box(50, 0.6, 1)]), detected('cpu-int8', [box(1, 0.8)]), failed('board')],
  [{ label: 0, boxes: [{ engine: 'cpu-fp32', index: 0, iou: null }, { engine: 'cpu-int8', index: 0, iou: 0.905 }] }, { label: 1, boxes: [{ engine: 'cpu-fp32', index: 1, iou: null }] }],
);

describe('rows', () => {
  test('one a thing, with each engine’s box, the first engine’s place and the least overlap', () => {
    const [both, one] = rowsOf(compared);
    expect([...both!.boxes.keys()]).toEqual(['cpu-fp32', 'cpu-int8']);
    expect([both!.iou, both!.first.x, one!.iou, one!.boxes.get('cpu-int8')]).toEqual([0.905, 0, null, undefined]);
  });

  test('the reader’s score, but never below what the engines were asked for; a row stays while one engine reaches it', () => {
    expect([0, 0.1, 0.5].map((threshold) => scoreFrom(compared, { threshold }))).toEqual([0.25, 0.25, 0.5]);
    expect(rowsOf(compared).map((row) => [reaches(row, 0.85), reaches(row, 0.95)])).toEqual([[true, false], [false, false]]);
  });

  test('a table a label, in the order in which they come', () => {
    const rows = [1, 0, 1].map((label, group) => ({ group, label, boxes: new Map(), first: box(0, 1), iou: null }));
    expect(byLabel(rows).map(({ label, rows: list }) => [label, list.map(({ group }) => group)])).toEqual([[1, [0, 2]], [0, [1]]]);
  });
});

describe('what is drawn', () => {
  test('of the engines chosen that answered; what only some of them have says so', () => {
    expect(drawnEngines(compared, all)).toEqual(['cpu-fp32', 'cpu-int8']);
    expect(drawnEngines(compared, { engines: ['board', 'cpu-int8'] })).toEqual(['cpu-int8']);
    expect(drawnBoxes(compared, all).map(({ group, outlines, only }) => [group, outlines.map(({ engine }) => engine), only])).toEqual([[0, ['cpu-fp32', 'cpu-int8'], null], [1, ['cpu-fp32'], ['cpu-fp32']]]);
    // One engine alone has nobody to differ from.
    expect(drawnBoxes(compared, { engines: ['cpu-fp32'], threshold: 0 }).map(({ only }) => only)).toEqual([null, null]);
    expect(drawnBoxes(compared, { engines: [], threshold: 0 })).toEqual([]);
  });

  test('a box below the reader’s score is not drawn, the other engine’s above it is', () => {
    expect(drawnBoxes(compared, { engines: null, threshold: 0.85 }).map(({ outlines, only }) => [outlines.length, only])).toEqual([[1, ['cpu-fp32']]]);
  });

  test('corners go where the image’s pixels go: turned, mirrored and stretched', () => {
    const number = fc.double({ min: -50, max: 50, noNaN: true });
    fc.assert(fc.property(fc.record({ a: number, b: number, c: number, d: number, e: number, f: number }), (m) => {
      const matrix = (x: number, y: number): { x: number; y: number } => ({ x: m.a * x + m.c * y + m.e, y: m.b * x + m.d * y + m.f });
      expect(cornersOf({ ...box(3, 1), y: 4, width: 5, height: 6 }, m)).toEqual([matrix(3, 4), matrix(8, 4), matrix(8, 10), matrix(3, 10)]);
    }));
    // A quarter turn: x′ = −y, y′ = x.
    expect(boundsOf(cornersOf({ ...box(3, 1), y: 4, width: 5, height: 6 }, { a: 0, b: 1, c: -1, d: 0, e: 0, f: 0 }))).toEqual({ left: -10, top: 3, right: -4, bottom: 8 });
  });

  test('of boxes in one another the smaller is pointed at', () => {
    const inside = detection([detected('cpu-fp32', [box(0, 0.9, 0, 100), box(40, 0.5)])], [{ label: 0, boxes: [{ engine: 'cpu-fp32', index: 0, iou: null }] }, { label: 0, boxes: [{ engine: 'cpu-fp32', index: 1, iou: null }] }]);
    const drawn = drawnBoxes(inside, all);
    const twice = { a: 2, b: 0, c: 0, d: 2, e: 100, f: 0 };
    expect([{ x: 200, y: 40 }, { x: 110, y: 40 }, { x: 96.5, y: 40 }, { x: 95, y: 40 }].map((at) => groupAt(drawn, twice, at))).toEqual([1, 0, 0, null]);
  });
});
