/** One HTTP/1.1 request to a board over a kept-alive connection, plain or inside TLS: bounded in time and bytes, cancellable, failing only with BoardError. */
import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { BoardError } from './errors.ts';
import { AnswerReader, BadAnswer } from './http-answer.ts';
import { HEADER_LENGTH } from './protocol.ts';
import { connectPinned, WrongCertificate } from './tls.ts';
import { Wire } from './wire.ts';

export interface Endpoint {
  host: string;
  port: number;
  /** Bearer token; servers of others may want none. */
  token?: string | undefined;
  /** SHA-256 of the board's certificate, in hexadecimal: TLS, and nothing is sent to whoever shows another one. Plain HTTP without. */
  certificateSha256?: string | undefined;
  /** How to get a stream to it: through SSH. By default TCP to host and port. Rejects with BoardError. */
  connect?: (() => Promise<Duplex>) | undefined;
}

export interface Limits {
  connectTimeoutMs: number;
  /** From the call to the last byte of the answer, connecting included. */
  requestTimeoutMs: number;
  maxResponseBytes: number;
}

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  headers?: Record<string, string>;
  /** In pieces, which are not copied. */
  body?: readonly Uint8Array[];
  /** Sending it twice does what sending it once does: it is sent again, once, when the connection broke before the answer was there. Every GET is. */
  idempotent?: boolean;
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
}

export interface HttpAnswer {
  status: number;
  /** By lower-case name. */
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
  /** Milliseconds from the request's first byte given to the socket layer to the answer's last byte. */
  roundTripMs: number;
}

