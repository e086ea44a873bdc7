/** metadata.json and CARD.md of a new package, from what is given and what the ONNX file says; what neither says is named as unknown. Pure. */
import protobuf from 'protobufjs/minimal.js';
import { z } from 'zod';
import { ModelMetadata } from '../../contract/model.ts';
import { CompileError } from '../error.ts';
import type { OnnxModel } from '../onnx.ts';
import type { Quantisation } from './qdq.ts';
import type { QuantisationReport } from './index.ts';

const MAX_PROPERTIES = 1000;

/** metadata_props of a model (ModelProto, field 14); empty where it has none. The file is one that readOnnx has read. */
export function readProperties(onnx: Uint8Array): Map<string, string> {
  const properties = new Map<string, string>();
  const reader = protobuf.Reader.create(onnx);
  while (reader.pos < reader.len) {
    const tag = reader.tag();
    if (tag !== ((14 << 3) | 2)) {
      reader.skipType(tag & 7);
      continue;
    }
    if (properties.size >= MAX_PROPERTIES) throw new CompileError(`The ONNX file has more than ${MAX_PROPERTIES} metadata properties.`);
    const entry = protobuf.Reader.create(reader.bytes());
    let [key, value] = ['', ''];
    while (entry.pos < entry.len) {
      const field = entry.tag();
      if (field === ((1 << 3) | 2)) key = entry.string();
      else if (field === ((2 << 3) | 2)) value = entry.string();
      else entry.skipType(field & 7);
    }
    properties.set(key, value);
  }
  return properties;
}

const Given = z.looseObject({
  network_data_format: z.looseObject({
    inputs: z.record(z.string(), z.looseObject({ modality: z.string().optional() })).optional(),
    outputs: z.record(z.string(), z.looseObject({ channel_def: z.record(z.string(), z.string()).optional() })).optional(),
  }).optional(),
  fabriclens: z.looseObject({
    preprocessing: z.looseObject({ width: z.number().optional(), height: z.number().optional() }).optional(),
    outputs: z.looseObject({ logits: z.string().optional(), features: z.string().optional() }).optional(),
    labels: z.array(z.unknown()).optional(),
    threshold: z.looseObject({ classIndex: z.number().optional(), sha256: z.string().optional() }).optional(),
  }).optional(),
});
export type GivenMetadata = z.infer<typeof Given>;

/** A MONAI bundle's metadata.json, with `fabriclens` as far as it is known. @throws CompileError naming the field */
export function parseGiven(text: string, file: string): GivenMetadata {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CompileError(`${file} is not JSON (${(error as Error).message}).`);
  }
  const parsed = Given.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CompileError(`${file}, ${z.core.toDotPath(issue?.path ?? [])}: ${issue?.message ?? 'is not valid'}.`);
}

/** Class names: of the metadata, of MONAI's channel_def, of the ONNX file (`labels`, `names` or `classes`: JSON, a Python dict or list, or with commas). */
export function labelsOf(given: GivenMetadata, properties: ReadonlyMap<string, string>, logits: string): string[] | null {
  const channels = given.network_data_format?.outputs?.[logits]?.channel_def ?? Object.values(given.network_data_format?.outputs ?? {}).find((o) => o.channel_def !== undefined)?.channel_def;
  if (channels !== undefined && Object.keys(channels).length > 0) return Object.entries(channels).sort(([a], [b]) => Number(a) - Number(b)).map(([, name]) => name);
  for (const key of ['labels', 'names', 'classes', 'class_names', 'label_classes']) {
    const text = properties.get(key);
    if (text === undefined) continue;
    const names = namesIn(text);
    if (names.length > 0) return names;
  }
  return null;
}

