/** What the compiler makes of whole networks, through the simulated core: views, tables, gathering, fusion, shared memory. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileProgram } from '../../src/compiler/compile.ts';
import { denseBlock, yoloNeck } from '../../test/support/graphs.ts';
import { inputCodes, network, recipes } from '../../test/support/random-network.ts';
import { BUILD_TIMEOUT } from '../tests/golden.ts';
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

  it('a YOLOv5 neck and dense blocks', async () => {
    for (const { onnx, inputElements } of [yoloNeck(), denseBlock(4), denseBlock(3, 12, true)]) await right(onnx, inputElements, 5);
  }, 120_000);
});
