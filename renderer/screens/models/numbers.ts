/** Counts, bytes and ratios of a report as people read them. Pure. */
import type { LayerRow } from '../../../src/contract/report.ts';

export const DASH = '–';
export const whole = (value: number | null, language: string): string => (value === null ? DASH : Math.round(value).toLocaleString(language));
export const percent = (share: number | null): string => (share === null ? DASH : `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`);
export const decibels = (value: number | null): string => (value === null ? DASH : value.toFixed(1));
export const shape = (dims: readonly number[]): string => (dims.length === 0 ? '1' : dims.join('×'));
/** In kB below a million bytes, MB above. */
export const bytes = (value: number): string => (value < 1e6 ? `${(value / 1e3).toFixed(1)} kB` : `${(value / 1e6).toFixed(2)} MB`);
/** Three digits that mean something. */
export function short(value: number): string {
  if (value === 0) return '0';
  if (value >= 100 || Number.isInteger(value)) return value.toFixed(0);
  return value >= 0.01 ? String(Number(value.toPrecision(3))) : value.toExponential(1);
}

export const SORTS = ['order', 'name', 'target', 'macs', 'cycles', 'utilisation', 'bytes', 'ms', 'sqnr'] as const;
export type Sort = (typeof SORTS)[number];

/** What is unknown stands last, either way round. `order` is that of computation. */
export function sorted(rows: readonly LayerRow[], by: Sort, descending: boolean): LayerRow[] {
  const numbered = rows.map((row, index) => ({ row, value: by === 'order' ? index : row[by] }));
  const sign = descending ? -1 : 1;
  numbered.sort(({ value: a }, { value: b }) => {
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    return sign * (typeof a === 'string' ? a.localeCompare(String(b)) : a - Number(b));
  });
  return numbered.map(({ row }) => row);
}
