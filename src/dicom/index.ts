/** The room's door: Part 10 bytes → study/series/instance, frames and their greys. Pure: no file, no DOM, no Node. */
export { DicomError } from './errors.ts';
export type { DicomErrorCode } from './errors.ts';
export { DEFAULT_BUDGETS } from './budgets.ts';
export type { Budgets } from './budgets.ts';
export { parseDicom } from './parse.ts';
export type { DicomFile } from './parse.ts';
export { readDicomDir, summarise } from './summary.ts';
export type { Summary } from './summary.ts';
export { createCodecs } from './codecs.ts';
export type { Codecs } from './codecs.ts';
export { WASM_FILES } from './wasm.ts';
export type { WasmName } from './wasm.ts';
export { decodeFrame } from './frame.ts';
export { listElements } from './elements.ts';
export type { ElementList, ElementRow } from './elements.ts';
export { overlaysOf } from './overlays.ts';
export { applyModality, applyVoi, greyTable, greyUnit, luma, renderGrey } from './grey.ts';
export type { GreyTable } from './grey.ts';
