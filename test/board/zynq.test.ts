/**
 * A whole board but for its programmable logic: QEMU's Zynq-7000 boots a kernel and a card with what users meet of a PYNQ 3.1 image, systemd as its first process.
 * Here the unit starts, is confined, comes back, is switched and goes.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, onTestFailed, test } from 'vitest';
import { say, step } from '../../scripts/lib/log.mjs';
import { freePort } from '../support/sshd.ts';
import { laterBundle } from './bundles.ts';
import { Operator } from './operator.ts';
import { powerOn, type Zynq } from './zynq.ts';

const UNIT = 'fabriclens-agent.service';
const MINUTE = 60_000;
let zynq: Zynq;
let board: Operator;
let plug: () => Zynq;
let before: string[];

beforeAll(async () => {
  const port = await freePort();
  board = new Operator(port);
  const card = join(board.folder, 'card.img');
  execFileSync('cp', ['--sparse=always', inject('card'), card]);
  plug = () => powerOn({ kernel: inject('kernel'), deviceTree: inject('deviceTree'), card, port });
  zynq = plug();
  await step('Emulated Zynq: first boot', () => zynq.up());
});
afterAll(async () => {
  await zynq?.powerOff();
  board?.close();
});
const showConsole = (): void => onTestFailed(() => console.log(zynq.console().slice(-4000)));

const mainPid = async (): Promise<string> => (await board.ssh(`systemctl show -p MainPID --value ${UNIT}`)).stdout.trim();
/** Every command has its own deadline; this one is for a state that is to come by itself. */
async function until(what: string, minutes: number, state: () => Promise<boolean>): Promise<void> {
  const began = performance.now();
  await expect.poll(state, { message: what, timeout: minutes * MINUTE, interval: 1000 }).toBe(true);
  say(`  ${what}: after ${((performance.now() - began) / 1000).toFixed(1)} s`);
}
const answers = async (): Promise<boolean> => (await board.start('status').outcome).code === 0;

/** Path, kind, owner and mode of every file on the card, and the hash of what is in /etc; without what the system writes of itself. */
async function files(): Promise<string[]> {
  const passing = ['/proc', '/sys', '/dev', '/run', '/tmp', '/var/log', '/var/tmp', '/var/lib/systemd', '/var/lib/sudo', '/lost+found'].map((path) => `-path ${path}`).join(' -o ');
  const list = await board.root(`find / -xdev \\( ${passing} -o -name __pycache__ -o -path '/etc/*-' -o -name .pwd.lock -o -name .sudo_as_admin_successful \\) -prune -o -printf '%p %y %U:%G %m %l\\n'; find /etc -xdev -type f ! -name '*-' ! -name .pwd.lock -exec sha256sum {} +`);
  return list.split('\n').sort();
}

test('a stock board: the public password, the image’s keys, Jupyter; the doctor reads Zynq, NEON, CMA and the FPGA manager from the kernel', async () => {
  showConsole();
  const shown = /SHA256:[\w+/]+/.exec(await board.board(2, 'trust'))![0];
  await board.board(0, 'trust', '--fingerprint', shown, '--name', 'zynq');
  const file = join(board.folder, 'doctor.json');
  await until('started', 10, async () => {
    await board.board(0, 'doctor', '--out', file);
    return !readFileSync(file, 'utf8').includes('still booting');
  });
  const { findings, systemd } = JSON.parse(readFileSync(file, 'utf8')) as { findings: { id: string; grade: string; what: string }[]; systemd: boolean };
  const what = Object.fromEntries(findings.map((one) => [one.id, `${one.grade}: ${one.what}`]));
  expect(systemd).toBe(true);
  expect(what).toMatchObject({
    machine: 'green: armv7l', image: 'green: PYNQ 3.1', board: 'green: Pynq-Z2', cpu: 'green: NEON', systemd: 'green: running', sudo: 'green: \'xilinx\' may use sudo',
    cma: expect.stringMatching(/^green: \d+ MiB of 128 MiB/) as string, pl: 'amber: the FPGA manager says unknown', services: 'amber: jupyter run with the image\'s public password',
  });
});

test('secured: a key, host keys of its own, Jupyter off for good', async () => {
  showConsole();
  await board.board(0, 'secure', '--add-key', board.publicKey, '--new-host-keys', '--services-off');
  board.common = ['--identity', board.identity];
  expect((await board.ssh('systemctl is-active jupyter; systemctl is-enabled jupyter')).stdout).toBe('inactive\ndisabled\n');
  before = await files();
});

