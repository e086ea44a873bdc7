/** A quantised network with all that it computes as outputs, for tests that look at every layer. */
import protobuf from 'protobufjs/minimal.js';
import { readOnnx } from '../../src/compiler/onnx.ts';
import { Binding, Direction, Header, NONE, Section, SectionKind, Tensor } from '../../src/contract/layout.ts';

/** Outputs of one program beside its own. */
const GROUP = 50;

/** The model with its activations as int8 outputs too, a group at a time: a second graph message merges into the first. */
export function exposed(onnx: Uint8Array): Uint8Array[] {
  const names = readOnnx(onnx).nodes.filter((n) => n.opType === 'QuantizeLinear').map((n) => n.outputs[0] as string);
  const groups = Array.from({ length: Math.ceil(names.length / GROUP) }, (_, i) => names.slice(i * GROUP, (i + 1) * GROUP));
  return groups.map((group) => {
    const writer = protobuf.Writer.create();
    writer.uint32((7 << 3) | 2).fork();
    for (const name of group) writer.uint32((12 << 3) | 2).fork().uint32((1 << 3) | 2).string(name).ldelim();
    return Buffer.concat([onnx, writer.ldelim().finish()]);
  });
}

/** Elements and scale of each output, as the program states them; of one that float operators made the scale is 1. */
export function outputsOf(program: Uint8Array): { name: string; elements: number; scale: number }[] {
  const view = new DataView(program.buffer, program.byteOffset);
  const sections = Array.from({ length: view.getUint32(Header.fields.sectionCount.offset, true) }, (_, i) => Header.bytes + i * Section.bytes);
  const section = (kind: number, field: { offset: number }): number => {
    const at = sections.find((s) => view.getUint32(s + Section.fields.kind.offset, true) === kind);
    return at === undefined ? 0 : view.getUint32(at + field.offset, true);
  };
  const start = (kind: number): number => section(kind, Section.fields.offset);
  const outputs = [];
  for (let i = 0; i < section(SectionKind.BINDINGS, Section.fields.count); i++) {
    const at = start(SectionKind.BINDINGS) + i * Binding.bytes;
    const u32 = (field: { offset: number }, index = 0): number => view.getUint32(at + field.offset + 4 * index, true);
    if (u32(Binding.fields.direction) !== Direction.OUTPUT) continue;
    const tensor = u32(Binding.fields.tensor);
    const name = start(SectionKind.STRINGS) + u32(Binding.fields.nameOffset);
    outputs.push({
      name: new TextDecoder().decode(program.subarray(name, name + u32(Binding.fields.nameBytes))),
      elements: Array.from({ length: Binding.fields.shape.count }, (_, k) => u32(Binding.fields.shape, k)).reduce((product, d) => product * d, 1),
      scale: tensor === NONE ? 1 : view.getFloat32(start(SectionKind.TENSORS) + tensor * Tensor.bytes + Tensor.fields.scale.offset, true),
    });
  }
  return outputs;
}
