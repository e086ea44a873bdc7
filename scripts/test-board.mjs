/**
 * `npm run test:board [-- FILE…]`: boards emulated on this computer (test/board): an armhf Debian under qemu-user, and QEMU's Zynq with systemd. Not part of
 * `npm test`: the first run makes a root and a kernel (many minutes), each takes some. docs/decisions/board-emulation.md says what they show.
 */
import { readFileSync } from 'node:fs';
import { EMULATION, ensurePackages } from './lib/debian.mjs';
import { SetupError, main } from './lib/log.mjs';
import { inRoot } from './lib/paths.mjs';
import { run } from './lib/run.mjs';
import { setUp } from './setup.mjs';

/** What cannot be installed; never a reason to skip. */
function checkMachine() {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new SetupError('The emulated boards are made with Debian 12 on a 64-bit PC: run this there.');
  if (process.getuid() !== 0) throw new SetupError('The emulated boards need root: their files belong to many users, and their programs run in namespaces. Run this with sudo, best in a virtual machine.');
  const spaces = Number(readFileSync('/proc/sys/user/max_user_namespaces', 'utf8'));
  if (!(spaces > 0)) throw new SetupError('This kernel allows no user namespaces: sysctl user.max_user_namespaces=10000');
  const [major, minor] = readFileSync('/proc/sys/kernel/osrelease', 'utf8').split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 7)) throw new SetupError(`Linux ${major}.${minor} has one binfmt_misc for all; one of our own needs Linux 6.7 or newer.`);
}

await main(async () => {
  checkMachine();
  await setUp('cli');
  await ensurePackages(EMULATION, 'the emulated boards');
  const bundle = await run(process.execPath, [inRoot('scripts/build-board.mjs')], { cwd: inRoot() });
  if (bundle.code !== 0) return bundle.code;
  const { code } = await run(process.execPath, [inRoot('node_modules/vitest/vitest.mjs'), 'run', '--config', 'test/board/vitest.config.ts', ...process.argv.slice(2)], { cwd: inRoot() });
  return code;
});
