/** Sends a model package to a board that takes models (`fabriclens_store`): only what is not there, in chunks, going on after a cut. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { PACKAGE_FILES } from '../contract/model.ts';
import type { StoredFile } from '../contract/model-store.ts';
import { Parameters } from '../contract/oip.ts';
import type { OipClient } from './client.ts';
import { BoardError } from './errors.ts';

/** Of a package: what a board executes, and the card. It has no use for the ONNX files. */
const SENT = [PACKAGE_FILES.metadata, PACKAGE_FILES.program, PACKAGE_FILES.card] as const;
/** A chunk is synchronised to the board's SD card before it is answered for: shorter ones cost time, longer ones cost more after a cut. */
const CHUNK_BYTES = 1 << 20;
/** Milliseconds before the next attempt, by how many failed in a row. After the last one it is given up. */
const BACKOFF_MS = [250, 500, 1_000, 2_000, 5_000, 10_000, 10_000] as const;
/** Of a file: what the agent takes of a program. */
const MAX_FILE_BYTES = 256 << 20;
/** How often a file may turn out to be other than it was thought to be. */
const MAX_CONFLICTS = 3;
/** The board runs the model once before it serves it; the slowest that it takes needs 300 s. */
const ACTIVATE_TIMEOUT_MS = 330_000;

export interface DeployProgress {
  /** Of the package on the board. */
  doneBytes: number;
  totalBytes: number;
}

export interface DeployOptions {
  signal?: AbortSignal | undefined;
  /** Called when more of the package is on the board. `activating` when all is and the board loads it. */
  onProgress?: ((progress: DeployProgress & { step: 'sending' | 'activating' }) => void) | undefined;
}

export interface Deployment {
  model: string;
  version: string;
  /** SHA-256 of the manifest, which identifies the package. */
  package: string;
  programSha256: string;
  totalBytes: number;
  /** Bytes that had to be sent, those sent again after a cut included. */
  sentBytes: number;
}

const Metadata = z.object({
  version: z.string(),
  fabriclens: z.object({ name: z.string(), sha256: z.object({ [PACKAGE_FILES.program]: z.string().optional() }) }),
});
type Metadata = z.infer<typeof Metadata>;

interface LocalFile extends StoredFile {
  content: Uint8Array;
}

/**
 * Deploys the package in `dir`. What was sent before stays on the board if this ends early, and is not sent again. Rejects with BoardError;
 * where the board was reached once, after it has been out of reach for half a minute.
 */
export async function deployPackage(client: OipClient, dir: string, { signal, onProgress }: DeployOptions = {}): Promise<Deployment> {
  const store = await client.store({ signal });
  if (store === null) throw new BoardError('bad-request', `Board ${client.address} takes no models: start its agent with --store DIR.`);
  const metadata = await readMetadata(dir);
  const files = await readFiles(dir, metadata);
  return new Upload(client, files, Math.min(CHUNK_BYTES, store.chunk_bytes), { signal, onProgress }).run(metadata);
}

class Upload {
  readonly #client: OipClient;
  readonly #files: readonly LocalFile[];
  readonly #chunkBytes: number;
  readonly #options: DeployOptions;
  readonly #done = new Map<string, number>();
  readonly #totalBytes: number;
  #sentBytes = 0;

