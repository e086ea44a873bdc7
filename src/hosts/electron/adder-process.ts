/** Utility process that makes one model package, or looks at one file, and ends: compiling takes all of its thread for seconds. */
import { addModel } from '../add-model.ts';
import { draftModel, givenWith } from '../draft-model.ts';
import { readGiven } from '../model-source.ts';
import { resolveResources } from '../resources.ts';
import type { AddJob, FromAdder, Job, ToAdder } from './adder-messages.ts';
import { toCallError } from './process-messages.ts';
import type { AppPlace } from './review-messages.ts';

/** Progress is told at most this often (milliseconds), and whenever the step changes. */
const PROGRESS_EVERY = 100;

const { root, resourcesPath } = JSON.parse(process.argv[2]!) as AppPlace;
const resources = resolveResources(root, resourcesPath);
const send = (message: FromAdder): void => process.parentPort.postMessage(message);
const controller = new AbortController();

async function add({ model, metadata, samples, out, fields, method, limit }: AddJob): Promise<null> {
  const given = givenWith(metadata === null ? {} : await readGiven(metadata), fields);
  let last = { step: '', at: 0 };
  await addModel({
    model, out, given, calibrate: samples, samples: limit, method: method ?? undefined, signal: controller.signal,
    onProgress: ({ step, done, total }) => {
      const now = Date.now();
      if (step === last.step && done < total && now - last.at < PROGRESS_EVERY) return;
      last = { step, at: now };
      send({ kind: 'progress', step, done, total });
    },
  }, resources);
  return null;
}

async function run(job: Job): Promise<void> {
  try {
    send({ kind: 'done', value: job.kind === 'inspect' ? await draftModel(job.model, job.metadata) : await add(job) });
  } catch (error) {
    send({ kind: 'failed', error: controller.signal.aborted ? { code: 'cancelled', message: 'Cancelled.' } : toCallError(error) });
  }
}

process.parentPort.on('message', ({ data }: { data: ToAdder }) => {
  if (data.kind === 'abort') controller.abort();
  else void run(data.job);
});
