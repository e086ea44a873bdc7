/**
 * Bundles what a test must load as a file of its own: Node 20 runs no TypeScript, so worker threads and child processes get the
 * same kind of bundle that scripts/build.mjs makes for the product.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';
import { ROOT } from './data.ts';

/** Packages stay outside the bundle: they hold native code and find their own files. */
const external = /^(?![./]|[A-Za-z]:)/;

/** `entry` relative to the repository root; the bundle lies in build/test-workers, named by the test process so that runs do not meet. */
export async function buildForTest(entry: string): Promise<URL> {
  const name = `${entry.replaceAll('/', '-').replace(/\.ts$/, '')}-${process.pid}-${Math.random().toString(36).slice(2, 8)}.mjs`;
  const file = join(ROOT, 'build/test-workers', name);
  const build = await rolldown({ input: join(ROOT, entry), platform: 'node', external, logLevel: 'warn' });
  await build.write({ file, format: 'esm', codeSplitting: false });
  await build.close();
  process.once('exit', () => rmSync(file, { force: true }));
  return pathToFileURL(file);
}
