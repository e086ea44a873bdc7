/** A plan and the range of each tensor → canonical QDQ. Tensors keep their fp32 names behind DequantizeLinear, so that both networks can be held side by side. */
import { CompileError } from '../error.ts';
import { unique } from '../names.ts';
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';
import { isWeighted, type Plan } from './plan.ts';
import { joined, parametersOf, type Range } from './statistics.ts';

export type Quantisation = { readonly scale: number; readonly zeroPoint: number };

/** The core adds through 24-bit multipliers: an operand's scale may be up to 16 times the sum's (lower.ts, ADD_TOLERANCE). */
const MAX_ADD_RATIO = 15;

/** Scale and zero point of each tensor: one for a group, and a sum's not far below its operands'. */
export function quantisationOf(plan: Plan, ranges: ReadonlyMap<string, Range>): Map<string, Quantisation> {
  const shared = plan.groups.map((names) => ({ names, range: joined(names.map((name) => ranges.get(name) as Range)) }));
  const groupOf = new Map(shared.flatMap((group) => group.names.map((name) => [name, group] as const)));
  const scaleOf = (tensor: string): number => {
    const group = groupOf.get(plan.carrier(tensor));
    return group === undefined ? 0 : parametersOf(group.range).scale;
  };
  // A widened sum may be another sum's operand; each pass only widens, and a scale has an end at the widest operand.
  for (let changed = true; changed; ) {
    changed = false;
    for (const { node, role, quantised } of plan.nodes) {
      if (!quantised || role !== 'layer' || node.opType !== 'Add') continue;
      const group = groupOf.get(endOf(plan, node));
      const operand = Math.max(...node.inputs.map(scaleOf)) / MAX_ADD_RATIO;
      if (group === undefined || parametersOf(group.range).scale >= operand) continue;
      const { min, max } = group.range;
      const factor = max > min ? (operand * 255 * 1.001) / (max - min) : 0;
      group.range = factor === 0 ? { min: 0, max: operand * 255 * 1.001 } : { min: min * factor, max: max * factor };
      changed = true;
    }
  }
  return new Map(shared.flatMap(({ names, range }) => {
    const bounds = names.map((name) => plan.bounds.get(name)).filter((b) => b !== undefined);
    const parameters = bounds.reduce(within, parametersOf(range));
    return names.map((name) => [name, parameters] as const);
  }));
}

/** Whether codes carry nothing outside bounds: a Clip to them is then what QuantizeLinear does anyway. */
const isWithin = ({ scale, zeroPoint }: Quantisation, { min, max }: Range): boolean => (-128 - zeroPoint) * scale >= min && (127 - zeroPoint) * scale <= max;

/** How much of a scale is given up so that a Clip's bounds are the codes' own. */
const SNAP = 0.97;

/** The same codes with a scale so little smaller that they keep within a Clip's bounds; unchanged where that would cost more than half a code at the end. */
function within(parameters: Quantisation, bounds: Range): Quantisation {
  const { scale, zeroPoint } = parameters;
  const [below, above] = [128 + zeroPoint, 127 - zeroPoint];
  let snapped = Math.fround(Math.min(scale, above > 0 ? bounds.max / above : scale, below > 0 ? -bounds.min / below : scale));
  if (!isWithin({ scale: snapped, zeroPoint }, bounds)) snapped = Math.fround(snapped * (1 - 2 ** -23));
  return snapped >= SNAP * scale ? { scale: snapped, zeroPoint } : parameters;
}

/** The quantised tensor that a layer's node ends in, past Relu and Clip. */
function endOf(plan: Plan, node: OnnxNode): string {
  let end = node.outputs[0] ?? '';
  const quantised = new Set(plan.tensors);
  while (!quantised.has(end)) {
    const next = plan.nodes.find((p) => p.node.inputs.includes(end));
    if (next === undefined) return end;
    end = next.node.outputs[0] ?? '';
  }
  return end;
}

/** Weights with one scale an output channel, so chosen that every accumulator provably fits 32 bits. */
export type QuantisedWeights = { codes: Int8Array; scales: Float32Array; bias: Int32Array };

/** Calls `row` for each run of neighbours of one output channel: dims[axis] channels. */
function eachRow(dims: readonly number[], axis: number, row: (channel: number, from: number, to: number) => void): void {
  const product = (of: readonly number[]): number => of.reduce((p, d) => p * d, 1);
  const [outer, count, inner] = [product(dims.slice(0, axis)), dims[axis] as number, product(dims.slice(axis + 1))];
  for (let o = 0, at = 0; o < outer; o++) for (let c = 0; c < count; c++, at += inner) row(c, at, at + inner);
}

/**
 * A channel whose weights are small beside its bias (a dead one) gets a coarser scale than its weights ask for: its bias must fit int32
 * at input scale × weight scale, with room for 128·Σ|w| + |zero point · Σw| (lower.ts proves it again).
 * @throws CompileError naming `node` where a weight or bias is no finite number
 */
