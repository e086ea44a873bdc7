/** `fabriclens board` as its users call it, to a real OpenSSH server with the files of a PYNQ image under a folder; killed on the way, too. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agentFixture } from '../support/agent.ts';
import { boardBundle } from '../support/board-bundle.ts';
import { ROOT } from '../support/data.ts';
import { pynqRoot } from '../support/pynq-root.ts';
import { freePort, startSshd, SUDO_PASSWORD, type TestServer } from '../support/sshd.ts';

interface Outcome { code: number | null; stdout: string; stderr: string }
let server: TestServer;
let common: string[];
let bundle: string;
let models: string;

beforeAll(async () => {
  // Where the application is not built yet, as in a run of this file alone.
  spawnSync(process.execPath, [join(ROOT, 'scripts/fabriclens.mjs'), '--version'], { timeout: 280_000 });
  const fixture = await agentFixture('tiny');
  models = fixture.modelsDir;
  server = await startSshd();
  const root = join(server.folder, 'board');
  for (const [name, text] of Object.entries(pynqRoot())) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  bundle = join(server.folder, 'fabriclens-board-1.0.0-armhf.tar');
  writeFileSync(bundle, boardBundle(fixture, '1.0.0').bytes);
  writeFileSync(join(server.folder, 'key'), server.key, { mode: 0o600 });
  common = [`${server.user}@127.0.0.1:${server.port}`, '--identity', join(server.folder, 'key'), '--root', root, '--agent-port', String(await freePort()), '--password-stdin'];
}, 300_000);
afterAll(async () => {
  await run('uninstall').catch(() => {});
  await server.stop();
  rmSync(models, { recursive: true });
});

function start(action: string, ...more: string[]): { child: ChildProcess; outcome: Promise<Outcome>; seen: (text: string) => Promise<void> } {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/fabriclens.mjs'), 'board', action, ...common, ...more], { env: { ...process.env, FABRICLENS_BOARDS: join(server.folder, 'boards.json'), SSH_AUTH_SOCK: '' }, timeout: 200_000 });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdin!.end(`${SUDO_PASSWORD}\n`);
  child.stderr!.on('data', (chunk: Buffer) => { outcome.stderr += chunk.toString(); });
  child.stdout!.on('data', (chunk: Buffer) => { outcome.stdout += chunk.toString(); });
  return {
    child,
    outcome: new Promise((done, reject) => child.on('error', reject).on('close', (code) => done({ ...outcome, code }))),
    seen: (text) => expect.poll(() => outcome.stdout, { timeout: 150_000, interval: 20 }).toContain(text).then(() => undefined),
  };
}
const run = (action: string, ...more: string[]): Promise<Outcome> => start(action, ...more).outcome;

test('trust, doctor, install, killed and again, status, logs, a changed key, uninstall; no secret anywhere', async () => {
  const said: string[] = [];
  const expected = async (code: number, action: string, ...more: string[]): Promise<string> => {
    const { code: got, stdout, stderr } = await run(action, ...more);
    said.push(stdout, stderr);
    expect({ action, code: got, stderr: got === code ? '' : stderr }).toEqual({ action, code, stderr: '' });
    return stdout + stderr;
  };
  expect(await expected(1, 'doctor')).toContain(server.fingerprint);
  expect(await expected(2, 'trust')).toContain(`--fingerprint ${server.fingerprint}`);
  expect(existsSync(join(server.folder, 'boards.json'))).toBe(false);
  await expected(1, 'trust', '--fingerprint', 'SHA256:another');
  expect(await expected(0, 'trust', '--fingerprint', server.fingerprint, '--name', 'desk')).toContain('is trusted as');
  const support = join(server.folder, 'support.json');
  expect(await expected(0, 'doctor', '--out', support)).toMatch(/PYNQ 3\.1/);
  expect(JSON.parse(readFileSync(support, 'utf8'))).toMatchObject({ format: 'fabriclens-doctor/1', installed: '' });
  expect(await expected(0, 'install', '--bundle', bundle, '--plan')).toMatch(/unpack +root/);
  expect(await expected(1, 'status')).toContain('not installed');

  const killed = start('install', '--bundle', bundle);
  await killed.seen('done     unpack');
  killed.child.kill('SIGKILL');
  await killed.outcome;
  const interrupted = start('install', '--bundle', bundle);
  await interrupted.seen('already  unpack');
  interrupted.child.kill('SIGINT');
  expect((await interrupted.outcome).code).toBe(130);
  const finished = await expected(0, 'install', '--bundle', bundle);
  expect(finished).toContain('already  unpack');
  expect(finished).toContain('1 vector of tiny answered through golden as the golden model does');
  expect(await expected(0, 'status')).toMatch(/active, version 1\.0\.0-[0-9a-f]{12}\nmodels: tiny/);
  expect(await expected(0, 'logs')).toContain('model tiny');
  expect(await expected(1, 'rollback')).toContain('no version before');

  const before = server.fingerprint;
  await server.changeHostKey();
  const stopped = await expected(1, 'status');
  expect(stopped).toContain(before);
  expect(stopped).toContain(server.fingerprint);
  await expected(0, 'trust', '--fingerprint', server.fingerprint);
  expect(await expected(0, 'secure', '--new-host-keys')).toContain('is pinned by it');
  expect(await expected(0, 'status')).toContain('active');
  await expected(0, 'uninstall');
  expect(existsSync(join(server.home, '.fabriclens'))).toBe(false);

  said.push(readFileSync(support, 'utf8'), readFileSync(join(server.folder, 'boards.json'), 'utf8'));
  expect(said.join('')).not.toContain(SUDO_PASSWORD);
  expect(spawnSync('grep', ['-rlF', '--exclude=sudo-password', SUDO_PASSWORD, server.folder]).stdout.toString()).toBe('');
}, 600_000);
