/**
 * ONNX bytes → the parts of a model that the compiler reads. The wire format is protobufjs's Reader; the field numbers are those of
 * onnx.proto (ONNX IR version 3 to 11). Bytes are hostile: every repeated entry counts against one budget before it becomes an object,
 * and tensor data stay views of the file until their size is known to agree with their shape.
 */
import protobuf from 'protobufjs/minimal.js';
import { CompileError } from './error.ts';

type Reader = protobuf.Reader;

/** TensorProto.DataType, those that are read. */
export const OnnxType = { FLOAT: 1, UINT8: 2, INT8: 3, INT32: 6, INT64: 7, BOOL: 9, DOUBLE: 11 } as const;

export type TensorData = Float32Array | Float64Array | Uint8Array | Int8Array | Int32Array | BigInt64Array;
export type OnnxTensor = { name: string; dataType: number; dims: number[]; data: TensorData };
export type OnnxAttribute = { name: string; f?: number; i?: number; s?: string; t?: OnnxTensor; floats: number[]; ints: number[] };
export type OnnxNode = { name: string; opType: string; domain: string; inputs: string[]; outputs: string[]; attributes: Map<string, OnnxAttribute> };
/** A dimension without a fixed value (dim_param or nothing) is 0. */
export type OnnxValue = { name: string; elementType: number; dims: number[] };
/** `values`: what is said of tensors between nodes; written, not read. */
export type OnnxModel = { opset: number; nodes: OnnxNode[]; inputs: OnnxValue[]; outputs: OnnxValue[]; initializers: Map<string, OnnxTensor>; values?: OnnxValue[] };

const MAX_FILE_BYTES = 1 << 30;
const MAX_ENTRIES = 500_000;
const MAX_RANK = 8;

/**
 * The bytes of an external data file that a tensor refers to. The host looks the location up inside the model's folder, after realpath, and
 * throws where it leads out of it. `length` is what the file asks for, null where it means "to the end".
 */
export type ExternalData = (location: string, offset: number, length: number | null) => Uint8Array;

class Budget {
  readonly external: ExternalData | null;
  #left = MAX_ENTRIES;

  constructor(external: ExternalData | null) {
    this.external = external;
  }

  take(count: number, what: string): void {
    this.#left -= count;
    if (this.#left < 0) throw new CompileError(`The ONNX file has more than ${MAX_ENTRIES} entries (at ${what}); it is damaged or not a network.`);
  }
}

/** Calls `field` for each field of a message; a field it leaves unread (returns false) is skipped. */
function message(bytes: Uint8Array, field: (number: number, wire: number, reader: Reader) => boolean): void {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.tag();
    if (!field(tag >>> 3, tag & 7, reader)) reader.skipType(tag & 7);
  }
}

function int64(reader: Reader): number {
  // Typed as Long, but a number where the package `long` is missing.
  const value = reader.int64() as unknown as number | { toNumber(): number };
  return typeof value === 'number' ? value : value.toNumber();
}

/** A repeated varint field, packed or not. */
function int64s(reader: Reader, wire: number, into: number[], budget: Budget): void {
  if (wire !== 2) {
    budget.take(1, 'integers');
    into.push(int64(reader));
    return;
  }
  const packed = protobuf.Reader.create(reader.bytes());
  budget.take(packed.len, 'integers');
  while (packed.pos < packed.len) into.push(int64(packed));
}

function floats(reader: Reader, wire: number, into: number[], budget: Budget): void {
  if (wire !== 2) {
    budget.take(1, 'floats');
    into.push(reader.float());
    return;
  }
  const packed = protobuf.Reader.create(reader.bytes());
  budget.take(packed.len / 4, 'floats');
  while (packed.pos < packed.len) into.push(packed.float());
}

const WIDTH: Record<number, number> = { [OnnxType.FLOAT]: 4, [OnnxType.UINT8]: 1, [OnnxType.INT8]: 1, [OnnxType.INT32]: 4, [OnnxType.INT64]: 8, [OnnxType.BOOL]: 1, [OnnxType.DOUBLE]: 8 };

