/** A file to a board over SFTP: taken up where it was broken off, checked by its hash there, in place under its name only when it is whole. */
import { createHash } from 'node:crypto';
import type { SFTPWrapper, Stats } from 'ssh2';
import { BoardError } from '../errors.ts';
import type { SshConnection } from './connection.ts';
import { lastLine, quote } from './shell.ts';

export interface UploadOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

const CHUNK = 32 << 10;
/** Writes under way at once. */
const WINDOW = 32;
/** After a break the last writes may have come in any order: so much of what is there is sent again. */
const DOUBT = WINDOW * CHUNK;

/**
 * `path`: absolute, in a folder that is there and is ours. Returns how many bytes were there already. A part of another file, or one that was
 * damaged on the way, is found by the hash and sent anew, once.
 */
export async function upload(ssh: SshConnection, bytes: Uint8Array, path: string, options: UploadOptions = {}): Promise<number> {
  const wanted = createHash('sha256').update(bytes).digest('hex');
  if (await hashOn(ssh, path) === wanted) return bytes.length;
  const part = `${path}.part`;
  const sftp = await ssh.sftp(options.signal);
  try {
    for (const attempt of ['resumed', 'anew'] as const) {
      const from = attempt === 'anew' ? 0 : Math.max(0, Math.min(await sizeOf(sftp, part), bytes.length) - DOUBT);
      await send(ssh, sftp, bytes, part, from, options);
      if (await hashOn(ssh, part) === wanted) {
        // -T: never into a folder of that name. sync: what is renamed shall be on the card before it is relied on.
        const { code, stderr } = await ssh.exec(`sync ${quote(part)} && mv -fT ${quote(part)} ${quote(path)}`);
        if (code !== 0) throw fault(ssh, 'command-failed', `cannot rename ${part} (${lastLine(stderr)})`);
        return from;
      }
    }
  } finally {
    sftp.end();
  }
  throw fault(ssh, 'protocol', `${path} arrived damaged twice; check the card and the cable`);
}

async function send(ssh: SshConnection, sftp: SFTPWrapper, bytes: Uint8Array, path: string, from: number, { signal, onProgress }: UploadOptions): Promise<void> {
  const handle = await call<Buffer>((done) => sftp.open(path, from > 0 ? 'r+' : 'w', 0o600, done), ssh, `open ${path}`);
  let next = from;
  let done = from;
  onProgress?.(done, bytes.length);
  const lane = async (): Promise<void> => {
    while (next < bytes.length) {
      if (signal?.aborted) throw fault(ssh, 'cancelled', 'the upload was cancelled; what arrived is kept for the next time');
      const at = next;
      const length = Math.min(CHUNK, bytes.length - at);
      next += length;
      await call<void>((written) => sftp.write(handle, bytes as Buffer, at, length, at, written), ssh, `write ${path}`);
      done += length;
      onProgress?.(done, bytes.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: WINDOW }, lane));
    // A longer file may have lain there.
    await call<void>((cut) => sftp.fsetstat(handle, { size: bytes.length }, cut), ssh, `set the length of ${path}`);
  } finally {
    await call<void>((closed) => sftp.close(handle, closed), ssh, `close ${path}`).catch(() => {});
  }
}

const sizeOf = (sftp: SFTPWrapper, path: string): Promise<number> =>
  new Promise((resolve) => sftp.lstat(path, (error: Error | undefined, stats: Stats) => resolve(error || !stats.isFile() ? 0 : stats.size)));

/** Of a file on the board; undefined where there is none. */
async function hashOn(ssh: SshConnection, path: string): Promise<string | undefined> {
  const { code, stdout } = await ssh.exec(`[ -f ${quote(path)} ] && sha256sum < ${quote(path)}`, { timeoutMs: 300_000 });
  return code === 0 ? stdout.slice(0, 64) : undefined;
}

/** An SFTP request. The protocol has one word for most failures: what it may mean is told. */
function call<T>(ask: (done: (error: Error | null | undefined, result: T) => void) => void, ssh: SshConnection, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    void ssh.closed.then((reason) => reject(fault(ssh, 'board-unreachable', reason)));
    ask((error, result) => {
      if (!error) resolve(result);
      else if (/no response|not connected/i.test(error.message)) reject(fault(ssh, 'board-unreachable', 'the SSH connection was closed', error));
      else reject(fault(ssh, 'command-failed', `cannot ${what} (${error.message}); is its card full or read-only?`, error));
    });
  });
}

const fault = (ssh: SshConnection, code: BoardError['code'], what: string, cause?: unknown): BoardError => new BoardError(code, `Board ${ssh.address}: ${what}.`, { cause });
