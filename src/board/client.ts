/** Client of any Open Inference Protocol v2 server over HTTP: the agent, or somebody else's. https://github.com/kserve/open-inference-protocol */
import type { z } from 'zod';
import { ActivatedModel, ModelStore, UploadState, type StoredFile } from '../contract/model-store.ts';
import { CoreEstimate, ErrorResponse, ModelMetadataResponse, ModelStatistics, RepositoryIndex, RequestTrace, ServerMetadata, Telemetry } from '../contract/oip.ts';
import { BoardError } from './errors.ts';
import { HttpConnection, type Endpoint, type HttpAnswer, type HttpRequest, type Limits } from './http.ts';
import { decodeInfer, encodeInfer, HEADER_LENGTH, issueOf, parseJson, ProtocolViolation, type InferAnswer, type Tensor } from './protocol.ts';

export interface CallOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call; the client's requestTimeoutMs by default. */
  timeoutMs?: number | undefined;
}

export interface InferOptions extends CallOptions {
  /** Names of the outputs wanted; all by default. */
  outputs?: readonly string[];
  version?: string;
}

export interface InferResult extends InferAnswer {
  /** Milliseconds by this computer's clock, from handing over the request to the last byte of the answer. */
  roundTripMs: number;
}

export type OipClientOptions = Endpoint & Partial<Limits>;

const DEFAULTS: Limits = { connectTimeoutMs: 3_000, requestTimeoutMs: 60_000, maxResponseBytes: 64 << 20 };

/** Every method rejects with BoardError only. `close()` ends kept connections; the client is usable again afterwards. */
export class OipClient {
  readonly #http: HttpConnection;
  #server: ServerMetadata | undefined;

  constructor({ host, port, token, certificateSha256, connect, ...limits }: OipClientOptions) {
    this.#http = new HttpConnection({ host, port, token, certificateSha256, connect }, { ...DEFAULTS, ...limits });
  }

  /** host:port. */
  get address(): string {
    return this.#http.address;
  }

  close(): void {
    this.#http.close();
  }

  serverMetadata(options: CallOptions = {}): Promise<ServerMetadata> {
    return this.#json(ServerMetadata, { method: 'GET', path: '/v2', ...options });
  }

  /** Resolves when the server takes inferences; rejects with the reason why not. */
  async ready(options: CallOptions = {}): Promise<void> {
    await this.#ok({ method: 'GET', path: '/v2/health/ready', ...options });
  }

  modelMetadata(model: string, options: CallOptions & { version?: string } = {}): Promise<ModelMetadataResponse> {
    return this.#json(ModelMetadataResponse, { method: 'GET', path: modelPath(model, options.version), ...options });
  }

