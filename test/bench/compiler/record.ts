/** What of the compiler's figures is kept in test/bench/compiler/results.json, and the page that is written from it. */
import { verdicts } from './aims.ts';
import type { CompilerResult } from './measure.ts';

export const RECORD = 'test/bench/compiler/results.json';
export const PAGE = 'docs/networks.md';

export type Machine = { readonly cpu: string; readonly cores: number; readonly node: string; /** Load average of the minute before, and at the end: what else ran. */ readonly load: readonly [number, number] };
export type RecordedNetwork = CompilerResult & { readonly machine: Machine };

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
const maybe = (value: number | null, digits: number): number | null => (value === null ? null : rounded(value, digits));

export function recorded(result: CompilerResult, machine: Machine): RecordedNetwork {
  const timed = ({ seconds, cpuSeconds, peakBytes }: CompilerResult['import']): CompilerResult['import'] => ({ seconds: rounded(seconds, 2), cpuSeconds: rounded(cpuSeconds, 2), peakBytes });
  return {
    ...result, import: timed(result.import), quantise: timed(result.quantise), compile: timed(result.compile), loadSeconds: rounded(result.loadSeconds, 3),
    schedule: result.schedule === null ? null : { seconds: rounded(result.schedule.seconds, 2), cycles: result.schedule.cycles },
    sqnrInt8: maybe(result.sqnrInt8, 2), sqnrGolden: maybe(result.sqnrGolden, 2), sqnrGoldenInt8: maybe(result.sqnrGoldenInt8, 2), meanPixels: maybe(result.meanPixels, 3), labels: rounded(result.labels, 4),
    machine: { ...machine, load: [rounded(machine.load[0], 1), rounded(machine.load[1], 1)] },
  };
}

const megabytes = (bytes: number, digits = 1): string => (bytes / 1e6).toFixed(digits);
const decibels = (value: number | null): string => (value === null ? 'no signal' : value >= 200 ? 'equal' : value.toFixed(1));
const percent = (part: number, whole: number): string => (whole === 0 ? '' : `${((100 * part) / whole).toFixed(part === whole ? 0 : 2)} %`);
const table = (rows: readonly (readonly string[])[]): string => rows.map((row, i) => `| ${row.join(' | ')} |${i === 0 ? `\n|${row.map(() => '---|').join('')}` : ''}`).join('\n');

/** Both clocks: what it took, and what of it was its own. */
const seconds = ({ seconds: wall, cpuSeconds }: RecordedNetwork['import']): string => `${wall.toFixed(1)} (${cpuSeconds.toFixed(1)})`;

const places = (networks: readonly RecordedNetwork[]): string =>
  table([
    ['network', 'written like', 'input', 'MMAC', 'MACs on the PL', 'convolutions on the PL', 'moved off the core', 'fp32 operators', 'arena, MB', 'fp32 arena, MB', 'program, MB'],
    ...networks.map((n) => [
      n.name, n.form, n.input.slice(1).join(' × '), (n.macs / 1e6).toFixed(1), percent(n.plMacs, n.macs), percent(n.plConvMacs, n.convMacs), n.offCore.length === 0 ? 'nothing' : n.offCore.join(', '), String(n.floatOperators),
      megabytes(n.arenaBytes, 2), megabytes(n.floatArenaBytes, 2), megabytes(n.programBytes),
    ]),
  ]);

const costs = (networks: readonly RecordedNetwork[]): string =>
  table([
    ['network', 'ONNX, MB', 'read and canonicalise, s', 'QDQ to program, s', 'cut into commands, s', 'peak of both, MB', 'calibrate and quantise, s', 'its peak, MB', 'images'],
    ...networks.map((n) => [
      n.name, megabytes(n.onnxBytes), seconds(n.import), seconds(n.compile), n.schedule === null ? 'not all the core\'s' : n.schedule.seconds.toFixed(2), megabytes(Math.max(n.import.peakBytes, n.compile.peakBytes), 0),
      seconds(n.quantise), megabytes(n.quantise.peakBytes, 0), String(n.calibrationSamples),
    ]),
  ]);

const agreement = (networks: readonly RecordedNetwork[]): string =>
  table([
    ['network', 'int8 to fp32, dB', 'golden model to fp32, dB', 'golden model to int8 in ONNX Runtime, dB', 'boxes, mean pixels', 'same label as fp32', 'labels', 'images'],
    ...networks.map((n) => [
      n.name, decibels(n.sqnrInt8), decibels(n.sqnrGolden), decibels(n.sqnrGoldenInt8), n.meanPixels === null ? '' : n.meanPixels.toFixed(2), `${(100 * n.labels).toFixed(1)} %`, String(n.distinctLabels), String(n.images),
    ]),
  ]);

/** Networks whose figures the project set itself; of the others what is missed. */
const AIMED = new Set(['resnet18', 'yolov5s-640']);

const aims = (networks: readonly RecordedNetwork[]): string =>
  networks.flatMap((n) => verdicts(n).filter(({ met }) => AIMED.has(n.id) || !met).map(({ text }) => `- ${n.name}: ${text}.`)).join('\n');

/** docs/networks.md. */
export function networksPage(networks: readonly RecordedNetwork[]): string {
  const machines = [...new Set(networks.map(({ machine: { cpu, cores, node } }) => `${cpu}, ${cores} cores, Node ${node}`))];
  const loads = networks.flatMap(({ machine }) => [...machine.load]);
  const busy = Math.max(...loads);
  return `# Networks that compile

Written from \`${RECORD}\` by \`npm run bench:compiler -- --record\`; a test fails when the two differ.

The graphs are made by \`test/networks\`, layer by layer from the papers, as each exporter writes them; nothing is downloaded. Their weights are
random, with the scales of initialised and normalised layers, so **no figure here says how well a trained network does**: only that one of this
shape is read, quantised, compiled and run, at what cost, and how much int8 alone adds in noise. The pneumonia classifier is the shipped one, on made-up images.
The same families at small sizes, in more exporters' forms, are held against the exact reference on every value of every layer (\`test/networks/networks.test.ts\`).

## Where it runs
${places(networks)}

"Moved off the core": poolings, upsamplings and concatenations of images that the core does not do; what it does by an address alone is its own.
fp32 operators run on the processor: a detection head behind the last convolutions. The arena is what the core needs in contiguous memory for activations;
the fp32 arena is ordinary memory.

## What it costs
${costs(networks)}

Source: host, ${machines.join('; ')}. Seconds by the clock and, in brackets, the process's own on all its threads: the machine was shared${busy >= 2 ? ` (load average up to ${busy.toFixed(0)} on ${networks[0]?.machine.cores ?? 0} cores), so the clock says little` : ''}.
Each step is a process of its own. Calibration runs ONNX Runtime with every tensor as an output, tries three ranges, equalisation and bias correction, and measures each.

## Against the aims
${aims(networks)}

## How near it comes
${agreement(networks)}

On images that calibration did not see. Of a detector: its objectness and class scores; labels are those of the 100 boxes with the highest scores in each image; "labels" counts the different ones.
The golden model's arithmetic is exact; ONNX Runtime's int8 rounds in fp32 and takes other neighbours of near ties, which later layers multiply.
`;
}
