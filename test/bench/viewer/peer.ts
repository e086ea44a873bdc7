/** cornerstone3D and dwv in a window of our Electron: installed from npm into a folder of their own when they are first measured, never with the product. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { _electron, type Page } from 'playwright';
import { npm } from '../../../scripts/lib/run.mjs';
import { hashOf, isFresh, stamp } from '../../../scripts/lib/stamp.mjs';
import { electronExecutable } from '../../e2e/launch.ts';
import { ROOT } from '../../support/data.ts';
import { installProbe } from './probe.ts';
import type { Viewer } from './viewer.ts';

const SOURCE = join('test', 'bench', 'viewer', 'peers');
const HOME = join(ROOT, '.cache', 'bench-viewer');

export const PEERS = ['cornerstone3D-cpu', 'cornerstone3D-webgl', 'dwv'] as const;
export type Peer = (typeof PEERS)[number];

/** Installs and bundles them, unless that was done. */
export async function buildPeers(say: (line: string) => void): Promise<void> {
  const hash = hashOf([SOURCE, 'package-lock.json']);
  const done = join(HOME, 'stamp');
  if (isFresh(done, hash)) return;
  say('peers: installing cornerstone3D and dwv');
  mkdirSync(HOME, { recursive: true });
  cpSync(join(ROOT, SOURCE), HOME, { recursive: true });
  cpSync(join(ROOT, '.npmrc'), join(HOME, '.npmrc'));
  const { code, output } = await npm(['ci', '--loglevel', 'error'], { cwd: HOME, quiet: true, timeoutMs: 300_000 });
  if (code !== 0) throw new Error(`the peers cannot be installed:\n${output}`);
  say('peers: bundling');
  const { build } = await import('vite');
  await build({ configFile: false, root: HOME, base: './', logLevel: 'error', worker: { format: 'es' }, build: { outDir: join(HOME, 'page'), emptyOutDir: true, target: 'chrome130', assetsInlineLimit: 0, chunkSizeWarningLimit: 1e5 } });
  // dwv looks for its workers beside the page.
  cpSync(join(HOME, 'node_modules/dwv/dist/assets'), join(HOME, 'page/assets'), { recursive: true });
  stamp(done, hash);
}

export interface Shell {
  viewer(peer: Peer): Viewer;
  close(): Promise<void>;
}

/** @param pane as large as ours, CSS pixels */
export async function startPeers(switches: readonly string[], pane: { width: number; height: number }): Promise<Shell> {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-bench-peers-'));
  const noSandbox = process.getuid?.() === 0;
  const app = await _electron.launch({ executablePath: electronExecutable(), chromiumSandbox: !noSandbox, args: [`--user-data-dir=${folder}`, '--lang=en-US', HOME, ...switches], timeout: 60_000 });
  const page: Page = await app.firstWindow();
  page.on('console', (message) => process.env['BENCH_LOG'] && console.error(message.text()));
  page.on('pageerror', (error) => process.env['BENCH_LOG'] && console.error(error));
  await page.addInitScript(installProbe);
  return {
    viewer: (peer) => ({
      name: peer,
      page,
      rest: async () => void (await page.goto('about:blank')),
      async fresh() {
        await page.goto(`bench://page/index.html?viewer=${peer}&width=${pane.width}&height=${pane.height}`);
        await page.waitForFunction(() => 'benchPage' in window);
      },
    }),
    async close() {
      await app.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
