/** Classifiers of torchvision at 224 × 224 (or another size), 1000 classes: He, Sandler, Huang, Simonyan and their co-authors' papers, as published. */
import type { OnnxModel } from '../../src/compiler/onnx.ts';
import type { TorchOptions } from './torch.ts';
import { NORMALISED, Torch } from './torch.ts';
import type { Value } from './values.ts';

export type Size = { readonly size?: number; readonly classes?: number; /** Share of the channels between image and scores, for tests. */ readonly width?: number };
/** Of a residual branch, beside the 1 of what it is added to. */
const BRANCH = 0.3;
/** Of scores: enough for classes to differ. */
const SCORES = 9;

const image = (net: Torch, size: number): Value => net.input(net.style === 'dynamo' ? 'x' : 'input', [1, 3, size, size], NORMALISED);

/** ResNet-18 (basic blocks) and ResNet-50 (bottlenecks, the stride in the 3 × 3). */
export function resnet(depth: 18 | 50, options: TorchOptions, { size = 224, classes = 1000, width = 1 }: Size = {}): OnnxModel {
  const net = new Torch(options);
  const counts = depth === 18 ? [2, 2, 2, 2] : [3, 4, 6, 3];
  const expansion = depth === 18 ? 1 : 4;
  let x = net.relu('relu', net.convNorm('conv1', 'bn1', image(net, size), { out: 64 * width, kernel: 7, stride: 2 }));
  x = net.maxPool('maxpool', x, 3, 2, [1, 1, 1, 1]);
  counts.forEach((blocks, stage) => {
    for (let i = 0; i < blocks; i++) {
      const scope = `layer${stage + 1}/layer${stage + 1}.${i}`;
      const at = (name: string): string => `${scope}/${name}`;
      const inner = 64 * width * 2 ** stage;
      const stride = i === 0 && stage > 0 ? 2 : 1;
      let y = x;
      if (depth === 18) {
        y = net.relu(at('relu'), net.convNorm(at('conv1'), at('bn1'), x, { out: inner, kernel: 3, stride }));
        y = net.convNorm(at('conv2'), at('bn2'), y, { out: inner, kernel: 3, gain: BRANCH });
      } else {
        y = net.relu(at('relu'), net.convNorm(at('conv1'), at('bn1'), x, { out: inner, kernel: 1 }));
        y = net.relu(at('relu'), net.convNorm(at('conv2'), at('bn2'), y, { out: inner, kernel: 3, stride }));
        y = net.convNorm(at('conv3'), at('bn3'), y, { out: 4 * inner, kernel: 1, gain: BRANCH });
      }
      const other = x.dims[1] === inner * expansion && stride === 1 ? x : net.convNorm(at('downsample/downsample.0'), at('downsample/downsample.1'), x, { out: inner * expansion, kernel: 1, stride });
      x = net.relu(at('relu'), net.add(scope, y, other));
    }
  });
  return net.classifier(net.linear('fc', net.flatten('', net.globalAverage('avgpool', x)), classes, SCORES));
}

/** MobileNetV2, width 1: expansion, channels, repeats and stride of each stage. */
export function mobilenetV2(options: TorchOptions, { size = 224, classes = 1000, width = 1 }: Size = {}): OnnxModel {
  const net = new Torch(options);
  const stages = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]] as const;
  let index = 0;
  const scope = (): string => `features/features.${index}`;
  const at = (part: string): string => `${scope()}/${part}`;
  const stem = (x: Value, out: number, kernel: number, stride: number): Value => {
    const own = (part: number): string => at(`features.${index}.${part}`);
    return net.relu6(own(2), net.convNorm(own(0), own(1), x, { out, kernel, stride }));
  };
  let x = stem(image(net, size), 32 * width, 3, 2);
  for (const [expansion, channels, repeats, first] of stages) {
    const out = channels * width;
    for (let i = 0; i < repeats; i++) {
      index++;
      const from = x.dims[1] as number;
      const hidden = from * expansion;
      const stride = i === 0 ? first : 1;
      let y = x;
      let part = 0;
      const inner = (kernel: number, step: number, groups: number): void => {
        const path = `conv/conv.${part}/conv.${part++}`;
        y = net.relu6(at(`${path}.2`), net.convNorm(at(`${path}.0`), at(`${path}.1`), y, { out: hidden, kernel, stride: step, groups }));
      };
      if (expansion !== 1) inner(1, 1, 1);
      inner(3, stride, hidden);
      y = net.convNorm(at(`conv/conv.${part}`), at(`conv/conv.${part + 1}`), y, { out, kernel: 1 });
      x = stride === 1 && from === out ? net.add(scope(), x, y) : y;
    }
  }
  index++;
  x = stem(x, 1280 * width, 1, 1);
  return net.classifier(net.linear('classifier/classifier.1', net.viewFlat('', net.globalAverage('', x)), classes, SCORES));
}

