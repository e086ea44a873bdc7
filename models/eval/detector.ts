/** Runs a detector's engines over the phantoms whose boxes are known, and counts what they found. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Box, DetectionRun } from '../../src/contract/engine.ts';
import { toTensor } from '../../src/preprocess/index.ts';
import { boxesOf, compareBoxes } from '../../src/review/index.ts';
import { ROOT } from '../../test/support/data.ts';
import { averagePrecision, bestThreshold, curveOf, decisionOf, intervalOfPrecision, type Decision } from './boxes.ts';
import { ENGINES, goldenModel, inRtl, runtime, type EngineName, type RtlRun } from './engines.ts';
import type { Options } from './evaluate.ts';
import { changeMetadata, type EvaluatedDetector } from './package.ts';
import { phantoms, type Phantom } from './sets.ts';

/** Average precision counts boxes of any score; below this there are none worth counting. */
const LOWEST = 0.001;

/** `ap50` by label. Against fp32, boxes from the threshold on: images with the same boxes, matched ones' largest difference of score and least overlap. */
export type BoxRow = Decision & { engine: EngineName; ap50: Record<string, { value: number; interval95: [number, number] }>; sameBoxes: number; maxDelta: number; minIou: number };
export type BoxFigures = { images: number; known: Record<string, number>; rows: BoxRow[] };
export type DetectorEvaluation = { sha256: Record<string, string>; threshold: number; tolerance: number; val: BoxFigures; test: BoxFigures; sample: { images: number; rtl: RtlRun & { megahertz: number } } };

type Measured = Exclude<EngineName, 'rtl'>;

/** Boxes of every image, of any score, in pixels of the image. */
export async function found(pkg: EvaluatedDetector, engine: Measured, images: readonly Pick<Phantom, 'frame'>[], say: Options['say']): Promise<Box[][]> {
  const { outputs: { predictions }, preprocessing, detection, labels } = pkg.fields;
  const network = await (engine === 'golden' ? goldenModel(pkg) : runtime(pkg, engine === 'cpu-fp32' ? 'model.onnx' : 'model.int8.onnx', [predictions]));
  const values = labels.length + (detection.objectness ? 5 : 4);
  const all: Box[][] = [];
  for (const [i, { frame }] of images.entries()) {
    if (i % 20 === 0) say(`${engine}: ${i} of ${images.length}`);
    const data = (await network.run(toTensor(frame, preprocessing)))(predictions);
    all.push(boxesOf({ kind: 'predictions', data, rows: data.length / values, values }, { ...detection, scoreThreshold: LOWEST }, { rows: frame.rows, columns: frame.columns, preprocessing, labels: labels.length }));
  }
  await network.end();
  return all;
}

/** As the window compares an image's engines, over all images; boxes from the threshold on. */
function fidelity(mine: readonly (readonly Box[])[], reference: readonly (readonly Box[])[], threshold: number): Pick<BoxRow, 'sameBoxes' | 'maxDelta' | 'minIou'> {
  const run = (boxes: readonly Box[], engine: string): DetectionRun => ({ state: 'ok', task: 'detection', engine, identity: { engine }, boxes: boxes.filter(({ score }) => score >= threshold) }) as unknown as DetectionRun;
  const compared = mine.map((boxes, i) => compareBoxes([run(reference[i]!, 'cpu-fp32'), run(boxes, 'board')]).agreements[0]!);
  return {
    sameBoxes: compared.filter(({ missing, extra }) => missing + extra === 0).length / compared.length,
    maxDelta: Math.max(0, ...compared.map(({ maxDelta }) => maxDelta ?? 0)), minIou: Math.min(1, ...compared.map(({ minIou }) => minIou ?? 1)),
  };
}

async function measure(pkg: EvaluatedDetector, engines: readonly Measured[], images: readonly Phantom[], say: Options['say']): Promise<{ figures: BoxFigures; best: number }> {
  const { labels, detection: { scoreThreshold } } = pkg.fields;
  const known = images.map(({ boxes }) => boxes);
  const rows: BoxRow[] = [];
  let [reference, best]: [Box[][], number] = [[], 0];
  for (const engine of engines) {
    const boxes = await found(pkg, engine, images, say);
    const curves = labels.map((_, label) => curveOf(boxes, known, label));
    if (engine === 'cpu-fp32') [reference, best] = [boxes, bestThreshold(curves)];
    const ap50 = Object.fromEntries(labels.map(({ name }, label) => [name, { value: averagePrecision(curves[label]!), interval95: intervalOfPrecision(curves[label]!) }]));
    rows.push({ engine, ap50, ...decisionOf(curves, scoreThreshold), ...fidelity(boxes, reference, scoreThreshold) });
  }
  return { figures: { images: images.length, known: Object.fromEntries(labels.map(({ name }, label) => [name, known.flat().filter((box) => box.label === label).length])), rows }, best };
}

/** fp32 is always run: the others are held against it. */
export async function evaluateDetector(pkg: EvaluatedDetector, { engines, sample, say }: Options): Promise<DetectorEvaluation> {
  const { fields } = pkg;
  const [val, test] = [await phantoms('val', fields.labels), await phantoms('test', fields.labels)];
  const asked = ENGINES.filter((engine): engine is Measured => engine !== 'rtl' && (engine === 'cpu-fp32' || engines.has(engine)));
  const { figures } = await measure(pkg, asked, test, say);
  const validated = await measure(pkg, asked.filter((engine) => engine !== 'golden'), val, say);
  const count = engines.has('rtl') ? Math.min(sample, test.length) : 0;
  const tensors = Array.from({ length: count }, (_, i) => toTensor(test[Math.floor((i * test.length) / count)]!.frame, fields.preprocessing));
  const rtl = count === 0 ? { equal: false, cycles: 0 } : await inRtl(pkg, tensors, say);
  return { sha256: pkg.sha256, threshold: fields.detection.scoreThreshold, tolerance: fields.tolerance, val: validated.figures, test: figures, sample: { images: count, rtl: { ...rtl, megahertz: 100 } } };
}

/** What is chosen on validation phantoms: the threshold, which the program holds too, so that another one than it was compiled with is left for the next compilation; the tolerance between engines. */
export async function decideDetector(pkg: EvaluatedDetector, say: Options['say']): Promise<void> {
  const { figures, best } = await measure(pkg, ['cpu-fp32', 'cpu-int8'], await phantoms('val', pkg.fields.labels), say);
  const { scoreThreshold } = pkg.fields.detection;
  if (best !== scoreThreshold) {
    const about = join(ROOT, 'models/train/about', `${pkg.name}.json`);
    const json = JSON.parse(readFileSync(about, 'utf8')) as { fabriclens: { detection: { scoreThreshold: number } } };
    json.fabriclens.detection.scoreThreshold = best;
    writeFileSync(about, `${JSON.stringify(json, null, 1)}\n`);
    throw new Error(`On the validation phantoms a score of ${best} is best, not ${scoreThreshold}. It stands in ${about} now; the program holds it too: compile again.`);
  }
  changeMetadata(pkg.name, ({ fabriclens }) => void (fabriclens['tolerance'] = Math.ceil(100 * figures.rows[1]!.maxDelta) / 100));
}
