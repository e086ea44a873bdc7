/** What a JPEG XL code stream says of itself (ISO/IEC 18181-1 annex D), bare or in the boxes of a file (18181-2): the decoder allocates by it. */
import { DicomError } from '../errors.ts';
import type { StreamInfo } from './info.ts';
import { corrupt, cut } from './info.ts';

/** More than the fields that are read here ever take. */
const HEADER_BYTES = 64;
const BOX = { signature: 0x4a584c20, codeStream: 0x6a786c63, part: 0x6a786c70, jpeg: 0x6a627264 };
/** Width to height, by the number that stands for it. */
const RATIOS = [[1, 1], [12, 10], [4, 3], [3, 2], [16, 9], [5, 4], [2, 1]] as const;

const isFile = (stream: Uint8Array): boolean => stream.length >= 12 && new DataView(stream.buffer, stream.byteOffset).getUint32(4) === BOX.signature;

export const isJpegXl = (stream: Uint8Array): boolean => (stream[0] === 0xff && stream[1] === 0x0a) || isFile(stream);

const unsupported = (what: string): DicomError => new DicomError('unsupported-transfer-syntax', `the JPEG XL frame has ${what}, which this version cannot decode`);

/** @throws DicomError `corrupt`, `truncated`, or `unsupported-transfer-syntax` for what a DICOM frame does not have: a rotation, a preview, an animation, channels beyond its colours. */
export function jpegXlInfo(stream: Uint8Array, view: DataView): StreamInfo {
  const { head, recompressed } = isFile(stream) ? inBoxes(stream, view) : { head: stream.subarray(0, HEADER_BYTES), recompressed: false };
  if (head[0] !== 0xff || head[1] !== 0x0a) throw head.length < 2 ? cut() : corrupt('its JPEG XL file holds no code stream');
  const bits = bitReader(head.subarray(2));
  const size = sizeHeader(bits);
  const info = { kind: 'jpeg-xl', ...size, offset: 0 } as const;
  // All default: 8 bits of RGB, coded as XYB.
  if (bits.read(1) === 1) return { ...info, components: 3, bits: 8, colour: 'rgb' };
  if (bits.read(1) === 1) {
    if (bits.read(3) !== 0) throw unsupported('a rotation of its own');
    if (bits.read(1) === 1) sizeHeader(bits);
    if (bits.read(1) === 1) throw unsupported('a preview');
    if (bits.read(1) === 1) throw unsupported('an animation');
  }
  if (bits.read(1) === 1) throw unsupported('floating-point samples');
  const depth = [8, 10, 12][bits.read(2)] ?? bits.read(6) + 1;
  bits.read(1);
  if (bits.read(2) !== 0) throw unsupported('channels beyond its colours');
  const xyb = bits.read(1) === 1;
  let grey = false;
  if (bits.read(1) === 0) {
    bits.read(1);
    grey = bits.read(2) === 1;
  }
  return { ...info, components: grey ? 1 : 3, bits: depth, colour: xyb || recompressed ? 'rgb' : 'unsaid' };
}

/** The beginning of the code stream, which lies in one box or in parts; and whether it is a JPEG, packed. */
function inBoxes(stream: Uint8Array, view: DataView): { head: Uint8Array; recompressed: boolean } {
  const head: number[] = [];
  let recompressed = false;
  for (let at = 0; at + 8 <= stream.length; ) {
    const short = view.getUint32(at);
    const type = view.getUint32(at + 4);
    if (short === 1 && at + 16 > stream.length) throw cut();
    const from = at + (short === 1 ? 16 : 8);
    const end = short === 0 ? stream.length : at + (short === 1 ? Number(view.getBigUint64(at + 8)) : short);
    if (end < from) throw corrupt('a box of its JPEG XL file is shorter than its header');
    if (type === BOX.jpeg) recompressed = true;
    if (type === BOX.codeStream || type === BOX.part) head.push(...stream.subarray(from + (type === BOX.part ? 4 : 0), Math.min(end, from + HEADER_BYTES)));
    at = end;
  }
  return { head: Uint8Array.from(head.slice(0, HEADER_BYTES)), recompressed };
}

interface Bits {
  /** The next `count` bits, least significant first. */
  read(count: number): number;
}

function bitReader(bytes: Uint8Array): Bits {
  let bit = 0;
  return {
    read(count) {
      if (bit + count > bytes.length * 8) throw cut();
      let value = 0;
      for (let i = 0; i < count; i++, bit++) value += ((bytes[bit >> 3]! >> (bit & 7)) & 1) * 2 ** i;
      return value;
    },
  };
}

function sizeHeader(bits: Bits): { rows: number; columns: number } {
  const small = bits.read(1) === 1;
  const length = (): number => (small ? (bits.read(5) + 1) * 8 : bits.read([9, 13, 18, 30][bits.read(2)]!) + 1);
  const rows = length();
  const ratio = RATIOS[bits.read(3) - 1];
  return { rows, columns: ratio ? Math.floor((rows * ratio[0]) / ratio[1]) : length() };
}
