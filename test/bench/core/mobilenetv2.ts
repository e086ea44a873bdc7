/** MobileNetV2 at 224 x 224, width 1, 1,000 classes. */
import { NetworkBuilder, type Network } from './builder.ts';

/** Expansion, output channels, blocks, stride of the first. */
const STAGES = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]] as const;

export function mobilenetv2(): Network {
  const net = new NetworkBuilder('MobileNetV2-224', 2);
  let x = net.conv(net.input(224, 224, 3), { out: 32, kernel: 3, stride: 2, act: 'relu6' });
  for (const [expansion, out, count, first] of STAGES) {
    for (let i = 0; i < count; i++) {
      const channels = x.place.tensor.channels;
      const wide = expansion === 1 ? x : net.conv(x, { out: channels * expansion, act: 'relu6' });
      const deep = net.depthwise(wide, { kernel: 3, stride: i === 0 ? first : 1, act: 'relu6' });
      x = net.conv(deep, { out, ...(i > 0 && { residual: { other: x, relu: false } }) });
    }
  }
  return net.build([net.dense(net.globalAverage(net.conv(x, { out: 1280, act: 'relu6' })), 1000)]);
}
