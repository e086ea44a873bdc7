/**
 * Worker entry: one ONNX Runtime session. `session.run` computes on the calling thread, so this thread is what it blocks, and nobody
 * else's. Built as a file of its own (dist/workers/ort-worker.js).
 */
import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import type { LoadedModel, LoadRequest, OrtReply, OrtRequest, RunRequest, TensorFacts } from './ort-messages.ts';
import type { OutputTensor } from './outputs.ts';

let session: ort.InferenceSession | undefined;

const facts = (values: readonly ort.InferenceSession.ValueMetadata[]): TensorFacts[] =>
  values.map((v) => (v.isTensor ? { name: v.name, type: v.type, shape: v.shape } : { name: v.name, type: 'not a tensor', shape: [] }));

async function load({ model }: LoadRequest): Promise<LoadedModel> {
  await session?.release();
  session = undefined;
  // From bytes, so external data files cannot be reached and what was hashed is what runs.
  session = await ort.InferenceSession.create(model, { graphOptimizationLevel: 'all', executionProviders: ['cpu'] });
  return { inputs: facts(session.inputMetadata), outputs: facts(session.outputMetadata), version: ort.env.versions.node ?? ort.env.versions.common };
}

async function run({ input, outputs }: RunRequest): Promise<Record<string, OutputTensor>> {
  if (!session) throw new Error('no model is loaded');
  const results = await session.run({ [input.name]: new ort.Tensor('float32', input.data, input.shape) }, outputs);
  return Object.fromEntries(
    Object.entries(results).map(([name, tensor]) => {
      if (!(tensor.data instanceof Float32Array)) throw new Error(`output "${name}" is ${tensor.type}, not float32`);
      return [name, { data: tensor.data, shape: tensor.dims }];
    }),
  );
}

parentPort?.on('message', (request: OrtRequest) => {
  const answer = request.kind === 'load' ? load(request) : run(request);
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
