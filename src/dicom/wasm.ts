/** The Emscripten codecs: loading, and one decode. Types of what we call of them. */
import { DicomError } from './errors.ts';

export type WasmName = 'jpeg' | 'jpeg-ls' | 'jpeg-2000' | 'htj2k' | 'jpeg-xl';

/** Module path of each wasm file: Node resolves it with `createRequire(...).resolve`, Vite imports it with `?url`. */
export const WASM_FILES: Record<WasmName, string> = {
  jpeg: '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm',
  'jpeg-ls': '@cornerstonejs/codec-charls/decodewasm',
  // Its default entry is asm.js, nine times slower.
  'jpeg-2000': '@cornerstonejs/codec-openjpeg/decodewasm',
  htj2k: '@cornerstonejs/codec-openjph/wasm',
  'jpeg-xl': '@cornerstonejs/codec-libjxl/decodewasm',
};

interface FrameInfo {
  width: number;
  height: number;
  bitsPerSample: number;
  componentCount: number;
  isSigned?: boolean;
}

/** One decoder object of any of them. Buffers are views of the module's memory. */
interface WasmDecoder {
  getEncodedBuffer(size: number): Uint8Array;
  getDecodedBuffer(): Uint8Array;
  decode(): void;
  /** OpenJPEG: at a 2^`level`th of the size, by all layers (0). */
  decodeSubResolution?(level: number, layers: number): void;
  getFrameInfo(): FrameInfo;
  /** CharLS: 0 planar, 1 by line, 2 by sample. */
  getInterleaveMode?(): number;
  delete(): void;
}

type WasmModule<Name extends string> = Record<Name, new () => WasmDecoder>;
export interface WasmOptions {
  instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void): object;
  print(): void;
  printErr(): void;
}
export type WasmFactory<Name extends string> = (options: WasmOptions) => Promise<WasmModule<Name>>;

export interface WasmResult {
  info: FrameInfo;
  interleave: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Bytes of an instance's memory up to which it is kept for the next frame: it never shrinks, and a large mammogram would hold on to what it once took. */
const KEPT_MEMORY = 192 * 2 ** 20;

/** Of a module compiled once: an instance is thrown away with every damaged frame, and compiling takes longer than most frames. */
const optionsOf = (compiled: WebAssembly.Module): WasmOptions => ({
  instantiateWasm: (imports, done) => {
    void WebAssembly.instantiate(compiled, imports).then((instance) => done(instance, compiled));
    return {};
  },
  print: () => {},
  printErr: () => {},
});

/** Bundlers and Node disagree on where a CommonJS module's export lies. */
function factoryOf<F>(module: { default: F | { default: F } }): F {
  return (typeof module.default === 'function' ? module.default : (module.default as { default: F }).default) as F;
}

async function instantiate(name: WasmName, compiled: WebAssembly.Module): Promise<new () => WasmDecoder> {
  const options = optionsOf(compiled);
  switch (name) {
    case 'jpeg':
      return (await factoryOf(await import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'))(options)).JPEGDecoder;
    case 'jpeg-ls':
      return (await factoryOf(await import('@cornerstonejs/codec-charls/decodewasmjs'))(options)).JpegLSDecoder;
    case 'jpeg-2000':
      return (await factoryOf(await import('@cornerstonejs/codec-openjpeg/decodewasmjs'))(options)).J2KDecoder;
    case 'htj2k':
      return (await factoryOf(await import('@cornerstonejs/codec-openjph/wasmjs'))(options)).HTJ2KDecoder;
    case 'jpeg-xl':
      return (await factoryOf(await import('@cornerstonejs/codec-libjxl/decodewasmjs'))(options)).JpegXLDecoder;
  }
}

/**
 * Runs code streams through the wasm codecs, each loaded when first needed. An instance whose decoder failed is thrown away:
 * a trap may leave its memory in any state, and that memory never shrinks.
 */
export function createWasmRunner(loadWasm: (name: WasmName) => Promise<Uint8Array>): { run(name: WasmName, stream: Uint8Array, level?: number): Promise<WasmResult>; load(name: WasmName): Promise<unknown> } {
  const modules = new Map<WasmName, Promise<WebAssembly.Module>>();
  const instances = new Map<WasmName, Promise<new () => WasmDecoder>>();

  const load = (name: WasmName): Promise<new () => WasmDecoder> => {
    let instance = instances.get(name);
    if (!instance) {
      let compiled = modules.get(name);
      if (!compiled) modules.set(name, (compiled = loadWasm(name).then((bytes) => WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>))));
      instance = compiled.then((module) => instantiate(name, module));
      instances.set(name, instance);
      // A failed load is tried again at the next frame.
      instance.catch(() => {
        modules.delete(name);
        instances.delete(name);
      });
    }
    return instance;
  };

  const run = async (name: WasmName, stream: Uint8Array, level = 0): Promise<WasmResult> => {
    const Decoder = await load(name);
    try {
      const decoder = new Decoder();
      try {
        decoder.getEncodedBuffer(stream.length).set(stream);
        if (level > 0) decoder.decodeSubResolution!(level, 0);
        else decoder.decode();
        const info = decoder.getFrameInfo();
        const interleave = decoder.getInterleaveMode?.() ?? 2;
        const decoded = decoder.getDecodedBuffer();
        if (decoded.buffer.byteLength > KEPT_MEMORY) instances.delete(name);
        return { info: { ...info }, interleave, bytes: new Uint8Array(decoded) };
      } finally {
        decoder.delete();
      }
    } catch (error) {
      instances.delete(name);
      // Emscripten throws C++ exceptions as bare pointers: there is no message to pass on.
      throw new DicomError('corrupt', `the compressed frame is damaged: the ${name} decoder refused it`, { cause: error });
    }
  };
  return { run, load };
}
