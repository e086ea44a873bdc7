/** The simulated board (simulated_board.cpp) for tests: the core's registers and memory as two files, served until end(). */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { buildBoard } from './sources.mjs';

export const MEMORY_ADDRESS = 0x10000000;
const PATIENCE = 60_000;

export class SimulatedBoard {
  readonly folder: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;
  #stderr = '';

  private constructor(program: string, memoryBytes: number) {
    this.folder = mkdtempSync(join(tmpdir(), 'fabriclens-board-'));
    this.#child = spawn(program, [this.folder, String(memoryBytes), String(MEMORY_ADDRESS)]);
    this.#child.stderr.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#child.stdin.on('error', () => {});
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  static async start({ memoryBytes = 32 << 20 } = {}): Promise<SimulatedBoard> {
    const board = new SimulatedBoard(await buildBoard({ asserts: true }), memoryBytes);
    const line = await board.#answer();
    if (!line.startsWith('serving')) throw new Error(line);
    return board;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  async #answer(): Promise<string> {
    const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error('the simulated board does not answer')), PATIENCE).unref());
    const { value, done } = await Promise.race([this.#answers.next(), late]);
    if (done) throw new Error(`the simulated board ended: ${this.#stderr}`);
    return value as string;
  }

  /** A command of simulated_board.cpp. @returns "ok" or "error WHY" */
  async tell(command: string): Promise<string> {
    this.#child.stdin.write(`${command}\n`);
    return this.#answer();
  }

  /** Ends stdin, which ends it. @returns its exit code and what it wrote to stderr */
  async end(): Promise<{ code: number | null; stderr: string }> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const closed = once(this.#child, 'close');
      this.#child.stdin.end();
      const kill = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE);
      await closed;
      clearTimeout(kill);
    }
    this.#lines.close();
    rmSync(this.folder, { recursive: true, force: true });
    return { code: this.#child.exitCode, stderr: this.#stderr };
  }
}
