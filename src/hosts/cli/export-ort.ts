/** `fabriclens export-ort`: a package as one ONNX file whose FabricConv nodes call the runtime, whole or not at all. */
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CompileError } from '../../compiler/error.ts';
import { exportOrt as exported, type OrtReport } from '../../compiler/export-ort.ts';
import { readVerified } from '../../engines/index.ts';
import { readMetadata } from '../../review/index.ts';
import type { ExportOrtCommand } from './options.ts';
import { EXIT, plain, type Terminal } from './terminal.ts';

export async function exportOrt({ packageDir, out }: ExportOrtCommand, { stdout, stderr }: Terminal): Promise<number> {
  const dir = resolve(packageDir);
  const metadata = await readMetadata(dir);
  const fields = metadata.fabriclens;
  const to = resolve(out ?? `${fields.name}-ort.onnx`);
  const refuse = (why: string): number => {
    stderr.write(plain(`fabriclens: Model ${fields.name}: ${why}\n`));
    return EXIT.someFailed;
  };
  const detections = fields.task === 'detection' ? { predictions: fields.outputs.predictions, ...fields.detection } : undefined;
  const [onnx, program] = await Promise.all([readVerified({ dir, metadata }, 'model.int8.onnx'), readVerified({ dir, metadata }, 'program.bin')]);
  let made: { bytes: Uint8Array; report: OrtReport };
  try {
    made = exported(onnx, program, detections);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    return refuse(`it cannot be exported: ${error.message}`);
  }
  if (!(await written(to, made.bytes))) return refuse(`${out ?? basename(to)} is there already; name another file with --out, or delete it first.`);
  stdout.write(plain(`${summary(made.report)}\nWritten: ${to}\nIt needs the operator library, which "node hls/build.mjs ort-op" builds: register_custom_ops_library in Python (docs/routes.md).\n`));
  return EXIT.ok;
}

/** Under a name beside, then linked to its own, which must be free: false where it is not. */
async function written(to: string, bytes: Uint8Array): Promise<boolean> {
  await mkdir(dirname(to), { recursive: true });
  const temporary = join(dirname(to), `.${basename(to)}.${process.pid}.tmp`);
  try {
    await writeFile(temporary, bytes, { flush: true });
    await link(temporary, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

function summary({ nodes, macs, others }: OrtReport): string {
  const within = nodes.reduce((sum, node) => sum + node.macs, 0);
  const rest = Object.entries(others).map(([operator, count]) => (count === 1 ? operator : `${count} ${operator}`)).join(', ');
  return [
    `${nodes.length === 1 ? 'One FabricConv node' : `${nodes.length} FabricConv nodes`} of ${nodes.reduce((sum, { layers }) => sum + layers.length, 0)} layers: ${(within / 1e6).toFixed(2)} of ${(macs / 1e6).toFixed(2)} million multiply-accumulates`,
    `ONNX Runtime quantises${rest === '' ? ' what goes in and out, and computes nothing else' : `, and computes ${rest}`}`,
  ].join('\n');
}
