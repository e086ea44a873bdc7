/** Codecs for tests in Node: wasm files out of node_modules. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Codecs, WasmName } from '../../src/dicom/index.ts';
import { createCodecs, WASM_FILES } from '../../src/dicom/index.ts';

const { resolve } = createRequire(import.meta.url);

export const loadTestWasm = (name: WasmName): Promise<Uint8Array> => readFile(resolve(WASM_FILES[name]));
export const nodeCodecs = (): Codecs => createCodecs(loadTestWasm);
