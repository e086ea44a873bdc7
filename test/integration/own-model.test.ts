/**
 * docs/own-model.md, without PyTorch: its commands for FabricLens, make and the project, as written but for the folder, on a network and files made here in
 * place of train.py's. (test/interop/own-model.test.ts runs all of the page.)
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeOnnx } from '../../src/compiler/onnx-write.ts';
import { ROOT } from '../support/data.ts';
import { Fp32 } from '../support/fp32.ts';
import { blocksOf, commandsOf } from '../support/page.ts';
import { smallDicom } from '../support/small-dicom.ts';

const FOLDER = 'build/own-model';
const SIDE = 64;
const page = readFileSync(join(ROOT, 'docs/own-model.md'), 'utf8');
const blocks = blocksOf(page);
/** What needs PyTorch, and what makes the folder for it. */
const isPython = (command: string): boolean => /^(rm -rf|mkdir -p|python3 -m venv|build\/own-model\/venv\/bin\/)/.test(command);
let folder: string;

/** The network that train.py trains, untrained. */
function shapes(): Uint8Array {
  const g = new Fp32(18);
  let x = g.input([1, 1, SIDE, SIDE], 'image');
  for (const [inputs, outputs] of [[1, 16], [16, 32], [32, 64]] as const) x = g.node('Relu', [g.conv(x, inputs, outputs, 3, { strides: [2, 2], pads: [1, 1, 1, 1] })]);
  x = g.node('Flatten', [g.node('GlobalAveragePool', [x])]);
  x = g.node('Gemm', [x, g.weights([2, 64]), g.weights([2])], { transB: 1 });
  const { nodes, ...rest } = g.build(['scores']);
  return writeOnnx({ ...rest, nodes: nodes.map((n) => ({ ...n, outputs: n.outputs.map((name) => (name === x ? 'scores' : name)) })) });
}

const dicom = (i: number): Buffer => smallDicom({ rows: SIDE, columns: SIDE, sopInstanceUid: `1.2.3.${i + 1}`, pixel: (at) => (at * (i + 3) * 7 + (at >> 6) * 31) % 4096 });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-own-model-'));
  for (const name of ['calibration', 'images']) mkdirSync(join(folder, name));
  for (let i = 0; i < 12; i++) writeFileSync(join(folder, `calibration/${i}.dcm`), dicom(i));
  writeFileSync(join(folder, 'images/one.dcm'), dicom(20));
  writeFileSync(join(folder, 'shapes.onnx'), shapes());
  writeFileSync(join(folder, 'metadata.json'), JSON.stringify({
    version: '1.0', network_data_format: { outputs: { scores: { channel_def: { 0: 'disc', 1: 'square' } } } },
    fabriclens: { preprocessing: { width: SIDE, height: SIDE, fit: 'squash', mean: 0.4, std: 0.25 } },
  }));
  writeFileSync(join(folder, 'sample.bin'), Buffer.from(Float32Array.from({ length: SIDE * SIDE }, (_, i) => Math.sin(i / 9)).buffer));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function shell(command: string): Promise<{ code: number | null; output: string }> {
  const child = spawn('bash', ['-e', '-c', command], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve({ code, output })));
}

test('every block is a shell\'s or a named file\'s, and everything lies in one folder', () => {
  for (const { language, file } of blocks) expect(language === 'sh' || (language === 'python' && file?.startsWith(`${FOLDER}/`)), language).toBe(true);
  const commands = commandsOf(blocks);
  for (const command of commands) expect(command).toContain(FOLDER);
  expect(commands.filter((command) => command.startsWith('npx fabriclens')).map((command) => command.split(' ')[2])).toEqual(['compile', 'models', 'infer', 'export-hls']);
  // What train.py writes is what the commands read.
  const script = blocks.find(({ language }) => language === 'python')!.text;
  for (const name of ['shapes.onnx', 'metadata.json', 'calibration/', 'images/', 'sample.bin']) {
    expect(script).toContain(name);
    expect(commands.some((command) => command.includes(`${FOLDER}/${name.replace(/\/$/, '')}`)), name).toBe(true);
  }
});

test('the commands that are not Python\'s, in order', async () => {
  const commands = commandsOf(blocks).filter((command) => !isPython(command));
  expect(commands.length).toBe(7);
  let last = '';
  for (const command of commands) {
    const { code, output } = await shell(command.replaceAll(FOLDER, folder));
    expect(code, `${command}\n${output}`).toBe(0);
    last = output;
  }
  const scores = last.trim().split(/\s+/).map(Number);
  expect(scores.length).toBe(2);
  expect(scores.every(Number.isFinite)).toBe(true);
}, 300_000);