/** Elements of a shape; refuses what no file could hold. */
function elementsOf(dims: number[], name: string): number {
  if (dims.length > MAX_RANK) throw new CompileError(`Tensor '${name}' has ${dims.length} dimensions.`);
  let count = 1;
  for (const dim of dims) {
    if (!Number.isSafeInteger(dim) || dim < 0) throw new CompileError(`Tensor '${name}' has a dimension of ${dim}.`);
    count *= dim;
    if (count > MAX_FILE_BYTES) throw new CompileError(`Tensor '${name}' of shape ${dims.join('×')} is too large.`);
  }
  return count;
}

function rawData(raw: Uint8Array, dataType: number, count: number, name: string): TensorData {
  const width = WIDTH[dataType] ?? 1;
  if (raw.byteLength !== count * width) throw new CompileError(`Tensor '${name}' has ${raw.byteLength} bytes of data, its shape needs ${count * width}.`);
  // A copy of its own: raw is unaligned, and a Buffer's slice() is no copy.
  const copy = new Uint8Array(raw).buffer;
  if (dataType === OnnxType.FLOAT) return new Float32Array(copy);
  if (dataType === OnnxType.DOUBLE) return new Float64Array(copy);
  if (dataType === OnnxType.INT8) return new Int8Array(copy);
  if (dataType === OnnxType.INT32) return new Int32Array(copy);
  if (dataType === OnnxType.INT64) return new BigInt64Array(copy);
  return new Uint8Array(copy);
}

type TypedParts = { bytes: Uint8Array; kind: 'varint' | 'float' | 'double' }[];

/** float_data, double_data, int32_data or int64_data: packed runs, decoded only when their count is known. */
function typedData(parts: TypedParts, dataType: number, count: number, name: string): TensorData {
  const total = parts.reduce((sum, part) => sum + part.bytes.byteLength, 0);
  if (total < count) throw new CompileError(`Tensor '${name}' has fewer values than its shape needs (${count}).`);
  const into: TensorData =
    dataType === OnnxType.FLOAT ? new Float32Array(count)
    : dataType === OnnxType.DOUBLE ? new Float64Array(count)
    : dataType === OnnxType.INT8 ? new Int8Array(count)
    : dataType === OnnxType.INT32 ? new Int32Array(count)
    : dataType === OnnxType.INT64 ? new BigInt64Array(count)
    : new Uint8Array(count);
  let at = 0;
  for (const part of parts) {
    const reader = protobuf.Reader.create(part.bytes);
    while (reader.pos < reader.len) {
      if (at === count) throw new CompileError(`Tensor '${name}' has more values than its shape needs (${count}).`);
      const value = part.kind === 'varint' ? int64(reader) : part.kind === 'float' ? reader.float() : reader.double();
      if (into instanceof BigInt64Array) into[at++] = BigInt(value);
      else into[at++] = value;
    }
  }
  if (at !== count) throw new CompileError(`Tensor '${name}' has ${at} values, its shape needs ${count}.`);
  return into;
}

function readTensor(bytes: Uint8Array, budget: Budget): OnnxTensor {
  budget.take(1, 'tensors');
  let name = '';
  let dataType = 0;
  let raw: Uint8Array | null = null;
  let external = false;
  const place = new Map<string, string>();
  const dims: number[] = [];
  const typed: TypedParts = [];
  message(bytes, (number, wire, reader) => {
    if (number === 1) int64s(reader, wire, dims, budget);
    else if (number === 2 && wire === 0) dataType = reader.int32();
    else if ((number === 4 || number === 5 || number === 7) && wire === 2) typed.push({ bytes: reader.bytes(), kind: number === 4 ? 'float' : 'varint' });
    else if (number === 10 && wire === 2) typed.push({ bytes: reader.bytes(), kind: 'double' });
    else if (number === 4 && wire === 5) typed.push({ bytes: readSlice(reader, 4), kind: 'float' });
    else if ((number === 5 || number === 7) && wire === 0) typed.push({ bytes: readVarint(reader), kind: 'varint' });
    else if (number === 8 && wire === 2) name = reader.string();
    else if (number === 9 && wire === 2) raw = reader.bytes();
    else if (number === 13 && wire === 2) readEntry(reader.bytes(), place);
    else if (number === 14 && wire === 0) external = reader.int32() === 1;
    else return false;
    budget.take(1, 'tensor fields');
    return true;
  });
  const count = elementsOf(dims, name);
  if (external) raw = externalData(name, place, count * (WIDTH[dataType] ?? 0), budget.external);
  const data = WIDTH[dataType] === undefined ? new Uint8Array(0) : raw !== null ? rawData(raw, dataType, count, name) : typedData(typed, dataType, count, name);
  return { name, dataType, dims, data };
}

