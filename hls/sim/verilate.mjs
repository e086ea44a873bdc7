// Builds a Verilator model of a module of hls/rtl and the C++ bench that drives it, into build/hls/. Plain Node, no dependencies.
// As in ../build.mjs a result is rebuilt only when the hash of what it is made of differs from the one noted beside it; the model and
// the bench are noted apart, for the model takes the longest and changes less often.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HLS = join(dirname(fileURLToPath(import.meta.url)), '..');
const OUT = join(HLS, '..', 'build', 'hls');
const MODEL = ['--cc', '-Wall', '--prefix', 'Vdut', '--x-assign', 'fast', '--x-initial', 'unique'];
const MAKE = ['-s', '-j', '2', '-f', 'Vdut.mk'];
const BENCH = ['-std=c++17', '-O2', '-ffp-contract=off', '-Wall', '-Wextra', '-Wconversion', '-Werror', '-pthread'];
const INSTALL = { verilator: 'apt-get install verilator', make: 'apt-get install make' };

function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (text += chunk));
    child.on('error', (error) => {
      if (error.code !== 'ENOENT') return reject(error);
      reject(new Error(`'${command}' was not found. On Debian: ${INSTALL[command] ?? 'apt-get install g++ (or set CXX to a compiler that takes its options)'}.`));
    });
    child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`${command} failed:\n${text}`))));
  });
}

function headers(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.h'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function hashOf(command, files) {
  const hash = createHash('sha256').update(JSON.stringify(command));
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}

/** Runs `make(temporary)` and puts what it made under `path`, unless that was made from the same. Nobody ever sees half a result. */
async function noted(path, hash, make) {
  const note = `${path}.sha256`;
  try {
    if (existsSync(path) && readFileSync(note, 'utf8') === hash) return;
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  const temporary = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    await make(temporary);
    rmSync(note, { force: true });
    rmSync(path, { recursive: true, force: true });
    renameSync(temporary, path);
    writeFileSync(note, hash);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** The objects of Verilator's own library that a model needs. They differ by a few settings only, so models share them. */
async function library(model, version, compiler) {
  const makefile = readFileSync(join(model, 'Vdut_classes.mk'), 'utf8');
  const names = [...makefile.matchAll(/^\t(verilated\w*) /gm)].map(([, name]) => `${name}.o`);
  const make = [...MAKE, 'OPT_FAST=-O3'];
  const hash = hashOf([version, compiler, make, names, makefile.match(/^VM_\w+ = .*$/gm)], []);
  const folder = join(OUT, 'verilated', `library-${hash.slice(0, 8)}`);
  await noted(folder, hash, async (temporary) => {
    await run('make', ['-C', model, ...make, `CXX=${compiler}`, ...names]);
    mkdirSync(temporary);
    for (const name of names) renameSync(join(model, name), join(temporary, name));
  });
  return names.map((name) => join(folder, name));
}

/**
 * Builds `bench` around a model of the module `top` and returns the path of the program. The bench finds the model's class as Vdut in
 * "Vdut.h" and each parameter as a macro FL_<name>. Warnings of Verilator and of the compiler are errors.
 * @param {{ top: string, parameters?: Record<string, number>, sources: string[], bench: string[], flags?: string[],
 *   coverage?: false | 'lines' | 'all', log?: (line: string) => void }} options
 *   sources: SystemVerilog, packages first; bench: C++; both relative to hls/. flags: further ones for Verilator (--assert, --trace, ...).
 *   coverage: lines cost little; all, toggles too, makes a model that takes minutes to compile.
 * @throws Error with the tools' output, or how to install one
 */
export async function verilate({ top, parameters = {}, sources, bench, flags = [], coverage = false, log = () => {} }) {
  const compiler = process.env.CXX || 'g++';
  const variant = [...Object.entries(parameters).map(([key, value]) => `${key}${value}`), ...flags.map((flag) => flag.replace(/\W/g, '')), ...(coverage ? [`coverage-${coverage}`] : [])];
  const files = sources.map((file) => join(HLS, file));
  const model = join(OUT, 'verilated', [top, ...variant].join('-'));
  const arguments_ = [...MODEL, ...flags, ...(coverage ? [coverage === 'lines' ? '--coverage-line' : '--coverage'] : []), '--top-module', top, ...Object.entries(parameters).map(([key, value]) => `-G${key}=${value}`)];
  const version = await run('verilator', ['--version']);
  const make = [...MAKE, `OPT_FAST=${coverage === 'all' ? '-O1' : '-O3'}`];
  const modelHash = hashOf([version, compiler, arguments_, make], files);
  await noted(model, modelHash, async (temporary) => {
    log(`verilating ${basename(model)}`);
    await run('verilator', [...arguments_, '--Mdir', temporary, ...files]);
    await run('make', ['-C', temporary, ...make, `CXX=${compiler}`, 'Vdut__ALL.a']);
  });

  const program = join(OUT, [basename(bench[0], '.cpp'), ...variant].join('-'));
  const benches = bench.map((file) => join(HLS, file));
  const macros = [...Object.entries(parameters).map(([key, value]) => `-DFL_${key}=${value}`), ...(coverage ? ['-DVM_COVERAGE=1'] : [])];
  await noted(program, hashOf([modelHash, compiler, BENCH, macros], [...headers(HLS), ...benches]), async (temporary) => {
    log(`compiling ${basename(program)}`);
    const root = (await run('verilator', ['--getenv', 'VERILATOR_ROOT'])).trim();
    const includes = ['-I', HLS, '-isystem', model, '-isystem', join(root, 'include'), '-isystem', join(root, 'include', 'vltstd')];
    await run(compiler, [...BENCH, ...macros, ...includes, ...benches, join(model, 'Vdut__ALL.a'), ...(await library(model, version, compiler)), '-o', temporary]);
  });
  return program;
}
