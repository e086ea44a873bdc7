/** Runs engines on one frame, one after another so that their timings do not disturb one another, and holds their answers side by side. */
import type { ClassificationComparison, ClassificationRun, Comparison, DetectionComparison, EngineId, PartTiming, Run, RunOk, TimingPart, Warning } from '../contract/engine.ts';
import { TimingPart as TimingParts } from '../contract/engine.ts';
import { EngineError, type Engine, type Inference, type PartSample } from '../engines/index.ts';
import { classMaps, probabilities } from './activation.ts';
import { boxesOf } from './detections.ts';
import { compareBoxes } from './match-boxes.ts';
import type { LoadedPackage } from './packages.ts';
import { p50p95 } from './statistics.ts';
import { unlikeTraining } from './warnings.ts';

export interface CompareInput {
  instanceId: string;
  frame: number;
  pkg: LoadedPackage;
  /** The preprocessed frame, and the size it had. */
  tensor: Float32Array;
  rows: number;
  columns: number;
  /** `decode` and `preprocess`, measured once for the comparison: they are the same work for every engine and repeat. */
  prepared: PartSample[];
  warnings: Warning[];
  /** Reference first. */
  engines: readonly EngineId[];
  repeats: number;
}

export interface CompareHooks {
  /** Each run as it ends. */
  onRun?: (run: Run) => void;
  /** Repeats done of one engine. */
  onProgress?: (progress: { engine: EngineId; done: number; total: number }) => void;
  signal?: AbortSignal | undefined;
}

/** Longest wait for one inference, and for loading a model. */
const INFER_TIMEOUT_MS = 60_000;
const LOAD_TIMEOUT_MS = 120_000;

/**
 * Never rejects: an engine that fails becomes a RunFailed and the next one runs. An engine that fails or is cancelled after some of its
 * repeats keeps those (`repeats` says how many), with a `repeats-cut-short` warning.
 */
export async function runEngines(input: CompareInput, engineFor: (id: EngineId) => Engine, { onRun, onProgress, signal }: CompareHooks): Promise<Comparison> {
  const runs: Run[] = [];
  const warnings = [...input.warnings];
  let judged = false;
  for (const id of new Set(input.engines)) {
    const { run, warning, unlike } = await runEngine(id, input, engineFor, { onProgress, signal });
    if (warning) warnings.push(warning);
    if (unlike && !judged) warnings.push(...unlike);
    judged ||= unlike !== undefined;
    runs.push(run);
    onRun?.(run);
  }
  return compared(input, warnings, runs);
}

/** Engines answer by the package's task (`interpret`), so that all runs are of one kind. */
function compared({ instanceId, frame, pkg }: CompareInput, warnings: Warning[], runs: readonly Run[]): Comparison {
  const { fabriclens } = pkg.metadata;
  const common = { instanceId, frame, model: fabriclens.name, warnings, tolerance: fabriclens.tolerance };
  if (fabriclens.task === 'detection') {
    return { ...common, task: 'detection', runs: runs as DetectionComparison['runs'], rule: fabriclens.detection, ...compareBoxes(runs) };
  }
  const { classIndex, value } = fabriclens.threshold;
  const classified = runs as ClassificationComparison['runs'];
  return { ...common, task: 'classification', runs: classified, threshold: { classIndex, value }, ...against(classified, fabriclens.threshold) };
}

/** Flips and the largest |Δp| against the first engine; neither is known when that one failed or is alone. */
function against(runs: ClassificationComparison['runs'], threshold: { classIndex: number; value: number }): Pick<ClassificationComparison, 'flips' | 'maxDelta'> {
  const [reference, ...others] = runs;
  const answered = others.filter((run) => run.state === 'ok');
  if (reference?.state !== 'ok' || answered.length === 0) return { flips: [], maxDelta: null };
  const decides = (run: ClassificationRun): boolean => run.probabilities[threshold.classIndex]! >= threshold.value;
  return {
    flips: answered.filter((run) => decides(run) !== decides(reference)).map((run) => run.engine),
    maxDelta: Math.max(...answered.flatMap((run) => run.probabilities.map((p, i) => Math.abs(p - reference.probabilities[i]!)))),
  };
}

