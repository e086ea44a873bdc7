import ssh2 from 'ssh2';
import { expect, test } from 'vitest';
import { makeLoginKey, publicLineOf } from './login-key.ts';

test('keys can be read, each is another, and the public line is that of its private part', () => {
  const keys = Array.from({ length: 400 }, makeLoginKey);
  expect(new Set(keys).size).toBe(keys.length);
  for (const key of keys) {
    const line = publicLineOf(key, 'fabriclens desk');
    expect(line).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]{68} fabriclens desk$/);
    const [parsed] = [ssh2.utils.parseKey(line)].flat();
    expect((parsed as ssh2.ParsedKey).verify('x', ([ssh2.utils.parseKey(key)].flat()[0] as ssh2.ParsedKey).sign('x'))).toBe(true);
  }
  expect(() => publicLineOf('no key', '')).toThrow(/forget the board/);
});
