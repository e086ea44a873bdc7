/**
 * `npm run build:board`: what a board gets, in one tar file: the agent and its notebook, the runtime and the operator for ONNX Runtime built for its processor, the model
 * packages, the runtime's sources, and SHA256SUMS over all of them (as sha256sum -c reads it). The same sources and compiler give the same bytes. Refused where a library would not
 * load on the oldest image.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from '../hls/build.mjs';
import { ARM_BUILD, ensurePackages } from './lib/debian.mjs';
import { SetupError, main, say } from './lib/log.mjs';
import { inRoot } from './lib/paths.mjs';
import { runtimeSource } from './lib/runtime-source.mjs';
import { boardObjections, readElf } from './lib/symbols.mjs';
import { tar } from './lib/tar.mjs';

/** Of a model package: what the agent serves and what a user may want to read there. The rest is training's. */
const PACKAGE_FILES = ['metadata.json', 'model.onnx', 'model.int8.onnx', 'program.bin', 'CARD.md'];

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

function filesUnder(folder, keep) {
  return readdirSync(inRoot(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(inRoot().length))
    .filter(keep);
}

/** @param {{ name: string, bytes: Uint8Array }[]} libraries for armhf */
export function boardFiles(libraries) {
  for (const { name, bytes } of libraries) {
    const objections = boardObjections(readElf(bytes));
    if (objections.length > 0) throw new SetupError(`${name} would not load on every image from v2.7 to v3.1:\n${objections.map((line) => `  ${line}`).join('\n')}`);
  }
  const models = readdirSync(inRoot('models'), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const names = [
    ...filesUnder('agent/fabriclens_agent', (name) => name.endsWith('.py')),
    ...filesUnder('agent/notebooks', (name) => name.endsWith('.ipynb')),
    ...models.flatMap((model) => filesUnder(`models/${model}`, (name) => PACKAGE_FILES.some((file) => name === `models/${model}/${file}`))),
    'LICENSE',
  ];
  const files = names.map((name) => ({ name, bytes: readFileSync(inRoot(name)) }));
  files.push(...runtimeSource());
  for (const { name, bytes } of libraries) files.push({ name: `runtime/${name}`, bytes, executable: true });
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  const sums = files.map(({ name, bytes }) => `${sha256(bytes)}  ${name}\n`).join('');
  return [...files, { name: 'SHA256SUMS', bytes: Buffer.from(sums) }];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(async () => {
    await ensurePackages(ARM_BUILD, 'the board\'s runtime');
    const libraries = [];
    try {
      for (const target of ['runtime', 'ort-op']) {
        const file = await build(target, { machine: 'armhf', log: (line) => say(`${line} …`) });
        libraries.push({ name: basename(file), bytes: readFileSync(file) });
      }
    } catch (error) {
      throw new SetupError(`The board's runtime could not be built.\n${error.message}`);
    }
    const bytes = tar(boardFiles(libraries));
    const { version } = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'));
    const file = inRoot('build/board', `fabriclens-board-${version}-armhf.tar`);
    mkdirSync(inRoot('build/board'), { recursive: true });
    writeFileSync(`${file}.part`, bytes);
    renameSync(`${file}.part`, file);
    process.stdout.write(`${sha256(bytes)}  ${file}\n`);
  });
}
