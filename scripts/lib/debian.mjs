/** Debian packages: what is missing is installed where we are root, and otherwise named with the command that installs it. */
import { existsSync } from 'node:fs';
import { SetupError, say, step } from './log.mjs';
import { onPath, run } from './run.mjs';

/** What Electron links against; see docs/decisions/electron.md. */
export const DISPLAY = ['libgtk-3-0', 'libnss3', 'libasound2', 'libgbm1', 'libnotify4', 'libxss1', 'libxtst6', 'libatk-bridge2.0-0', 'libdrm2', 'libxkbcommon0', 'libatspi2.0-0', 'libsecret-1-0', 'xdg-utils', 'dbus', 'fonts-dejavu-core'];
/** For the virtual board: its runtime is compiled here, its agent is Python. Any compiler and Python on the PATH will do. */
export const BOARD = ['g++', 'python3'];
/** The core's RTL is simulated, synthesised for its size, and its build script for Vivado tried with stubs; see docs/decisions/core-tools.md. */
export const CORE = ['verilator', 'make', 'yosys', 'tcl'];
/** What the DICOM reader is held against; pydicom comes from PyPI into a virtual environment. */
export const DICOM = ['dcmtk', 'python3', 'python3-venv'];
/** The runtime for the board's processor, and running it without a board. */
export const ARM_BUILD = ['g++-arm-linux-gnueabihf'];
export const ARM = [...ARM_BUILD, 'qemu-user'];
/** Real peers of the link to a board: the tests start their programs on ports of their own. Where systemd runs, installing them starts services. */
const SERVICES = ['openssh-server', 'haproxy'];
/** Boards emulated with test/board: an armhf root, a kernel for QEMU's Zynq built from Debian's source, and what runs them. */
export const EMULATION = [...ARM_BUILD, 'qemu-user-static', 'qemu-system-arm', 'debootstrap', 'e2fsprogs', 'linux-source-6.1', 'make', 'flex', 'bison', 'bc', 'libssl-dev', 'xz-utils', 'openssh-client'];
/** sudo: of a board with accounts, which the tests start in a namespace. libnss-wrapper: an account that exists in one test's SSH server alone, for those without root. systemd: its systemd-analyze reads the board's unit; it does not become init by being there. */
export const TESTING = [...SERVICES, 'openssh-client', 'sudo', 'libnss-wrapper', 'systemd', 'xvfb', 'xauth', 'dcmtk', 'dicom3tools', 'fonts-wqy-microhei', 'openssl', ...CORE, ...ARM];

const isDebian = () => existsSync('/etc/debian_version') && onPath('dpkg-query');

async function installed(packages) {
  const { output } = await run('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n', ...packages], { quiet: true });
  return new Set(output.split('\n').flatMap((line) => (line.endsWith(' installed') ? [line.split(' ')[0]] : [])));
}

/** Packages of `wanted` that neither dpkg nor, for programs, the PATH has. */
async function missing(wanted) {
  const there = await installed(wanted);
  return wanted.filter((name) => !there.has(name) && !onPath(name));
}

let updated = false;
async function apt(args) {
  // In runlevel 1 no package starts a service of its own.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  if (!updated) {
    await run('apt-get', ['update', '-qq'], { env, quiet: true });
    updated = true;
  }
  return run('apt-get', args, { env, quiet: true });
}

/**
 * @param {string[]} packages
 * @param {string} purpose for the message: "the window", "the tests"
 * @throws SetupError naming what is missing and the command for it
 */
export async function ensurePackages(packages, purpose) {
  if (process.platform !== 'linux') return;
  if (!isDebian()) {
    const programs = BOARD.filter((name) => packages.includes(name) && !onPath(name));
    if (programs.length > 0) throw new SetupError(`Missing for ${purpose}: ${programs.join(', ')}. Install them with your system's package manager.`);
    return;
  }
  const wanted = await missing(packages);
  if (wanted.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${wanted.join(' ')}`;
  const services = existsSync('/run/systemd/system') ? wanted.filter((name) => SERVICES.includes(name)) : [];
  if (services.length > 0) {
    throw new SetupError(`Missing for ${purpose}: ${wanted.join(' ')}\nOf these, ${services.join(' and ')} would also start as services here, which is yours to decide. Install them (and disable the services if you do not want them), then run this again:\n\n  sudo ${command}\n`);
  }
  if (process.getuid?.() !== 0) throw new SetupError(`Missing for ${purpose}: ${wanted.join(' ')}\nInstall them, then run this again:\n\n  sudo ${command}\n`);
  say(`Missing for ${purpose}: ${wanted.join(' ')}`);
  const result = await step(`Debian packages for ${purpose}`, () => apt(['install', '-y', '-qq', '--no-install-recommends', ...wanted]));
  if (result.code !== 0) throw new SetupError(`apt-get could not install what ${purpose} needs:\n${result.output.trim().split('\n').slice(-8).join('\n')}\n\nThe command was: ${command}`);
}
