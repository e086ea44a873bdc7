/** `npm run build`: the page (Vite) and the bundles of the hosts (Rolldown) into dist/. */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { main, say, step } from './lib/log.mjs';
import { inRoot } from './lib/paths.mjs';

/** From source to bundle. A sandboxed preload must be one CommonJS file, and the page's script one classic script. */
const BUNDLES = [
  { input: 'src/hosts/electron/main.ts', file: 'dist/electron/main.js', format: 'esm' },
  { input: 'src/hosts/electron/review-process.ts', file: 'dist/electron/review-process.js', format: 'esm' },
  { input: 'src/hosts/electron/preload.ts', file: 'dist/electron/preload.cjs', format: 'cjs' },
  { input: 'src/hosts/electron/page-bridge.ts', file: 'dist/electron/page-bridge.js', format: 'iife', platform: 'browser' },
  { input: 'src/hosts/cli/main.ts', file: 'dist/cli.js', format: 'esm' },
  { input: 'src/engines/ort-worker.ts', file: 'dist/workers/ort-worker.js', format: 'esm' },
];

/** Left to Node's own resolution: what comes with native or wasm files beside its code. */
const EXTERNAL = [/^node:/, 'electron', 'onnxruntime-node', /^@cornerstonejs\/codec-/];

export async function buildAll() {
  const { build: rolldown } = await import('rolldown');
  const { build: vite } = await import('vite');
  for (const { input, file, format, platform = 'node' } of BUNDLES) {
    if (!existsSync(inRoot(input))) { say(`${input} is not there yet: skipped`); continue; }
    await rolldown({
      input: inRoot(input),
      platform,
      external: EXTERNAL,
      // Node 20: no `using`.
      transform: { target: platform === 'browser' ? 'chrome130' : 'node20' },
      logLevel: 'warn',
      output: { file: inRoot(file), format, codeSplitting: false, sourcemap: false, comments: { legal: true } },
    });
  }
  if (!existsSync(inRoot('renderer/main.tsx'))) { say('renderer/main.tsx is not there yet: skipped'); return; }
  await vite({ configFile: inRoot('renderer/vite.config.ts'), logLevel: 'warn' });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(() => step('Building', buildAll));
}
