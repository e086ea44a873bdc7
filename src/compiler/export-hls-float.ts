/** Float operators → functions with their shapes as constants, which call the runtime's own (hls/runtime/src/float_*.cpp): plain C++ for the processor. */
import { FloatOperator, FloatPlace, NmsFunction, NONE, SoftmaxFunction } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import { safe } from './export-hls-layer.ts';
import type { Program } from './read-program.ts';

type FloatOp = Program['floatOps'][number];

/** What a project with float operators takes along beside SHIPPED_SOURCES: all but the interpreter of operators. */
export const FLOAT_SOURCES: readonly string[] = ['float_ops.h', 'program.h', 'float_math.h', 'nest.h', 'float_unary.cpp', 'float_binary.cpp', 'float_moves.cpp', 'float_sums.cpp', 'nms.cpp'].map((name) => `runtime/src/${name}`);

const OPERATORS: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(FloatOperator).map(([name, value]) => [value, name]));
export const floatOperatorName = (op: number): string => OPERATORS[op] ?? String(op);
export const floatId = (index: number): string => `float_${String(index).padStart(3, '0')}`;

const words = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** An exact fp32 literal; infinities and NaN have none. */
function literal(value: number): string {
  if (Number.isNaN(value)) return '__builtin_nanf("")';
  if (!Number.isFinite(value)) return value > 0 ? '__builtin_inff()' : '-__builtin_inff()';
  return `${Object.is(value, -0) ? '-0e+0' : value.toExponential()}f`;
}

function lines(values: readonly string[]): string {
  const out: string[] = [];
  for (let i = 0; i < values.length; i += 12) out.push(`  ${values.slice(i, i + 12).join(', ')},`);
  return out.join('\n');
}

