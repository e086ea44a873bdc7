/** What of the core's figures is kept in hls/results/core.json: no host's seconds, no layers. */
import { MACS_A_CYCLE } from './aims.ts';
import type { NetworkResult } from './measure.ts';

export type RecordedRun = {
  readonly clockMHz: number;
  readonly gigabytesPerSecond: number;
  readonly latencyNs: number;
  readonly source: 'rtl' | 'model';
  readonly cycles: number;
  readonly modelCycles: number;
  readonly ms: number;
  /** Of the array's multiply-accumulates a cycle. */
  readonly percentUsed: number;
  readonly megabytes: number;
};
export type RecordedNetwork = { readonly id: string; readonly name: string; readonly mmac: number; readonly runs: readonly RecordedRun[] };

export function recorded({ id, name, macs, measured }: NetworkResult): RecordedNetwork {
  const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
  return {
    id, name, mmac: rounded(macs / 1e6, 1),
    runs: measured.map((m) => ({
      clockMHz: m.setting.clockMHz, gigabytesPerSecond: m.setting.bytesPerSecond / 1e9, latencyNs: m.setting.latencyNs, source: m.source, cycles: m.cycles,
      modelCycles: m.modelCycles, ms: rounded(m.ms, 2), percentUsed: rounded((100 * macs) / MACS_A_CYCLE / m.cycles, 1), megabytes: rounded((m.bytesRead + m.bytesWritten) / 1e6, 1),
    })),
  };
}
