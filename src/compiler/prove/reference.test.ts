import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../../hls/tests/golden.ts';
import { random } from '../../../test/support/qdq.ts';
import { inputCodes, network, recipes } from '../../../test/support/random-network.ts';
import { compileProgram } from '../compile.ts';
import { readOnnx } from '../onnx.ts';
import { Reference } from './reference.ts';

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Every quantised tensor of a random network as the golden model computes it, by name. */
async function computed(recipe: Parameters<typeof network>[0], seed: number): Promise<{ onnx: Uint8Array; codes: Map<string, Int8Array> }> {
  const { onnx, codes: activations, final, inputElements } = network(recipe, true);
  expect((await golden.load(compileProgram(onnx).program, true)).text).toBe('');
  const all = await golden.run(inputCodes(inputElements, seed));
  let at = size(final.shape);
  return { onnx, codes: new Map(activations.map(({ codes, shape }) => [codes, all.slice(at, (at += size(shape)))])) };
}

/** The input's own QuantizeLinear and those that are left out are not looked at. */
const looked = (onnx: Uint8Array, codes: ReadonlyMap<string, Int8Array>): string[] => {
  const model = readOnnx(onnx);
  return model.nodes.filter((n) => n.opType === 'QuantizeLinear' && codes.has(n.outputs[0] as string) && !model.inputs.some((i) => i.name === n.inputs[0])).map((n) => n.outputs[0] as string);
};

describe('the reference', () => {
  it('finds what the golden model computes right, with all tensors known and with most of them inside a stage, whole and in parts', async () => {
    let [values, nearTies, inner] = [0, 0, 0];
    await fc.assert(
      fc.asyncProperty(recipes, fc.integer(), async (recipe, seed) => {
        const { onnx, codes } = await computed(recipe, seed);
        const model = readOnnx(onnx);
        const reference = new Reference(model);
        reference.feed(codes);
        for (const name of looked(onnx, codes)) {
          const { wrong, compared, nearTies: near } = reference.check(name);
          expect(wrong, name).toBeNull();
          values += compared;
          nearTies += near;
        }
        // What a layer sums over stays known, as it is in a program; of the others every second tensor is looked through.
        const next = random(seed);
        const producers = new Map(model.nodes.flatMap((n) => n.outputs.map((name) => [name, n] as const)));
        const codesBehind = (name: string): string => {
          const node = producers.get(name);
          return node === undefined || node.opType === 'QuantizeLinear' ? name : codesBehind(node.inputs[0] as string);
        };
        const sums = ['Conv', 'Gemm', 'MatMul', 'AveragePool', 'GlobalAveragePool'];
        const read = new Set(model.nodes.filter((n) => sums.includes(n.opType)).map((n) => codesBehind(n.inputs[0] as string)));
        const some = new Map([...codes].filter(([name], i) => i === 0 || read.has(name) || next() < 0.5));
        reference.feed(some);
        for (const name of looked(onnx, some)) {
          const places = Int32Array.from({ length: reference.elements(name) }, (_, i) => i).filter(() => next() < 0.5);
          const { wrong, compared } = reference.check(name, places);
          expect(wrong, name).toBeNull();
          expect(compared).toBe(places.length);
          inner += compared;
        }
      }),
      { numRuns: 150 },
    );
    console.log(`${values} values of all tensors, ${nearTies} near a tie; ${inner} more with tensors looked through`);
    expect(values).toBeGreaterThan(50_000);
    expect(nearTies).toBeGreaterThan(0);
    expect(inner).toBeGreaterThan(10_000);
  }, 120_000);

  it('names the first value that is not', async () => {
    await fc.assert(
      fc.asyncProperty(recipes, fc.integer(), fc.nat(), async (recipe, seed, where) => {
        const { onnx, codes } = await computed(recipe, seed);
        const names = looked(onnx, codes);
        if (names.length === 0) return;
        const name = names[where % names.length] as string;
        const right = codes.get(name) as Int8Array;
        const index = where % right.length;
        const changed = right.slice();
        changed[index] = (right[index] as number) >= 0 ? (right[index] as number) - 2 : (right[index] as number) + 2;
        const reference = new Reference(readOnnx(onnx));
        reference.feed(new Map([...codes, [name, changed]]));
        expect(reference.check(name).wrong).toMatchObject({ index, got: changed[index] });
        expect(reference.check(name, Int32Array.of(index), 2).wrong).toBeNull();
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});
