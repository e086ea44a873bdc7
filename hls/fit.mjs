/**
 * `npm run fit [-- --json] [-- SHAPE…]`: does the core fit XC7Z020? Yosys synthesises hls/rtl for each shape (output x pixel lanes) and the
 * cells are counted against the chip; non-zero where a limit is passed. It places and routes nothing: frequency stays unproven.
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ensurePackages } from '../scripts/lib/debian.mjs';
import { SetupError, main, step } from '../scripts/lib/log.mjs';
import { onPath, run } from '../scripts/lib/run.mjs';

const HLS = dirname(fileURLToPath(import.meta.url));
const OUT = join(HLS, '..', 'build', 'hls', 'fit');
const TOP = 'fl_core';
const SHAPES = { '8x3': { OC: 8, PX: 3 }, '16x1': { OC: 16, PX: 1 } };

/** What an XC7Z020 has, and the share of it that the core may take: the rest is the tools' room to place and route. */
const PARTS = [
  { key: 'dsp', name: 'DSP48E1', has: 220, share: 1 },
  { key: 'bram', name: 'BRAM36', has: 140, share: 0.9 },
  { key: 'lut', name: 'LUT', has: 53_200, share: 0.7 },
  { key: 'ff', name: 'FF', has: 106_400, share: 0.7 },
];

const LUTS = ['INV', 'LUT1', 'LUT2', 'LUT3', 'LUT4', 'LUT5', 'LUT6'];
const FLIP_FLOPS = ['FDRE', 'FDSE', 'FDCE', 'FDPE', 'FDRE_1', 'FDSE_1', 'FDCE_1', 'FDPE_1'];
/** LUTs that a cell of distributed memory, or a shift register, takes. */
const LUT_MEMORY = { RAM32X1S: 1, RAM64X1S: 1, RAM128X1S: 2, RAM256X1S: 4, RAM32X1D: 2, RAM64X1D: 2, RAM128X1D: 4, RAM32M: 4, RAM64M: 4, SRL16E: 1, SRLC32E: 1 };
/** They come with the LUTs, or with the clock. No latches: a cell that is not listed here is an error. */
const FREE = ['CARRY4', 'MUXF7', 'MUXF8', 'BUFG', 'GND', 'VCC'];

/** A LUT of 5 or 6 inputs (or of memory) as 4-input logic cells, a smaller one, and gates of an ASIC in a cell. */
const CELLS_OF_LARGE = 1.6;
const CELLS_OF_SMALL = 1.25;
const GATES_OF_CELL = 15;

/**
 * Cells of a design as Yosys' `stat -json` counts them, as parts of the chip.
 * @param {string} text
 * @throws SetupError naming cells that are none of the chip's
 */
export function countCells(text) {
  const cells = JSON.parse(text).design?.num_cells_by_type;
  if (cells === undefined || Object.keys(cells).length === 0) throw new SetupError('Yosys counted no cells.');
  const known = [...LUTS, ...FLIP_FLOPS, ...Object.keys(LUT_MEMORY), ...FREE, 'DSP48E1', 'RAMB36E1', 'RAMB18E1'];
  const strange = Object.keys(cells).filter((name) => !known.includes(name));
  if (strange.length > 0) throw new SetupError(`Cells that the count doesn't know: ${strange.map((name) => `${cells[name]} ${name}`).join(', ')}`);
  const sum = (names, weight = () => 1) => names.reduce((total, name) => total + (cells[name] ?? 0) * weight(name), 0);
  const small = sum(LUTS.slice(0, 5));
  const large = sum(LUTS.slice(5));
  const memory = sum(Object.keys(LUT_MEMORY), (name) => LUT_MEMORY[name]);
  const logicCells = Math.round(small * CELLS_OF_SMALL + (large + memory) * CELLS_OF_LARGE);
  return {
    dsp: cells.DSP48E1 ?? 0, bram: (cells.RAMB36E1 ?? 0) + (cells.RAMB18E1 ?? 0) / 2, lut: small + large + memory, lutMemory: memory, ff: sum(FLIP_FLOPS),
    logicCells, gates: logicCells * GATES_OF_CELL,
  };
}

/** What is used of each part, and whether that is too much. */
export function against(count) {
  return PARTS.map(({ key, name, has, share }) => ({ part: name, used: count[key], has, limit: Math.floor(has * share), fits: count[key] <= Math.floor(has * share) }));
}

