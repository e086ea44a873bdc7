import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildForTest } from '../../test/support/build.ts';
import { loadTestWasm } from '../../test/support/codecs.ts';
import { TS, writeDicom } from '../../test/support/dicom-writer.ts';
import { encode, encodeLossless, picture } from '../../test/support/encoders.ts';
import { decodeFrame, parseDicom } from '../dicom/index.ts';
import { createCodecThread, type CodecThread } from './codec-thread.ts';

let workerUrl: URL;
let codecs: CodecThread;
beforeAll(async () => {
  workerUrl = await buildForTest('src/review/codec-worker.ts');
  codecs = createCodecThread({ workerUrl, loadWasm: loadTestWasm });
});
afterAll(() => codecs.close());

const original = picture(1, 12);
const fileOf = (stream: Uint8Array, transferSyntax: string) => parseDicom(writeDicom({ transferSyntax, pixels: { fragments: [stream] }, elements: { '00280010': ['US', original.rows], '00280011': ['US', original.columns], '00280101': ['US', 12], '00280102': ['US', 11] } }));

test('decodes as in the same thread, wasm and our own, several at once', async () => {
  const files = [
    fileOf(await encode('charls', original), TS.jpegLs),
    fileOf(await encode('openjpeg', original, (e) => e.setQuality?.(true, 0)), TS.jpeg2000),
    fileOf(encodeLossless(original, 12, 1), TS.jpegLossless),
  ];
  for (const frame of await Promise.all(files.map((file) => decodeFrame(file, 0, codecs)))) expect(frame.kind === 'grey' && [...frame.pixels]).toEqual([...original.samples]);
});

test('an error of a codec keeps its code, and the file its bytes', async () => {
  const stream = encodeLossless(original, 12, 1);
  const file = fileOf(stream.subarray(0, 200), TS.jpegLossless);
  for (let i = 0; i < 2; i++) await expect(decodeFrame(file, 0, codecs)).rejects.toMatchObject({ name: 'DicomError', code: 'truncated' });
});

test('a decoder that never comes back is ended, and the next frame decodes; one that dies as well', { timeout: 60_000 }, async () => {
  const script = `
    const { parentPort } = require('node:worker_threads');
    parentPort.on('message', ({ stream }) => {
      if (stream[0] === 0) for (;;);
      if (stream[0] === 1) process.exit(7);
      parentPort.postMessage({ kind: 'decoded', decoded: { bits: 8, bytes: new Uint8Array([42]), planar: false, rgb: false } });
    });`;
  const thread = createCodecThread({ workerUrl: new URL(`data:text/javascript,${encodeURIComponent(`import { createRequire } from 'node:module'; const require = createRequire('/'); ${script}`)}`), loadWasm: loadTestWasm, deadlineMs: 3000 });
  const one = { rows: 1, columns: 1, samples: 1, photometric: 'MONOCHROME2' };
  const hung = thread.decode(Uint8Array.of(0), one);
  const next = thread.decode(Uint8Array.of(2), one);
  await expect(hung).rejects.toMatchObject({ code: 'corrupt', message: expect.stringContaining('within 3 s') as string });
  expect([...(await next).bytes]).toEqual([42]);
  await expect(thread.decode(Uint8Array.of(1), one)).rejects.toMatchObject({ message: 'the decoder stopped (exit code 7)' });
  expect([...(await thread.decode(Uint8Array.of(3), one)).bytes]).toEqual([42]);
  await thread.close();
});
