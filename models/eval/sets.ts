/** The labelled images a package is measured on, each as the product's own preprocessing gives it to the network. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { readNpy } from '../../src/compiler/quantise/npy.ts';
import type { GreyFrame } from '../../src/contract/pixels.ts';
import type { Preprocessing } from '../../src/contract/model.ts';
import type { Codecs } from '../../src/dicom/index.ts';
import { readImage } from '../../src/hosts/image-file.ts';
import { toTensor } from '../../src/preprocess/index.ts';
import { nodeCodecs } from '../../test/support/codecs.ts';
import { dataPath, hasData, ROOT } from '../../test/support/data.ts';
import type { Known } from './boxes.ts';

export type Split = 'train' | 'val' | 'test';
export type Image = { readonly label: number; /** Also in MedMNIST's test split. */ readonly medmnist: boolean; readonly frame: GreyFrame };
export type Film = { readonly split: Split | 'duplicate'; readonly medmnist: boolean; readonly sha256: string; readonly file: string; readonly label: number; readonly patient: string };

/** models/train/split.tsv. */
export function filmList(): Film[] {
  const [, ...lines] = readFileSync(join(ROOT, 'models/train/split.tsv'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [split = '', medmnist, sha256 = '', file = ''] = line.split('\t');
    const patient = /(?:^|\/)(?:(person\d+)_|((?:NORMAL2-)?IM-\d+))/.exec(file);
    return { split: split as Film['split'], medmnist: medmnist === '1', sha256, file, label: Number(file.split('/')[1] === 'PNEUMONIA'), patient: patient?.[1] ?? patient?.[2] ?? '' };
  });
}

export type Phantom = { readonly boxes: readonly Known[]; readonly frame: GreyFrame };
type PhantomRow = { split: 'val' | 'test'; file: string; sha256: string; seed: number; boxes: { label: string; x: number; y: number; width: number; height: number }[] };
const PHANTOMS = join(ROOT, 'models/eval/phantoms');

export const phantomList = (): PhantomRow[] => JSON.parse(readFileSync(join(PHANTOMS, 'phantoms.json'), 'utf8')) as PhantomRow[];

/** What models/train/rendered.py rendered to measure detectors on, kept in the repository. @throws Error where a file is not the one listed */
export async function phantoms(split: 'val' | 'test', labels: readonly { readonly name: string }[]): Promise<Phantom[]> {
  const codecs = nodeCodecs();
  return Promise.all(phantomList().filter((row) => row.split === split).map(async ({ file, sha256, boxes }) => ({
    boxes: boxes.map(({ label, ...box }) => ({ ...box, label: labels.findIndex(({ name }) => name === label) })),
    frame: await greyImage(listed(join(PHANTOMS, file), sha256, 'models/eval/phantoms/phantoms.json'), codecs),
  })));
}

/** Bytes of a file. @throws Error where it is not the one that `list` names */
function listed(path: string, sha256: string, list: string): Buffer {
  const bytes = readFileSync(path);
  if (createHash('sha256').update(bytes).digest('hex') !== sha256) throw new Error(`${path} is not the file that ${list} lists.`);
  return bytes;
}

async function greyImage(bytes: Buffer, codecs: Codecs): Promise<GreyFrame> {
  const frame = await readImage(bytes, codecs);
  if (frame === undefined) throw new Error('Neither a JPEG nor a PNG.');
  return frame.kind === 'grey' ? frame : greyOf(frame.rows, frame.columns, luma(frame.rgba));
}

/** @throws Error where a file is not the one listed */
export async function films(split: Split): Promise<Image[]> {
  need('chest-xray-224');
  const codecs = nodeCodecs();
  const images: Image[] = [];
  for (const { file, sha256, label, medmnist } of filmList().filter((film) => film.split === split)) {
    images.push({ label, medmnist, frame: await greyImage(listed(dataPath('chest-xray-224', file), sha256, 'models/train/split.tsv'), codecs) });
  }
  return images;
}

/** A colour JPEG of a grey film, as Pillow's convert('L') would have it. */
const luma = (rgba: Uint8ClampedArray): Uint8Array => Uint8Array.from({ length: rgba.length / 4 }, (_, i) => (19595 * (rgba[4 * i] as number) + 38470 * (rgba[4 * i + 1] as number) + 7471 * (rgba[4 * i + 2] as number) + 32768) >> 16);

export function greyOf(rows: number, columns: number, pixels: Uint8Array): GreyFrame {
  return {
    kind: 'grey', rows, columns, pixels, min: 0, max: 255, modality: { kind: 'linear', slope: 1, intercept: 0 },
    voi: [{ kind: 'window', center: 127.5, width: 255, function: 'LINEAR_EXACT' }], voiFromFile: true, windows: [], inverted: false, units: '',
  };
}

