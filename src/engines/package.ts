/** A model package as engines take it, and the one way to its executed bytes: read once, hashed, and those very bytes are run. */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelMetadata } from '../contract/model.ts';
import { EngineError } from './engine.ts';

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
  const bytes = await readBudgeted(join(dir, file), `Model ${name}: ${file}`);
  const actual = createHash('sha256').update(bytes).digest('hex');
  if (actual !== expected) {
    throw new EngineError('model-corrupt', `Model ${name}: ${file} is not the file that metadata.json describes (SHA-256 ${actual.slice(0, 12)}… instead of ${expected.slice(0, 12)}…). Restore the package or install it again.`);
  }
  return bytes;
}

async function readBudgeted(path: string, what: string): Promise<Uint8Array<ArrayBuffer>> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const { size } = await file.stat();
    if (size > MAX_MODEL_BYTES) throw new EngineError('model-unreadable', `${what} has ${size} bytes; at most ${MAX_MODEL_BYTES} are read.`);
    const bytes = new Uint8Array(size);
    const { bytesRead } = await file.read(bytes, 0, size, 0);
    return bytesRead === size ? bytes : bytes.slice(0, bytesRead);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError('model-unreadable', `${what} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)}).`, error);
  } finally {
    await file?.close();
  }
}
