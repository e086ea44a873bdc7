import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSecrets, type Vault } from './secrets.ts';

let folder: string;
let file: string;
const warnings: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-secrets-'));
  file = join(folder, 'secrets.json');
  warnings.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Encrypts for real, as an OS keychain's key does. */
function vault(change: Partial<Vault> = {}): Vault {
  const key = randomBytes(32);
  return {
    isEncryptionAvailable: () => true,
    getSelectedStorageBackend: () => 'gnome_libsecret',
    encryptString: (text) => {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, iv);
      return Buffer.concat([iv, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
    },
    decryptString: (bytes) => {
      const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAuthTag(bytes.subarray(-16));
      return Buffer.concat([cipher.update(bytes.subarray(12, -16)), cipher.final()]).toString();
    },
    ...change,
  };
}
const open = (one: Vault, platform: NodeJS.Platform = 'linux'): ReturnType<typeof openSecrets> => openSecrets(file, one, (text) => warnings.push(text), platform);

test('what shall be remembered is there the next time, encrypted and for the owner alone; the rest is gone', () => {
  const one = vault();
  const store = open(one);
  store.keep('a', { password: 'pass word' }, true);
  store.keep('a', { passphrase: 'pass phrase' }, false);
  expect(store.of('a')).toEqual({ password: 'pass word', passphrase: 'pass phrase' });
  expect(open(one).of('a')).toEqual({ password: 'pass word' });
  expect(readFileSync(file, 'latin1')).not.toContain('pass');
  if (process.platform !== 'win32') expect(statSync(file).mode & 0o077).toBe(0);
  store.forget('a');
  expect([store.of('a'), open(one).of('a')]).toEqual([{}, {}]);
});

test.each([
  ['no keychain', { isEncryptionAvailable: () => false }],
  ['a keychain that is none', { getSelectedStorageBackend: () => 'basic_text' }],
])('%s: nothing is written, and it lasts until the end of the run', (_, change) => {
  const store = open(vault(change));
  expect(store.available).toBe(false);
  store.keep('a', { password: 'x' }, true);
  expect(store.of('a')).toEqual({ password: 'x' });
  expect(() => statSync(file)).toThrow();
});

test('only Linux is asked which keychain it has', () => {
  const elsewhere = vault({ getSelectedStorageBackend: () => { throw new Error('Linux only'); } });
  expect(open(elsewhere, 'darwin').available).toBe(true);
});

test('a file of another account or a damaged one is as if there were none, and is said', () => {
  open(vault()).keep('a', { password: 'x' }, true);
  expect(open(vault()).of('a')).toEqual({});
  writeFileSync(file, '{');
  expect(open(vault()).of('a')).toEqual({});
  expect(warnings).toHaveLength(2);
});
