import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as layout from '../../src/contract/layout.ts';
import { ROOT } from '../../test/support/data.ts';

const GENERATED = ['hls/core/layout.h', 'hls/rtl/fabriclens_layout.sv', 'src/contract/layout.ts', 'agent/fabriclens_agent/layout.py'];
const folder = mkdtempSync(join(tmpdir(), 'fabriclens-layout-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const check = (root: string): { status: number | null; text: string } => {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'hls/core/generate.mjs'), '--check'], { encoding: 'utf8' });
  return { status, text: stderr };
};

describe('the layout', () => {
  it('is the one that the generated files hold', () => {
    expect(check(ROOT)).toEqual({ status: 0, text: '' });
  });

  it('is found stale in every file when it changes', () => {
    for (const file of ['hls/core/layout.json', 'hls/core/generate.mjs', ...GENERATED]) cpSync(join(ROOT, file), join(folder, file));
    expect(check(folder).status).toBe(0);
    const json = join(folder, 'hls/core/layout.json');
    writeFileSync(json, readFileSync(json, 'utf8').replace('"version": 2', '"version": 3'));
    const { status, text } = check(folder);
    expect(status).toBe(1);
    for (const file of GENERATED) expect(text).toContain(`${file} is stale`);
  });

  it('is refused with a hole in a struct', () => {
    const json = join(folder, 'hls/core/layout.json');
    writeFileSync(json, readFileSync(json, 'utf8').replace('"bytes": 128, "doc": "one layer', '"bytes": 132, "doc": "one layer'));
    expect(check(folder).text).toContain('Descriptor has 128 bytes, not 132');
  });

  it('places every field of a command in SystemVerilog where the others do', () => {
    const text = readFileSync(join(ROOT, 'hls/rtl/fabriclens_layout.sv'), 'utf8');
    const places = [...text.matchAll(/COMMAND_([A-Z0-9_]+)_BEAT = (\d+), COMMAND_\1_BIT = (\d+);/g)].map(([, name, beat, bit]) => [name, 8 * Number(beat) + Number(bit) / 8]);
    const upper = (name: string): string => name.replace(/([A-Z])/g, '_$1').toUpperCase();
    expect(places).toEqual(Object.entries(layout.Command.fields).map(([name, { offset }]) => [upper(name), offset]));
  });

  it('has its float operators, and their functions, in the README', () => {
    const functions: Partial<Record<string, Readonly<Record<string, number>>>> = { UNARY: layout.UnaryFunction, BINARY: layout.BinaryFunction, SOFTMAX: layout.SoftmaxFunction, REDUCE: layout.ReduceFunction, NMS: layout.NmsFunction };
    const rows = Object.keys(layout.FloatOperator).map((name) => `| ${name} | ${Object.keys(functions[name] ?? {}).join(', ')} |`);
    expect(readFileSync(join(ROOT, 'hls/README.md'), 'utf8')).toContain(`\n| operator | functions |\n|---|---|\n${rows.join('\n')}\n\n`);
  });

  it('has the same sizes in Python', () => {
    const script = [
      'import layout, struct, json',
      'names = [n[:-7] for n in dir(layout) if n.endswith("_FORMAT")]',
      'for n in names: assert len(struct.unpack(getattr(layout, n + "_FORMAT"), bytes(getattr(layout, n + "_BYTES")))) == len(getattr(layout, n + "_FIELDS")), n',
      'print(json.dumps({n: getattr(layout, n + "_BYTES") for n in names}))',
    ].join('\n');
    const python = execFileSync('python3', ['-B', '-c', script], { cwd: join(ROOT, 'agent/fabriclens_agent'), encoding: 'utf8' });
    const { Header, Section, Tensor, Binding, Segment, Descriptor, FloatTensor, FloatOp, Command } = layout;
    expect(JSON.parse(python)).toEqual({ HEADER: Header.bytes, SECTION: Section.bytes, TENSOR: Tensor.bytes, BINDING: Binding.bytes, SEGMENT: Segment.bytes, DESCRIPTOR: Descriptor.bytes, FLOAT_TENSOR: FloatTensor.bytes, FLOAT_OP: FloatOp.bytes, COMMAND: Command.bytes });
  });
});
