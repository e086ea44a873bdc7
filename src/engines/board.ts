/** Board engine: the input quantised here, inferred there over the Open Inference Protocol, with the board's own account of its time. */
import { IDENTITY_PARAMETERS, TIMING_PARAMETERS, type ModelMetadataResponse } from '../contract/oip.ts';
import { TimingSource, type Identity } from '../contract/engine.ts';
import { BoardError, nameOf, type BoardPool, type InferResult, type Lease, type Tensor } from '../board/index.ts';
import { quantizeInput } from '../preprocess/index.ts';
import { checkInput, EngineError, type Engine, type EngineErrorCode, type InferOptions, type Inference, type PartSample } from './engine.ts';
import { readOutputs, wantedOutputs, type OutputTensor } from './outputs.ts';
import type { ModelPackage } from './package.ts';

export interface BoardEngineOptions {
  /** Watched, started and closed by its owner. */
  boards: BoardPool;
  /** Runs the same quantised network on this computer (cpu-int8) when the boards were lost; without it the run fails then. */
  cpu?: (pkg: ModelPackage, input: Float32Array, options: InferOptions) => Promise<Inference>;
  software: string;
}

/** For one comparison at a time: it stays with one board from `load` to the next `load` or `close`, unless that board is lost. */
export function createBoardEngine(options: BoardEngineOptions): Engine {
  return new BoardEngine(options);
}

const BACKENDS: Record<string, string> = { golden: 'golden model', ps: 'processor alone', rtl: 'simulated RTL', hardware: 'programmable logic' };

/** Where the loaded model runs. */
interface Place {
  lease: Lease;
  datatype: 'INT8' | 'FP32';
}
interface Loss {
  board: string;
  reason: string;
}

class BoardEngine implements Engine {
  readonly id = 'board' as const;
  readonly #options: BoardEngineOptions;
  #loaded: { pkg: ModelPackage; place: Place | 'cpu' } | undefined;
  /** Boards of this run that were lost, and those that it may not ask (again). */
  #losses: Loss[] = [];
  #tried = new Set<string>();

  constructor(options: BoardEngineOptions) {
    this.#options = options;
  }

  /** A board is asked for anew each time: one may have been lost, or come back, since the last comparison. */
  async load(pkg: ModelPackage, options: InferOptions = {}): Promise<void> {
    await this.close();
    const { name, sha256 } = pkg.metadata.fabriclens;
    if (sha256['program.bin'] === undefined) {
      throw new EngineError('model-not-compiled', `Model ${name} has no program.bin: make it with "npx fabriclens compile-program ${pkg.dir}".`);
    }
    this.#losses = [];
    this.#tried = new Set();
    this.#loaded = { pkg, place: await this.#find(pkg, options) };
  }

  /** Idempotent: what a lost board was asked is asked of the next one. */
  async infer(input: Float32Array, options: InferOptions = {}): Promise<Inference> {
    const loaded = this.#loaded;
    if (!loaded) throw new EngineError('engine-failed', 'board: no model is loaded.');
    const { pkg } = loaded;
    checkInput(input, pkg);
    for (;;) {
      const { place } = loaded;
      if (place === 'cpu') return this.#said(await this.#options.cpu!(pkg, input, options));
      try {
        return this.#said(await this.#ask(pkg, place, input, options));
      } catch (error) {
        if (!isLoss(error)) throw error;
        this.#lose(place.lease, error);
        loaded.place = await this.#find(pkg, options);
      }
    }
  }

  /** The boards belong to whoever provided them. */
  close(): Promise<void> {
    const place = this.#loaded?.place;
    this.#loaded = undefined;
    if (place && place !== 'cpu') place.lease.release();
    return Promise.resolve();
  }

