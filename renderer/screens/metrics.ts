/** `eval_metrics` of a package as a table. Names of the shape `set_engine_measure` share a row by set and measure. */

export interface MetricRow {
  set: string;
  measure: string;
  /** By engine; under '' for a number that belongs to no one engine. */
  values: Readonly<Record<string, number>>;
}

export function metricRows(metrics: Readonly<Record<string, number>>): { engines: string[]; rows: MetricRow[] } {
  const engines: string[] = [];
  const rows: Array<{ set: string; measure: string; values: Record<string, number> }> = [];
  for (const [name, value] of Object.entries(metrics)) {
    const match = /^(.+?)_(?:(fp32|int8|board)_)?(auc|accuracy|sensitivity|specificity|[a-z]+_[a-z]+|[a-z0-9]+)$/.exec(name);
    const [set, engine, measure] = match ? [match[1]!, match[2] ?? '', match[3]!] : ['', '', name];
    if (engine && !engines.includes(engine)) engines.push(engine);
    let row = rows.find((r) => r.set === set && r.measure === measure);
    if (!row) rows.push((row = { set, measure, values: {} }));
    row.values[engine] = value;
  }
  return { engines, rows };
}

/** Four decimals, so that a column's numbers align; a count stays a count. */
export const measureText = (value: number): string => (Number.isInteger(value) && Math.abs(value) > 1 ? String(value) : value.toFixed(4));
