/** Values that mean nothing and are valid for their VR (PS3.5 table 6.2-1). */
import { textBytes } from '../write.ts';

const REMOVED = textBytes('REMOVED ');
const TEXT: Record<string, Uint8Array> = {
  AE: REMOVED,
  AS: textBytes('000Y'),
  CS: REMOVED,
  DA: textBytes('19000101'),
  DS: textBytes('0 '),
  DT: textBytes('19000101000000'),
  IS: textBytes('0 '),
  LO: REMOVED,
  LT: REMOVED,
  PN: textBytes('Removed '),
  SH: REMOVED,
  ST: REMOVED,
  TM: textBytes('000000'),
  UC: REMOVED,
  UR: textBytes('urn:removed '),
  UT: REMOVED,
};
/** Bytes a value of a binary VR. */
const SIZE: Record<string, number> = { AT: 4, FL: 4, FD: 8, OD: 8, OF: 4, OL: 4, OV: 8, SL: 4, SS: 2, SV: 8, UL: 4, US: 2, UV: 8 };

/** Of text one value; of numbers as many zeros as there were (an attribute may have a fixed number), up to an explicit VR's longest. @param length of the original (bytes) */
export function dummyOf(vr: string, length: number): Uint8Array {
  const text = TEXT[vr];
  if (text) return text;
  const size = SIZE[vr];
  return new Uint8Array(size === undefined ? 2 : Math.min(0xfff8, Math.max(size, Math.floor(length / size) * size)));
}