/** DenseNet-121: growth 32; each layer normalises all that came before it, so its BatchNormalization has no convolution to fold into. */
export function densenet121(options: TorchOptions, { size = 224, classes = 1000, width = 1 }: Size = {}): OnnxModel {
  const net = new Torch(options);
  const growth = 32 * width;
  let x = net.relu('features/relu0', net.convNorm('features/conv0', 'features/norm0', image(net, size), { out: 64 * width, kernel: 7, stride: 2 }));
  x = net.maxPool('features/pool0', x, 3, 2, [1, 1, 1, 1]);
  [6, 12, 24, 16].forEach((layers, block) => {
    const all = [x];
    for (let i = 1; i <= layers; i++) {
      const at = (part: string): string => `features/denseblock${block + 1}/denselayer${i}/${part}`;
      const before = all.length === 1 ? (all[0] as Value) : net.concat(`features/denseblock${block + 1}/denselayer${i}`, all);
      const narrow = net.relu(at('relu2'), net.convNorm(at('conv1'), at('norm2'), net.relu(at('relu1'), net.norm(at('norm1'), before)), { out: 4 * growth, kernel: 1 }));
      all.push(net.conv(at('conv2'), narrow, { out: growth, kernel: 3 }));
    }
    x = net.concat(`features/denseblock${block + 1}`, all);
    if (block === 3) return;
    const at = (part: string): string => `features/transition${block + 1}/${part}`;
    x = net.conv(at('conv'), net.relu(at('relu'), net.norm(at('norm'), x)), { out: (x.dims[1] as number) / 2, kernel: 1 });
    x = net.averagePool(at('pool'), x, 2, 2);
  });
  x = net.relu('', net.norm('features/norm5', x));
  return net.classifier(net.linear('classifier', net.flatten('', net.globalAverage('', x)), classes, SCORES));
}

/** VGG-11 without BatchNormalization; AdaptiveAvgPool2d(7) of a 7 × 7 image, which tracing writes as a pooling by 1. */
export function vgg11(options: TorchOptions, { size = 224, classes = 1000, width = 1 }: Size = {}): OnnxModel {
  const net = new Torch(options);
  let x = image(net, size);
  let index = 0;
  for (const step of [64, 'M', 128, 'M', 256, 256, 'M', 512, 512, 'M', 512, 512, 'M'] as const) {
    const at = `features/features.${index}`;
    if (step === 'M') {
      x = net.maxPool(at, x, 2, 2);
      index++;
    } else {
      x = net.relu(`features/features.${index + 1}`, net.conv(at, x, { out: step * width, kernel: 3, bias: true }));
      index += 2;
    }
  }
  const side = x.dims[2] as number;
  if (net.style !== 'dynamo') x = net.averagePool('avgpool', x, Math.max(1, Math.floor(side / 7)), Math.max(1, Math.floor(side / 7)));
  x = net.flatten('', x);
  for (const layer of [0, 3]) x = net.relu(`classifier/classifier.${layer + 1}`, net.linear(`classifier/classifier.${layer}`, x, 4096 * width));
  return net.classifier(net.linear('classifier/classifier.6', x, classes, SCORES));
}
