import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { smallDicom, type SmallImage } from '../../test/support/small-dicom.ts';
import { parseDicom, summarise } from '../dicom/index.ts';
import { anonymiseInto, createPseudonyms, type Anonymisable, type AnonymiseHooks } from './anonymise.ts';

const scratch = mkdtempSync(join(tmpdir(), 'fabriclens-anonymise-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const CHOICES = { keepDates: false, keepPatient: false, includeHeld: false };
const image = (fileName: string, what: SmallImage = {}): Anonymisable => ({ fileName, read: () => Promise.resolve(new Uint8Array(smallDicom({ sopInstanceUid: `1.2.3.${fileName.length}`, ...what }))) });
let next = 0;
const folderOf = (): string => join(scratch, String(next++), 'new');
const into = (folder: string, images: Anonymisable[], hooks?: AnonymiseHooks): ReturnType<typeof anonymiseInto> => anonymiseInto(folder, images, CHOICES, 'FabricLens test', hooks);
const readBack = (folder: string): ReturnType<typeof summarise>[] => readdirSync(folder).map((name) => summarise(parseDicom(readFileSync(join(folder, name))), { id: name, fileName: name }));

describe('export into a folder', () => {
  test('each file is named after its new UID; the study holds together; nothing of the old names is left', async () => {
    const folder = folderOf();
    const report = await into(folder, [image('doe.dcm'), image('doe-jane.dcm', { instanceNumber: 2 })]);
    expect(report).toEqual({ folder: 'new', written: 2, held: [], failed: [], cancelled: false });
    const back = readBack(folder);
    expect(back.map(({ instance }) => `${instance.sopInstanceUid}.dcm`)).toEqual(readdirSync(folder));
    expect(new Set(back.map(({ study }) => study.uid)).size).toBe(1);
    expect(back.map(({ study }) => study.patientName.alphabetic).every((name) => /^ANON-[0-9A-F]{10}$/.test(name))).toBe(true);
    for (const name of readdirSync(folder)) expect(readFileSync(join(folder, name)).includes('Secret')).toBe(false);
  });
  test('another export knows nothing of the one before: no UID and no patient is the same', async () => {
    const folders = [folderOf(), folderOf()];
    for (const folder of folders) await into(folder, [image('a')]);
    const [a, b] = folders.map((folder) => readBack(folder)[0]!);
    expect([a!.study.uid === b!.study.uid, a!.study.patientId === b!.study.patientId]).toEqual([false, false]);
  });
  test('what can\'t be written is told by name, and keeps nothing else from being written', async () => {
    const folder = folderOf();
    const told: string[] = [];
    const images = [
      { fileName: 'cut', read: () => Promise.resolve(new Uint8Array(smallDicom()).subarray(0, 900)) }, image('capture.dcm', { modality: 'US' }), { fileName: 'gone', read: () => Promise.reject(Object.assign(new Error('x'), { code: 'ENOENT' })) }, image('good'), image('twin', { sopInstanceUid: '1.2.3.4' }),
    ];
    const report = await into(folder, images, { onImage: (index, outcome) => void told.push(`${index} ${Object.keys(outcome)[0]}`) });
    expect(report.written).toBe(1);
    expect(report.held).toEqual([{ fileName: 'capture.dcm', code: 'ultrasound', message: expect.stringMatching(/^capture\.dcm: held back, .*include what is held back\.$/) as string }]);
    expect(report.failed.map(({ fileName, code, message }) => [fileName, code, message.startsWith(`${fileName}: `)])).toEqual([['cut', 'truncated', true], ['gone', 'unreadable', true], ['twin', 'same-uid', true]]);
    expect(told).toEqual(['0 failed', '1 held', '2 failed', '3 written', '4 failed']);
    expect(readdirSync(folder)).toHaveLength(1);
  });
  test('nothing is written over: a folder with anything in it is refused, and so is one that is none', async () => {
    const folder = join(scratch, 'full');
    mkdirSync(folder);
    writeFileSync(join(folder, 'mine'), 'x');
    await expect(into(folder, [image('a')])).rejects.toMatchObject({ code: 'folder-not-empty' });
    await expect(into(join(folder, 'mine'), [image('a')])).rejects.toMatchObject({ code: 'folder-unwritable' });
    expect(readdirSync(folder)).toEqual(['mine']);
  });
  test('cancelled: what was written is whole, and it says so', async () => {
    const folder = folderOf();
    const abort = new AbortController();
    const report = await into(folder, [image('a'), image('bb'), image('ccc')], { signal: abort.signal, onProgress: ({ done }) => done === 2 && abort.abort() });
    expect([report.written, report.cancelled, readdirSync(folder).every((name) => name.endsWith('.dcm'))]).toEqual([2, true, true]);
  });
  test('a copy that can\'t be written leaves nothing in part', async () => {
    const folder = folderOf();
    const images = [image('a'), image('bb')];
    const read = images[1]!.read;
    // Somebody takes the folder away meanwhile.
    images[1] = { fileName: 'bb', read: () => (rmSync(folder, { recursive: true }), read()) };
    expect((await into(folder, images)).failed).toEqual([{ fileName: 'bb', code: 'write-failed', message: 'bb: its copy can\'t be written (ENOENT).' }]);
  });
});

test('pseudonyms are the same under one key, others under another, and valid UIDs', () => {
  const [a, b] = [createPseudonyms(new Uint8Array(32)), createPseudonyms(new Uint8Array(32).fill(1))];
  expect(a.uid('1.2.3')).toBe(a.uid('1.2.3'));
  expect(new Set([a.uid('1.2.3'), a.uid('1.2.4'), b.uid('1.2.3')]).size).toBe(3);
  for (let i = 0; i < 200; i++) {
    const uid = a.uid(`1.2.${i}`);
    expect(uid).toMatch(/^2\.25\.[1-9]\d{0,38}$/);
    const hex = BigInt(uid.slice(5)).toString(16).padStart(32, '0');
    expect([hex[12], '89ab'.includes(hex[16]!)]).toEqual(['8', true]);
  }
});
