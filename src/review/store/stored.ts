/** What a row holds as JSON: of a damaged one, or one that another version wrote otherwise, nothing is known, and it hides no other. */
import type { z } from 'zod';
import { StudyInfo } from '../../contract/dicom.ts';

export const StoredStudy = StudyInfo.omit({ series: true, objects: true });
type StoredStudy = z.infer<typeof StoredStudy>;

/** null where the text is no such value. */
export function readStored<T>(schema: z.ZodType<T>, text: string): T | null {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

const UNKNOWN: StoredStudy = {
  uid: '', patientName: { alphabetic: '', ideographic: '', phonetic: '' }, patientId: '', patientBirthDate: '', patientSex: '', date: '', time: '', description: '', accessionNumber: '', institution: '',
};
/** Its uid and files have columns of their own. */
export const studyOf = (info: string): StoredStudy => readStored(StoredStudy, info) ?? UNKNOWN;
