// Builds the native parts of hls/ with g++ into build/hls/, for the board's processor into build/armhf/. Plain Node, no dependencies: scripts/ and
// the tests call it.
//   node hls/build.mjs [--armhf] [TARGET...]      builds (default: runtime) and prints the path of each result
// A result is rebuilt only when the hash of its sources, headers and command differs from the one noted beside it.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const HLS = dirname(fileURLToPath(import.meta.url));
const BUILD = join(HLS, '..', 'build');
// No fused multiply-add: fp32 results are the same on every machine (docs/decisions/ps-float.md). Nobody looks at floating-point exceptions or errno,
// so that loops with a choice or a root in them become vector instructions; no value changes by it.
const COMMON = ['-std=c++17', '-Wall', '-Wextra', '-Wconversion', '-ffp-contract=off', '-fno-trapping-math', '-fno-math-errno'];
const CORE = ['core/core.cpp'];
const SCHEDULE = ['schedule', 'schedule_estimate', 'schedule_region', 'schedule_shape', 'schedule_tiles', 'schedule_weights'].map((name) => `core/${name}.cpp`);
const DRIVER_TESTS = ['tests/driver.cpp', 'tests/driver_core.cpp'];
const SCHEDULE_DRIVER = [...CORE, ...SCHEDULE, 'tests/interpreter.cpp', 'tests/random_segment.cpp', 'tests/schedule_driver.cpp'];
const CHECKED = ['program', 'check_layer', 'check_float'];
const FLOAT = ['float_ops', 'float_unary', 'float_binary', 'float_moves', 'float_sums', 'nms'];
const PL = ['device', 'crossings', 'offload', 'core_abi'];
const RUNTIME = [...CORE, ...SCHEDULE, 'core/image.cpp', 'core/cycles.cpp', ...[...CHECKED, 'convert', 'estimate', 'kernels', 'neon', 'neon_output', 'neon_winograd', 'workers', ...FLOAT, ...PL, 'loaded', 'run', 'runtime'].map((name) => `runtime/src/${name}.cpp`)];
// FL_NO_CLONES: see core/arithmetic.h. Everything that a hostile file could provoke ends the process.
const SANITIZED = ['-Werror', '-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer', '-DFL_NO_CLONES', '-pthread'];

const TARGETS = {
  /** The shared library that the agent loads. */
  runtime: { file: 'libfabriclens_runtime.so', sources: RUNTIME, flags: ['-O3', '-fPIC', '-shared', '-fvisibility=hidden', '-pthread'] },
  /** The operator for ONNX Runtime, with the runtime in it; its calls of the runtime are its own, whatever else the process has loaded. */
  'ort-op': { file: 'libfabriclens_ort.so', sources: [...RUNTIME, 'ort-op/fabric_conv.cpp', 'ort-op/op.cpp'], flags: ['-O3', '-fPIC', '-shared', '-fvisibility=hidden', '-Wl,-Bsymbolic', '-pthread'] },
  /** Test programs, see tests/; here a warning is an error, on a user's compiler it isn't. */
  driver: { file: 'driver', sources: [...RUNTIME, ...DRIVER_TESTS], flags: ['-O3', '-Werror', '-pthread'] },
  'driver-sanitized': { file: 'driver-sanitized', sources: [...RUNTIME, ...DRIVER_TESTS], flags: SANITIZED },
  'ort-host': { file: 'ort-host', sources: ['tests/ort_host.cpp'], flags: ['-O1', '-Werror', '-pthread', '-ldl'] },
  'memory-check': { file: 'memory-check', sources: ['sim/memory.cpp', 'sim/memory_check.cpp'], flags: SANITIZED },
  'schedule-driver': { file: 'schedule-driver', sources: SCHEDULE_DRIVER, flags: ['-O2', '-Werror'] },
  'schedule-driver-sanitized': { file: 'schedule-driver-sanitized', sources: SCHEDULE_DRIVER, flags: SANITIZED },
  counter: { file: 'counter', sources: [...CORE, ...SCHEDULE, 'core/cycles.cpp', ...CHECKED.map((name) => `runtime/src/${name}.cpp`), 'tests/counter.cpp'], flags: ['-O2', '-Werror'] },
  'driver-baseline': { file: 'driver-baseline', sources: [...RUNTIME, ...DRIVER_TESTS], flags: ['-O3', '-DFL_NO_CLONES', '-DFL_NO_NEON', '-pthread'] },
};