function readEntry(bytes: Uint8Array, into: Map<string, string>): void {
  let key = '';
  let value = '';
  message(bytes, (number, wire, reader) => {
    if (wire !== 2 || number > 2) return false;
    if (number === 1) key = reader.string();
    else value = reader.string();
    return true;
  });
  into.set(key, value);
}

function externalData(name: string, place: Map<string, string>, bytes: number, read: ExternalData | null): Uint8Array {
  if (read === null) throw new CompileError(`Tensor '${name}' keeps its data in an external file; save the model as one file (onnx.save_model(..., save_as_external_data=False)).`);
  const offset = Number(place.get('offset') ?? 0);
  const length = place.has('length') ? Number(place.get('length')) : null;
  if (![offset, length ?? 0].every((n) => Number.isSafeInteger(n) && n >= 0)) throw new CompileError(`Tensor '${name}' has external data at no readable place.`);
  // Before a byte is read: what the shape needs is what is asked for.
  if (length !== null && length !== bytes) throw new CompileError(`Tensor '${name}' has ${length} bytes of external data, its shape needs ${bytes}.`);
  return read(place.get('location') ?? '', offset, bytes);
}

function readSlice(reader: Reader, count: number): Uint8Array {
  const start = reader.pos;
  reader.skip(count);
  return reader.buf.subarray(start, reader.pos);
}

function readVarint(reader: Reader): Uint8Array {
  const start = reader.pos;
  reader.skip();
  return reader.buf.subarray(start, reader.pos);
}

function readAttribute(bytes: Uint8Array, budget: Budget): OnnxAttribute {
  budget.take(1, 'attributes');
  const attribute: OnnxAttribute = { name: '', floats: [], ints: [] };
  let type = 0;
  message(bytes, (number, wire, reader) => {
    if (number === 20 && wire === 0) type = reader.int32();
    else if (number === 1 && wire === 2) attribute.name = reader.string();
    else if (number === 2 && wire === 5) attribute.f = reader.float();
    else if (number === 3 && wire === 0) attribute.i = int64(reader);
    else if (number === 4 && wire === 2) attribute.s = new TextDecoder().decode(reader.bytes());
    else if (number === 5 && wire === 2) attribute.t = readTensor(reader.bytes(), budget);
    else if (number === 7) floats(reader, wire, attribute.floats, budget);
    else if (number === 8) int64s(reader, wire, attribute.ints, budget);
    else return false;
    return true;
  });
  // Writers may leave out a field that holds its default (AttributeProto.type: 1 FLOAT, 2 INT).
  if (type === 1) attribute.f ??= 0;
  if (type === 2) attribute.i ??= 0;
  return attribute;
}

