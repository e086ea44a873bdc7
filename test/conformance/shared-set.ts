/** The files of others that the conformance table is made of (../shared/data/dicom), and why some differ or are refused. A change here is a change of what a reader can open. */
import { readdirSync } from 'node:fs';
import { dataPath, hasData } from '../support/data.ts';
import type { Reason, Subject } from './row.ts';

const chroma: Reason = { rendering: 2, why: 'DCMTK takes chroma around 127.5, PS3.3 C.7.6.3.1.2 around 128' };
const noImage = (why: string): Reason => ({ refused: 'no-image', why });

const REASONS: Record<string, Reason> = {
  'dcm4che__YBR_FULL-RLE.dcm': chroma,
  'pydicom-data__SC_ybr_full_uncompressed.dcm': chroma,
  'pydicom__SC_ybr_full_422_uncompressed.dcm': chroma,
  'pydicom-data__HTJ2K_08_RGB.dcm': { stored: 1, rendering: 1, why: 'lossy: OpenJPH here and OpenJPEG there round otherwise' },
  dtf__RG3_JPLY: { stored: 1024, rendering: 255, why: 'ten bits stored, lossy: DCMTK wraps the overshoot above 1023 to black, we clamp it' },
  'pydicom__rtdose_expb.dcm': { stored: Infinity, rendering: 255, why: 'DCMTK swaps the halves of 32-bit pixels in big endian OW; the little endian sibling is equal to ours' },
  'dcm4che__3gb-bulk-data-truncated': { refused: 'corrupt', why: 'its Columns are 0, and it ends before its pixels' },
  dcm4che__no_preamble_dicm_in_data: noImage('no pixel data'),
  'dcm4che__will-jxl.dcm': { stored: Infinity, rendering: Infinity, why: 'JPEG XL, which neither peer reads; its first frame is within 1 of what djxl makes of it' },
  pydicom__DICOMDIR: noImage('a directory: its files are opened'),
  'pydicom__ExplVR_BigEndNoMeta.dcm': noImage('an RT plan, listed by its type'),
  'pydicom__ExplVR_LitEndNoMeta.dcm': noImage('an RT plan, listed by its type'),
  'pydicom__MR_truncated.dcm': { refused: 'truncated', rendering: 0, why: 'the file ends within its only frame: DCMTK shows what is there, we show no half image' },
  'pydicom__no_meta.dcm': { refused: 'not-dicom', why: 'a stray byte before the data set; DCMTK reads nothing of it either' },
  'pydicom__no_meta_group_length.dcm': noImage('no pixel data'),
  'pydicom__reportsi.dcm': noImage('a report, listed by its type'),
  'pydicom__reportsi_with_empty_number_tags.dcm': noImage('a report, listed by its type'),
  'pydicom__rtplan.dcm': noImage('an RT plan, listed by its type'),
  'pydicom__rtplan_truncated.dcm': { ...noImage('an RT plan, listed by its type; the sequence that the file ends in is left out'), text: true },
  'pydicom__rtstruct.dcm': noImage('an RT structure set, listed by its type'),
  'pydicom__test-SR.dcm': noImage('a report, listed by its type'),
  'pydicom__waveform_ecg.dcm': noImage('a waveform, listed by its type'),
};

/** Files of one image in several encodings, and the frames that are compared. */
export const SIBLINGS: readonly (readonly [string, string, readonly number[]])[] = [
  ['dtf__NM1_J2KR', 'dtf__NM1_UNC', [0]],
  ['dtf__NM1_JLSL', 'dtf__NM1_UNC', [0]],
  ['dtf__MR1_JLSL', 'dtf__MR1_UNC', [0]],
  ['dtf__CT1_JLSL', 'dtf__CT1_RLE', [0]],
  ['dtf__RG3_JLSL', 'dtf__RG3_RLE', [0]],
  ['pydicom-data__RG3_J2KR.dcm', 'dtf__RG3_RLE', [0]],
  ['pydicom-data__MR2_J2KR.dcm', 'pylibjpeg-data__JPEGLossless_1s_1f_u_16_12.dcm', [0]],
  ['pydicom__MR_small_jp2klossless.dcm', 'pydicom__MR_small_implicit.dcm', [0]],
  ['pydicom__MR_small_jpeg_ls_lossless.dcm', 'pydicom__MR_small_implicit.dcm', [0]],
  ['pydicom__MR_small_bigendian.dcm', 'pydicom__MR_small_implicit.dcm', [0]],
  ['pydicom-data__emri_small_jpeg_ls_lossless.dcm', 'pydicom-data__emri_small_RLE.dcm', [0, 9]],
  ['pydicom-data__liver_j2k.dcm', 'pydicom-data__liver_rle.dcm', [0, 1, 2]],
  ['pydicom-data__liver_deflate.dcm', 'pydicom-data__liver_rle.dcm', [0, 1, 2]],
  ['pydicom__liver_1frame.dcm', 'pydicom-data__liver_rle.dcm', [0]],
  ['pydicom__liver_expb_1frame.dcm', 'pydicom__liver_1frame.dcm', [0]],
  ['pydicom__rtdose_expb.dcm', 'pydicom__rtdose.dcm', [0, 14]],
  ['pydicom__rtdose_rle.dcm', 'pydicom__rtdose.dcm', [0, 14]],
  ['dicomParser__CT0012.not_fragmented_no_bot_jpeg_ls.80.dcm', 'dicomParser__CT0012.not_fragmented_no_bot_rle.dcm', [0, 1]],
  ['dicomParser__CT0012.fragmented_no_bot_jpeg_lossless.57.dcm', 'dicomParser__CT0012.not_fragmented_no_bot_rle.dcm', [0, 1]],
  ['dicomParser__CT0012.fragmented_no_bot_jpeg_lossless.70.dcm', 'dicomParser__CT0012.not_fragmented_no_bot_rle.dcm', [0, 1]],
  ['pydicom-data__SC_rgb_expb_32bit_2frame.dcm', 'pydicom-data__SC_rgb_32bit_2frame.dcm', [0, 1]],
  ['pydicom__SC_rgb_rle_32bit_2frame.dcm', 'pydicom-data__SC_rgb_32bit_2frame.dcm', [0, 1]],
  ['pydicom-data__gdcm-US-ALOKA-16_big.dcm', 'pydicom-data__gdcm-US-ALOKA-16.dcm', [0]],
];

/** Read by no peer themselves. */
const TWINS: Record<string, string> = { 'pydicom-data__liver_rle.dcm': 'pydicom-data__liver_j2k.dcm', 'pydicom-data__liver_deflate.dcm': 'pydicom-data__liver_j2k.dcm' };

export function sharedFiles(): Subject[] {
  const names = hasData('dicom') ? readdirSync(dataPath('dicom')).filter((name) => name !== 'MANIFEST.tsv') : [];
  return names.sort().map((name) => ({ name, path: dataPath('dicom', name), ...(TWINS[name] ? { twin: { path: dataPath('dicom', TWINS[name]), what: TWINS[name] } } : {}), ...(REASONS[name] ? { reason: REASONS[name] } : {}) }));
}
