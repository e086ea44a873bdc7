/**
 * Unpacks a ZIP file with Node built-ins alone: a fresh Debian has no `unzip`. Stored and deflated entries, Unix modes, symbolic links;
 * no ZIP64, no encryption. Only for archives whose hash is known; entries that would leave the folder are refused all the same.
 * Format: PKWARE APPNOTE 6.3.10, 4.3.7, 4.3.12, 4.3.16.
 */
import { closeSync, createReadStream, createWriteStream, fstatSync, mkdirSync, openSync, readSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw, inflateRawSync } from 'node:zlib';

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const TYPE_MASK = 0o170000;
const SYMLINK = 0o120000;

/** @returns {Array<{ name: string, method: number, packed: number, size: number, offset: number, mode: number }>} the central directory */
export function listZip(fd) {
  const size = fstatSync(fd).size;
  const tail = Buffer.alloc(Math.min(size, 65_557));
  readSync(fd, tail, 0, tail.length, size - tail.length);
  let end = tail.length - 22;
  while (end >= 0 && tail.readUInt32LE(end) !== END) end--;
  if (end < 0) throw new Error('not a ZIP file, or cut short: it has no end-of-directory record');
  const count = tail.readUInt16LE(end + 10);
  const directory = Buffer.alloc(tail.readUInt32LE(end + 12));
  if (readSync(fd, directory, 0, directory.length, tail.readUInt32LE(end + 16)) !== directory.length) throw new Error('the ZIP directory is cut short');
  const entries = [];
  for (let at = 0, n = 0; n < count; n++) {
    if (directory.readUInt32LE(at) !== CENTRAL) throw new Error(`the ZIP directory is damaged at entry ${n}`);
    const nameLength = directory.readUInt16LE(at + 28);
    entries.push({
      name: directory.toString('utf8', at + 46, at + 46 + nameLength),
      method: directory.readUInt16LE(at + 10),
      packed: directory.readUInt32LE(at + 20),
      size: directory.readUInt32LE(at + 24),
      mode: directory.readUInt32LE(at + 38) >>> 16,
      offset: directory.readUInt32LE(at + 42),
    });
    at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

/** Unpacks `zipFile` into `folder`; `rename(name)` gives an entry's place there, or null to leave it out. */
export async function unzip(zipFile, folder, rename = (name) => name, onEntry = () => {}) {
  const fd = openSync(zipFile, 'r');
  try {
    const entries = listZip(fd);
    const root = resolve(folder);
    let done = 0;
    for (const entry of entries) {
      onEntry(++done, entries.length);
      const name = rename(entry.name);
      if (name === null || name === '') continue;
      const target = resolve(root, name);
      if (target !== root && !target.startsWith(root + sep)) throw new Error(`${entry.name}: leaves the folder it is unpacked into`);
      if (entry.name.endsWith('/')) {
        mkdirSync(target, { recursive: true });
        continue;
      }
      mkdirSync(dirname(target), { recursive: true });
      const local = Buffer.alloc(30);
      readSync(fd, local, 0, 30, entry.offset);
      const start = entry.offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
      if (entry.method !== 0 && entry.method !== 8) throw new Error(`${entry.name}: compression method ${entry.method} is not supported`);
      if ((entry.mode & TYPE_MASK) === SYMLINK) {
        const raw = Buffer.alloc(entry.packed);
        readSync(fd, raw, 0, raw.length, start);
        symlinkSync((entry.method === 8 ? inflateRawSync(raw) : raw).toString(), target);
        continue;
      }
      const mode = entry.mode & 0o777 || 0o644;
      if (entry.packed === 0) {
        writeFileSync(target, '', { mode });
        continue;
      }
      const out = createWriteStream(target, { mode });
      const source = createReadStream('', { fd, autoClose: false, start, end: start + entry.packed - 1 });
      await (entry.method === 8 ? pipeline(source, createInflateRaw(), out) : pipeline(source, out));
      if (out.bytesWritten !== entry.size) throw new Error(`${entry.name}: ${out.bytesWritten} bytes instead of ${entry.size}`);
    }
  } finally {
    closeSync(fd);
  }
}
