/** A Zynq-7000 with 512 MB, a card and a network cable to this computer, as QEMU has it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { greeted } from './operator.ts';

export interface Zynq {
  /** What it said on its serial console, the last of it. */
  console(): string;
  /** Until it has started and its SSH server greets. */
  up(): Promise<void>;
  /** The plug is pulled. */
  powerOff(): Promise<void>;
}

/** Boot of systemd with a busy computer beside it; 20 s on an idle one. */
const BOOT_MS = 10 * 60_000;
const MEMORY_MIB = '512';
// As slirp numbers its network; nothing but SSH comes in, and nothing goes out.
const NETWORK = 'ip=10.0.2.15::10.0.2.2:255.255.255.0:pynq:eth0:off';

/** `card` is written to. `port`: on this computer's loopback, leads to the board's port 22. */
export function powerOn({ kernel, deviceTree, card, port }: { kernel: string; deviceTree: string; card: string; port: number }): Zynq {
  const child: ChildProcess = spawn('qemu-system-arm', [
    '-M', 'xilinx-zynq-a9', '-cpu', 'cortex-a9', '-m', MEMORY_MIB, '-nographic', '-monitor', 'none', '-serial', 'null', '-serial', 'stdio', '-kernel', kernel, '-dtb', deviceTree,
    '-drive', `file=${card},if=sd,format=raw`, '-append', `console=ttyPS0,115200 root=/dev/mmcblk0 rw rootwait net.ifnames=0 ${NETWORK}`,
    '-netdev', `user,id=cable,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`, '-net', 'nic,netdev=cable',
  ], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk: Buffer) => { said = (said + chunk.toString('latin1')).slice(-20_000); });
  const ended = new Promise<void>((done) => child.once('exit', () => done()).once('error', (error) => { said += error.message; done(); }));
  const alive = (): boolean => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  return {
    console: () => said,
    up: () => greeted(port, BOOT_MS, () => (alive() ? undefined : said)),
    async powerOff() {
      if (alive()) child.kill('SIGKILL');
      await ended;
    },
  };
}
