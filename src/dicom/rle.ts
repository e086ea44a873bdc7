/** RLE Lossless (PS3.5 annex G): a header of segment offsets, then PackBits segments, one a byte plane of a sample, most significant first. */
import { DicomError } from './errors.ts';

/**
 * @param encoded one frame.
 * @param pixels rows × columns.
 * @param samples a pixel (1 or 3); `bytes` a sample (1 to 4).
 * @returns samples interleaved (planar configuration 0), little endian.
 * @throws DicomError `corrupt` when a segment is missing or ends before its pixels do.
 */
export function decodeRle(encoded: Uint8Array, pixels: number, samples: number, bytes: number): Uint8Array<ArrayBuffer> {
  if (encoded.length < 64) throw new DicomError('corrupt', 'an RLE frame is shorter than its header');
  const header = new DataView(encoded.buffer, encoded.byteOffset, 64);
  const segments = header.getUint32(0, true);
  if (segments !== samples * bytes) throw new DicomError('corrupt', `an RLE frame has ${segments} segments where ${samples * bytes} are needed`);
  const stride = samples * bytes;
  // Two bytes make at most 128: more pixels than that are not worth their memory.
  if ((encoded.length - 64) * 64 < pixels * stride) throw new DicomError('corrupt', `an RLE frame of ${encoded.length} bytes cannot hold ${pixels} pixels`);
  const out = new Uint8Array(pixels * stride);
  for (let segment = 0; segment < segments; segment++) {
    const start = header.getUint32(4 + segment * 4, true);
    const end = segment + 1 < segments ? header.getUint32(8 + segment * 4, true) : encoded.length;
    if (start < 64 || start > end || end > encoded.length) throw new DicomError('corrupt', 'an RLE frame\'s segment offsets are impossible');
    const sample = Math.floor(segment / bytes);
    const place = sample * bytes + (bytes - 1 - (segment % bytes));
    const done = unpackBits(encoded, start, end, out, place, stride, pixels);
    if (done < pixels) throw new DicomError('corrupt', `an RLE segment ends after ${done} of ${pixels} pixels`);
  }
  return out;
}

/** PackBits from encoded[at, end) into every `stride`-th byte of `out`; returns how many were written, at most `count`. */
function unpackBits(encoded: Uint8Array, at: number, end: number, out: Uint8Array, place: number, stride: number, count: number): number {
  let done = 0;
  let to = place;
  while (at < end && done < count) {
    const control = encoded[at++]!;
    if (control < 128) {
      const run = Math.min(control + 1, end - at, count - done);
      for (let i = 0; i < run; i++, to += stride) out[to] = encoded[at + i]!;
      at += control + 1;
      done += run;
    } else if (control > 128) {
      if (at >= end) break;
      const value = encoded[at++]!;
      const run = Math.min(257 - control, count - done);
      for (let i = 0; i < run; i++, to += stride) out[to] = value;
      done += run;
    }
  }
  return done;
}
