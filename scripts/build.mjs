/** `npm run build`: the page (Vite) and the bundles of the hosts (Rolldown) into dist/. */
import { pathToFileURL } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { SetupError, main, step } from './lib/log.mjs';
import { inRoot } from './lib/paths.mjs';

/** From source to bundle. A sandboxed preload must be one CommonJS file, and the page's script one classic script. */
const BUNDLES = [
  { input: 'src/hosts/electron/main.ts', file: 'dist/electron/main.js', format: 'esm' },
  { input: 'src/hosts/electron/review-process.ts', file: 'dist/electron/review-process.js', format: 'esm' },
  { input: 'src/hosts/electron/adder-process.ts', file: 'dist/electron/adder-process.js', format: 'esm' },
  { input: 'src/hosts/electron/boards-process.ts', file: 'dist/electron/boards-process.js', format: 'esm' },
  { input: 'src/hosts/electron/preload.ts', file: 'dist/electron/preload.cjs', format: 'cjs' },
  { input: 'src/hosts/electron/page-bridge.ts', file: 'dist/electron/page-bridge.js', format: 'iife', platform: 'browser' },
  { input: 'src/hosts/cli/main.ts', file: 'dist/cli.js', format: 'esm' },
  { input: 'src/engines/ort-worker.ts', file: 'dist/workers/ort-worker.js', format: 'esm' },
  // The codecs' own code goes in, beside which they look for files with __dirname; their wasm comes from the host.
  { input: 'src/review/codec-worker.ts', file: 'dist/workers/codec-worker.cjs', format: 'cjs', external: [/^node:/] },
];

/** Left to Node's own resolution: what comes with native or wasm files beside its code, or looks for its own folder (ssh2). */
const EXTERNAL = [/^node:/, 'electron', 'onnxruntime-node', '@photostructure/sqlite', /^@cornerstonejs\/codec-/, 'ssh2'];

export async function bundle({ input, file, format, platform = 'node', external = EXTERNAL }) {
  const { build } = await import('rolldown');
  await build({
    input: inRoot(input),
    platform,
    external,
    // Node 20: no `using`.
    transform: { target: platform === 'browser' ? 'chrome130' : 'node20' },
    logLevel: 'warn',
    output: { file: inRoot(file), format, codeSplitting: false, comments: { legal: true } },
  });
}

async function page() {
  const { build } = await import('vite');
  await build({ configFile: inRoot('renderer/vite.config.ts'), logLevel: 'error' });
}

/** Builds every part, also after one has failed, and then throws a SetupError with all that went wrong. */
export async function buildAll() {
  const parts = [{ name: 'renderer', make: page }, ...BUNDLES.map((one) => ({ name: one.file, make: () => bundle(one) }))];
  const faults = [];
  for (const { name, make } of parts) await make().catch((error) => faults.push(`${name}: ${stripVTControlCharacters(error.message)}`));
  if (faults.length > 0) throw new SetupError(`The application could not be built.\n${faults.join('\n')}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(() => step('Building the application', buildAll));
}
