/** The operators of fp32 networks: this table is the whole set, and docs/operators.md is written from it. */
import { targetsPage } from '../operator-page.ts';
import { arithmetic, clip, extreme, negate, power, prelu, softmax, unary } from './elementwise.ts';
import { CARRIED } from './carried.ts';
import { FOLDS } from './fold.ts';
import type { Lower } from './layers.ts';
import { averagePool, batchNormalization, conv, gemm, globalPool, matMul, maxPool, reduction } from './layers.ts';
import { cast, castLike, concat, expand, flatten, gather, pad, pass, reshape, resize, shapeOf, sizeOf, slice, split, squeeze, transpose, unsqueeze } from './movement.ts';

export type Entry = { readonly lower: Lower; /** What stands for it in the canonical model. */ readonly becomes: string; readonly limits: string };

const same = (lower: Lower, becomes: string, limits = ''): Entry => ({ lower, becomes, limits });

export const OPERATORS: Readonly<Record<string, Entry>> = {
  Conv: same(conv, 'Conv', 'of an image or a signal [1, C, W], constant weights; any groups, strides, dilations, pads and auto_pad'),
  Gemm: same(gemm, 'Gemm', 'one row times constant weights; transA = 0'),
  MatMul: same(matMul, 'Gemm', 'one row times constant weights'),
  BatchNormalization: same(batchNormalization, 'folded into the Conv or Gemm beside it, else a depthwise 1×1 Conv', 'inference mode'),
  MaxPool: same(maxPool, 'MaxPool', 'of an image or a signal; no indices'),
  AveragePool: same(averagePool, 'AveragePool', 'of an image or a signal; no dilations; no ceil_mode together with counted padding'),
  GlobalAveragePool: same(globalPool('AveragePool'), 'GlobalAveragePool', 'of an image or a signal'),
  GlobalMaxPool: same(globalPool('MaxPool'), 'MaxPool', 'of an image or a signal'),
  ReduceMean: same(reduction('AveragePool'), 'GlobalAveragePool or AveragePool', 'over rows, columns or both'),
  ReduceSum: same(reduction('AveragePool', true), 'GlobalAveragePool or AveragePool, times the number of pixels', 'over rows, columns or both'),
  ReduceMax: same(reduction('MaxPool'), 'MaxPool', 'over rows, columns or both'),
  Pad: same(pad, 'padding of the Conv or pooling behind it, else a depthwise Conv (zeros around an image) or Pad', 'a constant'),

  Relu: same(unary('Relu'), 'Relu'),
  Clip: same(clip, 'Clip or Relu', 'constant bounds'),
  Min: same(extreme('Min'), 'Clip', 'against one constant number'),
  Max: same(extreme('Max'), 'Clip or Relu', 'against one constant number'),
  LeakyRelu: same(unary('LeakyRelu', { alpha: 0.01 }), 'LeakyRelu'),
  PRelu: same(prelu, 'LeakyRelu', 'one slope for all channels'),
  Sigmoid: same(unary('Sigmoid'), 'Sigmoid; x · Sigmoid(x) is taken as one SiLU'),
  HardSigmoid: same(unary('HardSigmoid', { alpha: 0.2, beta: 0.5 }), 'HardSigmoid, also where spelt out with Clip'),
  HardSwish: same(unary('HardSwish'), 'HardSwish, also where spelt out with HardSigmoid or Clip'),
  Tanh: same(unary('Tanh'), 'Tanh'),
  Elu: same(unary('Elu', { alpha: 1 }), 'Elu'),
  Selu: same(unary('Selu', { alpha: 1.6732632, gamma: 1.050701 }), 'Selu'),
  Softplus: same(unary('Softplus'), 'Softplus'),
  Softsign: same(unary('Softsign'), 'Softsign'),
  Erf: same(unary('Erf'), 'Erf'),
  Exp: same(unary('Exp'), 'Exp'),
  Log: same(unary('Log'), 'Log'),
  Sqrt: same(unary('Sqrt'), 'Sqrt'),
  Abs: same(unary('Abs'), 'Abs'),
  Reciprocal: same(unary('Reciprocal'), 'Reciprocal'),
  Neg: same(negate, 'folded into the Conv or Gemm before it, else as BatchNormalization'),
  Pow: same(power, 'Mul or Sqrt', 'constant exponents 0.5, 1 and 2'),
  Add: same(arithmetic('Add'), 'Add; of a number or a vector of channels as BatchNormalization', 'numpy broadcasting'),
  Sub: same(arithmetic('Sub'), 'Sub; with a constant as Add', 'numpy broadcasting'),
  Mul: same(arithmetic('Mul'), 'Mul; by a number or a vector of channels as BatchNormalization', 'numpy broadcasting'),
  Div: same(arithmetic('Div'), 'Div; by a constant as Mul', 'numpy broadcasting'),
  Softmax: same(softmax(false), 'Softmax', 'one axis'),
  LogSoftmax: same(softmax(true), 'Softmax and Log', 'one axis'),

  Concat: same(concat, 'Concat'),
  Split: same(split, 'one Slice an output'),
  Slice: same(slice, 'Slice', 'positive steps'),
  Gather: same(gather, 'Slice', 'one index or a run of indices'),
  Resize: same(resize, 'Resize (nearest, asymmetric, floor)', 'nearest-neighbour enlargement by whole factors'),
  Upsample: same(resize, 'Resize (nearest, asymmetric, floor)', 'nearest-neighbour enlargement by whole factors'),
  Transpose: same(transpose, 'nothing where the order of axes can be carried through, else Transpose'),
  Reshape: same(reshape, 'Flatten or Reshape, or nothing', 'a shape that can be worked out'),
  Flatten: same(flatten, 'Flatten, or nothing'),
  Squeeze: same(squeeze, 'as Reshape'),
  Unsqueeze: same(unsqueeze, 'as Reshape'),
  Expand: same(expand, 'as Reshape', 'no repeated elements'),

  Identity: same(pass, 'nothing'),
  Dropout: same(pass, 'nothing'),
  Cast: same(cast, 'nothing', 'between floating-point types'),
  CastLike: same(castLike, 'nothing', 'between floating-point types'),
  Shape: same(shapeOf, 'a constant'),
  Size: same(sizeOf, 'a constant'),
};