export const addressOf = ({ host, port }: Endpoint): string => `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;

/** Kept connections that wait for the next request. */
const MAX_IDLE = 4;

export class HttpConnection {
  readonly address: string;
  readonly #endpoint: Endpoint;
  readonly #limits: Limits;
  readonly #wires = new Set<Wire>();
  /** The one that was used last is used next. */
  #idle: Wire[] = [];
  /** By which a board knows the connections of one client, and gives each client its turn. */
  readonly #client = randomUUID();

  constructor(endpoint: Endpoint, limits: Limits) {
    this.address = addressOf(endpoint);
    this.#endpoint = endpoint;
    this.#limits = limits;
  }

  /** Answers of any status. A kept connection that the board closed at the same moment is tried once more on a new one. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const started = performance.now();
    try {
      return await this.#once(request, started, this.#idle.pop());
    } catch (error) {
      const again = error instanceof StaleConnection || (error instanceof BrokenConnection && (request.idempotent ?? request.method === 'GET'));
      if (!again || request.signal?.aborted) throw error;
      // Not a kept one: all of them may be stale.
      return this.#once(request, started, undefined);
    }
  }

  /** Ends what is under way, too. */
  close(): void {
    this.#idle = [];
    for (const wire of this.#wires) wire.destroy();
  }

  #once(request: HttpRequest, started: number, kept: Wire | undefined): Promise<HttpAnswer> {
    const { signal } = request;
    const timeoutMs = request.timeoutMs ?? this.#limits.requestTimeoutMs;
    return new Promise((resolve, reject) => {
      let wire = kept;
      let over = false;
      const settle = (act: () => void): void => {
        over = true;
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      const fail = (error: Error): void => settle(() => {
        reject(error);
        wire?.destroy();
      });
      const onAbort = (): void => fail(this.#cancelled());
      const left = Math.max(0, timeoutMs - (performance.now() - started));
      const timer = setTimeout(() => fail(this.#error('timeout', `did not answer within ${timeoutMs} ms; it may be overloaded or hung, try again or restart it`)), left);
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });

      const reader = new AnswerReader(this.#limits.maxResponseBytes, HEADER_LENGTH);
      const exchange = async (): Promise<void> => {
        wire ??= await this.#connect();
        if (over) return wire.destroy();
        await wire.ask([this.#head(request), ...(request.body ?? [])], reader);
        const roundTripMs = performance.now() - started;
        if (!wire.closed && this.#idle.length < MAX_IDLE) this.#idle.push(wire);
        else wire.destroy();
        settle(() => resolve({ status: reader.status, headers: reader.headers, body: reader.body, roundTripMs }));
      };
      exchange().catch((error: Error) => {
        if (!over) fail(this.#fault(error, reader, kept?.used === true));
      });
    });
  }

  async #connect(): Promise<Wire> {
    const { host, port, connect, certificateSha256 } = this.#endpoint;
    const wire = connect ? new Wire(await connect()) : certificateSha256 === undefined ? await this.#tcp(host, port) : new Wire(await connectPinned(host, port, certificateSha256, this.#limits.connectTimeoutMs));
    this.#wires.add(wire);
    wire.onClosed = () => {
      this.#wires.delete(wire);
      this.#idle = this.#idle.filter((one) => one !== wire);
    };
    return wire;
  }

  async #tcp(host: string, port: number): Promise<Wire> {
    const { connectTimeoutMs } = this.#limits;
    const { socket, wire } = Wire.tcp(host, port);
    const timer = setTimeout(
      () => socket.destroy(this.#error('board-unreachable', `did not take the connection within ${connectTimeoutMs} ms; check that it is switched on and the address is right`)),
      connectTimeoutMs,
    );
    try {
      return await wire;
    } finally {
      clearTimeout(timer);
    }
  }

  #head({ method, path, headers, body = [] }: HttpRequest): Buffer {
    const { token } = this.#endpoint;
    const fields: Record<string, string> = {
      host: this.address, connection: 'keep-alive', accept: 'application/json, application/octet-stream', 'fabriclens-client': this.#client, ...headers,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(method === 'POST' || method === 'PUT' ? { 'content-length': String(body.reduce((sum, { byteLength }) => sum + byteLength, 0)) } : {}),
    };
    if (/[^\x20-\x7e]/.test(path + Object.values(fields).join(''))) throw this.#error('bad-request', 'a name or token has characters that no request may have');
    return Buffer.from(`${method} ${path} HTTP/1.1\r\n${Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1');
  }

  #fault(error: NodeJS.ErrnoException, reader: AnswerReader, kept: boolean): Error {
    if (error instanceof BadAnswer) {
      return error.kind === 'too-large' ? this.#error('protocol', `sent ${error.message}`) : this.#error('protocol', `answered with something that is not HTTP (${error.message}); check that address and port are those of the agent`, error);
    }
    const ended = error.code === 'ECONNRESET' || error.code === 'EPIPE';
    if (ended && reader.begun) return this.#broken('closed the connection in the middle of its answer; restart it if this stays', error);
    if (ended && kept) return new StaleConnection();
    return error instanceof BoardError ? error : this.#explain(error);
  }

  #cancelled(): BoardError {
    return this.#error('cancelled', 'the request was cancelled');
  }

  #explain(error: NodeJS.ErrnoException): BoardError {
    const code = error.code ?? '';
    if (error instanceof WrongCertificate) return this.#error('unauthorised', error.message, error);
    if (code === 'EPROTO' || code.startsWith('ERR_SSL')) return this.#error('protocol', `does not speak TLS as it should (${code}); check that its agent was started with --tls-cert`, error);
    if (code === 'ECONNRESET' || code === 'EPIPE') return this.#broken('closed the connection before it answered; restart it if this stays', error);
    const words: Record<string, string> = {
      ECONNREFUSED: 'refuses connections; start its agent or correct the port',
      ENOTFOUND: 'has a name that no name server knows; correct it or use the IP address',
      EAI_AGAIN: 'has a name that could not be looked up now; use the IP address',
      EHOSTUNREACH: 'cannot be reached from here; check cable and address',
      ENETUNREACH: 'cannot be reached from here; check the network connection',
      ETIMEDOUT: 'does not answer; check that it is switched on and the address is right',
    };
    return this.#error('board-unreachable', words[code] ?? `cannot be reached (${error.message})`, error);
  }

  #broken(what: string, cause?: unknown): BoardError {
    return new BrokenConnection('board-unreachable', `Board ${this.address}: ${what}.`, { cause });
  }

  #error(code: BoardError['code'], what: string, cause?: unknown): BoardError {
    return new BoardError(code, `Board ${this.address}: ${what}.`, { cause });
  }
}

/** A kept-alive connection was closed by the other side just when it was used again; no byte of an answer came. */
class StaleConnection extends Error {}
/** The connection was there and ended before the whole answer was. */
class BrokenConnection extends BoardError {}
