/** What a probe's answers mean: findings with their reason and what mends them. Pure. */
import type { DoctorReport, Finding, Grade } from '../../contract/boards.ts';
import type { Probe } from './probe.ts';

const MIB = 1024;
const NEED_DISK_KIB = 300 * MIB;
const NEED_MEMORY_KIB = 150 * MIB;
const NEED_CMA_KIB = 32 * MIB;
const SKEW_S = 120;

const number = (text: string | undefined): number => (text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : NaN);
const mib = (kib: number): string => `${Math.round(kib / MIB)} MiB`;

/** `nowS`: this computer's clock in Unix seconds. `sudo`: whether sudo took the password; undefined where it was not asked. */
export function diagnose(probe: Probe, { address, nowS, sudo }: { address: string; nowS: number; sudo: boolean | undefined }): DoctorReport {
  const get = (key: string): string => probe.get(key) ?? '';
  const machine = get('machine');
  const zynq = machine === 'armv7l';
  const python = (get('python').split(' ')[0] ?? '').replace(/[^\w./+-]/g, '');
  const pl = plFinding(get('board'), get('fpga'), zynq);
  return {
    format: 'fabriclens-doctor/1',
    address,
    findings: [
      machineFinding(machine), imageFinding(get('image')), boardFinding(get('board')), grade('kernel', 'green', get('kernel') || 'unknown'),
      cpuFinding(get('cpu'), zynq), pythonFinding(get('python-version')), packageFinding('numpy', get('numpy')), packageFinding('pynq', get('pynq')),
      get('compiler') ? grade('compiler', 'green', `g++ ${get('compiler')}`) : grade('compiler', 'amber', 'no g++', 'only needed where the prebuilt runtime does not load'),
      grade('libc', 'green', get('libc') || 'unknown'),
      atLeast('disk', number(get('disk-free-kib')), NEED_DISK_KIB, 'free on /', 'delete files on the card, or write the image to a larger one'),
      get('resized') === '1' || !zynq ? grade('resized', 'green', 'the root partition fills the card') : grade('resized', 'amber', 'the first boot has not finished growing the root partition', 'wait some minutes, or reboot; only then the free space is what it says'),
      atLeast('memory', number(get('memory-available-kib')), NEED_MEMORY_KIB, 'of memory available', 'stop Jupyter kernels, or reboot'),
      cmaFinding(number(get('cma-free-kib')), number(get('cma-total-kib')), zynq), pl, clockFinding(number(get('time')), nowS), systemdFinding(get('has-systemd'), get('systemd')),
      servicesFinding(get('services')), portFinding(get('ports'), get('port-wanted'), get('installed')), sudoFinding(get('user'), get('sudo'), sudo),
    ],
    runs: runs(probe, zynq, pl),
    python, home: get('home'), systemd: get('has-systemd') === 'yes',
    installed: get('installed').replace(/^versions\//, ''), previous: get('previous').replace(/^versions\//, ''),
    boardId: /^[0-9a-f]{32}$/.test(get('board-id')) ? get('board-id') : '',
    overlay: /\/([0-9a-f]{64})$/.exec(get('overlay'))?.[1] ?? '',
  };
}

/** May something be installed there? The red findings say why not. */
export const obstacles = ({ findings }: DoctorReport): Finding[] => findings.filter((finding) => finding.grade === 'red');

const grade = (id: string, color: Grade, what: string, mend = ''): Finding => ({ id, grade: color, what, mend });

const machineFinding = (machine: string): Finding => machine === 'armv7l' ? grade('machine', 'green', 'armv7l')
  : grade('machine', 'amber', machine || 'unknown', 'a PYNQ-Z2 is armv7l: another machine answers at this address; only a bundle that was built for it will run there');

function imageFinding(image: string): Finding {
  const [id, version] = image.split(' ');
  if (id !== 'pynqlinux') return grade('image', 'amber', image || 'no /etc/os-release', 'not a PYNQ image: nothing here was made for it, and there is no PL for us');
  if (version === '2.6') return grade('image', 'red', 'PYNQ 2.6', 'its Python 3.6 is too old for the agent (3.8): write a newer image to the card');
  return grade('image', ['2.7', '3.0', '3.1'].includes(version ?? '') ? 'green' : 'amber', `PYNQ ${version}`, ['2.7', '3.0', '3.1'].includes(version ?? '') ? '' : 'an image that we know nothing of');
}

const boardFinding = (board: string): Finding => /^pynq-z2$/i.test(board) ? grade('board', 'green', board)
  : grade('board', 'amber', board || 'does not say which board it is', /^pynq-z1$/i.test(board) ? 'the same chip with other pins: our overlay is for the PYNQ-Z2' : 'a PYNQ-Z2 image says Pynq-Z2 here');

const cpuFinding = (flags: string, zynq: boolean): Finding => !zynq || /\bneon\b/.test(flags) ? grade('cpu', 'green', zynq ? 'NEON' : 'not the board’s processor')
  : grade('cpu', 'red', 'no NEON', 'the runtime for the board needs it: this is not the Cortex-A9 of a Zynq');

function pythonFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major === 3 && minor >= 8) return grade('python', 'green', `Python ${version}`);
  return grade('python', 'red', version ? `Python ${version}` : 'no python3', 'the agent needs Python 3.8 or newer: write a newer image to the card');
}

