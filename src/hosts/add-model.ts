/**
 * A new model package: read, calibrate, quantise, compile, prove, write. For the command line and the window's wizard alike. Everything is written into a folder
 * beside the package's place and renamed at the end; a failure or cancellation leaves nothing.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { access, mkdir, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { BoardError, virtualBoardLink } from '../board/index.ts';
import { compileProgram, type CompileReport } from '../compiler/compile.ts';
import { CompileError } from '../compiler/error.ts';
import { canonical } from '../compiler/float/canonical.ts';
import { readOnnx, type ExternalData, type OnnxModel } from '../compiler/onnx.ts';
import { writeOnnx } from '../compiler/onnx-write.ts';
import { cardOf, inputRange, metadataOf, parseGiven, prepare, readProperties, withoutFinalActivation, type Facts, type Preparation } from '../compiler/quantise/describe.ts';
import { compareOutputs, quantise, split, type Method, type QuantisationReport } from '../compiler/quantise/index.ts';
import { Network } from '../compiler/quantise/measure.ts';
import { readNpy, samplesOf } from '../compiler/quantise/npy.ts';
import { PACKAGE_FILES, type ModelMetadata } from '../contract/model.ts';
import { createCodecs, decodeFrame, DicomError, parseDicom, summarise, type Codecs } from '../dicom/index.ts';
import { createBoardEngine, EngineError, readBounded, readFailure } from '../engines/index.ts';
import { toTensor } from '../preprocess/index.ts';
import { loadPackage, probabilities, walkPaths } from '../review/index.ts';
import { readImage } from './image-file.ts';
import type { Resources } from './resources.ts';

export type AddModelOptions = {
  /** ONNX file, fp32. */
  readonly model: string;
  /** Folder of calibration files. */
  readonly calibrate: string;
  /** Folder to make; its name becomes the model's. */
  readonly out: string;
  readonly metadata?: string | undefined;
  readonly method?: Method | undefined;
  readonly float?: readonly string[] | undefined;
  /** Calibration files at most; more are thinned out evenly. */
  readonly samples?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { step: string; done: number; total: number }) => void) | undefined;
};

export type Witness = { readonly maxDifference: number; readonly sqnr: number | null };

export type Proof = {
  /** Share of samples with the same highest class in fp32 and int8 (ONNX Runtime), over all samples. */
  readonly labelAgreement: number;
  /** Largest difference of a probability, fp32 against int8, over all samples. */
  readonly maxDelta: number;
  /** Class scores on the samples kept from calibration: int8 in ONNX Runtime with all optimisations against none of them. */
  readonly runtimeLevels: Witness;
  /** The golden model, on the virtual board, against int8 in ONNX Runtime with either optimisation level; or why it did not run. */
  readonly golden: { readonly state: 'ok'; readonly samples: number; readonly all: Witness; readonly disabled: Witness } | { readonly state: 'not-run'; readonly why: string };
};

export type AddModelReport = {
  readonly package: string;
  readonly sha256: ModelMetadata['fabriclens']['sha256'];
  readonly quantisation: QuantisationReport;
  readonly program: CompileReport;
  readonly proof: Proof;
  /** What was changed or assumed, a sentence each. */
  readonly notes: readonly string[];
  readonly skipped: readonly { readonly file: string; readonly message: string }[];
};

/** Of the package, beside PACKAGE_FILES: what AddModelReport holds. */
const REPORT_FILE = 'report.json';
const MAX_FILES = 20_000;
const DEFAULT_SAMPLES = 128;
const MAX_FILE_BYTES = 2 ** 30;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const GOLDEN_TIMEOUT_MS = 120_000;

