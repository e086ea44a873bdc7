/**
 * `npm run bench:ps [-- --peer] [-- --json]`: instructions that one inference takes on the board's processor alone, counted under qemu-arm by a plugin of our own
 * (ps/count.c): the golden model as g++ compiles it for the Cortex-A9, the NEON kernels, and with --peer the same networks in int8 by ncnn and by XNNPACK,
 * which are fetched. Instructions, not time: nothing here knows the A9's pipeline.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../../hls/build.mjs';
import { emulated, hasArmhf } from '../../hls/tests/armhf.ts';
import { Golden } from '../../hls/tests/golden.ts';
import { compileProgram } from '../../src/compiler/compile.ts';
import { writeProgram } from '../../src/compiler/write.ts';
import { ROOT } from '../support/data.ts';
import { mobilenetv2 } from './core/mobilenetv2.ts';
import { inputOf } from './core/networks.ts';
import { ncnnPeer, Unavailable, xnnpackPeer, type Peer } from './ps/peers.ts';
import { macsOf, stepsOf, type Shape, type Steps } from './ps/steps.ts';

type Benched = { readonly name: string; readonly program: Uint8Array; readonly macs: number; readonly input: Shape; readonly codes: Int8Array };

function networks(): Benched[] {
  const { program, report } = compileProgram(readFileSync(join(ROOT, 'models/pneumonia/model.int8.onnx')), { psOnly: true });
  const [channels = 0, height = 0, width = 0] = report.layers[0]?.input ?? [];
  const input: Shape = [height, width, channels];
  const mobile = mobilenetv2();
  const onProcessor = writeProgram({ ...mobile.parts, descriptors: mobile.parts.descriptors.map((d) => ({ ...d, target: 'PS' as const })) });
  return [
    { name: 'pneumonia classifier', program, macs: report.macs, input, codes: inputOf({ input }, 1) },
    { name: 'MobileNetV2-224', program: onProcessor, macs: mobile.macs, input: mobile.input, codes: inputOf(mobile, 1) },
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

/** Of a whole process, and what it wrote. */
function counted(plugin: string, program: string, args: readonly string[], options: readonly string[], input?: Buffer): { instructions: number; output: Buffer } {
  const [qemu, ...before] = emulated(program, [...options, '-plugin', plugin]);
  const { status, stdout, stderr } = spawnSync(qemu, [...before, ...args], { ...(input !== undefined && { input }), maxBuffer: 1 << 26 });
  const line = /^instructions (\d+)$/m.exec(stderr.toString());
  if (status !== 0 || line === null) throw new Error(`${program} under qemu-arm ended with ${status}: ${stderr.toString()}`);
  return { instructions: Number(line[1]), output: stdout };
}

/** Of one inference: the difference of two runs. Start, load and what else a program does are in both. */
function each(count: (repeats: number) => number): number {
  const once = count(1);
  return count(2) - once;
}

/** How alike two networks' outputs are: Pearson's r. */
function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, v) => sum + v, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]! - ma, b[i]! - mb];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
}

/** Our codes, output by output. */
async function outputsOf({ program, codes }: Benched, { tensors, outputs }: Steps): Promise<Int8Array[]> {
  const golden = await Golden.start('driver', 'host');
  try {
    await golden.load(program, false);
    const all = await golden.run(codes);
    let at = 0;
    return outputs.map((tensor) => {
      const elements = tensors[tensor]!.shape.reduce((product, n) => product * n, 1);
      return all.slice(at, (at += elements));
    });
  } finally {
    await golden.end();
  }
}

type Beside = { readonly peer: string; readonly instructions: number; readonly correlation: number };

/** The same network by a peer. That it is the same shows in its widest output, which other rounding changes a little. */
async function beside(peer: Peer, plugin: string, folder: string, network: Benched): Promise<Beside> {
  const steps = stepsOf(network.program);
  const macs = steps.steps.reduce((sum, step) => sum + macsOf(step), 0);
  if (macs !== network.macs) throw new Error(`${network.name}: the peer is given ${macs} MAC of ${network.macs}`);
  const work = { steps, input: network.input, codes: network.codes };
  mkdirSync(folder);
  const args = peer.prepare(work, folder);
  let output: Buffer = Buffer.alloc(0);
  const instructions = each((repeats) => {
    const run = counted(plugin, peer.program, args(repeats), peer.options);
    output = run.output;
    return run.instructions;
  });
  const ours = await outputsOf(network, steps);
  const widest = ours.reduce((best, list, i) => (list.length > ours[best]!.length ? i : best), 0);
  const alike = correlation(ours[widest]!, peer.outputOf(output, work, widest));
  if (!(alike > 0.5)) throw new Error(`${network.name}: ${peer.name} computes something else (r = ${alike})`);
  return { peer: peer.name, instructions, correlation: alike };
}

if (!hasArmhf) throw new Error('Missing for this bench: apt-get install g++-arm-linux-gnueabihf qemu-user');
const folder = mkdtempSync(join(tmpdir(), 'fabriclens-ps-'));
try {
  const plugin = join(folder, 'count.so');
  execFileSync('gcc', ['-O2', '-shared', '-fPIC', join(ROOT, 'test/bench/ps/count.c'), '-o', plugin]);
  const [portable, neon] = [await build('driver-baseline', { machine: 'armhf' }), await build('driver', { machine: 'armhf' })];
  const peers: Peer[] = [];
  const missing: string[] = [];
  for (const peer of process.argv.includes('--peer') ? [ncnnPeer, xnnpackPeer] : []) {
    await peer().then((found) => peers.push(found), (error: unknown) => {
      if (!(error instanceof Unavailable)) throw error;
      missing.push(error.message);
    });
  }
  if (!process.argv.includes('--peer')) missing.push('none was asked for: npm run bench:ps -- --peer');
  const rows = [];
  for (const [i, network] of networks().entries()) {
    const own = (driver: string): number => each((repeats) => counted(plugin, driver, [], [], requests(network, repeats)).instructions);
    const [baseline, ours] = [own(portable), own(neon)];
    const others: Beside[] = [];
    for (const [k, peer] of peers.entries()) others.push(await beside(peer, plugin, join(folder, `${i}-${k}`), network));
    const best = Math.min(...others.map((other) => other.instructions));
    rows.push({ network: network.name, macs: network.macs, portable: baseline, neon: ours, peers: others, ratio: others.length > 0 ? ours / best : null });
  }
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify({ means: 'qemu-arm -cpu cortex-a9, plugin test/bench/ps/count.c', missing, rows }, null, 2)}\n`);
  else {
    const million = (n: number): string => (n / 1e6).toFixed(1);
    const head = ['network', 'MMAC', 'portable', 'NEON', ...peers.map((peer) => peer.name), 'NEON / best peer', 'correlation with the peers\' outputs'];
    const table = rows.map((r) => [
      r.network, million(r.macs), million(r.portable), million(r.neon), ...r.peers.map((other) => million(other.instructions)),
      r.ratio?.toFixed(2) ?? '-', r.peers.map((other) => other.correlation.toFixed(3)).join(', ') || '-',
    ]);
    process.stdout.write(`${[head, ...table].map((row) => row.join(' | ')).join('\n')}\n`);
    process.stdout.write('Millions of instructions of one inference on one thread, counted under qemu-arm by test/bench/ps/count.c; portable: the golden model as g++ vectorises it.\n');
    for (const why of missing) process.stdout.write(`No peer: ${why}\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
