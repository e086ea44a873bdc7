/** The file of boards that were trusted: names, addresses and host keys, no secret. Written whole, under its name only when it is whole. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { BoardError, KnownBoards, NO_BOARDS } from '../board/index.ts';

/** FABRICLENS_BOARDS names another one. */
export function knownBoardsFile(environment: Record<string, string | undefined> = process.env, platform = process.platform): string {
  const named = environment['FABRICLENS_BOARDS'];
  if (named) return named;
  const config = platform === 'win32' ? environment['APPDATA'] : platform === 'darwin' ? join(homedir(), 'Library/Application Support') : environment['XDG_CONFIG_HOME'];
  return join(config || join(homedir(), '.config'), 'fabriclens', 'boards.json');
}

/** A file that is damaged is not taken for an empty one: every board would be unknown, and every key trusted anew. */
export async function readKnownBoards(file: string): Promise<KnownBoards> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NO_BOARDS;
    throw error;
  }
  try {
    return KnownBoards.parse(JSON.parse(text));
  } catch (error) {
    throw new BoardError('host-key', `The list of trusted boards, ${file}, is damaged; restore it, or remove it and trust your boards anew.`, { cause: error });
  }
}

export async function writeKnownBoards(file: string, known: KnownBoards): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(`${file}.${process.pid}`, `${JSON.stringify(known, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.${process.pid}`, file);
}
