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
  loaded = { session, shared, own, feeds: { [name]: new ort.Tensor('float32', own, shape) } };
  return { inputs: facts(session.inputMetadata), outputs: facts(session.outputMetadata), version: ort.env.versions.node ?? ort.env.versions.common };
}

async function run({ outputs }: RunRequest): Promise<Record<string, OutputTensor>> {
  if (!loaded) throw new Error('no model is loaded');
  loaded.own.set(loaded.shared);
  const results = await loaded.session.run(loaded.feeds, outputs);
  return Object.fromEntries(
    Object.entries(results).map(([name, tensor]) => {
      if (!(tensor.data instanceof Float32Array)) throw new Error(`output "${name}" is ${tensor.type}, not float32`);
      return [name, { data: tensor.data, shape: tensor.dims }];
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
      const buffers = request.kind === 'run' ? Object.values(value as Record<string, OutputTensor>).map((t) => t.data.buffer as ArrayBuffer) : [];
      parentPort?.postMessage(reply, buffers);
    },
    (error: unknown) => {
      const reply: OrtReply = { id: request.id, ok: false, message: error instanceof Error ? error.message : String(error) };
      parentPort?.postMessage(reply);
    },
  );
});
