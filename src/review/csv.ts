/** Tables as CSV (RFC 4180). */
export type Cell = string | number | null;

/** Quoted where it must be; what a spreadsheet would compute (a text that begins as a formula) stays text. */
function cell(value: Cell): string {
  const text = value === null ? '' : typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csv = (heading: readonly string[], rows: ReadonlyArray<readonly Cell[]>): string => [heading.join(','), ...rows.map((row) => row.map(cell).join(',')), ''].join('\r\n');