export function printed(shape, seconds, count) {
  const rows = against(count).map(({ part, used, has, limit, fits }) =>
    `  ${part.padEnd(8)} ${String(used).padStart(7)} of ${String(has).padStart(7)}  ${((100 * used) / has).toFixed(1).padStart(5)} %  limit ${String(limit).padStart(6)}  ${fits ? 'fits' : 'TOO LARGE'}`);
  return [
    `${TOP} ${shape} on XC7Z020 (Yosys, ${seconds.toFixed(0)} s)`, ...rows,
    `  ${count.lutMemory} of the LUTs are memory. ${count.logicCells} logic cells, about ${Math.round(count.gates / 1000)} k ASIC gates, memories and DSPs apart.`,
  ].join('\n');
}

/** The top with other parameters: Yosys 0.23 ends in an assertion on -chparam, so their defaults are rewritten. */
export function withParameters(source, parameters) {
  return Object.entries(parameters).reduce((text, [name, value]) => {
    const pattern = new RegExp(`(parameter\\s+int\\s+${name}\\s*=\\s*)\\d+`);
    if (!pattern.test(text)) throw new SetupError(`${TOP} has no parameter ${name} with a number as its default.`);
    return text.replace(pattern, `$1${value}`);
  }, source);
}

async function synthesise(shape) {
  const folder = join(OUT, shape);
  mkdirSync(folder, { recursive: true });
  const rtl = join(HLS, 'rtl');
  const names = readdirSync(rtl).filter((name) => name.endsWith('.sv') && name !== `${TOP}.sv`).sort((a, b) => Number(b.endsWith('_layout.sv')) - Number(a.endsWith('_layout.sv')));
  writeFileSync(join(folder, `${TOP}.sv`), withParameters(readFileSync(join(rtl, `${TOP}.sv`), 'utf8'), SHAPES[shape]));
  const quoted = (file) => `"${file}"`;
  // No -abc9: it crashes on memories in LUTs in Debian's 0.23. No pads: the core sits behind the processor's ports.
  writeFileSync(join(folder, 'fit.ys'), [
    `read_verilog -sv ${[...names.map((name) => join(rtl, name)), join(folder, `${TOP}.sv`)].map(quoted).join(' ')}`,
    `synth_xilinx -family xc7 -flatten -noiopad -top ${TOP}`,
    'tee -q -o stat.json stat -json', '',
  ].join('\n'));
  const from = Date.now();
  const { code, output } = await run('yosys', ['-q', '-l', 'yosys.log', 'fit.ys'], { cwd: folder, quiet: true });
  if (code !== 0) throw new SetupError(`Yosys failed (${code}):\n${output.trim().split('\n').slice(-12).join('\n')}`);
  return { shape, seconds: (Date.now() - from) / 1000, count: countCells(readFileSync(join(folder, 'stat.json'), 'utf8')) };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(async () => {
    const args = process.argv.slice(2);
    const json = args.includes('--json');
    const shapes = args.filter((arg) => arg !== '--json');
    const unknown = shapes.find((shape) => !Object.hasOwn(SHAPES, shape));
    if (unknown !== undefined) throw new SetupError(`usage: npm run fit [-- --json] [-- SHAPE…], SHAPE one of ${Object.keys(SHAPES).join(', ')}; not '${unknown}'`);
    await ensurePackages(['yosys'], 'the fit');
    if (!onPath('yosys')) throw new SetupError('yosys is missing: https://github.com/YosysHQ/yosys');
    const results = await step('Yosys', () => Promise.all((shapes.length > 0 ? shapes : Object.keys(SHAPES)).map(synthesise)));
    const frequency = 'Frequency is unproven: nothing was placed or routed.';
    if (json) process.stdout.write(`${JSON.stringify({ part: 'XC7Z020', frequency, shapes: results.map(({ shape, seconds, count }) => ({ shape, seconds, ...count, parts: against(count) })) }, null, 2)}\n`);
    else process.stdout.write(`${results.map(({ shape, seconds, count }) => printed(shape, seconds, count)).join('\n\n')}\n\n${frequency}\n`);
    return results.every(({ count }) => against(count).every(({ fits }) => fits)) ? 0 : 1;
  });
}
