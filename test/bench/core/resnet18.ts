/** ResNet-18 at 224 x 224, 1,000 classes. */
import { NetworkBuilder, type Activation, type Network } from './builder.ts';

/** @param width share of the channels; @param image channels of the image */
export function resnet18({ width = 1, image = 3, classes = 1000 }: { width?: number; image?: number; classes?: number } = {}): Network {
  const net = new NetworkBuilder(width === 1 ? 'ResNet-18-224' : `ResNet-18-224 x ${width}`, 18);
  const block = (x: Activation, out: number, stride: number): Activation => {
    const inner = net.conv(x, { out, kernel: 3, stride, act: 'relu' });
    const other = x.place.tensor.channels === out && stride === 1 ? x : net.conv(x, { out, stride });
    return net.conv(inner, { out, kernel: 3, residual: { other, relu: true } });
  };
  let x = net.conv(net.input(224, 224, image), { out: 64 * width, kernel: 7, stride: 2, act: 'relu' });
  x = net.maxPool(x, 3, 2, 1);
  for (const [out, stride] of [[64, 1], [128, 2], [256, 2], [512, 2]] as const) x = block(block(x, out * width, stride), out * width, 1);
  return net.build([net.dense(net.globalAverage(x), classes)]);
}
