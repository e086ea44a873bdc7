/** Board engine: the input quantised here, inferred there over the Open Inference Protocol, with the board's own account of its time. */
import { IDENTITY_PARAMETERS, TIMING_PARAMETERS, type ModelMetadataResponse } from '../contract/oip.ts';
import { TimingSource, type Identity } from '../contract/engine.ts';
import { BoardError, type BoardLink, type InferResult, type OipClient, type Tensor } from '../board/index.ts';
import { quantizeInput } from '../preprocess/index.ts';
import { checkInput, EngineError, type Engine, type EngineErrorCode, type InferOptions, type Inference, type PartSample } from './engine.ts';
import { readOutputs, wantedOutputs, type OutputTensor } from './outputs.ts';
import type { ModelPackage } from './package.ts';

export interface BoardEngineOptions {
  /** Watched, started and closed by its owner; the engine asks it for the ready client. */
  board: BoardLink;
  software: string;
}

/** How long a board may take to become ready; the virtual one starts a process. */
const READY_MS = { virtual: 20_000, network: 5_000 } as const;
/** After it was not ready once: a batch of images must not wait for it again and again. */
const READY_AGAIN_MS = 500;

export function createBoardEngine(options: BoardEngineOptions): Engine {
  return new BoardEngine(options);
}

const BACKENDS: Record<string, string> = { golden: 'golden model', ps: 'processor alone', rtl: 'simulated RTL', hardware: 'programmable logic' };

class BoardEngine implements Engine {
  readonly id = 'board' as const;
  readonly #options: BoardEngineOptions;
  #loaded: { pkg: ModelPackage; client: OipClient; datatype: 'INT8' | 'FP32' } | undefined;
  #missed = false;

  constructor(options: BoardEngineOptions) {
    this.#options = options;
  }

  /** The board is asked for anew each time: it may have been lost, or started again, since the last comparison. */
  async load(pkg: ModelPackage, options: InferOptions = {}): Promise<void> {
    this.#loaded = undefined;
    const { name, sha256 } = pkg.metadata.fabriclens;
    if (sha256['program.bin'] === undefined) {
      throw new EngineError('model-not-compiled', `Model ${name} has no program.bin: make it with "npx fabriclens compile-program ${pkg.dir}".`);
    }
    const client = await this.#ready(options);
    const served = await translated(() => client.modelMetadata(name, options));
    this.#loaded = { pkg, client, datatype: inputDatatype(served, pkg) };
    // One untimed run: connections are made, and a board that holds another program of that name is found out before anything is shown.
    await this.infer(new Float32Array(pkg.metadata.fabriclens.input.shape.reduce((a, b) => a * b, 1)), options);
  }

  async infer(input: Float32Array, options: InferOptions = {}): Promise<Inference> {
    if (!this.#loaded) throw new EngineError('engine-failed', 'board: no model is loaded.');
    const { pkg, client, datatype } = this.#loaded;
    checkInput(input, pkg);
    const { name, input: { name: inputName, shape, scale, zeroPoint } } = pkg.metadata.fabriclens;
    const parts: PartSample[] = [];
    let data: Tensor['data'] = input;
    if (datatype === 'INT8') {
      const start = performance.now();
      data = quantizeInput(input, scale, zeroPoint);
      parts.push({ part: 'preprocess', source: 'host', ms: performance.now() - start });
    }
    const result = await translated(() => client.infer(name, [{ name: inputName, datatype, shape: [...shape], data }], { ...options, outputs: wantedOutputs(pkg, 'program') }));
    parts.push(...timings(result));
    return { ...readOutputs(pkg, floats(result), 'program'), parts, identity: this.#identity(pkg, result) };
  }

  async #ready(options: InferOptions): Promise<OipClient> {
    const { board } = this.#options;
    const { virtual, message } = board.status;
    // Without a message nothing has gone wrong since the board was started or connected to, which somebody may have asked for just now.
    const wait = this.#missed && message !== '' ? READY_AGAIN_MS : READY_MS[virtual ? 'virtual' : 'network'];
    try {
      const client = await translated(() => board.ready({ signal: options.signal, timeoutMs: Math.min(wait, options.timeoutMs ?? wait) }));
      this.#missed = false;
      return client;
    } catch (error) {
      if (!(error instanceof EngineError && error.code === 'cancelled')) this.#missed = true;
      throw error;
    }
  }

  /** The board belongs to whoever provided it. */
  close(): Promise<void> {
    this.#loaded = undefined;
    return Promise.resolve();
  }

  /** A server that names its program must name this package's; of one that does not (another OIP server), the runner says so. */
  #identity(pkg: ModelPackage, { parameters }: InferResult): Identity {
    const { virtual, address } = this.#options.board.status;
    const boardName = `${virtual ? 'virtual board' : 'board'} ${address}`;
    const { name, sha256 } = pkg.metadata.fabriclens;
    const expected = sha256['program.bin']!;
    const program = parameters[IDENTITY_PARAMETERS.programSha256];
    if (typeof program === 'string' && program !== expected) {
      throw new EngineError('model-mismatch', `The ${boardName} runs another program.bin for model ${name} (SHA-256 ${program.slice(0, 12)}… instead of ${expected.slice(0, 12)}…): deploy this package to it again.`);
    }
    const backend = parameters[IDENTITY_PARAMETERS.backend];
    const overlay = parameters[IDENTITY_PARAMETERS.overlaySha256];
    const agent = parameters[IDENTITY_PARAMETERS.agentVersion];
    return {
      model: name,
      modelVersion: pkg.metadata.version,
      modelSha256: expected,
      engine: 'board',
      runner: [boardName, ...(typeof backend === 'string' ? [BACKENDS[backend] ?? backend] : []), ...(program === undefined ? ['program not confirmed by the server'] : [])].join(', '),
      ...(typeof overlay === 'string' ? { overlaySha256: overlay } : {}),
      software: typeof agent === 'string' ? `${this.#options.software}, agent ${agent}` : this.#options.software,
    };
  }
}

