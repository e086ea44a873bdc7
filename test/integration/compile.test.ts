/** `fabriclens compile` as its users call it: an fp32 network and calibration files to a package that all engines run. */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelMetadata } from '../../src/contract/model.ts';
import { AddModelReport } from '../../src/contract/report.ts';
import { loadPackage } from '../../src/review/index.ts';
import { classifier } from '../support/classifier.ts';
import { ROOT } from '../support/data.ts';
import { tinyFp32 } from '../support/model-package.ts';
import { onnxModel } from '../support/onnx.ts';
import { png } from '../support/png.ts';

const MODEL = join(ROOT, 'models/pneumonia/model.onnx');
const SAMPLES = join(ROOT, 'models/samples/chest-synthetic');
let folder: string;

interface Outcome { code: number | null; stdout: string; stderr: string }

function run(args: string[], interruptAt?: string): Promise<Outcome> {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/fabriclens.mjs'), ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  let interrupted = false;
  child.stdout.on('data', (chunk: Buffer) => (outcome.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    outcome.stderr += chunk.toString();
    if (interruptAt === undefined || interrupted || !outcome.stderr.includes(interruptAt)) return;
    interrupted = true;
    child.kill('SIGINT');
  });
  return new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve({ ...outcome, code })));
}

/** PNG of 8 bits a channel, filter 0: grey, or R, G, B. */
function picture(rows: number, columns: number, pixel: (y: number, x: number) => number[]): Uint8Array {
  const raw = Array.from({ length: rows }, (_, y) => [0, ...Array.from({ length: columns }, (_, x) => pixel(y, x)).flat()]).flat();
  return png(columns, rows, 8, pixel(0, 0).length === 3 ? 2 : 0, raw);
}

function npy(shape: number[], values: Float32Array): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  return Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY'), Buffer.from([1, 0, padded.length & 255, padded.length >> 8]), Buffer.from(padded), Buffer.from(values.buffer)]);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-compile-'));
  writeFileSync(join(folder, 'tiny.onnx'), tinyFp32());
  mkdirSync(join(folder, 'images'));
  for (let i = 0; i < 3; i++) writeFileSync(join(folder, `images/${i}.png`), picture(20, 20, (y, x) => [(7 * y + 5 * x * (i + 1)) % 256]));
  writeFileSync(join(folder, 'images/stack.npy'), npy([4, 1, 16, 16], Float32Array.from({ length: 4 * 256 }, (_, i) => Math.sin(i))));
  writeFileSync(join(folder, 'images/notes.txt'), 'no image');
  await run(['--version']);
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const nothingLeft = (): void => expect(readdirSync(folder).filter((name) => name.startsWith('.') || name === 'out')).toEqual([]);

