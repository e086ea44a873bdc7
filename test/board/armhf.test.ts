/**
 * A board's programs without its kernel: an armhf Debian with what users meet of a PYNQ 3.1 image, run by qemu-user. Real: OpenSSH's server, PAM, sudo, the
 * passwords, useradd, our agent and runtime for armhf. Not there: systemd (zynq.test.ts has it), programmable logic.
 */
import { execFileSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { freePort } from '../support/sshd.ts';
import { SAMPLE } from '../support/compiled-package.ts';
import { laterBundle } from './bundles.ts';
import { filesOf } from './files.ts';
import { greeted, Operator, PUBLIC_PASSWORD } from './operator.ts';
import { inWorld } from './world.ts';

let board: Operator;
let world: ChildProcess;
let root: string;
let said = '';
let address: string;
let agentPort: number;
let atFirst: Map<string, string>;
const NEW_PASSWORD = 'nobody’s & $ecret';
const MODELS = ['pneumonia', 'pneumonia-28', 'resnet8-orientation'];

beforeAll(async () => {
  const port = await freePort();
  agentPort = await freePort();
  address = `127.0.0.1:${port}`;
  board = new Operator(port);
  board.common = ['--agent-port', String(agentPort)];
  root = join(board.folder, 'root');
  for (const folder of [inject('root'), `${inject('root')}.proc`]) execFileSync('cp', ['-a', folder, board.folder]);
  const sshd = ['/usr/sbin/sshd', '-D', '-e', '-p', String(port), '-o', 'ListenAddress=127.0.0.1', '-o', 'PidFile=/run/sshd.pid', '-o', 'SetEnv=QEMU_CPU=cortex-a9', '-o', 'LogLevel=VERBOSE'];
  world = inWorld(root, ['chroot', root, 'sh', '-c', 'mkdir -p /run/sshd; exec "$@"', 'sh', ...sshd], (text) => { said = (said + text).slice(-20_000); });
  await greeted(port, 120_000, () => (world.exitCode === null && world.signalCode === null ? undefined : said));
});
afterAll(async () => {
  if (world && world.exitCode === null && world.signalCode === null) {
    const ended = new Promise((done) => world.once('exit', done));
    world.stdin!.end();
    await ended;
  }
  board?.close();
});

/** As the board's serial console would show it. */
const fingerprint = (kind = 'ed25519'): string => execFileSync('ssh-keygen', ['-lf', join(root, `etc/ssh/ssh_host_${kind}_key.pub`)]).toString().split(' ')[1]!;

test('find: somebody answers, and nobody knows yet who', async () => {
  const { code, stdout } = await board.fabriclens(['board', 'find', address]).outcome;
  expect(code).toBe(0);
  expect(stdout).toMatch(/possible +answers as SSH-2\.0-OpenSSH_/);
});

test('trust: by the fingerprint alone; a wrong password is one, and the public one is known for what it is', async () => {
  expect(await board.board(2, 'trust')).toContain(`--fingerprint ${fingerprint()}`);
  board.password = 'not it';
  expect(await board.board(1, 'trust', '--fingerprint', fingerprint())).toMatch(/password/);
  board.password = PUBLIC_PASSWORD;
  const trusted = await board.board(0, 'trust', '--fingerprint', fingerprint(), '--name', 'desk');
  expect(trusted).toContain('is trusted as');
  expect(trusted).toContain('password is the one of every PYNQ image');
  expect((await board.fabriclens(['board', 'find', address]).outcome).stdout).toMatch(/certain +was 'desk'/);
});

test('doctor: an armv7l with Python and a sudo that took the password; it changes no file', async () => {
  const before = filesOf(root);
  const file = join(board.folder, 'doctor.json');
  await board.board(0, 'doctor', '--out', file);
  const { findings, runs, python } = JSON.parse(readFileSync(file, 'utf8')) as { findings: { id: string; grade: string; what: string }[]; runs: { id: string; grade: string }[]; python: string };
  const found = new Map(findings.map((one) => [one.id, one]));
  for (const id of ['machine', 'image', 'cpu', 'python', 'disk', 'resized', 'memory', 'cma', 'sudo', 'port']) expect(found.get(id)).toMatchObject({ grade: 'green' });
  expect(found.get('machine')!.what).toBe('armv7l');
  expect(python).toBe('/usr/local/share/pynq-venv/bin/python3');
  expect(runs.find(({ id }) => id === 'ps-only')!.grade).toBe('green');
  expect(filesOf(root)).toEqual(before);
});

test('secure: a key, other passwords, and the image’s host keys replaced under our feet', async () => {
  const before = fingerprint();
  board.newPasswords = [NEW_PASSWORD, 'another for root'];
  const done = await board.board(0, 'secure', '--add-key', board.publicKey, '--new-host-keys', '--new-passwords');
  board.newPasswords = [];
  expect(['ed25519', 'ecdsa', 'rsa'].map(fingerprint)).toContain(/(SHA256:\S+) now, and is pinned by it/.exec(done)![1]);
  expect(fingerprint()).not.toBe(before);
  expect(await board.board(1, 'status')).toMatch(/password/);
  board.password = NEW_PASSWORD;
  expect(await board.board(1, 'status')).toContain('not installed');
  expect((await board.ssh('uname -m; id -un')).stdout).toBe('armv7l\nxilinx\n');
});

test('install: agent and runtime for armhf answer bit for bit as the golden model here does', async () => {
  atFirst = filesOf(root);
  board.common.push('--identity', board.identity);
  board.password = PUBLIC_PASSWORD;
  expect(await board.board(1, 'install')).toMatch(/sudo/);
  board.password = NEW_PASSWORD;
  const done = await board.board(0, 'install');
  expect(done).toMatch(new RegExp(`${MODELS.length} vectors of ${MODELS.join(', ')} answered through .* as the golden model does`));
  const status = await board.board(0, 'status');
  expect(status).toMatch(/active, version 0\.\d+\.\d+-[0-9a-f]{12}/);
  for (const model of MODELS) expect(status).toContain(model);
  expect(await board.board(0, 'logs')).toContain('model pneumonia');
  expect((await board.ssh('ps -o user= -p "$(cat /run/fabriclens-agent.pid)"')).stdout).toMatch(/^(root|fabricl)/);
  expect((await board.ssh('ps -C qemu-arm-static,python3 -o user=,args= | grep fabriclens_agent')).stdout).toMatch(/^fabricl/m);
});

test('infer: an image’s answer comes from the board through SSH, and is the CPU’s', async () => {
  const { code, stdout, stderr } = await board.fabriclens(['infer', SAMPLE, '--engine', 'cpu-int8,board', '--model', 'pneumonia', '--board', 'desk', '--identity', board.identity, '--agent-port', String(agentPort), '--json']).outcome;
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  const { runs, tolerance } = JSON.parse(stdout.split('\n')[0]!) as { tolerance: number; runs: { state: string; identity: { engine: string }; probabilities: number[] }[] };
  expect(runs.map(({ identity, state }) => `${identity.engine} ${state}`)).toEqual(['cpu-int8 ok', 'board ok']);
  expect(Math.abs(runs[1]!.probabilities[1]! - runs[0]!.probabilities[1]!)).toBeLessThanOrEqual(tolerance);
});

test('update to a later version and back', async () => {
  const later = laterBundle(board.folder, '0.9.0', { 'agent/fabriclens_agent/__init__.py': (text) => text.replace(/__version__ = .*/, "__version__ = '0.9.0'") });
  await board.board(0, 'update', '--bundle', later);
  expect(await board.board(0, 'status')).toMatch(/active, version 0\.9\.0-[0-9a-f]{12}, before it 0\.1/);
  expect(await board.board(0, 'rollback')).toMatch(/runs 0\.1\S+ again/);
  expect(await board.board(0, 'status')).toMatch(/active, version 0\.1\S+, before it 0\.9/);
});

test('uninstall leaves no file, no user and no secret', async () => {
  await board.board(0, 'uninstall');
  expect(filesOf(root)).toEqual(atFirst);
  expect(board.said.join('')).not.toContain(NEW_PASSWORD);
});