/**
 * INT8 codes where the server says that it takes them (our agent does, in `accepts`): a quarter of the bytes. Other servers of the protocol
 * run the graph as it is and are sent its FP32 values. EngineError `model-mismatch` where it takes neither, or another input.
 */
function inputDatatype({ inputs }: ModelMetadataResponse, { metadata: { fabriclens: { name, input } } }: ModelPackage): 'INT8' | 'FP32' {
  const fail = (what: string): never => {
    throw new EngineError('model-mismatch', `Model ${name}: on the board it ${what}. The board serves another model of that name: deploy this package to it.`);
  };
  const [first, ...others] = inputs;
  if (first?.name !== input.name || others.length > 0) return fail(`has the inputs ${inputs.map((i) => `"${i.name}"`).join(', ')}, not the one input "${input.name}"`);
  const { accepts } = first.parameters ?? {};
  const taken = typeof accepts === 'string' ? accepts.split(',') : [first.datatype];
  return (['INT8', 'FP32'] as const).find((datatype) => taken.includes(datatype)) ?? fail(`takes ${taken.join(', ')} at "${input.name}", not INT8 or FP32`);
}

/**
 * Where the round trip went. Wall-clock times of the board (`measured`, `host`) are taken off the round trip, so that the parts add up to what
 * was waited for; `rtl` and `model` times are not of this round trip, and there `transfer` is what the server's total leaves of it.
 * A server that tells nothing leaves everything in `transfer`.
 */
export function timings({ parameters, roundTripMs }: Pick<InferResult, 'parameters' | 'roundTripMs'>): PartSample[] {
  const said = TimingSource.safeParse(parameters[TIMING_PARAMETERS.source]);
  const ms = (name: string): number | undefined => {
    const ns = parameters[name];
    return typeof ns === 'number' && Number.isFinite(ns) && ns >= 0 ? ns / 1e6 : undefined;
  };
  const parts: PartSample[] = [];
  if (said.success) {
    const pl = TimingSource.safeParse(parameters[TIMING_PARAMETERS.plSource] ?? said.data);
    // The queue is waited for by the board's clock, whatever runs the network.
    const sources = { queue: said.data === 'measured' ? said.data : 'host', pl: pl.data, ps: said.data } as const;
    for (const part of ['queue', 'pl', 'ps'] as const) {
      const [time, source] = [ms(TIMING_PARAMETERS[part]), sources[part]];
      if (time !== undefined && source !== undefined) parts.push({ part, source, ms: time });
    }
  }
  const simulated = parts.some(({ source }) => source === 'rtl' || source === 'model');
  const told = simulated ? (ms(TIMING_PARAMETERS.total) ?? 0) : parts.reduce((sum, part) => sum + part.ms, 0);
  return [{ part: 'transfer', source: 'host', ms: Math.max(0, roundTripMs - told) }, ...parts];
}

function floats({ outputs }: InferResult): Record<string, OutputTensor> {
  return Object.fromEntries(
    [...outputs.values()].map(({ name, data, shape, datatype }) => {
      if (!(data instanceof Float32Array)) throw new EngineError('tensor-mismatch', `The board answers "${name}" as ${datatype}, not FP32.`);
      return [name, { data, shape }];
    }),
  );
}

const CODES: Partial<Record<BoardError['code'], EngineErrorCode>> = {
  'board-unreachable': 'board-unreachable', 'board-absent': 'board-absent', timeout: 'timeout', cancelled: 'cancelled',
};

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BoardError) throw new EngineError(CODES[error.code] ?? 'board-refused', error.message, error);
    throw error;
  }
}
