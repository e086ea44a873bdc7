/** metadata.json and CARD.md of a new package, from what is given and what the ONNX file says; what neither says is named as unknown. Pure. */
import protobuf from 'protobufjs/minimal.js';
import { z } from 'zod';
import { DetectionRule, ModelMetadata, Preprocessing } from '../../contract/model.ts';
import { CompileError } from '../error.ts';
import type { OnnxModel } from '../onnx.ts';
import type { Quantisation } from './qdq.ts';
import type { QuantisationReport } from './index.ts';

const MAX_PROPERTIES = 1000;
/** What may be called agreement of two probabilities at most: beyond, the quantised network is another one. */
const MAX_TOLERANCE = 0.25;

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
    task: z.enum(['classification', 'detection']).optional(),
    preprocessing: z.looseObject({ width: z.number().optional(), height: z.number().optional(), channels: z.number().optional() }).optional(),
    outputs: z.looseObject({ logits: z.string().optional(), features: z.string().optional(), predictions: z.string().optional() }).optional(),
    detection: DetectionRule.partial().optional(),
    labels: z.array(z.unknown()).optional(),
    threshold: z.looseObject({ classIndex: z.number().optional(), sha256: z.string().optional() }).optional(),
    guard: z.looseObject({ sha256: z.string() }).optional(),
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

type Prepared = { readonly labels: readonly string[] | null; readonly preprocessing: Preprocessing; readonly unknown: readonly string[] };
export type ClassifierPreparation = Prepared & { readonly task: 'classification'; readonly logits: string; readonly features: string | undefined; readonly activation: (classes: number) => 'softmax' | 'sigmoid' };
export type DetectorPreparation = Prepared & { readonly task: 'detection'; readonly predictions: string; readonly rule: DetectionRule };
export type Preparation = ClassifierPreparation | DetectorPreparation;

/** Names as a message has room for them. */
const list = (names: readonly string[]): string => names.slice(0, 12).join(', ');

/** What must be known before calibration. @throws CompileError naming what cannot be guessed */
export function prepare(facts: Omit<Facts, 'modalities'>): Preparation {
  const [, channels, height, width] = facts.inputDims;
  if (facts.inputDims.length !== 4 || height === undefined || width === undefined) throw new CompileError(`The network's input is ${facts.inputDims.join('×')}; a package takes one image, [1, channels, height, width].`);
  if (channels !== 1 && channels !== 3) throw new CompileError(`The network takes ${channels} channels; a package gives 1 (grey) or 3 (R, G, B).`);
  return isDetector(facts) ? prepareDetector(facts) : prepareClassifier(facts);
}

/** The outputs that have a row a box, as detectors have them: [1, rows, values]. */
const tables = (model: OnnxModel): OnnxModel['outputs'] => model.outputs.filter(({ dims }) => dims.length === 3 && dims[0] === 1);
const shapeOf = ({ name, dims }: OnnxModel['outputs'][number]): string => `"${name}" [${dims.join(', ')}]`;

/** As metadata.json says; else as ultralytics' exporters mark their files: `task` detect, or YOLOv5's `stride` beside `names`. */
function isDetector({ given, properties, model }: Omit<Facts, 'modalities'>): boolean {
  const stated = given.fabriclens?.task;
  if (stated !== undefined) return stated === 'detection';
  const [table] = tables(model);
  if (table === undefined || given.fabriclens?.outputs?.logits !== undefined || model.outputs.some(({ dims }) => dims.length === 2)) return false;
  if (properties.get('task') === 'detect' || (!properties.has('task') && properties.has('stride') && properties.has('names'))) return true;
  throw new CompileError(`The network gives ${shapeOf(table)}, a row a box as detectors do. If it is one, say so in metadata.json: "fabriclens": {"task": "detection", "labels": [{"name": NAME, "text": {"en": NAME}}, …]}; else name its class scores: {"outputs": {"logits": NAME}}.`);
}

