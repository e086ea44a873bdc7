import { EngineError, type Inference } from './engine.ts';
import type { ModelPackage } from './package.ts';

export interface OutputTensor {
  data: Float32Array;
  shape: readonly number[];
}

/** The graph outputs that an engine asks for. */
export function wantedOutputs({ metadata }: ModelPackage): string[] {
  const { logits, features } = metadata.fabriclens.outputs;
  return features === undefined ? [logits] : [logits, features];
}

/** Named outputs by their role; EngineError `tensor-mismatch` when they are not what metadata.json promises. */
export function readOutputs({ metadata }: ModelPackage, tensors: Record<string, OutputTensor>): Pick<Inference, 'logits' | 'features'> {
  const { name, outputs, labels } = metadata.fabriclens;
  const fail = (what: string): never => {
    throw new EngineError('tensor-mismatch', `Model ${name}: ${what}.`);
  };
  const tensor = (output: string): OutputTensor => tensors[output] ?? fail(`the answer lacks its output "${output}"`);
  const finite = (output: string, data: Float32Array): void => {
    // x − x is 0 for every finite x and NaN for all others: one sum without a branch, since this is within a small network's time.
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum += data[i]! - data[i]!;
    if (sum !== 0) fail(`"${output}" holds ${data.find((value) => !Number.isFinite(value))}, which is no finite number`);
  };
  const { data: logits } = tensor(outputs.logits);
  if (logits.length !== labels.length) fail(`"${outputs.logits}" has ${logits.length} values for ${labels.length} labels`);
  finite(outputs.logits, logits);
  if (outputs.features === undefined) return { logits, features: null };
  const { data, shape } = tensor(outputs.features);
  const [batch, channels = 0, rows = 0, columns = 0] = shape;
  if (shape.length !== 4 || batch !== 1 || channels * rows * columns !== data.length) {
    fail(`"${outputs.features}" has the shape [${shape.join(', ')}], not [1, channels, rows, columns]`);
  }
  finite(outputs.features, data);
  return { logits, features: { data, channels, rows, columns } };
}
