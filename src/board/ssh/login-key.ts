/** Login keys that the application makes: ed25519, in OpenSSH's format. */
import ssh2 from 'ssh2';
import { BoardError } from '../errors.ts';

/** The private part. ssh2 1.17 writes one key in some three hundred, whose first byte is 0, a byte too short, and nobody can read that one: it is made again. */
export function makeLoginKey(): string {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error) && !(ssh2.utils.parseKey(pair.public) instanceof Error)) return pair.private;
  }
}

/** Its line for `authorized_keys`. */
export function publicLineOf(privateKey: string, comment: string): string {
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error) throw new BoardError('bad-request', `A login key that was kept cannot be read (${parsed.message}); forget the board, and trust it anew.`);
  const key = Array.isArray(parsed) ? parsed[0]! : parsed;
  return `${key.type} ${key.getPublicSSH().toString('base64')} ${comment}`;
}
