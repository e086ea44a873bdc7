/** The Emscripten builds ship no types: what we call of them. */
/* eslint-disable @typescript-eslint/consistent-type-imports, no-restricted-syntax -- an ambient declaration of a CommonJS module has no other form */
declare module '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs' {
  const factory: import('./wasm.ts').WasmFactory<'JPEGDecoder'>;
  export default factory;
}
declare module '@cornerstonejs/codec-charls/decodewasmjs' {
  const factory: import('./wasm.ts').WasmFactory<'JpegLSDecoder'>;
  export default factory;
}
declare module '@cornerstonejs/codec-openjpeg/decodewasmjs' {
  const factory: import('./wasm.ts').WasmFactory<'J2KDecoder'>;
  export default factory;
}
declare module '@cornerstonejs/codec-libjxl/decodewasmjs' {
  const factory: import('./wasm.ts').WasmFactory<'JpegXLDecoder'>;
  export default factory;
}
declare module '@cornerstonejs/codec-openjph/wasmjs' {
  const factory: import('./wasm.ts').WasmFactory<'HTJ2KDecoder'>;
  export default factory;
}
