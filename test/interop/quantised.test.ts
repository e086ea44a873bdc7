/**
 * Networks quantised by the tools themselves (quantised.py, with the pinned packages of quantised.txt) → canonical QDQ → program → the golden model,
 * against what ONNX Runtime makes of the file as the tool wrote it. Brevitas and AMD Quark are missing here: both need PyTorch, gigabytes of it. What Brevitas
 * exports is stood in for by QONNX's own converter to QDQ (its Clips and constants), Quark's powers of two by src/compiler/quantised/quantised.test.ts.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../hls/tests/golden.ts';
import { compileProgram } from '../../src/compiler/compile.ts';
import { readOnnx } from '../../src/compiler/onnx.ts';
import { calibratedQdq } from '../../src/compiler/quantised/calibrate.ts';
import { canonicalQdq, isQuantised } from '../../src/compiler/quantised/index.ts';
import { channelsFirst, runFp32 } from '../support/fp32.ts';
import { random } from '../support/qdq.ts';
import { environment, execute } from './venv.ts';

type Case = { input: number[]; shape: number[]; outputs: Record<string, number[]>; made_by: string };

const python = await environment('quantised.txt');
const folder = 'folder' in python ? join(python.folder, 'cases') : '';

async function generated(): Promise<string[]> {
  if (!('folder' in python)) return [];
  rmSync(folder, { recursive: true, force: true });
  const { code, output } = await execute(join(python.folder, 'bin/python'), [join(import.meta.dirname, 'quantised.py'), folder]);
  if (code !== 0) throw new Error(`quantised.py failed:\n${output}`);
  return readdirSync(folder).filter((f) => f.endsWith('.onnx')).map((f) => f.slice(0, -5));
}

const names = await generated();
if ('unreachable' in python) console.log(`PyPI cannot be reached (${python.unreachable}): nothing is compared.`);

let golden: Golden;
beforeAll(async () => void (golden = await Golden.start()), BUILD_TIMEOUT);
afterAll(async () => void (await golden.end()));

/**
 * ONNX Runtime 1.23.2 was seen to compute a 1 × 1 QLinearConv of uint8 by uint8 wrongly (a processor with AVX-VNNI: 16 of 1536 values off by up to 151, against
 * numpy's integers and its own DequantizeLinear → Conv → QuantizeLinear): the same network in QDQ form, with the same codes, is the witness then.
 */
const witness = (name: string): string => name.replace('-qop-uint8-uint8-', '-qdq-uint8-uint8-');

const largest = (values: ArrayLike<number>): number => Array.prototype.reduce.call(values, (most, v) => Math.max(most as number, Math.abs(v as number)), 0) as number;
const difference = (a: ArrayLike<number>, b: ArrayLike<number>): number => largest(Array.from(a, (v, i) => v - (b[i] as number)));

const rows: string[] = [];
afterAll(() => console.log(['| case | ONNX Runtime on canonical QDQ, LSB | golden, LSB | fp32, % of the largest |', '|---|---|---|---|', ...rows].join('\n')));

describe.skipIf('unreachable' in python)('networks quantised elsewhere', () => {
  it('are there, of each tool and form', () => {
    for (const kind of ['-qdq-uint8-int8', '-qdq-int8-int8-channel', '-qop-uint8-int8', '-useqdqcontribops', '-nncf-', '-qcdq-']) expect(names.filter((n) => n.includes(kind)).length, kind).toBeGreaterThan(2);
  });

  it.each(names)('%s', async (name) => {
    const expected = JSON.parse(readFileSync(join(folder, `${witness(name)}.json`), 'utf8')) as Case;
    const original = readOnnx(readFileSync(join(folder, `${name}.onnx`)));
    expect(isQuantised(original)).toBe(true);
    const dims = [...(canonicalQdq(original).model.inputs[0]?.dims ?? [])];
    const turned = dims.join() !== expected.shape.join();
    const data = turned ? channelsFirst(Float32Array.from(expected.input), expected.shape) : Float32Array.from(expected.input);
    // What the tools left unquantised is measured on samples like those that they had.
    const next = random(5);
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    const samples = Array.from({ length: 8 }, () => Float32Array.from(data, normal));
    const made = await calibratedQdq(original, samples);
    const feeds = { [made.model.inputs[0]?.name ?? '']: { data, dims } };
    const ours = await runFp32(readOnnx(made.bytes), feeds);
    const float = await runFp32(made.float, feeds);
    expect((await golden.load(compileProgram(made.bytes).program)).text).toBe('');
    const { values } = await golden.runFloat(data);
    expect(Object.keys(ours)).toEqual(Object.keys(expected.outputs));
    for (const [output, wanted] of Object.entries(expected.outputs)) {
      // Of the last quantisation, behind which there is at most a Softmax.
      const last = made.model.nodes.filter((n) => n.opType === 'QuantizeLinear').at(-1);
      const scale = Number(made.model.initializers.get(last?.inputs[1] ?? '')?.data[0]);
      const [runtime, core, real] = [difference(ours[output]?.data ?? [], wanted) / scale, difference(values, wanted) / scale, difference(float[output]?.data ?? [], wanted) / largest(wanted)];
      rows.push(`| ${name} (${expected.made_by}) | ${runtime.toFixed(2)} | ${core.toFixed(2)} | ${(100 * real).toFixed(1)} |`);
      // What a file quantises throughout keeps its values; what was left in fp32 is rounded where it was not; another form's Softmax has another scale.
      const bound = made.uncalibrated.length > 0 ? 6 : witness(name) !== name ? 2 : 1.01;
      expect(runtime).toBeLessThan(bound);
      expect(core).toBeLessThan(bound);
      expect(real).toBeLessThan(0.1);
    }
  });
});
