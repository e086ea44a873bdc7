/** What a code stream says of itself, read before any decoder sees it: the family, the size, whether it is whole. */
import { DicomError } from '../errors.ts';
import type { StreamInfo } from './info.ts';
import { corrupt, cut } from './info.ts';
import { isJpegXl, jpegXlInfo } from './xl.ts';

/** Tiles are numbered by 16 bits (A.4.2). */
const MAX_TILES = 65535;

/** @throws DicomError `corrupt`, `truncated`, or `unsupported-transfer-syntax` (arithmetic and hierarchical JPEG). */
export function readStreamInfo(stream: Uint8Array): StreamInfo {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  if (stream[0] === 0xff && stream[1] === 0xd8) return jpegInfo(stream, view);
  if (stream[0] === 0xff && stream[1] === 0x4f) return jpeg2000Info(stream, view, 0);
  if (isJpegXl(stream)) return jpegXlInfo(stream, view);
  // A JP2 file: boxes, the code stream in `jp2c`. DICOM wants the bare stream, some writers put the file there.
  for (let at = 0; at + 8 <= stream.length; ) {
    const length = view.getUint32(at);
    if (view.getUint32(at + 4) === 0x6a703263) return jpeg2000Info(stream, view, at + (length === 1 ? 16 : 8));
    if (length < 8) break;
    at += length;
  }
  throw corrupt('it is no JPEG, JPEG-LS, JPEG 2000 or JPEG XL code stream');
}

function jpegInfo(stream: Uint8Array, view: DataView): StreamInfo {
  let colour: StreamInfo['colour'] = 'unsaid';
  let at = 2;
  for (;;) {
    if (at + 4 > stream.length) throw cut();
    if (stream[at] !== 0xff) throw corrupt('a marker is missing');
    const marker = stream[at + 1]!;
    if (marker === 0xff || marker === 0x00) {
      // Fill bytes before a marker.
      at += 1;
      continue;
    }
    if ((marker >= 0xd0 && marker <= 0xd8) || marker === 0x01) {
      at += 2;
      continue;
    }
    if (marker === 0xd9 || marker === 0xda) throw corrupt('it has no frame header');
    const length = view.getUint16(at + 2);
    if (at + 2 + length > stream.length) throw cut();
    const body = at + 4;
    if (marker === 0xe0 && length >= 7 && view.getUint32(body) === 0x4a464946) colour = 'ybr';
    if (marker === 0xee && length >= 14 && view.getUint32(body) === 0x41646f62 && colour === 'unsaid') colour = stream[body + 11] === 0 ? 'rgb' : 'ybr';
    const frame = (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) || marker === 0xf7;
    if (frame) {
      if (length < 8) throw corrupt('its frame header is too short');
      const bits = stream[body]!;
      const info = { rows: view.getUint16(body + 1), columns: view.getUint16(body + 3), components: stream[body + 5]!, bits, colour, offset: 0 };
      if (marker === 0xf7) return { ...info, kind: 'jpeg-ls' };
      if (marker === 0xc3) return { ...info, kind: 'jpeg-lossless' };
      if (marker <= 0xc2) return { ...info, kind: bits === 8 ? 'jpeg-8' : 'jpeg-12' };
      throw new DicomError('unsupported-transfer-syntax', `the frame is arithmetic or hierarchical JPEG (SOF${marker - 0xc0}), which this version cannot decode`);
    }
    at += 2 + length;
  }
}

function jpeg2000Info(stream: Uint8Array, view: DataView, offset: number): StreamInfo {
  if (offset + 45 > stream.length) throw cut();
  if (view.getUint16(offset) !== 0xff4f || view.getUint16(offset + 2) !== 0xff51) throw corrupt('the JPEG 2000 code stream has no SIZ marker');
  const at = offset + 4;
  const capabilities = view.getUint16(at + 2);
  const components = view.getUint16(at + 36);
  const precision = stream[at + 38]!;
  checkGrid(stream, view, at, components);
  const info = {
    kind: capabilities & 0x4000 ? 'htj2k' : 'jpeg-2000',
    columns: view.getUint32(at + 4) - view.getUint32(at + 12),
    rows: view.getUint32(at + 8) - view.getUint32(at + 16),
    components,
    bits: (precision & 0x7f) + 1,
    offset,
  } as const;
  return { ...info, colour: walkTileParts(stream, view, at) ? 'rgb' : 'unsaid' };
}

