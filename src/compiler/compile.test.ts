import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs/minimal.js';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../test/support/data.ts';
import { onnxModel } from '../../test/support/onnx.ts';
import type { Quantisation, WindowAttributes } from '../../test/support/qdq.ts';
import { Qdq, random } from '../../test/support/qdq.ts';
import { network } from '../../test/support/random-network.ts';
import { Header, Section, SectionKind } from '../contract/layout.ts';
import { compileProgram } from './compile.ts';
import { CompileError } from './error.ts';
import { readOnnx } from './onnx.ts';
import { fixedPoint, fixedPoints, ratioOf, roundHalfEven } from './scale.ts';

const Q = { scale: 0.05, zeroPoint: 3 };
const scales = (count: number): Float32Array => new Float32Array(count).fill(0.01);

/** input [1, 4, 8, 8] → `make` → quantised → output */
function small(make: (net: Qdq, x: ReturnType<Qdq['input']>) => { name: string; shape: number[] }, input = [1, 4, 8, 8]): Uint8Array {
  const net = new Qdq();
  const x = net.input(input, Q);
  const made = make(net, x);
  return net.build([net.quantised(made.name, made.shape, Q)]);
}

const conv = (attributes: Partial<WindowAttributes> & { group?: number; codes?: Int8Array; scale?: Float32Array; bias?: Int32Array | null }, input = [1, 4, 8, 8]): Uint8Array =>
  small((net, x) => {
    const { kernel = [3, 3], group = 1, scale = scales(4), bias = null } = attributes;
    const codes = attributes.codes ?? new Int8Array((4 * 4 * kernel[0] * kernel[1]) / group).fill(5);
    return net.conv(x, codes, 4, scale, bias, { ...attributes, kernel }, group);
  }, input);

type Pooled = { shape: number[]; outputs: number; group: number; add: boolean; window: Required<Omit<WindowAttributes, 'dilations'>>; more: Record<string, number>; pool: Quantisation; after: boolean; outside: 'layer' | 'output' | null };
const POOLED: Pooled = { shape: [1, 4, 9, 8], outputs: 4, group: 1, add: false, window: { kernel: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] }, more: {}, pool: Q, after: false, outside: null };