/** @returns files by their path: a header of constants, and a function an operator */
export function exportFloats(program: Program): Map<string, string> {
  const { floatOps, floatTensors, tensors, data } = program;
  const damaged = (op: FloatOp): never => {
    throw new CompileError('a float operator reads outside program.bin, which is damaged. Make it again with "npx fabriclens compile-program".', op.name);
  };
  const bytesAt = (op: FloatOp, offset: number, count: number): DataView => (offset + 4 * count > data.length ? damaged(op) : words(data.subarray(offset, offset + 4 * count)));
  const declared = new Map<string, string>();

  const shape = (op: FloatOp, index: number): string => {
    const t = floatTensors[index] ?? damaged(op);
    const name = `SHAPE_${index}`;
    declared.set(name, `const fl::FloatTensor ${name} = {${t.rank}, {${t.dims.join(', ')}}, ${t.place}, ${t.offset}, {}};`);
    return name;
  };
  const values = (op: FloatOp, index: number): string => {
    const t = floatTensors[index] ?? damaged(op);
    if (t.place !== FloatPlace.CONSTANT) return `floats + ${t.offset / 4}`;
    const name = `CONSTANT_${index}`;
    if (!declared.has(name)) {
      const count = t.dims.reduce((a, b) => a * b, 1);
      const view = bytesAt(op, t.offset, count);
      declared.set(name, `const float ${name}[] = {\n${lines(Array.from({ length: count }, (_, i) => literal(view.getFloat32(4 * i, true))))}\n};`);
    }
    return `const_cast<float *>(${name})`;
  };
  const view = (op: FloatOp, index: number): string => `{${shape(op, index)}, ${values(op, index)}}`;
  const elements = (op: FloatOp, index: number): number => (floatTensors[index] ?? damaged(op)).dims.reduce((a, b) => a * b, 1);
  const parameters = (op: FloatOp): DataView => (op.parametersOffset === NONE ? damaged(op) : bytesAt(op, op.parametersOffset, op.parametersCount));
  const parameter = (op: FloatOp, index: number): string => literal(parameters(op).getFloat32(4 * index, true));
  const table = (op: FloatOp, at: number, signed: boolean): string => {
    const name = `WORDS_${at}`;
    const view32 = parameters(op);
    const word = (i: number): string => (signed ? String(view32.getInt32(4 * i, true)) : `0x${view32.getUint32(4 * i, true).toString(16)}u`);
    declared.set(name, `const ${signed ? 'int32_t' : 'uint32_t'} ${name}[] = {\n${lines(Array.from({ length: op.parametersCount }, (_, i) => word(i)))}\n};`);
    return name;
  };
  const tensor = (op: FloatOp): { name: string; width: number } => {
    const t = tensors[op.tensor] ?? damaged(op);
    const name = `TENSOR_${op.tensor}`;
    declared.set(name, `const fl::Tensor ${name} = {0, 0, ${t.dataType}, ${t.height}, ${t.width}, ${t.channels}, ${t.arenaOffset}, ${t.planeStride}, ${t.rowStride}, ${literal(t.scale)}, ${t.zeroPoint}, {}};`);
    return { name, width: t.width };
  };
  const codes = 'reinterpret_cast<int8_t *>(arena)';

  /** The statements of one operator. */
  function body(op: FloatOp, at: number): string {
    const [a, b, out] = [(): string => view(op, op.inputA), (): string => view(op, op.inputB), (): string => view(op, op.output)];
    switch (op.op) {
      case FloatOperator.DEQUANTIZE: return `fl::store_fp32(${tensor(op).name}, ${codes}, ${values(op, op.output)});`;
      case FloatOperator.QUANTIZE: {
        const { name, width } = tensor(op);
        return `int8_t row[${width}];\n  fl::quantize(${name}, ${values(op, op.inputA)}, ${codes}, row);`;
      }
      case FloatOperator.UNARY: return `fl::unary(${op.function}, ${values(op, op.inputA)}, ${values(op, op.output)}, ${elements(op, op.inputA)}, ${parameter(op, 0)}, ${parameter(op, 1)});`;
      case FloatOperator.BINARY: return `fl::binary(${op.function}, ${a()}, ${b()}, ${out()});`;
      case FloatOperator.TRANSPOSE: return `fl::transpose(${a()}, ${out()}, ${table(op, at, false)});`;
      case FloatOperator.SLICE: {
        const name = table(op, at, true);
        return `fl::slice(${a()}, ${out()}, ${name}, ${name} + ${op.parametersCount / 2});`;
      }
      case FloatOperator.PLACE: return `fl::place(${a()}, ${out()}, ${table(op, at, false)});`;
      case FloatOperator.INTERPOLATE: return `fl::interpolate(${a()}, ${out()}, ${op.axis}, ${table(op, at, false)});`;
      case FloatOperator.SOFTMAX: return `fl::softmax(${op.function === SoftmaxFunction.LOG_SOFTMAX}, ${a()}, ${out()}, ${op.axis});`;
      case FloatOperator.REDUCE: return `fl::reduce(${op.function}, ${a()}, ${out()}, ${parameters(op).getUint32(0, true)}u);`;
      case FloatOperator.MATMUL: return `fl::matmul(${a()}, ${b()}, ${out()});`;
      case FloatOperator.NMS: {
        const rows = floatTensors[op.inputA]?.dims[1] ?? 0;
        return `std::vector<uint32_t> scratch(fl::nms_scratch_bytes(${rows}) / 4 + 1);\n  fl::nms({${op.function === NmsFunction.OBJECTNESS}, ${parameter(op, 0)}, ${parameter(op, 1)}}, ${a()}, ${out()}, reinterpret_cast<uint8_t *>(scratch.data()));`;
      }
      default: throw new CompileError(`float operator ${op.op} is unknown to this version; make program.bin again with "npx fabriclens compile-program".`, op.name);
    }
  }

  const functions = floatOps.map((op, i) => {
    const text = body(op, i);
    const arena = text.includes('(arena)') ? 'arena' : '';
    const floats = text.includes('floats +') ? 'floats' : '';
    return `// ${safe(op.name)}: ${floatOperatorName(op.op)}\nvoid ${floatId(i)}(Beat *${arena}, float *${floats}) {\n  ${text}\n}`;
  });
  return new Map([
    ['floats_data.h', `// Shapes, constants and parameters of the float operators.\n#pragma once\n#include "fabriclens/runtime/src/float_ops.h"\n\nnamespace network {\nnamespace {\n\n${[...declared.values()].join('\n')}\n\n}  // namespace\n}  // namespace network\n`],
    ['floats.cpp', `// What the core's codes cannot hold: in fp32 on the processor, the same bits on every machine (no fused multiply-add: see the Makefile).\n#include <vector>\n\n#include "fabriclens/runtime/src/convert.h"\n#include "floats_data.h"\n#include "network.h"\n\nnamespace network {\n\n${functions.join('\n\n')}\n\n}  // namespace network\n`],
  ]);
}
