/**
 * `node scripts/run-bundled.mjs FILE.ts [ARGUMENTS]`: set-up, then a program of test/ (benchmarks, screenshots), bundled as the product is
 * since Node 20 runs no TypeScript. Without a display it runs under xvfb-run where there is one.
 */
import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { bundle } from './build.mjs';
import { main } from './lib/log.mjs';
import { inRoot } from './lib/paths.mjs';
import { onPath } from './lib/run.mjs';
import { setUp } from './setup.mjs';

await main(async () => {
  const [input, ...args] = process.argv.slice(2);
  await setUp('start');
  const file = `build/bundled/${basename(input, '.ts')}.js`;
  // Packages stay outside: nothing is shipped here, and Playwright finds its own files. So does the builder of hls/, whose sources lie beside it.
  await bundle({ input, file, format: 'esm', external: [/^(?![./])/, /\/hls\/build\.mjs$/] });
  const headless = process.platform === 'linux' && !process.env.DISPLAY && onPath('xvfb-run');
  const command = [...(headless ? ['xvfb-run', '-a', '-s', '-screen 0 1920x1200x24'] : []), process.execPath, inRoot(file), ...args];
  const child = spawn(command[0], command.slice(1), { stdio: 'inherit' });
  return new Promise((done) => child.on('exit', (code) => done(code ?? 1)));
});
