/**
 * Worker entry: one ONNX Runtime session. `session.run` computes on the calling thread, so this thread is what it blocks, and nobody
 * else's. Built as a file of its own (dist/workers/ort-worker.js).
 */
import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import type { LoadedModel, LoadRequest, OrtReply, OrtRequest, RunRequest, TensorFacts } from './ort-messages.ts';
import type { OutputTensor } from './outputs.ts';

interface Loaded {
  session: ort.InferenceSession;
  shared: Float32Array;
  /** The tensor over this thread's own memory: ONNX Runtime takes no shared memory. */
  own: Float32Array;
  feeds: Record<string, ort.Tensor>;
  /** Where the other thread finds each output until the next run. */
  answers: Map<string, Float32Array>;
}
let loaded: Loaded | undefined;

const OPTIONS: ort.InferenceSession.SessionOptions = {
  graphOptimizationLevel: 'all',
  executionProviders: ['cpu'],
  // Threads spin for the next operator while a run lasts, not after it: the board's turn comes next, on the same cores.
  extra: { session: { force_spinning_stop: '1' } },
};

const facts = (values: readonly ort.InferenceSession.ValueMetadata[]): TensorFacts[] =>
  values.map((v) => (v.isTensor ? { name: v.name, type: v.type, shape: v.shape } : { name: v.name, type: 'not a tensor', shape: [] }));

async function load({ model, input: { name, shape, values } }: LoadRequest): Promise<LoadedModel> {
  await loaded?.session.release();
  loaded = undefined;
  // From bytes, so external data files cannot be reached and what was hashed is what runs.
  const session = await ort.InferenceSession.create(model, OPTIONS);
  const shared = new Float32Array(values);
  const own = new Float32Array(shared.length);
  loaded = { session, shared, own, feeds: { [name]: new ort.Tensor('float32', own, shape) }, answers: new Map() };
  return { inputs: facts(session.inputMetadata), outputs: facts(session.outputMetadata), version: ort.env.versions.node ?? ort.env.versions.common };
}

async function run({ outputs }: RunRequest): Promise<Record<string, OutputTensor>> {
  if (!loaded) throw new Error('no model is loaded');
  const { session, shared, own, feeds, answers } = loaded;
  own.set(shared);
  const results = await session.run(feeds, outputs);
  return Object.fromEntries(
    Object.entries(results).map(([name, tensor]) => {
      if (!(tensor.data instanceof Float32Array)) throw new Error(`output "${name}" is ${tensor.type}, not float32`);
      let answer = answers.get(name);
      if (answer?.length !== tensor.data.length) {
        answer = new Float32Array(new SharedArrayBuffer(tensor.data.byteLength));
        answers.set(name, answer);
      }
      answer.set(tensor.data);
      return [name, { data: answer, shape: tensor.dims }];
    }),
  );
}

/** The last request's end. A load that nobody waits for any more must not be overtaken by the next, or its session is never released. */
let turn: Promise<unknown> = Promise.resolve();

parentPort?.on('message', (request: OrtRequest) => {
  const answer = turn.then((): Promise<LoadedModel | Record<string, OutputTensor>> => (request.kind === 'load' ? load(request) : run(request)));
  turn = answer.catch(() => {});
  answer.then(
    (value) => {
      const reply: OrtReply = { id: request.id, ok: true, value };
      parentPort?.postMessage(reply);
    },
    (error: unknown) => {
      const reply: OrtReply = { id: request.id, ok: false, message: error instanceof Error ? error.message : String(error) };
      parentPort?.postMessage(reply);
    },
  );
});
