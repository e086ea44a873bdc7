/** A network through the golden model, the cycle model and, whole, the Verilated RTL. */
import { Outcome, type Simulated } from '../../../hls/sim/simulated.ts';
import { DEFAULT_GEOMETRY, type Counter, type Memory, type NetworkCount } from '../../../hls/tests/counter.ts';
import type { Golden } from '../../../hls/tests/golden.ts';
import type { LayerNote } from './builder.ts';
import { inputOf, type Benched } from './networks.ts';

/** The memory as DESIGN.md states it, at both clocks, and a slow one. */
export const SETTINGS: readonly [Memory, Memory, Memory, Memory] = [
  { clockMHz: 100, bytesPerSecond: 1e9, latencyNs: 400 },
  { clockMHz: 150, bytesPerSecond: 1e9, latencyNs: 400 },
  { clockMHz: 100, bytesPerSecond: 0.6e9, latencyNs: 800 },
  { clockMHz: 150, bytesPerSecond: 0.6e9, latencyNs: 800 },
];
/** A core that is stuck ends at its watchdog, so this is never reached. */
const BOUND_CYCLES = 1e9;
const GOLDEN_REPEATS = 3;

export type Measured = {
  readonly setting: Memory;
  /** Of `cycles`; `rtl`: simulated whole. */
  readonly source: 'rtl' | 'model';
  readonly cycles: number;
  readonly modelCycles: number;
  readonly ms: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly stallRead: number;
  readonly stallWrite: number;
  /** Where the RTL's results first differ from the golden model's; empty where they don't. */
  readonly difference: string;
  readonly hostSeconds: number;
  readonly layers: readonly { readonly cycles: number; readonly modelCycles: number }[];
};

export type NetworkResult = {
  readonly id: string;
  readonly name: string;
  readonly macs: number;
  readonly layers: readonly LayerNote[];
  /** How the layers were cut, and their bytes. */
  readonly plan: NetworkCount['layers'];
  readonly goldenSeconds: number;
  readonly measured: readonly Measured[];
};

export async function goldenSeconds(golden: Golden, network: Benched): Promise<number> {
  const { status, text, layers } = await golden.load(network.program);
  if (status !== 0) throw new Error(`${network.name}: ${text}`);
  return Math.min(...(await golden.time(inputOf(network, 1), GOLDEN_REPEATS, layers)).totals) / 1e9;
}

const milliseconds = (cycles: number, { clockMHz }: Memory): number => cycles / clockMHz / 1000;

export async function byModel(counter: Counter, network: Benched, setting: Memory): Promise<{ measured: Measured; plan: NetworkCount['layers'] }> {
  const start = performance.now();
  const { cycles, bytesRead, bytesWritten, stallRead, stallWrite, layers } = await counter.count(network.program, DEFAULT_GEOMETRY, setting);
  const measured: Measured = {
    setting, source: 'model', cycles, modelCycles: cycles, ms: milliseconds(cycles, setting), bytesRead, bytesWritten, stallRead, stallWrite, difference: '',
    hostSeconds: (performance.now() - start) / 1000, layers: layers.map((layer) => ({ cycles: layer.cycles, modelCycles: layer.cycles })),
  };
  return { measured, plan: layers };
}

/** @throws Error where the core ends with an error, hangs or breaks a rule of AXI; a difference is told in the result */
export async function byRtl(core: Simulated, network: Benched, model: Measured): Promise<Measured> {
  const { setting } = model;
  const start = performance.now();
  await core.configure({ ...setting, watchdogCycles: BOUND_CYCLES });
  await core.load(network.program);
  const run = await core.run(inputOf(network, 1), { bound: BOUND_CYCLES });
  if (run.outcome === Outcome.FAILED) throw new Error(`${network.name}: ${run.text}`);
  const [a, b] = run.traffic;
  return {
    ...model, source: 'rtl', cycles: run.cycles, ms: milliseconds(run.cycles, setting), bytesRead: a.bytesRead + b.bytesRead, bytesWritten: a.bytesWritten + b.bytesWritten,
    stallRead: run.stallRead, stallWrite: run.stallWrite, difference: run.outcome === Outcome.DIFFERENT ? run.text : '',
    hostSeconds: (performance.now() - start) / 1000, layers: run.layers.map((cycles, i) => ({ cycles, modelCycles: model.layers[i]?.modelCycles ?? 0 })),
  };
}