/**
 * What ISO/IEC 15444-1 A.5.1 says of tiles and components, which the decoders take on trust: small tiles are millions of them, and OpenJPH never comes
 * back from a component of fewer rows than the image.
 * @param at the SIZ segment's length
 */
function checkGrid(stream: Uint8Array, view: DataView, at: number, components: number): void {
  if (components === 0 || at + 38 + 3 * components > stream.length) throw corrupt('its header describes no component, or not all that it counts');
  for (const first of [4, 8]) {
    const [end, origin, tile, tileOrigin] = [0, 8, 16, 24].map((offset) => view.getUint32(at + first + offset)) as [number, number, number, number];
    if (end <= origin || tile === 0 || tileOrigin > origin || tileOrigin + tile <= origin) throw corrupt('its tiles do not lie over its image');
  }
  const tiles = [4, 8].map((first) => Math.ceil((view.getUint32(at + first) - view.getUint32(at + first + 24)) / view.getUint32(at + first + 16)));
  if (tiles[0]! * tiles[1]! > MAX_TILES) throw corrupt(`it has ${tiles[0]! * tiles[1]!} tiles, ${MAX_TILES} are possible`);
  for (let i = 0; i < components; i++) {
    const [across, down] = [stream[at + 39 + 3 * i]!, stream[at + 40 + 3 * i]!];
    if (across !== 1 || down !== 1) throw new DicomError('unsupported-transfer-syntax', `component ${i + 1} of the compressed frame is subsampled (${across} × ${down}), which this version cannot decode`);
  }
}

/** Follows the main header and the tile-parts' lengths to the end; true when a multiple component transform is in use. */
function walkTileParts(stream: Uint8Array, view: DataView, from: number): boolean {
  let transform = false;
  let at = from + view.getUint16(from);
  for (;;) {
    if (at + 2 > stream.length) throw cut();
    const marker = view.getUint16(at);
    if (marker === 0xffd9) return transform;
    if (at + 12 > stream.length) throw cut();
    if (marker === 0xff90) {
      const length = view.getUint32(at + 6);
      // 0: this tile-part lasts until the end of the stream, which then must be there.
      if (length === 0) {
        if (!hasEndMarker(stream)) throw cut();
        return transform;
      }
      if (length < 14) throw corrupt('a tile-part is shorter than its header');
      at += length;
    } else {
      if (marker < 0xff00) throw corrupt('a JPEG 2000 marker is missing');
      if (marker === 0xff52) transform = stream[at + 8] === 1;
      at += 2 + view.getUint16(at + 2);
    }
  }
}

/** Whether a code stream has its end marker, but for padding behind it. */
export function hasEndMarker(stream: Uint8Array): boolean {
  let end = stream.length;
  while (end > 2 && !(stream[end - 2] === 0xff && stream[end - 1] === 0xd9)) {
    // Zeros, or a pad byte of any value, may follow; entropy-coded data may not.
    if (stream[end - 1] !== 0 && stream.length - end > 1) return false;
    end -= 1;
  }
  return end > 2;
}

/**
 * A copy whose colour is stated: an Adobe APP14 segment behind SOI, as libjpeg looks for. Without one it guesses YCbCr from
 * component numbers, where DICOM has said RGB.
 */
export function withAdobeMarker(stream: Uint8Array, ybr: boolean): Uint8Array {
  const marker = [0xff, 0xee, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, ybr ? 1 : 0];
  const out = new Uint8Array(stream.length + marker.length);
  out.set(stream.subarray(0, 2));
  out.set(marker, 2);
  out.set(stream.subarray(2), 2 + marker.length);
  return out;
}
