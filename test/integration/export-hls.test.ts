/** `fabriclens export-hls`: a project, whole or not at all, and in nobody's way. What the project computes is src/compiler/export-hls.test.ts's. */
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FLOAT_SOURCES } from '../../src/compiler/export-hls-float.ts';
import { SHIPPED_SOURCES } from '../../src/compiler/export-hls.ts';
import { exportHls } from '../../src/hosts/cli/export-hls.ts';
import { parseCommand, UsageError } from '../../src/hosts/cli/options.ts';
import { resolveResources } from '../../src/hosts/resources.ts';
import { ROOT } from '../support/data.ts';

const PACKAGE = join(ROOT, 'models/pneumonia');
const resources = resolveResources(ROOT);
let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'fabriclens-export-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(packageDir: string, out: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const code = await exportHls({ command: 'export-hls', packageDir, out }, resources, { stdout, stderr: stderr as unknown as NodeJS.WriteStream });
  const text = (stream: PassThrough): string => String((stream.read() as Buffer | null) ?? '');
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

test('writes the project and says what is in it', async () => {
  const out = join(folder, 'deep/er/chest');
  const { code, stdout, stderr } = await run(PACKAGE, out);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toContain(`Written: ${out}`);
  expect(stdout).toContain('Vitis HLS has never read it');
  expect(readdirSync(dirname(out))).toEqual(['chest']);
  expect(statSync(out).mode & 0o777).toBe(0o777 & ~process.umask());
  // The classifier has no float operator.
  for (const [from, to] of Object.entries(SHIPPED_SOURCES)) if (!FLOAT_SOURCES.includes(from)) expect(readFileSync(join(out, to)), to).toEqual(readFileSync(join(ROOT, 'hls', from)));
  const readme = readFileSync(join(out, 'README.md'), 'utf8');
  expect(readme).toContain('Not for diagnostic use');
  expect(readme).toContain('has never read these files');
  const layers = readdirSync(join(out, 'layers')).filter((name) => name.endsWith('.cpp'));
  expect(layers.length).toBe(readme.split('\n').filter((line) => line.startsWith('| layer_')).length);
  const script = readFileSync(join(out, 'vitis.tcl'), 'utf8');
  for (const name of layers) expect(script).toContain(`layers/${name}`);
});

test('refuses a folder that is there, and leaves it as it was', async () => {
  const out = join(folder, 'mine');
  mkdirSync(out);
  writeFileSync(join(out, 'notes.txt'), 'mine');
  const { code, stderr } = await run(PACKAGE, out);
  expect([code, stderr]).toEqual([1, `fabriclens: Model pneumonia: ${out} is there already; name another folder with --out, or delete it first.\n`]);
  expect(readdirSync(out)).toEqual(['notes.txt']);
});

test('writes nothing where program.bin is not the one that metadata.json describes, or is missing', async () => {
  const copy = join(folder, 'pneumonia');
  cpSync(PACKAGE, copy, { recursive: true });
  writeFileSync(join(copy, 'program.bin'), readFileSync(join(PACKAGE, 'program.bin')).subarray(0, 5000));
  await expect(run(copy, join(folder, 'out'))).rejects.toThrow('is not the file that metadata.json describes');
  rmSync(join(copy, 'program.bin'));
  await expect(run(copy, join(folder, 'out'))).rejects.toThrow('program.bin cannot be read');
  expect(readdirSync(folder)).toEqual(['pneumonia']);
});

test('leaves nothing where it cannot write', async () => {
  copyFileSync(join(PACKAGE, 'CARD.md'), join(folder, 'file'));
  await expect(run(PACKAGE, join(folder, 'file/out'))).rejects.toThrow();
  expect(readdirSync(folder)).toEqual(['file']);
});

test('the words of the command line', () => {
  expect(parseCommand(['export-hls', 'pkg'])).toEqual({ command: 'export-hls', packageDir: 'pkg', out: undefined });
  expect(parseCommand(['export-hls', 'pkg', '--out', 'dir'])).toMatchObject({ out: 'dir' });
  expect(() => parseCommand(['export-hls'])).toThrow(UsageError);
  expect(() => parseCommand(['export-hls', 'a', 'b'])).toThrow('one model package folder');
});

test('the packaged application has all that a project takes along', () => {
  const filter = /from: hls\n\s+to: hls\n\s+filter: \[(.*)\]/.exec(readFileSync(join(ROOT, 'electron-builder.yml'), 'utf8'))?.[1] ?? '';
  const patterns = [...filter.matchAll(/'([^']+)'/g)].map(([, text]) => new RegExp(`^${text!.replace('**/', '(.+/)?').replace(/\{(.*),(.*)\}/, '($1|$2)').replace(/(?<!\.)\*/g, '[^/]*')}$`));
  for (const path of Object.keys(SHIPPED_SOURCES)) {
    expect(existsSync(join(ROOT, 'hls', path)), path).toBe(true);
    expect(patterns.some((pattern) => pattern.test(path)), `${path} in ${filter}`).toBe(true);
  }
});
