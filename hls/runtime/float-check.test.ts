/** Programs of float operators that are wrong: refused by name before anything runs; and what a run of right ones promises. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BinaryFunction, Binding, FloatOp, FloatOperator, FloatTensor, Header, NONE, ReduceFunction, SectionKind, Segment, SoftmaxFunction, UnaryFunction } from '../../src/contract/layout.ts';
import { random } from '../../test/support/qdq.ts';
import { damaged, withField } from '../tests/damage.ts';
import type { Struct } from '../tests/damage.ts';
import { FloatProgram, unaryOf, words, type Tensor } from '../tests/float-program.ts';
import { BUILD_TIMEOUT, Golden, Status } from '../tests/golden.ts';

const O = FloatOperator;
/** Every operator once, from codes and back: index of each in FLOAT_OPS by its name here. */
const OPS = ['dequantize', 'unary', 'binary', 'transpose', 'slice', 'placeFirst', 'placeSecond', 'interpolate', 'softmax', 'reduce', 'matmul', 'nms', 'quantize'] as const;
const at = (name: (typeof OPS)[number]): number => OPS.indexOf(name);

function everyOperator(): { program: FloatProgram; tensors: Record<string, Tensor> } {
  const program = new FloatProgram([2, 3, 4]);
  const t: Record<string, Tensor> = {};
  const add = (name: string, op: number, inputs: Tensor[], shape: number[], more: Parameters<FloatProgram['op']>[3] = {}): Tensor => {
    t[name] = program.tensor(shape);
    program.op(op, inputs, t[name], more);
    return t[name];
  };
  const x = add('x', O.DEQUANTIZE, [], [2, 3, 4], { tensor: 0 });
  const s = add('s', O.UNARY, [x], [2, 3, 4], { function: UnaryFunction.SWISH, parameters: Float32Array.of(1, 0) });
  const b = add('b', O.BINARY, [s, program.constant(Float32Array.of(1, 2, 3), [3, 1])], [2, 3, 4], { function: 2 });
  const turned = add('turned', O.TRANSPOSE, [b], [4, 2, 3], { parameters: Uint32Array.of(2, 0, 1) });
  const sliced = add('sliced', O.SLICE, [turned], [2, 2, 2], { parameters: Int32Array.of(3, 0, 0, -2, 1, 2) });
  const whole = program.tensor([2, 2, 4]);
  program.op(O.PLACE, [sliced], whole, { parameters: Uint32Array.of(0, 0, 0) });
  program.op(O.PLACE, [sliced], whole, { parameters: Uint32Array.of(0, 0, 2) });
  t.whole = whole;
  const wide = add('wide', O.INTERPOLATE, [whole], [2, 2, 6], { axis: 2, parameters: words(...Array.from({ length: 6 }, (_, i) => [i % 4, 3, { f32: i / 8 }]).flat()) });
  const soft = add('soft', O.SOFTMAX, [wide], [2, 2, 6], { axis: 2 });
  const mean = add('mean', O.REDUCE, [soft], [2, 6], { function: ReduceFunction.MEAN, parameters: Uint32Array.of(2) });
  const product = add('product', O.MATMUL, [soft, program.constant(Float32Array.from({ length: 18 }, (_, i) => i), [6, 3])], [2, 2, 3]);
  const rows = program.tensor([1, 2, 6], mean);
  add('found', O.NMS, [rows], [1, 3, 6], { parameters: words({ f32: 0 }, { f32: 0.5 }, 3) });
  const back = program.codes([3, 2, 2], 0.5, 0, 0, true);
  program.op(O.QUANTIZE, [product], null, { tensor: back });
  program.output(t.found!);
  program.output(soft);
  return { program, tensors: t };
}

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start('driver-sanitized')), BUILD_TIMEOUT);
afterAll(async () => {
  const { code, stderr } = await golden.end();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});
const text = async (program: Uint8Array | FloatProgram, budget = 64 << 20): Promise<string> => (await golden.load(program instanceof FloatProgram ? program.build() : program, false, budget)).text;