  /** The next board that takes this package, its connection made and the model tried there; the CPU where boards were lost and none is left. */
  async #find(pkg: ModelPackage, options: InferOptions): Promise<Place | 'cpu'> {
    const { boards, cpu } = this.#options;
    const { name, input: { shape } } = pkg.metadata.fabriclens;
    let refusal: unknown;
    for (;;) {
      let lease: Lease | undefined;
      try {
        lease = await translated(() => boards.take(name, { ...options, except: this.#tried }));
      } catch (error) {
        // A board that was there and is lost, not one that never came.
        const lost = boards.statuses.filter(({ use, state }) => use && state === 'lost');
        if (!isLoss(error) || lost.length === 0) throw error;
        this.#losses.push(...lost.map((status) => ({ board: nameOf(status), reason: status.message })));
        refusal = error;
      }
      if (!lease) {
        if (this.#losses.length > 0 && cpu) return 'cpu';
        throw refusal ?? new EngineError('board-unreachable', this.#losses.at(-1)?.reason ?? 'No board is ready any more; try again.');
      }
      this.#tried.add(lease.id);
      try {
        const served = await translated(() => lease.client.modelMetadata(name, { ...options, signal: signalOf(lease, options) }), lease, options);
        const place = { lease, datatype: inputDatatype(served, pkg) };
        // One untimed run: connections are made, and a board that holds another program of that name is found out before anything is shown.
        await this.#ask(pkg, place, new Float32Array(shape.reduce((a, b) => a * b, 1)), options);
        return place;
      } catch (error) {
        if (isLoss(error)) this.#lose(lease, error);
        else {
          lease.release();
          // Another board may have what this one lacks.
          if (!(error instanceof EngineError) || (error.code !== 'model-mismatch' && error.code !== 'board-refused')) throw error;
        }
        refusal = error;
      }
    }
  }

  async #ask(pkg: ModelPackage, { lease, datatype }: Place, input: Float32Array, options: InferOptions): Promise<Inference> {
    const { name, input: { name: inputName, shape, scale, zeroPoint } } = pkg.metadata.fabriclens;
    const parts: PartSample[] = [];
    let data: Tensor['data'] = input;
    if (datatype === 'INT8') {
      const start = performance.now();
      data = quantizeInput(input, scale, zeroPoint);
      parts.push({ part: 'preprocess', source: 'host', ms: performance.now() - start });
    }
    const tensors = [{ name: inputName, datatype, shape: [...shape], data }];
    const result = await translated(() => lease.client.infer(name, tensors, { ...options, signal: signalOf(lease, options), outputs: wantedOutputs(pkg, 'program') }), lease, options);
    lease.answered(result.roundTripMs);
    parts.push(...timings(result));
    return { ...readOutputs(pkg, floats(result), 'program'), parts, identity: this.#identity(pkg, lease, result) };
  }

  #lose(lease: Lease, { message }: EngineError): void {
    lease.release();
    this.#losses.push({ board: lease.name, reason: message });
  }

  #said(inference: Inference): Inference {
    if (this.#losses.length === 0) return inference;
    const { engine, runner } = inference.identity;
    const to = engine === 'board' ? runner : `${engine} on this computer (${runner})`;
    return { ...inference, moved: { from: this.#losses.map(({ board }) => board).join(', '), to, reason: this.#losses.map(({ reason }) => reason).join(' ') } };
  }

  /** A server that names its program must name this package's; of one that does not (another OIP server), the runner says so. */
  #identity(pkg: ModelPackage, lease: Lease, { parameters }: InferResult): Identity {
    const { name, sha256 } = pkg.metadata.fabriclens;
    const expected = sha256['program.bin']!;
    const program = parameters[IDENTITY_PARAMETERS.programSha256];
    if (typeof program === 'string' && program !== expected) {
      throw new EngineError('model-mismatch', `The ${lease.name} runs another program.bin for model ${name} (SHA-256 ${program.slice(0, 12)}… instead of ${expected.slice(0, 12)}…): deploy this package to it again.`);
    }
    const backend = parameters[IDENTITY_PARAMETERS.backend];
    const overlay = parameters[IDENTITY_PARAMETERS.overlaySha256];
    const agent = parameters[IDENTITY_PARAMETERS.agentVersion];
    return {
      model: name,
      modelVersion: pkg.metadata.version,
      modelSha256: expected,
      engine: 'board',
      runner: [lease.name, ...(typeof backend === 'string' ? [BACKENDS[backend] ?? backend] : []), ...(program === undefined ? ['program not confirmed by the server'] : [])].join(', '),
      ...(typeof overlay === 'string' ? { overlaySha256: overlay } : {}),
      software: typeof agent === 'string' ? `${this.#options.software}, agent ${agent}` : this.#options.software,
    };
  }
}

/** What another board can mend; a cancelled run, a timeout and a wrong model it cannot. */
const isLoss = (error: unknown): error is EngineError => error instanceof EngineError && (error.code === 'board-unreachable' || error.code === 'board-absent');

const signalOf = ({ lost }: Lease, { signal }: InferOptions): AbortSignal => (signal ? AbortSignal.any([signal, lost]) : lost);

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

/** A request that was given up because its board was lost fails with that. */
async function translated<T>(work: () => Promise<T>, lease?: Lease, options: InferOptions = {}): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BoardError)) throw error;
    const cause = error.code === 'cancelled' && lease?.lost.aborted && !options.signal?.aborted ? (lease.lost.reason as BoardError) : error;
    throw new EngineError(CODES[cause.code] ?? 'board-refused', cause.message, cause);
  }
}
