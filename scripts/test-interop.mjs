/** `npm run test:interop [-- FILE…]`: against tools of others from PyPI (test/interop), which it fetches into .cache. Not part of `npm test`. */
import { main } from './lib/log.mjs';
import { inRoot } from './lib/paths.mjs';
import { run } from './lib/run.mjs';
import { setUp } from './setup.mjs';

await main(async () => {
  await setUp('cli');
  const { code } = await run(process.execPath, [inRoot('node_modules/vitest/vitest.mjs'), 'run', '--config', 'test/interop/vitest.config.ts', ...process.argv.slice(2)], { cwd: inRoot() });
  return code;
});
