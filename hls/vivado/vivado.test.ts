/** build.tcl under a plain Tcl interpreter, with stub.tcl in Vivado's place: its syntax, the order of what it asks for, and what it refuses. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { LAYOUT_VERSION } from '../../src/contract/layout.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const RTL = join(HERE, '../rtl');
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

type Ended = { code: number; stdout: string; stderr: string };
const run = (program: string, args: string[]): Promise<Ended> =>
  new Promise((resolve) => execFile(program, args, (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })));

async function build(plants: string[] = [], args: string[] = []): Promise<Ended & { out: string; calls: string[] }> {
  const out = mkdtempSync(join(tmpdir(), 'overlay-'));
  folders.push(out);
  const ended = await run('tclsh', [join(HERE, 'stub.tcl'), ...plants, '--', join(HERE, 'build.tcl'), '-out', out, ...args]);
  return { ...ended, out, calls: ended.stdout.trim().split('\n') };
}

function written(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'script-'));
  folders.push(folder);
  const file = join(folder, 'script.tcl');
  writeFileSync(file, text);
  return file;
}

describe('build.tcl', () => {
  it('leaves a bit and a hwh of the same stem', async () => {
    const { code, stderr, out, calls } = await build();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(existsSync(join(out, 'fabriclens.bit')) && existsSync(join(out, 'fabriclens.hwh'))).toBe(true);
    expect(existsSync(join(out, 'utilisation.rpt'))).toBe(true);
    const order = ['create_project', 'add_files', 'create_bd_design', 'create_bd_cell', 'connect_bd_net', 'connect_bd_intf_net', 'assign_bd_address', 'validate_bd_design', 'generate_target', 'make_wrapper', 'launch_runs synth_1', 'launch_runs impl_1 -to_step write_bitstream', 'open_run impl_1', 'report_timing_summary', 'Overlay:'];
    const places = order.map((start) => calls.findIndex((call) => call.startsWith(start)));
    expect(places).toEqual(places.filter((at) => at >= 0).sort((a, b) => a - b));
    expect(places).toHaveLength(order.length);
  });

  it('leaves a manifest of them', async () => {
    const { out } = await build([], ['-clock', '142.857', '-shape', '16x1']);
    const sha256 = (name: string): string => createHash('sha256').update(readFileSync(join(out, name))).digest('hex');
    expect(JSON.parse(readFileSync(join(out, 'overlay.json'), 'utf8'))).toEqual({
      format: 1, core: { version: 1, layout: LAYOUT_VERSION, shape: '16x1' }, address: 0x43c00000, span: 4096, clock_khz: 142_857,
      bit: { file: 'fabriclens.bit', sha256: sha256('fabriclens.bit') }, hwh: { file: 'fabriclens.hwh', sha256: sha256('fabriclens.hwh') }, vivado: '2022.1',
    });
  });

  it.each([0, 3, 55, 56, 63, 64, 119, 120, 100_000])('has the SHA-256 of %i bytes right', async (bytes) => {
    const folder = mkdtempSync(join(tmpdir(), 'sha256-'));
    folders.push(folder);
    const data = randomBytes(bytes);
    writeFileSync(join(folder, 'data'), data);
    const { stdout } = await run('tclsh', [written(`source [lindex $argv 0]; puts [sha256_of [lindex $argv 1]]`), join(HERE, 'manifest.tcl'), join(folder, 'data')]);
    expect(stdout.trim()).toBe(createHash('sha256').update(data).digest('hex'));
  });

  it('adds every source of the core', async () => {
    const { calls } = await build();
    const added = calls.find((call) => call.startsWith('add_files')) ?? '';
    for (const name of [...readdirSync(RTL).filter((file) => file.endsWith('.sv')), 'fabriclens_core.v']) expect(added).toContain(`/${name}`);
  });

  it('wires clock, reset, registers, both memory ports and the interrupt, and gives the registers their place', async () => {
    const { calls } = await build([], ['-clock', '142.857', '-shape', '16x1']);
    for (const call of [
      'connect_bd_net fabriclens/irq ps/IRQ_F2P', 'connect_bd_intf_net fabriclens/m_axi_activations ps/S_AXI_HP0', 'connect_bd_intf_net fabriclens/m_axi_weights ps/S_AXI_HP2',
      'connect_bd_intf_net ps/M_AXI_GP0 control/S00_AXI', 'connect_bd_intf_net control/M00_AXI fabriclens/s_axi_control', 'connect_bd_net reset/peripheral_aresetn fabriclens/rst_n control/aresetn',
      'assign_bd_address -offset 0x43C00000 -range 4K -target_address_space ps/Data fabriclens/s_axi_control/*', 'set_property -dict {CONFIG.OC 16 CONFIG.PX 1} fabriclens',
    ]) expect(calls).toContain(call);
    expect(calls.find((call) => call.includes('PCW_CRYSTAL'))).toMatch(/PCW_UIPARAM_DDR_PARTNO \{MT41J256M16 RE-125\}.*PCW_USE_S_AXI_HP2 1.*PCW_FPGA0_PERIPHERAL_FREQMHZ 142\.857/);
  });

  it.each<[string, string[], string[], string]>([
    ['negative set-up slack', ['wns=-0.113'], [], 'the design does not keep 100 MHz: set-up slack is -0.113 ns'],
    ['negative hold slack', ['whs=-0.02'], [], 'hold slack is -0.02 ns'],
    ['no slack', ['wns='], [], 'there is no set-up slack'],
    ['a run that failed', ['progress=34%'], [], "synth_1 ended with 'synth_1 status': see runme.log in /runs/synth_1"],
    ['an array that was optimised away', ['dsp=3'], [], '3 of DSPs are used; 128 to 220 are expected'],
    ['no bitstream', ['bit=0'], [], 'Vivado left 0 files like'],
    ['no hand-off', ['hwh=0'], [], 'overlay.hwh, not one'],
    ['an old Vivado', ['version=2019.1'], [], 'this is Vivado 2019.1; these scripts are for 2020.2 to 2024.2'],
    ['a new Vivado', ['version=2025.1'], [], 'this is Vivado 2025.1'],
    ['a clock that FCLK0 has not', [], ['-clock', '150'], 'FCLK0 cannot be 150 MHz; the nearest is 142.857'],
    ['a clock that is none', [], ['-clock', 'fast'], "-clock is 20 to 250 (MHz), not 'fast'"],
    ['a shape that is none', [], ['-shape', '8x1'], "no shape '8x1'"],
    ['an unknown argument', [], ['-colour', 'blue'], "unknown argument '-colour'"],
    ['an argument without a value', [], ['-jobs'], "'-jobs' has no value"],
  ])('refuses %s', async (_, plants, args, text) => {
    const { code, stderr, out } = await build(plants, args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ERROR: [^\n]*\n$/);
    expect(stderr).toContain(text);
    expect(existsSync(join(out, 'fabriclens.bit')) && existsSync(join(out, 'fabriclens.hwh'))).toBe(false);
  });

  it.each(['2020.2', '2022.1.2', '2023.2_AR000', '2024.2'])('takes Vivado %s', async (version) => {
    expect(await build([`version=${version}`])).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('the stub', () => {
  it('knows an unknown option and a pin that is not there', async () => {
    const script = async (text: string): Promise<string> => (await run('tclsh', [join(HERE, 'stub.tcl'), '--', written(text)])).stderr;
    expect(await script('create_project -forced x y')).toContain('create_project has no option -forced');
    expect(await script('get_bd_pins ps/FCLK_CLK1')).toContain("there is no pin 'ps/FCLK_CLK1'");
    expect(await script('synthesise')).toContain('invalid command name');
  });
});

describe('fabriclens_core.v', () => {
  const source = readFileSync(join(HERE, 'fabriclens_core.v'), 'utf8');

  it('fits the core, without a warning', async () => {
    const rtl = readdirSync(RTL).filter((name) => name.endsWith('.sv')).sort((a, b) => Number(b.endsWith('_layout.sv')) - Number(a.endsWith('_layout.sv')));
    expect(await run('verilator', ['--lint-only', '-Wall', '--top-module', 'fabriclens_core', ...rtl.map((name) => join(RTL, name)), join(HERE, 'fabriclens_core.v')])).toEqual({ code: 0, stdout: '', stderr: '' });
  }, 60_000);

  it('names every port as its interface does', () => {
    const ports = [...source.matchAll(/X_INTERFACE_INFO = "xilinx\.com:interface:aximm:1\.0 (\w+) (\w+)" \*\) (?:input |output) wire +(?:\[\d+:0\])? *(\w+)/g)];
    expect(ports).toHaveLength(19 + 38 + 17);
    for (const [, bus, signal, port] of ports) expect(port).toBe(`${bus}_${signal?.toLowerCase()}`);
  });
});
