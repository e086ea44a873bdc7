/** What is chosen on validation rows, with no test image opened: threshold, tolerance between engines, the heat map's weights. */
import { readOnnx } from '../../src/compiler/onnx.ts';
import { probabilities } from '../../src/review/activation.ts';
import { inRuntime, type Raw } from './engines.ts';
import { all } from './evaluate.ts';
import { thresholdFor } from './figures.ts';
import { changeMetadata, type EvaluatedClassifier } from './package.ts';
import { CLASSIFIERS } from './sets.ts';

const percent = (share: number): string => `${Math.round(100 * share)}%`;

export async function decide(pkg: EvaluatedClassifier, say: (line: string) => void): Promise<void> {
  const { fields, name, sha256 } = pkg;
  const { classIndex } = fields.threshold;
  const { images: load, sensitivity } = CLASSIFIERS[name]!;
  const val = await load('val');
  const told = async (file: 'model.onnx' | 'model.int8.onnx'): Promise<number[]> => {
    const runner = await inRuntime(pkg, file);
    const raw: Raw[] = await all(runner, pkg, val, file, say);
    await runner.end();
    return raw.map(({ logits }) => probabilities(logits, fields.activation)[classIndex] as number);
  };
  const [fp32, int8] = [await told('model.onnx'), await told('model.int8.onnx')];
  const label = fields.labels[classIndex]?.name ?? '';
  const threshold = sensitivity === undefined
    ? { classIndex, value: 0.5, method: 'The middle: no cost was given to weigh one error against the other.' }
    : { classIndex, value: thresholdFor(fp32, val.map((image) => image.label === classIndex), sensitivity), method: `Highest threshold on P(${label}) that keeps a sensitivity of at least ${percent(sensitivity)} on the ${val.length} validation rows, which share no image with training and test (some share a patient with training).` };
  // Of the int8 network on validation rows: what may be called agreement between engines.
  const tolerance = Math.ceil(100 * Math.max(...fp32.map((p, i) => Math.abs(p - (int8[i] as number))))) / 100;
  const dense = readOnnx(pkg.files['model.onnx']).initializers.get('dense.weight');
  changeMetadata(name, ({ fabriclens }) => {
    fabriclens['threshold'] = { ...threshold, sha256: sha256['model.onnx'] };
    fabriclens['tolerance'] = tolerance;
    if (dense?.data instanceof Float32Array) {
      const columns = dense.dims[1] as number;
      const weights = dense.data;
      fabriclens['heatmap'] = { weights: fields.labels.map((_, row) => Array.from(weights.subarray(row * columns, (row + 1) * columns), (v) => Number(v.toPrecision(7)))) };
    }
  });
}
