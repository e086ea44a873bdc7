/**
 * A new model package: read, calibrate, quantise, compile, prove, write. For the command line and the window's wizard alike. Everything is written into a folder
 * beside the package's place and renamed at the end; a failure or cancellation leaves nothing.
 */
import { access, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { compileProgram, type CompileOptions } from '../compiler/compile.ts';
import { CompileError } from '../compiler/error.ts';
import { cardOf, inputRange, metadataOf, prepare, readProperties, type Facts, type GivenMetadata, type Preparation } from '../compiler/quantise/describe.ts';
import { imported } from '../compiler/quantise/imported.ts';
import { compareOutputs, quantise, split, type Method, type QuantisationReport } from '../compiler/quantise/index.ts';
import { Network } from '../compiler/quantise/measure.ts';
import type { Quantisation } from '../compiler/quantise/qdq.ts';
import type { OnnxModel } from '../compiler/onnx.ts';
import { adviceOf, byCodes, coreOf, rooflineOf, rowsOf, totalsOf } from '../compiler/report/index.ts';
import { PACKAGE_FILES } from '../contract/model.ts';
import { AddModelReport, type LayerRow, type Proof, type QuantisationSummary, type Witness } from '../contract/report.ts';
import { EngineError } from '../engines/index.ts';
import { createCodecThread, iouOf, loadPackage, probabilities, sha256Of, suppress, type InputBox } from '../review/index.ts';
import { readSamples, type SampleOptions } from './calibration-samples.ts';
import { readGiven, readSource, type Source } from './model-source.ts';
import { provePackage, type Proven } from './prove-package.ts';
import type { Resources } from './resources.ts';

export type AddModelOptions = SampleOptions & {
  /** ONNX file: fp32, or quantised already. */
  readonly model: string;
  /** Folder to make; its name becomes the model's. */
  readonly out: string;
  readonly metadata?: string | undefined;
  /** Instead of `metadata`: what it would say. */
  readonly given?: GivenMetadata | undefined;
  readonly method?: Method | undefined;
  readonly float?: readonly string[] | undefined;
  /** Layers by name that shall run on the PL or the PS. */
  readonly pin?: Readonly<Record<string, 'PL' | 'PS'>> | undefined;
  /** Everything on the processor. */
  readonly psOnly?: boolean | undefined;
  /** Of the core, for cycles and times; the default overlay's where it is left out. */
  readonly clockMHz?: number | undefined;
};

/** `report.json`, and where the package lies. */
export type AddedModel = AddModelReport & { readonly package: string };

/** Of the package, beside PACKAGE_FILES: what AddModelReport holds. */
const REPORT_FILE = 'report.json';
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Samples that a detector is measured on: its outputs are megabytes each. */
const MAX_DETECTOR_SAMPLES = 8;
/** Names of worst layers in the report. */
const WORST = 20;

/** @throws CompileError (what is wrong with the model, the samples or the metadata), EngineError, or the signal's reason */
export async function addModel(options: AddModelOptions, resources: Resources): Promise<AddedModel> {
  const { signal, onProgress } = options;
  const out = resolve(options.out);
  const name = basename(out);
  if (!NAME.test(name)) throw new CompileError(`"${name}" cannot name a model: letters, digits, ".", "_" and "-", at most 64, the first a letter or digit.`);
  if (await exists(out)) throw new CompileError(`${options.out} is there already; name another folder, or delete it first.`);

  const source = await readSource(options.model);
  if (source.quantised !== null && (options.method !== undefined || options.float !== undefined)) throw new CompileError('The file is quantised already, and its scales are kept: leave --method and --float out, or give the fp32 file.');
  const given = options.given ?? (options.metadata === undefined ? {} : await readGiven(options.metadata));
  const network = new Network(source.model);
  const facts: Omit<Facts, 'modalities'> = { name, given, properties: readProperties(source.bytes), model: source.model, inputDims: network.inputDims, activation: source.activation };
  const preparation = prepare(facts);
  const codecs = createCodecThread({ workerUrl: resources.codecWorkerUrl, loadWasm: resources.loadWasm });
  const found = await readSamples(options, network.inputDims, preparation.preprocessing, codecs).finally(() => codecs.close());
  const quantised = await quantisedOf(source, found.samples, preparation, options);
  onProgress?.({ step: 'compiling', done: 0, total: 1 });
  const compileOptions: CompileOptions = { pin: options.pin, psOnly: options.psOnly, ...(preparation.task === 'detection' ? { detections: { predictions: preparation.predictions, ...preparation.rule } } : {}) };
  const { program, report } = compileProgram(quantised.bytes, compileOptions);

  const heldOut = split(found.samples).heldOut.slice(0, preparation.task === 'detection' ? MAX_DETECTOR_SAMPLES : undefined);
  const measured = await measure(preparation, network, new Network(quantised.model, quantised.bytes), preparation.task === 'detection' ? heldOut : found.samples, signal);
  const sha256 = { 'model.onnx': sha256Of(source.package), 'model.int8.onnx': sha256Of(quantised.bytes), 'program.bin': sha256Of(program) };
  const { metadata, unknown } = metadataOf({ ...facts, modalities: found.modalities }, preparation, {
    sha256, input: quantised.input, classes: measured.classes, maxDelta: measured.maxDelta, ...(preparation.task === 'detection' ? { detections: 'detections' } : {}),
  });

  const parent = join(dirname(out), `.${name}.${process.pid}.tmp`);
  const folder = join(parent, name);
  try {
    await mkdir(folder, { recursive: true });
    const write = (file: string, content: Uint8Array | string): Promise<void> => writeFile(join(folder, file), content, { flush: true });
    await write(PACKAGE_FILES.fp32, source.package);
    await write(PACKAGE_FILES.int8, quantised.bytes);
    await write(PACKAGE_FILES.program, program);
    await write(PACKAGE_FILES.metadata, `${JSON.stringify(metadata, null, 1)}\n`);
    await write(PACKAGE_FILES.card, cardOf(metadata, unknown, quantised.report));
    const { faults } = await loadPackage(folder);
    if (faults.length > 0) throw new EngineError('model-corrupt', faults.join(' '));

    onProgress?.({ step: 'proving', done: 0, total: 1 });
    const proven = await provePackage(join(parent, 'proof'), { ...quantised, program, report, options: compileOptions, metadata, samples: heldOut, clockMHz: options.clockMHz, signal, onProgress }, resources);
    const proof = await proofOf(preparation, measured, proven, new Network(quantised.model, quantised.bytes), heldOut, signal);

    const core = coreOf(proven.estimate, options.clockMHz !== undefined);
    const layers = rowsOf(report, proven.estimate, byCodes(quantised.model, quantised.report.layers), core);
    const totals = totalsOf(layers, report, proven.estimate, core);
    const roofline = rooflineOf(layers, core);
    const quantisation = summaryOf(quantised.report, layers);
    const made = AddModelReport.parse({
      reportVersion: 1, model: name, task: preparation.task, sha256, core, layers, totals, roofline, quantisation, proof,
      advice: adviceOf({ layers, totals, roofline, quantisation, proof, contiguousBytes: report.contiguousBytes }),
      notes: [...new Set([...source.notes, ...quantised.notes, ...report.notes, ...proven.notes, ...unknown])], skipped: found.skipped,
    } satisfies AddModelReport);
    await write(REPORT_FILE, `${JSON.stringify(made, null, 1)}\n`);
    signal?.throwIfAborted();
    if (await exists(out)) throw new CompileError(`${options.out} has come to be there meanwhile; name another folder.`);
    await rename(folder, out);
    return { package: out, ...made };
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);
const largest = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((v, i) => Math.abs(v - (b[i] as number))));
const highest = (values: Float32Array): number => values.indexOf(Math.max(...values));

type Quantised = {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly model: OnnxModel;
  readonly input: Quantisation;
  readonly report: Omit<QuantisationReport, 'chosen'> & { readonly chosen: QuantisationReport['chosen'] | null };
  readonly notes: readonly string[];
};

async function quantisedOf(source: Source, samples: readonly Float32Array[], { preprocessing }: Preparation, { method, float, signal, onProgress }: AddModelOptions): Promise<Quantised> {
  if (source.quantised === null) return { ...(await quantise(source.model, samples, { method, float, inputRange: inputRange(preprocessing), signal, onProgress })), notes: [] };
  const made = await imported(source.quantised, source.model, samples, { inputRange: inputRange(preprocessing), signal, onProgress });
  return { ...made, report: { ...made.report, chosen: null } };
}

function summaryOf({ samples, heldOut, heldOutUnseen, chosen, tried, outputs }: Quantised['report'], rows: readonly LayerRow[]): QuantisationSummary {
  const worst = rows.filter((row) => row.sqnr !== null).sort((a, b) => (a.sqnr ?? 0) - (b.sqnr ?? 0)).slice(0, WORST).map((row) => row.name);
  return { by: chosen === null ? 'imported' : 'here', samples, heldOut, heldOutUnseen, chosen, tried: [...tried], outputs: [...outputs], worst };
}

type Outputs = readonly Map<string, Float32Array>[];
/** fp32 against int8, both in ONNX Runtime; `int8` the outputs of the samples measured. */
type Measured = { readonly int8: Outputs; readonly classes: number; readonly labelAgreement: number | null; readonly maxDelta: number };

async function measure(preparation: Preparation, fp32: Network, quantised: Network, samples: readonly Float32Array[], signal: AbortSignal | undefined): Promise<Measured> {
  const reference = await fp32.outputs(samples, 'all', signal);
  const int8 = await quantised.outputs(samples, 'all', signal);
  if (preparation.task === 'detection') {
    const values = (preparation.labels?.length ?? 0) + (preparation.rule.objectness ? 5 : 4);
    const boxes = (outputs: Map<string, Float32Array>): InputBox[] => suppress(outputs.get(preparation.predictions) as Float32Array, values, preparation.rule);
    return { int8, classes: preparation.labels?.length ?? 0, labelAgreement: null, maxDelta: Math.max(0, ...reference.map((one, i) => scoreDelta(boxes(one), boxes(int8[i]!)))) };
  }
  const scores = (outputs: Map<string, Float32Array>): Float32Array => outputs.get(preparation.logits) as Float32Array;
  const classes = scores(reference[0]!).length;
  const activation = preparation.activation(classes);
  return {
    int8, classes,
    labelAgreement: reference.filter((one, i) => highest(scores(one)) === highest(scores(int8[i]!))).length / reference.length,
    maxDelta: Math.max(...reference.map((one, i) => largest(probabilities(scores(one), activation), probabilities(scores(int8[i]!), activation)))),
  };
}

/** Boxes of one class that overlap by more are the same. */
const SAME_BOX = 0.5;

/** Largest difference of a score between boxes of either list that are the same. */
function scoreDelta(a: readonly InputBox[], b: readonly InputBox[]): number {
  const rectangle = ({ x1, y1, x2, y2, score, label }: InputBox): Parameters<typeof iouOf>[0] => ({ x: x1, y: y1, width: x2 - x1, height: y2 - y1, score, label });
  const overlap = (p: InputBox, q: InputBox): number => iouOf(rectangle(p), rectangle(q));
  return Math.max(0, ...a.map((box) => {
    const [other] = b.filter((o) => o.label === box.label && overlap(box, o) > SAME_BOX).sort((p, q) => overlap(box, q) - overlap(box, p));
    return other === undefined ? 0 : Math.abs(box.score - other.score);
  }));
}

async function proofOf(preparation: Preparation, { int8, labelAgreement, maxDelta }: Measured, { rule, outputs }: Proven, quantised: Network, heldOut: readonly Float32Array[], signal: AbortSignal | undefined): Promise<Proof> {
  const main = preparation.task === 'detection' ? preparation.predictions : preparation.logits;
  const all = preparation.task === 'detection' ? int8 : split(int8).heldOut;
  const disabled = await quantised.outputs(heldOut, 'disabled', signal);
  const witness = (a: Outputs, b: Outputs): Witness => {
    const only = (list: Outputs): Outputs => list.map((one) => new Map([[main, one.get(main) as Float32Array]]));
    const { sqnr = null, maxDifference = 0 } = compareOutputs(only(a), only(b))[0] ?? {};
    return { sqnr, maxDifference };
  };
  return {
    rule, labelAgreement, maxDelta: labelAgreement === null ? null : maxDelta, runtimeLevels: witness(disabled, all),
    golden: typeof outputs === 'string' ? { state: 'not-run', why: outputs } : { state: 'ok', samples: outputs.length, all: witness(all, outputs), disabled: witness(disabled, outputs) },
  };
}
