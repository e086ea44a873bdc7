/** Exported projects, compiled with g++ and run, against the golden model: every output code, on the shipped classifier and on random networks. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT, Golden } from '../../hls/tests/golden.ts';
import { ROOT } from '../../test/support/data.ts';
import type { Activation } from '../../test/support/qdq.ts';
import { Qdq, random } from '../../test/support/qdq.ts';
import { inputCodes, network, recipes } from '../../test/support/random-network.ts';
import { DescriptorFlag, FloatOperator, Op, Target } from '../contract/layout.ts';
import { compileProgram } from './compile.ts';
import { CompileError } from './error.ts';
import { exportHls, SHIPPED_SOURCES } from './export-hls.ts';
import { readProgram } from './read-program.ts';

const sources = new Map(Object.keys(SHIPPED_SOURCES).map((path) => [path, readFileSync(join(ROOT, 'hls', path), 'utf8')]));
const options = { name: 'test', version: '0', sha256: '0'.repeat(64), sources };

let golden: Golden;
let folder: string;
beforeAll(async () => {
  golden = await Golden.start();
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-export-'));
}, BUILD_TIMEOUT);
afterAll(async () => {
  await golden.end();
  rmSync(folder, { recursive: true, force: true });
});

function run(program: string, args: readonly string[], cwd: string): Promise<{ code: number | null; text: string }> {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve({ code, text })));
}

/** Writes, builds with warnings as errors, and gives the folder. */
async function project(name: string, program: Uint8Array, flags = '-O1'): Promise<string> {
  const dir = join(folder, name);
  for (const [path, text] of exportHls(program, options).files) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  const built = await run('make', ['-j2', `CXXFLAGS=${flags} -Wall -Wextra -Wconversion -Werror -DFL_NO_CLONES`], dir);
  expect(built.code, built.text).toBe(0);
  return dir;
}

async function outputs(dir: string, input: Uint8Array): Promise<Buffer> {
  writeFileSync(join(dir, 'input.bin'), input);
  const ran = await run('./network', ['input.bin', 'output.bin'], dir);
  expect(ran, ran.text).toEqual({ code: 0, text: '' });
  return readFileSync(join(dir, 'output.bin'));
}

const bytesOf = (codes: Int8Array | Float32Array): Uint8Array => new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);

