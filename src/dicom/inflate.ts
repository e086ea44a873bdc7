import { Deflate, Inflate } from 'pako';
import { DicomError } from './errors.ts';

/**
 * Raw deflate (RFC 1951) to at most `limit` bytes; the bound holds while inflating, not after.
 * @returns what could be inflated, and whether the stream was whole.
 * @throws DicomError `too-large` beyond the limit.
 */
export function inflateRaw(deflated: Uint8Array, limit: number, what: string): { bytes: Uint8Array; complete: boolean } {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const inflate = new Inflate({ raw: true, chunkSize: 1 << 18 });
  inflate.onData = (chunk: Uint8Array) => {
    size += chunk.length;
    if (size > limit) {
      throw new DicomError('too-large', `${what} inflates to more than ${Math.round(limit / 2 ** 20)} MiB, the limit; the file is damaged or made to exhaust memory`);
    }
    chunks.push(chunk);
  };
  inflate.push(deflated, true);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { bytes, complete: inflate.ended && inflate.err === 0 };
}

/** Pieces as one raw deflate stream, padded to an even length (PS3.5 A.5). */
export function deflate(pieces: readonly Uint8Array[]): Uint8Array {
  const deflater = new Deflate({ raw: true });
  pieces.forEach((piece, i) => deflater.push(piece, i === pieces.length - 1));
  const stream = deflater.result as Uint8Array;
  if (stream.length % 2 === 0) return stream;
  const even = new Uint8Array(stream.length + 1);
  even.set(stream);
  return even;
}
