/** Parts of a program.bin. */
import { Header, Section, SectionKind } from '../../contract/layout.ts';

/** Section DATA: weights, channel parameters, tables. */
export function dataOf(program: Uint8Array): Uint8Array {
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  const count = view.getUint32(Header.fields.sectionCount.offset, true);
  for (let i = 0; i < count; i++) {
    const at = Header.bytes + i * Section.bytes;
    if (view.getUint32(at + Section.fields.kind.offset, true) !== SectionKind.DATA) continue;
    const offset = view.getUint32(at + Section.fields.offset.offset, true);
    return program.subarray(offset, offset + view.getUint32(at + Section.fields.bytes.offset, true));
  }
  throw new RangeError('a program without DATA');
}
