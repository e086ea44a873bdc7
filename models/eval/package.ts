/** The package that is evaluated, its files read once and held against their hashes. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModelMetadata, type ClassifierFields, type DetectorFields } from '../../src/contract/model.ts';
import { ROOT } from '../../test/support/data.ts';

const EXECUTED = ['model.onnx', 'model.int8.onnx', 'program.bin'] as const;
type Executed = (typeof EXECUTED)[number];
export type EvaluatedPackage<F = ClassifierFields | DetectorFields> = { readonly name: string; readonly metadata: ModelMetadata; readonly fields: F; readonly files: Record<Executed, Buffer<ArrayBuffer>>; readonly sha256: Record<Executed, string> };
export type EvaluatedClassifier = EvaluatedPackage<ClassifierFields>;
export type EvaluatedDetector = EvaluatedPackage<DetectorFields>;

export const inPackage = (name: string, file: string): string => join(ROOT, 'models', name, file);
export const readText = (name: string, file: string): string => readFileSync(inPackage(name, file), 'utf8');
export const readMetadataOf = (name: string): ModelMetadata => ModelMetadata.parse(JSON.parse(readText(name, 'metadata.json')));

export const readClassifier = (name: string): EvaluatedClassifier => readEvaluated(name, 'classification') as EvaluatedClassifier;
export const readDetector = (name: string): EvaluatedDetector => readEvaluated(name, 'detection') as EvaluatedDetector;

function readEvaluated(name: string, task: 'classification' | 'detection'): EvaluatedPackage {
  const metadata = readMetadataOf(name);
  const fields = metadata.fabriclens;
  if (fields.task !== task) throw new Error(`${name} is of the task ${fields.task}.`);
  const files = Object.fromEntries(EXECUTED.map((file) => [file, readFileSync(inPackage(name, file))])) as EvaluatedPackage['files'];
  const sha256 = Object.fromEntries(EXECUTED.map((file) => [file, createHash('sha256').update(files[file]).digest('hex')])) as EvaluatedPackage['sha256'];
  for (const file of EXECUTED) if (fields.sha256[file] !== sha256[file]) throw new Error(`${inPackage(name, file)} is not the file that metadata.json describes.`);
  return { name, metadata, fields, files, sha256 };
}

/** Rounds every number to four decimals, as records keep them. */
export function rounded<T>(value: T): T {
  if (typeof value === 'number') return Number(value.toFixed(4)) as T;
  if (Array.isArray(value)) return value.map(rounded) as T;
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, rounded(v as unknown)])) as T;
  return value;
}

/** Writes metadata.json anew with `change`, its keys in their order. */
export function changeMetadata(name: string, change: (json: { eval_metrics: Record<string, number>; fabriclens: Record<string, unknown> }) => void): void {
  const json = JSON.parse(readText(name, 'metadata.json')) as Parameters<typeof change>[0];
  change(json);
  writeFileSync(inPackage(name, 'metadata.json'), `${JSON.stringify(json, null, 1)}\n`);
}
