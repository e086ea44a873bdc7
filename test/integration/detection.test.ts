/** A detector from its int8 graph to boxes: compiled, run by the virtual board with the runtime's own NMS, beside the CPU engines. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build } from '../../hls/build.mjs';
import { BoardPool, virtualBoardLink } from '../../src/board/index.ts';
import type { DetectionComparison, DetectionRun } from '../../src/contract/engine.ts';
import { createCodecs } from '../../src/dicom/index.ts';
import { resolveResources } from '../../src/hosts/resources.ts';
import { createReview, type Review } from '../../src/review/index.ts';
import { buildForTest } from '../support/build.ts';
import { ROOT } from '../support/data.ts';
import { compileDetectorPackage, rectanglesDicom, writeDetectorPackage, type Rectangle } from '../support/detector-package.ts';

const folder = mkdtempSync(join(tmpdir(), 'fabriclens-detection-'));
const models = join(folder, 'models');
let review: Review;
let boards: BoardPool;

/** With the program's own detections, or its predictions alone; so low a score that hundreds of rows are candidates: the rule is what is held equal here. */
const write = (name: string, detections: boolean): void => compileDetectorPackage(writeDetectorPackage(models, name, (m) => { m.fabriclens.detection.scoreThreshold = 0.001; }), detections);

beforeAll(async () => {
  write('detections', true);
  write('predictions', false);
  boards = new BoardPool([virtualBoardLink({ modelsDir: models, runtimeLibrary: await build('runtime'), agentDir: join(ROOT, 'agent') })]);
  review = createReview({ modelsDir: models, codecs: createCodecs(resolveResources(ROOT).loadWasm), workerUrl: await buildForTest('src/engines/ort-worker.ts'), boards, software: 'FabricLens test' });
});
afterAll(async () => {
  await review?.close();
  await boards?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function compare(model: string, rectangles: readonly Rectangle[]): Promise<DetectionComparison> {
  const file = join(folder, `${rectangles.length}.dcm`);
  writeFileSync(file, rectanglesDicom(rectangles, { rows: 480, columns: 640, sopInstanceUid: `1.2.3.${rectangles.length}` }));
  const { files } = await review.open([file]);
  const comparison = await review.compare({ instanceId: files[0]!.id, frame: 0, model, engines: ['cpu-fp32', 'cpu-int8', 'board'], repeats: 1 });
  if (comparison.task !== 'detection') throw new Error(comparison.task);
  return comparison;
}
const ok = (run: DetectionComparison['runs'][number] | undefined): DetectionRun => {
  if (run?.state !== 'ok') throw new Error(`not an answer: ${JSON.stringify(run)}`);
  return run;
};

const THINGS: Rectangle[] = [
  { x: 60, y: 70, width: 80, height: 80, grey: 0.9 }, { x: 420, y: 60, width: 110, height: 60, grey: 0.8 }, { x: 440, y: 330, width: 100, height: 95, grey: 0.95 },
  { x: 230, y: 190, width: 60, height: 90, grey: 0.63 }, { x: 100, y: 340, width: 90, height: 40, grey: 0.7 },
];

test('the board finds what the CPU engines find', async () => {
  const comparison = await compare('detections', THINGS);
  const [fp32, int8, onBoard] = comparison.runs.map(ok);
  for (const run of [fp32!, int8!, onBoard!]) {
    for (const { x, y, width, height } of THINGS.slice(0, 3)) {
      const box = run.boxes.find((b) => b.score > 0.5 && Math.hypot(b.x - x, b.y - y) < 5)!;
      expect(Math.abs(box.width - width) + Math.abs(box.height - height), run.identity.engine).toBeLessThan(3);
    }
  }
  // Both run the same int8 network: apart from ties in its rounding they give the same rows.
  expect(onBoard!.boxes.length).toBeGreaterThan(4);
  const agreement = comparison.agreements.find(({ engine }) => engine === 'board')!;
  expect(agreement.matched).toBeGreaterThanOrEqual(3);
  expect(onBoard!.identity.runner).toMatch(/^virtual board .*, golden model$/);
  expect(onBoard!.timings.map(({ part }) => part)).toEqual(['decode', 'preprocess', 'transfer', 'queue', 'pl', 'ps', 'post']);
});

test("the runtime's NMS and the one for the CPU engines' predictions give the same boxes, number for number", async () => {
  for (const rectangles of [THINGS, THINGS.slice(0, 2), []]) {
    const [own, raw] = [await compare('detections', rectangles), await compare('predictions', rectangles)];
    const [detections, predictions] = [ok(own.runs[2]), ok(raw.runs[2])];
    expect(detections.boxes).toEqual(predictions.boxes);
    if (rectangles.length > 0) expect(detections.boxes.length).toBeGreaterThan(1);
  }
});
