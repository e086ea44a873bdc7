/**
 * A package's model.int8.onnx and program.bin → the ONNX file of route 1 (docs/routes.md): what the core runs becomes FabricConv nodes, each with a program
 * of its own inside; all else stays as it is. Pure; the same bytes in give the same bytes out.
 */
import { createHash } from 'node:crypto';
import { MAX_BINDINGS, Target } from '../contract/layout.ts';
import { assemble, compileProgram, prepared, type CompileOptions, type Prepared } from './compile.ts';
import { CompileError } from './error.ts';
import { cutForOrt, type Cut, type Part } from './export-ort-parts.ts';
import type { Detections } from './float-builder.ts';
import { macsOf } from './graph.ts';
import { DETECTIONS } from './import.ts';
import { OnnxType, readOnnx, type OnnxAttribute, type OnnxModel, type OnnxNode, type OnnxTensor } from './onnx.ts';
import { writeOnnx } from './onnx-write.ts';
import { isStage } from './partition.ts';
import { readProgram } from './read-program.ts';

/** As hls/ort-op registers it. */
export const DOMAIN = 'ai.fabriclens';
export const OPERATOR = 'FabricConv';

const QUANTISING = new Set(['QuantizeLinear', 'DequantizeLinear']);

export type OrtReport = {
  readonly nodes: readonly { readonly name: string; readonly layers: readonly string[]; readonly macs: number; readonly programBytes: number }[];
  /** Multiply-accumulates of the whole network. */
  readonly macs: number;
  /** Operators that ONNX Runtime computes, and how often; quantising not counted. */
  readonly others: Readonly<Record<string, number>>;
};

/**
 * How program.bin was compiled, so that the nodes run on the core what the package runs there.
 * @throws CompileError where it was compiled from another file, or by another version
 */
function optionsOf(onnx: Uint8Array, program: Uint8Array, rule: Detections | undefined): CompileOptions {
  const { descriptors, segments, bindings } = readProgram(program);
  const detections = bindings.some(({ name }) => name === DETECTIONS) ? rule : undefined;
  const onCore = (index: number): boolean => segments.some(({ target, first, count }) => target === Target.PL && index >= first && index < first + count);
  if (!descriptors.some((_, i) => onCore(i))) throw nothingToDo();
  const usual: CompileOptions = { detections };
  const made = compileProgram(onnx, usual);
  if (same(made.program, program)) return usual;
  const pin: Record<string, 'PL' | 'PS'> = {};
  for (const { name, target, float, descriptor } of made.report.layers) {
    if (float || descriptor === null) continue;
    // A layer of several descriptors was pinned only if all of them are in one place.
    const found = new Set(descriptors.flatMap((d, i) => (` + ${d.name} + `.includes(` + ${name} + `) ? [onCore(i) ? 'PL' as const : 'PS' as const] : [])));
    const [one] = found;
    if (found.size === 1 && one !== undefined && one !== target) pin[name] = one;
  }
  const pinned: CompileOptions = { detections, pin };
  if (Object.keys(pin).length > 0 && same(compileProgram(onnx, pinned).program, program)) return pinned;
  throw new CompileError('program.bin is not what this version makes of model.int8.onnx; make it again with "npx fabriclens compile-program".');
}

const nothingToDo = (): CompileError => new CompileError('Its program runs everything on the processor: there is nothing for the core to do. Compile the model without --ps-only, or with fewer --pin.');
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a.buffer, a.byteOffset, a.length).equals(b);

function programOf({ graph, targets }: Prepared, { items, inputs, outputs }: Part, sha256: Uint8Array): Uint8Array {
  if (inputs.length + outputs.length > MAX_BINDINGS) throw new CompileError(`a part of the network has ${inputs.length + outputs.length} inputs and outputs; a program holds ${MAX_BINDINGS}.`, items[0] !== undefined && isStage(items[0]) ? items[0].layer.name : '');
  return assemble({ graph: { ...graph, inputs, outputs }, items, targets }, sha256).program;
}

const tensor = (name: string, dataType: number, data: OnnxTensor['data'], dims: number[] = []): OnnxTensor => ({ name, dataType, dims, data });
const node = (opType: string, domain: string, name: string, inputs: string[], outputs: string[], attributes: OnnxAttribute[] = []): OnnxNode =>
  ({ name, opType, domain, inputs, outputs, attributes: new Map(attributes.map((a) => [a.name, a])) });

