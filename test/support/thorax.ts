/**
 * A drawn chest of nobody, as CT studies for the window's pictures: the same shapes cut axially, coronally and sagittally, and a study of half a year
 * before in which a nodule is smaller. Millimetres of the patient: x to the left, y to the back, z to the head.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeDicom, type Elements } from './dicom-writer.ts';

type Vector = readonly [x: number, y: number, z: number];
type Nodule = { radius: number };

const ROOT_UID = '1.2.826.0.1.3680043.10.70';
/** The nodule's middle, and its radius now and before. */
export const NODULE: Vector = [78, 6, 120];
const NOW: Nodule = { radius: 11 };
const BEFORE: Nodule = { radius: 6 };
/** Millimetres of a pixel. */
export const PIXEL = 1.4;
const SIZE = 256;

const within = (p: Vector, centre: Vector, semi: Vector): boolean => ((p[0] - centre[0]) / semi[0]) ** 2 + ((p[1] - centre[1]) / semi[1]) ** 2 + ((p[2] - centre[2]) / semi[2]) ** 2 < 1;
const oval = (x: number, y: number, a: number, b: number): boolean => (x / a) ** 2 + (y / b) ** 2 < 1;

/** Vessels run from the hilum outwards, thinner on their way. */
const VESSELS: readonly (readonly [from: Vector, to: Vector])[] = [-1, 1].flatMap((side) =>
  ([[100, -30, 170], [108, 20, 150], [112, -8, 112], [104, 34, 84], [92, -40, 80], [76, 44, 132], [70, -48, 128], [90, 10, 186]] as const).map(([x, y, z]) => [[side * 24, 6, 116], [side * x, y, z]] as const));

function inVessel(p: Vector): boolean {
  return VESSELS.some(([a, b]) => {
    const along = b.map((v, i) => v - a[i]!);
    const t = Math.min(1, Math.max(0, along.reduce((sum, v, i) => sum + v * (p[i]! - a[i]!), 0) / along.reduce((sum, v) => sum + v * v, 0)));
    return Math.hypot(...along.map((v, i) => p[i]! - a[i]! - t * v)) < 4.2 - 3.2 * t;
  });
}

/** Hounsfield units at a point. */
function density(p: Vector, { radius }: Nodule): number {
  const [x, y, z] = p;
  if (!oval(x, y, 156, 106)) return -1000;
  if (!oval(x, y, 144, 95)) return -95;
  if (within(p, NODULE, [radius, radius, radius])) return 38;
  if (Math.hypot(x, y - 88) < 8) return 15;
  if (Math.hypot(x, (y - 64) * 1.15) < 20) return (((z % 27) + 27) % 27) < 21 ? 330 : 85;
  if (Math.abs(x) < 7 && y > 88) return 280;
  // Ribs go down to the front.
  const level = (((z + y * 0.35) % 30) + 30) % 30;
  if (level < 11 && !oval(x, y, 133, 85) && z > 8 && z < 214) return oval(x, y, 136, 88) || !oval(x, y, 141, 92) ? 420 : 180;
  if (Math.hypot(x - 26, y - 44) < 13) return 175;
  if (Math.hypot(x, y - 8) < 8 && z > 128) return -990;
  if (within(p, [22, -28, 82], [46, 38, 50])) return within(p, [26, -24, 80], [30, 24, 34]) ? 165 : 60;
  if (within(p, [-58, -4, -14], [84, 78, 74])) return 70;
  if (within(p, [-68, -4, 108], [52, 74, 92]) || within(p, [70, -4, 108], [52, 74, 92])) return inVessel(p) ? 45 : -830;
  if (Math.hypot(x + 18, y + 20) < 10 && z > 110) return 150;
  return 42;
}

interface Cut {
  uid: string;
  number: number;
  description: string;
  rows: number;
  /** Of the first pixel's middle, by slice. */
  positions: readonly Vector[];
  along: readonly [row: Vector, column: Vector];
}

const half = ((SIZE - 1) / 2) * PIXEL;
const range = (count: number, from: number, step: number): number[] => Array.from({ length: count }, (_, i) => from + i * step);
const CUTS: readonly Cut[] = [
  { uid: '1', number: 2, description: 'Axial 8 mm', rows: SIZE, positions: range(24, 8, 8).map((z) => [-half, -half, z]), along: [[1, 0, 0], [0, 1, 0]] },
  { uid: '2', number: 3, description: 'Coronal', rows: 176, positions: range(9, -48, 12).map((y) => [-half, y, 232]), along: [[1, 0, 0], [0, 0, -1]] },
  { uid: '3', number: 4, description: 'Sagittal', rows: 176, positions: range(11, -90, 18).map((x) => [x, -half, 232]), along: [[0, 1, 0], [0, 0, -1]] },
];

/** Sampled once a pixel, then blurred as a scanner does, so that edges are soft. */
function pixelsOf({ rows, along: [right, down] }: Cut, from: Vector, nodule: Nodule): Uint16Array {
  const sharp = new Float32Array(rows * SIZE);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < SIZE; column++) {
      const at = (axis: 0 | 1 | 2): number => from[axis] + PIXEL * (right[axis] * column + down[axis] * row);
      sharp[row * SIZE + column] = density([at(0), at(1), at(2)], nodule);
    }
  }
  const blurred = (values: Float32Array, step: number, place: (index: number) => number, last: number): Float32Array =>
    values.map((value, index) => (place(index) === 0 || place(index) === last ? value : (values[index - step]! + 2 * value + values[index + step]!) / 4));
  const across = blurred(sharp, 1, (index) => index % SIZE, SIZE - 1);
  return Uint16Array.from(blurred(across, SIZE, (index) => Math.floor(index / SIZE), rows - 1), (value) => Math.round(value) + 1024);
}

