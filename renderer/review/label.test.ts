import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { placeLabel, roomOf } from './label.ts';

const pane = { width: 400, height: 300 };
const room = { width: 100, height: 38 };

describe('the words of a measurement', () => {
  test('stand beside it on the right; at the right edge on the left; where neither is free under it, or over it', () => {
    expect(placeLabel('length', [{ x: 50, y: 200 }, { x: 100, y: 100 }], room, pane)).toEqual({ x: 109, y: 91.5, before: false });
    expect(placeLabel('length', [{ x: 150, y: 200 }, { x: 380, y: 100 }], room, pane)).toEqual({ x: 41, y: 191.5, before: true });
    expect(placeLabel('length', [{ x: 20, y: 100 }, { x: 380, y: 110 }], room, pane)).toEqual({ x: 280, y: 119, before: true });
    expect(placeLabel('length', [{ x: 20, y: 280 }, { x: 380, y: 290 }], room, pane)).toEqual({ x: 280, y: 233, before: true });
    expect(placeLabel('rectangle', [{ x: 50, y: 40 }, { x: 100, y: 100 }], room, pane)).toEqual({ x: 109, y: 61.5, before: false });
  });

  test('are in the pane whenever a part of the measurement is', () => {
    const value = fc.integer({ min: -500, max: 900 });
    fc.assert(fc.property(fc.constantFrom('length' as const, 'ellipse' as const), value, value, value, value, (kind, ax, ay, bx, by) => {
      const { x, y } = placeLabel(kind, [{ x: ax, y: ay }, { x: bx, y: by }], room, pane);
      const seen = Math.max(ax, bx) >= 0 && Math.max(ay, by) >= 0 && Math.min(ax, bx) <= pane.width && Math.min(ay, by) <= pane.height;
      return !seen || (x >= 0 && y >= 0 && x + room.width <= pane.width && y + room.height <= pane.height);
    }));
  });

  test('need room for their longest line, Chinese letters more', () => {
    expect(roomOf(['1', '22']).height).toBe(38);
    expect(roomOf(['均值 4']).width).toBeGreaterThan(roomOf(['mean']).width);
    expect(roomOf([])).toEqual({ width: 0, height: 4 });
  });
});
