/**
 * What a shared library asks of the board's: read from the ELF file itself, since what a newer compiler links against decides whether the prebuilt
 * runtime loads on the oldest image at all. glibc moves functions between versions and libraries, so that the same source asks for more when it is built here.
 */

/** Newest versions that every image v2.7 to v3.1 has (Ubuntu 20.04's glibc 2.31 and libstdc++ 10). */
export const OLDEST_IMAGE = { GLIBC: '2.31', GLIBCXX: '3.4.28', CXXABI: '1.3.12', GCC: '10.0.0' };
/** The only libraries that it may name. */
const LIBRARIES = ['libstdc++.so.6', 'libm.so.6', 'libgcc_s.so.1', 'libc.so.6', 'ld-linux-armhf.so.3'];
/** Moved into libc by glibc 2.33 and 2.34: never called directly, whatever version this compiler gives them. */
const MOVED = /^(pthread_|sem_|timer_|shm_|dl(m?open|sym|vsym|close|error|addr)$|[fl]?stat(64)?$|fstatat(64)?$|mknod(at)?$)/;

const EM_ARM = 40;
const HARD_FLOAT = 0x400;
const [SHT_DYNAMIC, SHT_DYNSYM, SHT_VERNEED, SHT_VERSYM] = [6, 11, 0x6ffffffe, 0x6fffffff];
const DT_NEEDED = 1;

/**
 * @param {Uint8Array} bytes a 32-bit little-endian ELF file
 * @returns {{ machine: number, hardFloat: boolean, needed: string[], symbols: { name: string, version: string }[] }} symbols: those it does not define; version '' where it names none
 * @throws Error where it is no such file
 */
export function readElf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u16 = (at) => view.getUint16(at, true);
  const u32 = (at) => view.getUint32(at, true);
  if (bytes.length < 52 || u32(0) !== 0x464c457f || bytes[4] !== 1 || bytes[5] !== 1) throw new Error('not a 32-bit little-endian ELF file');
  const [table, size, count] = [u32(32), u16(46), u16(48)];
  const sections = Array.from({ length: count }, (_, i) => table + i * size).map((at) => ({ type: u32(at + 4), offset: u32(at + 16), bytes: u32(at + 20), link: u32(at + 24), info: u32(at + 28) }));
  const one = (type) => sections.find((section) => section.type === type);
  const textOf = (section, at) => {
    const from = sections[section.link].offset + at;
    return Buffer.from(bytes.subarray(from, bytes.indexOf(0, from))).toString('latin1');
  };

  const versions = new Map();
  const wanted = one(SHT_VERNEED);
  for (let file = wanted?.offset, left = wanted?.info ?? 0; left > 0; left--, file += u32(file + 12)) {
    for (let entry = file + u32(file + 8), more = u16(file + 2); more > 0; more--, entry += u32(entry + 12)) versions.set(u16(entry + 6), textOf(wanted, u32(entry + 8)));
  }
  const dynamic = one(SHT_DYNAMIC);
  const needed = [];
  for (let at = dynamic?.offset ?? 0; dynamic && at < dynamic.offset + dynamic.bytes; at += 8) if (u32(at) === DT_NEEDED) needed.push(textOf(dynamic, u32(at + 4)));
  const dynsym = one(SHT_DYNSYM);
  const numbers = one(SHT_VERSYM);
  const symbols = [];
  for (let i = 1; dynsym && i < dynsym.bytes / 16; i++) {
    const at = dynsym.offset + 16 * i;
    if (u16(at + 14) === 0) symbols.push({ name: textOf(dynsym, u32(at)), version: (numbers && versions.get(u16(numbers.offset + 2 * i) & 0x7fff)) ?? '' });
  }
  return { machine: u16(18), hardFloat: (u32(36) & HARD_FLOAT) !== 0, needed, symbols };
}

/** Is version `a` newer than `b`, number by number? */
function newer(a, b) {
  const [x, y] = [a, b].map((text) => text.split('.').map(Number));
  for (let i = 0; i < Math.max(x.length, y.length); i++) if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) > (y[i] ?? 0);
  return false;
}

/**
 * Why the library would not load on every image; empty where it would.
 * @param {ReturnType<typeof readElf>} elf
 * @returns {string[]} a sentence each, with the symbol's name
 */
export function boardObjections({ machine, hardFloat, needed, symbols }) {
  const objections = machine === EM_ARM && hardFloat ? [] : ['it is not for ARM with hardware floating point (armhf)'];
  for (const library of needed) if (!LIBRARIES.includes(library)) objections.push(`${library}: no library that the images are known to have`);
  for (const { name, version } of symbols) {
    const [, family = '', number = ''] = /^([A-Z]+)_([\d.]+)$/.exec(version) ?? [];
    if (MOVED.test(name)) objections.push(`${name}${version && `@${version}`}: moved between glibc's libraries, not to be called directly`);
    else if (version !== '' && !(family in OLDEST_IMAGE)) objections.push(`${name}@${version}: a version of no known family`);
    else if (version !== '' && newer(number, OLDEST_IMAGE[family])) objections.push(`${name}@${version}: the oldest image has ${family}_${OLDEST_IMAGE[family]}`);
  }
  return objections;
}
