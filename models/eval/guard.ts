/** How the guard tells what a package is not for: images of other kinds, and its own films turned and inverted, against its test images. */
import { readFileSync } from 'node:fs';
import { distanceOf } from '../../src/review/guard.ts';
import type { Guard, Preprocessing } from '../../src/contract/model.ts';
import { decodeFrame, parseDicom } from '../../src/dicom/index.ts';
import type { Features } from '../../src/engines/index.ts';
import { toTensor } from '../../src/preprocess/index.ts';
import { nodeCodecs } from '../../test/support/codecs.ts';
import { dataPath, hasData } from '../../test/support/data.ts';
import type { Runner } from './engines.ts';
import { aucOf } from './figures.ts';
import { greyOf, turned, type Image } from './sets.ts';

/** `auroc`: of the distance, this kind against the test images. `flagged`: share beyond the limit. */
export type Kind = { kind: string; images: number; auroc: number; flagged: number };
export type GuardFigures = {
  limit: number;
  method: string;
  /** Share of the test images beyond the limit, and on how many of them the golden model's features decide as fp32's do. */
  flagged: number;
  sameOnGolden: number | null;
  /** All kinds of `others` together: what is no chest radiograph. */
  notChest: Kind;
  others: Kind[];
  /** Chest films that are not as the network was shown them: each told on its own, none is a promise. */
  changed: Kind[];
};

/** What files of the DICOM test set show, where Modality does not say it; the rest goes by Modality. */
const SHOWN: readonly [RegExp, string][] = [
  [/Udacity|RG1/, 'adult chest radiographs'],
  [/RG3|MG1_|GH133|CR-Modality/, 'radiographs of other parts (leg, breast, jaw)'],
  [/OT-PAL-8-face|GH195|fo-dicom__Deflated|HTJ2K|JPEGLosslessP14SV1_1s_1f_u_16_16/, 'photographs'],
];
const MODALITIES: Readonly<Record<string, string>> = { CT: 'CT slices', MR: 'MR slices', US: 'ultrasound', NM: 'scintigrams' };
const REST = 'drawings, segmentations, test patterns';
const ADULT = 'adult chest radiographs';

/** Mean difference of two tensors below which files show the same image in two encodings. */
const SAME = 0.05;

/** First frames of the DICOM test set that can be decoded, each image once. */
async function otherKinds(preprocessing: Preprocessing): Promise<Map<string, Float32Array[]>> {
  if (!hasData('dicom')) throw new Error('The DICOM test set is not there; FABRICLENS_DATA says where (npm run data:check).');
  const codecs = nodeCodecs();
  const [head = '', ...lines] = readFileSync(dataPath('dicom', 'MANIFEST.tsv'), 'utf8').trim().split('\n');
  const columns = head.split('\t');
  const kinds = new Map<string, Float32Array[]>();
  const seen: Float32Array[] = [];
  for (const cells of lines.map((line) => line.split('\t'))) {
    const [file = '', modality = ''] = [cells[columns.indexOf('file')], cells[columns.indexOf('modality')]];
    const bytes = new Uint8Array(readFileSync(dataPath('dicom', file)));
    let tensor: Float32Array;
    try {
      tensor = toTensor(await decodeFrame(parseDicom(bytes), 0, codecs), preprocessing);
    } catch {
      continue; // No image, or one that nobody should decode: the set has those on purpose.
    }
    if (seen.some((other) => tensor.reduce((sum, v, i) => sum + Math.abs(v - other[i]!), 0) < SAME * tensor.length)) continue;
    seen.push(tensor);
    const kind = SHOWN.find(([pattern]) => pattern.test(file))?.[1] ?? MODALITIES[modality] ?? REST;
    kinds.set(kind, [...(kinds.get(kind) ?? []), tensor]);
  }
  return kinds;
}

/** Every EVERY-th film, changed. */
const EVERY = 4;
const CHANGES: readonly [string, (image: Image) => Image['frame']][] = [
  ['inverted', ({ frame }) => greyOf(frame.rows, frame.columns, Uint8Array.from(frame.pixels, (v) => 255 - v))],
  ['turned 90°', ({ frame }) => turned(frame, 1, false)],
  ['turned 180°', ({ frame }) => turned(frame, 2, false)],
  ['turned 270°', ({ frame }) => turned(frame, 3, false)],
  ['upside down, mirrored', ({ frame }) => turned(frame, 2, true)],
  ['mirrored', ({ frame }) => turned(frame, 0, true)],
];

export async function measureGuard(guard: Guard, preprocessing: Preprocessing, shape: readonly [channels: number, rows: number, columns: number], fp32: Runner, images: readonly Image[], own: { fp32: readonly Float32Array[]; golden: readonly Float32Array[] | null }): Promise<GuardFigures> {
  const [channels, rows, columns] = shape;
  const distance = (data: Float32Array): number => distanceOf({ data, channels, rows, columns } satisfies Features, guard);
  const known = own.fp32.map(distance);
  const far = (values: readonly number[]): number => values.filter((value) => value > guard.limit).length / values.length;
  const kindOf = (kind: string, values: readonly number[]): Kind => ({ kind, images: values.length, auroc: aucOf([...known, ...values], [...known.map(() => false), ...values.map(() => true)]), flagged: far(values) });
  const distances = async (tensors: readonly Float32Array[]): Promise<number[]> => {
    const all: number[] = [];
    for (const tensor of tensors) all.push(distance((await fp32.run(tensor)).features as Float32Array));
    return all;
  };
  const others: [string, number[]][] = [];
  for (const [kind, tensors] of await otherKinds(preprocessing)) others.push([kind, await distances(tensors)]);
  const changed: Kind[] = [];
  for (const [kind, change] of CHANGES) changed.push(kindOf(kind, await distances(images.filter((_, i) => i % EVERY === 0).map((image) => toTensor(change(image), preprocessing)))));
  const strangers = others.filter(([kind]) => kind !== ADULT);
  return {
    limit: guard.limit, method: guard.method, flagged: far(known),
    sameOnGolden: own.golden === null ? null : own.golden.filter((data, i) => distance(data) > guard.limit === known[i]! > guard.limit).length / known.length,
    notChest: kindOf('all that is no chest radiograph', strangers.flatMap(([, values]) => values)),
    others: strangers.map(([kind, values]) => kindOf(kind, values)).sort((a, b) => b.images - a.images),
    changed: [...others.filter(([kind]) => kind === ADULT).map(([kind, values]) => kindOf(kind, values)), ...changed],
  };
}
