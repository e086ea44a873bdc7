/** Programs with something wrong in them: a field changed, and the checksum made to fit again, so that what lies behind it is reached. */
import type { Field } from '../../src/contract/layout.ts';
import { Header, Section, SectionKind } from '../../src/contract/layout.ts';
import { crc32 } from '../../src/compiler/write.ts';

export type Struct = { readonly bytes: number; readonly fields: Readonly<Record<string, Field>> };

/** Byte offset of a section in the file. */
export function sectionAt(program: Uint8Array, kind: number): number {
  return new DataView(program.buffer, program.byteOffset).getUint32(Header.bytes + (kind - 1) * Section.bytes + Section.fields.offset.offset, true);
}

/** Byte offset in the file of a field of the n-th entry of a section, or of the header or a section's own entry where `kind` is not given. */
export function at(program: Uint8Array, struct: Struct, field: string, index = 0, kind?: number): number {
  const offset = (struct.fields[field] as Field).offset + index * struct.bytes;
  if (kind === undefined) return struct === Section ? Header.bytes + offset : offset;
  return sectionAt(program, kind) + offset;
}

/** With metadata_crc32 as it should be. */
export function sealed(program: Uint8Array): Uint8Array {
  const out = Uint8Array.from(program);
  const view = new DataView(out.buffer);
  const head = Header.bytes + SectionKind.DATA * Section.bytes;
  if (out.length < head) return out;
  view.setUint32(Header.fields.metadataCrc32.offset, 0, true);
  let crc = crc32(out.subarray(0, head));
  for (let kind = 1; kind < SectionKind.DATA; kind++) {
    const start = sectionAt(out, kind);
    const bytes = view.getUint32(Header.bytes + (kind - 1) * Section.bytes + Section.fields.bytes.offset, true);
    crc = crc32(out.subarray(Math.min(start, out.length), Math.min(start + bytes, out.length)), crc);
  }
  view.setUint32(Header.fields.metadataCrc32.offset, crc, true);
  return out;
}

export function changed(program: Uint8Array, edit: (view: DataView) => void): Uint8Array {
  const out = Uint8Array.from(program);
  edit(new DataView(out.buffer));
  return sealed(out);
}

/** `item`: of a field of several. */
export function withField(program: Uint8Array, struct: Struct, field: string, value: number, kind?: number, index = 0, item = 0): Uint8Array {
  return changed(program, (view) => {
    const offset = at(program, struct, field, index, kind);
    const { type } = struct.fields[field] as Field;
    if (type === 'u8' || type === 'i8') view.setUint8(offset + item, value);
    else if (type === 'u16') view.setUint16(offset + 2 * item, value, true);
    else view.setUint32(offset + 4 * item, value, true);
  });
}

/** One to three random edits, mostly in header and tables, where structure is; sometimes cut short; nine times in ten sealed again. */
export function damaged(program: Uint8Array, next: () => number): Uint8Array {
  const int = (limit: number): number => Math.floor(next() * limit);
  let out = Uint8Array.from(program);
  const view = new DataView(out.buffer);
  const data = sectionAt(out, SectionKind.DATA);
  const edits = 1 + int(3);
  for (let k = 0; k < edits; k++) {
    const place = next() < 0.9 ? int(data) : int(out.length);
    const style = int(4);
    if (style === 0) out[place] = int(256);
    else if (style === 1) out[place]! ^= 1 << int(8);
    else view.setUint32(Math.min(place & ~3, out.length - 4), [0, 1, 0xffffffff, 0x7fffffff, 0x80000000, int(65536), int(300)][int(7)] as number, true);
  }
  if (next() < 0.15) {
    out = out.slice(0, int(out.length));
    if (out.length >= Header.bytes) new DataView(out.buffer).setUint32(Header.fields.fileBytes.offset, out.length, true);
  }
  return next() < 0.9 ? sealed(out) : out;
}