const packageFinding = (name: string, there: string): Finding => there === 'yes' ? grade(name, 'green', `${name} is installed`) : grade(name, 'amber', `no ${name}`, name === 'pynq' ? 'no overlay can be loaded through it; the processor alone works' : 'the agent does without');

const atLeast = (id: string, have: number, need: number, what: string, mend: string): Finding => Number.isNaN(have) ? grade(id, 'amber', 'unknown', `see to it that ${mib(need)} are ${what}`)
  : have >= need ? grade(id, 'green', `${mib(have)} ${what}`) : grade(id, 'red', `${mib(have)} ${what}, ${mib(need)} are needed`, mend);

function cmaFinding(free: number, total: number, zynq: boolean): Finding {
  if (Number.isNaN(free)) return grade('cma', zynq ? 'amber' : 'green', 'no contiguous memory is set aside', zynq ? 'the PL cannot be used: the kernel of a PYNQ image has CmaTotal in /proc/meminfo' : '');
  return free >= NEED_CMA_KIB ? grade('cma', 'green', `${mib(free)} of ${mib(total)} contiguous memory free`)
    : grade('cma', 'amber', `${mib(free)} of ${mib(total)} contiguous memory free`, 'overlays or notebooks hold the rest: stop them, or reboot');
}

function plFinding(board: string, state: string, zynq: boolean): Finding {
  if (!zynq || !board) return grade('pl', 'amber', 'no programmable logic', 'the processor alone computes');
  if (state === 'operating') return grade('pl', 'green', 'the FPGA manager says operating');
  if (/error/.test(state)) return grade('pl', 'amber', `the FPGA manager says ${state}`, 'the last bitstream did not load: load another one, or reboot');
  return grade('pl', 'amber', state ? `the FPGA manager says ${state}` : 'there is no FPGA manager', state ? 'not configured yet; boot.py does that about a minute after power-on' : 'this kernel cannot load a bitstream');
}

function clockFinding(time: number, nowS: number): Finding {
  if (Number.isNaN(time)) return grade('clock', 'amber', 'unknown');
  const skew = Math.abs(time - nowS);
  return skew <= SKEW_S ? grade('clock', 'green', 'as this computer’s')
    : grade('clock', 'amber', `${skew > 172_800 ? `${Math.round(skew / 86_400)} days` : `${skew} s`} ${time < nowS ? 'behind' : 'ahead'}`, 'the board has no battery: harmless for us, but dates in its log are wrong until it reaches a time server');
}

const systemdFinding = (has: string, state: string): Finding => has !== 'yes' ? grade('systemd', 'amber', 'systemd does not run', 'the agent is started without supervision, and not at boot')
  : state === 'starting' ? grade('systemd', 'amber', 'still booting', 'wait a minute') : grade('systemd', 'green', state === 'degraded' ? 'running; some service of the image has failed, which stock images do' : state || 'running');

