/** An overlay's folder as hls/vivado/build.tcl leaves it, checked by the agent's own reader before anything of it is sent: part, length, core version and layout, hashes, one build. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { BoardError, type PlannedOverlay } from '../board/index.ts';
import type { Resources } from './resources.ts';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const Read = z.union([z.object({ sha256: Sha256, files: z.array(z.object({ name: z.string(), sha256: Sha256 })).length(2) }), z.object({ error: z.string() })]);

export async function readOverlayFolder(folder: string, { agentDir }: Resources, signal?: AbortSignal): Promise<PlannedOverlay> {
  const python = process.platform === 'win32' ? 'python' : 'python3';
  const said = await promisify(execFile)(python, ['-E', '-s', '-B', '-m', 'fabriclens_agent.pl.overlay', resolve(folder)], { cwd: agentDir, signal, timeout: 60_000 })
    .then(({ stdout }) => stdout, (error: Error & { stdout?: string }) => {
      if (error.stdout) return error.stdout;
      throw new BoardError('bad-request', `The overlay in ${folder} cannot be checked (${error.message}); that wants Python 3.8 or later here.`, { cause: error });
    });
  const read = Read.parse(JSON.parse(said));
  if ('error' in read) throw new BoardError('bad-request', `The overlay cannot be used: ${read.error}.`);
  const files = await Promise.all(['overlay.json', ...read.files.map(({ name }) => name)].map(async (name) => {
    const bytes = await readFile(join(folder, name));
    return { name, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
  }));
  if (read.files.some(({ name, sha256 }) => files.find((file) => file.name === name)?.sha256 !== sha256)) throw new BoardError('conflict', `The overlay in ${folder} changes while it is read; try again when it is written.`);
  return { sha256: read.sha256, files };
}
