/** DCT scans (ITU-T T.81 annexes F and G): sequential and progressive Huffman decoding to coefficients, and the inverse transform. */
import type { Component, JpegFrame, Scan } from './decode.ts';
import type { BitReader, HuffmanTable } from './huffman.ts';
import { damaged } from './huffman.ts';

/** Zigzag order (T.81 figure A.6): position in the stream → row × 8 + column. */
const ZIGZAG = Uint8Array.from([
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29,
  22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
]);

const need = (table: HuffmanTable | undefined): HuffmanTable => {
  if (!table) throw damaged('a Huffman table is missing');
  return table;
};

type BlockDecoder = (data: Int16Array, at: number, index: number) => void;

/** Decodes one scan into its components' coefficients. */
export function decodeDctScan(reader: BitReader, frame: JpegFrame, scan: Scan): void {
  if (scan.start > scan.end || scan.end > 63 || (scan.start > 0 && scan.components.length > 1)) throw damaged('its spectral selection makes no sense');
  const dcPredictions = new Int32Array(scan.components.length);
  const state = { endOfBand: 0 };
  const decoders = scan.components.map(({ dc, ac }) => blockDecoder(reader, frame, scan, dc, ac, dcPredictions, state));
  const single = scan.components.length === 1;
  const only = scan.components[0]!.component;
  // A scan of one component has its own blocks, without padding to MCUs (A.2.2).
  const across = single ? Math.ceil(only.width / 8) : Math.ceil(frame.width / (8 * frame.maxH));
  const down = single ? Math.ceil(only.height / 8) : Math.ceil(frame.height / (8 * frame.maxV));
  const total = across * down;
  for (let mcu = 0; mcu < total; mcu++) {
    if (scan.restartInterval > 0 && mcu > 0 && mcu % scan.restartInterval === 0) {
      reader.restart();
      dcPredictions.fill(0);
      state.endOfBand = 0;
    }
    const row = Math.floor(mcu / across);
    const column = mcu % across;
    if (single) {
      decoders[0]!(only.data as Int16Array, (row * only.blocksAcross + column) * 64, 0);
      continue;
    }
    scan.components.forEach(({ component }, index) => {
      const { h, v, blocksAcross, data } = component;
      for (let y = 0; y < v; y++) for (let x = 0; x < h; x++) decoders[index]!(data as Int16Array, ((row * v + y) * blocksAcross + column * h + x) * 64, index);
    });
  }
}

function blockDecoder(reader: BitReader, frame: JpegFrame, scan: Scan, dc: HuffmanTable | undefined, ac: HuffmanTable | undefined, predictions: Int32Array, state: { endOfBand: number }): BlockDecoder {
  const { start, end, high, low } = scan;
  const readDc = (index: number): number => {
    const size = reader.symbol(need(dc));
    if (size > 16) throw damaged('a coefficient has more than 16 bits');
    return (predictions[index]! += reader.receive(size));
  };
  if (!frame.progressive) {
    return (data, at, index) => {
      data[at] = readDc(index);
      const table = need(ac);
      for (let k = 1; k < 64; k++) {
        const symbol = reader.symbol(table);
        const size = symbol & 15;
        const run = symbol >> 4;
        if (size === 0) {
          if (run < 15) break;
          k += 15;
          continue;
        }
        k += run;
        if (k > 63) throw damaged('a block has more than 64 coefficients');
        data[at + ZIGZAG[k]!] = reader.receive(size);
      }
    };
  }
  if (start === 0) {
    if (high === 0) return (data, at, index) => void (data[at] = readDc(index) << low);
    return (data, at) => void (data[at] = data[at]! | (reader.read(1) << low));
  }
  const table = need(ac);
  if (high === 0) {
    return (data, at) => {
      if (state.endOfBand > 0) {
        state.endOfBand--;
        return;
      }
      for (let k = start; k <= end; k++) {
        const symbol = reader.symbol(table);
        const size = symbol & 15;
        const run = symbol >> 4;
        if (size === 0) {
          if (run < 15) {
            state.endOfBand = (1 << run) - 1 + reader.read(run);
            break;
          }
          k += 15;
          continue;
        }
        k += run;
        if (k > 63) throw damaged('a block has more than 64 coefficients');
        data[at + ZIGZAG[k]!] = reader.receive(size) << low;
      }
    };
  }
  return (data, at) => refine(reader, data, at, table, start, end, low, state);
}

