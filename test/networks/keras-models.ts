/** Classifiers that come from TensorFlow: MLPerf Tiny's ResNet-8, Keras's ResNet20v2 (pre-activation), EfficientNet-lite0. */
import type { OnnxModel } from '../../src/compiler/onnx.ts';
import type { KerasOptions } from './keras.ts';
import { Keras } from './keras.ts';
import type { Value } from './values.ts';
import { NORMALISED } from './torch.ts';

const SCORES = 9;

/** ResNet-8 of MLPerf Tiny, CIFAR-10: three stacks of one basic block, 16, 32 and 64 channels; Softmax at the end. */
export function resnet8(options: KerasOptions): OnnxModel {
  const net = new Keras('model', options);
  let x = net.relu('activation', net.convNorm('conv2d', 'batch_normalization', net.image('input_1', 32, 3, NORMALISED), { out: 16, kernel: 3 }));
  let layer = 0;
  const conv = (from: Value, out: number, kernel: number, stride: number, normed = true): Value => {
    layer++;
    const made = { out, kernel, stride };
    return normed ? net.convNorm(`conv2d_${layer}`, `batch_normalization_${layer}`, from, made) : net.conv(`conv2d_${layer}`, from, made);
  };
  [16, 32, 64].forEach((out, stack) => {
    const stride = stack === 0 ? 1 : 2;
    const y = conv(net.relu(`activation_${2 * stack + 1}`, conv(x, out, 3, stride)), out, 3, 1);
    const other = stack === 0 ? x : conv(x, out, 1, stride, false);
    x = net.relu(`activation_${2 * stack + 2}`, net.add(`add_${stack}`, other, y));
  });
  return net.build({ dense: net.softmax('dense', net.dense('dense', net.pooledFlat('average_pooling2d', x), 10, SCORES)) });
}

/** ResNet v2 of Keras's examples at depth 20: BatchNormalization and ReLU before each convolution, bottlenecks of 1 × 1, 3 × 3, 1 × 1. */
export function resnet20v2(options: KerasOptions): OnnxModel {
  const net = new Keras('resnet20v2', options);
  let layer = 0;
  const at = (kind: string): string => (layer === 0 ? kind : `${kind}_${layer}`);
  const conv = (x: Value, out: number, kernel: number, stride: number, activate = true): Value => {
    const before = activate ? net.relu(at('activation'), net.norm(at('batch_normalization'), x)) : x;
    const made = net.conv(at('conv2d'), before, { out, kernel, stride });
    layer++;
    return made;
  };
  let x = net.relu('activation_in', net.convNorm('conv2d_in', 'batch_normalization_in', net.image('input_1', 32, 3, NORMALISED), { out: 16, kernel: 3 }));
  let [inner, out] = [16, 64];
  for (let stage = 0; stage < 3; stage++) {
    for (let block = 0; block < 2; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      // The very first block's input is activated already.
      let y = conv(x, inner, 1, stride, stage > 0 || block > 0);
      y = conv(conv(y, inner, 3, 1), out, 1, 1);
      const other = block === 0 ? conv(x, out, 1, stride, false) : x;
      x = net.add(`add_${2 * stage + block}`, other, y);
    }
    inner = out;
    out *= 2;
  }
  x = net.relu('activation_out', net.norm('batch_normalization_out', x));
  return net.build({ dense: net.softmax('dense', net.dense('dense', net.pooledFlat('average_pooling2d', x), 10, SCORES)) });
}

/** Expansion, kernel, stride of the first, channels, repeats. */
const LITE0 = [[1, 3, 1, 16, 1], [6, 3, 2, 24, 2], [6, 5, 2, 40, 2], [6, 3, 2, 80, 3], [6, 5, 1, 112, 3], [6, 5, 2, 192, 4], [6, 3, 1, 320, 1]] as const;

/** EfficientNet-lite0: no squeeze and excitation, ReLU6 throughout. */
export function efficientnetLite0(options: KerasOptions, { size = 224, classes = 1000 }: { readonly size?: number; readonly classes?: number } = {}): OnnxModel {
  const net = new Keras('efficientnet-lite0', options);
  let x = net.relu6('stem', net.convNorm('stem/conv2d', 'stem/tpu_batch_normalization', net.image('images', size, 3, NORMALISED), { out: 32, kernel: 3, stride: 2, bias: false }));
  let block = 0;
  for (const [expansion, kernel, first, out, repeats] of LITE0) {
    for (let i = 0; i < repeats; i++) {
      const at = (part: string): string => `blocks_${block}/${part}`;
      const axis = options.transposes === 'plain' ? 3 : 1;
      const from = x.dims[axis] as number;
      const stride = i === 0 ? first : 1;
      let y = x;
      if (expansion !== 1) y = net.relu6(at('expand'), net.convNorm(at('conv2d'), at('tpu_batch_normalization'), y, { out: from * expansion, kernel: 1, bias: false }));
      y = net.relu6(at('depthwise'), net.convNorm(at('depthwise_conv2d'), at('tpu_batch_normalization_1'), y, { out: from * expansion, kernel, stride, depthwise: true, bias: false }));
      y = net.convNorm(at('conv2d_1'), at('tpu_batch_normalization_2'), y, { out, kernel: 1, bias: false });
      x = stride === 1 && from === out ? net.add(at('Add'), y, x) : y;
      block++;
    }
  }
  x = net.relu6('head', net.convNorm('head/conv2d', 'head/tpu_batch_normalization', x, { out: 1280, kernel: 1, bias: false }));
  return net.build({ Softmax: net.softmax('', net.dense('head/dense', net.globalAverage('head/global_average_pooling2d', x), classes, SCORES)) });
}
