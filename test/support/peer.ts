/** HTTP/1.1 by the byte, for what a well-behaved client never sends, and for counting nothing but the server's time. */
import { createConnection, type Socket } from 'node:net';

export interface PeerAnswer {
  status: number;
  /** Lower-case names. */
  headers: Map<string, string>;
  body: Buffer;
}

/** Of the connection: refused, reset, or closed before an answer was whole. */
export class Cut extends Error {}

const END = Buffer.from('\r\n\r\n');

/** A connection; one request at a time. */
export class Peer {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #head: { status: number; headers: Map<string, string>; from: number; length: number } | undefined;
  #ended = false;
  #waiting: { resolve: (answer: PeerAnswer) => void; reject: (error: Error) => void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
      this.#look();
    });
    const end = (): void => {
      this.#ended = true;
      this.#look();
      this.#waiting?.reject(new Cut('the connection ended'));
      this.#waiting = undefined;
    };
    socket.on('error', end).on('end', end).on('close', end);
  }

  static connect(port: number): Promise<Peer> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ port, host: '127.0.0.1' });
      socket.once('error', (error) => reject(new Cut(error.message)));
      socket.once('connect', () => {
        socket.removeAllListeners('error');
        resolve(new Peer(socket));
      });
    });
  }

  get open(): boolean {
    return !this.#ended;
  }

  write(...parts: Uint8Array[]): void {
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
  }

  /** The answer to what was written. Cut where the connection ends first. */
  answer(): Promise<PeerAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#look();
      if (this.#ended && this.#waiting) {
        this.#waiting = undefined;
        reject(new Cut('the connection ended'));
      }
    });
  }

  end(): void {
    this.#socket.end();
  }

  /** At once, with a reset where something is unread. */
  destroy(): void {
    this.#socket.destroy();
  }

  #look(): void {
    if (!this.#waiting) return;
    this.#head ??= this.#readHead();
    if (!this.#head || this.#bytes < this.#head.from + this.#head.length) return;
    const { status, headers, from, length } = this.#head;
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#bytes);
    this.#chunks = all.length > from + length ? [all.subarray(from + length)] : [];
    this.#bytes = all.length - from - length;
    this.#head = undefined;
    const { resolve } = this.#waiting;
    this.#waiting = undefined;
    resolve({ status, headers, body: all.subarray(from, from + length) });
  }

  #readHead(): { status: number; headers: Map<string, string>; from: number; length: number } | undefined {
    if (this.#chunks.length > 1 && this.#bytes < 1 << 16) this.#chunks = [Buffer.concat(this.#chunks)];
    const first = this.#chunks[0];
    const end = first?.indexOf(END) ?? -1;
    if (!first || end < 0) return undefined;
    const [line = '', ...rest] = first.toString('latin1', 0, end).split('\r\n');
    const headers = new Map(rest.map((text) => [text.slice(0, text.indexOf(':')).toLowerCase(), text.slice(text.indexOf(':') + 1).trim()]));
    return { status: Number(line.split(' ')[1]), headers, from: end + END.length, length: Number(headers.get('content-length') ?? 0) };
  }
}

export interface InferSpec {
  model: string;
  token: string;
  datatype?: 'INT8' | 'FP32';
  shape: readonly number[];
  data: Uint8Array;
  outputs: readonly string[];
  timeoutUs?: number;
}

/** A whole request for an inference: its head with the JSON behind it, and the tensor. */
export function inferRequest({ model, token, datatype = 'INT8', shape, data, outputs, timeoutUs }: InferSpec): [Buffer, Uint8Array] {
  const json = JSON.stringify({
    inputs: [{ name: 'image', datatype, shape, parameters: { binary_data_size: data.byteLength } }],
    outputs: outputs.map((name) => ({ name, parameters: { binary_data: true } })),
    ...(timeoutUs === undefined ? {} : { parameters: { timeout: timeoutUs } }),
  });
  const head = `POST /v2/models/${model}/infer HTTP/1.1\r\nHost: board\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${json.length + data.byteLength}\r\nInference-Header-Content-Length: ${json.length}\r\n\r\n`;
  return [Buffer.from(head + json), data];
}

export const getRequest = (path: string, token: string): Buffer => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: board\r\nAuthorization: Bearer ${token}\r\n\r\n`);

/** The tensors' bytes behind the JSON of a binary answer. */
export const tensorsOf = ({ headers, body }: PeerAnswer): Buffer => body.subarray(Number(headers.get('inference-header-content-length')));
