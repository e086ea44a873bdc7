/**
 * `npm run conformance [-- --check] [--json]`: reads every file of our own and of ../shared/data/dicom, holds it against DCMTK and pydicom (from PyPI, pinned),
 * and writes docs/conformance.md; --check compares with the page instead, --json prints the rows. Ends with 1 where a row has a fault.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeCodecs } from '../support/codecs.ts';
import { hasData, ROOT } from '../support/data.ts';
import { dcmtkVersion } from '../support/dcmtk.ts';
import type { Section } from './page.ts';
import { differences, page, summaryOf } from './page.ts';
import { pydicomAnswers } from './pydicom-peer.ts';
import type { Row } from './row.ts';
import { conformance, faultsOf } from './row.ts';
import { sharedFiles } from './shared-set.ts';
import { syntheticFiles } from './synthetic.ts';

const PAGE = join(ROOT, 'docs/conformance.md');
const options = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const unknown = options.find((option) => !['--check', '--json'].includes(option));
const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function rowsOf(section: Section, scratch: string): Promise<Row[]> {
  const folder = mkdtempSync(join(scratch, `${section}-`));
  const subjects = section === 'synthetic' ? await syntheticFiles(join(folder, 'files')) : sharedFiles();
  return conformance(subjects, nodeCodecs(), folder, async (jobs) => {
    const answers = await pydicomAnswers(jobs, folder);
    if ('unreachable' in answers) throw new Error(`pydicom cannot be fetched (${answers.unreachable}): the table needs it for what DCMTK cannot decode. Try again with PyPI in reach.`);
    return answers;
  });
}

async function main(): Promise<number> {
  if (unknown) throw new Error(`${unknown} is unknown: npm run conformance [-- --check] [--json]`);
  if (!dcmtkVersion) throw new Error('DCMTK is not installed: apt-get install dcmtk');
  if (!hasData('dicom')) throw new Error('../shared/data/dicom is not there: the table needs its files.');
  const scratch = mkdtempSync(join(tmpdir(), 'fabriclens-conformance-'));
  try {
    const sections = { synthetic: await rowsOf('synthetic', scratch), shared: await rowsOf('shared', scratch) };
    const rows = Object.values(sections).flat();
    const versions = readFileSync(join(ROOT, 'test/interop/pydicom.txt'), 'utf8');
    const peers = [`DCMTK ${dcmtkVersion}`, `pydicom ${/^pydicom==(.+)$/m.exec(versions)![1]}`];
    const faults = rows.flatMap(faultsOf);
    if (options.includes('--json')) process.stdout.write(`${JSON.stringify({ peers, sections, faults }, null, 1)}\n`);
    if (options.includes('--check')) faults.push(...(['synthetic', 'shared'] as const).flatMap((section) => differences(readFileSync(PAGE, 'utf8'), section, sections[section], true)));
    else writeFileSync(PAGE, page(sections, peers));
    for (const fault of faults) say(`FAULT: ${fault}`);
    for (const [section, own] of Object.entries(sections)) say(`${section}: ${summaryOf(own)}`);
    return faults.length === 0 ? 0 : 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

process.exitCode = await main().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  return 1;
});
