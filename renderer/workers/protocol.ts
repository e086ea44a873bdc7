/** Page ⇄ decoding worker. Pixels are transferred, never copied. */
import type { ElementList } from '../../src/dicom/index.ts';
import type { Frame, OverlayPlane } from '../../src/contract/pixels.ts';

export type { ElementList, ElementRow } from '../../src/dicom/index.ts';

export type Job =
  | { kind: 'frame'; instanceId: string; frame: number }
  /** A smaller picture of a JPEG 2000 frame, to look at until the frame is there. */
  | { kind: 'preview'; instanceId: string; frame: number }
  /** The file's elements as lines. */
  | { kind: 'elements'; instanceId: string }
  /** A picture that fits a square of `size` pixels, by the frame's first window. */
  | { kind: 'thumb'; instanceId: string; frame: number; size: number };

export interface DecodedFrame {
  frame: Frame;
  overlays: OverlayPlane[];
  /** This computer's clock, without the fetch. */
  decodeMs: number;
}
export type JobResult<J extends Job> = J extends { kind: 'frame' | 'preview' } ? DecodedFrame : J extends { kind: 'elements' } ? ElementList : ImageBitmap;

/** `dropped`: the file itself, where it was dropped on the window. */
export type WorkerRequest = { id: number; dropped: File | undefined } & Job;
export type WorkerReply = { id: number } & ({ ok: true; value: DecodedFrame | ElementList | ImageBitmap } | { ok: false; code: string; message: string });
