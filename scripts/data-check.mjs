/** `npm run data:check`: which of the larger test data (FABRICLENS_DATA, by default ../shared/data) are there. Code 1 when some are missing. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { main } from './lib/log.mjs';
import { ROOT } from './lib/paths.mjs';

/** What tests and training use; counts as docs/data.md has them. */
const SETS = [
  { name: 'dicom', expected: (folder) => manifestNames(folder), use: 'real DICOM files of 19 transfer syntaxes: decoding against DCMTK' },
  { name: 'chest-xray-224/train', count: 5216, use: 'training and threshold of models/pneumonia' },
  { name: 'chest-xray-224/test', count: 624, use: 'evaluation of models/pneumonia' },
  { name: 'pneumoniamnist-28/pneumoniamnist.npz', count: 1, use: 'cross-check of the split' },
];

function manifestNames(folder) {
  const file = join(folder, 'MANIFEST.tsv');
  if (!existsSync(file)) return null;
  const [header, ...rows] = readFileSync(file, 'utf8').trim().split('\n').map((line) => line.split('\t'));
  const column = header.findIndex((name) => /^(file|name|path)$/i.test(name.trim()));
  return rows.map((row) => row[Math.max(column, 0)]);
}

function filesIn(path) {
  if (!existsSync(path)) return [];
  if (!path.includes('.npz')) return readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => entry.name);
  return [path];
}

/** @returns {{ text: string, missing: number }} a line about one data set */
export function look(data, { name, count, expected, use }) {
  const there = filesIn(join(data, name));
  const listed = expected?.(join(data, name));
  const wanted = listed?.length ?? count ?? 1;
  const missing = listed ? listed.filter((file) => !there.includes(file)) : [];
  const found = listed ? listed.length - missing.length : there.length;
  const lacking = Math.max(0, wanted - found);
  const names = missing.length > 0 && missing.length <= 5 ? ` (${missing.join(', ')})` : '';
  return { text: `${lacking === 0 ? 'complete' : found === 0 ? 'MISSING ' : 'PARTIAL '}  ${name}: ${found} of ${listed || count ? wanted : 'an unknown number of'} files${names}. For ${use}.`, missing: lacking };
}

await main(() => {
  const data = resolve(ROOT, process.env.FABRICLENS_DATA ?? '../shared/data');
  const looks = SETS.map((set) => look(data, set));
  process.stdout.write(`Test data in ${data}${existsSync(data) ? '' : ' (no such folder; set FABRICLENS_DATA)'}\n${looks.map(({ text }) => `  ${text}\n`).join('')}`);
  const missing = looks.reduce((sum, one) => sum + one.missing, 0);
  process.stdout.write(missing === 0 ? 'Nothing is missing.\n' : `${missing} files are missing. Tests that need them skip by name; everything else runs.\n`);
  return missing === 0 ? 0 : 1;
});
