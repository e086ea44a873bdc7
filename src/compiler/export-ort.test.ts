/**
 * Exported files in a real ONNX Runtime (the library of onnxruntime-node, by its C interface) with our operator library: every node's codes are the golden
 * model's, and at the borders of nodes the whole program's. From Python, with another version: test/interop/ort-op.test.ts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../hls/build.mjs';
import { BUILD_TIMEOUT, Golden } from '../../hls/tests/golden.ts';
import { FLOAT, hasOrt, INT8, OrtHost, type Made } from '../../hls/tests/ort.ts';
import { ROOT } from '../../test/support/data.ts';
import { exported, imageOf, nodesOf, opened, ran, unique, valuesOf, whole, type Border, type Exported, type Node } from '../../test/support/exported-ort.ts';
import { network as mixed, recipes as mixedRecipes } from '../../test/support/mixed-network.ts';
import { inputCodes, network, recipes } from '../../test/support/random-network.ts';
import { compileProgram } from './compile.ts';
import { DOMAIN, exportOrt, OPERATOR } from './export-ort.ts';
import { OnnxType, readOnnx } from './onnx.ts';
import { writeOnnx } from './onnx-write.ts';

let golden: Golden;
let library: string;
const hosts: OrtHost[] = [];
beforeAll(async () => {
  golden = await Golden.start();
  library = await build('ort-op');
}, BUILD_TIMEOUT);
afterAll(async () => {
  await golden.end();
  for (const host of hosts) expect(await host.end()).toEqual({ code: 0, stderr: '' });
});

async function started(operators: string | null = library): Promise<OrtHost> {
  const host = await OrtHost.start(operators);
  hosts.push(host);
  return host;
}

/** Each node's program on the codes that the whole program has at its inputs: those at its outputs. Gives how many codes were compared. */
async function likeTheWhole({ onnx, options, nodes, image }: Exported): Promise<number> {
  const named = new Set(readOnnx(onnx).nodes.flatMap(({ outputs }) => outputs));
  const borders = unique(nodes).filter(({ name }) => named.has(name));
  const codes = new Map<string, Int8Array>();
  for (let first = 0; first < borders.length; first += 40) {
    const some = borders.slice(first, first + 40);
    const values = await whole(golden, compileProgram(onnx, { ...options, extraOutputs: some.map(({ name }) => name) }).program, image);
    for (const { name, scale, zeroPoint } of some) codes.set(name, Int8Array.from(values.get(name) as Float32Array, (v) => Math.round(v / scale) + zeroPoint));
  }
  let compared = 0;
  for (const node of nodes) {
    // What only nodes know of comes from the node before; what is quantised for a node alone, from nowhere.
    if (node.inputs.some(({ name }) => !codes.has(name))) continue;
    for (const [name, made] of await ran(golden, node, codes)) {
      if (named.has(name)) expect(made, name).toEqual(codes.get(name));
      codes.set(name, made);
      compared += made.length;
    }
  }
  return compared;
}

/** ONNX Runtime with the operator, all borders open: each node gives what its program gives. Gives whether it ran. */
async function inOrt(host: OrtHost, { onnx, nodes, model, image, coreOnly }: Exported): Promise<boolean> {
  const borders = unique(nodes);
  const outputs = [...model.outputs.map(({ name }) => name)];
  for (const { name } of borders) if (!outputs.includes(name) && !model.inputs.some((input) => input.name === name)) outputs.push(name);
  for (const optimised of [true, false]) {
    const refused = await host.load(opened(model, borders), optimised);
    if (refused !== '') {
      // What ONNX Runtime alone refuses as well: HardSwish in opset 13, the size of some poolings with ceil_mode.
      expect(refused).not.toContain(OPERATOR);
      expect(await host.load(onnx), refused).not.toBe('');
      return false;
    }
    const { text, outputs: made } = await host.run({ type: FLOAT, shape: model.inputs[0]?.dims ?? [], bytes: new Uint8Array(image.buffer) });
    expect(text).toBe('');
    const values = new Map(outputs.map((name, i) => [name, valuesOf(made[i] as Made)]));
    for (const node of nodes) for (const [name, wanted] of await ran(golden, node, values as Map<string, Int8Array>)) expect(values.get(name), name).toEqual(wanted);
    if (!coreOnly) continue;
    for (const [name, wanted] of await whole(golden, compileProgram(onnx).program, image)) if (values.get(name) instanceof Float32Array) expect(values.get(name), name).toEqual(wanted);
  }
  return true;
}

