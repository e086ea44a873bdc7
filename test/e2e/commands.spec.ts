/** `npm start` and `npx fabriclens` as their users meet them, after set-up. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';

const script = (name: string): string => join(ROOT, 'scripts', name);
const withoutDisplay = (): NodeJS.ProcessEnv => {
  const env = { ...process.env };
  delete env['DISPLAY'];
  delete env['WAYLAND_DISPLAY'];
  return env;
};
const run = (file: string, args: string[], env: NodeJS.ProcessEnv): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [file, ...args], { env }, (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }));
  });

test.skipIf(process.platform !== 'linux')('npm start without a display says so, and what to do instead', async () => {
  const { code, stderr } = await run(script('start.mjs'), [], withoutDisplay());
  expect(code).toBe(1);
  expect(stderr).toContain('There is no display here');
  expect(stderr).toContain('xvfb-run -a npm start');
  expect(stderr).toContain('npx fabriclens --help');
  expect(stderr).not.toMatch(/^\s+at /m);
});

test('npx fabriclens --help explains itself, and set-up does nothing twice', async () => {
  await run(script('fabriclens.mjs'), ['--version'], withoutDisplay());
  const { code, stdout, stderr } = await run(script('fabriclens.mjs'), ['--help'], withoutDisplay());
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^fabriclens: /);
  expect(stdout).toContain('Exit codes');
});

/** Processes that have this value in their environment. */
const withEnvironment = (value: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(value);
    } catch {
      return false;
    }
  });

test.skipIf(process.platform !== 'linux')('npm start opens the window with its board, and takes both down when it is ended', async () => {
  const config = mkdtempSync(join(tmpdir(), 'fabriclens-start-'));
  const started = spawn(process.execPath, [script('start.mjs'), join(ROOT, 'models/samples')], { env: { ...process.env, XDG_CONFIG_HOME: config }, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  started.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const gone = new Promise((resolve) => started.on('exit', resolve));
  try {
    await expect.poll(() => log, { timeout: 40_000 }).toMatch(/virtual board: (agent|model) /);
    // The launcher, Electron's processes and the agent.
    expect(withEnvironment(config).length).toBeGreaterThan(3);
  } finally {
    started.kill('SIGTERM');
    await gone;
  }
  await expect.poll(() => withEnvironment(config), { timeout: 10_000 }).toEqual([]);
  rmSync(config, { recursive: true, force: true });
});