/** Writes the study and its prior. @returns their folders */
export function writeThorax(folder: string): { now: string; before: string } {
  const write = (name: string, study: string, date: string, nodule: Nodule, cuts: readonly Cut[]): string => {
    const into = join(folder, name);
    mkdirSync(into, { recursive: true });
    for (const cut of cuts) {
      const series = `${study}.${cut.uid}`;
      cut.positions.forEach((position, index) => {
        const elements: Elements = {
          '00080008': ['CS', 'ORIGINAL\\PRIMARY'], '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.2'], '00080018': ['UI', `${series}.${index + 1}`], '00080020': ['DA', date], '00080030': ['TM', '091500'], '00080060': ['CS', 'CT'], '00080080': ['LO', 'Drawn by FabricLens'],
          '00081030': ['LO', 'Chest, follow-up'], '0008103E': ['LO', cut.description], '00100010': ['PN', 'Phantom^Thorax'], '00100020': ['LO', 'DRAWN-1'], '00100030': ['DA', '19600101'], '00100040': ['CS', 'O'], '00180015': ['CS', 'CHEST'],
          '0020000D': ['UI', study], '0020000E': ['UI', series], '00200011': ['IS', String(cut.number)], '00200013': ['IS', String(index + 1)], '00200032': ['DS', position.map((v) => v.toFixed(2)).join('\\')], '00200037': ['DS', cut.along.flat().join('\\')], '00200052': ['UI', `${study}.9`],
          '00280010': ['US', cut.rows], '00280011': ['US', SIZE], '00280030': ['DS', `${PIXEL}\\${PIXEL}`], '00280300': ['CS', 'YES'], '00281050': ['DS', '40\\-600'], '00281051': ['DS', '400\\1500'], '00281055': ['LO', 'Soft tissue\\Lung'], '00281052': ['DS', '-1024'], '00281053': ['DS', '1'], '00281054': ['LO', 'HU'],
        };
        writeFileSync(join(into, `${cut.description}-${index + 1}.dcm`), writeDicom({ elements, pixels: pixelsOf(cut, position, nodule) }));
      });
    }
    return into;
  };
  return { now: write('now', `${ROOT_UID}.1`, '20260302', NOW, CUTS), before: write('before', `${ROOT_UID}.2`, '20250901', BEFORE, CUTS.slice(0, 1)) };
}

/** A digital film with the detector's millimetres, a wedge of greys and an overlay plane; and the same shapes with no scale at all. */
export function writeFilm(folder: string): void {
  const [rows, columns] = [500, 400];
  const pixels = Uint16Array.from({ length: rows * columns }, (_, i) => {
    const [x, y] = [i % columns, Math.floor(i / columns)];
    if (y >= 420 && y < 470 && x >= 40 && x < 360) return Math.floor((x - 40) / 20) * 256 + 128;
    const bone = Math.hypot(x - 200, y - 210) < 90 || (Math.abs(x - 200) < 34 && y > 40 && y < 400);
    return bone ? 3000 : 700 + x * 2 + y;
  });
  const bits = new Uint8Array((rows * columns) / 8);
  const set = (x: number, y: number): void => void (bits[(y * columns + x) >> 3]! |= 1 << ((y * columns + x) & 7));
  for (let k = 0; k < 120; k++) for (const w of [0, 1, 2]) for (const [x, y] of [[40 + k, 40 + w], [40 + k, 157 + w], [40 + w, 40 + k], [157 + w, 40 + k]] as const) set(x, y);
  const write = (name: string, uid: string, change: Elements): void =>
    writeFileSync(join(folder, name), writeDicom({ pixels, elements: {
      '00080016': ['UI', '1.2.840.10008.5.1.4.1.1.1.1'], '00080018': ['UI', `${ROOT_UID}.${uid}.3`], '00080020': ['DA', '20260302'], '00080060': ['CS', 'DX'], '0008103E': ['LO', name], '00100010': ['PN', 'Phantom^Film'], '00100020': ['LO', 'DRAWN-2'], '00200020': ['CS', 'L\\F'],
      '0020000D': ['UI', `${ROOT_UID}.3`], '0020000E': ['UI', `${ROOT_UID}.${uid}`], '00200013': ['IS', '1'], '00280010': ['US', rows], '00280011': ['US', columns], '00280101': ['US', 12], '00280102': ['US', 11], '00281050': ['DS', '2048'], '00281051': ['DS', '4096'], ...change,
    } }));
  mkdirSync(folder, { recursive: true });
  write('film', '4', {
    '00181164': ['DS', '0.2\\0.2'],
    '60000010': ['US', rows], '60000011': ['US', columns], '60000040': ['CS', 'G'], '60000050': ['SS', [1, 1]], '60000100': ['US', 1], '60000102': ['US', 0], '60003000': ['OB', bits],
  });
  write('no-scale', '5', { '00080060': ['CS', 'OT'] });
}
