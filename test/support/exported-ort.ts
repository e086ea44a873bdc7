/** Files that `export-ort` writes, for tests: their nodes, the tensors at the nodes' borders, and what the golden model makes of them. */
import { expect } from 'vitest';
import type { Golden } from '../../hls/tests/golden.ts';
import { FLOAT, type Made } from '../../hls/tests/ort.ts';
import { compileProgram, type CompileOptions, type LayerReport } from '../../src/compiler/compile.ts';
import { DOMAIN, exportOrt, OPERATOR, type OrtReport } from '../../src/compiler/export-ort.ts';
import { OnnxType, readOnnx, type OnnxModel } from '../../src/compiler/onnx.ts';
import { writeOnnx } from '../../src/compiler/onnx-write.ts';
import { readProgram } from '../../src/compiler/read-program.ts';
import { Direction } from '../../src/contract/layout.ts';
import { random } from './qdq.ts';
import { inputCodes } from './random-network.ts';

export type Border = { readonly name: string; readonly shape: number[]; readonly elements: number; readonly scale: number; readonly zeroPoint: number };
export type Node = { readonly program: Uint8Array; readonly inputs: Border[]; readonly outputs: Border[] };

/** The FabricConv nodes of a file, whose programs say the same names as they. */
export function nodesOf(model: OnnxModel): Node[] {
  return model.nodes.filter(({ domain }) => domain === DOMAIN).map(({ opType, attributes, inputs, outputs }) => {
    expect(opType).toBe(OPERATOR);
    const program = attributes.get('program')?.t?.data as Uint8Array;
    const { bindings, tensors } = readProgram(program);
    const side = (direction: number): Border[] => bindings.filter((b) => b.direction === direction).map(({ name, rank, shape, tensor }) => {
      const { scale, zeroPoint } = tensors[tensor] as (typeof tensors)[number];
      return { name, shape: shape.slice(0, rank), elements: shape.slice(0, rank).reduce((a, b) => a * b, 1), scale, zeroPoint };
    });
    const node = { program, inputs: side(Direction.INPUT), outputs: side(Direction.OUTPUT) };
    expect([node.inputs.map(({ name }) => name), node.outputs.map(({ name }) => name)]).toEqual([inputs, outputs]);
    return node;
  });
}

export const unique = (nodes: readonly Node[]): Border[] => [...new Map(nodes.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]).map((border) => [border.name, border])).values()];

/** The file with the tensors at its nodes' borders as outputs too. */
export function opened(model: OnnxModel, borders: readonly Border[]): Uint8Array {
  const own = new Set(model.outputs.map(({ name }) => name));
  const more = borders.filter(({ name }) => !own.has(name) && !model.inputs.some((input) => input.name === name));
  return writeOnnx({ ...model, outputs: [...model.outputs, ...more.map(({ name, shape }) => ({ name, elementType: OnnxType.INT8, dims: shape }))] });
}

const join1 = (parts: readonly Int8Array[]): Int8Array => Int8Array.from(parts.flatMap((part) => [...part]));

/** What the golden model makes of a node's program. */
export async function ran(golden: Golden, { program, inputs, outputs }: Node, codes: ReadonlyMap<string, Int8Array>): Promise<Map<string, Int8Array>> {
  expect((await golden.load(program, true)).text).toBe('');
  const made = await golden.run(join1(inputs.map(({ name }) => codes.get(name) as Int8Array)));
  let at = 0;
  return new Map(outputs.map(({ name, elements }) => [name, made.slice(at, (at += elements))]));
}

/** All outputs of a whole program in fp32, by name. */
export async function whole(golden: Golden, program: Uint8Array, image: Float32Array): Promise<Map<string, Float32Array>> {
  expect((await golden.load(program)).text).toBe('');
  const { status, values } = await golden.runFloat(image);
  expect(status).toBe(0);
  let at = 0;
  return new Map(readProgram(program).bindings.filter((b) => b.direction === Direction.OUTPUT).map(({ name, shape, rank }) => [name, values.slice(at, (at += shape.slice(0, rank).reduce((a, b) => a * b, 1)))]));
}

export const valuesOf = ({ type, bytes }: Made): Float32Array | Int8Array => (type === FLOAT ? new Float32Array(bytes.buffer) : new Int8Array(bytes.buffer));
/** An input whose codes are any. */
export const imageOf = (program: Uint8Array, seed: number): Float32Array => {
  const { bindings, tensors } = readProgram(program);
  const { scale, zeroPoint, channels, height, width } = tensors[bindings[0]?.tensor ?? 0] as (typeof tensors)[number];
  return Float32Array.from(inputCodes(channels * height * width, seed), (code) => Math.fround(code - zeroPoint) * scale);
};
/** Whether a row of the report is a layer of the network that the core computes; copies are the schedule's own. */
const onCore = ({ target, descriptor, operator }: LayerReport): boolean => target === 'PL' && descriptor !== null && operator !== 'Copy' && operator !== 'Gather';

export type Exported = { readonly onnx: Uint8Array; readonly options: CompileOptions; readonly bytes: Uint8Array; readonly nodes: Node[]; readonly model: OnnxModel; readonly image: Float32Array; readonly coreOnly: boolean };

/** Exports a network, some of whose layers are pinned to the processor. */
export function exported(onnx: Uint8Array, pinned: number, seed: number): Exported | null {
  const next = random(seed);
  const rows = compileProgram(onnx).report.layers;
  const pin = Object.fromEntries(rows.filter((row) => onCore(row) && next() < pinned).map(({ name }) => [name, 'PS' as const]));
  const options = { pin };
  const { program, report } = compileProgram(onnx, options);
  let bytes: Uint8Array;
  let made: OrtReport;
  try {
    ({ bytes, report: made } = exportOrt(onnx, program));
  } catch (error) {
    expect(String(error)).toContain('nothing for the core to do');
    expect(report.layers.filter((row) => onCore(row) && !row.operator.startsWith('Slice'))).toEqual([]);
    return null;
  }
  const model = readOnnx(bytes);
  // What multiplies on the core has left the file.
  const heavy = report.layers.filter(({ target, operator }) => target === 'PL' && /^(Conv|Gemm|MatMul)/.test(operator));
  const names = new Set(heavy.map(({ name }) => name));
  expect(model.nodes.filter(({ name, opType }) => names.has(name) && /^(Conv|Gemm|MatMul)$/.test(opType)).map(({ name }) => name)).toEqual([]);
  expect(made.nodes.reduce((sum, { macs }) => sum + macs, 0)).toBeGreaterThanOrEqual(heavy.reduce((sum, { macs }) => sum + macs, 0));
  const coreOnly = report.layers.every(({ target, float }) => target === 'PL' && !float);
  return { onnx, options, bytes, nodes: nodesOf(model), model, image: imageOf(program, seed), coreOnly };
}