function prepareClassifier({ given, properties, model, inputDims, activation }: Omit<Facts, 'modalities'>): ClassifierPreparation {
  const names = model.outputs.map((o) => o.name);
  const wanted = given.fabriclens?.outputs;
  const flat = model.outputs.filter((o) => o.dims.length === 2).map((o) => o.name);
  const logits = wanted?.logits ?? (names.length === 1 ? names[0] : flat.length === 1 ? flat[0] : undefined);
  if (logits === undefined || !names.includes(logits)) throw new CompileError(`The network's outputs are ${names.join(', ')}${logits === undefined ? '' : `, not "${logits}"`}; say in metadata.json which holds the class scores: "fabriclens": {"outputs": {"logits": NAME}}.`);
  const maps = model.outputs.filter((o) => o.dims.length === 4).map((o) => o.name);
  const features = wanted?.features ?? (maps.length === 1 ? maps[0] : undefined);
  if (features !== undefined && !names.includes(features)) throw new CompileError(`The network has no output "${features}" for features; its outputs are ${names.join(', ')}.`);
  const [mean, std] = [statistic(properties, 'mean', inputDims), statistic(properties, 'std', inputDims)];
  const { preprocessing, stated } = preprocessingOf(given, inputDims, { fit: 'squash', pad: 0, mean: mean ?? 0, std: std ?? 1 });
  const unknown = stated || (mean !== undefined && std !== undefined) ? [] : [
    preprocessing.channels === 1
      ? 'Preprocessing: taken as grey in [0, 1], squashed to the input\'s size, mean 0, deviation 1.'
      : 'Preprocessing: taken as R, G, B in [0, 1], squashed to the input\'s size, mean 0, deviation 1. Networks trained on ImageNet mostly want mean [0.485, 0.456, 0.406] and deviation [0.229, 0.224, 0.225]: say so in metadata.json.',
  ];
  const chosen = given.fabriclens?.['activation'];
  const byClasses = (classes: number): 'softmax' | 'sigmoid' => (chosen === 'sigmoid' || chosen === 'softmax' ? chosen : (activation ?? (classes > 1 ? 'softmax' : 'sigmoid')));
  return { task: 'classification', logits, features, activation: byClasses, labels: labelsOf(given, properties, logits), preprocessing, unknown };
}

/** detect.py of YOLOv5; 300 boxes are 7 KB. */
const RULE = { scoreThreshold: 0.25, iouThreshold: 0.45, maxDetections: 300, boxes: 'cxcywh-pixels' as const };

function prepareDetector({ given, properties, model, inputDims }: Omit<Facts, 'modalities'>): DetectorPreparation {
  const own = given.fabriclens ?? {};
  const found = tables(model);
  const named = own.outputs?.predictions;
  const table = named === undefined ? (found.length === 1 ? found[0] : undefined) : model.outputs.find((o) => o.name === named);
  if (table === undefined) {
    throw new CompileError(`The network's outputs are ${model.outputs.map(shapeOf).join(', ')}${named === undefined ? '' : `, not "${named}"`}; say in metadata.json which has a row a box, [1, rows, 5 + classes]: "fabriclens": {"outputs": {"predictions": NAME}}.`);
  }
  const [, rows = 0, values = 0] = table.dims;
  const labels = ownLabels(given) ?? labelsOf(given, properties, table.name);
  const objectness = own.detection?.objectness ?? (labels === null ? undefined : values === 5 + labels.length ? true : values === 4 + labels.length ? false : undefined);
  const fits = (count: number): boolean => table.dims.length === 3 && (labels === null ? count > 4 + (objectness ? 1 : 0) : count === 4 + (objectness ? 1 : 0) + labels.length);
  if (objectness === undefined || !fits(values)) {
    if (labels !== null && [4, 5].some((box) => rows === box + labels.length)) {
      throw new CompileError(`The output ${shapeOf(table)} has a column a box, as YOLOv8 exports it; a package takes a row a box. Turn it round before the export: x.permute(0, 2, 1).`);
    }
    throw new CompileError(`The output ${shapeOf(table)} ${labels === null
      ? 'has a row a box, but neither metadata.json nor the ONNX file names the classes: "fabriclens": {"labels": [{"name": NAME, "text": {"en": NAME}}, …]}'
      : `is no table of boxes for ${labels.length} classes (${list(labels)}): a row has centre x, centre y, width, height, perhaps an objectness, and a score a class. Correct the labels in metadata.json`}.`);
  }
  const { preprocessing, stated } = preprocessingOf(given, inputDims, { fit: 'letterbox', pad: 114 / 255, mean: 0, std: 1 });
  const unknown = [
    ...(stated ? [] : [`Preprocessing: as YOLOv5 has it, ${preprocessing.channels === 3 ? 'R, G, B' : 'grey'} in [0, 1], letterboxed with grey 114 of 255.`]),
    ...(own.detection?.scoreThreshold === undefined ? [`Score threshold: ${RULE.scoreThreshold}, YOLOv5's own; it was not chosen on any data.`] : []),
  ];
  const rule = DetectionRule.parse({ ...RULE, ...own.detection, objectness });
  return { task: 'detection', predictions: table.name, rule, labels: labels ?? Array.from({ length: values - (objectness ? 5 : 4) }, (_, i) => `class ${i}`), preprocessing, unknown: labels === null ? [...unknown, 'Class names: numbered.'] : unknown };
}

