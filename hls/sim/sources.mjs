// The core in simulation: what it is made of, and the programs around it. Plain Node.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { verilate } from './verilate.mjs';

const HLS = join(dirname(fileURLToPath(import.meta.url)), '..');
const files = (folder, ending) => readdirSync(join(HLS, folder)).filter((name) => name.endsWith(ending)).sort().map((name) => `${folder}/${name}`);

/** The top and what it is made of, packages first. */
export const SOURCES = files('rtl', '.sv').sort((a, b) => Number(b.endsWith('_layout.sv')) - Number(a.endsWith('_layout.sv')));
const CORE = ['sim/core_sim.cpp', 'sim/memory.cpp'];
/** The core behind a pipe, beside the golden model: simulated.ts. */
export const DRIVER = [
  'sim/driver.cpp', ...CORE, 'sim/network.cpp', ...files('core', '.cpp'),
  ...['program', 'check_layer', 'check_float', 'convert', 'float_ops', 'float_unary', 'float_binary', 'float_moves', 'float_sums', 'nms'].map((name) => `runtime/src/${name}.cpp`),
];

/**
 * Builds the program that serves the core's registers and memory over two files: simulated_board.cpp.
 * @param {{ asserts?: boolean, log?: (line: string) => void }} options asserts: the RTL's assertions are checked, for tests
 * @returns its path
 */
export const buildBoard = ({ asserts = false, log } = {}) =>
  verilate({ top: 'fl_core', parameters: { OC: 8, PX: 3 }, sources: SOURCES, bench: ['sim/simulated_board.cpp', ...CORE], flags: asserts ? ['--assert'] : [], ...(log ? { log } : {}) });

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    console.log(await buildBoard({ log: (line) => console.error(line) }));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
