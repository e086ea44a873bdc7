import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Binding, DescriptorFlag, Descriptor, Header, Op, Section, SectionKind, Segment, Tensor } from '../../src/contract/layout.ts';
import { compileProgram } from '../../src/compiler/compile.ts';
import { writeProgram } from '../../src/compiler/write.ts';
import { random } from '../../test/support/qdq.ts';
import { inputCodes, network } from '../../test/support/random-network.ts';
import { at, damaged, withField } from '../tests/damage.ts';
import type { Struct } from '../tests/damage.ts';
import { BUILD_TIMEOUT, Golden, Status } from '../tests/golden.ts';
import type { Layer } from '../tests/layer.ts';
import { partsOf, programOf, randomLayer } from '../tests/layer.ts';

/** A network with most kinds of layers. */
const NETWORK = network(
  { channels: 3, height: 9, width: 10, seed: 11, flavour: 'plain', head: 'gemm', steps: [{ kind: 'relu', seed: 5 }, { kind: 'maxPool', seed: 8 }, { kind: 'residual', seed: 3 }, { kind: 'averagePool', seed: 21 }, { kind: 'rescale', seed: 2 }] },
  false,
);
const PROGRAM = compileProgram(NETWORK.onnx).program;
const CODES = inputCodes(NETWORK.inputElements, 1);

