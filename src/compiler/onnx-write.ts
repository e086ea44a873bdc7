/**
 * A model's parts → ONNX bytes: what onnx.ts reads, the other way. Field numbers are those of onnx.proto; messages are written in the
 * order of their numbers, so that the same model gives the same bytes.
 */
import protobuf from 'protobufjs/minimal.js';
import { CompileError } from './error.ts';
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from './onnx.ts';

type Writer = protobuf.Writer;

/** protobuf's own limit for one message, and ONNX Runtime's for a file without external data. */
const MAX_BYTES = 2 ** 31 - 1;

const WIRE = { varint: 0, bytes: 2, fixed32: 5 };
const tag = (writer: Writer, field: number, wire: number): Writer => writer.uint32((field << 3) | wire);
const text = (writer: Writer, field: number, value: string): Writer => (value === '' ? writer : tag(writer, field, WIRE.bytes).string(value));
const integer = (writer: Writer, field: number, value: number): Writer => tag(writer, field, WIRE.varint).int64(value);

function integers(writer: Writer, field: number, values: readonly number[]): void {
  for (const value of values) integer(writer, field, value);
}

function inside(writer: Writer, field: number, write: () => void): void {
  tag(writer, field, WIRE.bytes).fork();
  write();
  writer.ldelim();
}

function writeTensor(writer: Writer, { name, dataType, dims, data }: OnnxTensor): void {
  integers(writer, 1, dims);
  integer(writer, 2, dataType);
  text(writer, 8, name);
  tag(writer, 9, WIRE.bytes).bytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** AttributeProto.type */
const KIND = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7 };

function writeAttribute(writer: Writer, attribute: OnnxAttribute): void {
  const { name, f, i, s, t, floats, ints } = attribute;
  text(writer, 1, name);
  let kind = KIND.ints;
  if (f !== undefined) {
    kind = KIND.float;
    tag(writer, 2, WIRE.fixed32).float(f);
  } else if (i !== undefined) {
    kind = KIND.int;
    integer(writer, 3, i);
  } else if (s !== undefined) {
    kind = KIND.string;
    tag(writer, 4, WIRE.bytes).string(s);
  } else if (t !== undefined) {
    kind = KIND.tensor;
    inside(writer, 5, () => writeTensor(writer, t));
  } else if (floats.length > 0) {
    kind = KIND.floats;
    for (const value of floats) tag(writer, 7, WIRE.fixed32).float(value);
  } else {
    integers(writer, 8, ints);
  }
  integer(writer, 20, kind);
}

function writeNode(writer: Writer, { name, opType, domain, inputs, outputs, attributes }: OnnxNode): void {
  // An input left out is an empty string, which must be there.
  for (const input of inputs) tag(writer, 1, WIRE.bytes).string(input);
  for (const output of outputs) tag(writer, 2, WIRE.bytes).string(output);
  text(writer, 3, name);
  text(writer, 4, opType);
  for (const attribute of attributes.values()) inside(writer, 5, () => writeAttribute(writer, attribute));
  text(writer, 7, domain);
}

function writeValue(writer: Writer, { name, elementType, dims }: OnnxValue): void {
  text(writer, 1, name);
  inside(writer, 2, () => {
    inside(writer, 1, () => {
      integer(writer, 1, elementType);
      inside(writer, 2, () => {
        // 0 stands for a dimension without a fixed value: an empty message.
        for (const dim of dims) inside(writer, 1, () => (dim === 0 ? undefined : void integer(writer, 1, dim)));
      });
    });
  });
}

/** The lowest IR version that an opset belongs to; readers refuse opsets newer than their IR version knows. */
function irVersion(opset: number): number {
  if (opset <= 18) return 8;
  return opset <= 20 ? 9 : 10;
}

/** Operators of other domains than ONNX's own are of its version 1. */
const domainsOf = (nodes: readonly OnnxNode[]): string[] => [...new Set(nodes.map(({ domain }) => domain))].filter((domain) => domain !== '' && domain !== 'ai.onnx').sort();

/** @throws CompileError where the file would be larger than ONNX can hold */
export function writeOnnx(model: OnnxModel, graphName = 'network'): Uint8Array<ArrayBuffer> {
  const tensors = [...model.initializers.values(), ...model.nodes.flatMap(({ attributes }) => [...attributes.values()].flatMap(({ t }) => t ?? []))];
  const bytes = tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
  if (bytes > MAX_BYTES - 2 ** 24) throw new CompileError(`The network's constants take ${bytes} bytes; an ONNX file holds less than 2 GiB.`);
  const writer = protobuf.Writer.create();
  integer(writer, 1, irVersion(model.opset));
  text(writer, 2, 'fabriclens');
  inside(writer, 7, () => {
    for (const node of model.nodes) inside(writer, 1, () => writeNode(writer, node));
    text(writer, 2, graphName);
    for (const tensor of model.initializers.values()) inside(writer, 5, () => writeTensor(writer, tensor));
    for (const input of model.inputs) inside(writer, 11, () => writeValue(writer, input));
    for (const output of model.outputs) inside(writer, 12, () => writeValue(writer, output));
    for (const value of model.values ?? []) inside(writer, 13, () => writeValue(writer, value));
  });
  inside(writer, 8, () => integer(writer, 2, model.opset));
  for (const domain of domainsOf(model.nodes)) {
    inside(writer, 8, () => {
      text(writer, 1, domain);
      integer(writer, 2, 1);
    });
  }
  // finish() makes one array of exactly the bytes, in Node out of a pool that others write to.
  const finished = writer.finish();
  return finished.byteLength === finished.buffer.byteLength ? (finished as Uint8Array<ArrayBuffer>) : new Uint8Array(finished);
}
