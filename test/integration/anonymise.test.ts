/** Everything that a reader may export without whom it is of, read by others: DCMTK reads the files and shows the same pixels; dicom3tools finds no fault that the original has not. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { smallDicom } from '../support/small-dicom.ts';
import { anonymiseInto, type Anonymisable } from '../../src/review/index.ts';
import { attributeOf } from '../../src/dicom/dictionary.ts';
import { parseDicom } from '../../src/dicom/index.ts';
import { syntheticFiles } from '../conformance/synthetic.ts';
import { dataPath, hasData, ROOT } from '../support/data.ts';
import { dcmtk, dcmtkVersion } from '../support/dcmtk.ts';

const scratch = mkdtempSync(join(tmpdir(), 'fabriclens-anonymise-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const image = (path: string): Anonymisable => ({ fileName: path, read: () => Promise.resolve(new Uint8Array(readFileSync(path))) });

/** Each file in a folder of its own, so that copies under one UID are no copies. @returns paths of the written by those of the originals */
async function exported(paths: readonly string[], name: string): Promise<{ written: Map<string, string>; refused: Map<string, string> }> {
  const written = new Map<string, string>();
  const refused = new Map<string, string>();
  for (const [i, path] of paths.entries()) {
    const folder = join(scratch, name, String(i));
    const { failed, held } = await anonymiseInto(folder, [image(path)], { keepDates: false, keepPatient: false, includeHeld: true }, 'FabricLens test');
    const [file] = readdirSync(folder);
    if (file) written.set(path, join(folder, file));
    else refused.set(path, failed[0]!.code);
    expect(held).toEqual([]);
  }
  return { written, refused };
}

/** Names, numbers and dates of a person as the file has them, of its first level. Descriptions are not looked for: the codes of a procedure stay, and may have the same words; a maker's name stays too. */
function identityOf(bytes: Uint8Array): string[] {
  const { dataSet } = parseDicom(bytes);
  return ['00100010', '00100020', '00100030', '00080050', '00080080', '00080081', '00080090', '00081010', '00081070', '0020000d', '0020000e', '00080018', '00200010'].flatMap((tag) => {
    const id = Number.parseInt(tag, 16);
    return dataSet.texts({ id, vr: attributeOf(id)!.vr });
  }).filter((value) => value.length >= 7 && value !== '19000101' && !dataSet.string({ id: 0x00080070, vr: 'LO' }).includes(value));
}

async function check(written: ReadonlyMap<string, string>): Promise<void> {
  expect(dcmtkVersion).not.toBeNull();
  const out = [...written.values()];
  // dcmftest says "yes: FILE" of each Part 10 file.
  const said = execFileSync('dcmftest', out, { encoding: 'utf8', timeout: 120_000 });
  expect(said.split('\n').filter((line) => line !== '' && !line.startsWith('yes:'))).toEqual([]);
  for (const [path, copy] of written) {
    const [before, after] = [new Uint8Array(readFileSync(path)), readFileSync(copy)];
    const dump = spawnSync('dcmdump', ['-q', '+P', '0012,0062', '+P', '0028,0303', copy], { encoding: 'utf8', timeout: 60_000 });
    expect([dump.status, dump.stderr, dump.stdout.includes('[YES]'), dump.stdout.includes('[REMOVED]')], path).toEqual([0, '', true, true]);
    const inside = Buffer.from(parseDicom(after).dataSet.source.bytes);
    expect(identityOf(before).filter((value) => after.includes(value) || inside.includes(value)), path).toEqual([]);
    // The same picture (without overlays, which go), by a reader of its own, wherever it shows the original.
    const picture = (file: string): Promise<Buffer | null> => dcmtk('dcmj2pnm', ['-q', '+Wm', '-O', '+F', '1', '--write-raw-pnm', file]);
    const shown = await picture(path);
    if (shown) expect((await picture(copy))?.equals(shown), path).toBe(true);
  }
}

