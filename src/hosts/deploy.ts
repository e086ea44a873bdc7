/** A model into a board's memory, and its first inference there: an image of zeros, for the answer's existence only. */
import type { BoardLink, TensorData } from '../board/index.ts';
import { BoardError } from '../board/index.ts';
import type { Deployed } from '../contract/ipc.ts';

/** The golden model of a large network runs once while it is loaded. */
const LOAD_MS = 300_000;

/** @throws BoardError */
export async function deploy(board: BoardLink, model: string, signal?: AbortSignal): Promise<Deployed> {
  const client = await board.ready({ signal });
  await client.load(model, { signal, timeoutMs: LOAD_MS });
  const { inputs } = await client.modelMetadata(model, { signal });
  const zeros = inputs.map(({ name, datatype, shape: stated }) => {
    // −1 is any number: one will do.
    const shape = stated.map((extent) => Math.max(1, extent));
    return { name, datatype, shape, data: zerosOf(datatype, shape) };
  });
  const { outputs, roundTripMs } = await client.infer(model, zeros, { signal, timeoutMs: LOAD_MS });
  // Asked now: an agent knows its backend from its first run, which this may be.
  const { parameters } = await client.serverMetadata({ signal });
  return {
    board: board.status.name, backend: String(parameters?.['backend'] ?? ''), ms: roundTripMs,
    outputs: [...outputs.values()].map(({ name, shape, datatype }) => ({ name, shape: [...shape], datatype })),
  };
}

function zerosOf(datatype: string, shape: readonly number[]): TensorData {
  const elements = shape.reduce((a, b) => a * b, 1);
  if (datatype === 'INT8') return new Int8Array(elements);
  if (datatype === 'FP32') return new Float32Array(elements);
  throw new BoardError('bad-request', `The board asks for ${datatype} inputs; FabricLens gives INT8 and FP32.`);
}
