/** What can be done about quantisation error before it is made: equalisation of channels across layers, and after: correction of biases. */
import type { OnnxModel, OnnxNode, OnnxTensor } from '../onnx.ts';
import { isWeighted, type Plan } from './plan.ts';
import { outputAxis, quantiseWeights, weightsOf, type Quantisation } from './qdq.ts';
import type { TensorStatistics } from './statistics.ts';

/**
 * Bias correction: rounded weights shift a channel's mean by Σ (quantised − true) · mean input; the bias takes it off again. By node.
 * @param statistics of the tensors that layers read
 */
export function biasCorrections(plan: Plan, quantisation: ReadonlyMap<string, Quantisation>, statistics: ReadonlyMap<string, TensorStatistics>): Map<string, Float64Array> {
  const corrections = new Map<string, Float64Array>();
  for (const { node, role, quantised } of plan.nodes) {
    if (!quantised || role !== 'layer' || !isWeighted(node) || node.name === '') continue;
    const tensor = plan.carrier(node.inputs[0] ?? '');
    const input = quantisation.get(tensor) as Quantisation;
    const means = statistics.get(tensor)?.channelMeans() ?? new Float64Array(0);
    const { weights, bias, biasNode } = weightsOf(plan, node);
    if (biasNode === null) continue;
    const axis = outputAxis(node);
    const values = weights.data as Float32Array;
    const { codes, scales } = quantiseWeights(values, weights.dims, axis, bias === null ? null : Array.from(bias.data, Number), input);
    const correction = new Float64Array(weights.dims[axis] as number);
    const [rows = 1, columns = 1] = weights.dims;
    const inner = weights.dims.slice(2).reduce((product, d) => product * d, 1);
    const groups = node.opType === 'Conv' ? (node.attributes.get('group')?.i ?? 1) : 1;
    for (let i = 0; i < values.length; i++) {
      const row = Math.floor(i / inner / columns);
      const column = Math.floor(i / inner) % columns;
      const [output, inputIndex] = axis === 0 ? [row, Math.floor(row / (rows / groups)) * columns + column] : [column, row];
      // A flattened tensor has more columns than channels: neighbours share a mean.
      const channel = Math.floor((inputIndex * means.length) / (axis === 0 ? columns * groups : rows));
      correction[output]! -= ((codes[i] as number) * (scales[output] as number) - (values[i] as number)) * (means[channel] ?? 0);
    }
    corrections.set(node.name, correction);
  }
  return corrections;
}

/** Operators through which a positive factor of a channel passes. */
const HOMOGENEOUS = new Set(['Relu', 'LeakyRelu', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'Identity', 'Dropout', 'Flatten']);
/** Factors beyond this are noise's, not the network's. */
const LIMIT = 256;

/**
 * Cross-layer equalisation for weights that have a scale a channel: what suffers is the activation between two layers, whose channels share one
 * scale. Channel i is divided by s[i] where it is made and multiplied again where it is read; s = √(peak of the channel / peak of the weights
 * that read it), or the peak itself where a depthwise convolution reads it, whose own scale takes it up.
 * @returns an equal network in the reals, or null where no pair of layers allows it
 */