test('files of our own in every encoding, and the samples that are shipped', { timeout: 400_000 }, async () => {
  const made = (await syntheticFiles(join(scratch, 'made'))).map(({ path }) => path);
  const samples = ['chest-synthetic', 'ct-synthetic'].flatMap((name) => readdirSync(join(ROOT, 'models/samples', name)).filter((file) => file.endsWith('.dcm')).map((file) => join(ROOT, 'models/samples', name, file)));
  const { written, refused } = await exported([...made, ...samples], 'ours');
  expect(written.size).toBeGreaterThan(130);
  expect([...new Set(refused.values())].sort()).toEqual(['no-image', 'truncated']);
  await check(written);
});

describe.skipIf(!hasData('dicom'))('files of others (../shared/data)', () => {
  test('are written whole or refused by name', { timeout: 600_000 }, async () => {
    const paths = readdirSync(dataPath('dicom')).filter((name) => name !== 'MANIFEST.tsv').map((name) => dataPath('dicom', name));
    const { written, refused } = await exported(paths, 'others');
    expect(written.size).toBeGreaterThan(100);
    expect([...new Set(refused.values())].filter((code) => !['no-image', 'truncated', 'corrupt', 'not-dicom'].includes(code))).toEqual([]);
    await check(written);
  });
});

test('dciodvfy finds no error that the original has not', { timeout: 120_000 }, async () => {
  const paths = ['chest-synthetic/clear-1.dcm', 'ct-synthetic/slice-01.dcm'].map((name) => join(ROOT, 'models/samples', name));
  const { written } = await exported(paths, 'valid');
  const errors = (path: string): string[] => spawnSync('dciodvfy', [path], { encoding: 'utf8', timeout: 60_000 }).stderr.split('\n').filter((line) => line.startsWith('Error'));
  expect(written.size).toBe(paths.length);
  for (const [path, copy] of written) expect(errors(copy).filter((error) => !errors(path).includes(error))).toEqual([]);
});

test('from the command line: what is written, held back and refused, and why', { timeout: 300_000 }, () => {
  const folder = join(scratch, 'cli');
  mkdirSync(folder);
  writeFileSync(join(folder, 'a.dcm'), smallDicom({ sopInstanceUid: '1.2.3.1' }));
  writeFileSync(join(folder, 'b.dcm'), smallDicom({ sopInstanceUid: '1.2.3.2', modality: 'US' }));
  writeFileSync(join(folder, 'c.dcm'), 'no DICOM');
  const run = (...args: string[]): { code: number | null; lines: Record<string, unknown>[]; text: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/fabriclens.mjs'), 'anonymise', folder, ...args], { encoding: 'utf8', timeout: 120_000 });
    return { code: status, lines: args.includes('--json') ? stdout.trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>) : [], text: stdout + stderr };
  };
  const out = join(scratch, 'cli-out');
  const { code, lines } = run('--out', out, '--json');
  const [name] = readdirSync(out);
  expect([code, lines]).toEqual([1, [
    { type: 'problem', file: join(folder, 'c.dcm'), code: 'not-dicom', message: expect.stringContaining('c.dcm: ') as string },
    { type: 'written', file: join(folder, 'a.dcm'), name },
    { type: 'held', file: join(folder, 'b.dcm'), code: 'ultrasound', message: expect.stringContaining('b.dcm: held back') as string },
    { type: 'summary', written: 1, held: 1, failed: 1, interrupted: false },
  ]]);
  // Not a second time, and not to where something is.
  expect(run('--out', out)).toMatchObject({ code: 2, text: expect.stringContaining('has files in it') as string });
  expect(readdirSync(out)).toEqual([name]);
  const all = run('--out', join(scratch, 'cli-all'), '--include-held');
  expect(all).toMatchObject({ code: 1, text: expect.stringContaining('2 written to') as string });
  expect(all.text).not.toContain('Secret');
});
