/**
 * A network of steps.ts as ncnn reads it, in int8 as its own ncnn2int8 leaves networks: convolutions that follow one another hand on int8, all else is fp32.
 * ncnn has no zero points: a code c is the value (c - centre) × unit, its int8 half as fine where values are of one sign.
 */
import { ownReading, readingsOf, weightSums, type Reading, type Step, type Steps } from './steps.ts';

/** What brings values to ncnn's int8. */
const scaleOf = ({ centre, unit, most }: Reading): number => 127 / (Math.max(most - centre, centre + 128) * unit);

const floats = (values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);
/** Before int8 weights; they fill words. */
const INT8 = Buffer.from([0x38, 0x4b, 0x0d, 0]);
function int8(values: Int8Array): Buffer {
  const padded = Buffer.alloc(Math.ceil(values.length / 4) * 4);
  padded.set(new Uint8Array(values.buffer, values.byteOffset, values.length));
  return Buffer.concat([INT8, padded]);
}

/** Output channel, input channel, tap. */
function transposed({ op, weights, input: [, , channels], output: [, , outputs] }: Step): Int8Array {
  const [outs, ins] = op === 'DEPTHWISE' ? [1, outputs] : [outputs, channels];
  const taps = weights.length / outs / ins;
  return Int8Array.from(weights, (_, i) => weights[(Math.floor(i / taps / ins) * taps + (i % taps)) * ins + (Math.floor(i / taps) % ins)]!);
}

/** @returns the text that says what the layers are, their weights, and the blobs that hold the tensors of `outputs` */
export function ncnnModel(network: Steps): { param: string; bin: Buffer; outputs: string[]; input: Reading } {
  const { steps } = network;
  const reading = readingsOf(network);
  const lines: string[] = [];
  const bin: Buffer[] = [];
  const blobs = new Map<number, string[]>();
  let blobCount = 0;
  const layer = (type: string, name: string, from: readonly string[], to: readonly string[], params: Readonly<Record<number, number | string | undefined>> = {}): void => {
    blobCount += to.length;
    lines.push([type, name, from.length, to.length, ...from, ...to, ...Object.entries(params).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]))].join(' '));
  };
  const readers = (tensor: number): Step[] => steps.flatMap((s) => [...(s.from === tensor ? [s] : []), ...(s.residual?.from === tensor ? [s] : [])]);
  // Whoever reads a blob consumes it.
  const made = (tensor: number, blob: string): void => {
    const count = readers(tensor).length + (network.outputs.includes(tensor) ? 1 : 0);
    if (count <= 1) return void blobs.set(tensor, [blob]);
    const copies = Array.from({ length: count }, (_, i) => `${blob}_${i}`);
    layer('Split', `split_${blob}`, [blob], copies);
    blobs.set(tensor, copies);
  };
  const take = (tensor: number): string => blobs.get(tensor)!.pop()!;
  const clip = (step: Step, unit: number): [type: number, params: string] => (!step.relu ? [0, ''] : step.most === 127 ? [1, ''] : [3, `2,0,${(step.most + 128) * unit}`]);

  layer('Input', 'input', [], ['input']);
  made(network.input, 'input');
  steps.forEach((step, i) => {
    const { op, from, to, kernel, stride, pad, weights, residual, output: [, , outputs], input: [, , channels] } = step;
    const [name, blob] = [`layer${i}`, `t${to}`];
    const [before, after] = [reading.get(from)!, reading.get(to)!];
    if (op === 'MAX_POOL' || op === 'AVERAGE_POOL') {
      layer('Pooling', name, [take(from)], [blob], op === 'MAX_POOL' ? { 0: 0, 1: kernel, 2: stride, 3: pad, 5: 1 } : { 0: 1, 4: 1 });
      return made(to, blob);
    }
    const alone = residual === null;
    const own = ownReading(step, after);
    const sums = weightSums(step);
    const biases = step.biases.map((bias, o) => ((bias + before.centre * sums[o]!) * step.ratios[o]! + step.stageZero - own.centre) * own.unit);
    const next = readers(to);
    const handsOn = alone && op !== 'DENSE' && next.length > 0 && !network.outputs.includes(to) && next.every((s) => s.from === to && (s.op === 'CONV' || s.op === 'DEPTHWISE') && s.residual?.from !== to);
    bin.push(int8(transposed(step)), floats(biases), floats(step.ratios.map((ratio) => before.unit / (ratio * own.unit))), floats([scaleOf(before)]), ...(handsOn ? [floats([scaleOf(after)])] : []));
    const [activation, parameters] = alone ? clip(step, after.unit) : [0, ''];
    const fused = { 9: activation, [-23310]: activation === 3 ? parameters : undefined };
    const source = [take(from)];
    const result = alone ? blob : `${blob}_conv`;
    if (op === 'DENSE') layer('InnerProduct', name, source, [result], { 0: outputs, 1: 1, 2: weights.length, 8: 2, ...fused });
    else {
      const int8Term = (op === 'DEPTHWISE' ? 1 : 2) + (handsOn ? 100 : 0);
      layer(op === 'CONV' ? 'Convolution' : 'ConvolutionDepthWise', name, source, [result], { 0: outputs, 1: kernel, 3: stride, 4: pad, 5: 1, 6: weights.length, 7: op === 'DEPTHWISE' ? channels : undefined, 8: int8Term, ...fused });
    }
    if (!alone) {
      layer('BinaryOp', `add${i}`, [result, take(residual.from)], [step.relu ? `${blob}_sum` : blob], { 0: 0 });
      if (step.relu) layer('ReLU', `relu${i}`, [`${blob}_sum`], [blob]);
    }
    made(to, blob);
  });
  return { param: ['7767517', `${lines.length} ${blobCount}`, ...lines, ''].join('\n'), bin: Buffer.concat(bin), outputs: network.outputs.map((tensor) => blobs.get(tensor)!.at(-1)!), input: reading.get(network.input)! };
}
