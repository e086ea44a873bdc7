/** The array and its output stage, verilated, against the arithmetic of hls/core. A seed that failed: SEED=n npx vitest run hls/rtl/datapath.test.ts */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { verilate } from '../sim/verilate.mjs';

const TIMEOUT = 300_000; // verilates and compiles where nothing is kept from before
const seed = process.env.SEED ?? String(Math.floor(Math.random() * 2 ** 31));

const ROUND = ['fl_round'];
const CHAIN = ['fl_mac2', 'fl_chain'];
const DATAPATH = [...ROUND, ...CHAIN, 'fl_pair', 'fl_lane_array', 'fl_maximum', 'fl_parameters', 'fl_drain', 'fl_requantise', 'fl_table', 'fl_add', 'fl_output', 'fl_datapath'];

async function run(top: string, modules: string[], bench: string, parameters: Record<string, number> = {}): Promise<void> {
  const program = await verilate({
    top, parameters, sources: ['fabriclens_layout', ...modules].map((name) => `rtl/${name}.sv`), bench: [`sim/${bench}.cpp`], flags: ['--assert'],
  });
  const { stdout } = await promisify(execFile)(program, [seed]).catch((error: { message: string; stdout: string }) => {
    throw new Error(`${error.message}\n${error.stdout}`);
  });
  console.log(`${bench}: ${stdout.trim().replaceAll('\n', ', ')}`);
  expect(stdout).toMatch(/ 0 wrong\n$/);
}

describe('the modules of the datapath', () => {
  it('two products in one DSP: every product of two weights and a code, and sums of four', () => run('fl_chain', CHAIN, 'chain_tb'), TIMEOUT);
  it('the requantiser equals the core, ties and ends included', () => run('fl_requantise', [...ROUND, 'fl_requantise'], 'requantise_tb'), TIMEOUT);
  it('the residual add equals the core on every pair of codes', () => run('fl_add', [...ROUND, 'fl_add'], 'add_tb'), TIMEOUT);
});

describe('the datapath', () => {
  it.each([[8, 3], [16, 1]])('%i output lanes, %i pixel lanes: commands of every kind, each word in its cycle', (OC, PX) => run('fl_datapath', DATAPATH, 'datapath_tb', { OC, PX }), TIMEOUT);
});
