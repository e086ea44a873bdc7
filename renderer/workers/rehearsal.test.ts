import { expect, test } from 'vitest';
import { decodeFrame, parseDicom } from '../../src/dicom/index.ts';
import { nodeCodecs } from '../../test/support/codecs.ts';
import { encode } from '../../test/support/encoders.ts';
import { frameOfNobody, rehearse } from './rehearsal.ts';
import { SIDE, STREAMS } from './rehearsal-streams.ts';

/** Waves and a little noise: every branch of an entropy coder is gone through. */
const samples = Uint16Array.from({ length: SIDE * SIDE }, (_, i) => 1000 + (Math.imul(i, 2654435761) >>> 28) + 10 * Math.round(100 * Math.sin((i % SIDE) / 9)));

test('the streams are those of a picture made here', async () => {
  const picture = { rows: SIDE, columns: SIDE, components: 1, bits: 16, samples } as const;
  const base64 = async (codec: 'charls' | 'openjph' | 'openjpeg'): Promise<string> => Buffer.from(await encode(codec, picture)).toString('base64');
  expect(STREAMS).toEqual({ 'jpeg-ls': await base64('charls'), htj2k: await base64('openjph'), 'jpeg-2000': await base64('openjpeg') });
});

test('a rehearsal goes on when there is nothing to do, and to its end', async () => {
  let steps = 0;
  await rehearse(nodeCodecs(), () => Promise.resolve(void steps++));
  expect(steps).toBe(40);
});

test('they, and the frame of nobody, are decoded', async () => {
  const codecs = nodeCodecs();
  for (const stream of Object.values(STREAMS)) {
    const { bytes } = await codecs.decode(Buffer.from(stream, 'base64'), { rows: SIDE, columns: SIDE, samples: 1, photometric: 'MONOCHROME2' });
    expect(new Uint16Array(bytes.buffer)).toEqual(samples);
  }
  expect(await decodeFrame(parseDicom(frameOfNobody()), 0, codecs)).toMatchObject({ kind: 'grey', rows: 512, columns: 512, min: 0, max: 0 });
});
