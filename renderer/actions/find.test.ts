import { expect, test } from 'vitest';
import { findActions, type Entry } from './find.ts';

const entry = (id: string, words: string): Entry => ({ id, label: id, words, shortcut: '' });
const entries = [entry('zoomOut', 'View Zoom out 视图 缩小'), entry('zoom', 'Tool Zoom 工具 缩放'), entry('layout.1x2', 'Layout 1 × 2 布局 1 × 2'), entry('undo', 'Measure Undo 测量 撤销')];
const ids = (query: string): string[] => findActions(entries, query).map(({ id }) => id);

test('by parts of words in any order, in either language, whatever the case', () => {
  expect(ids('ZOOM')).toEqual(['zoomOut', 'zoom']);
  expect(ids('out view')).toEqual(['zoomOut']);
  expect(ids('缩')).toEqual(['zoomOut', 'zoom']);
  expect(ids('布局')).toEqual(['layout.1x2']);
  expect(ids('nothing')).toEqual([]);
});
test('a layout by its numbers as they are typed', () => expect([ids('1x2'), ids('1 × 2')]).toEqual([['layout.1x2'], ['layout.1x2']]));
test('a beginning comes before a middle; without a query all, in order', () => {
  expect(ids('un')).toEqual(['undo']);
  expect(ids('o')[0]).toBe('zoomOut');
  expect(ids(' ')).toEqual(entries.map(({ id }) => id));
});
