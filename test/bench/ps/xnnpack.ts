/** A network of steps.ts as ps/peer_xnnpack.cpp reads it: int8 with scales and zero points, as XNNPACK's operators take them. */
import { ownReading, readingsOf, weightSums, type Reading, type Steps } from './steps.ts';

/** value = (code - zero) × scale. A centre that no code has takes a zero point and a scale of its own. */
function quantised({ centre, unit, most }: Reading): { zero: number; scale: number } {
  if (Number.isInteger(centre) && Math.abs(centre) <= 128) return { zero: centre, scale: unit };
  const [low, high] = [Math.min(0, (-128 - centre) * unit), (most - centre) * unit];
  const scale = (high - low) / 255;
  return { zero: Math.round(-128 - low / scale), scale };
}

/** @returns words of the description, a step a line, and the weights, biases and scales that they give the offsets of */
export function xnnpackModel(network: Steps): { text: string; data: Buffer } {
  const { tensors, steps, input, outputs } = network;
  const reading = readingsOf(network);
  const parts: Buffer[] = [];
  let bytes = 0;
  const keep = (values: Int8Array | Int32Array | Float32Array): number => {
    const at = bytes;
    const padded = Buffer.alloc(Math.ceil(values.byteLength / 16) * 16);
    padded.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    parts.push(padded);
    bytes += padded.length;
    return at;
  };
  let spare = tensors.length;
  const sizes = tensors.map(({ shape }) => shape.reduce((product, n) => product * n, 1));
  const lines = steps.flatMap((step) => {
    const { op, from, to, input: [height, width, channels], output: [, , outs], kernel, stride, pad, weights, residual, relu, most } = step;
    const [before, after] = [reading.get(from)!, reading.get(to)!];
    const [x, y] = [quantised(before), quantised(after)];
    const least = relu ? y.zero : -128;
    if (op === 'MAX_POOL') return [['max', from, to, height, width, channels, kernel, stride, pad]];
    if (op === 'AVERAGE_POOL') return [['mean', from, to, height * width, channels, x.zero, x.scale, y.zero, y.scale]];
    const reads = ownReading(step, after);
    const own = quantised(reads);
    const sums = weightSums(step);
    const biases = keep(Int32Array.from(step.biases, (bias, o) => Math.round(((bias + before.centre * sums[o]!) * before.unit) / x.scale)));
    const scales = keep(Float32Array.from(step.ratios, (ratio) => (ratio * own.scale) / before.unit));
    const groups = op === 'DEPTHWISE' ? channels : 1;
    const result = residual === null ? to : spare++;
    if (residual !== null) sizes.push(sizes[to]!);
    const convolution = ['convolution', from, result, height, width, kernel, stride, pad, groups, channels / groups, outs / groups, x.zero, x.scale, own.zero, own.scale, residual === null ? least : -128, residual === null ? most : 127, keep(weights), biases, scales];
    if (residual === null) return [convolution];
    const other = quantised(reading.get(residual.from)!);
    return [convolution, ['add', result, residual.from, to, sizes[to]!, own.zero, own.scale, other.zero, other.scale, y.zero, y.scale, least, most]];
  });
  const head = [[sizes.length, ...sizes], [input], [outputs.length, ...outputs], [lines.length]];
  return { text: `${[...head, ...lines].map((words) => words.join(' ')).join('\n')}\n`, data: Buffer.concat(parts) };
}
