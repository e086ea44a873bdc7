/** A test program behind a pipe: bytes in, bytes out, one request at a time. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';

export class Pipe {
  readonly #child: ChildProcessWithoutNullStreams;
  #chunks: Buffer[] = [];
  #have = 0;
  #wake: (() => void) | null = null;
  #ended: string | null = null;
  #stderr = '';

  /** command: a program, or what runs it and its arguments. */
  constructor(command: string | readonly [string, ...string[]], env: Record<string, string> = {}) {
    const [program, ...args] = typeof command === 'string' ? [command] : command;
    this.#child = spawn(program, args, { env: { ...process.env, ...env } });
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#have += chunk.length;
      this.#wake?.();
    });
    this.#child.stderr.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#child.stdin.on('error', () => {});
    this.#child.on('close', (code, signal) => {
      this.#ended = `the driver ended with ${signal ?? code}: ${this.#stderr}`;
      this.#wake?.();
    });
  }

  write(bytes: Uint8Array): void {
    this.#child.stdin.write(bytes);
  }

  async read(count: number): Promise<Buffer> {
    while (this.#have < count) {
      if (this.#ended !== null) throw new Error(this.#ended);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = all.length > count ? [all.subarray(count)] : [];
    this.#have -= count;
    return all.subarray(0, count);
  }

  async u32(): Promise<number> {
    return (await this.read(4)).readUInt32LE();
  }

  /** As a crash ends it: at once, whatever it does. */
  async kill(): Promise<void> {
    const closed = new Promise((resolve) => this.#child.on('close', resolve));
    if (this.#ended === null && this.#child.kill('SIGKILL')) await closed;
  }

  /** Ends the program and gives its exit code. */
  async end(): Promise<{ code: number | null; stderr: string }> {
    const closed = new Promise<number | null>((resolve) => this.#child.on('close', resolve));
    if (this.#ended !== null) return { code: this.#child.exitCode, stderr: this.#stderr };
    this.#child.stdin.end();
    return { code: await closed, stderr: this.#stderr };
  }
}
