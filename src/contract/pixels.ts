/**
 * A decoded frame, as it passes between the decoding worker and whoever shows or measures it (types only; within one process).
 */
import type { Window } from './dicom.ts';

export type StoredPixels = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

/** Modality transform (PS3.3 C.11.1): stored value → modality unit (HU, optical density, …). */
export type ModalityTransform =
  | { kind: 'linear'; slope: number; intercept: number }
  /** Entry for a stored value v: values[clamp(v − first, 0, length − 1)]. */
  | { kind: 'table'; first: number; values: Float32Array };

/** VOI transform (PS3.3 C.11.2): modality unit → grey in [0,1]. */
export type Voi =
  | { kind: 'window'; center: number; width: number; function: 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID' }
  | { kind: 'table'; first: number; values: Float32Array; explanation: string };

export interface GreyFrame {
  kind: 'grey';
  rows: number;
  columns: number;
  /** rows × columns stored values, sign-extended and masked to BitsStored. */
  pixels: StoredPixels;
  /** Smallest and largest stored value in the frame, pixel padding excluded. */
  min: number;
  max: number;
  modality: ModalityTransform;
  /** VOI choices of the file, tables first if the file has only them; never empty: the last resort is the frame's own range. */
  voi: Voi[];
  /** False when `voi[0]` is the last resort, not the file's word. */
  voiFromFile: boolean;
  windows: Window[];
  /** MONOCHROME1 or Presentation LUT Shape INVERSE: low values are bright. */
  inverted: boolean;
  /** Units of the modality transform's output for the probe: 'HU', 'OD', 'US' or ''. */
  units: string;
}

export interface ColourFrame {
  kind: 'colour';
  rows: number;
  columns: number;
  /** rows × columns × 4, RGBA, alpha 255; palettes and YBR already turned into RGB. */
  rgba: Uint8ClampedArray<ArrayBuffer>;
}

export type Frame = GreyFrame | ColourFrame;

/** An overlay plane (PS3.3 C.9.2): a bitmap over an image. */
export interface OverlayPlane {
  rows: number;
  columns: number;
  /** Of its first pixel in the image; it may begin outside. */
  left: number;
  top: number;
  /** rows × columns of 0 and 1. */
  bits: Uint8Array;
  /** Overlay Label or Description; '' without. */
  label: string;
}
