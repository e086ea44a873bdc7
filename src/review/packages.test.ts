import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeDetectorPackage } from '../../test/support/detector-package.ts';
import { guardOf, writeTinyPackage } from '../../test/support/model-package.ts';
import { loadAllPackages, loadPackages } from './packages.ts';

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'fabriclens-packages-')); });
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('loadPackages', () => {
  test('a package without program.bin runs on the CPU engines only', async () => {
    writeTinyPackage(folder);
    const { packages, problems } = await loadPackages(folder);
    expect(problems).toEqual([]);
    expect(packages.map(({ metadata, engines, card }) => [metadata.fabriclens.name, engines, card])).toEqual([['tiny', ['cpu-fp32', 'cpu-int8'], '# Tiny\n']]);
  });

  const broken: [string, RegExp, (dir: string) => void][] = [
    ['all-files', /Model all-files: model\.onnx is not the file.* Model all-files: model\.int8\.onnx cannot be read: there is no such file/, (dir) => { appendFileSync(join(dir, 'model.onnx'), 'x'); rmSync(join(dir, 'model.int8.onnx')); }],
    ['not-json', /Model not-json: metadata\.json is not JSON/, (dir) => writeFileSync(join(dir, 'metadata.json'), '{')],
    ['field', /Model field: metadata\.json, fabriclens\.tolerance: /, (dir) => rewrite(dir, 'field', (m) => { m.fabriclens.tolerance = -1; })],
    ['threshold', /has a threshold that was chosen for another model\.onnx/, (dir) => rewrite(dir, 'threshold', (m) => { m.fabriclens.threshold.sha256 = '0'.repeat(64); })],
    ['class', /sets the threshold on class 7 of 2/, (dir) => rewrite(dir, 'class', (m) => { m.fabriclens.threshold.classIndex = 7; })],
    ['other-name', /names the model "elsewhere", but its folder is "other-name"/, (dir) => rewrite(dir, 'other-name', (m) => { m.fabriclens.name = 'elsewhere'; })],
    ['size', /prepares 8 × 16 images for an input of 16 × 16/, (dir) => rewrite(dir, 'size', (m) => { m.fabriclens.preprocessing.width = 8; })],
    ['channels', /prepares 3 channel\(s\) for an input of 1; "channels" under preprocessing is 1 \(grey\) or 3/, (dir) => rewrite(dir, 'channels', (m) => { m.fabriclens.preprocessing.channels = 3; })],
    ['twice', /names the output "predictions" both as predictions and as detections/, () => writeDetectorPackage(folder, 'twice', (m) => { m.fabriclens.outputs.detections = 'predictions'; })],
    ['rule', /metadata\.json, fabriclens\.detection\.scoreThreshold: /, () => writeDetectorPackage(folder, 'rule', (m) => { m.fabriclens.detection.scoreThreshold = 2; })],
    ['guard-other', /has a guard that was made for another model\.onnx/, (dir) => rewrite(dir, 'guard-other', (m) => { m.fabriclens.guard = { ...guardOf(m), sha256: '0'.repeat(64) }; })],
    ['guard-parts', /has a guard whose statistics do not fit one another/, (dir) => rewrite(dir, 'guard-parts', (m) => { m.fabriclens.guard = { ...guardOf(m), variances: [1, 2] }; })],
    ['guard-bare', /has a guard but names no feature output/, (dir) => rewrite(dir, 'guard-bare', (m) => { m.fabriclens.guard = guardOf(m); delete m.fabriclens.outputs.features; delete m.fabriclens.heatmap; })],
    ['maps', /heat map weights that are not one row a label/, (dir) => rewrite(dir, 'maps', (m) => { m.fabriclens.heatmap!.weights.pop(); })],
  ];
  const rewrite = (_: string, name: string, change: Parameters<typeof writeTinyPackage>[2]): void => void writeTinyPackage(folder, name, change);

  test.each(broken)('%s: named with its cause, and the sound package beside it still loads', async (name, cause, breakIt) => {
    breakIt(writeTinyPackage(folder, name));
    writeTinyPackage(folder, 'sound');
    const { packages, problems } = await loadPackages(folder);
    expect(packages.map((p) => p.metadata.fabriclens.name)).toEqual(['sound']);
    expect(problems).toEqual([{ name, message: expect.stringMatching(cause) as string }]);
  });

  test('one bad file is named, and the package stays for the engines that run the others', async () => {
    appendFileSync(join(writeTinyPackage(folder, 'bytes'), 'model.int8.onnx'), 'x');
    rmSync(join(writeTinyPackage(folder, 'missing'), 'model.onnx'));
    const { packages, problems } = await loadPackages(folder);
    expect(packages.map(({ metadata, engines }) => [metadata.fabriclens.name, engines])).toEqual([['bytes', ['cpu-fp32', 'cpu-int8']], ['missing', ['cpu-fp32', 'cpu-int8']]]);
    expect(problems).toEqual([
      { name: 'bytes', message: expect.stringMatching(/^Model bytes: model\.int8\.onnx is not the file/) as string },
      { name: 'missing', message: 'Model missing: model.onnx cannot be read: there is no such file.' },
    ]);
  });

  test('a detector is a package, and one that says no task is a classifier', async () => {
    writeDetectorPackage(folder, 'detector');
    const dir = writeTinyPackage(folder, 'old');
    const metadata = JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8')) as { fabriclens: { task?: string; preprocessing: { channels?: number } } };
    delete metadata.fabriclens.task;
    delete metadata.fabriclens.preprocessing.channels;
    writeFileSync(join(dir, 'metadata.json'), JSON.stringify(metadata));
    const { packages, problems } = await loadPackages(folder);
    expect(problems).toEqual([]);
    expect(packages.map(({ metadata: { fabriclens } }) => [fabriclens.task, fabriclens.preprocessing.channels])).toEqual([['detection', 3], ['classification', 1]]);
  });

  test('of two packages with one name in two folders the first is taken and the other named', async () => {
    const mine = join(folder, 'mine');
    writeTinyPackage(folder, 'twice');
    writeTinyPackage(mine, 'twice');
    writeTinyPackage(mine, 'own');
    const { packages, problems } = await loadAllPackages([folder, mine]);
    expect(packages.filter((p) => p.dir.startsWith(mine)).map((p) => p.metadata.fabriclens.name)).toEqual(['own']);
    expect(problems.find((p) => p.name === 'twice')?.message).toContain(`the one in ${join(mine, 'twice')} is not used`);
  });

  test('a models folder that is not there is a problem, not a crash', async () => {
    const { packages, problems } = await loadPackages(join(folder, 'nowhere'));
    expect(packages).toEqual([]);
    expect(problems[0]!.message).toContain('cannot be read: there is no such file');
  });
});
