/** How near int8 comes to fp32, and the golden model to ONNX Runtime's int8, over some images. */
import { NoiseRatio } from '../../../src/compiler/quantise/statistics.ts';

export type Agreed = {
  readonly images: number;
  /** Signal to noise, dB: int8 in ONNX Runtime against fp32; the golden model against fp32; the golden model against int8 in ONNX Runtime. Of a detector, of its scores. null: no difference at all. */
  readonly sqnrInt8: number | null;
  readonly sqnrGolden: number | null;
  readonly sqnrGoldenInt8: number | null;
  /** Of a detector's boxes, golden model against fp32, in pixels. */
  readonly meanPixels: number | null;
  /** Share of images, or of a detector's surest boxes, whose class the golden model names as fp32 does; and how many different classes there were. */
  readonly labels: number;
  readonly distinctLabels: number;
};

/** Of a detector: centre and size, then objectness and a score a class. */
const BOX = 85;
/** Boxes of an image whose labels are looked at, those of the highest score in fp32. */
const SUREST = 100;

const highest = (values: Float32Array, from: number, to: number): number => {
  let best = from;
  for (let i = from; i < to; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best - from;
};

export class Agreement {
  readonly #detects: boolean;
  readonly #ratios = { int8: new NoiseRatio(), golden: new NoiseRatio(), both: new NoiseRatio() };
  readonly #labels = new Set<number>();
  #images = 0;
  #same = 0;
  #looked = 0;
  #pixels = 0;
  #sides = 0;

  constructor(task: 'classification' | 'detection') {
    this.#detects = task === 'detection';
  }

  add(fp32: Float32Array, int8: Float32Array, golden: Float32Array): void {
    if (int8.length !== fp32.length || golden.length !== fp32.length) throw new Error(`outputs of ${fp32.length}, ${int8.length} and ${golden.length} values`);
    this.#images++;
    const [a, b, c] = this.#detects ? ([scores(fp32), scores(int8), scores(golden)] as const) : ([fp32, int8, golden] as const);
    this.#ratios.int8.add(a, b);
    this.#ratios.golden.add(a, c);
    this.#ratios.both.add(b, c);
    const places = this.#detects ? surest(fp32) : [0];
    const [offset, width] = this.#detects ? [5, BOX] : [0, fp32.length];
    for (const place of places) {
      const label = highest(fp32, place * width + offset, (place + 1) * width);
      this.#labels.add(label);
      this.#looked++;
      if (highest(golden, place * width + offset, (place + 1) * width) === label) this.#same++;
    }
    for (let i = 0; this.#detects && i < fp32.length; i += BOX) {
      for (let k = 0; k < 4; k++) this.#pixels += Math.abs((fp32[i + k] as number) - (golden[i + k] as number));
      this.#sides += 4;
    }
  }

  agreed(): Agreed {
    const { int8, golden, both } = this.#ratios;
    return {
      images: this.#images, sqnrInt8: int8.decibels, sqnrGolden: golden.decibels, sqnrGoldenInt8: both.decibels, meanPixels: this.#detects ? this.#pixels / this.#sides : null,
      labels: this.#same / this.#looked, distinctLabels: this.#labels.size,
    };
  }
}

/** Objectness and class scores alone: pixels would drown them. */
const scores = (rows: Float32Array): Float32Array => rows.filter((_, i) => i % BOX >= 4);

function surest(rows: Float32Array): number[] {
  const best = Array.from({ length: rows.length / BOX }, (_, i) => ({ i, score: (rows[i * BOX + 4] as number) * rows.subarray(i * BOX + 5, (i + 1) * BOX).reduce((m, v) => Math.max(m, v), 0) }));
  return best.sort((a, b) => b.score - a.score || a.i - b.i).slice(0, SUREST).map(({ i }) => i);
}
