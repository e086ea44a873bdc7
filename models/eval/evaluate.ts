/** Runs a package's engines over its labelled images and counts what they said. */
import type { ClassifierFields } from '../../src/contract/model.ts';
import { classMaps, probabilities } from '../../src/review/activation.ts';
import { ENGINES, inGolden, inRtl, inRuntime, type EngineName, type Raw, type Runner } from './engines.ts';
import { binsOf, fidelityOf, intervalOf, measuresOf, type Answer } from './figures.ts';
import { measureGuard } from './guard.ts';
import type { EvaluatedClassifier } from './package.ts';
import type { Evaluation, Row, SetFigures } from './record.ts';
import { CLASSIFIERS, tensorOf, type Image } from './sets.ts';

export type Options = { readonly engines: ReadonlySet<EngineName>; /** Images for the RTL. */ readonly sample: number; readonly say: (line: string) => void };

/** [channels, rows, columns] of the feature map, as metadata.json states it. */
function shapeOf({ metadata, fields }: EvaluatedClassifier): readonly [number, number, number] {
  const stated = metadata.network_data_format.outputs[fields.outputs.features ?? ''] as { num_channels?: number; spatial_shape?: number[] } | undefined;
  return [stated?.num_channels ?? 0, stated?.spatial_shape?.[0] ?? 0, stated?.spatial_shape?.[1] ?? 0];
}

function answerOf({ logits, features }: Raw, fields: ClassifierFields, [channels, rows, columns]: readonly [number, number, number]): Answer {
  const all = probabilities(logits, fields.activation);
  const { classIndex } = fields.threshold;
  const map = features && fields.heatmap ? (classMaps({ data: features, channels, rows, columns }, fields.heatmap.weights).maps[classIndex] ?? null) : null;
  return { p: all[classIndex] as number, top: all.indexOf(Math.max(...all)), map };
}

export async function all(runner: Runner, pkg: EvaluatedClassifier, images: readonly Image[], step: string, say: Options['say']): Promise<Raw[]> {
  const raw: Raw[] = [];
  for (const image of images) {
    if (raw.length % 200 === 0) say(`${step}: ${raw.length} of ${images.length}`);
    raw.push(await runner.run(tensorOf(image, pkg.fields.preprocessing)));
  }
  return raw;
}

function setOf(fields: ClassifierFields, images: readonly Image[], answers: ReadonlyMap<EngineName, readonly Answer[]>, chosen: (image: Image, i: number) => boolean, intervals: boolean): SetFigures {
  const { classIndex, value } = fields.threshold;
  const indices = images.flatMap((image, i) => (chosen(image, i) ? [i] : []));
  const positive = indices.map((i) => images[i]?.label === classIndex);
  const pick = (engine: EngineName): Answer[] => indices.map((i) => answers.get(engine)?.[i] as Answer);
  const reference = pick('cpu-fp32');
  const rows = [...answers.keys()].map((engine): Row => {
    const mine = pick(engine);
    const p = mine.map((answer) => answer.p);
    const top1 = mine.filter(({ top }, k) => top === images[indices[k] as number]?.label).length / mine.length;
    return { engine, ...measuresOf(p, positive, value), top1, ...fidelityOf(mine, reference, value), ...(intervals ? { interval95: intervalOf(p, positive, value) } : {}) };
  });
  return { images: indices.length, positives: positive.filter(Boolean).length, rows };
}

/** fp32 is always run: the others are held against it. */
export async function evaluate(pkg: EvaluatedClassifier, { engines, sample, say }: Options): Promise<Evaluation> {
  const { fields, name } = pkg;
  const { images: load } = CLASSIFIERS[name]!;
  const shape = shapeOf(pkg);
  const [val, test] = [await load('val'), await load('test')];
  const found = new Map<EngineName, Raw[]>();
  const validated = new Map<EngineName, readonly Answer[]>();
  const opened: Runner[] = [];
  for (const engine of ENGINES) {
    if (engine === 'rtl' || (engine !== 'cpu-fp32' && !engines.has(engine))) continue;
    const runner = await (engine === 'golden' ? inGolden(pkg) : inRuntime(pkg, engine === 'cpu-fp32' ? 'model.onnx' : 'model.int8.onnx'));
    opened.push(runner);
    found.set(engine, await all(runner, pkg, test, `${engine}, test`, say));
    if (engine !== 'golden') validated.set(engine, (await all(runner, pkg, val, `${engine}, validation`, say)).map((raw) => answerOf(raw, fields, shape)));
  }
  const answers = new Map([...found].map(([engine, raw]) => [engine, raw.map((one) => answerOf(one, fields, shape))] as const));
  // Evenly spaced: the sets are sorted by class.
  const count = engines.has('rtl') ? Math.min(sample, test.length) : 0;
  const sampled = new Set(Array.from({ length: count }, (_, i) => Math.floor((i * test.length) / count)));
  const rtl = count === 0 ? { equal: false, cycles: 0 } : await inRtl(pkg, [...sampled].map((i) => tensorOf(test[i] as Image, fields.preprocessing)), say);
  if (rtl.equal && answers.has('golden')) answers.set('rtl', answers.get('golden') as Answer[]);
  const onTest = new Map([...answers].filter(([engine]) => engine !== 'rtl'));
  const onSample = new Map([...answers].filter(([engine]) => engine === 'cpu-fp32' || engine === 'rtl'));
  const features = (engine: EngineName): Float32Array[] | null => found.get(engine)?.map((raw) => raw.features as Float32Array) ?? null;
  const medmnist = test.filter((image) => image.medmnist).length;
  if (fields.guard) say('guard');
  const guard = fields.guard && (await measureGuard(fields.guard, fields.preprocessing, shape, opened[0] as Runner, test, { fp32: features('cpu-fp32') as Float32Array[], golden: features('golden') }));
  for (const runner of opened) await runner.end();
  const { classIndex, value, method } = fields.threshold;
  return {
    sha256: pkg.sha256,
    threshold: { value, method },
    tolerance: fields.tolerance,
    val: setOf(fields, val, validated, () => true, false),
    test: setOf(fields, test, onTest, () => true, true),
    ...(medmnist > 0 && medmnist < test.length ? { testMedmnist: setOf(fields, test, onTest, (image) => image.medmnist, true) } : {}),
    sample: { ...(count === 0 ? { images: 0, positives: 0, rows: [] } : setOf(fields, test, onSample, (_, i) => sampled.has(i), false)), rtl: { ...rtl, megahertz: 100 } },
    reliability: binsOf(answers.get('cpu-fp32')!.map(({ p }) => p), test.map(({ label }) => label === classIndex)),
    ...(guard ? { guard } : {}),
  };
}
