/** A model before it is added: what its files say of it, for a person to complete, and what that person said, for addModel. */
import { basename, extname } from 'node:path';
import { labelsOf, prepare, readProperties, type Facts, type GivenMetadata, type Preparation } from '../compiler/quantise/describe.ts';
import { CompileError } from '../compiler/error.ts';
import { Network } from '../compiler/quantise/measure.ts';
import type { ModelDraft, ModelFields } from '../contract/ipc.ts';
import type { Preprocessing } from '../contract/model.ts';
import { readGiven, readSource } from './model-source.ts';

/** @throws CompileError: the file cannot become a model, whatever anybody says of it */
export async function draftModel(model: string, metadata: string | null): Promise<ModelDraft> {
  const given = metadata === null ? {} : await readGiven(metadata);
  const source = await readSource(model);
  const network = new Network(source.model);
  const title = typeof given['name'] === 'string' && given['name'].trim() !== '' ? given['name'].trim() : basename(model, extname(model));
  const facts: Omit<Facts, 'modalities'> = { name: nameFrom(model), given, properties: readProperties(source.bytes), model: source.model, inputDims: network.inputDims, activation: source.activation };
  const preparation = preparationOf(facts);
  const own = given.fabriclens?.labels?.map((label) => (typeof label === 'object' && label !== null && 'name' in label ? String(label.name) : String(label)));
  const labels = own ?? (preparation === null ? labelsOf(given, facts.properties, '') : namedLabels(preparation));
  const modalities = modalitiesOf(given);
  const guessed: ModelDraft['unknown'] = [];
  if (preparation === null) guessed.push('task');
  if (labels === null) guessed.push('labels');
  if (preparation === null || preparation.unknown.some((line) => line.startsWith('Preprocessing:'))) guessed.push('preprocessing');
  if (modalities.length === 0) guessed.push('modalities');
  return {
    name: facts.name, title: title.slice(0, 200), quantised: source.quantised !== null,
    input: { name: source.model.inputs[0]?.name ?? '', shape: [...network.inputDims] },
    outputs: source.model.outputs.map(({ name, dims }) => ({ name, shape: dims.map((extent) => Math.max(0, extent)) })),
    task: preparation?.task ?? null, labels: labels === null ? null : [...labels], classes: classesOf(facts, preparation),
    preprocessing: preparation?.preprocessing ?? plain(facts.inputDims), modalities, unknown: guessed, notes: [...source.notes],
  };
}

/** What addModel is given: the metadata file's own words, with the reader's over them. */
export function givenWith(given: GivenMetadata, fields: ModelFields): GivenMetadata {
  const before = given.fabriclens ?? {};
  const { title, task, labels, preprocessing, modalities } = fields;
  const intended = (before['intended'] ?? {}) as { bodyParts?: unknown; text?: unknown };
  const purpose = typeof given['intended_use'] === 'string' ? given['intended_use'] : 'Not stated. Not for diagnostic use.';
  return {
    ...given,
    name: title,
    fabriclens: {
      ...before,
      title: { ...(before['title'] as object | undefined), en: title },
      task,
      preprocessing,
      // A label that the file has already keeps its translations.
      ...(labels === null ? {} : { labels: labels.map((name) => before.labels?.find((old) => typeof old === 'object' && old !== null && 'name' in old && old.name === name) ?? { name, text: { en: name } }) }),
      ...(modalities.length === 0 ? {} : { intended: { ...intended, bodyParts: intended.bodyParts ?? [], text: intended.text ?? { en: purpose }, modalities } }),
    },
  };
}

/** null where a person has to say what the network is for; any other cause is the file's own. */
function preparationOf(facts: Omit<Facts, 'modalities'>): Preparation | null {
  try {
    return prepare(facts);
  } catch (error) {
    const [, channels] = facts.inputDims;
    const canBeSaid = error instanceof CompileError && facts.given.fabriclens === undefined && facts.inputDims.length === 4 && (channels === 1 || channels === 3) && facts.model.outputs.some(({ dims }) => dims.length === 3);
    if (canBeSaid) return null;
    throw error;
  }
}

/** Names that somebody chose; the numbers that stand for them where nobody did are no names. */
const namedLabels = ({ labels, unknown }: Preparation): readonly string[] | null => (unknown.some((line) => line.startsWith('Class names:')) ? null : labels);

function classesOf({ model }: Omit<Facts, 'modalities'>, preparation: Preparation | null): number | null {
  if (preparation?.task !== 'classification') return null;
  const classes = model.outputs.find(({ name }) => name === preparation.logits)?.dims.slice(1).reduce((a, b) => a * b, 1) ?? 0;
  return classes > 0 ? classes : null;
}

function modalitiesOf(given: GivenMetadata): string[] {
  const own = (given.fabriclens?.['intended'] as { modalities?: unknown } | undefined)?.modalities;
  if (Array.isArray(own)) return own.map(String);
  return Object.values(given.network_data_format?.inputs ?? {}).flatMap(({ modality }) => (modality === undefined ? [] : [modality]));
}

const plain = ([, channels, height, width]: readonly number[]): Preprocessing => ({ width: width ?? 1, height: height ?? 1, channels: channels === 3 ? 3 : 1, fit: 'letterbox', pad: 114 / 255, resample: 'triangle', mean: 0, std: 1 });

/** `Chest v2.onnx` → `Chest-v2`. */
function nameFrom(path: string): string {
  const name = basename(path, extname(path)).replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(0, 64).replace(/[-.]+$/, '');
  return name === '' ? 'model' : name;
}