describe('the pneumonia classifier as a project', () => {
  it('builds without a warning, runs, and gives the golden model\'s codes and fp32 values; EXPECTED tells', async () => {
    const program = readFileSync(join(ROOT, 'models/pneumonia/program.bin'));
    const start = performance.now();
    const dir = await project('pneumonia', program, '-O2');
    console.log(`built in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    const { inputBytes } = await golden.load(program);
    const codes = inputCodes(inputBytes, 11);
    const expected = Buffer.from(bytesOf(await golden.run(codes)));
    expect(new Set(expected).size).toBeGreaterThan(10);
    expect(await outputs(dir, bytesOf(codes))).toEqual(expected);
    writeFileSync(join(dir, 'expected.bin'), expected);
    expect((await run('./network', ['input.bin', 'output.bin', 'expected.bin'], dir)).code).toBe(0);
    expected[3]! ^= 1;
    writeFileSync(join(dir, 'expected.bin'), expected);
    expect((await run('./network', ['input.bin', 'output.bin', 'expected.bin'], dir)).code).toBe(1);

    const next = random(7);
    const image = Float32Array.from({ length: inputBytes }, () => 4 * next() - 2);
    const { values } = await golden.runFloat(image);
    expect(await outputs(dir, bytesOf(image))).toEqual(Buffer.from(bytesOf(values)));
    image[5] = NaN;
    writeFileSync(join(dir, 'input.bin'), bytesOf(image));
    expect(await run('./network', ['input.bin', 'output.bin'], dir)).toEqual({ code: 2, text: 'element 5 of the input is not a number\n' });
    writeFileSync(join(dir, 'input.bin'), bytesOf(image).subarray(1));
    expect((await run('./network', ['input.bin', 'output.bin'], dir)).text).toContain('the inputs have 50176 elements');
    // What an HLS tool would read: C++14, its directives expanded.
    for (const file of ['pl.cpp', 'layers/layer_000.cpp']) {
      const read = await run('g++', ['-std=c++14', '-pedantic', '-D__SYNTHESIS__', '-Wall', '-Wextra', '-Werror', '-Wno-unknown-pragmas', '-fsyntax-only', file], dir);
      expect(read.code, read.text).toBe(0);
    }
  }, 120_000);
});

describe('random networks as projects', () => {
  const FLAGS = Object.values(DescriptorFlag);
  const partsOf = (program: Uint8Array): string[] => readProgram(program).descriptors.flatMap(({ op, flags }) => [`op ${op}`, ...FLAGS.filter((flag) => (flags & flag) !== 0).map((flag) => `op ${op} flag ${flag}`)]);

  /** Files of a project beside its layers, about. */
  const OTHER_FILES = 4;

  /** Of many networks a few of few layers, each a project of its own, that together have every operation with every part of the output stage. */
  function chosen(): { onnx: Uint8Array; program: Uint8Array; inputElements: number; files: number }[] {
    const many = fc.sample(recipes, { numRuns: 250, seed: 20 }).map((recipe, i) => {
      // Every second one with its intermediates as outputs, so that what is fused and what is not both occur.
      const { onnx, inputElements } = network(recipe, i % 2 === 1);
      const { program } = compileProgram(onnx);
      return { onnx, inputElements, program, parts: partsOf(program), files: OTHER_FILES + readProgram(program).descriptors.length };
    });
    const missing = new Set(many.flatMap(({ parts }) => parts));
    console.log(`${missing.size} parts: ${[...missing].sort().join(', ')}`);
    for (const op of Object.values(Op)) expect(missing, `op ${op}`).toContain(`op ${op}`);
    for (const flag of FLAGS) expect([...missing].some((part) => part.endsWith(`flag ${flag}`)), `flag ${flag}`).toBe(true);
    const found = [];
    while (missing.size > 0) {
      const gain = ({ parts, files }: { parts: string[]; files: number }): number => new Set(parts.filter((part) => missing.has(part))).size / files;
      const best = many.reduce((a, b) => (gain(b) > gain(a) ? b : a));
      for (const part of best.parts) missing.delete(part);
      found.push(best);
    }
    return found;
  }

  it('equal the golden model on every code', async () => {
    const networks = chosen();
    for (const [i, { program, inputElements }] of networks.entries()) {
      const dir = await project(`random-${i}`, program, i % 3 === 2 ? '-O1 -DFL_WEIGHTS_ON_CHIP -fsanitize=address,undefined -fno-sanitize-recover=all' : '-O0');
      expect((await golden.load(program)).text).toBe('');
      for (let seed = 0; seed < 3; seed++) {
        const codes = inputCodes(inputElements, seed);
        expect(await outputs(dir, bytesOf(codes)), `network ${i}, seed ${seed}`).toEqual(Buffer.from(bytesOf(await golden.run(codes))));
      }
      rmSync(dir, { recursive: true });
    }
    console.log(`${networks.length} projects of ${networks.reduce((sum, { files }) => sum + files, 0)} files`);
  }, 300_000);
});

/** A network between whose convolutions, and behind whose last one, stands what the core's codes cannot hold: every float operator, and detections. */
function withFloats(): { program: Uint8Array; inputElements: number } {
  const net = new Qdq();
  const from = random(9);
  const ints = (...values: number[]): string => net.value(BigInt64Array.from(values, BigInt));
  const floats = (...shape: number[]): string => net.value(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * from() - 1), shape);
  const q = (about: number): { scale: number; zeroPoint: number } => ({ scale: about * (0.8 + 0.4 * from()), zeroPoint: Math.floor(60 * from()) - 30 });
  const conv = (x: Activation, outputs: number): Activation => {
    const [, inputs = 1] = x.shape;
    const made = net.conv(x, Int8Array.from({ length: outputs * inputs * 9 }, () => Math.floor(255 * from()) - 127), outputs, Float32Array.from({ length: outputs }, () => 0.002 + 0.002 * from()), new Int32Array(outputs), { kernel: [3, 3], pads: [1, 1, 1, 1] });
    return net.quantised(made.name, made.shape, q(0.05));
  };
  let x = conv(net.input([1, 3, 6, 8], q(0.02)), 12);
  // A gate as in squeeze and excitation, then back to codes and the core.
  const gate = net.quantised(net.node('Sigmoid', [net.quantised(net.node('GlobalAveragePool', [x.name]), [1, 12, 1, 1], q(0.02)).name]), [1, 12, 1, 1], q(0.004));
  x = conv(net.quantised(net.node('Mul', [x.name, gate.name]), x.shape, q(0.04)), 8);
  const enlarged = net.node('Resize', [x.name, '', net.value(Float32Array.of(1, 1, 2, 1.5))], { mode: 'linear', coordinate_transformation_mode: 'half_pixel' });
  const turned = net.node('Transpose', [x.name], { perm: [0, 3, 1, 2] });
  const outputs = [
    { name: enlarged, shape: [1, 8, 12, 12] },
    { name: net.node('Softmax', [turned]), shape: [1, 8, 8, 6] },
    { name: net.node('LogSoftmax', [turned], { axis: 1 }), shape: [1, 8, 8, 6] },
    { name: net.node('MatMul', [x.name, floats(8, 5)]), shape: [1, 8, 6, 5] },
    { name: net.node('Concat', [net.node('Slice', [turned, ints(6, 0), ints(-7, 5), ints(1, 3), ints(-2, 1)]), floats(1, 4, 8, 5)], { axis: 1 }), shape: [1, 8, 8, 5] },
    { name: net.node('ReduceMean', [net.node('Pow', [net.node('Abs', [turned]), floats(6)])], { axes: [1, 2], keepdims: 0 }), shape: [1, 6] },
  ];
  // [1, 48, 8]: rows of cx, cy, w, h, objectness and three scores.
  const rows = net.node('Reshape', [net.node('Transpose', [net.node('Sigmoid', [x.name])], { perm: [0, 2, 3, 1] }), ints(1, 48, 8)]);
  const predictions = { name: net.node('Mul', [rows, net.value(Float32Array.of(40, 40, 20, 20, 1, 1, 1, 1))]), shape: [1, 48, 8] };
  const onnx = net.build([...outputs, predictions].map((made) => ({ ...x, ...made })));
  const { program } = compileProgram(onnx, { detections: { predictions: predictions.name, scoreThreshold: 0.3, iouThreshold: 0.4, maxDetections: 20, objectness: true } });
  return { program, inputElements: 3 * 6 * 8 };
}

describe('float operators in a project', () => {
  it('give the runtime\'s values bit for bit, all of them, between the core\'s segments and behind', async () => {
    const { program, inputElements } = withFloats();
    const { floatOps, segments } = readProgram(program);
    const met = new Set(floatOps.map(({ op }) => op));
    expect(Object.entries(FloatOperator).filter(([, op]) => !met.has(op)).map(([name]) => name)).toEqual([]);
    expect(segments.filter(({ target }) => target === Target.PL).length).toBeGreaterThan(1);
    const dir = await project('floats', program, '-O1 -fsanitize=address,undefined -fno-sanitize-recover=all');
    expect((await golden.load(program)).text).toBe('');
    const next = random(4);
    for (let i = 0; i < 5; i++) {
      const image = Float32Array.from({ length: inputElements }, () => 5 * next() - 2.5);
      const { status, values } = await golden.runFloat(image);
      expect(status).toBe(0);
      expect(new Set(values).size).toBeGreaterThan(500);
      expect(await outputs(dir, bytesOf(image))).toEqual(Buffer.from(bytesOf(values)));
    }
  }, 120_000);
});

describe('what an exporter refuses or must not let through', () => {
  const { onnx } = network(fc.sample(recipes, { numRuns: 1, seed: 3 })[0]!, false);
  const { program } = compileProgram(onnx);

  it('refuses damaged and foreign bytes by name, whatever they are', () => {
    expect(() => exportHls(new Uint8Array(10), options)).toThrow('program.bin is damaged: it is too short');
    const next = random(1);
    let refused = 0;
    for (let i = 0; i < 300; i++) {
      const bytes = Uint8Array.from(program);
      const hit = Math.floor(next() * (i % 2 === 0 ? 600 : bytes.length));
      bytes[hit] = Math.floor(next() * 256);
      try {
        exportHls(i % 5 === 0 ? bytes.subarray(0, Math.floor(next() * bytes.length)) : bytes, options);
      } catch (error) {
        expect(error).toBeInstanceOf(CompileError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(50);
    const old = Uint8Array.from(program);
    old[4] = 1;
    expect(() => exportHls(old, options)).toThrow('layout version 1');
  });

  it('the same bytes give the same files, and names cannot leave their comment', () => {
    const again = exportHls(program, options).files;
    expect([...exportHls(program, options).files]).toEqual([...again]);
    const { files } = exportHls(program, { ...options, name: 'a\n#error */ "x" \\' });
    for (const [path, text] of files) expect(text.split('\n').filter((line) => line.startsWith('#error')), path).toEqual([]);
  });
});
