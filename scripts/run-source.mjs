/**
 * `node scripts/run-source.mjs [--dicom] FILE.ts [ARGUMENTS]`: sets up what the PL core needs (--dicom: what the DICOM reader is held against), then
 * runs a program of test/ from its sources.
 * Not bundled (run-bundled.mjs) where what it imports finds other files beside itself: hls/sim, hls/build.mjs.
 */
import { main } from './lib/log.mjs';
import { ROOT, inRoot } from './lib/paths.mjs';
import { setUp } from './setup.mjs';

await main(async () => {
  const dicom = process.argv[2] === '--dicom';
  const [file] = process.argv.splice(2, dicom ? 2 : 1).slice(-1);
  await setUp(dicom ? 'dicom' : 'core');
  const { runnerImport } = await import('vite');
  await runnerImport(inRoot(file), { root: ROOT, configFile: false, logLevel: 'warn' });
  return process.exitCode;
});
