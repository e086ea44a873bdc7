/** `fabriclens export-ort`: one file, whole or not at all, and in nobody's way. What ONNX Runtime makes of it is src/compiler/export-ort.test.ts's. */
import { copyFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DOMAIN } from '../../src/compiler/export-ort.ts';
import { readOnnx } from '../../src/compiler/onnx.ts';
import { exportOrt } from '../../src/hosts/cli/export-ort.ts';
import { parseCommand, UsageError } from '../../src/hosts/cli/options.ts';
import { ROOT } from '../support/data.ts';
import { compileDetectorPackage, writeDetectorPackage } from '../support/detector-package.ts';

const PACKAGE = join(ROOT, 'models/pneumonia');
let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'fabriclens-export-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(packageDir: string, out: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const code = await exportOrt({ command: 'export-ort', packageDir, out }, { stdout, stderr: stderr as unknown as NodeJS.WriteStream });
  const text = (stream: PassThrough): string => String((stream.read() as Buffer | null) ?? '');
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

test('writes the file and says what is in it', async () => {
  const out = join(folder, 'deep/er/chest.onnx');
  const { code, stdout, stderr } = await run(PACKAGE, out);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toContain('One FabricConv node of');
  expect(stdout).toContain('212.35 of 212.35 million multiply-accumulates');
  expect(stdout).toContain(`Written: ${out}`);
  expect(readdirSync(dirname(out))).toEqual(['chest.onnx']);
  expect(readOnnx(readFileSync(out)).nodes.filter(({ domain }) => domain === DOMAIN).length).toBe(1);
});

test('a detector keeps its outputs, and ends where model.int8.onnx does: with predictions', async () => {
  const dir = writeDetectorPackage(folder);
  for (const detections of [true, false]) {
    compileDetectorPackage(dir, detections);
    const out = join(folder, `${detections}.onnx`);
    const { code, stdout, stderr } = await run(dir, out);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/computes .*Sigmoid/);
    expect(readOnnx(readFileSync(out)).outputs).toEqual(readOnnx(readFileSync(join(dir, 'model.int8.onnx'))).outputs);
  }
  expect(readFileSync(join(folder, 'true.onnx'))).toEqual(readFileSync(join(folder, 'false.onnx')));
});

test('refuses a file that is there, and leaves it as it was', async () => {
  const out = join(folder, 'mine.onnx');
  writeFileSync(out, 'mine');
  const { code, stderr } = await run(PACKAGE, out);
  expect([code, stderr]).toEqual([1, `fabriclens: Model pneumonia: ${out} is there already; name another file with --out, or delete it first.\n`]);
  expect(readFileSync(out, 'utf8')).toBe('mine');
  expect(readdirSync(folder)).toEqual(['mine.onnx']);
});

test('writes nothing where program.bin is not the one that metadata.json describes', async () => {
  const copy = join(folder, 'pneumonia');
  cpSync(PACKAGE, copy, { recursive: true });
  writeFileSync(join(copy, 'program.bin'), readFileSync(join(PACKAGE, 'program.bin')).subarray(0, 5000));
  await expect(run(copy, join(folder, 'out.onnx'))).rejects.toThrow('is not the file that metadata.json describes');
  expect(readdirSync(folder)).toEqual(['pneumonia']);
});

test('leaves nothing where it cannot write', async () => {
  copyFileSync(join(PACKAGE, 'CARD.md'), join(folder, 'file'));
  await expect(run(PACKAGE, join(folder, 'file/out.onnx'))).rejects.toThrow();
  expect(readdirSync(folder)).toEqual(['file']);
});

test('the words of the command line', () => {
  expect(parseCommand(['export-ort', 'pkg'])).toEqual({ command: 'export-ort', packageDir: 'pkg', out: undefined });
  expect(parseCommand(['export-ort', 'pkg', '--out', 'a.onnx'])).toMatchObject({ out: 'a.onnx' });
  expect(() => parseCommand(['export-ort'])).toThrow(UsageError);
  expect(() => parseCommand(['export-ort', 'a', 'b'])).toThrow('export-ort needs one model package folder');
});
