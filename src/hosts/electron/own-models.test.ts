import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readReport, removeModel, sweep } from './own-models.ts';

let dir: string;
const put = (name: string, ...files: string[]): void => {
  mkdirSync(join(dir, name), { recursive: true });
  for (const file of files) writeFileSync(join(dir, name, file), '{}');
};
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'fabriclens-own-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('only what was half made goes', async () => {
  put('chest', 'metadata.json');
  put('.chest.41.tmp/chest', 'metadata.json');
  put('.a.b-c_1.7.tmp/proof', 'x');
  put('.keep');
  put('x.41.tmp');
  await sweep(dir);
  expect(readdirSync(dir).sort()).toEqual(['.keep', 'chest', 'x.41.tmp']);
  await sweep(join(dir, 'nowhere'));
});

test('a model is removed whole, the others stay', async () => {
  put('chest', 'metadata.json', 'program.bin');
  put('hand', 'metadata.json');
  await removeModel(dir, 'chest');
  expect(readdirSync(dir)).toEqual(['hand']);
  await expect(removeModel(dir, 'chest')).rejects.toThrow(/ENOENT/);
});

test('a package without a report has none; a damaged one is an error, and the first folder counts', async () => {
  put('plain', 'metadata.json');
  put('broken', 'metadata.json', 'report.json');
  expect(await readReport([dir], 'plain')).toBe(null);
  expect(await readReport([dir], 'nobody')).toBe(null);
  await expect(readReport([join(dir, 'other'), dir], 'broken')).rejects.toThrow();
});
