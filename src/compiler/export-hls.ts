/**
 * program.bin → a C++ project of that one network (route 2 of docs/routes.md): a function a layer with its shapes as constants, weights as arrays,
 * a top function for Vitis HLS, plain C++ for the processor. Pure: files by their path; src/hosts/cli writes them.
 */
import { DescriptorFlag, Direction, NONE, Target } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import { exportFloats, FLOAT_SOURCES, floatId, floatOperatorName } from './export-hls-float.ts';
import { exportLayer, opName, safe, type LayerFiles } from './export-hls-layer.ts';
import { DEVICE, planLayers, type LayerPlan } from './export-hls-lanes.ts';
import { readme, vitisScript } from './export-hls-text.ts';
import { readProgram, type Program } from './read-program.ts';

/** What goes into a project as it is (the float operators' only where there are some); from hls/ to fabriclens/ of the project, or to its top. */
export const SHIPPED_SOURCES: Readonly<Record<string, string>> = {
  'core/arithmetic.h': 'fabriclens/core/arithmetic.h',
  'core/layout.h': 'fabriclens/core/layout.h',
  'export/layers.h': 'fabriclens/export/layers.h',
  'runtime/src/convert.h': 'fabriclens/runtime/src/convert.h',
  'runtime/src/convert.cpp': 'fabriclens/runtime/src/convert.cpp',
  ...Object.fromEntries(FLOAT_SOURCES.map((path) => [path, `fabriclens/${path}`])),
  'export/main.cpp': 'main.cpp',
  'export/Makefile': 'Makefile',
};

export type ExportReport = {
  readonly layers: readonly { readonly name: string; readonly operator: string; readonly target: 'PL' | 'PS'; readonly plan: LayerPlan }[];
  /** Float operators, on the processor all. */
  readonly floats: readonly { readonly name: string; readonly operator: string }[];
  /** Sums of the layers on the PL: steps of innermost loops, and what they would take of the device. Arithmetic, not synthesis. */
  readonly cycles: number;
  readonly dsp: number;
  readonly bram: number;
  readonly weightBytes: number;
  /** Whether weights fit into block RAM beside the buffers. */
  readonly weightsOnChip: boolean;
};

export type ExportOptions = {
  /** Of the model. */
  readonly name: string;
  readonly version: string;
  /** Of program.bin. */
  readonly sha256: string;
  /** By path under hls/: those of SHIPPED_SOURCES. */
  readonly sources: ReadonlyMap<string, string>;
};

const layerId = (index: number): string => `layer_${String(index).padStart(3, '0')}`;
const cString = (text: string): string => `"${[...new TextEncoder().encode(text)].map((byte) => (/[A-Za-z0-9_.:-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`)).join('')}"`;
const float = (value: number): string => `${value.toExponential()}f`;
const product = (values: readonly number[]): number => values.reduce((a, b) => a * b, 1);

function ports({ bindings, tensors, floatTensors }: Program): string {
  return bindings.map(({ name, tensor, floatTensor, shape }) => {
    const t = tensor === NONE ? null : tensors[tensor];
    const fields = t === null || t === undefined
      ? '0, 0, 0, 1, 1, 1, 0, 0, 0, 1.0f, 0'
      : `0, 0, ${t.dataType}, ${t.height}, ${t.width}, ${t.channels}, ${t.arenaOffset}, ${t.planeStride}, ${t.rowStride}, ${float(t.scale)}, ${t.zeroPoint}`;
    const at = floatTensor === NONE ? 'fl::NONE' : String((floatTensors[floatTensor]?.offset ?? 0) / 4);
    return `    {${cString(name)}, ${product(shape)}, ${at}, {${fields}, {}}},`;
  }).join('\n');
}

/** Offsets of the layers' weights in the PL's second port, in beats. */
function weightPlaces(layers: readonly LayerFiles[], onPl: readonly boolean[]): { at: number[]; beats: number } {
  let beats = 0;
  const at = layers.map(({ weightBeats }, i) => {
    const here = beats;
    if (onPl[i] === true) beats += weightBeats;
    return here;
  });
  return { at, beats };
}

