/** Decodes one frame at a time with the same room as the host (src/dicom). */
import { instanceUrl } from '../../src/contract/ipc.ts';
import type { Frame } from '../../src/contract/pixels.ts';
import { createCodecs, decodeFrame, decodeReduced, DicomError, frameCount, listElements, overlaysOf, parseDicom, renderGrey, type DicomFile } from '../../src/dicom/index.ts';
import { fitWithin } from './fit.ts';
import type { DecodedFrame, ElementList, WorkerReply, WorkerRequest } from './protocol.ts';
import { rehearse } from './rehearsal.ts';
import { loadWasm } from './wasm.ts';

/** Parsed files of several frames, kept for the next one of the same instance. */
const KEPT_BYTES = 192 * 2 ** 20;
/** Pixels of the longer side, at least: about those of a pane. */
const PREVIEW_SIDE = 1024;
/** Of the largest dropped file that is read before the host has said that it is an image. */
const DROPPED_BYTES = 512 * 2 ** 20;

const codecs = createCodecs(loadWasm);
const kept = new Map<string, { file: DicomFile; bytes: number }>();

/** A dropped file need not come through the host, which has it where the browser refuses (it was changed since) or it is too large for one piece. */
async function bytesOf({ instanceId, dropped }: WorkerRequest): Promise<Uint8Array<ArrayBuffer>> {
  const own = dropped && dropped.size <= DROPPED_BYTES ? await dropped.arrayBuffer().catch(() => null) : null;
  return new Uint8Array(own ?? (await fetched(instanceId)));
}

async function fetched(instanceId: string): Promise<ArrayBuffer> {
  const response = await fetch(instanceUrl(instanceId)).catch(() => null);
  if (!response?.ok) throw new DicomError('unreadable', 'the file cannot be read any more; it may have been moved or deleted: open it again');
  return response.arrayBuffer();
}

async function fileOf(request: WorkerRequest): Promise<DicomFile> {
  const { instanceId, kind } = request;
  const known = kept.get(instanceId);
  if (known) return known.file;
  const bytes = await bytesOf(request);
  const file = parseDicom(bytes);
  if ((kind !== 'frame' && kind !== 'preview') || frameCount(file) === 1) return file;
  kept.set(instanceId, { file, bytes: bytes.length });
  let total = [...kept.values()].reduce((sum, entry) => sum + entry.bytes, 0);
  for (const [id, entry] of kept) {
    if (total <= KEPT_BYTES || id === instanceId) break;
    kept.delete(id);
    total -= entry.bytes;
  }
  return file;
}

async function decode(request: Exclude<WorkerRequest, { kind: 'elements' }>): Promise<DecodedFrame> {
  const file = await fileOf(request);
  const { frame } = request;
  const start = performance.now();
  if (request.kind === 'preview') return { frame: await decodeReduced(file, frame, PREVIEW_SIDE, codecs), overlays: [], decodeMs: performance.now() - start };
  return { frame: await decodeFrame(file, frame, codecs), overlays: overlaysOf(file, frame), decodeMs: performance.now() - start };
}

async function thumb(frame: Frame, size: number): Promise<ImageBitmap> {
  const { width, height } = fitWithin(frame.columns, frame.rows, size);
  let rgba: Uint8ClampedArray<ArrayBuffer>;
  if (frame.kind === 'colour') {
    rgba = frame.rgba;
  } else {
    const grey = renderGrey(frame, frame.voi[0]!, false);
    rgba = new Uint8ClampedArray(grey.length * 4);
    for (let i = 0; i < grey.length; i++) {
      rgba.fill(grey[i]!, i * 4, i * 4 + 3);
      rgba[i * 4 + 3] = 255;
    }
  }
  return createImageBitmap(new ImageData(rgba, frame.columns, frame.rows), { resizeWidth: width, resizeHeight: height, resizeQuality: 'medium' });
}

async function answer(request: WorkerRequest): Promise<{ value: DecodedFrame | ElementList | ImageBitmap; transfer: Transferable[] }> {
  if (request.kind === 'elements') return { value: listElements(await fileOf(request)), transfer: [] };
  const decoded = await decode(request);
  if (request.kind === 'thumb') {
    const value = await thumb(decoded.frame, request.size);
    return { value, transfer: [value] };
  }
  const { frame, overlays } = decoded;
  return { value: decoded, transfer: [frame.kind === 'grey' ? frame.pixels.buffer as ArrayBuffer : frame.rgba.buffer, ...overlays.map(({ bits }) => bits.buffer as ArrayBuffer)] };
}

const scope = self as unknown as DedicatedWorkerGlobalScope;
let jobs = 0;
scope.onmessage = async ({ data }: MessageEvent<WorkerRequest>) => {
  jobs++;
  try {
    const { value, transfer } = await answer(data);
    scope.postMessage({ id: data.id, ok: true, value } satisfies WorkerReply, transfer);
  } catch (error) {
    const code = error instanceof DicomError ? error.code : 'corrupt';
    scope.postMessage({ id: data.id, ok: false, code, message: error instanceof Error ? error.message : String(error) } satisfies WorkerReply);
  } finally {
    jobs--;
  }
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
async function idle(): Promise<void> {
  do await pause(jobs > 0 ? 50 : 0);
  while (jobs > 0);
}
// The page's start has more need of the cores.
setTimeout(() => void rehearse(codecs, idle), 300);
