/** Decodes one frame at a time with the same room as the host (src/dicom). */
import { instanceUrl } from '../../src/contract/ipc.ts';
import type { Frame } from '../../src/contract/pixels.ts';
import { createCodecs, decodeFrame, DicomError, listElements, overlaysOf, parseDicom, renderGrey, type DicomFile } from '../../src/dicom/index.ts';
import { fitWithin } from './fit.ts';
import type { DecodedFrame, ElementList, WorkerReply, WorkerRequest } from './protocol.ts';
import { loadWasm } from './wasm.ts';

/** Parsed files of several frames, kept for the next one of the same instance. */
const KEPT_BYTES = 192 * 2 ** 20;

const codecs = createCodecs(loadWasm);
const kept = new Map<string, { file: DicomFile; bytes: number }>();

async function fileOf(instanceId: string, keep: boolean): Promise<DicomFile> {
  const known = kept.get(instanceId);
  if (known) return known.file;
  const response = await fetch(instanceUrl(instanceId)).catch(() => null);
  if (!response?.ok) throw new DicomError('unreadable', 'the file cannot be read any more; it may have been moved or deleted: open it again');
  const bytes = new Uint8Array(await response.arrayBuffer());
  const file = parseDicom(bytes);
  if (!keep) return file;
  kept.set(instanceId, { file, bytes: bytes.length });
  let total = [...kept.values()].reduce((sum, entry) => sum + entry.bytes, 0);
  for (const [id, entry] of kept) {
    if (total <= KEPT_BYTES || id === instanceId) break;
    kept.delete(id);
    total -= entry.bytes;
  }
  return file;
}

async function decode(instanceId: string, frame: number, keep: boolean): Promise<DecodedFrame> {
  const file = await fileOf(instanceId, keep);
  const start = performance.now();
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
  if (request.kind === 'elements') return { value: listElements(await fileOf(request.instanceId, false)), transfer: [] };
  const decoded = await decode(request.instanceId, request.frame, request.kind === 'frame' && request.frames > 1);
  if (request.kind === 'thumb') {
    const value = await thumb(decoded.frame, request.size);
    return { value, transfer: [value] };
  }
  const { frame, overlays } = decoded;
  return { value: decoded, transfer: [frame.kind === 'grey' ? frame.pixels.buffer as ArrayBuffer : frame.rgba.buffer, ...overlays.map(({ bits }) => bits.buffer as ArrayBuffer)] };
}

const scope = self as unknown as DedicatedWorkerGlobalScope;
scope.onmessage = async ({ data }: MessageEvent<WorkerRequest>) => {
  try {
    const { value, transfer } = await answer(data);
    scope.postMessage({ id: data.id, ok: true, value } satisfies WorkerReply, transfer);
  } catch (error) {
    const code = error instanceof DicomError ? error.code : 'corrupt';
    scope.postMessage({ id: data.id, ok: false, code, message: error instanceof Error ? error.message : String(error) } satisfies WorkerReply);
  }
};
