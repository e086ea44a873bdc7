/** DCMTK's command-line tools as a real peer: in the folder FABRICLENS_DCMTK, or on PATH. */
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const folder = process.env['FABRICLENS_DCMTK'] ?? '';
const tool = (name: string): string => (folder ? join(folder, name) : name);

/** `3.6.7`, or null where DCMTK is not installed. */
export const dcmtkVersion: string | null = /v(\d+\.\d+\.\d+)/.exec(spawnSync(tool('dcmdump'), ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1] ?? null;

const run = promisify(execFile);

/** Runs a tool; resolves with its standard output, null when it fails. */
export async function dcmtk(name: string, args: string[]): Promise<Buffer | null> {
  try {
    const { stdout } = await run(tool(name), args, { encoding: 'buffer', maxBuffer: 2 ** 28 });
    return stdout;
  } catch {
    return null;
  }
}
