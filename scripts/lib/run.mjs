/** Child processes, with their output on stderr or kept. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { accessSync, constants as fs } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Between asking a program to end and ending it. */
const LAST_WORD_MS = 5000;

/**
 * Runs a program to its end. With `quiet` its output is kept and returned, otherwise both streams go to our stderr.
 * `timeoutMs` ends it and its children (its process group).
 * @returns {Promise<{ code: number, output: string, timedOut: boolean }>} code 128+n when ended by signal n, 127 when it could not start.
 */
export function run(program, args, { cwd, env, quiet = false, timeoutMs = 0 } = {}) {
  return new Promise((resolve) => {
    const group = timeoutMs > 0 && process.platform !== 'win32';
    const child = spawn(program, args, { cwd, env: env ?? process.env, detached: group, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2] });
    let output = '';
    let timedOut = false;
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    const end = (signal) => {
      try {
        if (group) process.kill(-child.pid, signal);
        else child.kill(signal);
      } catch { /* it has just ended */ }
    };
    const timers = timeoutMs > 0 ? [
      setTimeout(() => {
        timedOut = true;
        end('SIGTERM');
      }, timeoutMs),
      setTimeout(() => end('SIGKILL'), timeoutMs + LAST_WORD_MS),
    ] : [];
    // A group of its own hears no Ctrl-C.
    if (group) for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, end);
    child.on('error', (error) => {
      timers.forEach(clearTimeout);
      resolve({ code: 127, output: error.message, timedOut });
    });
    child.on('close', (code, signal) => {
      timers.forEach(clearTimeout);
      for (const name of ['SIGINT', 'SIGTERM']) process.off(name, end);
      if (timedOut) end('SIGKILL'); // what the program started and left behind
      resolve({ code: code ?? 128 + (constants.signals[signal] ?? 0), output, timedOut });
    });
  });
}

/** npm of the Node that runs us, wherever it lies. */
export const npm = (args, options) =>
  process.env.npm_execpath?.endsWith('.js') ? run(process.execPath, [process.env.npm_execpath, ...args], options) : run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, options);

export function onPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), fs.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