function readNode(bytes: Uint8Array, budget: Budget): OnnxNode {
  budget.take(1, 'nodes');
  const node: OnnxNode = { name: '', opType: '', domain: '', inputs: [], outputs: [], attributes: new Map() };
  message(bytes, (number, wire, reader) => {
    if (wire !== 2) return false;
    if (number === 1 || number === 2) {
      budget.take(1, 'node inputs and outputs');
      (number === 1 ? node.inputs : node.outputs).push(reader.string());
    } else if (number === 3) node.name = reader.string();
    else if (number === 4) node.opType = reader.string();
    else if (number === 5) {
      const attribute = readAttribute(reader.bytes(), budget);
      node.attributes.set(attribute.name, attribute);
    } else if (number === 7) node.domain = reader.string();
    else return false;
    return true;
  });
  return { ...node, name: node.name || (node.outputs[0] ?? '') };
}

function readDimension(bytes: Uint8Array): number {
  let value = 0;
  message(bytes, (number, wire, reader) => {
    if (number !== 1 || wire !== 0) return false;
    value = int64(reader);
    return true;
  });
  return value;
}

function readValue(bytes: Uint8Array, budget: Budget): OnnxValue {
  budget.take(1, 'inputs and outputs');
  const value: OnnxValue = { name: '', elementType: 0, dims: [] };
  const inside = (at: number, read: (bytes: Uint8Array) => void) => (number: number, wire: number, reader: Reader): boolean => {
    if (number !== at || wire !== 2) return false;
    budget.take(1, 'shapes');
    read(reader.bytes());
    return true;
  };
  const shape = inside(1, (dimension) => value.dims.push(readDimension(dimension)));
  message(bytes, (number, wire, reader) => {
    if (number === 1 && wire === 2) value.name = reader.string();
    else if (number === 2 && wire === 2) {
      message(reader.bytes(), inside(1, (tensorType) => {
        message(tensorType, (field, kind, inner) => {
          if (field === 1 && kind === 0) value.elementType = inner.int32();
          else if (field === 2 && kind === 2) message(inner.bytes(), shape);
          else return false;
          return true;
        });
      }));
    } else return false;
    return true;
  });
  return value;
}

function readGraph(bytes: Uint8Array, model: OnnxModel, budget: Budget): void {
  message(bytes, (number, wire, reader) => {
    if (wire !== 2) return false;
    if (number === 1) model.nodes.push(readNode(reader.bytes(), budget));
    else if (number === 5) {
      const tensor = readTensor(reader.bytes(), budget);
      model.initializers.set(tensor.name, tensor);
    } else if (number === 11) model.inputs.push(readValue(reader.bytes(), budget));
    else if (number === 12) model.outputs.push(readValue(reader.bytes(), budget));
    else return false;
    return true;
  });
}

/**
 * Reads a model, of one file unless `external` fetches the others. Initializers that are also listed as inputs (IR version 3) are no inputs.
 * @throws CompileError naming the tensor or the cause; never another error
 */
export function readOnnx(bytes: Uint8Array, external: ExternalData | null = null): OnnxModel {
  if (bytes.byteLength > MAX_FILE_BYTES) throw new CompileError(`The ONNX file has ${bytes.byteLength} bytes, more than ${MAX_FILE_BYTES}.`);
  const model: OnnxModel = { opset: 0, nodes: [], inputs: [], outputs: [], initializers: new Map() };
  const budget = new Budget(external);
  try {
    message(bytes, (number, wire, reader) => {
      if (number === 7 && wire === 2) readGraph(reader.bytes(), model, budget);
      else if (number === 8 && wire === 2) {
        let domain = '';
        let version = 0;
        message(reader.bytes(), (field, kind, inner) => {
          if (field === 1 && kind === 2) domain = inner.string();
          else if (field === 2 && kind === 0) version = int64(inner);
          else return false;
          return true;
        });
        if (domain === '' || domain === 'ai.onnx') model.opset = version;
      } else return false;
      return true;
    });
  } catch (error) {
    if (error instanceof CompileError) throw error;
    throw new CompileError(`Not a readable ONNX file: ${(error as Error).message}. It is truncated, damaged, or another format.`);
  }
  if (model.nodes.length === 0) throw new CompileError('Not an ONNX model: it has no graph, or a graph without nodes.');
  model.inputs = model.inputs.filter((input) => !model.initializers.has(input.name));
  return model;
}
