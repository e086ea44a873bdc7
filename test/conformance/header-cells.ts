/** The cells of a row that need no pixels: millimetres, and text in its character sets. They name no value of a text: a table holds no patient's data. */
import type { InstanceInfo } from '../../src/contract/dicom.ts';
import { stripped } from '../../src/dicom/charset.ts';
import type { DataSet } from '../../src/dicom/dataset.ts';
import type { DicomFile } from '../../src/dicom/index.ts';
import { T, tagText } from '../../src/dicom/tags.ts';
import type { PeerElement } from './dcmtk-peer.ts';
import type { Cell } from './row.ts';

/** Nothing to compare: no such thing in the file, or no peer for it. */
export const NOTHING: Cell = { text: '—', ok: true };
const TEXT = new Set(['PN', 'LO', 'SH', 'ST', 'LT', 'UC', 'UT']);
const SOURCES = { PixelSpacing: T.PixelSpacing.id, ImagerPixelSpacing: T.ImagerPixelSpacing.id, NominalScannedPixelSpacing: T.NominalScannedPixelSpacing.id } as const;
/** Sequences in which an attribute is still the image's own. */
const GROUPS = new Set<number>([T.SharedFunctionalGroupsSequence.id, T.PerFrameFunctionalGroupsSequence.id, T.PixelMeasuresSequence.id]);

const numbers = (value: string): number[] => value.split('\\').map(Number);
const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.abs(b);

/** The millimetres that we say, with their source, against the attribute of that name as a peer reads it; none only where the peer finds none. */
export function spacingCell({ spacing, regions }: InstanceInfo, elements: PeerElement[] | null): Cell {
  // A writer that made every VR UN leaves DCMTK without values.
  if (!elements || elements.some(({ tag, vr }) => tag === T.PixelSpacing.id && vr === 'UN')) return NOTHING;
  const own = elements.filter(({ path }) => path.every((step) => typeof step === 'object' || GROUPS.has(step)));
  const pairs = (tag: number): number[][] => own.filter((element) => element.tag === tag).map(({ value }) => numbers(value)).filter((pair) => pair.length >= 2 && pair.every((n) => n > 0));
  const said = elements.filter(({ path, tag }) => path[0] === T.SequenceOfUltrasoundRegions.id && tag === T.PhysicalDeltaX.id).map(({ value }) => Math.abs(Number(value)) * 10);
  if (regions.length > 0) return { text: `${regions.length} region(s) (DCMTK)`, ok: regions.every(({ column }) => said.some((delta) => near(column, delta))) };
  if (!spacing) return { text: 'px, none in the file (DCMTK)', ok: Object.values(SOURCES).every((tag) => pairs(tag).length === 0) };
  const magnification = spacing.plane === 'corrected' ? Number(own.find(({ tag }) => tag === T.EstimatedRadiographicMagnificationFactor.id)?.value) : 1;
  const [row, column] = pairs(SOURCES[spacing.source])[0] ?? [Number.NaN, Number.NaN];
  const digits = (n: number): string => String(Number(n.toPrecision(4)));
  return { text: `${digits(spacing.row)} × ${digits(spacing.column)} ${spacing.source}, ${spacing.plane} (DCMTK)`, ok: near(spacing.row, row! / magnification) && near(spacing.column, column! / magnification) };
}

function dataSetAt(file: DicomFile, path: PeerElement['path']): DataSet | null {
  let set: DataSet | null = file.dataSet;
  for (let i = 0; i < path.length && set; i += 2) set = set.items({ id: path[i] as number, vr: 'SQ' })[(path[i + 1] as { item: number }).item] ?? null;
  return set;
}

/** Component groups without what may end them, values without padding: no peer keeps all of it. */
const plain = (text: string): string => text.replace(/\r\n?/g, '\n').split('\\').map((value) => value.split('=').map((group) => stripped(group, ' \n', ' \n\0')).join('=')).map((value) => stripped(value, ' ', ' =')).join('\\');

/** All text of the data set, sequences included, as DCMTK converts it to UTF-8; by pydicom where DCMTK does not know the character sets. */
export function textCell(file: DicomFile, dcmtk: PeerElement[] | null, pydicom: PeerElement[] | null | undefined): Cell {
  const isText = ({ vr, value }: PeerElement): boolean => TEXT.has(vr) && value !== '';
  const peer = dcmtk?.some(isText) ? 'DCMTK' : 'pydicom';
  const elements = peer === 'DCMTK' ? dcmtk : pydicom;
  if (!elements) return NOTHING;
  const wrong: string[] = [];
  let count = 0;
  for (const { path, tag, vr, value } of elements.filter(isText)) {
    if (tag >>> 16 === 2) continue;
    count++;
    if (plain(dataSetAt(file, path)?.texts({ id: tag, vr }).join('\\') ?? '') !== plain(value)) wrong.push(tagText(tag));
  }
  return count === 0 ? NOTHING : { text: wrong.length === 0 ? `${count} equal (${peer})` : `${wrong.length} of ${count} differ: ${wrong.slice(0, 4).join(', ')} (${peer})`, ok: wrong.length === 0 };
}
