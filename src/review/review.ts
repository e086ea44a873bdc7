/** The review service: opened studies, model packages, engines; comparisons in turns. Hosts only wire it to a window or a terminal. */
import { dirname, resolve } from 'node:path';
import type { AnonymiseChoices, AnonymiseReport } from '../contract/anonymise.ts';
import type { Library as LibraryInfo } from '../contract/dicom.ts';
import type { Comparison, EngineId } from '../contract/engine.ts';
import type { ModelInfo } from '../contract/ipc.ts';
import type { Frame } from '../contract/pixels.ts';
import type { KeptResult, KeyImage, ResultQuery, ResultRow } from '../contract/studies.ts';
import type { BoardPool } from '../board/index.ts';
import { decodeFrame, DicomError, parseDicom, type Decoder } from '../dicom/index.ts';
import { createBoardEngine, createCpuEngine, EngineError, readFailure, type Engine, type Inference, type InferOptions, type ModelPackage, type PartSample } from '../engines/index.ts';
import { toTensor } from '../preprocess/index.ts';
import { runEngines, type CompareHooks } from './compare.ts';
import { anonymiseInto, type AnonymiseHooks } from './anonymise.ts';
import { readInstance, type InstanceSource } from './instance-source.ts';
import { Library, LIBRARY_BUDGETS, sha256Of, type LibraryBudgets, type Opened, type OpenHooks } from './library.ts';
import { loadAllPackages, type LoadedPackage, type PackageProblem, type Packages } from './packages.ts';
import { modelHashOf } from './store/records.ts';
import type { StudyList } from './study-list.ts';
import { resultsCsv, resultsJson } from './results.ts';
import { Turns } from './turns.ts';
import { warningsFor } from './warnings.ts';

export interface ReviewOptions {
  /** Folder of model packages. */
  modelsDir: string;
  /** Folder of the user's own packages; only these can be removed. */
  userModelsDir?: string | undefined;
  codecs: Decoder;
  /** The built src/engines/ort-worker.ts. */
  workerUrl: URL;
  /** The boards that the board engine asks; started when they are first needed, closed by their owner. */
  boards: BoardPool;
  /** For identities, e.g. `FabricLens 0.1.0`. */
  software: string;
  budgets?: LibraryBudgets;
  /** What is opened goes on it, and what is compared is kept with it; closed by its owner. Without one nothing is remembered. */
  list?: StudyList | undefined;
}

export interface CompareRequest {
  instanceId: string;
  /** From 0. */
  frame: number;
  model: string;
  /** Reference first. */
  engines: readonly EngineId[];
  repeats: number;
}

export type ReviewErrorCode = 'cancelled' | 'unknown-instance' | 'unknown-model' | 'no-such-frame' | 'unreadable' | 'closed' | DicomError['code'];

