/** Where a host finds what is not code: one object, resolved for a checkout and for the packaged application. */
import { createRequire } from 'node:module';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { WASM_FILES, type WasmName } from '../dicom/index.ts';

export interface Resources {
  /** Of FabricLens, from package.json. */
  version: string;
  /** Model packages. */
  modelsDir: string;
  /** Holds the Python package fabriclens_agent. */
  agentDir: string;
  /** The agent's shared library; absent until it is built. */
  runtimeLibrary: string;
  /** What a board gets (npm run build:board); absent until it is built. */
  boardBundle: string;
  /** Sources of the core and the runtime, which exported projects take along. */
  hlsDir: string;
  /** The synthetic sample studies. */
  samplesDir: string;
  /** Built src/engines/ort-worker.ts. */
  ortWorkerUrl: URL;
  /** Built src/review/codec-worker.ts. */
  codecWorkerUrl: URL;
  loadWasm: (name: WasmName) => Promise<Uint8Array>;
}

const RUNTIME_LIBRARY: Partial<Record<NodeJS.Platform, string>> = { win32: 'fabriclens_runtime.dll', darwin: 'libfabriclens_runtime.dylib' };
const runtimeName = (): string => RUNTIME_LIBRARY[process.platform] ?? 'libfabriclens_runtime.so';

/**
 * `root` holds package.json, node_modules and dist: the checkout, or the packaged application's app.asar. `resourcesPath` is
 * process.resourcesPath of a packaged application, with models/, agent/ and runtime/ beside one another (electron-builder.yml);
 * worker files are taken from app.asar.unpacked, where their native modules lie.
 */
export function resolveResources(root: string, resourcesPath?: string): Resources {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const require = createRequire(join(root, 'package.json'));
  const unpacked = root.replace(/app\.asar$/, 'app.asar.unpacked');
  return {
    version,
    modelsDir: join(resourcesPath ?? root, 'models'),
    agentDir: join(resourcesPath ?? root, 'agent'),
    runtimeLibrary: resourcesPath === undefined ? join(root, 'build/hls', runtimeName()) : join(resourcesPath, 'runtime', runtimeName()),
    boardBundle: join(resourcesPath ?? root, 'build/board', `fabriclens-board-${version}-armhf.tar`),
    hlsDir: join(resourcesPath ?? root, 'hls'),
    samplesDir: join(resourcesPath ?? root, 'models/samples'),
    ortWorkerUrl: pathToFileURL(join(unpacked, 'dist/workers/ort-worker.js')),
    codecWorkerUrl: pathToFileURL(join(unpacked, 'dist/workers/codec-worker.cjs')),
    loadWasm: (name) => readFile(require.resolve(WASM_FILES[name])),
  };
}

/** The nearest folder at or above a module that holds FabricLens's package.json. */
export function rootOf(moduleUrl: string): string {
  for (let folder = dirname(fileURLToPath(moduleUrl)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) throw new Error(`no package.json above ${moduleUrl}`);
  }
}
