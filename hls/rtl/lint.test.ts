import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const RTL = fileURLToPath(new URL('.', import.meta.url));
let copy: string;
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'fabriclens-rtl-'));
  for (const name of readdirSync(RTL)) {
    if (name.endsWith('.sv')) cpSync(join(RTL, name), join(copy, name));
  }
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

/** What Verilator says of all modules; '' when it is content. */
function lint(folder: string, oc: number, px: number): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.sv')).sort((a, b) => Number(b === 'fabriclens_layout.sv') - Number(a === 'fabriclens_layout.sv'));
  const { status, stderr } = spawnSync('verilator', ['--lint-only', '-Wall', '--assert', '--top-module', 'fl_core', `-GOC=${oc}`, `-GPX=${px}`, ...files], { cwd: folder, encoding: 'utf8' });
  expect(status === 0).toBe(stderr === '');
  return stderr;
}

describe('verilator -Wall', () => {
  it.each([[8, 3], [16, 1]])('has nothing to say of the core with %i output and %i pixel lanes', (oc, px) => {
    expect(execFileSync('verilator', ['--version'], { encoding: 'utf8' })).toMatch(/^Verilator 5/);
    expect(lint(RTL, oc, px)).toBe('');
  }, 60_000);

  it.each([
    ['a width that does not fit', 'WIDTH', (text: string) => text.replace('assign rst_planted = rst;', 'assign rst_planted = 4\'d3;')],
    ['a signal that nobody reads', 'UNUSEDSIGNAL', (text: string) => text],
  ])('notices %s', (_, warning, plant) => {
    const file = join(copy, 'fl_core.sv');
    const clean = readFileSync(join(RTL, 'fl_core.sv'), 'utf8');
    const planted = plant(clean.replace('\nendmodule', '\n  logic rst_planted;\n  assign rst_planted = rst;\nendmodule'));
    expect(planted).not.toBe(clean);
    writeFileSync(file, planted);
    expect(lint(copy, 8, 3)).toContain(`%Warning-${warning}`);
    writeFileSync(file, clean);
  }, 60_000);
});
