/**
 * What a worker does before its first job, which is then not the first time that its code runs: V8 compiles for speed what ran often. Without it the
 * first JPEG 2000, HTJ2K or JPEG-LS image of a session takes longer than those after it.
 */
import { decodeFrame, parseDicom, type Codecs } from '../../src/dicom/index.ts';
import { SIDE, STREAMS } from './rehearsal-streams.ts';

const TIMES = 10;
/** Pixels of the uncompressed frame's sides. */
const NATIVE = 512;

/** @param idle before each step: until there is no job, which would wait for its thread */
export async function rehearse(codecs: Codecs, idle: () => Promise<void>): Promise<void> {
  await codecs.preload();
  for (const stream of Object.values(STREAMS)) {
    const bytes = Uint8Array.from(atob(stream), (letter) => letter.charCodeAt(0));
    for (let i = 0; i < TIMES; i++) {
      await idle();
      await codecs.decode(bytes, { rows: SIDE, columns: SIDE, samples: 1, photometric: 'MONOCHROME2' });
    }
  }
  for (let i = 0; i < TIMES; i++) {
    await idle();
    await decodeFrame(parseDicom(frameOfNobody()), 0, codecs);
  }
}

/** 12 bits of 16, implicit VR little endian, without preamble and meta header. */
export function frameOfNobody(): Uint8Array<ArrayBuffer> {
  const header: [element: number, value: number][] = [[0x0002, 1], [0x0010, NATIVE], [0x0011, NATIVE], [0x0100, 16], [0x0101, 12], [0x0102, 11], [0x0103, 0]];
  const view = new DataView(new ArrayBuffer(header.length * 10 + 8 + NATIVE * NATIVE * 2));
  let at = 0;
  const head = (group: number, element: number, length: number): void => {
    view.setUint16(at, group, true);
    view.setUint16(at + 2, element, true);
    view.setUint32(at + 4, length, true);
    at += 8;
  };
  for (const [element, value] of header) {
    head(0x0028, element, 2);
    view.setUint16(at, value, true);
    at += 2;
  }
  head(0x7fe0, 0x0010, NATIVE * NATIVE * 2);
  return new Uint8Array(view.buffer);
}
