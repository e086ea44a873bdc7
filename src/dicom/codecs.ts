/** Compressed frames to samples, by the field's codecs as WebAssembly. The host supplies the wasm bytes, so that nothing here touches a file or the network. */
import { DicomError } from './errors.ts';

export type WasmName = 'jpeg' | 'jpeg-ls' | 'jpeg-2000' | 'htj2k';

/** Module path of each wasm file: Node resolves it with `createRequire(...).resolve`, Vite imports it with `?url`. */
export const WASM_FILES: Record<WasmName, string> = {
  jpeg: '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm',
  'jpeg-ls': '@cornerstonejs/codec-charls/decodewasm',
  'jpeg-2000': '@cornerstonejs/codec-openjpeg/decodewasm',
  htj2k: '@cornerstonejs/codec-openjph/wasm',
};

/** What a codec made of a frame. */
export interface Decoded {
  columns: number;
  rows: number;
  components: number;
  bits: number;
  signed: boolean;
  /** Interleaved samples unless `planar`, little endian, one byte a sample up to 8 bits, else two. */
  bytes: Uint8Array<ArrayBuffer>;
  planar: boolean;
  /** True when components are RGB whatever the file says: the codec undid a colour transform. */
  rgb: boolean;
}

export interface Codecs {
  /**
   * Decodes one JPEG-family code stream: baseline, extended, lossless, LS, 2000 or HT, told apart by its own markers.
   * @param photometric Photometric Interpretation, for streams that do not say what their components are.
   * @param limit largest decoded size (bytes).
   */
  decode(stream: Uint8Array, photometric: string, limit: number): Promise<Decoded>;
}

export function createCodecs(_loadWasm: (name: WasmName) => Promise<Uint8Array>): Codecs {
  return {
    decode() {
      return Promise.reject(new DicomError('unsupported-transfer-syntax', 'compressed frames'));
    },
  };
}
