/** What a board gets: a runtime that loads on the oldest image, and a tar of known bytes. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build } from '../hls/build.mjs';
import { hasCompiler } from '../hls/tests/armhf.ts';
import { BUILD_TIMEOUT } from '../hls/tests/golden.ts';
import { boardFiles } from './build-board.mjs';
import { boardObjections, readElf } from './lib/symbols.mjs';
import { tar } from './lib/tar.mjs';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'fabriclens-board-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('symbols that a library asks for', () => {
  const fine = { machine: 40, hardFloat: true, needed: ['libc.so.6'], symbols: [{ name: 'memcpy', version: 'GLIBC_2.4' }, { name: '_Znwj', version: 'GLIBCXX_3.4.28' }, { name: '__gmon_start__', version: '' }] };
  const asking = (name: string, version: string): string[] => boardObjections({ ...fine, symbols: [...fine.symbols, { name, version }] });

  test('are refused by name where the oldest image lacks them, and only there', () => {
    expect(boardObjections(fine)).toEqual([]);
    expect(asking('close_range', 'GLIBC_2.34')).toEqual([expect.stringMatching(/^close_range@GLIBC_2\.34: the oldest image has GLIBC_2\.31/)]);
    expect(asking('f', 'GLIBC_2.31')).toEqual([]);
    expect(asking('f', 'GLIBC_3.0')).toHaveLength(1);
    expect(asking('wait', 'GLIBCXX_3.4.30')).toEqual([expect.stringContaining('wait@GLIBCXX_3.4.30')]);
    expect(asking('f', 'CXXABI_1.3.13')).toHaveLength(1);
    expect(asking('f', 'CXXABI_ARM_1.3.3')).toEqual([expect.stringContaining('no known family')]);
    for (const name of ['pthread_create', 'stat', 'fstat64', 'lstat', 'dlsym', 'dlopen', 'sem_wait']) expect(asking(name, 'GLIBC_2.4')).toEqual([expect.stringContaining(name)]);
    for (const name of ['at', 'statistics', 'dlsymbol']) expect(asking(name, 'GLIBC_2.4')).toEqual([]);
  });

  test('do not help a library for another machine, or one that wants other libraries', () => {
    expect(boardObjections({ ...fine, machine: 62 })).toHaveLength(1);
    expect(boardObjections({ ...fine, hardFloat: false })).toHaveLength(1);
    expect(boardObjections({ ...fine, needed: ['libc.so.6', 'libgomp.so.1'] })).toEqual([expect.stringContaining('libgomp.so.1')]);
    expect(() => readElf(Buffer.from('no ELF file, but long enough to be looked at: 52 bytes and more'))).toThrow(/ELF/);
  });
});

test('a tar is what tar reads, the same bytes for any order of files', () => {
  const files = [{ name: 'b/two', bytes: Buffer.from('x'.repeat(512)) }, { name: 'a', bytes: Buffer.from('one\n'), executable: true }, { name: 'c', bytes: Buffer.alloc(0) }];
  const bytes = tar(files);
  expect(tar([...files].reverse())).toEqual(bytes);
  writeFileSync(join(folder, 'some.tar'), bytes);
  const listed = execFileSync('tar', ['tvf', join(folder, 'some.tar'), '--numeric-owner'], { env: { ...process.env, TZ: 'UTC' } }).toString();
  expect(listed.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual(['-rwxr-xr-x 0/0 4 1970-01-01 00:00 a', '-rw-r--r-- 0/0 512 1970-01-01 00:00 b/two', '-rw-r--r-- 0/0 0 1970-01-01 00:00 c', '']);
  expect(execFileSync('tar', ['xOf', join(folder, 'some.tar')]).toString()).toBe(`one\n${'x'.repeat(512)}`);
  expect(() => tar([{ name: 'n'.repeat(101), bytes: Buffer.alloc(0) }])).toThrow(/longer/);
});

describe.skipIf(!hasCompiler)('the libraries for the board', () => {
  let runtime: Buffer;
  let operators: Buffer;
  const files = (given: Buffer): ReturnType<typeof boardFiles> => boardFiles([{ name: 'libfabriclens_runtime.so', bytes: given }, { name: 'libfabriclens_ort.so', bytes: operators }]);
  beforeAll(async () => {
    runtime = readFileSync(await build('runtime', { machine: 'armhf' }));
    operators = readFileSync(await build('ort-op', { machine: 'armhf' }));
  }, BUILD_TIMEOUT);

  test('load on the oldest image, and are packed with their checksums', () => {
    for (const library of [runtime, operators]) {
      const elf = readElf(library);
      expect(elf.symbols.length).toBeGreaterThan(20);
      expect(elf.needed).toContain('libstdc++.so.6');
      expect(boardObjections(elf)).toEqual([]);
    }
    const packed = files(runtime);
    const sums = Buffer.from(packed.at(-1)!.bytes).toString().trimEnd().split('\n').map((line) => line.split('  '));
    expect(sums.map(([, name]) => name)).toEqual(packed.slice(0, -1).map(({ name }) => name));
    packed.slice(0, -1).forEach(({ bytes }, i) => expect(sums[i]?.[0]).toBe(createHash('sha256').update(bytes).digest('hex')));
    for (const name of ['runtime/libfabriclens_runtime.so', 'runtime/libfabriclens_ort.so', 'agent/notebooks/two_routes.ipynb', 'agent/fabriclens_agent/__main__.py', 'models/pneumonia/program.bin', 'models/pneumonia/metadata.json']) expect(packed.map((file) => file.name)).toContain(name);
    expect(packed.filter(({ name }) => /test|training|\.pyc$/.test(name))).toEqual([]);
  });

  test('are not packed when one asks for a version too new', () => {
    const planted = Buffer.from(runtime);
    const at = planted.indexOf('GLIBCXX_3.4.21\0');
    expect(at).toBeGreaterThan(0);
    planted.write('GLIBCXX_3.4.29', at);
    expect(() => files(planted)).toThrow(/libfabriclens_runtime.so would not load[^]*_M_append.*@GLIBCXX_3\.4\.29: the oldest image has GLIBCXX_3\.4\.28/);
  });

  test('would be refused with a thread, a file status or a symbol looked up by itself', () => {
    const source = join(folder, 'planted.cpp');
    writeFileSync(source, '#include <dlfcn.h>\n#include <pthread.h>\n#include <sys/stat.h>\nextern "C" void *look(const char *name) { struct stat s; pthread_t t; pthread_create(&t, nullptr, nullptr, nullptr); return stat(name, &s) ? nullptr : dlsym(nullptr, name); }\n');
    execFileSync('arm-linux-gnueabihf-g++', ['-shared', '-fPIC', '-w', source, '-o', join(folder, 'planted.so')]);
    const objections = boardObjections(readElf(readFileSync(join(folder, 'planted.so'))));
    expect(objections.map((line) => line.split('@')[0]).sort()).toEqual(['dlsym', 'pthread_create', expect.stringMatching(/^stat/)]);
  });
});
