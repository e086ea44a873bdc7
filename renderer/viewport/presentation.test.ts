import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Voi } from '../../src/contract/pixels.ts';
import { asWindow, dragWindow, fitZoom, fromPane, MAX_ZOOM, MIN_ZOOM, mirror, modalityRange, onPane, panBy, presets, sameVoi, snapPan, turn, zoomAbout, type Presentation } from './presentation.ts';

const at = (change: Partial<Presentation> = {}): Presentation => ({ voi: null, invert: false, zoom: 1, pan: { x: 0, y: 0 }, fitted: true, smooth: true, mirrored: false, rotation: 0, planes: true, ...change });
const window = (center: number, width: number): Voi => ({ kind: 'window', center, width, function: 'LINEAR' });

describe('zoom', () => {
  test('fits the longer side, pixels that are not square included', () => {
    expect(fitZoom({ width: 800, height: 600 }, { width: 400, height: 400 })).toBe(1.5);
    // Twice as high as wide: 400 rows take 800 units.
    expect(fitZoom({ width: 800, height: 600 }, { width: 400, height: 400 }, 2)).toBe(0.75);
    expect(fitZoom({ width: 800, height: 600 }, { width: 400, height: 400 }, 0.5)).toBe(1);
  });

  test('keeps the point under the pointer where it is', () => {
    fc.assert(fc.property(fc.double({ min: 0.1, max: 8, noNaN: true }), fc.double({ min: 0.2, max: 5, noNaN: true }), fc.integer({ min: -500, max: 500 }), fc.integer({ min: -500, max: 500 }), (zoom, factor, x, y) => {
      const before = at({ zoom, pan: { x: 3, y: -7 } });
      const after = zoomAbout(before, factor, { x, y });
      // Image coordinate under a screen point p (from the centre): p / zoom − pan.
      expect(x / after.zoom - after.pan.x).toBeCloseTo(x / before.zoom - before.pan.x, 6);
      expect(y / after.zoom - after.pan.y).toBeCloseTo(y / before.zoom - before.pan.y, 6);
      expect(after.fitted).toBe(false);
    }));
  });

  test('stays within its bounds', () => {
    expect(zoomAbout(at(), 1e9, { x: 0, y: 0 }).zoom).toBe(MAX_ZOOM);
    expect(zoomAbout(at(), 1e-9, { x: 0, y: 0 }).zoom).toBe(MIN_ZOOM);
  });

  test('pixels that are not square follow the pointer too', () => {
    // Drawn twice as high as wide: a drag of 10 screen pixels down is 5 rows.
    expect(panBy(at(), 10, 10, 2).pan).toEqual({ x: 10, y: 5 });
    expect(zoomAbout(at(), 2, { x: 8, y: 8 }, 2).pan).toEqual({ x: -4, y: -2 });
  });

  test('at 1:1 the image begins on a whole screen pixel, whatever the sizes', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 2000 }), fc.double({ min: -300, max: 300, noNaN: true }), (pane, size, pan) => {
      const { x } = snapPan(at({ pan: { x: pan, y: pan } }), { width: pane, height: pane }, { width: size, height: size });
      const edge = pane / 2 + x - size / 2;
      expect(edge).toBeCloseTo(Math.round(edge), 9);
      expect(Math.abs(x - pan)).toBeLessThanOrEqual(0.5 + 1e-9);
    }));
    expect(snapPan(at({ zoom: 2, pan: { x: 0.3, y: 0 } }), { width: 11, height: 11 }, { width: 4, height: 4 })).toEqual({ x: 0.3, y: 0 });
  });

  test('pans in image pixels', () => expect(panBy(at({ zoom: 2 }), 10, -4)).toMatchObject({ pan: { x: 5, y: -2 }, fitted: false }));
});

