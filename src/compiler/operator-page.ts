/** What docs/operators.md says of a quantised network's operators: who carries out which. Names come from the tables that the importer itself reads. */
import { MAX_CHANNELS, MAX_DIMENSION, MAX_KERNEL, MAX_POOL_KERNEL, MAX_RANK, MAX_TAPS, MAX_WINDOW_FIELD } from '../contract/layout.ts';
import { FLOAT_OPERATORS } from './float-operators.ts';
import { OPERATORS } from './operators.ts';

/** How an operator on codes runs, and within which limits. */
type Row = { readonly how: string; readonly limits: string };

const TABLE = 'a table of 256 codes, in the layer before where it alone reads that';
const ADDRESS = 'an address: nothing is computed';
const POOL = `windows to ${MAX_POOL_KERNEL}×${MAX_POOL_KERNEL}, not dilated; on the core strides to 2`;
const WHOLE: Row = { how: 'pooling', limits: `images to ${MAX_POOL_KERNEL}×${MAX_POOL_KERNEL}; larger ones in fp32` };
const SHAPE: Row = { how: ADDRESS, limits: '[1, C, H, W] to [1, C·H·W], or axes of 1' };

const CHANNELS = 'with a constant number, or of functions of one tensor; of a number a channel a depthwise convolution';
const BOUND: Row = { how: 'bounds of the layer before, or a table', limits: 'against one constant number, or of functions of one tensor' };

export const ON_CODES: Readonly<Record<string, Row>> = {
  Conv: { how: 'convolution', limits: `constant weights of any window (on the core kernels to ${MAX_KERNEL}×${MAX_KERNEL}, strides and dilations 1 and 2); one group, one a channel, or several (with zeros between them)` },
  Gemm: { how: 'dense layer', limits: `one row, constant weights, to ${MAX_CHANNELS} columns` },
  MatMul: { how: 'dense layer, with the Add behind it', limits: 'one row, constant weights' },
  Add: { how: 'sum, in the layer before where that has room', limits: 'of two tensors of one shape; of a number a table; of a number a channel a depthwise convolution' },
  Relu: { how: 'bounds of the layer before, or a table', limits: '' },
  Clip: { how: 'bounds of the layer before, or a table', limits: 'constant bounds' },
  MaxPool: { how: 'pooling', limits: POOL },
  GlobalMaxPool: WHOLE,
  AveragePool: { how: 'pooling', limits: `${POOL} and padding counted` },
  GlobalAveragePool: WHOLE,
  ReduceMean: { how: 'pooling', limits: 'over rows and columns' },
  Concat: { how: `${ADDRESS}; a table first where scales differ`, limits: 'of channels' },
  Slice: { how: `${ADDRESS}; every second row or column a depthwise convolution`, limits: 'of channels; of rows and columns in steps of 2 to the end' },
  Split: { how: ADDRESS, limits: 'of channels' },
  Resize: { how: ADDRESS, limits: 'nearest, twice as high and wide' },
  Flatten: SHAPE, Reshape: SHAPE, Squeeze: SHAPE, Unsqueeze: SHAPE,
  Transpose: { how: ADDRESS, limits: 'where nothing but axes of 1 moves' },
  Mul: { how: TABLE, limits: CHANNELS }, Sub: { how: TABLE, limits: CHANNELS }, Div: { how: TABLE, limits: CHANNELS },
  Pow: { how: TABLE, limits: 'with a constant number' }, Min: BOUND, Max: BOUND,
  PRelu: { how: TABLE, limits: 'one slope' },
  Constant: { how: 'nothing', limits: '' }, Identity: { how: 'nothing', limits: '' }, Dropout: { how: 'nothing', limits: '' },
};

const FUNCTION: Row = { how: TABLE, limits: '' };
const rowOf = (name: string): Row => ON_CODES[name] ?? FUNCTION;

export function targetsPage(): string {
  const onCodes = Object.keys(OPERATORS).map((name) => `| ${name} | ${rowOf(name).how} | ${rowOf(name).limits} |`);
  const inFloat = Object.entries(FLOAT_OPERATORS).map(([name, { limits }]) => `| ${name} | ${limits} |`);
  return `
## Where the operators of a quantised network run

Each of the three below is tried in turn; the report says for every layer which it was, and for fp32 why. A layer can be pinned to the PS, or to the PL
where the core has it; with everything on the PS no bitstream is needed. What none of the three takes is refused by name, with its node and the reasons.

### On codes (int8): the core (PL)
Tensors are [1, C], [1, C, W] (a signal: one row) or [1, C, H, W], of at most ${MAX_CHANNELS} channels and ${MAX_DIMENSION} rows and columns.

| operator | runs as | limits |
|---|---|---|
${onCodes.join('\n')}

### On codes (int8): the processor (PS)
The same layers, by the same arithmetic to the bit, where the core lacks them: convolutions of larger kernels (to ${MAX_TAPS} taps, ${MAX_WINDOW_FIELD} along an axis), strides
and dilations (to ${MAX_WINDOW_FIELD}), as of AlexNet's stem, large-kernel and dilated networks; poolings with strides above 2 or an average that leaves padding out; windows and dense
inputs larger than the core's buffer; dense layers of more than 16 MiB of weights, which would take more contiguous memory than a board has (VGG's first one: it reads
each weight once, so that memory bounds it wherever it runs); and whatever is pinned there.

### In fp32: the processor (PS)
Between DequantizeLinear and QuantizeLinear, and behind the last codes: tensors of up to ${MAX_RANK} dimensions of any order, numpy broadcasting, fp32 constants as operands. What only moves
codes keeps them. Non-maximum suppression stands behind a detector's predictions on request.

| operator | limits |
|---|---|
${inFloat.join('\n')}
`;
}
