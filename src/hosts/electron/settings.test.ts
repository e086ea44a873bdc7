import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSettings } from './settings.ts';

let folder: string;
let file: string;
const warnings: string[] = [];
const open = (locale = 'en-GB'): ReturnType<typeof openSettings> => openSettings(file, locale, (message) => warnings.push(message));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-settings-'));
  file = join(folder, 'deeper/settings.json');
  warnings.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the first start speaks the system’s language and does not run engines by itself', () => {
  expect(open().get()).toMatchObject({ locale: 'en', runOnOpen: false });
  expect(open('zh-TW').get().locale).toBe('zh-CN');
  expect(open('de').get().locale).toBe('en');
});

test('a change is saved whole, for its owner alone, and read again', () => {
  open().set({ repeats: 30, engines: ['board', 'cpu-int8'] });
  expect(open().get()).toMatchObject({ repeats: 30, engines: ['board', 'cpu-int8'], locale: 'en' });
  expect(statSync(file).mode & 0o077).toBe(0);
  expect(readdirSync(join(folder, 'deeper'))).toEqual(['settings.json']);
});

test('what another version wrote is taken as far as it is known', () => {
  open().set({ repeats: 30 });
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')) as object, locale: 'tlh', future: 1 }));
  expect(open().get()).toMatchObject({ locale: 'en', repeats: 30 });
  expect('future' in open().get()).toBe(false);
  expect(warnings).toEqual([]);
});

test('a damaged file gives the defaults and says so; a change that makes no sense changes nothing', () => {
  open().set({ repeats: 30 });
  writeFileSync(file, '{"repeats"');
  const settings = open();
  expect(settings.get().repeats).toBe(5);
  expect(warnings).toEqual([expect.stringContaining('cannot be read')]);
  expect(() => settings.set({ repeats: 0 })).toThrow();
  expect(settings.get().repeats).toBe(5);
});

test('where nothing can be written, the change holds for this run', () => {
  writeFileSync(join(folder, 'deeper'), 'a file in the way');
  expect(open().set({ repeats: 7 }).repeats).toBe(7);
  expect(warnings).toEqual([expect.stringContaining('for this run only')]);
});
