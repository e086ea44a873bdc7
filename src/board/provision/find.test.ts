import { createServer } from 'node:http';
import { createServer as createTcp } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { startSshd } from '../../../test/support/sshd.ts';
import { NO_BOARDS, withBoard } from '../ssh/host-keys.ts';
import { find, hostsOf } from './find.ts';

test('subnets are bounded, and hold hosts only', () => {
  expect(hostsOf('192.168.1.77/30')).toEqual(['192.168.1.77', '192.168.1.78']);
  expect(hostsOf('10.0.0.7/32')).toEqual(['10.0.0.7']);
  expect(hostsOf('10.0.255.0/24')).toHaveLength(254);
  expect(hostsOf('255.255.252.0/22').at(-1)).toBe('255.255.255.254');
  for (const wrong of ['10.0.0.0/8', '10.0.0.0/33', '10.0.0.256/24', 'pynq/24', '10.0.0/24']) expect(() => hostsOf(wrong), wrong).toThrow(/subnet|at most/);
});

test('what answers is told with its evidence, what is no SSH server is not told', async () => {
  const server = await startSshd();
  const jupyter = createServer((_, response) => response.end('{"version": "2.14.2"}'));
  const other = createTcp((socket) => socket.on('error', () => {}).resume().end('220 ftp\r\n'));
  for (const one of [jupyter, other]) await new Promise<void>((done) => one.listen(0, '127.0.0.1', done));
  const ports = { ssh: server.port, jupyter: (jupyter.address() as AddressInfo).port };
  try {
    const address = `127.0.0.1:${server.port}`;
    const [stranger] = await find('127.0.0.1', { known: NO_BOARDS, ports });
    expect(stranger).toMatchObject({ address, sure: 'possible' });
    expect(stranger!.evidence.join()).toMatch(/SSH-2\.0-OpenSSH.*Jupyter/);
    const known = withBoard(NO_BOARDS, { id: 'a'.repeat(32), name: 'desk', addresses: [address], user: 'xilinx', hostKeys: [server.hostKey] });
    expect((await find('127.0.0.0/30', { known, ports })).find((one) => one.address === address)).toMatchObject({ sure: 'certain' });
    // Whoever calls itself pynq by mDNS is looked at where the answer came from, and is no surer for it than its banner lets it be.
    const listen = (): Promise<{ host: string; name: string; port: number | undefined }[]> => Promise.resolve([{ host: '127.0.0.1', name: 'pynq', port: server.port }]);
    const seen: number[] = [];
    const heard = (await find(undefined, { known: NO_BOARDS, ports: { ...ports, ssh: 1 }, timeoutMs: 200, listen, onProgress: (all, done, total) => seen.push(all.length, done, total) })).find((one) => one.address === address);
    expect(heard?.evidence.join()).toContain("calls itself 'pynq' by mDNS");
    expect(seen.slice(-2)).toEqual([4, 4]);
    expect(await find(`127.0.0.1:${(other.address() as AddressInfo).port}`, { known, ports })).toEqual([]);
    expect(await find('127.0.0.1:1', { known, ports })).toEqual([]);
  } finally {
    for (const one of [jupyter, other]) await new Promise((done) => one.close(done));
    await server.stop();
  }
});
