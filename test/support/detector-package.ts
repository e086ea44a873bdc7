/**
 * A small but whole detector package whose weights are set by hand, so that it finds bright rectangles: [1, 3, 128, 128] letterboxed →
 * brightness → for each of 16 × 16 cells how far the brightness reaches from its centre to the left, right, top and bottom (convolutions) →
 * boxes, objectness and two classes in float, as YOLOv5's head gives them: predictions [1, 256, 7]. fp32 and QDQ int8, which compiles.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileProgram } from '../../src/compiler/compile.ts';
import type { DetectorFields, ModelMetadata } from '../../src/contract/model.ts';
import { onnxModel, type Attributes, type OnnxInitializer, type OnnxNode } from './onnx.ts';
import { smallDicom, type SmallImage } from './small-dicom.ts';

const SIZE = 128;
const STRIDE = 8;
const CELLS = SIZE / STRIDE;
const ROWS = CELLS * CELLS;
/** How far a cell looks, in pixels; a larger rectangle ends there. */
const REACH = 24;
const INPUT = { scale: Math.fround(1 / 255), zeroPoint: -128 };

export type DetectorMetadata = ModelMetadata & { fabriclens: DetectorFields };

/** What the graph is built from: `int8` puts QuantizeLinear and DequantizeLinear where a quantised network has them. */
class Builder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly #int8: boolean;

  constructor(int8: boolean) {
    this.#int8 = int8;
  }

  constant(name: string, data: OnnxInitializer['data'], shape: number[] = []): string {
    this.initializers.push({ name, shape, data });
    return name;
  }

  node(op: string, inputs: string[], output: string, attributes: Attributes = {}): string {
    this.nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  }

  activation(from: string, scale: number, zero: number): string {
    if (!this.#int8) return from;
    const parameters = [this.constant(`${from}_scale`, Float32Array.of(scale)), this.constant(`${from}_zero`, Int8Array.of(zero))];
    this.node('QuantizeLinear', [from, ...parameters], `${from}_codes`);
    return this.node('DequantizeLinear', [`${from}_codes`, ...parameters], `${from}_values`);
  }

  conv(input: string, name: string, shape: [number, number, number, number], weights: Float32Array, bias: Float32Array, inputScale: number, attributes: Attributes): string {
    const outputs = shape[0];
    const each = weights.length / outputs;
    const parts = this.#int8
      ? (() => {
          const scales = Float32Array.from({ length: outputs }, (_, o) => Math.max(...weights.subarray(o * each, (o + 1) * each).map(Math.abs)) / 127);
          const quantised = (part: string, codes: Int8Array | Int32Array, dims: number[], by: Float32Array): string => {
            const zeros = codes instanceof Int8Array ? new Int8Array(outputs) : new Int32Array(outputs);
            const inputs = [this.constant(`${part}_codes`, codes, dims), this.constant(`${part}_scale`, by, [outputs]), this.constant(`${part}_zero`, zeros, [outputs])];
            return this.node('DequantizeLinear', inputs, part, { axis: 0 });
          };
          const biasScales = scales.map((s) => s * inputScale);
          return [
            quantised(`${name}_w`, Int8Array.from(weights, (v, i) => Math.round(v / scales[Math.floor(i / each)]!)), shape, scales),
            quantised(`${name}_b`, Int32Array.from(bias, (v, o) => Math.round(v / biasScales[o]!)), [outputs], biasScales),
          ];
        })()
      : [this.constant(`${name}_w`, weights, shape), this.constant(`${name}_b`, bias, [outputs])];
    return this.node('Conv', [input, ...parts], name, attributes);
  }
}

