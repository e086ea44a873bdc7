/**
 * What the shipped classifier shows of itself, on the samples: the heat map is the network's own (Adebayo et al., "Sanity Checks for Saliency Maps", 2018:
 * with randomised weights it is another map), and the guard lets chest films through and stops CT slices, on every engine alike. And what the shipped detector boxes there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUILD_TIMEOUT } from '../hls/tests/golden.ts';
import { readOnnx } from '../src/compiler/onnx.ts';
import { writeOnnx } from '../src/compiler/onnx-write.ts';
import type { Frame, GreyFrame } from '../src/contract/pixels.ts';
import { decodeFrame, parseDicom } from '../src/dicom/index.ts';
import { openSession } from '../src/engines/index.ts';
import { toTensor } from '../src/preprocess/index.ts';
import { classMaps } from '../src/review/activation.ts';
import { distanceOf } from '../src/review/guard.ts';
import { nodeCodecs } from '../test/support/codecs.ts';
import { ROOT } from '../test/support/data.ts';
import { found } from './eval/detector.ts';
import { inGolden, inRuntime, type Runner } from './eval/engines.ts';
import { correlationOf, randomOf } from './eval/figures.ts';
import { readClassifier, readDetector } from './eval/package.ts';

const pkg = readClassifier('pneumonia');
const { fields } = pkg;
const shape = { channels: 256, rows: 7, columns: 7 };
const mapOf = (features: Float32Array, weights = fields.heatmap!.weights): Float32Array => classMaps({ data: features, ...shape }, weights).maps[fields.threshold.classIndex]!;

const codecs = nodeCodecs();
const frames = (study: string): Promise<Frame[]> => Promise.all(readdirSync(join(ROOT, 'models/samples', study)).sort().map(async (file) =>
  decodeFrame(parseDicom(new Uint8Array(readFileSync(join(ROOT, 'models/samples', study, file)))), 0, codecs)));
const tensors = async (study: string): Promise<Float32Array[]> => (await frames(study)).map((frame) => toTensor(frame, fields.preprocessing));

let films: Float32Array[];
let slices: Float32Array[];
let fp32: Runner;
beforeAll(async () => {
  [films, slices] = [await tensors('chest-synthetic'), await tensors('ct-synthetic')];
  fp32 = await inRuntime(pkg, 'model.onnx');
});
afterAll(() => fp32.end());

/** The network with the values of some weights in another order. */
async function shuffled(which: (name: string) => boolean, seed: number): Promise<(tensor: Float32Array) => Promise<Float32Array>> {
  const model = readOnnx(pkg.files['model.onnx']);
  const random = randomOf(seed);
  for (const { name, data } of model.initializers.values()) {
    if (!which(name) || !(data instanceof Float32Array)) continue;
    for (let i = data.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [data[i], data[j]] = [data[j]!, data[i]!];
    }
  }
  const session = await openSession(writeOnnx(model));
  const { name, shape: dims } = fields.input;
  return async (data) => (await session.run({ name, data, dims }, ['features'])).get('features')!.data as Float32Array;
}

describe('the heat map', () => {
  test.each([['last block', /^block4\./], ['first block', /^block1\./], ['whole network', /./]] as const)('is another one where the weights of the %s are randomised', async (_, which) => {
    const random = await shuffled((name) => which.test(name) && !name.startsWith('dense'), 11);
    for (const film of films) {
      const { features } = await fp32.run(film);
      expect(correlationOf(mapOf(features!), mapOf(await random(film)))).toBeLessThan(0.8);
    }
  });

  test('is another one where the dense layer\'s weights are', async () => {
    const random = randomOf(5);
    const weights = fields.heatmap!.weights.map((row) => [...row].sort(() => random() - 0.5));
    for (const film of films) {
      const { features } = await fp32.run(film);
      expect(correlationOf(mapOf(features!), mapOf(features!, weights))).toBeLessThan(0.8);
    }
  });

  test('is the same on the golden model, and so is the guard\'s distance', async () => {
    const golden = await inGolden(pkg);
    // Near the limit the two may fall on either side: what they measure is held, and the judgement where it is clear.
    const distances = async (image: Float32Array): Promise<number[]> => [(await fp32.run(image)).features!, (await golden.run(image)).features!].map((data) => distanceOf({ data, ...shape }, fields.guard!));
    for (const image of [...films, ...slices]) {
      const [a = 0, b = 0] = await distances(image);
      expect(Math.abs(a - b)).toBeLessThan(0.1 * a);
    }
    for (const slice of slices) for (const distance of await distances(slice)) expect(distance).toBeGreaterThan(fields.guard!.limit);
    for (const film of films) expect(correlationOf(mapOf((await fp32.run(film)).features!), mapOf((await golden.run(film)).features!))).toBeGreaterThan(0.98);
    await golden.end();
  }, BUILD_TIMEOUT);
});

describe('the guard', () => {
  const far = async (tensor: Float32Array): Promise<boolean> => distanceOf({ data: (await fp32.run(tensor)).features!, ...shape }, fields.guard!) > fields.guard!.limit;

  test('stops every CT slice', async () => {
    for (const slice of slices) expect(await far(slice)).toBe(true);
  });

  test('stops films that lie on their side or are inverted', async () => {
    const [mean, std] = [fields.preprocessing.mean as number, fields.preprocessing.std as number];
    const side = fields.preprocessing.width;
    for (const film of films) {
      expect(await far(Float32Array.from(film, (_, i) => film[(side - 1 - (i % side)) * side + Math.floor(i / side)]!))).toBe(true);
      expect(await far(film.map((v) => (1 - 2 * mean) / std - v))).toBe(true);
    }
  });
});

test.each(['cpu-fp32', 'cpu-int8', 'golden'] as const)('the detector boxes the opacities of the samples, and clear ones have no box: %s', async (engine) => {
  const detector = readDetector('synthetic-opacities');
  const { scoreThreshold } = detector.fields.detection;
  const study = 'chest-synthetic';
  const counts = (await found(detector, engine, (await frames(study)).map((frame) => ({ frame: frame as GreyFrame })), () => undefined)).map((boxes) => boxes.filter(({ score }) => score >= scoreThreshold).length);
  const clear = readdirSync(join(ROOT, 'models/samples', study)).sort().map((file) => file.startsWith('clear'));
  expect(counts.map((count) => count === 0)).toEqual(clear);
}, BUILD_TIMEOUT);