// The board's Cortex-A9 has NEON without half floats. Its images have older libraries than the compiler: see runtime/src/old_libraries.cpp. What g++
// says about calls between its releases before 7 and later ones concerns no interface of ours (C ABI).
const MACHINES = {
  host: { folder: 'hls', compiler: () => process.env.CXX || 'g++', flags: [], sources: [], mend: 'On Debian: apt-get install g++ (or set CXX to a compiler that takes g++\'s options).' },
  armhf: {
    folder: 'armhf', compiler: () => process.env.FL_ARMHF_CXX || 'arm-linux-gnueabihf-g++',
    flags: ['-march=armv7-a', '-mtune=cortex-a9', '-mfpu=neon', '-mfloat-abi=hard', '-marm', '-Wno-psabi'],
    sources: ['runtime/src/old_libraries.cpp'],
    mend: 'On Debian: apt-get install g++-arm-linux-gnueabihf (or set FL_ARMHF_CXX to a compiler for armhf that takes g++\'s options).',
  },
};

function headers(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.h'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function hashOf(command, sources) {
  const hash = createHash('sha256').update(JSON.stringify(command));
  for (const file of [...headers(HLS), ...sources]) hash.update(readFileSync(file));
  return hash.digest('hex');
}

function compile(compiler, args, mend) {
  return new Promise((resolve, reject) => {
    const child = spawn(compiler, args, { stdio: ['ignore', 'inherit', 'pipe'] });
    let text = '';
    child.stderr.on('data', (chunk) => (text += chunk));
    child.on('error', (error) => {
      if (error.code !== 'ENOENT') return reject(error);
      reject(new Error(`No C++ compiler: '${compiler}' was not found. ${mend}`));
    });
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${compiler} failed:\n${text}`))));
  });
}

/**
 * Builds one target and returns the path of its file.
 * @param {keyof typeof TARGETS} name
 * @param {{ log?: (line: string) => void, machine?: keyof typeof MACHINES }} options log: told when something is really compiled
 * @throws Error with the compiler's output, or how to install one
 */
export async function build(name = 'runtime', { log = () => {}, machine = 'host' } = {}) {
  const target = TARGETS[name];
  if (!target) throw new Error(`No target '${name}' in hls/build.mjs; there are ${Object.keys(TARGETS).join(', ')}.`);
  const { folder, flags, sources: more, mend, ...made } = MACHINES[machine];
  const compiler = made.compiler();
  const sources = [...target.sources, ...more].map((s) => join(HLS, s));
  const command = [...COMMON, ...flags, ...target.flags];
  const out = join(BUILD, folder);
  const file = join(out, target.file);
  const note = `${file}.sha256`;
  const hash = hashOf([compiler, command, target.sources, more], sources);
  try {
    readFileSync(file);
    if (readFileSync(note, 'utf8') === hash) return file;
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  log(`compiling ${target.file}${machine === 'host' ? '' : ` for ${machine}`}`);
  mkdirSync(out, { recursive: true });
  // Built under a name of its own, then renamed: another build or a running agent never sees half a file.
  const temporary = `${file}.${process.pid}`;
  try {
    await compile(compiler, [...command, ...sources, '-o', temporary], mend);
    renameSync(temporary, file);
    writeFileSync(note, hash);
  } finally {
    rmSync(temporary, { force: true });
  }
  return file;
}

/**
 * The runtime's sources, for a machine that compiles its own: where the library made here does not load.
 * @returns {{ files: string[], sources: string[], flags: string[], boardFlags: string[] }} names under hls/; boardFlags: besides, on the board's processor
 */
export function runtimeSources() {
  const sources = TARGETS.runtime.sources;
  const folders = ['core', 'runtime'].map((name) => join(HLS, name));
  return { files: [...sources, ...folders.flatMap(headers).map((file) => file.slice(HLS.length + 1))].sort(), sources, flags: [...COMMON, ...TARGETS.runtime.flags], boardFlags: MACHINES.armhf.flags };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const armhf = process.argv[2] === '--armhf';
    const names = process.argv.slice(armhf ? 3 : 2);
    for (const name of names.length > 0 ? names : ['runtime']) console.log(await build(name, { log: (line) => console.error(line), machine: armhf ? 'armhf' : 'host' }));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
