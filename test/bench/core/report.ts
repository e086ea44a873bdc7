/** The core's figures as text: a table a network, a row a layer. */
import { MACS_A_CYCLE, verdicts } from './aims.ts';
import type { Measured, NetworkResult } from './measure.ts';

function aligned(rows: readonly (readonly string[])[], left: number): string {
  const width = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) => row.map((cell, column) => (column < left ? cell.padEnd(width[column] ?? 0) : cell.padStart(width[column] ?? 0))).join('  ').trimEnd()).join('\n');
}

const grouped = (value: number): string => value.toLocaleString('en');
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(2);
const utilisation = (macs: number, cycles: number): string => (macs === 0 || cycles === 0 ? '' : `${((100 * macs) / MACS_A_CYCLE / cycles).toFixed(1)} %`);

function settingsTable({ macs, measured }: NetworkResult): string {
  return aligned([
    ['MHz', 'GB/s', 'ns', 'cycles', 'source', 'ideal', 'used', 'ms', 'model cycles', 'read MB', 'written MB', 'waits to read', 'to store', 'equal', 'host s'],
    ...measured.map((m) => [
      String(m.setting.clockMHz), (m.setting.bytesPerSecond / 1e9).toFixed(1), String(m.setting.latencyNs), grouped(m.cycles), m.source, grouped(Math.ceil(macs / MACS_A_CYCLE)),
      utilisation(macs, m.cycles), m.ms.toFixed(2), grouped(m.modelCycles), megabytes(m.bytesRead), megabytes(m.bytesWritten), grouped(m.stallRead), grouped(m.stallWrite),
      m.source === 'model' ? '' : m.difference === '' ? 'yes' : 'NO', m.hostSeconds.toFixed(1),
    ]),
  ], 0);
}

function layersTable({ layers, plan }: NetworkResult, { layers: cycles }: Measured): string {
  return aligned([
    ['layer', 'output', 'MMAC', 'cycles', 'ideal', 'used', 'MAC a cycle', 'model', 'MB', 'tiles', 'tile'],
    ...layers.map(({ name, macs, output }, i) => {
      const cut = plan[i];
      const took = cycles[i]?.cycles ?? 0;
      const bytes = cut === undefined ? 0 : cut.weightBytes + cut.readBytes + cut.writtenBytes;
      return [
        name, output.join('x'), (macs / 1e6).toFixed(2), grouped(took), grouped(Math.ceil(macs / MACS_A_CYCLE)), utilisation(macs, took), took === 0 ? '' : (macs / took).toFixed(0),
        grouped(cycles[i]?.modelCycles ?? 0), megabytes(bytes), String(cut?.commands ?? 0), cut === undefined ? '' : `${cut.tile.rows}x${cut.tile.columns}, ${cut.tile.blocks} blocks`,
      ];
    }),
  ], 2);
}

export function printed(result: NetworkResult): string {
  const [first] = result.measured;
  return [
    `${result.name}: ${(result.macs / 1e6).toFixed(2)} MMAC, ${result.layers.length} layers; golden model ${(result.goldenSeconds * 1000).toFixed(1)} ms`,
    settingsTable(result),
    ...(first === undefined ? [] : [`A row a layer, at ${first.setting.clockMHz} MHz and ${(first.setting.bytesPerSecond / 1e9).toFixed(1)} GB/s (${first.source}):`, layersTable(result, first)]),
    ...verdicts(result).map(({ text }) => `  ${text}`),
  ].join('\n');
}
