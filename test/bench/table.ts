/** A benchmark's rows, and how they are printed. Every figure says what was measured and how often. */
export interface Row {
  name: string;
  /** `ms`, `%`, `×`. */
  unit: string;
  p50: number;
  p95: number;
  runs: number;
  /** What the figure is held against, e.g. `< 2000 ms`; empty where there is no aim. */
  aim: string;
  /** Null without an aim. Benchmarks report; they never fail a build. */
  met: boolean | null;
}

const digits = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2));

export function printTable(rows: readonly Row[]): string {
  const cells = [
    ['', 'p50', 'p95', '', 'runs', 'aim', ''],
    ...rows.map((r) => [r.name, digits(r.p50), digits(r.p95), r.unit, String(r.runs), r.aim, r.met === null ? '' : r.met ? 'met' : 'missed']),
  ];
  const width = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const right = new Set([1, 2, 4]);
  return cells.map((row) => row.map((cell, column) => (right.has(column) ? cell.padStart(width[column]!) : cell.padEnd(width[column]!))).join('  ').trimEnd()).join('\n');
}
