import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openBoardState, type BoardStateFile } from './board-state.ts';

const BENCH = { id: '6f1c2c3e-7d0a-4c52-9f57-0c6a3d5b9e11', name: 'bench', address: '192.0.2.7:8600', certificateSha256: null };
const NOTHING = { format: 'fabriclens-window-boards/1', unused: [], direct: [], seen: {} };

let folder: string;
let file: string;
const warnings: string[] = [];
const open = (): BoardStateFile => openBoardState(file, (message) => warnings.push(message));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-board-state-'));
  file = join(folder, 'deeper/boards.json');
  warnings.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('nothing at first; what is set is kept beside what was, for its owner alone, and read again', () => {
  expect(open().get()).toEqual(NOTHING);
  const state = open();
  state.set({ unused: ['virtual'], direct: [BENCH] });
  state.set({ seen: { desk: { installed: '1.0.0-abc', previous: '' } } });
  const whole = { ...NOTHING, unused: ['virtual'], direct: [BENCH], seen: { desk: { installed: '1.0.0-abc', previous: '' } } };
  expect(state.get()).toEqual(whole);
  expect(open().get()).toEqual(whole);
  expect(statSync(file).mode & 0o077).toBe(0);
  expect(readdirSync(join(folder, 'deeper'))).toEqual(['boards.json']);
  expect(warnings).toEqual([]);
});

test('a damaged file, or one of another format, is said to be, and holds nothing', () => {
  open().set({ direct: [BENCH] });
  const sound = readFileSync(file, 'utf8');
  for (const text of [sound.slice(0, -9), sound.replace('boards/1', 'boards/2'), sound.replace(BENCH.id, 'virtual')]) {
    writeFileSync(file, text);
    warnings.length = 0;
    expect(open().get()).toEqual(NOTHING);
    expect(warnings).toEqual([expect.stringContaining(`${file} is damaged`)]);
  }
});

test('where the file cannot be written, it is for this run', () => {
  mkdirSync(`${file}.new`, { recursive: true });
  const state = open();
  state.set({ unused: ['virtual'] });
  expect(state.get().unused).toEqual(['virtual']);
  expect(warnings).toEqual([expect.stringContaining('for this run only')]);
  expect(open().get()).toEqual(NOTHING);
});
