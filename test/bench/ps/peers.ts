/**
 * What the bench of the board's processor runs beside the runtime, for the same processor: fetched into .cache where its registry can be reached, and never
 * part of anything else.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execute } from '../../interop/venv.ts';
import { ROOT } from '../../support/data.ts';
import { ncnnModel } from './ncnn.ts';
import type { Shape, Steps } from './steps.ts';
import { xnnpackModel } from './xnnpack.ts';

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

/** XNNPACK, and Python without its own standard modules in C. */
const PACKAGES = ['libxnnpack-dev', 'libxnnpack0', 'libcpuinfo0', 'libpthreadpool0', 'libpthreadpool-dev', 'zlib1g', 'libexpat1'];

/** This Debian's packages for armhf, unpacked into `root` and not installed: apt is given lists of its own, so that the machine's stay as they are. */
const debian = (): Promise<string> => once('debian', async (folder) => {
  if (!existsSync('/etc/debian_version')) throw new Unavailable('packages for armhf come from Debian, which this is not');
  const state = join(folder, 'apt');
  for (const part of ['lists/partial', 'archives/partial']) mkdirSync(join(state, part), { recursive: true });
  writeFileSync(join(state, 'status'), '');
  const own = { 'APT::Architecture': 'armhf', 'APT::Architectures': 'armhf', 'Acquire::Languages': 'none', 'APT::Sandbox::User': 'root', 'Dir::State': state, 'Dir::State::status': join(state, 'status'), 'Dir::Cache': state };
  const options = Object.entries(own).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  // Other sources of this machine may have nothing for armhf, which fails too.
  const { output } = await execute('apt-get', [...options, 'update', '-qq']);
  const versionOf = async (name: string): Promise<string | undefined> => /^Version: (\S+)/m.exec((await execute('apt-cache', [...options, 'show', name])).output)?.[1];
  const python = /^3\.\d+/.exec((await versionOf('python3-minimal')) ?? '')?.[0];
  if (python === undefined) throw new Unavailable(`Debian's packages for armhf: ${output.trim().split('\n').at(-1)}`);
  await did('apt-get', [...options, 'download', '-qq', `python${python}-minimal`, `libpython${python}-minimal`, `libpython${python}-stdlib`, ...PACKAGES], 'Debian\'s packages for armhf', folder);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.deb'))) await did('dpkg-deb', ['-x', join(folder, file), join(folder, 'root')], file);
  writeFileSync(join(folder, 'xnnpack'), (await versionOf('libxnnpack0')) ?? '');
  rmSync(state, { recursive: true });
});

