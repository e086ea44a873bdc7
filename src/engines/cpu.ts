/** CPU engines: ONNX Runtime in a worker thread. cpu-fp32 runs model.onnx, cpu-int8 the canonical QDQ model.int8.onnx (int8 activations, never uint8: DESIGN.md). */
import { Worker } from 'node:worker_threads';
import type { EngineId, Identity } from '../contract/engine.ts';
import { bounded, checkInput, EngineError, type Engine, type InferOptions, type Inference } from './engine.ts';
import type { LoadedModel, OrtReply, OrtRequest } from './ort-messages.ts';
import { predictionValues, readOutputs, wantedOutputs, type OutputTensor } from './outputs.ts';
import { readVerified, type ExecutedFile, type ModelPackage } from './package.ts';

const FILE = { 'cpu-fp32': 'model.onnx', 'cpu-int8': 'model.int8.onnx' } as const satisfies Record<string, ExecutedFile>;

export interface CpuEngineOptions {
  id: keyof typeof FILE;
  /** The built src/engines/ort-worker.ts. */
  workerUrl: URL;
  /** e.g. `FabricLens 0.1.0`. */
  software: string;
}

export function createCpuEngine(options: CpuEngineOptions): Engine {
  return new CpuEngine(options);
}

type Unnumbered<T> = T extends OrtRequest ? Omit<T, 'id'> : never;

class CpuEngine implements Engine {
  readonly id: EngineId;
  readonly #file: ExecutedFile;
  readonly #options: CpuEngineOptions;
  #worker: OrtWorker | undefined;
  #loaded: { pkg: ModelPackage; model: LoadedModel; input: Float32Array } | undefined;

  constructor(options: CpuEngineOptions) {
    this.id = options.id;
    this.#file = FILE[options.id];
    this.#options = options;
  }

