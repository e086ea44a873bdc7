#!/usr/bin/env node
/** `npx fabriclens …`: set-up without Electron where it is needed (told on stderr), then the command line of src/hosts/cli. */
import { pathToFileURL } from 'node:url';
import { main } from './lib/log.mjs';
import { inRoot } from './lib/paths.mjs';
import { setUp } from './setup.mjs';

await main(async () => {
  await setUp('cli');
  const cli = await import(pathToFileURL(inRoot('dist/cli.js')).href);
  return cli.main(process.argv.slice(2));
});
