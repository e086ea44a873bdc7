/** README.md and the Vitis HLS script of an exported network. */
import type { ExportOptions, ExportReport } from './export-hls.ts';
import { safe } from './export-hls-layer.ts';
import { DEVICE } from './export-hls-lanes.ts';
import type { Program } from './read-program.ts';

const thousands = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

/** @param layers ids of the layers on the PL */
export function vitisScript(layers: readonly string[], onChip: boolean): string {
  const flags = `-std=c++14${onChip ? ' -DFL_WEIGHTS_ON_CHIP' : ''}`;
  return `# vitis_hls -f vitis.tcl: C simulation, synthesis, and an IP for Vivado. Written from the manual; it has never been run.
open_project -reset project
set_top network_pl
${['pl', ...layers.map((id) => `layers/${id}`)].map((file) => `add_files ${file}.cpp -cflags "${flags}"`).join('\n')}
foreach file {main.cpp network.cpp weights.cpp ${layers.length === 0 ? '' : 'fabriclens/runtime/src/convert.cpp'}} { add_files -tb $file -cflags "-std=c++17" }
open_solution -reset solution -flow_target vivado
set_part xc7z020clg400-1
create_clock -period 10
# The inputs are yours: INPUT OUTPUT EXPECTED, absolute paths (see README.md).
# csim_design -argv "/path/to/input.bin /tmp/output.bin /path/to/expected.bin"
csynth_design
export_design -format ip_catalog
`;
}

export function readme({ name, version, sha256 }: ExportOptions, report: ExportReport, program: Program): string {
  const { layers, cycles, dsp, bram, weightBytes, weightsOnChip } = report;
  const fits = dsp <= DEVICE.dsp && bram <= DEVICE.bram;
  const elements = program.bindings.map((b) => `${b.direction === 0 ? 'input' : 'output'} \`${safe(b.name)}\`: ${b.shape.slice(0, b.rank).join(' x ')}`);
  return `# ${safe(name)} as C++ for Vitis HLS

Made by \`fabriclens export-hls\` ${version} from program.bin (SHA-256 ${sha256}). Not for diagnostic use.

One function a layer, its shapes constants, its weights arrays: no interpreter, no descriptor. Rounding and requantisation are
\`fabriclens/core/arithmetic.h\`, the same file that FabricLens's golden model is built from, and the results are the golden model's byte for byte.

${elements.map((line) => `- ${line}`).join('\n')}

## With g++
\`\`\`
make -j2
./network INPUT OUTPUT [EXPECTED]
\`\`\`
or, without make, \`g++ -std=c++17 -O2 -ffp-contract=off *.cpp layers/*.cpp fabriclens/runtime/src/*.cpp -o network\`. INPUT holds the inputs one behind the other,
in ONNX order: int8 codes, or fp32 where it is four times as long. OUTPUT is written in the same type; what float operators made is always fp32. With EXPECTED the
program ends with 1 where the two differ.

## In Vitis HLS
\`vitis_hls -f vitis.tcl\` makes an IP with the top function \`network_pl(arena, weights, segment)\`: two AXI4 masters and an AXI4-Lite slave. The processor does what
\`main.cpp\` and \`network.cpp\` do: puts the inputs into the arena, calls \`network_pl\` for each segment, runs the layers that are not the logic's.
\`${weightsOnChip ? '-DFL_WEIGHTS_ON_CHIP' : 'FL_WEIGHTS_ON_CHIP'}\` ${weightsOnChip ? 'keeps the weights in block RAM, as they fit' : 'is not set: the weights do not fit into the device, and come from memory through the second port'}.

**Vitis HLS has never read these files.** No vendor tool runs where they were written; the pragmas follow the manual. What the table says is arithmetic on shapes:
an upper bound of what the innermost loops can do, and a guess at what they take. Timing, fit and the loops' real intervals are for the tool to say.

| | of the layers on the PL | XC7Z020 has |
|---|---|---|
| steps of the innermost loops | ${thousands(cycles)} | |
| at 100 MHz, never waiting | ${(cycles / 1e5).toFixed(1)} ms | |
| DSP48E1 | ${dsp} | ${DEVICE.dsp} |
| block RAM of 36 kbit, buffers only | ${bram} | ${DEVICE.bram} |
| weights | ${thousands(weightBytes)} bytes | ${thousands(DEVICE.bram * 4096)} bytes |

${fits ? 'By this arithmetic it fits.' : 'By this arithmetic it does **not** fit: every layer has multipliers and buffers of its own. That is the price of one function a layer; FabricLens\'s own core shares one array between all of them.'}

| file | layer | operator | runs on | products a cycle | steps |
|---|---|---|---|---|---|
${layers.map((l, i) => `| layer_${String(i).padStart(3, '0')} | ${safe(l.name)} | ${l.operator} | ${l.target} | ${l.plan.lanes.inputs * l.plan.lanes.outputs} | ${thousands(l.plan.cycles)} |`).join('\n')}
${report.floats.map((f, i) => `| floats.cpp, float_${String(i).padStart(3, '0')} | ${safe(f.name)} | ${f.operator}, fp32 | PS | | |\n`).join('')}
\`hls/export/layers.h\` of FabricLens, here \`fabriclens/export/layers.h\`, has the templates. Code under Apache-2.0; the weights are under the model's own licence.
`;
}
