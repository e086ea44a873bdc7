/** CARD.md, reliability.svg and the table of docs/accuracy.md, made of a package's files alone: a test makes them again and compares. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../test/support/data.ts';
import { inPackage, readMetadataOf, readText } from './package.ts';
import { MEASURES, type Interval, type Measures } from './figures.ts';
import { PROSE, type Training } from './prose.ts';
import { comparedOf, fidelityTable, PAGE, resultTable, setsOf, type Evaluation } from './record.ts';
import { reliabilitySvg } from './reliability.ts';
import type { GuardFigures, Kind } from './guard.ts';

interface SeedFigures { images: number; seeds: (Measures & { seed: number; interval95: Interval })[]; mean: Measures; sd: Measures; /** Of the mean. */ interval95: Interval }
/** seeds.json, as models/train/seeds.py writes it. */
export interface Seeds { test: SeedFigures; testMedmnist: SeedFigures }

export const readEvaluation = (name: string): Evaluation => JSON.parse(readText(name, 'evaluation.json')) as Evaluation;
const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

function seedTable({ test, testMedmnist }: Seeds): string {
  const sets = [[`test, ${test.images} images`, test], [`the ${testMedmnist.images} of them`, testMedmnist]] as const;
  const limits = ([low, high]: [number, number]): string => `(${low.toFixed(3)} to ${high.toFixed(3)})`;
  return [
    '| rows | seed | AUC | accuracy | sensitivity | specificity | ECE |', '|---|---|---|---|---|---|---|',
    ...sets.flatMap(([name, { seeds, mean, sd, interval95 }]) => [
      ...seeds.map((row) => `| ${name} | ${row.seed} | ${MEASURES.map((m) => `${row[m].toFixed(4)} ${limits(row.interval95[m])}`).join(' | ')} |`),
      `| ${name} | mean ± sd | ${MEASURES.map((m) => `${mean[m].toFixed(4)} ± ${sd[m].toFixed(4)} ${limits(interval95[m])}`).join(' | ')} |`,
    ]),
  ].join('\n');
}

