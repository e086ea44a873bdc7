import type { FileProblem } from '../contract/dicom.ts';

/** Why a file cannot be opened or shown; the words of FileProblem.code. */
export type DicomErrorCode = 'not-dicom' | 'truncated' | 'no-image' | 'unsupported-transfer-syntax' | 'corrupt' | 'too-large' | 'unreadable';

/** The only error that this room throws. `message` is one sentence for people; it names no file (the host adds its name) and no patient. */
export class DicomError extends Error {
  readonly code: FileProblem['code'];
  override readonly name = 'DicomError';

  constructor(code: DicomErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
