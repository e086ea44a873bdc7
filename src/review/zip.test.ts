/** ZIP files: Python's zipfile writes them, damage is ours. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { random } from '../../test/support/qdq.ts';
import { smallDicom, smallDicomDir } from '../../test/support/small-dicom.ts';
import { TooLargeError } from '../engines/index.ts';
import { readInstance } from './instance-source.ts';
import { Library } from './library.ts';
import { readMember, ZipError, zipMembers } from './zip.ts';

let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'fabriclens-zip-')); });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const image = (n: number): Buffer => smallDicom({ sopInstanceUid: `1.2.3.${n}`, instanceNumber: n });

/** `how` is Python: what to do with the open ZipFile `z`. */
function zip(name: string, how: string, mode = 'zipfile.ZIP_DEFLATED'): string {
  const path = join(folder, name);
  execFileSync('python3', ['-c', `import zipfile\nwith zipfile.ZipFile(${JSON.stringify(path)}, 'w', ${mode}, allowZip64=True) as z:\n${how.split('\n').map((line) => `    ${line}`).join('\n')}`], { cwd: folder, timeout: 60_000 });
  return path;
}
const put = (name: string, bytes: Uint8Array): void => {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), bytes);
};

beforeAll(() => {
  for (const n of [1, 2, 3]) put(`im${n}`, image(n));
  put('DICOMDIR', smallDicomDir([['im1']]));
  put('notes.txt', Buffer.from('not an image'));
});

describe('opening', () => {
  test.each(['zipfile.ZIP_DEFLATED', 'zipfile.ZIP_STORED'])('members become instances, read again from the archive (%s)', async (mode) => {
    const path = zip(`study-${mode}.zip`, 'z.write("im2", "a/im2")\nz.write("im1", "a/b/im1")\nz.write("DICOMDIR")\nz.writestr("a/.hidden", "x")\nz.writestr("__MACOSX/im1", "x")\nz.write("notes.txt")', mode);
    const library = new Library();
    const opened = await library.open([path]);
    expect(opened.files.map((file) => file.path.slice(path.length + 1))).toEqual(['a/im2', 'a/b/im1']);
    expect(opened.problems.map(({ message }) => message)).toEqual([expect.stringMatching(/^notes\.txt: this is not a DICOM file/)]);
    const instances = library.info().studies[0]!.series[0]!.instances;
    expect(instances.map(({ fileName }) => fileName)).toEqual(['im1', 'im2']);
    expect(Buffer.from(await library.read(instances[0]!.id)).equals(image(1))).toBe(true);
    expect(Buffer.from(await readInstance(new Map(library.sources(instances[1]!.id)).get(instances[1]!.id)!)).equals(image(2))).toBe(true);
    expect((await library.open([path])).files.map(({ id }) => id).sort()).toEqual(opened.files.map(({ id }) => id).sort());
  });

  test('ZIP64, a name in UTF-8, one that climbs out: a name is only a name', async () => {
    const path = zip('names.zip', 'with z.open("胸部.dcm", "w", force_zip64=True) as f: f.write(open("im1", "rb").read())\nz.write("im2", "../../../etc/im2")');
    const library = new Library();
    const { files, problems } = await library.open([path]);
    expect([files.length, problems]).toEqual([1, []]);
    expect(library.info().studies[0]!.series[0]!.instances[0]!.fileName).toBe('胸部.dcm');
  });

  test('an archive within an archive, and one member too many, are named', async () => {
    zip('inner.zip', 'z.write("im1")');
    const path = zip('outer.zip', 'z.write("inner.zip")\nz.write("im2")\nz.write("im3")');
    const { files, problems } = await new Library().open([path]);
    expect(files).toHaveLength(2);
    expect(problems).toMatchObject([{ fileName: 'inner.zip', code: 'corrupt', message: expect.stringContaining('archive within an archive') as string }]);
    const few = await new Library({ files: 2, fileBytes: 1e6 }).open([path]);
    expect(few.problems).toMatchObject([{ code: 'too-large', message: 'outer.zip: it has 3 members, more than the 2 that are read at a time.' }]);
  });
});

describe('budgets and damage', () => {
  test('a bomb is refused by its ratio, a large member by its size, before anything is allocated', async () => {
    const path = zip('bomb.zip', 'z.writestr("bomb", bytes(100 << 20))');
    const [member] = await zipMembers(path, 10);
    await expect(readMember(path, member!, 2 ** 30)).rejects.toThrow(/to \d+ times its size.*made to exhaust memory/);
    await expect(readMember(path, { ...member!, packed: 0 }, 2 ** 30)).rejects.toThrow(/from nothing.*made to exhaust memory/);
    await expect(readMember(path, member!, 2 ** 20)).rejects.toBeInstanceOf(TooLargeError);
    // One that lies about its size is inflated no further than that.
    await expect(readMember(path, { ...member!, size: 1000 }, 2 ** 30)).rejects.toThrow(/inflated to the size/);
    await expect(readMember(path, { ...member!, size: 1000, packed: 2 ** 20 + 1 }, 2 ** 20)).rejects.toBeInstanceOf(TooLargeError);
  });

  test('encrypted members and other methods are named', async () => {
    const path = zip('bzip2.zip', 'z.write("im1")', 'zipfile.ZIP_BZIP2');
    const [member] = await zipMembers(path, 10);
    await expect(readMember(path, member!, 2 ** 30)).rejects.toThrow(/method 12/);
    await expect(readMember(path, { ...member!, encrypted: true }, 2 ** 30)).rejects.toThrow(/encrypted/);
  });

  test('damaged anywhere: the members, or an error of ours', { timeout: 120_000 }, async () => {
    const whole = readFileSync(zip('whole.zip', 'z.write("im1")\nz.write("im2")'));
    const path = join(folder, 'damaged.zip');
    const next = random(3);
    let [read, refused] = [0, 0];
    for (let n = 0; n < 400; n++) {
      const bytes = Buffer.from(n % 4 === 0 ? whole.subarray(0, Math.floor(next() * whole.length)) : whole);
      for (let left = 0; left < (n % 2 === 0 ? 3 : 1) && bytes.length > 0; left++) bytes[next() < 0.5 ? Math.floor(next() * bytes.length) : Math.max(0, bytes.length - 1 - Math.floor(next() * 200))] = Math.floor(next() * 256);
      writeFileSync(path, bytes);
      try {
        for (const member of await zipMembers(path, 100)) await readMember(path, member, 2 ** 24);
        read++;
      } catch (error) {
        if (!(error instanceof ZipError || error instanceof TooLargeError)) throw error;
        refused++;
      }
    }
    expect(read).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(100);
  });
});