/** @throws CompileError where program.bin is none of this version's, or damaged */
export function exportHls(bytes: Uint8Array, options: ExportOptions): { files: Map<string, string>; report: ExportReport } {
  const program = readProgram(bytes);
  const { descriptors, segments, bindings, header, data, floatOps } = program;
  const onPl = descriptors.map((_, i) => segments.some(({ target, first, count }) => target === Target.PL && i >= first && i < first + count));
  const plans = planLayers(descriptors, onPl, { pool: DescriptorFlag.POOL_OUTPUT, residual: DescriptorFlag.HAS_RESIDUAL });
  const layers = descriptors.map((d, i) => exportLayer(layerId(i), d, plans[i] as LayerPlan, data, onPl[i] === true));
  const places = weightPlaces(layers, onPl);
  const sum = (of: (plan: LayerPlan) => number): number => plans.reduce((total, plan, i) => total + (onPl[i] === true ? of(plan) : 0), 0);
  const bram = sum((p) => p.bram);
  const weightBram = layers.reduce((total, { weightBeats }, i) => total + (onPl[i] === true ? Math.ceil(weightBeats / 512) : 0), 0);
  const report: ExportReport = {
    layers: descriptors.map((d, i) => ({ name: d.name, operator: opName(d.op), target: onPl[i] === true ? 'PL' : 'PS', plan: plans[i] as LayerPlan })),
    floats: floatOps.map(({ name, op }) => ({ name, operator: floatOperatorName(op) })),
    cycles: sum((p) => p.cycles), dsp: sum((p) => p.dsp), bram, weightBytes: places.beats * 8, weightsOnChip: bram + weightBram <= DEVICE.bram,
  };

  const files = new Map<string, string>();
  for (const [from, to] of Object.entries(SHIPPED_SOURCES)) {
    if (floatOps.length === 0 && FLOAT_SOURCES.includes(from)) continue;
    const text = options.sources.get(from);
    if (text === undefined) throw new CompileError(`hls/${from} is missing from this installation of FabricLens; install it again.`);
    files.set(to, text);
  }
  const made = `// Made by "fabriclens export-hls" ${options.version} from program.bin ${options.sha256.slice(0, 16)} of ${safe(options.name)}. Not for diagnostic use.`;
  const inputs = bindings.filter((b) => b.direction === Direction.INPUT).length;
  const plSegments = segments.flatMap((s, i) => (s.target === Target.PL ? [{ ...s, number: i }] : []));
  files.set('network.h', `${made}
#pragma once
#include "fabriclens/core/layout.h"
#include "fabriclens/export/layers.h"

// Weights lie in memory, behind the top function's second port (pack_weights fills it), or, with -DFL_WEIGHTS_ON_CHIP, in ROMs beside their layer.
#ifdef FL_WEIGHTS_ON_CHIP
#define FL_WEIGHTS(port, layer) (static_cast<void>(port), layer##_WEIGHTS)
#else
#define FL_WEIGHTS(port, layer) port
#endif

namespace network {

using Beat = fl::exported::Beat;

constexpr uint32_t ARENA_BEATS = ${header.arenaBytes / 8}, WEIGHT_BEATS = ${places.beats}, FLOATS = ${header.floatArenaBytes / 4};
constexpr uint32_t INPUTS = ${inputs}, OUTPUTS = ${bindings.length - inputs};

struct Port {
  const char *name;
  uint32_t elements;
  uint32_t float_at;  // of the floats, or fl::NONE: a tensor of codes
  fl::Tensor tensor;
};
extern const Port PORTS[INPUTS + OUTPUTS];  // inputs first

// WEIGHT_BEATS beats for the top function's second port.
void pack_weights(Beat *to);

// One inference; inputs and outputs lie in the arena as PORTS says (main.cpp loads and stores them).
void run(Beat *arena, const Beat *weights, float *floats);

${descriptors.map((d, i) => `void ${layerId(i)}(Beat *arena, const Beat *weights);  // ${safe(d.name)}`).join('\n')}
${floatOps.map((op, i) => `void ${floatId(i)}(Beat *arena, float *floats);  // ${safe(op.name)}`).join('\n')}

}  // namespace network
${plSegments.length === 0 ? '' : '\nextern "C" void network_pl(network::Beat *arena, const network::Beat *weights, uint32_t segment);\n'}`);

  const calls = segments.flatMap(({ target, first, count }, number) => {
    if (target === Target.PL) return [`  network_pl(arena, weights, ${number});`];
    return Array.from({ length: count }, (_, k) => (target === Target.FLOAT ? `  ${floatId(first + k)}(arena, floats);` : `  ${layerId(first + k)}(arena, nullptr);`));
  });
  files.set('network.cpp', `${made}
// What the processor does: it calls the programmable logic for each of its segments, and runs the layers between them.
#include "network.h"

namespace network {

const Port PORTS[INPUTS + OUTPUTS] = {
${ports(program)}
};

void run(Beat *arena, ${plSegments.length === 0 ? 'const Beat *' : 'const Beat *weights'}, float *${floatOps.length === 0 ? '' : 'floats'}) {
${calls.join('\n')}
}

}  // namespace network
`);

  const packed = descriptors.flatMap((_, i) => (onPl[i] === true && (layers[i] as LayerFiles).weightBeats > 0 ? [i] : []));
  files.set('weights.cpp', `${made}
// On the processor: the weights as the top function's second port reads them.
#include <cstring>

#include "network.h"
${packed.map((i) => `#include "layers/${layerId(i)}_weights.h"`).join('\n')}

namespace network {

void pack_weights(Beat *${packed.length === 0 ? '' : 'to'}) {
${packed.map((i) => `  std::memcpy(to + ${places.at[i] as number}, ${layerId(i).toUpperCase()}_WEIGHTS, sizeof ${layerId(i).toUpperCase()}_WEIGHTS);`).join('\n')}
}

}  // namespace network
`);

  if (plSegments.length > 0) {
    const cases = plSegments.map(({ number, first, count }) => `    case ${number}:
${Array.from({ length: count }, (_, k) => `      ${layerId(first + k)}(arena, weights + ${places.at[first + k] as number});`).join('\n')}
      break;`);
    files.set('pl.cpp', `${made}
// Top function for Vitis HLS: two AXI4 masters (activations, weights) and an AXI4-Lite slave. A call runs one segment, layer by layer.
#include "network.h"

extern "C" void network_pl(network::Beat *arena, const network::Beat *weights, uint32_t segment) {
  FL_HLS(INTERFACE m_axi port = arena offset = slave bundle = arena depth = ${header.arenaBytes / 8})
  FL_HLS(INTERFACE m_axi port = weights offset = slave bundle = weights depth = ${Math.max(1, places.beats)})
  FL_HLS(INTERFACE s_axilite port = segment)
  FL_HLS(INTERFACE s_axilite port = return)
  using namespace network;
  switch (segment) {
${cases.join('\n')}
    default: break;
  }
}
`);
    files.set('vitis.tcl', vitisScript(descriptors.flatMap((_, i) => (onPl[i] === true ? [layerId(i)] : [])), report.weightsOnChip));
  }
  for (const layer of layers) for (const [path, text] of layer.files) files.set(path, text);
  if (floatOps.length > 0) for (const [path, text] of exportFloats(program)) files.set(path, `${made}\n${text}`);
  files.set('README.md', readme(options, report, program));
  return { files, report };
}
