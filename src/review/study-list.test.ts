import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildForTest } from '../../test/support/build.ts';
import { IMAGE, writeDicom } from '../../test/support/dicom-writer.ts';
import { smallDicom, type SmallImage } from '../../test/support/small-dicom.ts';
import type { StudyPage, StudyQuery } from '../contract/studies.ts';
import { Library, type Entry, type Opened } from './library.ts';
import { StudyList } from './study-list.ts';

let folder: string;
let database: string;
const lists: StudyList[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-list-'));
  database = join(folder, 'studies.db');
});
afterEach(() => {
  for (const list of lists.splice(0)) list.close();
  rmSync(folder, { recursive: true, force: true });
});

function opened(path: string | null = database, software = 'FabricLens test'): StudyList {
  const list = new StudyList(path, software);
  lists.push(list);
  return list;
}
function put(name: string, image: SmallImage = {}): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, smallDicom({ sopInstanceUid: `1.2.3.${[...name].map((c) => c.charCodeAt(0)).join('.')}`, ...image }));
  return path;
}
const add = (list: StudyList, ...paths: string[]): Promise<Opened & { copies: number }> => list.import({}, (hooks) => new Library().open(paths, hooks));
const ask: StudyQuery = { text: '', sort: 'date', descending: true, limit: 100 };
const search = (list: StudyList, query: Partial<StudyQuery> = {}): StudyPage => list.search({ ...ask, ...query });
const uids = (page: StudyPage): string[] => page.rows.map(({ uid }) => uid);

describe('the list', () => {
  test('survives a restart, with what it knows of each study, and only its owner can read it', async () => {
    put('a/1', { studyUid: '1.1', seriesUid: '1.1.1', modality: 'CT' });
    put('a/2', { studyUid: '1.1', seriesUid: '1.1.2', modality: 'MR' });
    put('b/1', { studyUid: '1.2', seriesUid: '1.2.1', patientName: 'Other^Body' });
    const before = opened();
    await add(before, join(folder, 'a'), join(folder, 'b'));
    const rows = search(before);
    before.close();
    const after = opened();
    expect(search(after)).toEqual(rows);
    expect(rows).toMatchObject({ total: 2, all: 2, state: 'kept' });
    expect(rows.rows.find(({ uid }) => uid === '1.1')).toMatchObject({ patientName: { alphabetic: 'Secret^Person' }, patientId: 'ID-1', modalities: ['CT', 'MR'], series: 2, images: 2, copies: 0, missing: 0, results: 0 });
    for (const name of readdirSync(folder).filter((entry) => entry.startsWith('studies'))) expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600);
  });

  test('is found by any part of name, id, date, modality and description, in any script and case', async () => {
    const list = opened();
    put('a', { studyUid: '1.1', seriesUid: '1', patientName: 'Müller^Anna', modality: 'CT' });
    put('b', { studyUid: '1.2', seriesUid: '2', patientName: 'Yamada^Tarou', modality: 'MR' });
    await add(list, join(folder, 'a'), join(folder, 'b'));
    const found = (text: string): string[] => uids(search(list, { text })).sort();
    expect(found('mull')).toEqual(['1.1']);
    expect(found('ANNA, müller')).toEqual(['1.1']);
    expect(found('müller^anna')).toEqual(['1.1']);
    expect(found('an')).toEqual(['1.1']);
    expect(found('ct')).toEqual(['1.1']);
    expect(found('tarou mr')).toEqual(['1.2']);
    expect(found('tarou ct')).toEqual([]);
    expect(found('id-1')).toEqual(['1.1', '1.2']);
    expect(found('" OR "')).toEqual([]);
    expect(found("%_*'")).toEqual([]);
  });

  test('is sorted as asked, and no more comes than was asked for', async () => {
    const list = opened();
    for (const [name, patientName] of [['a', 'Cé'], ['b', 'Ad'], ['c', 'Be']] as const) put(name, { studyUid: name, seriesUid: name, patientName });
    await add(list, join(folder, 'a'), join(folder, 'b'), join(folder, 'c'));
    expect(uids(search(list, { sort: 'name', descending: false }))).toEqual(['b', 'c', 'a']);
    expect(uids(search(list, { sort: 'name', descending: true }))).toEqual(['a', 'c', 'b']);
    expect(search(list, { sort: 'name', descending: false, limit: 2 })).toMatchObject({ rows: [{ uid: 'b' }, { uid: 'c' }], total: 3 });
  });

  test('removing a study takes its words off the disk and leaves its files', async () => {
    const path = put('a', { patientName: 'Unmistakable^Person' });
    const list = opened();
    await add(list, path);
    const words = ['Unmistakable', 'unmistakable', path];
    const onDisk = (): string[] => words.filter((word) => readdirSync(folder).some((name) => name.startsWith('studies') && readFileSync(join(folder, name)).includes(word)));
    expect(onDisk()).toEqual(words);
    list.remove('1.2.3.4');
    expect(search(list)).toMatchObject({ total: 0, all: 0 });
    expect(onDisk()).toEqual([]);
    expect(existsSync(path)).toBe(true);
  });

  test('in memory nothing reaches the disk; what was kept goes when it is turned off', async () => {
    const path = put('a');
    const list = opened();
    await add(list, path);
    list.use(null, database);
    expect(readdirSync(folder)).toEqual(['a']);
    expect(search(list)).toMatchObject({ total: 0, state: 'session' });
    await add(list, path);
    expect(search(list).total).toBe(1);
    expect(readdirSync(folder)).toEqual(['a']);
    list.use(database);
    expect(search(list)).toMatchObject({ total: 0, state: 'kept' });
  });
});