describe('a program that is not one', () => {
  let golden: Golden;
  beforeAll(async () => void (golden = await Golden.start('driver-sanitized')), BUILD_TIMEOUT);
  afterAll(async () => {
    const { code, stderr } = await golden.end();
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });

  const text = async (program: Uint8Array, verifyData = false): Promise<string> => (await golden.load(program, verifyData, 64 << 20)).text;

  it('loads and runs when nothing is wrong', async () => {
    // What follows means little unless the network has layers of most kinds, an add fused into one.
    const view = new DataView(PROGRAM.buffer);
    const count = view.getUint32(Header.bytes + (SectionKind.DESCRIPTORS - 1) * Section.bytes + Section.fields.count.offset, true);
    const flags = Array.from({ length: count }, (_, i) => view.getUint16(at(PROGRAM, Descriptor, 'flags', i, SectionKind.DESCRIPTORS), true));
    expect(count).toBeGreaterThan(5);
    expect(flags.some((f) => f & DescriptorFlag.HAS_RESIDUAL)).toBe(true);
    expect(await text(PROGRAM, true)).toBe('');
    await golden.run(CODES);
  });

  it('is refused with the field that is wrong', async () => {
    const put = (struct: Struct, field: string, value: number, kind?: number, index = 0): Uint8Array => withField(PROGRAM, struct, field, value, kind, index);
    const channels = (index: number): number => new DataView(PROGRAM.buffer).getUint32(at(PROGRAM, Tensor, 'channels', index, SectionKind.TENSORS), true);
    let wide = 0;
    while (channels(wide) <= 8) wide++;
    const { TENSORS, BINDINGS, SEGMENTS, DESCRIPTORS } = SectionKind;
    const cases: [Uint8Array, RegExp][] = [
      [Uint8Array.of(70), /truncated: 1 bytes/],
      [PROGRAM.subarray(0, 100), /truncated/],
      [PROGRAM.subarray(0, PROGRAM.length - 1), /header.file_bytes/],
      [put(Header, 'magic', 0x46464952), /not a FabricLens program: magic is 0x46464952/],
      [put(Header, 'version', 0), /layout version 0, this runtime reads version 2/],
      [put(Header, 'sectionCount', 7), /header.section_count is 7, not 8/],
      [put(Header, 'arenaBytes', 0x7fffffff), /header.arena_bytes is 2147483647/],
      [put(Header, 'arenaBytes', 64), /of an arena of 64/],
      [put(Header, 'reserved', 1), /header.reserved/],
      [put(Section, 'offset', 0xffffffc0), /section STRINGS: ends at byte/],
      [put(Section, 'count', 0xffffffff), /section STRINGS/],
      [put(Section, 'kind', 9), /section 0 is of kind 9/],
      [put(Tensor, 'nameOffset', 0x7fffffff, TENSORS), /tensor 0: name lies outside STRINGS/],
      [put(Tensor, 'nameBytes', 0, TENSORS), /tensor 0: name_bytes is 0/],
      [put(Tensor, 'dataType', 3, TENSORS), /tensor 0: data_type is 3/],
      [put(Tensor, 'height', 0, TENSORS), /tensor 0: shape 0/],
      [put(Tensor, 'arenaOffset', 4, TENSORS), /tensor 0: .* is not a multiple of 8/],
      [put(Tensor, 'rowStride', 8, TENSORS), /tensor 0: row_stride 8/],
      [put(Tensor, 'rowStride', 81, TENSORS), /tensor 0: .* is not a multiple of 8/],
      [put(Tensor, 'planeStride', 8, TENSORS), /tensor 0: plane_stride 8 is less than a plane/],
      [put(Tensor, 'planeStride', 0x40000000, TENSORS, wide), /tensor \d+: ends at byte/],
      [put(Tensor, 'scale', 0x7fc00000, TENSORS), /tensor 0: scale/],
      [put(Tensor, 'zeroPoint', 128, TENSORS), /tensor 0: zero_point 128/],
      [put(Binding, 'tensor', 4000, BINDINGS), /binding 0: tensor 4000/],
      [put(Binding, 'rank', 5, BINDINGS), /binding 0: rank is 5/],
      [put(Binding, 'direction', 1, BINDINGS), /no input/],
      [put(Binding, 'shape', 2, BINDINGS), /binding 0: batch is 2/],
      [put(Segment, 'target', 4, SEGMENTS), /segment 0: target is 4/],
      [put(Segment, 'count', 1, SEGMENTS), /segments hold 1 descriptors/],
      [put(Descriptor, 'op', 99, DESCRIPTORS), /layer 0 \(.+\): unknown op 99/],
      [put(Descriptor, 'flags', 0x80, DESCRIPTORS), /layer 0 .*unknown flags/],
      [put(Descriptor, 'inputOffset', 0x7ffffff8, DESCRIPTORS), /layer 0 .*input ends at byte/],
      [put(Descriptor, 'outputOffset', 0, DESCRIPTORS, 1), /layer 1 .*differs from the tensor it names/],
      [put(Descriptor, 'outputTensor', 0xffffffff, DESCRIPTORS), /layer 0 .*output_tensor/],
      [put(Descriptor, 'outputHeight', 1, DESCRIPTORS), /layer 0/],
      [put(Descriptor, 'strideH', 0, DESCRIPTORS), /stride or dilation is 0/],
      [put(Descriptor, 'reserved16', 3, DESCRIPTORS), /reserved is not 0/],
      [put(Descriptor, 'inputOffset', 4, DESCRIPTORS), /input: offset or stride is not a multiple of 8/],
      [put(Descriptor, 'inputPlaneStride', 12, DESCRIPTORS), /input: offset or stride is not a multiple of 8/],
      [put(Descriptor, 'secondOffset', 0, DESCRIPTORS), /second source without channels/],
      [put(Descriptor, 'flags', DescriptorFlag.UPSAMPLE_SECOND, DESCRIPTORS), /second source without channels/],
      [put(Descriptor, 'secondChannels', 3, DESCRIPTORS), /second source leaves the first no channels/],
      [put(Descriptor, 'secondChannels', 1, DESCRIPTORS), /first source of two has no multiple of 8 channels/],
      [put(Descriptor, 'op', Op.DEPTHWISE, DESCRIPTORS), /input and output channels differ/],
      [put(Descriptor, 'op', Op.COPY, DESCRIPTORS), /input and output shapes differ/],
      [put(Descriptor, 'weightsOffset', 0xffffffff, DESCRIPTORS), /weights lies outside DATA/],
      [put(Descriptor, 'parametersOffset', 4, DESCRIPTORS), /parameters is at offset 4/],
      [put(Descriptor, 'inputChannels', 0x10000, DESCRIPTORS), /layer 0/],
    ];
    for (const [program, expected] of cases) expect(await text(program)).toMatch(expected);
  });

  it('is refused when a source, the second and half-sized ones included, reaches beyond the arena', async () => {
    const layer: Layer = { ...randomLayer(1), op: Op.MAX_POOL, flags: DescriptorFlag.UPSAMPLE_SECOND, input: [6, 6, 13], second: 5, output: [5, 5, 13], kernel: [2, 2], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], weights: new Int8Array(), parameters: [], slack: [0, 0] };
    const program = programOf(layer);
    const put = (field: string, value: number): Uint8Array => withField(program, Descriptor, field, value, SectionKind.DESCRIPTORS);
    const arena = new DataView(program.buffer).getUint32(at(program, Header, 'arenaBytes'), true);
    expect(await text(program)).toBe('');
    // 3 x 3 pixels at half resolution; at full, 6 x 6.
    expect(await text(put('secondOffset', arena - 72))).toBe('');
    expect(await text(put('secondOffset', arena - 64))).toMatch(new RegExp(`second source ends at byte ${arena + 8} of an arena of ${arena}`));
    expect(await text(withField(put('secondOffset', arena - 72), Descriptor, 'flags', 0, SectionKind.DESCRIPTORS))).toMatch(/second source ends at byte/);
    expect(await text(put('secondRowStride', 12))).toMatch(/second source: offset or stride/);
    expect(await text(put('secondChannels', 6))).toMatch(/first source of two has no multiple of 8 channels/);
    expect(await text(put('inputPlaneStride', 1 << 30))).toBe('');
    expect(await text(put('inputRowStride', 1 << 30))).toMatch(/input ends at byte/);
    expect(await text(put('outputPlaneStride', 1 << 30))).toMatch(/output ends at byte/);
  });

  it('is refused when it pools the output of anything but a convolution, or with another size than halves', async () => {
    const base: Layer = { ...randomLayer(1), op: Op.CONV, flags: DescriptorFlag.POOL_OUTPUT, input: [7, 6, 2], second: 0, output: [3, 2, 2], kernel: [1, 2], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], weights: new Int8Array(8).fill(1), parameters: [1, 2].map((bias) => ({ bias, multiplier: 1, shift: 1 })), slack: [0, 0] };
    const refused = (layer: Partial<Layer>): Promise<string> => text(programOf({ ...base, ...layer }));
    // 7 x 5 results: the last row and column are dropped.
    expect(await refused({})).toBe('');
    expect(await refused({ op: Op.DEPTHWISE })).toBe('');
    expect(await refused({ output: [4, 2, 2] })).toMatch(/layer 0 .*height: output is 4, not 3/);
    expect(await refused({ output: [3, 3, 2] })).toMatch(/width: output is 3, not 2/);
    expect(await refused({ output: [7, 5, 2] })).toMatch(/height: output is 7, not 3/);
    expect(await refused({ input: [1, 6, 2], output: [1, 2, 2] })).toMatch(/height: output is 1, not 0/);
    expect(await refused({ flags: DescriptorFlag.POOL_OUTPUT | DescriptorFlag.HAS_RESIDUAL })).toMatch(/pools the output of a residual add/);
    for (const op of [Op.DENSE, Op.MAX_POOL, Op.AVERAGE_POOL, Op.ADD, Op.TABLE, Op.COPY]) expect(await refused({ op })).toMatch(/pools the output of what is no convolution/);
    // 2^21 results of 2^14 weights each are as much as a layer may do.
    const long = (rows: number): Partial<Layer> => ({ input: [512 + rows, 515, 1024], output: [256, 256, 8], kernel: [rows + 1, 4], weights: new Int8Array(8 * 4096 * (rows + 1)), parameters: Array.from({ length: 8 }, () => ({ bias: 0, multiplier: 1, shift: 1 })) });
    expect(await refused(long(3))).toMatch(/the budget is 67108864/);
    expect(await refused(long(4))).toMatch(/too much work for one layer/);
  });

  it('is refused when a convolution\'s window is not its segment\'s, or nobody\'s', async () => {
    const base: Layer = { ...randomLayer(1), op: Op.DEPTHWISE, flags: 0, input: [70, 70, 1], second: 0, output: [1, 1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], kernel: [1, 1], parameters: [{ bias: 0, multiplier: 1, shift: 1 }], slack: [0, 0] };
    const of = ([height, width]: [number, number], more: Partial<Layer>, target: 'PL' | 'PS'): Promise<string> => {
      const layer = { ...base, kernel: [height, width] as [number, number], weights: new Int8Array(height * width).fill(1), ...more };
      const output = [0, 1].map((i) => Math.floor((70 + layer.pads[i]! + layer.pads[i + 2]! - (layer.kernel[i]! - 1) * layer.dilations[i]! - 1) / layer.strides[i]!) + 1) as [number, number];
      return text(programOf({ ...layer, output: [...output, 1] }, target));
    };
    expect(await of([7, 7], { strides: [2, 2], dilations: [2, 2] }, 'PL')).toBe('');
    expect(await of([8, 1], {}, 'PL')).toMatch(/layer 0 .*kernel is larger than the core's/);
    expect(await of([1, 1], { strides: [1, 3] }, 'PL')).toMatch(/stride is not 1 or 2/);
    expect(await of([1, 2], { dilations: [1, 3] }, 'PL')).toMatch(/dilation is not 1 or 2/);
    expect(await of([64, 64], {}, 'PS')).toBe('');
    expect(await of([17, 241], { pads: [0, 100, 0, 100] }, 'PS')).toMatch(/kernel has too many taps/);
    expect(await of([2, 2], { strides: [255, 255], dilations: [255, 255], pads: [255, 255, 255, 255] }, 'PS')).toBe('');
    expect(await of([2, 2], { dilations: [254, 254], pads: [255, 255, 255, 255] }, 'PS')).toMatch(/padding reaches the kernel's extent/);
  });

  it('is refused when a checksum does not fit', async () => {
    const table = Uint8Array.from(PROGRAM);
    table[at(PROGRAM, Tensor, 'scale', 0, SectionKind.TENSORS)]! ^= 1;
    expect(await text(table)).toMatch(/metadata_crc32 .* damaged/);
    // Weights are the package hash's business, unless asked for.
    const weights = Uint8Array.from(PROGRAM);
    const first = new DataView(PROGRAM.buffer).getUint32(at(PROGRAM, Descriptor, 'weightsOffset', 0, SectionKind.DESCRIPTORS), true);
    const place = new DataView(PROGRAM.buffer).getUint32(Header.bytes + (SectionKind.DATA - 1) * Section.bytes + 4, true) + first;
    weights[place] = weights[place] === 1 ? 2 : 1;
    expect(await text(weights)).toBe('');
    expect(await text(weights, true)).toMatch(/section DATA: crc32/);
    weights[place] = 0x80;
    expect(await text(weights)).toMatch(/weight 0 of output channel 0 is -128/);
  });

  it('is refused when an accumulator could overflow, or the work or memory is beyond the budget', async () => {
    const layer: Layer = { ...randomLayer(1), op: Op.CONV, flags: 0, input: [1, 1, 1], second: 0, output: [1, 1, 1], kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], weights: Int8Array.of(127), slack: [0, 0] };
    const one = (bias: number, shift: number): Uint8Array => programOf({ ...layer, parameters: [{ bias, multiplier: 1, shift }] });
    expect(await text(one(2 ** 31 - 127 * 128 - 1, 1))).toBe('');
    expect(await text(one(2 ** 31 - 127 * 128, 1))).toMatch(/output channel 0 can overflow/);
    expect(await text(one(-(2 ** 31), 1))).toMatch(/output channel 0 can overflow/);
    expect(await text(one(0, 0))).toMatch(/shift is 0/);
    expect(await text(one(0, 56))).toMatch(/shift is 56/);
    expect((await golden.load(PROGRAM, false, 1000)).text).toMatch(/need \d+ bytes, the budget is 1000/);
    const texts = new Set<string>();
    for (let budget = 1000; budget < 1e6; budget = Math.ceil(budget * 1.3)) texts.add((await golden.load(PROGRAM, false, budget)).text.replace(/\d+/g, '#'));
    expect([...texts]).toEqual([expect.stringMatching(/^weights up to layer #/), 'program needs # bytes, the budget is #', '']);
    // Four thousand layers over one megabyte of weights: refused at the fourth, not after looking through four gigabytes.
    const wide: Layer = { ...layer, input: [1, 1, 1024], output: [1, 1, 1024], weights: new Int8Array(1 << 20).fill(1), parameters: Array.from({ length: 1024 }, () => ({ bias: 0, multiplier: 1, shift: 1 })) };
    const parts = partsOf(wide);
    const shared = writeProgram({ ...parts, descriptors: Array.from({ length: 4096 }, () => parts.descriptors[0]!) });
    const refused = await golden.load(shared, false, 7 << 20);
    expect(refused).toMatchObject({ status: Status.MEMORY, text: 'weights up to layer 3 need 8388608 bytes, the budget is 7340032' });
  });

  it('never takes the process down: 3,000 mutated and truncated files', async () => {
    const next = random(2024);
    const programs = [PROGRAM, ...Array.from({ length: 12 }, (_, i) => programOf(randomLayer(100 + i, { pool: true }))), ...Array.from({ length: 4 }, (_, i) => programOf(randomLayer(200 + i, { pool: true, far: true }), 'PS'))];
    const statuses = new Map<number, number>();
    for (let i = 0; i < 3000; i++) {
      const program = damaged(programs[i % programs.length] as Uint8Array, next);
      const loaded = await golden.load(program, false, 64 << 20);
      statuses.set(loaded.status, (statuses.get(loaded.status) ?? 0) + 1);
      if (loaded.status === Status.OK) await golden.run(inputCodes(loaded.inputBytes, i));
      else expect(loaded.text.length).toBeGreaterThan(10);
    }
    console.log(`statuses of 3,000 damaged programs: ${[...statuses].map(([s, n]) => `${s}: ${n}`).join(', ')}`);
    expect(statuses.get(Status.FORMAT)).toBeGreaterThan(1000);
    // Some changes are harmless (a name, a scale); those must run.
    expect(statuses.get(Status.OK)).toBeGreaterThan(10);
  }, 120_000);
});

describe('a run', () => {
  let golden: Golden;
  beforeAll(async () => {
    golden = await Golden.start('driver-sanitized');
    await golden.load(PROGRAM);
  }, BUILD_TIMEOUT);
  afterAll(async () => void expect((await golden.end()).code).toBe(0));

  it('is refused with the argument that is wrong, and nothing else breaks', async () => {
    const lines = await golden.misuse();
    const expected = [
      /^right: ok $/, /^null inputs: argument .*NULL/, /^one input too many: argument 2 inputs and 1 outputs given, the program has 1 and 1/, /^no outputs: argument/,
      /^size: argument input 'input\d+': has 271 bytes, 270 are wanted/, /^dtype: argument input '.*': dtype/, /^no data: argument input '.*': no data/,
      /^output not wanted: ok $/, /^options without size: argument struct_bytes/, /^null program: argument/, /^load null bytes: argument bytes is NULL/,
      /^load unknown flags: argument unknown flags/, /^load without error text: format/, /^load with a short error text: format program$/,
      /^tensor index: argument/, /^direction: argument/, /^layer index: argument/,
    ];
    expect(lines).toHaveLength(expected.length);
    lines.forEach((line, i) => expect(line).toMatch(expected[i] as RegExp));
  });

  it('stops between layers when cancelled or late, and leaves the outputs alone', async () => {
    for (const [timeout, cancel, status] of [[0n, true, Status.CANCELLED], [1n, false, Status.DEADLINE]] as const) {
      const stopped = await golden.runBounded(CODES, timeout, cancel);
      expect(stopped.status).toBe(status);
      expect(stopped.bytes.every((byte) => byte === 0x55)).toBe(true);
    }
    const done = await golden.runBounded(CODES, 60_000_000_000n, false);
    expect(done.status).toBe(Status.OK);
    expect(new Int8Array(done.bytes.buffer)).toEqual(await golden.run(CODES));
  });

  it('takes fp32 as QuantizeLinear would make it, and gives it back dequantised', async () => {
    const { scale, zeroPoint } = NETWORK.codes[0] as { scale: number; zeroPoint: number };
    const real = Float32Array.from(CODES, (code) => (code - zeroPoint) * scale);
    const { values } = await golden.runFloat(real);
    const out = NETWORK.final;
    expect(values).toEqual(Float32Array.from(await golden.run(CODES), (code) => Math.fround((code - out.zeroPoint) * out.scale)));
  });

  it('names the element that is not a number', async () => {
    const real = new Float32Array(CODES.length);
    real[37] = NaN;
    expect(await golden.runFloat(real)).toMatchObject({ status: Status.ARGUMENT, text: expect.stringMatching(/^input 'input\d+': element 37 is not a number$/) as string });
  });

  it('belongs to one thread at a time', async () => {
    const { ok, busy, bad } = await golden.threads(CODES, 40);
    expect(bad).toBe(0);
    expect(ok + busy).toBe(80);
    expect(ok).toBeGreaterThan(0);
  });
});

describe('QuantizeLinear', () => {
  let golden: Golden;
  beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
  afterAll(async () => void (await golden.end()));

  it('rounds half to even, saturates, and divides in fp32', async () => {
    const next = random(9);
    for (const [scale, zero] of [[1, 0], [0.5, -128], [1 / 3, 127], [0.0170503, -5], [1e-30, 3], [1e30, 3]] as const) {
      const s = Math.fround(scale);
      const values = Float32Array.from([0, -0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, Infinity, -Infinity, 3.4e38, -3.4e38, 1e-45, 126.5, 127.5, 128.5, -128.5, -129.5].map((v) => v * s)
        .concat([Infinity, -Infinity, 3.4e38, 1e-45], Array.from({ length: 5000 }, () => (next() - 0.5) * 600 * s)));
      const { firstNan, codes } = await golden.quantize(values, s, zero);
      expect(firstNan).toBe(-1);
      const want = Int8Array.from(values, (v) => {
        const quotient = Math.fround(v / s);
        const floor = Math.floor(quotient);
        const rest = quotient - floor;
        const steps = !Number.isFinite(quotient) ? quotient : rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
        return Math.max(-128, Math.min(127, steps + zero));
      });
      expect(codes).toEqual(want);
    }
    expect((await golden.quantize(Float32Array.of(1, NaN, 2, NaN), 1, 0)).firstNan).toBe(1);
  });
});
