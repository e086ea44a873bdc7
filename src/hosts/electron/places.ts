/** Where the built parts and the shipped resources lie: in the checkout, or in an installed application. */
import { existsSync } from 'node:fs';
import { join, sep } from 'node:path';
import type { ReviewPlaces } from './review-messages.ts';

export interface Places extends ReviewPlaces {
  preload: string;
  pageBridge: string;
  reviewProcess: string;
  ui: string;
  cli: string;
}

/**
 * @param app folder of package.json: the checkout, or app.asar
 * @param resources Electron's resources folder in an installed application, else null
 */
export function placesOf(app: string, resources: string | null, version: string): Places {
  const outside = resources ?? app;
  // A worker thread and child processes know nothing of asar archives.
  const unpacked = app.endsWith(`${sep}app.asar`) ? `${app}.unpacked` : app;
  const built = resources === null ? join(app, 'build', 'hls') : join(resources, 'runtime');
  return {
    preload: join(app, 'dist/electron/preload.cjs'),
    pageBridge: join(app, 'dist/electron/page-bridge.js'),
    reviewProcess: join(app, 'dist/electron/review-process.js'),
    ui: join(app, 'dist/renderer'),
    cli: join(app, 'dist/cli.js'),
    ortWorker: join(unpacked, 'dist/workers/ort-worker.js'),
    models: [join(outside, 'models')],
    sample: join(outside, 'sample'),
    agent: join(outside, 'agent'),
    runtime: join(built, RUNTIME_FILES.find((file) => existsSync(join(built, file))) ?? RUNTIME_FILES[0]),
    software: `FabricLens ${version}`,
  };
}

const RUNTIME_FILES = ['libfabriclens_runtime.so', 'libfabriclens_runtime.dylib', 'fabriclens_runtime.dll'] as const;
