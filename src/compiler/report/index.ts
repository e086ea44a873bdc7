/** What compilation, estimate and quantisation found, joined to the rows of report.json (src/contract/report.ts). Pure. */
import type { CoreEstimate } from '../../contract/oip.ts';
import type { AddModelReport, CoreSetting, LayerRow, Roofline } from '../../contract/report.ts';
import type { CompileReport } from '../compile.ts';
import type { OnnxModel } from '../onnx.ts';
import type { LayerQuality } from '../quantise/index.ts';

export { adviceOf, type Findings } from './advice.ts';

/** The core's default shape and what its cycle model presumes (hls/core/schedule.h, memory_timing.h), where no estimate says so itself. */
const DEFAULT_CORE: CoreSetting = { source: 'model', megahertz: 100, clockFrom: 'default', bytesPerSecond: 1e9, latencyNs: 400, memoryFrom: 'default', macsPerCycle: 384 };

/** @param given whether the caller chose the clock */
export function coreOf(estimate: CoreEstimate | null, given: boolean): CoreSetting {
  if (estimate === null) return DEFAULT_CORE;
  return {
    ...DEFAULT_CORE, megahertz: estimate.clock_khz / 1000, clockFrom: given ? 'given' : 'default',
    bytesPerSecond: estimate.bytes_per_second, latencyNs: estimate.latency_ns, macsPerCycle: estimate.macs_per_cycle,
  };
}

type Pass = { cycles: number | null; bytes: number | null; refusal: string | null };

/** The runtime's layers that one row stands for; null without an estimate. */
function passOf(estimate: CoreEstimate | null, first: number, count: number): Pass | null {
  const layers = estimate?.layers.slice(first, first + count) ?? [];
  if (layers.length === 0) return null;
  const sum = (values: readonly (number | null)[]): number | null => (values.some((v) => v === null) ? null : values.reduce<number>((all, v) => all + (v ?? 0), 0));
  return {
    cycles: sum(layers.map((l) => l.cycles)),
    bytes: sum(layers.flatMap((l) => [l.bytes_weights, l.bytes_read, l.bytes_written])),
    refusal: layers.find((l) => l.refusal !== null)?.refusal ?? null,
  };
}

/** What was measured, by the name of the codes: a layer's own name may be that of what is fused into it. @param model canonical QDQ */
export function byCodes({ nodes }: OnnxModel, quality: readonly LayerQuality[]): Map<string, LayerQuality> {
  const codes = new Map(nodes.flatMap((n) => (n.opType === 'DequantizeLinear' ? [[n.outputs[0] ?? '', n.inputs[0] ?? ''] as const] : [])));
  return new Map(quality.flatMap((q) => (codes.has(q.tensor) ? [[codes.get(q.tensor) as string, q] as const] : [])));
}

/** @param quality of byCodes; empty where nothing was measured */
export function rowsOf({ layers }: CompileReport, estimate: CoreEstimate | null, quality: ReadonlyMap<string, LayerQuality>, core: CoreSetting): LayerRow[] {
  const first = new Map<number, (typeof layers)[number]>();
  for (const layer of layers) if (layer.descriptor !== null && !first.has(layer.descriptor)) first.set(layer.descriptor, layer);
  return layers.map((layer): LayerRow => {
    const { name, operator, input, output, descriptor, float, weightBytes, activationBytes, macs } = layer;
    const host = descriptor === null ? undefined : first.get(descriptor);
    const within = host === undefined || host === layer ? null : host.name;
    const pass = descriptor === null || within !== null ? null : passOf(estimate, descriptor, layer.count);
    const cycles = layer.target === 'PL' ? (pass?.cycles ?? null) : null;
    // Of everything that the pass computes.
    const work = descriptor === null ? 0 : layers.filter((l) => l.descriptor === descriptor).reduce((sum, l) => sum + l.macs, 0);
    const found = quality.get(layer.tensor ?? '');
    return {
      name, operator, input: [...input], output: [...output], target: descriptor === null ? 'address' : layer.target, arithmetic: float ? 'fp32' : 'int8',
      reason: layer.target === 'PL' ? null : layer.reason || pass?.refusal || (float ? 'It computes in fp32.' : 'The PS was asked for.'),
      within, macs, weightBytes,
      bytes: within !== null || descriptor === null ? 0 : (pass?.bytes ?? weightBytes + activationBytes),
      cycles, utilisation: cycles === null || cycles === 0 ? null : Math.min(1, work / (core.macsPerCycle * cycles)), ms: cycles === null ? null : cycles / (1000 * core.megahertz),
      sqnr: found?.sqnr ?? null, ownSqnr: found?.ownSqnr ?? null, saturation: found?.saturation ?? null,
    };
  });
}

export function totalsOf(rows: readonly LayerRow[], report: CompileReport, estimate: CoreEstimate | null, core: CoreSetting): AddModelReport['totals'] {
  const sum = (of: readonly LayerRow[], key: 'macs' | 'weightBytes' | 'bytes'): number => of.reduce((all, row) => all + row[key], 0);
  const on = (target: LayerRow['target']): LayerRow[] => rows.filter((row) => row.target === target);
  const pl = on('PL');
  const cycles = estimate?.cycles ?? null;
  return {
    layers: { PL: pl.length, PS: on('PS').length, address: on('address').length },
    macs: sum(rows, 'macs'), macsOnPl: sum(pl, 'macs'), weightBytes: sum(rows, 'weightBytes'), bytes: sum(pl, 'bytes'),
    cycles, utilisation: cycles === null || cycles === 0 ? null : sum(pl, 'macs') / (core.macsPerCycle * cycles), ms: cycles === null ? null : cycles / (1000 * core.megahertz),
    arenaBytes: report.arenaBytes, floatArenaBytes: report.floatArenaBytes, programBytes: report.programBytes,
  };
}

/** Rows of one pass are one point, under the name of the row that has its cycles. */
export function rooflineOf(rows: readonly LayerRow[], { macsPerCycle, bytesPerSecond, megahertz }: CoreSetting): Roofline {
  const bytesPerCycle = bytesPerSecond / (megahertz * 1e6);
  const all = rows.reduce((sum, row) => sum + (row.cycles ?? 0), 0);
  const ridge = macsPerCycle / bytesPerCycle;
  const points = rows.flatMap((row) => {
    if (row.cycles === null || row.cycles === 0 || row.utilisation === null || row.bytes === 0) return [];
    const rate = row.utilisation * macsPerCycle;
    const macsPerByte = (rate * row.cycles) / row.bytes;
    return [{ name: row.name, macsPerByte, macsPerCycle: rate, bound: macsPerByte < ridge ? ('memory' as const) : ('compute' as const), share: row.cycles / all }];
  });
  return { macsPerCycle, bytesPerCycle, ridge, points };
}
