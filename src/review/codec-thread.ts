/**
 * Codecs in a worker thread, with a deadline: a decoder that loops on a damaged frame can only be ended with its thread. The page's decoding has the same
 * bound in renderer/workers/pool.ts.
 */
import { Worker } from 'node:worker_threads';
import { DicomError, type Decoder, type DicomErrorCode, type WasmName } from '../dicom/index.ts';

type Expected = Parameters<Decoder['decode']>[1];
type Decoded = Awaited<ReturnType<Decoder['decode']>>;

export type CodecRequest = { kind: 'decode'; stream: Uint8Array<ArrayBuffer>; expected: Expected } | { kind: 'wasm'; name: WasmName; bytes: Uint8Array };
export type CodecReply = { kind: 'decoded'; decoded: Decoded } | { kind: 'failed'; code: DicomError['code']; message: string } | { kind: 'wasm'; name: WasmName };

/** Of one frame; the largest mammogram takes a tenth of it. */
const DEADLINE_MS = 60_000;

export interface CodecThreadOptions {
  /** The built src/review/codec-worker.ts. */
  workerUrl: URL;
  loadWasm: (name: WasmName) => Promise<Uint8Array>;
  deadlineMs?: number;
}

export interface CodecThread extends Decoder {
  close(): Promise<void>;
}

interface Pending {
  resolve: (decoded: Decoded) => void;
  reject: (error: DicomError) => void;
  deadline: NodeJS.Timeout;
}

/** The thread is started when it is first needed, and again after one that was ended. */
export function createCodecThread({ workerUrl, loadWasm, deadlineMs = DEADLINE_MS }: CodecThreadOptions): CodecThread {
  let worker: Worker | undefined;
  let pending: Pending | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  /** What waits for an answer, which then is none's any more. */
  const taken = (): Pending | undefined => {
    const mine = pending;
    pending = undefined;
    clearTimeout(mine?.deadline);
    worker?.unref();
    return mine;
  };
  const end = (of: Worker | undefined, message: string): void => {
    if (!of || of !== worker) return;
    const mine = taken();
    worker = undefined;
    void of.terminate();
    mine?.reject(new DicomError('corrupt', message));
  };

  function start(): Worker {
    const started = new Worker(workerUrl, { name: 'codecs' });
    started.on('message', (reply: CodecReply) => {
      if (reply.kind === 'decoded') taken()?.resolve(reply.decoded);
      else if (reply.kind === 'failed') taken()?.reject(new DicomError(reply.code as DicomErrorCode, reply.message));
      else loadWasm(reply.name).then((bytes) => started.postMessage({ kind: 'wasm', name: reply.name, bytes } satisfies CodecRequest), (error: Error) => end(started, `the ${reply.name} decoder cannot be loaded: ${error.message}`));
    });
    started.on('error', (error) => end(started, `the decoder stopped: ${error.message}`));
    started.on('exit', (code) => end(started, `the decoder stopped (exit code ${code})`));
    return started;
  }

  const decode = (stream: Uint8Array<ArrayBuffer>, expected: Expected): Promise<Decoded> =>
    new Promise((resolve, reject) => {
      worker ??= start();
      worker.ref();
      const deadline = setTimeout(() => end(worker, `the compressed frame is damaged: its decoder did not come back within ${deadlineMs / 1000} s`), deadlineMs);
      pending = { resolve, reject, deadline };
      worker.postMessage({ kind: 'decode', stream, expected } satisfies CodecRequest, [stream.buffer]);
    });

  return {
    decode(stream, expected) {
      const { rows, columns, samples, photometric } = expected;
      // The frame alone: a view would take the whole file with it.
      const mine = turn.then(() => decode(stream.slice(), { rows, columns, samples, photometric }));
      turn = mine.catch(() => {});
      return mine;
    },
    async close() {
      await turn;
      await worker?.terminate();
      worker = undefined;
    },
  };
}
