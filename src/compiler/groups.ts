/**
 * Convolutions of several groups, which the core does not have. Neighbouring groups become one convolution that reads their channels alone, zeros standing
 * between them, and writes its planes behind the others': addresses on both sides. A small one becomes one convolution of all channels.
 */
import { PLANE_CHANNELS } from '../contract/layout.ts';
import { CompileError } from './error.ts';
import type { ConvLayer, GraphLayer, QGraph, QTensor } from './graph.ts';
import { isFloat } from './graph.ts';
import { isDepthwise } from './partition.ts';

/** Multiply-accumulates, zeros counted, up to which one layer is worth more than few zeros: what lies behind it is fused into it. */
const MAX_DENSE_MACS = 2 ** 26;
const MAX_PARTS = 8;
/** Of all layers together, zeros counted. */
const MAX_WEIGHTS = 2 ** 28;

/** Groups that one convolution takes: whole planes on both sides, and not too many convolutions. */
function groupsATime(layer: ConvLayer): number {
  const { groups, input, output } = layer;
  const dense = (layer.weights.codes.length * groups) * output.height * output.width;
  if (dense <= MAX_DENSE_MACS) return groups;
  const whole = (count: number): boolean => (count * input.channels) % (groups * PLANE_CHANNELS) === 0 && (count * output.channels) % (groups * PLANE_CHANNELS) === 0;
  for (let count = Math.ceil(groups / MAX_PARTS); count < groups; count++) if (groups % count === 0 && whole(count)) return count;
  return groups;
}

/** The convolution of groups `first` to `first + count - 1`, their channels next to one another. */
function part(layer: ConvLayer, first: number, count: number, input: QTensor, output: QTensor): ConvLayer {
  const { weights, groups } = layer;
  const [inputs, outputs] = [layer.input.channels / groups, layer.output.channels / groups];
  const taps = layer.window.kernel[0] * layer.window.kernel[1];
  const codes = new Int8Array(count * outputs * count * inputs * taps);
  for (let o = 0; o < count * outputs; o++) {
    const row = (first * outputs + o) * inputs * taps;
    codes.set(weights.codes.subarray(row, row + inputs * taps), (o * count + Math.floor(o / outputs)) * inputs * taps);
  }
  const [from, to] = [first * outputs, (first + count) * outputs];
  return { ...layer, groups: 1, input, output, weights: { codes, scales: weights.scales.slice(from, to), bias: weights.bias.slice(from, to) } };
}

/** @throws CompileError where the zeros would be too many */
export function withoutGroups(graph: QGraph): QGraph {
  const tensors = graph.layers.flatMap((layer) => (isFloat(layer) ? (layer.tensor ?? []) : [layer.output]));
  let next = 1 + [...graph.inputs.map((i) => i.tensor), ...tensors].reduce((most, t) => Math.max(most, t.id), 0);
  const notes = [...graph.notes];
  let made = 0;
  const layers = graph.layers.flatMap((layer): GraphLayer[] => {
    if (layer.kind !== 'conv' || layer.groups === 1 || isDepthwise(layer)) return [layer];
    const { groups, input, output } = layer;
    const count = groupsATime(layer);
    made += layer.weights.codes.length * count;
    if (made > MAX_WEIGHTS) throw new CompileError(`a convolution of ${groups} groups makes more than ${MAX_WEIGHTS} weights up to here, zeros between groups counted.`, layer.name);
    notes.push(`Node '${layer.name}': its ${groups} groups run as ${count === groups ? 'one convolution' : `${groups / count} convolutions`} with zeros between ${count === groups ? 'them' : `${count} of them`}; that is ${count} times the multiply-accumulates.`);
    if (count === groups) return [part(layer, 0, groups, input, output)];
    const parts: QTensor[] = [];
    const convolutions = Array.from({ length: groups / count }, (_, i): GraphLayer[] => {
      const channels = [input, output].map((t) => (t.channels / groups) * count) as [number, number];
      const from: QTensor = { ...input, id: next++, name: `${layer.name} (groups from ${i * count})`, channels: channels[0] };
      const to: QTensor = { ...output, id: next++, name: `${output.name} (groups from ${i * count})`, channels: channels[1] };
      parts.push(to);
      return [
        { kind: 'slice', name: layer.name, operator: 'Split', input, output: from, from: i * channels[0], bounds: layer.bounds },
        part(layer, i * count, count, from, to),
      ];
    });
    return [...convolutions.flat(), { kind: 'concat', name: layer.name, operator: 'Concat', input: parts[0] as QTensor, parts, output, bounds: layer.bounds }];
  });
  return { ...graph, layers, notes };
}
