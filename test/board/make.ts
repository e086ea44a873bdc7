/**
 * What an emulated board is made of, once and then kept under .cache/board by a hash of its recipe: a kernel for QEMU's Zynq (3 MB), an armhf Debian, the root of a board
 * made of it (190 MB each), and a card with that root. Vitest runs `setup` before the tests.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { say, step } from '../../scripts/lib/log.mjs';
import { ROOT } from '../support/data.ts';
import { pynqRoot } from '../support/pynq-root.ts';
import { inWorld } from './world.ts';

const CACHE = join(ROOT, '.cache/board');
const RECIPE = join(import.meta.dirname, 'recipe');
const SUITE = 'bookworm';
const PACKAGES = ['systemd', 'systemd-sysv', 'dbus', 'openssh-server', 'sudo', 'python3', 'libstdc++6', 'procps'];
const KERNEL_SOURCE = '/usr/src/linux-source-6.1.tar.xz';
/** QEMU's card readers take powers of two alone. */
const CARD_SIZE = '1G';
const CROSS = ['ARCH=arm', 'CROSS_COMPILE=arm-linux-gnueabihf-'];

declare module 'vitest' {
  interface ProvidedContext { root: string; kernel: string; deviceTree: string; card: string }
}

export async function setup({ provide }: TestProject): Promise<void> {
  const kernel = await kept('kernel', ['kernel.config', 'pynq-board.dts'].map(recipe), makeKernel);
  const debian = await kept('debian', [SUITE, ...PACKAGES, recipe('debian.sh')], makeDebian);
  const root = await kept('root', [basename(debian), recipe('image.sh'), JSON.stringify(pynqRoot())], (folder) => makeRoot(folder, join(debian, 'root')));
  const card = await kept('card', [basename(root), CARD_SIZE], (folder) => makeCard(folder, join(root, 'root')));
  provide('root', join(root, 'root'));
  provide('kernel', join(kernel, 'zImage'));
  provide('deviceTree', join(kernel, 'pynq-board.dtb'));
  provide('card', join(card, 'card.img'));
}

const recipe = (name: string): string => readFileSync(join(RECIPE, name), 'utf8');

/** The folder of `name` as these words make it, made if it is not there; others of that name go. */
async function kept(name: string, words: readonly string[], make: (folder: string) => Promise<void>): Promise<string> {
  const hash = createHash('sha256').update(words.join('\0')).digest('hex').slice(0, 12);
  const folder = join(CACHE, `${name}-${hash}`);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  for (const old of readdirSync(CACHE)) if (old.startsWith(`${name}-`)) rmSync(join(CACHE, old), { recursive: true });
  mkdirSync(`${folder}.part`);
  await step(`Emulated board: ${name}`, () => make(`${folder}.part`));
  renameSync(`${folder}.part`, folder);
  return folder;
}

/** To its end, nicely; its last words where it fails. */
async function run(program: string, args: readonly string[], options: { cwd?: string; timeoutMs: number }): Promise<string> {
  try {
    return (await promisify(execFile)('nice', ['-n', '10', program, ...args], { cwd: options.cwd, timeout: options.timeoutMs, maxBuffer: 64 << 20 })).stdout;
  } catch (error) {
    const { stdout, stderr, killed } = error as { stdout: string; stderr: string; killed: boolean };
    throw new Error(`${program} ${args[0]} ${killed ? `was not done after ${options.timeoutMs / 60_000} min` : 'failed'}:\n${`${stdout}${stderr}`.trim().split('\n').slice(-12).join('\n')}`, { cause: error });
  }
}

async function makeKernel(folder: string): Promise<void> {
  const source = join(folder, 'linux');
  mkdirSync(source);
  await run('tar', ['-xf', KERNEL_SOURCE, '-C', source, '--strip-components=1'], { timeoutMs: 20 * 60_000 });
  cpSync(join(RECIPE, 'pynq-board.dts'), join(source, 'arch/arm/boot/dts/pynq-board.dts'));
  await run('make', ['-s', ...CROSS, `KCONFIG_ALLCONFIG=${join(RECIPE, 'kernel.config')}`, 'allnoconfig'], { cwd: source, timeoutMs: 10 * 60_000 });
  await run('make', ['-s', '-j2', ...CROSS, 'zImage', 'pynq-board.dtb'], { cwd: source, timeoutMs: 90 * 60_000 });
  for (const file of ['zImage', 'dts/pynq-board.dtb']) renameSync(join(source, 'arch/arm/boot', file), join(folder, file.replace('dts/', '')));
  rmSync(source, { recursive: true });
}

async function makeDebian(folder: string): Promise<void> {
  const root = join(folder, 'root');
  await run('debootstrap', ['--arch=armhf', '--foreign', '--variant=minbase', `--include=${PACKAGES.join(',')}`, SUITE, root, await mirror()], { timeoutMs: 20 * 60_000 });
  // In some containers debootstrap makes this computer's /proc the root's.
  rmSync(join(root, 'proc'), { recursive: true });
  mkdirSync(join(root, 'proc'), { mode: 0o555 });
  await inWorldOf(root, ['sh', join(RECIPE, 'debian.sh'), root]);
}

async function makeRoot(folder: string, debian: string): Promise<void> {
  const root = join(folder, 'root');
  await run('cp', ['-a', debian, root], { timeoutMs: 20 * 60_000 });
  writeFileSync(join(root, 'image.sh'), recipe('image.sh'));
  await inWorldOf(root, ['chroot', root, 'sh', '/image.sh']);
  rmSync(join(root, 'image.sh'));
  for (const [name, text] of Object.entries(pynqRoot())) {
    // /proc and /sys are the emulator's, but for what the world of the root lays over them.
    const file = /^(proc|sys)\//.test(name) ? join(`${root}.proc`, name.replace(/^(proc|sys)\//, '')) : join(root, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** Where apt gets this computer's own Debian from. */
async function mirror(): Promise<string> {
  const targets = await run('apt-get', ['indextargets', '--format', '$(SITE) $(RELEASE)', 'Created-By: Packages'], { timeoutMs: 60_000 });
  const site = targets.split('\n').map((line) => line.split(' ')).find(([, release]) => release === SUITE)?.[0];
  if (site === undefined) throw new Error(`apt's sources name no archive of Debian ${SUITE}: add one, since the emulated board is made from its packages.`);
  return site;
}

/** Told as it goes: what is configured. */
async function inWorldOf(root: string, command: readonly string[]): Promise<void> {
  let said = '';
  const child = inWorld(root, command, (text) => {
    said = (said + text).slice(-4000);
    for (const [line] of text.matchAll(/^Setting up (systemd|python3|openssh-server) .*$/gm)) say(`  ${line}`);
  });
  const timer = setTimeout(() => child.stdin!.end(), 60 * 60_000);
  const code = await new Promise<number | null>((done, reject) => child.on('error', reject).on('close', done));
  clearTimeout(timer);
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}:\n${said.trim().split('\n').slice(-12).join('\n')}`);
}

async function makeCard(folder: string, root: string): Promise<void> {
  // Linux 6.1 on 32 bit reads the plainer ext4 faster, and needs no module for its checksums.
  await run('mke2fs', ['-q', '-t', 'ext4', '-O', '^metadata_csum,^64bit', '-d', root, join(folder, 'card.img'), CARD_SIZE], { timeoutMs: 20 * 60_000 });
}
