/** program.bin → its tables, through the field tables of hls/core/layout.json: what write.ts wrote. The runtime checks programs in full (hls/runtime); here what a reader of the tables could trip over. */
import type { Field } from '../contract/layout.ts';
import { Binding, Descriptor, FloatOp, FloatTensor, Header, LAYOUT_VERSION, MAGIC, NONE, Section, SectionKind, Segment, Target, Tensor } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { Values } from './write.ts';

type Struct = { readonly bytes: number; readonly fields: Readonly<Record<string, Field>> };
type Named<S extends Struct> = Omit<Values<S>, 'nameOffset' | 'nameBytes'> & { readonly name: string };

export type Program = {
  readonly header: Values<typeof Header>;
  readonly tensors: readonly Named<typeof Tensor>[];
  readonly bindings: readonly Named<typeof Binding>[];
  readonly segments: readonly Values<typeof Segment>[];
  readonly descriptors: readonly Named<typeof Descriptor>[];
  readonly floatTensors: readonly Values<typeof FloatTensor>[];
  readonly floatOps: readonly Named<typeof FloatOp>[];
  readonly data: Uint8Array;
};

const READ: Readonly<Record<Field['type'], (view: DataView, at: number) => number>> = {
  u8: (view, at) => view.getUint8(at),
  i8: (view, at) => view.getInt8(at),
  u16: (view, at) => view.getUint16(at, true),
  u32: (view, at) => view.getUint32(at, true),
  i32: (view, at) => view.getInt32(at, true),
  f32: (view, at) => view.getFloat32(at, true),
};
const BYTES: Readonly<Record<Field['type'], number>> = { u8: 1, i8: 1, u16: 2, u32: 4, i32: 4, f32: 4 };

function entry<S extends Struct>(view: DataView, struct: S, at: number): Values<S> {
  return Object.fromEntries(
    Object.entries(struct.fields).map(([name, { offset, type, count }]) => {
      const values = Array.from({ length: count }, (_, i) => READ[type](view, at + offset + i * BYTES[type]));
      return [name, count === 1 ? values[0] : values];
    }),
  ) as Values<S>;
}

/** @throws CompileError where the bytes are no program of this layout */
export function readProgram(bytes: Uint8Array): Program {
  const damaged = (what: string): never => {
    throw new CompileError(`program.bin is damaged: ${what}. Make it again with "npx fabriclens compile-program".`);
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < Header.bytes) damaged('it is too short');
  const header = entry(view, Header, 0);
  if (header.magic !== MAGIC) damaged('it does not begin as a program does');
  if (header.version !== LAYOUT_VERSION) throw new CompileError(`program.bin has layout version ${header.version}, not ${LAYOUT_VERSION}. Make it again with "npx fabriclens compile-program".`);
  const kinds = Object.values(SectionKind).length;
  if (header.sectionCount !== kinds || bytes.length < Header.bytes + kinds * Section.bytes) damaged('its sections are not those of the layout');
  const section = (kind: number): { offset: number; bytes: number } => {
    const found = entry(view, Section, Header.bytes + (kind - 1) * Section.bytes);
    if (found.kind !== kind || found.offset + found.bytes > bytes.length) damaged(`section ${kind} lies outside it`);
    return found;
  };
  const table = <S extends Struct>(kind: number, struct: S): Values<S>[] => {
    const at = section(kind);
    return Array.from({ length: Math.floor(at.bytes / struct.bytes) }, (_, i) => entry(view, struct, at.offset + i * struct.bytes));
  };
  const strings = section(SectionKind.STRINGS);
  const named = <V extends { readonly nameOffset: number; readonly nameBytes: number }>({ nameOffset, nameBytes, ...rest }: V): Omit<V, 'nameOffset' | 'nameBytes'> & { name: string } => {
    if (nameOffset + nameBytes > strings.bytes) damaged('a name lies outside its strings');
    const from = strings.offset + nameOffset;
    return { ...rest, name: new TextDecoder().decode(bytes.subarray(from, from + nameBytes)) };
  };
  const data = section(SectionKind.DATA);
  const program: Program = {
    header,
    tensors: table(SectionKind.TENSORS, Tensor).map(named),
    bindings: table(SectionKind.BINDINGS, Binding).map(named),
    segments: table(SectionKind.SEGMENTS, Segment),
    descriptors: table(SectionKind.DESCRIPTORS, Descriptor).map(named),
    floatTensors: table(SectionKind.FLOAT_TENSORS, FloatTensor),
    floatOps: table(SectionKind.FLOAT_OPS, FloatOp).map(named),
    data: bytes.subarray(data.offset, data.offset + data.bytes),
  };
  const { tensors, floatTensors } = program;
  if (program.bindings.some((b) => (b.floatTensor === NONE ? b.tensor >= tensors.length : b.floatTensor >= floatTensors.length))) damaged('a binding names a tensor that is not there');
  if (program.segments.some((s) => s.first + s.count > (s.target === Target.FLOAT ? program.floatOps : program.descriptors).length)) damaged('a segment runs layers that are not there');
  return program;
}
