/** Compressed frames to samples. The host supplies the wasm bytes, so that nothing here touches a file or the network. */
import { DicomError } from './errors.ts';
import { decodeJpeg } from './jpeg/decode.ts';
import type { StreamInfo } from './jpeg/info.ts';
import { hasEndMarker, readStreamInfo, withAdobeMarker } from './jpeg/stream.ts';
import type { WasmName } from './wasm.ts';
import { createWasmRunner } from './wasm.ts';

/** What the header says the frame is; a stream of another shape is refused before it is decoded. */
export interface Expected {
  rows: number;
  columns: number;
  samples: number;
  photometric: string;
}

export interface Decoded {
  /** Of a sample, as coded. */
  bits: number;
  /** Samples, little endian, one byte each up to 8 bits, else two. */
  bytes: Uint8Array<ArrayBuffer>;
  planar: boolean;
  /** True when the samples are RGB whatever the file says: the codec undid a colour transform. */
  rgb: boolean;
}

/** Streams whose end says that they are whole; the decoders of the others see that for themselves. */
const ENDED: ReadonlySet<StreamInfo['kind']> = new Set<StreamInfo['kind']>(['jpeg-8', 'jpeg-12', 'jpeg-lossless', 'jpeg-ls']);

const PRELOADED: readonly WasmName[] = ['jpeg', 'jpeg-ls', 'jpeg-2000', 'htj2k'];

export interface Decoder {
  /**
   * Decodes one JPEG, JPEG-LS, JPEG 2000, HTJ2K or JPEG XL code stream; its own markers say which it is.
   * @throws DicomError `corrupt`, `truncated`, `unsupported-transfer-syntax`.
   */
  decode(stream: Uint8Array, expected: Expected): Promise<Decoded>;
}

export interface Codecs extends Decoder {
  /** As `decode`, of JPEG 2000 at a 2^`level`th of the size, from 1 on: what its wavelets have of it. */
  decodeReduced(stream: Uint8Array, expected: Expected, level: number): Promise<Decoded>;
  /** Loads those of the commoner syntaxes one after another, so that the first frame need not wait for it. One that fails is loaded again when it is needed. */
  preload(): Promise<void>;
}

/**
 * Codecs for one thread, each loaded when first needed and kept.
 * @param loadWasm bytes of the file at WASM_FILES[name]; called once a codec (again after a failure).
 */
export function createCodecs(loadWasm: (name: WasmName) => Promise<Uint8Array>): Codecs {
  const { run, load } = createWasmRunner(loadWasm);
  return {
    async preload() {
      for (const name of PRELOADED) await load(name).catch(() => {});
    },
    async decodeReduced(stream, expected, level) {
      const info = checkedInfo(stream, expected);
      if (info.kind !== 'jpeg-2000') throw new DicomError('unsupported-transfer-syntax', 'no smaller picture lies in frames that are not JPEG 2000');
      const { bytes } = await run('jpeg-2000', stream, level);
      return shaped(bytes, info.bits, { ...expected, rows: reducedTo(expected.rows, level), columns: reducedTo(expected.columns, level) }, { planar: false, rgb: isRgb(info, expected) });
    },
    async decode(stream, expected) {
      const info = checkedInfo(stream, expected);
      if (ENDED.has(info.kind) && !hasEndMarker(stream)) {
        throw new DicomError('truncated', 'pixel data truncated: the compressed frame has no end; copy the file again from its source');
      }
      switch (info.kind) {
        case 'jpeg-8': {
          const unsaid = info.components === 3 && info.colour === 'unsaid';
          const result = await run('jpeg', unsaid ? withAdobeMarker(stream, expected.photometric.startsWith('YBR')) : stream);
          return shaped(result.bytes, 8, expected, { planar: false, rgb: true });
        }
        case 'jpeg-ls': {
          const result = await run('jpeg-ls', stream);
          return shaped(result.bytes, info.bits, expected, { planar: info.components > 1 && result.interleave === 0, rgb: false });
        }
        case 'jpeg-2000':
        case 'htj2k': {
          const result = await run(info.kind, info.kind === 'htj2k' ? stream.subarray(info.offset) : stream);
          return shaped(result.bytes, info.bits, expected, { planar: false, rgb: isRgb(info, expected) });
        }
        case 'jpeg-xl': {
          const result = await run('jpeg-xl', stream);
          // What is coded as it was given may be YBR by the header; all else libjxl has made RGB of, or it was RGB.
          return shaped(result.bytes, info.bits, expected, { planar: false, rgb: info.colour === 'rgb' || expected.photometric !== 'YBR_FULL' });
        }
        case 'jpeg-12':
        case 'jpeg-lossless': {
          const { samples, precision } = decodeJpeg(stream);
          // YCbCr in lossless streams is the file's own doing and undone by Photometric Interpretation.
          const bytes = precision > 8 ? new Uint8Array(samples.buffer) : new Uint8Array(samples);
          return shaped(bytes, precision, expected, { planar: false, rgb: false });
        }
      }
    },
  };
}

/** Pixels of a side in JPEG 2000 at a 2^`level`th of the size (ITU-T T.800 B.5). */
export const reducedTo = (pixels: number, level: number): number => Math.ceil(pixels / 2 ** level);

/** JPEG 2000. YBR_ICT and YBR_RCT without a transform in the stream: the components are RGB all the same, there is nothing to undo. */
const isRgb = ({ colour }: StreamInfo, { photometric }: Expected): boolean => colour === 'rgb' || /^YBR_(ICT|RCT)$/.test(photometric);

function checkedInfo(stream: Uint8Array, expected: Expected): StreamInfo {
  const info = readStreamInfo(stream);
  if (info.columns !== expected.columns || info.rows !== expected.rows || info.components !== expected.samples) {
    throw new DicomError('corrupt', `the header says ${expected.columns} × ${expected.rows} × ${expected.samples}, the compressed frame is ${info.columns} × ${info.rows} × ${info.components}`);
  }
  if (info.bits > 16) throw new DicomError('unsupported-transfer-syntax', `compressed samples of ${info.bits} bits cannot be decoded; up to 16 can`);
  return info;
}

/** A decoder that returned fewer or other bytes than the frame has did not decode it. */
function shaped(bytes: Uint8Array<ArrayBuffer>, bits: number, { rows, columns, samples }: Expected, rest: { planar: boolean; rgb: boolean }): Decoded {
  const wanted = rows * columns * samples * (bits > 8 ? 2 : 1);
  if (bytes.length !== wanted) throw new DicomError('corrupt', `the decoder returned ${bytes.length} bytes where ${wanted} make the frame`);
  return { bits, bytes, ...rest };
}
