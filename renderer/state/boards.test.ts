import { expect, test } from 'vitest';
import type { BoardStatus } from '../../src/contract/ipc.ts';
import { boardMarks, wordOf } from './boards.ts';

const board = (id: string, state: BoardStatus['state'], change: Partial<BoardStatus> = {}): BoardStatus =>
  ({ id, name: id, virtual: id === 'virtual', link: 'ssh', use: true, address: '', state, message: '', backend: '', models: [], ...change }) as BoardStatus;
const told = (...boards: BoardStatus[]): string[] => boardMarks(boards).map(({ board: { id }, standsBy }) => (standsBy ? `${id} stands by` : id));

test('the virtual board stands by while a real one takes requests, and answers again when that is lost', () => {
  expect(told(board('virtual', 'ready'))).toEqual(['virtual']);
  for (const state of ['ready', 'busy', 'degraded'] as const) expect(told(board('virtual', 'ready'), board('desk', state))).toEqual(['virtual stands by', 'desk']);
  for (const state of ['lost', 'connecting', 'absent'] as const) expect(told(board('virtual', 'ready'), board('desk', state))).toEqual(['virtual', 'desk']);
});

test('a board without an agent of ours waits to be set up; one that had one and is gone is absent', () => {
  const ssh = { user: 'xilinx', installed: '', previous: '' };
  expect(wordOf(board('desk', 'absent', { ssh }))).toBe('unfinished');
  expect(wordOf(board('desk', 'absent', { ssh: { ...ssh, installed: '1.0.0-a' } }))).toBe('absent');
  expect(wordOf(board('desk', 'connecting', { ssh }))).toBe('connecting');
  expect(wordOf(board('desk', 'absent', { link: 'tcp' }))).toBe('absent');
});

test('a board that is not in use is not told, and lets the virtual one answer', () => {
  expect(told(board('virtual', 'ready'), board('desk', 'ready', { use: false }))).toEqual(['virtual']);
});

test('a virtual board that is starting does not stand by', () => {
  expect(told(board('virtual', 'starting'), board('desk', 'ready'))).toEqual(['virtual', 'desk']);
});
