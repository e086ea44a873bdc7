/** Millimetres of a pixel, and what they are those of (PS3.3 10.7.1 and C.8.5.5). */
import type { Spacing, SpacingPlane, SpacingRegion } from '../contract/dicom.ts';
import { group } from './attributes.ts';
import type { DataSet } from './dataset.ts';
import type { DicomFile } from './parse.ts';
import type { Tag } from './tags.ts';
import { T } from './tags.ts';

/** Modalities that project the patient onto a plane: what lies nearer to the tube is drawn larger. */
const PROJECTIONS = new Set(['CR', 'DX', 'DXR', 'IO', 'MG', 'PX', 'RF', 'RG', 'XA']);
/** Physical Units of ultrasound regions (PS3.3 C.8.5.5.1.15): centimetres. */
const CENTIMETRES = 3;
/** Region Spatial Format: two dimensions; a trace or a spectrum has no distances in the patient. */
const PLANAR = 1;

const usable = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value) && value > 0;

function pair(set: DataSet, tag: Tag): [number, number] | null {
  const [row, column] = set.numbers(tag);
  return usable(row) && usable(column) ? [row, column] : null;
}

/** Of a whole image, or null. A projection's Pixel Spacing that is equal to the detector's, and not said to be calibrated, is the detector's. */
export function spacingOf(file: DicomFile, frame: number): Spacing | null {
  const { dataSet } = file;
  const of = (source: Spacing['source'], plane: SpacingPlane, [row, column]: [number, number], over = 1): Spacing => ({ row: row / over, column: column / over, source, plane });
  const imager = pair(dataSet, T.ImagerPixelSpacing);
  const pixel = pair(group(file, frame, T.PixelMeasuresSequence), T.PixelSpacing);
  const calibrated = dataSet.string(T.PixelSpacingCalibrationType) !== '';
  const projection = imager !== null || PROJECTIONS.has(dataSet.string(T.Modality));
  if (pixel && (calibrated || !imager || imager[0] !== pixel[0] || imager[1] !== pixel[1])) {
    return of('PixelSpacing', !projection ? 'patient' : calibrated || imager ? 'calibrated' : 'unstated', pixel);
  }
  if (imager) {
    const magnification = dataSet.number(T.EstimatedRadiographicMagnificationFactor);
    // A shadow is never smaller than what casts it.
    return usable(magnification) && magnification >= 1 ? of('ImagerPixelSpacing', 'corrected', imager, magnification) : of('ImagerPixelSpacing', 'detector', imager);
  }
  const scanned = pair(dataSet, T.NominalScannedPixelSpacing);
  return scanned && of('NominalScannedPixelSpacing', 'scanned', scanned);
}

/** Parts of an ultrasound image that show a plane in centimetres; the others have no millimetres at all. */
export function regionsOf(file: DicomFile): SpacingRegion[] {
  return file.dataSet.items(T.SequenceOfUltrasoundRegions).flatMap((region) => {
    const [left, top, right, bottom] = [T.RegionLocationMinX0, T.RegionLocationMinY0, T.RegionLocationMaxX1, T.RegionLocationMaxY1].map((tag) => region.number(tag));
    // A delta may be negative: its axis then runs against the image's.
    const [column, row] = [T.PhysicalDeltaX, T.PhysicalDeltaY].map((tag) => Math.abs(region.number(tag) ?? 0) * 10);
    const planar = region.number(T.RegionSpatialFormat) === PLANAR && region.number(T.PhysicalUnitsXDirection) === CENTIMETRES && region.number(T.PhysicalUnitsYDirection) === CENTIMETRES;
    if (!planar || left === undefined || top === undefined || right === undefined || bottom === undefined || !usable(row) || !usable(column)) return [];
    return [{ left, top, right, bottom, row, column }];
  });
}

/** Height of a pixel over its width. */
export function pixelAspectOf(file: DicomFile, frame: number): number {
  const spacing = spacingOf(file, frame);
  if (spacing) return spacing.row / spacing.column;
  const ratio = pair(file.dataSet, T.PixelAspectRatio);
  if (ratio) return ratio[0] / ratio[1];
  const regions = regionsOf(file);
  const [first] = regions;
  return first && regions.every(({ row, column }) => row / column === first.row / first.column) ? first.row / first.column : 1;
}
