/**
 * The runtime for the board's processor under qemu-arm: the tests of the runtime and of the golden model's layers once more, on drivers that the cross
 * compiler built; and its results beside this computer's, bit for bit.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileProgram } from '../../src/compiler/compile.ts';
import { BinaryFunction, FloatOperator, UnaryFunction } from '../../src/contract/layout.ts';
import { inputCodes } from '../../test/support/random-network.ts';
import { random } from '../../test/support/qdq.ts';
import { MEMORY_ADDRESS, SimulatedBoard } from '../sim/board.ts';
import { hasArmhf } from '../tests/armhf.ts';
import { FloatProgram, unaryOf } from '../tests/float-program.ts';
import { BUILD_TIMEOUT, Golden, Status, useMachine } from '../tests/golden.ts';
import { mixedFloats } from '../tests/network.ts';

useMachine('armhf');
if (!hasArmhf) it.skip('the runtime built for armhf is tested under qemu-arm', () => {});
else describe('armhf', () => {
  describe('beside this computer', () => {
    let here: Golden;
    let there: Golden;
    beforeAll(async () => {
      here = await Golden.start('driver', 'host');
      there = await Golden.start('driver', 'armhf');
    }, BUILD_TIMEOUT);
    afterAll(async () => {
      await here.end();
      expect((await there.end()).code).toBe(0);
    });

    it('the shipped classifier gives the same codes', async () => {
      const program = readFileSync(new URL('../../models/pneumonia/program.bin', import.meta.url));
      const loaded = await here.load(program, true);
      expect(await there.load(program, true)).toEqual(loaded);
      for (const seed of [1, 2]) {
        const codes = inputCodes(loaded.inputBytes, seed);
        const want = await here.run(codes);
        expect(want.length).toBe(loaded.outputBytes);
        expect(await there.run(codes)).toEqual(want);
      }
    });

    it('drives a core as this computer does', async () => {
      const board = await SimulatedBoard.start();
      const { program } = compileProgram(mixedFloats().onnx);
      const codes = inputCodes((await here.load(program)).inputBytes, 5);
      expect(await there.openCore(board.folder, MEMORY_ADDRESS, { cached: true })).toEqual({ status: Status.OK, text: '' });
      await there.load(program);
      expect(await there.useCore()).toEqual({ status: Status.OK, text: '' });
      const run = await there.runOnCore(codes);
      expect(run).toMatchObject({ status: Status.OK, text: '', source: 'rtl' });
      expect(new Int8Array(run.bytes.buffer)).toEqual(await here.run(codes));
      expect(await there.useCore(false)).toEqual({ status: Status.OK, text: '' });
      expect(await there.closeCore()).toBe(Status.OK);
      expect(await board.end()).toEqual({ code: 0, stderr: '' });
    }, BUILD_TIMEOUT);

    it('quantises alike, ties, ends and NaN included', async () => {
      const next = random(5);
      const values = Float32Array.from({ length: 20_000 }, (_, i) => [i / 2 - 300, (next() - 0.5) * 600, Infinity, -0, 3e38][i % 5]!);
      for (const [scale, zero] of [[1, 0], [0.0173, -128], [1 / 3, 127]] as const) expect(await there.quantize(values, scale, zero)).toEqual(await here.quantize(values, scale, zero));
      values[700] = NaN;
      expect((await there.quantize(values, 1, 0)).firstNan).toBe(700);
    });

    it('every float function and every order of summation gives the same bits', async () => {
      const next = random(6);
      const sample = Float32Array.from({ length: 6000 }, (_, i) => (i % 3 === 0 ? new Float32Array(Uint32Array.of(next() * 2 ** 32).buffer)[0]! : (next() - 0.5) * 2 * [1, 20, 120][i % 2]!));
      const program = new FloatProgram();
      const x = program.constant(sample, [sample.length]);
      for (const fn of Object.values(UnaryFunction)) unaryOf(program, x, fn, Math.fround(0.3), Math.fround(1.7));
      for (const fn of Object.values(BinaryFunction)) program.result(FloatOperator.BINARY, [x, program.constant(Float32Array.of(0.37), [])], [sample.length], { function: fn });
      const square = program.constant(Float32Array.from({ length: 64 * 64 }, () => (next() - 0.5) * 8), [64, 64]);
      program.result(FloatOperator.MATMUL, [square, square], [64, 64]);
      for (const axis of [0, 1]) program.result(FloatOperator.SOFTMAX, [square], [64, 64], { axis, function: axis });
      for (const fn of [0, 1, 2, 3]) program.result(FloatOperator.REDUCE, [square], [64], { function: fn, parameters: Uint32Array.of(1) });
      // A NaN's payload is nobody's business.
      const bits = (results: Float32Array[]): Uint32Array[] => results.map((values) => new Uint32Array(values.map((v) => (Number.isNaN(v) ? NaN : v)).buffer));
      expect(bits(await program.run(there))).toEqual(bits(await program.run(here)));
    });
  });

  // Each file's tests once more, on this machine's drivers.
  describe('golden model', async () => void (await import('../core/core.test.ts')));
  describe('runtime', async () => void (await import('./runtime.test.ts')));
  describe('float functions', async () => void (await import('./float-functions.test.ts')));
  describe('float operators', async () => void (await import('./float-operators.test.ts')));
  describe('float checks', async () => void (await import('./float-check.test.ts')));
  describe('suppression', async () => void (await import('./nms.test.ts')));
});