/** Names of the labels that metadata.json gives under `fabriclens`. */
function ownLabels({ fabriclens }: GivenMetadata): string[] | null {
  const names = fabriclens?.labels?.map((label) => (typeof label === 'object' && label !== null && 'name' in label ? String(label.name) : String(label)));
  return names !== undefined && names.length > 0 ? names : null;
}

/** `mean` or `std` of the ONNX file's own metadata: a number, or one a channel. */
function statistic(properties: ReadonlyMap<string, string>, key: string, [, channels]: readonly number[]): number | number[] | undefined {
  const numbers = (properties.get(key) ?? '').replace(/[[\]()]/g, '').split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));
  if (numbers.some((value) => !Number.isFinite(value))) return undefined;
  return numbers.length === 1 ? numbers[0] : numbers.length === channels ? numbers : undefined;
}

type Assumed = Pick<Preprocessing, 'fit' | 'pad'> & { mean: number | number[]; std: number | number[] };

/** As given over what is assumed, for the network's input. */
function preprocessingOf({ fabriclens }: GivenMetadata, [, channels, height, width]: readonly number[], assumed: Assumed): { preprocessing: Preprocessing; stated: boolean } {
  const given = fabriclens?.preprocessing;
  const { width: w = width, height: h = height, channels: c = channels } = given ?? {};
  if (w !== width || h !== height) throw new CompileError(`metadata.json prepares ${w} × ${h} images; the network takes ${width} × ${height}.`);
  if (c !== channels) throw new CompileError(`metadata.json prepares ${c} channel(s); the network takes ${channels}.`);
  const checked = Preprocessing.safeParse({ resample: 'triangle', ...assumed, ...given, width, height, channels });
  if (!checked.success) throw new CompileError(`metadata.json, fabriclens.preprocessing.${checked.error.issues[0]?.path.join('.') ?? ''}: ${checked.error.issues[0]?.message ?? ''}.`);
  return { preprocessing: checked.data, stated: given !== undefined };
}

/** What values in [0, 1] can become, in any channel, and what letterboxing pads with. */
export const inputRange = ({ mean, std, fit, pad }: Preprocessing): { min: number; max: number } => {
  const of = (value: number | readonly number[], channel: number): number => (typeof value === 'number' ? value : (value[channel] ?? 0));
  const ends = [0, 1, ...(fit === 'letterbox' ? [pad] : [])].flatMap((value) => [0, 1, 2].map((channel) => (value - of(mean, channel)) / of(std, channel)));
  return { min: Math.min(0, ...ends), max: Math.max(0, ...ends) };
};

export type Made = { readonly sha256: ModelMetadata['fabriclens']['sha256']; readonly input: Quantisation; /** Class scores of a classifier; a detector's are its labels. */ readonly classes: number; /** Largest difference of a probability, or of a matched box's score, of int8 against fp32 on the samples measured. */ readonly maxDelta: number; /** The program's output of a detector's boxes, where it has one. */ readonly detections?: string | undefined };

