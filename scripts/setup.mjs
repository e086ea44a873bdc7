/**
 * Set-up: what `npm start`, `npm test` and `fabriclens` need before they run, made where it is missing or out of date and never twice.
 * Node built-ins only: it runs before node_modules exists.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BOARD, CORE, DICOM, DISPLAY, TESTING, ensurePackages } from './lib/debian.mjs';
import { ensureElectron } from './lib/electron.mjs';
import { SetupError, main, say, step } from './lib/log.mjs';
import { CACHE, inCache, inRoot } from './lib/paths.mjs';
import { npm } from './lib/run.mjs';
import { hashOf, isFresh, stamp } from './lib/stamp.mjs';

const NODE_FLOOR = 20;

export function checkNode(version = process.versions.node) {
  if (Number.parseInt(version, 10) < NODE_FLOOR) throw new SetupError(`FabricLens needs Node ${NODE_FLOOR} or newer; this is ${version}.`);
}

/**
 * Is what npm installed what the lockfile says? npm notes it in node_modules/.package-lock.json when it has finished.
 * @param {{ packages: Record<string, { version?: string, optional?: boolean }> }} lock package-lock.json
 * @param {{ packages: Record<string, { version?: string }> } | null} noted
 */
export function installedAsLocked(lock, noted) {
  if (!noted) return false;
  const wanted = Object.entries(lock.packages).filter(([path]) => path !== '');
  return wanted.every(([path, { version, optional }]) => (noted.packages[path] ? noted.packages[path].version === version : optional === true))
    && Object.keys(noted.packages).every((path) => path in lock.packages);
}

async function ensureNodeModules() {
  const read = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null);
  if (installedAsLocked(read(inRoot('package-lock.json')), read(inRoot('node_modules/.package-lock.json')))) return;
  const result = await step('npm packages', () => npm(['ci', '--loglevel', 'error', '--no-audit', '--no-fund'], { cwd: inRoot(), quiet: true }));
  if (result.code !== 0) throw new SetupError(`npm ci failed:\n${result.output.trim().split('\n').slice(-12).join('\n')}`);
}

async function ensureRuntime() {
  const { build } = await import(pathToFileURL(inRoot('hls/build.mjs')).href);
  try {
    await build('runtime', { log: (line) => say(`virtual board: ${line} …`) });
  } catch (error) {
    throw new SetupError(`The virtual board's runtime could not be built.\n${error.message}`);
  }
}

const SOURCES = ['src', 'renderer', 'scripts/build.mjs', 'package-lock.json', 'tsconfig.json'];
const isSource = (name) => !/\.test\.tsx?$/.test(name);

async function ensureBuild() {
  const file = inRoot('dist/.sources');
  const hash = hashOf(SOURCES, { keep: isSource });
  if (isFresh(file, hash)) return;
  const { buildAll } = await import('./build.mjs');
  rmSync(file, { force: true });
  await step('Building the application', buildAll);
  stamp(file, hash);
}

/** One set-up at a time in a checkout: a second one waits for the first. */
async function alone(work) {
  const lock = inCache('setup.lock');
  const mine = join(lock, 'pid');
  mkdirSync(CACHE, { recursive: true });
  for (let told = false; ; ) {
    try {
      mkdirSync(lock);
      writeFileSync(mine, String(process.pid));
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!holderLives(mine)) rmSync(lock, { recursive: true, force: true });
    else {
      if (!told) say('Another set-up is running in this folder: waiting for it.');
      told = true;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function holderLives(file) {
  try {
    process.kill(Number(readFileSync(file, 'utf8')), 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/**
 * @param {'start' | 'test' | 'cli' | 'core' | 'dicom'} purpose core: simulation and synthesis of the PL core alone, without the application; dicom: peers of the DICOM reader alone
 * @returns {Promise<import('./lib/electron.mjs').Runtime | null>} the Electron to use; null for the command line, the core and the DICOM peers
 */
export function setUp(purpose) {
  checkNode();
  return alone(async () => {
    if (purpose === 'core') {
      await ensurePackages(['g++', ...CORE], 'the PL core');
      await ensureNodeModules();
      return null;
    }
    if (purpose === 'dicom') {
      await ensurePackages(DICOM, 'the DICOM peers');
      await ensureNodeModules();
      return null;
    }
    if (purpose !== 'cli') await ensurePackages([...DISPLAY, ...BOARD], 'the window and the virtual board');
    else await ensurePackages(BOARD, 'the virtual board');
    if (purpose === 'test') await ensurePackages(TESTING, 'the tests');
    await ensureNodeModules();
    await ensureRuntime();
    await ensureBuild();
    return purpose === 'cli' ? null : ensureElectron();
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(async () => {
    await setUp('test');
  });
}
