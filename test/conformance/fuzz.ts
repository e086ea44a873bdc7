/**
 * `npm run fuzz:dicom [-- --count N] [--seed S] [--file N] [--json]`: damaged files through parse and decode (20,000 by default); ends with 1 where one
 * crashes, hangs or takes too much memory; --file tries the one of that number alone.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fuzz, fuzzSources, fuzzText } from './fuzz-run.ts';

const { values } = parseArgs({ args: process.argv.slice(2).filter((argument) => !argument.endsWith('.ts')), options: { count: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1' }, file: { type: 'string' }, json: { type: 'boolean', default: false } } });
const seed = Number(values.seed);
const from = Number(values.file ?? 0);
const count = values.file === undefined ? Number(values.count) : 1;
if (!Number.isInteger(count) || count < 1 || !Number.isInteger(seed) || !Number.isInteger(from)) throw new Error('npm run fuzz:dicom [-- --count N] [--seed S] [--file N] [--json]: N and S are whole numbers');
const scratch = mkdtempSync(join(tmpdir(), 'fabriclens-fuzz-'));
try {
  const report = await fuzz(await fuzzSources(join(scratch, 'files'), true), { seed, from, count }, scratch, (done) => void process.stderr.write(`${done} of ${count}\n`));
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 1)}\n` : `${fuzzText(report)}\n`);
  process.exitCode = report.faults.length === 0 ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