/** Why nothing could be compared at all; a single engine's failure is a RunFailed in the comparison instead. */
export class ReviewError extends Error {
  override readonly name = 'ReviewError';
  readonly code: ReviewErrorCode;
  constructor(code: ReviewErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

export interface Review {
  open(paths: readonly string[], hooks?: OpenHooks): Promise<Opened & { copies: number }>;
  /** A study of the list: those of its files that are there. `missing` counts the others. */
  openStudy(studyUid: string, hooks?: OpenHooks): Promise<Opened & { missing: number }>;
  library(): LibraryInfo;
  closeStudy(studyUid: string): void;
  /** Where the bytes of an instance and of all others of its study lie, by id, for hosts that hand them on; none for an unknown id. */
  sources(instanceId: string): [id: string, source: InstanceSource][];
  /** As `anonymiseInto`, of images that are open. Rejects with ReviewError `unknown-instance`, or FolderError; then nothing was written. */
  anonymise(instanceIds: readonly string[], folder: string, choices: AnonymiseChoices, hooks?: AnonymiseHooks): Promise<AnonymiseReport>;
  models(): Promise<{ models: ModelInfo[]; problems: PackageProblem[] }>;
  /** Rejects with ReviewError when the image or model cannot be had; engines that fail are part of the answer. */
  compare(request: CompareRequest, hooks?: CompareHooks): Promise<Comparison>;
  /** What is kept of an image that is open, by the model as it is installed. */
  kept(request: { instanceId: string; frame: number; model: string }): Promise<KeptResult>;
  /** A key image from now on, or not. */
  mark(image: KeyImage, on: boolean): void;
  /** Open images that are marked, in the order of marking. */
  marked(): KeyImage[];
  results(query: ResultQuery): Promise<ResultRow[]>;
  /** The same, as a document. */
  resultsText(query: ResultQuery, format: 'csv' | 'json'): Promise<string>;
  /** Folder of a model's package. Rejects with ReviewError `unknown-model`. */
  packageDir(model: string): Promise<string>;
  close(): Promise<void>;
}

export function createReview(options: ReviewOptions): Review {
  return new ReviewService(options);
}

class ReviewService implements Review {
  readonly #options: ReviewOptions;
  readonly #library: Library;
  readonly #engines = new Map<EngineId, Engine>();
  #packages: Promise<Packages> | undefined;
  readonly #turns: Turns;
  #cpu: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: ReviewOptions) {
    this.#options = options;
    this.#library = new Library(options.budgets ?? LIBRARY_BUDGETS);
    this.#turns = new Turns(() => options.boards.usable);
  }

  async open(paths: readonly string[], hooks: OpenHooks = {}): Promise<Opened & { copies: number }> {
    const { list } = this.#options;
    const open = (all: OpenHooks): Promise<Opened> => this.#library.open(paths, all);
    return list ? list.import(hooks, open) : { ...(await open(hooks)), copies: 0 };
  }

  async openStudy(studyUid: string, hooks?: OpenHooks): Promise<Opened & { missing: number }> {
    const { there, missing } = (await this.#options.list?.files(studyUid)) ?? { there: [], missing: [] };
    return { ...(await this.open(there, hooks)), missing: missing.length };
  }

  library(): LibraryInfo {
    return this.#library.info();
  }

  closeStudy(studyUid: string): void {
    this.#library.closeStudy(studyUid);
  }

  sources(instanceId: string): [id: string, source: InstanceSource][] {
    return this.#library.sources(instanceId);
  }

  async anonymise(instanceIds: readonly string[], folder: string, choices: AnonymiseChoices, hooks?: AnonymiseHooks): Promise<AnonymiseReport> {
    const images = instanceIds.map((id) => {
      const entry = this.#library.entry(id);
      if (!entry) throw new ReviewError('unknown-instance', 'One of these images is not open any more: open the study again.');
      // Held by its place: the study may be closed meanwhile.
      return { fileName: entry.instance.fileName, read: () => readInstance(entry.source, this.#options.budgets?.fileBytes) };
    });
    return anonymiseInto(folder, images, choices, this.#options.software, hooks);
  }

  async models(): Promise<{ models: ModelInfo[]; problems: PackageProblem[] }> {
    // Asking for the list looks at the folder again; a comparison takes what was listed last.
    this.#packages = this.#load();
    const { packages, problems } = await this.#packages;
    const { userModelsDir } = this.#options;
    return { models: packages.map(({ dir, metadata, card, engines }) => ({ id: metadata.fabriclens.name, metadata, card, engines, own: userModelsDir !== undefined && dirname(dir) === resolve(userModelsDir) })), problems };
  }

  async compare(request: CompareRequest, hooks: CompareHooks = {}): Promise<Comparison> {
    const end = await this.#turns.take(request.engines.every((id) => id === 'board'), hooks.signal).catch((cause: unknown) => {
      throw new ReviewError('cancelled', 'The comparison was cancelled.', cause);
    });
    try {
      return await this.#compare(request, hooks);
    } finally {
      end();
    }
  }

  async kept({ instanceId, frame, model }: { instanceId: string; frame: number; model: string }): Promise<KeptResult> {
    const { metadata } = await this.#package(model);
    const entry = this.#library.entry(instanceId);
    return (entry && this.#options.list?.keptOf({ entry, frame }, metadata)) ?? { comparison: null, at: '', outdated: 0 };
  }

  mark({ instanceId, frame }: KeyImage, on: boolean): void {
    const entry = this.#library.entry(instanceId);
    if (entry && frame < entry.instance.frames) this.#options.list?.mark({ entry, frame }, on);
  }

  marked(): KeyImage[] {
    const marked = this.#options.list?.marked() ?? [];
    if (marked.length === 0) return [];
    return marked.flatMap(({ sopInstanceUid, frame }) => this.#library.idsOf(sopInstanceUid).map((instanceId) => ({ instanceId, frame })));
  }

  async results(query: ResultQuery): Promise<ResultRow[]> {
    const { packages } = await this.#listed();
    return this.#options.list?.results(query, new Map(packages.map(({ metadata }) => [metadata.fabriclens.name, modelHashOf(metadata)]))) ?? [];
  }

  async resultsText(query: ResultQuery, format: 'csv' | 'json'): Promise<string> {
    const rows = await this.results(query);
    if (format === 'csv') return resultsCsv(rows);
    const { packages } = await this.#listed();
    const labels = new Map(packages.map(({ metadata: { fabriclens } }) => [fabriclens.name, fabriclens.labels.map(({ name }) => name)]));
    return resultsJson(rows, ({ id }) => this.#options.list!.comparison(id), ({ model, current }) => (current ? labels.get(model)! : []));
  }

  async packageDir(model: string): Promise<string> {
    return (await this.#package(model)).dir;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#engines.values()].map((engine) => engine.close()));
    this.#engines.clear();
  }

  async #compare({ instanceId, frame, model, engines, repeats }: CompareRequest, hooks: CompareHooks): Promise<Comparison> {
    if (this.#closed) throw new ReviewError('closed', 'FabricLens is closing.');
    const pkg = await this.#package(model);
    // Looked up when nothing is waited for any more: the study may be closed meanwhile.
    const entry = this.#library.entry(instanceId);
    const instance = entry?.instance;
    if (!instance) throw new ReviewError('unknown-instance', 'This image is not open any more: open its file again.');
    if (frame >= instance.frames) throw new ReviewError('no-such-frame', `${instance.fileName} has ${instance.frames} frame(s); frame ${frame + 1} is not among them.`);
    const decoded = await this.#decode(instanceId, frame);
    const start = performance.now();
    const tensor = toTensor(decoded.frame, pkg.metadata.fabriclens.preprocessing);
    const prepared: PartSample[] = [
      { part: 'decode', source: 'host', ms: decoded.ms },
      { part: 'preprocess', source: 'host', ms: performance.now() - start },
    ];
    const warnings = warningsFor(instance, decoded.frame, pkg.metadata);
    const { rows, columns } = decoded.frame;
    const { boards, software, list } = this.#options;
    const board = createBoardEngine({ boards, software, cpu: (...run) => this.#onCpu(...run) });
    try {
      const comparison = await runEngines({ instanceId, frame, pkg, tensor, rows, columns, prepared, warnings, engines, repeats }, (id) => (id === 'board' ? board : this.#cpuEngine(id)), hooks);
      if (!hooks.signal?.aborted && comparison.runs.some(({ state }) => state === 'ok')) list?.keep({ entry, frame }, decoded.sha256, comparison, pkg.metadata);
      return comparison;
    } finally {
      await board.close();
    }
  }

  /** `ms` is from encoded bytes in memory to pixels; reading the file is the disk's business. */
  async #decode(instanceId: string, index: number): Promise<{ frame: Frame; ms: number; sha256: string }> {
    const { fileName } = this.#library.entry(instanceId)!.instance;
    try {
      const bytes = await this.#library.read(instanceId);
      const start = performance.now();
      const frame = await decodeFrame(parseDicom(bytes), index, this.#options.codecs);
      const ms = performance.now() - start;
      return { frame, ms, sha256: sha256Of(bytes) };
    } catch (error) {
      if (error instanceof DicomError) throw new ReviewError(error.code, `${fileName}: ${error.message}.`, error);
      throw new ReviewError('unreadable', `${fileName}: ${readFailure(error)}.`, error);
    }
  }

  #listed(): Promise<Packages> {
    this.#packages ??= this.#load();
    return this.#packages;
  }

  async #package(name: string): Promise<LoadedPackage> {
    const { packages, problems } = await this.#listed();
    const found = packages.find((p) => p.metadata.fabriclens.name === name);
    if (found) return found;
    const problem = problems.find((p) => p.name === name);
    const known = packages.map((p) => p.metadata.fabriclens.name).join(', ') || 'none';
    throw new ReviewError('unknown-model', problem?.message ?? `There is no model "${name}" (there is: ${known}).`);
  }

  #load(): Promise<Packages> {
    const { modelsDir, userModelsDir } = this.#options;
    return loadAllPackages(userModelsDir === undefined ? [modelsDir] : [modelsDir, userModelsDir]);
  }

  #cpuEngine(id: Exclude<EngineId, 'board'>): Engine {
    if (this.#closed) throw new EngineError('cancelled', `${id} was cancelled: FabricLens is closing.`);
    let engine = this.#engines.get(id);
    if (!engine) {
      const { workerUrl, software } = this.#options;
      engine = createCpuEngine({ id, workerUrl, software });
      this.#engines.set(id, engine);
    }
    return engine;
  }

  /** What a lost board was asked. Boards compute beside one another; the engine here takes one call after another. */
  #onCpu(pkg: ModelPackage, input: Float32Array, options: InferOptions): Promise<Inference> {
    const mine = this.#cpu.then(async () => {
      const engine = this.#cpuEngine('cpu-int8');
      await engine.load(pkg, options);
      return engine.infer(input, options);
    });
    this.#cpu = mine.catch(() => {});
    return mine;
  }
}
