/** Random small networks for the simulated core: layers that lean on one another in every way, and layers that could run at once. */
import { NetworkBuilder, type Activation, type Network, type Source } from '../../test/bench/core/builder.ts';
import { writeProgram } from '../../src/compiler/write.ts';
import type { Act } from '../../test/bench/core/requantise.ts';
import type { Activation as Codes } from '../../test/support/qdq.ts';
import { Qdq, random } from '../../test/support/qdq.ts';

const ACTS: readonly Act[] = ['none', 'relu', 'silu'];

/** All of it is given by the seed. Every tensor has memory of its own, so that each layer's output can be looked at in the end. */
export function randomNetwork(seed: number): Network {
  const next = random(seed);
  const int = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  const pick = <T>(list: readonly T[]): T => list[int(0, list.length - 1)] as T;
  const net = new NetworkBuilder(`random ${seed}`, seed);
  const all: Activation[] = [net.input(int(1, 20), int(1, 20), pick([1, 2, 3, 8, 16, 24, 40]))];
  const size = ({ place }: Activation): readonly [number, number, number] => [place.tensor.height, place.tensor.width, place.tensor.channels];
  const like = (other: Activation): Activation[] => all.filter((one) => size(one).join() === size(other).join());
  const conv = (from: Source | readonly [Source, Source], more: { into?: { room: ReturnType<NetworkBuilder['room']>; at: number }; out?: number } = {}): Activation =>
    net.conv(from, { out: int(1, 40), kernel: pick([1, 1, 3, 5]), act: pick(ACTS), ...more });
  const steps: (() => Activation | null)[] = [
    () => conv(pick(all)),
    () => net.conv(pick(all), { out: int(1, 40), kernel: 3, stride: 2, pad: 1, act: pick(ACTS) }),
    // With an earlier tensor of its output's shape on top: often the one before last.
    () => {
      const other = pick(all);
      const [height, width, channels] = size(other);
      const inputs = all.filter((one) => size(one)[0] === height && size(one)[1] === width);
      return net.conv(pick(inputs), { out: channels, kernel: pick([1, 3]), act: pick(ACTS), residual: { other, relu: next() < 0.5 } });
    },
    () => net.depthwise(pick(all), { kernel: pick([1, 3, 5]), act: pick(ACTS) }),
    () => {
      const from = pick(all);
      const kernel = pick([2, 3]);
      return size(from)[0] < kernel || size(from)[1] < kernel ? null : net.maxPool(from, kernel, pick([1, 2]));
    },
    () => {
      const from = pick(all);
      return net.add(from, { other: pick(like(from)), relu: next() < 0.5 });
    },
    // Two sources, the first at half resolution where that fits.
    () => {
      const second = pick(all);
      const [height, width] = size(second);
      const first = all.filter((one) => size(one)[2] % 8 === 0).flatMap((one): Source[] => (size(one)[0] === height && size(one)[1] === width ? [one] : 2 * size(one)[0] === height && 2 * size(one)[1] === width ? [{ half: one }] : []));
      return first.length === 0 ? null : conv([pick(first), second]);
    },
    // Two layers side by side in one tensor.
    () => {
      const from = pick(all);
      const [height, width] = size(from);
      const room = net.room(height, width, 32);
      all.push(conv(from, { out: 8, into: { room, at: 0 } }), conv(from, { out: 24, into: { room, at: 8 } }));
      return net.whole(room);
    },
  ];
  for (let left = int(3, 9); left > 0; left--) {
    const made = pick(steps)();
    if (made !== null) all.push(made);
  }
  return net.build([conv(all.at(-1) as Activation)]);
}

/** So many layers that need not wait for one another, each of a single burst. */
export function manySmall(count: number): Network {
  const net = new NetworkBuilder('many small', count);
  const x = net.input(1, 1, 8);
  return net.build(Array.from({ length: count }, () => net.conv(x, { out: 8 })));
}

/** Two layers that write the left and the right half of one tensor's rows, and a third that reads the whole: each on the target given. */
export function halves(targets: readonly ['PL' | 'PS', 'PL' | 'PS', 'PL' | 'PS']): Uint8Array {
  const [height, width] = [4, 16];
  const net = new NetworkBuilder('halves', 1);
  const x = net.input(height, width, 8);
  const whole = net.input(height, 2 * width, 8);
  const made = [net.conv(x, { out: 8, kernel: 3 }), net.conv(x, { out: 8 })];
  const { parts } = net.build([net.conv(whole, { out: 8, kernel: 3 }), ...made]);
  const { offset, planeStride, rowStride } = whole.place;
  const moved = made.map(({ place }, i) => ({ ...place, offset: offset + 8 * width * i, planeStride, rowStride }));
  return writeProgram({
    ...parts,
    inputs: parts.inputs.slice(0, 1),
    places: parts.places.map((place) => moved.find(({ tensor }) => tensor === place.tensor) ?? place),
    descriptors: parts.descriptors.map(({ name, values }, i) => {
      const to = moved[i];
      return { name, target: targets[i] as 'PL' | 'PS', values: to === undefined ? values : { ...values, outputOffset: to.offset, outputPlaneStride: to.planeStride, outputRowStride: to.rowStride } };
    }),
  });
}

/** Convolutions with softmaxes between them and behind them: four segments, the core's and float operators in turn. */
export function mixedFloats(): { onnx: Uint8Array; inputElements: number } {
  const q = new Qdq();
  const next = random(3);
  const codes = (count: number): Int8Array => Int8Array.from({ length: count }, () => Math.floor(next() * 255) - 127);
  const x = q.input([1, 8, 6, 6], { scale: 0.05, zeroPoint: 3 });
  const convolved = (from: Codes): Codes => {
    const { name, shape } = q.conv(from, codes(8 * 8 * 9), 8, new Float32Array(8).fill(0.001), new Int32Array(8), { kernel: [3, 3], pads: [1, 1, 1, 1] });
    return q.quantised(name, shape, { scale: 0.02, zeroPoint: -4 });
  };
  const first = convolved(x);
  const second = convolved(q.quantised(q.node('Softmax', [first.name], { axis: 1 }), first.shape, { scale: 1 / 256, zeroPoint: -128 }));
  return { onnx: q.build([{ ...second, name: q.node('Softmax', [second.name], { axis: 3 }) }]), inputElements: 8 * 36 };
}
