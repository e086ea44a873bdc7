/** From what a person named (files, folders) to the regular files to read. */
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readFailure } from '../engines/index.ts';

export interface FoundFile {
  /** As reached from what was named, for people. */
  path: string;
  /** With symbolic links resolved: a file's identity. */
  realPath: string;
}

export interface PathProblem {
  path: string;
  code: string;
  message: string;
}

export interface Walk {
  files: FoundFile[];
  problems: PathProblem[];
}

const natural = new Intl.Collator('en', { numeric: true });

/**
 * Files in the order named, folders walked in natural order of names. Each file comes once, each folder is entered once (so that links
 * cannot loop); hidden files and folders inside a folder are passed over. At most `maxFiles` files; the rest is one problem.
 */
export async function walkPaths(paths: readonly string[], maxFiles: number, signal?: AbortSignal): Promise<Walk> {
  const walk: Walk = { files: [], problems: [] };
  const seen = new Set<string>();
  let full = false;

  /** `listed`: what the folder's listing says already. Asking the disk for each file would make a folder on a network drive slow. */
  const visit = async (path: string, named: boolean, listed?: { real: string; kind: Dirent }): Promise<void> => {
    signal?.throwIfAborted();
    if (full) return;
    try {
      const real = listed?.real ?? (await realpath(path));
      if (seen.has(real)) return;
      seen.add(real);
      const kind = listed?.kind ?? (await stat(real));
      if (kind.isDirectory()) {
        const entries = (await readdir(real, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.')).sort((a, b) => natural.compare(a.name, b.name));
        for (const entry of entries) {
          const plain = entry.isFile() || entry.isDirectory(); // else a link, or a file system that does not tell
          await visit(join(path, entry.name), false, plain ? { real: join(real, entry.name), kind: entry } : undefined);
        }
      } else if (kind.isFile()) {
        if (walk.files.length < maxFiles) {
          walk.files.push({ path, realPath: real });
        } else {
          full = true;
          walk.problems.push({ path, code: 'too-large', message: `More than ${maxFiles} files were named; the rest was left out. Open fewer at a time.` });
        }
      } else if (named) {
        walk.problems.push({ path, code: 'unreadable', message: `${basename(path)} is neither a file nor a folder.` });
      }
    } catch (error) {
      if (signal?.aborted) throw error;
      walk.problems.push({ path, code: 'unreadable', message: `${basename(path)} cannot be read: ${readFailure(error)}.` });
    }
  };

  for (const path of paths) await visit(path, true);
  return walk;
}
