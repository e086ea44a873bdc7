/** One descriptor → a struct of constants, its weights and parameters as arrays, and the function that runs it (hls/export/layers.h has the templates). */
import { DescriptorFlag, NONE, Op, PARAMETER_BYTES, PLANE_CHANNELS } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import { depthOf, kernelOf, multiplies, usedChannels, type LayerPlan } from './export-hls-lanes.ts';
import type { Program } from './read-program.ts';

type Descriptor = Program['descriptors'][number];

const BEAT = 8;
const OP_NAMES: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(Op).map(([name, value]) => [value, name]));
export const opName = (op: number): string => OP_NAMES[op] ?? String(op);

/** For a comment or a table: what a model's author chose must not end it. */
export const safe = (name: string): string => name.replace(/[^A-Za-z0-9 _./:+-]/g, '_').slice(0, 120);

/** Nothing of a damaged program is read outside its DATA. */
function part(data: Uint8Array, offset: number, bytes: number, name: string): Uint8Array {
  if (offset + bytes > data.length) throw new CompileError('its weights lie outside program.bin, which is damaged. Make it again with "npx fabriclens compile-program".', name);
  return data.subarray(offset, offset + bytes);
}

/** Lines of at most 120 columns or so. */
function rows(values: readonly string[], perLine: number): string {
  const lines: string[] = [];
  for (let i = 0; i < values.length; i += perLine) lines.push(`  ${values.slice(i, i + perLine).join(', ')},`);
  return lines.join('\n');
}

/** [output][tap][input] (depthwise [tap][channel]) → the beats of layers.h, zeros where a plane has no channel. */
export function packWeights(d: Descriptor, data: Uint8Array, inputs: number): Uint8Array {
  const [height, width] = kernelOf(d);
  const taps = height * width;
  const outputs = d.outputChannels;
  const outputPlanes = Math.ceil(outputs / PLANE_CHANNELS);
  const depth = depthOf(d, inputs);
  // First whether they are there: a damaged program can ask for any size.
  const weights = part(data, d.weightsOffset, outputs * taps * (d.op === Op.DEPTHWISE ? 1 : d.inputChannels), d.name);
  const packed = new Uint8Array(outputPlanes * depth * BEAT);
  if (d.op === Op.DEPTHWISE) {
    for (let tap = 0; tap < taps; tap++) {
      for (let c = 0; c < outputs; c++) packed[(Math.floor(c / PLANE_CHANNELS) * depth + tap) * BEAT + (c % PLANE_CHANNELS)] = weights[tap * outputs + c] as number;
    }
    return packed;
  }
  const channels = d.inputChannels;
  const used = usedChannels(d, inputs);
  const inputPlanes = Math.ceil(channels / PLANE_CHANNELS);
  for (let o = 0, from = 0; o < outputs; o++) {
    const plane = Math.floor(o / PLANE_CHANNELS) * depth;
    for (let tap = 0; tap < taps; tap++) {
      for (let c = 0; c < channels; c++) {
        const k = (tap * inputPlanes + Math.floor(c / PLANE_CHANNELS)) * used + (c % PLANE_CHANNELS);
        packed[(plane + k) * BEAT + (o % PLANE_CHANNELS)] = weights[from++] as number;
      }
    }
  }
  return packed;
}

/** As hexadecimal words of 64 bits: eight weights a token, which a C++ compiler reads a good deal faster than eight tokens. */
function beats(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const hex = (at: number): string => view.getUint32(at, true).toString(16).padStart(8, '0');
  return rows(Array.from({ length: bytes.length / BEAT }, (_, i) => `0x${hex(i * BEAT + 4)}${hex(i * BEAT)}u`), 6);
}

function parameters(d: Descriptor, data: Uint8Array, count: number): string {
  const bytes = part(data, d.parametersOffset, count * PARAMETER_BYTES, d.name);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return rows(Array.from({ length: count }, (_, i) => `{${view.getInt32(i * PARAMETER_BYTES, true)}, 0x${view.getUint32(i * PARAMETER_BYTES + 4, true).toString(16)}u}`), 6);
}