interface Outcome {
  run: Run;
  warning?: Warning;
  /** What its features say of the image: one judgement is enough for all engines. */
  unlike?: Warning[];
}

async function runEngine(id: EngineId, input: CompareInput, engineFor: (id: EngineId) => Engine, { onProgress, signal }: CompareHooks): Promise<Outcome> {
  const { pkg, tensor, repeats } = input;
  const samples: PartSample[][] = [];
  let last: Answer | undefined;
  let unlike: Warning[] | undefined;
  const ok = (): RunOk => ({ ...last!, engine: id, repeats: samples.length, ...summarise(samples) });
  try {
    if (signal?.aborted) throw new EngineError('cancelled', `${id} was cancelled.`);
    const engine = engineFor(id);
    await engine.load(pkg, { signal, timeoutMs: LOAD_TIMEOUT_MS });
    onProgress?.({ engine: id, done: 0, total: repeats });
    while (samples.length < repeats) {
      const inference = await engine.infer(tensor, { signal, timeoutMs: INFER_TIMEOUT_MS });
      // Another one answers now: a run has the answer and the times of one alone.
      if (inference.moved && inference.moved.to !== last?.moved?.to) samples.length = 0;
      const start = performance.now();
      last = interpret(inference, input);
      const took = performance.now() - start;
      if (inference.task === 'classification' && inference.features) unlike ??= unlikeTraining(inference.features, pkg.metadata);
      samples.push([...input.prepared, ...inference.parts, { part: 'post', source: 'host', ms: took }]);
      onProgress?.({ engine: id, done: samples.length, total: repeats });
    }
    return { run: ok(), ...(unlike && { unlike }) };
  } catch (error) {
    const { code, message } = error instanceof EngineError ? error : { code: 'engine-failed', message: `${id}: ${error instanceof Error ? error.message : String(error)}` };
    if (samples.length === 0) return { run: { state: 'failed', engine: id, code, message } };
    return {
      run: ok(),
      ...(unlike && { unlike }),
      warning: {
        code: 'repeats-cut-short',
        message: `${id} stopped after ${samples.length} of ${repeats} repeats: ${message}`,
        values: { engine: id, done: String(samples.length), total: String(repeats), cause: message },
      },
    };
  }
}

type Without<T> = T extends RunOk ? Omit<T, 'engine' | 'repeats' | 'timings' | 'total'> : never;
type Answer = Without<RunOk>;

function interpret(inference: Inference, { pkg, rows, columns }: CompareInput): Answer {
  const { fabriclens } = pkg.metadata;
  const { identity, moved } = inference;
  const who = { identity, ...(moved && { moved }) };
  if (inference.task === 'detection' && fabriclens.task === 'detection') {
    const { preprocessing, labels, detection } = fabriclens;
    return { state: 'ok', task: 'detection', ...who, boxes: boxesOf(inference.raw, detection, { rows, columns, preprocessing, labels: labels.length }) };
  }
  if (inference.task !== 'classification' || fabriclens.task !== 'classification') throw new EngineError('model-mismatch', `${identity.engine} answered as another kind of model than ${fabriclens.name}.`);
  const { logits, features } = inference;
  return {
    state: 'ok',
    task: 'classification',
    ...who,
    logits: Array.from(logits),
    probabilities: probabilities(logits, fabriclens.activation),
    classMaps: features && fabriclens.heatmap ? classMaps(features, fabriclens.heatmap.weights) : null,
  };
}

/** p50 and p95 of each part and of the sums. A part that one engine times twice (a conversion of its own) counts once, as their sum. */
function summarise(samples: readonly PartSample[][]): Pick<RunOk, 'timings' | 'total'> {
  const timings: PartTiming[] = [];
  const sum = (parts: readonly PartSample[], part?: TimingPart): number => parts.reduce((ms, s) => (part === undefined || s.part === part ? ms + s.ms : ms), 0);
  for (const part of TimingParts.options) {
    const sample = samples[0]!.find((s) => s.part === part);
    if (sample) timings.push({ part, source: sample.source, ...p50p95(samples.map((parts) => sum(parts, part))) });
  }
  return { timings, total: p50p95(samples.map((parts) => sum(parts))) };
}