function guardSection({ limit, method, flagged, sameOnGolden, notChest, others, changed }: GuardFigures): string {
  const row = ({ kind, images, auroc, flagged: share }: Kind): string => `| ${kind} | ${images} | ${auroc.toFixed(3)} | ${percent(share, 0)} |`;
  const head = '| images | how many | AUROC | warned about |\n|---|---|---|---|';
  return `## Knowing what it is not for
Beside the file's Modality, body part and view, the last feature map is held against those of the training films (\`guard\` in \`metadata.json\`): an image whose distance is beyond ${limit} gets a
warning before its numbers. ${method} The limit was not chosen by the kinds below; how the guard looks (quarters of the map, 24 directions) was, so their figures flatter. Of the test images ${percent(flagged)} are warned about${sameOnGolden === null ? '' : `; by the golden model's features the warning is the same for ${percent(sameOnGolden, 2)} of them`}. AUROC is of the distance, each kind against the test images.

${head}
${[notChest, ...others].map(row).join('\n')}

Chest films that are not as the network was shown them. What is not warned about here is not told apart: a mirrored film was shown in training.

${head}
${changed.map(row).join('\n')}`;
}

export function cardOf(name: string): string {
  const metadata = readMetadataOf(name);
  const { fabriclens: fields } = metadata;
  if (fields.task !== 'classification') throw new Error(`${name} is a detector.`);
  const evaluation = readEvaluation(name);
  const training = JSON.parse(readText(name, 'training.json')) as Training;
  const prose = PROSE[name]!(training);
  const seeds = existsSync(inPackage(name, 'seeds.json')) ? (JSON.parse(readText(name, 'seeds.json')) as Seeds) : null;
  const label = fields.labels[fields.threshold.classIndex]!.name;
  const [fp32] = evaluation.test.rows;
  const golden = evaluation.test.rows.find(({ engine }) => engine === 'golden');
  const { rtl, images: sampled } = evaluation.sample;
  const { modalities, views } = fields.intended;
  const versions = Object.entries((metadata['changelog'] ?? {}) as Record<string, string>).reverse();
  return `# ${fields.title.en} ${metadata.version}

<!-- Written by "npm run eval -- ${name} --record" from metadata.json, evaluation.json and training.json. Do not edit. -->

${prose.what} **Not for diagnostic use.**

## Intended use
${metadata.intended_use} Files of Modality ${modalities.join(', ')}${views.length > 0 ? ` and view ${views.join(', ')} (or none stated)` : ''} are accepted without a warning.

## Results
At the threshold ${evaluation.threshold.value} on P(${label}); 95 % bootstrap intervals in brackets. ECE: expected calibration error of P(${label}), ten bins.

${resultTable(setsOf(evaluation))}
${fields.labels.length > 2 ? `\nOf the ${fields.labels.length} classes the surest is the right one on ${percent(fp32!.top1, 2)} of the test images in fp32${golden ? `, on ${percent(golden.top1, 2)} on the golden model` : ''}.\n` : ''}
Threshold: ${evaluation.threshold.method} It belongs to \`model.onnx\` ${evaluation.sha256['model.onnx']}.

### The same on every engine
Against fp32. The golden model is what the core computes, bit for bit; the RTL ran ${sampled} images${rtl.equal ? ', every output code the golden model\'s' : ''}: ${rtl.cycles.toLocaleString('en')} cycles an image, ${(rtl.cycles / rtl.megahertz / 1000).toFixed(2)} ms or ${Math.floor((rtl.megahertz * 1e6) / rtl.cycles).toLocaleString('en')} images a second
at ${rtl.megahertz} MHz with 1 GB/s and 400 ns of memory. No board has run it.

${fidelityTable(comparedOf(evaluation))}

### Calibration
![Reliability diagram](reliability.svg)

${prose.calibration}
${seeds === null ? '' : `\n### Seeds\nThe recipe with five seeds on the test images, in fp32, each calibrated and given its threshold on validation rows as above; 95 % bootstrap intervals in brackets, those of the means from the same draws for all five. Shipped is seed ${training.stages[0]!.seed}: the highest mean of the AUCs on validation rows as they are and under random changes (\`stress\` in \`models/train/augment.py\`).\n\n${seedTable(seeds)}\n`}
${evaluation.guard ? `${guardSection(evaluation.guard)}\n\n` : ''}## Limits
${[...fields.limits.map(({ en }) => en), ...prose.limits].map((limit) => `- ${limit}`).join('\n')}

## Network
${prose.network}
\`model.int8.onnx\`: canonical QDQ, calibrated by \`fabriclens compile\` on 256 training rows. ${training.mmac} million multiply-accumulates and ${(training.parameters / 1e6).toFixed(2)} million parameters.

## Training
${prose.training}

## Data and licence
${metadata.data_source}
The weights are licensed as the project is (${metadata.license}).
${versions.length === 0 ? '' : `\n## Versions\n${versions.map(([version, change]) => `- ${version}: ${change}`).join('\n')}\n`}`;
}

export function svgOf(name: string): string {
  const { reliability, test: { rows: [fp32] } } = readEvaluation(name);
  const { fabriclens: fields } = readMetadataOf(name);
  return reliabilitySvg(reliability, fields.task === 'classification' ? fields.labels[fields.threshold.classIndex]!.name : '', fp32!.ece);
}

export function writeCard(name: string): void {
  writeFileSync(inPackage(name, 'CARD.md'), cardOf(name));
  writeFileSync(inPackage(name, 'reliability.svg'), svgOf(name));
}

/** The table of docs/accuracy.md. */
export const pageTable = (): string => {
  const evaluation = readEvaluation('pneumonia');
  return `${resultTable(setsOf(evaluation))}\n\n${fidelityTable(comparedOf(evaluation))}`;
};

export function writePage(): void {
  const page = readFileSync(join(ROOT, PAGE), 'utf8');
  writeFileSync(join(ROOT, PAGE), page.replace(/(<!-- table -->\n)[\s\S]*?(\n<!-- end -->)/, (_, start: string, end: string) => `${start}${pageTable()}${end}`));
}
