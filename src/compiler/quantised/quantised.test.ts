/** Quantised networks in every spelling become the canonical one: the same codes on the golden model, and the same values in ONNX Runtime. */
import fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../../hls/tests/golden.ts';
import { random } from '../../../test/support/qdq.ts';
import type { Style } from '../../../test/support/quantised.ts';
import { styled, written } from '../../../test/support/quantised.ts';
import { inputCodes, network, recipes } from '../../../test/support/random-network.ts';
import { compileProgram } from '../compile.ts';
import type { OnnxModel } from '../onnx.ts';
import { readOnnx } from '../onnx.ts';
import { canonicalQdq, isQuantised } from './index.ts';

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

async function codesOf(onnx: Uint8Array, input: Int8Array): Promise<Int8Array> {
  expect((await golden.load(compileProgram(onnx).program)).text).toBe('');
  return golden.run(input);
}

async function runtime(bytes: Uint8Array, model: OnnxModel, data: Float32Array): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1, logSeverityLevel: 3 });
  const [input] = model.inputs;
  const result = await session.run({ [input?.name ?? '']: new ort.Tensor('float32', data, (input?.dims ?? []).map((d) => d || 1)) });
  await session.release();
  return result[model.outputs[0]?.name ?? '']?.data as Float32Array;
}

const styles: fc.Arbitrary<Style> = fc.record({
  unsigned: fc.boolean(),
  weights: fc.constantFrom('int8' as const, 'uint8' as const, 'quantised' as const, 'clipped' as const),
  bias: fc.constantFrom('int32' as const, 'float' as const),
  contrib: fc.boolean(),
  dedicated: fc.boolean(),
  redundant: fc.boolean(),
  operators: fc.boolean(),
  opset: fc.constantFrom(13, 15, 17, 19, 21),
});

describe('random networks in the spelling of other tools', () => {
  it('give the codes that the canonical network gives', async () => {
    let values = 0;
    let differ = 0;
    let far = 0;
    await fc.assert(
      fc.asyncProperty(recipes, styles, fc.integer(), async (recipe, style, seed) => {
        const { onnx, inputElements } = network(recipe, false);
        const plain = readOnnx(onnx);
        const foreign = styled(plain, style);
        expect(isQuantised(foreign)).toBe(true);
        const made = canonicalQdq(readOnnx(written(foreign)));
        expect(made.uncalibrated).toEqual([]);
        const input = inputCodes(inputElements, seed);
        const [wanted, got] = [await codesOf(onnx, input), await codesOf(made.bytes, input)];
        expect(got.length).toBe(wanted.length);
        values += got.length;
        const off = got.reduce((worst, v, i) => Math.max(worst, Math.abs(v - (wanted[i] as number))), 0);
        differ += got.filter((v, i) => v !== wanted[i]).length;
        far = Math.max(far, off);
      }),
      { numRuns: 150 },
    );
    console.log(`golden: ${values} codes, ${differ} differ, by at most ${far}`);
    // A factor a channel is written as a depthwise convolution by the one and as a multiplication by the other: near a tie they may round apart.
    expect(values).toBeGreaterThan(10_000);
    expect(differ / values).toBeLessThan(1e-3);
    expect(far).toBeLessThanOrEqual(1);
  }, 300_000);
});

/** The same file in ONNX Runtime: what it makes of the tool's spelling, and of ours. */
describe('ONNX Runtime', () => {
  it('computes the same from the canonical network as from the file', async () => {
    const [exact, own] = [{ values: 0, differ: 0 }, { values: 0, differ: 0 }];
    let far = 0;
    await fc.assert(
      fc.asyncProperty(recipes, styles, fc.integer(), async (recipe, given, seed) => {
        // ONNX Runtime has no QLinearConv of int8 by uint8, and a wrong one of uint8 by uint8 (test/interop/quantised.test.ts).
        const style: Style = given.operators ? { ...given, weights: 'int8' } : given;
        const { onnx, inputElements, final } = network(recipe, false);
        const bytes = written(styled(readOnnx(onnx), style));
        const foreign = readOnnx(bytes);
        const made = canonicalQdq(foreign);
        const next = random(seed);
        const data = Float32Array.from({ length: inputElements }, () => (next() * 256 - 128) * made.input.scale);
        // ONNX Runtime sizes some windows of ceil_mode otherwise, and then loads not even the canonical network.
        fc.pre(await runtime(onnx, readOnnx(onnx), data).then(() => true, () => false));
        const [wanted, got] = [await runtime(bytes, foreign, data), await runtime(made.bytes, made.model, data)];
        const steps = Array.from(got, (v, i) => Math.abs(v - (wanted[i] as number)) / final.scale);
        // ONNX Runtime disagrees with itself on some averages and adds (DESIGN.md, Numerics): averages, and ties, of which scales of powers of two make many, in
        // its QLinear operators. What lies behind multiplies it.
        const disputed = recipe.steps.some(({ kind }) => kind === 'averagePool') || (given.operators && recipe.flavour === 'powers');
        const sums = disputed ? own : exact;
        sums.values += steps.length;
        sums.differ += steps.filter((s) => s > 0.01).length;
        far = steps.reduce((most, s) => Math.max(most, s), far);
      }),
      { numRuns: 60 },
    );
    console.log(`ONNX Runtime: ${exact.values} values, ${exact.differ} differ; where it disagrees with itself ${own.values}, ${own.differ} differ; by at most ${far.toFixed(2)} LSB`);
    expect(exact.values).toBeGreaterThan(1_000);
    // How far apart is reported alone: one value that rounds the other way in front of a steep layer moves those behind it by any number of steps.
    expect(exact.differ / exact.values).toBeLessThan(1e-3);
  }, 300_000);
});
