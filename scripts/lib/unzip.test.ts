import { mkdtempSync, lstatSync, readFileSync, readlinkSync, rmSync, statSync, existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { unzip } from './unzip.mjs';

interface Entry {
  name: string;
  data: Buffer;
  deflate?: boolean;
  mode?: number;
}

/** A ZIP as Info-ZIP writes it on Unix, but for the CRC, which is not read: the archive as a whole is known by its SHA-512. */
function zipOf(entries: Entry[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data, deflate = false, mode = 0o100644 } of entries) {
    const packed = deflate ? deflateRawSync(data) : data;
    const fields = (head: Buffer, at: number): void => {
      head.writeUInt16LE(deflate ? 8 : 0, at);
        head.writeUInt32LE(packed.length, at + 10);
      head.writeUInt32LE(data.length, at + 14);
      head.writeUInt16LE(Buffer.byteLength(name), at + 18);
    };
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    fields(local, 8);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    fields(central, 10);
    central.writeUInt32LE((mode << 16) >>> 0, 38);
    central.writeUInt32LE(offset, 42);
    locals.push(local, Buffer.from(name), packed);
    directory.push(central, Buffer.from(name));
    offset += 30 + Buffer.byteLength(name) + packed.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, end]);
}

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'fabriclens-unzip-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function unpack(zip: Buffer, rename?: (name: string) => string | null): Promise<string> {
  const file = join(folder, 'a.zip');
  const out = join(folder, 'out');
  writeFileSync(file, zip);
  await unzip(file, out, rename);
  return out;
}

test('stored, deflated and empty files, modes, folders and links', async () => {
  const text = Buffer.from('grey '.repeat(5_000));
  const out = await unpack(zipOf([
    { name: 'a/', data: Buffer.alloc(0), mode: 0o40755 },
    { name: 'a/stored', data: text },
    { name: 'a/deflated', data: text, deflate: true, mode: 0o100755 },
    { name: 'empty', data: Buffer.alloc(0) },
    { name: 'link', data: Buffer.from('a/stored'), mode: 0o120777 },
  ]));
  expect(readFileSync(join(out, 'a/stored'))).toEqual(text);
  expect(readFileSync(join(out, 'a/deflated'))).toEqual(text);
  expect(statSync(join(out, 'a/deflated')).mode & 0o111).not.toBe(0);
  expect(statSync(join(out, 'a/stored')).mode & 0o111).toBe(0);
  expect(statSync(join(out, 'empty')).size).toBe(0);
  expect(lstatSync(join(out, 'link')).isSymbolicLink()).toBe(true);
  expect(readlinkSync(join(out, 'link'))).toBe('a/stored');
});

test('entries are renamed or left out', async () => {
  const out = await unpack(zipOf([{ name: 'Cypress/x', data: Buffer.from('1') }, { name: 'Cypress/y', data: Buffer.from('2') }]), (name) => (name.endsWith('y') ? null : 'z'));
  expect(readFileSync(join(out, 'z'), 'utf8')).toBe('1');
  expect(existsSync(join(out, 'Cypress'))).toBe(false);
});

test.each(['../evil', '/etc/evil', 'a/../../evil'])('an entry %s is refused', async (name) => {
  await expect(unpack(zipOf([{ name, data: Buffer.from('x') }]))).rejects.toThrow('leaves the folder');
});

test('what is no ZIP, or a part of one, is refused', async () => {
  const whole = zipOf([{ name: 'a', data: Buffer.from('x'.repeat(100)), deflate: true }]);
  await expect(unpack(Buffer.from('not a zip'))).rejects.toThrow('not a ZIP file');
  await expect(unpack(whole.subarray(0, whole.length - 5))).rejects.toThrow('not a ZIP file');
  const wrongSize = Buffer.from(whole);
  wrongSize.writeUInt32LE(99, wrongSize.length - 22 - 47 + 24);
  await expect(unpack(wrongSize)).rejects.toThrow('100 bytes instead of 99');
});