const refusal = (onnx: Uint8Array): CompileError => {
  try {
    compileProgram(onnx);
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error('it compiled');
};

describe('compileProgram', () => {
  it('gives the same bytes for the same file, bound to its SHA-256', () => {
    const { onnx } = network({ channels: 3, height: 9, width: 9, seed: 1, flavour: 'plain', head: 'gemm', steps: [{ kind: 'conv', seed: 4 }, { kind: 'residual', seed: 5 }] }, false);
    const first = compileProgram(onnx);
    expect(compileProgram(Uint8Array.from(onnx))).toEqual(first);
    const { offset, count } = Header.fields.modelSha256;
    expect(Buffer.from(first.program.subarray(offset, offset + count))).toEqual(createHash('sha256').update(onnx).digest());
  });

  it('reports a row a layer, the add in the descriptor of its convolution', () => {
    const net = new Qdq();
    const x = net.input([1, 4, 8, 8], Q);
    const a = net.conv(x, new Int8Array(4 * 36).fill(1), 4, scales(4), null, { kernel: [3, 3], pads: [1, 1, 1, 1] });
    const branch = net.quantised(net.node('Relu', [a.name]), a.shape, { scale: 0.05, zeroPoint: -128 });
    const b = net.conv(branch, new Int8Array(4 * 36).fill(-2), 4, scales(4), null, { kernel: [3, 3], pads: [1, 1, 1, 1] });
    const after = net.quantised(b.name, b.shape, Q);
    const sum = net.quantised(net.node('Relu', [net.node('Add', [after.name, x.name])]), x.shape, Q);
    const { report } = compileProgram(net.build([sum]));
    expect(report.layers.map(({ operator, descriptor, target, macs }) => ({ operator, descriptor, target, macs }))).toEqual([
      { operator: 'Conv + Relu', descriptor: 0, target: 'PL', macs: 64 * 144 },
      { operator: 'Conv', descriptor: 1, target: 'PL', macs: 64 * 144 },
      { operator: 'Add + Relu', descriptor: 1, target: 'PL', macs: 0 },
    ]);
    expect(report.macs).toBe(2 * 64 * 144);
  });

  /** Convolution, 2 × 2 max pooling of stride 2: the report, and what the arena holds. */
  const pooled = (options: Partial<Pooled> = {}): { descriptors: (number | null)[]; arenaBytes: number } => {
    const { shape, outputs, group, add, window, more, pool, after, outside } = { ...POOLED, ...options };
    const net = new Qdq();
    const x = net.input(shape, Q);
    const made = net.conv(x, new Int8Array((outputs * (shape[1] as number) * 9) / group).fill(1), outputs, scales(outputs), null, { kernel: [3, 3], pads: [1, 1, 1, 1] }, group);
    const convolved = net.quantised(made.name, made.shape, Q);
    const source = add ? net.quantised(net.node('Add', [convolved.name, x.name]), x.shape, Q) : convolved;
    const size = (length: number, axis: number): number => Math.floor((length + window.pads[axis]! + window.pads[axis + 2]! - window.kernel[axis]!) / window.strides[axis]!) + 1;
    const out = [1, outputs, ...[0, 1].map((axis) => (more['ceil_mode'] ? Math.ceil((shape[axis + 2] as number) / 2) : size(shape[axis + 2] as number, axis)))];
    const result = net.pool('MaxPool', source, window, more);
    const y = net.quantised(after ? net.node('Relu', [result]) : result, out, pool);
    const second = outside === 'layer' ? [net.quantised(net.node('Relu', [convolved.name]), convolved.shape, Q)] : outside === 'output' ? [convolved] : [];
    const { report } = compileProgram(net.build([y, ...second]));
    return { descriptors: report.layers.map((layer) => layer.descriptor), arenaBytes: report.arenaBytes };
  };

  it('lets a pooling ride on the convolution whose results nobody else reads, which then take no memory', () => {
    // Input and output: 9 x 8 and 4 x 4 pixels of 8 bytes.
    expect(pooled()).toEqual({ descriptors: [0, 0], arenaBytes: 9 * 64 + 4 * 32 });
    expect(pooled({ group: 4 }).descriptors).toEqual([0, 0]);
    // Of 8 columns and rows both ceil_mode and padding behind leave the size as it is.
    expect(pooled({ shape: [1, 4, 8, 8], more: { ceil_mode: 1 } }).descriptors).toEqual([0, 0]);
    expect(pooled({ window: { ...POOLED.window, pads: [0, 0, 0, 1] } }).descriptors).toEqual([0, 0]);
  });

  it.each<[string, Partial<Pooled>]>([
    ['whose convolution is an output', { outside: 'output' }],
    ['whose convolution another layer reads', { outside: 'layer' }],
    ['behind an add', { add: true }],
    ['with ceil_mode over an odd row', { more: { ceil_mode: 1 } }],
    ['with padding in front', { window: { ...POOLED.window, pads: [0, 1, 0, 1] } }],
    ['with padding behind an odd row', { window: { ...POOLED.window, pads: [0, 0, 1, 0] } }],
    ['of 3 rows', { window: { ...POOLED.window, kernel: [3, 2] } }],
    ['of stride 1', { window: { ...POOLED.window, strides: [2, 1] } }],
    ['to another scale', { pool: { ...Q, scale: 0.06 } }],
    ['to another zero point', { pool: { ...Q, zeroPoint: 4 } }],
    ['that is clamped', { after: true }],
    ['of more channels than any core has room for', { shape: [1, 1024, 4, 4] }],
  ])('keeps apart a pooling %s', (_, options) => {
    const { descriptors } = pooled(options);
    expect(new Set(descriptors).size).toBe(options.outside === 'layer' ? 3 : 2);
    // An add takes its convolution in, as ever.
    expect(descriptors.slice(0, 2)).toEqual(options.add ? [0, 0] : [0, 1]);
  });

  it('gives the processor the pooling that the core lacks, and a segment to each run of layers', () => {
    const net = new Qdq();
    let x = net.input([1, 4, 32, 32], Q);
    const pool = (op: 'MaxPool' | 'AveragePool', stride: number, pad: number, more: Record<string, number> = {}): void => {
      const side = Math.floor(((x.shape[2] as number) + 2 * pad - 3) / stride) + 1;
      x = net.quantised(net.pool(op, x, { kernel: [3, 3], strides: [stride, stride], pads: [pad, pad, pad, pad] }, more), [1, 4, side, side], Q);
    };
    pool('MaxPool', 2, 1);
    pool('AveragePool', 1, 1, { count_include_pad: 1 });
    pool('AveragePool', 1, 1, { count_include_pad: 0 });
    pool('MaxPool', 3, 0);
    pool('AveragePool', 1, 0);
    const { program, report } = compileProgram(net.build([x]));
    expect(report.layers.map(({ target }) => target)).toEqual(['PL', 'PL', 'PS', 'PS', 'PL']);
    const view = new DataView(program.buffer, program.byteOffset);
    expect(view.getUint32(Header.bytes + (SectionKind.SEGMENTS - 1) * Section.bytes + Section.fields.count.offset, true)).toBe(3);
  });

  it('gives the processor what the buffer of the core has no room for', () => {
    const target = (shape: number[], make: (net: Qdq, x: ReturnType<Qdq['input']>) => { name: string; shape: number[] }): string[] =>
      compileProgram(small(make, shape)).report.layers.map((layer) => layer.target);
    const mean = (net: Qdq, x: ReturnType<Qdq['input']>): { name: string; shape: number[] } => ({ name: net.node('GlobalAveragePool', [x.name]), shape: [1, x.shape[1] as number, 1, 1] });
    expect(target([1, 8, 109, 110], mean)).toEqual(['PL']);
    expect(target([1, 8, 112, 112], mean)).toEqual(['PS']);
    const flat = (net: Qdq, x: ReturnType<Qdq['input']>): { name: string; shape: number[] } =>
      net.dense({ ...x, name: net.node('Flatten', [x.name]), shape: [1, 256] }, new Int8Array(256), 1, scales(1), new Int32Array(1), false);
    expect(target([1, 1, 256, 1], flat)).toEqual(['PS']);
    expect(target([1, 2, 128, 1], flat)).toEqual(['PL']);
    // A stride of 3 with one result is no stride.
    expect(target([1, 4, 3, 3], (net, x) => ({ name: net.pool('MaxPool', x, { kernel: [3, 3], strides: [3, 3] }), shape: [1, 4, 1, 1] }))).toEqual(['PL']);
  });

  it('gives the processor the windows that the core lacks, and says why', () => {
    const [row] = compileProgram(conv({ kernel: [1, 7], pads: [0, 3, 0, 3] })).report.layers;
    expect(row).toMatchObject({ target: 'PL', reason: '' });
    const far = (attributes: Parameters<typeof conv>[0], reason: string): void => {
      const onnx = conv(attributes, [1, 4, 40, 40]);
      expect(compileProgram(onnx).report.layers).toMatchObject([{ target: 'PS', reason, float: false }]);
      expect(() => compileProgram(onnx, { pin: { Conv_3: 'PL' } })).toThrow(`it is pinned to the PL, and cannot run there: ${reason}.`);
    };
    far({ kernel: [11, 11], strides: [4, 4], pads: [2, 2, 2, 2] }, 'a kernel of 11×11: the core has up to 7×7');
    far({ kernel: [31, 31], pads: [15, 15, 15, 15], group: 4 }, 'a kernel of 31×31: the core has up to 7×7');
    far({ strides: [3, 3] }, 'a stride of 3×3: the core has 1 and 2');
    far({ dilations: [1, 12], pads: [0, 12, 0, 12] }, 'a dilation of 1×12: the core has 1 and 2');
    // What says nothing keeps nothing from the core: a dilation of one tap, a stride of one result.
    for (const says of [{ kernel: [1, 1] as [number, number], dilations: [300, 300] as [number, number] }, { kernel: [1, 7] as [number, number], strides: [300, 1] as [number, number] }]) {
      expect(compileProgram(conv(says, [1, 4, 1, 40])).report.layers[0]?.target).toBe('PL');
    }
    // Where a table, an add or a pooling rides on such a layer, the processor has them too.
    const behind = small((net, x) => {
      const made = net.conv(x, new Int8Array(4 * 4 * 81).fill(1), 4, scales(4), null, { kernel: [9, 9], pads: [4, 4, 4, 4] });
      const convolved = net.quantised(made.name, made.shape, Q);
      const sum = net.quantised(net.node('Add', [convolved.name, x.name]), x.shape, Q);
      return { name: net.pool('MaxPool', sum, { kernel: [2, 2], strides: [2, 2] }), shape: [1, 4, 4, 4] };
    });
    expect(compileProgram(behind).report.layers.map(({ operator, target, descriptor }) => `${operator} ${target} ${descriptor}`)).toEqual(['Conv PS 0', 'Add PS 0', 'MaxPool PL 1']);
  });

  it('takes a mean of more than a pooling may see in fp32, and a signal as one row', () => {
    const mean = small((net, x) => ({ name: net.node('GlobalAveragePool', [x.name]), shape: [1, 4, 1, 1] }), [1, 4, 1, 300]);
    expect(compileProgram(mean).report.layers[0]).toMatchObject({ target: 'PS', float: true, reason: 'GlobalAveragePool of 1×300; on codes it is of up to 255×255.' });
    const signal = small((net, x) => ({ name: net.node('GlobalAveragePool', [x.name]), shape: [1, 4, 1] }), [1, 4, 200]);
    expect(compileProgram(signal).report.layers[0]).toMatchObject({ operator: 'GlobalAveragePool', target: 'PL', input: [4, 1, 200], output: [4, 1, 1] });
  });

  it('shares memory between activations that never meet, and keeps outputs', () => {
    const net = new Qdq();
    let x = net.input([1, 16, 16, 16], Q);
    const first = x;
    for (let i = 0; i < 8; i++) {
      const made = net.conv(x, new Int8Array(16 * 16).fill(3), 16, scales(16), null, { kernel: [1, 1] });
      x = net.quantised(made.name, made.shape, Q);
      if (i === 2) net.node('Relu', [x.name]);
    }
    const one = 16 * 16 * 16;
    expect(compileProgram(net.build([x])).report.arenaBytes).toBe(2 * one);
    expect(compileProgram(net.build([x, first])).report.arenaBytes).toBe(3 * one);
  });

  it('drops layers that no output needs', () => {
    const net = new Qdq();
    const x = net.input([1, 4, 8, 8], Q);
    const used = net.quantised(net.pool('MaxPool', x, { kernel: [2, 2] }), [1, 4, 7, 7], Q);
    net.quantised(net.pool('MaxPool', x, { kernel: [3, 3] }), [1, 4, 6, 6], Q);
    expect(compileProgram(net.build([used])).report.layers).toHaveLength(1);
  });

  it('turns weights of -128 into -127 and says so', () => {
    const { report } = compileProgram(conv({ codes: new Int8Array(144).fill(-128) }));
    expect(report.notes).toEqual(["Node 'Conv_3': 144 weights of -128 became -127."]);
  });
});

describe('what the compiler refuses, it names', () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ['a kernel of 256', conv({ kernel: [1, 256] }, [1, 4, 17, 600]), /Node 'Conv_3': its kernel of 1×256 is too large; a convolution may have 255 along each axis\. Several smaller ones/],
    ['a kernel of 4097 taps', conv({ kernel: [17, 241], group: 4 }, [1, 4, 17, 600]), /its kernel of 17×241 has 4097 taps; a convolution may have 4096/],
    ['stride 256', conv({ kernel: [1, 1], strides: [1, 256] }, [1, 4, 17, 600]), /Node 'Conv_3': a stride of 1×256; a convolution may have 255/],
    ['dilation 256', conv({ kernel: [1, 2], dilations: [1, 256] }, [1, 4, 17, 600]), /a dilation of 1×256; a convolution may have 255/],
    ['padding of 256', conv({ kernel: [1, 3], dilations: [1, 200], pads: [0, 256, 0, 0] }, [1, 4, 17, 600]), /padding of 0, 256, 0, 0; a convolution may have 255.*Put a Pad in front/],
    ['a pooling of 256', small((net, x) => ({ name: net.pool('MaxPool', x, { kernel: [1, 256] }), shape: [1, 4, 17, 345] }), [1, 4, 17, 600]), /its window of 1×256 is larger than 255×255; pool in two steps/],
    ['dilated pooling', small((net, x) => ({ name: net.pool('MaxPool', x, { kernel: [3, 3] }, { dilations: [2, 2] }), shape: [1, 4, 4, 4] })), /Node 'MaxPool_2': a pooling of dilation 2×2; there is 1\. Export the model with dilation=1/],
    ['an overflow', conv({ bias: new Int32Array(4).fill(2 ** 31 - 1) }), /output channel 0 can overflow a 32-bit accumulator/],
    ['an unknown operator', small((net, x) => ({ name: net.node('LRN', [x.name]), shape: x.shape })), /Node 'LRN_2': operator LRN can run neither/],
    ['ConvTranspose', small((net, x) => ({ name: net.node('ConvTranspose', [x.name, x.name]), shape: x.shape })), /Node 'ConvTranspose_2': operator ConvTranspose can run neither.*Enlarge with Resize \(nearest\) and put a Conv behind it/],
    ['a float in between', small((net, x) => ({ name: net.node('Relu', [net.pool('MaxPool', { ...x, name: net.pool('MaxPool', x, { kernel: [2, 2] }) }, { kernel: [2, 2] })]), shape: [1, 4, 6, 6] })), /MaxPool reads 'MaxPool\d+', which is not quantised/],
    ['two readers of a float', small((net, x) => {
      const pooled = net.pool('MaxPool', x, { kernel: [2, 2] });
      net.quantised(pooled, [1, 4, 7, 7], Q);
      return { name: pooled, shape: [1, 4, 7, 7] };
    }), /read by several nodes before it is quantised/],
    ['a batch of 2', small((_, x) => x, [2, 4, 8, 8]), /shape 2×4×8×8; it must be \[1, C\]/],
    ['Gemm on an image', small((net, x) => net.dense(x, new Int8Array(256 * 2), 2, scales(2), new Int32Array(2), false)), /flatten its input/],
    ['a dense layer too long for the core', small((net, x) => net.dense({ ...x, name: net.node('Flatten', [x.name]), shape: [1, 131_584] }, new Int8Array(131_584).fill(1), 1, scales(1), new Int32Array(1), false), [1, 2, 256, 257]), /a dense layer of 131584 columns; the core holds 131072/],
    ['more work than a layer may be', small((net, x) => net.conv(x, new Int8Array(64 * 64 * 9).fill(1), 64, scales(64), null, { kernel: [3, 3], pads: [1, 1, 1, 1] }), [1, 64, 1024, 1024]), /its 38654705664 multiply-accumulates are more than the 34359738368/],
    ['a sum far beyond its scale', (() => {
      const net = new Qdq();
      const x = net.input([1, 4, 8, 8], { scale: 100, zeroPoint: 0 });
      const y = net.quantised(x.name, x.shape, { scale: 99, zeroPoint: 0 });
      return net.build([net.quantised(net.node('Add', [x.name, y.name]), x.shape, { scale: 1e-3, zeroPoint: 0 })]);
    })(), /scale of the sum is far smaller/],
    ['no graph', new Uint8Array(), /no graph/],
    // A later opset_import entry wins.
    ['opset 11', Buffer.concat([small((_, x) => x), Uint8Array.of(0x42, 2, 0x10, 11)]), /opset 11; canonical QDQ needs 13/],
  ];
  it.each(cases)('%s', (_, onnx, expected) => expect(refusal(onnx).message).toMatch(expected));

  it('uint8 activations, weight zero points and a bias in another unit', () => {
    const base = { inputs: [{ name: 'x', type: 'float32' as const, shape: [1, 1, 4, 4] }], outputs: [{ name: 'y', type: 'float32' as const, shape: [1, 1, 4, 4] }] };
    const one = (data: Int8Array | Int32Array | Float32Array, name: string, shape: number[] = []): { name: string; data: typeof data; shape: number[] } => ({ name, data, shape });
    const with_ = (weightZero: number, biasScale: number): Uint8Array => onnxModel({
      ...base,
      nodes: [
        { op: 'QuantizeLinear', inputs: ['x', 's', 'z'], outputs: ['q'] },
        { op: 'DequantizeLinear', inputs: ['q', 's', 'z'], outputs: ['r'] },
        { op: 'DequantizeLinear', inputs: ['wq', 's', 'wz'], outputs: ['w'] },
        { op: 'DequantizeLinear', inputs: ['bq', 'bs'], outputs: ['b'] },
        { op: 'Conv', inputs: ['r', 'w', 'b'], outputs: ['c'] },
        { op: 'QuantizeLinear', inputs: ['c', 's', 'z'], outputs: ['cq'] },
        { op: 'DequantizeLinear', inputs: ['cq', 's', 'z'], outputs: ['y'] },
      ],
      initializers: [
        one(Float32Array.of(0.5), 's'), one(Int8Array.of(0), 'z'), one(Int8Array.of(7), 'wq', [1, 1, 1, 1]), one(Int8Array.of(weightZero), 'wz'),
        one(Int32Array.of(9), 'bq', [1]), one(Float32Array.of(biasScale), 'bs'),
      ],
    });
    expect(() => compileProgram(with_(0, 0.25))).not.toThrow();
    expect(refusal(with_(1, 0.25)).message).toMatch(/Node 'Conv_4': weights 'wq' have a zero point other than 0/);
    expect(refusal(with_(0, 0.5)).message).toMatch(/Node 'Conv_4': bias of output channel 0 has scale 0.5/);
  });
});

