/** An image object without whom it is of, by the Basic Application Level Confidentiality Profile (PS3.15 annex E): docs/decisions/anonymise.md. */
import type { HoldCode } from '../../contract/anonymise.ts';
import type { DataSet, Element } from '../dataset.ts';
import { DicomError } from '../errors.ts';
import { deflate } from '../inflate.ts';
import type { DicomFile } from '../parse.ts';
import { T } from '../tags.ts';
import { UID } from '../uids.ts';
import { encodingOf, fileHead, textBytes, Writer } from '../write.ts';
import { dummyOf } from './dummy.ts';
import { heldBack } from './hold.ts';
import { actionOf, EDITION, type Action, type Retain } from './table.ts';

/** What stands for identities within one export: the same for the same, and nothing that leads back. */
export interface Pseudonyms {
  /** For an instance's UID. */
  uid(original: string): string;
  /** For a patient, by all that the file says of who it is; 64 characters at most. */
  patient(original: string): string;
}

export interface AnonymiseOptions {
  pseudonyms: Pseudonyms;
  retain: Retain;
  /** Also what is held back, because a person has looked at it. */
  includeHeld: boolean;
  /** For De-identification Method (0012,0063), e.g. `FabricLens 0.1.0`. */
  software: string;
}

export type Anonymised = { sopInstanceUid: string; pieces: Uint8Array[] } | { held: HoldCode };

/** What is said of how the file came to be. */
const METHOD = [T.PatientIdentityRemoved, T.DeidentificationMethod, T.DeidentificationMethodCodeSequence, T.LongitudinalTemporalInformationModified];
const PROFILE = ['113100', 'Basic Application Confidentiality Profile'] as const;
const DATES = ['113106', 'Retain Longitudinal Temporal Information Full Dates Option'] as const;
const PATIENT = ['113108', 'Retain Patient Characteristics Option'] as const;

/** UIDs of the standard itself (PS3.6 annex A), and frames of reference among them: they stand for no patient. */
const STANDARD = '1.2.840.10008.';
const STANDARD_FRAME = '1.2.840.10008.1.4.';

/**
 * The object as Part 10 bytes in its own transfer syntax: pixel data bit for bit as they are.
 * @param pseudonyms of the whole export, so that references between its files hold.
 * @throws DicomError for what can't be made anonymous whole: `no-image` (reports and documents, whose text would have to be read), `truncated`, `corrupt`.
 */
export function anonymise(file: DicomFile, options: AnonymiseOptions): Anonymised {
  const { dataSet } = file;
  const { pseudonyms } = options;
  if (file.problem) throw file.problem;
  const [sopClassUid, original] = [dataSet.string(T.SOPClassUID), dataSet.string(T.SOPInstanceUID)];
  if (![T.PixelData, T.FloatPixelData, T.DoubleFloatPixelData].some((tag) => dataSet.has(tag))) throw new DicomError('no-image', 'it has no pixels: what reports and documents say would have to be read to be cleaned');
  if (sopClassUid === '' || original === '') throw new DicomError('corrupt', 'it has no SOP Class UID (0008,0016) or no SOP Instance UID (0008,0018), so no file can be made of it');
  const encoding = encodingOf(file.transferSyntax, dataSet.source);
  const encapsulated = dataSet.get(T.PixelData)?.encapsulated !== undefined;
  if (encapsulated && [UID.ImplicitLittleEndian, UID.ExplicitLittleEndian, UID.ExplicitBigEndian].some((uid) => uid === file.transferSyntax)) throw new DicomError('corrupt', 'its pixels are compressed, but its transfer syntax says that they are not');
  const held = options.includeHeld ? null : heldBack(file);
  if (held) return { held };
  const out = new Writer(encoding);
  new Rewriter(out, options, pseudonyms.patient(whoseIs(dataSet))).root(dataSet);
  const sopInstanceUid = pseudonyms.uid(original);
  const body = out.finish();
  const head = fileHead({ sopClassUid, sopInstanceUid, transferSyntax: file.transferSyntax });
  return { sopInstanceUid, pieces: [...head, ...(file.transferSyntax === UID.DeflatedExplicitLittleEndian ? [deflate(body)] : body)] };
}

/** Patient ID and who gave it; without one the name and the day of birth. */
function whoseIs(set: DataSet): string {
  const of = (...tags: (typeof T)['PatientID'][]): string => tags.map((tag) => set.text(tag)).join('\n');
  return set.text(T.PatientID) === '' ? of(T.PatientName, T.PatientBirthDate) : of(T.PatientID, T.IssuerOfPatientID);
}