function servicesFinding(services: string): Finding {
  const open = services.split(' ').filter((word) => /^(jupyter|smbd|nmbd):active$/.test(word)).map((word) => word.split(':')[0]!);
  return open.length === 0 ? grade('services', 'green', 'neither Jupyter nor Samba run')
    : grade('services', 'amber', `${open.join(', ')} run with the image's public password`, `turn off what you do not use: sudo systemctl disable --now ${open.join(' ')}`);
}

const portFinding = (ports: string, wanted: string, installed: string): Finding => ports.split(' ').includes(wanted) && installed === ''
  ? grade('port', 'red', `another program listens on port ${wanted}`, 'end it: the agent needs that port of the loopback') : grade('port', 'green', `port ${wanted} is ${installed ? 'the agent’s' : 'free'}`);

const sudoFinding = (user: string, sudo: string, took: boolean | undefined): Finding => user === 'root' ? grade('sudo', 'green', 'logged in as root')
  : !sudo ? grade('sudo', 'red', 'there is no sudo', 'log in as root, or install sudo') : took === undefined ? grade('sudo', 'amber', 'not asked: no password was given')
    : took ? grade('sudo', 'green', `'${user}' may use sudo`) : grade('sudo', 'red', `sudo does not take the password of '${user}'`, 'give the right password, or a user who may use sudo');

/** Wheels that exist for armv7l are single persons' builds: named, never fetched by us. docs/board.md has the list and its sources. */
function runs(probe: Probe, zynq: boolean, pl: Finding): Finding[] {
  const minor = Number((probe.get('python-version') ?? '').split('.')[1]);
  const there = (id: string, key: string, absent: Finding): Finding => (probe.get(key) === 'yes' ? grade(id, 'green', 'installed') : absent);
  const amber = (id: string, what: string, mend: string): Finding => grade(id, 'amber', what, mend);
  const red = (id: string, what: string, mend = ''): Finding => grade(id, 'red', what, mend);
  return [
    minor >= 8 ? grade('ps-only', 'green', 'models on the processor, through our agent') : red('ps-only', 'the agent does not run here', 'a newer image'),
    probe.get('overlay') ? grade('pl', pl.grade, `overlay ${probe.get('overlay')!.slice(-64).slice(0, 16)} is imported`, pl.mend) : pl.grade === 'green' ? amber('pl', 'the PL is there', 'it wants an overlay, which is built once with Vivado (docs/board.md)') : red('pl', pl.what, pl.mend),
    there('onnxruntime', 'onnxruntime', zynq && minor >= 8 && minor <= 12 ? amber('onnxruntime', 'no official wheel for armv7l', `community builds exist for Python 3.${minor}: 1.16.0${minor === 8 ? '' : ' and 1.17.1'} (docs/board.md); our agent does not need it`) : red('onnxruntime', 'no wheel that we know of for this Python')),
    there('tflite', 'tflite', zynq && minor === 8 ? amber('tflite', 'a wheel exists', 'tflite_runtime 2.7.0 (cp38, manylinux2014_armv7l): pip install tflite-runtime==2.7.0') : zynq && minor === 11 ? amber('tflite', 'a wheel exists', 'tflite_runtime 2.14.0 (cp311): pip install tflite-runtime==2.14.0') : red('tflite', 'no wheel that we know of for this Python on armv7l')),
    there('pytorch', 'torch', red('pytorch', 'no wheel for armv7l and Python 3.8 or newer', 'convert the network to ONNX and compile it: npx fabriclens compile')),
  ];
}

const MARKS: Record<Grade, string> = { green: 'ok  ', amber: 'note', red: 'STOP' };
/** For people, and for a support file: it holds no secret, because the probe asks for none. */
export const reportText = ({ address, findings, runs: can }: DoctorReport): string =>
  [`Board ${address}`, ...findings.map(line), 'It can run', ...can.map(line), ''].join('\n');
const line = ({ id, grade: color, what, mend }: Finding): string => `  ${MARKS[color]} ${id.padEnd(12)} ${what}${mend ? ` – ${mend}` : ''}`;