/** Most of what is computed in fp32, between codes and codes. */
function inFloat(seed: number): Uint8Array {
  const ints = (net: Qdq, ...values: number[]): string => net.value(BigInt64Array.from(values, BigInt));
  return small((net, x) => {
    const turned = net.node('Transpose', [net.node('Reshape', [x.name, ints(net, 1, 2, 2, 8, 8)])], { perm: [0, 2, 1, 4, 3] });
    const back = net.node('Reshape', [turned, ints(net, 1, 4, 8, -1)]);
    const large = net.node('Resize', [back, '', net.value(Float32Array.of(1, 1, 2, 1.5))], { mode: seed % 2 === 0 ? 'linear' : 'nearest' });
    const cut = net.node('Slice', [large, ints(net, -1, 2), ints(net, 0, 10), ints(net, 2, 3), ints(net, -3, 1)]);
    const product = net.node('MatMul', [cut, net.node('Transpose', [cut], { perm: [0, 1, 3, 2] })]);
    const padded = net.node('Pad', [net.node('Softmax', [product], { axis: 2 }), ints(net, 0, 1, 0, 0, 0, 0, 0, 3)]);
    return { name: net.node('Concat', [net.node('ReduceMean', [padded], { axes: [2] }), net.node('Gather', [padded, ints(net, 3, 1)], { axis: 2 })], { axis: 2 }), shape: [1, 5, 3, 8] };
  });
}

