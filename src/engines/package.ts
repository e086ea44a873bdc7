/** A model package as engines take it, and the one way to its executed bytes: read once, hashed, and those very bytes are run. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ModelMetadata } from '../contract/model.ts';
import { EngineError } from './engine.ts';
import { readBounded, readFailure } from './read-bounded.ts';

export interface ModelPackage {
  /** Absolute folder. */
  dir: string;
  metadata: ModelMetadata;
}

export type ExecutedFile = keyof ModelMetadata['fabriclens']['sha256'];

/** Bytes an executed file may have. A PYNQ-Z2 has 512 MB in all. */
export const MAX_MODEL_BYTES = 512 * 2 ** 20;

/**
 * Reads a file of the package and holds it against its SHA-256 in metadata.json.
 * Throws EngineError `model-not-compiled`, `model-unreadable` or `model-corrupt`.
 */
export async function readVerified({ dir, metadata }: ModelPackage, file: ExecutedFile): Promise<Uint8Array<ArrayBuffer>> {
  const { name, sha256 } = metadata.fabriclens;
  const expected = sha256[file];
  if (expected === undefined) {
    throw new EngineError('model-not-compiled', `Model ${name} has no ${file}: make it with "npx fabriclens compile-program ${dir}".`);
  }
  const bytes = await readModelFile(join(dir, file), `Model ${name}: ${file}`);
  const actual = createHash('sha256').update(bytes).digest('hex');
  if (actual !== expected) {
    throw new EngineError('model-corrupt', `Model ${name}: ${file} is not the file that metadata.json describes (SHA-256 ${actual.slice(0, 12)}… instead of ${expected.slice(0, 12)}…). Restore the package or install it again.`);
  }
  return bytes;
}

async function readModelFile(path: string, what: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readBounded(path, MAX_MODEL_BYTES);
  } catch (error) {
    throw new EngineError('model-unreadable', `${what} cannot be read: ${readFailure(error)}.`, error);
  }
}
