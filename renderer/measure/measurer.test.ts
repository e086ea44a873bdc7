import { beforeEach, describe, expect, it } from 'vitest';
import { en } from '../i18n/en.ts';
import { i18n } from '../i18n/index.ts';
import { instance, library, series, study } from '../testing/samples.ts';
import { KINDS, POINTS, type Plane } from './measure.ts';
import { Measurer } from './measurer.ts';
import { rowsOf } from './rows.ts';
import { figure, linesOf } from './text.ts';

const p = (x: number, y: number) => ({ x, y });
let measurer: Measurer;
const list = () => (measurer.store.get().all['i/0'] ?? []).map(({ kind, points }) => [kind, ...points.map(({ x, y }) => `${x},${y}`)].join(' '));
beforeEach(() => void (measurer = new Measurer()));

const drag = (kind: Parameters<Measurer['press']>[1], ...points: ReturnType<typeof p>[]): void => {
  measurer.press('i/0', kind, points[0]!);
  for (const point of points) measurer.follow('i/0', point);
  measurer.release('i/0', points.at(-1)!);
};

describe('drawing', () => {
  it('a length is a drag, or two clicks', () => {
    drag('length', p(0, 0), p(4, 0));
    drag('length', p(0, 5));
    measurer.follow('i/0', p(2, 5));
    drag('length', p(9, 5));
    expect(list()).toEqual(['length 0,0 4,0', 'length 0,5 9,5']);
  });
  it('an angle is a drag and a click, a Cobb angle two drags, a value a click', () => {
    drag('angle', p(0, 0), p(5, 5));
    expect(measurer.store.get().drawing?.points).toHaveLength(3);
    drag('angle', p(9, 0));
    drag('cobb', p(0, 0), p(9, 0));
    drag('cobb', p(0, 9), p(9, 8));
    drag('probe', p(3, 3));
    expect(list()).toEqual(['angle 0,0 5,5 9,0', 'cobb 0,0 9,0 0,9 9,8', 'probe 3,3']);
  });
  it('is forgotten by Escape, by undo, and by beginning on another image or with another tool', () => {
    measurer.press('i/0', 'length', p(0, 0));
    expect([measurer.cancel(), measurer.cancel()]).toEqual([true, false]);
    measurer.press('i/0', 'length', p(0, 0));
    measurer.undo();
    expect(measurer.store.get().drawing).toBeNull();
    measurer.press('i/0', 'length', p(0, 0));
    measurer.press('j/0', 'length', p(1, 1));
    expect(measurer.store.get().drawing).toMatchObject({ key: 'j/0', points: [p(1, 1), p(1, 1)] });
  });
  it('does not go on over another image', () => {
    measurer.press('i/0', 'length', p(0, 0));
    measurer.follow('i/1', p(5, 5));
    measurer.release('i/1', p(5, 5));
    expect(measurer.store.get()).toMatchObject({ all: {}, drawing: { key: 'i/0', points: [p(0, 0), p(0, 0)] } });
  });
  it('needs no pointer: each kind can be put down whole, and is then selected', () => {
    for (const kind of KINDS) measurer.place('i/0', kind, p(50, 50), 10);
    const placed = measurer.store.get().all['i/0']!;
    expect(placed.map(({ kind, points }) => points.length === POINTS[kind])).toEqual(KINDS.map(() => true));
    expect(measurer.store.get().selected).toEqual({ key: 'i/0', id: placed.at(-1)!.id });
  });
});

describe('changing', () => {
  it('moves a point or the whole; a drag of many moves is taken back at once', () => {
    measurer.place('i/0', 'length', p(10, 10), 10);
    const { id } = measurer.store.get().all['i/0']![0]!;
    for (let i = 0; i < 3; i++) measurer.move('i/0', id, 1, 1, 2);
    measurer.settle();
    measurer.move('i/0', id, null, -5, 0);
    measurer.settle();
    measurer.settle();
    expect(list()).toEqual(['length 0,10 13,16']);
    measurer.undo();
    expect(list()).toEqual(['length 5,10 18,16']);
    measurer.undo();
    expect(list()).toEqual(['length 5,10 15,10']);
    measurer.redo();
    measurer.redo();
    measurer.redo();
    expect(list()).toEqual(['length 0,10 13,16']);
  });
  it('what is deleted comes back by undo, until something new is done', () => {
    measurer.place('i/0', 'probe', p(1, 1), 1);
    measurer.place('i/0', 'probe', p(2, 2), 1);
    measurer.remove();
    expect(list()).toEqual(['probe 1,1']);
    measurer.undo();
    measurer.clear('i/0');
    measurer.clear('i/0');
    expect(list()).toEqual([]);
    measurer.undo();
    expect(list()).toEqual(['probe 1,1', 'probe 2,2']);
    measurer.place('i/0', 'probe', p(3, 3), 1);
    measurer.redo();
    expect(list()).toHaveLength(3);
  });
});

describe('saying', () => {
  it('has figures that mean something', () => expect([0.1234, 12.34, 123.4, -1024.6].map(figure)).toEqual(['0.12', '12.3', '123', '-1025']));
  it('says what millimetres are those of, but where it is the patient', () => {
    const lines = (plane: Plane) => linesOf(i18n.t, { kind: 'length', length: 12.34, plane });
    expect(lines('patient')).toEqual(['12.3 mm']);
    expect(lines('detector')).toEqual(['12.3 mm', en.measure.plane.detector]);
    expect(lines(null)).toEqual(['12.3 px', en.measure.plane.none]);
  });
  it('goes out as rows, a quantity each; of a closed image there are none', async () => {
    const shown = instance('i', { spacing: { row: 2, column: 2, source: 'PixelSpacing', plane: 'patient' } });
    const frame = { kind: 'grey', rows: 2, columns: 2, pixels: Int16Array.of(1, 2, 3, 4), min: 1, max: 4, modality: { kind: 'linear', slope: 1, intercept: 0 }, voi: [], voiFromFile: false, windows: [], inverted: false, units: 'HU' } as const;
    measurer.place('i/0', 'rectangle', p(1, 1), 2);
    measurer.place('i/0', 'arrow', p(1, 1), 2);
    measurer.place('closed/0', 'length', p(1, 1), 2);
    const rows = await rowsOf(measurer.store.get().all, library(study('s', [series('x', [shown])])), () => Promise.resolve({ ...frame, voi: [], windows: [] }));
    expect(rows.map(({ number, kind, quantity, value, unit, plane }) => [number, kind, quantity, value, unit, plane].join(' '))).toEqual([
      '1 rectangle area 16 mm2 patient', '1 rectangle count 4  ', '1 rectangle mean 2.5 HU ', expect.stringMatching(/^1 rectangle sd 1\.118\d+ HU $/), '1 rectangle min 1 HU ', '1 rectangle max 4 HU ', '2 arrow    ',
    ]);
  });
});
