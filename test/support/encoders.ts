/** Encoders for tests: the codec packages' full builds, and JPEG Lossless by hand (no package encodes it). */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export interface Picture {
  rows: number;
  columns: number;
  components: number;
  /** 8 or 16: the samples' words. */
  bits: number;
  signed?: boolean;
  samples: Uint8Array | Uint16Array;
}

/** A picture with edges, a gradient and noise: nothing that a codec would find easy. */
export function picture(components: 1 | 3, bits: number, rows = 37, columns = 53): Picture {
  const largest = 2 ** bits - 1;
  let seed = 1;
  const noise = (): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  const samples = Array.from({ length: rows * columns * components }, (_, i) => {
    const x = Math.floor(i / components) % columns;
    return Math.floor(largest * (x > columns / 2 ? 1 - (x / columns) * noise() : (x / columns) * 0.8));
  });
  return { rows, columns, components, bits, samples: bits > 8 ? Uint16Array.from(samples) : Uint8Array.from(samples) };
}

interface Encoder {
  getDecodedBuffer(info: object): Uint8Array;
  getEncodedBuffer(): Uint8Array;
  encode(): void;
  delete(): void;
  setNearLossless?(near: number): void;
  setInterleaveMode?(mode: number): void;
  setQuality?(...args: (number | boolean)[]): void;
  setProgressive?(on: boolean): void;
  setLossless?(on: boolean): void;
  setDistance?(distance: number): void;
}

export type EncoderFactory = (options: object) => Promise<Record<string, new () => Encoder>>;

const CLASSES = {
  'libjpeg-turbo-8bit': 'JPEGEncoder',
  charls: 'JpegLSEncoder',
  openjpeg: 'J2KEncoder',
  openjph: 'HTJ2KEncoder',
  libjxl: 'JpegXLEncoder',
} as const;

/** Encodes with a package's encoder; `set` sets its options. Lossless unless those say otherwise (JPEG: quality 100). */
export async function encode(codec: keyof typeof CLASSES, picture: Picture, set: (encoder: Encoder) => void = () => {}): Promise<Uint8Array> {
  // libjxl's is an ES module of its own; the others' encoders lie beside their decoders, in CommonJS.
  const name = codec === 'libjxl' ? 'encodewasm' : 'wasm';
  const factory = codec === 'libjxl' ? (await import('@cornerstonejs/codec-libjxl/encodewasmjs')).default : (require(`@cornerstonejs/codec-${codec}/wasmjs`) as EncoderFactory);
  const module = await factory({ wasmBinary: readFileSync(require.resolve(`@cornerstonejs/codec-${codec}/${name}`)), print: () => {}, printErr: () => {} });
  const encoder = new module[CLASSES[codec]]!();
  const { rows, columns, components, bits, signed = false, samples } = picture;
  const info = { width: columns, height: rows, bitsPerSample: bits, componentCount: components, isSigned: signed, isUsingColorTransform: components === 3 };
  const buffer = encoder.getDecodedBuffer(info);
  buffer.set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
  set(encoder);
  encoder.encode();
  const bytes = new Uint8Array(encoder.getEncodedBuffer());
  encoder.delete();
  return bytes;
}

/** JPEG Lossless (T.81 annex H), Huffman process 14: one table of five-bit codes for the sizes 0…16. */
export function encodeLossless({ rows, columns, components, samples }: Picture, precision: number, predictor: number, restartRows = 0): Uint8Array {
  const out: number[] = [0xff, 0xd8];
  const segment = (marker: number, ...bytes: number[]): void => void out.push(0xff, marker, (bytes.length + 2) >> 8, (bytes.length + 2) & 255, ...bytes);
  const ids = Array.from({ length: components }, (_, i) => i + 1);
  segment(0xc4, 0, 0, 0, 0, 0, 17, ...Array<number>(11).fill(0), ...Array.from({ length: 17 }, (_, i) => i));
  if (restartRows > 0) segment(0xdd, (restartRows * columns) >> 8, (restartRows * columns) & 255);
  segment(0xc3, precision, rows >> 8, rows & 255, columns >> 8, columns & 255, components, ...ids.flatMap((id) => [id, 0x11, 0]));
  segment(0xda, components, ...ids.flatMap((id) => [id, 0]), predictor, 0, 0);

  let bits = 0;
  let count = 0;
  const put = (value: number, length: number): void => {
    for (let i = length - 1; i >= 0; i--) {
      bits = (bits << 1) | ((value >> i) & 1);
      if (++count < 8) continue;
      out.push(bits);
      if (bits === 0xff) out.push(0);
      bits = count = 0;
    }
  };
  const flush = (): void => {
    while (count > 0) put(1, 1);
  };
  const at = (y: number, x: number, c: number): number => samples[(y * columns + x) * components + c]!;
  let restarts = 0;
  for (let y = 0; y < rows; y++) {
    const first = y === 0 || (restartRows > 0 && y % restartRows === 0);
    if (first && y > 0) {
      flush();
      out.push(0xff, 0xd0 + (restarts++ % 8));
    }
    for (let x = 0; x < columns; x++) {
      for (let c = 0; c < components; c++) {
        let prediction = 1 << (precision - 1);
        if (first && x > 0) prediction = at(y, x - 1, c);
        else if (!first && x === 0) prediction = at(y - 1, x, c);
        else if (!first) {
          const [ra, rb, rc] = [at(y, x - 1, c), at(y - 1, x, c), at(y - 1, x - 1, c)];
          prediction = [0, ra, rb, rc, ra + rb - rc, ra + ((rb - rc) >> 1), rb + ((ra - rc) >> 1), (ra + rb) >> 1][predictor]!;
        }
        const difference = ((at(y, x, c) - prediction) << 16) >> 16;
        const size = difference === -32768 ? 16 : Math.ceil(Math.log2(Math.abs(difference) + 1));
        put(size, 5);
        if (size < 16) put(difference < 0 ? difference + (1 << size) - 1 : difference, size);
      }
    }
  }
  flush();
  out.push(0xff, 0xd9);
  return Uint8Array.from(out);
}
