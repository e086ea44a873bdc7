/** What is folded once the whole network is known: affine functions (BatchNormalization among them) and padding. Each pass is linear. */
import type { Affine, Network, Step } from './step.ts';
import { Links } from './step.ts';
import type { Tensor } from './tensor.ts';
import { countOf, floats } from './tensor.ts';

/** Larger windows than this are no cheaper than a copy. */
const MAX_PAD_KERNEL = 7;

const at = (values: ArrayLike<number>, index: number): number => values[values.length === 1 ? 0 : index] as number;

function composed(inner: Affine, outer: Affine): Affine {
  const length = Math.max(inner.scale.length, inner.shift.length, outer.scale.length, outer.shift.length);
  const make = (value: (c: number) => number): Float64Array => Float64Array.from({ length }, (_, c) => value(c));
  return { scale: make((c) => at(inner.scale, c) * at(outer.scale, c)), shift: make((c) => at(inner.shift, c) * at(outer.scale, c) + at(outer.shift, c)) };
}

/** Behind a Conv or Gemm: into its rows of weights. */
function behind(step: Step, { scale, shift }: Affine): void {
  const [x, weights, bias] = step.inputs as [string, Tensor, Tensor];
  const outputs = weights.dims[0] as number;
  const each = weights.data.length / outputs;
  const from = weights.data as Float32Array;
  // A bias alone leaves the weights, which may be most of the file, as they are.
  const data = scale.every((s) => s === 1) ? from : new Float32Array(from.length);
  for (let o = 0, i = 0; data !== from && o < outputs; o++) for (let k = 0; k < each; k++, i++) data[i] = (from[i] as number) * at(scale, o);
  step.inputs = [x, { ...weights, data }, floats([outputs], Float64Array.from(bias.data as Float32Array, (b, o) => b * at(scale, o) + at(shift, o)))];
}

/** Before a Conv or Gemm: into its columns of weights; what it adds passes through the window, so the window must hold no padding. */
function before(step: Step, { scale, shift }: Affine): void {
  const [x, weights, bias] = step.inputs as [string, Tensor, Tensor];
  const [outputs = 1, perGroup = 1] = weights.dims;
  const window = countOf(weights.dims.slice(2));
  const group = (step.attributes['group'] as { i: number } | undefined)?.i ?? 1;
  const from = weights.data as Float32Array;
  const data = new Float32Array(from.length);
  const added = Float64Array.from(bias.data as Float32Array);
  for (let o = 0, i = 0; o < outputs; o++) {
    const first = Math.floor(o / (outputs / group)) * perGroup;
    for (let c = 0; c < perGroup; c++) {
      for (let k = 0; k < window; k++, i++) {
        data[i] = (from[i] as number) * at(scale, first + c);
        added[o] = (added[o] as number) + (from[i] as number) * at(shift, first + c);
      }
    }
  }
  step.inputs = [x, { ...weights, data }, floats([outputs], added)];
}

const isLayer = (step: Step | undefined): step is Step => step?.op === 'Conv' || step?.op === 'Gemm';
const intsOf = (step: Step, name: string): readonly number[] => (step.attributes[name] as { ints: readonly number[] } | undefined)?.ints ?? [];

/** One affine function behind the other becomes one. */
function mergeAffines(network: Network): Network {
  const links = new Links(network);
  const gone = new Set<Step>();
  for (const step of network.steps) {
    const inner = links.maker(step.inputs[0]);
    if (step.affine === undefined || inner?.affine === undefined || !links.isPrivate(inner.output)) continue;
    step.affine = composed(inner.affine, step.affine);
    step.inputs = [...inner.inputs];
    gone.add(inner);
  }
  return { ...network, steps: network.steps.filter((s) => !gone.has(s)) };
}

export function foldAffines(given: Network): Network {
  const network = mergeAffines(given);
  const links = new Links(network);
  const gone = new Set<Step>();
  for (const step of network.steps) {
    if (step.affine === undefined) continue;
    const input = step.inputs[0] as string;
    const maker = links.maker(input);
    if (isLayer(maker) && links.isPrivate(input)) {
      behind(maker, step.affine);
      maker.output = step.output;
      gone.add(step);
      continue;
    }
    const [reader] = links.readers(step.output);
    if (!isLayer(reader) || !links.isPrivate(step.output) || reader.inputs[0] !== step.output) continue;
    if (intsOf(reader, 'pads').some((p) => p !== 0) && step.affine.shift.some((s) => s !== 0)) continue;
    before(reader, step.affine);
    reader.inputs[0] = input;
    gone.add(step);
  }
  return { ...network, steps: network.steps.filter((s) => !gone.has(s)) };
}

/** Whether a value can be told to have no negative elements. */
function neverNegative(links: Links, name: string, depth = 8): boolean {
  const step = links.maker(name);
  if (step === undefined || depth === 0) return false;
  if (step.op === 'Relu' || step.op === 'Sigmoid' || step.op === 'Softmax' || step.op === 'HardSigmoid') return true;
  if (step.op === 'Clip') return Number((step.inputs[1] as Tensor | null)?.data[0] ?? -1) >= 0;
  if (step.op === 'MaxPool' || step.op === 'AveragePool') return neverNegative(links, step.inputs[0] as string, depth - 1);
  return false;
}

