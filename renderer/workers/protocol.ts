/** Page ⇄ decoding worker. Pixels are transferred, never copied. */
import type { ElementList } from '../../src/dicom/index.ts';
import type { Frame, OverlayPlane } from '../../src/contract/pixels.ts';

export type { ElementList, ElementRow } from '../../src/dicom/index.ts';

export type Job =
  /** `frames` of the instance: a file of one is not kept. */
  | { kind: 'frame'; instanceId: string; frame: number; frames: number }
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
export type JobResult<J extends Job> = J extends { kind: 'frame' } ? DecodedFrame : J extends { kind: 'elements' } ? ElementList : ImageBitmap;

export type WorkerRequest = { id: number } & Job;
export type WorkerReply = { id: number } & ({ ok: true; value: DecodedFrame | ElementList | ImageBitmap } | { ok: false; code: string; message: string });
