/** Compiled programs on the golden model against the exact reference, value by value, under the rule of DESIGN.md ("Numerics"). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../hls/tests/golden.ts';
import { ROOT } from '../../test/support/data.ts';
import { exposed, outputsOf } from '../../test/support/exposed.ts';
import { random } from '../../test/support/qdq.ts';
import { inputCodes, network, recipes } from '../../test/support/random-network.ts';
import { verdictOf } from '../../test/support/verdict.ts';
import { compileProgram } from './compile.ts';
import type { OnnxValue } from './onnx.ts';
import { readOnnx } from './onnx.ts';

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

async function run(onnx: Uint8Array, codes: Int8Array): Promise<Int8Array> {
  const loaded = await golden.load(compileProgram(onnx).program, true);
  expect(loaded.text).toBe('');
  return golden.run(codes);
}

describe('random networks', () => {
  it('equal the reference on every value, and the same with adds and poolings fused and memory shared', async () => {
    let values = 0;
    let pooled = 0;
    let nearTies = 0;
    const met = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(recipes, fc.integer(), async (recipe, seed) => {
        const open = network(recipe, true);
        const input = inputCodes(open.inputElements, seed);
        const all = await run(open.onnx, input);
        // The first output is the last tensor, the others every tensor in turn.
        const final = open.final.shape.reduce((a, b) => a * b, 1);
        const codes = new Map<string, Int8Array>();
        let at = final;
        for (const { codes: name, shape } of open.codes) {
          const size = shape.reduce((a, b) => a * b, 1);
          codes.set(name, all.subarray(at, at + size));
          at += size;
        }
        expect(at).toBe(all.length);
        const verdict = verdictOf(readOnnx(open.onnx), codes);
        expect(verdict).toMatchObject({ wrong: [], unknown: [] });
        values += verdict.values;
        nearTies += verdict.nearTies;
        const closed = network(recipe, false).onnx;
        const fused = await run(closed, input);
        expect(fused).toEqual(all.subarray(0, final));
        const { layers } = compileProgram(closed).report;
        for (const { operator } of layers) met.set(operator, (met.get(operator) ?? 0) + 1);
        pooled += layers.filter(({ operator, descriptor }, i) => operator === 'MaxPool' && descriptor === layers[i - 1]?.descriptor).length;
      }),
      { numRuns: 200 },
    );
    console.log([...met].sort(([, a], [, b]) => b - a).map(([operator, count]) => `${operator} ${count}`).join(', '));
    for (const operator of ['Concat', 'Split', 'Resize', 'Copy', 'Gather', 'Rescale', 'Mul']) expect(met.get(operator), operator).toBeGreaterThan(0);
    console.log(`${values} values equal the reference; ${nearTies} of them within 2^-12 LSB of a tie; ${pooled} poolings fused`);
    expect(pooled).toBeGreaterThan(3);
    expect(values).toBeGreaterThan(100_000);
    expect(nearTies).toBeGreaterThan(0);
  }, 120_000);
});

describe('the pneumonia classifier', () => {
  const onnx = readFileSync(join(ROOT, 'models/pneumonia/model.int8.onnx'));
  const [{ name: inputName, dims }] = readOnnx(onnx).inputs as [OnnxValue];
  // A free batch dimension is run as 1.
  const inputShape = dims.map((d) => d || 1);
  const elements = inputShape.reduce((product, d) => product * d, 1);
  const input = inputCodes(elements, 3);

  it('equals the reference on every value of every layer', async () => {
    const [open, ...more] = exposed(onnx) as [Uint8Array];
    expect(more).toEqual([]);
    const { program } = compileProgram(open);
    expect((await golden.load(program)).text).toBe('');
    const all = await golden.run(input);
    const codes = new Map<string, Int8Array>();
    let at = 0;
    for (const output of outputsOf(program)) {
      codes.set(output.name, all.subarray(at, at + output.elements));
      at += output.elements;
    }
    expect(at).toBe(all.length);
    const verdict = verdictOf(readOnnx(open), codes);
    console.log(`pneumonia: ${verdict.values} values, ${verdict.nearTies} within 2^-12 LSB of a tie, ${verdict.wrong.length} tensors wrong`);
    expect(verdict).toMatchObject({ wrong: [], unknown: [] });
    // With adds fused and memory shared: the same outputs.
    const plain = compileProgram(onnx).program;
    await golden.load(plain);
    const count = outputsOf(plain).reduce((sum, output) => sum + output.elements, 0);
    expect(await golden.run(input)).toEqual(all.subarray(0, count));
  }, 120_000);

  it('agrees with ONNX Runtime end to end but for a few LSB', async () => {
    const { program } = compileProgram(onnx);
    expect((await golden.load(program)).text).toBe('');
    const next = random(5);
    const width = inputShape.at(-1) as number;
    const levels = ['all', 'disabled'] as const;
    // Soft shadows, bare and under noise: all grey levels, and features that are not all at zero.
    for (const [noise, graphOptimizationLevel] of [0, 1].flatMap((n) => levels.map((level) => [n, level] as const))) {
      const image = Float32Array.from({ length: elements }, (_, i) => 1.2 * Math.sin(i / width / 25) * Math.cos((i % width) / 30) + noise * (next() - 0.5));
      const { values } = await golden.runFloat(image);
      const session = await ort.InferenceSession.create(onnx, { graphOptimizationLevel, intraOpNumThreads: 1 });
      const result = await session.run({ [inputName]: new ort.Tensor('float32', image, inputShape) });
      let at = 0;
      for (const output of outputsOf(program)) {
        const ours = values.subarray(at, at + output.elements);
        const theirs = result[output.name]?.data as Float32Array;
        at += output.elements;
        const far = ours.reduce((worst, v, i) => Math.max(worst, Math.abs(v - (theirs[i] as number)) / output.scale), 0);
        const differ = ours.filter((v, i) => v !== theirs[i]).length;
        console.log(`ONNX Runtime, optimisations ${graphOptimizationLevel}: ${output.name}: ${differ} of ${output.elements} differ, by at most ${far.toFixed(1)} LSB`);
        expect(new Set(ours).size).toBeGreaterThan(1);
        expect(far).toBeLessThan(16);
      }
      await session.release();
    }
  }, 60_000);
});
