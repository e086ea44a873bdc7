/**
 * What makes the test server's board one with a PL: an image's and a kernel's files (agent/tests/board.py), a kernel that loads bitstreams and gives contiguous memory (agent/tests/kernel.c,
 * preloaded by the board's python), and the Verilated core behind both (hls/sim/simulated_board.cpp).
 */
import { execFileSync, spawn } from 'node:child_process';
import { linkSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildBoard } from '../../hls/sim/sources.mjs';
import { ROOT } from './data.ts';

const MEMORY_BYTES = 16 << 20;
/** Where kernel.c and board.py have the contiguous memory and the registers. */
const [MEMORY_ADDRESS, REGISTERS] = [0x16800000, 'dev/mem/43c00000'];

const python = (code: string, ...words: string[]): string => execFileSync('python3', ['-B', '-c', code, ...words], { cwd: join(ROOT, 'agent'), timeout: 60_000 }).toString();

/** An overlay's folder as hls/vivado/build.tcl leaves it; of a bitstream that is noise. */
export function writeOverlay(folder: string, changes = '{}'): string {
  mkdirSync(folder, { recursive: true });
  python('import sys; from tests.board import write_overlay; write_overlay(sys.argv[1], changes=eval(sys.argv[2]))', folder, changes);
  return folder;
}

/** `root`: of the board's files; `folder`: beside it, on the same file system. */
export async function givePl(root: string, folder: string): Promise<{ end: () => Promise<void> }> {
  python('import sys; from tests.board import MANAGER, make_root, write; root = make_root(sys.argv[1]); [write(root, MANAGER + n, t) for n, t in (("state", "operating\\n"), ("flags", "0\\n"), ("firmware", ""))]; write(root, "/lib/firmware/base.bin", b"base")', root);
  const kernel = join(folder, 'kernel.so');
  execFileSync('cc', ['-O1', '-shared', '-fPIC', '-o', kernel, join(ROOT, 'agent/tests/kernel.c')], { timeout: 120_000 });
  const interpreter = join(root, 'usr/local/share/pynq-venv/bin/python3');
  mkdirSync(dirname(interpreter), { recursive: true });
  writeFileSync(interpreter, `#!/bin/sh\nLD_PRELOAD=${kernel} exec ${execFileSync('sh', ['-c', 'command -v python3']).toString().trim()} "$@"\n`, { mode: 0o755 });

  const core = spawn(await buildBoard(), [folder, String(MEMORY_BYTES), String(MEMORY_ADDRESS)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((done) => core.once('exit', done));
  await new Promise<void>((done, reject) => {
    const timer = setTimeout(() => reject(new Error('the simulated board does not answer')), 60_000);
    core.stdout.once('data', () => {
      clearTimeout(timer);
      done();
    });
  });
  const node = join(root, 'dev/dri/renderD128');
  mkdirSync(dirname(node), { recursive: true });
  writeFileSync(node, '');
  truncateSync(node, MEMORY_BYTES);
  rmSync(join(root, REGISTERS), { force: true });
  linkSync(join(folder, 'registers'), join(root, REGISTERS));
  linkSync(join(folder, 'memory'), join(root, 'dram'));
  return { end: async () => {
    core.kill('SIGKILL');
    await ended;
  } };
}
