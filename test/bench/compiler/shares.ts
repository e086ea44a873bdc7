/** How much of a network's work the core does. */
import type { LayerReport } from '../../../src/compiler/compile.ts';

/** The ONNX operator itself; what is fused behind it stands after '+'. */
const operatorOf = ({ operator }: LayerReport): string => operator.split(' + ')[0] ?? '';
/** Of YOLOv5: SPPF, upsampling, concatenation. */
const MOVING = new Set(['MaxPool', 'AveragePool', 'GlobalAveragePool', 'Concat', 'Resize', 'Upsample']);

export type Shares = {
  readonly plMacs: number;
  readonly convMacs: number;
  readonly plConvMacs: number;
  /** Poolings, upsamplings and concatenations of images that the core does not do. What it does by an address alone is its own. */
  readonly offCore: readonly string[];
  readonly floatOperators: number;
};

/** What the int8 part does, or an image [1, C, H, W] in fp32: a detection head's rows are none, its concatenations are the float tail's. */
const isImage = ({ float, output }: LayerReport): boolean => !float || output.length === 4;

export function sharesOf(layers: readonly LayerReport[]): Shares {
  const sum = (of: readonly LayerReport[]): number => of.reduce((total, layer) => total + layer.macs, 0);
  const onCore = layers.filter((layer) => layer.target === 'PL');
  const convolutions = layers.filter((layer) => operatorOf(layer) === 'Conv');
  return {
    plMacs: sum(onCore), convMacs: sum(convolutions), plConvMacs: sum(convolutions.filter((layer) => layer.target === 'PL')),
    offCore: layers.filter((layer) => layer.target !== 'PL' && MOVING.has(operatorOf(layer)) && isImage(layer)).map((layer) => `${layer.operator} '${layer.name}'`),
    floatOperators: layers.filter((layer) => layer.float).length,
  };
}