describe('files', () => {
  test('that have not changed are not read again; those that have are', async () => {
    const paths = [put('a', { studyUid: '1.1' }), put('b', { studyUid: '1.1' })];
    const list = opened();
    await add(list, ...paths);
    const read: string[] = [];
    const again = (): Promise<Opened & { copies: number }> => list.import({}, (hooks) => new Library().open(paths, { ...hooks, onRead: (entry) => { read.push(entry.instance.fileName); hooks.onRead!(entry); } }));
    expect((await again()).files).toHaveLength(2);
    expect(read).toEqual([]);
    put('b', { studyUid: '1.1', patientName: 'Another^Name' });
    utimesSync(paths[1]!, new Date(), new Date(Date.now() + 10_000));
    expect((await again()).copies).toBe(0);
    expect(read).toEqual(['b']);
    expect(search(list).rows).toMatchObject([{ patientName: { alphabetic: 'Another^Name' }, images: 2, copies: 0 }]);
    list.close();
    const newer = opened(database, 'FabricLens next');
    read.length = 0;
    await newer.import({}, (hooks) => new Library().open(paths, { ...hooks, onRead: (entry) => read.push(entry.instance.fileName) }));
    expect(read.sort()).toEqual(['a', 'b']);
  });

  test('a copy is shown once and counted; another file under the same UID is another image, and said', async () => {
    put('one/a'); put('two/copy', { sopInstanceUid: '1.2.3.111.110.101.47.97' });
    put('three/other', { sopInstanceUid: '1.2.3.111.110.101.47.97', pixel: () => 7 });
    const list = opened();
    const library = new Library();
    const result = await list.import({}, (hooks) => library.open([join(folder, 'one'), join(folder, 'two'), join(folder, 'three')], hooks));
    expect(result).toMatchObject({ images: 3, copies: 1, problems: [{ fileName: 'other', code: 'same-uid', message: 'other: its SOP Instance UID is also that of a, but the files differ; both are shown.' }] });
    expect(library.info().studies[0]!.series[0]!.instances.map(({ fileName }) => fileName).sort()).toEqual(['a', 'other']);
    expect(search(list).rows).toMatchObject([{ images: 2, copies: 1 }]);
    library.closeStudy('1.2.3.4');
    expect(library.info().studies).toEqual([]);
  });

  test('that are gone are said; opening their new place mends it', async () => {
    put('old/a'); put('old/b');
    const list = opened();
    await add(list, join(folder, 'old'));
    renameSync(join(folder, 'old'), join(folder, 'new'));
    expect((await list.files('1.2.3.4')).missing.sort()).toEqual([join(folder, 'old/a'), join(folder, 'old/b')]);
    expect(search(list).rows).toMatchObject([{ images: 2, missing: 2 }]);
    expect((await add(list, join(folder, 'new'))).copies).toBe(0);
    expect(search(list).rows).toMatchObject([{ images: 2, missing: 0, copies: 0 }]);
    expect((await list.files('1.2.3.4')).there.sort()).toEqual([join(folder, 'new/a'), join(folder, 'new/b')]);
  });

  test('that come back at their place are there again', async () => {
    const path = put('a');
    const list = opened();
    await add(list, path);
    renameSync(path, `${path}.away`);
    expect((await list.files('1.2.3.4')).missing).toEqual([path]);
    renameSync(`${path}.away`, path);
    expect(await list.files('1.2.3.4')).toEqual({ there: [path], missing: [] });
    expect(search(list).rows[0]!.missing).toBe(0);
  });

  test('of other studies than the first are listed but not opened, once enough images are open', async () => {
    for (let i = 0; i < 6; i++) put(`s${i >> 1}/${i}`, { studyUid: `1.${i >> 1}`, seriesUid: `1.${i >> 1}.1` });
    const list = opened();
    const library = new Library();
    const result = await list.import({ keepOpen: 3 }, (hooks) => library.open([folder], hooks));
    expect(result.images).toBe(6);
    expect(result.files).toHaveLength(4);
    expect(library.info().studies.map(({ uid }) => uid)).toEqual(['1.0', '1.1']);
    expect(search(list).total).toBe(3);
  });

  test('what was read before a cancel stays on the list', async () => {
    for (let i = 0; i < 40; i++) put(`${i}`);
    const list = opened();
    const abort = new AbortController();
    const importing = list.import({ signal: abort.signal, onProgress: ({ done }) => { if (done === 10) abort.abort(); } }, (hooks) => new Library().open([folder], hooks));
    await expect(importing).rejects.toThrow();
    const { images } = search(list).rows[0]!;
    expect(images).toBeGreaterThanOrEqual(9);
    expect(images).toBeLessThan(40);
  });
});

