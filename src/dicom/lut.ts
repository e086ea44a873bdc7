/** Modality and VOI transforms as the file states them (PS3.3 C.11.1, C.11.2), and lookup tables in all their encodings. */
import type { ModalityTransform, Voi } from '../contract/pixels.ts';
import type { PixelHeader } from './attributes.ts';
import { group, windowsOf } from './attributes.ts';
import type { DataSet } from './dataset.ts';
import type { DicomFile } from './parse.ts';
import type { Tag } from './tags.ts';
import { T } from './tags.ts';

export interface Lut {
  /** Input value of the first entry. */
  first: number;
  /** Bits of an entry. */
  bits: number;
  values: Uint16Array;
}

/**
 * A table of descriptor (entries, first input, bits an entry) and data; null when there is none or it makes no sense.
 * @param signed whether its inputs are: an implicit or `xs` descriptor does not say it.
 */
export function readLut(set: DataSet, descriptor: Tag, data: Tag, signed: boolean): Lut | null {
  const [count, firstRaw, bitsRaw] = set.numbers(descriptor, 3);
  const element = set.get(data);
  if (count === undefined || firstRaw === undefined || !element) return null;
  const entries = (count & 0xffff) || 0x10000;
  const first = signed || set.get(descriptor)?.vr === 'SS' ? ((firstRaw & 0xffff) << 16) >> 16 : firstRaw;
  const { view, littleEndian } = set.source;
  const bits = bitsRaw !== undefined && bitsRaw >= 8 && bitsRaw <= 16 ? bitsRaw : 16;
  // Eight-bit entries come one a byte (in OW words) or one a word; only the length tells.
  const bytewise = bits === 8 && element.length < entries * 2;
  const available = bytewise ? element.length : Math.floor(element.length / 2);
  if (available === 0) return null;
  const values = new Uint16Array(entries);
  for (let i = 0; i < entries; i++) {
    const at = Math.min(i, available - 1);
    // In big endian, two bytewise entries share a swapped word when the VR is OW.
    const place = bytewise && !littleEndian && element.vr !== 'OB' ? at ^ 1 : at;
    values[i] = bytewise ? view.getUint8(element.offset + Math.min(place, available - 1)) : view.getUint16(element.offset + at * 2, littleEndian);
  }
  return { first, bits, values };
}

/** The frame's modality transform and the unit of its output. A Modality LUT wins over Rescale Slope/Intercept (the standard allows one of them). */
export function modalityOf(file: DicomFile, frame: number, header: PixelHeader): { modality: ModalityTransform; units: string } {
  const item = file.dataSet.items(T.ModalityLUTSequence)[0];
  const lut = item && readLut(item, T.LUTDescriptor, T.LUTData, header.signed);
  if (item && lut) {
    return { modality: { kind: 'table', first: lut.first, values: Float32Array.from(lut.values) }, units: known(item.string(T.ModalityLUTType)) };
  }
  const set = group(file, frame, T.PixelValueTransformationSequence);
  const slope = set.number(T.RescaleSlope);
  const intercept = set.number(T.RescaleIntercept);
  const type = set.string(T.RescaleType);
  const rescaled = slope !== undefined || intercept !== undefined;
  // A slope of 0 would make the image one grey: some writers mean "none" by it.
  const modality: ModalityTransform = { kind: 'linear', slope: slope === undefined || slope === 0 ? 1 : slope, intercept: intercept ?? 0 };
  return { modality, units: type !== '' ? known(type) : rescaled && file.dataSet.string(T.Modality) === 'CT' ? 'HU' : '' };
}

const known = (type: string): string => (['HU', 'OD', 'US'].includes(type.toUpperCase()) ? type.toUpperCase() : '');

/** The VOI transforms of a frame: windows in the file's order, then VOI LUTs; [] when it has none. Without windows the tables come first. */
export function voisOf(file: DicomFile, frame: number, header: PixelHeader, modality: ModalityTransform): Voi[] {
  const set = group(file, frame, T.FrameVOILUTSequence);
  const said = set.string(T.VOILUTFunction).toUpperCase();
  const fn = said === 'SIGMOID' || said === 'LINEAR_EXACT' ? said : 'LINEAR';
  const windows = windowsOf(file, frame)
    // LINEAR is defined for widths ≥ 1, the others for any above 0 (C.11.2.1.3).
    .filter(({ width }) => fn !== 'LINEAR' || width >= 1)
    .map(({ center, width }): Voi => ({ kind: 'window', center, width, function: fn }));
  const signed = modality.kind === 'linear' && (header.signed || modality.intercept < 0);
  const tables = (set.has(T.VOILUTSequence) ? set : file.dataSet).items(T.VOILUTSequence).flatMap((item): Voi[] => {
    const lut = readLut(item, T.LUTDescriptor, T.LUTData, signed);
    if (!lut) return [];
    const largest = lut.values.reduce((a, b) => Math.max(a, b), 0);
    // Entries wider than the descriptor says would be clipped to white: the entries are right.
    const bits = Math.max(lut.bits, Math.ceil(Math.log2(largest + 1)));
    const scale = 1 / (2 ** bits - 1);
    return [{ kind: 'table', first: lut.first, values: Float32Array.from(lut.values, (value) => value * scale), explanation: item.text(T.LUTExplanation) }];
  });
  return [...windows, ...tables];
}