/** ncnn as its makers build it for armhf. */
const ncnn = (python: string): Promise<string> => once(`ncnn-${NCNN}-${python}`, async (folder) => {
  const platforms = ['manylinux_2_31_armv7l', 'manylinux2014_armv7l', 'linux_armv7l'].flatMap((name) => ['--platform', name]);
  await did('python3', ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--implementation', 'cp', '--python-version', python, ...platforms, '--dest', folder, `ncnn==${NCNN}`], `ncnn ${NCNN} for armhf from PyPI`);
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'))!;
  await did('python3', ['-m', 'zipfile', '-e', join(folder, wheel), folder], wheel);
});

/** What is computed: codes in the order of the program's input, channel by channel. */
export type Work = { readonly steps: Steps; readonly input: Shape; readonly codes: Int8Array };
export type Peer = {
  readonly name: string;
  /** An armhf program, and qemu-arm's options for it. */
  readonly program: string;
  readonly options: readonly string[];
  /** Puts the network into the folder, and gives the program's arguments for so many inferences of it. */
  readonly prepare: (work: Work, folder: string) => (repeats: number) => string[];
  /** The values of one output, channel by channel, from all that the program writes. */
  readonly outputOf: (written: Buffer, work: Work, index: number) => ArrayLike<number>;
};

const librariesOf = (root: string): string => ['lib', 'usr/lib'].map((folder) => join(root, folder, 'arm-linux-gnueabihf')).join(':');
const elements = ({ steps: { tensors, outputs } }: Work, index: number): number => tensors[outputs[index]!]!.shape.reduce((product, n) => product * n, 1);
const before = (work: Work, index: number): number => Array.from({ length: index }, (_, i) => elements(work, i)).reduce((sum, n) => sum + n, 0);

/** @throws Unavailable with what could not be had, and why */
export async function ncnnPeer(): Promise<Peer> {
  const root = join(await debian(), 'root');
  const program = join(root, 'usr/bin', readdirSync(join(root, 'usr/bin')).find((name) => /^python3\.\d+$/.test(name))!);
  const module = join(await ncnn(/3\.\d+$/.exec(program)![0]), 'ncnn');
  // Where a dictionary's keys lie would otherwise differ from run to run.
  const variables = [`LD_LIBRARY_PATH=${librariesOf(root)}`, `PYTHONHOME=${join(root, 'usr')}`, 'PYTHONHASHSEED=0', 'OMP_NUM_THREADS=1'];
  return {
    name: `ncnn ${NCNN}`, program, options: variables.flatMap((variable) => ['-E', variable]),
    prepare: ({ steps, input: [height, width, channels], codes }, folder) => {
      const { param, bin, outputs, input } = ncnnModel(steps);
      writeFileSync(join(folder, 'network.param'), param);
      writeFileSync(join(folder, 'network.bin'), bin);
      writeFileSync(join(folder, 'input.f32'), new Uint8Array(Float32Array.from(codes, (code) => (code - input.centre) * input.unit).buffer));
      const script = [join(ROOT, 'test/bench/ps/peer_ncnn.py'), join(module, readdirSync(module).find((name) => name.endsWith('.so'))!)];
      return (repeats) => [...script, folder, `${width}`, `${height}`, `${channels}`, `${repeats}`, ...outputs];
    },
    outputOf: (written, work, index) => new Float32Array(Uint8Array.from(written).buffer).subarray(before(work, index), before(work, index) + elements(work, index)),
  };
}

/** @throws Unavailable with what could not be had, and why */
export async function xnnpackPeer(): Promise<Peer> {
  const folder = await debian();
  const root = join(folder, 'root');
  const libraries = join(root, 'usr/lib/arm-linux-gnueabihf');
  const program = join(CACHE, 'peer_xnnpack');
  await did(process.env.FL_ARMHF_CXX ?? 'arm-linux-gnueabihf-g++', ['-std=c++17', '-O2', '-march=armv7-a', '-mfpu=neon', '-I', join(root, 'usr/include'), join(ROOT, 'test/bench/ps/peer_xnnpack.cpp'), '-L', libraries, '-lXNNPACK', `-Wl,-rpath-link,${libraries}`, '-o', program], 'the caller of XNNPACK');
  return {
    name: `XNNPACK ${readFileSync(join(folder, 'xnnpack'), 'utf8')}`, program, options: ['-E', `LD_LIBRARY_PATH=${librariesOf(root)}`],
    prepare: ({ steps, input: [height, width, channels], codes }, into) => {
      const { text, data } = xnnpackModel(steps);
      writeFileSync(join(into, 'network.txt'), text);
      writeFileSync(join(into, 'network.bin'), data);
      writeFileSync(join(into, 'input.s8'), Int8Array.from(codes, (_, i) => codes[(i % channels) * height * width + Math.floor(i / channels)]!));
      return (repeats) => [into, `${repeats}`];
    },
    outputOf: (written, work, index) => {
      const [height, width, channels] = work.steps.tensors[work.steps.outputs[index]!]!.shape;
      const at = before(work, index);
      return Int8Array.from({ length: height * width * channels }, (_, i) => written.readInt8(at + (i % (height * width)) * channels + Math.floor(i / (height * width))));
    },
  };
}
