/** Small uncompressed DICOM files for tests of what stands around the images: 12-bit grey or RGB of somebody whose name must not leak, and DICOMDIRs. */
import { IMAGE, writeDicom } from './dicom-writer.ts';

export interface SmallImage {
  sopInstanceUid?: string;
  studyUid?: string;
  seriesUid?: string;
  instanceNumber?: number;
  seriesNumber?: number;
  patientName?: string;
  modality?: string;
  bodyPart?: string;
  viewPosition?: string;
  /** Centre and width; none: the file has no window. */
  window?: [number, number] | null;
  rows?: number;
  columns?: number;
  frames?: number;
  /** Stored value 0…4095 of pixel i (row-major, frames one after another). */
  pixel?: (i: number) => number;
  /** RGB, 8 bits, instead of grey. */
  colour?: boolean;
}

const SOP_CLASS = '1.2.840.10008.5.1.4.1.1.1.1';

export function smallDicom(image: SmallImage = {}): Buffer {
  const { rows = 24, columns = 20, frames = 1, colour = false, window = [2048, 4096] } = image;
  const count = rows * columns * frames;
  const pixel = image.pixel ?? ((i) => (i * 37) % 4096);
  return Buffer.from(writeDicom({
    elements: {
      '00080016': ['UI', SOP_CLASS],
      '00080018': ['UI', image.sopInstanceUid ?? '1.2.3.4.1'],
      '00080060': ['CS', image.modality ?? 'DX'],
      '00100010': ['PN', image.patientName ?? 'Secret^Person'],
      '00100020': ['LO', 'ID-1'],
      '00180015': ['CS', image.bodyPart ?? 'CHEST'],
      ...(image.viewPosition === undefined ? {} : { '00185101': ['CS', image.viewPosition] }),
      '0020000D': ['UI', image.studyUid ?? '1.2.3.4'],
      '0020000E': ['UI', image.seriesUid ?? '1.2.3.4.5'],
      '00200011': ['IS', String(image.seriesNumber ?? 1)],
      '00200013': ['IS', String(image.instanceNumber ?? 1)],
      '00280008': frames > 1 ? ['IS', String(frames)] : null,
      '00280010': ['US', rows],
      '00280011': ['US', columns],
      '00280101': ['US', 12],
      '00280102': ['US', 11],
      '00281050': window && !colour ? ['DS', String(window[0])] : null,
      '00281051': window && !colour ? ['DS', String(window[1])] : null,
      ...(colour ? { '00280002': ['US', 3], '00280004': ['CS', 'RGB'], '00280006': ['US', 0], '00280100': ['US', 8], '00280101': ['US', 8], '00280102': ['US', 7] } : {}),
    },
    pixels: colour ? Uint8Array.from({ length: count * 3 }, (_, i) => pixel(i) & 255) : Uint16Array.from({ length: count }, (_, i) => pixel(i)),
  }));
}

/** A directory that lists files by their path components. */
export function smallDicomDir(files: readonly string[][]): Buffer {
  const none = Object.fromEntries(Object.keys(IMAGE).map((tag) => [tag, null]));
  return Buffer.from(writeDicom({
    elements: {
      ...none,
      '00080016': ['UI', '1.2.840.10008.1.3.10'],
      '00080018': ['UI', '1.2.3.9'],
      '00041220': ['SQ', files.map((parts) => ({ '00041430': ['CS', 'IMAGE'] as const, '00041500': ['CS', parts.join('\\')] as const }))],
    },
  }));
}
