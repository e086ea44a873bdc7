/** From samples to a table: medians by viewer, and ours over each peer's. Pure. */

export interface Sample {
  row: string;
  viewer: string;
  /** Milliseconds, or MiB of memory; null: it was not to be had. */
  value: number | null;
  /** Why not: `cannot` (a syntax that it has no decoder for) or `failed`. */
  why: string;
}

export interface Cell {
  /** Null where a repetition failed, or the viewer cannot. */
  median: number | null;
  low: number;
  high: number;
  runs: number;
  why: string;
  /** Of our median to this one's; null for ourselves and where there is no median. */
  ratio: number | null;
}

export interface BenchRow {
  row: string;
  cells: Record<string, Cell>;
}

export const OURS = 'FabricLens';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Rows and viewers in the order in which they first come. */
export function rowsOf(samples: readonly Sample[]): BenchRow[] {
  return [...new Set(samples.map(({ row }) => row))].map((row) => {
    const of = samples.filter((sample) => sample.row === row);
    const cells: Record<string, Cell> = {};
    for (const viewer of [...new Set(of.map((sample) => sample.viewer))].sort((a, b) => Number(b === OURS) - Number(a === OURS))) {
      const own = of.filter((sample) => sample.viewer === viewer);
      const values = own.flatMap(({ value }) => (value === null ? [] : [value]));
      // A picture that was wrong once is no time.
      const why = own.find((sample) => sample.value === null)?.why ?? '';
      const middle = why === '' ? median(values) : null;
      const ours = cells[OURS]?.median ?? null;
      cells[viewer] = { median: middle, low: Math.min(...values), high: Math.max(...values), runs: values.length, why, ratio: viewer === OURS || middle === null || ours === null ? null : ours / middle };
    }
    return { row, cells };
  });
}

const digits = (value: number): string => value.toFixed(value >= 100 ? 0 : 1);

/** As a Markdown table; a peer's cell has our ratio to it in brackets. */
export function printRows(rows: readonly BenchRow[]): string {
  const viewers = [...new Set(rows.flatMap(({ cells }) => Object.keys(cells)))];
  const cell = (one: Cell | undefined): string => {
    if (!one) return '';
    if (one.median === null) return one.why;
    return one.ratio === null ? `${digits(one.median)} (${digits(one.low)} to ${digits(one.high)})` : `${digits(one.median)} (${one.ratio.toFixed(2)})`;
  };
  const lines = [['', ...viewers], ['---', ...viewers.map(() => '---')], ...rows.map(({ row, cells }) => [row, ...viewers.map((viewer) => cell(cells[viewer]))])];
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}