/** What to do about operators that are asked for and not there. */
export const REMEDIES: Readonly<Record<string, string>> = {
  ConvTranspose: 'enlarge with Resize (nearest) and a Conv behind it',
  NonMaxSuppression: 'export without it (YOLO: nms=False); the engine does it',
  TopK: 'export without it; the engine sorts',
  ArgMax: 'end the network with its logits; the application picks the class',
  QuantizeLinear: 'the model is quantised already: compile it as it is, without calibration',
  DequantizeLinear: 'the model is quantised already: compile it as it is, without calibration',
  QLinearConv: 'the model is quantised already: compile it as it is, without calibration',
  ConvInteger: 'quantise statically, not dynamically',
  DynamicQuantizeLinear: 'quantise statically, not dynamically',
  InstanceNormalization: 'train with BatchNormalization',
  LayerNormalization: 'train with BatchNormalization',
  GroupNormalization: 'train with BatchNormalization',
  LRN: 'train with BatchNormalization',
  Gelu: 'train with Relu or SiLU',
  Einsum: 'write it as Conv or Gemm',
  LSTM: 'recurrent networks are not supported',
  GRU: 'recurrent networks are not supported',
  If: 'export with fixed shapes and torch.jit.trace, so that no branch is left',
  Loop: 'export with fixed shapes and torch.jit.trace, so that no loop is left',
  Scan: 'export with fixed shapes, so that no loop is left',
  ScatterND: 'export without in-place writes (YOLOv5: model.model[-1].inplace = False)',
};

/** Operators that may stand among constants only. */
export const CONSTANT_ONLY: readonly string[] = Object.keys(FOLDS).filter((name) => !Object.hasOwn(OPERATORS, name));

export function operatorsPage(): string {
  const rows = Object.entries(OPERATORS).map(([name, { becomes, limits }]) => `| ${name} | ${becomes} | ${limits} |`);
  return `# Operators

Written from \`src/compiler/float/table.ts\`, \`operators.ts\` and \`float-operators.ts\` by \`npx vitest run src/compiler/float/table.test.ts -u\`; a test fails when it is stale.

The compiler first brings an exported network into one form: fp32, batch 1, fixed shapes, channels first, opset 17, standard operators.
Opsets 11 to 21 are read. Any other operator is refused by name, with its node and what would make it work.

| operator | becomes | limits |
|---|---|---|
${rows.join('\n')}

On constants alone (what exporters leave around shapes) these are worked out as well: ${CONSTANT_ONLY.join(', ')}.

Kept as they are where they are none of the above, for the processor's fp32 part:

| operator | what is kept |
|---|---|
${Object.entries(CARRIED).map(([name, { limits }]) => `| ${name} | ${limits} |`).join('\n')}

## Refused, and what to do
| operator | instead |
|---|---|
${Object.entries(REMEDIES).map(([name, remedy]) => `| ${name} | ${remedy} |`).join('\n')}
${targetsPage()}`;
}