/** Pad → the padding of what reads it, where that means the same. */
export function foldPads(network: Network): Network {
  const links = new Links(network);
  const gone = new Set<Step>();
  for (const step of network.steps) {
    if (step.op !== 'Pad' || step.shape.length !== 4 || links.isOutput(step.output)) continue;
    const [input, sizes, fill] = step.inputs as [string, Tensor, Tensor];
    const pads = Array.from(sizes.data as ArrayLike<bigint>, Number);
    const value = Number(fill.data[0]);
    if ([0, 1, 4, 5].some((i) => pads[i] !== 0)) continue;
    const added = [2, 3, 6, 7].map((i) => pads[i] as number);
    const readers = links.readers(step.output);
    const total = (reader: Step): number[] => intsOf(reader, 'pads').map((p, i) => p + (added[i] as number));
    const inKernel = (reader: Step): boolean => total(reader).every((p, i) => p < (intsOf(reader, 'kernel_shape')[i % 2] as number)) && intsOf(reader, 'dilations').every((d) => d === 1);
    const fits = (reader: Step): boolean => {
      if (reader.op === 'Conv') return value === 0;
      if (reader.op === 'AveragePool') return value === 0 && inKernel(reader) && (intsOf(reader, 'pads').every((p) => p === 0) || (reader.attributes['count_include_pad'] as { i: number }).i === 1);
      return reader.op === 'MaxPool' && inKernel(reader) && (value < -3e38 || (value === 0 && neverNegative(links, input)));
    };
    if (!readers.every(fits)) continue;
    for (const reader of readers) {
      reader.attributes = { ...reader.attributes, pads: { ints: total(reader) }, ...(reader.op === 'AveragePool' && { count_include_pad: { i: 1 } }) };
      reader.inputs[0] = input;
    }
    gone.add(step);
  }
  return { ...network, steps: network.steps.filter((s) => !gone.has(s)) };
}

/** Pads of zeros that no layer took in: a depthwise convolution of one tap, whose window pads by less than it covers. */
export function lowerPads(network: Network, note: (text: string) => void): Network {
  const steps = network.steps.map((step): Step => {
    if (step.op !== 'Pad' || step.shape.length !== 4) return step;
    const [input, sizes, fill] = step.inputs as [string, Tensor, Tensor];
    const pads = Array.from(sizes.data as ArrayLike<bigint>, Number);
    const [top = 0, left = 0, bottom = 0, right = 0] = [2, 3, 6, 7].map((i) => pads[i] as number);
    const kernel = [top + bottom + 1, left + right + 1] as const;
    if (Number(fill.data[0]) !== 0 || [0, 1, 4, 5].some((i) => pads[i] !== 0) || Math.max(...kernel) > MAX_PAD_KERNEL) return step;
    note(`Node '${step.name}': its padding fits into no layer behind it; it runs as a depthwise convolution.`);
    const channels = step.shape[1] as number;
    const taps = kernel[0] * kernel[1];
    const weights = new Float32Array(channels * taps);
    for (let c = 0; c < channels; c++) weights[c * taps + bottom * kernel[1] + right] = 1;
    const one = { ints: [1, 1] };
    return {
      name: step.name, output: step.output, shape: step.shape, op: 'Conv', inputs: [input, floats([channels, 1, ...kernel], weights), floats([channels], new Float32Array(channels))],
      attributes: { kernel_shape: { ints: kernel }, strides: one, dilations: one, pads: { ints: [kernel[0] - 1, kernel[1] - 1, kernel[0] - 1, kernel[1] - 1] }, group: { i: channels } },
    };
  });
  return { ...network, steps };
}

/** What no layer took in: on an image a depthwise 1 × 1 convolution, elsewhere Mul and Add. */
export function lowerAffines(network: Network, note: (text: string) => void): Network {
  const names = new Set(network.steps.map((s) => s.output));
  const steps = network.steps.flatMap((step): Step[] => {
    const { name, output, affine, shape } = step;
    if (affine === undefined) return [step];
    const channels = shape[1] ?? 1;
    const { scale, shift } = affine;
    if (shape.length === 4) {
      const each = (values: Float64Array): Float64Array => Float64Array.from({ length: channels }, (_, c) => at(values, c));
      note(`Node '${name}': its scale and offset fit into no neighbour; they run as a depthwise 1×1 convolution.`);
      const one = { ints: [1, 1] };
      return [{
        name, output, shape, op: 'Conv', inputs: [step.inputs[0] as string, floats([channels, 1, 1, 1], each(scale)), floats([channels], each(shift))],
        attributes: { kernel_shape: one, strides: one, dilations: one, pads: { ints: [0, 0, 0, 0] }, group: { i: channels } },
      }];
    }
    const constant = (values: Float64Array): Tensor => (values.length === 1 ? floats([], values) : floats(shape.map((_, i) => (i === 1 ? values.length : 1)), values));
    const parts = [{ op: 'Mul', values: scale, neutral: 1 }, { op: 'Add', values: shift, neutral: 0 }].filter(({ values, neutral }) => values.some((v) => v !== neutral));
    if (parts.length === 0) parts.push({ op: 'Mul', values: scale, neutral: 1 });
    let from = step.inputs[0] as string;
    return parts.map(({ op, values }, i) => {
      const last = i === parts.length - 1;
      let to = last ? output : `${output}/scaled`;
      while (!last && names.has(to)) to += '_';
      names.add(to);
      const made: Step = { name: last ? name : `${name}/scale`, op, inputs: [from, constant(values)], output: to, shape, attributes: {} };
      from = to;
      return made;
    });
  });
  return { ...network, steps };
}
