/** YOLOv5s v6.x at 640 x 640: depth 0.33, width 0.5, 80 classes. */
import { NetworkBuilder, type Activation, type Network, type Room, type Source, type Target } from './builder.ts';

const DETECTIONS = 3 * (80 + 5);

/** `fold`: the 6 x 6 stem reads the image; `s2d`: a 3 x 3 stem reads it as 12 channels of half its size, as whoever converts it could leave it. */
export type Stem = 'fold' | 's2d';

/** @param size height and width of the image, a multiple of 32 */
export function yolov5s({ stem = 'fold', size = 640 }: { stem?: Stem; size?: number } = {}): Network {
  const net = new NetworkBuilder(`YOLOv5s-${size}${stem === 's2d' ? ' (s2d)' : ''}`, 5);
  const conv = (from: Source | readonly [Source, Source], out: number, kernel = 1, stride = 1, into?: Target): Activation =>
    net.conv(from, { out, kernel, stride, act: 'silu', ...(into && { into }) });
  const room = (at: number, channels: number): Room => net.room(size / at, size / at, channels);

  /** Three convolutions around `count` bottlenecks; both ways write into one tensor. */
  const c3 = (from: Source | readonly [Source, Source], at: number, out: number, count: number, shortcut: boolean): Activation => {
    const hidden = out / 2;
    const both = room(at, out);
    let x = conv(from, hidden);
    for (let i = 0; i < count; i++) {
      const into = i === count - 1 ? { into: { room: both, at: 0 } } : {};
      x = net.conv(conv(x, hidden), { out: hidden, kernel: 3, act: 'silu', ...(shortcut && { residual: { other: x, relu: false } }), ...into });
    }
    conv(from, hidden, 1, 1, { room: both, at: hidden });
    return conv(net.whole(both), out);
  };

  const sppf = (from: Activation, out: number): Activation => {
    const hidden = out / 2;
    const four = room(32, 4 * hidden);
    let x = conv(from, hidden, 1, 1, { room: four, at: 0 });
    for (let i = 1; i < 4; i++) x = net.maxPool(x, 5, 1, 2, { room: four, at: i * hidden });
    return conv(net.whole(four), out);
  };

  const first = stem === 's2d' ? conv(net.input(size / 2, size / 2, 12), 32, 3) : net.conv(net.input(size, size, 3), { out: 32, kernel: 6, stride: 2, pad: 2, act: 'silu' });
  const p2 = c3(conv(first, 64, 3, 2), 4, 64, 1, true);
  const p3 = c3(conv(p2, 128, 3, 2), 8, 128, 2, true);
  const p4 = c3(conv(p3, 256, 3, 2), 16, 256, 3, true);
  const p5 = sppf(c3(conv(p4, 512, 3, 2), 32, 512, 1, true), 512);

  const [cat16, cat32] = [room(16, 256), room(32, 512)];
  const top = conv(p5, 256, 1, 1, { room: cat32, at: 256 });
  const middle = conv(c3([{ half: top }, p4], 16, 256, 1, false), 128, 1, 1, { room: cat16, at: 128 });
  const out8 = c3([{ half: middle }, p3], 8, 128, 1, false);
  conv(out8, 128, 3, 2, { room: cat16, at: 0 });
  const out16 = c3(net.whole(cat16), 16, 256, 1, false);
  conv(out16, 256, 3, 2, { room: cat32, at: 0 });
  const out32 = c3(net.whole(cat32), 32, 512, 1, false);
  return net.build([out8, out16, out32].map((x) => net.conv(x, { out: DETECTIONS })));
}
