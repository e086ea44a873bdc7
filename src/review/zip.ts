/**
 * Members of a ZIP file by its central directory (APPNOTE 6.3), read one at a time; nothing is written to the disk. Why our own: docs/decisions/zip.md.
 * Names are for people and for telling members apart: none is ever a path.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { TooLargeError } from '../engines/read-bounded.ts';

export interface ZipMember {
  name: string;
  method: number;
  encrypted: boolean;
  crc: number;
  /** Bytes in the archive, and of the file. */
  packed: number;
  size: number;
  /** Of its local header. */
  at: number;
}

/** The archive or a member cannot be read; the message completes "NAME: …". */
export class ZipError extends Error {
  override readonly name = 'ZipError';
}

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
/** An end record and the longest comment behind it. */
const TAIL = 22 + 0xffff;
/** 46 bytes and a name a member: enough for more of them than are ever opened. */
const DIRECTORY_BYTES = 64 * 2 ** 20;
/** Images of one grey deflate to less, but not by the hundred megabytes. */
const RATIO = 200;
const RATIO_FROM = 64 * 2 ** 20;

const damaged = (what: string): ZipError => new ZipError(`the ZIP file is damaged: ${what}; copy it again from its source`);

async function readAt(file: FileHandle, at: number, length: number, end: number): Promise<Buffer> {
  if (!Number.isSafeInteger(at) || at < 0 || at + length > end) throw damaged('it ends early');
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) throw damaged('it ends early');
    done += bytesRead;
  }
  return bytes;
}

async function withArchive<T>(path: string, work: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    return await work(file, size);
  } finally {
    await file.close();
  }
}

/** Its files, without folders, in the directory's order. @throws TooLargeError for more than `limit`, ZipError, Node's errors */
export function zipMembers(path: string, limit: number): Promise<ZipMember[]> {
  return withArchive(path, async (file, fileSize) => {
    const { count, at, length } = await findDirectory(file, fileSize);
    if (count > limit) throw new TooLargeError(`it has ${count} members, more than the ${limit} that are read at a time`);
    if (length > DIRECTORY_BYTES) throw new TooLargeError(`its directory has ${Math.ceil(length / 2 ** 20)} MiB, more than the ${DIRECTORY_BYTES / 2 ** 20} MiB that are read`);
    const directory = await readAt(file, at, length, fileSize);
    const members: ZipMember[] = [];
    for (let entry = 0, from = 0; entry < count; entry++) {
      if (from + 46 > length || directory.readUInt32LE(from) !== CENTRAL) throw damaged('its directory names fewer members than it counts');
      const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => directory.readUInt16LE(from + offset)) as [number, number, number];
      const next = from + 46 + nameLength + extraLength + commentLength;
      if (next > length) throw damaged('its directory ends early');
      members.push(memberAt(directory.subarray(from, next), nameLength, extraLength));
      from = next;
    }
    return members.filter(({ name }) => !name.endsWith('/'));
  });
}

async function findDirectory(file: FileHandle, fileSize: number): Promise<{ count: number; at: number; length: number }> {
  const start = Math.max(0, fileSize - TAIL);
  const tail = await readAt(file, start, fileSize - start, fileSize);
  let end = tail.length - 22;
  while (end >= 0 && tail.readUInt32LE(end) !== END) end--;
  if (end < 0) throw damaged('it has no directory');
  const found = { count: tail.readUInt16LE(end + 10), length: tail.readUInt32LE(end + 12), at: tail.readUInt32LE(end + 16) };
  // ZIP64: a record of 64-bit numbers, found by a locator before the end record.
  if (end >= 20 && tail.readUInt32LE(end - 20) === LOCATOR_64) {
    const record = await readAt(file, Number(tail.readBigUInt64LE(end - 12)), 56, fileSize);
    if (record.readUInt32LE(0) !== END_64) throw damaged('its ZIP64 record is missing');
    const [count, length, at] = [32, 40, 48].map((offset) => Number(record.readBigUInt64LE(offset))) as [number, number, number];
    return { count, length, at };
  }
  return found;
}

function memberAt(entry: Buffer, nameLength: number, extraLength: number): ZipMember {
  const flags = entry.readUInt16LE(8);
  const member: ZipMember = {
    // Bit 11 says UTF-8; without it the set is the writer's, and only the name's look depends on it.
    name: entry.toString(flags & 0x800 ? 'utf8' : 'latin1', 46, 46 + nameLength),
    method: entry.readUInt16LE(10),
    encrypted: (flags & 1) !== 0,
    crc: entry.readUInt32LE(16),
    packed: entry.readUInt32LE(20),
    size: entry.readUInt32LE(24),
    at: entry.readUInt32LE(42),
  };
  const extra = entry.subarray(46 + nameLength, 46 + nameLength + extraLength);
  for (let from = 0; from + 4 <= extra.length; from += 4 + extra.readUInt16LE(from + 2)) {
    if (extra.readUInt16LE(from) !== 1) continue;
    // In this order, each only where its 32-bit field is full.
    let at = from + 4;
    for (const key of ['size', 'packed', 'at'] as const) {
      if (member[key] !== 0xffffffff) continue;
      if (at + 8 > extra.length) throw damaged('a ZIP64 field ends early');
      member[key] = Number(extra.readBigUInt64LE(at));
      at += 8;
    }
  }
  return member;
}

const inflate = promisify(inflateRaw);

/** A member's bytes, its size and what it takes in the archive held against `limit` before anything is allocated. @throws TooLargeError, ZipError, Node's errors */
export function readMember(path: string, member: ZipMember, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const { method, encrypted, packed, size, crc } = member;
  return withArchive(path, async (file, fileSize) => {
    if (encrypted) throw new ZipError('it is encrypted; unpack it and open the folder');
    if (method !== 0 && method !== 8) throw new ZipError(`it is packed by method ${method}, which this version cannot unpack (0 and 8 it can); unpack it and open the folder`);
    // Both are the archive's word, and both are allocated.
    const most = Math.max(size, packed);
    if (most > limit) throw new TooLargeError(`it has ${Math.ceil(most / 2 ** 20)} MiB, more than the ${Math.floor(limit / 2 ** 20)} MiB that are read`);
    if (size > RATIO_FROM && size > packed * RATIO) throw new TooLargeError(`it unpacks ${packed === 0 ? 'from nothing' : `to ${Math.floor(size / packed)} times its size`}, more than the ${RATIO} that are read; it is made to exhaust memory`);
    const header = await readAt(file, member.at, 30, fileSize);
    if (header.readUInt32LE(0) !== LOCAL) throw damaged('a member is not where its directory says');
    const stored = await readAt(file, member.at + 30 + header.readUInt16LE(26) + header.readUInt16LE(28), packed, fileSize);
    const bytes = method === 0 ? stored : await inflate(stored, { maxOutputLength: Math.max(1, size) }).catch(() => { throw damaged('a member cannot be inflated to the size that its directory says'); });
    if (bytes.length !== size || crc32(bytes) !== crc) throw damaged('a member is not what its checksum says');
    return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
  });
}
