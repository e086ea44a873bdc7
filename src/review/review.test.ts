import { mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildForTest } from '../../test/support/build.ts';
import { classifier } from '../../test/support/classifier.ts';
import { rectanglesDicom, writeDetectorPackage } from '../../test/support/detector-package.ts';
import { guardOf, writeTinyPackage } from '../../test/support/model-package.ts';
import { smallDicom } from '../../test/support/small-dicom.ts';
import { BoardPool, connectBoard } from '../board/index.ts';
import { Comparison, type ClassificationRun, type DetectionComparison, type EngineId, type Run } from '../contract/engine.ts';
import { createCodecs } from '../dicom/index.ts';
import { createCpuEngine } from '../engines/index.ts';
import { toTensor } from '../preprocess/index.ts';
import { decodeFrame, parseDicom } from '../dicom/index.ts';
import { ExportedComparison, exportComparison } from './export.ts';
import { loadPackage } from './packages.ts';
import { createReview, type Review } from './review.ts';

let folder: string;
let workerUrl: URL;
let review: Review;
let boards: BoardPool;
const codecs = createCodecs(() => Promise.reject(new Error('no compressed image here')));

/** Where a board should be: takes connections and closes them, for a free port may be somebody else's a moment later. */
const nobody = createServer((socket) => socket.destroy());

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-review-'));
  workerUrl = await buildForTest('src/engines/ort-worker.ts');
  writeTinyPackage(join(folder, 'models'));
  writeDetectorPackage(join(folder, 'models'), 'detector');
  writeTinyPackage(join(folder, 'models'), 'guarded', (m) => { m.fabriclens.guard = guardOf(m, 20); });
  writeTinyPackage(join(folder, 'models'), 'guarded-near', (m) => { m.fabriclens.guard = guardOf(m); });
  // Says that it has a program, so that the board is asked; the board is not there.
  const compiled = writeTinyPackage(join(folder, 'models'), 'compiled', (m) => { m.fabriclens.sha256['program.bin'] = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'; });
  writeFileSync(join(compiled, 'program.bin'), '');
  await new Promise<void>((done) => nobody.listen(0, '127.0.0.1', done));
  boards = new BoardPool([connectBoard({ host: '127.0.0.1', port: (nobody.address() as AddressInfo).port })]);
  review = createReview({ modelsDir: join(folder, 'models'), codecs, workerUrl, boards, software: 'FabricLens test' });
});
afterAll(async () => {
  await review.close();
  await boards.close();
  nobody.close();
  rmSync(folder, { recursive: true, force: true });
});

async function openOne(name: string, image?: Parameters<typeof smallDicom>[0]): Promise<string> {
  writeFileSync(join(folder, name), smallDicom(image));
  const { files } = await review.open([join(folder, name)]);
  return files[0]!.id;
}
const ok = (run: Run | undefined): ClassificationRun => {
  if (run?.state !== 'ok') throw new Error(`not an answer: ${JSON.stringify(run)}`);
  return classifier(run);
};

