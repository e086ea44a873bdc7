/** The reader's own model packages: a folder of the user's data. */
import { mkdirSync } from 'node:fs';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AddModelReport } from '../../contract/report.ts';

/** What addModel writes before it gives a package its name, and what `removeModel` takes it back to. */
const LEFTOVER = /^\.[A-Za-z0-9][A-Za-z0-9._-]*\.\d+\.tmp$/;
/** Windows holds files of a process that has just ended for a moment. */
const REMOVE = { recursive: true, force: true, maxRetries: 5, retryDelay: 100 } as const;

export function makeFolder(dir: string): void {
  mkdirSync(dir, { recursive: true });
}

/** Removes what was being made or removed when its process ended. Only while none runs. */
export async function sweep(dir: string): Promise<void> {
  const names = await readdir(dir).catch(() => []);
  for (const name of names) if (LEFTOVER.test(name)) await rm(join(dir, name), REMOVE);
}

/** Gone at once, whatever happens meanwhile: a folder that is half deleted is no package. */
export async function removeModel(dir: string, name: string): Promise<void> {
  const going = join(dir, `.${name}.${process.pid}.tmp`);
  await rm(going, REMOVE);
  await rename(join(dir, name), going);
  await rm(going, REMOVE);
}

/** report.json of the package in the first of `dirs` that has one of that name; null where it has none. @throws Error where it is damaged */
export async function readReport(dirs: readonly string[], name: string): Promise<AddModelReport | null> {
  for (const dir of dirs) {
    const files = await readdir(join(dir, name)).catch(() => null);
    if (files === null || !files.includes('metadata.json')) continue;
    if (!files.includes('report.json')) return null;
    return AddModelReport.parse(JSON.parse(await readFile(join(dir, name, 'report.json'), 'utf8')));
  }
  return null;
}