describe('turning and mirroring', () => {
  const rotations = [0, 90, 180, 270] as const;
  const anyView = fc.record({ rotation: fc.constantFrom(...rotations), mirrored: fc.boolean(), x: fc.integer({ min: -50, max: 50 }), y: fc.integer({ min: -50, max: 50 }) }).map(({ rotation, mirrored, x, y }) => at({ rotation, mirrored, pan: { x, y } }));
  const plain = ({ pan, ...rest }: Presentation) => ({ ...rest, pan: { x: pan.x + 0, y: pan.y + 0 } });

  test('four turns, and two mirrors, are none; between two mirrors a turn goes the other way', () => {
    fc.assert(fc.property(anyView, (p) => {
      expect(plain(turn(turn(turn(turn(p)))))).toEqual(plain(p));
      expect(plain(mirror(mirror(p)))).toEqual(plain(p));
      expect(plain(turn(mirror(turn(mirror(p)))))).toEqual(plain(p));
    }));
  });
  test('on its side an image is fitted, dragged and set on whole pixels by its other measure', () => {
    expect(fitZoom({ width: 800, height: 600 }, { width: 400, height: 200 }, 1, 90)).toBe(1.5);
    expect(fitZoom({ width: 800, height: 600 }, { width: 400, height: 400 }, 2, 270)).toBe(1);
    expect(panBy(at({ rotation: 90 }), 10, 10, 2).pan).toEqual({ x: 5, y: 10 });
    expect(snapPan(at({ rotation: 90 }), { width: 11, height: 10 }, { width: 4, height: 5 })).toEqual({ x: 0, y: 0 });
  });
  test('a point goes to the pane and back', () => {
    const toPane = { a: 0, b: 2, c: -3, d: 0.5, e: 7, f: -1 };
    expect(fromPane(toPane, onPane(toPane, { x: 4, y: 9 }))).toEqual({ x: expect.closeTo(4) as number, y: expect.closeTo(9) as number });
  });
});

describe('window by drag', () => {
  test('right widens, down raises the centre', () => {
    const dragged = asWindow(dragWindow(window(40, 400), 10, 5, 4096));
    expect(dragged.width).toBeGreaterThan(400);
    expect(dragged.center).toBeGreaterThan(40);
  });

  test('the width never falls below 1 for integer ranges, and stays positive for small ones', () => {
    fc.assert(fc.property(fc.integer({ min: -5000, max: 5000 }), fc.double({ min: 0.001, max: 70000, noNaN: true }), (dx, range) => {
      const { width } = asWindow(dragWindow(window(0, 10), dx, 0, range));
      expect(width).toBeGreaterThan(0);
      if (range >= 256) expect(width).toBeGreaterThanOrEqual(1);
    }));
  });

  test('a VOI table becomes a window of its reach', () => {
    expect(asWindow({ kind: 'table', first: 100, values: new Float32Array(50), explanation: '' })).toEqual({ kind: 'window', center: 125, width: 50, function: 'LINEAR' });
  });

  test('SIGMOID stays SIGMOID', () => expect(dragWindow({ kind: 'window', center: 1, width: 2, function: 'SIGMOID' }, 1, 1, 100)).toMatchObject({ function: 'SIGMOID' }));
});

test('the range of a frame is in modality units, whichever way the slope goes', () => {
  expect(modalityRange({ min: 0, max: 100, modality: { kind: 'linear', slope: -2, intercept: 10 } })).toEqual({ low: -190, high: 10 });
  expect(modalityRange({ min: 0, max: 3, modality: { kind: 'table', first: 0, values: Float32Array.of(5, 1, 9, 2) } })).toEqual({ low: 1, high: 9 });
});

describe('presets', () => {
  const range = { low: -1000, high: 2000 };
  const frame = { units: 'HU', voi: [window(40, 400)], voiFromFile: true, windows: [{ center: 40, width: 400, explanation: 'CHEST' }] };

  test('the file’s own come first, under their own names; CT gets the usual windows', () => {
    const all = presets('CT', frame, range);
    expect(all[0]).toEqual({ id: 'file-0', label: 'CHEST', voi: window(40, 400) });
    expect(all.map((p) => p.id)).toEqual(['file-0', 'softTissue', 'lung', 'bone', 'brain', 'angio', 'fullRange']);
  });

  test('HU presets are for HU only', () => expect(presets('CT', { ...frame, units: 'US' }, range).map((p) => p.id)).toEqual(['file-0', 'fullRange']));
  test('a last-resort window is not called the file’s', () => expect(presets('MR', { ...frame, voiFromFile: false }, range).map((p) => p.id)).toEqual(['fullRange']));
  test('the full range of a flat frame is still a window', () => expect(presets('MR', frame, { low: 7, high: 7 }).at(-1)!.voi).toMatchObject({ width: 1 }));
});

test('two VOIs are the same when they draw the same', () => {
  const table: Voi = { kind: 'table', first: 0, values: new Float32Array(2), explanation: '' };
  expect(sameVoi(window(1, 2), window(1, 2))).toBe(true);
  expect(sameVoi(window(1, 2), window(1, 3))).toBe(false);
  expect(sameVoi(table, table)).toBe(true);
  expect(sameVoi(table, window(1, 2))).toBe(false);
  expect(sameVoi(null, null)).toBe(true);
});
