/** One connection to a board: a request at a time, its answer read as it comes. Plain TCP is read straight into the answer's own buffer; TLS and SSH hand over pieces. */
import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { AnswerReader } from './http-answer.ts';

/** What the kernel has is taken in few reads; also where bytes go that nobody waits for. */
const SCRATCH = 256 << 10;

export class Wire {
  readonly #stream: Duplex;
  #reader: AnswerReader | undefined;
  #settle: ((error?: Error) => void) | undefined;
  #error: Error | undefined;
  /** Another request went through it before. */
  used = false;
  closed = false;
  /** Called once, when the connection is over. */
  onClosed: () => void = () => {};

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('error', (error) => { this.#error = error; });
    stream.on('data', (chunk: Buffer) => this.take(chunk));
    // Half of a connection is of no use: the answer has come, or never will.
    stream.on('end', () => stream.destroy());
    stream.on('close', () => this.#over());
    if (stream.destroyed) this.#over();
  }

  /** Resolves when connected. */
  static tcp(host: string, port: number): { socket: Socket; wire: Promise<Wire> } {
    const scratch = Buffer.allocUnsafeSlow(SCRATCH);
    let wire: Wire | undefined;
    const socket = connectTcp({
      host, port, noDelay: true,
      onread: {
        buffer: () => wire?.room ?? scratch,
        callback: (count, bytes) => {
          wire?.take(bytes.subarray(0, count));
          return true;
        },
      },
    });
    return {
      socket,
      wire: new Promise((resolve, reject) => {
        socket.once('error', reject);
        socket.once('connect', () => {
          socket.removeListener('error', reject);
          wire = new Wire(socket);
          resolve(wire);
        });
      }),
    };
  }

  get room(): Uint8Array | undefined {
    return this.#reader?.room;
  }

  /** Resolves when `reader` has its answer; rejects when the connection ended or broke before, or the answer is none. */
  ask(parts: readonly Uint8Array[], reader: AnswerReader): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.closed) return reject(this.#error ?? new Error('the connection is closed'));
      this.#reader = reader;
      this.#settle = (error) => {
        this.#settle = undefined;
        this.#reader = undefined;
        this.used = true;
        if (error) reject(error);
        else resolve();
      };
      (this.#stream as Partial<Socket>).ref?.();
      this.#stream.cork();
      for (const part of parts) this.#stream.write(part);
      this.#stream.uncork();
    });
  }

  take(bytes: Uint8Array): void {
    const reader = this.#reader;
    // An answer that nobody asked for.
    if (!reader) return this.destroy();
    try {
      reader.take(bytes);
    } catch (error) {
      this.#settle?.(error as Error);
      return this.destroy();
    }
    if (!reader.done) return;
    // An answer before the request was sent whole: what is left of it would be taken for the next one.
    if (this.#stream.writableLength > 0 || !reader.keep) this.destroy();
    else (this.#stream as Partial<Socket>).unref?.();
    this.#settle?.();
  }

  destroy(): void {
    this.closed = true;
    this.#stream.destroy();
  }

  #over(): void {
    this.closed = true;
    this.onClosed();
    if (this.#reader?.end()) this.#settle?.();
    else this.#settle?.(this.#error ?? Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' }));
  }
}