export function detectorModel(int8 = false): Uint8Array<ArrayBuffer> {
  const b = new Builder(int8);
  const unit = INPUT.scale;
  const image = b.activation('image', INPUT.scale, INPUT.zeroPoint);
  // 0 up to a grey of 0.6, 1 from 0.65 on: bright or not, with the edges' share between.
  b.conv(image, 'contrast', [1, 3, 1, 1], new Float32Array(3).fill(20 / 3), Float32Array.of(-12), unit, { kernel_shape: [1, 1] });
  b.node('Clip', ['contrast', b.constant('zero', Float32Array.of(0)), b.constant('one', Float32Array.of(1))], 'clipped');
  const bright = b.activation('clipped', unit, -128);

  // The core has kernels of up to 7 × 7 and strides of 1 and 2: a cell's two middle lines are picked in three steps, which also make means of 4 pixels along them.
  const reach = Math.fround(REACH / 255);
  const oriented = (vertical: boolean, [across, along]: readonly [number, number]): [number, number] => (vertical ? [along, across] : [across, along]);
  const conv = (name: string, from: string, vertical: boolean, dims: { outputs: number; inputs: number; size: readonly [number, number]; strides: readonly [number, number]; pads?: readonly [number, number] }, weight: (o: number, i: number, across: number, along: number) => number, scale: number): string => {
    const { outputs, inputs, size } = dims;
    const [height, width] = oriented(vertical, size);
    const weights = Float32Array.from({ length: outputs * inputs * height * width }, (_, at) => {
      const [y, x] = [Math.floor(at / width) % height, at % width];
      return weight(Math.floor(at / (inputs * height * width)), Math.floor(at / (height * width)) % inputs, ...oriented(vertical, [y, x]));
    });
    const [before, after] = dims.pads ?? [0, 0];
    const attributes = { kernel_shape: [height, width], strides: oriented(vertical, dims.strides), pads: vertical ? [before, 0, after, 0] : [0, before, 0, after] };
    return b.activation(b.conv(from, name, [outputs, inputs, height, width], weights, new Float32Array(outputs), unit, attributes), scale, -128);
  };
  /** Means of 4 pixels along each cell's middle lines, lines 8j + 3 and 8j + 4: of pairs of lines the second and the first, of those the second and the first again, then both. */
  const blocksOf = (name: string, vertical: boolean): string => {
    const pick = (o: number, i: number, across: number): number => (o === i && across === 1 - o ? 0.5 : 0);
    const pairs = conv(`${name}Pairs`, bright, vertical, { outputs: 2, inputs: 1, size: [2, 2], strides: [2, 2] }, (o, _, across) => pick(o, o, across), unit);
    const fours = conv(`${name}Fours`, pairs, vertical, { outputs: 2, inputs: 2, size: [2, 2], strides: [2, 2] }, pick, unit);
    return conv(`${name}Blocks`, fours, vertical, { outputs: 1, inputs: 2, size: [2, 1], strides: [2, 1] }, (_, i, across) => (i === across ? 0.5 : 0), unit);
  };
  const [rows, columns] = [blocksOf('row', false), blocksOf('column', true)];
  const block = STRIDE / 2;
  const blocks = REACH / block;
  /** Up to the centre: a cell's first block and those before it. From it on: all but that first one, so that one weight is 0. */
  const side = (name: string, from: string, vertical: boolean, behind: boolean): string =>
    conv(name, from, vertical, { outputs: 1, inputs: 1, size: [1, blocks + (behind ? 1 : 0)], strides: [1, 2], pads: behind ? [0, blocks - 1] : [blocks - 1, 0] }, (_o, _i, _a, along) => (behind && along === 0 ? 0 : block), reach);
  const heads = [
    side('toLeft', rows, false, false),
    side('toRight', rows, false, true),
    side('toTop', columns, true, false),
    side('toBottom', columns, true, true),
    conv('core', rows, false, { outputs: 1, inputs: 1, size: [1, 2], strides: [1, 2] }, () => 0.5, unit),
  ];
  b.node('Concat', heads, 'cells', { axis: 1 });
  b.node('Transpose', ['cells'], 'last', { perm: [0, 2, 3, 1] });
  b.node('Reshape', ['last', b.constant('rows', BigInt64Array.of(1n, BigInt(ROWS), 5n), [3])], 'table');
  const parts = ['left', 'right', 'up', 'down', 'fill'];
  b.nodes.push({ op: 'Split', inputs: ['table', b.constant('each', BigInt64Array.of(1n, 1n, 1n, 1n, 1n), [5])], outputs: parts, attributes: { axis: 2 } });

  const scalar = (name: string, value: number): string => b.constant(name, Float32Array.of(value));
  const half = scalar('half', 0.5);
  const grid = (name: string, of: (cell: number) => number): string => b.constant(name, Float32Array.from({ length: ROWS }, (_, i) => of(i) * STRIDE + STRIDE / 2), [1, ROWS, 1]);
  const centre = (name: string, low: string, high: string, cells: string): string => {
    b.node('Sub', [high, low], `${name}_off`);
    b.node('Mul', [`${name}_off`, half], `${name}_shift`);
    return b.node('Add', [`${name}_shift`, cells], name);
  };
  const box = [
    centre('cx', 'left', 'right', grid('gridX', (i) => i % CELLS)),
    centre('cy', 'up', 'down', grid('gridY', (i) => Math.floor(i / CELLS))),
    b.node('Add', ['left', 'right'], 'w'),
    b.node('Add', ['up', 'down'], 'h'),
  ];
  /** sigmoid(slope · (x − at)) */
  const gate = (name: string, x: string, at: number, slope: number): string => {
    b.node('Sub', [x, scalar(`${name}_at`, at)], `${name}_from`);
    b.node('Mul', [`${name}_from`, scalar(`${name}_slope`, slope)], `${name}_logit`);
    return b.node('Sigmoid', [`${name}_logit`], name);
  };
  // Where a cell is bright, near the middle of what it sees, and that is not too small.
  const off = b.node('Add', [b.node('Abs', ['cx_off'], 'offX'), b.node('Abs', ['cy_off'], 'offY')], 'off');
  b.node('Min', ['w', 'h'], 'least');
  b.node('Mul', [gate('filled', 'fill', 0.5, 10), gate('centred', off, 12, -0.25)], 'seen');
  const objectness = b.node('Mul', ['seen', gate('large', 'least', 6, 2)], 'objectness');
  b.node('Sub', ['w', 'h'], 'skew');
  const square = gate('square', b.node('Abs', ['skew'], 'absSkew'), 5, -1);
  const bar = b.node('Sub', ['one', square], 'bar');
  b.node('Concat', [...box, objectness, square, bar], 'predictions', { axis: 2 });
  return onnxModel({
    nodes: b.nodes,
    initializers: b.initializers,
    inputs: [{ name: 'image', type: 'float32', shape: [1, 3, SIZE, SIZE] }],
    outputs: [{ name: 'predictions', type: 'float32', shape: [1, ROWS, 7] }],
  });
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Writes `parent/name` and gives its folder; `change` may alter metadata.json before it is written. */
export function writeDetectorPackage(parent: string, name = 'bright', change: (metadata: DetectorMetadata) => void = () => {}): string {
  const dir = join(parent, name);
  const files = { 'model.onnx': detectorModel(), 'model.int8.onnx': detectorModel(true) };
  const metadata: DetectorMetadata = {
    version: '0.0.1', task: 'test', description: 'weights set by hand', authors: 'test', copyright: 'test', license: 'Apache-2.0', data_source: 'none',
    intended_use: 'tests', eval_metrics: {}, network_data_format: { inputs: {}, outputs: {} },
    fabriclens: {
      task: 'detection', name, title: { en: 'Bright rectangles', 'zh-CN': '亮矩形' },
      sha256: { 'model.onnx': sha256(files['model.onnx']), 'model.int8.onnx': sha256(files['model.int8.onnx']) },
      input: { name: 'image', shape: [1, 3, SIZE, SIZE], ...INPUT },
      preprocessing: { width: SIZE, height: SIZE, channels: 3, fit: 'letterbox', pad: 114 / 255, resample: 'triangle', mean: 0, std: 1 },
      outputs: { predictions: 'predictions' },
      detection: { scoreThreshold: 0.25, iouThreshold: 0.45, maxDetections: 300, objectness: true, boxes: 'cxcywh-pixels' },
      labels: [{ name: 'square', text: { en: 'Square', 'zh-CN': '方块' } }, { name: 'bar', text: { en: 'Bar', 'zh-CN': '长条' } }],
      tolerance: 0.05,
      intended: { modalities: ['DX', 'US'], bodyParts: [], views: [], text: { en: 'Images made for tests.', 'zh-CN': '测试用图像。' } },
      limits: [{ en: 'Finds nothing but bright rectangles.', 'zh-CN': '只能找到亮矩形。' }],
    },
  };
  change(metadata);
  mkdirSync(dir, { recursive: true });
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(dir, file), bytes);
  writeFileSync(join(dir, 'metadata.json'), JSON.stringify(metadata));
  writeFileSync(join(dir, 'CARD.md'), '# Bright rectangles\n\nMade for tests.\n');
  return dir;
}