describe('float operators that are wrong', () => {
  it('are refused with what is wrong', async () => {
    const { program, tensors } = everyOperator();
    const bytes = program.build();
    expect(await text(bytes)).toBe('');
    const { FLOAT_TENSORS, FLOAT_OPS, BINDINGS, SEGMENTS } = SectionKind;
    const op = (name: (typeof OPS)[number], field: string, value: number): Uint8Array => withField(bytes, FloatOp, field, value, FLOAT_OPS, at(name));
    const tensor = (name: string, field: string, value: number, item = 0): Uint8Array => withField(bytes, FloatTensor, field, value, FLOAT_TENSORS, tensors[name]!.index, item);
    const put = (struct: Struct, field: string, value: number, kind?: number, index = 0, item = 0): Uint8Array => withField(bytes, struct, field, value, kind, index, item);
    const cases: [Uint8Array, RegExp][] = [
      [put(Header, 'floatArenaBytes', 2 ** 28 + 4), /header.float_arena_bytes is 268435460/],
      [put(Header, 'floatArenaBytes', 6), /header.float_arena_bytes is 6/],
      [put(Header, 'floatArenaBytes', 64), /float tensor 0: offset 0 .* ends at byte 96 of 64 in the float arena/],
      [tensor('x', 'rank', 7), /float tensor 0: rank is 7/],
      [tensor('x', 'dims', 0, 1), /float tensor 0: dims\[1\] is 0/],
      [tensor('x', 'dims', 2, 3), /float tensor 0: dims\[3\] is 2/],
      [tensor('x', 'dims', 0xffffffff, 1), /float tensor 0: too many elements/],
      [tensor('x', 'place', 2), /float tensor 0: place is 2/],
      [tensor('x', 'offset', 2), /float tensor 0: offset 2 is not a multiple of 4/],
      [tensor('x', 'offset', 0xfffffffc), /float tensor 0: .* ends at byte 4294967388/],
      [tensor('x', 'reserved', 1), /float tensor 0: reserved/],
      [tensor('s', 'place', 1), /float operator 1 \(op1\): its output is a constant/],
      [put(Binding, 'floatTensor', 4000, BINDINGS, 1), /binding 1: float_tensor 4000/],
      [put(Binding, 'tensor', 0, BINDINGS, 1), /binding 1: both a tensor and a float tensor/],
      [put(Binding, 'dataType', 1, BINDINGS, 1), /binding 1: data_type is 1, not FP32/],
      [put(Binding, 'shape', 5, BINDINGS, 1, 1), /binding 1: its shape and that of float tensor/],
      [put(Binding, 'floatTensor', 0, BINDINGS, 0), /binding 0: an input that is a float tensor/],
      [put(Segment, 'count', 5, SEGMENTS), /segments hold 5 float operators of 13/],
      [put(Segment, 'target', 1, SEGMENTS), /segments hold 13 descriptors of 0/],
      [op('unary', 'op', 12), /float operator 1 \(op1\): op is unknown/],
      [op('unary', 'function', 28), /float operator 1 .*function is 28, there are 28/],
      [op('binary', 'function', 7), /function is 7, there are 7/],
      [op('softmax', 'function', 2), /function is 2/],
      [op('reduce', 'function', 4), /function is 4/],
      [op('nms', 'function', 2), /function is 2/],
      [op('transpose', 'function', 1), /function is 1/],
      [op('unary', 'inputA', 4000), /input_a is 4000 of \d+/],
      [op('unary', 'inputA', NONE), /input_a is 4294967295 of/],
      [op('unary', 'inputB', 0), /input_b is 0, not NONE/],
      [op('matmul', 'inputB', NONE), /input_b is 4294967295 of/],
      [op('unary', 'output', NONE), /output is/],
      [op('quantize', 'output', 0), /output is 0, not NONE/],
      [op('dequantize', 'tensor', 7), /tensor is 7 of 2/],
      [op('unary', 'tensor', 0), /tensor is 0, not NONE/],
      [op('softmax', 'axis', 3), /axis is 3/],
      [op('interpolate', 'axis', 0xffffffff), /axis is 4294967295/],
      [op('unary', 'axis', 1), /axis is 1/],
      [op('unary', 'parametersCount', 3), /parameters_count is 3, not 2/],
      [op('unary', 'parametersOffset', 2), /parameters lie outside DATA or are not aligned/],
      [op('unary', 'parametersOffset', NONE), /parameters lie outside DATA/],
      [op('softmax', 'parametersOffset', 0), /parameters_offset of no parameters/],
      [op('unary', 'reserved', 1), /reserved is not 0/],
      [op('unary', 'nameBytes', 0), /float operator 1: name_bytes is 0/],
      [op('unary', 'output', tensors.turned!.index), /input and output differ in shape/],
      [op('binary', 'inputB', tensors.turned!.index), /axis \d: \d and \d are not broadcast to \d/],
      [op('dequantize', 'tensor', 1), /differ in elements/],
      [op('quantize', 'inputA', tensors.soft!.index), /differ in elements/],
      [op('placeSecond', 'output', tensors.x!.index), /float operator 7 .*an input is read that nothing has written/],
      [op('matmul', 'inputB', tensors.wide!.index), /its matrices do not fit/],
      [op('nms', 'inputA', tensors.soft!.index), /its input is not \[1, N/],
      [op('unary', 'inputA', tensors.soft!.index), /input and output differ in shape/],
      [op('slice', 'inputA', tensors.whole!.index), /axis 0: 2 elements from 3 on in steps of -2 leave the input's 2/],
    ];
    for (const [wrong, expected] of cases) expect(await text(wrong)).toMatch(expected);
  });

  it('are refused by what their parameters say', async () => {
    const one = (op: number, shapes: number[][], out: number[], more: Parameters<FloatProgram['op']>[3]): FloatProgram => {
      const program = new FloatProgram();
      program.result(op, shapes.map((shape) => program.constant(new Float32Array(shape.reduce((a, d) => a * d, 1)), shape)), out, more);
      return program;
    };
    const cases: [FloatProgram, RegExp | string][] = [
      [one(O.TRANSPOSE, [[2, 3]], [3, 2], { parameters: Uint32Array.of(1, 0) }), ''],
      [one(O.TRANSPOSE, [[2, 3]], [3, 3], { parameters: Uint32Array.of(1, 1) }), /no permutation/],
      [one(O.TRANSPOSE, [[2, 3]], [3, 2], { parameters: Uint32Array.of(1, 33) }), /no permutation/],
      [one(O.TRANSPOSE, [[2, 3]], [2, 3], { parameters: Uint32Array.of(1, 0) }), /another shape/],
      [one(O.SLICE, [[5]], [3], { parameters: Int32Array.of(4, -2) }), ''],
      [one(O.SLICE, [[5]], [4], { parameters: Int32Array.of(4, -2) }), /leave the input's 5/],
      [one(O.SLICE, [[5]], [3], { parameters: Int32Array.of(1, 2) }), /leave the input's 5/],
      [one(O.SLICE, [[5]], [1], { parameters: Int32Array.of(-1, 1) }), /leave the input's 5/],
      [one(O.SLICE, [[5]], [2], { parameters: Int32Array.of(0, 0) }), /steps of 0/],
      [one(O.SLICE, [[5]], [2], { parameters: Int32Array.of(0, -(2 ** 31)) }), /leave the input's 5/],
      [one(O.INTERPOLATE, [[3]], [1], { parameters: words(2, 3, { f32: 0 }) }), /reads 2 and 3 of 3/],
      [one(O.INTERPOLATE, [[3]], [1], { parameters: words(-1, 0, { f32: 0 }) }), /reads 4294967295 and 0 of 3/],
      [one(O.INTERPOLATE, [[3]], [1], { parameters: words(0, 0, { f32: NaN }) }), /weight is not a number/],
      [one(O.REDUCE, [[2, 3]], [2], { parameters: Uint32Array.of(0) }), /mask names no axis/],
      [one(O.REDUCE, [[2, 3]], [2], { parameters: Uint32Array.of(4) }), /mask names no axis/],
      [one(O.REDUCE, [[2, 3]], [3], { parameters: Uint32Array.of(2) }), /another shape/],
      [one(O.REDUCE, [[2, 3]], [], { parameters: Uint32Array.of(2) }), /another/],
      [one(O.REDUCE, [[2, 3]], [1, 1], { parameters: Uint32Array.of(2) }), /another shape/],
      [one(O.MATMUL, [[2, 3], [4, 2]], [2, 2], {}), /do not fit/],
      [one(O.MATMUL, [[3], [3, 2]], [2], {}), /no matrix/],
      [one(O.MATMUL, [[3, 2, 3], [2, 3, 2]], [3, 2, 2], {}), /axis 0: 3 and 2 are not broadcast to 3/],
      [one(O.MATMUL, [[2, 3], [3, 2]], [1, 2, 2], {}), /another rank/],
      [one(O.BINARY, [[2], [2]], [1, 2], {}), /another rank/],
      [one(O.NMS, [[1, 4, 5]], [1, 2, 6], { parameters: words({ f32: 0 }, { f32: 0 }, 2) }), /its input is not/],
      [one(O.NMS, [[1, 4, 6]], [1, 2, 6], { parameters: words({ f32: 0 }, { f32: 0 }, 3) }), /its output is not/],
      [one(O.NMS, [[1, 4, 6]], [1, 30001, 6], { parameters: words({ f32: 0 }, { f32: 0 }, 30001) }), /too many detections/],
      [one(O.NMS, [[1, 4, 6]], [1, 2, 6], { parameters: words({ f32: NaN }, { f32: 0 }, 2) }), /a threshold is not a number/],
    ];
    for (const [program, expected] of cases) expect(await text(program)).toMatch(expected === '' ? /^$/ : expected);
  });

  it('are refused where one reads what nobody wrote, or writes over what it reads', async () => {
    const built = (make: (program: FloatProgram) => void): FloatProgram => {
      const program = new FloatProgram([1, 2, 4]);
      make(program);
      return program;
    };
    const neg = { function: UnaryFunction.NEG, parameters: Float32Array.of(0, 0) };
    const part = (...start: number[]): { parameters: Uint32Array } => ({ parameters: Uint32Array.from(start) });
    const cases: [FloatProgram, RegExp][] = [
      [built((p) => void unaryOf(p, p.tensor([4]), UnaryFunction.NEG)), /an input is read that nothing has written/],
      [built((p) => p.output(p.tensor([4]))), /binding 1: nothing has written its float tensor/],
      [built((p) => void p.result(O.DEQUANTIZE, [], [3], { tensor: p.codes([3, 1, 1], 1, 0) })), /a tensor is read that nothing has written/],
      // Half of it is written.
      [built((p) => {
        const whole = p.tensor([8]);
        p.op(O.UNARY, [p.constant(new Float32Array(4), [4])], p.tensor([4], whole), neg);
        unaryOf(p, whole, UnaryFunction.NEG);
      }), /nothing has written/],
      // A Concat of which a part is missing, and one whose parts lie over one another.
      [built((p) => {
        const whole = p.tensor([2, 4]);
        const half = p.constant(new Float32Array(4), [1, 4]);
        p.op(O.PLACE, [half], whole, part(1, 0));
        p.output(whole);
      }), /nothing has written/],
      [built((p) => {
        const whole = p.tensor([2, 4]);
        p.op(O.PLACE, [p.constant(new Float32Array(4), [1, 4])], whole, part(1, 0));
        p.op(O.PLACE, [p.constant(new Float32Array(4), [2, 2])], whole, part(0, 1));
      }), /lies over another/],
      // What was put together so far is written over by another operator.
      [built((p) => {
        const whole = p.tensor([2, 4]);
        const half = p.constant(new Float32Array(4), [1, 4]);
        p.op(O.PLACE, [half], whole, part(0, 0));
        p.op(O.UNARY, [p.constant(new Float32Array(1), [1])], p.tensor([1], whole), neg);
        p.op(O.PLACE, [half], whole, part(1, 0));
        p.output(whole);
      }), /nothing has written/],
      [built((p) => {
        const x = p.tensor([2, 4]);
        p.op(O.DEQUANTIZE, [], x, { tensor: 0 });
        p.op(O.TRANSPOSE, [x], p.tensor([4, 2], x), part(1, 0));
      }), /its output lies over an input/],
      [built((p) => {
        const x = p.tensor([2, 4]);
        p.op(O.DEQUANTIZE, [], x, { tensor: 0 });
        p.op(O.SOFTMAX, [x], x);
      }), /its output lies over an input/],
      // A value that is broadcast would be written over while it is still needed.
      [built((p) => {
        const x = p.tensor([2, 4]);
        p.op(O.DEQUANTIZE, [], x, { tensor: 0 });
        p.op(O.BINARY, [p.tensor([4], x), x], x);
      }), /its output lies over an input/],
    ];
    for (const [program, expected] of cases) expect(await text(program)).toMatch(expected);
    // Complete, though in pieces: a border put down whole, then what it surrounds; two halves by two operators.
    expect(await text(built((p) => {
      const whole = p.tensor([4, 4]);
      p.op(O.INTERPOLATE, [p.constant(Float32Array.of(7), [1, 1])], p.tensor([16, 1], whole), { axis: 0, parameters: words(...Array.from({ length: 16 }, () => [0, 0, { f32: 0 }]).flat()) });
      p.op(O.PLACE, [p.constant(new Float32Array(4), [2, 2])], whole, part(1, 1));
      p.output(whole);
    }))).toBe('');
    expect(await text(built((p) => {
      const whole = p.tensor([8]);
      for (const start of [0, 1]) p.op(O.PLACE, [p.constant(new Float32Array(4), [1, 4])], p.tensor([2, 4], whole), part(start, 0));
      unaryOf(p, whole, UnaryFunction.NEG);
    }))).toMatch(/nothing has written/);
  });

  it('are held to the budget before anything is allocated', async () => {
    const program = new FloatProgram();
    const x = program.tensor([1, 4096, 1024]);
    program.op(O.INTERPOLATE, [program.constant(new Float32Array(1024), [1, 1, 1024])], x, { axis: 1, parameters: new Uint32Array(3 * 4096) });
    program.output(x);
    expect(await text(program, 1 << 20)).toMatch(/program needs 168\d+ bytes, the budget is 1048576/);
    expect(await text(program)).toBe('');
    const product = new FloatProgram();
    const left = product.constant(new Float32Array(8192), [8192, 1]);
    const wide = product.tensor([8192, 4096]);
    product.op(O.MATMUL, [left, product.constant(new Float32Array(4096), [1, 4096])], wide);
    const deep = product.tensor([4096, 1]);
    product.op(O.REDUCE, [wide], deep, { parameters: Uint32Array.of(1) });
    expect(await text(product)).toMatch(/another shape/);
  });

  it('never take the process down: 3,000 mutated and truncated files', async () => {
    const next = random(99);
    const bytes = everyOperator().program.build();
    const statuses = new Map<number, number>();
    for (let i = 0; i < 3000; i++) {
      const loaded = await golden.load(damaged(bytes, next), false, 64 << 20);
      statuses.set(loaded.status, (statuses.get(loaded.status) ?? 0) + 1);
      if (loaded.status === Status.OK) await golden.run(new Int8Array(loaded.inputBytes));
      else expect(loaded.text.length).toBeGreaterThan(10);
    }
    console.log(`statuses of 3,000 damaged programs: ${[...statuses].map(([s, n]) => `${s}: ${n}`).join(', ')}`);
    expect(statuses.get(Status.FORMAT)).toBeGreaterThan(1000);
    expect(statuses.get(Status.OK)).toBeGreaterThan(10);
  }, 120_000);
});

describe('a run of float operators', () => {
  it('tells its layers in the order of execution', async () => {
    await golden.load(everyOperator().program.build());
    expect(await golden.layers()).toEqual([
      'PS dequantize op0 0', 'PS swish op1 0', 'PS mul op2 0', 'PS transpose op3 0', 'PS slice op4 0', 'PS place op5 0', 'PS place op6 0', 'PS interpolate op7 0', 'PS softmax op8 0',
      'PS reduce_mean op9 0', 'PS matmul op10 72', 'PS nms op11 0', 'PS quantize op12 0',
    ]);
  });

  it('calls each function by the layout\'s name', async () => {
    const program = new FloatProgram();
    const x = program.constant(new Float32Array(4), [2, 2]);
    const names: string[] = [];
    const add = (op: number, fn: number, name: string, inputs: Tensor[], shape: number[], parameters: Uint32Array | null): void => {
      names.push(name.toLowerCase());
      program.op(op, inputs, program.tensor(shape), { function: fn, parameters });
    };
    for (const [name, fn] of Object.entries(UnaryFunction)) add(O.UNARY, fn, name, [x], [2, 2], new Uint32Array(2));
    for (const [name, fn] of Object.entries(BinaryFunction)) add(O.BINARY, fn, name, [x, x], [2, 2], null);
    for (const [name, fn] of Object.entries(SoftmaxFunction)) add(O.SOFTMAX, fn, name, [x], [2, 2], null);
    for (const [name, fn] of Object.entries(ReduceFunction)) add(O.REDUCE, fn, `reduce_${name}`, [x], [2], Uint32Array.of(1));
    program.output(x);
    expect(await text(program)).toBe('');
    expect((await golden.layers()).map((line) => line.split(' ')[1])).toEqual(names);
  });

  it('stops between operators when cancelled or late, and leaves the outputs alone', async () => {
    const { inputBytes } = await golden.load(everyOperator().program.build());
    for (const [timeout, cancel, status] of [[0n, true, Status.CANCELLED], [1n, false, Status.DEADLINE]] as const) {
      const stopped = await golden.runBounded(new Int8Array(inputBytes), timeout, cancel);
      expect(stopped.status).toBe(status);
      expect(stopped.bytes.every((byte) => byte === 0x55)).toBe(true);
    }
  });

  it('shows nothing of the run before', async () => {
    const { program } = everyOperator();
    const { inputBytes } = await golden.load(program.build());
    const first = await golden.run(new Int8Array(inputBytes).map((_, i) => i));
    await golden.run(new Int8Array(inputBytes).fill(-100));
    expect(await golden.run(new Int8Array(inputBytes).map((_, i) => i))).toEqual(first);
  });
});