  /** Tensors travel as bytes where the server lists `binary_tensor_data`, as JSON otherwise. */
  async infer(model: string, inputs: readonly Tensor[], options: InferOptions = {}): Promise<InferResult> {
    const binary = (await this.#extensions(options)).includes('binary_tensor_data');
    const { headers, body } = encodeInfer(inputs, options.outputs, binary);
    const answer = await this.#ok({ method: 'POST', path: `${modelPath(model, options.version)}/infer`, headers, body, idempotent: true, ...options });
    return this.#valid(() => ({
      ...decodeInfer(answer.body, answer.headers[HEADER_LENGTH], options.outputs),
      roundTripMs: answer.roundTripMs,
    }));
  }

  /** What the server could serve, and why something is not served; null where it has no model-repository extension. */
  async repositoryIndex(options: CallOptions = {}): Promise<RepositoryIndex | null> {
    if (!(await this.#extensions(options)).includes('model_repository')) return null;
    return this.#json(RepositoryIndex, { method: 'POST', path: '/v2/repository/index', idempotent: true, ...options });
  }

  /** Loads a model, or loads it anew. */
  async load(model: string, options: CallOptions = {}): Promise<void> {
    await this.#repository(model, 'load', options);
  }

  async unload(model: string, options: CallOptions = {}): Promise<void> {
    await this.#repository(model, 'unload', options);
  }

  /** Counts and times since the model was loaded; null where the server has no statistics extension. */
  async statistics(model: string, options: CallOptions = {}): Promise<ModelStatistics | null> {
    if (!(await this.#extensions(options)).includes('statistics')) return null;
    return this.#json(ModelStatistics, { method: 'GET', path: `${modelPath(model)}/stats`, ...options });
  }

  /** Cycles of the core for one inference, at the server's default clock and memory or those given; null where it has no such extension. */
  async estimate(model: string, options: CallOptions & { setting?: { clockKhz: number; bytesPerSecond: number; latencyNs: number } } = {}): Promise<CoreEstimate | null> {
    if (!(await this.#extensions(options)).includes('fabriclens_estimate')) return null;
    const { setting, ...call } = options;
    const path = `${modelPath(model)}/estimate`;
    if (setting === undefined) return this.#json(CoreEstimate, { method: 'GET', path, ...call });
    const body = Buffer.from(JSON.stringify({ clock_khz: setting.clockKhz, bytes_per_second: setting.bytesPerSecond, latency_ns: setting.latencyNs }));
    return this.#json(CoreEstimate, { method: 'POST', path, headers: { 'content-type': 'application/json' }, body: [body], idempotent: true, ...call });
  }

  /** Models that were sent to the server and the room for more; null where it takes none. */
  async store(options: CallOptions = {}): Promise<ModelStore | null> {
    if (!(await this.#extensions(options)).includes('fabriclens_store')) return null;
    return this.#json(ModelStore, { method: 'GET', path: '/v2/store', ...options });
  }

  uploadState(sha256: string, options: CallOptions = {}): Promise<UploadState> {
    return this.#json(UploadState, { method: 'GET', path: `/v2/store/objects/${sha256}`, ...options });
  }

  /** The next bytes of a file, at `offset`; none where all are there and only to be verified. BoardError `conflict`: ask for the state and go on from there. */
  sendChunk({ sha256, bytes }: Omit<StoredFile, 'name'>, offset: number, chunk: Uint8Array, options: CallOptions = {}): Promise<UploadState> {
    const span = chunk.byteLength === 0 ? '*' : `${offset}-${offset + chunk.byteLength - 1}`;
    return this.#json(UploadState, { method: 'PUT', path: `/v2/store/objects/${sha256}`, headers: { 'content-range': `bytes ${span}/${bytes}` }, body: [chunk], ...options });
  }

  /** Loads the package of these files and serves it as `model` from now on. BoardError `conflict`: one of them is not there. */
  activate(model: string, files: readonly StoredFile[], options: CallOptions = {}): Promise<ActivatedModel> {
    return this.#json(ActivatedModel, { method: 'PUT', path: storePath(model), headers: { 'content-type': 'application/json' }, body: [Buffer.from(JSON.stringify({ files }))], ...options });
  }

  /** Removes a model that was sent; what the server has of that name besides is served instead. */
  async removeModel(model: string, options: CallOptions = {}): Promise<void> {
    await this.#ok({ method: 'DELETE', path: storePath(model), ...options });
  }

  /** How the board is now; null where the server has no such extension. */
  async telemetry(options: CallOptions = {}): Promise<Telemetry | null> {
    if (!(await this.#extensions(options)).includes('fabriclens_telemetry')) return null;
    return this.#json(Telemetry, { method: 'GET', path: '/v2/fabriclens/telemetry', ...options });
  }

  /** The last requests for an inference, whoever sent them; null where the server has no such extension. */
  async trace(options: CallOptions = {}): Promise<RequestTrace | null> {
    if (!(await this.#extensions(options)).includes('fabriclens_trace')) return null;
    return this.#json(RequestTrace, { method: 'GET', path: '/v2/fabriclens/trace', ...options });
  }

  async #repository(model: string, action: 'load' | 'unload', options: CallOptions): Promise<void> {
    if (!(await this.#extensions(options)).includes('model_repository')) throw new BoardError('bad-request', `Board ${this.address}: this server cannot ${action} models on request.`);
    await this.#ok({ method: 'POST', path: `/v2/repository/models/${encodeURIComponent(model)}/${action}`, ...options });
  }

  /** Asked once a client. */
  async #extensions(options: CallOptions): Promise<readonly string[]> {
    this.#server ??= await this.serverMetadata(options);
    return this.#server.extensions;
  }

  async #json<S extends z.ZodType>(schema: S, request: HttpRequest): Promise<z.output<S>> {
    const answer = await this.#ok(request);
    return this.#valid(() => {
      const parsed = schema.safeParse(parseJson(answer.body));
      if (!parsed.success) throw new ProtocolViolation(`the answer to ${request.path} is malformed: ${issueOf(parsed.error)}`);
      return parsed.data;
    });
  }

  async #ok(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#http.send(request);
    if (answer.status !== 200) throw this.#refusal(request, answer);
    return answer;
  }

  #valid<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof ProtocolViolation) throw new BoardError('protocol', `Board ${this.address}: ${error.message}.`, { cause: error });
      throw error;
    }
  }

  #refusal({ path }: HttpRequest, { status, headers, body }: HttpAnswer): BoardError {
    const said = this.#said(body) ?? `HTTP status ${status}`;
    const retryAfter = Number(headers['retry-after']);
    return new BoardError(codeOf(status, path, said), `Board ${this.address}: ${said}`, { retryAfterMs: retryAfter > 0 ? retryAfter * 1000 : undefined });
  }

  #said(body: Uint8Array): string | undefined {
    try {
      return ErrorResponse.parse(parseJson(body)).error.slice(0, 1000);
    } catch {
      return undefined;
    }
  }
}

const modelPath = (model: string, version?: string): string =>
  `/v2/models/${encodeURIComponent(model)}${version === undefined ? '' : `/versions/${encodeURIComponent(version)}`}`;

const storePath = (model: string): string => `/v2/store/models/${encodeURIComponent(model)}`;

function codeOf(status: number, path: string, said: string): BoardError['code'] {
  if (status === 401 || status === 403) return 'unauthorised';
  // Triton answers 400 for a model it does not have.
  if (path.includes('/models/') && (status === 404 || (status === 400 && /unknown model/i.test(said)))) return 'model-absent';
  if (status === 408 || status === 504) return 'timeout';
  if (status === 503) return 'busy';
  if (status === 507) return 'board-full';
  if (status === 409 || status === 422) return 'conflict';
  if (status >= 500) return 'server-error';
  if (status >= 400 && status !== 404 && status !== 405) return 'bad-request';
  return 'protocol';
}