class Rewriter {
  constructor(
    private readonly out: Writer,
    private readonly options: AnonymiseOptions,
    private readonly patient: string,
  ) {}

  root(set: DataSet): void {
    const own = new Set(METHOD.map(({ id }) => id));
    const ids = new Set([...set.elements.keys(), ...own]);
    for (const id of [...ids].sort((a, b) => a - b)) {
      if (own.has(id)) this.method(id);
      else this.element(set, set.elements.get(id)!, false);
    }
    this.whole(set);
  }

  private item(set: DataSet, dummies: boolean): void {
    this.out.beginItem();
    for (const element of [...set.elements.values()].sort((a, b) => a.id - b.id)) this.element(set, element, dummies);
    this.whole(set);
    this.out.endItem();
  }

  /** Nothing is handed on in part: what the rest says is not known. */
  private whole(set: DataSet): void {
    if (set.damaged) throw new DicomError('corrupt', 'one of its sequences is damaged; copy the file again from its source');
  }

  /** @param dummies within a sequence that is replaced: its structure stays, its values do not. */
  private element(set: DataSet, element: Element, dummies: boolean): void {
    const { id } = element;
    const { action, vr } = actionOf(id, this.options.retain);
    const sequence = element.items !== undefined || element.vr === 'SQ' || (vr === 'SQ' && (element.vr === '' || element.vr === 'UN'));
    // What should be a sequence and can't be walked, or the other way round, is not what it says that it is.
    if (action === 'remove' || sequence !== (vr === 'SQ')) return;
    if (sequence && action === 'empty') return this.out.element(id, 'SQ', new Uint8Array(0));
    if (sequence) return this.sequence(set, element, dummies || action === 'dummy');
    if (element.encapsulated) return this.out.encapsulated(id, set.source.bytes.subarray(element.offset, element.offset + element.length));
    this.value(set, element, vr, dummies && action === 'keep' && vr !== 'UI' && id !== T.SpecificCharacterSet.id ? 'dummy' : action);
  }

  private sequence(set: DataSet, element: Element, dummies: boolean): void {
    this.out.beginSequence(element.id);
    for (const item of set.items({ id: element.id, vr: 'SQ' })) this.item(item, dummies);
    this.out.endSequence();
  }

  private value(set: DataSet, element: Element, vr: string, action: Exclude<Action, 'remove'>): void {
    const { id, length } = element;
    if (id === T.PatientID.id || id === T.PatientName.id) return this.out.element(id, vr, textBytes(this.patient));
    if (action === 'empty') return this.out.element(id, vr, new Uint8Array(0));
    if (vr === 'UI' && action !== 'keep') return this.out.element(id, vr, textBytes(set.strings({ id, vr }).map((uid) => this.uid(uid, action)).join('\\')));
    if (action === 'dummy') return this.out.element(id, vr, dummyOf(vr, length));
    const bytes = set.bytes({ id, vr });
    // Native pixels of an implicit file are words (PS3.5 A.1), which is the second VR that PS3.6 has for them.
    this.out.element(id, element.vr || (id === T.PixelData.id ? 'OW' : vr), bytes, set.source.littleEndian);
  }

  /** Coding schemes and the like are the standard's own; so are some frames of reference, among what otherwise names an instance. */
  private uid(uid: string, action: Action): string {
    return uid === '' || uid.startsWith(action === 'foreign-uid' ? STANDARD : STANDARD_FRAME) ? uid : this.options.pseudonyms.uid(uid);
  }

  private method(id: number): void {
    const { retain, software } = this.options;
    const codes = [PROFILE, ...(retain.dates ? [DATES] : []), ...(retain.patient ? [PATIENT] : [])];
    if (id === T.PatientIdentityRemoved.id) this.out.element(id, 'CS', textBytes('YES'));
    else if (id === T.DeidentificationMethod.id) this.out.element(id, 'LO', textBytes(`${software}\\DICOM PS3.15 ${EDITION} table E.1-1`));
    else if (id === T.LongitudinalTemporalInformationModified.id) this.out.element(id, 'CS', textBytes(retain.dates ? 'UNMODIFIED' : 'REMOVED'));
    else {
      this.out.beginSequence(id);
      for (const [code, meaning] of codes) {
        this.out.beginItem();
        this.out.element(T.CodeValue.id, 'SH', textBytes(code));
        this.out.element(T.CodingSchemeDesignator.id, 'SH', textBytes('DCM'));
        this.out.element(T.CodeMeaning.id, 'LO', textBytes(meaning));
        this.out.endItem();
      }
      this.out.endSequence();
    }
  }
}
