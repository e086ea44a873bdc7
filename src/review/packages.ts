/** Model packages of a folder: each is checked whole, and what fails is named with its cause beside the rest. A package is offered while an engine can run it. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import type { EngineId } from '../contract/engine.ts';
import { ModelMetadata, PACKAGE_FILES } from '../contract/model.ts';
import { EngineError, readBounded, readFailure, readVerified, type ExecutedFile, type ModelPackage } from '../engines/index.ts';
import { valuesOf } from './guard.ts';

export interface LoadedPackage extends ModelPackage {
  /** CARD.md, '' when there is none. */
  card: string;
  /** Engines that this package is made for. */
  engines: EngineId[];
  /** What is wrong with single files of it, a sentence each; their engines fail by that cause, the others run. */
  faults: string[];
}

export interface PackageProblem {
  /** The folder's name. */
  name: string;
  message: string;
}

export interface Packages {
  packages: LoadedPackage[];
  problems: PackageProblem[];
}

const MAX_TEXT_BYTES = 16 * 2 ** 20;

/** The packages of several folders, in their order; of two with one name the first is taken, and the other is a problem. */
export async function loadAllPackages(dirs: readonly string[]): Promise<Packages> {
  const all: Packages = { packages: [], problems: [] };
  for (const dir of dirs) {
    const { packages, problems } = await loadPackages(dir);
    all.problems.push(...problems);
    for (const pkg of packages) {
      const { name } = pkg.metadata.fabriclens;
      if (all.packages.some((p) => p.metadata.fabriclens.name === name)) all.problems.push({ name, message: `There are two models "${name}"; the one in ${pkg.dir} is not used. Remove it, or add it again under another name.` });
      else all.packages.push(pkg);
    }
  }
  return all;
}

/** Every folder of `dir` that has a metadata.json, in the order of its names. A missing `dir` is a problem, not an exception. */
export async function loadPackages(dir: string): Promise<Packages> {
  const found: Packages = { packages: [], problems: [] };
  let names: string[];
  try {
    names = (await readdir(dir)).sort();
  } catch (error) {
    return { packages: [], problems: [{ name: basename(dir), message: `The models folder ${dir} cannot be read: ${readFailure(error)}.` }] };
  }
  for (const name of names) {
    const folder = resolve(dir, name);
    const isPackage = await stat(join(folder, PACKAGE_FILES.metadata)).then(() => true, () => false);
    if (!isPackage) continue;
    try {
      const pkg = await loadPackage(folder);
      found.packages.push(pkg);
      if (pkg.faults.length > 0) found.problems.push({ name, message: pkg.faults.join(' ') });
    } catch (error) {
      found.problems.push({ name, message: error instanceof Error ? error.message : String(error) });
    }
  }
  return found;
}

/** One package, every executed file held against its hash. Throws EngineError naming the package and the cause where no engine can run it. */
export async function loadPackage(folder: string): Promise<LoadedPackage> {
  const name = basename(folder);
  const metadata = await readMetadata(folder);
  const pkg: ModelPackage = { dir: folder, metadata };
  const fault = inconsistency(name, metadata);
  if (fault !== null) throw new EngineError('model-corrupt', `Model ${name}: metadata.json ${fault}.`);
  const files = Object.keys(metadata.fabriclens.sha256) as ExecutedFile[];
  const faults: string[] = [];
  for (const file of files) await readVerified(pkg, file).catch((error: Error) => void faults.push(error.message));
  if (faults.length === files.length) throw new EngineError('model-corrupt', faults.join(' '));
  const card = await readText(name, join(folder, PACKAGE_FILES.card)).catch(() => '');
  const engines: EngineId[] = metadata.fabriclens.sha256['program.bin'] === undefined ? ['cpu-fp32', 'cpu-int8'] : ['cpu-fp32', 'cpu-int8', 'board'];
  return { ...pkg, card, engines, faults };
}

/** metadata.json of a package folder, valid by its schema. Throws EngineError naming the package and the field. */
export async function readMetadata(folder: string): Promise<ModelMetadata> {
  const name = basename(folder);
  return parseMetadata(name, await readText(name, join(folder, PACKAGE_FILES.metadata)));
}

async function readText(name: string, path: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readBounded(path, MAX_TEXT_BYTES));
  } catch (error) {
    throw new EngineError('model-unreadable', `Model ${name}: ${basename(path)} cannot be read: ${readFailure(error)}.`, error);
  }
}

function parseMetadata(name: string, text: string): ModelMetadata {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new EngineError('model-corrupt', `Model ${name}: metadata.json is not JSON (${(error as Error).message}).`, error);
  }
  const parsed = ModelMetadata.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new EngineError('model-corrupt', `Model ${name}: metadata.json, ${z.core.toDotPath(issue!.path)}: ${issue!.message}.`, parsed.error);
}

/** What one field says against another, or null. */
function inconsistency(folder: string, metadata: ModelMetadata): string | null {
  const { fabriclens } = metadata;
  const { name, input, preprocessing, labels, sha256 } = fabriclens;
  const [, channels, height, width] = input.shape;
  if (name !== folder) return `names the model "${name}", but its folder is "${folder}"`;
  if (channels !== preprocessing.channels) return `prepares ${preprocessing.channels} channel(s) for an input of ${channels}; "channels" under preprocessing is 1 (grey) or 3 (R, G, B)`;
  if (height !== preprocessing.height || width !== preprocessing.width) return `prepares ${preprocessing.width} × ${preprocessing.height} images for an input of ${width} × ${height}`;
  if (fabriclens.task === 'detection') {
    const { predictions, detections } = fabriclens.outputs;
    return predictions === detections ? `names the output "${predictions}" both as predictions and as detections` : null;
  }
  const { threshold, heatmap, outputs, guard } = fabriclens;
  if (threshold.classIndex >= labels.length) return `sets the threshold on class ${threshold.classIndex} of ${labels.length}`;
  if (threshold.sha256 !== sha256['model.onnx']) return 'has a threshold that was chosen for another model.onnx; choose it again on this one';
  if (heatmap && outputs.features === undefined) return 'has heat map weights but names no feature output';
  if (heatmap && (heatmap.weights.length !== labels.length || heatmap.weights.some((row) => row.length !== heatmap.weights[0]!.length))) {
    return `has heat map weights that are not one row a label (${labels.length})`;
  }
  if (guard && outputs.features === undefined) return 'has a guard but names no feature output';
  if (guard && guard.sha256 !== sha256['model.onnx']) return 'has a guard that was made for another model.onnx; make it again on this one';
  if (guard && valuesOf(guard) === undefined) return 'has a guard whose statistics do not fit one another';
  return null;
}
