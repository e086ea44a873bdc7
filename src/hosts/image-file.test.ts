import { describe, expect, test } from 'vitest';
import { createCodecs } from '../dicom/index.ts';
import { ROOT } from '../../test/support/data.ts';
import { encode } from '../../test/support/encoders.ts';
import { png } from '../../test/support/png.ts';
import { readImage } from './image-file.ts';
import { resolveResources } from './resources.ts';

const codecs = createCodecs(resolveResources(ROOT).loadWasm);

describe('PNG', () => {
  test('each filter, by hand', async () => {
    // Rows of 10 20 30: none; then differences left, up, of the mean and of Paeth's guess.
    const raw = [0, 10, 20, 30, 1, 10, 10, 10, 2, 0, 0, 0, 3, 5, 5, 10, 4, 0, 10, 10];
    const frame = await readImage(png(3, 5, 8, 0, raw), codecs);
    expect(frame).toMatchObject({ kind: 'grey', rows: 5, columns: 3, max: 255 });
    expect(frame?.kind === 'grey' && [...frame.pixels]).toEqual([10, 20, 30, 10, 20, 30, 10, 20, 30, 10, 20, 35, 10, 30, 45]);
  });

  test('16 bits, alpha, RGB and palettes', async () => {
    const deep = await readImage(png(2, 1, 16, 0, [0, 1, 2, 255, 254]), codecs);
    expect(deep?.kind === 'grey' && [...deep.pixels]).toEqual([258, 65534]);
    const alpha = await readImage(png(2, 1, 8, 4, [0, 7, 255, 9, 0]), codecs);
    expect(alpha?.kind === 'grey' && [...alpha.pixels]).toEqual([7, 9]);
    const rgb = await readImage(png(1, 1, 8, 2, [0, 1, 2, 3]), codecs);
    expect(rgb?.kind === 'colour' && [...rgb.rgba]).toEqual([1, 2, 3, 255]);
    const palette = await readImage(png(2, 1, 8, 3, [0, 1, 0], { palette: [9, 8, 7, 6, 5, 4] }), codecs);
    expect(palette?.kind === 'colour' && [...palette.rgba]).toEqual([6, 5, 4, 255, 9, 8, 7, 255]);
  });

  test.each([
    [png(1, 1, 8, 0, [0, 1], { interlace: 1 }), 'interlaced PNG is not read'],
    [png(1, 1, 1, 0, [0, 1]), 'PNG of 1 bits and colour type 0 is not read'],
    [png(1, 1, 8, 0, [9, 1]), 'damaged'],
    [png(4, 4, 8, 0, [0, 1]), 'truncated'],
    [png(2, 2, 8, 0, Array(1000).fill(0) as number[]), 'damaged'],
    [png(100_000, 100_000, 8, 0, []), 'at most 67108864 are read'],
    [png(2, 2, 8, 0, [0, 1, 2, 0, 3, 4]).subarray(0, 50), 'truncated'],
  ])('refused with the reason (%#)', async (bytes, message) => {
    await expect(readImage(bytes, codecs)).rejects.toThrow(message);
  });
});

test.each([1, 3])('JPEG of %i components', async (components) => {
  const samples = Uint8Array.from({ length: 16 * 24 * components }, (_, i) => 40 + 60 * (i % components) + Math.floor(i / components / 24));
  const frame = await readImage(await encode('libjpeg-turbo-8bit', { rows: 16, columns: 24, components, bits: 8, samples }), codecs);
  expect(frame).toMatchObject({ kind: components === 1 ? 'grey' : 'colour', rows: 16, columns: 24 });
  for (let i = 0; i < 16 * 24; i++) {
    for (let c = 0; c < components; c++) expect(Math.abs((frame?.kind === 'colour' ? frame.rgba[4 * i + c]! : frame!.pixels[i]!) - samples[i * components + c]!)).toBeLessThan(8);
  }
});

test('JPEG: a truncated one is refused, other files are none', async () => {
  await expect(readImage(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0), codecs)).rejects.toThrow('the JPEG is damaged');
  expect(await readImage(new Uint8Array(200), codecs)).toBeUndefined();
});
