/** Worker entry: compressed frames to samples, one after another. Built as a file of its own, codecs and all (dist/workers/codec-worker.cjs). */
import { parentPort } from 'node:worker_threads';
import { createCodecs, DicomError, type WasmName } from '../dicom/index.ts';
import type { CodecReply, CodecRequest } from './codec-thread.ts';

const port = parentPort!;
const waiting = new Map<WasmName, (bytes: Uint8Array) => void>();
const answer = (reply: CodecReply, transfer: ArrayBuffer[] = []): void => port.postMessage(reply, transfer);

// Worker threads know nothing of asar: the host reads the wasm files.
const codecs = createCodecs((name) => new Promise((resolve) => {
  waiting.set(name, resolve);
  answer({ kind: 'wasm', name });
}));

async function decode({ stream, expected }: CodecRequest & { kind: 'decode' }): Promise<void> {
  try {
    const decoded = await codecs.decode(stream, expected);
    answer({ kind: 'decoded', decoded }, [decoded.bytes.buffer]);
  } catch (error) {
    answer({ kind: 'failed', code: error instanceof DicomError ? error.code : 'corrupt', message: error instanceof Error ? error.message : String(error) });
  }
}

port.on('message', (request: CodecRequest) => {
  if (request.kind === 'wasm') waiting.get(request.name)?.(request.bytes);
  else void decode(request);
});
