/** `fabriclens infer`: opens what was named, compares engines on each image, prints as it goes. */
import type { Comparison, EngineId } from '../../contract/engine.ts';
import type { InstanceInfo } from '../../contract/dicom.ts';
import type { ModelInfo } from '../../contract/ipc.ts';
import { createCodecThread, createReview, exportComparison, ReviewError, type Opened, type Review } from '../../review/index.ts';
import type { Resources } from '../resources.ts';
import { inferBoards } from './infer-boards.ts';
import { UsageError, type InferCommand } from './options.ts';
import { createProgress, type Progress } from './progress.ts';
import { resultText } from './table.ts';
import { EXIT, plain, type Terminal } from './terminal.ts';

interface Tally {
  images: number;
  failedInputs: number;
  failedRuns: number;
}

export async function infer(command: InferCommand, resources: Resources, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const modelsDir = command.modelsDir ?? resources.modelsDir;
  const boards = await inferBoards(command, modelsDir, resources, terminal, signal);
  const codecs = createCodecThread({ workerUrl: resources.codecWorkerUrl, loadWasm: resources.loadWasm });
  const review = createReview({ modelsDir, codecs, workerUrl: resources.ortWorkerUrl, boards, software: `FabricLens ${resources.version}` });
  const progress = createProgress(terminal.stderr, command.progress);
  try {
    const model = await chooseModel(command, review, terminal);
    const engines = command.engines ?? model.engines;
    const opened = await review.open(command.paths, { signal, onProgress: ({ done, total }) => progress.show(`reading files: ${done} of ${total}`) });
    progress.clear();
    const tally = await compareAll(command, { review, opened, model, engines, terminal, progress, signal });
    return finish(command, tally, terminal, signal);
  } catch (error) {
    if (signal.aborted) return finish(command, { images: 0, failedInputs: 0, failedRuns: 0 }, terminal, signal);
    throw error;
  } finally {
    progress.clear();
    await review.close();
    await codecs.close();
    await boards.close();
  }
}

async function chooseModel({ model: wanted }: InferCommand, review: Review, terminal: Terminal): Promise<ModelInfo> {
  const { models, problems } = await review.models();
  for (const { message } of problems) terminal.stderr.write(plain(`fabriclens: ${message}\n`));
  const names = models.map(({ id }) => id).join(', ');
  const found = wanted === undefined ? models[0] : models.find(({ id }) => id === wanted);
  if (found) return found;
  if (models.length === 0) throw new UsageError('There is no usable model package; name a folder of them with --models DIR.');
  throw new UsageError(`There is no usable model "${wanted}". There is: ${names}.`);
}

interface Work {
  review: Review;
  opened: Opened;
  model: ModelInfo;
  engines: EngineId[];
  terminal: Terminal;
  progress: Progress;
  signal: AbortSignal;
}

async function compareAll(command: InferCommand, work: Work): Promise<Tally> {
  const { review, opened, model, engines, terminal, progress, signal } = work;
  const tally: Tally = { images: 0, failedInputs: 0, failedRuns: 0 };
  const problem = (file: string, code: string, message: string): void => {
    tally.failedInputs++;
    if (command.json) terminal.stdout.write(`${JSON.stringify({ type: 'problem', file, code, message })}\n`);
    else terminal.stderr.write(plain(`fabriclens: ${message}\n`));
  };
  for (const { path, code, message } of opened.problems) problem(path, code, message);
  const instances = instancesById(review);
  const labels = model.metadata.fabriclens.labels.map(({ name }) => name);

  interface Asked { path: string; frames: number; sopInstanceUid: string; answer: Promise<{ comparison: Comparison } | { error: unknown }> }
  const report = async ({ path, frames, sopInstanceUid, answer }: Asked): Promise<void> => {
    const came = await answer;
    progress.clear();
    if ('error' in came) {
      if (signal.aborted) return;
      if (!(came.error instanceof ReviewError)) throw came.error;
      return problem(path, came.error.code, came.error.message);
    }
    const { comparison } = came;
    tally.images++;
    tally.failedRuns += comparison.runs.filter((run) => run.state === 'failed' || run.repeats < command.repeat).length;
    terminal.stdout.write(
      command.json
        ? `${JSON.stringify({ type: 'result', file: path, ...exportComparison(comparison, sopInstanceUid, labels) })}\n`
        : `${tally.images > 1 ? '\n' : ''}${resultText({ path, frames, comparison, labels })}`,
    );
  };
  // Several boards take an image each, and for each of them one waits; what comes out is in the order of the files all the same.
  const ahead = command.boards.length > 1 ? 2 * command.boards.length : 1;
  const asked: Asked[] = [];
  for (const [index, { id, path }] of opened.files.entries()) {
    const instance = instances.get(id)!;
    const { frames, sopInstanceUid } = instance;
    for (const frame of framesOf(command.frame, instance)) {
      if (signal.aborted) break;
      const where = `image ${index + 1} of ${opened.files.length}${frames > 1 ? `, frame ${frame + 1}` : ''}`;
      progress.show(`${where}: decoding`);
      const answer = review.compare(
        { instanceId: id, frame, model: model.id, engines, repeats: command.repeat },
        { signal, onProgress: ({ engine, done, total }) => progress.show(`${where}: ${engine} ${done} of ${total}`) },
      );
      asked.push({ path, frames, sopInstanceUid, answer: answer.then((comparison) => ({ comparison }), (error: unknown) => ({ error })) });
      if (asked.length >= ahead) await report(asked.shift()!);
    }
  }
  for (const one of asked) await report(one);
  return tally;
}

const instancesById = (review: Review): Map<string, InstanceInfo> =>
  new Map(review.library().studies.flatMap(({ series }) => series.flatMap(({ instances }) => instances.map((instance) => [instance.id, instance] as const))));

/** A frame beyond the image's last is passed on, and refused with the file's name. */
const framesOf = (frame: number | 'all', { frames }: InstanceInfo): number[] => (frame === 'all' ? Array.from({ length: frames }, (_, i) => i) : [frame]);

function finish(command: InferCommand, { images, failedInputs, failedRuns }: Tally, terminal: Terminal, signal: AbortSignal): number {
  if (command.json) terminal.stdout.write(`${JSON.stringify({ type: 'summary', images, failedInputs, failedRuns, interrupted: signal.aborted })}\n`);
  if (signal.aborted) return EXIT.interrupted;
  if (images + failedInputs === 0) throw new UsageError(`There is no image in ${command.paths.join(', ')}.`);
  if (!command.json) terminal.stdout.write('\nNot for diagnostic use.\n');
  return failedInputs + failedRuns > 0 ? EXIT.someFailed : EXIT.ok;
}