/** @throws CompileError (what is wrong with the model, the samples or the metadata), EngineError, or the signal's reason */
export async function addModel(options: AddModelOptions, resources: Resources): Promise<AddModelReport> {
  const out = resolve(options.out);
  const name = basename(out);
  if (!NAME.test(name)) throw new CompileError(`"${name}" cannot name a model: letters, digits, ".", "_" and "-", at most 64, the first a letter or digit.`);
  if (await exists(out)) throw new CompileError(`${options.out} is there already; name another folder, or delete it first.`);

  const source = await readSource(options.model);
  const given = options.metadata === undefined ? {} : parseGiven(new TextDecoder().decode(await read(options.metadata, 16 * 2 ** 20)), basename(options.metadata));
  const network = new Network(source.model);
  const facts: Omit<Facts, 'modalities'> = { name, given, properties: readProperties(source.bytes), model: source.model, inputDims: network.inputDims, activation: source.activation };
  const preparation = prepare(facts);
  if (preparation.task !== 'classification') throw new CompileError(`The network is a detector ("${preparation.predictions}"); packages of detectors are not made yet.`);
  const found = await readSamples(options, network.inputDims, preparation, createCodecs(resources.loadWasm));
  const { bytes, model: int8, input, report: quantisation } = await quantise(source.model, found.samples, {
    method: options.method, float: options.float, inputRange: inputRange(preparation.preprocessing), signal: options.signal, onProgress: options.onProgress,
  });
  options.onProgress?.({ step: 'compiling', done: 0, total: 1 });
  const { program, report } = compileProgram(bytes);

  const { logits } = preparation;
  const runs = { fp32: await network.outputs(found.samples, 'all', options.signal), int8: await new Network(int8, bytes).outputs(found.samples, 'all', options.signal) };
  const classes = runs.fp32[0]?.get(logits)?.length ?? 0;
  const scores = (outputs: Map<string, Float32Array>): Float32Array => outputs.get(logits) as Float32Array;
  const activation = preparation.activation(classes);
  const deltas = runs.fp32.map((one, i) => largest(probabilities(scores(one), activation), probabilities(scores(runs.int8[i]!), activation)));
  const sha256 = { 'model.onnx': hash(source.package), 'model.int8.onnx': hash(bytes), 'program.bin': hash(program) };
  const { metadata, unknown } = metadataOf({ ...facts, modalities: found.modalities }, preparation, { sha256, input, classes, maxDelta: Math.max(...deltas) });

  const parent = join(dirname(out), `.${name}.${process.pid}.tmp`);
  const folder = join(parent, name);
  try {
    await mkdir(folder, { recursive: true });
    const write = (file: string, content: Uint8Array | string): Promise<void> => writeFile(join(folder, file), content, { flush: true });
    await write(PACKAGE_FILES.fp32, source.package);
    await write(PACKAGE_FILES.int8, bytes);
    await write(PACKAGE_FILES.program, program);
    await write(PACKAGE_FILES.metadata, `${JSON.stringify(metadata, null, 1)}\n`);
    await write(PACKAGE_FILES.card, cardOf(metadata, unknown, quantisation));
    const { faults } = await loadPackage(folder);
    if (faults.length > 0) throw new EngineError('model-corrupt', faults.join(' '));

    options.onProgress?.({ step: 'proving', done: 0, total: 1 });
    const heldOut = split(found.samples).heldOut;
    const all = split(runs.int8).heldOut;
    const disabled = await new Network(int8, bytes).outputs(heldOut, 'disabled', options.signal);
    const witness = (a: readonly Map<string, Float32Array>[], b: readonly Map<string, Float32Array>[]): Witness => {
      const only = (outputs: readonly Map<string, Float32Array>[]): Map<string, Float32Array>[] => outputs.map((one) => new Map([[logits, scores(one)]]));
      const { sqnr = null, maxDifference = 0 } = compareOutputs(only(a), only(b))[0] ?? {};
      return { sqnr, maxDifference };
    };
    const proof: Proof = {
      labelAgreement: runs.fp32.filter((one, i) => highest(scores(one)) === highest(scores(runs.int8[i]!))).length / runs.fp32.length,
      maxDelta: Math.max(...deltas),
      runtimeLevels: witness(disabled, all),
      golden: await golden(parent, folder, metadata, heldOut, resources, options.signal).then(
        (board) => ({ state: 'ok' as const, samples: board.length, all: witness(all, board), disabled: witness(disabled, board) }),
        (error: unknown) => {
          options.signal?.throwIfAborted();
          if (error instanceof EngineError || error instanceof BoardError) return { state: 'not-run' as const, why: error.message };
          throw error;
        },
      ),
    };
    const result: AddModelReport = { package: out, sha256, quantisation, program: report, proof, notes: [...source.notes, ...report.notes, ...unknown], skipped: found.skipped };
    await write(REPORT_FILE, `${JSON.stringify(result, null, 1)}\n`);
    options.signal?.throwIfAborted();
    if (await exists(out)) throw new CompileError(`${options.out} has come to be there meanwhile; name another folder.`);
    await rename(folder, out);
    return result;
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const largest = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((v, i) => Math.abs(v - (b[i] as number))));
const highest = (values: Float32Array): number => values.indexOf(Math.max(...values));

async function read(path: string, limit = MAX_FILE_BYTES): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readBounded(path, limit);
  } catch (error) {
    throw new CompileError(`${path} cannot be read: ${readFailure(error)}.`);
  }
}

type Source = { bytes: Uint8Array<ArrayBuffer>; model: OnnxModel; /** What becomes model.onnx. */ package: Uint8Array<ArrayBuffer>; activation: 'softmax' | 'sigmoid' | null; notes: string[] };

/** The canonical network; the package keeps the file as it is where its inputs and outputs are the canonical ones and it is whole. */
async function readSource(path: string): Promise<Source> {
  const bytes = await read(path);
  const external = await externalData(path);
  const exported = readOnnx(bytes, external.read);
  const { model: whole, notes, turned } = canonical(exported);
  const { model, activation, notes: more } = withoutFinalActivation(whole);
  const ports = (m: OnnxModel): string => JSON.stringify([m.inputs, m.outputs].map((values) => values.map(({ name, dims }) => [name, dims.length])));
  const asItIs = !external.used() && turned.length === 0 && activation === null && ports(exported) === ports(model);
  return { bytes, model, package: asItIs ? bytes : writeOnnx(model), activation, notes: [...notes, ...more, ...(asItIs ? [] : ['model.onnx is the canonical form of the file given, not the file itself.'])] };
}