/** @throws CompileError naming the first field that is not valid */
export function metadataOf(facts: Facts, preparation: Preparation, made: Made): { metadata: ModelMetadata; unknown: string[] } {
  const { given, properties, model, inputDims } = facts;
  const { labels, preprocessing } = preparation;
  const own = given.fabriclens ?? {};
  const unknown = [...preparation.unknown];
  const missing: string[] = [];
  const text = (key: string, otherwise: string): string => {
    const value = given[key] ?? properties.get(key);
    if (typeof value === 'string' && value !== '') return value;
    missing.push(key.replaceAll('_', ' '));
    return otherwise;
  };
  const classes = preparation.task === 'detection' ? (labels?.length ?? made.classes) : made.classes;
  if (labels === null && own.labels === undefined) unknown.push('Class names: numbered.');
  const named = labels ?? Array.from({ length: classes }, (_, i) => `class ${i}`);
  const allLabels = own.labels ?? named.map((name) => ({ name, text: { en: name } }));
  const main = preparation.task === 'detection' ? preparation.predictions : preparation.logits;
  if (allLabels.length !== classes) throw new CompileError(`There are ${allLabels.length} labels (${named.slice(0, 5).join(', ')}…) for the ${classes} values of "${main}"; correct them in metadata.json.`);
  const monai = Object.values(given.network_data_format?.inputs ?? {}).map((i) => i.modality).filter((m) => m !== undefined);
  const modalities = monai.length > 0 ? monai : facts.modalities.length > 0 ? facts.modalities : ['OT'];
  if (monai.length === 0 && own['intended'] === undefined) unknown.push(`Modalities: ${facts.modalities.length > 0 ? 'those of the calibration images' : 'none stated'}.`);
  const task = preparation.task === 'detection' ? detectorFields(preparation, made) : { ...classifierFields(preparation, made, own.threshold, unknown), guard: guardFor(made, own.guard, unknown) };
  const tolerance = Math.min(MAX_TOLERANCE, Math.max(0.02, Math.ceil(made.maxDelta * 200) / 100));
  if (own['tolerance'] === undefined) {
    unknown.push(made.maxDelta > MAX_TOLERANCE
      ? `Tolerance between engines: ${MAX_TOLERANCE}, though int8 and fp32 differ by up to ${made.maxDelta.toFixed(2)} on the calibration samples.`
      : 'Tolerance between engines: from the calibration samples alone.');
  }
  const kind = preparation.task === 'detection' ? 'boxes' : 'logits';
  const outputs = Object.fromEntries(model.outputs.map((o) => [o.name, { type: o.name === main ? kind : 'feature', format: 'magnitude', num_channels: o.name === main && kind === 'logits' ? classes : (o.dims.at(kind === 'boxes' ? -1 : 1) ?? 0), dtype: 'float32' }]));
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
      intended: { modalities, bodyParts: [], text: { en: typeof given['intended_use'] === 'string' ? given['intended_use'] : 'Not stated. Not for diagnostic use.' } },
      limits: [],
      tolerance,
      ...own,
      name: facts.name,
      sha256: made.sha256,
      input: { name: model.inputs[0]?.name, shape: inputDims, ...made.input },
      preprocessing,
      labels: allLabels,
      ...task,
    },
  };
  const parsed = ModelMetadata.safeParse(JSON.parse(JSON.stringify(candidate)));
  if (missing.length > 0) unknown.push(`Not stated: ${missing.join(', ')}.`);
  if (parsed.success) return { metadata: parsed.data, unknown };
  const [issue] = parsed.error.issues;
  throw new CompileError(`metadata.json, ${z.core.toDotPath(issue?.path ?? [])}: ${issue?.message ?? 'is not valid'}.`);
}

