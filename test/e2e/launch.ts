/** Launches the real application with user data of its own in a temporary folder. For tests (see app.ts) and benchmarks. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { _electron, type ElectronApplication, type Page } from 'playwright';
import { installedElectron } from '../../scripts/lib/electron.mjs';
import type { HostBridge } from '../../src/contract/ipc.ts';
import { ROOT } from '../support/data.ts';

declare global {
  interface Window {
    readonly fabriclens: HostBridge;
  }
}

export interface LaunchOptions {
  /** Files and folders to open, and further arguments. */
  args?: string[];
  /** An installed application to start; by default this checkout in the runtime that set-up found. */
  executable?: string;
  /** A folder that lives longer than this launch. */
  userData?: string;
  env?: Record<string, string>;
  /** False where an ordinary user runs it with Chromium's sandbox on. */
  noSandbox?: boolean;
  /** en by default, whatever the machine speaks. */
  lang?: string;
}

export interface Launched {
  app: ElectronApplication;
  page: Page;
  userData: string;
  /** What the application wrote to stderr so far. */
  log: () => string;
  /** What the page reported as errors so far. */
  pageErrors: () => string[];
  close: () => Promise<void>;
}

/** The runtime's executable. @throws when set-up has not run */
export function electronExecutable(): string {
  const runtime = installedElectron();
  if (!runtime) throw new Error('No Electron runtime: run `npm test` or `node scripts/setup.mjs` once.');
  return runtime.path;
}

/** A launch takes two seconds, on a busy machine ten. */
const LAUNCH_MS = 40_000;

/**
 * Electron 33 of the offline runtime now and then never answers its page's first question for a font (docs/decisions/electron.md): such a launch, which
 * is none of ours to mend, is tried again, twice at most, and said.
 */
async function started(start: () => Promise<ElectronApplication>): Promise<ElectronApplication> {
  for (let left = 2; ; left--) {
    try {
      return await start();
    } catch (error) {
      if (left === 0 || !(error instanceof Error && /Timeout \d+ms exceeded/.test(error.message))) throw error;
      console.warn(`Electron did not start within ${LAUNCH_MS / 1000} s; once more.`);
    }
  }
}

export async function launch({ args = [], executable, userData, env = {}, noSandbox = process.getuid?.() === 0, lang = 'en-US' }: LaunchOptions = {}): Promise<Launched> {
  const folder = userData ?? mkdtempSync(join(tmpdir(), 'fabriclens-e2e-'));
  const app = await started(() => _electron.launch({
    executablePath: executable ?? electronExecutable(),
    // False is the default, and adds --no-sandbox.
    chromiumSandbox: !noSandbox,
    args: [`--user-data-dir=${folder}`, `--lang=${lang}`, ...(executable === undefined ? [ROOT] : []), ...args],
    env: { ...(process.env as Record<string, string>), ...env },
    timeout: LAUNCH_MS,
  }));
  let log = '';
  app.process().stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const page = await app.firstWindow();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.waitForLoadState('load');
  return {
    app,
    page,
    userData: folder,
    log: () => log,
    pageErrors: () => errors,
    close: async () => {
      await app.close();
      if (userData === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function screenshot(page: Page, name: string): Promise<string> {
  const folder = join(ROOT, 'test-results');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name.replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 120)}.png`);
  await page.screenshot({ path });
  return path;
}