/** Offsets and strides of the arena are multiples of a pixel. */
function inBeats(bytes: number): number {
  if (bytes % BEAT !== 0) throw new CompileError('program.bin is damaged: a place in the arena is no multiple of 8. Make it again with "npx fabriclens compile-program".');
  return bytes / BEAT;
}

const isPerCount = (d: Descriptor): boolean => d.op === Op.AVERAGE_POOL && (d.flags & DescriptorFlag.COUNT_INCLUDE_PAD) === 0 && (d.padTop | d.padLeft | d.padBottom | d.padRight) !== 0;

function constants(d: Descriptor, { lanes, tileRows }: LayerPlan): readonly (readonly [type: string, fields: Readonly<Record<string, number>>])[] {
  const has = (flag: number): number => ((d.flags & flag) === 0 ? 0 : 1);
  const [kernelH, kernelW] = kernelOf(d);
  // A second source is behind all planes of the first; without one it is never read.
  const second = d.secondChannels > 0;
  const residual = has(DescriptorFlag.HAS_RESIDUAL) === 1;
  const windowed = d.op === Op.CONV || d.op === Op.DEPTHWISE || d.op === Op.MAX_POOL || d.op === Op.AVERAGE_POOL;
  const step = (of: number): number => (windowed ? of : 1);
  const pad = (of: number): number => (windowed ? of : 0);
  return [
    ['uint32_t', { INPUT_HEIGHT: d.inputHeight, INPUT_WIDTH: d.inputWidth, INPUT_CHANNELS: d.inputChannels }],
    ['uint32_t', { OUTPUT_HEIGHT: d.outputHeight, OUTPUT_WIDTH: d.outputWidth, OUTPUT_CHANNELS: d.outputChannels }],
    ['uint32_t', { KERNEL_H: kernelH, KERNEL_W: kernelW, STRIDE_H: step(d.strideH), STRIDE_W: step(d.strideW), DILATION_H: step(d.dilationH), DILATION_W: step(d.dilationW), PAD_TOP: pad(d.padTop), PAD_LEFT: pad(d.padLeft) }],
    ['uint32_t', {
      FIRST_PLANES: Math.ceil((d.inputChannels - d.secondChannels) / PLANE_CHANNELS), FIRST_OFFSET: inBeats(d.inputOffset), FIRST_PLANE_STEP: inBeats(d.inputPlaneStride),
      FIRST_ROW_STEP: inBeats(d.inputRowStride), FIRST_HALF: has(DescriptorFlag.UPSAMPLE_FIRST),
    }],
    ['uint32_t', { SECOND_OFFSET: second ? inBeats(d.secondOffset) : 0, SECOND_PLANE_STEP: inBeats(d.secondPlaneStride), SECOND_ROW_STEP: inBeats(d.secondRowStride), SECOND_HALF: has(DescriptorFlag.UPSAMPLE_SECOND) }],
    ['uint32_t', { OUTPUT_OFFSET: inBeats(d.outputOffset), OUTPUT_PLANE_STEP: inBeats(d.outputPlaneStride), OUTPUT_ROW_STEP: inBeats(d.outputRowStride) }],
    ['uint32_t', { RESIDUAL_OFFSET: residual ? inBeats(d.residualOffset) : 0, RESIDUAL_PLANE_STEP: inBeats(d.residualPlaneStride), RESIDUAL_ROW_STEP: inBeats(d.residualRowStride) }],
    ['uint32_t', { ADD_MULTIPLIER_A: d.addMultiplierA, ADD_MULTIPLIER_B: d.addMultiplierB, ADD_SHIFT: residual ? d.addShift : 1 }],
    ['int32_t', { ADD_ZERO_A: d.addZeroA, ADD_ZERO_B: d.addZeroB, ADD_ZERO_OUT: d.addZeroOut }],
    ['int32_t', { STAGE_ZERO: d.stageZeroPoint, OUTPUT_MIN: d.outputMin, OUTPUT_MAX: d.outputMax }],
    ['int8_t', { INPUT_ZERO: d.inputZeroPoint }],
    ['bool', { HAS_TABLE: has(DescriptorFlag.HAS_TABLE), HAS_RESIDUAL: has(DescriptorFlag.HAS_RESIDUAL), POOLED: has(DescriptorFlag.POOL_OUTPUT), PER_COUNT: isPerCount(d) ? 1 : 0 }],
    ['uint32_t', { IN_LANES: lanes.inputs, OUT_LANES: lanes.outputs, TILE_ROWS: tileRows }],
  ];
}

