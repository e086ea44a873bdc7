import { describe, expect, test } from 'vitest';
import { instance, library, series, study } from '../testing/samples.ts';
import { beside, INITIAL_PANES, LAYOUTS, reselectPanes, selectionOf, visiblePanes, withLayout, withSelection, type Panes } from './panes.ts';

const lib = library(study('1', [series('a', [instance('a0'), instance('a1')]), series('b', [instance('b0')]), series('c', [instance('c0')])]), study('2', [series('d', [instance('d0')])]));
const shows = (state: Panes): Array<string | null> => visiblePanes(state).map(({ selection }) => selection?.seriesUid ?? null);
const one: Panes = { ...INITIAL_PANES, ...withSelection(INITIAL_PANES, { seriesUid: 'b', position: 0 }) };

describe('a layout', () => {
  test('grows: new panes take what is not seen yet of the same study', () => {
    expect(shows(withLayout(one, { rows: 2, columns: 2 }, lib))).toEqual(['b', 'a', 'c', null]);
  });

  test('what a pane shows stays through larger and smaller ones', () => {
    const two = withLayout(one, { rows: 1, columns: 2 }, lib);
    const dropped = { ...two, ...withSelection(two, { seriesUid: 'd', position: 0 }, 1) };
    expect(shows(withLayout(withLayout(dropped, { rows: 3, columns: 3 }, lib), { rows: 1, columns: 2 }, lib))).toEqual(['b', 'd']);
  });

  test('shrinks: the active pane, with its viewer, stays in sight', () => {
    const four = { ...withLayout(one, { rows: 2, columns: 2 }, lib), active: 2 };
    const id = four.panes[2]!.id;
    const small = withLayout(four, { rows: 1, columns: 1 }, lib);
    expect([small.active, selectionOf(small)?.seriesUid, small.panes[0]!.id]).toEqual([0, 'c', id]);
    expect(new Set(small.panes.map((pane) => pane.id)).size).toBe(9);
  });

  test('maximised, the active pane alone is seen; another layout ends it', () => {
    const four = { ...withLayout(one, { rows: 2, columns: 2 }, lib), active: 1, maximised: true };
    expect(shows(four)).toEqual(['a']);
    expect(withLayout(four, { rows: 1, columns: 2 }, lib).maximised).toBe(false);
  });

  test('the active pane is always one that is seen', () => {
    for (const from of LAYOUTS) {
      for (let active = 0; active < from.rows * from.columns; active++) {
        for (const to of LAYOUTS) {
          const next = withLayout({ ...one, layout: from, active }, to, lib);
          expect(visiblePanes(next)).toContain(next.panes[next.active]);
        }
      }
    }
  });
});

test('beside: by rows and columns, none over the edge or of a maximised pane', () => {
  const at = { ...one, layout: { rows: 2, columns: 3 }, active: 4 };
  expect([beside(at, -1, 0), beside(at, 1, 0), beside(at, 0, -1), beside(at, 0, 1)]).toEqual([3, 5, 1, null]);
  expect(beside({ ...at, active: 2 }, 1, 0)).toBeNull();
  expect(beside({ ...at, maximised: true }, -1, 0)).toBeNull();
});

test('when the library changes, panes keep their pictures; one whose series went is empty, but the active one takes the first', () => {
  const two = withLayout(one, { rows: 1, columns: 2 }, lib);
  const both = { ...two, ...withSelection(two, { seriesUid: 'a', position: 1 }, 1) };
  const gone = library(study('1', [series('a', [instance('new'), ...lib.studies[0]!.series[0]!.instances])]));
  expect(reselectPanes(lib, gone, { ...both, active: 1 }).slice(0, 2).map((pane) => pane.selection)).toEqual([null, { seriesUid: 'a', position: 2 }]);
  expect(reselectPanes(lib, gone, { ...both, active: 0 }).slice(0, 2).map((pane) => pane.selection)).toEqual([{ seriesUid: 'a', position: 0 }, { seriesUid: 'a', position: 2 }]);
});
