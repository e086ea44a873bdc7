/** Page ⇄ decoding worker. Pixels are transferred, never copied. */
import type { ElementList } from '../../src/dicom/index.ts';
import type { Frame, GreyFrame, OverlayPlane, Voi } from '../../src/contract/pixels.ts';

export type { ElementList, ElementRow } from '../../src/dicom/index.ts';

/** A grey frame without its pixels: all that a grey table depends on. */
export type GreyHeader = Omit<GreyFrame, 'pixels'> & { pixelType: PixelType };
export type PixelType = 'Uint8Array' | 'Int8Array' | 'Uint16Array' | 'Int16Array' | 'Uint32Array' | 'Int32Array' | 'Float32Array' | 'Float64Array';

export type Job =
  | { kind: 'frame'; instanceId: string; frame: number }
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

export interface TableRequest {
  kind: 'table';
  header: GreyHeader;
  voi: Voi;
  invert: boolean;
}
/** Greys 0…255 of the stored values `first`, `first + step`, … */
export interface TableResult {
  first: number;
  step: number;
  values: Uint8ClampedArray<ArrayBuffer>;
}

export type WorkerRequest = { id: number } & (Job | TableRequest);
export type WorkerReply = { id: number } & ({ ok: true; value: DecodedFrame | ElementList | ImageBitmap | TableResult } | { ok: false; code: string; message: string });
