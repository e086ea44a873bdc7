/** What a user types for a board, and where its token comes from. */
import { open } from 'node:fs/promises';
import { BoardError } from './errors.ts';

export const TOKEN_VARIABLE = 'FABRICLENS_BOARD_TOKEN';
const TOKEN = /^[\x21-\x7e]{1,256}$/;

/** `HOST:PORT`, `[IPv6]:PORT`. Throws BoardError `bad-request`. */
export function parseBoardAddress(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:\s[\]/@]+)):(\d{1,5})$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (!host || port < 1 || port > 65535) throw new BoardError('bad-request', `'${text}' is not a board's address; write HOST:PORT, e.g. 192.168.2.99:8600.`);
  return { host, port };
}

/** Of an SSH server: as above, or a host alone, with port 22. */
export const parseSshAddress = (text: string): { host: string; port: number } => parseBoardAddress(/^\[.*\]$|^[^:]*$/.test(text.trim()) ? `${text.trim()}:22` : text);

/**
 * The bearer token: from `file` if one is named (it must be readable by its owner only), else from FABRICLENS_BOARD_TOKEN, else none.
 * Never from an argument, where every process on the machine can read it. Throws BoardError `unauthorised`.
 */
export async function readBoardToken(environment: Record<string, string | undefined>, file?: string): Promise<string | undefined> {
  const from = file ?? `the environment variable ${TOKEN_VARIABLE}`;
  const token = file === undefined ? environment[TOKEN_VARIABLE] : await readPrivate(file);
  if (token === undefined) return undefined;
  if (!TOKEN.test(token.trim())) throw new BoardError('unauthorised', `The token from ${from} is empty or holds characters that no token has; write the board's token there.`);
  return token.trim();
}

async function readPrivate(file: string): Promise<string> {
  try {
    const handle = await open(file, 'r');
    try {
      const { mode } = await handle.stat();
      if (process.platform !== 'win32' && (mode & 0o077) !== 0) throw new BoardError('unauthorised', `Token file ${file} can be read by others; chmod 600 it.`);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(1024), 0, 1024, 0);
      return buffer.subarray(0, bytesRead).toString();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof BoardError) throw error;
    throw new BoardError('unauthorised', `Token file ${file} cannot be read (${(error as Error).message}); correct its name or rights.`, { cause: error });
  }
}
