/** What lists and messages say of a file, without decoding a pixel. */
import type { InstanceInfo, ObjectInfo, PersonName, SeriesInfo, StudyInfo } from '../contract/dicom.ts';
import { patientOrientation, pixelHeader, slicePosition, windowsOf, group } from './attributes.ts';
import { stripped } from './charset.ts';
import type { DataSet } from './dataset.ts';
import { DicomError } from './errors.ts';
import type { DicomFile } from './parse.ts';
import { planesOf } from './plane.ts';
import { pixelAspectOf, regionsOf, spacingOf } from './spacing.ts';
import { T } from './tags.ts';
import { isWithoutImage, sopClassName, UID } from './uids.ts';

interface Owners {
  study: Omit<StudyInfo, 'series' | 'objects'>;
  series: Omit<SeriesInfo, 'instances'>;
}
export interface Summary extends Owners {
  instance: InstanceInfo;
}
export interface ObjectSummary extends Owners {
  object: ObjectInfo;
  /** '' for an object without one. */
  sopInstanceUid: string;
}

/** Component groups of a person name (PS3.5 6.2.1): alphabetic=ideographic=phonetic; components stay parted by `^`, trailing ones dropped. */
function personName(set: DataSet): PersonName {
  const groups = set.text(T.PatientName).split('=').map((group) => stripped(group.trim(), '', '^'));
  return { alphabetic: groups[0] ?? '', ideographic: groups[1] ?? '', phonetic: groups[2] ?? '' };
}

/** An integer string's number, null when absent or none. */
function integer(set: DataSet, tag: (typeof T)['SeriesNumber']): number | null {
  const value = set.number(tag);
  return value === undefined ? null : Math.trunc(value);
}

const ownersOf = (set: DataSet): Owners => ({
  study: {
    uid: set.string(T.StudyInstanceUID),
    patientName: personName(set),
    patientId: set.text(T.PatientID),
    patientBirthDate: set.string(T.PatientBirthDate),
    patientSex: set.string(T.PatientSex),
    date: set.string(T.StudyDate),
    time: set.string(T.StudyTime),
    description: set.text(T.StudyDescription),
    accessionNumber: set.text(T.AccessionNumber),
    institution: set.text(T.InstitutionName),
  },
  series: { uid: set.string(T.SeriesInstanceUID), number: integer(set, T.SeriesNumber), description: set.text(T.SeriesDescription), modality: set.string(T.Modality) },
});

const sopClassOf = ({ dataSet, meta }: DicomFile): string => dataSet.string(T.SOPClassUID) || (meta?.string(T.MediaStorageSOPClassUID) ?? '');
const isDirectory = (file: DicomFile): boolean => sopClassOf(file) === UID.Dicomdir || file.dataSet.has(T.DirectoryRecordSequence);

/** Milliseconds between frames; null for a still image. */
function frameTime(set: DataSet, frames: number): number | null {
  if (frames < 2) return null;
  const time = set.number(T.FrameTime);
  if (time !== undefined && time > 0) return time;
  const rate = [set.number(T.CineRate), set.number(T.RecommendedDisplayFrameRate)].find((value) => value !== undefined && value > 0);
  return rate === undefined ? null : 1000 / rate;
}

/** JPEG baseline and extended are always lossy, whatever (0028,2110) says. */
const ALWAYS_LOSSY = new Set(['1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.51', '1.2.840.10008.1.2.4.53', '1.2.840.10008.1.2.4.55']);

/**
 * Study, series and instance of an image object, text decoded by its character set.
 * Missing UIDs become '' for the study and series, and `origin.id` for the instance, so that lists stay keyed.
 * @param origin id: the host's opaque id; fileName: the base name shown to people.
 * @throws DicomError `no-image` (an object without pixel data, named by its SOP class), `truncated` or `corrupt` (cut or damaged before the pixel data, or pixel attributes impossible).
 */