describe('compare', () => {
  test('two engines side by side: probabilities, maps, timings with sources, identities', async () => {
    const instanceId = await openOne('a.dcm');
    const runs: Run[] = [];
    const progress: string[] = [];
    const comparison = await review.compare(
      { instanceId, frame: 0, model: 'tiny', engines: ['cpu-fp32', 'cpu-int8'], repeats: 3 },
      { onRun: (run) => runs.push(run), onProgress: ({ engine, done, total }) => progress.push(`${engine} ${done}/${total}`) },
    );
    expect(Comparison.parse(comparison)).toEqual(comparison);
    expect(comparison.warnings).toEqual([]);
    expect(comparison.runs).toEqual(runs);
    expect(progress).toEqual(['cpu-fp32', 'cpu-int8'].flatMap((e) => [0, 1, 2, 3].map((n) => `${e} ${n}/3`)));
    const [fp32, int8] = comparison.runs.map(ok);
    for (const run of [fp32!, int8!]) {
      expect(run.repeats).toBe(3);
      expect(run.probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
      expect(run.timings.map((t) => `${t.part} ${t.source}`)).toEqual(['decode host', 'preprocess host', 'engine host', 'post host']);
      expect(run.total.p50).toBeLessThanOrEqual(run.total.p95);
      expect(run.total.p95).toBeGreaterThanOrEqual(run.timings.find((t) => t.part === 'engine')!.p95);
      expect([run.classMaps!.rows, run.classMaps!.columns, run.classMaps!.maps.length]).toEqual([8, 8, 2]);
    }
    const pkg = await loadPackage(join(folder, 'models/tiny'));
    expect([fp32!, int8!].map((r) => r.identity.modelSha256)).toEqual([pkg.metadata.fabriclens.sha256['model.onnx'], pkg.metadata.fabriclens.sha256['model.int8.onnx']]);
    expect(comparison.maxDelta).toBeCloseTo(Math.abs(fp32!.probabilities[0]! - int8!.probabilities[0]!), 12);
    expect(classifier(comparison).threshold).toEqual({ classIndex: 1, value: 0.5 });
  });

  test('is what the rooms give when called by hand', async () => {
    const instanceId = await openOne('b.dcm', { sopInstanceUid: '1.2.3.4.2', rows: 31, columns: 17, window: [1000, 900] });
    const comparison = await review.compare({ instanceId, frame: 0, model: 'tiny', engines: ['cpu-fp32'], repeats: 1 });
    const pkg = await loadPackage(join(folder, 'models/tiny'));
    const frame = await decodeFrame(parseDicom(readFileSync(join(folder, 'b.dcm'))), 0, codecs);
    const engine = createCpuEngine({ id: 'cpu-fp32', workerUrl, software: '' });
    await engine.load(pkg);
    const { logits } = classifier(await engine.infer(toTensor(frame, pkg.metadata.fabriclens.preprocessing)));
    await engine.close();
    expect(ok(comparison.runs[0]).logits).toEqual([...logits]);
    expect(comparison.maxDelta).toBeNull();
  });

  test('a board that cannot be reached fails alone, with what mends it', async () => {
    const instanceId = await openOne('a.dcm');
    const comparison = await review.compare({ instanceId, frame: 0, model: 'compiled', engines: ['cpu-fp32', 'board', 'cpu-int8'], repeats: 1 });
    expect(comparison.runs.map((r) => r.state)).toEqual(['ok', 'failed', 'ok']);
    expect(comparison.runs[1]).toMatchObject({ engine: 'board', code: 'board-unreachable', message: expect.stringContaining(boards.statuses[0]!.address) as string });
    expect(comparison.maxDelta).not.toBeNull();
  });

  test("a corrupt file of the package is the failure of the engine that runs it, and of no other's", async () => {
    writeFileSync(join(writeTinyPackage(join(folder, 'damaged')), 'model.onnx'), 'damaged');
    const other = createReview({ modelsDir: join(folder, 'damaged'), codecs, workerUrl, boards, software: '' });
    await openOne('a.dcm');
    const { files } = await other.open([join(folder, 'a.dcm')]);
    const { runs } = await other.compare({ instanceId: files[0]!.id, frame: 0, model: 'tiny', engines: ['cpu-fp32', 'cpu-int8'], repeats: 1 });
    expect(runs).toMatchObject([{ state: 'failed', code: 'model-corrupt', message: expect.stringContaining('model.onnx is not the file') as string }, { state: 'ok' }]);
    await other.close();
  });

  test('a failed reference leaves the others without a comparison, not without an answer', async () => {
    const instanceId = await openOne('a.dcm');
    const comparison = await review.compare({ instanceId, frame: 0, model: 'tiny', engines: ['board', 'cpu-fp32', 'cpu-int8'], repeats: 1 });
    expect(comparison.runs[0]).toMatchObject({ state: 'failed', code: 'model-not-compiled', message: expect.stringContaining('compile-program') as string });
    expect([comparison.maxDelta, comparison.flips]).toEqual([null, []]);
    expect(comparison.runs.slice(1).map((r) => r.state)).toEqual(['ok', 'ok']);
  });

  test('cancelling after some repeats keeps them and says so', async () => {
    const instanceId = await openOne('a.dcm');
    const abort = new AbortController();
    const comparison = await review.compare(
      { instanceId, frame: 0, model: 'tiny', engines: ['cpu-fp32', 'cpu-int8'], repeats: 200 },
      { signal: abort.signal, onProgress: ({ done }) => { if (done === 4) abort.abort(); } },
    );
    expect(ok(comparison.runs[0]).repeats).toBe(4);
    expect(comparison.warnings).toMatchObject([{ code: 'repeats-cut-short', values: { engine: 'cpu-fp32', done: '4', total: '200' } }]);
    expect(comparison.runs[1]).toMatchObject({ state: 'failed', code: 'cancelled' });
  });

  test('comparisons asked for together run one after another', async () => {
    const instanceId = await openOne('a.dcm');
    const order: string[] = [];
    const one = (name: string): Promise<unknown> =>
      review.compare({ instanceId, frame: 0, model: 'tiny', engines: ['cpu-fp32', 'cpu-int8'], repeats: 2 }, { onRun: (run) => order.push(`${name} ${run.state === 'ok' ? run.identity.engine : ''}`) });
    await Promise.all([one('first'), one('second')]);
    expect(order).toEqual(['first cpu-fp32', 'first cpu-int8', 'second cpu-fp32', 'second cpu-int8']);
  });
});

describe('a detector', () => {
  const things = [{ x: 60, y: 70, width: 80, height: 80, grey: 0.9 }, { x: 420, y: 60, width: 110, height: 60, grey: 0.8 }, { x: 440, y: 330, width: 100, height: 95, grey: 0.95 }];
  const faint = { x: 80, y: 340, width: 105, height: 105, grey: 0.621 };

  async function found(name: string, colour: boolean, rectangles = things): Promise<DetectionComparison> {
    writeFileSync(join(folder, name), rectanglesDicom(rectangles, { rows: 480, columns: 640, colour, sopInstanceUid: `1.2.3.5.${name.length}`, ...(colour ? { modality: 'US' } : {}) }));
    const { files } = await review.open([join(folder, name)]);
    const comparison = await review.compare({ instanceId: files[0]!.id, frame: 0, model: 'detector', engines: ['cpu-fp32', 'cpu-int8'], repeats: 2 });
    expect(Comparison.parse(comparison)).toEqual(comparison);
    if (comparison.task !== 'detection') throw new Error(comparison.task);
    return comparison;
  }

  test.each([['grey', false], ['colours', true]])('finds in a %s image what is there, to a pixel of the image', async (name, colour) => {
    const comparison = await found(`${name}.dcm`, colour);
    expect(comparison.warnings).toEqual([]);
    for (const run of comparison.runs) {
      if (run.state !== 'ok') throw new Error(run.message);
      expect(run.boxes.map(({ label }) => label)).toEqual([0, 0, 1]);
      for (const { x, y, width, height } of things) {
        const box = run.boxes.find((b) => Math.abs(b.x - x) < 20 && Math.abs(b.y - y) < 20)!;
        for (const [is, be] of [[box.x, x], [box.y, y], [box.width, width], [box.height, height]] as const) expect(Math.abs(is - be)).toBeLessThan(1);
      }
      expect(run.timings.map(({ part }) => part)).toEqual(['decode', 'preprocess', 'engine', 'post']);
    }
    expect(comparison.agreements).toMatchObject([{ engine: 'cpu-int8', matched: 3, missing: 0, extra: 0 }]);
    expect(comparison.agreements[0]!.minIou).toBeGreaterThan(0.95);
    expect([comparison.flips, comparison.maxDelta! <= comparison.tolerance]).toEqual([[], true]);
  });

  test('what int8 does not see is told, and everything is in the export', async () => {
    const comparison = await found('faint-one.dcm', false, [...things, faint]);
    expect(comparison).toMatchObject({ flips: ['cpu-int8'], agreements: [{ matched: 3, missing: 1, extra: 0 }] });
    expect(comparison.groups.at(-1)).toEqual({ label: 0, boxes: [{ engine: 'cpu-fp32', index: 3, iou: null }] });
    const exported = ExportedComparison.parse(JSON.parse(JSON.stringify(exportComparison(comparison, '1.2.3', ['square', 'bar']))));
    const { instanceId, ...rest } = comparison;
    expect(exported).toEqual({ format: 'fabriclens-comparison/1', notice: 'Not for diagnostic use.', sopInstanceUid: '1.2.3', labels: ['square', 'bar'], ...rest });
    expect(JSON.stringify(exported)).not.toContain(instanceId);
  });
});

describe('cancelling and closing', () => {
  test('a comparison that waits for its turn is cancelled at once, and the others keep theirs', async () => {
    const instanceId = await openOne('a.dcm');
    const ended: string[] = [];
    const one = (name: string, signal?: AbortSignal, repeats = 30): Promise<unknown> =>
      review.compare({ instanceId, frame: 0, model: 'tiny', engines: ['cpu-fp32'], repeats }, { signal }).then(() => ended.push(name), (error: { code: string }) => ended.push(`${name} ${error.code}`));
    const abort = new AbortController();
    const all = [one('first'), one('second', abort.signal), one('third', undefined, 1)];
    abort.abort();
    await Promise.all(all);
    expect(ended).toEqual(['second cancelled', 'first', 'third']);
  });

  test('an image closed while its comparison begins is named as such', async () => {
    const other = createReview({ modelsDir: join(folder, 'models'), codecs, workerUrl, boards, software: '' });
    await openOne('a.dcm');
    const { files } = await other.open([join(folder, 'a.dcm')]);
    const comparison = other.compare({ instanceId: files[0]!.id, frame: 0, model: 'tiny', engines: ['cpu-fp32'], repeats: 1 });
    await new Promise(setImmediate); // it has begun, and reads the model packages for the first time
    other.closeStudy(other.library().studies[0]!.uid);
    await expect(comparison).rejects.toMatchObject({ code: 'unknown-instance' });
    await other.close();
  });

  test('nothing is started after closing', async () => {
    const closing = createReview({ modelsDir: join(folder, 'models'), codecs, workerUrl, boards, software: '' });
    const { files } = await closing.open([join(folder, 'a.dcm')]);
    let close: Promise<void> | undefined;
    const comparison = await closing.compare({ instanceId: files[0]!.id, frame: 0, model: 'tiny', engines: ['cpu-fp32', 'cpu-int8'], repeats: 1 }, { onRun: () => { close ??= closing.close(); } });
    await close;
    expect(comparison.runs).toMatchObject([{ state: 'ok' }, { state: 'failed', code: 'cancelled' }]);
  });
});

describe('warnings', () => {
  test.each([
    ['a CT slice', { modality: 'CT' }, ['modality-not-intended']],
    ['another body part', { bodyPart: 'HAND' }, ['body-part-not-intended']],
    ['no body part', { bodyPart: '' }, []],
    ['a lateral view', { viewPosition: 'LL' }, ['view-not-intended']],
    ['a frontal view', { viewPosition: 'PA' }, []],
    ['no window', { window: null }, ['no-window-in-file']],
    ['colour', { colour: true, modality: 'US', bodyPart: 'HEART' }, ['modality-not-intended', 'body-part-not-intended', 'colour-image']],
  ] as const)('%s', async (name, image, codes) => {
    const instanceId = await openOne(`warn-${name.replaceAll(' ', '-')}.dcm`, image);
    const comparison = await review.compare({ instanceId, frame: 0, model: 'tiny', engines: ['cpu-fp32'], repeats: 1 });
    expect(comparison.warnings.map((w) => w.code)).toEqual(codes);
    expect(comparison.runs[0]!.state).toBe('ok');
  });
});

describe('the guard', () => {
  const ask = async (model: string, engines: EngineId[]): Promise<Comparison> => review.compare({ instanceId: await openOne('a.dcm'), frame: 0, model, engines, repeats: 2 });

  test('warns once, by the first engine that answers', async () => {
    const { warnings, runs } = await ask('guarded', ['board', 'cpu-int8', 'cpu-fp32']);
    expect(runs.map(({ state }) => state)).toEqual(['failed', 'ok', 'ok']);
    expect(warnings).toEqual([{ code: 'unlike-training-images', message: expect.stringMatching(/^To Tiny this image looks unlike the ones it was made for \(distance \d+\.\d\d, limit 25\.00\)/) as string, values: { distance: expect.stringMatching(/^\d+\.\d\d$/) as string, limit: '25.00' } }]);
    expect(Number(warnings[0]?.values['distance'])).toBeGreaterThan(25);
  });

  test('says nothing within its limit', async () => expect((await ask('guarded-near', ['cpu-fp32', 'cpu-int8'])).warnings).toEqual([]));
});

describe('what cannot be compared', () => {
  test('frames, models and images that are not there are named', async () => {
    const instanceId = await openOne('multi.dcm', { frames: 3, sopInstanceUid: '1.2.3.4.9' });
    const ask = (change: object): Promise<Comparison> => review.compare({ instanceId, frame: 2, model: 'tiny', engines: ['cpu-fp32'], repeats: 1, ...change });
    await expect(ask({})).resolves.toMatchObject({ frame: 2 });
    await expect(ask({ frame: 3 })).rejects.toMatchObject({ code: 'no-such-frame', message: 'multi.dcm has 3 frame(s); frame 4 is not among them.' });
    await expect(ask({ model: 'none' })).rejects.toMatchObject({ code: 'unknown-model', message: 'There is no model "none" (there is: compiled, detector, guarded, guarded-near, tiny).' });
    await expect(ask({ instanceId: 'x' })).rejects.toMatchObject({ code: 'unknown-instance' });
    await expect(review.compare({ instanceId, frame: 0, model: 'tiny', engines: ['cpu-fp32'], repeats: 1 }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
  });

  test('a file that went away or was cut since it was opened is named', async () => {
    const instanceId = await openOne('gone.dcm', { sopInstanceUid: '1.2.3.4.10' });
    const bytes = readFileSync(join(folder, 'gone.dcm'));
    const ask = (): Promise<Comparison> => review.compare({ instanceId, frame: 0, model: 'tiny', engines: ['cpu-fp32'], repeats: 1 });
    writeFileSync(join(folder, 'gone.dcm'), bytes.subarray(0, bytes.length - 400));
    await expect(ask()).rejects.toMatchObject({ code: 'truncated', message: expect.stringMatching(/^gone\.dcm: /) as string });
    unlinkSync(join(folder, 'gone.dcm'));
    await expect(ask()).rejects.toMatchObject({ code: 'unreadable', message: 'gone.dcm: there is no such file.' });
  });
});

test('the export holds no patient, survives JSON and keeps every number and source', async () => {
  const instanceId = await openOne('a.dcm');
  const comparison = await review.compare({ instanceId, frame: 0, model: 'compiled', engines: ['cpu-fp32', 'cpu-int8', 'board'], repeats: 2 });
  const text = JSON.stringify(exportComparison(comparison, '1.2.3.4.1', ['NORMAL', 'OTHER']));
  for (const secret of ['Secret', 'ID-1', instanceId, 'a.dcm']) expect(text).not.toContain(secret);
  const read = classifier(ExportedComparison.parse(JSON.parse(text)));
  expect(read).toMatchObject({ format: 'fabriclens-comparison/1', notice: 'Not for diagnostic use.', sopInstanceUid: '1.2.3.4.1', labels: ['NORMAL', 'OTHER'], maxDelta: comparison.maxDelta });
  read.runs.forEach((run, i) => {
    const original = classifier(comparison).runs[i]!;
    if (run.state === 'failed' || original.state === 'failed') return expect(run).toEqual(original);
    expect(run.timings).toEqual(original.timings);
    expect(run.identity).toEqual(original.identity);
    expect(run.classMaps!.maps.map((m) => Float32Array.from(m))).toEqual(original.classMaps!.maps);
  });
});
