/** Of the encoder that is an ES module; the others are required. */
/* eslint-disable @typescript-eslint/consistent-type-imports, no-restricted-syntax -- an ambient declaration has no other form */
declare module '@cornerstonejs/codec-libjxl/encodewasmjs' {
  const factory: import('./encoders.ts').EncoderFactory;
  export default factory;
}
