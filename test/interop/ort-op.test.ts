/**
 * Exported files in ONNX Runtime from PyPI, from Python, as a user runs them (ort_op.py): the newest, and the oldest that the operator takes; an older one is
 * refused by name. On the golden model and on the simulated core. The notebook, all of its cells.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../hls/build.mjs';
import { SimulatedBoard } from '../../hls/sim/board.ts';
import { BUILD_TIMEOUT, Golden } from '../../hls/tests/golden.ts';
import { exportOrt } from '../../src/compiler/export-ort.ts';
import { readOnnx } from '../../src/compiler/onnx.ts';
import { ROOT } from '../support/data.ts';
import { exported, imageOf, opened, ran, unique, whole, type Exported } from '../support/exported-ort.ts';
import { network as mixed, recipes as mixedRecipes } from '../support/mixed-network.ts';
import { network, recipes } from '../support/random-network.ts';
import { environment, execute } from './venv.ts';

const [newest, oldest, older] = [await environment('ort-op.txt'), await environment('ort-op-1.16.txt'), await environment('ort-op-1.15.txt')];
const missing = [newest, oldest, older].some((python) => 'unreachable' in python);
if (missing) console.log('PyPI cannot be reached: nothing is compared.');

type Case = { name: string; model: string; inputs: string[]; shape: number[]; optimised: boolean; sessions: number; threads: number };
type Told = { name: string; error?: string; outputs?: { type: string; file: string }[][]; wrong?: string[] };

const PACKAGE = join(ROOT, 'models/pneumonia');
const onnx = readFileSync(join(PACKAGE, 'model.int8.onnx'));
const program = readFileSync(join(PACKAGE, 'program.bin'));
let golden: Golden;
let library: string;
let folder: string;
beforeAll(async () => {
  golden = await Golden.start();
  library = await build('ort-op');
  await build('runtime');
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-ort-'));
  writeFileSync(join(folder, 'pneumonia.onnx'), exportOrt(onnx, program).bytes);
}, BUILD_TIMEOUT);
afterAll(async () => {
  await golden.end();
  rmSync(folder, { recursive: true, force: true });
});

const file = (name: string, content: Uint8Array | Float32Array): string => {
  writeFileSync(join(folder, name), new Uint8Array(content.buffer, content.byteOffset, content.byteLength));
  return name;
};
const python = (from: typeof newest): string => join('folder' in from ? from.folder : '', 'bin/python');

async function told(from: typeof newest, cases: readonly Case[], more: readonly string[] = [], operators = library): Promise<Told[]> {
  writeFileSync(join(folder, 'cases.json'), JSON.stringify(cases));
  const { code, output } = await execute('timeout', ['280', python(from), join(import.meta.dirname, 'ort_op.py'), operators, folder, ...more]);
  expect(code, output).toBe(0);
  return output.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Told);
}

const bytesOf = (made: { file: string }): Buffer => readFileSync(join(folder, made.file));
const pneumonia = (changes: Partial<Case> = {}): Case => ({ name: 'pneumonia', model: 'pneumonia.onnx', inputs: [file('chest.bin', imageOf(program, 9))], shape: [1, 1, 224, 224], optimised: true, sessions: 1, threads: 1, ...changes });

/** The classifier's outputs are the golden model's, bit for bit. */
async function expectPneumonia({ error, outputs, wrong }: Told): Promise<void> {
  expect([error, wrong]).toEqual([undefined, []]);
  const wanted = await whole(golden, program, imageOf(program, 9));
  readOnnx(onnx).outputs.forEach(({ name }, k) => expect(Buffer.from((wanted.get(name) as Float32Array).buffer).equals(bytesOf(outputs?.[0]?.[k] as { file: string })), name).toBe(true));
}

/** Random networks with the tensors at their nodes' borders open, and a case of each. */
function randomCases(count: number, seed: number): { made: Exported; case: Case; outputs: string[] }[] {
  const networks = [
    ...fc.sample(recipes.map((recipe) => network(recipe, false)), { numRuns: count, seed }).filter((_, i) => i % 2 === 0),
    ...fc.sample(mixedRecipes.map((recipe) => mixed(recipe, false)), { numRuns: count, seed }).filter((_, i) => i % 2 === 1),
  ];
  return networks.flatMap(({ onnx: bytes }, i) => {
    const made = exported(bytes, i % 3 === 0 ? 0 : 0.3, i);
    if (made === null) return [];
    const borders = unique(made.nodes);
    const outputs = made.model.outputs.map(({ name }) => name);
    for (const { name } of borders) if (!outputs.includes(name) && !made.model.inputs.some((input) => input.name === name)) outputs.push(name);
    const name = `random-${i}`;
    file(`${name}.onnx`, opened(made.model, borders));
    return [{ made, outputs, case: { name, model: `${name}.onnx`, inputs: [file(`${name}.bin`, made.image)], shape: [...(made.model.inputs[0]?.dims ?? [])], optimised: i % 2 === 0, sessions: 2, threads: 1 } }];
  });
}

