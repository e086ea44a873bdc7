/** Images into a folder without whom they are of: each read, made anonymous whole, and written under a name that says nothing. The rule is src/dicom/anonymise; originals are only read. */
import { createHmac, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { AnonymiseChoices, AnonymiseReport, HoldCode, NotWritten } from '../contract/anonymise.ts';
import { anonymise, DicomError, parseDicom, type Pseudonyms } from '../dicom/index.ts';
import { readFailure, TooLargeError } from '../engines/index.ts';
import { ZipError } from './zip.ts';

/** An image to write, and its encoded bytes when their turn comes. */
export interface Anonymisable {
  /** As it is told of. */
  fileName: string;
  read(): Promise<Uint8Array>;
}

export interface AnonymiseHooks {
  signal?: AbortSignal | undefined;
  /** After each image. */
  onProgress?: (progress: { done: number; total: number }) => void;
  /** What came of image `index`: the name of the file that was written, or why none was. */
  onImage?: (index: number, outcome: { written: string } | { held: NotWritten } | { failed: NotWritten }) => void;
}

/** The folder can't take an export; nothing was written. */
export class FolderError extends Error {
  override readonly name = 'FolderError';
  constructor(readonly code: 'folder-not-empty' | 'folder-unwritable', message: string) {
    super(message);
  }
}

/** After `FILE: ` and before `; look at it …`. */
const HELD: Record<HoldCode, string> = {
  'burned-in': 'the file says that its pixels hold text of the patient (0028,0301)',
  recognisable: 'the file says that the patient can be recognised in its pixels (0028,0302)',
  capture: 'a picture of a screen, a page or a film may show a name',
  ultrasound: 'ultrasound pictures often show a name',
  'visible-light': 'a photograph may show a face or a label',
  'private-class': 'it is a manufacturer\'s own kind of object',
  overlay: 'an overlay is drawn into unused bits of its pixels',
};

/**
 * Keyed by chance and forgotten with the export: the same for the same within it, of no use to anybody who has an original and guesses.
 * UIDs are UUIDs of version 8 (RFC 9562) under 2.25 (PS3.5 B.2).
 */
export function createPseudonyms(key: Uint8Array = randomBytes(32)): Pseudonyms {
  const hmac = (kind: string, text: string): Buffer => createHmac('sha256', key).update(`${kind}\n${text}`).digest();
  return {
    uid: (original) => {
      const bytes = hmac('uid', original).subarray(0, 16);
      bytes[6] = 0x80 | (bytes[6]! & 0x0f);
      bytes[8] = 0x80 | (bytes[8]! & 0x3f);
      return `2.25.${BigInt(`0x${bytes.toString('hex')}`)}`;
    },
    patient: (original) => `ANON-${hmac('patient', original).subarray(0, 5).toString('hex').toUpperCase()}`,
  };
}

/** @param folder must be new or empty: nothing is ever written over. @throws FolderError */
export async function anonymiseInto(folder: string, images: readonly Anonymisable[], choices: AnonymiseChoices, software: string, { signal, onProgress, onImage }: AnonymiseHooks = {}): Promise<AnonymiseReport> {
  await prepare(folder);
  const options = { pseudonyms: createPseudonyms(), retain: { dates: choices.keepDates, patient: choices.keepPatient }, includeHeld: choices.includeHeld, software };
  const names = new Set<string>();
  const report: AnonymiseReport = { folder: basename(folder), written: 0, held: [], failed: [], cancelled: false };
  for (const [index, { fileName, read }] of images.entries()) {
    if (signal?.aborted) return { ...report, cancelled: true };
    const fail = (code: string, cause: string): NotWritten => ({ fileName, code, message: `${fileName}: ${cause}.` });
    try {
      const result = anonymise(parseDicom(await read()), options);
      if ('held' in result) {
        const held = fail(result.held, `held back, ${HELD[result.held]}; look at it, then include what is held back`);
        report.held.push(held);
        onImage?.(index, { held });
      } else if (names.has(result.sopInstanceUid)) {
        throw new Failure('same-uid', 'another image of this export has the same SOP Instance UID');
      } else {
        names.add(result.sopInstanceUid);
        const name = `${result.sopInstanceUid}.dcm`;
        await writeWhole(join(folder, name), result.pieces);
        report.written++;
        onImage?.(index, { written: name });
      }
    } catch (error) {
      const failed = fail(...causeOf(error));
      report.failed.push(failed);
      onImage?.(index, { failed });
    }
    onProgress?.({ done: index + 1, total: images.length });
  }
  return report;
}

class Failure extends Error {
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

function causeOf(error: unknown): [code: string, cause: string] {
  if (error instanceof DicomError || error instanceof Failure) return [error.code, error.message];
  if (error instanceof TooLargeError) return ['too-large', error.message];
  if (error instanceof ZipError) return ['corrupt', error.message];
  return ['unreadable', readFailure(error)];
}

async function prepare(folder: string): Promise<void> {
  let there: string[];
  try {
    await mkdir(folder, { recursive: true });
    there = await readdir(folder);
  } catch (error) {
    throw new FolderError('folder-unwritable', `${folder} can't be written to: ${readFailure(error)}. Choose another folder.`);
  }
  if (there.length > 0) throw new FolderError('folder-not-empty', `${folder} has files in it. Choose a new or an empty folder: nothing is written over.`);
}

/** Under another name until it is whole. */
async function writeWhole(path: string, pieces: readonly Uint8Array[]): Promise<void> {
  const part = `${path}.part`;
  try {
    const file = await open(part, 'wx');
    try {
      for (const piece of pieces) await file.writeFile(piece);
    } finally {
      await file.close();
    }
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw new Failure('write-failed', `its copy can't be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
}
