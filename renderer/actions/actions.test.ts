import { describe, expect, test } from 'vitest';
import { en } from '../i18n/en.ts';
import { Measurer } from '../measure/measurer.ts';
import { instance, library, series, study } from '../testing/samples.ts';
import { INITIAL_STATE } from '../state/store.ts';
import { actionById, ACTIONS, type Action } from './actions.ts';

const all: readonly Action[] = ACTIONS;
const textAt = (path: string): unknown => path.split('.').reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], en);

describe('actions', () => {
  test('each has an id of its own and a name', () => {
    expect(new Set(all.map((a) => a.id)).size).toBe(all.length);
    for (const { id } of all) expect(textAt(`action.${id}`), id).toEqual(expect.any(String));
  });

  test('no two share a key', () => {
    const keys = all.flatMap((a) => a.shortcuts);
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  });

  test('with nothing open only opening, workspaces, the panel, the series steps and help are possible', () => {
    const now = { app: INITIAL_STATE, view: { status: 'empty' as const, error: null, drawn: null, presentation: null, toPane: null, facts: null, decodeMs: 0, drawMs: 0 }, measure: new Measurer().store.get() };
    const possible = all.filter((a) => a.possible(now)).map((a) => a.id);
    expect(possible).toEqual(['open.files', 'open.folder', 'open.sample', 'workspace.review', 'workspace.studies', 'workspace.results', 'workspace.models', 'workspace.boards', 'workspace.settings', 'series.next', 'series.previous', 'panel.toggle', 'window.fullScreen', 'help.palette', 'help.shortcuts']);
  });

  test('measurements are taken back where the images are, deleted where they are seen, and written out of those that are open', () => {
    const measurer = new Measurer();
    measurer.place('a/0', 'length', { x: 1, y: 1 }, 1);
    const shown = { study: study('s', []), series: series('x', []), instance: instance('a'), frame: 0, position: 0, count: 1 };
    const view = { status: 'shown' as const, error: null, drawn: shown, presentation: null, toPane: null, facts: null, decodeMs: 0, drawMs: 0 };
    const possible = (id: string, change: { app?: object; drawn?: object } = {}): boolean =>
      actionById(id)!.possible({ app: { ...INITIAL_STATE, library: library(study('s', [series('x', [instance('a')])])), ...change.app }, view: { ...view, drawn: { ...shown, ...change.drawn } }, measure: measurer.store.get() });
    expect(['measure.undo', 'measure.remove', 'measure.export'].map((id) => possible(id))).toEqual([true, true, true]);
    expect(possible('measure.undo', { app: { workspace: 'models' } })).toBe(false);
    expect(possible('measure.remove', { drawn: { frame: 1 } })).toBe(false);
    expect(possible('measure.export', { app: { library: library() } })).toBe(false);
  });

  test('an unknown id is none', () => expect(actionById('no.such')).toBeUndefined());
});
