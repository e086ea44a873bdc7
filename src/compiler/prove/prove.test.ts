import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../../hls/tests/golden.ts';
import { ROOT } from '../../../test/support/data.ts';
import { inputCodes, network, recipes } from '../../../test/support/random-network.ts';
import { compileProgram, stageOutputs, type CompileOptions, type CompileReport } from '../compile.ts';
import { CompileError } from '../error.ts';
import { readOnnx } from '../onnx.ts';
import { dataOf, prove, type RunStages } from './index.ts';
import { Reference } from './reference.ts';

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

type Tamper = (program: Uint8Array) => void;

/** Compiled with a group of its stages' codes as outputs, and run by the golden model. */
function runner(onnx: Uint8Array, options: CompileOptions, tamper: Tamper = () => {}): { report: CompileReport; groups: string[][]; run: RunStages } {
  const reference = new Reference(readOnnx(onnx));
  const { program, report } = compileProgram(onnx, options);
  const opened = new Map<string, Uint8Array>();
  return {
    report,
    groups: stageOutputs(onnx, options),
    run: async (tensors, input) => {
      const known = opened.get(tensors.join());
      const made = known ?? compileProgram(onnx, { ...options, extraOutputs: tensors }).program;
      if (known === undefined) {
        // Looking changes nothing but how long memory is kept: the package's program has the same constants.
        expect(Buffer.from(dataOf(made)).equals(dataOf(program))).toBe(true);
        tamper(made);
        opened.set(tensors.join(), made);
      }
      expect((await golden.load(made)).text).toBe('');
      const all = await golden.run(input);
      let at = all.length - tensors.reduce((sum, name) => sum + reference.elements(name), 0);
      return new Map(tensors.map((name) => [name, all.slice(at, (at += reference.elements(name)))]));
    },
  };
}

const shipped = readFileSync(join(ROOT, 'models/pneumonia/model.int8.onnx'));
const shippedInputs = [5, 6].map((seed) => inputCodes(224 * 224, seed));

describe('a proof', () => {
  it('holds for random networks as they are compiled, whatever is fused', async () => {
    let [values, layers] = [0, 0];
    await fc.assert(
      fc.asyncProperty(recipes, fc.integer(), fc.boolean(), async (recipe, seed, psOnly) => {
        const { onnx, inputElements } = network(recipe, false);
        const { report, groups, run } = runner(onnx, { psOnly });
        const proof = await prove(readOnnx(onnx), report, groups, [inputCodes(inputElements, seed)], run);
        if (proof.state !== 'kept') throw new Error(proof.why);
        expect(proof.left).toEqual([]);
        expect(proof.compared).toBe(proof.of);
        values += proof.compared;
        layers += proof.layers.length;
      }),
      { numRuns: 100 },
    );
    console.log(`${values} values of ${layers} stages`);
    expect(values).toBeGreaterThan(10_000);
  }, 120_000);

  it('holds for the shipped classifier, every value of it; in places drawn by a seed where the budget is small, the same ones each time', async () => {
    const { report, groups, run } = runner(shipped, {});
    const whole = await prove(readOnnx(shipped), report, groups, shippedInputs, run);
    if (whole.state !== 'kept') throw new Error(whole.why);
    expect(whole).toMatchObject({ samples: 2, compared: whole.of, left: [] });
    expect(whole.layers.map(({ name }) => name)).toEqual(expect.arrayContaining(['block4.add', 'dense']));
    const part = await prove(readOnnx(shipped), report, groups, shippedInputs, run, { budget: 1e6 });
    if (part.state !== 'kept') throw new Error(part.why);
    expect(part.samples).toBe(1);
    expect(part.of).toBe(whole.of / 2);
    expect(part.compared).toBeLessThan(part.of / 10);
    for (const { compared, of } of part.layers) expect(compared).toBeGreaterThanOrEqual(Math.min(of, 64));
    expect(await prove(readOnnx(shipped), report, groups, shippedInputs, run, { budget: 1e6 })).toEqual(part);
  }, 120_000);

  it('is refused with the layer, where one weight of the program is another, or one multiplier', async () => {
    // Of section DATA: the first layer's weights begin it; 7 x 7 of them and some lie before its channel parameters.
    for (const [offset, bit] of [[0, 0x40], [60, 0x01], [200, 0x10]] as const) {
      const { report, groups, run } = runner(shipped, {}, (program) => void (dataOf(program)[offset]! ^= bit));
      const error = await prove(readOnnx(shipped), report, groups, shippedInputs, run).then(() => null, (e: unknown) => e as CompileError);
      expect(error).toBeInstanceOf(CompileError);
      expect(error?.node).toBe(report.layers[0]?.name);
      expect(error?.message).toMatch(/computes -?\d+ at element \d+ of '.*', -?\d+ is right/);
    }
  }, 60_000);

  it('stops when it is asked to', async () => {
    const { report, groups, run } = runner(shipped, {});
    const controller = new AbortController();
    const proof = prove(readOnnx(shipped), report, groups, shippedInputs, run, { signal: controller.signal, onProgress: ({ done }) => done === 3 && controller.abort(new Error('enough')) });
    await expect(proof).rejects.toThrow('enough');
  });
});
