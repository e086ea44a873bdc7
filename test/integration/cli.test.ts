/** The command line as its users call it: scripts/fabriclens.mjs as a process of its own. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BoardPool, connectBoard } from '../../src/board/index.ts';
import { createCodecs } from '../../src/dicom/index.ts';
import { resolveResources } from '../../src/hosts/resources.ts';
import { createReview, ExportedComparison, exportComparison } from '../../src/review/index.ts';
import { buildForTest } from '../support/build.ts';
import { compiledPackage } from '../support/compiled-package.ts';
import { ROOT } from '../support/data.ts';
import { rectanglesDicom, writeDetectorPackage, type Rectangle } from '../support/detector-package.ts';
import { writeTinyPackage } from '../support/model-package.ts';
import { smallDicom } from '../support/small-dicom.ts';

const SAMPLES = join(ROOT, 'models/samples/chest-synthetic');
const CPU = ['--engine', 'cpu-fp32,cpu-int8'];
let folder: string;
let models: string;
let tiny: string;

interface Outcome { code: number | null; stdout: string; stderr: string }
interface Started { outcome: Promise<Outcome>; pid: number; interrupt(): void; sees(text: string): Promise<void> }

function start(...args: string[]): Started {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/fabriclens.mjs'), ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  const hear = (stream: 'stdout' | 'stderr') => (chunk: Buffer): void => {
    outcome[stream] += chunk.toString();
    for (const look of watchers) look();
  };
  child.stdout.on('data', hear('stdout'));
  child.stderr.on('data', hear('stderr'));
  const ended = new Promise<Outcome>((resolve, reject) => child.on('error', reject).on('close', (code) => resolve({ ...outcome, code })));
  return {
    outcome: ended,
    pid: child.pid!,
    interrupt: () => void child.kill('SIGINT'),
    sees: (text) => new Promise((resolve, reject) => {
      const look = (): void => {
        if (outcome.stdout.includes(text) || outcome.stderr.includes(text)) resolve();
      };
      watchers.add(look);
      look();
      void ended.then(({ code }) => reject(new Error(`ended with ${code} before "${text}"\n${outcome.stderr}`)));
    }),
  };
}
const run = (...args: string[]): Promise<Outcome> => start(...args).outcome;
const lines = (text: string): Record<string, unknown>[] => text.trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-cli-'));
  models = join(folder, 'models');
  tiny = join(folder, 'tiny-models');
  await compiledPackage(models);
  writeTinyPackage(tiny);
  mkdirSync(join(folder, 'mixed'));
  writeFileSync(join(folder, 'mixed/a.dcm'), smallDicom({ sopInstanceUid: '1.2.3.1' }));
  writeFileSync(join(folder, 'mixed/b-text.dcm'), 'these are no pixels');
  writeFileSync(join(folder, 'mixed/c-cut.dcm'), smallDicom({ sopInstanceUid: '1.2.3.2' }).subarray(0, 700));
  writeFileSync(join(folder, 'mixed/d-ct.dcm'), smallDicom({ sopInstanceUid: '1.2.3.3', modality: 'CT', frames: 3 }));
  mkdirSync(join(folder, 'empty'));
  await run('--version'); // builds what is not built, once
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('words and exit codes', () => {
  test('--help and --version', async () => {
    expect(await run('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('npx fabriclens infer PATH') as string });
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await run('--version')).toMatchObject({ code: 0, stdout: `fabriclens ${version}\n` });
  });

  test.each([
    [['infer'], 'at least one file'],
    [['infer', 'mixed', '--engine', 'gpu'], 'There is no engine "gpu"'],
    [['infer', 'empty', ...CPU], 'There is no image in empty'],
    [['infer', 'mixed', '--models', 'empty'], 'no usable model'],
    [['infer', 'mixed', '--models', 'tiny-models', '--model', 'other'], 'There is no usable model "other". There is: tiny.'],
  ])('%j: exit code 2 and why', async (args, message) => {
    const { code, stdout, stderr } = await run(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});

describe('infer', () => {
  test('a table for people: every engine, decision, latency with sources; fits the terminal; exit code 0', async () => {
    const { code, stdout, stderr } = await run('infer', SAMPLES, '--models', models, '--repeat', '2');
    expect([code, stderr]).toEqual([0, '']);
    for (const name of readdirSync(SAMPLES)) expect(stdout).toContain(name);
    expect(stdout.match(/^ {2}board +(NORMAL|PNEUMONIA) +0\.\d{4} +0\.\d{4} +[+−]0\.\d{4} .* 2$/gm)).toHaveLength(readdirSync(SAMPLES).length);
    expect(stdout).toMatch(/^ {2}pl +model .*\d$/m);
    expect(stdout).toContain('Not for diagnostic use.');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  }, 120_000);

  test('--json gives the numbers of the review service', async () => {
    const files = readdirSync(SAMPLES).sort().slice(0, 2).map((name) => join(SAMPLES, name));
    const { code, stdout } = await run('infer', ...files, '--models', models, ...CPU, '--json');
    expect(code).toBe(0);
    const printed = lines(stdout);
    expect(printed.at(-1)).toEqual({ type: 'summary', images: 2, failedInputs: 0, failedRuns: 0, interrupted: false });

    const { loadWasm } = resolveResources(ROOT);
    const boards = new BoardPool([connectBoard({ host: '127.0.0.1', port: 9 })]);
    const review = createReview({ modelsDir: models, codecs: createCodecs(loadWasm), workerUrl: await buildForTest('src/engines/ort-worker.ts'), boards, software: '' });
    const opened = await review.open(files);
    const labels = (await review.models()).models[0]!.metadata.fabriclens.labels.map((l) => l.name);
    for (const [i, { id }] of opened.files.entries()) {
      const instance = review.library().studies.flatMap((s) => s.series.flatMap((e) => e.instances)).find((x) => x.id === id)!;
      const comparison = await review.compare({ instanceId: id, frame: 0, model: 'pneumonia', engines: ['cpu-fp32', 'cpu-int8'], repeats: 1 });
      const ours = ExportedComparison.parse(JSON.parse(JSON.stringify(exportComparison(comparison, instance.sopInstanceUid, labels))));
      const { type, file, ...rest } = printed[i]!;
      expect([type, file]).toEqual(['result', files[i]]);
      expect(untimed(ExportedComparison.parse(rest))).toEqual(untimed(ours));
    }
    await review.close();
    await boards.close();
  }, 120_000);

  test('bad files are named with their cause, the others are classified, exit code 1', async () => {
    const { code, stdout, stderr } = await run('infer', 'mixed', 'nowhere.dcm', '--models', tiny, ...CPU);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^fabriclens: b-text\.dcm: .*not a DICOM file/m);
    expect(stderr).toMatch(/^fabriclens: c-cut\.dcm: /m);
    expect(stderr).toContain('fabriclens: nowhere.dcm cannot be read: there is no such file.');
    expect(stdout).toContain('mixed/a.dcm');
    expect(stdout).toContain("! Tiny is meant for modality DX, CR; this image's is CT.");
    expect(stdout + stderr).not.toMatch(/Secret|ID-1/);
    const json = lines((await run('infer', 'mixed', '--models', tiny, ...CPU, '--json')).stdout);
    expect(json.filter((l) => l['type'] === 'problem').map((l) => l['file'])).toEqual(['mixed/b-text.dcm', 'mixed/c-cut.dcm']);
    expect(json.at(-1)).toMatchObject({ images: 2, failedInputs: 2, failedRuns: 0 });
  });

  test('a detector’s boxes: a table for people, every number in --json', async () => {
    const things: Rectangle[] = [{ x: 60, y: 70, width: 80, height: 80, grey: 0.9 }, { x: 420, y: 60, width: 110, height: 60, grey: 0.8 }];
    writeFileSync(join(folder, 'things.dcm'), rectanglesDicom(things, { rows: 480, columns: 640 }));
    const detectors = join(folder, 'detectors');
    writeDetectorPackage(detectors);
    const { code, stdout } = await run('infer', 'things.dcm', '--models', detectors, ...CPU);
    expect(code).toBe(0);
    expect(stdout).toMatch(/found +cpu-fp32 +cpu-int8 +IoU +x +y +width +height\n +square +0\.8\d+ +0\.8\d+ +(0\.9\d\d|1\.000) +60\.0 +70\.0 +80\.0 +80\.0\n +bar /);
    expect(stdout).toContain('agreement: cpu-int8 and cpu-fp32, 2 matched');
    const [result] = lines((await run('infer', 'things.dcm', '--models', detectors, ...CPU, '--json')).stdout);
    const exported = ExportedComparison.parse(result);
    expect(exported).toMatchObject({ task: 'detection', labels: ['square', 'bar'], agreements: [{ engine: 'cpu-int8', matched: 2 }], groups: [{ label: 0 }, { label: 1 }] });
    expect(JSON.parse((await run('models', '--models', detectors, '--json')).stdout)).toMatchObject({ models: [{ name: 'bright', task: 'detection', detection: { scoreThreshold: 0.25 } }] });
    expect((await run('models', '--models', detectors)).stdout).toContain('from a score of 0.25 on');
  });

  test('of the models shipped the first is taken, and what it is not for is warned about before its numbers', async () => {
    const slice = join(ROOT, 'models/samples/ct-synthetic/slice-05.dcm');
    const { code, stdout } = await run('infer', slice, ...CPU);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\[pneumonia\]\n {2}! .*meant for modality DX, CR, RG; this image's is CT\.[\s\S]*! To Paediatric pneumonia this image looks unlike[\s\S]*cpu-fp32/);
    const [result] = lines((await run('infer', slice, ...CPU, '--json')).stdout);
    const { model, warnings } = result as { model: string; warnings: { code: string }[] };
    expect(model).toBe('pneumonia');
    expect(warnings.map(({ code: name }) => name)).toEqual(expect.arrayContaining(['modality-not-intended', 'unlike-training-images']));
    expect(warnings.filter(({ code: name }) => name === 'unlike-training-images')).toHaveLength(1);
  });

  test('an unreachable board fails alone, exit code 1', async () => {
    const { code, stdout } = await run('infer', SAMPLES, '--models', models, '--board', '127.0.0.1:9', '--json');
    expect(code).toBe(1);
    const results = lines(stdout).slice(0, -1) as { runs: { state: string; code?: string }[] }[];
    expect(results).toHaveLength(readdirSync(SAMPLES).length);
    for (const { runs } of results) expect(runs.map((r) => r.code ?? r.state)).toEqual(['ok', 'ok', 'board-unreachable']);
  }, 120_000);

  test('--frame', async () => {
    const frames = async (...args: string[]): Promise<unknown[]> => lines((await run('infer', 'mixed/d-ct.dcm', '--models', tiny, ...CPU, '--json', ...args)).stdout).map((l) => l['frame'] ?? l['code'] ?? l['type']);
    expect(await frames()).toEqual([0, 'summary']);
    expect(await frames('--frame', '3')).toEqual([2, 'summary']);
    expect(await frames('--frame', '4')).toEqual(['no-such-frame', 'summary']);
    expect(await frames('--frame', 'all')).toEqual([0, 1, 2, 'summary']);
  });

  test('Ctrl-C prints what is done, ends the virtual board and leaves with 130', async () => {
    const started = start('infer', SAMPLES, '--models', models, '--engine', 'board', '--repeat', '200', '--json', '--progress');
    await started.sees('board 3 of 200');
    const children = readFileSync(`/proc/${started.pid}/task/${started.pid}/children`, 'utf8').trim().split(' ').map(Number);
    expect(children).toHaveLength(1);
    started.interrupt();
    const { code, stdout } = await started.outcome;
    expect(code).toBe(130);
    const [first, summary] = lines(stdout) as [{ runs: { repeats: number }[] }, object];
    expect(first.runs[0]!.repeats).toBeGreaterThanOrEqual(3);
    expect(first.runs[0]!.repeats).toBeLessThan(200);
    expect(summary).toMatchObject({ type: 'summary', images: 1, interrupted: true });
    for (const pid of children) expect(existsSync(`/proc/${pid}`)).toBe(false);
  }, 120_000);

  test('a reader that goes away is no crash', async () => {
    const child = spawn('sh', ['-c', '"$0" "$@" | head -n 1', process.execPath, join(ROOT, 'scripts/fabriclens.mjs'), 'infer', 'mixed', '--models', tiny, ...CPU, '--json', '--frame', 'all'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    await new Promise((done) => child.on('close', done));
    expect(stderr).not.toMatch(/EPIPE|at .*\.js/);
  });
});

describe('models and compile-program', () => {
  test('models lists the sound ones and names the broken', async () => {
    const dir = join(folder, 'listed');
    writeTinyPackage(dir, 'sound');
    expect(await run('models', '--models', dir)).toMatchObject({ code: 0, stdout: expect.stringContaining('sound 0.0.1: Tiny') as string, stderr: '' });
    writeFileSync(join(writeTinyPackage(dir, 'broken'), 'metadata.json'), '{');
    const { code, stdout, stderr } = await run('models', '--models', dir, '--json');
    expect([code, stderr]).toEqual([1, '']);
    expect(JSON.parse(stdout)).toMatchObject({ models: [{ name: 'sound', engines: ['cpu-fp32', 'cpu-int8'] }], problems: [{ name: 'broken', message: expect.stringContaining('metadata.json is not JSON') as string }] });
  });

  test('compile-program writes program.bin and its hash, keeps all else, and gives the same bytes again', async () => {
    const dir = join(folder, 'compiled/pneumonia');
    cpSync(join(ROOT, 'models/pneumonia'), dir, { recursive: true });
    const before = JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8')) as { fabriclens: { sha256: Record<string, string> } };
    const first = await run('compile-program', dir);
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/PL[\s\S]*pneumonia: program\.bin of/) as string });
    const program = readFileSync(join(dir, 'program.bin'));
    const after = JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8')) as typeof before;
    before.fabriclens.sha256['program.bin'] = createHash('sha256').update(program).digest('hex');
    expect(after).toEqual(before);
    expect((await run('compile-program', dir)).stdout).toBe(first.stdout);
    expect(readFileSync(join(dir, 'program.bin'))).toEqual(program);
    expect(readdirSync(dir).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  }, 120_000);

  test('compile-program refuses a package whose model was changed, and leaves it as it was', async () => {
    const dir = writeTinyPackage(join(folder, 'changed'), 'changed');
    writeFileSync(join(dir, 'model.int8.onnx'), 'no model');
    const { code, stderr } = await run('compile-program', dir);
    expect(code).toBe(1);
    expect(stderr).toContain('fabriclens: Model changed: model.int8.onnx is not the file that metadata.json describes');
    expect(existsSync(join(dir, 'program.bin'))).toBe(false);
  });
});

/** Without what differs from run to run: times, and who was called. */
function untimed(comparison: ExportedComparison): unknown {
  return { ...comparison, runs: comparison.runs.map((r) => (r.state === 'ok' ? { ...r, total: null, timings: r.timings.map(({ part, source }) => ({ part, source })), identity: { ...r.identity, software: '' } } : r)) };
}
