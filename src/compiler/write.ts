/** program.bin as bytes: the container of hls/core/layout.json, written through the field tables generated from it. */
import type { Field } from '../contract/layout.ts';
import { ALIGNMENT, Binding, DataType, Descriptor, Direction, FloatOp, FloatTensor, Header, LAYOUT_VERSION, MAGIC, MAX_FILE_BYTES, MAX_NAME_BYTES, MAX_RANK, NONE, Section, SectionKind, Segment, Target, Tensor } from '../contract/layout.ts';
import type { Place } from './arena.ts';
import { CompileError } from './error.ts';
import type { GraphPort } from './graph.ts';

type Struct = { readonly bytes: number; readonly fields: Readonly<Record<string, Field>> };
/** Values for a struct's fields; those reserved stay 0. */
export type Values<S extends Struct> = { [K in Exclude<keyof S['fields'], `reserved${string}`>]: S['fields'][K] extends { count: 1 } ? number : readonly number[] };

function put<S extends Struct>(view: DataView, at: number, struct: S, values: Values<S>): void {
  for (const [name, field] of Object.entries(struct.fields)) {
    if (name.startsWith('reserved')) continue;
    const value = (values as Record<string, number | readonly number[]>)[name];
    const list = typeof value === 'number' ? [value] : (value ?? []);
    for (let i = 0; i < field.count; i++) put1(view, at + field.offset, field.type, i, list[i] ?? 0);
  }
}

function put1(view: DataView, at: number, type: Field['type'], index: number, value: number): void {
  if (type === 'u8') view.setUint8(at + index, value);
  else if (type === 'i8') view.setInt8(at + index, value);
  else if (type === 'u16') view.setUint16(at + 2 * index, value, true);
  else if (type === 'u32') view.setUint32(at + 4 * index, value, true);
  else if (type === 'i32') view.setInt32(at + 4 * index, value, true);
  else view.setFloat32(at + 4 * index, value, true);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c >>> 0;
});

/** CRC-32 (IEEE 802.3); pass the result back in to go on. */
export function crc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before >>> 0;
  for (const byte of bytes) crc = ((crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] as number)) >>> 0;
  return ~crc >>> 0;
}

