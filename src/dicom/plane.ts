/** Where a picture lies in the patient (PS3.3 C.7.6.2.1.1). */
import type { Plane } from '../contract/dicom.ts';
import { group, orientationOf } from './attributes.ts';
import type { DicomFile } from './parse.ts';
import { T } from './tags.ts';

/** Of more frames than these no planes are told: a list of them would be larger than all else that is said of the instance. */
const MOST_FRAMES = 20_000;

type Triple = [number, number, number];

function unit(cosines: number[]): Triple | null {
  const length = Math.hypot(...cosines);
  return length > 0.9 && length < 1.1 ? (cosines.map((c) => c / length) as Triple) : null;
}

function planeOf(file: DicomFile, frame: number): Plane | null {
  const cosines = orientationOf(file, frame);
  const position = group(file, frame, T.PlanePositionSequence).numbers(T.ImagePositionPatient);
  if (!cosines || position.length !== 3 || !position.every(Number.isFinite)) return null;
  const [row, column] = [unit(cosines.slice(0, 3)), unit(cosines.slice(3))];
  // Rows and columns that are not square to one another make no plane to measure in.
  if (!row || !column || Math.abs(row[0] * column[0] + row[1] * column[1] + row[2] * column[2]) > 0.01) return null;
  return { position: position as Triple, row, column };
}

/** One a frame where the frames say it themselves, else the first one's; [] where any is unknown. */
export function planesOf(file: DicomFile, frames: number): Plane[] {
  const each = frames > 1 && file.dataSet.has(T.PerFrameFunctionalGroupsSequence);
  if (each && frames > MOST_FRAMES) return [];
  const planes: Plane[] = [];
  for (let frame = 0; frame < (each ? frames : 1); frame++) {
    const plane = planeOf(file, frame);
    if (!plane) return [];
    planes.push(plane);
  }
  return planes;
}
