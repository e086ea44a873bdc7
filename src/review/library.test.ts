import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { smallDicom, smallDicomDir } from '../../test/support/small-dicom.ts';
import { Library } from './library.ts';

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'fabriclens-library-')); });
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(name: string, content: Buffer | string = smallDicom({ sopInstanceUid: `1.2.3.4.${name.length}.${[...name].reduce((s, c) => s + c.charCodeAt(0), 0)}` })): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  return path;
}
const names = (opened: { files: { path: string }[] }): string[] => opened.files.map(({ path }) => path.slice(folder.length + 1));

describe('opening', () => {
  test('files in the order named, folders in natural order, hidden files passed over', async () => {
    put('a/im10.dcm'); put('a/im9.dcm'); put('a/.hidden.dcm'); put('a/b/im1.dcm'); put('z.dcm');
    const opened = await new Library().open([join(folder, 'z.dcm'), join(folder, 'a')]);
    expect(names(opened)).toEqual(['z.dcm', 'a/b/im1.dcm', 'a/im9.dcm', 'a/im10.dcm']);
    expect(opened.problems).toEqual([]);
  });

  test('the first images are open while others are still being read, and never another before them', async () => {
    const paths = Array.from({ length: 30 }, (_, i) => put(`im${i}.dcm`, smallDicom({ sopInstanceUid: `1.2.3.4.${i}`, instanceNumber: i, ...(i === 0 ? { rows: 2000, columns: 1000 } : {}) })));
    const library = new Library();
    const seen: string[][] = [];
    await library.open(paths, { onOpened: () => seen.push(library.info().studies[0]!.series[0]!.instances.map(({ fileName }) => fileName)) });
    const all = paths.map((_, i) => `im${i}.dcm`);
    for (const some of seen) expect(some).toEqual(all.slice(0, some.length));
    expect(seen.at(-1)).toEqual(all);
    expect(seen.length).toBeGreaterThan(1);
  });

  test('an image has the id that was wished for it, unless another image has that', async () => {
    const [a, b] = [put('a.dcm'), put('b.dcm', smallDicom({ sopInstanceUid: '1.2.3.4.2' }))];
    const library = new Library();
    const idsOf = async (paths: string[], ids: Record<string, string>): Promise<string[]> => (await library.open(paths, { idOf: (path) => ids[path] })).files.map(({ id }) => id);
    expect(await idsOf([a], { [a]: 'wished' })).toEqual(['wished']);
    // The same image again: it has its id.
    expect(await idsOf([a], { [a]: 'another' })).toEqual(['wished']);
    const [second] = await idsOf([b], { [b]: 'wished' });
    expect(second).not.toBe('wished');
    expect([library.entry('wished')!.instance.fileName, library.entry(second!)!.instance.fileName]).toEqual(['a.dcm', 'b.dcm']);
  });

  test('each bad file is named with its cause and the others still open', async () => {
    put('good.dcm');
    put('text.dcm', 'not an image at all');
    put('empty.dcm', '');
    truncateSync(put('cut.dcm'), 200);
    const library = new Library();
    const opened = await library.open([folder, join(folder, 'nowhere.dcm')]);
    expect(names(opened)).toEqual(['good.dcm']);
    const problems = Object.fromEntries(opened.problems.map((p) => [p.fileName, p]));
    expect(Object.keys(problems).sort()).toEqual(['cut.dcm', 'empty.dcm', 'nowhere.dcm', 'text.dcm']);
    expect(problems['text.dcm']).toMatchObject({ code: 'not-dicom', message: expect.stringMatching(/^text\.dcm: /) as string });
    expect(problems['empty.dcm']).toMatchObject({ code: 'not-dicom' });
    expect(problems['nowhere.dcm']).toMatchObject({ code: 'unreadable', message: 'nowhere.dcm cannot be read: there is no such file.' });
    expect(library.info().problems).toHaveLength(4);
    for (const { message } of opened.problems) expect(message).not.toMatch(/Secret|\.\.$/);
  });

  test('links cannot loop, and one file by two ways is one image', async () => {
    const path = put('a/im.dcm');
    symlinkSync('..', join(folder, 'a/up'));
    symlinkSync(path, join(folder, 'other.dcm'));
    const library = new Library();
    expect((await library.open([folder])).files).toHaveLength(1);
    const again = await library.open([join(folder, 'other.dcm'), path]);
    expect(again.files).toHaveLength(1);
    expect(library.info().studies[0]!.series[0]!.instances).toHaveLength(1);
  });

  test('a pipe or a directory that is no file does not hang', async () => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    const opened = await new Library().open([join(folder, 'pipe')]);
    expect(opened.problems).toMatchObject([{ fileName: 'pipe', message: 'pipe is neither a file nor a folder.' }]);
  });

  test('budgets: a file too large and too many files', async () => {
    put('a.dcm'); put('b.dcm'); put('c.dcm');
    const small = await new Library({ files: 10, fileBytes: 100 }).open([join(folder, 'a.dcm')]);
    expect(small.problems).toMatchObject([{ code: 'too-large', message: expect.stringMatching(/^a\.dcm: it has 1 MiB, more than/) as string }]);
    const few = await new Library({ files: 2, fileBytes: 1e6 }).open([folder]);
    expect(few.files).toHaveLength(2);
    expect(few.problems).toMatchObject([{ code: 'too-large', message: expect.stringContaining('More than 2 files') as string }]);
  });

  test('reports progress to its end and stops when told, keeping what it read', async () => {
    for (let i = 0; i < 30; i++) put(`im${i}.dcm`, smallDicom({ sopInstanceUid: `1.2.3.${i}` }));
    const seen: number[] = [];
    await new Library().open([folder], { onProgress: ({ done, total }) => { expect(total).toBe(30); seen.push(done); } });
    expect(seen).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    put('a-text.dcm', 'no image');
    const library = new Library();
    const abort = new AbortController();
    await expect(library.open([folder], { signal: abort.signal, onProgress: ({ done }) => { if (done === 6) abort.abort(); } })).rejects.toThrow();
    const { studies, problems } = library.info();
    const kept = studies[0]!.series[0]!.instances.length;
    expect(kept).toBeGreaterThanOrEqual(5);
    expect(kept).toBeLessThan(30);
    expect(problems.map((p) => p.fileName)).toEqual(['a-text.dcm']);
    await new Promise((done) => setTimeout(done, 50)); // a reader that went on would add another
    expect(library.info().studies[0]!.series[0]!.instances).toHaveLength(kept);
  });
});

