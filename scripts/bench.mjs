/** `npm run bench [-- --json] [--runs N] [--no-window]`: set-up, then test/bench/main.ts, bundled as the product is. */
import { spawn } from 'node:child_process';
import { bundle } from './build.mjs';
import { main } from './lib/log.mjs';
import { inRoot } from './lib/paths.mjs';
import { setUp } from './setup.mjs';

await main(async () => {
  await setUp('start');
  const file = 'build/bench/main.js';
  // Packages stay outside: nothing is shipped here, and Playwright finds its own files.
  await bundle({ input: 'test/bench/main.ts', file, format: 'esm', external: /^(?![./])/ });
  const child = spawn(process.execPath, [inRoot(file), ...process.argv.slice(2)], { stdio: 'inherit' });
  return new Promise((done) => child.on('exit', (code) => done(code ?? 1)));
});
