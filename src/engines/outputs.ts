import type { ClassifierFields, DetectorFields } from '../contract/model.ts';
import { EngineError, type Outputs } from './engine.ts';
import type { ModelPackage } from './package.ts';

export interface OutputTensor {
  data: Float32Array;
  shape: readonly number[];
}

/** `graph`: model.onnx or model.int8.onnx, whose predictions are rows by the thousand. `program`: program.bin, which may do the detection rule itself. */
export type Runner = 'graph' | 'program';

/** The outputs that an engine asks for: of a program that gives detections those alone, 7 KB instead of its predictions' megabytes. */
export function wantedOutputs({ metadata: { fabriclens } }: ModelPackage, runner: Runner): string[] {
  if (fabriclens.task === 'detection') {
    const { predictions, detections } = fabriclens.outputs;
    return [runner === 'program' && detections !== undefined ? detections : predictions];
  }
  const { logits, features } = fabriclens.outputs;
  return features === undefined ? [logits] : [logits, features];
}

/** Values a row of a detector's predictions. */
export const predictionValues = ({ detection, labels }: DetectorFields): number => 4 + (detection.objectness ? 1 : 0) + labels.length;

type Tensors = Readonly<Record<string, OutputTensor>>;
type Fail = (what: string) => never;

/** Named outputs by their role; EngineError `tensor-mismatch` when they are not what metadata.json promises. */
export function readOutputs({ metadata: { fabriclens } }: ModelPackage, tensors: Tensors, runner: Runner): Outputs {
  const fail: Fail = (what) => {
    throw new EngineError('tensor-mismatch', `Model ${fabriclens.name}: ${what}.`);
  };
  return fabriclens.task === 'detection' ? detector(fabriclens, tensors, runner, fail) : classifier(fabriclens, tensors, fail);
}

function tensor(tensors: Tensors, output: string, fail: Fail): OutputTensor {
  const found = tensors[output] ?? fail(`the answer lacks its output "${output}"`);
  // x − x is 0 for every finite x and NaN for all others: one sum without a branch, since this is within a small network's time.
  let sum = 0;
  for (let i = 0; i < found.data.length; i++) sum += found.data[i]! - found.data[i]!;
  if (sum !== 0) fail(`"${output}" holds ${found.data.find((value) => !Number.isFinite(value))}, which is no finite number`);
  return found;
}

function classifier({ outputs, labels }: ClassifierFields, tensors: Tensors, fail: Fail): Outputs {
  const { data: logits } = tensor(tensors, outputs.logits, fail);
  if (logits.length !== labels.length) fail(`"${outputs.logits}" has ${logits.length} values for ${labels.length} labels`);
  if (outputs.features === undefined) return { task: 'classification', logits, features: null };
  const { data, shape } = tensor(tensors, outputs.features, fail);
  const [batch, channels = 0, rows = 0, columns = 0] = shape;
  if (shape.length !== 4 || batch !== 1 || channels * rows * columns !== data.length) {
    fail(`"${outputs.features}" has the shape [${shape.join(', ')}], not [1, channels, rows, columns]`);
  }
  return { task: 'classification', logits, features: { data, channels, rows, columns } };
}

function detector(fields: DetectorFields, tensors: Tensors, runner: Runner, fail: Fail): Outputs {
  const { predictions, detections } = fields.outputs;
  const kind = runner === 'program' && detections !== undefined ? 'detections' : 'predictions';
  const output = kind === 'detections' ? detections! : predictions;
  const { data, shape } = tensor(tensors, output, fail);
  const values = kind === 'detections' ? 6 : predictionValues(fields);
  const [batch, rows = 0, width] = shape;
  if (shape.length !== 3 || batch !== 1 || width !== values || rows * values !== data.length) {
    fail(`"${output}" has the shape [${shape.join(', ')}], not [1, ${kind === 'detections' ? fields.detection.maxDetections : 'rows'}, ${values}]`);
  }
  return { task: 'detection', raw: { kind, data, rows, values } };
}