export function summarise(file: DicomFile, origin: { id: string; fileName: string }): Summary {
  const { dataSet } = file;
  const sopClassUid = sopClassOf(file);
  const hasPixels = dataSet.has(T.PixelData) || dataSet.has(T.FloatPixelData) || dataSet.has(T.DoubleFloatPixelData);
  if (!hasPixels) {
    const directory = isDirectory(file);
    // A file cut or damaged before its pixels is that, not an object without an image; a report stays a report.
    if (file.problem && !directory && !isWithoutImage(sopClassUid)) throw file.problem;
    const name = directory ? sopClassName(UID.Dicomdir) : sopClassName(sopClassUid);
    const cut = file.problem ? `; besides, ${file.problem.message}` : '';
    throw new DicomError('no-image', directory ? `${name} is a table of contents, not an image: open it as a directory` : `${name} holds no image${cut}`);
  }
  const header = pixelHeader(file);
  const modality = dataSet.string(T.Modality);
  const anatomy = group(file, 0, T.FrameAnatomySequence);
  return {
    ...ownersOf(dataSet),
    instance: {
      id: origin.id,
      sopInstanceUid: dataSet.string(T.SOPInstanceUID) || origin.id,
      sopClassUid,
      transferSyntaxUid: file.transferSyntax,
      fileName: origin.fileName,
      modality,
      instanceNumber: integer(dataSet, T.InstanceNumber),
      rows: header.rows,
      columns: header.columns,
      frames: header.frames,
      photometricInterpretation: header.photometric,
      bodyPart: (dataSet.string(T.BodyPartExamined) || (anatomy.items(T.AnatomicRegionSequence)[0]?.text(T.CodeMeaning) ?? '')).toUpperCase(),
      viewPosition: dataSet.string(T.ViewPosition),
      laterality: dataSet.string(T.ImageLaterality) || dataSet.string(T.Laterality) || anatomy.string(T.FrameLaterality),
      patientOrientation: patientOrientation(file),
      slicePosition: slicePosition(file, 0),
      frameOfReferenceUid: dataSet.string(T.FrameOfReferenceUID),
      planes: planesOf(file, header.frames),
      spacing: spacingOf(file, 0),
      regions: regionsOf(file),
      pixelAspect: pixelAspectOf(file, 0),
      windows: windowsOf(file, 0),
      frameTime: frameTime(dataSet, header.frames),
      qualityControl: dataSet.string(T.QualityControlImage) === 'YES',
      lossy: dataSet.string(T.LossyImageCompression) === '01' || ALWAYS_LOSSY.has(file.transferSyntax),
    },
  };
}

/** Study, series and what it is, of an object for which `summarise` has said `no-image`; null for a directory, whose files are opened instead. */
export function summariseObject(file: DicomFile, origin: { id: string; fileName: string }): ObjectSummary | null {
  if (isDirectory(file)) return null;
  const owners = ownersOf(file.dataSet);
  const { modality, description } = owners.series;
  return { ...owners, sopInstanceUid: file.dataSet.string(T.SOPInstanceUID), object: { ...origin, name: sopClassName(sopClassOf(file)), modality, description } };
}

/**
 * Files that a DICOMDIR lists: each Referenced File ID (0004,1500) as its path components, relative to the DICOMDIR's folder.
 * Components that could leave that folder are refused: a component may be letters, digits, `_` and what real media use, never `..` or a separator.
 * @throws DicomError `corrupt` when the file is no directory.
 */
export function readDicomDir(file: DicomFile): string[][] {
  if (!file.dataSet.has(T.DirectoryRecordSequence)) throw file.problem ?? new DicomError('corrupt', 'the file has no Directory Record Sequence (0004,1220)');
  return file.dataSet
    .items(T.DirectoryRecordSequence)
    .map((record) => record.strings(T.ReferencedFileID))
    .filter((path) => path.length > 0 && path.every((part) => part !== '' && part !== '.' && part !== '..' && !/[/\\:\0]/.test(part)));
}