const literal = (type: string, value: number): string => (type === 'bool' ? String(value === 1) : type === 'uint32_t' ? `${value}u` : String(value));

const TEMPLATES: Readonly<Record<number, string>> = {
  [Op.CONV]: 'convolution', [Op.DENSE]: 'convolution', [Op.DEPTHWISE]: 'depthwise', [Op.MAX_POOL]: 'max_pool', [Op.AVERAGE_POOL]: 'average_pool',
  [Op.ADD]: 'pointwise', [Op.TABLE]: 'pointwise', [Op.COPY]: 'pointwise',
};

export type LayerFiles = {
  /** Path in the project → text. */
  readonly files: ReadonlyMap<string, string>;
  readonly weightBeats: number;
};

/** @param id of the function, e.g. layer_007 */
export function exportLayer(id: string, d: Descriptor, plan: LayerPlan, data: Uint8Array, onPl: boolean): LayerFiles {
  const template = TEMPLATES[d.op];
  if (template === undefined) throw new CompileError(`operation ${d.op} is unknown to this version; make program.bin again with "npx fabriclens compile-program".`, d.name);
  const struct = constants(d, plan)
    .map(([type, fields]) => `  static constexpr ${type} ${Object.entries(fields).map(([name, value]) => `${name} = ${literal(type, value)}`).join(', ')};`)
    .join('\n');
  const packed = multiplies(d) ? packWeights(d, data, plan.lanes.inputs) : new Uint8Array();
  const count = multiplies(d) ? d.outputChannels : d.op === Op.AVERAGE_POOL ? (isPerCount(d) ? d.kernelH * d.kernelW : 1) : 0;
  const hasTable = d.tableOffset !== NONE && (d.flags & DescriptorFlag.HAS_TABLE) !== 0;
  const arrays: string[] = [];
  const call = ['arena'];
  if (multiplies(d)) call.push(onPl ? `FL_WEIGHTS(weights, ${id.toUpperCase()})` : `${id.toUpperCase()}_WEIGHTS`);
  if (count > 0) {
    arrays.push(`// Bias, then multiplier (bits 0-23) and shift (24-31) of each ${multiplies(d) ? 'output channel' : 'count of taps inside the input'}.\nconst fl::Parameter PARAMETERS[] = {\n${parameters(d, data, count)}\n};`);
    call.push('PARAMETERS');
  }
  if (hasTable) {
    const codes = part(data, d.tableOffset, 256, d.name);
    arrays.push(`// Code + 128 to code.\nconst int8_t TABLE[256] = {\n${rows([...codes].map((code) => String((code << 24) >> 24)), 24)}\n};`);
  }
  call.push(hasTable ? 'TABLE' : 'nullptr');
  const weights = multiplies(d) ? `#include "${id}_weights.h"\n` : '';
  const takes = multiplies(d) && onPl ? 'const Beat *weights' : 'const Beat *';
  const files = new Map([[`layers/${id}.cpp`, `// ${safe(d.name)}: ${opName(d.op)}, ${d.inputChannels} x ${d.inputHeight} x ${d.inputWidth} to ${d.outputChannels} x ${d.outputHeight} x ${d.outputWidth}.
#include "../network.h"
${weights}
namespace network {
namespace {

struct L {
${struct}
};
${arrays.map((text) => `\n${text}\n`).join('')}
}  // namespace

void ${id}(Beat *arena, ${takes}) { fl::exported::${template}<L>(${call.join(', ')}); }

}  // namespace network
`]]);
  if (multiplies(d)) {
    files.set(`layers/${id}_weights.h`, `// Weights of ${safe(d.name)}, eight outputs a word (fabriclens/export/layers.h).
#pragma once
#include <cstdint>

static const uint64_t ${id.toUpperCase()}_WEIGHTS[${packed.length / BEAT}] = {
${beats(packed)}
};
`);
  }
  return { files, weightBeats: packed.length / BEAT };
}
