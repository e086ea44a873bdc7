/**
 * What the bench of the board's processor runs beside the runtime, for the same processor: fetched into .cache where its registry can be reached, and never
 * part of anything else.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../support/data.ts';
import { execute } from '../../interop/venv.ts';

const NCNN = '1.0.20261020';
const CACHE = join(ROOT, '.cache/armhf');

/** Why something cannot be had here. */
export class Unavailable extends Error {}

async function did(program: string, args: readonly string[], what: string, cwd = ROOT): Promise<string> {
  const { code, output } = await execute(program, args, { cwd });
  if (code !== 0) throw new Unavailable(`${what}: ${output.trim().split('\n').at(-1) ?? `${program} ended with ${code}`}`);
  return output;
}

/** A folder under .cache that is whole or not there. */
async function once(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(CACHE, name);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.${process.pid}`;
  try {
    mkdirSync(partial, { recursive: true });
    await fill(partial);
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return folder;
}

/** This Debian's Python for armhf, unpacked and not installed: apt is given lists of its own, so that the machine's stay as they are. */
const debian = (): Promise<string> => once('debian', async (folder) => {
  if (!existsSync('/etc/debian_version')) throw new Unavailable('armhf packages come from Debian, which this is not');
  const state = join(folder, 'apt');
  for (const part of ['lists/partial', 'archives/partial']) mkdirSync(join(state, part), { recursive: true });
  writeFileSync(join(state, 'status'), '');
  const own = { 'APT::Architecture': 'armhf', 'APT::Architectures': 'armhf', 'Acquire::Languages': 'none', 'APT::Sandbox::User': 'root', 'Dir::State': state, 'Dir::State::status': join(state, 'status'), 'Dir::Cache': state };
  const options = Object.entries(own).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  // Other sources of this machine may have nothing for armhf, which fails too.
  const { output } = await execute('apt-get', [...options, 'update', '-qq']);
  const python = /^Version: (3\.\d+)/m.exec((await execute('apt-cache', [...options, 'show', 'python3-minimal'])).output)?.[1];
  if (python === undefined) throw new Unavailable(`Debian's Python for armhf: ${output.trim().split('\n').at(-1)}`);
  const wanted = [`python${python}-minimal`, `libpython${python}-minimal`, `libpython${python}-stdlib`, 'zlib1g', 'libexpat1'];
  await did('apt-get', [...options, 'download', '-qq', ...wanted], 'Debian packages for armhf', folder);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.deb'))) await did('dpkg-deb', ['-x', join(folder, file), join(folder, 'root')], file);
});

/** ncnn as its makers build it for armhf. */
const ncnn = (python: string): Promise<string> => once(`ncnn-${NCNN}-${python}`, async (folder) => {
  const platforms = ['manylinux_2_31_armv7l', 'manylinux2014_armv7l', 'linux_armv7l'].flatMap((name) => ['--platform', name]);
  await did('python3', ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--implementation', 'cp', '--python-version', python, ...platforms, '--dest', folder, `ncnn==${NCNN}`], `ncnn ${NCNN} for armhf from PyPI`);
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'))!;
  await did('python3', ['-m', 'zipfile', '-e', join(folder, wheel), folder], wheel);
});

/** How an armhf program of a peer is run: what comes before its arguments, and qemu-arm's options for it. */
export type Peer = { readonly name: string; readonly program: string; readonly args: readonly string[]; readonly options: readonly string[] };

/** @throws Unavailable with what could not be had, and why */
export async function ncnnPeer(): Promise<Peer> {
  const root = join(await debian(), 'root');
  const program = join(root, 'usr/bin', readdirSync(join(root, 'usr/bin')).find((name) => /^python3\.\d+$/.test(name))!);
  const module = join(await ncnn(/3\.\d+$/.exec(program)![0]), 'ncnn');
  const libraries = ['lib', 'usr/lib'].map((folder) => join(root, folder, 'arm-linux-gnueabihf')).join(':');
  // Where a dictionary's keys lie would otherwise differ from run to run.
  const variables = [`LD_LIBRARY_PATH=${libraries}`, `PYTHONHOME=${join(root, 'usr')}`, 'PYTHONHASHSEED=0', 'OMP_NUM_THREADS=1'];
  return {
    name: `ncnn ${NCNN}`, program, options: variables.flatMap((variable) => ['-E', variable]),
    args: [join(ROOT, 'test/bench/ps/peer_ncnn.py'), join(module, readdirSync(module).find((name) => name.endsWith('.so'))!)],
  };
}
