/**
 * `npm run package`: the unpacked application of this machine into release/, from what is installed here; named FabricLens-test when its
 * Electron is the end-of-life one of the registry. `npm run package -- --release`: the targets of electron-builder.yml instead.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SetupError, main, say, step } from './lib/log.mjs';
import { inRoot } from './lib/paths.mjs';
import { hashOf, isFresh, stamp } from './lib/stamp.mjs';
import { setUp } from './setup.mjs';

const INPUTS = ['dist', 'agent', 'models', 'hls/core', 'hls/runtime', 'hls/build.mjs', 'build/hls', 'electron-builder.yml', 'scripts/packaging', 'package-lock.json'];
const TEST_NAME = 'FabricLens-test';
const FOLDERS = { linux: 'linux-unpacked', win32: 'win-unpacked', darwin: process.arch === 'arm64' ? 'mac-arm64' : 'mac' };

/** @returns {Promise<string>} the unpacked application's folder */
export async function packageUnpacked() {
  const runtime = await setUp('start');
  const folder = inRoot('release', FOLDERS[process.platform]);
  const file = `${folder}.sources`;
  const hash = hashOf(INPUTS) + runtime.version;
  if (existsSync(folder) && isFresh(file, hash)) return folder;
  await step(`Packaging with Electron ${runtime.version}`, () => build(runtime, ['dir']));
  stamp(file, hash);
  return folder;
}

async function build(runtime, targets) {
  const { build: electronBuilder, Platform } = await import('electron-builder');
  const test = runtime.offline ? { productName: TEST_NAME, extraMetadata: { productName: TEST_NAME }, electronFuses: { enableNodeCliInspectArguments: true } } : {};
  try {
    await electronBuilder({
      projectDir: inRoot(),
      targets: Platform.current().createTarget(targets),
      publish: 'never',
      config: { electronDist: runtime.dist, electronVersion: runtime.version, ...test },
    });
  } catch (error) {
    throw new SetupError(`The application could not be packaged.\n${error.message}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(async () => {
    const [flag] = process.argv.slice(2);
    if (flag === '--release') {
      const runtime = await setUp('start');
      await step(`Packaging a release with Electron ${runtime.version}`, () => build(runtime, null));
    } else if (flag === undefined) say(`The unpacked application: ${join(await packageUnpacked())}`);
    else throw new SetupError('usage: npm run package [-- --release]');
  });
}
