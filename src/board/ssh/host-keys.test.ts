import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import ssh2 from 'ssh2';
import { newKey } from '../../../test/support/sshd.ts';
import { algorithmsFor, boardsAt, fingerprintOf, judgeHostKey, KnownBoards, NO_BOARDS, readHostKey, withBoard, type HostKey, type KnownBoard } from './host-keys.ts';

const key = (): HostKey => {
  const parsed = ssh2.utils.parseKey(newKey().public);
  if (parsed instanceof Error) throw parsed;
  return readHostKey((Array.isArray(parsed) ? parsed[0]! : parsed).getPublicSSH())!;
};
const board = (name: string, hostKeys: HostKey[], address = '192.168.2.99:22'): KnownBoard => ({ id: Buffer.from(name.padEnd(16)).toString('hex').slice(0, 32), name, addresses: [address], user: 'xilinx', hostKeys });

describe('host keys', () => {
  test('the fingerprint is ssh-keygen’s', () => {
    const shown = key();
    const said = execFileSync('ssh-keygen', ['-lf', '-'], { input: `${shown.algorithm} ${shown.blob}\n`, timeout: 20_000 }).toString();
    expect(said).toContain(` ${fingerprintOf(shown)} `);
  });

  test('bytes that are no key are none, whatever they are', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const read = readHostKey(bytes);
      if (read) expect(Buffer.from(read.blob, 'base64')).toEqual(Buffer.from(bytes));
    }));
    expect(readHostKey(Buffer.from([0xff, 0xff, 0xff, 0xff, 1]))).toBeUndefined();
    expect(readHostKey(new Uint8Array(0))).toBeUndefined();
  });

  test('a board that was never seen, one that is known, and one that changed', () => {
    const [ours, theirs] = [key(), key()];
    const known = board('desk', [ours]);
    expect(judgeHostKey([], ours)).toEqual({ state: 'unknown' });
    expect(judgeHostKey([known], ours)).toEqual({ state: 'known', board: known });
    expect(judgeHostKey([known], theirs)).toEqual({ state: 'changed', pinned: [{ board: known, key: ours }] });
  });

  test('another kind of key than was pinned is a changed key', () => {
    const known = board('desk', [key()]);
    expect(judgeHostKey([known], { algorithm: 'ssh-rsa', blob: 'AAAA' }).state).toBe('changed');
  });

  test('of two boards that share an address the key says which it is', () => {
    const [first, second] = [board('first', [key()]), board('second', [key()])];
    const known = withBoard(withBoard(NO_BOARDS, first), second);
    expect(judgeHostKey(boardsAt(known, '192.168.2.99:22'), second.hostKeys[0]!)).toEqual({ state: 'known', board: second });
    expect(KnownBoards.parse(JSON.parse(JSON.stringify(known)))).toEqual(known);
    expect(withBoard(known, { ...first, name: 'renamed' }).boards.map(({ name }) => name)).toEqual(['second', 'renamed']);
  });

  test('the pinned kind is asked for first', () => {
    expect(algorithmsFor([])[0]).toBe('ssh-ed25519');
    expect(algorithmsFor([board('old', [{ algorithm: 'ssh-rsa', blob: 'AAAA' }])]).slice(0, 3)).toEqual(['rsa-sha2-512', 'rsa-sha2-256', 'ssh-ed25519']);
    // As ssh-keygen -A leaves them on a board: what a person compares is ed25519's.
    const all = ['ecdsa-sha2-nistp256', 'ssh-ed25519', 'ssh-rsa'].map((algorithm) => ({ algorithm, blob: 'AAAA' }));
    expect(algorithmsFor([board('new', all)])[0]).toBe('ssh-ed25519');
  });
});
