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

/** cos((2x + 1)uπ/16) · C(u)/2: the one-dimensional inverse DCT of A.3.3, x × u. */
const BASIS = Float64Array.from({ length: 64 }, (_, i) => Math.cos(((2 * (i >> 3) + 1) * (i & 7) * Math.PI) / 16) * ((i & 7) === 0 ? Math.SQRT1_2 : 1) * 0.5);

/** Dequantises and transforms all blocks in floating point, as the standard defines it; samples are clamped to `precision` bits. */
export function inverseDct(component: Component, quantisation: Uint16Array, precision: number): Uint16Array {
  const { blocksAcross, blocksDown, data } = component;
  const stride = blocksAcross * 8;
  const out = new Uint16Array(stride * blocksDown * 8);
  const largest = 2 ** precision - 1;
  const middle = 2 ** (precision - 1);
  const table = new Float64Array(64);
  for (let k = 0; k < 64; k++) table[ZIGZAG[k]!] = quantisation[k]!;
  const rows = new Float64Array(64);
  for (let block = 0; block < blocksAcross * blocksDown; block++) {
    const from = block * 64;
    const to = Math.floor(block / blocksAcross) * 8 * stride + (block % blocksAcross) * 8;
    for (let v = 0; v < 8; v++) {
      // Most rows of coefficients hold nothing but zeros.
      let any = false;
      for (let u = 0; u < 8; u++) if (data[from + v * 8 + u] !== 0) any = true;
      for (let x = 0; x < 8; x++) {
        let sum = 0;
        if (any) for (let u = 0; u < 8; u++) sum += BASIS[x * 8 + u]! * data[from + v * 8 + u]! * table[v * 8 + u]!;
        rows[v * 8 + x] = sum;
      }
    }
    for (let y = 0; y < 8; y++) {
      for (let x = 0; x < 8; x++) {
        let sum = middle;
        for (let v = 0; v < 8; v++) sum += BASIS[y * 8 + v]! * rows[v * 8 + x]!;
        out[to + y * stride + x] = Math.min(Math.max(Math.round(sum), 0), largest);
      }
    }
  }
  return out;
}
