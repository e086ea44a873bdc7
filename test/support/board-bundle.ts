/** A bundle as `npm run build:board` makes it, but for this computer's processor and with small models. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runtimeSource } from '../../scripts/lib/runtime-source.mjs';
import { tar } from '../../scripts/lib/tar.mjs';
import { startVirtualBoard } from '../../src/board/index.ts';
import { OipClient } from '../../src/board/client.ts';
import type { Tensor } from '../../src/board/protocol.ts';
import type { Vector } from '../../src/board/provision/runner.ts';

type Fixture = { modelsDir: string; runtimeLibrary: string; agentDir: string };
export interface Bundle { version: string; bytes: Uint8Array }

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** `change`: files put in or in place of others, by name. */
export function boardBundle({ modelsDir, runtimeLibrary, agentDir }: Fixture, name: string, change: Record<string, string> = {}): Bundle {
  const under = (folder: string, as: string, keep: RegExp): [string, Buffer][] => readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && keep.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name)).map((file) => [`${as}${file.slice(folder.length)}`, readFileSync(file)]);
  const files = new Map<string, Buffer>([
    ...under(join(agentDir, 'fabriclens_agent'), 'agent/fabriclens_agent', /\.py$/), ...under(modelsDir, 'models', /./),
    ...runtimeSource().map(({ name: file, bytes }) => [file, bytes] as [string, Buffer]), ['runtime/libfabriclens_runtime.so', readFileSync(runtimeLibrary)], ['NAME', Buffer.from(name)],
    ...Object.entries(change).map(([file, text]) => [file, Buffer.from(text)] as [string, Buffer]),
  ]);
  const sums = [...files].map(([file, bytes]) => `${sha256(bytes)}  ${file}\n`).join('');
  const bytes = tar([...files, ['SHA256SUMS', Buffer.from(sums)] as const].map(([file, content]) => ({ name: file, bytes: content })));
  return { version: `${name}-${sha256(bytes).slice(0, 12)}`, bytes };
}

/** What the golden model on this computer answers. */
export async function goldenVectors(fixture: Fixture): Promise<Vector[]> {
  const board = await startVirtualBoard(fixture);
  const client = new OipClient(board);
  try {
    for (;;) {
      try {
        await client.ready();
        break;
      } catch {
        await new Promise((done) => setTimeout(done, 100));
      }
    }
    const input: Tensor = { name: 'image', datatype: 'INT8', shape: [1, 1, 8, 8], data: Int8Array.from({ length: 64 }, (_, i) => ((i * 37) % 255) - 127) };
    return [{ model: 'tiny', input, outputs: (await client.infer('tiny', [input])).outputs }];
  } finally {
    client.close();
    await board.close();
  }
}
