/** Lossless scans (ITU-T T.81 annex H): Huffman-coded differences to a prediction from neighbours. */
import type { JpegFrame, Scan } from './decode.ts';
import type { BitReader } from './huffman.ts';
import { damaged } from './huffman.ts';

/** Decodes one scan into its components' samples; differences are modulo 2^16 (H.1.2.2). */
export function decodeLosslessScan(reader: BitReader, frame: JpegFrame, scan: Scan): void {
  const { width, height, precision } = frame;
  const { start: predictor, low: pointTransform, restartInterval } = scan;
  if (predictor < 1 || predictor > 7 || pointTransform >= precision) throw damaged('its predictor makes no sense');
  if (restartInterval % width !== 0) throw damaged('a restart interval is no whole number of rows');
  const rowsPerInterval = restartInterval / width;
  const first = 1 << (precision - pointTransform - 1);
  const planes = scan.components.map(({ component, dc }) => {
    if (!dc) throw damaged('a Huffman table is missing');
    return { out: component.data as Uint16Array, table: dc };
  });

  for (let y = 0; y < height; y++) {
    const restarts = rowsPerInterval > 0 && y % rowsPerInterval === 0;
    if (restarts && y > 0) reader.restart();
    // The first row (of the image or of a restart interval) is predicted from the left alone.
    const fromLeft = y === 0 || restarts;
    const row = y * width;
    for (let x = 0; x < width; x++) {
      const at = row + x;
      for (const { out, table } of planes) {
        let prediction: number;
        if (fromLeft) {
          prediction = x === 0 ? first : out[at - 1]!;
        } else if (x === 0) {
          prediction = out[at - width]!;
        } else {
          const a = out[at - 1]!;
          const b = out[at - width]!;
          const c = out[at - width - 1]!;
          switch (predictor) {
            case 1: prediction = a; break;
            case 2: prediction = b; break;
            case 3: prediction = c; break;
            case 4: prediction = a + b - c; break;
            case 5: prediction = a + ((b - c) >> 1); break;
            case 6: prediction = b + ((a - c) >> 1); break;
            default: prediction = (a + b) >> 1;
          }
        }
        const size = reader.symbol(table);
        if (size > 16) throw damaged('a difference has more than 16 bits');
        // Size 16 stands for 32768 and has no further bits (H.1.2.2).
        out[at] = prediction + (size === 16 ? 0x8000 : reader.receive(size));
      }
    }
  }
  if (pointTransform > 0) for (const { out } of planes) for (let i = 0; i < out.length; i++) out[i] = out[i]! << pointTransform;
}
