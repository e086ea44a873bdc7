/** The opened studies: what files are, grouped, with their problems. Holds paths; nobody outside gets one but by an opaque id. */
import { createHash, randomUUID } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, isAbsolute, sep } from 'node:path';
import type { FileProblem, InstanceInfo, Library as LibraryInfo, SeriesInfo, StudyInfo } from '../contract/dicom.ts';
import { DicomError, parseDicom, readDicomDir, summarise, summariseObject, type DicomFile, type ObjectSummary } from '../dicom/index.ts';
import { readFailure, TooLargeError } from '../engines/index.ts';
import { INSTANCE_BYTES, readInstance, type InstanceSource } from './instance-source.ts';
import { walkPaths, type FoundFile } from './walk.ts';
import { ZipError, zipMembers, type ZipMember } from './zip.ts';

export interface LibraryBudgets {
  files: number;
  fileBytes: number;
}
export const LIBRARY_BUDGETS: LibraryBudgets = { files: 20_000, fileBytes: INSTANCE_BYTES };

/** Files read at a time: enough to keep a disk busy, few enough to bound memory. */
const CONCURRENCY = 4;

export interface OpenHooks {
  onProgress?: (progress: { done: number; total: number; fileName: string }) => void;
  signal?: AbortSignal | undefined;
  /** What is known of a file of this size and time of change (ms), so that it need not be read again. */
  known?: (source: InstanceSource, size: number, modified: number) => Entry | null;
  /** The id that the image of a file named by this path shall have, where it is not taken. */
  idOf?: (path: string) => string | undefined;
  /** Each image as it is read; not those that were known. */
  onRead?: (entry: Entry) => void;
  /** Each object without an image. */
  onObject?: (entry: ObjectEntry) => void;
  /** Studies are opened until this many images are open; what the others hold is read, but not opened. */
  keepOpen?: number;
  /** Images, or objects without one, are open that were not when it was called last; many come while others are still being read. */
  onOpened?: () => void;
}

export interface OpenedFile {
  id: string;
  /** As named or reached from a named folder. */
  path: string;
}

export interface Opened {
  /** Images, in the order named; those that were already open among them. */
  files: OpenedFile[];
  problems: (FileProblem & { path: string })[];
  /** Images read, opened or not. */
  images: number;
}

/** A file, or a member of a ZIP file, with an image, and what it says. */
export interface Entry {
  source: InstanceSource;
  /** Of the file's bytes. */
  sha256: string;
  /** Of the file on the disk, and the time of its last change (ms). */
  size: number;
  modified: number;
  study: Omit<StudyInfo, 'series' | 'objects'>;
  series: Omit<SeriesInfo, 'instances'>;
  instance: InstanceInfo;
}

/** The same of an object without an image. */
export type ObjectEntry = ObjectSummary & Pick<Entry, 'source' | 'sha256' | 'size' | 'modified'>;

/** A file to read, and what came of it; the files of a DICOMDIR or a ZIP file are its children. */
interface Job {
  file: FoundFile;
  source: InstanceSource;
  /** Children are not expanded again. */
  listed: boolean;
  read: boolean;
  entry: Entry | null;
  object: ObjectEntry | null;
  problems: Opened['problems'];
  children: Job[];
}

/** What an import has taken in so far, and of how many jobs. */
interface Taken {
  opened: Opened;
  ids: Set<string>;
  studies: Set<string>;
  /** Paths of what is listed as an object of its study: it is no problem of the list. */
  listed: Set<string>;
  jobs: number;
}

export class Library {
  readonly #entries = new Map<string, Entry>();
  /** By their place. */
  readonly #objects = new Map<string, ObjectEntry>();
  readonly #byFile = new Map<string, string>();
  readonly #bySopInstanceUid = new Map<string, string[]>();
  #problems = new Map<string, FileProblem>();
  readonly #budgets: LibraryBudgets;

  constructor(budgets: LibraryBudgets = LIBRARY_BUDGETS) {
    this.#budgets = budgets;
  }

