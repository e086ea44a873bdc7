/** A detector's tables, metrics and CARD.md, made of its package's files alone: a test makes them again and compares. */
import type { BoxFigures, BoxRow, DetectorEvaluation } from './detector.ts';
import { readMetadataOf, readText } from './package.ts';
import { digits, NAMES, ruled } from './record.ts';

type Stage = { learns: string; steps: number; batch: number; lr: number; seed: number; device: string; seconds: number; /** Where it was not run to its end: why. */ stopped?: string };
/** training.json, as models/train/measure_detector.py writes it. `painted`: average precision on painted validation films, of the networks in ONNX Runtime. */
type Training = {
  stages: Stage[];
  rendered: { films: number; bodies: number; clear: number };
  backgrounds: number;
  painted: { images: number; known: Record<string, number>; ap50: Record<'fp32' | 'int8', Record<string, number>> };
  parameters: number;
};

export const readDetectorEvaluation = (name: string): DetectorEvaluation => JSON.parse(readText(name, 'evaluation.json')) as DetectorEvaluation;

const setsOf = ({ test, val }: DetectorEvaluation): (readonly [string, BoxFigures])[] => [[`test, ${test.images} phantoms`, test], [`validation, ${val.images} phantoms`, val]];

function resultTable(sets: readonly (readonly [string, BoxFigures])[]): string {
  const labels = Object.keys(sets[0]![1].known);
  const cells = (row: BoxRow): string[] => [
    ...labels.map((label) => `${digits(row.ap50[label]!.value)} (${row.ap50[label]!.interval95.map((v) => v.toFixed(2)).join(' to ')})`),
    digits(row.precision), digits(row.recall), row.falseBoxes.toFixed(3), `${row.clearWithBoxes} of ${row.clear}`,
  ];
  return ruled(
    ['rows', 'engine', ...labels.map((label) => `AP50, ${label}`), 'precision', 'recall', 'false boxes an image', 'images without an opacity that got a box'],
    sets.flatMap(([name, { rows }]) => rows.map((row) => [name, NAMES[row.engine], ...cells(row)])),
  );
}

function fidelityTable(sets: readonly (readonly [string, BoxFigures])[]): string {
  return ruled(
    ['rows', 'engine', 'images with the same boxes', 'largest \\|Δ score\\|', 'least overlap (IoU)'],
    sets.flatMap(([name, { rows }]) => rows.filter(({ engine }) => engine !== 'cpu-fp32').map((row) => [name, NAMES[row.engine], digits(row.sameBoxes), digits(row.maxDelta), digits(row.minIou)])),
  );
}

export const boxTables = (e: DetectorEvaluation): string => `${resultTable(setsOf(e))}\n\n${fidelityTable(setsOf(e))}`;

/** `eval_metrics` of metadata.json: names as the Models page reads them. */
export function boxMetrics({ test }: DetectorEvaluation): Record<string, number> {
  const short = { 'cpu-fp32': 'fp32', 'cpu-int8': 'int8', golden: 'board', rtl: 'board' } as const;
  return Object.fromEntries(test.rows.flatMap((row) => [
    ...Object.entries(row.ap50).map(([label, { value }]) => [`ap_${label}`, value] as const), ['precision', row.precision] as const, ['recall', row.recall] as const, ['false_boxes', row.falseBoxes] as const,
  ].map(([measure, value]) => [`test_${short[row.engine]}_${measure}`, value])));
}

const counted = (known: Readonly<Record<string, number>>): string => Object.entries(known).map(([label, count]) => `${count} ${label}${label === 'patch' ? 'es' : 's'}`).join(', ');
const minutes = ({ seconds, device }: Stage): string => `${(seconds / 60).toFixed(seconds < 600 ? 1 : 0)} minutes on ${device === 'cuda' ? 'an NVIDIA H200' : 'a core of a CPU shared with other work (AMX, bfloat16)'}`;