  async load(pkg: ModelPackage, options: InferOptions = {}): Promise<void> {
    if (this.#loaded && sameModel(this.#loaded.pkg, pkg, this.#file)) {
      this.#loaded.pkg = pkg;
      return;
    }
    this.#loaded = undefined;
    const model = await readVerified(pkg, this.#file);
    const what = `${this.id}: loading model ${pkg.metadata.fabriclens.name}`;
    const { name, shape } = pkg.metadata.fabriclens.input;
    const values = new SharedArrayBuffer(4 * shape.reduce((product, n) => product * n, 1));
    const loaded = (await this.#ask(what, { kind: 'load', model, input: { name, shape, values } }, options, [model.buffer])) as LoadedModel;
    checkModel(loaded, pkg, this.#file);
    const input = new Float32Array(values);
    this.#loaded = { pkg, model: loaded, input };
    // The first run lays out ONNX Runtime's memory; it would make the first measured latency unlike the others.
    await this.infer(input, options);
  }

  async infer(input: Float32Array, options: InferOptions = {}): Promise<Inference> {
    if (!this.#loaded) throw new EngineError('engine-failed', `${this.id}: no model is loaded.`);
    const { pkg, model, input: shared } = this.#loaded;
    checkInput(input, pkg);
    const start = performance.now();
    shared.set(input);
    const answers = (await this.#ask(`${this.id}: model ${pkg.metadata.fabriclens.name}`, { kind: 'run', outputs: wantedOutputs(pkg, 'graph') }, options)) as Record<string, OutputTensor>;
    // The next run writes over the shared answers.
    const tensors = Object.fromEntries(Object.entries(answers).map(([name, { data, shape }]) => [name, { data: data.slice(), shape }]));
    const ms = performance.now() - start;
    return { ...readOutputs(pkg, tensors, 'graph'), parts: [{ part: 'engine', source: 'host', ms }], identity: this.#identity(pkg, model) };
  }

  async close(): Promise<void> {
    this.#loaded = undefined;
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  /** After a timeout the worker is thrown away, as native code cannot be interrupted; the next load starts another. */
  #ask(what: string, request: Unnumbered<OrtRequest>, options: InferOptions, transfer: ArrayBuffer[] = []): Promise<unknown> {
    const forget = (): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#loaded = undefined;
    };
    const worker: OrtWorker = this.#worker ?? new OrtWorker(this.#options.workerUrl, this.id, () => forget());
    this.#worker = worker;
    return bounded(what, worker.ask(request, transfer), options, () => {
      forget();
      void worker.terminate();
    });
  }

  #identity(pkg: ModelPackage, model: LoadedModel): Identity {
    const { name, sha256 } = pkg.metadata.fabriclens;
    return {
      model: name,
      modelVersion: pkg.metadata.version,
      modelSha256: sha256[this.#file]!,
      engine: this.id,
      runner: `onnxruntime-node ${model.version}`,
      software: this.#options.software,
    };
  }
}

const sameModel = (a: ModelPackage, b: ModelPackage, file: ExecutedFile): boolean =>
  a.dir === b.dir && a.metadata.fabriclens.sha256[file] === b.metadata.fabriclens.sha256[file];

/** The graph has the input and outputs that metadata.json says; throws EngineError `model-mismatch` naming the first that it has not. */
function checkModel({ inputs, outputs }: LoadedModel, pkg: ModelPackage, file: string): void {
  const { fabriclens } = pkg.metadata;
  const { name, input, labels } = fabriclens;
  const fail = (what: string): never => {
    throw new EngineError('model-mismatch', `Model ${name}: ${file} ${what}. Its metadata.json and its graph do not belong together.`);
  };
  const found = inputs.find((i) => i.name === input.name);
  if (inputs.length !== 1 || !found) return fail(`has the inputs ${inputs.map((i) => `"${i.name}"`).join(', ')}, not the one input "${input.name}"`);
  if (found.type !== 'float32') fail(`takes ${found.type} at "${input.name}", not float32`);
  if (found.shape.length !== 4 || found.shape.some((n, i) => typeof n === 'number' && n !== input.shape[i])) {
    fail(`takes [${found.shape.join(', ')}] at "${input.name}", not [${input.shape.join(', ')}]`);
  }
  for (const role of wantedOutputs(pkg, 'graph')) {
    if (!outputs.some((o) => o.name === role)) fail(`has no output "${role}"`);
  }
  const last = (role: string): number | string | undefined => outputs.find((o) => o.name === role)!.shape.at(-1);
  if (fabriclens.task === 'detection') {
    const values = last(fabriclens.outputs.predictions);
    const wanted = predictionValues(fabriclens);
    if (typeof values === 'number' && values !== wanted) {
      fail(`gives ${values} values a row, but metadata.json names ${labels.length} classes ${fabriclens.detection.objectness ? 'and an objectness' : 'without an objectness'}, which are ${wanted}`);
    }
    return;
  }
  const classes = last(fabriclens.outputs.logits);
  if (typeof classes === 'number' && classes !== labels.length) fail(`gives ${classes} classes, but metadata.json names ${labels.length}`);
}

/** A worker thread and the questions it has not answered yet. */
class OrtWorker {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #next = 0;
  #gone: EngineError | undefined;

  constructor(url: URL, id: EngineId, onExit: () => void) {
    this.#worker = new Worker(url, { name: id });
    this.#worker.unref();
    const lost = (cause: string): void => {
      if (this.#gone) return;
      this.#gone = new EngineError('engine-failed', `${id}: its worker stopped (${cause}).`);
      onExit();
      for (const { reject } of this.#waiting.values()) reject(this.#gone);
      this.#waiting.clear();
    };
    this.#worker.on('message', (reply: OrtReply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (this.#waiting.size === 0) this.#worker.unref();
      if (reply.ok) waiting?.resolve(reply.value);
      else waiting?.reject(new EngineError('engine-failed', `${id}: ONNX Runtime says: ${reply.message}`));
    });
    this.#worker.on('error', (error) => lost(error.message));
    this.#worker.on('exit', (code) => lost(`exit code ${code}`));
  }

  ask(request: Unnumbered<OrtRequest>, transfer: ArrayBuffer[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#gone) return reject(this.#gone);
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ ...request, id }, transfer);
    });
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}
