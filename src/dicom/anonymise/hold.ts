/** Which images are held back because their pixels may say who they are of: no profile of attributes cleans them. By what the file says of itself, never by looking at a pixel. */
import type { HoldCode } from '../../contract/anonymise.ts';
import type { DicomFile } from '../parse.ts';
import { T } from '../tags.ts';

const STORAGE = '1.2.840.10008.5.1.4.1.1.';
const ULTRASOUND = ['3', '3.1', '6', '6.1', '6.2'].map((tail) => STORAGE + tail);
const within = (uid: string, root: string): boolean => uid === root || uid.startsWith(`${root}.`);

/** Conversion Type (0008,0064): of film, video, paper and drawings. Others say no more than that a computer made the image. */
const CAPTURED = ['DF', 'DV', 'DRW', 'SD', 'SI'];
/** Words of Image Type that stand for a picture of a screen or of a page. */
const SCREEN = /SCREEN|REPORT|\bPROT/;

/** Null: nothing is known against it. A file that says NO of burned-in text is believed, but not by ultrasound and captures, which say it too lightly. */
export function heldBack({ dataSet }: DicomFile): HoldCode | null {
  const sopClass = dataSet.string(T.SOPClassUID);
  const modality = dataSet.string(T.Modality);
  const conversion = dataSet.string(T.ConversionType);
  if (dataSet.string(T.BurnedInAnnotation) === 'YES') return 'burned-in';
  if (dataSet.string(T.RecognizableVisualFeatures) === 'YES') return 'recognisable';
  if (within(sopClass, `${STORAGE}7`) || CAPTURED.includes(conversion) || dataSet.strings(T.ImageType).some((word) => SCREEN.test(word))) return 'capture';
  if (ULTRASOUND.includes(sopClass) || modality === 'US' || modality === 'IVUS') return 'ultrasound';
  if (within(sopClass, `${STORAGE}77.1`) || modality === 'XC') return 'visible-light';
  if (!sopClass.startsWith('1.2.840.10008.')) return 'private-class';
  // A retired overlay without data of its own lies in unused bits of the pixels (PS3.3-2004 C.9.2).
  for (let group = 0x6000; group <= 0x601e; group += 2) if (dataSet.elements.has(group * 0x10000 + 0x0010) && !dataSet.elements.has(group * 0x10000 + 0x3000)) return 'overlay';
  return null;
}