describe('beside the images', () => {
  const report = (name: string, study: string): string => {
    const path = join(folder, name);
    const none = Object.fromEntries(Object.keys(IMAGE).map((tag) => [tag, null]));
    writeFileSync(path, writeDicom({ elements: { ...none, '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.88.33'], '00080018': ['UI', `1.2.88.${name.length}`], '00080060': ['CS', 'SR'], '0020000D': ['UI', study] } }));
    return path;
  };
  test('objects without an image are on the list with their study, are no images of it, and come again when it is opened', async () => {
    const list = opened();
    await add(list, put('image', { studyUid: '1.1', modality: 'CT' }), report('report', '1.1'), report('lone report', '1.2'));
    list.close();
    const after = opened();
    expect(search(after).rows.map(({ uid, images, objects, copies, modalities }) => ({ uid, images, objects, copies, modalities }))).toEqual(expect.arrayContaining([
      { uid: '1.1', images: 1, objects: 1, copies: 0, modalities: ['CT', 'SR'] }, { uid: '1.2', images: 0, objects: 1, copies: 0, modalities: ['SR'] },
    ]));
    const library = new Library();
    for (let i = 0; i < 2; i++) await after.import({}, async (hooks) => library.open((await after.files('1.2')).there, hooks));
    const { studies, problems } = library.info();
    expect(studies).toMatchObject([{ uid: '1.2', series: [], objects: [{ name: 'Comprehensive SR', fileName: 'lone report', modality: 'SR' }] }]);
    expect(problems).toEqual([]);
    const { id } = studies[0]!.objects[0]!;
    expect(new Map(library.sources(id)).get(id)?.path).toMatch(/lone report$/);
    library.closeStudy('1.2');
    expect(library.info().studies).toEqual([]);
  });

  test('key images outlive the session, and go with their study and with the list', async () => {
    const path = put('a', { studyUid: '1.1', frames: 3 });
    const entryOf = async (list: StudyList): Promise<Entry> => {
      const library = new Library();
      await list.import({}, (hooks) => library.open([path], hooks));
      return library.entry(library.info().studies[0]!.series[0]!.instances[0]!.id)!;
    };
    const list = opened();
    const entry = await entryOf(list);
    for (const [frame, on] of [[2, true], [0, true], [1, true], [1, false], [2, true]] as const) list.mark({ entry, frame }, on);
    list.close();
    const after = opened();
    const { sopInstanceUid } = entry.instance;
    expect(after.marked()).toEqual([{ sopInstanceUid, frame: 2 }, { sopInstanceUid, frame: 0 }]);
    after.remove('1.1');
    expect(after.marked()).toEqual([]);
    after.mark({ entry: await entryOf(after), frame: 1 }, true);
    expect(after.marked()).toHaveLength(1);
    after.clear(database);
    expect(after.marked()).toEqual([]);
  });
});

