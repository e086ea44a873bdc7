/** `fabriclens compile-program`: model.int8.onnx to program.bin, and its hash into metadata.json; each file is replaced whole or not at all. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { compileProgram, type CompileReport } from '../../compiler/compile.ts';
import { CompileError } from '../../compiler/error.ts';
import { PACKAGE_FILES } from '../../contract/model.ts';
import { readVerified } from '../../engines/index.ts';
import { readMetadata, sha256Of } from '../../review/index.ts';
import type { CompileCommand } from './options.ts';
import { table } from './table.ts';
import { EXIT, plain, type Terminal } from './terminal.ts';

export async function compile({ packageDir }: CompileCommand, { stdout, stderr }: Terminal): Promise<number> {
  const dir = resolve(packageDir);
  const metadata = await readMetadata(dir);
  const model = await readVerified({ dir, metadata }, 'model.int8.onnx');
  let compiled: { program: Uint8Array; report: CompileReport };
  try {
    compiled = compileProgram(model);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    stderr.write(plain(`fabriclens: Model ${metadata.fabriclens.name}: ${PACKAGE_FILES.int8} cannot be compiled: ${error.message}\n`));
    return EXIT.someFailed;
  }
  const { program, report } = compiled;
  // The file as it is, with one value changed: keys that we do not know, and their order, stay.
  const path = join(dir, PACKAGE_FILES.metadata);
  const json = JSON.parse(await readFile(path, 'utf8')) as { fabriclens: { sha256: Record<string, string> } };
  json.fabriclens.sha256[PACKAGE_FILES.program] = sha256Of(program);
  await replaceAll([[join(dir, PACKAGE_FILES.program), program], [path, `${JSON.stringify(json, null, 1)}\n`]]);
  stdout.write(plain(`${layers(report).join('\n')}\n${summary(metadata.fabriclens.name, report)}\n`));
  for (const note of report.notes) stdout.write(plain(`note: ${note}\n`));
  return EXIT.ok;
}

/** Writes all files beside their places first, then renames: a full disk or a crash while writing changes nothing. */
async function replaceAll(files: readonly (readonly [string, Uint8Array | string])[]): Promise<void> {
  const temporary = (path: string): string => `${path}.${process.pid}.tmp`;
  try {
    for (const [path, content] of files) await writeFile(temporary(path), content, { flush: true });
    for (const [path] of files) await rename(temporary(path), path);
  } finally {
    for (const [path] of files) await rm(temporary(path), { force: true });
  }
}

const millions = (n: number): string => (n / 1e6).toFixed(2);

const layers = ({ layers: rows }: CompileReport): string[] =>
  table([
    ['layer', 'operator', 'runs on', 'input C×H×W', 'output C×H×W', 'MMAC', 'weights kB'],
    ...rows.map((l) => [clip(l.name, 20), clip(l.operator, 14), l.target, l.input.join('×'), l.output.join('×'), millions(l.macs), (l.weightBytes / 1000).toFixed(1)]),
  ], 3);

const clip = (text: string, length: number): string => (text.length <= length ? text : `…${text.slice(1 - length)}`);

const summary = (name: string, report: CompileReport): string =>
  `${name}: program.bin of ${(report.programBytes / 1000).toFixed(1)} kB, ${millions(report.macs)} MMAC, ${(report.arenaBytes / 1000).toFixed(1)} kB of activations`;
