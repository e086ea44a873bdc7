/** A world of its own for the programs of an armhf root: qemu-user runs them, root there is nobody's root here, and nothing stays mounted or running when it ends. */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Users of the root are users of the files out here, by the same numbers. */
const IDS = '0 0 65536';

/** `command` where the root at `folder` is ready to be chrooted into. Its world ends with it, and with our end of its stdin, however this process ends. Output is stdout and stderr. */
export function inWorld(folder: string, command: readonly string[], onOutput: (text: string) => void): ChildProcess {
  const child = spawn('unshare', ['--user', '--mount', '--pid', '--uts', '--ipc', '--fork', join(import.meta.dirname, 'world.sh'), folder, ...command], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => { /* it has ended: 'exit' says so */ });
  let mapped = false;
  child.stdout.on('data', (chunk: Buffer) => {
    if (mapped) return onOutput(chunk.toString());
    mapped = true;
    for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${child.pid}/${map}`, IDS);
    child.stdin.write('\n');
  });
  child.stderr.on('data', (chunk: Buffer) => onOutput(chunk.toString()));
  return child;
}