describe('a list that meets trouble', () => {
  test('killed in the middle of an import, it has what was written and opens as before', { timeout: 120_000 }, async () => {
    for (let i = 0; i < 1500; i++) put(`in/${i}`, { instanceNumber: i });
    const script = fileURLToPath(await buildForTest('test/support/import-studies.ts'));
    const child = spawn(process.execPath, [script, database, join(folder, 'in')], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 });
    const said: number[] = [];
    for await (const line of createInterface(child.stdout)) {
      expect(line).not.toBe('done');
      said.push(Number(line));
      if (said.length === 2) break;
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    const list = opened();
    const page = search(list);
    expect(page).toMatchObject({ state: 'kept', total: 1 });
    expect(page.rows[0]!.images).toBeGreaterThanOrEqual(said[1]!);
    expect(said[1]).toBeGreaterThan(0);
    await add(list, join(folder, 'in'));
    expect(search(list).rows).toMatchObject([{ images: 1500, copies: 0, missing: 0 }]);
  });

  test.each([
    ['is no database', (path: string) => writeFileSync(path, 'Once a database, now a letter. '.repeat(500))],
    ['has a damaged page', (path: string) => { const bytes = readFileSync(path); bytes.fill(0xff, 4096, bytes.length); writeFileSync(path, bytes); }],
  ])('a file that %s is set aside and said; a new one is begun', async (_, damage) => {
    const path = put('a');
    const before = opened();
    await add(before, path);
    before.close();
    damage(database);
    const bytes = readFileSync(database);
    const list = opened();
    const page = search(list);
    expect(page).toMatchObject({ state: 'damaged', total: 0, detail: expect.stringMatching(/^studies\.damaged-\d{8}T\d{6}Z\.db$/) as string });
    expect(readFileSync(join(folder, page.detail))).toEqual(bytes);
    await add(list, path);
    list.close();
    expect(search(opened())).toMatchObject({ state: 'kept', total: 1 });
  });

  test('a list of the version before is taken along', async () => {
    const before = opened();
    await add(before, put('a'));
    before.close();
    const { DatabaseSync } = await import('@photostructure/sqlite');
    const db = new DatabaseSync(database);
    db.exec('DROP TABLE key_images; ALTER TABLE files DROP COLUMN image; ALTER TABLE studies DROP COLUMN objects; PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE)');
    db.close();
    const list = opened();
    expect(search(list)).toMatchObject({ state: 'kept', rows: [{ images: 1, objects: 0 }] });
    expect(list.marked()).toEqual([]);
    await add(list, join(folder, 'a'));
    expect(search(list)).toMatchObject({ rows: [{ images: 1, copies: 0 }] });
  });

  test('a list of a later version stays as it is; this session has one in memory', async () => {
    const before = opened();
    before.close();
    const { DatabaseSync } = await import('@photostructure/sqlite');
    const db = new DatabaseSync(database);
    db.exec('PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)');
    db.close();
    const list = opened();
    await add(list, put('a'));
    expect(search(list)).toMatchObject({ state: 'newer', detail: 'studies.db', total: 1 });
    const again = new DatabaseSync(database);
    expect(again.prepare('SELECT count(*) AS n FROM studies').get()).toMatchObject({ n: 0 });
    again.close();
  });

  test('a place that cannot be written is said, and images open all the same', async () => {
    const list = opened(join(folder, 'nowhere', 'studies.db'));
    expect(search(list)).toMatchObject({ state: 'unavailable', detail: expect.stringContaining('ENOENT') as string });
    expect((await add(list, put('a'))).files).toHaveLength(1);
    expect(search(list).total).toBe(1);
  });

  test('a row that is damaged, or that another version wrote otherwise, hides no other and keeps nothing out', async () => {
    const before = opened();
    await add(before, put('a', { studyUid: '1.1' }), put('b', { studyUid: '1.2' }), put('c', { studyUid: '1.3', patientName: 'Other^Body' }));
    before.close();
    const { DatabaseSync } = await import('@photostructure/sqlite');
    const db = new DatabaseSync(database);
    db.exec(`UPDATE studies SET info = '{"patientName":' WHERE uid = '1.1'; UPDATE studies SET info = '[]' WHERE uid = '1.2'`);
    db.close();
    const list = opened();
    const page = search(list, { sort: 'name', descending: false });
    expect([...uids(page)].sort()).toEqual(['1.1', '1.2', '1.3']);
    expect(page.rows.find(({ uid }) => uid === '1.1')).toMatchObject({ patientName: { alphabetic: '' }, images: 1 });
    expect(page.rows.find(({ uid }) => uid === '1.3')).toMatchObject({ patientName: { alphabetic: 'Other^Body' } });
    // Another file of the damaged study, and one of a new study, in one batch.
    await add(list, put('d', { studyUid: '1.1' }), put('e', { studyUid: '1.4' }));
    expect(search(list)).toMatchObject({ state: 'kept', total: 4 });
  });

  test('a write that fails costs the list and not the import, and is said', async () => {
    const list = opened();
    const { DatabaseSync } = await import('@photostructure/sqlite');
    const other = new DatabaseSync(database);
    other.exec('BEGIN IMMEDIATE'); // As long as another holds it, nothing is written.
    const result = await add(list, put('a'));
    expect(result.files).toHaveLength(1);
    expect(search(list)).toMatchObject({ state: 'failed', detail: 'database is locked' });
    other.exec('ROLLBACK');
    other.close();
    await add(list, put('b'));
    expect(search(list)).toMatchObject({ state: 'kept', total: 1 });
  });
});