async function expectNodes(networks: ReturnType<typeof randomCases>, results: readonly Told[]): Promise<number> {
  let nodes = 0;
  for (const { made, case: { name }, outputs } of networks) {
    const result = results.find((one) => one.name === name) as Told;
    if (result.error !== undefined) {
      // HardSwish in opset 13, sizes of some poolings: not ours.
      expect(result.error).not.toContain('FabricConv');
      continue;
    }
    expect(result.wrong, name).toEqual([]);
    const values = new Map(outputs.map((output, k) => [output, bytesOf(result.outputs?.[0]?.[k] as { file: string })]));
    const codes = new Map([...values].map(([output, bytes]) => [output, new Int8Array(bytes)]));
    for (const node of made.nodes) {
      for (const [output, wanted] of await ran(golden, node, codes)) expect(codes.get(output), `${name} ${output}`).toEqual(wanted);
      nodes++;
    }
  }
  return nodes;
}

describe.skipIf(missing)('FabricConv in ONNX Runtime from PyPI', () => {
  it.each([['newest', newest], ['1.16', oldest]])('%s: the classifier and random networks, sessions and threads at once', async (_, from) => {
    const networks = randomCases(30, 3);
    const results = await told(from, [pneumonia({ sessions: 3, threads: 3 }), ...networks.map((one) => one.case)]);
    await expectPneumonia(results[0] as Told);
    const nodes = await expectNodes(networks, results);
    console.log(`${networks.length} networks, ${nodes} nodes compared`);
    expect(nodes).toBeGreaterThan(20);
  });

  it('an older one is refused by name, and so are a library that is absent, a damaged program and another shape', async () => {
    expect((await told(older, [pneumonia()]))[0]?.error).toContain('FabricConv needs ONNX Runtime 1.16 or later; this is 1.15.1');
    expect((await told(newest, [pneumonia()], [], join(folder, 'absent.so')))[0]?.error).toContain('absent.so');
    const bytes = readFileSync(join(folder, 'pneumonia.onnx'));
    bytes[bytes.indexOf(program.subarray(-4096)) + 2000]! ^= 1;
    file('damaged.onnx', bytes);
    const [damaged, after] = await told(newest, [pneumonia({ model: 'damaged.onnx' }), pneumonia()]);
    expect(damaged?.error).toMatch(/FabricConv 'FabricConv_0': its program cannot be loaded \(format: .*weights are damaged/);
    await expectPneumonia(after as Told);
  });

  it('on the simulated core, bit for bit; a bus error fails its run, and the next one is right again', async () => {
    const board = await SimulatedBoard.start();
    try {
      const networks = randomCases(8, 5);
      const cases = networks.map((one) => one.case);
      expect(await expectNodes(networks, await told(newest, cases, [board.folder]))).toBeGreaterThan(3);
      expect(await board.tell('fault read slverr')).toBe('ok');
      const [failed, ...others] = await told(newest, [cases[0] as Case, ...cases], [board.folder]);
      expect(failed?.error).toMatch(/FabricConv 'FabricConv_0': device: layer .*the core reports a bus error on a read/);
      expect(await expectNodes(networks, others)).toBeGreaterThan(3);
    } finally {
      await board.end();
    }
  });

  it('the notebook runs as it stands, its last cell on the simulated core, and is one of nbformat\'s', async () => {
    const notebook = join(ROOT, 'agent/notebooks/two_routes.ipynb');
    const checked = await execute(python(newest), ['-c', 'import sys, nbformat; nbformat.validate(nbformat.read(sys.argv[1], as_version=4))', notebook]);
    expect(checked.code, checked.output).toBe(0);
    const board = await SimulatedBoard.start();
    try {
      const env = { ...process.env, FABRICLENS_LIBRARIES: dirname(library), FABRICLENS_EXPORTED: join(folder, 'pneumonia.onnx'), FABRICLENS_SIMULATED_BOARD: board.folder };
      const { code, output } = await execute('timeout', ['580', python(newest), '-B', '-m', 'tests.notebook', notebook, 'onnxruntime', 'simulated-board'], { cwd: join(ROOT, 'agent'), env });
      expect(code, output).toBe(0);
      expect(output).toMatch(/from ONNX Runtime 1\.32\.0\n.*core_memory_bytes/s);
    } finally {
      await board.end();
    }
  }, 600_000);
});