describe('compile', () => {
  test('the shipped network, from DICOM: a package that passes its checks and that three engines run alike', async () => {
    const { fabriclens: shipped, ...rest } = ModelMetadata.parse(JSON.parse(readFileSync(join(ROOT, 'models/pneumonia/metadata.json'), 'utf8')));
    const fabriclens = classifier(shipped);
    writeFileSync(join(folder, 'given.json'), JSON.stringify({ ...rest, fabriclens }));
    const { code, stdout, stderr } = await run(['compile', MODEL, '--calibrate', SAMPLES, '--out', 'models/chest', '--metadata', 'given.json', '--json']);
    expect([code, stderr]).toEqual([0, '']);
    const report = JSON.parse(stdout) as AddModelReport & { type: string };
    expect(report.type).toBe('package');
    expect(AddModelReport.parse(JSON.parse(readFileSync(join(folder, 'models/chest/report.json'), 'utf8')))).toEqual(AddModelReport.parse(report));
    expect(report.proof.rule).toMatchObject({ state: 'kept', samples: 2, left: [] });
    expect(report.core).toMatchObject({ source: 'model', megahertz: 100 });
    expect(report.totals).toMatchObject({ layers: { PS: 0 }, macs: report.totals.macsOnPl, ms: report.totals.cycles! / 1e5 });
    // The simulated RTL takes 705,836 for the shipped package, whose input and pooling are quantised a little differently.
    expect(report.totals.cycles).toBeGreaterThan(690_000);
    expect(report.totals.cycles).toBeLessThan(730_000);
    expect(report.layers.reduce((sum, row) => sum + (row.cycles ?? 0), 0)).toBe(report.totals.cycles);
    expect(report.layers.filter((row) => row.within !== null).map(({ operator, within }) => `${operator} in ${within?.replace(/\.(conv2|short)$/, '')}`)).toEqual([1, 2, 3, 4].map((block) => `Add + Relu in block${block}`));
    expect(report.roofline.points.map(({ share }) => share).reduce((a, b) => a + b)).toBeCloseTo(1, 1);
    expect(report.advice.map(({ code }) => code)).toContain('all-on-pl');
    expect(report.proof.labelAgreement).toBe(1);
    expect(report.proof.maxDelta).toBeLessThan(0.03);
    expect(report.proof.golden).toMatchObject({ state: 'ok', samples: 4 });
    const worst = report.quantisation.worst.map((name) => report.layers.find((l) => l.name === name)?.sqnr ?? 200);
    expect(worst).toEqual(worst.toSorted((a, b) => a - b));
    expect(worst[0]).toBeGreaterThan(25);
    expect(report.quantisation.outputs.find((o) => o.name === 'logits')?.sqnr).toBeGreaterThan(30);

    const pkg = await loadPackage(join(folder, 'models/chest'));
    expect(pkg.faults).toEqual([]);
    expect(pkg.engines).toEqual(['cpu-fp32', 'cpu-int8', 'board']);
    expect(pkg.card).toContain('## Quantisation');
    // What was given stays: labels, threshold, heat map; the input's codes are the 8-bit greys, as in the shipped package.
    expect(pkg.metadata.fabriclens).toMatchObject({ name: 'chest', labels: fabriclens.labels, threshold: fabriclens.threshold, heatmap: fabriclens.heatmap, input: { zeroPoint: fabriclens.input.zeroPoint } });
    expect(pkg.metadata.fabriclens.input.scale).toBeCloseTo(fabriclens.input.scale, 7);
    expect(readdirSync(join(folder, 'models/chest')).sort()).toEqual(['CARD.md', 'metadata.json', 'model.int8.onnx', 'model.onnx', 'program.bin', 'report.json']);
    expect(readFileSync(join(folder, 'models/chest/model.onnx')).equals(readFileSync(MODEL))).toBe(true);

    const inferred = await run(['infer', SAMPLES, '--models', 'models', '--json']);
    expect(inferred.code).toBe(0);
    const results = inferred.stdout.trim().split('\n').map((line) => JSON.parse(line) as { type: string; flips: string[]; runs: { state: string }[] }).filter((l) => l.type === 'result');
    expect(results).toHaveLength(4);
    for (const { flips, runs } of results) expect([flips, runs.map((r) => r.state)]).toEqual([[], ['ok', 'ok', 'ok']]);
  }, 180_000);

  test('PNG and .npy, the same program again; what is no image is left out by name; what is not known is said', async () => {
    const { code, stdout, stderr } = await run(['compile', 'tiny.onnx', '--calibrate', 'images', '--out', 'small', '--method', 'minmax']);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^fabriclens: left out: notes\.txt: .*not a DICOM file/m);
    expect(stdout).toMatch(/used +ms[\s\S]*Calibration: 7 samples, minmax[\s\S]*worst layers[\s\S]*Proof: all [\s\S]*Golden model against ONNX Runtime on \d samples?[\s\S]*100\.00 % of [\d.]+ MMAC on the PL[\s\S]*Written: /);
    expect((await run(['compile', 'tiny.onnx', '--calibrate', 'images', '--out', 'again/small', '--method', 'minmax'])).code).toBe(0);
    expect(readFileSync(join(folder, 'again/small/program.bin')).equals(readFileSync(join(folder, 'small/program.bin')))).toBe(true);
    expect(stdout).toContain('note: Class names: numbered.');
    const { metadata, card } = await loadPackage(join(folder, 'small'));
    expect(metadata.fabriclens.labels.map((l) => l.name)).toEqual(['class 0', 'class 1']);
    expect(card).toMatch(/## Unknown\n(- .*\n)*- Not stated: task, description/);
  }, 60_000);

  test('labels and preprocessing from a MONAI metadata.json', async () => {
    writeFileSync(join(folder, 'monai.json'), JSON.stringify({
      version: '2.1.0', task: 'Toy', name: 'Toy model',
      network_data_format: { inputs: { image: { modality: 'CR' } }, outputs: { logits: { channel_def: { 0: 'SOUND', 1: 'ILL' } } } },
      fabriclens: { preprocessing: { mean: 0.5, std: 0.25 }, threshold: { classIndex: 1, value: 0.3, method: 'By hand.' } },
    }));
    expect((await run(['compile', 'tiny.onnx', '--calibrate', 'images', '--out', 'toy', '--metadata', 'monai.json'])).code).toBe(0);
    const { metadata } = await loadPackage(join(folder, 'toy'));
    expect(metadata).toMatchObject({ version: '2.1.0', task: 'Toy', fabriclens: { title: { en: 'Toy model' }, labels: [{ name: 'SOUND' }, { name: 'ILL' }], preprocessing: { mean: 0.5, std: 0.25, fit: 'squash' }, threshold: { value: 0.3 }, intended: { modalities: ['CR'] } } });
    expect(metadata.fabriclens.input.scale).toBeCloseTo(4 / 255, 8);
  }, 60_000);

  test('three channels and classes, from colour images: normalised each its own way, and three engines agree on a grey film', async () => {
    const weights = (count: number, gain: number): Float32Array => Float32Array.from({ length: count }, (_, i) => gain * Math.sin(3 * i + 1));
    writeFileSync(join(folder, 'colour.onnx'), onnxModel({
      inputs: [{ name: 'image', type: 'float32', shape: [1, 3, 24, 24] }],
      outputs: [{ name: 'logits', type: 'float32', shape: [1, 3] }],
      nodes: [
        { op: 'Conv', inputs: ['image', 'w', 'b'], outputs: ['c'], attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
        { op: 'Relu', inputs: ['c'], outputs: ['r'] },
        { op: 'GlobalAveragePool', inputs: ['r'], outputs: ['m'] },
        { op: 'Flatten', inputs: ['m'], outputs: ['f'] },
        { op: 'Gemm', inputs: ['f', 'v', 'd'], outputs: ['logits'], attributes: { transB: 1 } },
      ],
      initializers: [
        { name: 'w', shape: [8, 3, 3, 3], data: weights(216, 0.5) }, { name: 'b', shape: [8], data: weights(8, 0.1) },
        { name: 'v', shape: [3, 8], data: weights(24, 1.5) }, { name: 'd', shape: [3], data: weights(3, 0.2) },
      ],
    }));
    mkdirSync(join(folder, 'colours'));
    for (let i = 0; i < 6; i++) writeFileSync(join(folder, `colours/${i}.png`), picture(30, 40, (y, x) => [(7 * y + 40 * i) % 256, (5 * x) % 256, (3 * x + 2 * y * i) % 256]));
    const preprocessing = { channels: 3, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    const labels = ['A', 'B', 'C'].map((name) => ({ name, text: { en: name } }));
    writeFileSync(join(folder, 'colour.json'), JSON.stringify({ fabriclens: { preprocessing, labels } }));
    const { code, stdout, stderr } = await run(['compile', 'colour.onnx', '--calibrate', 'colours', '--out', 'coloured/colour', '--metadata', 'colour.json', '--json']);
    expect([code, stderr]).toEqual([0, '']);
    const report = JSON.parse(stdout) as AddModelReport;
    expect(report.proof).toMatchObject({ rule: { state: 'kept', left: [] }, golden: { state: 'ok' }, labelAgreement: 1 });
    expect(report.totals.layers.PS).toBe(0);
    const { metadata, faults } = await loadPackage(join(folder, 'coloured/colour'));
    expect(faults).toEqual([]);
    expect(metadata.fabriclens).toMatchObject({ input: { shape: [1, 3, 24, 24] }, preprocessing: { ...preprocessing, width: 24, height: 24, fit: 'squash' }, labels });
    const inferred = await run(['infer', join(SAMPLES, 'clear-1.dcm'), '--models', 'coloured', '--json']);
    expect(inferred.code).toBe(0);
    const { flips, runs } = JSON.parse(inferred.stdout.split('\n')[0]!) as { flips: string[]; runs: { state: string; probabilities: number[] }[] };
    expect([flips, runs.map((r) => r.state)]).toEqual([[], ['ok', 'ok', 'ok']]);
    for (const { probabilities } of runs) probabilities.forEach((p, c) => expect(p).toBeCloseTo(runs[0]!.probabilities[c]!, 1));
    expect(new Set(runs[0]!.probabilities.map((p) => p.toFixed(2))).size).toBe(3);
  }, 60_000);

  test('a network that ends in Softmax gives scores, and the same probabilities', async () => {
    writeFileSync(join(folder, 'softmax.onnx'), tinyFp32(undefined, true));
    for (const [model, out] of [['tiny.onnx', 'ends/plain'], ['softmax.onnx', 'ends/softmax']] as const) {
      expect((await run(['compile', model, '--calibrate', 'images', '--out', out])).code).toBe(0);
    }
    const { metadata } = await loadPackage(join(folder, 'ends/softmax'));
    expect(metadata.fabriclens).toMatchObject({ activation: 'softmax', outputs: { logits: 'logits' } });
    const probabilities = async (model: string): Promise<number[][]> => {
      const { code, stdout } = await run(['infer', join(SAMPLES, 'clear-1.dcm'), '--models', 'ends', '--model', model, '--json']);
      expect(code).toBe(0);
      return (JSON.parse(stdout.split('\n')[0]!) as { runs: { probabilities: number[] }[] }).runs.map((r) => r.probabilities);
    };
    const [plain, softmax] = [await probabilities('plain'), await probabilities('softmax')];
    softmax.forEach((values, i) => values.forEach((p, c) => expect(p).toBeCloseTo(plain[i]![c]!, 5)));
  }, 60_000);

  test.each([
    [['nowhere.onnx'], 'nowhere.onnx cannot be read: there is no such file'],
    [['images/notes.txt'], 'Not a'],
    [['tiny.onnx', '--calibrate', 'empty'], 'holds no calibration sample'],
    [['tiny.onnx', '--out', 'images'], 'images is there already'],
    [['tiny.onnx', '--out', 'a b'], '"a b" cannot name a model'],
    [['tiny.onnx', '--float', 'nobody'], "There is no node 'nobody'"],
    [['tiny.onnx', '--metadata', 'images/notes.txt'], 'notes.txt is not JSON'],
  ])('%j is refused with the reason, and nothing is left', async (args, message) => {
    mkdirSync(join(folder, 'empty'), { recursive: true });
    const { code, stdout, stderr } = await run(['compile', '--calibrate', 'images', '--out', 'out', ...args]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(message);
    nothingLeft();
  });

  test('a threshold of another model is refused', async () => {
    writeFileSync(join(folder, 'other.json'), JSON.stringify({ fabriclens: { threshold: { classIndex: 1, value: 0.4, method: 'x', sha256: 'a'.repeat(64) } } }));
    expect((await run(['compile', 'tiny.onnx', '--calibrate', 'images', '--out', 'out', '--metadata', 'other.json'])).stderr).toContain('a threshold for another model.onnx');
    nothingLeft();
  });

  test('a network that is quantised already keeps its scales; layers go where they are pinned, and cycles follow the clock', async () => {
    const int8 = join(ROOT, 'models/pneumonia/model.int8.onnx');
    const { code, stdout, stderr } = await run(['compile', int8, '--calibrate', SAMPLES, '--out', 'quantised', '--pin', 'block2.short=PS,dense=PS', '--clock', '150', '--json']);
    expect([code, stderr]).toEqual([0, '']);
    const report = AddModelReport.parse(JSON.parse(stdout));
    expect(report.quantisation).toMatchObject({ by: 'imported', chosen: null });
    expect(report.proof.golden).toMatchObject({ state: 'ok', all: { maxDifference: 0 } });
    expect(report.proof.rule).toMatchObject({ state: 'kept', left: [] });
    expect(report.core).toMatchObject({ megahertz: 150, clockFrom: 'given' });
    expect(report.layers.filter((row) => row.target === 'PS').map(({ name, cycles, reason }) => [name, cycles, reason])).toEqual([['block2.short', null, 'The PS was asked for.'], ['dense', null, 'The PS was asked for.']]);
    expect(report.advice.find(({ code: word }) => word === 'on-ps')?.values).toMatchObject({ layers: '2', first: 'block2.short' });
    for (const row of report.layers) expect(row.sqnr, row.name).toBeGreaterThan(20);
    const { metadata, faults } = await loadPackage(join(folder, 'quantised'));
    expect(faults).toEqual([]);
    const shipped = ModelMetadata.parse(JSON.parse(readFileSync(join(ROOT, 'models/pneumonia/metadata.json'), 'utf8')));
    expect(metadata.fabriclens.input).toMatchObject({ scale: shipped.fabriclens.input.scale, zeroPoint: shipped.fabriclens.input.zeroPoint });
    const refused = await run(['compile', int8, '--calibrate', SAMPLES, '--out', 'out', '--method', 'entropy']);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('quantised already, and its scales are kept')]);
    expect((await run(['compile', MODEL, '--calibrate', SAMPLES, '--out', 'out', '--pin', 'nobody=PL'])).stderr).toContain("Node 'nobody': it is pinned to the PL, and no layer has that name");
    nothingLeft();
  }, 180_000);

  test.each(['calibrating: 5 of', 'proving: 3 of'])('Ctrl-C at "%s" leaves nothing half-written, exit code 130', async (moment) => {
    mkdirSync(join(folder, 'many'), { recursive: true });
    for (let i = 0; i < 12; i++) copyFileSync(join(SAMPLES, readdirSync(SAMPLES)[i % 4]!), join(folder, `many/${i}.dcm`));
    const { code, stdout, stderr } = await run(['compile', MODEL, '--calibrate', 'many', '--out', 'out', '--method', 'minmax', '--progress'], moment);
    expect([code, stdout]).toEqual([130, '']);
    expect(stderr).toContain('stopped; nothing was written');
    expect(existsSync(join(folder, 'out'))).toBe(false);
    nothingLeft();
  }, 60_000);
});