describe.skipIf(!hasOrt)('the pneumonia classifier', () => {
  const onnx = readFileSync(join(ROOT, 'models/pneumonia/model.int8.onnx'));
  const program = readFileSync(join(ROOT, 'models/pneumonia/program.bin'));
  const { bytes, report } = exportOrt(onnx, program);
  const input = (seed: number): { type: number; shape: number[]; bytes: Uint8Array } => ({ type: FLOAT, shape: [1, 1, 224, 224], bytes: new Uint8Array(imageOf(program, seed).buffer) });

  it('is one node, and gives the golden model\'s values bit for bit', async () => {
    expect(report).toMatchObject({ nodes: [{ name: 'FabricConv_0' }], others: {} });
    expect(report.nodes[0]?.macs).toBe(report.macs);
    expect(Buffer.compare(exportOrt(onnx, program).bytes, bytes)).toBe(0);
    const host = await started();
    for (const optimised of [true, false]) {
      expect(await host.load(bytes, optimised)).toBe('');
      const { text, outputs } = await host.run(input(3));
      expect(text).toBe('');
      const wanted = await whole(golden, program, new Float32Array(input(3).bytes.buffer));
      expect(outputs.map(valuesOf)).toEqual(readOnnx(onnx).outputs.map(({ name }) => wanted.get(name)));
    }
  });

  it('is run by several threads at once, each in its turn', async () => {
    const host = await started();
    expect(await host.load(bytes)).toBe('');
    expect(await host.threads(4, 8, input(4))).toEqual({ good: 32, bad: 0 });
  });

  it('is refused in words: without the library, damaged, of another shape', async () => {
    const bare = await started(null);
    expect(await bare.load(bytes)).toContain('ai.fabriclens:FabricConv');
    const absent = await started('/absent/libfabriclens_ort.so');
    expect(await absent.load(bytes)).toContain('/absent/libfabriclens_ort.so');

    const host = await started();
    const at = Buffer.from(bytes).indexOf(program.subarray(-4096));
    expect(at).toBeGreaterThan(0);
    const weight = Uint8Array.from(bytes);
    weight[at + 2000]! ^= 1;
    expect(await host.load(weight)).toMatch(/FabricConv 'FabricConv_0': its program cannot be loaded \(format: .*weights are damaged/);
    const model = readOnnx(bytes);
    const twice = { ...model, nodes: model.nodes.map((node) => (node.domain === DOMAIN ? { ...node, inputs: [...node.inputs, ...node.inputs] } : node)) };
    expect(await host.load(writeOnnx(twice))).toMatch(/the node has 2 inputs, its program 1; export the model again/);
    const wide = { ...model, inputs: model.inputs.map((value) => ({ ...value, dims: [1, 1, 224, 225] })) };
    expect(await host.load(writeOnnx(wide))).toBe('');
    const { text } = await host.run({ type: FLOAT, shape: [1, 1, 224, 225], bytes: new Uint8Array(4 * 224 * 225) });
    expect(text).toMatch(/FabricConv 'FabricConv_0': input '.+' has shape \[1, 1, 224, 225\], its program takes \[1, 1, 224, 224\]/);
    // And the host lives on.
    expect(await host.load(bytes)).toBe('');
    expect((await host.run(input(5))).text).toBe('');
  });

  it('tells a program of another file or version from its own', () => {
    const other = Uint8Array.from(program);
    other[4] = 1;
    expect(() => exportOrt(onnx, other)).toThrow('layout version 1');
    const changed = Uint8Array.from(program);
    changed[changed.length - 1]! ^= 1;
    expect(() => exportOrt(onnx, changed)).toThrow('program.bin is not what this version makes of model.int8.onnx');
    expect(() => exportOrt(onnx, compileProgram(onnx, { psOnly: true }).program)).toThrow('there is nothing for the core to do');
  });
});

describe.skipIf(!hasOrt)('random networks', () => {
  async function compared(networks: fc.Arbitrary<{ onnx: Uint8Array }>): Promise<void> {
    const host = await started();
    let [nodes, cut, codes, ran] = [0, 0, 0, 0];
    await fc.assert(fc.asyncProperty(networks, fc.constantFrom(0, 0.3, 0.5), fc.integer(), async ({ onnx }, pinned, seed) => {
      const made = exported(onnx, pinned, seed);
      if (made === null) return;
      codes += await likeTheWhole(made);
      if (await inOrt(host, made)) ran++;
      nodes += made.nodes.length;
      if (made.nodes.length > 1) cut++;
    }), { numRuns: 40 });
    console.log(`${ran} networks in ONNX Runtime, ${cut} with several nodes, ${nodes} nodes; ${codes} codes`);
    expect(cut).toBeGreaterThan(0);
    expect(ran).toBeGreaterThan(10);
  }

  it('of the core alone, and cut into several nodes by layers of the processor', () => compared(fc.tuple(recipes, fc.boolean()).map(([recipe, expose]) => network(recipe, expose))), 240_000);
  it('with fp32 operators between and behind', () => compared(mixedRecipes.map((recipe) => mixed(recipe, false))), 240_000);
});

it.skipIf(!hasOrt)('a graph that takes codes gives them to a node as they are', async () => {
  const { onnx } = network({ channels: 3, height: 8, width: 8, seed: 1, steps: [{ kind: 'conv', seed: 2 }], head: 'none', flavour: 'plain' }, false);
  const model = readOnnx(onnx);
  const [quantise, ...rest] = model.nodes;
  const codes = { ...model, inputs: [{ name: quantise?.outputs[0] ?? '', elementType: OnnxType.INT8, dims: [1, 3, 8, 8] }], nodes: rest };
  const bytes = writeOnnx(codes);
  const made = exportOrt(bytes, compileProgram(bytes).program);
  const host = await started();
  expect(await host.load(made.bytes)).toBe('');
  const input = inputCodes(3 * 64, 7);
  const { outputs } = await host.run({ type: INT8, shape: [1, 3, 8, 8], bytes: new Uint8Array(input.buffer) });
  const [node] = nodesOf(readOnnx(made.bytes)) as [Node];
  const wanted = await ran(golden, node, new Map([[node.inputs[0]?.name ?? '', input]]));
  const [border] = node.outputs as [Border];
  expect(valuesOf(outputs[0] as Made)).toEqual(Float32Array.from(wanted.get(border.name) as Int8Array, (code) => Math.fround(code - border.zeroPoint) * border.scale));
});
