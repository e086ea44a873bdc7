/** An ONNX file and the data files beside it, as addModel takes it in. */
import { closeSync, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { CompileError } from '../compiler/error.ts';
import { canonical } from '../compiler/float/canonical.ts';
import { readOnnx, type ExternalData, type OnnxModel } from '../compiler/onnx.ts';
import { writeOnnx } from '../compiler/onnx-write.ts';
import { parseGiven, withoutFinalActivation, type GivenMetadata } from '../compiler/quantise/describe.ts';
import { floatOf } from '../compiler/quantise/imported.ts';
import { isQuantised } from '../compiler/quantised/index.ts';
import { readBounded, readFailure } from '../engines/index.ts';

const MAX_FILE_BYTES = 2 ** 30;
const MAX_METADATA_BYTES = 16 * 2 ** 20;

export type Source = {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** fp32, canonical. */
  readonly model: OnnxModel;
  /** As it came, where it came quantised; null: it is fp32. */
  readonly quantised: OnnxModel | null;
  /** What becomes model.onnx. */
  readonly package: Uint8Array<ArrayBuffer>;
  readonly activation: 'softmax' | 'sigmoid' | null;
  readonly notes: readonly string[];
};

/** @throws CompileError */
export async function readInput(path: string, limit = MAX_FILE_BYTES): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readBounded(path, limit);
  } catch (error) {
    throw new CompileError(`${path} cannot be read: ${readFailure(error)}.`);
  }
}

/** A MONAI bundle's metadata.json. @throws CompileError */
export async function readGiven(path: string): Promise<GivenMetadata> {
  return parseGiven(new TextDecoder().decode(await readInput(path, MAX_METADATA_BYTES)), basename(path));
}

/** The canonical network; the package keeps the file as it is where its inputs and outputs are the canonical ones and it is whole. @throws CompileError */
export async function readSource(path: string): Promise<Source> {
  const bytes = await readInput(path);
  const external = await externalData(path);
  const exported = readOnnx(bytes, external.read);
  if (isQuantised(exported)) {
    const { model, activation, notes } = floatOf(exported);
    return { bytes, model, quantised: exported, package: writeOnnx(model), activation, notes: [...notes, 'The file is quantised already: its scales are kept, and model.onnx is the same network in fp32.'] };
  }
  const { model: whole, notes, turned } = canonical(exported);
  const { model, activation, notes: more } = withoutFinalActivation(whole);
  const ports = (m: OnnxModel): string => JSON.stringify([m.inputs, m.outputs].map((values) => values.map(({ name, dims }) => [name, dims.length])));
  const asItIs = !external.used() && turned.length === 0 && activation === null && ports(exported) === ports(model);
  return {
    bytes, model, quantised: null, package: asItIs ? bytes : writeOnnx(model), activation,
    notes: [...notes, ...more, ...(asItIs ? [] : ['model.onnx is the canonical form of the file given, not the file itself.'])],
  };
}

/** Files beside the model, inside its folder after links are resolved. */
async function externalData(path: string): Promise<{ read: ExternalData; used: () => boolean }> {
  const root = await realpath(dirname(resolve(path)));
  let used = false;
  return {
    used: () => used,
    read: (location, offset, length) => {
      used = true;
      let file: number;
      try {
        const real = realpathSync(join(root, location));
        if (relative(root, real).split(sep)[0] === '..') throw new Error('it lies outside the model\'s folder');
        file = openSync(real, 'r');
      } catch (error) {
        throw new CompileError(`External data '${location.slice(0, 200)}' cannot be read: ${readFailure(error)}.`);
      }
      try {
        const stats = fstatSync(file);
        const size = length ?? stats.size - offset;
        if (!stats.isFile() || size < 0 || offset + size > stats.size) throw new CompileError(`External data '${location.slice(0, 200)}' ends before what the model reads of it; copy it again.`);
        const data = new Uint8Array(size);
        let at = 0;
        for (let n = -1; at < size && n !== 0; at += n) n = readSync(file, data, at, size - at, offset + at);
        return data;
      } finally {
        closeSync(file);
      }
    },
  };
}