describe('hostile ONNX', () => {
  const seeds = [
    ...Array.from({ length: 6 }, (_, i) => inFloat(i)),
    ...Array.from({ length: 6 }, (_, i) => network({ channels: 8, height: 6, width: 6, seed: i, flavour: 'plain', head: 'none', steps: (['activation', 'concat', 'upsample', 'split', 'scaled', 'route'] as const).map((kind, k) => ({ kind, seed: i + k })) }, i % 2 === 0).onnx),
    ...Array.from({ length: 6 }, (_, i) => network({ channels: 2 + i, height: 6, width: 6, seed: i, flavour: 'plain', head: 'gemm', steps: [{ kind: 'relu', seed: i }, { kind: 'residual', seed: i }, { kind: 'maxPool', seed: i }] }, false).onnx),
    readFileSync(join(ROOT, 'models/pneumonia/model.int8.onnx')).subarray(0, 40_000),
  ];

  it('is refused with an error of ours: 600 mutated or truncated files', () => {
    const next = random(77);
    const int = (limit: number): number => Math.floor(next() * limit);
    let refused = 0;
    for (let i = 0; i < 600; i++) {
      let bytes = Uint8Array.from(seeds[i % seeds.length] as Uint8Array);
      for (let k = 0; k < 1 + int(4); k++) bytes[int(bytes.length)] = [0, 0xff, 0x7f, 0x80, int(256)][int(5)] as number;
      if (next() < 0.3) bytes = bytes.slice(0, int(bytes.length));
      try {
        compileProgram(bytes);
      } catch (error) {
        if (!(error instanceof CompileError)) throw new Error(`file ${i}: ${(error as Error).stack}`);
        refused++;
      }
    }
    console.log(`${refused} of 600 damaged files refused`);
    expect(refused).toBeGreaterThan(250);
  }, 60_000);

  it('never allocates what a file only claims', () => {
    const tensor = (dims: number[]): Uint8Array => {
      const w = protobuf.Writer.create();
      w.uint32((7 << 3) | 2).fork().uint32((5 << 3) | 2).fork();
      for (const d of dims) w.uint32(1 << 3).int64(d);
      return w.uint32(2 << 3).int32(1).uint32((9 << 3) | 2).bytes(new Uint8Array(4)).ldelim().ldelim().finish();
    };
    expect(refusal(tensor([1 << 20, 1 << 20])).message).toMatch(/too large/);
    expect(refusal(tensor([100_000_000])).message).toMatch(/4 bytes of data, its shape needs 400000000/);
    expect(refusal(tensor([-1])).message).toMatch(/dimension of -1/);
    expect(refusal(tensor([1, 1, 1, 1, 1, 1, 1, 1, 1])).message).toMatch(/9 dimensions/);
    // 2 bytes a node, six hundred thousand of them.
    const flood = Buffer.alloc(1_200_000, Buffer.of(0x0a, 0x00));
    const head = protobuf.Writer.create().uint32((7 << 3) | 2).uint32(flood.length).finish();
    expect(refusal(Buffer.concat([head, flood])).message).toMatch(/more than 500000 entries/);
  }, 60_000);
});