function classifierFields({ logits, features, activation }: ClassifierPreparation, made: Made, threshold: NonNullable<GivenMetadata['fabriclens']>['threshold'], unknown: string[]): object {
  if (threshold?.sha256 !== undefined && threshold.sha256 !== made.sha256['model.onnx']) {
    throw new CompileError(`metadata.json has a threshold for another model.onnx (SHA-256 ${threshold.sha256.slice(0, 12)}… instead of ${made.sha256['model.onnx'].slice(0, 12)}…). Choose it again on this one, or leave its sha256 out if it is this model's.`);
  }
  if (threshold === undefined) unknown.push('Threshold: 0.5 on the last class; it was not chosen on any data.');
  return {
    task: 'classification',
    activation: activation(made.classes),
    outputs: features === undefined ? { logits } : { logits, features },
    threshold: { classIndex: made.classes - 1, value: 0.5, method: 'Not chosen on data: the middle.', ...threshold, sha256: made.sha256['model.onnx'] },
    ...(features === undefined ? { heatmap: undefined } : {}),
  };
}

/** Features of another network are distributed otherwise. */
function guardFor({ sha256 }: Made, guard: NonNullable<GivenMetadata['fabriclens']>['guard'], unknown: string[]): object | undefined {
  if (guard === undefined || guard.sha256 === sha256['model.onnx']) return guard;
  unknown.push('Guard: the one given was made for another model.onnx and is left out; images unlike the training images are not warned about.');
  return undefined;
}

const detectorFields = ({ predictions, rule }: DetectorPreparation, { detections }: Made): object => ({
  task: 'detection',
  outputs: detections === undefined ? { predictions } : { predictions, detections },
  detection: rule,
});

const decibels = (value: number | null): string => (value === null ? 'no signal' : `${value.toFixed(1)} dB`);

/** A card that says what is known and names what is not. */
export function cardOf(metadata: ModelMetadata, unknown: readonly string[], { chosen, outputs, samples, heldOut, heldOutUnseen, layers }: Omit<QuantisationReport, 'chosen'> & { readonly chosen: QuantisationReport['chosen'] | null }): string {
  const { fabriclens } = metadata;
  const { title, intended, limits, labels } = fabriclens;
  const bullets = (items: readonly string[]): string => items.map((item) => `- ${item}`).join('\n');
  const decision = fabriclens.task === 'detection'
    ? `Boxes from a score of ${fabriclens.detection.scoreThreshold} on; of one class, those that overlap by more than ${fabriclens.detection.iouThreshold} are one; at most ${fabriclens.detection.maxDetections}. Classes: ${labels.map(({ name }) => name).join(', ')}.`
    : `Threshold ${fabriclens.threshold.value} on ${labels[fabriclens.threshold.classIndex]?.name ?? ''}: ${fabriclens.threshold.method}`;
  return [
    `# ${title.en} ${metadata.version}`,
    '<!-- Written by "npx fabriclens compile". Complete it: it is what a reader sees of this model. -->',
    `${metadata.description} **Not for diagnostic use.**`,
    `## Intended use\n${metadata.intended_use} Modalities: ${intended.modalities.join(', ')}.`,
    `## Results\n${Object.keys(metadata.eval_metrics).length === 0 ? 'Unknown: no evaluation is stated.' : bullets(Object.entries(metadata.eval_metrics).map(([k, v]) => `${k}: ${v}`))}\n\n${decision}`,
    `## Quantisation\nCanonical QDQ, ${chosen === null ? 'scales as the file had them' : chosen.method}${chosen?.biasCorrection ? ', biases corrected' : ''}${chosen?.equalised ? ', channels equalised' : ''}; ${samples} samples, of which ${heldOut} measured it (${heldOutUnseen ? 'unseen by calibration' : 'also used for calibration: there were too few'}).\n${bullets(outputs.map((o) => `\`${o.name}\`: ${decibels(o.sqnr)} against fp32, largest difference ${o.maxDifference.toPrecision(3)}`))}\n\nWorst layers: ${layers.slice(0, 3).map((l) => `${l.name} ${decibels(l.sqnr)}`).join(', ')}.`,
    ...(limits.length > 0 ? [`## Limits\n${bullets(limits.map((l) => l.en))}`] : []),
    `## Unknown\n${unknown.length === 0 ? 'Nothing that a package asks for.' : bullets(unknown)}`,
    `## Data and licence\n${metadata.data_source}\n${metadata.license}\n`,
  ].join('\n\n');
}