/** Successive approximation of AC coefficients (G.1.2.3): a correction bit for each that is already not zero, new ones of magnitude 1 between. */
function refine(reader: BitReader, data: Int16Array, at: number, table: HuffmanTable, start: number, end: number, low: number, state: { endOfBand: number }): void {
  const one = 1 << low;
  const correct = (place: number): void => {
    if (reader.read(1) === 1 && (data[place]! & one) === 0) data[place] = data[place]! + (data[place]! > 0 ? one : -one);
  };
  let k = start;
  if (state.endOfBand === 0) {
    for (; k <= end; k++) {
      const symbol = reader.symbol(table);
      let run = symbol >> 4;
      let fresh = 0;
      if ((symbol & 15) === 0) {
        if (run < 15) {
          state.endOfBand = (1 << run) + reader.read(run);
          break;
        }
      } else {
        fresh = reader.read(1) === 1 ? one : -one;
      }
      for (; k <= end; k++) {
        const place = at + ZIGZAG[k]!;
        if (data[place] !== 0) correct(place);
        else if (run-- === 0) {
          if (fresh !== 0) data[place] = fresh;
          break;
        }
      }
    }
  }
  if (state.endOfBand > 0) {
    for (; k <= end; k++) {
      const place = at + ZIGZAG[k]!;
      if (data[place] !== 0) correct(place);
    }
    state.endOfBand--;
  }
}

/** Constants of the Loeffler-Ligtenberg-Moschytz transform, × 2^13. */
const F = { a: 2446, b: 3196, c: 4433, d: 6270, e: 7373, f: 9633, g: 12299, h: 15137, i: 16069, j: 16819, k: 20995, l: 25172 };
/** Fraction bits kept between the passes: as many as 12-bit samples leave room for in 32 bits. */
const PASS_BITS = 1;

/** One 8-point inverse DCT of `work`, from `at` in steps of `step`, in place; results are rounded and shifted down by `shift`. */
function transform(work: Int32Array, at: number, step: number, shift: number): void {
  const [i0, i1, i2, i3, i4, i5, i6, i7] = [at, at + step, at + 2 * step, at + 3 * step, at + 4 * step, at + 5 * step, at + 6 * step, at + 7 * step];
  const half = 1 << (shift - 1);
  const x2 = work[i2]!;
  const x6 = work[i6]!;
  const e1 = Math.imul(x2 + x6, F.c);
  const e2 = e1 - Math.imul(x6, F.h);
  const e3 = e1 + Math.imul(x2, F.d);
  const s = ((work[i0]! + work[i4]!) << 13) + half;
  const d = ((work[i0]! - work[i4]!) << 13) + half;
  const [t10, t13, t11, t12] = [s + e3, s - e3, d + e2, d - e2];
  const [x7, x5, x3, x1] = [work[i7]!, work[i5]!, work[i3]!, work[i1]!];
  const z5 = Math.imul(x7 + x3 + x5 + x1, F.f);
  const z1 = -Math.imul(x7 + x1, F.e);
  const z2 = -Math.imul(x5 + x3, F.k);
  const z3 = z5 - Math.imul(x7 + x3, F.i);
  const z4 = z5 - Math.imul(x5 + x1, F.b);
  const o0 = Math.imul(x7, F.a) + z1 + z3;
  const o1 = Math.imul(x5, F.j) + z2 + z4;
  const o2 = Math.imul(x3, F.l) + z2 + z3;
  const o3 = Math.imul(x1, F.g) + z1 + z4;
  work[i0] = (t10 + o3) >> shift;
  work[i7] = (t10 - o3) >> shift;
  work[i1] = (t11 + o2) >> shift;
  work[i6] = (t11 - o2) >> shift;
  work[i2] = (t12 + o1) >> shift;
  work[i5] = (t12 - o1) >> shift;
  work[i3] = (t13 + o0) >> shift;
  work[i4] = (t13 - o0) >> shift;
}

/**
 * Dequantises and transforms all blocks; samples are clamped to `precision` bits. The accurate integer method of the Independent JPEG Group,
 * bit for bit, so that we show what every other decoder of 12-bit JPEG shows (T.81 leaves each inverse DCT ± 1).
 */
export function inverseDct(component: Component, quantisation: Uint16Array, precision: number): Uint16Array {
  const { blocksAcross, blocksDown, data } = component;
  const stride = blocksAcross * 8;
  const out = new Uint16Array(stride * blocksDown * 8);
  const largest = 2 ** precision - 1;
  const middle = 2 ** (precision - 1);
  const table = new Int32Array(64);
  for (let k = 0; k < 64; k++) table[ZIGZAG[k]!] = quantisation[k]!;
  const work = new Int32Array(64);
  for (let block = 0; block < blocksAcross * blocksDown; block++) {
    const from = block * 64;
    const to = Math.floor(block / blocksAcross) * 8 * stride + (block % blocksAcross) * 8;
    for (let k = 0; k < 64; k++) work[k] = data[from + k]! * table[k]!;
    for (let x = 0; x < 8; x++) transform(work, x, 8, 13 - PASS_BITS);
    for (let y = 0; y < 8; y++) {
      transform(work, y * 8, 1, 13 + PASS_BITS + 3);
      for (let x = 0; x < 8; x++) {
        const sample = work[y * 8 + x]! + middle;
        out[to + y * stride + x] = sample < 0 ? 0 : sample > largest ? largest : sample;
      }
    }
  }
  return out;
}