export function quantiseWeights(values: Float32Array, dims: readonly number[], axis: number, bias: ArrayLike<number> | null, input: Quantisation, node?: string): QuantisedWeights {
  const outputs = dims[axis] as number;
  const peaks = new Float64Array(outputs);
  eachRow(dims, axis, (c, from, to) => {
    let peak = peaks[c] as number;
    for (let i = from; i < to; i++) peak = Math.max(peak, Math.abs(values[i] as number));
    peaks[c] = peak;
  });
  // A channel of zeros takes the layer's scale: any would do.
  const usual = peaks.reduce((most, peak) => Math.max(most, peak), 0) / 127 || 1;
  const biasOf = (c: number): number => bias?.[c] ?? 0;
  if (!(input.scale > 0 && Number.isFinite(input.scale))) throw new CompileError(`its input has a scale of ${input.scale}: the calibration images gave no numbers there.`, node);
  // No scale would ever fit such a channel.
  if (![...peaks.keys()].every((c) => Number.isFinite(peaks[c]) && Number.isFinite(biasOf(c)))) throw new CompileError('its weights or its bias hold what is no finite number; the file is damaged, or the training went wrong.', node);
  const scales = Float32Array.from(peaks, (peak, c) => Math.max((peak || usual * 127) / 127, Math.abs(biasOf(c)) / (input.scale * 2 ** 30), 2 ** -60));
  const codes = new Int8Array(values.length);
  const fill = (): { sum: Float64Array; magnitude: Float64Array } => {
    const [sum, magnitude] = [new Float64Array(outputs), new Float64Array(outputs)];
    eachRow(dims, axis, (c, from, to) => {
      const scale = scales[c] as number;
      let [total, size] = [0, 0];
      for (let i = from; i < to; i++) {
        const code = Math.max(-127, Math.min(127, Math.round((values[i] as number) / scale)));
        codes[i] = code;
        total += code;
        size += Math.abs(code);
      }
      sum[c]! += total;
      magnitude[c]! += size;
    });
    return { sum, magnitude };
  };
  const biasCodes = (): Float64Array => Float64Array.from(scales, (scale, c) => Math.round(biasOf(c) / (input.scale * scale)));
  for (;;) {
    const { sum, magnitude } = fill();
    const biases = biasCodes();
    let fits = true;
    for (let c = 0; c < outputs; c++) {
      const folded = (biases[c] as number) - input.zeroPoint * (sum[c] as number);
      if (128 * (magnitude[c] as number) + Math.abs(folded) < 2 ** 31 && Math.abs(biases[c] as number) < 2 ** 31) continue;
      scales[c]! *= 2;
      fits = false;
    }
    if (fits) return { codes, scales, bias: Int32Array.from(biases) };
  }
}

/** Axis of a weighted node's output channels in its weights. */
export const outputAxis = (node: OnnxNode): number => (node.opType === 'Conv' || (node.attributes.get('transB')?.i ?? 0) !== 0 ? 0 : 1);

/** Initializers of a weighted node: its weights, and its bias where it has one (a MatMul's is the Add's behind it). */
export function weightsOf(plan: Plan, node: OnnxNode): { weights: OnnxTensor; bias: OnnxTensor | null; biasNode: OnnxNode | null } {
  const weights = plan.model.initializers.get(node.inputs[1] ?? '') as OnnxTensor;
  const biasNode = node.opType === 'MatMul' ? (plan.nodes.find((p) => p.role === 'bias' && p.node.inputs.includes(node.outputs[0] ?? ''))?.node ?? null) : node;
  const name = biasNode === null ? '' : node.opType === 'MatMul' ? (biasNode.inputs.find((input) => plan.model.initializers.has(input)) ?? '') : (node.inputs[2] ?? '');
  const bias = plan.model.initializers.get(name) ?? null;
  const outputs = weights.dims[outputAxis(node)] as number;
  if (bias !== null && bias.data.length !== outputs) throw new CompileError(`has a bias of ${bias.data.length} values for ${outputs} outputs.`, node.name);
  return { weights, bias, biasNode };
}

const axisAttribute = (i: number): Map<string, OnnxAttribute> => new Map([['axis', { name: 'axis', i, floats: [], ints: [] }]]);

export class Writer {
  readonly nodes: OnnxNode[] = [];
  readonly initializers = new Map<string, OnnxTensor>();
  readonly #names: Set<string>;

  constructor(model: OnnxModel) {
    this.#names = new Set([...model.initializers.keys(), ...model.inputs.map((i) => i.name), ...model.nodes.flatMap((n) => [n.name, ...n.inputs, ...n.outputs])]);
  }

