/** A virtual board of its own for one proof: programs in a folder that goes away, run by the golden model, answers as they come. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OipClient, startVirtualBoard, type TensorData, type VirtualBoard } from '../board/index.ts';
import { PACKAGE_FILES, type ModelMetadata } from '../contract/model.ts';
import type { CoreEstimate } from '../contract/oip.ts';
import type { Resources } from './resources.ts';

/** Of one call; the golden model of a large network on a slow computer takes its time. */
const TIMEOUT_MS = 300_000;
/** Stages' codes of a large network come in one answer. */
const MAX_RESPONSE_BYTES = 2 ** 28;
const READY_POLL_MS = 50;

export class ProofBoard {
  readonly #board: VirtualBoard;
  readonly #client: OipClient;
  readonly #folder: string;
  readonly #signal: AbortSignal | undefined;

  private constructor(board: VirtualBoard, folder: string, signal: AbortSignal | undefined) {
    this.#board = board;
    this.#client = new OipClient({ host: board.host, port: board.port, token: board.token, requestTimeoutMs: TIMEOUT_MS, maxResponseBytes: MAX_RESPONSE_BYTES });
    this.#folder = folder;
    this.#signal = signal;
  }

  /** @param folder that does not exist yet; the caller removes it. @throws BoardError */
  static async start(folder: string, resources: Resources, signal: AbortSignal | undefined): Promise<ProofBoard> {
    await mkdir(folder);
    const { runtimeLibrary, agentDir } = resources;
    const board = await startVirtualBoard({ modelsDir: folder, runtimeLibrary, agentDir, ...(signal === undefined ? {} : { signal }) });
    const made = new ProofBoard(board, folder, signal);
    // An empty folder: this takes no longer than the agent's first breath.
    for (let tries = 1; ; tries++) {
      try {
        await made.#client.ready({ signal });
        return made;
      } catch (error) {
        if (tries < 100 && signal?.aborted !== true) await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
        else {
          await made.close();
          throw error;
        }
      }
    }
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#board.close();
  }

  /** A program under a name of its own, as a package that says what `metadata` says. @throws BoardError */
  async load(name: string, program: Uint8Array, metadata: ModelMetadata): Promise<void> {
    const folder = join(this.#folder, name);
    await mkdir(folder);
    const sha256 = { ...metadata.fabriclens.sha256, 'program.bin': createHash('sha256').update(program).digest('hex') };
    await writeFile(join(folder, PACKAGE_FILES.program), program);
    await writeFile(join(folder, PACKAGE_FILES.metadata), JSON.stringify({ ...metadata, fabriclens: { ...metadata.fabriclens, name, sha256 } }));
    await this.#client.load(name, { signal: this.#signal });
  }

  /** One run on codes of the input. @throws BoardError */
  async run(name: string, { fabriclens: { input } }: ModelMetadata, codes: Int8Array, outputs: readonly string[]): Promise<Map<string, TensorData>> {
    const result = await this.#client.infer(name, [{ name: input.name, datatype: 'INT8', shape: [...input.shape], data: codes }], { outputs, signal: this.#signal });
    return new Map([...result.outputs].map(([output, { data }]) => [output, data]));
  }

  /** @throws BoardError `bad-request` where the core cannot run the program */
  estimate(name: string, clockMHz: number | undefined): Promise<CoreEstimate | null> {
    const setting = clockMHz === undefined ? {} : { setting: { clockKhz: Math.round(1000 * clockMHz), bytesPerSecond: 1e9, latencyNs: 400 } };
    return this.#client.estimate(name, { ...setting, signal: this.#signal });
  }
}
