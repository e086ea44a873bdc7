import { constants, open } from 'node:fs/promises';

/** A pipe must not hang the open; O_NONBLOCK is unknown on Windows. */
const READ = constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0);

/** A file larger than its budget; nothing of it was read. */
export class TooLargeError extends Error {
  override readonly name = 'TooLargeError';
}

/** A regular file's bytes, its size held against `limit` on the open file before anything is allocated. Throws TooLargeError or Node's own error. */
export async function readBounded(path: string, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const file = await open(path, READ);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error('it is not a regular file');
    if (stats.size > limit) throw new TooLargeError(`it has ${megabytes(stats.size)}, more than the ${megabytes(limit)} that are read`);
    const bytes = new Uint8Array(stats.size);
    let at = 0;
    while (at < bytes.length) {
      const { bytesRead } = await file.read(bytes, at, bytes.length - at, at);
      if (bytesRead === 0) return bytes.slice(0, at);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;

const CAUSES: Record<string, string> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is not a folder',
  ELOOP: 'its symbolic links form a loop',
  EIO: 'the disk or network drive failed',
  EMFILE: 'too many files are open',
};

/** Why a file could not be read, in words that carry no path. */
export function readFailure(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined ? (error as Error).message : (CAUSES[code] ?? code);
}
