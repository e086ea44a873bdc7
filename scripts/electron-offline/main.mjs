/**
 * The offline Electron comes without Electron's own default app, which starts an application by its folder (`electron FOLDER …`).
 * This is that, and no more; set-up packs it as resources/default_app.asar. Top-level await: Electron holds `ready` back until it is done.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { app } from 'electron';

process.defaultApp = true;
const folder = process.argv.slice(1).find((argument) => !argument.startsWith('-'));
if (folder === undefined) {
  process.stderr.write('usage: electron FOLDER [FILE…]\n');
  process.exit(2);
}
const root = resolve(folder);
const { name, productName, version, main } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
app.name = productName ?? name;
app.setVersion(version);
app.setAppPath(root);
try {
  await import(pathToFileURL(join(root, main)).href);
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}
