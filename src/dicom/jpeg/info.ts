/** What the headers of code streams tell, and how it is said that they tell nothing. */
import { DicomError } from '../errors.ts';

export interface StreamInfo {
  kind: 'jpeg-8' | 'jpeg-12' | 'jpeg-lossless' | 'jpeg-ls' | 'jpeg-2000' | 'htj2k' | 'jpeg-xl';
  rows: number;
  columns: number;
  components: number;
  bits: number;
  /** JPEG: the components' colour as a JFIF or Adobe marker states it. JPEG 2000 and XL: `rgb` when a component transform is undone by decoding. */
  colour: 'rgb' | 'ybr' | 'unsaid';
  /** JPEG 2000: where the code stream begins within a JP2 file; 0 for all others. */
  offset: number;
}

export const corrupt = (what: string): DicomError => new DicomError('corrupt', `the compressed frame is damaged: ${what}`);
export const cut = (): DicomError => new DicomError('truncated', 'pixel data truncated: the compressed frame ends early; copy the file again from its source');