/** Each behind those whose results it reads, else in the order given. */
function ordered(nodes: readonly OnnxNode[]): OnnxNode[] {
  const makers = new Map(nodes.flatMap((made) => made.outputs.map((output) => [output, made])));
  const done = new Set<OnnxNode>();
  for (const last of nodes) {
    const stack = [last];
    for (let next = stack.at(-1); next !== undefined; next = stack.at(-1)) {
      const first = next.inputs.map((name) => makers.get(name)).find((maker) => maker !== undefined && !done.has(maker));
      if (first !== undefined) stack.push(first);
      else done.add(stack.pop() as OnnxNode);
    }
  }
  return [...done];
}

/** The constants that nodes read, and those that are new. */
function constants(model: OnnxModel, nodes: readonly OnnxNode[], more: readonly OnnxTensor[]): Map<string, OnnxTensor> {
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  return new Map([...[...model.initializers].filter(([name]) => read.has(name)), ...more.map((t): [string, OnnxTensor] => [t.name, t])]);
}

function written(model: OnnxModel, { quantised, kept, parts }: Cut, fabric: readonly OnnxNode[]): Uint8Array<ArrayBuffer> {
  const more = quantised.flatMap(({ port: { name, tensor: { scale, zeroPoint } } }) => [tensor(`${name}:scale`, OnnxType.FLOAT, Float32Array.of(scale)), tensor(`${name}:zero`, OnnxType.INT8, Int8Array.of(zeroPoint))]);
  const again = quantised.map(({ port: { name }, from }) => node('QuantizeLinear', '', name, [from, `${name}:scale`, `${name}:zero`], [name]));
  const nodes = ordered([...kept, ...again, ...fabric]);
  // A program has a batch of 1.
  const fixed = (values: OnnxModel['inputs']): OnnxModel['inputs'] => values.map((value) => ({ ...value, dims: value.dims.map((d, i) => (i === 0 && d === 0 ? 1 : d)) }));
  // ONNX Runtime 1.16 infers the type of an operator's first output alone.
  const outputs = new Set(model.outputs.map(({ name }) => name));
  const values = parts.flatMap((part) => part.outputs).filter(({ name }) => !outputs.has(name)).map(({ name, shape }) => ({ name, elementType: OnnxType.INT8, dims: [...shape] }));
  return writeOnnx({ opset: model.opset, nodes, values, inputs: fixed(model.inputs), outputs: fixed(model.outputs), initializers: constants(model, nodes, more) });
}

/**
 * @param detections of a detector's package; the file's outputs are those of model.int8.onnx, detections not among them
 * @throws CompileError where program.bin is not of this file and version, or runs nothing on the core
 */
export function exportOrt(onnx: Uint8Array, program: Uint8Array, detections?: Detections): { bytes: Uint8Array<ArrayBuffer>; report: OrtReport } {
  const { pin } = optionsOf(onnx, program, detections);
  const model = readOnnx(onnx);
  const network = prepared(onnx, { pin });
  const cut = cutForOrt(network, model);
  if (cut.parts.length === 0) throw nothingToDo();
  const sha256 = createHash('sha256').update(onnx).digest();
  const taken = new Set(model.nodes.map(({ name }) => name));
  const made = cut.parts.map((part, i) => {
    let name = `${OPERATOR}_${i}`;
    while (taken.has(name)) name += '_';
    const bytes = programOf(network, part, sha256);
    const layers = part.items.flatMap((item) => (isStage(item) ? item.layers : []));
    return { name, part, bytes, layers: layers.map((layer) => layer.name), macs: layers.reduce((sum, layer) => sum + macsOf(layer), 0) };
  });
  const fabric = made.map(({ name, part, bytes }) => node(OPERATOR, DOMAIN, name, part.inputs.map((p) => p.name), part.outputs.map((p) => p.name), [
    { name: 'program', t: tensor('program', OnnxType.UINT8, bytes, [bytes.length]), floats: [], ints: [] },
  ]));
  const others: Record<string, number> = {};
  for (const { opType } of cut.kept) if (!QUANTISING.has(opType)) others[opType] = (others[opType] ?? 0) + 1;
  return {
    bytes: written(model, cut, fabric),
    report: {
      nodes: made.map(({ name, layers, macs, bytes }) => ({ name, layers, macs, programBytes: bytes.length })), others,
      macs: network.items.reduce((sum, item) => sum + (isStage(item) ? item.layers.reduce((all, layer) => all + macsOf(layer), 0) : 0), 0),
    },
  };
}