/** Names, each once. */
class Strings {
  readonly #places = new Map<string, { nameOffset: number; nameBytes: number }>();
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  add(name: string): { nameOffset: number; nameBytes: number } {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    const text = new TextEncoder().encode(name);
    if (text.length === 0 || text.length > MAX_NAME_BYTES || /[\u0000-\u001f\u007f]/.test(name)) throw new CompileError(`The name '${name.slice(0, 80)}' is empty, too long or not printable.`);
    const place = { nameOffset: this.#bytes, nameBytes: text.length };
    this.#parts.push(text);
    this.#bytes += text.length;
    this.#places.set(name, place);
    return place;
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}

function table<S extends Struct>(struct: S, entries: readonly Values<S>[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(struct.bytes * entries.length));
  entries.forEach((entry, i) => put(view, i * struct.bytes, struct, entry));
  return new Uint8Array(view.buffer);
}

/** A graph output that float operators made: dims are those of the FloatTensor. */
export type FloatPort = { readonly name: string; readonly floatTensor: number; readonly shape: readonly number[] };

/** The part that the processor computes in fp32. */
export type FloatParts = {
  readonly arenaBytes: number;
  /** In the order of their index. */
  readonly tensors: readonly Values<typeof FloatTensor>[];
  /** In the order of execution; each runs behind the first `after` descriptors, and `after` never falls. */
  readonly ops: readonly { readonly name: string; readonly after: number; readonly values: Omit<Values<typeof FloatOp>, 'nameOffset' | 'nameBytes'> }[];
};

export type ProgramParts = {
  /** SHA-256 of the ONNX file, 32 bytes. */
  readonly modelSha256: Uint8Array;
  readonly arenaBytes: number;
  /** In the order of their index. */
  readonly places: readonly Place[];
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly (GraphPort | FloatPort)[];
  readonly descriptors: readonly { readonly name: string; readonly target: 'PL' | 'PS'; readonly values: Omit<Values<typeof Descriptor>, 'nameOffset' | 'nameBytes'> }[];
  readonly float?: FloatParts;
  readonly data: Uint8Array;
};

const NO_FLOAT: FloatParts = { arenaBytes: 0, tensors: [], ops: [] };

/** Runs of descriptors, or of float operators, of one target. */
function segmentsOf(descriptors: ProgramParts['descriptors'], ops: FloatParts['ops']): Values<typeof Segment>[] {
  const segments: { target: number; first: number; count: number }[] = [];
  const add = (target: number, index: number): void => {
    const last = segments.at(-1);
    if (last !== undefined && last.target === target) last.count++;
    else segments.push({ target, first: index, count: 1 });
  };
  let op = 0;
  for (let i = 0; i <= descriptors.length; i++) {
    while (op < ops.length && (ops[op] as FloatParts['ops'][number]).after <= i) add(Target.FLOAT, op++);
    const descriptor = descriptors[i];
    if (descriptor !== undefined) add(Target[descriptor.target], i);
  }
  return segments;
}

export function writeProgram(parts: ProgramParts): Uint8Array {
  const strings = new Strings();
  const index = new Map(parts.places.map((place, i) => [place.tensor.id, i]));
  const tensors = parts.places.map(({ tensor, offset, planeStride, rowStride }) => ({
    ...strings.add(tensor.name), dataType: DataType.INT8, height: tensor.height, width: tensor.width, channels: tensor.channels,
    arenaOffset: offset, planeStride, rowStride, scale: tensor.scale, zeroPoint: tensor.zeroPoint,
  }));
  const float = parts.float ?? NO_FLOAT;
  const binding = (port: GraphPort | FloatPort, direction: number): Values<typeof Binding> => ({
    ...('tensor' in port
      ? { tensor: index.get(port.tensor.id) ?? NONE, floatTensor: NONE, dataType: DataType[port.dataType] }
      : { tensor: NONE, floatTensor: port.floatTensor, dataType: DataType.FP32 }),
    direction, ...strings.add(port.name), rank: port.shape.length, shape: [...port.shape, ...new Array<number>(MAX_RANK).fill(1)].slice(0, MAX_RANK),
  });
  const bindings = [...parts.inputs.map((p) => binding(p, Direction.INPUT)), ...parts.outputs.map((p) => binding(p, Direction.OUTPUT))];
  const descriptors = parts.descriptors.map(({ name, values }) => ({ ...values, ...strings.add(name) }));
  const floatOps = float.ops.map(({ name, values }) => ({ ...values, ...strings.add(name) }));
  const sections = [
    { kind: SectionKind.TENSORS, entryBytes: Tensor.bytes, body: table(Tensor, tensors) },
    { kind: SectionKind.BINDINGS, entryBytes: Binding.bytes, body: table(Binding, bindings) },
    { kind: SectionKind.SEGMENTS, entryBytes: Segment.bytes, body: table(Segment, segmentsOf(parts.descriptors, float.ops)) },
    { kind: SectionKind.DESCRIPTORS, entryBytes: Descriptor.bytes, body: table(Descriptor, descriptors) },
    { kind: SectionKind.FLOAT_TENSORS, entryBytes: FloatTensor.bytes, body: table(FloatTensor, float.tensors) },
    { kind: SectionKind.FLOAT_OPS, entryBytes: FloatOp.bytes, body: table(FloatOp, floatOps) },
    { kind: SectionKind.DATA, entryBytes: 1, body: parts.data },
  ];
  return container([{ kind: SectionKind.STRINGS, entryBytes: 1, body: strings.bytes() }, ...sections], parts);
}

function container(sections: readonly { kind: number; entryBytes: number; body: Uint8Array }[], parts: ProgramParts): Uint8Array {
  const align = (at: number): number => Math.ceil(at / ALIGNMENT) * ALIGNMENT;
  let end = Header.bytes + sections.length * Section.bytes;
  const placed = sections.map((section) => {
    const offset = align(end);
    end = offset + section.body.length;
    return { ...section, offset };
  });
  if (end > MAX_FILE_BYTES) throw new CompileError(`The program needs ${end} bytes, more than the ${MAX_FILE_BYTES} of the layout.`);
  const file = new Uint8Array(end);
  const view = new DataView(file.buffer);
  placed.forEach(({ kind, entryBytes, body, offset }, i) => {
    put(view, Header.bytes + i * Section.bytes, Section, { kind, offset, bytes: body.length, count: body.length / entryBytes, entryBytes, crc32: crc32(body) });
    file.set(body, offset);
  });
  const header: Values<typeof Header> = {
    magic: MAGIC, version: LAYOUT_VERSION, fileBytes: end, sectionCount: sections.length, arenaBytes: parts.arenaBytes, metadataCrc32: 0,
    modelSha256: [...parts.modelSha256], floatArenaBytes: parts.float?.arenaBytes ?? 0,
  };
  put(view, 0, Header, header);
  let crc = crc32(file.subarray(0, Header.bytes + sections.length * Section.bytes));
  for (const { kind, body } of placed) if (kind !== SectionKind.DATA) crc = crc32(body, crc);
  put(view, 0, Header, { ...header, metadataCrc32: crc });
  return file;
}