  constructor(client: OipClient, files: readonly LocalFile[], chunkBytes: number, options: DeployOptions) {
    this.#client = client;
    this.#files = files;
    this.#chunkBytes = chunkBytes;
    this.#options = options;
    this.#totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async run({ version, fabriclens: { name } }: Metadata): Promise<Deployment> {
    const { signal } = this.#options;
    const manifest = this.#files.map(({ bytes, name: file, sha256 }) => ({ bytes, name: file, sha256 }));
    const id = createHash('sha256').update(JSON.stringify({ files: manifest })).digest('hex');
    for (let conflicts = 1; ; conflicts++) {
      for (const file of this.#files) await this.#send(file);
      this.#report('activating');
      try {
        const activated = await this.#persist(() => this.#client.activate(name, manifest, { signal, timeoutMs: ACTIVATE_TIMEOUT_MS }), 1);
        if (activated.package !== id) throw new BoardError('protocol', `Board ${this.#client.address}: it took ${name} for package ${activated.package}, sent was ${id}; update its agent.`);
        break;
      } catch (error) {
        // A file was dropped there, or found damaged, since it was sent.
        if (!isConflict(error) || conflicts === MAX_CONFLICTS) throw error;
      }
    }
    const programSha256 = this.#files.find((file) => file.name === PACKAGE_FILES.program)!.sha256;
    await this.#verify(name, programSha256);
    return { model: name, version, package: id, programSha256, totalBytes: this.#totalBytes, sentBytes: this.#sentBytes };
  }

  async #send(file: LocalFile): Promise<void> {
    const { signal } = this.#options;
    for (let conflicts = 1; ; conflicts++) {
      try {
        // After a cut nobody here knows what arrived: the board is asked.
        return await this.#persist(async (progressed) => {
          let { bytes, whole } = await this.#client.uploadState(file.sha256, { signal });
          if (bytes > file.bytes || (whole && bytes !== file.bytes)) [bytes, whole] = [0, false];
          for (;;) {
            this.#done.set(file.name, bytes);
            this.#report('sending');
            if (whole) return;
            const chunk = file.content.subarray(bytes, bytes + this.#chunkBytes);
            this.#sentBytes += chunk.byteLength;
            ({ bytes, whole } = await this.#client.sendChunk(file, bytes, chunk, { signal }));
            progressed();
          }
        });
      } catch (error) {
        if (!isConflict(error) || conflicts === MAX_CONFLICTS) throw error;
      }
    }
  }

  /** Does it again while the board cannot be reached or is busy. `action` calls `progressed` when the failures before count no more. */
  async #persist<T>(action: (progressed: () => void) => Promise<T>, maxTimeouts = 3): Promise<T> {
    let misses = 0;
    let timeouts = 0;
    for (;;) {
      try {
        return await action(() => (misses = timeouts = 0));
      } catch (error) {
        const wait = isPassing(error) ? BACKOFF_MS[misses++] : undefined;
        if (wait === undefined || ((error as BoardError).code === 'timeout' && ++timeouts === maxTimeouts)) throw error;
        await this.#pause(Math.max(wait, (error as BoardError).retryAfterMs ?? 0));
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.#options.signal });
    } catch (error) {
      throw new BoardError('cancelled', `Board ${this.#client.address}: sending was cancelled.`, { cause: error });
    }
  }

  /** Whatever the board said, it must now say that it serves this program. */
  async #verify(model: string, programSha256: string): Promise<void> {
    const served = await this.#persist(() => this.#client.modelMetadata(model, { signal: this.#options.signal }));
    const says = Parameters.safeParse(served['parameters']).data?.['program_sha256'];
    if (says !== programSha256) throw new BoardError('protocol', `Board ${this.#client.address}: it serves another program.bin as ${model} than was sent; did somebody else deploy at the same time?`);
  }

  #report(step: 'sending' | 'activating'): void {
    const doneBytes = [...this.#done.values()].reduce((sum, bytes) => sum + bytes, 0);
    this.#options.onProgress?.({ step, doneBytes, totalBytes: this.#totalBytes });
  }
}

const isConflict = (error: unknown): boolean => error instanceof BoardError && error.code === 'conflict';
const isPassing = (error: unknown): boolean => error instanceof BoardError && (error.code === 'board-unreachable' || error.code === 'timeout' || error.code === 'busy');

async function readMetadata(dir: string): Promise<Metadata> {
  const path = join(dir, PACKAGE_FILES.metadata);
  try {
    return Metadata.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    throw new BoardError('bad-request', `${dir} is no model package: ${PACKAGE_FILES.metadata} cannot be read (${messageOf(error)}).`, { cause: error });
  }
}

/** The files that are sent, by name, with their hashes. */
async function readFiles(dir: string, { fabriclens: { name, sha256 } }: Metadata): Promise<LocalFile[]> {
  const files: LocalFile[] = [];
  for (const file of [...SENT].sort()) {
    const content = await readBounded(join(dir, file));
    if (content.length > 0) files.push({ name: file, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex'), content });
  }
  const declared = sha256[PACKAGE_FILES.program];
  const program = files.find((file) => file.name === PACKAGE_FILES.program);
  if (declared === undefined || !program) throw new BoardError('bad-request', `Model ${name} has no ${PACKAGE_FILES.program}: make it with "npx fabriclens compile-program ${dir}".`);
  if (declared !== program.sha256) throw new BoardError('bad-request', `${basename(dir)}/${PACKAGE_FILES.program} is corrupt: its SHA-256 is ${program.sha256}, ${PACKAGE_FILES.metadata} says ${declared}; restore it or compile it again.`);
  return files;
}

/** Empty where there is no such file. */
async function readBounded(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw new Error(`it has more than the ${MAX_FILE_BYTES >> 20} MiB that a board takes`);
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Uint8Array();
    throw new BoardError('bad-request', `${path} cannot be sent (${messageOf(error)}).`, { cause: error });
  }
}

const messageOf = (error: unknown): string => (error instanceof z.ZodError ? error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') : (error as Error).message);