export function detectorCard(name: string): string {
  const metadata = readMetadataOf(name);
  const { fabriclens: fields } = metadata;
  if (fields.task !== 'detection') throw new Error(`${name} is no detector.`);
  const evaluation = readDetectorEvaluation(name);
  const training = JSON.parse(readText(name, 'training.json')) as Training;
  const { painted, rendered } = training;
  const { images: sampled, rtl } = evaluation.sample;
  const ap = (engine: 'fp32' | 'int8'): string => Object.entries(painted.ap50[engine]).map(([label, value]) => `${digits(value)} for a ${label}`).join(' and ');
  return `# ${fields.title.en} ${metadata.version}

<!-- Written by "npm run eval -- ${name} --record" from metadata.json, evaluation.json and training.json. Do not edit. -->

Draws boxes around soft patches and nodules that a program rendered into phantoms or painted into films. It shows what a detector of the YOLOv5n graph looks like in this program and on the core.
It finds nothing but what is painted or rendered so: no label of a person's disease was ever shown to it, and whether it finds a real opacity was not measured. **Not for diagnostic use.**

## Intended use
${metadata.intended_use} Files of Modality ${fields.intended.modalities.join(', ')} and view ${fields.intended.views.join(', ')} (or none stated) are accepted without a warning.

## Results
On rendered phantoms kept in the repository (\`models/eval/phantoms\`), our own images, of bodies that it never learned from: ${evaluation.test.images} to test (${counted(evaluation.test.known)}), ${evaluation.val.images} to choose the threshold on (${counted(evaluation.val.known)}).
A box is right where it overlaps one of its class by half (IoU 0.5), each once. AP50: average precision at that overlap, 95 % bootstrap intervals over the images in brackets. Precision, recall and false boxes are of boxes from the score ${evaluation.threshold} on, the best F1 of the fp32 network on the validation phantoms.

${resultTable(setsOf(evaluation))}

The phantoms and what lies in them come from the program that also made what it learned from (other bodies, other places): figures of that program, not of films. On ${painted.images} films labelled normal, painted with ${counted(painted.known)} (validation rows, which it did not learn from), AP50 is ${ap('fp32')} in fp32, ${ap('int8')} in int8 (\`models/train/measure_detector.py\`; it needs the films).

### The same on every engine
Against fp32, boxes from the threshold on. The golden model is what the core and the processor beside it compute, bit for bit; the RTL ran ${sampled} of the phantoms${rtl.equal ? ", every output the golden model's" : ''}: ${rtl.cycles.toLocaleString('en')} cycles of the core an image, ${(rtl.cycles / rtl.megahertz / 1000).toFixed(1)} ms at ${rtl.megahertz} MHz with 1 GB/s and 400 ns of memory; the boxes' arithmetic on the processor comes on top. No board has run it.

${fidelityTable(setsOf(evaluation))}

## Limits
${fields.limits.map(({ en }) => `- ${en}`).join('\n')}

## Network
YOLOv5 v6's smallest graph (Jocher et al., doi:10.5281/zenodo.3908559), written from its description, with one grey channel at ${fields.preprocessing.width} × ${fields.preprocessing.height} and ${fields.labels.length} classes; ${(training.parameters / 1e6).toFixed(2)} million parameters.
Output: \`predictions\` of three scales, boxes in pixels of the network's input; the program's \`detections\` are those boxes after the same threshold and suppression (overlap of ${fields.detection.iouThreshold}) on the board.
Preprocessing: modality and VOI transform to a grey in [0,1], squashed with an antialiasing triangle filter; the input code of an 8-bit grey is the grey minus 128.

## Training
${training.stages.map((stage) => `- ${stage.learns}: ${stage.steps.toLocaleString('en')} steps of ${stage.batch} images${stage.stopped ? ` (${stage.stopped})` : ''}, learning rate ${stage.lr}, seed ${stage.seed}: ${minutes(stage)}.`).join('\n')}

Painted: ${training.backgrounds.toLocaleString('en')} backgrounds (films of training rows labelled normal, clear phantoms), with shapes painted anew at every step. Rendered: ${rendered.films} films of ${rendered.bodies} phantom bodies, ${rendered.clear} of them clear. The weights are the moving average after the last step.

## Data and licence
${metadata.data_source}
The weights are licensed as the project is (${metadata.license}).
`;
}
