/** Image attributes wherever they are: at the top of the data set, or in the functional groups of enhanced multi-frame objects (PS3.3 C.7.6.16). */
import type { Window } from '../contract/dicom.ts';
import type { DataSet } from './dataset.ts';
import { DicomError } from './errors.ts';
import type { DicomFile } from './parse.ts';
import type { Tag } from './tags.ts';
import { T } from './tags.ts';

/** What the Image Pixel module (PS3.3 C.7.6.3) says, checked for being possible. */
export interface PixelHeader {
  rows: number;
  columns: number;
  frames: number;
  samples: number;
  bitsAllocated: number;
  bitsStored: number;
  highBit: number;
  signed: boolean;
  planar: boolean;
  photometric: string;
  pixelData: 'integer' | 'float' | 'double';
}

/** @throws DicomError `no-image` without pixel data, `truncated` or `corrupt` where the attributes are missing or impossible. */
export function pixelHeader(file: DicomFile): PixelHeader {
  const { dataSet } = file;
  const pixelData = dataSet.has(T.PixelData) ? 'integer' : dataSet.has(T.FloatPixelData) ? 'float' : dataSet.has(T.DoubleFloatPixelData) ? 'double' : null;
  if (!pixelData) {
    throw file.problem ?? new DicomError('no-image', 'the object has no pixel data');
  }
  // Their VR is US, but a file can claim another: sizes must be whole before anything is allocated by them.
  const optional = (tag: Tag, name: string): number | undefined => {
    const value = dataSet.number(tag);
    if (value !== undefined && !Number.isInteger(value)) throw new DicomError('corrupt', `${name} is ${value}`);
    return value;
  };
  const need = (tag: Tag, name: string): number => {
    const value = optional(tag, name);
    if (value === undefined) throw new DicomError('corrupt', `${name} is missing`);
    return value;
  };
  const rows = need(T.Rows, 'Rows (0028,0010)');
  const columns = need(T.Columns, 'Columns (0028,0011)');
  const samples = dataSet.number(T.SamplesPerPixel) ?? 1;
  const bitsAllocated = pixelData === 'float' ? 32 : pixelData === 'double' ? 64 : need(T.BitsAllocated, 'Bits Allocated (0028,0100)');
  const bitsStored = pixelData === 'integer' ? optional(T.BitsStored, 'Bits Stored (0028,0101)') ?? bitsAllocated : bitsAllocated;
  // High Bit is redundant and in some files wrong: anything impossible falls back to what PS3.5 8.1.1 prescribes.
  const given = optional(T.HighBit, 'High Bit (0028,0102)') ?? bitsStored - 1;
  const highBit = given >= bitsStored - 1 && given < bitsAllocated ? given : bitsStored - 1;
  const declared = dataSet.string(T.NumberOfFrames);
  const frames = declared === '' ? 1 : Number.parseInt(declared, 10);
  if (rows < 1 || columns < 1) throw new DicomError('corrupt', `the image is ${columns} × ${rows} pixels`);
  if (!(frames >= 1 && frames <= 1_000_000)) throw new DicomError('corrupt', `Number of Frames (0028,0008) is ${declared}`);
  if (samples !== 1 && samples !== 3) throw new DicomError('corrupt', `Samples per Pixel (0028,0002) is ${samples}; 1 and 3 can be shown`);
  if (bitsAllocated < 1 || bitsStored < 1 || bitsStored > bitsAllocated || (bitsAllocated > 32 && pixelData === 'integer')) {
    throw new DicomError('corrupt', `pixels of ${bitsStored} bits in ${bitsAllocated} cannot be shown`);
  }
  return {
    rows,
    columns,
    frames,
    samples,
    bitsAllocated,
    bitsStored,
    highBit,
    signed: dataSet.number(T.PixelRepresentation) === 1,
    planar: dataSet.number(T.PlanarConfiguration) === 1,
    photometric: dataSet.string(T.PhotometricInterpretation).toUpperCase() || (samples === 1 ? 'MONOCHROME2' : 'RGB'),
    pixelData,
  };
}

/** The item that says `macro`'s attributes for a frame: per-frame groups, then shared ones, then the data set itself. */
export function group(file: DicomFile, frame: number, macro: Tag): DataSet {
  const perFrame = file.dataSet.items(T.PerFrameFunctionalGroupsSequence)[frame]?.items(macro)[0];
  return perFrame ?? file.dataSet.items(T.SharedFunctionalGroupsSequence)[0]?.items(macro)[0] ?? file.dataSet;
}

/** Window Center/Width pairs of a frame, in the order of the file; pairs that make no window are left out. */
export function windowsOf(file: DicomFile, frame: number): Window[] {
  const set = group(file, frame, T.FrameVOILUTSequence);
  const centers = set.numbers(T.WindowCenter);
  const widths = set.numbers(T.WindowWidth);
  const explanations = set.texts(T.WindowCenterWidthExplanation);
  return centers.flatMap((center, i) => {
    const width = widths[i];
    return width !== undefined && Number.isFinite(center) && width > 0 && Number.isFinite(width) ? [{ center, width, explanation: explanations[i] ?? '' }] : [];
  });
}

/** Image Orientation (Patient): direction cosines of a row, then of a column; null without. */
export function orientationOf(file: DicomFile, frame: number): number[] | null {
  const cosines = group(file, frame, T.PlaneOrientationSequence).numbers(T.ImageOrientationPatient);
  return cosines.length === 6 && cosines.every(Number.isFinite) && cosines.some((cosine) => cosine !== 0) ? cosines : null;
}

/** A direction in the patient's coordinates (PS3.3 C.7.6.1.1.1: +x left, +y posterior, +z head) as letters, most prominent first. */
function letters(direction: number[]): string {
  const names = [['R', 'L'], ['A', 'P'], ['F', 'H']] as const;
  return direction
    .map((value, axis) => ({ value, axis: axis as 0 | 1 | 2 }))
    // Below sin 11° an obliquity is not worth a letter.
    .filter(({ value }) => Math.abs(value) > 0.2)
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
    .map(({ value, axis }) => names[axis][value > 0 ? 1 : 0])
    .join('');
}

/** [right edge, bottom edge] from Patient Orientation (0020,0020) or the direction cosines; [] when unknown. */
export function patientOrientation(file: DicomFile): string[] {
  const said = file.dataSet.strings(T.PatientOrientation);
  if (said.length === 2 && said.every((value) => value !== '')) return said;
  const cosines = orientationOf(file, 0);
  return cosines ? [letters(cosines.slice(0, 3)), letters(cosines.slice(3))] : [];
}

/** Image Position (Patient) along the slice normal (mm), null without geometry. */
export function slicePosition(file: DicomFile, frame: number): number | null {
  const cosines = orientationOf(file, frame);
  const position = group(file, frame, T.PlanePositionSequence).numbers(T.ImagePositionPatient);
  if (!cosines || position.length !== 3 || !position.every(Number.isFinite)) return null;
  const [rx, ry, rz, cx, cy, cz] = cosines as [number, number, number, number, number, number];
  const [x, y, z] = position as [number, number, number];
  return x * (ry * cz - rz * cy) + y * (rz * cx - rx * cz) + z * (rx * cy - ry * cx);
}