describe('a small file that asks for much', () => {
  it('is refused by the number of layers, weights or channels', () => {
    const many = new Qdq();
    let x = many.input([1, 4, 8, 8], Q);
    for (let i = 0; i < 4200; i++) x = many.quantised(many.node('Relu', [x.name]), x.shape, Q);
    expect(refusal(many.build([x])).message).toMatch(/more than 4096 layers/);
    // One initializer, read by two thousand convolutions.
    const shared = onnxModel({
      inputs: [{ name: 'x', type: 'float32', shape: [1, 1, 4, 4] }],
      outputs: [{ name: 'r', type: 'float32', shape: [1, 1, 4, 4] }],
      nodes: [
        { op: 'QuantizeLinear', inputs: ['x', 's', 'z'], outputs: ['q'] },
        { op: 'DequantizeLinear', inputs: ['q', 's', 'z'], outputs: ['r'] },
        { op: 'DequantizeLinear', inputs: ['wq', 's', 'z'], outputs: ['w'] },
        ...Array.from({ length: 2000 }, (_, i) => ({ op: 'Conv', inputs: ['r', 'w'], outputs: [`c${i}`] })),
      ],
      initializers: [{ name: 's', shape: [], data: Float32Array.of(0.5) }, { name: 'z', shape: [], data: Int8Array.of(0) }, { name: 'wq', shape: [100_000, 1, 1, 1], data: new Int8Array(100_000) }],
    });
    expect(refusal(shared).message).toMatch(/more than 1048576 output channels/);
  });
});