  /** Adds files, folders, DICOMDIRs and ZIP files. Rejects only when cancelled; what was read until then stays. */
  async open(paths: readonly string[], hooks: OpenHooks = {}): Promise<Opened> {
    const { onProgress, signal } = hooks;
    const walk = await walkPaths(paths, this.#budgets.files, signal);
    const jobs = walk.files.map((file) => job(file, false));
    const queue = [...jobs];
    const queued = new Set(walk.files.map((file) => file.realPath));
    /** False for a file that is read already; throws TooLargeError for one too many. */
    const admit = (file: FoundFile): boolean => {
      if (queued.has(file.realPath)) return false;
      if (queued.size >= this.#budgets.files) throw new TooLargeError(`it and what else is opened list more than the ${this.#budgets.files} files that are read at a time; open fewer at a time`);
      queued.add(file.realPath);
      return true;
    };
    const taken: Taken = { opened: { files: [], problems: walk.problems.map((p) => ({ ...p, fileName: basename(p.path) })), images: 0 }, ids: new Set(), studies: new Set(), listed: new Set(), jobs: 0 };
    const keepOpen = hooks.keepOpen ?? Infinity;
    let next = 0;
    let done = 0;
    const reader = async (end: number): Promise<void> => {
      while (next < end) {
        signal?.throwIfAborted();
        const current = queue[next++]!;
        await this.#read(current, admit, hooks);
        current.read = true;
        queue.push(...current.children);
        done++;
        const before = taken.ids.size + taken.listed.size;
        while (taken.jobs < jobs.length && isRead(jobs[taken.jobs]!)) this.#take(jobs[taken.jobs++]!, taken, keepOpen);
        if (taken.ids.size + taken.listed.size > before) hooks.onOpened?.();
        onProgress?.({ done, total: queue.length, fileName: basename(current.file.path) });
      }
    };
    // What DICOMDIRs list comes in another round: a reader that finds nothing to do is not there when they have been read.
    let stopped: PromiseRejectedResult | undefined;
    while (next < queue.length && !stopped) {
      const ends = await Promise.allSettled(Array.from({ length: CONCURRENCY }, () => reader(queue.length)));
      stopped = ends.find((end) => end.status === 'rejected');
    }
    // Where it was cancelled, what was read beyond the first that was not.
    for (const rest of jobs.slice(taken.jobs)) this.#take(rest, taken, keepOpen);
    const { opened } = taken;
    for (const { path, fileName, code, message } of opened.problems) if (!taken.listed.has(path)) this.#problems.set(path, { fileName, code, message });
    if (stopped) throw stopped.reason;
    return opened;
  }

  /** Takes in what came of a job, jobs in the order named and not in that in which the disk answered: the first study is the one that is shown. */
  #take(current: Job, taken: Taken, keepOpen: number): void {
    const { entry } = current;
    const { opened, ids, studies } = taken;
    if (entry) opened.images++;
    if (entry && (studies.has(studyKey(entry)) || ids.size < keepOpen)) {
      studies.add(studyKey(entry));
      const { id, problem } = this.#add(entry);
      if (!ids.has(id)) opened.files.push({ id, path: current.file.path });
      ids.add(id);
      if (problem !== '') current.problems.push({ path: current.file.path, fileName: entry.instance.fileName, code: 'same-uid', message: problem });
    }
    const { object } = current;
    if (object && (studies.has(objectKey(object)) || ids.size < keepOpen)) {
      studies.add(objectKey(object));
      this.#addObject(object);
      taken.listed.add(current.file.path);
    }
    opened.problems.push(...current.problems);
    for (const child of current.children) this.#take(child, taken, keepOpen);
  }

  async #read(current: Job, admit: (file: FoundFile) => boolean, { signal, known, idOf, onRead, onObject }: OpenHooks): Promise<void> {
    const { path } = current.file;
    const fileName = basename(path);
    const id = idOf?.(path) ?? randomUUID();
    const fail = (code: string, cause: string): void => void current.problems.push({ path, fileName, code, message: `${fileName}: ${cause}.` });
    try {
      if (isZip(path)) {
        if (current.listed) throw new ZipError('an archive within an archive is not opened; unpack it and open the folder');
        for (const member of await zipMembers(current.source.path, this.#budgets.files)) {
          const file: FoundFile = { path: join(path, member.name), realPath: `${current.file.realPath}\0${member.at}` };
          if (!isHidden(member.name) && admit(file)) current.children.push(job(file, true, member));
        }
        return;
      }
      const { size, mtimeMs: modified } = await stat(current.source.path);
      const before = known?.(current.source, size, modified);
      if (before) {
        current.entry = renamed(before, id, fileName);
        return;
      }
      const bytes = await readInstance(current.source, this.#budgets.fileBytes);
      const parsed = parseDicom(bytes);
      const references = current.listed && !current.source.member ? null : directoryReferences(parsed);
      if (references) {
        // All that an archive holds is opened anyway.
        if (!current.source.member) await this.#expand(current, references, admit, signal);
        return;
      }
      this.#problems.delete(path);
      const read = { source: current.source, sha256: sha256Of(bytes), size, modified };
      try {
        current.entry = { ...read, ...summarise(parsed, { id, fileName }) };
      } catch (error) {
        const object = error instanceof DicomError && error.code === 'no-image' ? summariseObject(parsed, { id, fileName }) : null;
        if (object) onObject?.((current.object = { ...read, ...object }));
        throw error;
      }
      onRead?.(current.entry);
    } catch (error) {
      if (signal?.aborted) throw error;
      if (error instanceof DicomError) fail(error.code, error.message);
      else if (error instanceof TooLargeError) fail('too-large', error.message);
      else if (error instanceof ZipError) fail('corrupt', error.message);
      else fail('unreadable', readFailure(error));
    }
  }

  /** Files of a DICOMDIR become children; a reference that leads outside its folder, even by a link, is refused. */
  async #expand(directory: Job, references: string[][], admit: (file: FoundFile) => boolean, signal?: AbortSignal): Promise<void> {
    const { path, realPath } = directory.file;
    const root = dirname(realPath);
    const fileName = basename(path);
    const refuse = (code: string, listed: string, cause: string): void =>
      void directory.problems.push({ path: join(dirname(path), listed), fileName, code, message: `${fileName}: ${cause}.` });
    for (const parts of references) {
      signal?.throwIfAborted();
      const listed = parts.join('/');
      try {
        const file: FoundFile = { path: join(dirname(path), ...parts), realPath: await realpath(join(root, ...parts)) };
        if (!isInside(root, file.realPath)) refuse('unreadable', listed, `it lists ${listed}, which lies outside its folder`);
        else if (admit(file)) directory.children.push(job(file, true));
      } catch (error) {
        if (error instanceof TooLargeError) {
          refuse('too-large', fileName, error.message);
          return;
        }
        refuse('unreadable', listed, `it lists ${listed}: ${readFailure(error)}`);
      }
    }
  }

  /** The same object in the same file is one instance, however often it is opened; so is a copy of the file. Another file under the same UID is another image. */
  #add(entry: Entry): { id: string; problem: string } {
    const { sopInstanceUid, id, fileName } = entry.instance;
    const uid = sopInstanceUid === id ? '' : sopInstanceUid;
    const key = `${uid}\n${placeOf(entry.source)}`;
    const known = this.#byFile.get(key);
    if (known !== undefined) {
      // The file may have been written anew: the id stays, for it names the place.
      if (this.#entries.get(known)!.sha256 !== entry.sha256) this.#entries.set(known, renamed(entry, known, fileName));
      return { id: known, problem: '' };
    }
    const others = uid === '' ? [] : (this.#bySopInstanceUid.get(uid) ?? []);
    const copy = others.find((other) => this.#entries.get(other)!.sha256 === entry.sha256);
    if (copy === undefined && this.#entries.has(id)) return this.#add(renamed(entry, randomUUID(), fileName));
    this.#byFile.set(key, copy ?? id);
    if (copy !== undefined) return { id: copy, problem: '' };
    this.#entries.set(id, entry);
    this.#bySopInstanceUid.set(uid, [...others, id]);
    const [first] = others;
    return { id, problem: first === undefined ? '' : `${fileName}: its SOP Instance UID is also that of ${this.#entries.get(first)!.instance.fileName}, but the files differ; both are shown.` };
  }

  /** The same file is one object, however often it is opened. */
  #addObject(entry: ObjectEntry): void {
    const place = placeOf(entry.source);
    const id = this.#objects.get(place)?.object.id ?? entry.object.id;
    this.#objects.set(place, { ...entry, object: { ...entry.object, id } });
  }

  entry(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  /** Of the open images of a SOP Instance UID. */
  idsOf(sopInstanceUid: string): readonly string[] {
    return this.#bySopInstanceUid.get(sopInstanceUid) ?? [];
  }

  /** Of an image or another object, and of all others of its study, by id. */
  sources(id: string): [id: string, source: InstanceSource][] {
    const all = [...[...this.#entries].map(([other, entry]) => ({ id: other, study: studyKey(entry), source: entry.source })), ...[...this.#objects.values()].map((one) => ({ id: one.object.id, study: objectKey(one), source: one.source }))];
    const study = all.find((one) => one.id === id)?.study;
    return all.flatMap((one) => (one.study === study ? [[one.id, one.source]] : []));
  }

  /** As `readInstance`. */
  async read(id: string): Promise<Uint8Array<ArrayBuffer>> {
    return readInstance(this.#entries.get(id)!.source, this.#budgets.fileBytes);
  }

  closeStudy(uid: string): void {
    for (const [id, entry] of this.#entries) {
      if (studyKey(entry) !== uid) continue;
      this.#entries.delete(id);
      const { sopInstanceUid } = entry.instance;
      const others = this.#bySopInstanceUid.get(sopInstanceUid)?.filter((other) => other !== id) ?? [];
      if (others.length > 0) this.#bySopInstanceUid.set(sopInstanceUid, others);
      else this.#bySopInstanceUid.delete(sopInstanceUid);
    }
    for (const [place, entry] of this.#objects) if (objectKey(entry) === uid) this.#objects.delete(place);
    for (const [key, id] of this.#byFile) if (!this.#entries.has(id)) this.#byFile.delete(key);
    if (this.#entries.size === 0 && this.#objects.size === 0) this.#problems.clear();
  }

  /** Study → series → instances; studies as opened, series and instances by number, then position, then name. */
  info(): LibraryInfo {
    const studies = new Map<string, StudyInfo>();
    for (const entry of this.#entries.values()) {
      const uid = studyKey(entry);
      const study = studies.get(uid) ?? { ...entry.study, uid, series: [], objects: [] };
      studies.set(uid, study);
      const seriesUid = entry.series.uid || entry.instance.id;
      let series = study.series.find((s) => s.uid === seriesUid);
      if (!series) study.series.push((series = { ...entry.series, uid: seriesUid, instances: [] }));
      series.instances.push(entry.instance);
    }
    for (const entry of this.#objects.values()) {
      const uid = objectKey(entry);
      const study = studies.get(uid) ?? { ...entry.study, uid, series: [], objects: [] };
      studies.set(uid, study);
      study.objects.push(entry.object);
    }
    for (const study of studies.values()) {
      study.objects.sort((a, b) => natural.compare(a.fileName, b.fileName));
      study.series.sort((a, b) => byNumber(a.number, b.number) || natural.compare(a.uid, b.uid));
      for (const { instances } of study.series) {
        instances.sort((a, b) => byNumber(a.instanceNumber, b.instanceNumber) || byNumber(a.slicePosition, b.slicePosition) || natural.compare(a.fileName, b.fileName));
      }
    }
    return { studies: [...studies.values()], problems: [...this.#problems.values()] };
  }
}

const natural = new Intl.Collator('en', { numeric: true });

/** An object without a Study Instance UID is a study of its own. */
const studyKey = ({ study, instance }: Entry): string => study.uid || instance.id;
const objectKey = ({ study, object }: ObjectEntry): string => study.uid || object.id;

/** One text for a file or a member of one. */
export const placeOf = ({ path, member }: InstanceSource): string => (member ? `${path}\u0001${member.at}` : path);
/** The file on the disk. */
export const pathOf = (place: string): string => place.split('\u0001')[0]!;

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Under the name and the id that it has now. An object without a SOP Instance UID has its id for one. */
function renamed(entry: Entry, id: string, fileName: string): Entry {
  const { instance } = entry;
  return { ...entry, instance: { ...instance, id, fileName, sopInstanceUid: instance.sopInstanceUid === instance.id ? id : instance.sopInstanceUid } };
}

const byNumber = (a: number | null, b: number | null): number => (a === b ? 0 : a === null ? 1 : b === null ? -1 : a - b);

const job = (file: FoundFile, listed: boolean, member: ZipMember | null = null): Job => ({ file, source: { path: member ? file.realPath.split('\0')[0]! : file.realPath, member }, listed, read: false, entry: null, object: null, problems: [], children: [] });

/** With its children; they are read in order, so that the last one tells the most. */
const isRead = ({ read, children }: Job): boolean => read && (children.length === 0 || (isRead(children.at(-1)!) && children.every(isRead)));

const isZip = (path: string): boolean => extname(path).toLowerCase() === '.zip';

/** As in a folder; `__MACOSX` holds what one system adds to every archive. */
const isHidden = (name: string): boolean => name.split('/').some((part) => part.startsWith('.') || part === '__MACOSX');

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** What a DICOMDIR lists; null for any other file. */
function directoryReferences(file: DicomFile): string[][] | null {
  try {
    return readDicomDir(file);
  } catch {
    return null;
  }
}
