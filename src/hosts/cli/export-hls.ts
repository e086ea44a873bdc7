/** `fabriclens export-hls`: a package's program.bin to a C++ project of that one network, whole or not at all. */
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CompileError } from '../../compiler/error.ts';
import { exportHls as exported, SHIPPED_SOURCES, type ExportReport } from '../../compiler/export-hls.ts';
import { readVerified } from '../../engines/index.ts';
import { readMetadata } from '../../review/index.ts';
import type { Resources } from '../resources.ts';
import type { ExportHlsCommand } from './options.ts';
import { EXIT, plain, type Terminal } from './terminal.ts';

export async function exportHls({ packageDir, out }: ExportHlsCommand, resources: Resources, { stdout, stderr }: Terminal): Promise<number> {
  const dir = resolve(packageDir);
  const metadata = await readMetadata(dir);
  const { name, sha256 } = metadata.fabriclens;
  const to = resolve(out ?? `${name}-hls`);
  const refuse = (why: string): number => {
    stderr.write(plain(`fabriclens: Model ${name}: ${why}\n`));
    return EXIT.someFailed;
  };
  if (await exists(to)) return refuse(`${out ?? basename(to)} is there already; name another folder with --out, or delete it first.`);
  const program = await readVerified({ dir, metadata }, 'program.bin');
  const sources = new Map(await Promise.all(Object.keys(SHIPPED_SOURCES).map(async (path) => [path, await readFile(join(resources.hlsDir, path), 'utf8')] as const)));
  let project: { files: Map<string, string>; report: ExportReport };
  try {
    project = exported(program, { name, version: resources.version, sha256: sha256['program.bin'] ?? '', sources });
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    return refuse(`it cannot be exported: ${error.message}`);
  }
  await write(to, project.files);
  stdout.write(plain(`${summary(project.report)}\nWritten: ${to}\nBuild it there with "make -j2"; README.md says what it is. Vitis HLS has never read it.\n`));
  return EXIT.ok;
}

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);

/** Into a folder beside, which is renamed at the end. */
async function write(to: string, files: ReadonlyMap<string, string>): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const temporary = await mkdtemp(join(dirname(to), `.${basename(to)}.`));
  try {
    // mkdtemp's folder is its owner's alone; the project is as open as any other.
    const folder = join(temporary, basename(to));
    for (const [path, text] of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text, { flush: true });
    }
    await rename(folder, to);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function summary({ layers, cycles, dsp, bram, weightBytes, weightsOnChip }: ExportReport): string {
  const onPl = layers.filter(({ target }) => target === 'PL').length;
  return [
    `${layers.length} layers, ${onPl} of them for the PL; ${(weightBytes / 1000).toFixed(1)} kB of weights, ${weightsOnChip ? 'in block RAM' : 'in memory'}`,
    `By arithmetic, not synthesis: ${(cycles / 1e6).toFixed(2)} million steps of innermost loops, ${dsp} DSP48E1, ${bram} block RAMs`,
  ].join('\n');
}
