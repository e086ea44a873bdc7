/** Tiny-YOLOv3 at 416 x 416, 80 classes. */
import { NetworkBuilder, type Activation, type Network, type Source } from './builder.ts';

const DETECTIONS = 3 * (80 + 5);

/** @param size height and width of the image, a multiple of 32 */
export function tinyYolov3(size = 416): Network {
  const net = new NetworkBuilder(`Tiny-YOLOv3-${size}`, 3);
  const conv = (from: Source | readonly [Source, Source], out: number, kernel: number, pool = false): Activation => net.conv(from, { out, kernel, act: 'leaky', pool });
  let x = net.input(size, size, 3);
  for (const out of [16, 32, 64, 128]) x = conv(x, out, 3, true);
  const route = conv(x, 256, 3);
  x = conv(net.maxPool(route, 2, 2), 512, 3);
  // Stride 1 keeps the size: padding below and on the right alone.
  x = conv(net.maxPool(x, 2, 1, [0, 0, 1, 1]), 1024, 3);
  const neck = conv(x, 256, 1);
  const large = net.conv(conv(neck, 512, 3), { out: DETECTIONS });
  const small = net.conv(conv([{ half: conv(neck, 128, 1) }, route], 256, 3), { out: DETECTIONS });
  return net.build([large, small]);
}
