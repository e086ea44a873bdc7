/** The networks that must compile (issue 4): each in a form that some exporter writes. `make` gives a whole, unquantised model. */
import type { OnnxModel } from '../../src/compiler/onnx.ts';
import { densenet121, mobilenetV2, resnet, vgg11 } from './classifiers.ts';
import { efficientnetLite0, resnet20v2, resnet8 } from './keras-models.ts';
import { tinyYolov3, yolov5 } from './yolo.ts';

export type Exported = {
  /** On the command line and in results. */
  readonly id: string;
  readonly name: string;
  /** What it was written like. */
  readonly form: string;
  readonly task: 'classification' | 'detection';
  readonly range: 'unit' | 'normalised';
  readonly make: () => OnnxModel;
};

const classifier = { task: 'classification', range: 'normalised' } as const;
const detector = { task: 'detection', range: 'unit' } as const;

export const NETWORKS: readonly Exported[] = [
  { ...classifier, id: 'resnet8', name: 'ResNet-8', form: 'tf2onnx, opset 13', make: () => resnet8({ opset: 13, seed: 8, transposes: 'plain', padding: 'pads' }) },
  { ...classifier, id: 'resnet20v2', name: 'ResNet20v2', form: 'tf2onnx, opset 15', make: () => resnet20v2({ opset: 15, seed: 20, transposes: 'optimised', padding: 'auto' }) },
  { ...classifier, id: 'resnet18', name: 'ResNet-18', form: 'traced, opset 17', make: () => resnet(18, { style: 'scoped', opset: 17, seed: 18 }) },
  { ...classifier, id: 'resnet50', name: 'ResNet-50', form: 'dynamo, opset 18, BatchNormalization kept', make: () => resnet(50, { style: 'dynamo', opset: 18, seed: 50, keepNorm: true }) },
  { ...classifier, id: 'mobilenetv2', name: 'MobileNetV2', form: 'traced, opset 11', make: () => mobilenetV2({ style: 'numbered', opset: 11, seed: 2 }) },
  { ...classifier, id: 'efficientnet-lite0', name: 'EfficientNet-lite0', form: 'tf2onnx, opset 11', make: () => efficientnetLite0({ opset: 11, seed: 3, transposes: 'plain', padding: 'pads' }) },
  { ...classifier, id: 'densenet121', name: 'DenseNet-121', form: 'dynamo, opset 20', make: () => densenet121({ style: 'dynamo', opset: 20, seed: 121 }) },
  { ...classifier, id: 'vgg11', name: 'VGG-11', form: 'traced, opset 13', make: () => vgg11({ style: 'scoped', opset: 13, seed: 11 }) },
  { ...detector, id: 'tiny-yolov3', name: 'Tiny-YOLOv3-416', form: 'traced, opset 12', make: () => tinyYolov3({ style: 'scoped', opset: 12, seed: 4, head: 'slice', pad: 'zeros' }) },
  { ...detector, id: 'yolov5n-320', name: 'YOLOv5n-320', form: 'traced, opset 17', make: () => yolov5('n', { style: 'scoped', opset: 17, seed: 5, head: 'split' }, 320) },
  { ...detector, id: 'yolov5n-640', name: 'YOLOv5n-640', form: 'traced, opset 12, raw maps as outputs too', make: () => yolov5('n', { style: 'numbered', opset: 12, seed: 6, head: 'slice-raw' }, 640) },
  { ...detector, id: 'yolov5s-320', name: 'YOLOv5s-320', form: 'dynamo, opset 21', make: () => yolov5('s', { style: 'dynamo', opset: 21, seed: 7, head: 'split' }, 320) },
  { ...detector, id: 'yolov5s-640', name: 'YOLOv5s-640', form: 'traced, opset 17', make: () => yolov5('s', { style: 'scoped', opset: 17, seed: 9, head: 'shapes' }, 640) },
];
