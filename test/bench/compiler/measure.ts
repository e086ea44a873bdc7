/** A network from its generator to a program, a process a step, and the program on the golden model beside ONNX Runtime. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Counter, DEFAULT_GEOMETRY } from '../../../hls/tests/counter.ts';
import type { Golden } from '../../../hls/tests/golden.ts';
import { openSession } from '../../../src/engines/index.ts';
import { imageOf } from '../../networks/inputs.ts';
import type { Exported } from '../../networks/index.ts';
import { Agreement, type Agreed } from './agreement.ts';
import { FILES } from './networks.ts';
import type { Step, StepResult, Timed } from './steps.ts';

/** Larger images take longer in all engines and say as much. */
const LARGE = 416 * 416 * 3;
const CALIBRATED = { small: 8, large: 2 };
const COMPARED = { small: 8, large: 3 };

export type CompilerResult = Agreed & {
  readonly id: string;
  readonly name: string;
  readonly form: string;
  readonly task: Exported['task'];
  readonly input: readonly number[];
  readonly onnxBytes: number;
  readonly macs: number;
  readonly plMacs: number;
  readonly convMacs: number;
  readonly plConvMacs: number;
  /** Poolings, upsamplings and concatenations of the int8 part that the core does not do. */
  readonly offCore: readonly string[];
  readonly floatOperators: number;
  readonly arenaBytes: number;
  readonly contiguousBytes: number;
  readonly floatArenaBytes: number;
  readonly programBytes: number;
  /** Reading and canonicalising; calibration, quantisation and its report; QDQ to program. */
  readonly import: Timed;
  readonly quantise: Timed;
  readonly compile: Timed;
  /** Loading into the golden model; cutting every layer into the core's commands, with the cycle model's count (null: not all of it is the core's). */
  readonly loadSeconds: number;
  readonly schedule: { readonly seconds: number; readonly cycles: number } | null;
  readonly calibrationSamples: number;
  readonly method: string;
};

/** @throws Error with what the child wrote where it fails */
async function child(program: string, step: Step, id: string, folder: string, samples = 0): Promise<StepResult> {
  const forked = spawn(process.execPath, [program, step, id, folder, String(samples)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, error] = ['', ''];
  forked.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  forked.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => forked.on('error', reject).on('close', resolve));
  if (code !== 0) throw new Error(`${id}: ${step} ended with ${code}: ${error.trim().slice(-2000)}`);
  return JSON.parse(out.trim().split('\n').at(-1) ?? '') as StepResult;
}

const timed = ({ seconds, cpuSeconds, peakBytes }: StepResult): Timed => ({ seconds, cpuSeconds, peakBytes });

export type Tools = { readonly child: string; readonly golden: Golden; readonly say: (line: string) => void };

async function scheduled(program: Uint8Array): Promise<CompilerResult['schedule']> {
  const counter = await Counter.start();
  try {
    const start = performance.now();
    const { cycles } = await counter.count(program, DEFAULT_GEOMETRY, { clockMHz: 100, bytesPerSecond: 1e9, latencyNs: 400 });
    return { seconds: (performance.now() - start) / 1000, cycles };
  } catch {
    return null;
  } finally {
    await counter.end();
  }
}

export async function measure(network: Exported, { child: program, golden, say }: Tools): Promise<CompilerResult> {
  const folder = mkdtempSync(join(tmpdir(), 'fabriclens-bench-'));
  const path = (name: keyof typeof FILES): string => join(folder, FILES[name]);
  const step = async (name: Step, samples?: number): Promise<StepResult> => {
    say(`${network.name}: ${name}`);
    return child(program, name, network.id, folder, samples);
  };
  try {
    await step('generate');
    const imported = await step('import');
    const dims = imported.input ?? [];
    const size = dims.reduce((product, d) => product * d, 1) >= LARGE ? 'large' : 'small';
    const quantised = await step('quantise', CALIBRATED[size]);
    const compiled = await step('compile');
    say(`${network.name}: golden model and ONNX Runtime`);
    const bytes = readFileSync(path('program'));
    const start = performance.now();
    const { status, text } = await golden.load(bytes);
    if (status !== 0) throw new Error(`${network.id}: the runtime refuses the program: ${text}`);
    const loadSeconds = (performance.now() - start) / 1000;
    const agreement = new Agreement(network.task);
    const name = imported.inputName ?? '';
    const sessions = [await openSession(readFileSync(path('canonical')), 'all'), await openSession(readFileSync(path('int8')), 'all')] as const;
    try {
      for (let i = 0; i < COMPARED[size]; i++) {
        const data = imageOf(dims, 5000 + i, network.range);
        const [fp32, int8] = [await sessions[0].run({ name, data, dims: [...dims] }, imported.outputs ?? []), await sessions[1].run({ name, data, dims: [...dims] }, imported.outputs ?? [])];
        const first = imported.outputs?.[0] ?? '';
        const board = await golden.runFloat(data);
        if (board.status !== 0) throw new Error(`${network.id}: the golden model: ${board.text}`);
        const want = fp32.get(first)?.data as Float32Array;
        agreement.add(want, int8.get(first)?.data as Float32Array, board.values.subarray(0, want.length));
      }
    } finally {
      for (const session of sessions) await session.close();
    }
    return {
      id: network.id, name: network.name, form: network.form, task: network.task, input: dims, onnxBytes: statSync(path('exported')).size,
      macs: compiled.macs ?? 0, plMacs: compiled.plMacs ?? 0, convMacs: compiled.convMacs ?? 0, plConvMacs: compiled.plConvMacs ?? 0, offCore: compiled.offCore ?? [], floatOperators: compiled.floatOperators ?? 0,
      arenaBytes: compiled.arenaBytes ?? 0, contiguousBytes: compiled.contiguousBytes ?? 0, floatArenaBytes: compiled.floatArenaBytes ?? 0, programBytes: compiled.programBytes ?? 0,
      import: timed(imported), quantise: timed(quantised), compile: timed(compiled), loadSeconds, schedule: await scheduled(bytes), calibrationSamples: CALIBRATED[size], method: quantised.chosen ?? '', ...agreement.agreed(),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
