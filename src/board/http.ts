/** One HTTP/1.1 request to a board over a kept-alive connection, plain or inside TLS: bounded in time and bytes, cancellable, failing only with BoardError. */
import { randomUUID } from 'node:crypto';
import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { BoardError } from './errors.ts';
import { PinnedAgent, WrongCertificate } from './tls.ts';

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
  body?: Uint8Array;
  /** Sending it twice does what sending it once does: it is sent again, once, when the connection broke before the answer was there. Every GET is. */
  idempotent?: boolean;
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
}

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** Milliseconds from the request's first byte given to the socket layer to the answer's last byte. */
  roundTripMs: number;
}

export const addressOf = ({ host, port }: Endpoint): string => `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;

export class HttpConnection {
  readonly address: string;
  readonly #endpoint: Endpoint;
  readonly #limits: Limits;
  readonly #agent: Agent;
  /** By which a board knows the connections of one client, and gives each client its turn. */
  readonly #client = randomUUID();

  constructor(endpoint: Endpoint, limits: Limits) {
    this.address = addressOf(endpoint);
    this.#endpoint = endpoint;
    this.#limits = limits;
    this.#agent = this.#newAgent(true);
  }

  /** Answers of any status. A kept connection that the board closed at the same moment is tried once more on a new one. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const started = performance.now();
    try {
      return await this.#once(request, started, this.#agent);
    } catch (error) {
      const again = error instanceof StaleConnection || (error instanceof BrokenConnection && (request.idempotent ?? request.method === 'GET'));
      if (!again) throw error;
      // Not from the pool: all that it keeps may be stale.
      return this.#once(request, started, this.#newAgent(false));
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #newAgent(keepAlive: boolean): Agent {
    const options = { keepAlive, maxFreeSockets: 4, scheduling: 'lifo' } as const;
    const { connect, certificateSha256 } = this.#endpoint;
    if (connect) return new StreamAgent(connect, options);
    return certificateSha256 === undefined ? new Agent(options) : new PinnedAgent(certificateSha256, this.#limits.connectTimeoutMs, options);
  }

  #once(request: HttpRequest, started: number, agent: Agent): Promise<HttpAnswer> {
    const { signal, body } = request;
    const timeoutMs = request.timeoutMs ?? this.#limits.requestTimeoutMs;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(this.#cancelled());
      const headers: Record<string, string> = { accept: 'application/json, application/octet-stream', 'fabriclens-client': this.#client, ...request.headers };
      if (this.#endpoint.token !== undefined) headers['authorization'] = `Bearer ${this.#endpoint.token}`;
      if (request.method === 'POST' || request.method === 'PUT') headers['content-length'] = String(body?.byteLength ?? 0);
      const outgoing = httpRequest({ host: this.#endpoint.host, port: this.#endpoint.port, method: request.method, path: request.path, headers, agent });

      const timers: NodeJS.Timeout[] = [];
      const settle = (act: () => void): void => {
        timers.forEach(clearTimeout);
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      const fail = (error: Error): void => settle(() => {
        reject(error);
        outgoing.destroy();
      });
      const onAbort = (): void => fail(this.#cancelled());
      signal?.addEventListener('abort', onAbort, { once: true });
      const left = Math.max(0, timeoutMs - (performance.now() - started));
      timers.push(setTimeout(() => fail(this.#error('timeout', `did not answer within ${timeoutMs} ms; it may be overloaded or hung, try again or restart it`)), left));

      outgoing.setNoDelay(true);
      outgoing.on('socket', (socket) => {
        if (!socket.connecting) return;
        const timer = setTimeout(
          () => fail(this.#error('board-unreachable', `did not take the connection within ${this.#limits.connectTimeoutMs} ms; check that it is switched on and the address is right`)),
          this.#limits.connectTimeoutMs,
        );
        timers.push(timer);
        socket.once('connect', () => clearTimeout(timer));
      });
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        if (outgoing.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) return fail(new StaleConnection());
        fail(error instanceof BoardError ? error : this.#explain(error));
      });
      outgoing.on('response', (response) => {
        this.#collect(response).then(
          (bytes) => settle(() => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes, roundTripMs: performance.now() - started })),
          fail,
        );
      });
      outgoing.end(body);
    });
  }

  #collect(response: IncomingMessage): Promise<Buffer> {
    const limit = this.#limits.maxResponseBytes;
    return new Promise((resolve, reject) => {
      const tooLarge = (): void => reject(this.#error('protocol', `sent more than the ${limit} bytes that an answer may have`));
      if (Number(response.headers['content-length'] ?? 0) > limit) return tooLarge();
      const chunks: Buffer[] = [];
      let total = 0;
      response.on('data', (chunk: Buffer) => {
        total += chunk.length;
        if (total > limit) return tooLarge();
        chunks.push(chunk);
      });
      response.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, total)));
      const broken = (): void => reject(this.#broken('closed the connection in the middle of its answer; restart it if this stays'));
      response.on('close', () => {
        if (!response.complete) broken();
      });
      response.on('error', broken);
    });
  }

  #cancelled(): BoardError {
    return this.#error('cancelled', 'the request was cancelled');
  }

  #explain(error: NodeJS.ErrnoException): BoardError {
    const code = error.code ?? '';
    if (error instanceof WrongCertificate) return this.#error('unauthorised', error.message, error);
    if (code === 'EPROTO' || code.startsWith('ERR_SSL')) return this.#error('protocol', `does not speak TLS as it should (${code}); check that its agent was started with --tls-cert`, error);
    if (code.startsWith('HPE_')) return this.#error('protocol', `answered with something that is not HTTP (${error.message}); check that address and port are those of the agent`, error);
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

class StreamAgent extends Agent {
  readonly #connect: () => Promise<Duplex>;

  constructor(connect: () => Promise<Duplex>, options: ConstructorParameters<typeof Agent>[0]) {
    super(options);
    this.#connect = connect;
  }

  override createConnection(_options: unknown, callback?: (error: Error | null, stream: Duplex) => void): undefined {
    this.#connect().then((stream) => callback?.(null, stream), (error: Error) => callback?.(error, undefined as never));
  }
}
