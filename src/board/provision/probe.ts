/** What a board says of itself: one script that reads and changes nothing, and its output read back. Pure. */
import { quote } from '../ssh/shell.ts';

/** Where things lie on a board; `root` is '' but in tests. */
export interface BoardLayout {
  root: string;
  /** Under whom the agent runs; made by the installation where it is not there. */
  serviceUser: string;
  /** Of the agent, on the board's loopback. */
  port: number;
  /** Seconds that a version may take to load its models before it counts as failed. */
  readyS: number;
}
export const LAYOUT: BoardLayout = { root: '', serviceUser: 'fabriclens', port: 8600, readyS: 180 };

export const places = ({ root }: Pick<BoardLayout, 'root'>): { opt: string; etc: string; data: string; unit: string } =>
  ({ opt: `${root}/opt/fabriclens`, etc: `${root}/etc/fabriclens`, data: `${root}/var/lib/fabriclens`, unit: `${root}/etc/systemd/system/fabriclens-agent.service` });
/** Of the login. */
export const staging = (home: string): string => `${home}/.fabriclens`;

/** Every value on one line, nothing that is secret. `root`: as a shell takes it. */
const QUESTIONS = (root: string, port: number): [key: string, command: string][] => [
  ['user', 'id -un'],
  ['home', 'printf %s "$HOME"'],
  ['machine', 'uname -m'],
  ['kernel', 'uname -r'],
  ['image', `. ${root}/etc/os-release && printf '%s %s' "$ID" "$VERSION_ID"`],
  ['board', `tr -d '\\0' <${root}/proc/device-tree/chosen/pynq_board`],
  ['cpu', `grep -m1 -iE '^(features|flags)' ${root}/proc/cpuinfo | cut -c1-2000`],
  ['python', `for p in ${root}/usr/local/share/pynq-venv/bin/python3 /usr/bin/python3 python3; do command -v "$p" && break; done`],
  ['python-version', `"$python" -c 'import platform; print(platform.python_version())'`],
  ['numpy', `"$python" -c 'import importlib.util as u; print("yes" if u.find_spec("numpy") else "no")'`],
  ['pynq', `"$python" -c 'import importlib.util as u; print("yes" if u.find_spec("pynq") else "no")'`],
  ['onnxruntime', `"$python" -c 'import importlib.util as u; print("yes" if u.find_spec("onnxruntime") else "no")'`],
  ['tflite', `"$python" -c 'import importlib.util as u; print("yes" if u.find_spec("tflite_runtime") else "no")'`],
  ['torch', `"$python" -c 'import importlib.util as u; print("yes" if u.find_spec("torch") else "no")'`],
  ['compiler', 'g++ -dumpfullversion -dumpversion'],
  ['libc', 'getconf GNU_LIBC_VERSION'],
  ['disk-free-kib', `df -Pk ${root || '/'} | awk 'NR==2{print $4}'`],
  ['resized', `. ${root}/etc/environment 2>/dev/null; printf %s "$RESIZED"`],
  ['memory-available-kib', `awk '/^MemAvailable/{print $2}' ${root}/proc/meminfo`],
  ['cma-total-kib', `awk '/^CmaTotal/{print $2}' ${root}/proc/meminfo`],
  ['cma-free-kib', `awk '/^CmaFree/{print $2}' ${root}/proc/meminfo`],
  ['fpga', `cat ${root}/sys/class/fpga_manager/fpga0/state`],
  ['time', 'date +%s'],
  ['systemd', `[ -d ${root}/run/systemd/system ] && systemctl is-system-running`],
  ['has-systemd', `[ -d ${root}/run/systemd/system ] && echo yes || echo no`],
  ['services', `[ -d ${root}/run/systemd/system ] && for s in bootpy jupyter smbd nmbd; do printf '%s:%s ' $s "$(systemctl is-active $s)"; done`],
  ['sudo', 'command -v sudo'],
  ['ports', `awk 'FNR>1&&$4=="0A"{print $2}' /proc/net/tcp | while IFS=: read -r a p; do printf '%d ' "0x$p"; done`],
  ['port-wanted', `printf %d ${port}`],
  ['installed', `readlink ${root}/opt/fabriclens/current`],
  ['previous', `readlink ${root}/opt/fabriclens/previous`],
  ['overlay', `readlink ${root}/opt/fabriclens/current/overlay`],
  ['board-id', `cat ${root}/etc/fabriclens/board-id`],
];

/** `marker`: random letters and digits, which no message of the day has. */
export function probeScript({ root, port }: Pick<BoardLayout, 'root' | 'port'>, marker: string): string {
  const ask = ([key, command]: [string, string]): string =>
    `value=$( { ${command}; } 2>/dev/null | tr '\\n\\r' '  '); ${key === 'python' ? 'python=${value%% *}; ' : ''}printf '%s=%s\\n' ${key} "$value"`;
  return `LC_ALL=C; export LC_ALL\necho ${marker}\n${QUESTIONS(root && quote(root), port).map(ask).join('\n')}\necho ${marker}\n`;
}

export type Probe = ReadonlyMap<string, string>;

const LONGEST = 4096;

/** Undefined where the markers are not there: the script did not run to its end. What stands outside them is no answer. */
export function parseProbe(text: string, marker: string): Probe | undefined {
  const parts = text.split(`${marker}\n`);
  if (parts.length !== 3) return undefined;
  const answers = new Map<string, string>();
  for (const line of parts[1]!.split('\n')) {
    const at = line.indexOf('=');
    // Control characters of a hostile board would move the cursor of whoever reads the report.
    if (at > 0) answers.set(line.slice(0, at), line.slice(at + 1, at + 1 + LONGEST).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').trim());
  }
  return answers;
}
