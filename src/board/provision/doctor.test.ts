import fc from 'fast-check';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { pynqRoot } from '../../../test/support/pynq-root.ts';
import type { Finding } from '../../contract/boards.ts';
import { diagnose, obstacles, reportText } from './doctor.ts';
import { parseProbe, probeScript, type Probe } from './probe.ts';

const NOW = 1_800_000_000;
const HEALTHY: Record<string, string> = {
  user: 'xilinx', home: '/home/xilinx', machine: 'armv7l', kernel: '6.6.10-xilinx', image: 'pynqlinux 3.1', board: 'Pynq-Z2', cpu: 'Features : half thumb fastmult vfp edsp neon vfpv3',
  python: '/usr/local/share/pynq-venv/bin/python3', 'python-version': '3.10.4', numpy: 'yes', pynq: 'yes', onnxruntime: 'no', tflite: 'no', torch: 'no', compiler: '11.2.0', libc: 'glibc 2.35',
  'disk-free-kib': '3000000', resized: '1', 'memory-available-kib': '400000', 'cma-total-kib': '131072', 'cma-free-kib': '42336', fpga: 'operating', time: String(NOW), systemd: 'running', 'has-systemd': 'yes',
  services: 'bootpy:inactive jupyter:inactive smbd:inactive nmbd:inactive', sudo: '/usr/bin/sudo', ports: '22 80', 'port-wanted': '8600',
};
const probe = (change: Record<string, string> = {}): Probe => new Map(Object.entries({ ...HEALTHY, ...change }));
const asked = { address: '192.168.2.99:22', nowS: NOW, sudo: true };
const finding = (id: string, change: Record<string, string>, sudo?: boolean): Finding => diagnose(probe(change), { ...asked, sudo }).findings.find((one) => one.id === id)!;

describe('the doctor', () => {
  test('finds a healthy board healthy', () => {
    const report = diagnose(probe(), asked);
    expect(report.findings.filter(({ grade }) => grade !== 'green')).toEqual([]);
    expect(Object.fromEntries(report.runs.map(({ id, grade }) => [id, grade]))).toEqual({ 'ps-only': 'green', pl: 'amber', onnxruntime: 'amber', tflite: 'red', pytorch: 'red' });
    expect(report).toMatchObject({ python: '/usr/local/share/pynq-venv/bin/python3', home: '/home/xilinx', systemd: true, installed: '' });
  });

  test.each([
    ['image', { image: 'pynqlinux 2.6' }, 'red', '3.8'], ['image', { image: 'debian 12' }, 'amber', 'not a PYNQ image'], ['machine', { machine: 'x86_64' }, 'amber', 'another machine'],
    ['board', { board: 'Pynq-Z1' }, 'amber', 'pins'], ['python', { 'python-version': '3.6.9' }, 'red', '3.8'], ['python', { 'python-version': '' }, 'red', '3.8'],
    ['disk', { 'disk-free-kib': '100000' }, 'red', 'delete'], ['resized', { resized: '' }, 'amber', 'wait'], ['memory', { 'memory-available-kib': '1000' }, 'red', 'Jupyter'],
    ['cma', { 'cma-free-kib': '100' }, 'amber', 'hold the rest'], ['cma', { 'cma-free-kib': '' }, 'amber', 'CmaTotal'], ['pl', { fpga: 'write error' }, 'amber', 'did not load'], ['pl', { fpga: '' }, 'amber', 'cannot load'],
    ['clock', { time: '1700000000' }, 'amber', 'no battery'], ['systemd', { 'has-systemd': 'no' }, 'amber', 'without supervision'], ['services', { services: 'jupyter:active smbd:active' }, 'amber', 'jupyter smbd'],
    ['port', { ports: '22 8600' }, 'red', 'end it'], ['cpu', { cpu: 'Features : half vfp' }, 'red', 'Cortex-A9'],
  ] as const)('%s %o is %s', (id, change, grade, words) => {
    const found = finding(id, change as Record<string, string>);
    expect(found.grade).toBe(grade);
    expect(found.mend).toContain(words);
  });

  test('its own port is not in its own way; sudo is judged by what it did', () => {
    expect(finding('port', { ports: '8600', installed: 'versions/1' }).grade).toBe('green');
    expect([true, false, undefined].map((sudo) => finding('sudo', {}, sudo).grade)).toEqual(['green', 'red', 'amber']);
    expect(finding('sudo', { user: 'root', sudo: '' }, undefined).grade).toBe('green');
    expect(obstacles(diagnose(probe({ sudo: '' }), asked)).map(({ id }) => id)).toEqual(['sudo']);
  });

  test('any answers give a report, and none moves a cursor', () => {
    const text = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
    fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom(...Object.keys(HEALTHY)), text), { maxLength: 20 }), (answers) => {
      const lines = answers.map(([key, value]) => `${key}=${value.replaceAll('\n', ' ')}`).join('\n');
      const parsed = parseProbe(`motd\nM1\n${lines}\nM1\n`, 'M1');
      const report = reportText(diagnose(parsed ?? new Map(), { ...asked, sudo: undefined }));
      expect(report).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    }), { numRuns: 60 });
  });
});

describe('the probe', () => {
  test('a real shell answers it, before a noisy message of the day, and nothing is changed', () => {
    const folder = mkdtempSync(join(tmpdir(), "fabriclens-it's a probe-"));
    try {
      for (const [name, text] of Object.entries(pynqRoot())) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), text);
      }
      const { stdout, stderr } = spawnSync('sh', ['-s'], { input: `echo welcome=yes\n${probeScript({ root: folder, port: 8600 }, 'MARK')}`, timeout: 60_000 });
      expect(stderr.toString()).toBe('');
      const answers = parseProbe(stdout.toString(), 'MARK')!;
      expect(answers.get('welcome')).toBeUndefined();
      expect(Object.fromEntries(['image', 'board', 'resized', 'cma-free-kib', 'fpga', 'has-systemd', 'installed'].map((key) => [key, answers.get(key)])))
        .toEqual({ image: 'pynqlinux 3.1', board: 'Pynq-Z2', resized: '1', 'cma-free-kib': '42336', fpga: 'operating', 'has-systemd': 'no', installed: '' });
      expect(answers.get('python-version')).toMatch(/^3\.\d+\.\d+/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('one that broke off is none', () => {
    expect(parseProbe('MARK\nimage=x\n', 'MARK')).toBeUndefined();
    expect(parseProbe('', 'MARK')).toBeUndefined();
  });
});
