/** The same with samples at hand: tensors that the export left unquantised are measured instead of bounded. Runs ONNX Runtime. */
import type { OnnxModel } from '../onnx.ts';
import { calibrate, Network, type Hooks } from '../quantise/measure.ts';
import { rangeOf, withHeadroom, type Range } from '../quantise/statistics.ts';
import { canonicalQdq, type QuantisedImport } from './index.ts';

/**
 * @param samples inputs as the network takes them (channels first, whatever order the file has)
 * @param options.inputRange what the preprocessing can give, where the file does not quantise its input
 * @throws CompileError as canonicalQdq does, or where the fp32 network does not run; the signal's reason when cancelled
 */
export async function calibratedQdq(model: OnnxModel, samples: readonly Float32Array[], options: Hooks & { readonly inputRange?: Range | undefined } = {}): Promise<QuantisedImport> {
  const given = new Map<string, Range>();
  const [input] = model.inputs;
  const inputRange = options.inputRange ?? rangeOfSamples(samples);
  if (input !== undefined && inputRange !== null) given.set(input.name, inputRange);
  const first = canonicalQdq(model, { ranges: given });
  const open = first.uncalibrated.filter((name) => !given.has(name));
  if (open.length === 0 || samples.length === 0) return first;
  const statistics = await calibrate(new Network(first.float), open, samples, options);
  return canonicalQdq(model, { ranges: new Map([...given, ...[...statistics].map(([name, s]) => [name, withHeadroom(rangeOf(s, 'minmax'), s.count)] as const)]) });
}

function rangeOfSamples(samples: readonly Float32Array[]): Range | null {
  let [min, max] = [Infinity, -Infinity];
  for (const sample of samples) {
    for (const value of sample) {
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  return min <= max ? { min, max } : null;
}
