/** The shipped model package, copied and compiled for the board by the command line's own code, so that a test may do with it what it likes. */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { Descriptor, Op, Section, SectionKind, Header } from '../../src/contract/layout.ts';
import { ModelMetadata } from '../../src/contract/model.ts';
import { compile } from '../../src/hosts/cli/compile.ts';
import { ROOT } from './data.ts';

export const SAMPLE = join(ROOT, 'models/samples/chest-synthetic/clear-1.dcm');

/** Makes `modelsDir/pneumonia`; gives its folder. */
export async function compiledPackage(modelsDir: string): Promise<string> {
  const dir = join(modelsDir, 'pneumonia');
  mkdirSync(modelsDir, { recursive: true });
  cpSync(join(ROOT, 'models/pneumonia'), dir, { recursive: true });
  const stream = new PassThrough() as unknown as NodeJS.WriteStream;
  const code = await compile({ command: 'compile-program', packageDir: dir }, { stdout: stream, stderr: stream });
  if (code !== 0) throw new Error(`compile-program ended with ${code}`);
  return dir;
}

/** Flips bit 6 of one weight byte in program.bin, the centre tap of the 7 × 7 stem's first channel; with `rehash`, metadata.json follows. */
export function flipWeight(dir: string, rehash: boolean): void {
  const path = join(dir, 'program.bin');
  const bytes = readFileSync(path);
  const u32 = (at: number): number => bytes.readUInt32LE(at);
  const section = (kind: number): number => {
    for (let i = 0; i < u32(Header.fields.sectionCount.offset); i++) {
      const at = Header.bytes + i * Section.bytes;
      if (u32(at + Section.fields.kind.offset) === kind) return at;
    }
    throw new Error(`program.bin has no section ${kind}`);
  };
  const descriptors = section(SectionKind.DESCRIPTORS);
  const data = u32(section(SectionKind.DATA) + Section.fields.offset.offset);
  const stem = u32(descriptors + Section.fields.offset.offset);
  if (bytes.readUInt16LE(stem + Descriptor.fields.op.offset) !== Op.CONV) throw new Error('the first layer is no convolution');
  bytes[data + u32(stem + Descriptor.fields.weightsOffset.offset) + 24]! ^= 0x40;
  writeFileSync(path, bytes);
  if (!rehash) return;
  const metadata = ModelMetadata.parse(JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8')));
  metadata.fabriclens.sha256['program.bin'] = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(dir, 'metadata.json'), JSON.stringify(metadata));
}
