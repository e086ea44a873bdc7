/**
 * `npm run bench:accuracy [-- --record] [-- --json] [-- --rtl N]`: the shipped classifier on the 624 test images of the chest films (FABRICLENS_DATA), through the
 * product's own preprocessing: fp32 and int8 in ONNX Runtime, the golden model, and a sample of N (20) through the simulated RTL.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Outcome, Simulated } from '../../hls/sim/simulated.ts';
import { Golden } from '../../hls/tests/golden.ts';
import { readOnnx } from '../../src/compiler/onnx.ts';
import { Network } from '../../src/compiler/quantise/measure.ts';
import { ModelMetadata } from '../../src/contract/model.ts';
import { readImage } from '../../src/hosts/image-file.ts';
import { quantizeInput, toTensor } from '../../src/preprocess/index.ts';
import { probabilities } from '../../src/review/index.ts';
import { classifier } from '../support/classifier.ts';
import { nodeCodecs } from '../support/codecs.ts';
import { dataPath, hasData, ROOT } from '../support/data.ts';
import { outputsOf } from '../support/exposed.ts';
import { figuresOf } from './accuracy/figures.ts';
import { PAGE, RECORD, tableOf, type Accuracy, type Row } from './accuracy/record.ts';

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, record: { type: 'boolean', default: false }, rtl: { type: 'string', default: '20' } } });
const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
if (!hasData('chest-xray-224')) throw new Error('The chest films are not there; FABRICLENS_DATA says where (npm run data:check).');

const PACKAGE = join(ROOT, 'models/pneumonia');
const FILES = ['model.onnx', 'model.int8.onnx', 'program.bin'] as const;
const files = Object.fromEntries(FILES.map((name) => [name, readFileSync(join(PACKAGE, name))])) as Record<(typeof FILES)[number], Buffer<ArrayBuffer>>;
const fabriclens = classifier(ModelMetadata.parse(JSON.parse(readFileSync(join(PACKAGE, 'metadata.json'), 'utf8'))).fabriclens);
const { outputs: { logits }, threshold: { classIndex, value: threshold }, activation, input } = fabriclens;

const codecs = nodeCodecs();
const images: { tensor: Float32Array; positive: boolean }[] = [];
for (const [folder, positive] of [['NORMAL', false], ['PNEUMONIA', true]] as const) {
  for (const file of readdirSync(dataPath('chest-xray-224', 'test', folder)).sort()) {
    const frame = await readImage(readFileSync(dataPath('chest-xray-224', 'test', folder, file)), codecs);
    if (frame === undefined) throw new Error(`${file} is no image`);
    images.push({ tensor: toTensor(frame, fabriclens.preprocessing), positive });
  }
}
say(`${images.length} images`);
const positive = images.map((image) => image.positive);
const scores = (values: Float32Array): number => probabilities(values, activation)[classIndex] as number;

const inRuntime = async (name: 'model.onnx' | 'model.int8.onnx'): Promise<number[]> => {
  say(name);
  const outputs = await new Network(readOnnx(files[name]), files[name]).outputs(images.map(({ tensor }) => tensor), 'all');
  return outputs.map((one) => scores(one.get(logits) as Float32Array));
};
const fp32 = await inRuntime('model.onnx');
const int8 = await inRuntime('model.int8.onnx');

say('golden model');
const golden = await Golden.start();
const loaded = await golden.load(files['program.bin']);
if (loaded.text !== '') throw new Error(loaded.text);
const outputs = outputsOf(files['program.bin']);
const before = outputs.slice(0, outputs.findIndex((o) => o.name === logits)).reduce((sum, o) => sum + o.elements, 0);
const elements = outputs.find((o) => o.name === logits)?.elements ?? 0;
const inGolden: number[] = [];
for (const { tensor } of images) inGolden.push(scores((await golden.runFloat(tensor)).values.subarray(before, before + elements)));

// Every so-manieth image: the folders are sorted by class.
const count = Math.min(images.length, Number(values.rtl));
const sample = Array.from({ length: count }, (_, i) => Math.floor((i * images.length) / Math.max(1, count)));
let rtlEqual = count > 0;
if (count > 0) {
  const core = await Simulated.start({ oc: 8, px: 3 }, { log: say });
  await core.configure({});
  await core.load(files['program.bin']);
  for (const [i, index] of sample.entries()) {
    say(`RTL: ${i + 1} of ${count}`);
    const codes = quantizeInput((images[index] as { tensor: Float32Array }).tensor, input.scale, input.zeroPoint);
    const run = await core.run(codes);
    if (run.outcome !== Outcome.OK) throw new Error(`the simulated core: ${run.text}`);
    rtlEqual &&= Buffer.from(run.outputs).equals(Buffer.from(await golden.run(codes)));
  }
  await core.end();
}
await golden.end();

const rounded = (row: Row): Row => ({ ...row, ...Object.fromEntries((['auc', 'accuracy', 'labelAgreement', 'maxDelta'] as const).map((key) => [key, Number(row[key].toFixed(4))])) });
const row = (engine: Row['engine'], p: readonly number[], of: readonly number[] = images.map((_, i) => i)): Row => {
  const pick = <T>(list: readonly T[]): T[] => of.map((i) => list[i] as T);
  return rounded({ engine, ...figuresOf(pick(p), pick(fp32), pick(positive), threshold) });
};
// Where all its codes are the golden model's, so are the RTL's probabilities.
const result: Accuracy = {
  sha256: Object.fromEntries(FILES.map((name) => [name, createHash('sha256').update(files[name]).digest('hex')])),
  threshold, rtlEqual,
  rows: [row('fp32', fp32), row('int8, ONNX Runtime', int8), row('golden model', inGolden)],
  sample: count === 0 ? [] : [row('fp32', fp32, sample), ...(rtlEqual ? [row('RTL, simulated', inGolden, sample)] : [])],
};
process.stdout.write(values.json ? `${JSON.stringify(result, null, 1)}\n` : `${tableOf(result)}\n`);
if (!rtlEqual && count > 0) {
  say('the simulated core and the golden model differ');
  process.exitCode = 1;
}
if (values.record) {
  writeFileSync(join(ROOT, RECORD), `${JSON.stringify(result, null, 1)}\n`);
  const page = readFileSync(join(ROOT, PAGE), 'utf8');
  writeFileSync(join(ROOT, PAGE), page.replace(/(<!-- table -->\n)[\s\S]*?(\n<!-- end -->)/, (_, start: string, end: string) => `${start}${tableOf(result)}${end}`));
}
