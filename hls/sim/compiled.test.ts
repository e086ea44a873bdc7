/** What the compiler makes of whole networks, through the simulated core: views, tables, gathering, fusion, shared memory. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileProgram } from '../../src/compiler/compile.ts';
import { Header, Section, SectionKind } from '../../src/contract/layout.ts';
import { denseBlock, yoloNeck } from '../../test/support/graphs.ts';
import { inputCodes, network, recipes } from '../../test/support/random-network.ts';
import { BUILD_TIMEOUT, Golden } from '../tests/golden.ts';
import { mixedFloats } from '../tests/network.ts';
import { Outcome, Simulated } from './simulated.ts';

const BOUND = 20_000_000;
let core: Simulated;
beforeAll(async () => void (core = await Simulated.start({ oc: 8, px: 3 }, { asserts: true })), BUILD_TIMEOUT);
afterAll(async () => core.end());

async function right(onnx: Uint8Array, elements: number, seed: number): Promise<void> {
  await core.configure({ seed, watchdogCycles: 1_000_000 });
  await core.load(compileProgram(onnx).program);
  const run = await core.run(inputCodes(elements, seed), { bound: BOUND });
  expect(run.text).toBe('');
  expect(run.outcome).toBe(Outcome.OK);
}

describe('compiled networks equal the golden model', () => {
  it('random ones', async () => {
    await fc.assert(
      fc.asyncProperty(recipes, fc.integer({ min: 1 }), async (recipe, seed) => {
        const { onnx, inputElements } = network(recipe, false);
        await right(onnx, inputElements, seed);
      }),
      { numRuns: 40 },
    );
  }, 300_000);

  it('one with float operators between the core\'s layers and behind them', async () => {
    const { onnx, inputElements } = mixedFloats();
    const { program } = compileProgram(onnx);
    const segments = new DataView(program.buffer, program.byteOffset).getUint32(Header.bytes + (SectionKind.SEGMENTS - 1) * Section.bytes + Section.fields.count.offset, true);
    expect(segments).toBe(4);
    await right(onnx, inputElements, 5);
    const golden = await Golden.start();
    await golden.load(program);
    const want = await golden.run(inputCodes(inputElements, 5));
    const got = await core.run(inputCodes(inputElements, 5), { bound: BOUND });
    expect(got.outputs).toEqual(want);
    // fp32 of a softmax: each row sums to 1.
    const values = new Float32Array(Int8Array.from(want).buffer);
    expect(values).toHaveLength(inputElements);
    expect(values.slice(0, 6).reduce((sum, v) => sum + v)).toBeCloseTo(1, 6);
    await golden.end();
  }, BUILD_TIMEOUT);

  it('a YOLOv5 neck and dense blocks', async () => {
    for (const { onnx, inputElements } of [yoloNeck(), denseBlock(4), denseBlock(3, 12, true)]) await right(onnx, inputElements, 5);
  }, 120_000);
});
