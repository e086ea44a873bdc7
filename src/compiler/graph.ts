/**
 * The quantised network between import and schedule: int8 tensors and layers that turn some into one. Every layer's result is exact in the
 * reals and then quantised once (DESIGN.md, Numerics); arithmetic itself lives in hls/core.
 */

/** An int8 activation, batch 1. real = (code − zeroPoint) · scale. Vectors have height and width 1. */
export type QTensor = {
  readonly id: number;
  readonly name: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly scale: number;
  readonly zeroPoint: number;
};

/** Kernel, stride, dilation and padding of a window over rows and columns. */
export type Window = {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
};

/** Real-valued bounds of a fused Relu or Clip; ±Infinity where there is none. */
export type Bounds = { readonly min: number; readonly max: number };

/** int8 weights in [-127, 127], symmetric; one scale an output channel. bias is in units of input scale · weight scale. */
export type Weights = {
  /** [output channel][input channel][kernel row][kernel column], or [output channel][column in C, H, W order]. */
  readonly codes: Int8Array;
  readonly scales: Float32Array;
  readonly bias: Int32Array;
};

type Common = {
  /** Name of the ONNX node. */
  readonly name: string;
  /** ONNX operator, with what was fused into it. */
  readonly operator: string;
  readonly input: QTensor;
  readonly output: QTensor;
  readonly bounds: Bounds;
};

export type ConvLayer = Common & { readonly kind: 'conv'; readonly window: Window; readonly groups: number; readonly weights: Weights };
export type DenseLayer = Common & { readonly kind: 'dense'; readonly weights: Weights };
export type MaxPoolLayer = Common & { readonly kind: 'maxPool'; readonly window: Window };
export type AveragePoolLayer = Common & { readonly kind: 'averagePool'; readonly window: Window; readonly countIncludePad: boolean };
/** input + other */
export type AddLayer = Common & { readonly kind: 'add'; readonly other: QTensor };
/** The output's code for each of the input's 256, -128 first: an activation, a rescale, a lone Relu or Clip. */
export type TableLayer = Common & { readonly kind: 'table'; readonly codes: Int8Array };
/** The same codes elsewhere. No graph has one: the partition adds them where an address alone does not do. */
export type CopyLayer = Common & { readonly kind: 'copy' };

/** Channels of one tensor behind those of another; all have the output's quantisation. input is the first part. */
export type ConcatLayer = Common & { readonly kind: 'concat'; readonly parts: readonly QTensor[] };
/** Channels `from` and up, as many as the output has. */
export type SliceLayer = Common & { readonly kind: 'slice'; readonly from: number };
/** Twice as many rows and columns: pixel (y / 2, x / 2). */
export type UpsampleLayer = Common & { readonly kind: 'upsample' };

/** Something computes or copies it. */
export type WorkLayer = ConvLayer | DenseLayer | MaxPoolLayer | AveragePoolLayer | AddLayer | TableLayer | CopyLayer;
/** Who reads it looks elsewhere, and nothing is computed. */
export type ViewLayer = ConcatLayer | SliceLayer | UpsampleLayer;
export type QLayer = WorkLayer | ViewLayer;

/** What several shapes of the same fp32 elements share: memory of the float arena, or a constant. */
export type FloatStorage = { readonly id: number; readonly elements: number; readonly constant: Float32Array | null };
/** An fp32 value of the processor's part, dense in C order. */
export type FloatTensor = { readonly storage: FloatStorage; readonly shape: readonly number[] };
/** One float operator (layout, FloatOp). DEQUANTIZE reads `tensor`, QUANTIZE writes it; a Concat is several PLACEs into one output. */
export type FloatLayer = {
  readonly kind: 'float';
  /** Name of the ONNX node. */
  readonly name: string;
  /** ONNX operator. */
  readonly operator: string;
  /** Why it is not done on codes: the importer's words; '' where nothing else was to be expected. */
  readonly reason: string;
  /** FloatOperator. */
  readonly op: number;
  readonly function: number;
  readonly inputs: readonly FloatTensor[];
  readonly output: FloatTensor | null;
  readonly tensor: QTensor | null;
  /** As the layout has them, little-endian; empty where it has none. */
  readonly parameters: Uint8Array;
  readonly axis: number;
};
export type GraphLayer = QLayer | FloatLayer;

/** A graph input or output under its ONNX name and shape; the graph's own type is FP32 where it (de)quantises by itself. */
export type GraphPort = { readonly name: string; readonly tensor: QTensor; readonly dataType: 'FP32' | 'INT8'; readonly shape: readonly number[] };
/** An output that float operators make. */
export type FloatPort = { readonly name: string; readonly float: FloatTensor; readonly shape: readonly number[] };
export type OutputPort = GraphPort | FloatPort;

export type QGraph = {
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly OutputPort[];
  /** In an order of execution. */
  readonly layers: readonly GraphLayer[];
  /** What was changed on the way in, for the report. */
  readonly notes: readonly string[];
  /** Every tensor of codes and fp32 value by its ONNX name, as it would be an output. */
  readonly named: ReadonlyMap<string, OutputPort>;
};

export const isFloat = (layer: GraphLayer): layer is FloatLayer => layer.kind === 'float';
export const isFloatPort = (port: OutputPort): port is FloatPort => 'float' in port;
/** Outputs of stored codes. */
export const tensorsOf = (outputs: readonly OutputPort[]): QTensor[] => outputs.flatMap((port) => (isFloatPort(port) ? [] : [port.tensor]));

export const isView = (layer: GraphLayer): layer is ViewLayer => layer.kind === 'concat' || layer.kind === 'slice' || layer.kind === 'upsample';

export function inputsOf(layer: QLayer): readonly QTensor[] {
  if (layer.kind === 'concat') return layer.parts;
  return layer.kind === 'add' ? [layer.input, layer.other] : [layer.input];
}

export const sameCodes = (a: QTensor, b: QTensor): boolean => a.scale === b.scale && a.zeroPoint === b.zeroPoint;

export const NO_BOUNDS: Bounds = { min: -Infinity, max: Infinity };

export function macsOf(layer: QLayer): number {
  if (layer.kind === 'conv' || layer.kind === 'dense') return (layer.weights.codes.length) * layer.output.height * layer.output.width;
  return 0;
}
