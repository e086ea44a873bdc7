/** Compiled programs on the golden model against the exact reference, value by value, under the rule of DESIGN.md ("Numerics"). */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import protobuf from 'protobufjs/minimal.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Golden } from '../../hls/tests/golden.ts';
import { ROOT } from '../../test/support/data.ts';
import { random } from '../../test/support/qdq.ts';
import { inputCodes, network, recipes } from '../../test/support/random-network.ts';
import { Reference } from '../../test/support/reference.ts';
import { compileProgram } from './compile.ts';
import { readOnnx } from './onnx.ts';

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()));
afterAll(async () => void (await golden.end()));

async function run(onnx: Uint8Array, codes: Int8Array): Promise<Int8Array> {
  const loaded = await golden.load(compileProgram(onnx).program, true);
  expect(loaded.text).toBe('');
  return golden.run(codes);
}

describe('random networks', () => {
  it('equal the reference on every value, and the same with adds fused and memory shared', async () => {
    let values = 0;
    let nearTies = 0;
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
        const verdict = new Reference(readOnnx(open.onnx)).check(codes);
        expect(verdict.wrong).toEqual([]);
        values += verdict.values;
        nearTies += verdict.nearTies;
        const fused = await run(network(recipe, false).onnx, input);
        expect(fused).toEqual(all.subarray(0, final));
      }),
      { numRuns: 150 },
    );
    console.log(`${values} values equal the reference; ${nearTies} of them within 2^-12 LSB of a tie`);
    expect(values).toBeGreaterThan(100_000);
    expect(nearTies).toBeGreaterThan(0);
  }, 120_000);
});

/** The model with every activation as an int8 output: a second graph message merges into the first. */
function exposed(onnx: Uint8Array): { onnx: Uint8Array; names: string[] } {
  const names = readOnnx(onnx).nodes.filter((n) => n.opType === 'QuantizeLinear').map((n) => n.outputs[0] as string);
  const writer = protobuf.Writer.create();
  writer.uint32((7 << 3) | 2).fork();
  for (const name of names) writer.uint32((12 << 3) | 2).fork().uint32((1 << 3) | 2).string(name).ldelim();
  const tail = writer.ldelim().finish();
  return { onnx: Buffer.concat([onnx, tail]), names };
}

const MODEL = join(ROOT, 'models/pneumonia/model.int8.onnx');

describe.skipIf(!existsSync(MODEL))('the pneumonia classifier', () => {
  const onnx = existsSync(MODEL) ? readFileSync(MODEL) : new Uint8Array();
  const input = (): Int8Array => inputCodes(224 * 224, 3);

  it('equals the reference on every value of every layer', async () => {
    const open = exposed(onnx);
    const { program } = compileProgram(open.onnx);
    expect((await golden.load(program)).text).toBe('');
    const all = await golden.run(input());
    const shapes = new Map<string, number>();
    const plain = compileProgram(onnx);
    for (const layer of plain.report.layers) shapes.set(layer.name, layer.output.reduce((a, b) => a * b, 1));
    // The last outputs are the exposed ones, in order; their sizes come from whoever feeds QuantizeLinear.
    const model = readOnnx(open.onnx);
    const maker = new Map(model.nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
    const sizes = open.names.map((name) => {
      const from = maker.get(maker.get(name)?.inputs[0] ?? '');
      return from === undefined ? 224 * 224 : (shapes.get(from.name) ?? 256);
    });
    const codes = new Map<string, Int8Array>();
    let at = all.length - sizes.reduce((a, b) => a + b, 0);
    open.names.forEach((name, i) => {
      codes.set(name, all.subarray(at, at + (sizes[i] as number)));
      at += sizes[i] as number;
    });
    const verdict = new Reference(model).check(codes);
    console.log(`pneumonia: ${verdict.values} values, ${verdict.nearTies} within 2^-12 LSB of a tie, ${verdict.wrong.length} tensors wrong`);
    expect(verdict.wrong).toEqual([]);
    // Fused and with shared memory: the same logits and features.
    await golden.load(plain.program);
    expect(await golden.run(input())).toEqual(all.subarray(0, all.length - sizes.reduce((a, b) => a + b, 0)));
  }, 120_000);

  it('agrees with ONNX Runtime end to end but for a few LSB', async () => {
    const { inputs } = { inputs: readOnnx(onnx).inputs };
    const name = inputs[0]?.name as string;
    const next = random(5);
    const image = Float32Array.from({ length: 224 * 224 }, () => next() * 4 - 2);
    expect((await golden.load(compileProgram(onnx).program)).text).toBe('');
    const { values } = await golden.runFloat(image);
    for (const graphOptimizationLevel of ['all', 'disabled'] as const) {
      const session = await ort.InferenceSession.create(onnx, { graphOptimizationLevel, intraOpNumThreads: 1 });
      const result = await session.run({ [name]: new ort.Tensor('float32', image, [1, 1, 224, 224]) });
      const logits = result['logits']?.data as Float32Array;
      const features = result['features']?.data as Float32Array;
      // One step of the logits' scale is what their codes can say.
      const step = Math.min(...[...new Set(features)].filter((v) => v > 0));
      const far = features.reduce((worst, v, i) => Math.max(worst, Math.abs(v - (values[logits.length + i] as number))), 0) / step;
      const gap = logits.reduce((worst, v, i) => Math.max(worst, Math.abs(v - (values[i] as number))), 0);
      console.log(`ONNX Runtime, optimisations ${graphOptimizationLevel}: features differ by at most ${far.toFixed(1)} LSB, logits by ${gap.toFixed(4)}`);
      expect(far).toBeLessThan(8);
      expect(gap).toBeLessThan(0.25);
      await session.release();
    }
  }, 60_000);
});