describe('DICOMDIR', () => {
  test('expands to what it lists; a missing and an escaping reference are named', async () => {
    put('disc/IMG/A'); put('disc/IMG/B'); put('outside.dcm');
    symlinkSync(join(folder, 'outside.dcm'), join(folder, 'disc/IMG/OUT'));
    const path = put('disc/DICOMDIR', smallDicomDir([['IMG', 'A'], ['IMG', 'B'], ['IMG', 'GONE'], ['IMG', 'OUT']]));
    const opened = await new Library().open([path]);
    expect(names(opened)).toEqual(['disc/IMG/A', 'disc/IMG/B']);
    expect(opened.problems.map((p) => p.message)).toEqual([
      'DICOMDIR: it lists IMG/GONE: there is no such file.',
      'DICOMDIR: it lists IMG/OUT, which lies outside its folder.',
    ]);
  });

  test('many of them together stay within the budget of files', async () => {
    const images = Array.from({ length: 6 }, (_, i) => ['IMG', `I${i}`]);
    for (const parts of images) put(`disc/${parts.join('/')}`);
    put('disc/DICOMDIR', smallDicomDir(images.slice(0, 3)));
    put('disc/SECOND', smallDicomDir(images.slice(3)));
    const opened = await new Library({ files: 5, fileBytes: 1e6 }).open([join(folder, 'disc/DICOMDIR'), join(folder, 'disc/SECOND')]);
    expect(opened.files).toHaveLength(3);
    expect(opened.problems.length).toBeGreaterThan(0);
    for (const problem of opened.problems) expect(problem).toMatchObject({ code: 'too-large', message: expect.stringMatching(/^(DICOMDIR|SECOND): .*more than the 5/) as string });
  });

  test('in an opened folder it adds nothing twice', async () => {
    put('IMG/A');
    put('DICOMDIR', smallDicomDir([['IMG', 'A']]));
    const opened = await new Library().open([folder]);
    expect(names(opened)).toEqual(['IMG/A']);
    expect(opened.problems).toEqual([]);
  });
});

describe('grouping', () => {
  test('study → series by number → instances by number; closing a study forgets it', async () => {
    const add = (name: string, image: Parameters<typeof smallDicom>[0]): string => put(name, smallDicom({ sopInstanceUid: `1.9.${name}`, ...image }));
    add('1', { studyUid: '1.1', seriesUid: '1.1.2', seriesNumber: 10, instanceNumber: 2 });
    add('2', { studyUid: '1.1', seriesUid: '1.1.2', seriesNumber: 10, instanceNumber: 1 });
    add('3', { studyUid: '1.1', seriesUid: '1.1.1', seriesNumber: 9 });
    add('4', { studyUid: '1.2', seriesUid: '1.2.1' });
    const library = new Library();
    await library.open([folder]);
    const shape = library.info().studies.map((s) => [s.uid, s.series.map((e) => [e.number, e.instances.map((i) => i.fileName)])]);
    expect(shape).toEqual([['1.1', [[9, ['3']], [10, ['2', '1']]]], ['1.2', [[1, ['4']]]]]);
    const { id } = library.info().studies[0]!.series[0]!.instances[0]!;
    expect(new Map(library.sources(id)).get(id)?.path).toMatch(/3$/);
    expect(library.sources(id)).toHaveLength(3);
    library.closeStudy('1.1');
    expect(library.info().studies.map((s) => s.uid)).toEqual(['1.2']);
    expect(library.sources(id)).toEqual([]);
  });

  test('studies stand in the order of their files, however long each takes to read', async () => {
    put('1', smallDicom({ studyUid: '1.1', seriesUid: '1.1.1', sopInstanceUid: '1.1.1.1', rows: 2000, columns: 2000 }));
    put('2', smallDicom({ studyUid: '1.2', seriesUid: '1.2.1', sopInstanceUid: '1.2.1.1' }));
    const library = new Library();
    await library.open([folder]);
    expect(library.info().studies.map((s) => s.uid)).toEqual(['1.1', '1.2']);
  });

  test('objects without UIDs are studies of their own', async () => {
    put('x', smallDicom({ sopInstanceUid: '', studyUid: '', seriesUid: '' }));
    put('y', smallDicom({ sopInstanceUid: '', studyUid: '', seriesUid: '' }));
    const library = new Library();
    await library.open([folder]);
    await library.open([folder]);
    expect(library.info().studies).toHaveLength(2);
  });
});