export type SmallRow = { readonly split: Split | 'duplicate'; readonly sha256: string };

/** models/train/pneumoniamnist.tsv, in the order of the arrays. */
export function smallList(): SmallRow[] {
  const [, ...lines] = readFileSync(join(ROOT, 'models/train/pneumoniamnist.tsv'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [split = '', sha256 = ''] = line.split('\t');
    return { split: split as SmallRow['split'], sha256 };
  });
}

/** PneumoniaMNIST's rows at 28 × 28. @throws Error where a row is not the one listed */
export function small(split: Split): Image[] {
  need('pneumoniamnist-28');
  const file = dataPath('pneumoniamnist-28', 'pneumoniamnist.npz');
  const array = (name: string): { shape: readonly number[]; values: Uint8Array } => {
    const { shape, values, type } = readNpy(entryOf(readFileSync(file), `${split}_${name}.npy`), `${file}: ${split}_${name}.npy`);
    if (type !== 'uint8') throw new Error(`${file}: ${split}_${name} is ${type}, not uint8.`);
    return { shape, values: values as Uint8Array };
  };
  const [images, labels] = [array('images'), array('labels')];
  const [, rows = 0, columns = 0] = images.shape;
  const listed = smallList().filter((row) => row.split === split || (split === 'val' && row.split === 'duplicate'));
  return listed.flatMap((row, i) => {
    const pixels = images.values.subarray(i * rows * columns, (i + 1) * rows * columns);
    const label = labels.values[i] as number;
    if (createHash('sha256').update(pixels).update(Uint8Array.of(label)).digest('hex') !== row.sha256) throw new Error(`Row ${i} of ${split} in ${file} is not the one that models/train/pneumoniamnist.tsv lists.`);
    return row.split === 'duplicate' ? [] : [{ label, medmnist: true, frame: greyOf(rows, columns, pixels) }];
  });
}

/** The bytes of one entry of a ZIP file of the data set. */
function entryOf(zip: Buffer, name: string): Uint8Array {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  for (let at = zip.readUInt32LE(end + 16), left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [method, packed, bytes, nameBytes] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20), zip.readUInt32LE(at + 24), zip.readUInt16LE(at + 28)];
    const local = zip.readUInt32LE(at + 42);
    if (zip.toString('utf8', at + 46, at + 46 + nameBytes) === name) {
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const body = zip.subarray(start, start + packed);
      return method === 0 ? body : inflateRawSync(body, { maxOutputLength: bytes });
    }
    at += 46 + nameBytes + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`There is no ${name} in the ZIP file.`);
}

/** A film turned by `quarters` clockwise, after being mirrored where `mirrored`. */
export function turned({ rows, columns, pixels }: GreyFrame, quarters: number, mirrored: boolean): GreyFrame {
  const odd = quarters % 2 === 1;
  const [height, width] = odd ? [columns, rows] : [rows, columns];
  const out = new Uint8Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const from = pixels[y * columns + (mirrored ? columns - 1 - x : x)] as number;
      const [v, u] = quarters === 0 ? [y, x] : quarters === 1 ? [x, rows - 1 - y] : quarters === 2 ? [rows - 1 - y, columns - 1 - x] : [columns - 1 - x, y];
      out[v * width + u] = from;
    }
  }
  return greyOf(height, width, out);
}

export const tensorOf = ({ frame }: Image, preprocessing: Preprocessing): Float32Array => toTensor(frame, preprocessing);

function need(set: 'chest-xray-224' | 'pneumoniamnist-28'): void {
  if (!hasData(set)) throw new Error(`The data set ${set} is not there; FABRICLENS_DATA says where (npm run data:check).`);
}

export type Evaluated = {
  readonly images: (split: Split) => Promise<Image[]>;
  /** Of positives on validation rows. Undefined: the threshold stays at one half. */
  readonly sensitivity?: number;
};

/** Measured on the boxes of `phantoms`. */
export const DETECTORS = ['synthetic-opacities'];

export const CLASSIFIERS: Readonly<Record<string, Evaluated>> = {
  pneumonia: { images: films, sensitivity: 0.97 },
  'pneumonia-28': { images: (split) => Promise.resolve(small(split)), sensitivity: 0.97 },
  'resnet8-orientation': {
    images: async (split) => (await films(split)).flatMap((image) => Array.from({ length: 8 }, (_, label) => ({ ...image, label, frame: turned(image.frame, label % 4, label >= 4) }))),
  },
};
