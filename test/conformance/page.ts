/** docs/conformance.md: the rows as a page, and the page as rows. */
import type { Row } from './row.ts';
import { COLUMNS } from './row.ts';

const HEADS = ['file', 'transfer syntax', ...COLUMNS, 'why'];

export const SECTIONS = { synthetic: 'Files of our own', shared: 'Files of others' } as const;
export type Section = keyof typeof SECTIONS;

const escaped = (text: string): string => text.replace(/\\/g, '\\\\').replace(/\|/g, '\\|');
const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`;

/** A row's cells as the page has them. */
export const cellsOf = (row: Row): string[] => [row.file, row.transferSyntax, ...COLUMNS.map((column) => `${row[column].ok ? '' : 'FAULT: '}${row[column].text}`), row.why];

export function summaryOf(rows: readonly Row[]): string {
  const count = (holds: (row: Row) => boolean): number => rows.filter(holds).length;
  const decoded = count(({ decode }) => decode.text.includes('frame'));
  return `${rows.length} files: ${decoded} decoded, ${count(({ decode }) => decode.text.startsWith('listed'))} listed by their type, ${count(({ decode }) => decode.text.startsWith('refused'))} refused by name; ${count((row) => row.why !== '')} rows with a reason, ${count((row) => COLUMNS.some((column) => !row[column].ok))} with a fault.`;
}

/** @param peers e.g. `DCMTK 3.6.7` */
export function page(sections: Record<Section, readonly Row[]>, peers: readonly string[]): string {
  const table = (section: Section): string =>
    [`## ${SECTIONS[section]}`, '', summaryOf(sections[section]), '', line(HEADS), line(HEADS.map(() => '---')).replaceAll(' ', ''), ...sections[section].map((row) => line(cellsOf(row)))].join('\n');
  return `# Conformance of the DICOM reader
Written by \`npm run conformance\`, which says what differs when nothing may. A row a file, held against ${peers.join(' and ')}:

- **decode**: every frame of the file, or what it is listed as where it has no image, or why it is refused.
- **stored**: the stored values of the first and the last frame, equal in every bit. *written*: against what our own file was written with.
  Of colour it is the RGB of every pixel, equal to the peer's samples as PS3.3 C.7.6.3.1.2 makes RGB of them, lossy or not; of a palette it is the rendering that says it.
- **rendering**: their 8-bit display values, through modality and VOI transforms, colour transforms and palettes; greys at most 1 apart, colours equal.
- **spacing**: the millimetres of a pixel and where they come from, against the attribute as the peer reads it; *px* where the file has none.
- **text**: how many text values (sequences included) are equal in their character sets, person names by their component groups.
- **why**: the named reason for which a file may differ, or is refused. There is no other way not to be equal.

"of …" names the file that a peer was given where it cannot read the row's own: the same pixels in another encoding. A dash is nothing to compare.
The first table is made of files that the run writes (\`test/conformance/synthetic.ts\`) and is held to the code by \`npm test\`; the second needs
\`../shared/data/dicom\`, its sources and licences in MANIFEST.tsv there.

${table('synthetic')}

${table('shared')}
`;
}

/** The rows of a section of the page, as `cellsOf` gives them, by file. */
export function rowsOfPage(markdown: string, section: Section): Map<string, string[]> {
  const body = markdown.split(`## ${SECTIONS[section]}\n`)[1]?.split('\n## ')[0] ?? '';
  const lines = body.split('\n').filter((text) => text.startsWith('| ')).slice(1);
  const cells = lines.map((text) => text.slice(2, -2).split(/(?<!(?<!\\)\\) \| /).map((cell) => cell.replace(/\\([\\|])/g, '$1')));
  return new Map(cells.map((row) => [row[0]!, row]));
}

/** Where the page and rows differ; what only pydicom could judge is left out where it was not asked. */
export function differences(markdown: string, section: Section, rows: readonly Row[], pydicomAsked: boolean): string[] {
  const known = rowsOfPage(markdown, section);
  const found: string[] = [];
  for (const row of rows) {
    const there = known.get(row.file);
    if (!there) found.push(`${row.file}: not on the page`);
    cellsOf(row).forEach((cell, i) => {
      if (there && there[i] !== cell && (pydicomAsked || !there[i]!.includes('(pydicom'))) found.push(`${row.file}: ${HEADS[i]}: the page says "${there[i]}", the run "${cell}"`);
    });
    known.delete(row.file);
  }
  return [...found, ...[...known.keys()].map((file) => `${file}: only on the page`)];
}
