/**
 * `npm run bench:ps [-- --json]`: instructions that one inference takes on the board's processor alone, counted under qemu-arm by a plugin of our own
 * (ps/count.c): the golden model as g++ compiles it for the Cortex-A9, and the NEON kernels. Instructions, not time: nothing here knows the A9's pipeline.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../../hls/build.mjs';
import { emulated, hasArmhf } from '../../hls/tests/armhf.ts';
import { compileProgram } from '../../src/compiler/compile.ts';
import { writeProgram } from '../../src/compiler/write.ts';
import { ROOT } from '../support/data.ts';
import { mobilenetv2 } from './core/mobilenetv2.ts';
import { inputOf } from './core/networks.ts';

type Benched = { readonly name: string; readonly program: Uint8Array; readonly macs: number; readonly codes: Int8Array };

function networks(): Benched[] {
  const { program, report } = compileProgram(readFileSync(join(ROOT, 'models/pneumonia/model.int8.onnx')), { psOnly: true });
  const [channels = 0, height = 0, width = 0] = report.layers[0]?.input ?? [];
  const mobile = mobilenetv2();
  const onProcessor = writeProgram({ ...mobile.parts, descriptors: mobile.parts.descriptors.map((d) => ({ ...d, target: 'PS' as const })) });
  return [
    { name: 'pneumonia classifier', program, macs: report.macs, codes: inputOf({ input: [height, width, channels] }, 1) },
    { name: 'MobileNetV2-224', program: onProcessor, macs: mobile.macs, codes: inputOf(mobile, 1) },
  ];
}

/** What the driver reads: LOAD, then TIME of so many repeats (hls/tests/driver.cpp). */
function requests({ program, codes }: Benched, repeats: number): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32LE(1, 0);
  head.writeUInt32LE(program.length, 16);
  const time = Buffer.alloc(12);
  [4, repeats, codes.length].forEach((word, i) => time.writeUInt32LE(word, 4 * i));
  return Buffer.concat([head, program, time, new Uint8Array(codes.buffer, codes.byteOffset, codes.length)]);
}

function instructions(driver: string, plugin: string, input: Buffer): number {
  const [program, ...args] = emulated(driver, ['-plugin', plugin]);
  const { status, stderr } = spawnSync(program, args, { input, maxBuffer: 1 << 26 });
  const counted = /^instructions (\d+)$/m.exec(stderr.toString());
  if (status !== 0 || counted === null) throw new Error(`${driver} under qemu-arm ended with ${status}: ${stderr.toString()}`);
  return Number(counted[1]);
}

if (!hasArmhf) throw new Error('Missing for this bench: apt-get install g++-arm-linux-gnueabihf qemu-user');
const folder = mkdtempSync(join(tmpdir(), 'fabriclens-ps-'));
try {
  const plugin = join(folder, 'count.so');
  execFileSync('gcc', ['-O2', '-shared', '-fPIC', join(ROOT, 'test/bench/ps/count.c'), '-o', plugin]);
  const [portable, neon] = [await build('driver-baseline', { machine: 'armhf' }), await build('driver', { machine: 'armhf' })];
  const rows = networks().map((network) => {
    // The difference of two runs: start, load and the driver's own work are in both.
    const [one, two] = [1, 2].map((repeats) => requests(network, repeats)) as [Buffer, Buffer];
    const each = (driver: string): number => instructions(driver, plugin, two) - instructions(driver, plugin, one);
    return { network: network.name, macs: network.macs, portable: each(portable), neon: each(neon) };
  });
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify({ means: 'qemu-arm -cpu cortex-a9, plugin test/bench/ps/count.c', peer: null, rows }, null, 2)}\n`);
  else {
    const million = (n: number): string => (n / 1e6).toFixed(1);
    const table = rows.map((r) => [r.network, million(r.macs), million(r.portable), million(r.neon), (r.macs / r.neon).toFixed(2), (r.portable / r.neon).toFixed(2)]);
    process.stdout.write(`${[['network', 'MMAC', 'portable, M instructions', 'NEON, M instructions', 'MAC an instruction', 'portable / NEON'], ...table].map((row) => row.join(' | ')).join('\n')}\n`);
    process.stdout.write('Counted under qemu-arm by test/bench/ps/count.c, one inference on one thread; portable: the golden model as g++ vectorises it. No peer: none was built.\n');
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
