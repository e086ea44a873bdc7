/** Small networks for CIFAR-10's 32 x 32 images. */
import { NetworkBuilder, type Activation, type Network } from './builder.ts';

/** ResNet-8 of MLPerf Tiny (image classification). */
export function resnet8(): Network {
  const net = new NetworkBuilder('ResNet-8', 8);
  const block = (x: Activation, out: number, stride: number): Activation => {
    const inner = net.conv(x, { out, kernel: 3, stride, pad: stride === 2 ? [0, 0, 1, 1] : 1, act: 'relu' });
    const other = stride === 1 ? x : net.conv(x, { out, stride });
    return net.conv(inner, { out, kernel: 3, residual: { other, relu: true } });
  };
  let x = net.conv(net.input(32, 32, 3), { out: 16, kernel: 3, act: 'relu' });
  for (const [out, stride] of [[16, 1], [32, 2], [64, 2]] as const) x = block(x, out, stride);
  return net.build([net.dense(net.globalAverage(x), 10)]);
}

/**
 * ResNet20v2 as Keras' CIFAR-10 example has it. Batch norm and ReLU stand before a convolution: after a convolution they fold into it,
 * but the input of a block is also its shortcut, so there they are a layer (a factor and an offset a channel).
 */
export function resnet20v2(): Network {
  const net = new NetworkBuilder('ResNet20v2', 20);
  let x = net.conv(net.input(32, 32, 3), { out: 16, kernel: 3, act: 'relu' });
  for (const [stage, [inner, out]] of ([[16, 64], [64, 128], [128, 256]] as const).entries()) {
    for (let i = 0; i < 2; i++) {
      const stride = stage > 0 && i === 0 ? 2 : 1;
      // The stem's batch norm and ReLU are folded already.
      const before = stage === 0 && i === 0 ? x : net.depthwise(x, { act: 'relu' });
      const y = net.conv(net.conv(before, { out: inner, stride, act: 'relu' }), { out: inner, kernel: 3, act: 'relu' });
      const other = i === 0 ? net.conv(x, { out, stride }) : x;
      x = net.conv(y, { out, residual: { other, relu: false } });
    }
  }
  return net.build([net.dense(net.globalAverage(net.depthwise(x, { act: 'relu' })), 10)]);
}