test('the plug is pulled in the middle of an installation; a second one finishes it, and the unit runs hardened', async () => {
  showConsole();
  const cut = board.start('install');
  await cut.seen('done     settings', 15 * MINUTE);
  await zynq.powerOff();
  expect((await cut.outcome).code).toBe(1);
  zynq = plug();
  await step('Emulated Zynq: boot after the cut', () => zynq.up());
  expect(await board.board(0, 'install')).toMatch(/3 vectors of pneumonia.* as the golden model does/);
  expect(await board.board(0, 'status')).toMatch(/active, version 0\.1\S+\nmodels: pneumonia/);
  expect((await board.ssh(`systemctl is-enabled ${UNIT}; ps -o user= -p ${await mainPid()}`)).stdout).toMatch(/^(enabled|linked)\nfabricl/);
  const score = (await board.root(`systemd-analyze security --no-pager ${UNIT}`)).trim().split('\n').at(-1)!;
  say(`  ${score}`);
  expect(Number(/: ([\d.]+) /.exec(score)![1])).toBeLessThanOrEqual(4);
});

test('the unit’s confinement: neither home nor network, and nothing written but the store', async () => {
  showConsole();
  const probe = readFileSync(join(import.meta.dirname, 'probe.py'), 'utf8');
  const put = await board.ssh('cat >/tmp/probe.py', probe);
  expect(put.code).toBe(0);
  // The unit as it is, its program alone exchanged.
  const name = 'fabriclens-probe.service';
  await board.root(`cp /tmp/probe.py /opt/fabriclens/probe.py; sed -e 's#^ExecStart=.*#ExecStart=/usr/bin/python3 /opt/fabriclens/probe.py 10.0.2.15#' -e 's/^Restart=.*/Type=oneshot/' /etc/systemd/system/${UNIT} >/run/systemd/system/${name}; systemctl daemon-reload; systemctl start ${name}`);
  const inside = JSON.parse((await board.root(`journalctl -u ${name} -o cat --no-pager | grep '^{'`)).trim()) as Record<string, unknown>;
  const outside = JSON.parse(await board.root('python3 /opt/fabriclens/probe.py 10.0.2.15')) as Record<string, unknown>;
  await board.root(`rm /opt/fabriclens/probe.py /run/systemd/system/${name} /tmp/probe.py; systemctl daemon-reload`);
  say(`  inside ${JSON.stringify(inside)}`);
  for (const what of ['home', 'own network address', 'netlink', 'etc', 'its program', 'memory', 'kernel log']) {
    expect({ what, inside: inside[what] }).toEqual({ what, inside: expect.stringMatching(/^no: /) as string });
    expect({ what, outside: outside[what] }).toEqual({ what, outside: expect.stringMatching(/^yes, /) as string });
  }
  for (const what of ['loopback', 'its store']) expect({ what, inside: inside[what] }).toEqual({ what, inside: expect.stringMatching(/^yes, /) as string });
  expect(inside['user']).not.toBe(0);
});

test('an agent that is killed comes back, and after a reboot it answers by itself', async () => {
  showConsole();
  const first = await mainPid();
  await board.root(`kill -9 ${first}`);
  await until('back after being killed', 5, async () => !['0', first].includes(await mainPid()) && await answers());
  expect((await board.ssh(`systemctl show -p NRestarts --value ${UNIT}`)).stdout.trim()).toBe('1');
  const bootId = (await board.ssh('cat /proc/sys/kernel/random/boot_id')).stdout;
  await board.ssh('sudo -k -S -p "" systemctl reboot', `${board.password}\n`);
  await until('started again', 10, async () => { const now = await board.ssh('cat /proc/sys/kernel/random/boot_id', '', 30_000); return now.code === 0 && now.stdout !== bootId; });
  await until('answers after the reboot', 5, answers);
});

test('a version that does not get ready is gone back from; a good one is updated to, and rolled back from', async () => {
  showConsole();
  const was = /version (\S+)/.exec(await board.board(0, 'status'))![1]!.replace(',', '');
  // Answers in its self-test, and ends under the unit.
  const bad = laterBundle(board.folder, '0.8.0', { 'agent/fabriclens_agent/__init__.py': (text) => `${text}import sys\nif '--store' in sys.argv: sys.exit('not today')\n` });
  expect(await board.board(1, 'update', '--bundle', bad)).toContain('the version before runs again');
  expect(await board.board(0, 'status')).toContain(`active, version ${was}`);
  expect(await board.board(0, 'logs')).toContain('not today');
  const later = laterBundle(board.folder, '0.9.0', { 'agent/fabriclens_agent/__init__.py': (text) => text.replace(/__version__ = .*/, "__version__ = '0.9.0'") });
  await board.board(0, 'update', '--bundle', later);
  expect(await board.board(0, 'status')).toMatch(new RegExp(`active, version 0\\.9\\.0-[0-9a-f]{12}, before it ${was}`));
  expect(await board.board(0, 'rollback')).toContain(`runs ${was} again`);
  expect(await board.board(0, 'status')).toContain(`active, version ${was}, before it 0.9.0`);
});

test('uninstall leaves nothing: no file, no unit, no user', async () => {
  showConsole();
  await board.board(0, 'uninstall');
  expect(await files()).toEqual(before);
  expect((await board.ssh(`systemctl status ${UNIT} 2>&1; id fabriclens 2>&1`)).stdout).toMatch(/could not be found[\s\S]*no such user/);
});
