/** What is said of DICOM objects across a process boundary: summaries, never pixels. Tags in brackets are the source. */
import { z } from 'zod';

/** A person name's three component groups (PS3.5 6.2.1), already decoded by the specific character set. */
export const PersonName = z.object({ alphabetic: z.string(), ideographic: z.string(), phonetic: z.string() });
export type PersonName = z.infer<typeof PersonName>;

/** Window (0028,1050/1051), centre and width in modality units. */
export const Window = z.object({ center: z.number(), width: z.number(), explanation: z.string() });
export type Window = z.infer<typeof Window>;

/**
 * Where millimetres are those of (PS3.3 10.7.1): `patient` the imaged plane; `calibrated` a known object or geometry in a projection; `corrected` the
 * detector's over the estimated magnification (0018,1114); `detector` the detector's, so that the patient is smaller; `scanned` the film's;
 * `unstated` a projection that does not say.
 */
export const SpacingPlane = z.enum(['patient', 'calibrated', 'corrected', 'detector', 'scanned', 'unstated']);
export type SpacingPlane = z.infer<typeof SpacingPlane>;

/** Millimetres from a pixel to the one below (row) and beside it (column), and what they are those of. */
export const Spacing = z.object({
  row: z.number().positive(),
  column: z.number().positive(),
  source: z.enum(['PixelSpacing', 'ImagerPixelSpacing', 'NominalScannedPixelSpacing']),
  plane: SpacingPlane,
});
export type Spacing = z.infer<typeof Spacing>;

/** A part of an ultrasound image with millimetres of its own (0018,6011); its edges are inside. */
export const SpacingRegion = z.object({ left: z.number(), top: z.number(), right: z.number(), bottom: z.number(), row: z.number().positive(), column: z.number().positive() });
export type SpacingRegion = z.infer<typeof SpacingRegion>;

const Triple = z.tuple([z.number(), z.number(), z.number()]);

/** Where a picture lies (PS3.3 C.7.6.2.1.1): the centre of its first pixel (mm in its frame of reference), and unit vectors along a row and down a column. */
export const Plane = z.object({ position: Triple, row: Triple, column: Triple });
export type Plane = z.infer<typeof Plane>;

export const InstanceInfo = z.object({
  /** Opaque and random, never a path. */
  id: z.string(),
  sopInstanceUid: z.string(),
  sopClassUid: z.string(),
  transferSyntaxUid: z.string(),
  /** File's base name, for lists and messages. */
  fileName: z.string(),
  modality: z.string(),
  instanceNumber: z.number().nullable(),
  rows: z.number().int(),
  columns: z.number().int(),
  frames: z.number().int().positive(),
  photometricInterpretation: z.string(),
  bodyPart: z.string(),
  viewPosition: z.string(),
  laterality: z.string(),
  /** (0020,0020), or worked out from ImageOrientationPatient: [right edge, bottom edge], e.g. ['L','F']; empty when unknown. */
  patientOrientation: z.array(z.string()),
  /** ImagePositionPatient · slice normal (mm), for ordering a stack; null without geometry. */
  slicePosition: z.number().nullable(),
  /** (0020,0052); '' where there is none: then positions of different instances mean nothing to one another. */
  frameOfReferenceUid: z.string(),
  /** One a frame, or one of all; empty without geometry. */
  planes: z.array(Plane),
  /** Of the whole image; null where the file says nothing usable. */
  spacing: Spacing.nullable(),
  /** Of parts of it; where there are some, no other spacing holds. */
  regions: z.array(SpacingRegion),
  /** Height of a pixel over its width: from the spacing, or Pixel Aspect Ratio (0028,0034). */
  pixelAspect: z.number().positive(),
  windows: z.array(Window),
  /** Milliseconds between frames for cine (0018,1063 / 0018,0040 / 0008,2144); null when not a cine. */
  frameTime: z.number().nullable(),
  /** True when the file says it is synthetic or a phantom: Quality Control Image (0028,0300) YES. */
  qualityControl: z.boolean(),
  lossy: z.boolean(),
});
export type InstanceInfo = z.infer<typeof InstanceInfo>;

export const SeriesInfo = z.object({
  uid: z.string(),
  number: z.number().nullable(),
  description: z.string(),
  modality: z.string(),
  instances: z.array(InstanceInfo),
});
export type SeriesInfo = z.infer<typeof SeriesInfo>;

/** An object without an image, as a report or a plan: listed by what it is, and its elements can be read. */
export const ObjectInfo = z.object({
  /** Opaque; minted by the host, never a path. */
  id: z.string(),
  /** Of its SOP class, by PS3.6: English. */
  name: z.string(),
  fileName: z.string(),
  modality: z.string(),
  /** Series Description. */
  description: z.string(),
});
export type ObjectInfo = z.infer<typeof ObjectInfo>;

export const StudyInfo = z.object({
  uid: z.string(),
  patientName: PersonName,
  patientId: z.string(),
  patientBirthDate: z.string(),
  patientSex: z.string(),
  /** DICOM DA and TM as in the file. */
  date: z.string(),
  time: z.string(),
  description: z.string(),
  accessionNumber: z.string(),
  institution: z.string(),
  series: z.array(SeriesInfo),
  /** Without an image, by their files' names. */
  objects: z.array(ObjectInfo),
});
export type StudyInfo = z.infer<typeof StudyInfo>;

/** A file that could not be opened or cannot be shown as an image; kept in the list with its reason. */
export const FileProblem = z.object({
  fileName: z.string(),
  /** `not-dicom`, `truncated`, `no-image`, `unsupported-transfer-syntax`, `corrupt`, `too-large`, `unreadable`. */
  code: z.string(),
  /** One sentence: the cause and, where there is one, the mend. */
  message: z.string(),
});
export type FileProblem = z.infer<typeof FileProblem>;

export const Library = z.object({ studies: z.array(StudyInfo), problems: z.array(FileProblem) });
export type Library = z.infer<typeof Library>;
