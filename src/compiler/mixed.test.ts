/** Random small networks in which the core's operators and fp32 ones take turns: every quantised tensor within the rule, and the same with stages fused. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../hls/tests/golden.ts';
import { network, recipes } from '../../test/support/mixed-network.ts';
import type { Activation } from '../../test/support/qdq.ts';
import { inputCodes } from '../../test/support/random-network.ts';
import { verdictOf } from '../../test/support/verdict.ts';
import { compileProgram, stageOutputs } from './compile.ts';
import { readOnnx } from './onnx.ts';
import { prove } from './prove/index.ts';

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

async function run(onnx: Uint8Array, values: Float32Array): Promise<Float32Array> {
  expect((await golden.load(compileProgram(onnx).program, true)).text).toBe('');
  const { status, text, values: out } = await golden.runFloat(values);
  expect([status, text]).toEqual([0, '']);
  return out;
}

describe('random networks of the core and fp32', () => {
  it('are proven as they are compiled, nothing left out', async () => {
    let [proven, float] = [0, 0];
    await fc.assert(
      fc.asyncProperty(recipes.map((recipe) => ({ ...recipe, tail: false })), fc.integer(), async (recipe, seed) => {
        const { onnx, inputElements, all } = network(recipe, false);
        const sizes = new Map(all.map(({ codes, shape }) => [codes, shape.reduce((a, b) => a * b, 1)]));
        const { report } = compileProgram(onnx);
        const proof = await prove(readOnnx(onnx), report, stageOutputs(onnx), [inputCodes(inputElements, seed)], async (tensors, input) => {
          expect((await golden.load(compileProgram(onnx, { extraOutputs: tensors }).program, true)).text).toBe('');
          const made = await golden.run(input);
          let at = made.length - tensors.reduce((sum, name) => sum + (sizes.get(name) as number), 0);
          return new Map(tensors.map((name) => [name, made.slice(at, (at += sizes.get(name) as number))]));
        });
        if (proof.state !== 'kept') throw new Error(proof.why);
        expect(proof.left).toEqual([]);
        proven += proof.compared;
        float += report.layers.filter((row) => row.float && row.tensor !== null).length;
      }),
      { numRuns: 60 },
    );
    console.log(`${proven} values proven, ${float} tensors of fp32 operators among them`);
    expect(float).toBeGreaterThan(30);
  }, 120_000);

  it('equal the reference on every tensor of codes', async () => {
    let values = 0;
    let ran = 0;
    const met = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(recipes, fc.integer(), async (recipe, seed) => {
        const open = network(recipe, true);
        const [first] = open.all as [Activation];
        const input = Float32Array.from(inputCodes(open.inputElements, seed), (c) => Math.fround(c - first.zeroPoint) * first.scale);
        const out = await run(open.onnx, input);
        const size = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);
        const last = size(open.tail ?? (open.all.at(-1) as Activation).shape);
        const codes = new Map<string, Int8Array>();
        let at = last;
        for (const { codes: name, shape, scale, zeroPoint } of open.all) codes.set(name, Int8Array.from(out.subarray(at, (at += size(shape))), (v) => Math.round(v / scale) + zeroPoint));
        expect(at).toBe(out.length);
        const fp32 = new Set(compileProgram(open.onnx).report.layers.filter((row) => row.float).map((row) => row.tensor));
        const verdict = verdictOf(readOnnx(open.onnx), codes, fp32);
        expect(verdict).toMatchObject({ wrong: [], unknown: [] });
        values += verdict.values;
        const closed = network(recipe, false).onnx;
        expect(await run(closed, input)).toEqual(out.subarray(0, last));
        ran++;
        for (const { operator, float, target } of compileProgram(closed).report.layers) met.set(`${operator} ${float ? 'fp32' : target}`, (met.get(`${operator} ${float ? 'fp32' : target}`) ?? 0) + 1);
      }),
      { numRuns: 150 },
    );
    console.log(`${ran} networks, ${values} codes`);
    console.log([...met].sort(([, a], [, b]) => b - a).map(([operator, count]) => `${operator} ${count}`).join(', '));
    for (const operator of ['Mul fp32', 'Transpose fp32', 'MatMul fp32', 'Softmax fp32', 'Resize fp32', 'Slice PL', 'Slice fp32', 'AveragePool PS', 'Conv + Relu PL']) expect(met.get(operator), operator).toBeGreaterThan(0);
  }, 240_000);
});