export function equalised(plan: Plan, statistics: ReadonlyMap<string, TensorStatistics>): OnnxModel | null {
  const { model } = plan;
  const initializers = new Map(model.initializers);
  const outputs = new Set(model.outputs.map((o) => o.name));
  const readers = new Map<string, OnnxNode[]>();
  for (const node of model.nodes) for (const input of node.inputs) readers.set(input, [...(readers.get(input) ?? []), node]);
  const own = (name: string | undefined): boolean => name === undefined || name === '' || readers.get(name)?.length === 1;
  let pairs = 0;
  for (const { node, role, quantised } of plan.nodes) {
    if (!quantised || role !== 'layer' || (node.opType !== 'Conv' && node.opType !== 'Gemm')) continue;
    let tensor = node.outputs[0] ?? '';
    let between: string | null = null;
    let reader: OnnxNode | undefined;
    for (;;) {
      if (statistics.has(tensor)) between ??= tensor;
      const next = readers.get(tensor) ?? [];
      reader = outputs.has(tensor) || next.length !== 1 ? undefined : next[0];
      if (reader === undefined || !HOMOGENEOUS.has(reader.opType)) break;
      tensor = reader.outputs[0] ?? '';
    }
    if (reader === undefined || between === null || (reader.opType !== 'Conv' && reader.opType !== 'Gemm') || reader.inputs[0] !== tensor) continue;
    if (![node, reader].every((n) => own(n.inputs[1]) && own(n.inputs[2]))) continue;
    const factors = factorsOf(initializers, reader, statistics.get(between) as TensorStatistics);
    if (factors === null) continue;
    pairs++;
    const divided = (name: string): void => {
      const old = initializers.get(name);
      if (old !== undefined) initializers.set(name, scaled(old, name === node.inputs[1] ? outputAxis(node) : 0, (c) => 1 / (factors[c] as number)));
    };
    divided(node.inputs[1] ?? '');
    divided(node.inputs[2] ?? '');
    const read = initializers.get(reader.inputs[1] ?? '') as OnnxTensor;
    const depthwise = isDepthwise(reader, read);
    initializers.set(read.name, scaled(read, depthwise ? 0 : 1 - outputAxis(reader), (c) => factors[c] as number));
  }
  return pairs === 0 ? null : { ...model, initializers };
}

const isDepthwise = (node: OnnxNode, weights: OnnxTensor): boolean => {
  const groups = node.attributes.get('group')?.i ?? 1;
  return node.opType === 'Conv' && groups > 1 && groups === weights.dims[0] && weights.dims[1] === 1;
};

function factorsOf(initializers: ReadonlyMap<string, OnnxTensor>, reader: OnnxNode, { channelPeaks }: TensorStatistics): Float64Array | null {
  const weights = initializers.get(reader.inputs[1] ?? '');
  if (weights === undefined) return null;
  const depthwise = isDepthwise(reader, weights);
  if (!depthwise && reader.opType === 'Conv' && (reader.attributes.get('group')?.i ?? 1) !== 1) return null;
  const axis = depthwise ? 0 : 1 - outputAxis(reader);
  if (weights.dims[axis] !== channelPeaks.length) return null;
  const peaks = new Float64Array(channelPeaks.length);
  const inner = weights.dims.slice(axis + 1).reduce((product, d) => product * d, 1);
  weights.data.forEach((value: number | bigint, i: number) => {
    const c = Math.floor(i / inner) % peaks.length;
    peaks[c] = Math.max(peaks[c] as number, Math.abs(Number(value)));
  });
  const usable = (c: number): boolean => (channelPeaks[c] as number) > 0 && (peaks[c] as number) > 0;
  const raw = channelPeaks.map((peak, c) => (!usable(c) ? 1 : depthwise ? peak : Math.sqrt(peak / (peaks[c] as number))));
  const logs = [...raw].filter((_, c) => usable(c)).map(Math.log);
  if (logs.length < 2) return null;
  const centre = Math.exp(logs.reduce((sum, l) => sum + l, 0) / logs.length);
  // A power of two: exact, so that the network stays equal but for the rounding of products.
  return raw.map((s, c) => (usable(c) ? 2 ** Math.round(Math.log2(Math.max(1 / LIMIT, Math.min(LIMIT, s / centre)))) : 1));
}

function scaled(tensor: OnnxTensor, axis: number, factor: (channel: number) => number): OnnxTensor {
  const inner = tensor.dims.slice(axis + 1).reduce((product, d) => product * d, 1);
  const count = tensor.dims[axis] as number;
  return { ...tensor, data: (tensor.data as Float32Array).map((value, i) => value * factor(Math.floor(i / inner) % count)) };
}