/** Files beside the model, inside its folder after links are resolved. */
async function externalData(path: string): Promise<{ read: ExternalData; used: () => boolean }> {
  const root = await realpath(dirname(resolve(path)));
  let used = false;
  return {
    used: () => used,
    read: (location, offset, length) => {
      used = true;
      let file: number;
      try {
        const real = realpathSync(join(root, location));
        if (relative(root, real).split(sep)[0] === '..') throw new Error('it lies outside the model\'s folder');
        file = openSync(real, 'r');
      } catch (error) {
        throw new CompileError(`External data '${location.slice(0, 200)}' cannot be read: ${readFailure(error)}.`);
      }
      try {
        const stats = fstatSync(file);
        const size = length ?? stats.size - offset;
        if (!stats.isFile() || size < 0 || offset + size > stats.size) throw new CompileError(`External data '${location.slice(0, 200)}' ends before what the model reads of it; copy it again.`);
        const data = new Uint8Array(size);
        let at = 0;
        for (let n = -1; at < size && n !== 0; at += n) n = readSync(file, data, at, size - at, offset + at);
        return data;
      } finally {
        closeSync(file);
      }
    },
  };
}

type Samples = { samples: Float32Array[]; modalities: string[]; skipped: { file: string; message: string }[] };

async function readSamples(options: AddModelOptions, dims: readonly number[], { preprocessing }: Preparation, codecs: Codecs): Promise<Samples> {
  const { files, problems } = await walkPaths([options.calibrate], MAX_FILES, options.signal);
  const limit = options.samples ?? DEFAULT_SAMPLES;
  const chosen = files.length <= limit ? files : Array.from({ length: limit }, (_, i) => files[Math.floor((i * files.length) / limit)]!);
  const found: Samples = { samples: [], modalities: [], skipped: problems.map(({ path, message }) => ({ file: path, message })) };
  const modalities = new Set<string>();
  for (const [index, { path }] of chosen.entries()) {
    options.signal?.throwIfAborted();
    options.onProgress?.({ step: 'reading samples', done: index + 1, total: chosen.length });
    const file = basename(path);
    try {
      if (extname(path).toLowerCase() === '.npy') {
        // The same array may hold more samples than are wanted.
        found.samples.push(...samplesOf(readNpy(await read(path), file), dims, preprocessing, file).slice(0, limit));
        continue;
      }
      const bytes = await readBounded(path, MAX_FILE_BYTES);
      const image = await readImage(bytes, codecs);
      if (image !== undefined) found.samples.push(toTensor(image, preprocessing));
      else {
        const dicom = parseDicom(bytes);
        modalities.add(summarise(dicom, { id: file, fileName: file }).instance.modality);
        found.samples.push(toTensor(await decodeFrame(dicom, 0, codecs), preprocessing));
      }
    } catch (error) {
      // A wrong tensor is the caller's mistake; a file that is no image only lies there.
      if (error instanceof CompileError) throw error;
      found.skipped.push({ file: path, message: error instanceof DicomError ? `${file}: ${error.message}.` : `${file}: ${readFailure(error)}.` });
    }
  }
  if (found.samples.length === 0) {
    const why = found.skipped[0]?.message ?? 'it is empty';
    throw new CompileError(`${options.calibrate} holds no calibration sample (${why}). Put DICOM files, .npy arrays, PNG or JPEG images there.`);
  }
  return { ...found, samples: found.samples.slice(0, limit), modalities: [...modalities].filter((m) => m !== '') };
}

/** Class scores of the golden model, through the agent that a board runs. */
async function golden(modelsDir: string, dir: string, metadata: ModelMetadata, samples: readonly Float32Array[], resources: Resources, signal: AbortSignal | undefined): Promise<Map<string, Float32Array>[]> {
  const board = virtualBoardLink({ modelsDir, runtimeLibrary: resources.runtimeLibrary, agentDir: resources.agentDir });
  const engine = createBoardEngine({ board, software: `FabricLens ${resources.version}` });
  try {
    await engine.load({ dir, metadata }, { signal, timeoutMs: GOLDEN_TIMEOUT_MS });
    const all = [];
    for (const sample of samples) {
      const inference = await engine.infer(sample, { signal, timeoutMs: GOLDEN_TIMEOUT_MS });
      if (inference.task === 'classification' && metadata.fabriclens.task === 'classification') all.push(new Map([[metadata.fabriclens.outputs.logits, inference.logits]]));
    }
    return all;
  } finally {
    await engine.close();
    await board.close();
  }
}