function namesIn(text: string): string[] {
  try {
    const json: unknown = JSON.parse(text.replaceAll("'", '"').replace(/([{,]\s*)(\d+)\s*:/g, '$1"$2":'));
    if (typeof json === 'object' && json !== null) return Object.values(json).map(String);
  } catch {
    // No JSON and no Python literal: a list with commas.
  }
  return text.split(',').map((name) => name.trim()).filter((name) => name !== '');
}

const ACTIVATIONS: Readonly<Record<string, 'softmax' | 'sigmoid'>> = { Softmax: 'softmax', LogSoftmax: 'softmax', Sigmoid: 'sigmoid' };

/**
 * A classifier that ends in probabilities, without what makes them of its class scores: every engine gives scores, and one place makes probabilities of
 * them (metadata.json, activation). The output keeps its name.
 */
export function withoutFinalActivation(model: OnnxModel): { model: OnnxModel; activation: 'softmax' | 'sigmoid' | null; notes: string[] } {
  for (const output of model.outputs) {
    const last = model.nodes.find((n) => n.outputs.includes(output.name));
    const activation = last === undefined || output.dims.length !== 2 ? undefined : ACTIVATIONS[last.opType];
    const scores = last?.inputs[0] ?? '';
    if (last === undefined || activation === undefined || model.nodes.some((n) => n.inputs.includes(output.name)) || model.inputs.some((i) => i.name === scores)) continue;
    const already = model.outputs.some((o) => o.name === scores);
    const rename = (name: string): string => (name === scores && !already ? output.name : name);
    const nodes = model.nodes.filter((n) => n !== last).map((n) => ({ ...n, inputs: n.inputs.map(rename), outputs: n.outputs.map(rename) }));
    const outputs = already ? model.outputs.filter((o) => o !== output) : model.outputs;
    return { model: { ...model, nodes, outputs }, activation, notes: [`${last.opType} at the end is left out of the network: '${already ? scores : output.name}' holds class scores, FabricLens makes probabilities of them.`] };
  }
  return { model, activation: null, notes: [] };
}

export type Facts = {
  readonly name: string;
  readonly given: GivenMetadata;
  readonly properties: ReadonlyMap<string, string>;
  readonly model: OnnxModel;
  /** Of the network's input, batch 1. */
  readonly inputDims: readonly number[];
  /** What the network itself ended in. */
  readonly activation: 'softmax' | 'sigmoid' | null;
  /** DICOM modalities among the calibration images. */
  readonly modalities: readonly string[];
};

export type Preparation = { readonly logits: string; readonly features: string | undefined; readonly labels: readonly string[] | null; readonly activation: (classes: number) => 'softmax' | 'sigmoid'; readonly preprocessing: ModelMetadata['fabriclens']['preprocessing']; readonly unknown: readonly string[] };

/** What must be known before calibration. @throws CompileError naming what cannot be guessed */
export function prepare({ given, properties, model, inputDims, activation }: Omit<Facts, 'modalities'>): Preparation {
  const unknown: string[] = [];
  const [, channels, height, width] = inputDims;
  if (inputDims.length !== 4 || height === undefined || width === undefined) throw new CompileError(`The network's input is ${inputDims.join('×')}; a package takes one image, [1, 1, height, width].`);
  if (channels !== 1) throw new CompileError(`The network takes ${channels} channels; a package gives one grey channel. Put the channels' sum into the first convolution (weight.sum(dim=1, keepdim=True)) and export it again.`);
  const names = model.outputs.map((o) => o.name);
  const wanted = given.fabriclens?.outputs;
  const flat = model.outputs.filter((o) => o.dims.length === 2).map((o) => o.name);
  const logits = wanted?.logits ?? (names.length === 1 ? names[0] : flat.length === 1 ? flat[0] : undefined);
  if (logits === undefined || !names.includes(logits)) throw new CompileError(`The network's outputs are ${names.join(', ')}${logits === undefined ? '' : `, not "${logits}"`}; say in metadata.json which holds the class scores: "fabriclens": {"outputs": {"logits": NAME}}.`);
  const maps = model.outputs.filter((o) => o.dims.length === 4).map((o) => o.name);
  const features = wanted?.features ?? (maps.length === 1 ? maps[0] : undefined);
  if (features !== undefined && !names.includes(features)) throw new CompileError(`The network has no output "${features}" for features; its outputs are ${names.join(', ')}.`);
  const number = (key: string): number | undefined => {
    const value = Number(properties.get(key));
    return properties.has(key) && Number.isFinite(value) ? value : undefined;
  };
  const [mean, std] = [number('mean'), number('std')];
  if (given.fabriclens?.preprocessing === undefined && (mean === undefined || std === undefined)) unknown.push('Preprocessing: taken as grey in [0, 1], squashed to the input\'s size, mean 0, deviation 1.');
  const preprocessing = { fit: 'squash' as const, pad: 0, resample: 'triangle' as const, mean: mean ?? 0, std: std ?? 1, ...given.fabriclens?.preprocessing, width, height };
  const { width: w = width, height: h = height } = given.fabriclens?.preprocessing ?? {};
  if (w !== width || h !== height) throw new CompileError(`metadata.json prepares ${w} × ${h} images; the network takes ${width} × ${height}.`);
  const checked = ModelMetadata.shape.fabriclens.shape.preprocessing.safeParse(preprocessing);
  if (!checked.success) throw new CompileError(`metadata.json, fabriclens.preprocessing.${checked.error.issues[0]?.path.join('.') ?? ''}: ${checked.error.issues[0]?.message ?? ''}.`);
  const stated = given.fabriclens?.['activation'];
  const byClasses = (classes: number): 'softmax' | 'sigmoid' => (stated === 'sigmoid' || stated === 'softmax' ? stated : (activation ?? (classes > 1 ? 'softmax' : 'sigmoid')));
  return { logits, features, activation: byClasses, labels: labelsOf(given, properties, logits), preprocessing: checked.data, unknown };
}

/** What a grey in [0, 1] can become, and what letterboxing pads with. */
export const inputRange = ({ mean, std, fit, pad }: Preparation['preprocessing']): { min: number; max: number } => {
  const ends = [0, 1, ...(fit === 'letterbox' ? [pad] : [])].map((grey) => (grey - mean) / std);
  return { min: Math.min(0, ...ends), max: Math.max(0, ...ends) };
};

export type Made = { readonly sha256: ModelMetadata['fabriclens']['sha256']; readonly input: Quantisation; readonly classes: number; /** Largest |Δp| of int8 against fp32 on the samples measured. */ readonly maxDelta: number };

/** @throws CompileError naming the first field that is not valid */
export function metadataOf(facts: Facts, { logits, features, labels, activation, preprocessing, unknown: before }: Preparation, made: Made): { metadata: ModelMetadata; unknown: string[] } {
  const { given, properties, model, inputDims } = facts;
  const own = given.fabriclens ?? {};
  const unknown = [...before];
  const missing: string[] = [];
  const text = (key: string, otherwise: string): string => {
    const value = given[key] ?? properties.get(key);
    if (typeof value === 'string' && value !== '') return value;
    missing.push(key.replaceAll('_', ' '));
    return otherwise;
  };
  if (labels === null && own.labels === undefined) unknown.push('Class names: numbered.');
  const named = labels ?? Array.from({ length: made.classes }, (_, i) => `class ${i}`);
  const allLabels = own.labels ?? named.map((name) => ({ name, text: { en: name } }));
  if (allLabels.length !== made.classes) throw new CompileError(`There are ${allLabels.length} labels (${named.slice(0, 5).join(', ')}…) for the ${made.classes} values of "${logits}"; correct them in metadata.json.`);
  const monai = Object.values(given.network_data_format?.inputs ?? {}).map((i) => i.modality).filter((m) => m !== undefined);
  const modalities = monai.length > 0 ? monai : facts.modalities.length > 0 ? facts.modalities : ['OT'];
  if (monai.length === 0 && own['intended'] === undefined) unknown.push(`Modalities: ${facts.modalities.length > 0 ? 'those of the calibration images' : 'none stated'}.`);
  const threshold = own.threshold;
  if (threshold?.sha256 !== undefined && threshold.sha256 !== made.sha256['model.onnx']) {
    throw new CompileError(`metadata.json has a threshold for another model.onnx (SHA-256 ${threshold.sha256.slice(0, 12)}… instead of ${made.sha256['model.onnx'].slice(0, 12)}…). Choose it again on this one, or leave its sha256 out if it is this model's.`);
  }
  if (threshold === undefined) unknown.push('Threshold: 0.5 on the last class; it was not chosen on any data.');
  if (own['tolerance'] === undefined) unknown.push('Tolerance between engines: from the calibration samples alone.');
  const outputs = Object.fromEntries(model.outputs.map((o) => [o.name, { type: o.name === logits ? 'logits' : 'feature', format: 'magnitude', num_channels: o.name === logits ? made.classes : (o.dims[1] ?? 0), dtype: 'float32' }]));
  const candidate = {
    version: '0.1.0',
    ...given,
    task: text('task', 'Unknown: not stated.'),
    description: text('description', 'Unknown: not stated.'),
    authors: text('authors', 'Unknown: not stated.'),
    copyright: text('copyright', 'Unknown: not stated.'),
    license: text('license', 'Unknown: not stated.'),
    data_source: text('data_source', 'Unknown: not stated.'),
    intended_use: text('intended_use', 'Unknown: not stated. Not for diagnostic use.'),
    eval_metrics: given['eval_metrics'] ?? {},
    network_data_format: {
      ...given.network_data_format,
      inputs: given.network_data_format?.inputs ?? { [model.inputs[0]?.name ?? '']: { type: 'image', format: 'magnitude', num_channels: inputDims[1], spatial_shape: inputDims.slice(2), dtype: 'float32' } },
      outputs: given.network_data_format?.outputs ?? outputs,
    },
    fabriclens: {
      title: { en: typeof given['name'] === 'string' ? given['name'] : facts.name },
      activation: activation(made.classes),
      intended: { modalities, bodyParts: [], text: { en: typeof given['intended_use'] === 'string' ? given['intended_use'] : 'Not stated. Not for diagnostic use.' } },
      limits: [],
      tolerance: Math.max(0.02, Math.ceil(made.maxDelta * 200) / 100),
      ...own,
      name: facts.name,
      sha256: made.sha256,
      input: { name: model.inputs[0]?.name, shape: inputDims, ...made.input },
      preprocessing,
      outputs: features === undefined ? { logits } : { logits, features },
      labels: allLabels,
      threshold: { classIndex: made.classes - 1, value: 0.5, method: 'Not chosen on data: the middle.', ...threshold, sha256: made.sha256['model.onnx'] },
      ...(features === undefined ? { heatmap: undefined } : {}),
    },
  };
  const parsed = ModelMetadata.safeParse(JSON.parse(JSON.stringify(candidate)));
  if (missing.length > 0) unknown.push(`Not stated: ${missing.join(', ')}.`);
  if (parsed.success) return { metadata: parsed.data, unknown };
  const [issue] = parsed.error.issues;
  throw new CompileError(`metadata.json, ${z.core.toDotPath(issue?.path ?? [])}: ${issue?.message ?? 'is not valid'}.`);
}

const decibels = (value: number | null): string => (value === null ? 'no signal' : `${value.toFixed(1)} dB`);

/** A card that says what is known and names what is not. */
export function cardOf(metadata: ModelMetadata, unknown: readonly string[], { chosen, outputs, samples, heldOut, heldOutUnseen, layers }: QuantisationReport): string {
  const { title, intended, limits, threshold, labels } = metadata.fabriclens;
  const list = (items: readonly string[]): string => items.map((item) => `- ${item}`).join('\n');
  return [
    `# ${title.en} ${metadata.version}`,
    '<!-- Written by "npx fabriclens compile". Complete it: it is what a reader sees of this model. -->',
    `${metadata.description} **Not for diagnostic use.**`,
    `## Intended use\n${metadata.intended_use} Modalities: ${intended.modalities.join(', ')}.`,
    `## Results\n${Object.keys(metadata.eval_metrics).length === 0 ? 'Unknown: no evaluation is stated.' : list(Object.entries(metadata.eval_metrics).map(([k, v]) => `${k}: ${v}`))}\n\nThreshold ${threshold.value} on ${labels[threshold.classIndex]?.name ?? ''}: ${threshold.method}`,
    `## Quantisation\nCanonical QDQ, ${chosen.method}${chosen.biasCorrection ? ', biases corrected' : ''}${chosen.equalised ? ', channels equalised' : ''}; ${samples} samples, of which ${heldOut} measured it (${heldOutUnseen ? 'unseen by calibration' : 'also used for calibration: there were too few'}).\n${list(outputs.map((o) => `\`${o.name}\`: ${decibels(o.sqnr)} against fp32, largest difference ${o.maxDifference.toPrecision(3)}`))}\n\nWorst layers: ${layers.slice(0, 3).map((l) => `${l.name} ${decibels(l.sqnr)}`).join(', ')}.`,
    ...(limits.length > 0 ? [`## Limits\n${list(limits.map((l) => l.en))}`] : []),
    `## Unknown\n${unknown.length === 0 ? 'Nothing that a package asks for.' : list(unknown)}`,
    `## Data and licence\n${metadata.data_source}\n${metadata.license}\n`,
  ].join('\n\n');
}