/** Adds program.bin to a package's folder; `detections`: with the rule of the package done by the program, which the board is then asked for. */
export function compileDetectorPackage(dir: string, detections = true): void {
  const file = join(dir, 'metadata.json');
  const metadata = JSON.parse(readFileSync(file, 'utf8')) as DetectorMetadata;
  const { fabriclens } = metadata;
  const { program } = compileProgram(readFileSync(join(dir, 'model.int8.onnx')), detections ? { detections: { predictions: fabriclens.outputs.predictions, ...fabriclens.detection } } : {});
  writeFileSync(join(dir, 'program.bin'), program);
  fabriclens.sha256['program.bin'] = sha256(program);
  if (detections) fabriclens.outputs.detections = 'detections';
  writeFileSync(file, JSON.stringify(metadata));
}

/** In pixels of the image; `grey` 0…1. */
export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
  grey: number;
}

/** A dim, grainy image with bright rectangles in it. */
export function rectanglesDicom(rectangles: readonly Rectangle[], image: SmallImage & { rows: number; columns: number }): Buffer {
  const { columns } = image;
  const scale = image.colour ? 255 : 4095;
  const value = (index: number): number => {
    const [x, y] = [index % columns, Math.floor(index / columns)];
    const inside = rectangles.find((r) => x >= r.x && x < r.x + r.width && y >= r.y && y < r.y + r.height);
    const grain = ((Math.imul(index, 2654435761) >>> 20) % 64) / 64;
    return Math.round(scale * (inside ? inside.grey : 0.12 + 0.08 * grain + 0.12 * (y / image.rows)));
  };
  return smallDicom({ ...image, window: [2048, 4096], pixel: (i) => value(image.colour ? Math.floor(i / 3) : i) });
}