describe('scales', () => {
  it('are taken exactly and rounded once', () => {
    expect(ratioOf(0.75)).toEqual({ numerator: 3n * 2n ** 51n, denominator: 2n ** 53n });
    expect(fixedPoint({ numerator: 1n, denominator: 2n }, 'x', 'n')).toEqual({ multiplier: 2 ** 23, shift: 24 });
    expect(fixedPoint({ numerator: 1n, denominator: 3n }, 'x', 'n')).toEqual({ multiplier: Math.round(2 ** 25 / 3), shift: 25 });
    // 1 - 2^-26 rounds up to 1.0: one bit fewer in the shift, not 25 bits in the multiplier.
    expect(fixedPoint({ numerator: 2n ** 26n - 1n, denominator: 2n ** 26n }, 'x', 'n')).toEqual({ multiplier: 2 ** 23, shift: 23 });
    expect(fixedPoint({ numerator: 1n, denominator: 2n ** 70n }, 'x', 'n')).toEqual({ multiplier: 0, shift: 55 });
    expect(() => fixedPoint({ numerator: 2n ** 24n, denominator: 1n }, 'its scale', 'n')).toThrow(/Node 'n': its scale is too large/);
    expect(fixedPoints([{ numerator: 1n, denominator: 1n }, { numerator: 1n, denominator: 4n }], 'x', 'n')).toEqual({ multipliers: [2 ** 23, 2 ** 21], shift: 23 });
  });

  it('round half to even on both sides of zero', () => {
    expect([-5n, -3n, -1n, 1n, 3n, 5n].map((n) => roundHalfEven(n, 2n))).toEqual([-2n, -2n, 0n, 0n, 2n, 2n]);
    expect([-7n, -2n, -1n, 1n, 2n, 7n].map((n) => roundHalfEven(n, 3n))).toEqual([-2n, -1n, 0n, 0n, 1n, 2n]);
  });
});

