/** What the golden model on this computer answers to one made-up input a model: a board's new version must answer the same, bit for bit. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { virtualBoardLink, type Tensor, type Vector } from '../board/index.ts';
import type { Resources } from './resources.ts';

/** `bundle`: a tar file of `npm run build:board`, whose own models are run. */
export async function goldenVectors(bundle: string, resources: Resources, signal?: AbortSignal): Promise<Vector[]> {
  const folder = await mkdtemp(join(tmpdir(), 'fabriclens-bundle-'));
  const board = virtualBoardLink({ modelsDir: join(folder, 'models'), runtimeLibrary: resources.runtimeLibrary, agentDir: resources.agentDir });
  try {
    await promisify(execFile)('tar', ['-xf', bundle, '-C', folder, 'models'], { signal, timeout: 120_000 });
    const client = await board.ready({ signal, timeoutMs: 120_000 });
    const vectors: Vector[] = [];
    for (const model of board.status.models) {
      const { inputs: [input] } = await client.modelMetadata(model, { signal });
      if (!input) continue;
      const shape = input.shape.map((extent) => Math.max(1, Number(extent)));
      // Anything will do that is not constant; a prime step walks through all codes.
      const tensor: Tensor = { name: input.name, datatype: 'INT8', shape, data: Int8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 37) % 255) - 127) };
      vectors.push({ model, input: tensor, outputs: (await client.infer(model, [tensor], { signal })).outputs });
    }
    return vectors;
  } finally {
    await board.close();
    await rm(folder, { recursive: true, force: true });
  }
}