  name(wanted: string): string {
    return unique(this.#names, wanted);
  }

  constant(wanted: string, data: OnnxTensor['data'], dims: number[]): string {
    const name = this.name(wanted);
    const dataType = data instanceof Float32Array ? OnnxType.FLOAT : data instanceof Int8Array ? OnnxType.INT8 : OnnxType.INT32;
    this.initializers.set(name, { name, dataType, dims, data });
    return name;
  }

  node(opType: string, name: string, inputs: string[], output: string, attributes = new Map<string, OnnxAttribute>()): string {
    this.nodes.push({ name: this.name(name), opType, domain: '', inputs, outputs: [output], attributes });
    return output;
  }

  /** QuantizeLinear and DequantizeLinear from one name to another. */
  activation(tensor: string, from: string, to: string, { scale, zeroPoint }: Quantisation): void {
    const s = this.constant(`${tensor}/scale`, Float32Array.of(scale), []);
    const z = this.constant(`${tensor}/zero_point`, Int8Array.of(zeroPoint), []);
    const codes = this.node('QuantizeLinear', `${tensor}/QuantizeLinear`, [from, s, z], this.name(`${tensor}/codes`));
    this.node('DequantizeLinear', `${tensor}/DequantizeLinear`, [codes, s, z], to);
  }

  /** A constant behind DequantizeLinear, with a scale an index of `axis`. */
  constants(stem: string, data: Int8Array | Int32Array, dims: number[], scales: Float32Array, axis: number): string {
    const zeros = data instanceof Int8Array ? new Int8Array(scales.length) : new Int32Array(scales.length);
    const inputs = [this.constant(`${stem}/codes`, data, dims), this.constant(`${stem}/scale`, scales, [scales.length]), this.constant(`${stem}/zero_point`, zeros, [scales.length])];
    return this.node('DequantizeLinear', `${stem}/DequantizeLinear`, inputs, this.name(`${stem}/dequantised`), axisAttribute(axis));
  }
}

/**
 * @param corrections what is added to the biases, by node: bias correction
 * @returns canonical QDQ with the inputs and outputs of the fp32 model
 */
export function quantised(plan: Plan, quantisation: ReadonlyMap<string, Quantisation>, corrections: ReadonlyMap<string, Float64Array> = new Map()): OnnxModel {
  const { model } = plan;
  const writer = new Writer(model);
  const renamed = new Map<string, string>();
  for (const { name } of model.inputs) {
    const parameters = quantisation.get(name);
    if (parameters === undefined) continue;
    renamed.set(name, writer.name(`${name}/dequantised`));
    writer.activation(name, name, renamed.get(name) as string, parameters);
  }
  const biases = new Map<OnnxNode, { name: string; of: OnnxNode }>();
  for (const { node, role, quantised: onCodes } of plan.nodes) {
    const inputs = node.inputs.map((input) => renamed.get(input) ?? input);
    if (onCodes && role === 'layer' && isWeighted(node)) {
      const { weights, bias, biasNode } = weightsOf(plan, node);
      const axis = outputAxis(node);
      const input = quantisation.get(plan.carrier(node.inputs[0] ?? '')) as Quantisation;
      const correction = corrections.get(node.name);
      const outputs = weights.dims[axis] as number;
      const values = bias === null && correction === undefined ? null : Float64Array.from({ length: outputs }, (_, c) => Number(bias?.data[c] ?? 0) + (correction?.[c] ?? 0));
      const made = quantiseWeights(weights.data as Float32Array, weights.dims, axis, values, input, node.name);
      const stem = node.name || (node.outputs[0] ?? '');
      inputs[1] = writer.constants(`${stem}/weights`, made.codes, weights.dims, made.scales, axis);
      if (values !== null && biasNode !== null) {
        const name = writer.constants(`${stem}/bias`, made.bias, [outputs], made.scales.map((s) => Math.fround(s * input.scale)), 0);
        if (biasNode === node) inputs[2] = name;
        else biases.set(biasNode, { name, of: node });
      }
    }
    // ONNX Runtime 1.30 fails on a quantised convolution whose Clip is more than its QuantizeLinear (it fuses both ways at once): the Clip then stands alone.
    const clipped = onCodes && role === 'bounds' && node.opType === 'Clip' ? (node.outputs[0] ?? '') : '';
    const [own, clip] = [quantisation.get(clipped), plan.bounds.get(clipped)];
    if (own !== undefined && clip !== undefined && !quantisation.has(plan.carrier(node.inputs[0] ?? '')) && !isWithin(own, clip)) {
      const [from, to] = [inputs[0] as string, writer.name(`${clipped}/before`)];
      writer.activation(to, from, to, own);
      inputs[0] = to;
    }
    const added = biases.get(node);
    if (added !== undefined) node.inputs.forEach((input, i) => model.initializers.has(input) && (inputs[i] = added.name));
    const outputs = node.outputs.map((output) => (quantisation.has(output) ? writer.name(`${output}/real`) : output));
    writer.nodes.push({ ...node, inputs, outputs });
    node.outputs.forEach((output, i) => {
      const parameters = quantisation.get(output);
      if (parameters !== undefined) writer.activation(output, outputs[i] as string, output, parameters);
    });
  }
  const used = new Set(writer.nodes.flatMap((n) => n.inputs));
  const initializers = new Map([...model.initializers, ...writer.initializers].filter(([name]) => used.has(name)));
  return { ...model, nodes: writer.nodes, initializers };
}
