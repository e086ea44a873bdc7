import { describe, expect, test } from 'vitest';
import { Preprocessing as PreprocessingSchema, type Preprocessing } from '../contract/model.ts';
import type { ColourFrame, GreyFrame } from '../contract/pixels.ts';
import { toTensor } from './tensor.ts';

const grey = (rows: number, columns: number, values: number[], more: Partial<GreyFrame> = {}): GreyFrame => ({
  kind: 'grey', rows, columns, pixels: Uint16Array.from(values), min: 0, max: 255, modality: { kind: 'linear', slope: 1, intercept: 0 },
  voi: [{ kind: 'window', center: 128, width: 256, function: 'LINEAR' }], voiFromFile: true, windows: [], inverted: false, units: '', ...more,
});
const plain: Preprocessing = { width: 2, height: 2, channels: 1, fit: 'squash', pad: 0, resample: 'triangle', mean: 0, std: 1 };

describe('toTensor', () => {
  test('windows to [0,1], then (grey − mean) / std', () => {
    const tensor = toTensor(grey(2, 2, [0, 51, 102, 255]), { ...plain, mean: 0.5, std: 0.25 });
    expect([...tensor]).toEqual([0, 0.2, 0.4, 1].map((g) => expect.closeTo((g - 0.5) / 0.25, 5) as number));
  });

  test('takes the first VOI of the file and turns MONOCHROME1 over', () => {
    const tensor = toTensor(grey(2, 2, [0, 51, 102, 255], { inverted: true }), plain);
    expect([...tensor]).toEqual([1, 0.8, 0.6, 0].map((g) => expect.closeTo(g, 5) as number));
    const narrow = toTensor(grey(2, 2, [0, 10, 20, 255], { voi: [{ kind: 'window', center: 10, width: 1, function: 'LINEAR' }, { kind: 'window', center: 128, width: 256, function: 'LINEAR' }] }), plain);
    expect([...narrow]).toEqual([0, 1, 1, 1]);
  });

  test('colour becomes its luma', () => {
    const frame: ColourFrame = { kind: 'colour', rows: 2, columns: 2, rgba: Uint8ClampedArray.of(255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255, 255, 255, 255) };
    const [red, green, blue, white] = toTensor(frame, plain);
    expect(red! + green! + blue!).toBeCloseTo(1, 5);
    expect(white).toBeCloseTo(1, 5);
    expect(green).toBeGreaterThan(red!);
    expect(red).toBeGreaterThan(blue!);
  });

  test('letterbox keeps the aspect ratio and pads before normalising', () => {
    const tensor = toTensor(grey(1, 4, [255, 255, 255, 255]), { ...plain, width: 4, height: 4, fit: 'letterbox', pad: 0.5, mean: 0.5 });
    expect([...tensor]).toEqual([0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0].map((v) => expect.closeTo(v, 6) as number));
  });
});

describe('three channels', () => {
  const ImageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
  const three: Preprocessing = { ...plain, channels: 3, mean: [...ImageNet.mean], std: [...ImageNet.std] };
  const colour = (rows: number, columns: number): ColourFrame => ({
    kind: 'colour', rows, columns, rgba: Uint8ClampedArray.from({ length: 4 * rows * columns }, (_, i) => (i % 4 === 3 ? 255 : (i * 73 + (i >> 3) * 31) % 256)),
  });

  /** One output value of Pillow's BILINEAR as one double sum over the whole image, in double throughout. */
  function resized(frame: ColourFrame, channel: number, y: number, x: number, height: number, width: number): number {
    const weights = (to: number, from: number, size: number): number[] => {
      const scale = from / size;
      const support = Math.max(1, scale);
      const centre = (to + 0.5) * scale;
      const all = Array.from({ length: from }, (_, i) => Math.max(0, 1 - Math.abs((i + 0.5 - centre) / support)));
      const sum = all.reduce((a, b) => a + b);
      return all.map((w) => w / sum);
    };
    const [wy, wx] = [weights(y, frame.rows, height), weights(x, frame.columns, width)];
    let sum = 0;
    for (let r = 0; r < frame.rows; r++) for (let c = 0; c < frame.columns; c++) sum += wy[r]! * wx[c]! * (frame.rgba[4 * (r * frame.columns + c) + channel]! / 255);
    return sum;
  }

  test.each([[7, 5, 4, 6], [16, 16, 5, 5], [3, 4, 9, 8]])('a colour frame of %i × %i keeps R, G, B, one plane each, each resized and normalised by itself', (rows, columns, height, width) => {
    const frame = colour(rows, columns);
    const tensor = toTensor(frame, { ...three, width, height });
    expect(tensor).toHaveLength(3 * width * height);
    for (let channel = 0; channel < 3; channel++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          expect(tensor[(channel * height + y) * width + x]).toBeCloseTo((resized(frame, channel, y, x, height, width) - ImageNet.mean[channel]!) / ImageNet.std[channel]!, 5);
        }
      }
    }
  });

  test('a grey frame is given thrice', () => {
    const frame = grey(2, 2, [0, 51, 102, 255]);
    const one = toTensor(frame, plain);
    expect(toTensor(frame, { ...three, mean: 0, std: 1 })).toEqual(Float32Array.of(...one, ...one, ...one));
    const tensor = toTensor(frame, three);
    one.forEach((g, i) => ImageNet.mean.forEach((mean, channel) => expect(tensor[4 * channel + i]).toBeCloseTo((g - mean) / ImageNet.std[channel]!, 5)));
  });

  test('letterboxing pads every channel before its mean and std', () => {
    const tensor = toTensor({ kind: 'colour', rows: 1, columns: 2, rgba: Uint8ClampedArray.of(255, 0, 51, 255, 255, 0, 51, 255) }, { ...three, fit: 'letterbox', pad: 114 / 255, mean: [0, 0.5, 1], std: [1, 0.5, 2] });
    const p = 114 / 255;
    // Two rows of two: one row of image, and with an odd border the padding below.
    expect([...tensor]).toEqual([1, 1, p, p, -1, -1, (p - 0.5) / 0.5, (p - 0.5) / 0.5, -0.4, -0.4, (p - 1) / 2, (p - 1) / 2].map((v) => expect.closeTo(v, 6) as number));
  });
});

test('metadata: a number a channel needs three channels, and a deviation is never 0', () => {
  const check = (more: object): boolean => PreprocessingSchema.safeParse({ ...plain, ...more }).success;
  expect(check({ channels: 3, mean: [0.1, 0.2, 0.3], std: [1, 1, 2] })).toBe(true);
  expect(check({ channels: 3, mean: 0.5, std: [1, 1, 2] })).toBe(true);
  for (const more of [{ mean: [0.1, 0.2, 0.3] }, { channels: 3, std: [1, 1, 0] }, { channels: 3, mean: [1, 2] }, { channels: 4 }]) expect(check(more)).toBe(false);
  expect(PreprocessingSchema.parse({ ...plain, channels: undefined }).channels).toBe(1);
});