describe('readOnnx', () => {
  it('reads values from typed fields as from raw data, packed or not', () => {
    const tensor = (name: string, dataType: number, put: (w: protobuf.Writer) => protobuf.Writer): Uint8Array =>
      put(protobuf.Writer.create().uint32(1 << 3).int64(2).uint32(2 << 3).int32(dataType).uint32((8 << 3) | 2).string(name)).finish();
    const tensors = [
      tensor('floats', 1, (w) => w.uint32((4 << 3) | 2).fork().float(1.5).float(-2).ldelim()),
      tensor('loose floats', 1, (w) => w.uint32((4 << 3) | 5).float(1.5).uint32((4 << 3) | 5).float(-2)),
      tensor('int8s', 3, (w) => w.uint32((5 << 3) | 2).fork().int32(-3).int32(7).ldelim()),
      tensor('loose int8s', 3, (w) => w.uint32(5 << 3).int32(-3).uint32(5 << 3).int32(7)),
      tensor('int64s', 7, (w) => w.uint32((7 << 3) | 2).fork().int64(-1).int64(9).ldelim()),
    ];
    const w = protobuf.Writer.create().uint32((7 << 3) | 2).fork();
    for (const t of tensors) w.uint32((5 << 3) | 2).bytes(t);
    w.uint32((1 << 3) | 2).fork().uint32((4 << 3) | 2).string('Relu').ldelim().ldelim();
    const { initializers } = readOnnx(w.finish());
    expect([...initializers].map(([name, t]) => [name, [...t.data].map(Number)])).toEqual([
      ['floats', [1.5, -2]], ['loose floats', [1.5, -2]], ['int8s', [-3, 7]], ['loose int8s', [-3, 7]], ['int64s', [-1, 9]],
    ]);
  });
});
