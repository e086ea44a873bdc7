/** Where the built page has each codec's wasm: Vite copies them and gives the addresses. */
import jpeg from '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm?url';
import jpegLs from '@cornerstonejs/codec-charls/decodewasm?url';
import jpeg2000 from '@cornerstonejs/codec-openjpeg/decodewasm?url';
import htj2k from '@cornerstonejs/codec-openjph/wasm?url';
import jpegXl from '@cornerstonejs/codec-libjxl/decodewasm?url';
import type { WasmName } from '../../src/dicom/index.ts';

const URLS: Record<WasmName, string> = { jpeg, 'jpeg-ls': jpegLs, 'jpeg-2000': jpeg2000, htj2k, 'jpeg-xl': jpegXl };

export async function loadWasm(name: WasmName): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(URLS[name]);
  if (!response.ok) throw new Error(`the ${name} decoder cannot be loaded (${response.status}); reinstall the application`);
  return new Uint8Array(await response.arrayBuffer());
}
