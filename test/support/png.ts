/** PNG files for tests, with checksums left out, which no reader here looks at. */
import { deflateSync } from 'node:zlib';

/**
 * Of a colour type and bit depth as PNG numbers them.
 * @param raw rows, each with its filter byte in front
 */
export function png(columns: number, rows: number, depth: number, type: number, raw: ArrayLike<number>, more: { palette?: number[]; interlace?: number } = {}): Uint8Array {
  const chunk = (kind: string, body: Uint8Array): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    return Buffer.concat([length, Buffer.from(kind), body, Buffer.alloc(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(columns, 0);
  header.writeUInt32BE(rows, 4);
  header.set([depth, type, 0, 0, more.interlace ?? 0], 8);
  const parts = [chunk('IHDR', header), ...(more.palette ? [chunk('PLTE', Uint8Array.from(more.palette))] : []), chunk('IDAT', deflateSync(Uint8Array.from(raw))), chunk('IEND', new Uint8Array(0))];
  return new Uint8Array(Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), ...parts]));
}
